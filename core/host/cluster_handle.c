/* Connections as userdata. */
#define _GNU_SOURCE
#include "cluster_handle.h"

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "cluster_chunk.h"
#include "cluster_times.h"
#include "cluster_pack.h"
#include "error.h"
#include "fail.h"
#include "handles.h"
#include "inline_call.h"
#include "connection.h"
#include "luas.h"
#include "server.h"

#define CLASS "luas.core.link"

/* Born closed. */
typedef struct handle {
    luas__connection *link;
} handle;

static luas__connection *check_link(lua_State *L)
{
    const handle *h = luaL_checkudata(L, 1, CLASS);
    if (h->link == NULL)
        luas__fail(L, "the connection is closed");
    if (!luas__connection_is_here(h->link))
        luas__fail(L, "pool belongs to another process");
    return h->link;
}

static int link_close(lua_State *L)
{
    handle *h = luaL_checkudata(L, 1, CLASS);
    luas__connection *link = h->link;
    h->link = NULL;
    if (link != NULL)
        luas__connection_close(link);
    return 0;
}

static const char *text_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    return luaL_optstring(L, -1, NULL); /* stays on the stack, and so is there */
}

/* What must be the same at both ends for bytecode and values to mean the same. */
static const char *push_lua(lua_State *L)
{
    char text[64];
    const uint16_t one = 1;
    snprintf(text, sizeof text, "%s, %d-%d-%d%c, luas %s", LUA_RELEASE, (int)sizeof(lua_Integer),
             (int)sizeof(lua_Number), (int)sizeof(size_t), *(const char *)&one ? 'l' : 'b', LUAS_VERSION);
    return lua_pushstring(L, text);
}

static int tools_link(lua_State *L)
{
    char why[LUAS__KEY_WHY];
    luaL_checktype(L, 1, LUA_TTABLE);
    handle *h = lua_newuserdatauv(L, sizeof *h, 0);
    h->link = NULL;
    luaL_setmetatable(L, CLASS);
    luas__handles_keep(L);
    luas__connection_options options = {
        .url = text_field(L, "url"), .key = text_field(L, "key"), .ca = text_field(L, "ca"),
        .nkey = text_field(L, "nkey"), .name = text_field(L, "name"), .lua = push_lua(L),
    };
    if (luas__connection_open(&h->link, &options, why) < 0)
        return luas__fail(L, "%s", why);
    lua_pushvalue(L, 2);
    return 1;
}

