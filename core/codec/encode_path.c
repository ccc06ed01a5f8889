/* Says in words where a value is that cannot be sent: the open frames tell. */
#include <stdio.h>

#include <stdarg.h>

#include "encoder.h"
#include "place.h"

enum { STEP_MAX = 200 };

typedef struct path {
    luas__encoder *e;
    luas__place place;
} path;

static void add_key(path *p, int key)
{
    lua_State *L = p->e->L;
    char words[48];
    size_t len;
    const char *name;
    switch (lua_type(L, key)) {
    case LUA_TSTRING:
        name = lua_tolstring(L, key, &len);
        luas__place_field(&p->place, name, len);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, key))
            luas__place_integer(&p->place, lua_tointeger(L, key));
        else
            luas__place_float(&p->place, lua_tonumber(L, key));
        break;
    case LUA_TBOOLEAN:
        luas__place_key(&p->place, lua_toboolean(L, key) ? "[true]" : "[false]");
        break;
    default:
        snprintf(words, sizeof words, "[%s]", lua_typename(L, lua_type(L, key)));
        luas__place_key(&p->place, words);
        break;
    }
}

static void add_upvalue(path *p, const luas__container *f)
{
    lua_State *L = p->e->L;
    lua_Debug info;
    char step[STEP_MAX];
    const char *name = f->count == 0 ? NULL : lua_getupvalue(L, f->base, (int)f->count);
    lua_pop(L, name != NULL);
    lua_pushvalue(L, f->base);
    lua_getinfo(L, ">S", &info);
    snprintf(step, sizeof step, "upvalue '%.60s' of function <%.80s:%d>",
             name == NULL ? "?" : name, info.short_src, info.linedefined);
    luas__place_step(&p->place, step);
}

static void add_class(path *p, const luas__container *f)
{
    if (f->phase == PHASE_END)
        luas__place_step(&p->place, "metatable");
}

static void add_packed(path *p, const luas__container *f)
{
    if (f->phase == PHASE_END)
        add_class(p, f);
    else
        luas__place_count(&p->place, "value of __luas_pack", f->count);
}

static void add_map_step(path *p, const luas__container *f)
{
    if (f->phase == PHASE_VALUE)
        luas__place_step(&p->place, "key");
    else
        add_key(p, f->base + 1);
}

static void add_global(path *p, const luas__container *f)
{
    if (f->phase == PHASE_GLOBALS && lua_isstring(p->e->L, f->base + 2))
        luas__place_named(&p->place, "global '", lua_tostring(p->e->L, f->base + 2), "'");
}

static void add_frame(path *p, const luas__container *f)
{
    switch ((luas__container_kind)f->kind) {
    case CONTAINER_LIST:
        if (p->e->each != NULL || p->e->total > 1)
            luas__place_count(&p->place, p->e->each != NULL ? p->e->each : "value",
                              (uint32_t)p->e->offset + f->count);
        break;
    case CONTAINER_ARRAY: luas__place_integer(&p->place, f->count); break;
    case CONTAINER_MAP: add_map_step(p, f); break;
    case CONTAINER_OBJECT: add_class(p, f); break;
    case CONTAINER_PACKED: add_packed(p, f); break;
    case CONTAINER_FUNCTION: add_upvalue(p, f); break;
    case CONTAINER_DEFINE: add_global(p, f); break;
    }
}

static void add_frames(path *p)
{
    const luas__scratch *s = p->e->scratch;
    for (uint32_t i = 0; i < s->depth; i++) {
        if (s->depth > 2 * LUAS__PLACE_SHOWN && i == LUAS__PLACE_SHOWN) {
            i = s->depth - LUAS__PLACE_SHOWN;
            luas__place_gap(&p->place);
        }
        add_frame(p, &s->frames[i]);
    }
}

int luas__encode_path_push(luas__encoder *e)
{
    path p = {.e = e};
    luas__buffer *text = &e->scratch->text;
    luas__buffer_truncate(text, 0);
    luas__place_open(&p.place, text);
    add_frames(&p);
    if (p.place.rc < 0) {
        lua_pushstring(e->L, luas_strerror(p.place.rc));
        return p.place.rc;
    }
    if (text->len > 0) {
        lua_pushlstring(e->L, luas__buffer_bytes(text), text->len);
        lua_pushliteral(e->L, ": ");
        lua_rotate(e->L, -3, 2);
        lua_concat(e->L, 3);
    }
    return LUAS_EUNSENT;
}

/* Pushes the name that the class of a userdata has for itself, if any. */
static const char *push_type_name(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return NULL;
    lua_pushliteral(L, "__name");
    int type = lua_rawget(L, -2);
    lua_remove(L, -2);
    if (type == LUA_TSTRING)
        return lua_tostring(L, -1);
    lua_pop(L, 1);
    return NULL;
}

void luas__encode_path_describe(lua_State *L, int index)
{
    const char *name;
    index = lua_absindex(L, index);
    switch (lua_type(L, index)) {
    case LUA_TUSERDATA:
        name = push_type_name(L, index);
        if (name == NULL) {
            lua_pushliteral(L, "userdata");
        } else {
            lua_pushfstring(L, "userdata (%s)", name);
            lua_remove(L, -2);
        }
        break;
    case LUA_TLIGHTUSERDATA:
        lua_pushliteral(L, "light userdata");
        break;
    case LUA_TFUNCTION:
        lua_pushliteral(L, "a C function that no loaded module has");
        break;
    case LUA_TTHREAD:
        lua_pushliteral(L, "a coroutine");
        break;
    default:
        lua_pushstring(L, lua_typename(L, lua_type(L, index)));
        break;
    }
}

int luas__encode_path_unsent(luas__encoder *e, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    lua_pushvfstring(e->L, format, arguments);
    va_end(arguments);
    e->described = 1;
    return LUAS_EUNSENT;
}
