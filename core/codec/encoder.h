/*
 * The inside of the encoder, shared by its seven files: the calls from outside
 * (encode.c), the commonest tables (encode_row.c), the forms that values take
 * (encode_item.c), the containers that are open (container.c), what is in a
 * table (encode_table.c), functions and define messages (encode_function.c), and the
 * path to what could not be encoded (encode_path.c).
 *
 * Nothing recurses with the value: open containers are frames on a stack of
 * the encoder's own, each with its container at the index `base` of the Lua
 * stack. A step function goes on with the innermost frame until that frame is
 * done or another one has been opened. All of it runs in protected mode.
 */
#ifndef LUAS_LUA_ENCODER_H
#define LUAS_LUA_ENCODER_H

#include <lua.h>

#include "error.h"
#include "space.h"
#include "msgpack.h"
#include "ptrmap.h"

typedef enum luas__container_kind {
    CONTAINER_LIST,     /* the values from base, by count; pops them */
    CONTAINER_ARRAY,    /* base: table, whose keys are 1..limit in order */
    CONTAINER_MAP,      /* base: table, its key above it, and the value before that is begun */
    CONTAINER_OBJECT,   /* base: table, then its metatable */
    CONTAINER_PACKED,   /* base: object, its metatable, then what __luas_pack returned */
    CONTAINER_FUNCTION,
    CONTAINER_DEFINE    /* base: root */
} luas__container_kind;

/* What a step does next, for the kinds that have several. */
enum {
    PHASE_CONTENT, PHASE_CLASS, PHASE_END,      /* OBJECT, PACKED */
    PHASE_PAIRS = 0, PHASE_KEY, PHASE_VALUE,    /* MAP */
    PHASE_ROOT = 0, PHASE_MAP, PHASE_GLOBALS, PHASE_LISTS    /* DEFINE */
};

/* Which pairs of a map: a class's tables and objects come after its functions. */
enum { PASS_ALL, PASS_EARLY, PASS_LATE };

/*
 * What is at `base` of an ARRAY or MAP: the user's table; or, since user code ran after it was begun,
 * a copy of all that was yet to be written of it then, whose first key is still to be taken or not.
 */
enum { TABLE_ITSELF, TABLE_COPY, TABLE_COPY_BEGUN };

typedef struct luas__container {
    unsigned char kind, phase;
    unsigned char pass;     /* MAP */
    unsigned char table;
    int base;
    uint32_t count;         /* elements, pairs, values or upvalues begun */
    uint32_t limit;         /* of them in all; DEFINE: names looked at */
    uint32_t number;        /* PACKED: of the object */
    size_t head;            /* offset in out of the head, to be completed */
} luas__container;

/* What is kept from one message to the next, to be allocated once: a userdata. */
typedef struct luas__scratch {
    luas__container *frames;
    uint32_t depth, capacity;
    luas__ptrmap seen[2]; /* objects and cells of a message; cells of a define message */
    luas__buffer text;      /* a path */
    luas__landmarks landmarks;
    int packed;             /* user code ran in the last message: likely in the next one, too */
    int busy;               /* in use further up the C stack, or abandoned by an error */
} luas__scratch;

/* The Lua stack of the protected call. */
enum {
    SLOT_SPACE = 1, SLOT_ENCODER, SLOT_SCRATCH, SLOT_NAMES,
    SLOT_ANCHORS,       /* nil; or, if `anchors`: number -> object, and -1 - cell -> its function */
    SLOT_OBJECTS,       /* of the space */
    SLOT_MODULES,       /* names of modules met, a set; or nil */
    SLOT_ENVIRONMENT,   /* of a space, which functions of a worker have for globals; or nil */
    SLOT_FIRST
};

typedef struct luas__encoder {
    lua_State *L;
    luas__scratch *scratch;
    luas__space *space;         /* NULL without one */
    const luas__landmarks *landmarks;   /* the scratch's */
    luas__ptrmap *seen;
    luas__buffer *out;
    luas__buffer *defines;
    size_t start, most;         /* offset of the message; of the end that it must not pass */
    size_t limit;
    uint32_t objects, cells;
    int modules;                /* the names of modules are wanted */
    int unchanged;              /* objects of the space are the same at the other end */
    int plain;                  /* as in luas__encode_options */
    int defining;               /* this is a define message: objects belong to the space */
    int shared, dynamic;
    int packs;                  /* some object has packed itself */
    int anchors;                /* user code may run: whatever has a number is kept alive */
    int again;                  /* it would have to run, but there are no anchors */
    int *held;                  /* the collector: for luas__gc_hold_end while user code runs */
    int refreshed;              /* names are up to date */
    int described;              /* what is wrong is said at the top of the stack */
    int total, offset;          /* values in all, and those before the first frame's */
    const char *each;           /* what they are called; NULL: `value` */
    int rc;
} luas__encoder;

/* A call more for each scalar is a tenth of a row's cost; compilers find these too long to inline. */
#define LUAS__INLINE __attribute__((always_inline)) static inline

/* Writes the scalar at this index between p and end: where the next byte goes; NULL if it is none,
   or if there might not be enough room. */
