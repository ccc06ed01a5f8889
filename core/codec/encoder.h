/*
 * The inside of the encoder. From the lowest file to the highest: scalars
 * (scalar.h), open containers (container.c), the path to what could not be encoded
 * (encode_path.c), what is in a table (encode_table.c), in a function
 * (encode_function.c) and in a define message (encode_define.c), the forms that
 * values take (encode_item.c), the loop (encode_run.c), and the calls from outside
 * (encode.c), with the commonest tables (encode_row.c).
 *
 * Nothing recurses with the value: open containers are frames on a stack of
 * the encoder's own, each with its container at the index `base` of the Lua
 * stack. A step function goes on with the innermost one. All of it runs in
 * protected mode.
 */
#ifndef LUAS_ENCODER_H
#define LUAS_ENCODER_H

#include <lua.h>

#include "error.h"
#include "scalar.h"
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
    uint32_t depth;
    size_t capacity;
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
    bool *held;                 /* the collector: for luas__gc_hold_end while user code runs */
    int refreshed;              /* names are up to date */
    int described;              /* what is wrong is said at the top of the stack */
    int total, offset;          /* values in all, and those before the first frame's */
    const char *each;           /* what they are called; NULL: `value` */
    int rc;
} luas__encoder;

/*
 * Functions giving int: 0, or a negative code. A step gives, beside these, what
 * the loop is to encode next: the value at the top of the stack, or the metatable
 * there.
 */
enum { ENCODE_ITEM = 1, ENCODE_CLASS, ENCODE_DEFINITION };

/* container.c */

/* Opens a frame for the container at `base`, head at the end of out, all else 0. */
int luas__container_open(luas__encoder *e, luas__container_kind kind, int base);
/* Opens one that is a copy of this. */
int luas__container_push(luas__encoder *e, const luas__container *f);
/* The innermost frame is done: pops it, and its slots. */
void luas__container_close(luas__encoder *e);
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
void luas__encode_table_copy_rest(lua_State *L, luas__container *f);
int luas__encode_table_array(luas__encoder *e, luas__container *f);
int luas__encode_table_map(luas__encoder *e, luas__container *f);

/* encode_row.c: writes the values if they are few, and scalars or small plain tables of scalars: 1; 0 if
   not, having written some of it. Cannot raise. */
int luas__encode_row_put(lua_State *L, int first, int count, const luas__landmarks *l,
                   const luas__space *space, luas__buffer *out);

/* encode_function.c, encode_define.c */

/* Opens a frame for the function at the top. */
int luas__encode_function_open(luas__encoder *e);
int luas__encode_function_step(luas__encoder *e, luas__container *f);
int luas__encode_define_step(luas__encoder *e, luas__container *f);

/* encode_item.c */

/* Pops and encodes the value at the top, or opens a frame that will. */
int luas__encode_item(luas__encoder *e);
/* The same for a metatable: by number or name if it can be. ENCODE_DEFINITION, if that may be: the
   space needs a definition of it first, and it stays at the top. */
int luas__encode_item_class(luas__encoder *e, int may_define);

/* encode_run.c */

/* Goes on until only `bottom` frames are open. */
int luas__encode_run(luas__encoder *e, uint32_t bottom);
/* A define message for the value at the top (popped) and the names now wanted. */
int luas__encode_run_define(luas__encoder *e);

/* encode_path.c: pops a reason and pushes it with the path to the innermost frame's item. */
int luas__encode_path_push(luas__encoder *e);
/* LUAS_EUNSENT, with a reason at the top of the stack. */
int luas__encode_path_unsent(luas__encoder *e, const char *format, ...);
/* Pushes what the value at this index is: `userdata (FILE*)`. */
void luas__encode_path_describe(lua_State *L, int index);

#endif
