/* Writing to a stream that may be full. */
#define _GNU_SOURCE
#include "sink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

/* A write of at most this many bytes to a pipe is never mixed with those of others. */
enum { WHOLE = 4096 };

/* More text than this is left out. Only workers that have ended can cause so much, because the
   others wait. */
enum { MOST_KEPT = 16 << 20 };

/* At the end: how long to wait for a reader to read anything, and in all. */
#define MOMENT (100 * LUAS__MS)
#define PATIENCE LUAS__SECOND

/* ---- the stream ---- */

static bool is_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) > 0;
}

/* Makes another descriptor for the stream; with an open file description of its own, if
   possible. */
static bool open_stream(luas__sink *s)
{
    struct stat st;
    if (fstat(s->target, &st) < 0)
        return false;
    s->fd = luas__fd_open_unblocking(s->target);
    s->may_block = s->fd < 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
    s->is_socket = S_ISSOCK(st.st_mode);
    if (s->fd < 0)
        s->fd = luas__fd_copy(s->target);
    return s->fd >= 0;
}

static void close_stream(luas__sink *s, luas__poller *poller)
{
    luas__poller_remove(poller, s->fd);
    luas__fd_close(&s->fd);
}

/* The next piece to write: whole lines, or a part of a long one. */
static size_t piece(const luas__buffer *text)
{
    const char *bytes = luas__buffer_bytes(text);
    if (text->len <= WHOLE)
        return text->len;
    const char *end = memrchr(bytes, '\n', WHOLE);
    if (end == NULL)
        end = memchr(bytes + WHOLE, '\n', text->len - WHOLE);
    return end != NULL ? (size_t)(end - bytes) + 1 : text->len;
}

static ssize_t write_now(const luas__sink *s, size_t len)
{
    const char *bytes = luas__buffer_bytes(&s->text);
    if (s->is_socket)
        return send(s->fd, bytes, len, MSG_DONTWAIT);
    if (!s->may_block)
        return write(s->fd, bytes, len);
    errno = EAGAIN;
    return is_writable(s->fd) ? write(s->fd, bytes, len < WHOLE ? len : WHOLE) : -1;
}

/* Returns 0 when everything is written, or can never be; else -EAGAIN. */
static int write_text(luas__sink *s)
{
    while (s->text.len > 0) {
        ssize_t n = write_now(s, piece(&s->text));
        if (n < 0 && errno == EAGAIN)
            return -EAGAIN;
        if (n < 0 && errno != EINTR)
            luas__buffer_truncate(&s->text, 0);
        if (n > 0) {
            luas__buffer_consume(&s->text, (size_t)n);
            s->written += (uint64_t)n;
        }
    }
    return 0;
}

/* Flushes what the host has printed before. Returns false if that would wait. */
static bool flush_host(const luas__sink *s)
{
    FILE *f = s->target == STDOUT_FILENO ? stdout : stderr;
    if (ftrylockfile(f) != 0)
        return false; /* another thread is printing, and may be waiting */
    bool can = __fpending(f) == 0 || is_writable(s->fd);
    if (can)
        fflush_unlocked(f);
    funlockfile(f);
    return can;
}

/* ---- lines ---- */

static int append(luas__sink *s, const char *tag, const char *line, size_t len)
{
    size_t before = s->text.len;
    int rc = luas__buffer_append(&s->text, tag, strlen(tag));
    if (rc == 0)
        rc = luas__buffer_append(&s->text, line, len);
    if (rc == 0 && line[len - 1] != '\n')
        rc = luas__buffer_append(&s->text, "\n", 1);
    if (rc < 0)
        luas__buffer_truncate(&s->text, before);
    return rc;
}

static void tell_left_out(luas__sink *s)
{
    if (s->left_out == 0)
        return;
    char words[80];
    int len = snprintf(words, sizeof words, "[luas] %zu bytes left out: nobody read them\n", s->left_out);
    if (append(s, "", words, (size_t)len) == 0)
        s->left_out = 0;
}

void luas__sink_add(luas__sink *s, const char *tag, const char *line, size_t len)
{
    if (s->text.len < MOST_KEPT)
        tell_left_out(s);
    if (s->text.len >= MOST_KEPT || append(s, tag, line, len) < 0)
        s->left_out += len;
}

/* ---- both ---- */

/* If the poller cannot watch the stream, the next line tries again. */
static void flush(luas__sink *s, luas__poller *poller, uint64_t key)
{
    bool waited = s->fd >= 0;
    if (!waited && !open_stream(s)) {
        luas__buffer_truncate(&s->text, 0);
        return;
    }
    if (!flush_host(s) || write_text(s) < 0) {
        if (!waited && luas__poller_add(poller, s->fd, 1, key) < 0)
            luas__fd_close(&s->fd);
        return;
    }
    close_stream(s, poller);
}

void luas__sink_flush_all(luas__sinks *all, int i, luas__poller *poller)
{
    luas__sink *s = &all->of[i];
    if (s->text.len == 0)
        return;
    bool beside = (all->line != NULL || luas__line_has_typed()) && isatty(s->target);
    if (beside)
        luas__line_lift(all->line);
    flush(s, poller, LUAS__SINK_KEY(i));
    if (beside)
        luas__line_lower(all->line);
}

/* As long as something is read in each moment, it waits for another moment. */
static void flush_waiting(luas__sinks *all, int i, luas__poller *poller)
{
    luas__sink *s = &all->of[i];
    int64_t end = luas__now() + PATIENCE;
    uint64_t before;
    int ready;
    tell_left_out(s);
    luas__sink_flush_all(all, i, poller);
    do {
        before = s->written;
        struct pollfd p = {.fd = s->fd, .events = POLLOUT};
        ready = s->text.len > 0 ? poll(&p, s->fd >= 0, (int)(MOMENT / LUAS__MS)) : 0;
        if (ready >= 0)
            luas__sink_flush_all(all, i, poller);
    } while (s->text.len > 0 && (ready < 0 || s->written > before) && luas__now() < end);
}

void luas__sink_close_all(luas__sinks *all, luas__poller *poller)
{
    for (int i = 0; i < 2; i++) {
        flush_waiting(all, i, poller);
        if (all->of[i].fd >= 0)
            close_stream(&all->of[i], poller);
        luas__buffer_release(&all->of[i].text);
    }
    luas__line_drop(all->line);
    all->line = NULL;
}

void luas__sink_abandon_all(const luas__sinks *all, luas__fd_closing *closing)
{
    luas__fd_closing_add(closing, all->of[0].fd);
    luas__fd_closing_add(closing, all->of[1].fd);
}
