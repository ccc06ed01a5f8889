/* Frames over a socket pair, each an array of values. */
#define _GNU_SOURCE
#include "pipe.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "frame.h"
#include "codec.h"
#include "fail.h"
#include "handles.h"
#include "serving.h"

#define CHANNEL "luas.core.channel"

enum { READ_SIZE = 1 << 16 };

typedef struct channel_handle {
    int fd;                 /* -1 once closed */
    luas__buffer in, out;
    luas__buffer spare;     /* storage for the next message */
} channel_handle;

static channel_handle *check_open(lua_State *L)
{
    channel_handle *c = luaL_checkudata(L, 1, CHANNEL);
    if (c->fd < 0)
        luas__fail(L, "this end of the pipe is closed");
    return c;
}

static channel_handle *new_handle(lua_State *L)
{
    channel_handle *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (channel_handle){.fd = -1};
    luaL_setmetatable(L, CHANNEL);
    luas__handles_keep(L);
    return c;
}

static int make_pair(int fds[2])
{
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
    return rc < 0 ? -errno : 0;
}

/* Pipes that nobody has any more hold descriptors until they are collected. */
static int channel_pair(lua_State *L)
{
    int fds[2];
    channel_handle *a = new_handle(L), *b = new_handle(L);
    int rc = make_pair(fds);
    if (luas__error_is_shortage(rc)) {
        lua_gc(L, LUA_GCCOLLECT);
        rc = make_pair(fds);
    }
    if (rc < 0)
        return luas__fail(L, "cannot make a pipe: %s", luas_strerror(rc));
    a->fd = fds[0];
    b->fd = fds[1];
    return 2;
}

static int channel_close(lua_State *L)
{
    channel_handle *c = luaL_checkudata(L, 1, CHANNEL);
    luas__fd_close(&c->fd);
    luas__buffer_release(&c->in);
    luas__buffer_release(&c->out);
    luas__buffer_release(&c->spare);
    return 0;
}

/* 1 when ready, 0 when the time is over, -EINTR after a signal. */
static int wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = deadline == INT64_MAX ? -1 : deadline - luas__now();
    int64_t ms = deadline == INT64_MAX ? -1 : left <= 0 ? 0 : (left + LUAS__MS - 1) / LUAS__MS;
    int n = poll(&p, 1, ms > INT_MAX ? INT_MAX : (int)ms);
    return n < 0 ? -errno : n;
}

/* Writes the frame of the values from 2 on. Returns 0; or negative, and a message may be
   pushed. */
static int write_message(lua_State *L, luas__buffer *message)
{
    luas__encode_options options = {0};
    size_t mark;
    int rc = luas__frame_begin(message, LUAS__MSG_VALUE, &mark);
    if (rc == 0)
        rc = luas__encode(L, 2, lua_gettop(L) - 1, message, &options);
    return rc < 0 ? rc : luas__frame_end(message, mark);
}

/* Appends the message to those that wait already. The channel takes over the storage of
   *message. */
static int append_message(channel_handle *c, luas__buffer *message)
{
    luas__buffer empty = c->out;
    int rc = 0;
    luas__buffer_release(&c->spare);
    if (c->out.len == 0) {
        c->out = *message;
        c->spare = empty;
    } else {
        rc = luas__buffer_append(&c->out, luas__buffer_bytes(message), message->len);
        c->spare = *message;
        luas__buffer_truncate(&c->spare, 0);
    }
    return rc;
}

/* Encodes a message. A __luas_pack may meanwhile send another message here, which goes first,
   or close this end. */
static void encode_message(lua_State *L, channel_handle *c)
{
    luas__buffer message = c->spare;
    c->spare = (luas__buffer)LUAS__BUFFER_INIT;
    int top = lua_gettop(L), rc = write_message(L, &message);
    if (rc == 0 && c->fd >= 0)
        rc = append_message(c, &message);
    else
        luas__buffer_release(&message);
    if (rc == LUAS_EINTR)
        lua_error(L);
    if (rc < 0)
        luas__fail(L, "%s%s", rc == LUAS_EUNSENT ? "" : "cannot send: ",
                   lua_gettop(L) > top ? lua_tostring(L, -1) : luas_strerror(rc));
}

