/* Where a value stands, in words: read off the open frames when it cannot travel. */
#include <stdio.h>
#include <string.h>

#include "encoder.h"

/* Of a very deep place only the two ends are told. */
enum { SHOWN = 12, STEP_MAX = 200 };

typedef struct path {
    luas__encoder *e;
    luas__buffer *text;
    int in_field;       /* the last step was a field, to which the next one is joined */
    int rc;
} path;

static void add(path *p, const char *text)
{
    if (p->rc == 0)
        p->rc = luas__buffer_append(p->text, text, strlen(text));
}

/* A step of its own, after a comma. */
static void begin(path *p)
{
    if (p->text->len > 0)
        add(p, ", ");
    p->in_field = 0;
}

static void add_word(path *p, const char *before, const char *word, const char *after)
{
    char step[STEP_MAX];
    int len = snprintf(step, sizeof step, "%s%.100s%s", before, word == NULL ? "?" : word, after);
    if (len > 0)
        add(p, step);
}

static int is_identifier(const char *s)
{
    size_t letters = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    return letters > 0 && s[letters] == '\0' && !(s[0] >= '0' && s[0] <= '9');
}

static void add_key_in_words(path *p, int key)
{
    lua_State *L = p->e->L;
    char number[48];
    switch (lua_type(L, key)) {
    case LUA_TSTRING:
        add_word(p, "[\"", lua_tostring(L, key), "\"]");
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, key))
            snprintf(number, sizeof number, "[%lld]", (long long)lua_tointeger(L, key));
        else
            snprintf(number, sizeof number, "[%.14g]", (double)lua_tonumber(L, key));
        add(p, number);
        break;
    case LUA_TBOOLEAN:
        add(p, lua_toboolean(L, key) ? "[true]" : "[false]");
        break;
    default:
        add_word(p, "[", lua_typename(L, lua_type(L, key)), "]");
        break;
    }
}

static void add_key(path *p, int key)
{
    int named = lua_type(p->e->L, key) == LUA_TSTRING;
    if (!p->in_field) {
        begin(p);
        if (named)
            add_word(p, "field \"", lua_tostring(p->e->L, key), "\"");
        else
            add_key_in_words(p, key);
    } else if (named && is_identifier(lua_tostring(p->e->L, key))) {
        add_word(p, ".", lua_tostring(p->e->L, key), "");
    } else {
        add_key_in_words(p, key);
    }
    p->in_field = 1;
}

static void add_index(path *p, const luas__container *f)
{
    char index[24];
    if (!p->in_field)
        begin(p);
    snprintf(index, sizeof index, "[%lu]", (unsigned long)f->count);
    add(p, index);
    p->in_field = 1;
}

static void add_count(path *p, const char *what, uint32_t count)
{
    char step[48];
    begin(p);
    snprintf(step, sizeof step, "%s %lu", what, (unsigned long)count);
    add(p, step);
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
    begin(p);
    snprintf(step, sizeof step, "upvalue '%.60s' of function <%.80s:%d>",
             name == NULL ? "?" : name, info.short_src, info.linedefined);
    add(p, step);
}

static void add_class(path *p, const luas__container *f)
{
    if (f->phase == PHASE_END) {
        begin(p);
        add(p, "metatable");
    }
}

static void add_packed(path *p, const luas__container *f)
{
    if (f->phase == PHASE_END)
        add_class(p, f);
    else
        add_count(p, "value of __luas_pack", f->count);
}

static void add_map_step(path *p, const luas__container *f)
{
    if (f->phase == PHASE_VALUE) {
        begin(p);
        add(p, "key");
    } else {
        add_key(p, f->base + 1);
    }
}

static void add_global(path *p, const luas__container *f)
{
    if (f->phase == PHASE_GLOBALS && lua_isstring(p->e->L, f->base + 2)) {
        begin(p);
        add_word(p, "global '", lua_tostring(p->e->L, f->base + 2), "'");
    }
}

static void add_frame(path *p, const luas__container *f)
{
    switch ((luas__container_kind)f->kind) {
    case CONTAINER_LIST:
        if (p->e->total > 1)
            add_count(p, "value", (uint32_t)p->e->offset + f->count);
        break;
    case CONTAINER_ARRAY: add_index(p, f); break;
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
        if (s->depth > 2 * SHOWN && i == SHOWN) {
            i = s->depth - SHOWN;
            add(p, " ...");
        }
        add_frame(p, &s->frames[i]);
    }
}

int luas__encode_path_push(luas__encoder *e)
{
    path p = {e, &e->scratch->text, 0, 0};
    luas__buffer_truncate(p.text, 0);
    add_frames(&p);
    if (p.rc < 0) {
        lua_pushstring(e->L, luas_strerror(p.rc));
        return p.rc;
    }
    if (p.text->len > 0) {
        lua_pushlstring(e->L, luas__buffer_bytes(p.text), p.text->len);
        lua_pushliteral(e->L, ": ");
        lua_rotate(e->L, -3, 2);
        lua_concat(e->L, 3);
    }
    return LUAS_EUNSENT;
}

/* The name that a userdata's class gives itself, if any, pushed. */
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
