/* Reads payloads, and copies what they hold to memory that luas_values can point to. */
#include "results.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "array.h"
#include "error.h"
#include "plain_value.h"

/* The text moves while it grows. So pointers into it are stored as offsets until everything is
   read. The empty string is at offset 0. */
static const char *offset(size_t at)
{
    return (const char *)at;
}

static int end_text(luas__results *r)
{
    return luas__buffer_append(&r->text, "", 1);
}

/* Appends a string, with a zero after it. */
static int keep_text(luas__results *r, const char **text, const char *bytes, size_t len)
{
    *text = offset(r->text.len);
    int rc = luas__buffer_append(&r->text, bytes, len);
    return rc == 0 ? end_text(r) : rc;
}

/* ---- values ---- */

/* Makes the text from `from` on the value, as plain MessagePack. */
static int set_plain(luas__results *r, luas_value *v, size_t from)
{
    const char *bytes = luas__buffer_bytes(&r->text);
    luas__mp_reader in = {(const unsigned char *)bytes + from,
                          (const unsigned char *)bytes + r->text.len};
    luas__mp_token t;
    if (luas__mp_read(&in, &t) != 1)
        return LUAS_EPROTO;
    if (!luas__plain_value_set(v, &t))
        *v = (luas_value){.type = LUAS_OTHER, .bytes = offset(from), .len = r->text.len - from};
    else if (v->type == LUAS_STRING)
        v->bytes = offset((size_t)(t.bytes - bytes));
    return end_text(r);
}

/* The next value of the message that is open. */
static int read_value(luas__results *r, luas_value *v)
{
    size_t from = r->text.len;
    int rc = luas__plain_next(&r->plain, &r->text);
    return rc == 0 ? set_plain(r, v, from) : rc;
}

static int reserve_values(luas__results *r, int count)
{
    return luas__array_reserve(&r->values, &r->capacity, (size_t)count, sizeof *r->values);
}

/* Reads the values of a message. On failure r->count tells at which value. */
static int read_message(luas__results *r, const char *bytes, size_t len, bool is_array)
{
    int count = luas__plain_open(&r->plain, bytes, len, is_array);
    int rc = count < 0 ? count : reserve_values(r, count);
    while (rc == 0 && r->count < count)
        rc = read_value(r, &r->values[r->count++]);
    return rc == 0 ? luas__plain_end(&r->plain) : rc;
}

/* Reads an array of scalars, which most results are. Returns 1, 0 if some value is no scalar,
   or LUAS_ENOMEM. */
static int read_scalars(luas__results *r, const char *bytes, size_t len)
{
    luas__mp_reader in = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    luas__mp_token t;
    if (luas__mp_read(&in, &t) != 1 || t.type != MP_ARRAY || t.len > INT_MAX
        || t.len > (size_t)(in.end - in.at))
        return 0;
    int count = (int)t.len, rc = reserve_values(r, count);
    for (luas_value *v = r->values; rc == 0 && r->count < count; v++, r->count++) {
        if (luas__mp_read(&in, &t) != 1 || !luas__plain_value_set(v, &t))
            return 0;
        if (v->type == LUAS_STRING)
            rc = keep_text(r, &v->bytes, t.bytes, t.len);
    }
    return rc == 0 ? in.at == in.end : rc;
}

/* ---- errors ---- */

/* Forgets what was read. */
static int start_over(luas__results *r)
{
    luas__buffer_truncate(&r->text, 0);
    r->message = r->traceback = offset(0);
    r->count = 0;
    return end_text(r);
}

/* Makes the message the raised value, as when a task raises a string. */
static int raise_message(luas__results *r, size_t message)
{
    size_t len = r->text.len - message;
    int rc = end_text(r);
    if (rc == 0)
        rc = reserve_values(r, 1);
    if (rc < 0)
        return rc;
    r->message = offset(message);
    r->values[0] = (luas_value){.type = LUAS_STRING, .bytes = r->message, .len = len};
    r->count = 1;
    return 0;
}

/* Makes it an error that one of the results has no plain form. */
static int refuse_results(luas__results *r)
{
    char place[32] = "";
    if (r->count > 0)
        snprintf(place, sizeof place, "result %d", r->count);
    luas__buffer_release(&r->text); /* it may be large, and is not needed any more */
    int rc = start_over(r);
    size_t message = r->text.len;
    if (rc == 0)
        rc = luas__plain_explain(&r->plain, place, &r->text);
    return rc == 0 ? raise_message(r, message) : rc;
}

/* Makes it an error that the bytes are not what a worker sends. */
static int refuse_payload(luas__results *r)
{
    const char *why = luas_strerror(LUAS_EPROTO);
    int rc = start_over(r);
    size_t message = r->text.len;
    if (rc == 0)
        rc = luas__buffer_append(&r->text, why, strlen(why));
    return rc == 0 ? raise_message(r, message) : rc;
}

