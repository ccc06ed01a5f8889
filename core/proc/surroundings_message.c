/* What is around a process on its way to another. */
#define _GNU_SOURCE
#include "surroundings_message.h"

#include <stdlib.h>

#include "error.h"
#include "surroundings_part.h"

enum { FIELDS = 7 };

static bool is_same(const char *a, const char *b)
{
    return luas__surroundings_part_same(a, b);
}

/* Counts the variables that `to` sets, and writes them if `out` is not NULL. */
static int write_set(luas__buffer *out, const luas__surroundings *from,
                     const luas__surroundings *to, int rc)
{
    for (size_t i = 0; i < to->count && rc >= 0; i++) {
        const char *v = to->variables[i];
        size_t len = luas__surroundings_part_name(v);
        size_t at = luas__surroundings_part_find(from->variables, from->count, v, len);
        if (len == 0 || (at < from->count && strcmp(from->variables[at], v) == 0
                         && !luas__surroundings_part_changed(from, to, v, len)))
            continue;
        int put = out == NULL ? 1 : luas__mp_write_string(out, v, strlen(v));
        rc = put < 0 ? put : rc + put;
    }
    return rc;
}

/* The same for this one, if `to` lacks it. */
static int write_gone(luas__buffer *out, const char *name, size_t len, const luas__surroundings *to,
                      int rc)
{
    if (rc < 0 || len == 0 || luas__surroundings_part_find(to->variables, to->count, name, len) < to->count)
        return rc;
    int put = out == NULL ? 1 : luas__mp_write_string(out, name, len);
    return put < 0 ? put : rc + put;
}

/* The same for all that `from` has, or that were there in between. */
static int write_all_gone(luas__buffer *out, const luas__surroundings *from,
                          const luas__surroundings *to, int rc)
{
    const luas__surroundings *newer = from->serial > to->serial ? from : to;
    for (size_t i = 0; i < from->count; i++)
        rc = write_gone(out, from->variables[i], luas__surroundings_part_name(from->variables[i]), to, rc);
    for (size_t i = 0; i < newer->changed; i++) {
        const char *name = newer->changes[i].name;
        size_t len = strlen(name);
        if (*name != '=' && luas__surroundings_part_find(from->variables, from->count, name, len) == from->count
            && luas__surroundings_part_changed(from, to, name, len))
            rc = write_gone(out, name, len, to, rc);
    }
    return rc;
}

static int write_variables(luas__buffer *out, const luas__surroundings *from,
                           const luas__surroundings *to)
{
    int count = write_all_gone(NULL, from, to, write_set(NULL, from, to, 0));
    int rc = luas__mp_write_array(out, (uint32_t)count);
    return rc < 0 ? rc : write_all_gone(out, from, to, write_set(out, from, to, 0));
}

static int write_text(luas__buffer *out, bool is_else, const char *to)
{
    if (!is_else)
        return luas__mp_write_nil(out);
    return to != NULL ? luas__mp_write_string(out, to, strlen(to)) : luas__mp_write_bool(out, 0);
}

static int write_number(luas__buffer *out, bool is_else, int64_t to)
{
    return is_else ? luas__mp_write_int(out, to) : luas__mp_write_nil(out);
}

#define HAS_CHANGED(from, to, what) luas__surroundings_part_changed(from, to, what, sizeof what - 1)

int luas__surroundings_message_write(luas__buffer *out, const luas__surroundings *from,
                             const luas__surroundings *to)
{
    bool moved = !luas__surroundings_part_is_there(from, to) || HAS_CHANGED(from, to, DIRECTORY);
    bool speaks = !is_same(from->locale, to->locale) || HAS_CHANGED(from, to, LOCALE);
    bool masks = from->mask != to->mask || HAS_CHANGED(from, to, MASK);
    bool zone = !is_same(from->zone, to->zone) || HAS_CHANGED(from, to, TIME_ZONE);
    int rc = luas__mp_write_array(out, FIELDS);
    if (rc == 0)
        rc = write_text(out, moved, to->directory);
    if (rc == 0)
        rc = write_number(out, moved, to->device);
    if (rc == 0)
        rc = write_number(out, moved, to->inode);
    if (rc == 0)
        rc = write_text(out, speaks, to->locale);
    if (rc == 0)
        rc = write_number(out, masks, to->mask);
    if (rc == 0)
        rc = write_text(out, zone, to->zone);
    return rc < 0 ? rc : write_variables(out, from, to);
}

