/*
 * Turns values of the wire format (value_format.h) into plain MessagePack, for a reader
 * that knows nothing of Lua. No extension type is left:
 *
 *   REF       becomes a copy of the object that it refers to
 *   OBJECT    becomes its table, without the class
 *   PACKED    becomes its value if there is exactly one, else the array of its values
 *
 * The rest is plain MessagePack already and is copied byte for byte. Failures:
 *
 *   LUAS_EUNSENT  there is no plain form: a function, a global, a NAME, an object of the
 *                 space, or something that refers to itself
 *   LUAS_EDEEP    nesting beyond LUAS__PLAIN_DEPTH
 *   LUAS_ETOOBIG  references would add more than LUAS__PLAIN_MORE bytes to a message
 *   LUAS_EPROTO   no encoder writes this; parts that are left out are not checked
 *
 * The caller: 1. luas__plain_open; 2. luas__plain_next for each value, always with the
 * same buffer, in which earlier values stay in place; 3. luas__plain_close. After a
 * failure luas__plain_explain has words for it, until the close. The caller owns the
 * message and must not change it meanwhile. A luas__plain that is all zero is closed. It
 * can be opened any number of times.
 */
#ifndef LUAS_PLAIN_H
#define LUAS_PLAIN_H

#include <stdbool.h>

#include "msgpack.h"

/* Common readers of MessagePack have about this limit of depth. */
enum { LUAS__PLAIN_DEPTH = 1000, LUAS__PLAIN_MORE = 64 << 20 };

/* An object of a message with references. */
typedef struct luas__plain_object {
    size_t at;          /* of its plain form in the output */
    uint32_t len;       /* of the plain form; 0: it has none yet */
    uint32_t from;      /* offset of its first byte in the message */
    uint32_t height;    /* how many levels of containers it has */
    bool is_open;       /* its plain form is being written */
} luas__plain_object;

/* A container whose plain form is being written. */
typedef struct luas__plain_frame {
    unsigned char kind;
    uint32_t number;    /* of the object; UINT32_MAX where nothing can refer to it */
    uint32_t height;    /* of the highest value so far */
    uint64_t begun, left;       /* elements, or keys and values: begun, and not yet begun */
    size_t at;                  /* of its plain form */
    const unsigned char *key;   /* of a map: the key whose value comes next */
    const unsigned char *end;   /* of the ext around it, or NULL */
    const unsigned char *next;  /* where to go on after it, if not right behind it */
} luas__plain_frame;

typedef struct luas__plain {
    luas__mp_reader in;             /* what is not read yet */
    const unsigned char *start;     /* of the message, offset 0 */
    const unsigned char *copied;    /* all before it is in the output or was left out */
    luas__buffer *out;
    size_t room;                    /* bytes that may still be appended */
    bool is_shared;                 /* has references */
    luas__plain_object *objects;    /* by number */
    uint32_t count;
    size_t capacity;
    luas__plain_frame *frames;      /* LUAS__PLAIN_DEPTH of them, kept; NULL: not yet */
    uint32_t depth;
    const char *why;                /* the failure in words, without the place */
} luas__plain;

/* Opens a message that is an array of values (luas__encode) or one value
   (luas__encode_value). Returns how many values there are, or LUAS_EPROTO or LUAS_ENOMEM. */
int luas__plain_open(luas__plain *p, const char *bytes, size_t len, bool is_array);

/* Appends the plain form of the next value. Returns 0, or one of the failures above or
   LUAS_ENOMEM with the buffer unchanged. After a failure no further value can be read. */
int luas__plain_next(luas__plain *p, luas__buffer *out);

/* Returns 0 if the message ends here, else LUAS_EPROTO. */
int luas__plain_end(luas__plain *p);

/* Appends the failure in words: `result 1, field "self": refers to itself`. `place` names
   the value that was to be next ("result 1"), or is "". Returns 0 or LUAS_ENOMEM. */
int luas__plain_explain(const luas__plain *p, const char *place, luas__buffer *text);

void luas__plain_close(luas__plain *p);

/* Closes it and frees its memory. */
void luas__plain_release(luas__plain *p);

#endif
