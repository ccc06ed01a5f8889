/*
 * Two Lua states in one process, a host and a worker, and what the codec's
 * tests do with them. In the host, `codec` has:
 *
 *   bytes(...)     what luas__encode makes of the values; or nil, message, code
 *   decode(s [, space [, plain]])   its values; or nil, message, code. plain: no functions
 *   trip(...)      host -> worker -> host, without a space
 *   job(f)         job; or nil, message, code. job(...) calls f in the worker, with
 *                  the job's space both ways. job:info() gives dynamic, modules,
 *                  bytes of the carrier; job:again(f) whether f would give the same bytes
 *                  and mean the same objects; job:onward() f as the worker would carry it
 *   inherit(f)     a function that sends values as a forked worker of f's job would:
 *                  the same state at both ends, its space surveyed; and the number of classes
 *   far(code)      runs Lua code in the worker
 *   snapshot()     luas__names_snapshot in the worker
 *   slow           whether large cases should be smaller
 */
#ifndef LUAS_CODEC_RIG_H
#define LUAS_CODEC_RIG_H

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "names.h"
#include "space.h"
#include "msgpack.h"

static lua_State *rig_host, *rig_worker;

/* Raises unless it holds: the rig itself is broken then. */
static inline void rig_check(lua_State *L, int ok, const char *what)
{
    if (!ok)
        luaL_error(L, "rig: %s", what);
}

/* nil, the message at the top, and its code. */
static inline int rig_failure(lua_State *L, int rc)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushinteger(L, rc);
    return 3;
}

/* Moves the message at the top of the worker's stack to the host. */
static inline int rig_far_failure(lua_State *L, int rc)
{
    lua_pushstring(L, lua_tostring(rig_worker, -1));
    lua_settop(rig_worker, 0);
    return rig_failure(L, rc);
}

static inline int rig_bytes(lua_State *L)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__encode_options o = {0};
    int rc = luas__encode(L, 1, lua_gettop(L), &b, &o);
    if (rc == 0)
        lua_pushlstring(L, b.data == NULL ? "" : luas__buffer_bytes(&b), b.len);
    luas__buffer_release(&b);
    return rc < 0 ? rig_failure(L, rc) : 1;
}

static inline int rig_decode(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    int space = lua_isuserdata(L, 2) ? 2 : 0, flags = lua_toboolean(L, 3) ? 0 : LUAS__FUNCTIONS;
    lua_settop(L, 3);
    int rc = luas__decode(L, bytes, len, space, flags);
    return rc < 0 ? rig_failure(L, rc) : rc;
}

/* Sends the `count` values at the top of `from` to `to`; spaces are indices or 0. */
static inline int rig_send(lua_State *from, int count, int from_space, lua_State *to, int to_space)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__encode_options o = {.space = from_space};
    int rc = luas__encode(from, lua_gettop(from) - count + 1, count, &b, &o);
    if (rc == 0)
        rc = luas__decode(to, luas__buffer_bytes(&b), b.len, to_space, LUAS__FUNCTIONS);
    else if (from != to)
        lua_pushstring(to, lua_tostring(from, -1));
    luas__buffer_release(&b);
    return rc;
}

static inline int rig_trip(lua_State *L)
{
    lua_settop(rig_worker, 0);
    int rc = rig_send(L, lua_gettop(L), 0, rig_worker, 0);
    if (rc < 0)
        return rig_far_failure(L, rc);
    rc = rig_send(rig_worker, rc, 0, L, 0);
    lua_settop(rig_worker, 0);
    return rc < 0 ? rig_failure(L, rc) : rc;
}

