/* Reading and compiling the script. */
#define _GNU_SOURCE
#include "embed_script.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"

enum { READ_SIZE = 1 << 16 };

/* A pipe in which there is nothing gives -EAGAIN: opening a pool does not wait. */
static int read_all(luas__buffer *out, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -errno : 1;
    while (n > 0)
        n = luas__fd_read_some(fd, out, READ_SIZE);
    luas__fd_close(&fd);
    return (int)n;
}

/* As luaL_loadfile: leaves out a byte order mark, and what a line for the shell says. */
static size_t skip_head(const char *text, size_t len)
{
    size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (at == len || text[at] != '#')
        return at;
    const char *end = memchr(text + at, '\n', len - at);
    if (end == NULL)
        return len;
    at = (size_t)(end - text);
    return at + 1 < len && text[at + 1] == LUA_SIGNATURE[0] ? at + 1 : at;
}

/* The buffer has `len` bytes of text. */
static int finish(luas__script *s, luas__buffer *out, size_t len, const char *prefix,
                  const char *name)
{
    int rc = luas__buffer_append(out, "", 1);
    if (rc == 0)
        rc = luas__buffer_append(out, prefix, strlen(prefix));
    if (rc == 0)
        rc = luas__buffer_append(out, name, strlen(name) + 1);
    if (rc < 0)
        return rc;
    const char *text = luas__buffer_bytes(out);
    size_t head = skip_head(text, len);
    *s = (luas__script){.text = text + head, .len = len - head, .name = text + len + 1};
    return 0;
}

int luas__embed_script_read(luas__script *s, luas__buffer *out, const char *path)
{
    int rc = read_all(out, path);
    return rc < 0 ? rc : finish(s, out, out->len, "@", path);
}

int luas__embed_script_copy(luas__script *s, luas__buffer *out, const char *text, size_t len,
                            const char *name)
{
    int rc = luas__buffer_append(out, text, len);
    return rc < 0 ? rc : finish(s, out, len, "", name);
}

int luas__embed_script_load(lua_State *L, const luas__script *s)
{
    return luaL_loadbuffer(L, s->text, s->len, s->name);
}

int luas__embed_script_check(const luas__script *s, luas__buffer *why)
{
    lua_State *L = luaL_newstate();
    int rc = L == NULL ? LUA_ERRMEM : luas__embed_script_load(L, s);
    if (rc != LUA_OK && rc != LUA_ERRMEM) {
        const char *message = lua_tostring(L, -1);
        rc = luas__buffer_append(why, message, strlen(message) + 1) < 0 ? LUA_ERRMEM : rc;
    }
    if (L != NULL)
        lua_close(L);
    return rc == LUA_OK ? 0 : rc == LUA_ERRMEM ? LUAS_ENOMEM : LUAS_ESCRIPT;
}
