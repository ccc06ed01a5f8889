/* The messages of workers. */
#define _GNU_SOURCE
#include "receive.h"

#include <signal.h>

#include "error.h"
#include "mp_text.h"
#include "settle.h"
#include "starts.h"

/* Each takes what a pipe holds, and more. */
enum { MOST_LOOKS = 16, MOST_MADE = 1 << 16 };

static int take_outcome(luas__pool *p, luas__worker *w, int code, luas__mp_reader *body)
{
    int64_t seq;
    if (luas__mp_read_int(body, &seq) < 0 || w->tasks.nchunks == 0
        || (uint32_t)seq != w->tasks.chunks[0].seq
        || body->end - body->at < (ptrdiff_t)w->tasks.chunks[0].job->seen.stamp)
        return LUAS_EPROTO;
    if (w->tasks.chunks[0].count == 1)
        luas__settle_measure(p, w);
    int kind = code == LUAS__MSG_VALUE ? LUAS__KIND_VALUE : LUAS__KIND_ERROR;
    /* A task that was asked to stop, and then raised, has stopped as asked. If it sent a value
       it was faster, and the value counts. */
    if (kind == LUAS__KIND_ERROR && w->deadline.stop_seq == (uint32_t)seq)
        kind = w->deadline.stop_kind;
    return luas__settle_task(p, w, kind, body, 0);
}

/* Settles the values at the front of link.in: all together, as frames, or one by one if output
   is captured, because each then has what its task printed (unless its job does not ask for that: then the
   first of them has all). Returns 1, or 0 if there is no
   value. A value counts even if its task was asked to stop: it was ready before. */
static int take_values(luas__pool *p, luas__worker *w)
{
    size_t len;
    const luas__chunk *c = w->tasks.nchunks > 0 ? &w->tasks.chunks[0] : NULL;
    bool captured = w->output.mode == LUAS__OUTPUT_CAPTURE && c != NULL && c->job->policy.flags & LUAS__JOB_CAPTURE;
    uint32_t n = c == NULL ? 0 : luas__frame_values(&w->link.in, c->seq, captured ? 1 : c->count, &len);
    if (n == 0)
        return 0;
    int rc = luas__settle_values(p, w, n, len, !captured);
    if (rc < 0)
        return rc;
    luas__buffer_consume(&w->link.in, len);
    return 1;
}

/* Takes in a FAILED. A worker whose init failed is useless, and if it was told to stop by then
   nobody wants it. One whose exit function failed has done its work. */
static int take_failure(luas__pool *p, luas__worker *w, luas__mp_reader *body)
{
    luas__mp_token words;
    if (luas__mp_read(body, &words) != 1 || (words.type != MP_STR && words.type != MP_BIN))
        return LUAS_EPROTO;
    if (!w->told_to_stop)
        return luas__starts_failed(w, words.bytes, words.len);
    if (p->options.has_init && !w->ready)
        return 0;
    if (!p->health.exit_failed) /* others will most likely say the same */
        luas__state_note(p, "exit raised: ", words.bytes, words.len);
    p->health.exit_failed = true;
    return 0;
}

static int take_number(luas__mp_reader *body, double *number)
{
    luas__mp_token t;
    if (luas__mp_read(body, &t) != 1 || (t.type != MP_DOUBLE && t.type != MP_INT))
        return LUAS_EPROTO;
    *number = t.type == MP_INT ? (double)t.as.i : t.as.d;
    return 0;
}

static int take_progress(luas__worker *w, luas__mp_reader *body)
{
    int64_t seq;
    luas__mp_token note;
    luas__task_progress t;
    if (luas__mp_read_int(body, &seq) < 0 || take_number(body, &t.done) < 0
        || take_number(body, &t.total) < 0 || luas__mp_read(body, &note) != 1
        || (note.type != MP_STR && note.type != MP_BIN))
        return LUAS_EPROTO;
    t.seq = (uint32_t)seq;
    luas__mp_text_line(note.bytes, note.len, t.note, sizeof t.note);
    w->seen.progress = t;
    return 0;
}

