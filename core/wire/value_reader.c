/*
 * Reads tables that have come as MessagePack. Nothing there is believed: each value is measured,
 * within the one around it, before an application gets it.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "error.h"
#include "plain.h"
#include "plain_value.h"

/* A table that is being read. */
typedef struct table {
    luas__mp_reader in;         /* what is not read yet */
    const unsigned char *first; /* its first value, or key */
    uint32_t count, left;       /* elements, or pairs */
    bool is_map;
} table;

struct luas_reader {
    const unsigned char *start; /* of the message */
    size_t len;
    char *strings;              /* as long as the message: a string lies there one byte before its
                                   place in the message, which has a head there; so there is room
                                   for a zero. NULL: none was read */
    table *open;
    size_t cap_open;
    uint32_t depth;
    luas_value last;            /* the table that came last; or nil */
};

static int place_string(luas_reader *r, luas_value *v)
{
    if (r->strings == NULL && (r->strings = malloc(r->len)) == NULL)
        return LUAS_ENOMEM;
    char *place = r->strings + ((const unsigned char *)v->bytes - r->start) - 1;
    memcpy(place, v->bytes, v->len);
    place[v->len] = '\0';
    v->bytes = place;
    return 0;
}

/* Takes a value, measures it, and leaves a string where it is. */
static int take(luas__mp_reader *in, luas_value *v)
{
    const unsigned char *at = in->at;
    luas__mp_token t;
    int rc = luas__mp_read(in, &t);
    if (rc != 1)
        return LUAS_EPROTO;
    if (luas__plain_value_set(v, &t))
        return 0;
    in->at = at;
    rc = luas__mp_skip(in);
    *v = (luas_value){.type = LUAS_OTHER, .bytes = (const char *)at, .len = (size_t)(in->at - at)};
    return rc;
}

static int open_table(luas_reader *r, const luas_value *v)
{
    if (v->type != LUAS_OTHER || v->bytes == NULL)
        return LUAS_EINVAL;
    luas__mp_reader in = {(const unsigned char *)v->bytes, (const unsigned char *)v->bytes + v->len};
    luas__mp_token t;
    if (luas__mp_read(&in, &t) != 1)
        return LUAS_EPROTO;
    if (t.type != MP_ARRAY && t.type != MP_MAP)
        return LUAS_EINVAL;
    if (r->depth == LUAS__PLAIN_DEPTH)
        return LUAS_EDEEP;
    int rc = luas__array_reserve(&r->open, &r->cap_open, r->depth + 1, sizeof *r->open);
    if (rc == 0)
        r->open[r->depth++] = (table){.in = in, .first = in.at, .count = t.len, .left = t.len,
                                      .is_map = t.type == MP_MAP};
    r->last = luas_nil();
    return rc;
}

int luas_reader_open(luas_reader **reader, const luas_value *value)
{
    luas_reader *r = *reader = calloc(1, sizeof *r);
    if (r == NULL)
        return LUAS_ENOMEM;
    r->start = (const unsigned char *)value->bytes;
    r->len = value->len;
    int rc = open_table(r, value);
    if (rc < 0) {
        luas_reader_close(r);
        *reader = NULL;
    }
    return rc;
}

static table *top(const luas_reader *r)
{
    return &r->open[r->depth - 1];
}

uint32_t luas_reader_count(const luas_reader *r)
{
    return top(r)->count;
}

/* As luas_reader_next, with strings left where they are. */
static int step(table *t, luas_value *key, luas_value *value)
{
    luas__mp_reader in = t->in;
    *key = luas_integer((int64_t)t->count - t->left + 1);
    int rc = t->is_map ? take(&in, key) : 0;
    if (rc == 0)
        rc = take(&in, value);
    if (rc < 0)
        return rc;
    t->in = in;
    t->left--;
    return 1;
}

static int give(luas_reader *r, luas_value *v)
{
    return v->type == LUAS_STRING ? place_string(r, v) : 0;
}

int luas_reader_next(luas_reader *r, luas_value *key, luas_value *value)
{
    table *t = top(r), before = *t;
    luas_value own_key, own_value;
    r->last = *value = luas_nil();
    if (t->left == 0)
        return 0;
    int rc = step(t, &own_key, &own_value);
    if (rc == 1 && key != NULL && give(r, &own_key) < 0)
        rc = LUAS_ENOMEM;
    if (rc == 1 && give(r, &own_value) < 0)
        rc = LUAS_ENOMEM;
    if (rc < 0) {
        *t = before;
        return rc;
    }
    if (key != NULL)
        *key = own_key;
    r->last = *value = own_value;
    return 1;
}

static bool is_named(const luas_value *key, const char *name, size_t len)
{
    return key->type == LUAS_STRING && key->len == len && memcmp(key->bytes, name, len) == 0;
}

int luas_reader_find(luas_reader *r, const char *name, luas_value *value)
{
    table t = *top(r);
    luas_value key, found;
    size_t len = strlen(name);
    t.in.at = t.first;
    t.left = t.is_map ? t.count : 0;
    r->last = *value = luas_nil();
    while (t.left > 0) {
        int rc = step(&t, &key, &found);
        if (rc < 0)
            return rc;
        if (!is_named(&key, name, len))
            continue;
        rc = give(r, &found);
        if (rc == 0)
            r->last = *value = found;
        return rc < 0 ? rc : 1;
    }
    return 0;
}

int luas_reader_enter(luas_reader *r)
{
    return open_table(r, &r->last);
}

int luas_reader_leave(luas_reader *r)
{
    if (r->depth <= 1)
        return LUAS_EINVAL;
    r->depth--;
    r->last = luas_nil();
    return 0;
}

void luas_reader_close(luas_reader *r)
{
    if (r == NULL)
        return;
    free(r->strings);
    free(r->open);
    free(r);
}
