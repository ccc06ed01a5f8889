/* Atomic numbers of several widths. */
#include "shared_word.h"

#include <math.h>
#include <string.h>

#include "error.h"

typedef struct words {
    char owners[LUAS__BLOCK_HEAD];
    uint64_t count;
    uint32_t type, size;
    char rest[48];              /* the next member begins a cache line */
    char bytes[];
} words;

static const struct { const char *name; uint32_t size; } types[] = {
#define TYPE(name, text, size) {text, size},
    LUAS__WORD_TYPES(TYPE)
#undef TYPE
};

static words *words_of(const luas__object *o)
{
    return (words *)(void *)o->at;
}

luas__word_type luas__shared_word_type_of(const char *name)
{
    int t = 0;
    while (t < LUAS__NO_TYPE && strcmp(types[t].name, name) != 0)
        t++;
    return (luas__word_type)t;
}

const char *luas__shared_word_type_name(luas__word_type t)
{
    return types[t].name;
}

bool luas__shared_word_fits(luas__word_type t, int64_t i)
{
    switch (t) {
    case LUAS__I8: return i == (int8_t)i;
    case LUAS__I16: return i == (int16_t)i;
    case LUAS__I32: return i == (int32_t)i;
    case LUAS__U8: return i == (uint8_t)i;
    case LUAS__U16: return i == (uint16_t)i;
    case LUAS__U32: return i == (uint32_t)i;
    case LUAS__BOOL: return i == 0 || i == 1;
    default: return true;
    }
}

int luas__shared_word_new(luas__arena *a, luas__shared_kind kind, luas__word_type t, uint64_t n,
                          luas__object *o)
{
    if (n > (UINT64_MAX >> 8) / types[t].size)
        return LUAS_ENOMEM;
    luas__object made = {.at = NULL};
    uint64_t size = sizeof(words) + n * types[t].size;
    int rc = luas__arena_new(a, kind, size, size, &made);
    if (rc < 0)
        return rc;
    words *w = words_of(&made);
    w->count = n;
    w->type = t;
    w->size = types[t].size;
    *o = made;
    return 0;
}

luas__word_type luas__shared_word_type(const luas__object *o)
{
    return (luas__word_type)words_of(o)->type;
}

uint64_t luas__shared_word_count(const luas__object *o)
{
    return words_of(o)->count;
}

size_t luas__shared_word_size(const luas__object *o)
{
    return words_of(o)->size;
}

char *luas__shared_word_bytes(const luas__object *o, uint64_t i)
{
    return words_of(o)->bytes + i * words_of(o)->size;
}

/* ---- numbers as bits ---- */

static uint64_t bits_of(luas__word_type t, luas__number n)
{
    uint32_t half;
    uint64_t all;
    float f;
    switch (t) {
    case LUAS__F32:
        f = (float)n.f;
        memcpy(&half, &f, sizeof half);
        return half;
    case LUAS__F64:
        memcpy(&all, &n.f, sizeof all);
        return all;
    default:
        return (uint64_t)n.i;
    }
}

static luas__number number_of(luas__word_type t, uint64_t bits)
{
    luas__number n = {.i = (int64_t)bits};
    uint32_t half = (uint32_t)bits;
    float f;
    switch (t) {
    case LUAS__I8: n.i = (int8_t)bits; break;
    case LUAS__I16: n.i = (int16_t)bits; break;
    case LUAS__I32: n.i = (int32_t)bits; break;
    case LUAS__U8: case LUAS__BOOL: n.i = (uint8_t)bits; break;
    case LUAS__U16: n.i = (uint16_t)bits; break;
    case LUAS__U32: n.i = (uint32_t)bits; break;
    case LUAS__F32:
        memcpy(&f, &half, sizeof f);
        n.f = (double)f;
        break;
    case LUAS__F64:
        memcpy(&n.f, &bits, sizeof n.f);
        break;
    default: break;
    }
    return n;
}

/* ---- by width ---- */

