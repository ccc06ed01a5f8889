/* Makes tables of outcomes that are no value. */
#define _GNU_SOURCE
#include "outcome_push.h"

#include <lauxlib.h>
#include <sys/wait.h>

#include "codec.h"
#include "msgpack.h"
#include "tell.h"

static void set_integer(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool is_so)
{
    if (!is_so)
        return;
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, name);
}

static void set_status(lua_State *L, int status)
{
    if (status != -1 && WIFEXITED(status))
        set_integer(L, "exitcode", WEXITSTATUS(status));
    else if (status != -1 && WIFSIGNALED(status))
        set_integer(L, "signal", WTERMSIG(status));
}

/* Reads a value that is a message of its own. Pushes it; or returns false and pushes the reason. */
static bool read_part(lua_State *L, luas__mp_reader *in, int space)
{
    const char *at = (const char *)in->at;
    if (luas__mp_skip(in) < 0)
        in->at = in->end;
    return luas__decode_value(L, at, (size_t)((const char *)in->at - at), space, LUAS__FUNCTIONS) == 1;
}

/* Adds to the message of the table that the value could not be read. The reason is at the top. */
static void lose_value(lua_State *L, int table)
{
    lua_getfield(L, table, "message");
    lua_insert(L, -2);
    luas__tell_add_reason(L, lua_gettop(L) - 1);
    lua_setfield(L, table, "message");
}

/* Adds value, message, traceback and time, if the task has sent them. Each is a message of its
   own: the value may have references within it. */
static void set_raised(lua_State *L, const luas__outcome *o, const char *payload, int space)
{
    static const char *const names[] = {"message", "traceback", "took"};
    luas__mp_token head;
    if (o->len == 0)
        return;
    luas__mp_reader in = {(const unsigned char *)payload, (const unsigned char *)payload + o->len};
    if (luas__mp_read(&in, &head) != 1 || head.type != MP_ARRAY || head.len < 1)
        return;
    int table = lua_gettop(L);
    bool lost = !read_part(L, &in, space);
    for (uint32_t i = 1; i < head.len && i < 4; i++) {
        if (read_part(L, &in, space))
            lua_setfield(L, table, names[i - 1]);
        else
            lua_pop(L, 1);
    }
    lost ? lose_value(L, table) : lua_setfield(L, table, "value");
    lua_settop(L, table);
}

/* Sets what the task was given: the value, or a table of several with their number, or nil for
   none. With `list` they are the elements of a list. Without effect if the input cannot be read. */
static void set_input(lua_State *L, const luas__outcome *o, const char *payload, int space, bool list)
{
    int table = lua_gettop(L);
    int n = o->input == 0 ? -1
        : luas__decode(L, payload + o->len + o->printed, o->input, space, LUAS__FUNCTIONS);
    list &= !o->input_is_cut;
    if (n == 0 && !list)
        n = -1;
    if (n >= 0 && (n != 1 || list)) {
        lua_createtable(L, n, 1);
        lua_insert(L, table + 1);
        for (int i = n; i > 0; i--)
            lua_rawseti(L, table + 1, i);
        lua_pushinteger(L, n);
        lua_setfield(L, table + 1, "n");
    }
    if (n >= 0)
        lua_setfield(L, table, "input");
    lua_settop(L, table);
}

void luas__outcome_push(lua_State *L, const luas__outcome *o, const char *payload, int space, bool list)
{
    static const char *const kinds[] = {"value", "error", "timeout", "crash", "cancelled"};
    lua_createtable(L, 0, 10);
    lua_pushstring(L, kinds[o->kind]);
    lua_setfield(L, -2, "kind");
    set_integer(L, "index", (lua_Integer)o->index);
    set_integer(L, "count", (lua_Integer)o->count);
    set_integer(L, "attempts", o->attempts);
    lua_pushnumber(L, o->took);
    lua_setfield(L, -2, "took");
    if (o->pid != 0) {
        set_integer(L, "pid", o->pid);
        set_integer(L, "worker", o->worker);
    }
    set_flag(L, "over_memory", o->over_memory);
    set_flag(L, "hung", o->hung);
    set_flag(L, "init", o->in_init);
    set_flag(L, "expired", o->expired);
    set_flag(L, "input_is_cut", o->input_is_cut);
    if (o->kind == LUAS__KIND_CRASH || (o->kind != LUAS__KIND_VALUE && o->status != 0))
        set_status(L, o->status);
    set_raised(L, o, payload, space);
    set_input(L, o, payload, space, list);
}

/* If this host cannot read a value, the outcome of the task becomes an error. */
void luas__outcome_push_unreadable(lua_State *L, const luas__outcome *o, int space)
{
    luas__outcome error = *o;
    error.kind = LUAS__KIND_ERROR;
    error.len = error.input = 0;
    luas__outcome_push(L, &error, NULL, space, false);
    lua_insert(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "message");
    lua_setfield(L, -2, "value");
}