/* Makes *text a copy of the string that comes next, for the caller to free by *copy_of; or NULL,
   for false. Leaves it as it is for nil. */
static int read_text(luas__mp_reader *r, const char **text, char **copy_of)
{
    luas__mp_token t;
    if (luas__mp_read(r, &t) != 1)
        return LUAS_EPROTO;
    if (t.type == MP_NIL)
        return 0;
    *text = NULL;
    if (t.type == MP_BOOL)
        return 0;
    if (t.type != MP_STR && t.type != MP_BIN)
        return LUAS_EPROTO;
    *text = *copy_of = strndup(t.bytes, t.len);
    return *text != NULL ? 0 : LUAS_ENOMEM;
}

/* Changes the list, which has room for one more, as this string says. */
static void change(char **variables, size_t *count, char *as)
{
    size_t len = luas__surroundings_part_name(as), at;
    bool is_set = len > 0;
    at = luas__surroundings_part_find(variables, *count, as, is_set ? len : strlen(as));
    if (at == *count && is_set)
        ++*count;
    if (at < *count)
        variables[at] = is_set ? as : NULL;
}

/* `copies` gets what the caller frees. */
static int read_variables(luas__mp_reader *r, uint32_t changes, char **variables, size_t *count,
                          char **copies)
{
    int rc = 0;
    for (uint32_t i = 0; i < changes && rc == 0; i++) {
        const char *text = NULL;
        rc = read_text(r, &text, &copies[i]);
        if (rc == 0 && text == NULL)
            rc = LUAS_EPROTO;
        if (rc == 0)
            change(variables, count, copies[i]);
    }
    return rc;
}

/* Leaves the number as it is for nil. */
static int read_number(luas__mp_reader *r, int64_t *number)
{
    luas__mp_token t;
    if (luas__mp_read(r, &t) != 1 || (t.type != MP_NIL && t.type != MP_INT))
        return LUAS_EPROTO;
    if (t.type == MP_INT)
        *number = t.as.i;
    return 0;
}

static int read_count(luas__mp_reader *r, uint32_t *count)
{
    luas__mp_token t;
    if (luas__mp_read(r, &t) != 1 || t.type != MP_ARRAY || t.len > (size_t)(r->end - r->at) + 1)
        return LUAS_EPROTO;
    *count = t.len;
    return 0;
}

/* Reads the variables, and makes the result of them and of `s`. */
static int read_rest(luas__surroundings **to, const luas__surroundings *s, luas__mp_reader *r)
{
    uint32_t changes;
    int rc = read_count(r, &changes);
    if (rc < 0)
        return rc;
    size_t count = s->count, most = count + changes + 1;
    char **variables = calloc(most + changes, sizeof *variables), **copies = variables + most;
    if (variables == NULL)
        return LUAS_ENOMEM;
    memcpy(variables, s->variables, count * sizeof *variables);
    rc = read_variables(r, changes, variables, &count, copies);
    if (rc == 0 && (*to = luas__surroundings_part_make(s, variables, count)) == NULL)
        rc = LUAS_ENOMEM;
    for (uint32_t i = 0; i < changes; i++)
        free(copies[i]);
    free(variables);
    return rc;
}

/* Reads all but the variables into `s`. `copies`: of the strings, for the caller to free. */
static int read_others(luas__mp_reader *r, luas__surroundings *s, char *copies[3])
{
    int64_t mask = s->mask;
    int rc = read_text(r, &s->directory, &copies[0]);
    if (rc == 0)
        rc = read_number(r, &s->device);
    if (rc == 0)
        rc = read_number(r, &s->inode);
    if (rc == 0)
        rc = read_text(r, &s->locale, &copies[1]);
    if (rc == 0)
        rc = read_number(r, &mask);
    if (rc == 0)
        rc = read_text(r, &s->zone, &copies[2]);
    s->mask = (mode_t)mask & 0777;
    return rc;
}

int luas__surroundings_message_read(luas__surroundings **to, const luas__surroundings *from,
                            luas__mp_reader *changes)
{
    luas__surroundings s = *from;
    char *copies[3] = {NULL};
    uint32_t fields;
    *to = NULL;
    int rc = read_count(changes, &fields);
    if (rc == 0)
        rc = fields == FIELDS ? read_others(changes, &s, copies) : LUAS_EPROTO;
    if (rc == 0)
        rc = read_rest(to, &s, changes);
    for (int i = 0; i < 3; i++)
        free(copies[i]);
    return rc;
}