#define BY_WIDTH(w, at, operation) \
    switch ((w)->size) { \
    case 1: { _Atomic uint8_t *p = (void *)(at); operation; } break; \
    case 2: { _Atomic uint16_t *p = (void *)(at); operation; } break; \
    case 4: { _Atomic uint32_t *p = (void *)(at); operation; } break; \
    default: { _Atomic uint64_t *p = (void *)(at); operation; } break; \
    }

static uint64_t load_bits(const words *w, char *at)
{
    uint64_t bits = 0;
    BY_WIDTH(w, at, bits = atomic_load(p))
    return bits;
}

static bool exchange_bits(const words *w, char *at, uint64_t *expected, uint64_t bits)
{
    bool done = false;
    switch (w->size) {
#define WIDTH(n, type) \
    case n: { \
        type was = (type)*expected; \
        done = atomic_compare_exchange_strong((_Atomic type *)(void *)at, &was, (type)bits); \
        *expected = was; \
        break; \
    }
    WIDTH(1, uint8_t) WIDTH(2, uint16_t) WIDTH(4, uint32_t) WIDTH(8, uint64_t)
#undef WIDTH
    }
    return done;
}

luas__number luas__shared_word_get(const luas__object *o, uint64_t i)
{
    const words *w = words_of(o);
    return number_of((luas__word_type)w->type, load_bits(w, luas__shared_word_bytes(o, i)));
}

void luas__shared_word_set(const luas__object *o, uint64_t i, luas__number n)
{
    const words *w = words_of(o);
    uint64_t bits = bits_of((luas__word_type)w->type, n);
    BY_WIDTH(w, luas__shared_word_bytes(o, i), atomic_store(p, bits))
}

luas__number luas__shared_word_swap(const luas__object *o, uint64_t i, luas__number n)
{
    const words *w = words_of(o);
    uint64_t bits = bits_of((luas__word_type)w->type, n), before = 0;
    BY_WIDTH(w, luas__shared_word_bytes(o, i), before = atomic_exchange(p, bits))
    return number_of((luas__word_type)w->type, before);
}

static luas__number add_float(const luas__object *o, uint64_t i, luas__number n)
{
    const words *w = words_of(o);
    luas__word_type t = (luas__word_type)w->type;
    char *at = luas__shared_word_bytes(o, i);
    uint64_t before = load_bits(w, at), after;
    do {
        luas__number sum = {.f = number_of(t, before).f + n.f};
        after = bits_of(t, sum);
    } while (!exchange_bits(w, at, &before, after));
    return number_of(t, after);
}

luas__number luas__shared_word_add(const luas__object *o, uint64_t i, luas__number n)
{
    const words *w = words_of(o);
    uint64_t bits = (uint64_t)n.i, before = 0;
    if (luas__shared_word_is_float((luas__word_type)w->type))
        return add_float(o, i, n);
    BY_WIDTH(w, luas__shared_word_bytes(o, i), before = atomic_fetch_add(p, bits))
    return number_of((luas__word_type)w->type, before + bits);
}

/* As a loop that reads, computes and exchanges needs it: what was read is what is there, NaN, too. */
static bool are_same(luas__word_type t, luas__number a, luas__number b)
{
    if (!luas__shared_word_is_float(t))
        return a.i == b.i;
    return a.f == b.f || (isnan(a.f) && isnan(b.f));
}

bool luas__shared_word_exchange(const luas__object *o, uint64_t i, luas__number *expected,
                                luas__number n)
{
    const words *w = words_of(o);
    luas__word_type t = (luas__word_type)w->type;
    char *at = luas__shared_word_bytes(o, i);
    uint64_t now = load_bits(w, at), bits = bits_of(t, n);
    luas__number wanted = number_of(t, bits_of(t, *expected)); /* an f32 has less digits */
    while (are_same(t, number_of(t, now), wanted))
        if (exchange_bits(w, at, &now, bits))
            return true;
    *expected = number_of(t, now);
    return false;
}
