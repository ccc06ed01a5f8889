/* Encoding and decoding for other machines. */
#include "cluster_pack.h"

#include "codec.h"
#include "error.h"
#include "fail.h"
#include "handles.h"
#include "job_handle.h"
#include "luas.h"
#include "msgpack.h"
#include "names_scan.h"
#include "share.h"
#include "space.h"

#define SCRATCH "luas.core.scratch"

/* Buffers of one call: the bytes, and define messages that they need. */
typedef struct scratch {
    luas__buffer bytes, defines;
} scratch;

static int release(lua_State *L)
{
    scratch *s = lua_touserdata(L, 1);
    luas__buffer_release(&s->bytes);
    luas__buffer_release(&s->defines);
    return 0;
}

static scratch *push_scratch(lua_State *L)
{
    scratch *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (scratch){.bytes = LUAS__BUFFER_INIT, .defines = LUAS__BUFFER_INIT};
    if (luaL_newmetatable(L, SCRATCH)) {
        lua_pushcfunction(L, release);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    luas__handles_keep(L);
    return s;
}

/* Runs a function of this file, which has a scratch behind its arguments, while what does not leave
   the machine is refused. */
static int call_refusing(lua_State *L, lua_CFunction f)
{
    int n = lua_gettop(L);
    luaL_checkstack(L, n + LUA_MINSTACK, NULL);
    scratch *s = push_scratch(L);
    lua_pushcfunction(L, f);
    for (int i = 1; i <= n + 1; i++)
        lua_pushvalue(L, i);
    bool before = luas__share_refuse(L, true);
    int status = lua_pcall(L, n + 1, LUA_MULTRET, 0);
    (void)luas__share_refuse(L, before);
    luas__buffer_release(&s->bytes);
    luas__buffer_release(&s->defines);
    return status == LUA_OK ? lua_gettop(L) - n - 1 : lua_error(L);
}

/* With a message at the top. */
static int give_reason(lua_State *L, int rc)
{
    if (rc == LUAS_EINTR)
        return lua_error(L);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static void push_bytes(lua_State *L, const luas__buffer *b)
{
    lua_pushlstring(L, b->len > 0 ? luas__buffer_bytes(b) : "", b->len);
}

/* Arguments: the value, the scratch. */
static int define(lua_State *L)
{
    scratch *s = lua_touserdata(L, 2);
    luas__carried carried = {.budget = 0};
    luas__space_new(L, 0);
    int rc = luas__encode_definition(L, 1, 3, &s->bytes, 0, &carried);
    if (rc < 0)
        return give_reason(L, rc);
    push_bytes(L, &s->bytes);
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 4); /* what it needs */
    return 3;
}

/* FNV-1a: tells whether two machines have the same, not whether somebody wants them to seem so. */
static int cluster_sum(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    lua_pushinteger(L, (lua_Integer)sum);
    return 1;
}

static int cluster_define(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    return call_refusing(L, define);
}

static int cluster_define_here(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    push_scratch(L);
    return define(L);
}

/* Arguments: space or nil, whether it is unchanged, values, scratch. */
static int pack(lua_State *L)
{
    int at = lua_gettop(L), n = at - 3;
    scratch *s = lua_touserdata(L, at);
    bool has_space = !lua_isnil(L, 1);
    luas__encode_options options = {
        .space = has_space ? 1 : 0, .defines = has_space ? &s->defines : NULL, .unchanged = lua_toboolean(L, 2),
        .foreign = 1,
    };
    if (n > 0)
        luas__names_scan_for(L, 3);
    int rc = luas__encode(L, 3, n, &s->bytes, &options);
    if (rc < 0)
        return give_reason(L, rc);
    push_bytes(L, &s->bytes);
    push_bytes(L, &s->defines);
    return 2;
}

static int cluster_pack(lua_State *L)
{
    luaL_checkany(L, 2);
    return call_refusing(L, pack);
}

/* Arguments: a worker's space or nil, values, scratch. */
static int pack_plain(lua_State *L)
{
    int at = lua_gettop(L);
    scratch *s = lua_touserdata(L, at);
    luas__encode_options options = {.space = lua_isnil(L, 1) ? 0 : 1, .each = "result", .foreign = 1};
    int rc = luas__encode(L, 2, at - 2, &s->bytes, &options);
    if (rc < 0)
        return give_reason(L, rc);
    push_bytes(L, &s->bytes);
    return 1;
}

/* Arguments: space, whether it is unchanged, items, first and last index, whether they are lists, scratch. */
enum { PUT_ITEMS = 3, PUT_FROM, PUT_TO, PUT_STAR, PUT_SCRATCH };

/* Encodes the item, which is pushed. Negative: with a message at the top. */
static int put_item(lua_State *L, lua_Integer i, luas__buffer *out, const luas__encode_options *options)
{
    int n = 1, item = PUT_SCRATCH + 1;
    lua_geti(L, PUT_ITEMS, i);
    if (lua_toboolean(L, PUT_STAR))
        n = luas__feed_push_list(L, item++, i);
    if (i == lua_tointeger(L, PUT_FROM))
        luas__names_scan_for(L, item);
    return luas__feed_task(L, out, item, n, options);
}

static int put(lua_State *L)
{
    scratch *s = lua_touserdata(L, PUT_SCRATCH);
    lua_Integer i = lua_tointeger(L, PUT_FROM), to = lua_tointeger(L, PUT_TO);
    luas__encode_options options = {
        .space = 1, .defines = &s->defines, .unchanged = lua_toboolean(L, 2), .foreign = 1,
    };
    int rc = 0;
    while (i <= to && (rc = put_item(L, i, &s->bytes, &options)) == 0) {
        lua_settop(L, PUT_SCRATCH);
        i++;
    }
    push_bytes(L, &s->bytes);
    lua_pushinteger(L, i - lua_tointeger(L, PUT_FROM));
    push_bytes(L, &s->defines);
    if (rc == 0)
        return 3;
    lua_pushvalue(L, -4);
    return 4;
}

static int cluster_put(lua_State *L)
{
    luaL_checktype(L, PUT_ITEMS, LUA_TTABLE);
    luaL_checkinteger(L, PUT_FROM);
    luaL_checkinteger(L, PUT_TO);
    lua_settop(L, PUT_STAR);
    return call_refusing(L, put);
}

static int cluster_pack_plain(lua_State *L)
{
    luaL_checkany(L, 1);
    return call_refusing(L, pack_plain);
}

/* Reads the define messages of one string, and replaces the value at `root` by that of the first. */
static int read_defines(lua_State *L, int space, const char *bytes, size_t len, bool is_first)
{
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    while (r.at < r.end) {
        const char *from = (const char *)r.at;
        int rc = luas__mp_skip(&r);
        if (rc == 0)
            rc = luas__decode_define(L, space, from, (size_t)((const char *)r.at - from));
        else
            lua_pushstring(L, luas_strerror(rc));
        if (rc < 0)
            return rc;
        if (is_first)
            return 0;
        lua_pop(L, 1);
    }
    return 0;
}

static int cluster_open(lua_State *L)
{
    int n = lua_gettop(L), space = n + 1;
    luaL_checkstring(L, 1);
    luas__space_new(L, 1);
    for (int i = 1; i <= n; i++) {
        size_t len;
        const char *bytes = luaL_checklstring(L, i, &len);
        int rc = read_defines(L, space, bytes, len, i == 1);
        if (rc < 0)
            return give_reason(L, rc);
    }
    return 2;
}

static int cluster_unpack(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 3, &len);
    lua_settop(L, 3);
    int n = luas__decode(L, bytes, len, lua_isnil(L, 1) ? 0 : 1, lua_toboolean(L, 2) ? LUAS__FUNCTIONS : 0);
    if (n < 0)
        return give_reason(L, n);
    lua_pushinteger(L, n);
    lua_insert(L, 4);
    return n + 1;
}

static int cluster_keep_shared(lua_State *L)
{
    (void)luas__share_refuse(L, true);
    return 0;
}

const luaL_Reg luas__cluster_pack_functions[] = {
    {"define", cluster_define}, {"define_here", cluster_define_here}, {"pack", cluster_pack}, {"put", cluster_put}, {"open", cluster_open},
    {"pack_plain", cluster_pack_plain}, {"unpack", cluster_unpack}, {"keep_shared", cluster_keep_shared}, {"sum", cluster_sum}, {NULL, NULL},
};
