/* Where a walk is, and what is said of a value that has no stable bytes. */
#include "stable_walk.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "luas.h"
#include "msgpack.h"

void luas__stable_walk_must(lua_State *L, int rc)
{
    if (rc < 0)
        luaL_error(L, "luas: %s", luas_strerror(rc));
}

void luas__stable_walk_bytes(lua_State *L, const luas__stable_walk *w, const void *bytes, size_t len)
{
    luas__stable_walk_must(L, luas__buffer_append(w->out, bytes, len));
}

void luas__stable_walk_number(lua_State *L, const luas__stable_walk *w, char tag, uint64_t number)
{
    unsigned char bytes[9] = {(unsigned char)tag};
    luas__mp_put_8(bytes + 1, number);
    luas__stable_walk_bytes(L, w, bytes, sizeof bytes);
}

void luas__stable_walk_text(lua_State *L, const luas__stable_walk *w, char tag, const char *text, size_t len)
{
    luas__stable_walk_number(L, w, tag, len);
    luas__stable_walk_bytes(L, w, text, len);
}

/* ---- paths ---- */

static void add(lua_State *L, luas__stable_walk *w, const char *text)
{
    luas__stable_walk_must(L, luas__buffer_append(&w->path, text, strlen(text)));
}

static void add_field(lua_State *L, luas__stable_walk *w, const luas__stable_frame *f)
{
    char text[120];
    const luas__stable_key *k = &w->keys[f->at - 1];
    if (f->in_class)
        snprintf(text, sizeof text, ", its metatable");
    else if (k->type == LUA_TSTRING)
        snprintf(text, sizeof text, ", field '%.80s'", k->as.s);
    else if (k->type == LUAS__STABLE_INTEGER)
        snprintf(text, sizeof text, ", [%lld]", (long long)k->as.i);
    else
        snprintf(text, sizeof text, ", a field");
    add(L, w, text);
}

/* Pushes the path to the value that is looked at: of its part, then fields. */
void luas__stable_walk_push_path(lua_State *L, luas__stable_walk *w)
{
    luas__buffer_truncate(&w->path, 0);
    if (w->done > 0)
        lua_rawgeti(L, LUAS__STABLE_QUEUE, 3 * w->done - 1);
    else
        lua_pushstring(L, w->what);
    add(L, w, lua_isnil(L, -1) ? "the function" : lua_tostring(L, -1));
    lua_pop(L, 1);
    for (size_t i = 0; i < w->nframes; i++)
        if (w->frames[i].in_class || w->frames[i].at > w->frames[i].from)
            add_field(L, w, &w->frames[i]);
    lua_pushlstring(L, luas__buffer_bytes(&w->path), w->path.len);
}

/* The place of the part in the script, in brackets, or nothing. */
static const char *push_place(lua_State *L, const luas__stable_walk *w)
{
    if (w->done == 0 || lua_rawgeti(L, LUAS__STABLE_QUEUE, 3 * w->done) != LUA_TSTRING || lua_rawlen(L, -1) == 0)
        return lua_pushliteral(L, "");
    return lua_pushfstring(L, " (%s)", lua_tostring(L, -1));
}

/* Pushes what the user can do about it. `path` ends with the name that can be ignored, in quotes, if that is
   a field; a part begins with it. */
static const char *push_remedy(lua_State *L, const luas__stable_walk *w, const char *path)
{
    const char *from = w->nframes > 0 ? strrchr(path, ',') : path, *end = NULL;
    from = from != NULL ? strchr(from, '\'') : NULL;
    if (from != NULL)
        end = strchr(from + 1, '\'');
    if (end != NULL) {
        lua_pushlstring(L, from + 1, (size_t)(end - from - 1));
        lua_pushfstring(L, "ignore = {\"%s\"} leaves it out", lua_tostring(L, -1));
    } else {
        lua_pushliteral(L, "ignore = {...} names what is left out");
    }
    if (strncmp(path, "item", 4) == 0)
        lua_pushfstring(L, "%s, or key = function(x) ... end says what counts", lua_tostring(L, -1));
    return lua_tostring(L, -1);
}

int luas__stable_walk_refuse(lua_State *L, luas__stable_walk *w, const char *what)
{
    luas__stable_walk_push_path(L, w);
    const char *path = lua_tostring(L, -1), *place = push_place(L, w), *remedy = push_remedy(L, w, path);
    lua_pushfstring(L, "%s%s: %s has no stable bytes: %s", path, place, what, remedy);
    return lua_error(L);
}

/* ---- parts ---- */

/* Adds a part about the value at the top (popped). */
void luas__stable_walk_add_part(lua_State *L, luas__stable_walk *w, const char *path, const char *place)
{
    lua_rawseti(L, LUAS__STABLE_QUEUE, 3 * w->parts + 1);
    lua_pushstring(L, path);
    lua_rawseti(L, LUAS__STABLE_QUEUE, 3 * w->parts + 2);
    lua_pushstring(L, place);
    lua_rawseti(L, LUAS__STABLE_QUEUE, 3 * w->parts + 3);
    w->parts++;
}

bool luas__stable_walk_is_ignored(lua_State *L, const char *name)
{
    if (name == NULL || !lua_istable(L, LUAS__STABLE_IGNORE))
        return false;
    lua_pushstring(L, name);
    bool is = lua_rawget(L, LUAS__STABLE_IGNORE) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

bool luas__stable_walk_is_file(lua_State *L, const char *module, size_t len)
{
    if (!lua_istable(L, LUAS__STABLE_MODULES))
        return true;
    lua_pushlstring(L, module, len);
    lua_gettable(L, LUAS__STABLE_MODULES);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (is && lua_istable(L, LUAS__STABLE_MET)) {
        lua_pushlstring(L, module, len);
        lua_pushboolean(L, 1);
        lua_rawset(L, LUAS__STABLE_MET);
    }
    return is;
}
