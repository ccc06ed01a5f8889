/* Queries of a journal. */
#define _GNU_SOURCE
#include "journal_query.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>

#include "journal.h"
#include "readers.h"

enum { AT_JOURNAL = 1, AT_SQL, AT_FIRST };

static void bind_string(lua_State *L, const luas__sqlite *api, sqlite3_stmt *s, int column, int index, bool is_blob)
{
    size_t len;
    const char *bytes = lua_tolstring(L, index, &len);
    if (is_blob)
        api->bind_blob(s, column, bytes, (int)len, NULL);
    else
        api->bind_text(s, column, bytes, (int)len, NULL);
}

static void bind(lua_State *L, const luas__sqlite *api, sqlite3_stmt *s)
{
    int column = 1, top = lua_gettop(L);
    for (int i = AT_FIRST; i <= top; i++, column++) {
        bool is_blob = lua_isboolean(L, i) && lua_toboolean(L, i);
        i += is_blob;
        if (lua_isinteger(L, i))
            api->bind_int64(s, column, lua_tointeger(L, i));
        else if (lua_type(L, i) == LUA_TNUMBER)
            api->bind_double(s, column, lua_tonumber(L, i));
        else if (lua_isstring(L, i))
            bind_string(L, api, s, column, i, is_blob);
        else
            api->bind_null(s, column);
    }
}

static void push_column(lua_State *L, const luas__sqlite *api, sqlite3_stmt *s, int i)
{
    const char *bytes;
    switch (api->column_type(s, i)) {
    case SQLITE_INTEGER: lua_pushinteger(L, (lua_Integer)api->column_int64(s, i)); break;
    case SQLITE_FLOAT: lua_pushnumber(L, api->column_double(s, i)); break;
    case SQLITE_NULL: lua_pushboolean(L, 0); break;
    default:
        bytes = api->column_blob(s, i);
        lua_pushlstring(L, bytes != NULL ? bytes : "", (size_t)api->column_bytes(s, i));
    }
}

typedef struct query {
    luas__journal *journal;
    sqlite3_stmt *statement;
    int step;
} query;

/* Arguments: query. Pushes the rows. May raise for want of memory. */
static int read_rows(lua_State *L)
{
    query *q = lua_touserdata(L, 1);
    const luas__sqlite *api = q->journal->api;
    int n = api->column_count(q->statement);
    lua_newtable(L);
    for (lua_Integer row = 1; (q->step = api->step(q->statement)) == SQLITE_ROW; row++) {
        lua_createtable(L, n, 0);
        for (int i = 0; i < n; i++) {
            push_column(L, api, q->statement, i);
            lua_rawseti(L, -2, i + 1);
        }
        lua_rawseti(L, -2, row);
    }
    return 1;
}

/* With the lock. Returns the status of a protected call, with its value at the top. */
static int run(lua_State *L, query *q, bool *failed)
{
    const luas__sqlite *api = q->journal->api;
    *failed = api->prepare_v2(q->journal->db, lua_tostring(L, AT_SQL), -1, &q->statement, NULL) != SQLITE_OK;
    if (*failed) {
        lua_pushnil(L);
        return LUA_OK;
    }
    bind(L, api, q->statement);
    lua_pushcfunction(L, read_rows);
    lua_pushlightuserdata(L, q);
    int status = lua_pcall(L, 1, 1, 0);
    *failed = q->step != SQLITE_DONE;
    return status;
}

int luas__journal_query_rows(lua_State *L)
{
    query q = {.journal = (luas__journal *)luas__readers_check(L, AT_JOURNAL)};
    bool failed;
    char why[200];
    luaL_checkstring(L, AT_SQL);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (q.journal->db == NULL || !luas__fork_detect_is_here(&q.journal->fork_detect))
        return luaL_error(L, "journal is closed");
    pthread_mutex_lock(&q.journal->reader.lock);
    int status = run(L, &q, &failed);
    snprintf(why, sizeof why, "%s", q.journal->api->errmsg(q.journal->db));
    q.journal->api->finalize(q.statement);
    pthread_mutex_unlock(&q.journal->reader.lock);
    if (status != LUA_OK)
        return lua_error(L);
    if (!failed)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

int luas__journal_query_finish(luas__reader *reader)
{
    return luas__journal_flush((luas__journal *)reader) ? 0 : -EIO;
}
