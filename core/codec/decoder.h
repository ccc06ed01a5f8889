/*
 * The inside of the decoder. Its files: decode.c (the loop, functions called from outside),
 * decode_take.c (plain values), decode_ext.c (extension types), decode_object.c (open objects
 * and functions), decode_class.c (their metatables), decode_unpack.c (objects that pack themselves),
 * decode_define.c (define messages), and below them all decoder.c.
 *
 * As in the encoder, each open container is a frame. Its container is at the index `base` of
 * the Lua stack. A frame that is done leaves its value there, at the top; the value is then
 * delivered to the frame around it. All memory belongs to Lua, so an error may leave at any
 * point.
 */
#ifndef LUAS_DECODER_H
#define LUAS_DECODER_H

#include <lua.h>

#include "space.h"
#include "msgpack.h"

typedef enum luas__open_kind {
    OPEN_LIST,      /* values that stay on the stack */
    OPEN_ARRAY, OPEN_MAP,
    OPEN_OBJECT,    /* base: table, then its class */
    OPEN_PACKED,    /* values from base, then their class */
    OPEN_FUNCTION
} luas__open_kind;

typedef struct luas__open {
    unsigned char kind, phase;
    int base;
    uint32_t count;             /* how many have begun */
    uint32_t limit;             /* values, elements, pairs or upvalues in all */
    uint32_t number;            /* of the object; never decreases from frame to frame */
    const unsigned char *end;   /* of an ext */
} luas__open;

/* An upvalue that later functions may share. */
typedef struct luas__cell {
    uint32_t function;          /* number of the object */
    int index;
} luas__cell;

/* Slots of the Lua stack that the decoder has below its values. */
enum { HELD_FRAMES, HELD_CELLS, HELD_NAMES, HELD_OBJECTS, HELD_PENDING, HELD_NAMED, HELD_STAND_INS, HELD_MADE,
       HELD };
enum { OPEN_AT_HAND = 24 };

typedef struct luas__decoder {
    lua_State *L;
    luas__mp_reader in;
    const unsigned char *start;
    luas__open *frames;
    uint32_t depth, capacity;
    luas__cell *cells;
    uint32_t cell_count, cell_capacity;
    uint32_t objects;           /* begun in this message */
    size_t budget;              /* elements for which room may still be made ahead */
    int64_t referred;           /* if the last value was a reference: its number; else -1 */
    int held;                   /* index of the slots */
    int remembers;              /* objects are kept at HELD_OBJECTS by number */
    int space_index, trusted, defining;
    luas__space *space;
    luas__open at_hand[OPEN_AT_HAND];
} luas__decoder;

enum { TAKEN = 0, OPENED = 1 };

/* Pushes a message and returns LUAS_EPROTO. */
int luas__decoder_refuse(luas__decoder *d, const char *why);
/* Pushes the message of rc and returns rc. */
int luas__decoder_fail(luas__decoder *d, int rc);
/* Takes a value. TAKEN: it is at the top. OPENED: a frame was opened for it. Negative: a
   message is pushed. */
int luas__decode_take(luas__decoder *d);
/* decode_ext.c. Takes the value of an ext token, likewise. The others read the number in such a
   token, and push an object of the message or of the space by number. */
int luas__decode_ext_take(luas__decoder *d, const luas__mp_token *token);
int luas__decode_ext_number(luas__decoder *d, const luas__mp_token *token, uint32_t *number);
int luas__decode_ext_remembered(luas__decoder *d, uint32_t number);
int luas__decode_ext_space_object(luas__decoder *d, uint32_t number);
/* Pushes an object that was inherited. `upvalue`, if wanted: which of its upvalues is meant, or 0. */
int luas__decode_ext_kept(luas__decoder *d, const luas__mp_token *token, int *upvalue);
/* Takes plain values at the front, for which no slots are needed. Returns how many of `count`
   it took, or negative. */
int luas__decode_take_plain(luas__decoder *d, int count);
/* Takes one whole value: 0 or negative. */
int luas__decode_take_whole(luas__decoder *d);
/* Opens a frame: OPENED or negative. */
int luas__decoder_open(luas__decoder *d, luas__open_kind kind, int base, uint32_t limit, uint32_t number);
/* Returns the number of the next object; and says that the object at the top has this number. */
uint32_t luas__decoder_next_number(luas__decoder *d);
void luas__decoder_bind(luas__decoder *d, uint32_t number);
/* The steps of frames. `delivered`: a value for the frame is at the top. */
int luas__decode_take_list(luas__decoder *d, luas__open *f);
int luas__decode_take_array(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_take_map(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_object(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_object_packed(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_object_upvalues(luas__decoder *d, luas__open *f, int delivered);

/* decode_class.c */

/* Expects [object, class]; pops the class. `number`: of the class, if it was a reference, else -1.
   A class that is not complete is set later: it may still get a __gc. */
void luas__decode_class_set(luas__decoder *d, int64_t number);
/* Sets the classes that are complete by now. */
void luas__decode_class_set_complete(luas__decoder *d);

/* decode_unpack.c */

/* Replaces the values and the class from the frame's base on by the object that they make, or in
   a define message by what stands in for it. `number`: as above. */
int luas__decode_unpack_take(luas__decoder *d, const luas__open *f, int64_t number);
/* The object at the top came by name, so it is complete. */
void luas__decode_unpack_note_name(luas__decoder *d);
/* At the end of a define message, whose root is at the top: makes the other objects. */
int luas__decode_unpack_rest(luas__decoder *d);

/* Prepares for a message of these bytes. */
void luas__decoder_prepare(luas__decoder *d, lua_State *L, const char *bytes, size_t len,
                           int flags);
/* Pushes the slots, and uses the space at this index (0: none). Returns 0; or negative, with a
   message pushed. */
int luas__decoder_enter(luas__decoder *d, lua_State *L, int space);
/* After a failure (rc < 0): removes everything above `top` except the message. Returns rc. */
int luas__decoder_keep_message(lua_State *L, int top, int rc);

static inline luas__open *luas__decoder_top(luas__decoder *d)
{
    return &d->frames[d->depth - 1];
}

#endif
