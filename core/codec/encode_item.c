/* Decides how a value is sent: by value, by number, by name, packed, or not at all. */
#include <lauxlib.h>

#include "codec.h"
#include "describe.h"
#include "encoder.h"
#include "gc_hold.h"
#include "names_scan.h"
#include "user_calls.h"
#include "value_format.h"

enum { SLOTS = 20 };

static int unsendable(luas__encoder *e)
{
    luas__encode_path_describe(e->L, -1);
    lua_pushliteral(e->L, " cannot be sent");
    lua_concat(e->L, 2);
    e->described = 1;
    return LUAS_EUNSENT;
}

/* Is this object being packed now? The reader has it only when it is complete, so nothing can
   refer to it before. Frames below that of a define message belong to another message, with
   other numbers. */
static int is_being_packed(const luas__encoder *e, uint32_t number)
{
    for (uint32_t i = e->scratch->depth; i > 0; i--) {
        const luas__container *f = &e->scratch->frames[i - 1];
        if (f->kind == CONTAINER_DEFINE)
            return 0;
        if (f->kind == CONTAINER_PACKED && f->number == number)
            return 1;
    }
    return 0;
}

static int put_reference(luas__encoder *e, uint32_t number)
{
    if (is_being_packed(e, number))
        return luas__encode_path_unsent(e, "refers to an object that is still being packed");
    lua_pop(e->L, 1);
    if (e->defining)
        return luas__container_put_number(e, WIRE_SPACE, number);
    e->shared = 1;
    return luas__container_put_number(e, WIRE_REF, number);
}

/* Gives the object at the top a number of the message. Returns 1 if it is new, 0 if it had one
   already. */
static int take_message_number(luas__encoder *e, const void *address, uint32_t *number)
{
    *number = e->objects;
    int rc = luas__ptrmap_add(e->seen, address, number);
    e->objects += rc == 1;
    if (!e->anchors || rc < 0)
        return rc;
    if (rc == 1) {
        lua_pushvalue(e->L, -1);
        lua_rawseti(e->L, SLOT_ANCHORS, (lua_Integer)*number + 1);
        return rc;
    }
    /* The address may have been reused, if an object that was only an upvalue was freed. */
    lua_rawgeti(e->L, SLOT_ANCHORS, (lua_Integer)*number + 1);
    int same = lua_rawequal(e->L, -1, -2);
    lua_pop(e->L, 1);
    return same ? rc : luas__encode_path_unsent(e, "a function changed while it was encoded");
}

/* The same, in a message or in a space. */
static int take_number(luas__encoder *e, const void *address, uint32_t *number)
{
    if (!e->defining)
        return take_message_number(e, address, number);
    int64_t known = luas__ptrmap_find(&e->space->numbers, address);
    *number = known < 0 ? e->space->count : (uint32_t)known;
    if (known >= 0)
        return 0;
    e->space->count++;
    luas__space_bind(e->L, e->space, SLOT_OBJECTS, *number);
    return 1;
}

/* Records that the reader needs the module or standard library of this name. */
static void note_module(luas__encoder *e, const char *name, size_t len)
{
    if (name == NULL || !e->modules)
        return;
    if (!lua_istable(e->L, SLOT_MODULES)) {
        lua_newtable(e->L);
        lua_replace(e->L, SLOT_MODULES);
    }
    lua_pushlstring(e->L, name, len);
    lua_pushboolean(e->L, 1);
    lua_rawset(e->L, SLOT_MODULES);
}

