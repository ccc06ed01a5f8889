/* Messages of a worker beside results. */
#define _GNU_SOURCE
#include "tell.h"

#include <errno.h>
#include <lauxlib.h>

#include "clock.h"
#include "codec.h"
#include "describe.h"
#include "error.h"
#include "made_globals.h"
#include "orphan.h"

#define TOLD_EACH (50 * LUAS__MS)

int luas__tell_failed(lua_State *L, int rc)
{
    if (rc == LUAS_ECLOSED || rc == -EPIPE)
        luas__orphan_end(); /* the host is gone */
    return luaL_error(L, "luas worker: %s", luas_strerror(rc));
}

/* ---- what a task does ---- */

void luas__tell_made(lua_State *L, luas__chunk_run *s)
{
    luas__buffer *reply = &s->channel->reply;
    size_t mark, len;
    s->told = *s->made;
    for (; luas__made_globals_take(L); lua_pop(L, 1)) {
        const char *name = lua_tolstring(L, -1, &len);
        luas__tell_check(L, luas__frame_begin(reply, LUAS__MSG_GLOBAL, &mark));
        luas__tell_check(L, luas__mp_write_string(reply, name, len));
        luas__tell_check(L, luas__channel_send(s->channel, mark));
        luas__buffer_truncate(reply, 0);
    }
}

/* Does nothing while results are being encoded: they are in the same buffer. */
void luas__tell_progress(lua_State *L, luas__chunk_run *s, double done, double total,
                         const char *note, size_t len)
{
    luas__buffer *reply = &s->channel->reply;
    int64_t now = luas__now_coarse();
    size_t mark;
    if (reply->len > 0 || (now - s->told_at < TOLD_EACH && done != total))
        return;
    s->told_at = now;
    int rc = luas__frame_begin(reply, LUAS__MSG_PROGRESS, &mark);
    if (rc == 0)
        rc = luas__mp_write_int(reply, s->current);
    if (rc == 0)
        rc = luas__mp_write_double(reply, done);
    if (rc == 0)
        rc = luas__mp_write_double(reply, total);
    if (rc == 0)
        rc = luas__mp_write_string(reply, note, len);
    if (rc == 0)
        rc = luas__channel_send(s->channel, mark);
    luas__buffer_truncate(reply, 0);
    luas__tell_check(L, rc == 0 ? luas__channel_flush(s->channel) : rc);
}

/* ---- what it raised ---- */

static void encode_or_nil(lua_State *L, int index, int message, luas__buffer *out,
                          const luas__encode_options *options)
{
    if (luas__encode_value(L, index, out, options) < 0) {
        luas__tell_add_reason(L, message);
        luas__tell_check(L, luas__mp_write_nil(out));
    }
}

static void encode_text(lua_State *L, int index, luas__buffer *out)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    luas__tell_check(L, luas__mp_write_string(out, text != NULL ? text : "", text != NULL ? len : 0));
}

void luas__tell_add_reason(lua_State *L, int index)
{
    const char *message = lua_tostring(L, index), *reason = lua_tostring(L, -1);
    lua_pushfstring(L, "%s, whose value is lost: %s", message != NULL ? message : "?", reason);
    lua_replace(L, index);
    lua_pop(L, 1);
}

/* How long the task took. */
static void encode_time(lua_State *L, const luas__chunk_run *s)
{
    int64_t took = luas__now() - atomic_load(&s->channel->scoreboard->since);
    luas__tell_check(L, luas__mp_write_double(&s->channel->reply, took > 0 ? (double)took / 1e9 : 0));
}

/* Arguments: server, space, raised value, traceback. */
static int encode_raised(lua_State *L)
{
    luas__chunk_run *s = lua_touserdata(L, 1);
    luas__buffer *reply = &s->channel->reply;
    luas__encode_options options = {.space = 2, .plain = s->flags & LUAS__JOB_CALL};
    (void)luas__describe_error(L, 3);
    int message = lua_gettop(L);
    luas__tell_check(L, luas__mp_write_array(reply, 4));
    encode_or_nil(L, 3, message, reply, &options);
    encode_text(L, message, reply);
    encode_text(L, 4, reply);
    encode_time(L, s);
    return 0;
}

/* Used when encode_raised raised itself (a bad __tostring, no memory). */
static void encode_bare(lua_State *L, luas__chunk_run *s)
{
    static const char text[] = "(the error could not be described)";
    luas__buffer *reply = &s->channel->reply;
    luas__tell_check(L, luas__mp_write_array(reply, 4));
    luas__tell_check(L, luas__mp_write_nil(reply));
    luas__tell_check(L, luas__mp_write_string(reply, text, sizeof text - 1));
    luas__tell_check(L, luas__mp_write_nil(reply));
    encode_time(L, s);
}

void luas__tell_raised(lua_State *L, luas__chunk_run *s)
{
    size_t body = s->channel->reply.len;
    lua_pushcfunction(L, encode_raised);
    lua_pushlightuserdata(L, s);
    lua_rotate(L, -5, 2);
    if (lua_pcall(L, 4, 0, 0) != LUA_OK) {
        luas__buffer_truncate(&s->channel->reply, body);
        encode_bare(L, s);
    }
}
