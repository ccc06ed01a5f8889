/*
 * Values of the wire format (values.h) as plain MessagePack, for a reader that
 * knows nothing of Lua. No extension type is left in it:
 *
 *   REF       what it refers to, given once more
 *   OBJECT    its table, without the class
 *   PACKED    its value where it has one, else the array of its values
 *
 * All else that is plain MessagePack stays as it is, byte for byte. No plain
 * form have functions, globals, what goes by name or is the worker's, and what
 * refers to itself: LUAS_EUNSENT. Nesting beyond LUAS__PLAIN_DEPTH is
 * LUAS_EDEEP; so much that references add more than LUAS__PLAIN_MORE bytes to
 * a message is LUAS_ETOOBIG. What no encoder writes is LUAS_EPROTO; but into
 * what is left out nobody looks.
 *
 * 1. luas__plain_open; 2. luas__plain_next for each value, all into one
 * buffer, in which the earlier ones stay where they are; 3. luas__plain_close,
 * also after a failure, which luas__plain_explain puts into words before. The
 * message stays the caller's and must not change in between. A luas__plain that
 * is all zero is closed, and can be opened again and again.
 */
#ifndef LUAS_PLAIN_H
#define LUAS_PLAIN_H

#include <stdbool.h>

#include "msgpack.h"

/* Readers of MessagePack have a limit of about that. */
enum { LUAS__PLAIN_DEPTH = 1000, LUAS__PLAIN_MORE = 64 << 20 };

/* An object of a message with references. */
typedef struct luas__plain_object {
    size_t at;          /* of its plain form in the output */
    uint32_t len;       /* of that; 0: it has none yet */
    uint32_t from;      /* offset of its first byte in the message */
    uint32_t height;    /* containers within each other that it is */
    bool is_open;       /* its plain form is being made */
} luas__plain_object;

/* A container whose plain form is being made. */
typedef struct luas__plain_frame {
    unsigned char kind;
    uint32_t number;    /* of the object; UINT32_MAX where nothing can refer to it */
    uint32_t height;    /* of the highest value so far */
    uint64_t begun, left;       /* elements, or keys and values; left: to be begun */
    size_t at;                  /* of its plain form */
    const unsigned char *key;   /* a map's: of the pair at hand, whose value is next */
    const unsigned char *end;   /* of the ext that it is in, or NULL */
    const unsigned char *next;  /* what comes after it, if not what stands behind it */
} luas__plain_frame;

typedef struct luas__plain {
    luas__mp_reader in;             /* what is not read yet */
    const unsigned char *start;     /* of the message, offset 0 */
    const unsigned char *copied;    /* what is before it is in the output, or left out */
    luas__buffer *out;
    size_t room;                    /* bytes that may still be appended */
    bool is_shared;                 /* has references */
    luas__plain_object *objects;    /* by number */
    uint32_t count, capacity;
    luas__plain_frame *frames;      /* LUAS__PLAIN_DEPTH of them, kept; NULL: not yet */
    uint32_t depth;
    const char *why;                /* the failure, but for the place */
} luas__plain;

/* A message that is an array of values (luas__encode), or one value (luas__encode_value):
   how many there are; or LUAS_EPROTO or LUAS_ENOMEM. */
int luas__plain_open(luas__plain *p, const char *bytes, size_t len, bool is_array);

/* Appends the plain form of the next value: 0; or negative, as above or LUAS_ENOMEM, and
   the buffer is as it was. After a failure no other value can be had. */
int luas__plain_next(luas__plain *p, luas__buffer *out);

/* Nothing is left over of the message: 0 or LUAS_EPROTO. */
int luas__plain_end(luas__plain *p);

/* Appends what failed, as in `result 1, field "self": refers to itself`, where "result 1"
   is the place of the value that was to be next, or "": 0 or LUAS_ENOMEM. */
int luas__plain_explain(const luas__plain *p, const char *place, luas__buffer *text);

void luas__plain_close(luas__plain *p);

/* Closes it and frees what is kept. */
void luas__plain_release(luas__plain *p);

#endif
