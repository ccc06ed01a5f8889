/*
 * The inside of the encoder. From the lowest file to the highest: scalars
 * (scalar.h), open containers (container.c), the path to what could not be encoded
 * (encode_path.c), what is in a table (encode_table.c), tables before
 * the globals (encode_sandbox.c), objects that workers have kept (encode_kept.c), what is in a
 * function (encode_function.c) and in a define message
 * (encode_define.c), what a class reaches (encode_reach.c), the forms that values take (encode_item.c), the loop (encode_run.c), and the calls from outside
 * (encode.c), with the commonest tables (encode_row.c).
 *
 * Nothing recurses with the value. Open containers are frames on a stack of the encoder; the
 * container of a frame is at the index `base` of the Lua stack. A step function goes on with
 * the innermost frame. All of this runs in protected mode.
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

/* What the next step does, for kinds with several phases. */
enum {
    PHASE_CONTENT, PHASE_CLASS, PHASE_END,      /* OBJECT, PACKED */
    PHASE_PAIRS = 0, PHASE_KEY, PHASE_VALUE,    /* MAP */
    PHASE_ROOT = 0, PHASE_MAP, PHASE_GLOBALS, PHASE_LISTS    /* DEFINE */
};

/*
 * What is at `base` of an ARRAY or MAP: the user's table itself; or, if user code has run since it
 * was begun, a copy of the part that was not written by then. The first key of the copy was taken
 * already (COPY_BEGUN) or not.
 */
enum { TABLE_ITSELF, TABLE_COPY, TABLE_COPY_BEGUN };

typedef struct luas__container {
    unsigned char kind, phase;
    unsigned char table;
    int base;
    uint32_t count;         /* elements, pairs, values or upvalues begun */
    uint32_t limit;         /* how many there are in all; DEFINE: names looked at */
    uint32_t number;        /* PACKED: of the object */
    size_t head;            /* offset in `out` of the head, which is completed at the end */
} luas__container;

/* Memory that is kept from one message to the next: a userdata. */
typedef struct luas__scratch {
    luas__container *frames;
    uint32_t depth;
    size_t capacity;
    luas__ptrmap seen[2]; /* objects and cells of a message; cells of a define message */
    luas__buffer text;      /* a path */
    luas__landmarks landmarks;
    int packed;             /* user code ran in the last message, so it may in the next one */
    int busy;               /* in use by a caller, or abandoned by an error */
} luas__scratch;

/* The Lua stack of the protected call. */
enum {
    SLOT_SPACE = 1,
    SLOT_ENCODER,       /* at first; later: */
    SLOT_REACHED = SLOT_ENCODER,    /* a table of what classes reach, once it is wanted (encode_reach.c) */
    SLOT_SCRATCH, SLOT_NAMES,
    SLOT_ANCHORS,       /* nil; or, if `anchors`: number -> object, and -1 - cell -> its function */
    SLOT_OBJECTS,       /* of the space */
    SLOT_MODULES,       /* a set of the names of modules that were met; or nil */
    SLOT_ENVIRONMENT,   /* of the space: the globals of a worker's functions; or nil */
    SLOT_KEPT,          /* objects, and light userdata for upvalues -> their numbers; or nil */
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
    size_t start, most;         /* offset of the message, and of its limit */
    size_t limit, pause;        /* pause: offset after which luas__container_pause looks again */
    int64_t budget;             /* ns of the CPU that the message may take; 0: any */
    struct {
        int64_t at;             /* the CPU's time at the first pause, */
        size_t len;             /* and the length then */
    } timed;
    uint32_t objects, cells;
    int modules;                /* the names of modules are wanted */
    int unchanged;              /* the objects of the space are as the other end has them */
    int plain, foreign;         /* as in luas__encode_options */
    int defining;               /* this is a define message: objects belong to the space */
    uint32_t first;             /* if so: how many objects the space had before */
    int kept;                   /* the root is a table of settings, and there are kept objects */
    int shared, dynamic;
    int packs;                  /* an object was packed */
    int anchors;                /* user code may run: all objects with a number are kept alive */
    int again;                  /* user code should run, but there are no anchors: start again */
    bool *held;                 /* for luas__gc_hold_end, while user code runs */
    int refreshed;              /* the names are up to date */
    int described;              /* the message of the failure is at the top of the stack */
    int total, offset;          /* how many values, and how many before those of the first frame */
    const char *functions;      /* as in luas__encode_options */
    const char *each;           /* what messages call a value; NULL: `value` */
    int rc;
} luas__encoder;

/*
 * Functions of type int return 0, or a negative code. A step may also tell the loop what to
 * encode next: the value or the metatable at the top of the stack.
 */
enum { ENCODE_ITEM = 1, ENCODE_CLASS, ENCODE_DEFINITION };

/* container.c */