/* Keeps the name once, as far as there is room. */
static int take_global(luas__pool *p, luas__mp_reader *body)
{
    luas__mp_token name;
    if (luas__mp_read(body, &name) != 1 || (name.type != MP_STR && name.type != MP_BIN)
        || memchr(name.bytes, 0, name.len) != NULL)
        return LUAS_EPROTO;
    const char *known = p->made.len > 0 ? luas__buffer_bytes(&p->made) : "";
    for (size_t at = 0; at < p->made.len; at += strlen(known + at) + 1)
        if (strlen(known + at) == name.len && memcmp(known + at, name.bytes, name.len) == 0)
            return 0;
    if (p->made.len + name.len + 1 > MOST_MADE)
        return 0;
    int rc = luas__buffer_reserve(&p->made, name.len + 1);
    if (rc == 0) {
        luas__buffer_append(&p->made, name.bytes, name.len);
        luas__buffer_append(&p->made, "", 1);
    }
    return rc;
}

static int take_words(luas__pool *p, luas__worker *w, int64_t code, luas__mp_reader *body)
{
    switch (code) {
    case LUAS__MSG_VALUE:
    case LUAS__MSG_ERROR:
        return take_outcome(p, w, (int)code, body);
    case LUAS__MSG_READY:
        luas__starts_done(p, w);
        return 0;
    case LUAS__MSG_FAILED:
        return take_failure(p, w, body);
    case LUAS__MSG_PROGRESS:
        return take_progress(w, body);
    case LUAS__MSG_GLOBAL:
        return take_global(p, body);
    default:
        return LUAS_EPROTO;
    }
}

/* Takes in a message that is in the worker's slot (bulk.h). */
static int take_large(luas__pool *p, luas__worker *w, luas__mp_reader *body)
{
    int64_t at, len, code;
    if (luas__mp_read_int(body, &at) < 0 || luas__mp_read_int(body, &len) < 0)
        return LUAS_EPROTO;
    const char *bytes = luas__bulk_got(&w->slot, at, len);
    if (bytes == NULL)
        return LUAS_EPROTO;
    luas__mp_reader large = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    if (luas__mp_read_int(&large, &code) < 0)
        return LUAS_EPROTO;
    int rc = take_words(p, w, code, &large);
    if (rc == 0)
        luas__bulk_return(w->scoreboard, at, len);
    return rc;
}

static int take_message(luas__pool *p, luas__worker *w, luas__mp_reader *body)
{
    int64_t code;
    if (luas__mp_read_int(body, &code) < 0)
        return LUAS_EPROTO;
    return code == LUAS__MSG_LARGE ? take_large(p, w, body) : take_words(p, w, code, body);
}

/* Takes in the message at the front. Returns 1, or 0 when none is complete. */
static int take_next(luas__pool *p, luas__worker *w)
{
    luas__mp_reader body;
    int rc = take_values(p, w);
    if (rc == 0 && luas__frame_has_short(&w->link.in))
        return LUAS_EPROTO; /* it does not belong to the next task */
    if (rc != 0 || !luas__frame_peek(&w->link.in, &body))
        return rc;
    rc = take_message(p, w, &body);
    if (rc < 0)
        return rc;
    luas__frame_drop(&w->link.in);
    return 1;
}

int luas__receive_messages(luas__pool *p, luas__worker *w)
{
    int rc;
    while ((rc = take_next(p, w)) > 0)
        ;
    if (rc != LUAS_EPROTO)
        return rc; /* no memory: the message stays for the next try */
    luas__child_signal_group(&w->child, SIGKILL); /* these bytes are no message */
    luas__buffer_truncate(&w->link.in, 0);
    return 0;
}

int luas__receive_from(luas__pool *p, luas__worker *w)
{
    int rc = luas__worker_receive(w, &p->poller);
    int taken = luas__receive_messages(p, w);
    return rc < 0 ? rc : taken;
}

/* Committed bytes are in the ring, in the pipe, or the worker is just moving them. In the
   last case a second look finds them in the pipe. The ring is tried first: it needs no system
   call. */
int luas__receive_catch_up(luas__pool *p, luas__worker *w)
{
    int rc = 0;
    for (int looks = 0; looks < 4 && rc == 0 && luas__worker_is_ahead(w); looks++) {
        rc = luas__worker_peek(w);
        if (rc == 0 && luas__worker_is_ahead(w))
            rc = luas__worker_receive(w, &p->poller);
    }
    return rc < 0 ? rc : luas__receive_messages(p, w);
}

/* What holds the pipe after its end, and writes, is not the worker. */
int luas__receive_all(luas__pool *p, luas__worker *w)
{
    size_t before;
    int rc, looks = 0;
    do { /* the pipe first: the bytes in the ring come after those in the pipe */
        before = (size_t)w->link.piped;
        rc = luas__receive_from(p, w);
    } while (rc == 0 && w->link.piped > before && ++looks < MOST_LOOKS);
    return rc == 0 ? luas__receive_catch_up(p, w) : rc;
}