/* Like write, but without SIGPIPE when the reader is gone. */
static int send_some(channel_handle *c)
{
    while (c->out.len > 0) {
        ssize_t n = send(c->fd, luas__buffer_bytes(&c->out), c->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            luas__buffer_consume(&c->out, (size_t)n);
    }
    return 0;
}

static int flush(lua_State *L, channel_handle *c)
{
    int rc;
    while ((rc = send_some(c)) == -EAGAIN) {
        luas__serving_look_for_stop(L);
        if (wait_for(c->fd, POLLOUT, INT64_MAX) == -EINTR) {
            lua_pushliteral(L, "signal");
            return 1;
        }
    }
    if (rc < 0) {
        luas__buffer_truncate(&c->out, 0);
        return luas__fail(L, "cannot send: %s", rc == -EPIPE
                          ? "no process has the other end open" : luas_strerror(rc));
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int channel_send(lua_State *L)
{
    channel_handle *c = check_open(L);
    encode_message(L, c);
    if (c->fd < 0)
        check_open(L); /* code that ran meanwhile may have closed it */
    return flush(L, c);
}

static int channel_flush(lua_State *L)
{
    return flush(L, check_open(L));
}

/* Copies the message to the top of the stack, because a __luas_unpack may receive here, too, or
   close this end. */
static luas__mp_reader take_message(lua_State *L, channel_handle *c, const luas__mp_reader *body)
{
    size_t len = (size_t)(body->end - body->at);
    unsigned char *copy = lua_newuserdatauv(L, len, 0);
    memcpy(copy, body->at, len);
    luas__frame_drop(&c->in);
    return (luas__mp_reader){copy, copy + len};
}

static int push_message(lua_State *L, channel_handle *c, const luas__mp_reader *body)
{
    int64_t code;
    luas__mp_reader message = take_message(L, c, body);
    int rc = luas__mp_read_int(&message, &code);
    lua_pushboolean(L, 1);
    int n = rc < 0 || code != LUAS__MSG_VALUE
        ? LUAS_EPROTO
        : luas__decode(L, (const char *)message.at, (size_t)(message.end - message.at), 0,
                       LUAS__FUNCTIONS);
    if (n == LUAS_EPROTO)
        return luas__fail(L, "cannot receive: %s", luas_strerror(n));
    return n < 0 ? luas__fail(L, "cannot receive: %s", lua_tostring(L, -1)) : n + 1;
}

static int channel_recv(lua_State *L)
{
    channel_handle *c = check_open(L);
    int64_t deadline = lua_isnoneornil(L, 2) ? INT64_MAX
        : luas__now() + luas__seconds(luaL_checknumber(L, 2));
    luas__mp_reader body;
    while (!luas__frame_peek(&c->in, &body)) {
        ssize_t n = luas__fd_read_some(c->fd, &c->in, READ_SIZE);
        if (n == 0 || n == -ECONNRESET)
            return lua_pushnil(L), 1;
        if (n < 0 && n != -EAGAIN)
            return luas__fail(L, "cannot receive: %s", luas_strerror((int)n));
        if (n == -EAGAIN)
            luas__serving_look_for_stop(L);
        int ready = n == -EAGAIN ? wait_for(c->fd, POLLIN, deadline) : 1;
        if (ready == -EINTR)
            return lua_pushliteral(L, "signal"), 1;
        if (ready == 0)
            return lua_pushboolean(L, 0), 1;
    }
    return push_message(L, c, &body);
}

static int channel_fileno(lua_State *L)
{
    lua_pushinteger(L, check_open(L)->fd);
    return 1;
}

static int channel_is_open(lua_State *L)
{
    const channel_handle *c = luaL_checkudata(L, 1, CHANNEL);
    lua_pushboolean(L, c->fd >= 0);
    return 1;
}

static const luaL_Reg methods[] = {
    {"send", channel_send}, {"flush", channel_flush}, {"recv", channel_recv},
    {"close", channel_close}, {"fileno", channel_fileno}, {"is_open", channel_is_open},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", channel_close}, {"__close", channel_close}, {NULL, NULL},
};

static const luaL_Reg functions[] = {{"pair", channel_pair}, {NULL, NULL}};

int luas__pipe_open(lua_State *L)
{
    luas__handles_new_class(L, CHANNEL, methods, meta);
    luaL_newlib(L, functions);
    return 1;
}