/* Takes each define message in the buffer into the worker's space at index 1. */
static inline int rig_define(luas__buffer *b)
{
    if (b->len == 0)
        return 0;
    luas__mp_reader r = {(const unsigned char *)luas__buffer_bytes(b), NULL};
    r.end = r.at + b->len;
    while (r.at < r.end) {
        const char *from = (const char *)r.at;
        rig_check(rig_host, luas__mp_skip(&r) == 0, "define messages are not whole");
        int rc = luas__decode_define(rig_worker, 1, from, (size_t)((const char *)r.at - from));
        if (rc < 0)
            return rc;
        if (lua_isnil(rig_worker, 2)) {
            lua_replace(rig_worker, 2);
        } else {
            lua_pop(rig_worker, 1);
        }
    }
    return 0;
}

/* Job: a table; [1] the host's space, [2] the key of the worker's entry, [3] the carrier. */
static inline void rig_enter_job(lua_State *L, lua_Integer key)
{
    lua_settop(rig_worker, 0);
    lua_rawgeti(rig_worker, LUA_REGISTRYINDEX, key);
    rig_check(L, lua_istable(rig_worker, 1), "no such job");
    lua_rawgeti(rig_worker, 1, 1);
    lua_rawgeti(rig_worker, 1, 2);
    lua_remove(rig_worker, 1);
}

/* Stack of the worker: space, function. */
static inline int rig_call(lua_State *L)
{
    luas__buffer b = LUAS__BUFFER_INIT, defines = LUAS__BUFFER_INIT;
    int count = lua_gettop(L) - 1;
    lua_rawgeti(L, 1, 2);
    lua_Integer key = lua_tointeger(L, -1);
    lua_rawgeti(L, 1, 1);
    int space = lua_gettop(L);
    luas__encode_options o = {.space = space, .defines = &defines, .unchanged = 1};
    int rc = luas__encode(L, 2, count, &b, &o); /* may come here again */
    int near = rc < 0;
    rig_enter_job(L, key);
    if (rc == 0)
        rc = rig_define(&defines);
    if (rc == 0) {
        lua_pushvalue(rig_worker, 2);
        rc = luas__decode(rig_worker, luas__buffer_bytes(&b), b.len, 1, LUAS__FUNCTIONS);
    }
    luas__buffer_release(&b);
    luas__buffer_release(&defines);
    if (rc < 0)
        return near ? rig_failure(L, rc) : rig_far_failure(L, rc);
    if (lua_pcall(rig_worker, rc, LUA_MULTRET, 0) != LUA_OK)
        return rig_far_failure(L, 1);
    rc = rig_send(rig_worker, lua_gettop(rig_worker) - 2, 1, L, space);
    return rc < 0 ? rig_failure(L, rc) : rc;
}

static inline int rig_job_info(lua_State *L)
{
    for (int i = 3; i <= 5; i++)
        lua_rawgeti(L, 1, i);
    return 3;
}

/* Carries a function with a new space: leaves [space, modules]. */
static inline int rig_carry(lua_State *L, int function, luas__buffer *b, luas__carried *info)
{
    luas__space_new(L, 0);
    return luas__encode_definition(L, function, lua_gettop(L), b, 0, info);
}

static inline int rig_job_again(lua_State *L)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__carried info = {0};
    size_t len;
    lua_settop(L, 2);
    int rc = rig_carry(L, 2, &b, &info);
    lua_rawgeti(L, 1, 5);
    const char *bytes = lua_tolstring(L, -1, &len);
    int same = rc == 0 && len == b.len && memcmp(bytes, luas__buffer_bytes(&b), len) == 0;
    luas__buffer_release(&b);
    lua_rawgeti(L, 1, 1);
    lua_pushboolean(L, same);
    lua_pushboolean(L, rc == 0 && luas__space_same(L, 3, -2));
    return 2;
}

/* The worker is a host in its turn: it carries the job's function, to the host this time. */
static inline int rig_job_onward(lua_State *L)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__carried info = {0};
    lua_settop(L, 1);
    lua_rawgeti(L, 1, 2);
    rig_enter_job(L, lua_tointeger(L, -1));
    int rc = rig_carry(rig_worker, 2, &b, &info);
    if (rc < 0) {
        luas__buffer_release(&b);
        return rig_far_failure(L, rc);
    }
    luas__space_new(L, 1);
    rc = luas__decode_define(L, lua_gettop(L), luas__buffer_bytes(&b), b.len);
    luas__buffer_release(&b);
    return rc < 0 ? rig_failure(L, rc) : 1;
}

