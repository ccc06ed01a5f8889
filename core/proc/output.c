/* Reading, tagging and keeping what workers print. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"

/* A line longer than this is passed on in pieces. */
enum { LONGEST_LINE = 1 << 16 };

static int open_pipe(luas__output *o, int i, int ends[2])
{
    int fds[2];
    int rc = luas__fd_pipe(fds);
    if (rc < 0)
        return rc;
    o->pipes[i] = fds[0];
    ends[i] = fds[1];
    return luas__fd_set_nonblocking(fds[0]);
}

int luas__output_open(luas__output *o, luas__output_mode mode, const char *label,
                      int number, int ends[2])
{
    *o = (luas__output)LUAS__OUTPUT_INIT;
    o->mode = mode;
    o->worker = number;
    ends[0] = ends[1] = -1;
    if (mode == LUAS__OUTPUT_INHERIT)
        return 0;
    snprintf(o->tag, sizeof o->tag, "[%.40s %d] ", label, number);
    int rc = open_pipe(o, 0, ends);
    if (rc == 0 && mode == LUAS__OUTPUT_TAG)
        rc = open_pipe(o, 1, ends);
    if (rc < 0) {
        luas__fd_close(&ends[0]);
        luas__fd_close(&ends[1]);
        luas__fd_close(&o->pipes[0]);
        luas__fd_close(&o->pipes[1]);
    }
    return rc;
}

/* If this fails the child exits: what a task prints must not mix with the output of the
   host. */
static void redirect(int from, int to)
{
    while (dup2(from, to) < 0)
        if (errno != EINTR && errno != EBUSY)
            _exit(1);
}

void luas__output_become(int ends[2])
{
    if (ends[0] >= 0) {
        redirect(ends[0], STDOUT_FILENO);
        redirect(ends[1] >= 0 ? ends[1] : ends[0], STDERR_FILENO);
    }
    luas__fd_close(&ends[0]);
    luas__fd_close(&ends[1]);
}

/* ---- passing on ---- */

static void pass(luas__output *o, int i, const char *line, size_t len)
{
    luas__sinks *s = o->sinks;
    if (s->hear != NULL)
        s->hear(s->hearer, o->worker, i, line, len);
    else
        luas__sink_add(&s->of[i], o->tag, line, len);
}

static void pass_whole_lines(luas__output *o, int i, bool all)
{
    luas__buffer *text = &o->text[i];
    while (text->len > 0) {
        const char *line = luas__buffer_bytes(text);
        const char *end = memchr(line, '\n', text->len);
        size_t len = end != NULL ? (size_t)(end - line) + 1 : text->len;
        if (end == NULL && !all && len < LONGEST_LINE)
            return;
        pass(o, i, line, len);
        luas__buffer_consume(text, len);
    }
}

static void pass_lines(luas__output *o, int i, bool all, luas__poller *poller)
{
    pass_whole_lines(o, i, all);
    luas__sink_flush_all(o->sinks, i, poller);
}

/* ---- keeping ---- */

/* Cuts the middle out, with the mark of an earlier cut, and puts a new mark there. */
static void cut_middle(luas__output *o)
{
    luas__buffer *text = &o->text[0];
    char words[80], *at = luas__buffer_bytes(text) + LUAS__OUTPUT_END;
    size_t out = text->len - 2 * LUAS__OUTPUT_END;
    o->cut += out - o->mark;
    int len = snprintf(words, sizeof words, "\n[luas: %zu bytes left out]\n", o->cut);
    o->mark = (size_t)len;
    memcpy(at, words, o->mark);
    memmove(at + o->mark, at + out, LUAS__OUTPUT_END);
    luas__buffer_truncate(text, 2 * LUAS__OUTPUT_END + o->mark);
}

void luas__output_forget(luas__output *o)
{
    luas__buffer_truncate(&o->text[0], 0);
    o->mark = o->cut = 0;
}

/* ---- reading ---- */

/* Reads a limited amount, and then others have their turn: a task may print faster than the
   host reads. */
static int read_pipe(luas__output *o, int i, luas__poller *poller)
{
    int there = 0;
    if (ioctl(o->pipes[i], FIONREAD, &there) < 0 || there <= 0)
        there = 1; /* or the end of the file */
    ssize_t n = luas__fd_read_some(o->pipes[i], &o->text[i], (size_t)there);
    if (n == 0) {
        luas__poller_remove(poller, o->pipes[i]);
        luas__fd_close(&o->pipes[i]);
    }
    if (n > 0 && o->mode == LUAS__OUTPUT_CAPTURE && o->text[i].len > LUAS__OUTPUT_MOST)
        cut_middle(o);
    return n < 0 && n != -EAGAIN ? (int)n : 0;
}

static bool must_rest(const luas__output *o, int i)
{
    return o->mode == LUAS__OUTPUT_TAG && luas__sink_is_full(&o->sinks->of[i]);
}

static int read_or_rest(luas__output *o, int i, luas__poller *poller)
{
    if (o->pipes[i] < 0 || o->rests[i])
        return 0;
    if (must_rest(o, i)) {
        luas__poller_remove(poller, o->pipes[i]);
        o->rests[i] = true;
        return 0;
    }
    int rc = read_pipe(o, i, poller);
    if (rc == 0 && o->mode == LUAS__OUTPUT_TAG)
        pass_lines(o, i, false, poller);
    return rc;
}

int luas__output_read(luas__output *o, luas__poller *poller)
{
    int rc = read_or_rest(o, 0, poller);
    return rc == 0 ? read_or_rest(o, 1, poller) : rc;
}

int luas__output_go_on(luas__output *o, luas__poller *poller, uint64_t key)
{
    for (int i = 0; i < 2; i++) {
        if (!o->rests[i] || must_rest(o, i))
            continue;
        int rc = luas__poller_add(poller, o->pipes[i], 0, key);
        if (rc < 0)
            return rc;
        o->rests[i] = false;
    }
    return 0;
}

size_t luas__output_waiting(const luas__output *o, bool all)
{
    size_t waiting = 0;
    for (int i = 0; i < 2; i++) {
        int there = 0;
        if ((all || o->rests[i]) && ioctl(o->pipes[i], FIONREAD, &there) == 0 && there > 0)
            waiting += (size_t)there;
    }
    return waiting;
}

void luas__output_abandon(const luas__output *o, luas__fd_closing *closing)
{
    luas__fd_closing_add(closing, o->pipes[0]);
    luas__fd_closing_add(closing, o->pipes[1]);
}

/* The worker has ended, so all that it printed is in the pipes. */
void luas__output_close(luas__output *o, luas__poller *poller)
{
    for (int i = 0; i < 2; i++) {
        if (o->pipes[i] >= 0)
            (void)read_pipe(o, i, poller);
        luas__poller_remove(poller, o->pipes[i]);
        if (o->mode == LUAS__OUTPUT_TAG && o->text[i].len > 0)
            pass_lines(o, i, true, poller);
        luas__buffer_release(&o->text[i]);
        luas__fd_close(&o->pipes[i]);
    }
}