LUAS__INLINE unsigned char *luas__scalar_put_at(lua_State *L, int index, unsigned char *p,
                                          const unsigned char *end)
{
    size_t len;
    const char *bytes;
    unsigned char *next;
    if (end - p < LUAS__MP_SHORT)
        return NULL;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        bytes = lua_tolstring(L, index, &len);
        if (len < LUAS__MP_SHORT && (next = luas__mp_put_short(p, bytes, len)) != NULL)
            return next;
        return (size_t)(end - p) < len + LUAS__MP_HEAD ? NULL : luas__mp_put_string(p, bytes, len);
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? luas__mp_put_int(p, lua_tointeger(L, index))
                                       : luas__mp_put_double(p, lua_tonumber(L, index));
    case LUA_TBOOLEAN:
        *p = lua_toboolean(L, index) ? 0xc3 : 0xc2;
        return p + 1;
    case LUA_TNIL:
        *p = 0xc0;
        return p + 1;
    default:
        return NULL;
    }
}

/* The same of an array of that one, which most tasks and results are; the one is mostly an
   integer. */
LUAS__INLINE unsigned char *luas__scalar_put_alone(lua_State *L, int index, unsigned char *p,
                                             const unsigned char *end)
{
    if (end - p <= LUAS__MP_NUMBER)
        return NULL;
    *p = LUAS__MP_ALONE;
    return lua_isinteger(L, index) ? luas__mp_put_int(p + 1, lua_tointeger(L, index))
                                   : luas__scalar_put_at(L, index, p + 1, end);
}

/* A string that luas__scalar_put_at found no room for: 1, or negative. */
int luas__scalar_put_long(lua_State *L, int index, luas__buffer *out, size_t most);

/* Writes the value at this index if it is nil, a boolean, a number or a string: 1; 0 if not; or
   negative. */
LUAS__INLINE int luas__scalar_put(lua_State *L, int index, luas__buffer *out, size_t most)
{
    if (luas__buffer_reserve(out, LUAS__MP_SHORT) < 0)
        return LUAS_ENOMEM;
    unsigned char *p = (unsigned char *)luas__buffer_end(out);
    unsigned char *next = luas__scalar_put_at(L, index, p, p + luas__buffer_room(out));
    if (next == NULL)
        return lua_type(L, index) == LUA_TSTRING ? luas__scalar_put_long(L, index, out, most) : 0;
    out->len += (size_t)(next - p);
    return 1;
}

/* Functions giving int: 0, or a negative code. */

/* encode_item.c */

/* Pops and encodes the value at the top, or opens a frame that will. */
int luas__encode_item(luas__encoder *e);
/* The same for a metatable: by number or name if it can be. */
int luas__encode_item_class(luas__encoder *e);
/* LUAS_EUNSENT, with a reason at the top of the stack. */
int luas__encode_path_unsent(luas__encoder *e, const char *format, ...);

/* container.c */

/* Opens a frame for the container at `base`, head at the end of out, all else 0. */
int luas__container_open(luas__encoder *e, luas__container_kind kind, int base);
/* Before user code runs: no open table depends on the user's any more. */
void luas__container_detach(luas__encoder *e);
/* Opens one that is a copy of this. */
int luas__container_push(luas__encoder *e, const luas__container *f);
/* The innermost frame is done: pops it, and its slots. */
void luas__container_close(luas__encoder *e);
/* Goes on until only `bottom` frames are open. */
int luas__encode_run(luas__encoder *e, uint32_t bottom);
/* The head of an ext of yet unknown length, and its completion when the content follows. */
int luas__container_ext_open(luas__encoder *e, int type, size_t *head);
void luas__container_ext_close(luas__encoder *e, size_t head);
/* The head of a map of yet unknown size, likewise. */
int luas__container_map_open(luas__encoder *e, size_t *head);
void luas__container_map_close(luas__encoder *e, size_t head, uint32_t pairs);
int luas__container_put_number(luas__encoder *e, int type, uint32_t number);

static inline luas__container *luas__container_top(const luas__encoder *e)
{
    return &e->scratch->frames[e->scratch->depth - 1];
}

/* encode_table.c */

/* Pops and encodes a table that already has its number, without its metatable, or opens a frame. */
int luas__encode_table_content(luas__encoder *e);
/* Puts a copy of what is yet to be written in place of the frame's table. */
void luas__copy_rest(lua_State *L, luas__container *f);
int luas__encode_table_array(luas__encoder *e, luas__container *f);
int luas__encode_table_map(luas__encoder *e, luas__container *f);

/* encode_row.c: writes the values if they are few, and scalars or small plain tables of scalars: 1; 0 if
   not, having written some of it. Cannot raise. */
int luas__encode_row_put(lua_State *L, int first, int count, const luas__landmarks *l,
                   const luas__space *space, luas__buffer *out);

/* encode_function.c */
int luas__encode_function_open(luas__encoder *e);
int luas__encode_function_step(luas__encoder *e, luas__container *f);
int luas__encode_define_step(luas__encoder *e, luas__container *f);
/* A define message for the value at the top (popped) and the names now wanted. */
int luas__encode_define(luas__encoder *e);

/* encode_path.c: pops a reason and pushes it with the path to the innermost frame's item. */
int luas__encode_path_push(luas__encoder *e);
/* Pushes what the value at this index is: `userdata (FILE*)`. */
void luas__encode_path_describe(lua_State *L, int index);

#endif
