/*
 * Numbers that processes share: one (a value) or many (an array) of one type. Each operation is
 * atomic.
 *
 * Here integers are int64_t, booleans are 0 or 1 of these, floats are double. Addition wraps.
 * Indices count from 0; the caller checks them.
 */
#ifndef LUAS_SHARED_WORD_H
#define LUAS_SHARED_WORD_H

#include "arena.h"

#define LUAS__WORD_TYPES(X) \
    X(I8, "i8", 1) X(I16, "i16", 2) X(I32, "i32", 4) X(I64, "i64", 8) \
    X(U8, "u8", 1) X(U16, "u16", 2) X(U32, "u32", 4) \
    X(F32, "f32", 4) X(F64, "f64", 8) X(BOOL, "bool", 1)

typedef enum luas__word_type {
#define LUAS__WORD_ENUM(name, text, size) LUAS__##name,
    LUAS__WORD_TYPES(LUAS__WORD_ENUM)
#undef LUAS__WORD_ENUM
    LUAS__NO_TYPE
} luas__word_type;

typedef union luas__number {
    int64_t i;
    double f;
} luas__number;

/* The type of a name, LUAS__NO_TYPE if there is none; and the name of a type. */
luas__word_type luas__shared_word_type_of(const char *name);
const char *luas__shared_word_type_name(luas__word_type t);

static inline bool luas__shared_word_is_float(luas__word_type t)
{
    return t == LUAS__F32 || t == LUAS__F64;
}

/* Can the type hold this integer? */
bool luas__shared_word_fits(luas__word_type t, int64_t i);

/* A LUAS__SHARED_VALUE has one number, a LUAS__SHARED_ARRAY has `n`. */
int luas__shared_word_new(luas__arena *a, luas__shared_kind kind, luas__word_type t, uint64_t n,
                          luas__object *o);

luas__word_type luas__shared_word_type(const luas__object *o);
uint64_t luas__shared_word_count(const luas__object *o);

luas__number luas__shared_word_get(const luas__object *o, uint64_t i);
void luas__shared_word_set(const luas__object *o, uint64_t i, luas__number n);
luas__number luas__shared_word_swap(const luas__object *o, uint64_t i, luas__number n);
luas__number luas__shared_word_add(const luas__object *o, uint64_t i, luas__number n);  /* the sum */

/* Replaces *expected by `n`. If another number is there, stores that in *expected and returns
   false. Floats are compared as numbers. */
bool luas__shared_word_exchange(const luas__object *o, uint64_t i, luas__number *expected,
                                luas__number n);

/* The numbers from i on, as they are in memory; and the bytes of one number. */
char *luas__shared_word_bytes(const luas__object *o, uint64_t i);
size_t luas__shared_word_size(const luas__object *o);

#endif
