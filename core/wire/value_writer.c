/*
 * Tables of an application, as MessagePack. How many elements a table has is known at its end: so
 * its head has the longest form until then, and small tables are moved to the shortest.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "error.h"
#include "plain.h"
#include "plain_value.h"

/* A finished value. It keeps its address. */
typedef struct finished {
    struct finished *next;
    char bytes[];
} finished;

/* A table that is being written. */
typedef struct table {
    size_t at;          /* of its head */
    uint32_t count;     /* elements, or keys and values */
    bool is_map;
} table;

struct luas_writer {
    luas__buffer bytes;
    table *open;
    size_t cap_open;
    uint32_t depth;
    uint32_t values;    /* outside of tables */
    int failure;        /* the first one, or 0 */
    finished *kept;
};

/* HEAD: of an array or a map, in its longest form. What is longer than SHORT stays where it is. */
enum { HEAD = 5, SHORT = 256, FEW = 15 };

luas_writer *luas_writer_new(void)
{
    return calloc(1, sizeof(luas_writer));
}

/* For NaN and nil there is no place in a table. */
static bool is_key(const luas_value *v)
{
    return v->type != LUAS_NIL && !(v->type == LUAS_NUMBER && isnan(v->as.number));
}

static bool is_whole(const luas_value *v)
{
    if (v->type != LUAS_OTHER)
        return true;
    if (v->bytes == NULL || v->len == 0)
        return false;
    luas__mp_reader in = {(const unsigned char *)v->bytes, (const unsigned char *)v->bytes + v->len};
    return luas__mp_skip(&in) == 0 && in.at == in.end;
}

/* One more value goes where the writer is. */
static int count(luas_writer *w)
{
    uint32_t *counted = w->depth > 0 ? &w->open[w->depth - 1].count : &w->values;
    if (*counted == UINT32_MAX)
        return LUAS_ETOOBIG;
    if (w->depth == 0 && *counted > 0)
        return LUAS_EINVAL;
    ++*counted;
    return 0;
}

static bool wants_key(const luas_writer *w)
{
    const table *t = w->depth > 0 ? &w->open[w->depth - 1] : NULL;
    return t != NULL && t->is_map && t->count % 2 == 0;
}

static int add(luas_writer *w, const luas_value *v)
{
    int rc = !is_whole(v) || (wants_key(w) && !is_key(v)) ? LUAS_EINVAL : luas__plain_value_write(&w->bytes, v);
    return rc < 0 ? rc : count(w);
}

/* After a failure nothing is done: luas_writer_value tells of it. */
static bool works(const luas_writer *w)
{
    return w != NULL && w->failure == 0;
}

void luas_writer_add(luas_writer *w, luas_value value)
{
    if (works(w))
        w->failure = add(w, &value);
}

static int begin(luas_writer *w, bool is_map)
{
    static const char head[HEAD];
    if (w->depth == LUAS__PLAIN_DEPTH)
        return LUAS_EDEEP;
    int rc = luas__array_reserve(&w->open, &w->cap_open, w->depth + 1, sizeof *w->open);
    size_t at = w->bytes.len;
    if (rc == 0)
        rc = luas__buffer_append(&w->bytes, head, HEAD);
    if (rc == 0)
        rc = count(w);
    if (rc == 0)
        w->open[w->depth++] = (table){.at = at, .is_map = is_map};
    return rc;
}

void luas_writer_array(luas_writer *w)
{
    if (works(w))
        w->failure = begin(w, false);
}

void luas_writer_map(luas_writer *w)
{
    if (works(w))
        w->failure = begin(w, true);
}

static void write_head(luas_writer *w, const table *t)
{
    unsigned char *head = (unsigned char *)luas__buffer_bytes(&w->bytes) + t->at;
    uint32_t n = t->is_map ? t->count / 2 : t->count;
    size_t len = w->bytes.len - t->at - HEAD;
    if (n > FEW || len > SHORT) {
        *head = t->is_map ? 0xdf : 0xdd;
        luas__mp_put_4(head + 1, n);
        return;
    }
    *head = (unsigned char)((t->is_map ? 0x80 : 0x90) | n);
    memmove(head + 1, head + HEAD, len);
    luas__buffer_truncate(&w->bytes, t->at + 1 + len);
}

static int end(luas_writer *w)
{
    if (w->depth == 0 || (w->open[w->depth - 1].is_map && !wants_key(w)))
        return LUAS_EINVAL;
    write_head(w, &w->open[--w->depth]);
    return 0;
}

void luas_writer_end(luas_writer *w)
{
    if (works(w))
        w->failure = end(w);
}

static int finish(luas_writer *w, luas_value *value)
{
    int rc = w->failure != 0 ? w->failure : w->depth > 0 || w->values != 1 ? LUAS_EINVAL : 0;
    size_t len = w->bytes.len;
    finished *f = rc < 0 ? NULL : malloc(sizeof *f + len);
    if (f == NULL)
        return rc < 0 ? rc : LUAS_ENOMEM;
    memcpy(f->bytes, luas__buffer_bytes(&w->bytes), len);
    f->next = w->kept;
    w->kept = f;
    *value = (luas_value){.type = LUAS_OTHER, .bytes = f->bytes, .len = len};
    return 0;
}

int luas_writer_value(luas_writer *w, luas_value *value)
{
    *value = luas_nil();
    if (w == NULL)
        return LUAS_ENOMEM;
    int rc = finish(w, value);
    luas__buffer_truncate(&w->bytes, 0);
    w->depth = w->values = 0;
    w->failure = 0;
    return rc;
}

void luas_writer_free(luas_writer *w)
{
    if (w == NULL)
        return;
    for (finished *f; (f = w->kept) != NULL;) {
        w->kept = f->next;
        free(f);
    }
    luas__buffer_release(&w->bytes);
    free(w->open);
    free(w);
}