static int read_results(luas__results *r, const char *payload, size_t len)
{
    int rc = read_scalars(r, payload, len);
    if (rc != 0)
        return rc < 0 ? rc : LUAS__KIND_VALUE;
    rc = start_over(r);
    if (rc == 0)
        rc = read_message(r, payload, len, true);
    if (rc == 0)
        return LUAS__KIND_VALUE;
    if (rc != LUAS_ENOMEM)
        rc = refuse_results(r);
    return rc < 0 ? rc : LUAS__KIND_ERROR;
}

/* A string or nil. */
static int read_text(luas__mp_reader *in, luas__mp_token *t)
{
    if (luas__mp_read(in, t) != 1)
        return LUAS_EPROTO;
    if (t->type == MP_STR || t->type == MP_BIN)
        return 0;
    t->len = 0;
    t->bytes = "";
    return t->type == MP_NIL ? 0 : LUAS_EPROTO;
}

/* An outcome of a C pool has it from the stamp. */
static int skip_time(luas__mp_reader *in)
{
    luas__mp_token t;
    return luas__mp_read(in, &t) == 1 && t.type == MP_DOUBLE ? 0 : LUAS_EPROTO;
}

/* What a task raised: the bytes of the value, and the two texts. */
typedef struct raised {
    luas__mp_reader value;
    luas__mp_token message, traceback;
} raised;

static int read_raised(const char *payload, size_t len, raised *e)
{
    luas__mp_reader in = {(const unsigned char *)payload, (const unsigned char *)payload + len};
    luas__mp_token head;
    if (luas__mp_read(&in, &head) != 1 || head.type != MP_ARRAY || head.len < 3
        || head.len > 4)
        return LUAS_EPROTO;
    e->value.at = in.at;
    int rc = luas__mp_skip(&in);
    e->value.end = in.at;
    if (rc == 0)
        rc = read_text(&in, &e->message);
    if (rc == 0)
        rc = read_text(&in, &e->traceback);
    if (rc == 0 && head.len == 4)
        rc = skip_time(&in);
    return rc == 0 && in.at != in.end ? LUAS_EPROTO : rc;
}

/* Makes the raised value nil, as a worker does with one that it cannot send. */
static int add_loss(luas__results *r)
{
    static const char lost[] = ", whose value is lost: ";
    int rc = reserve_values(r, 1);
    if (rc == 0)
        rc = luas__buffer_append(&r->text, lost, sizeof lost - 1);
    if (rc == 0)
        rc = luas__plain_explain(&r->plain, "", &r->text);
    if (rc < 0)
        return rc;
    r->values[0] = (luas_value){.type = LUAS_NIL};
    r->count = 1;
    return 0;
}

static int keep_error(luas__results *r, const raised *e)
{
    const char *value = (const char *)e->value.at;
    int rc = read_message(r, value, (size_t)(e->value.end - e->value.at), false);
    bool is_lost = rc < 0 && rc != LUAS_ENOMEM;
    if (rc == LUAS_ENOMEM)
        return rc;
    r->message = offset(r->text.len);
    rc = luas__buffer_append(&r->text, e->message.bytes, e->message.len);
    if (rc == 0 && is_lost)
        rc = add_loss(r);
    if (rc == 0)
        rc = end_text(r);
    return rc == 0 ? keep_text(r, &r->traceback, e->traceback.bytes, e->traceback.len) : rc;
}

static int read_error(luas__results *r, const char *payload, size_t len)
{
    raised e;
    int rc = read_raised(payload, len, &e) == 0 ? keep_error(r, &e) : refuse_payload(r);
    return rc < 0 ? rc : LUAS__KIND_ERROR;
}

/* For a timeout or a cancelled call only the traceback is kept: the task raised because it was
   told to stop. */
static int read_end(luas__results *r, int kind, const char *payload, size_t len)
{
    raised e;
    int rc = len > 0 && read_raised(payload, len, &e) == 0
        ? keep_text(r, &r->traceback, e.traceback.bytes, e.traceback.len) : 0;
    return rc < 0 ? rc : kind;
}

static int read_payload(luas__results *r, int kind, const char *payload, size_t len)
{
    switch (kind) {
    case LUAS__KIND_VALUE: return read_results(r, payload, len);
    case LUAS__KIND_ERROR: return read_error(r, payload, len);
    default: return read_end(r, kind, payload, len);
    }
}

static void place_texts(luas__results *r)
{
    const char *bytes = luas__buffer_bytes(&r->text);
    for (int i = 0; i < r->count; i++)
        if (r->values[i].type >= LUAS_STRING)
            r->values[i].bytes = bytes + (size_t)r->values[i].bytes;
    r->message = bytes + (size_t)r->message;
    r->traceback = bytes + (size_t)r->traceback;
}

int luas__results_read(luas__results *r, int kind, const char *payload, size_t len)
{
    int rc = start_over(r);
    if (rc == 0)
        rc = read_payload(r, kind, len > 0 ? payload : "", len);
    luas__plain_close(&r->plain);
    if (rc >= 0)
        place_texts(r);
    return rc;
}

void luas__results_release(luas__results *r)
{
    luas__plain_release(&r->plain);
    luas__buffer_release(&r->text);
    free(r->values);
    *r = (luas__results){.values = NULL};
}
