/* Lines of progress and report files, as userdata. */
#define _GNU_SOURCE
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"
#include "fail.h"
#include "handles.h"

#define LINE "luas.core.line"
#define FILE_ "luas.core.file"

/* ---- the line ---- */

static int core_line(lua_State *L)
{
    luas__line **l = lua_newuserdatauv(L, sizeof *l, 0);
    *l = NULL;
    luaL_setmetatable(L, LINE);
    luas__handles_keep(L);
    *l = luas__line_new();
    return *l != NULL ? 1 : luas__fail(L, "luas: %s", luas_strerror(LUAS_ENOMEM));
}

static luas__line *check_line(lua_State *L, int index)
{
    luas__line *l = *(luas__line **)luaL_checkudata(L, index, LINE);
    luaL_argcheck(L, l != NULL, index, "line is closed");
    return l;
}

static int line_draw(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    luas__line_draw(check_line(L, 1), text, len);
    return 0;
}

static int line_say(lua_State *L)
{
    luas__line *l = check_line(L, 1);
    size_t len;
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushliteral(L, "\n");
    lua_concat(L, 2);
    const char *text = lua_tolstring(L, -1, &len);
    luas__line_lift(l);
    (void)luas__fd_write_waiting(STDERR_FILENO, text, len); /* nobody reads it: no harm */
    luas__line_lower(l);
    return 0;
}

static int line_gc(lua_State *L)
{
    luas__line **l = luaL_checkudata(L, 1, LINE);
    luas__line_drop(*l);
    *l = NULL;
    return 0;
}

static int pool_line(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    int rc = luas__pool_set_line(p, check_line(L, 2));
    return rc < 0 ? luas__handles_raise(L, p, rc) : 0;
}

static int core_columns(lua_State *L)
{
    struct winsize size = {0};
    int fd = (int)luaL_checkinteger(L, 1);
    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/* ---- files ---- */

static int push_reason(lua_State *L, int error)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(error));
    return 2;
}

static int core_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
    *fd = -1;
    luaL_setmetatable(L, FILE_);
    luas__handles_keep(L);
    *fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    return *fd >= 0 ? 1 : push_reason(L, errno);
}

static int file_replace(lua_State *L)
{
    const int *fd = luaL_checkudata(L, 1, FILE_);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    /* Pipes and devices cannot be truncated: they are only written to. */
    if (lseek(*fd, 0, SEEK_SET) >= 0 && ftruncate(*fd, 0) < 0 && errno != EINVAL)
        return push_reason(L, errno);
    int rc = luas__fd_write_file(*fd, text, len);
    if (rc < 0)
        return push_reason(L, -rc);
    lua_pushboolean(L, 1);
    return 1;
}

static int file_close(lua_State *L)
{
    luas__fd_close(luaL_checkudata(L, 1, FILE_));
    return 0;
}

/* ---- the classes ---- */

const luaL_Reg luas__terminal_core[] = {
    {"line", core_line}, {"columns", core_columns}, {"file", core_file}, {NULL, NULL}};

const luaL_Reg luas__terminal_pool[] = {{"line", pool_line}, {NULL, NULL}};

static const luaL_Reg line_methods[] = {{"draw", line_draw}, {"say", line_say}, {NULL, NULL}};
static const luaL_Reg line_meta[] = {{"__gc", line_gc}, {NULL, NULL}};
static const luaL_Reg file_methods[] = {
    {"replace", file_replace}, {"close", file_close}, {NULL, NULL}};
static const luaL_Reg file_meta[] = {{"__gc", file_close}, {NULL, NULL}};

void luas__terminal_open(lua_State *L)
{
    luas__handles_new_class(L, LINE, line_methods, line_meta);
    luas__handles_new_class(L, FILE_, file_methods, file_meta);
}
