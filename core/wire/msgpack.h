/*
 * MessagePack (https://github.com/msgpack/msgpack/definition/master/spec.md), one
 * token at a time, over a luas__buffer. Writers choose the shortest form. They return
 * 0, or LUAS_ENOMEM or LUAS_ETOOBIG with the buffer unchanged. The reader trusts
 * nothing: if some bytes of a token are missing it returns LUAS_EPROTO and stays
 * where it was.
 */
#ifndef LUAS_MSGPACK_H
#define LUAS_MSGPACK_H

#include <endian.h>

#include "buffer.h"

typedef enum luas__mp_type {
    MP_NIL, MP_BOOL, MP_INT,    /* MP_BOOL: as.i; MP_INT: fits in int64_t */
    MP_UINT,                    /* above INT64_MAX */
    MP_DOUBLE,                  /* float 32 or float 64 */
    MP_STR, MP_BIN, MP_EXT,     /* `bytes` holds `len` bytes */
    MP_ARRAY, MP_MAP            /* `len` elements or pairs follow */
} luas__mp_type;

typedef struct luas__mp_token {
    luas__mp_type type;
    int8_t ext;                 /* MP_EXT: application type */
    uint32_t len;
    union { int64_t i; uint64_t u; double d; } as;
    const char *bytes;          /* inside the input */
} luas__mp_token;

typedef struct luas__mp_reader {
    const unsigned char *at, *end;
} luas__mp_reader;

int luas__mp_write_nil(luas__buffer *b);
int luas__mp_write_bool(luas__buffer *b, int value);
int luas__mp_write_int(luas__buffer *b, int64_t value);
int luas__mp_write_double(luas__buffer *b, double value);
/* Writes a str if the bytes are UTF-8, else a bin. LUAS_ETOOBIG from 2^32 bytes on. */
int luas__mp_write_string(luas__buffer *b, const char *bytes, size_t len);
int luas__mp_write_long_array(luas__buffer *b, uint32_t len);
/* Writes the head of an ext of `len` bytes. The caller appends these. */
int luas__mp_write_ext(luas__buffer *b, int8_t type, uint32_t len);

/* Takes the next token. Returns 1, 0 at the end of the input, or LUAS_EPROTO. */
int luas__mp_read(luas__mp_reader *r, luas__mp_token *token);
/* luas__mp_read_int takes the next token, which must be an integer that fits. Returns
   0, or LUAS_EPROTO. It leaves integers of more than one byte to luas__mp_read_wide. */
int luas__mp_read_wide(luas__mp_reader *r, int64_t *value);
static inline int luas__mp_read_int(luas__mp_reader *r, int64_t *value)
{
    if (r->at == r->end || *r->at > 127)
        return luas__mp_read_wide(r, value);
    *value = *r->at++;
    return 0;
}
/*
 * Skips one value with all that is nested in it, without recursion. An ext counts as
 * one value. Returns 0; on LUAS_EPROTO the reader stays where it was.
 */
int luas__mp_skip(luas__mp_reader *r);

/*
 * Unchecked writers, for loops that reserve room first. They write at most
 * LUAS__MP_NUMBER bytes and return where the next byte goes.
 */
enum { LUAS__MP_NUMBER = 9, LUAS__MP_HEAD = 6 };

/* The head of an array of one element. */
enum { LUAS__MP_ALONE = 0x91 };

unsigned char *luas__mp_put_wide(unsigned char *p, int64_t value);
unsigned char *luas__mp_put_string(unsigned char *p, const char *bytes, size_t len);

static inline unsigned char *luas__mp_put_int(unsigned char *p, int64_t value)
{
    if (value < -32 || value > 127)
        return luas__mp_put_wide(p, value);
    *p = (unsigned char)value;
    return p + 1;
}

/* Big-endian, like everything in MessagePack. */
static inline void luas__mp_put_4(unsigned char *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

static inline uint32_t luas__mp_get_4(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static inline void luas__mp_put_8(unsigned char *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint64_t luas__mp_get_8(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

/* Writes the low `size` bytes of value; `size` is 1, 2, 4 or 8. */
static inline unsigned char *luas__mp_put_bytes(unsigned char *p, uint64_t value, int size)
{
    if (size == 8) {
        luas__mp_put_8(p, value);
    } else if (size == 4) {
        luas__mp_put_4(p, (uint32_t)value);
    } else if (size == 2) {
        p[0] = (unsigned char)(value >> 8);
        p[1] = (unsigned char)value;
    } else {
        *p = (unsigned char)value;
    }
    return p + size;
}

/* Reads a number of `size` bytes; of 0 bytes it is 0. */
static inline uint64_t luas__mp_get_bytes(const unsigned char *p, size_t size)
{
    switch (size) {
    case 8: return luas__mp_get_8(p);
    case 4: return luas__mp_get_4(p);
    case 2: return (uint64_t)p[0] << 8 | p[1];
    case 1: return *p;
    default: return 0;
    }
}

static inline double luas__mp_get_double(const unsigned char *p)
{
    double value;
    uint64_t v = luas__mp_get_bytes(p, 8);
    memcpy(&value, &v, sizeof value);
    return value;
}

static inline unsigned char *luas__mp_put_double(unsigned char *p, double value)
{
    uint64_t v;
    memcpy(&v, &value, sizeof v);
    *p = 0xcb;
    return luas__mp_put_bytes(p + 1, v, 8);
}

/* Copies a word from each end (they overlap in the middle) and collects their bits. */
#define LUAS__MP_COPY_ENDS(type, p, s, len, bits) \
    do { \
        type first, last; \
        memcpy(&first, s, sizeof first); \
        memcpy(&last, (s) + (len) - sizeof last, sizeof last); \
        memcpy(p, &first, sizeof first); \
        memcpy((p) + (len) - sizeof last, &last, sizeof last); \
        bits |= (uint64_t)(first | last); \
    } while (0)

/*
 * Writes a string of fewer than LUAS__MP_SHORT bytes if it is ASCII. Returns where the
 * next byte goes, or NULL if it is not. Most strings are short and ASCII: they need no
 * loop and no call.
 */
enum { LUAS__MP_SHORT = 32 };

static inline unsigned char *luas__mp_put_short(unsigned char *p, const char *s, size_t len)
{
    uint64_t bits = 0;
    *p++ = (unsigned char)(0xa0 | len);
    if (len >= 16) {
        LUAS__MP_COPY_ENDS(uint64_t, p, s, 16, bits);
        LUAS__MP_COPY_ENDS(uint64_t, p + len - 16, s + len - 16, 16, bits);
    } else if (len >= 8) {
        LUAS__MP_COPY_ENDS(uint64_t, p, s, len, bits);
    } else if (len >= 4) {
        LUAS__MP_COPY_ENDS(uint32_t, p, s, len, bits);
    } else if (len >= 2) {
        LUAS__MP_COPY_ENDS(uint16_t, p, s, len, bits);
    } else if (len == 1) {
        *p = (unsigned char)*s;
        bits = *p;
    }
    return bits & UINT64_C(0x8080808080808080) ? NULL : p + len;
}

static inline int luas__mp_write_array(luas__buffer *b, uint32_t len)
{
    if (len > 15 || luas__buffer_room(b) == 0)
        return luas__mp_write_long_array(b, len);
    *luas__buffer_end(b) = (char)(0x90 | len);
    b->len++;
    return 0;
}

#endif
