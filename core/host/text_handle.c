/* Texts as userdata. */
#define _GNU_SOURCE
#include "text_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cutter.h"
#include "error.h"
#include "fail.h"
#include "fd.h"
#include "job_handle.h"
#include "journal_part.h"

#define TEXT "luas.core.text"

/* How core.text was asked to cut. */
typedef struct wish {
    const char *sep;
    size_t nsep;
    size_t block;       /* 0: not said */
    bool whole;
    char delimiter;     /* of fields; 0: there are none */
} wish;

static luas__cutter *text_of(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TEXT);
}

static wish read_wish(lua_State *L, int index)
{
    wish w;
    lua_getfield(L, index, "sep");
    w.sep = luaL_optlstring(L, -1, "\n", &w.nsep);
    lua_getfield(L, index, "block");
    w.block = (size_t)luaL_optinteger(L, -1, 0);
    lua_getfield(L, index, "whole");
    w.whole = lua_toboolean(L, -1);
    lua_getfield(L, index, "delimiter");
    w.delimiter = *luaL_optstring(L, -1, "");
    return w;
}

static int open_path(const char *path)
{
    int fd;
    struct stat file;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &file) == 0 && S_ISDIR(file.st_mode)) {
        close(fd);
        return -EISDIR;
    }
    int rc = luas__fd_lift(&fd);
    return rc < 0 ? rc : fd;
}

/* What C has read from the file and given to nobody. */
static const char *read_ahead(const luaL_Stream *file, size_t *len)
{
#ifdef __GLIBC__
    *len = (size_t)(file->f->_IO_read_end - file->f->_IO_read_ptr);
    return file->f->_IO_read_ptr;
#else
    (void)file;
    *len = 0;
    return "";
#endif
}

static const char *name_of(int fd, char *room, size_t size)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, room, size - 1);
    if (n <= 0 || room[0] != '/')
        return fd == STDIN_FILENO ? "stdin" : "stream";
    room[n] = '\0';
    return room;
}

/* The text takes over the descriptor. */
static int open_text(luas__cutter *c, const char *name, int fd, const char *before, size_t len, const wish *w)
{
    luas__text *text = luas__text_new(name, w->sep, w->nsep);
    if (text == NULL) {
        luas__fd_close(&fd);
        return LUAS_ENOMEM;
    }
    text->whole = w->whole;
    text->delimiter = w->delimiter;
    luas__text_share(text, fd);
    int rc = luas__cutter_open(c, text, fd, before, len);
    if (w->block > 0)
        c->block = w->block;
    return rc;
}

static int open_any(lua_State *L, luas__cutter *c, const wish *w)
{
    char room[PATH_MAX];
    size_t len = 0;
    const char *before = "";
    if (lua_type(L, 1) == LUA_TSTRING) {
        int fd = open_path(lua_tostring(L, 1));
        return fd < 0 ? fd : open_text(c, lua_tostring(L, 1), fd, before, len, w);
    }
    luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    if (file->closef == NULL)
        return -EBADF;
    before = read_ahead(file, &len);
    int own = fileno(file->f), fd = luas__fd_copy(own);
    return fd < 0 ? fd : open_text(c, name_of(own, room, sizeof room), fd, before, len, w);
}

static int text_close(lua_State *L)
{
    luas__cutter *c = text_of(L, 1);
    if (c->text != NULL)
        luas__cutter_close(c);
    return 0;
}

static luas__cutter *check_open(lua_State *L, int index)
{
    luas__cutter *c = text_of(L, index);
    if (c->text == NULL)
        luas__fail(L, "the text is closed");
    return c;
}

static void push_reason(lua_State *L, int rc)
{
    lua_pushstring(L, rc == -ENODATA ? "it has become shorter while it was read" : luas_strerror(rc));
}

static int text_record(lua_State *L)
{
    luas__cutter *c = check_open(L, 1);
    const char *record;
    size_t len;
    int rc = luas__cutter_record(c, c->text->whole && !lua_toboolean(L, 2), &record, &len);
    if (rc > 0)
        lua_pushlstring(L, record, len);
    else if (rc == -EINTR || rc == LUAS_EINTR)
        lua_pushboolean(L, 0);
    else
        lua_pushnil(L);
    if (rc >= 0 || lua_isboolean(L, -1))
        return 1;
    push_reason(L, rc);
    return 2;
}

static int text_ready(lua_State *L)
{
    lua_pushboolean(L, luas__cutter_is_ready(check_open(L, 1)));
    return 1;
}

static int text_place(lua_State *L)
{
    const luas__cutter *c = check_open(L, 1);
    lua_pushstring(L, c->text->name);
    lua_pushinteger(L, (lua_Integer)c->number);
    lua_pushinteger(L, (lua_Integer)(c->at - c->held.len));
    return 3;
}

static int text_take_blocks(lua_State *L)
{
    luas__cutter *c = check_open(L, 1);
    c->text->whole = true;
    c->block = (size_t)luaL_checkinteger(L, 2);
    return 0;
}

/* The job takes over the ends, and the bytes. */
static int feed_passage(luas__job_handle *h, luas__cutter *c, const luas__passage *p)
{
    int rc = luas__pool_feed_records(h->pool->pool, h->job, p, &h->bytes, c->ends, c->count);
    if (rc >= 0) {
        c->ends = NULL;
        c->cap = 0;
    }
    return rc;
}

static int job_cut(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luas__cutter *c = check_open(L, 2);
    lua_Integer most = luaL_checkinteger(L, 3);
    luas__passage p;
    luas__buffer_truncate(&h->bytes, 0);
    int rc = luas__cutter_passage(c, most < UINT32_MAX ? (uint32_t)most : UINT32_MAX, &p, &h->bytes);
    if (rc > 0 && h->job->seen.journal != NULL)
        luas__journal_part_feed_records(L, c, &p, &h->bytes);
    if (rc > 0)
        luas__job_handle_try(L, h, feed_passage(h, c, &p));
    lua_pushinteger(L, rc > 0 ? c->count : 0);
    lua_pushboolean(L, rc > 0 || rc == -EINTR || rc == LUAS_EINTR);
    if (rc >= 0 || lua_toboolean(L, -1))
        return 2;
    push_reason(L, rc);
    return 3;
}

static const luaL_Reg methods[] = {
    {"record", text_record}, {"ready", text_ready}, {"place", text_place},
    {"take_blocks", text_take_blocks}, {"close", text_close}, {NULL, NULL},
};

static const luaL_Reg meta[] = {{"__gc", text_close}, {"__close", text_close}, {NULL, NULL}};

static int core_text(lua_State *L)
{
    lua_settop(L, 2);
    wish w = read_wish(L, 2);
    if (luaL_getmetatable(L, TEXT) == LUA_TNIL) /* most scripts need no class of texts */
        luas__handles_new_class(L, TEXT, methods, meta);
    luas__cutter *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (luas__cutter){.fd = -1};
    luaL_setmetatable(L, TEXT);
    luas__handles_keep(L);
    int rc = open_any(L, c, &w);
    if (luas__error_is_shortage(rc)) { /* sources that nobody has any more hold descriptors */
        lua_gc(L, LUA_GCCOLLECT);
        rc = open_any(L, c, &w);
    }
    if (rc >= 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, luas_strerror(rc));
    return 2;
}

const luaL_Reg luas__text_handle_functions[] = {{"text", core_text}, {"cut", job_cut}, {NULL, NULL}};