/* Is it a standard function that loads code, which may use any global? */
static int loads_text(const char *name, size_t len)
{
    static const char *const names[] = {"load", "loadfile", "dofile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return 1;
    return 0;
}

/* The name of the object at the top leads through an upvalue. The receiver must have the same
   object there. So the object is recorded, too. */
static void note_inside(luas__encoder *e)
{
    if (!e->modules)
        return;
    lua_pushvalue(e->L, -2);
    lua_pushboolean(e->L, 1);
    lua_rawset(e->L, SLOT_MODULES);
}

/* Writes the name whose payload is at the top; pops it and the object below. Returns 1. */
static int put_name(luas__encoder *e, int type)
{
    size_t len, name_len;
    const char *payload = lua_tolstring(e->L, -1, &len);
    e->dynamic |= e->defining && type == WIRE_STANDARD && loads_text(payload, len);
    if (type == WIRE_NAME) {
        const char *name = luas__names_module(payload, len, &name_len);
        note_module(e, name, name_len);
        if (luas__names_is_inside(payload, len))
            note_inside(e);
    } else if (type == WIRE_STANDARD && lua_istable(e->L, -2)) {
        note_module(e, payload, len); /* the payload is the name of the library */
    }
    int rc = luas__mp_write_ext(e->out, (int8_t)type, (uint32_t)len);
    if (rc == 0)
        rc = luas__buffer_append(e->out, payload, len);
    lua_pop(e->L, 2);
    return rc < 0 ? rc : 1;
}

/* If the object at the top has a name, writes that, pops the object, and returns 1. */
static int name_object(luas__encoder *e)
{
    if (e->plain)
        return 0;
    int type = luas__names_find(e->L, SLOT_NAMES, -1);
    if (type == WIRE_NAME && e->kept && luas__encode_kept_is_lacked(e)) {
        lua_pop(e->L, 1);
        return 0;
    }
    return type == 0 ? 0 : put_name(e, type);
}

/* Scans the loaded modules: once for a message, after user code, and when a name led elsewhere.
   */
static int refresh_names(luas__encoder *e)
{
    if (e->refreshed && luas__names_scan_is_done(e->L, SLOT_NAMES))
        return 0;
    luas__names_scan(e->L, SLOT_NAMES);
    e->refreshed = 1;
    return 1;
}

/* Like name_object, but scans the modules first: for objects that are worth it. */
static int name_code(luas__encoder *e)
{
    int rc = name_object(e);
    if (rc != 0 || e->plain || !refresh_names(e))
        return rc;
    return name_object(e);
}

/* The same for a metatable, which may be a registered type. */
static int name_class(luas__encoder *e)
{
    int rc = name_code(e);
    if (rc != 0)
        return rc;
    int type = luas__names_find_type(e->L, -1);
    return type == 0 ? 0 : put_name(e, type);
}

/* Tables. */

/* Copies the rest of open tables before user code runs. Below one that was copied all are. */
static void detach_containers(luas__encoder *e)
{
    for (uint32_t i = e->scratch->depth; i > 0; i--) {
        luas__container *f = &e->scratch->frames[i - 1];
        if (f->table != TABLE_ITSELF)
            return;
        if (f->kind == CONTAINER_ARRAY || f->kind == CONTAINER_MAP)
            luas__encode_table_copy_rest(e->L, f);
        f->table = TABLE_COPY;
    }
}

/* Expects [object, class, __luas_pack] at the top; calls it and leaves [object, class,
   results...]. */
static int call_pack(luas__encoder *e)
{
    lua_State *L = e->L;
    detach_containers(e);
    lua_pushvalue(L, -3);
    luas__gc_hold_end(L, *e->held);
    luas__user_calls_note(L);
    int status = lua_pcall(L, 1, LUA_MULTRET, 0);
    *e->held = luas__gc_hold(L);
    e->refreshed = 0;
    if (status == LUA_OK)
        return lua_checkstack(L, SLOTS) ? 0 : LUAS_EDEEP;
    (void)luas__describe_error(L, lua_gettop(L)); /* a signal's message stays one */
    return luas__encode_path_unsent(e, "__luas_pack: %s", lua_tostring(L, -1));
}

/* The same, if user code may run now. */
static int pack(luas__encoder *e)
{
    lua_pushliteral(e->L, "__luas_unpack");
    int type = lua_rawget(e->L, -3);
    lua_pop(e->L, 1);
    if (type == LUA_TNIL && !e->plain)
        return luas__encode_path_unsent(e, "its class has __luas_pack but no __luas_unpack");
    e->packs = 1;
    e->again = !e->anchors;
    return e->again ? LUAS_EINVAL : call_pack(e);
}

/* __luas_pack may give the object another class, or change the class. So the class that it had
   is kept. */
static int open_packed(luas__encoder *e, uint32_t number)
{
    lua_State *L = e->L;
    int base = lua_gettop(L) - 2;
    int rc = pack(e);
    if (rc == 0)
        rc = luas__container_open(e, CONTAINER_PACKED, base);
    if (rc < 0)
        return rc;
    luas__container *f = luas__encoder_top(e);
    f->number = number;
    f->limit = (uint32_t)(lua_gettop(L) - base - 1);
    rc = luas__container_ext_open(e, WIRE_PACKED, &f->head);
    return rc < 0 ? rc : luas__mp_write_array(e->out, f->limit);
}

/* Expects [object, metatable] at the top. If there is a __luas_pack, pushes it and returns 1. */
static int has_pack(lua_State *L)
{
    lua_pushliteral(L, "__luas_pack");
    if (lua_rawget(L, -2) == LUA_TFUNCTION)
        return 1;
    lua_pop(L, 1);
    return 0;
}

/* Expects [object, class, __luas_pack]. Returns 1 if the object must go by value all the same. */
static int is_reached(luas__encoder *e)
{
    lua_State *L = e->L;
    if (e->plain)
        return 0;
    refresh_names(e);
    lua_pushvalue(L, -2);
    int rc = luas__encode_reach_object(e, lua_gettop(L) - 3);
    lua_pop(L, 1);
    return rc;
}

static int open_object(luas__encoder *e, uint32_t number)
{
    int rc = 0;
    if (has_pack(e->L)) {
        rc = is_reached(e);
        if (rc <= 0)
            return rc < 0 ? rc : open_packed(e, number);
        lua_pop(e->L, 1);
    }
    rc = luas__container_open(e, CONTAINER_OBJECT, lua_gettop(e->L) - 1);
    return rc < 0 ? rc : luas__container_ext_open(e, WIRE_OBJECT, &luas__encoder_top(e)->head);
}

/* The number by which both ends know the object at the top, or -1. An object that may have
   changed since must be a class. An object that this message has begun already keeps its number
   there. */
static int64_t known_number(const luas__encoder *e, const void *address)
{
    if (e->space == NULL || e->defining)
        return -1;
    int64_t number = luas__ptrmap_find(&e->space->numbers, address);
    if (number < 0 || (e->unchanged && luas__ptrmap_find(e->seen, address) < 0))
        return number;
    return lua_istable(e->L, -1) && luas__names_is_class(e->L, -1) ? number : -1;
}

/* If both ends know the object at the top, writes its number, pops it, and returns 1. */
static int put_known(luas__encoder *e, const void *address)
{
    int64_t number = known_number(e, address);
    if (number < 0)
        return 0;
    lua_pop(e->L, 1);
    int rc = luas__container_put_number(e, WIRE_SPACE, (uint32_t)number);
    return rc < 0 ? rc : 1;
}

/* Can more be reached through the table at the top than the names that functions show? Through
   what leads to the globals, if it is anything but the environment of functions; and through a
   metatable that does, if it is also used as a value. */
static int is_way_to_globals(luas__encoder *e, int has_class, int as_class)
{
    lua_State *L = e->L;
    if (has_class && luas__encode_sandbox_is(e, lua_gettop(L)))
        return !luas__encode_sandbox_place(e);
    if (as_class || !e->defining || luas__ptrmap_find(&e->space->numbers, lua_topointer(L, -1)) < 0)
        return 0;
    lua_pushliteral(L, "__index");
    int is = lua_rawget(L, -2) == LUA_TTABLE
        && (luas__encode_sandbox_ends(e) || luas__encode_sandbox_is(e, lua_gettop(L)));
    lua_pop(L, 1);
    return is;
}

/* Writes a table in another form than its content, if there is one: then it returns 1. */
static int put_stand_in(luas__encoder *e, const void *address, int has_class)
{
    if (address != e->landmarks->globals && !(has_class && luas__space_is_environment(e->L, -1)))
        return put_known(e, address);
    /* An upvalue shows which globals its function uses. Through a table any may be used. */
    e->dynamic |= e->defining && !luas__encode_sandbox_place(e);
    int rc = luas__mp_write_ext(e->out, WIRE_GLOBALS, 0);
    lua_pop(e->L, 1);
    return rc < 0 ? rc : 1;
}

static int open_table(luas__encoder *e, int (*name)(luas__encoder *))
{
    lua_State *L = e->L;
    uint32_t number;
    const void *address = lua_topointer(L, -1);
    int has_class = lua_getmetatable(L, -1);
    if (has_class)
        lua_pop(L, 1);
    int rc = put_stand_in(e, address, has_class);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (e->defining)
        e->dynamic |= is_way_to_globals(e, has_class, name != NULL);
    rc = take_number(e, address, &number);
    if (rc <= 0)
        return rc < 0 ? rc : put_reference(e, number);
    if (name != NULL || luas__ptrmap_find(e->landmarks->named, address) >= 0) {
        rc = name == NULL ? name_object(e) : name(e);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return lua_getmetatable(L, -1) ? open_object(e, number) : luas__encode_table_content(e);
}

static int open_userdata(luas__encoder *e)
{
    lua_State *L = e->L;
    uint32_t number;
    const void *address = lua_topointer(e->L, -1);
    int rc = put_known(e, address);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = take_number(e, address, &number);
    if (rc <= 0)
        return rc < 0 ? rc : put_reference(e, number);
    rc = name_code(e);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (!lua_getmetatable(L, -1))
        return unsendable(e);
    if (!has_pack(L)) {
        lua_pop(L, 1);
        return unsendable(e);
    }
    rc = is_reached(e);
    if (rc > 0)
        return luas__encode_path_unsent(e, "its class cannot be sent before it, as it refers to it");
    return rc < 0 ? rc : open_packed(e, number);
}

/* Is the value at the top a part of a class, and not of what was given? */
static bool is_of_class(const luas__encoder *e)
{
    for (uint32_t i = 0; i < e->scratch->depth; i++) {
        const luas__container *f = &e->scratch->frames[i];
        if ((f->kind == CONTAINER_OBJECT || f->kind == CONTAINER_PACKED) && f->phase == PHASE_END)
            return true;
    }
    return false;
}

static int open_function(luas__encoder *e)
{
    uint32_t number;
    const void *address = lua_topointer(e->L, -1);
    if (e->plain)
        return luas__encode_path_unsent(e, "a function has no plain form");
    if (e->functions != NULL && !is_of_class(e))
        return luas__encode_path_unsent(e, "%s", e->functions);
    int rc = put_known(e, address);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = take_number(e, address, &number);
    if (rc <= 0)
        return rc < 0 ? rc : put_reference(e, number);
    rc = name_code(e);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return lua_iscfunction(e->L, -1) ? unsendable(e) : luas__encode_function_open(e);
}

/* Gives the next number to an object that nobody looks up by its address: it may be that of
   another object. */
static void skip_number(luas__encoder *e)
{
    uint32_t number = e->defining ? e->space->count++ : e->objects++;
    if (!e->defining && !e->anchors)
        return;
    lua_pushvalue(e->L, -1);
    lua_rawseti(e->L, e->defining ? SLOT_OBJECTS : SLOT_ANCHORS, (lua_Integer)number + 1);
}

/* For a reader without Lua NULL is nil, which is no key. */
static int put_light_plain(luas__encoder *e)
{
    const luas__container *f = e->scratch->depth == 0 ? NULL : luas__encoder_top(e);
    int is_key = f != NULL && f->kind == CONTAINER_MAP && f->phase == PHASE_VALUE;
    if (lua_touserdata(e->L, -1) != NULL || is_key)
        return unsendable(e);
    lua_pop(e->L, 1);
    return luas__mp_write_nil(e->out);
}

static int put_light(luas__encoder *e)
{
    int type = 0;
    if (e->plain)
        return put_light_plain(e);
    if (lua_touserdata(e->L, -1) != NULL) {
        refresh_names(e);
        type = luas__names_find(e->L, SLOT_NAMES, -1);
    }
    if (type == 0) {
        int is_in_library = luas__encode_light_put(e);
        if (is_in_library > 0)
            note_module(e, LUAS__LIBRARIES, strlen(LUAS__LIBRARIES));
        return is_in_library < 0 ? is_in_library : 0;
    }
    lua_insert(e->L, -2);
    skip_number(e);
    lua_insert(e->L, -2);
    int rc = put_name(e, type);
    return rc < 0 ? rc : 0;
}

int luas__encode_item(luas__encoder *e)
{
    int rc = e->kept && lua_type(e->L, -1) >= LUA_TTABLE ? luas__encode_kept_put(e) : 0;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    switch (lua_type(e->L, -1)) {
    case LUA_TTABLE:
        return open_table(e, NULL);
    case LUA_TFUNCTION:
        return open_function(e);
    case LUA_TUSERDATA:
        return open_userdata(e);
    case LUA_TLIGHTUSERDATA:
        return put_light(e);
    case LUA_TTHREAD:
        return unsendable(e);
    default:
        rc = luas__scalar_put(e->L, -1, e->out, e->most);
        lua_pop(e->L, 1);
        return rc < 0 ? rc : 0;
    }
}

/* Must the class at the top be added to the space, because it has no name and no number? */
static int wants_definition(luas__encoder *e)
{
    lua_State *L = e->L;
    if (e->defines == NULL || luas__ptrmap_find(e->seen, lua_topointer(L, -1)) >= 0)
        return 0;
    refresh_names(e);
    if (luas__names_find(L, SLOT_NAMES, -1) == 0 && luas__names_find_type(L, -1) == 0)
        return 1;
    lua_pop(L, 1);
    return 0;
}

int luas__encode_item_class(luas__encoder *e, int may_define)
{
    const void *address = lua_topointer(e->L, -1);
    int rc = e->kept ? luas__encode_kept_put(e) : 0;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (e->plain) {
        lua_pop(e->L, 1);
        return luas__mp_write_nil(e->out);
    }
    if (e->space == NULL || e->defining)
        return open_table(e, name_class);
    int64_t number = luas__ptrmap_find(&e->space->numbers, address);
    if (number < 0)
        return may_define && wants_definition(e) ? ENCODE_DEFINITION : open_table(e, name_class);
    lua_pop(e->L, 1);
    return luas__container_put_number(e, WIRE_SPACE, (uint32_t)number);
}
