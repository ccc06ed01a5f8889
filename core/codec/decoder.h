/*
 * The inside of the decoder, shared by decode.c (the loop, calls from
 * outside), decode_take.c (plain values), decode_ext.c (extension types),
 * decode_object.c (objects and functions that are open) and decode_define.c
 * (define messages); decoder.c is what they stand on.
 *
 * As in the encoder, open containers are frames, each with its container at
 * the index `base` of the Lua stack; a frame that is done leaves its value
 * there, at the top, to be delivered to the frame around it. All memory
 * belongs to Lua: an error may leave at any point.
 */
#ifndef LUAS_LUA_DECODER_H
#define LUAS_LUA_DECODER_H

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
    uint32_t count;             /* begun */
    uint32_t limit;             /* values, elements, pairs or upvalues in all */
    uint32_t number;            /* of the object; never falls from frame to frame */
    const unsigned char *end;   /* of an ext */
} luas__open;

/* An upvalue that later functions may share. */
typedef struct luas__cell {
    uint32_t function;          /* number of the object */
    int index;
} luas__cell;

/* Slots that the decoder has below the values that it makes. */
enum { HELD_FRAMES, HELD_CELLS, HELD_NAMES, HELD_OBJECTS, HELD_PENDING, HELD };
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
    int64_t referred;           /* the number of the object that a reference has just given, or -1 */
    int held;                   /* index of the slots */
    int remembers;              /* objects are at HELD_OBJECTS by number */
    int space_index, trusted, defining;
    luas__space *space;
    luas__open at_hand[OPEN_AT_HAND];
} luas__decoder;

enum { TAKEN = 0, OPENED = 1 };

/* LUAS_EPROTO, with a message pushed. */
int luas__decoder_refuse(luas__decoder *d, const char *why);
/* rc, with what it says pushed. */
int luas__decoder_fail(luas__decoder *d, int rc);
/* Takes a value: TAKEN, it is at the top; OPENED, it will be; or negative, a message pushed. */
int luas__decode_take(luas__decoder *d);
/* decode_ext.c. Takes the value of an ext token, likewise; and in such a token a number, an object of
   the message by number, one of the space. */
int luas__decode_ext_take(luas__decoder *d, const luas__mp_token *token);
int luas__decode_ext_number(luas__decoder *d, const luas__mp_token *token, uint32_t *number);
int luas__decode_ext_remembered(luas__decoder *d, uint32_t number);
int luas__decode_ext_space_object(luas__decoder *d, uint32_t number);
/* Plain values at the front need none of the rest: how many of `count` were taken, or negative. */
int luas__decode_take_plain(luas__decoder *d, int count);
/* Takes one whole value: 0 or negative. */
int luas__decode_take_whole(luas__decoder *d);
/* Opens a frame: OPENED or negative. */
int luas__decoder_open(luas__decoder *d, luas__open_kind kind, int base, uint32_t limit, uint32_t number);
/* The next object's number; and the object at the top is the one of that number. */
uint32_t luas__decoder_next_number(luas__decoder *d);
void luas__decoder_bind(luas__decoder *d, uint32_t number);
/* Steps of lists, arrays and maps, and of the frames of extension types; `delivered`: a value for
   it is at the top. */
int luas__decode_take_list(luas__decoder *d, luas__open *f);
int luas__decode_take_array(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_take_map(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_object(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_object_packed(luas__decoder *d, luas__open *f, int delivered);
int luas__decode_object_upvalues(luas__decoder *d, luas__open *f, int delivered);
/* Sets the metatables that had to wait for the end. */
void luas__decode_object_set_pending(luas__decoder *d);
/* For a message of these bytes. */
void luas__decoder_prepare(luas__decoder *d, lua_State *L, const char *bytes, size_t len,
                           int flags);
/* Pushes the slots, and takes the space at this index or 0: 0 or negative, a message pushed. */
int luas__decoder_enter(luas__decoder *d, lua_State *L, int space);
/* After a failure (rc < 0): of all above `top` only the message stays. Gives rc. */
int luas__decoder_keep_message(lua_State *L, int top, int rc);

static inline luas__open *luas__open_top(luas__decoder *d)
{
    return &d->frames[d->depth - 1];
}

#endif
