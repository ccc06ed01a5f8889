/* The worker's end of its connection. */
#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"
#include "orphan.h"

/* The first reads are small, because most requests are. A block of 1 KB or more would make
   malloc tidy up the heap that came with the fork, and so copy its pages. */
enum { FIRST_READ = 1 << 9, READ_SIZE = 1 << 16 };

/* How long a worker spins for the next request before it sleeps. If the host has not sent
   one by then it does something else, such as a call in another pool. A worker that went
   on spinning would take the CPU from that. */
#define LONGEST (20 * LUAS__MS / 1000)

/* Did the host spin for the result of the last task, or of the one before? */
static bool is_alone(const luas__channel *c)
{
    uint32_t alone = atomic_load_explicit(&c->scoreboard->spun_for, memory_order_relaxed);
    return alone != 0 && luas__scoreboard_started(c->scoreboard) - alone <= 1;
}

static void linger(const luas__channel *c)
{
    int64_t end = luas__now() + LONGEST;
    while (atomic_load(&c->scoreboard->sent) == c->seen && luas__now() < end)
        ;
}

/* Where the host waits for one task at a time, it may send the next one as soon as it has
   the result. A worker that slept by then would have to be woken. So it spins first, if
   that was worth it the last time. */
static ssize_t read_requests(luas__channel *c, size_t most)
{
    if (!is_alone(c))
        return luas__fd_read_some(c->in, &c->requests, most);
    int64_t began = luas__now();
    if (c->spins)
        linger(c);
    ssize_t n = luas__fd_read_some(c->in, &c->requests, most);
    c->spins = luas__now() - began < LONGEST;
    c->seen = atomic_load(&c->scoreboard->sent);
    return n;
}

/* A host that cannot be told is gone, or a task has closed what leads there: no more tasks
   are begun. What is committed the host finds. */
static void leave(void)
{
    fflush(NULL);
    luas__orphan_exit(EXIT_FAILURE);
}

static void write_out(const luas__channel *c, const char *bytes, size_t len)
{
    if (luas__fd_write_waiting(c->out, bytes, len) < 0)
        leave();
}

int luas__channel_next(luas__channel *c, luas__mp_reader *body)
{
    while (!luas__frame_peek(&c->requests, body)) {
        int rc = luas__channel_flush(c);
        if (rc < 0)
            return rc;
        size_t most = c->requests.cap > FIRST_READ ? READ_SIZE : FIRST_READ;
        ssize_t n = read_requests(c, most);
        if (n == -EAGAIN && luas__fd_wait_readable(c->in) == 0)
            continue; /* a task has made it so */
        if (n <= 0)
            return n == 0 ? LUAS_ECLOSED : (int)n;
    }
    return 0;
}

int luas__channel_flush(luas__channel *c)
{
    const char *bytes;
    size_t n;
    while ((n = luas__ring_unwritten(&c->scoreboard->ring, &bytes)) > 0) {
        write_out(c, bytes, n);
        luas__ring_written(&c->scoreboard->ring, n);
    }
    c->flushed_at = c->clock = luas__now_coarse();
    return 0;
}

int luas__channel_begin(luas__channel *c, enum luas__message code, uint32_t seq, size_t *mark)
{
    return luas__frame_begin_outcome(&c->reply, code, seq, mark);
}

/* Sends a reply through the pipe, past the ring. What the ring holds came before: it is
   written first. */
static int send_past(luas__channel *c)
{
    int rc = luas__channel_flush(c);
    if (rc == 0)
        write_out(c, luas__buffer_bytes(&c->reply), c->reply.len);
    if (rc == 0)
        luas__ring_bypassed(&c->scoreboard->ring, c->reply.len);
    return rc;
}

static int send_small(luas__channel *c)
{
    char *end = luas__buffer_end(&c->reply);
    const char *bytes = luas__frame_shorten(luas__buffer_bytes(&c->reply), c->reply.len);
    size_t len = (size_t)(end - bytes);
    if (luas__ring_commit(&c->scoreboard->ring, bytes, len))
        return 0;
    int rc = luas__channel_flush(c);
    if (rc == 0)
        luas__ring_commit(&c->scoreboard->ring, bytes, len); /* fits: the ring is empty */
    return rc;
}

/* Tells the host at once where a large reply is, so that it can copy it while the next task
   runs. */
static int announce_large(luas__channel *c, int64_t at, int64_t len)
{
    luas__buffer_truncate(&c->reply, 0);
    int rc = luas__frame_write(&c->reply, LUAS__MSG_LARGE, (int64_t[]){at, len}, 2);
    if (rc == 0)
        rc = send_small(c);
    luas__buffer_truncate(&c->reply, 0);
    return rc == 0 ? luas__channel_flush(c) : rc;
}

static int send_large(luas__channel *c)
{
    const char *body = luas__buffer_bytes(&c->reply) + LUAS__FRAME_HEAD;
    int64_t len = (int64_t)c->reply.len - LUAS__FRAME_HEAD;
    int64_t at = luas__bulk_put(&c->slot, c->scoreboard, &c->bulk, body, (size_t)len);
    return at < 0 ? send_past(c) : announce_large(c, at, len);
}

char *luas__channel_large_room(luas__channel *c, uint32_t seq, size_t len)
{
    char *p = luas__bulk_room(&c->slot, c->scoreboard, &c->bulk, LUAS__OUTCOME_BODY + len);
    return p != NULL ? luas__frame_put_outcome(p, LUAS__MSG_VALUE, seq) : NULL;
}

int luas__channel_reply_large(luas__channel *c, size_t n)
{
    uint64_t at = c->bulk.next, len = LUAS__OUTCOME_BODY + n;
    c->bulk.next += len;
    return announce_large(c, (int64_t)at, (int64_t)len);
}

int luas__channel_send(luas__channel *c, size_t mark)
{
    int rc = luas__frame_end(&c->reply, mark);
    if (rc == 0)
        rc = c->reply.len > LUAS__LARGE_VALUE ? send_large(c) : send_small(c);
    luas__buffer_truncate(&c->reply, 0);
    return rc;
}

int luas__channel_reply(luas__channel *c, size_t mark)
{
    int rc = luas__channel_send(c, mark);
    return rc == 0 ? luas__channel_flush_in_time(c) : rc;
}
