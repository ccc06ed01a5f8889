/* Reads all of a table by luas_reader, touches every byte that it gives, and counts the values. */
#ifndef LUAS_WALK_TABLE_H
#define LUAS_WALK_TABLE_H

#include <luas.h>

typedef struct walk {
    unsigned sum;       /* of the bytes of strings */
    uint64_t values;    /* keys too */
    int failure;        /* the first; or 0 */
} walk;

static inline void touch(walk *w, const luas_value *v)
{
    w->values++;
    if (v->type < LUAS_STRING)
        return;
    for (size_t i = 0; i < v->len; i++)
        w->sum += (unsigned char)v->bytes[i];
    if (v->type == LUAS_STRING)
        w->sum += (unsigned char)v->bytes[v->len]; /* 0 */
}

static inline void walk_table(walk *w, luas_reader *r)
{
    luas_value key, value;
    int rc;
    for (int depth = 0; w->failure == 0;) {
        rc = luas_reader_next(r, &key, &value);
        if (rc < 0 || (rc == 0 && depth == 0)) {
            w->failure = rc;
            return;
        }
        if (rc == 0) {
            luas_reader_leave(r);
            depth--;
            continue;
        }
        touch(w, &key);
        touch(w, &value);
        depth += luas_reader_enter(r) == 0;
    }
}

/* Of any bytes. */
static inline walk walk_bytes(const char *bytes, size_t len)
{
    walk w = {0, 0, 0};
    luas_value table = luas_bytes(bytes, len), found;
    luas_reader *r;
    table.type = LUAS_OTHER;
    w.failure = luas_reader_open(&r, &table);
    if (w.failure == 0) {
        if (luas_reader_find(r, "id", &found) == 1)
            touch(&w, &found);
        walk_table(&w, r);
    }
    luas_reader_close(r);
    return w;
}

#endif
