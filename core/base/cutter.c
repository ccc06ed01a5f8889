/* Passages and records of a text. */
#define _GNU_SOURCE
#include "cutter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "error.h"
#include "fd.h"

/* What is read at a time: it stays in a cache until it was searched. A passage has no more
   records than this. */
enum { READ_SIZE = 1 << 18, MOST_RECORDS = 1 << 16 };

int luas__cutter_open(luas__cutter *c, luas__text *text, int fd, const char *before, size_t len)
{
    struct stat file;
    *c = (luas__cutter){.text = text, .fd = fd, .number = 1, .block = 1 << 20};
    c->seeks = fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
    if (c->seeks) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        c->at = at > 0 ? (uint64_t)at : 0;
        c->size = (uint64_t)file.st_size;
    }
    int rc = luas__buffer_append(&c->held, before, len);
    if (rc < 0)
        luas__cutter_close(c);
    return rc;
}

void luas__cutter_close(luas__cutter *c)
{
    luas__fd_close(&c->fd);
    luas__text_release(c->text);
    c->text = NULL;
    luas__buffer_release(&c->held);
    free(c->ends);
    c->ends = NULL;
    c->cap = 0;
    c->count = 0;
}

/* The bytes that the next read of a file takes; 0 at its end. */
static size_t next_size(const luas__cutter *c)
{
    uint64_t left = c->size > c->at ? c->size - c->at : 0;
    return left < READ_SIZE ? (size_t)left : READ_SIZE;
}

/* Somebody has made the stream one that does not wait. Returns negative: it is to be read again. */
static int await(const luas__cutter *c)
{
    int rc = luas__fd_wait_readable(c->fd);
    return rc < 0 ? rc : -EINTR;
}

/* Returns how many bytes were read, 0 at the end, or negative. */
static ssize_t read_more(luas__cutter *c)
{
    if (c->is_short)
        return -ENODATA;
    size_t want = c->fd < 0 ? 0 : c->seeks ? next_size(c) : READ_SIZE;
    int rc = want > 0 ? luas__buffer_reserve(&c->held, want) : 0;
    if (want == 0 || rc < 0)
        return rc;
    ssize_t n = c->seeks ? pread(c->fd, luas__buffer_end(&c->held), want, (off_t)c->at)
                         : read(c->fd, luas__buffer_end(&c->held), want);
    if (n < 0)
        return errno == EAGAIN ? await(c) : -errno;
    c->held.len += (size_t)n;
    c->at += (size_t)n;
    if (n > 0)
        return n;
    luas__fd_close(&c->fd);
    c->is_short = c->seeks;
    return c->is_short ? -ENODATA : 0;
}

/* Where the record ends that begins at `from` of what is held, with its separator; 0: later.
   A separator may have begun at the end of what was searched. Quotes are read from the record's
   beginning. */
static size_t record_end(luas__cutter *c, size_t from)
{
    if (c->held.len <= from)
        return 0;
    const char *bytes = luas__buffer_bytes(&c->held), *end = bytes + c->held.len;
    size_t searched = c->searched > from && c->text->delimiter == 0 ? c->searched : from;
    const char *sep = c->held.len > searched ? luas__text_find(c->text, bytes + searched, end) : NULL;
    if (sep != NULL)
        return (size_t)(sep - bytes) + c->text->nsep;
    size_t kept = (size_t)c->text->nsep - 1;
    c->searched = c->held.len > from + kept ? c->held.len - kept : from;
    return 0;
}

static int add_end(luas__cutter *c, size_t end)
{
    int rc = c->count < c->cap ? 0
        : luas__array_reserve(&c->ends, &c->cap, (size_t)c->count + 1, sizeof *c->ends);
    if (rc == 0)
        c->ends[c->count++] = end;
    return rc;
}

static size_t passage_end(const luas__cutter *c)
{
    return c->count > 0 ? c->ends[c->count - 1] : 0;
}

/* Finds the records that end in what is held and begin in the block. Returns 1 if there are no
   more of these, 0 if there may be, or negative. */
static int find_records(luas__cutter *c)
{
    for (size_t at = passage_end(c); at < c->block && c->count < c->most; at = passage_end(c)) {
        size_t end = record_end(c, at);
        int rc = end == 0 ? 0 : add_end(c, end);
        if (end == 0 || rc < 0)
            return rc;
    }
    return 1;
}

/* A stream is given as it comes. */
static bool is_enough(const luas__cutter *c)
{
    return c->count > 0 && !c->seeks;
}

/* Returns 1 when there is a passage, 0 at the end, or negative. */
static int find_passage(luas__cutter *c)
{
    for (;;) {
        int rc = find_records(c);
        if (rc != 0 || is_enough(c))
            return rc < 0 ? rc : 1;
        ssize_t n = read_more(c);
        if (n < 0)
            return n == -ENODATA && c->count > 0 ? 1 : (int)n;
        if (n > 0)
            continue;
        if (c->held.len > passage_end(c) && (rc = add_end(c, c->held.len)) < 0)
            return rc;
        return c->count > 0;
    }
}

/* Forgets what was given out. A long record leaves much room, which is not kept. */
static void consume(luas__cutter *c, size_t n)
{
    luas__buffer_consume(&c->held, n);
    c->searched = c->searched > n ? c->searched - n : 0;
    if (c->held.len == 0 && c->held.cap > 16 * (size_t)READ_SIZE)
        luas__buffer_release(&c->held);
}

int luas__cutter_passage(luas__cutter *c, uint32_t most, luas__passage *p, luas__buffer *b)
{
    c->count = 0;
    c->most = c->text->whole ? UINT32_MAX : most < MOST_RECORDS ? most : MOST_RECORDS;
    int rc = find_passage(c);
    size_t len = passage_end(c);
    if (rc > 0 && c->text->fd < 0)
        rc = luas__buffer_append(b, luas__buffer_bytes(&c->held), len) < 0 ? LUAS_ENOMEM : 1;
    if (rc <= 0)
        return rc;
    *p = (luas__passage){.text = c->text, .from = c->at - c->held.len, .number = c->number};
    c->number += c->count;
    if (c->text->whole) {
        c->ends[0] = len;
        c->count = 1;
    }
    consume(c, len);
    return 1;
}

int luas__cutter_record(luas__cutter *c, bool whole, const char **record, size_t *len)
{
    size_t block = c->block;
    c->count = 0;
    c->most = whole ? UINT32_MAX : 1;
    c->block = whole ? block : 1;
    int rc = find_passage(c);
    c->block = block;
    if (rc <= 0)
        return rc;
    size_t end = passage_end(c);
    *record = luas__buffer_bytes(&c->held);
    *len = whole ? end : luas__text_bare(c->text, *record, end);
    c->held.start += end; /* they stay where they are */
    c->held.len -= end;
    c->searched = c->searched > end ? c->searched - end : 0;
    c->number += c->count;
    return 1;
}

bool luas__cutter_is_ready(const luas__cutter *c)
{
    struct pollfd in = {.fd = c->fd, .events = POLLIN};
    bool has = c->held.len > 0
        && luas__text_find(c->text, luas__buffer_bytes(&c->held),
                           luas__buffer_bytes(&c->held) + c->held.len) != NULL;
    return has || c->seeks || c->fd < 0 || poll(&in, 1, 0) != 0;
}