static int tools_make_key(lua_State *L)
{
    char why[LUAS__KEY_WHY];
    if (luas__key_make(luaL_checkstring(L, 1), why) < 0) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int tools_make_nkey(lua_State *L)
{
    char why[LUAS__KEY_WHY], text[LUAS__SERVER_PUBLIC];
    if (luas__server_make_nkey(luaL_checkstring(L, 1), text, why) < 0) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    lua_pushstring(L, text);
    return 1;
}

static int tools_random(lua_State *L)
{
    lua_Integer n = 0;
    if (getentropy(&n, sizeof n) < 0)
        return luas__fail(L, "no random numbers");
    n = n >= 0 && n <= 1 ? n + 2 : n; /* these are no agents */
    lua_pushinteger(L, n);
    return 1;
}

static int give(lua_State *L, int rc)
{
    if (rc >= 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, luas_strerror(rc));
    return 2;
}

static int link_listen(lua_State *L)
{
    luas__connection *link = check_link(L);
    if (luas__connection_listen(link, luaL_checkstring(L, 2), *luaL_checkstring(L, 3)) < 0)
        return luas__fail(L, "cannot listen to %s", lua_tostring(L, 2));
    return 0;
}

static int link_inbox(lua_State *L)
{
    lua_pushstring(L, luas__connection_inbox(check_link(L)));
    return 1;
}

static int link_send(lua_State *L)
{
    luas__connection *link = check_link(L);
    luas__sealed m = {
        .type = (enum luas__seal_type)luaL_checkinteger(L, 4), .run = (uint64_t)luaL_checkinteger(L, 5),
        .agent = (uint64_t)luaL_checkinteger(L, 6), .token = (uint64_t)luaL_checkinteger(L, 7),
    };
    m.body = luaL_optlstring(L, 8, "", &m.len);
    return give(L, luas__connection_send(link, luaL_checkstring(L, 2), luaL_optstring(L, 3, NULL), &m));
}

static int link_post(lua_State *L)
{
    luas__connection *link = check_link(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 4, &len);
    return give(L, luas__connection_post(link, luaL_checkstring(L, 2), luaL_optstring(L, 3, NULL), bytes, len));
}

static int push_buffer(lua_State *L)
{
    const luas__buffer *b = lua_touserdata(L, 1);
    lua_pushlstring(L, b->len > 0 ? luas__buffer_bytes(b) : "", b->len);
    return 1;
}

static int link_ask(lua_State *L)
{
    luas__connection *link = check_link(L);
    size_t len;
    char why[LUAS__KEY_WHY];
    luas__buffer answer = LUAS__BUFFER_INIT;
    const char *subject = luaL_checkstring(L, 2), *bytes = luaL_checklstring(L, 3, &len);
    int64_t ms = luas__seconds(luaL_checknumber(L, 4)) / LUAS__MS;
    luaL_checkstack(L, 4, NULL);
    if (luas__connection_ask(link, subject, bytes, len, ms, &answer, why) < 0) {
        luas__buffer_release(&answer);
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    lua_pushcfunction(L, push_buffer);
    lua_pushlightuserdata(L, &answer);
    int status = lua_pcall(L, 1, 1, 0);
    luas__buffer_release(&answer);
    return status == LUA_OK ? 1 : lua_error(L);
}

/* Pushes type, run, agent and token, or nils. */
static void push_head(lua_State *L, const luas__connection_event *e)
{
    const uint64_t words[] = {e->message.type, e->message.run, e->message.agent, e->message.token};
    for (int i = 0; i < 4; i++)
        e->is_sealed ? lua_pushinteger(L, (lua_Integer)words[i]) : lua_pushnil(L);
}

/* Argument: the event. */
static int push_event(lua_State *L)
{
    const luas__connection_event *e = lua_touserdata(L, 1);
    lua_pushlstring(L, &e->kind, 1);
    push_head(L, e);
    if (e->is_sealed)
        lua_pushlstring(L, e->message.body, e->message.len);
    else
        lua_pushlstring(L, e->text.len > 0 ? luas__buffer_bytes(&e->text) : "", e->text.len);
    lua_pushstring(L, e->reply);
    lua_pushinteger(L, e->status);
    lua_pushinteger(L, e->verdict);
    lua_pushstring(L, e->subject);
    return 10;
}

static int link_next(lua_State *L)
{
    luas__connection *link = check_link(L);
    lua_settop(L, 1);
    luaL_checkstack(L, 16, NULL);
    lua_pushcfunction(L, push_event);
    luas__connection_event *event = luas__connection_take(link);
    if (event == NULL)
        return 0;
    lua_pushlightuserdata(L, event);
    int status = lua_pcall(L, 1, 10, 0);
    luas__connection_free(event);
    return status == LUA_OK ? 10 : lua_error(L);
}

static int link_wait(lua_State *L)
{
    luas__connection *link = check_link(L);
    int64_t timeout = lua_isnoneornil(L, 2) ? LUAS__SECOND : luas__seconds(luaL_checknumber(L, 2));
    timeout = luas__inline_call_limit(L, timeout < LUAS__SECOND ? timeout : LUAS__SECOND);
    lua_pushboolean(L, luas__connection_wait(link, timeout > 0 ? timeout : 0, (int)luaL_optinteger(L, 3, -1)));
    return 1;
}

static int link_fileno(lua_State *L)
{
    lua_pushinteger(L, luas__connection_fd(check_link(L)));
    return 1;
}

static int link_serve(lua_State *L)
{
    luas__connection_desk(check_link(L))->run = (uint64_t)luaL_checkinteger(L, 2);
    return 0;
}

static int give_number(lua_State *L, uint64_t n)
{
    if (n == 0)
        return luas__fail(L, "%s", luas_strerror(LUAS_ENOMEM));
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

static int link_offer(lua_State *L)
{
    return give_number(L, luas__desk_offer(luas__connection_desk(check_link(L))));
}

static int link_withdraw(lua_State *L)
{
    uint64_t agent = luas__desk_withdraw(luas__connection_desk(check_link(L)), (uint64_t)luaL_checkinteger(L, 2));
    if (agent == 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)agent);
    return 1;
}

static int link_holder(lua_State *L)
{
    uint64_t agent = luas__desk_holder(luas__connection_desk(check_link(L)), (uint64_t)luaL_checkinteger(L, 2));
    if (agent == 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)agent);
    return 1;
}

static int link_revoke(lua_State *L)
{
    lua_pushboolean(L, luas__desk_revoke(luas__connection_desk(check_link(L)), (uint64_t)luaL_checkinteger(L, 2)));
    return 1;
}

static int link_keep(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    return give_number(L, luas__desk_keep(luas__connection_desk(check_link(L)), bytes, len));
}

static int link_drop(lua_State *L)
{
    luas__desk_drop(luas__connection_desk(check_link(L)), (uint64_t)luaL_checkinteger(L, 2));
    return 0;
}

static int link_look(lua_State *L)
{
    luas__connection_state s = luas__connection_look(check_link(L));
    lua_createtable(L, 0, 6);
    lua_pushboolean(L, s.is_connected);
    lua_setfield(L, -2, "connected");
    lua_pushboolean(L, s.is_closed);
    lua_setfield(L, -2, "closed");
    lua_pushinteger(L, (lua_Integer)s.reconnects);
    lua_setfield(L, -2, "reconnects");
    lua_pushinteger(L, (lua_Integer)s.refused);
    lua_setfield(L, -2, "refused");
    lua_pushinteger(L, (lua_Integer)s.most);
    lua_setfield(L, -2, "most");
    lua_pushstring(L, s.error);
    lua_setfield(L, -2, "error");
    return 1;
}

static const luaL_Reg methods[] = {
    {"listen", link_listen}, {"inbox", link_inbox}, {"send", link_send}, {"post", link_post},
    {"ask", link_ask}, {"next", link_next}, {"wait", link_wait}, {"fileno", link_fileno},
    {"serve", link_serve}, {"offer", link_offer}, {"withdraw", link_withdraw}, {"revoke", link_revoke}, {"holder", link_holder},
    {"keep", link_keep}, {"drop", link_drop}, {"look", link_look}, {"close", link_close}, {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", link_close}, {"__close", link_close}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"make_key", tools_make_key}, {"make_nkey", tools_make_nkey}, {"link", tools_link}, {"random", tools_random}, {NULL, NULL},
};

int luas__cluster_handle_tools(lua_State *L)
{
    luas__handles_new_class(L, CLASS, methods, meta);
    luaL_newlib(L, functions);
    luaL_setfuncs(L, luas__cluster_pack_functions, 0);
    luaL_setfuncs(L, luas__cluster_chunk_functions, 0);
    luaL_setfuncs(L, luas__cluster_times_functions, 0);
    push_lua(L);
    lua_setfield(L, -2, "lua");
    return 1;
}