/* Opens a frame for the container at `base`, with its head at the end of `out`; all else is 0. */
int luas__container_open(luas__encoder *e, luas__container_kind kind, int base);
/* Opens a frame that is a copy of this one. */
int luas__container_push(luas__encoder *e, const luas__container *f);
/* Pops the innermost frame, which is done, and its slots. */
void luas__container_close(luas__encoder *e);
/* Call it when `out` has grown beyond `pause`. LUAS_ETOOBIG if the message is too long, or takes too
   long. */
int luas__container_pause(luas__encoder *e);
/* Would `n` more scalars take too long? */
int luas__container_is_long(const luas__encoder *e, uint64_t n);
/* Writes the head of an ext whose length is not known yet; and completes it after the content. */
int luas__container_ext_open(luas__encoder *e, int type, size_t *head);
void luas__container_ext_close(luas__encoder *e, size_t head);
/* The same for a map whose size is not known yet. */
int luas__container_map_open(luas__encoder *e, size_t *head);
void luas__container_map_close(luas__encoder *e, size_t head, uint32_t pairs);
int luas__container_put_number(luas__encoder *e, int type, uint32_t number);

static inline luas__container *luas__encoder_top(const luas__encoder *e)
{
    return &e->scratch->frames[e->scratch->depth - 1];
}

/* encode_table.c */

/* Pops a table that has its number already, and encodes it without its metatable, or opens a
   frame for it. */
int luas__encode_table_content(luas__encoder *e);
/* Replaces the frame's table by a copy of the part that is not written yet. */
void luas__encode_table_copy_rest(lua_State *L, luas__container *f);
int luas__encode_table_array(luas__encoder *e, luas__container *f);
int luas__encode_table_map(luas__encoder *e, luas__container *f);

/* encode_row.c: writes the values if they are few, and all are scalars or small plain tables of
   scalars. Returns 1; or 0 if they are not, after writing some of them. Cannot raise. */
int luas__encode_row_put(lua_State *L, int first, int count, const luas__landmarks *l,
                   const luas__space *space, luas__buffer *out);

/* encode_sandbox.c */

/* Is the value at the top what functions use as globals: the globals, or the environment of a
   job? */
int luas__encode_sandbox_ends(luas__encoder *e);
/* Does a lookup in the table at this index go on to the globals, along tables? */
int luas__encode_sandbox_is(luas__encoder *e, int index);
/* Does it find this name before it comes to them? */
int luas__encode_sandbox_has(luas__encoder *e, int index, const char *name, size_t len);
/* Is the value that is encoded now an upvalue, or what stands behind a table? Then only names in
   the constants of functions lead through it. */
int luas__encode_sandbox_place(const luas__encoder *e);

/* encode_reach.c: must the object at this index go by value though its class, at the top, has
   __luas_pack? Yes (1) if the class travels in this message and reaches it. Negative: a failure. */
int luas__encode_reach_object(luas__encoder *e, int object);

/* encode_light.c: pops light userdata, which has no name, and writes it. Returns 1 if it points into
   a library, which the reader must have; else 0, or negative. */
int luas__encode_light_put(luas__encoder *e);

/* encode_function.c, encode_define.c */

/* Opens a frame for the function at the top. */
int luas__encode_function_open(luas__encoder *e);
int luas__encode_function_step(luas__encoder *e, luas__container *f);
int luas__encode_define_step(luas__encoder *e, luas__container *f);
/* Pushes the value of the global whose name is at the top. */
void luas__encode_define_push_global(luas__encoder *e);

/* encode_kept.c */

/* If workers have kept the object at the top, or the upvalue that it is the light userdata of:
   writes its number, pops it, and returns 1; else 0. */
int luas__encode_kept_put(luas__encoder *e);
/* May workers lack the object of the name at the top, which they have not kept, as it came into its
   module later? One that leads through an upvalue, or package.preload. */
int luas__encode_kept_is_lacked(luas__encoder *e);

/* encode_item.c */

/* Pops the value at the top and encodes it, or opens a frame for it. */
int luas__encode_item(luas__encoder *e);
/* The same for a metatable: by number or name if that is possible. With `may_define` the result
   may be ENCODE_DEFINITION: the space needs a definition of it first, and it stays at the top.
   */
int luas__encode_item_class(luas__encoder *e, int may_define);

/* encode_run.c */

/* Runs until only `bottom` frames are open. */
int luas__encode_run(luas__encoder *e, uint32_t bottom);
/* Writes a define message for the value at the top (popped) and for the names that are wanted
   now. */
int luas__encode_run_define(luas__encoder *e);

/* encode_path.c: pops a reason, and pushes it with the path to the item of the innermost frame.
   */
int luas__encode_path_push(luas__encoder *e);
/* Pushes a reason and returns LUAS_EUNSENT. */
int luas__encode_path_unsent(luas__encoder *e, const char *format, ...);
/* Pushes a description of the value at this index: `userdata (FILE*)`. */
void luas__encode_path_describe(lua_State *L, int index);

#endif