static inline int rig_job(lua_State *L)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__carried info = {0};
    lua_settop(L, 1);
    int rc = rig_carry(L, 1, &b, &info);
    if (rc < 0) {
        luas__buffer_release(&b);
        return rig_failure(L, rc);
    }
    lua_settop(rig_worker, 0);
    luas__space_new(rig_worker, 1);
    lua_pushnil(rig_worker);
    rc = rig_define(&b);
    lua_createtable(L, 5, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 1);
    lua_pushboolean(L, info.dynamic);
    lua_rawseti(L, -2, 3);
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, 4);
    lua_pushlstring(L, luas__buffer_bytes(&b), b.len);
    lua_rawseti(L, -2, 5);
    luas__buffer_release(&b);
    if (rc < 0)
        return rig_far_failure(L, rc);
    lua_createtable(rig_worker, 2, 0);
    lua_insert(rig_worker, 1);
    lua_rawseti(rig_worker, 1, 2);
    lua_rawseti(rig_worker, 1, 1);
    lua_pushinteger(L, luaL_ref(rig_worker, LUA_REGISTRYINDEX));
    lua_rawseti(L, -2, 2);
    luaL_setmetatable(L, "rig.job");
    return 1;
}

static inline int rig_inherited_send(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    int rc = rig_send(L, lua_gettop(L) - 1, 1, L, 1);
    return rc < 0 ? rig_failure(L, rc) : rc;
}

static inline int rig_inherit(lua_State *L)
{
    lua_settop(L, 1);
    luas__space_new(L, 0);
    int classes = luas__class_scan(L, 1, 2, 20000, NULL);
    lua_pushcclosure(L, rig_inherited_send, 1);
    lua_pushinteger(L, classes);
    return 2;
}

static inline int rig_far(lua_State *L)
{
    lua_settop(rig_worker, 0);
    if (luaL_dostring(rig_worker, luaL_checkstring(L, 1)) != LUA_OK)
        return rig_far_failure(L, 1);
    int rc = rig_send(rig_worker, lua_gettop(rig_worker), 0, L, 0);
    return rc < 0 ? rig_failure(L, rc) : rc;
}

static inline int rig_snapshot(lua_State *L)
{
    (void)L;
    luas__names_snapshot(rig_worker);
    return 0;
}

/* Under valgrind the large cases are made smaller. */
static inline int rig_is_slow(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

static inline lua_State *rig_state(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        abort();
    luaL_openlibs(L);
    luas__names_push(L);
    lua_settop(L, 0);
    return L;
}

static inline void rig_open(void)
{
    static const luaL_Reg functions[] = {
        {"bytes", rig_bytes}, {"decode", rig_decode}, {"trip", rig_trip}, {"job", rig_job},
        {"inherit", rig_inherit}, {"far", rig_far}, {"snapshot", rig_snapshot}, {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"info", rig_job_info}, {"again", rig_job_again}, {"onward", rig_job_onward},
        {NULL, NULL},
    };
    rig_host = rig_state();
    rig_worker = rig_state();
    luaL_newmetatable(rig_host, "rig.job");
    lua_pushcfunction(rig_host, rig_call);
    lua_setfield(rig_host, -2, "__call");
    luaL_newlib(rig_host, methods);
    lua_setfield(rig_host, -2, "__index");
    lua_pop(rig_host, 1);
    luaL_newlib(rig_host, functions);
    lua_pushboolean(rig_host, rig_is_slow());
    lua_setfield(rig_host, -2, "slow");
    lua_setglobal(rig_host, "codec");
}

static inline void rig_close(void)
{
    lua_close(rig_host);
    lua_close(rig_worker);
}

#endif
