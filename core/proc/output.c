/* Reading, tagging and keeping what workers print. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"

/* A line longer than this is passed on in pieces. */
enum { LONGEST_LINE = 1 << 16, READ_SIZE = 1 << 15 };

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

/* Nothing that a task prints may go where the host's own output goes. */
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

/* The tag and the line go in one piece, so that lines stay whole. */
static int pass_line(const luas__output *o, int fd, const char *line, size_t len)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    int rc = luas__buffer_append(&b, o->tag, strlen(o->tag));
    if (rc == 0)
        rc = luas__buffer_append(&b, line, len);
    if (rc == 0 && line[len - 1] != '\n')
        rc = luas__buffer_append(&b, "\n", 1);
    if (rc == 0)
        rc = luas__fd_write_waiting(fd, luas__buffer_bytes(&b), b.len);
    luas__buffer_release(&b);
    return rc;
}

static void pass_whole_lines(luas__output *o, int i, int all)
{
    luas__buffer *text = &o->text[i];
    fflush(i == 0 ? stdout : stderr); /* what the host printed before */
    while (text->len > 0) {
        const char *line = luas__buffer_bytes(text);
        const char *end = memchr(line, '\n', text->len);
        size_t len = end != NULL ? (size_t)(end - line) + 1 : text->len;
        if (end == NULL && !all && len < LONGEST_LINE)
            return;
        pass_line(o, i == 0 ? STDOUT_FILENO : STDERR_FILENO, line, len);
        luas__buffer_consume(text, len);
    }
}

static void pass_lines(luas__output *o, int i, int all)
{
    if (o->text[i].len == 0)
        return;
    luas__line *line = isatty(i == 0 ? STDOUT_FILENO : STDERR_FILENO) ? o->line : NULL;
    luas__line_lift(line);
    pass_whole_lines(o, i, all);
    luas__line_lower(line);
}

static int read_pipe(luas__output *o, int i, luas__poller *poller)
{
    ssize_t n = 1;
    while (n > 0)
        n = luas__fd_read_some(o->pipes[i], &o->text[i], READ_SIZE);
    if (n == 0) {
        luas__poller_remove(poller, o->pipes[i]);
        luas__fd_close(&o->pipes[i]);
    }
    return n < 0 && n != -EAGAIN ? (int)n : 0;
}

int luas__output_read(luas__output *o, luas__poller *poller)
{
    for (int i = 0; i < 2; i++) {
        int rc = o->pipes[i] >= 0 ? read_pipe(o, i, poller) : 0;
        if (rc < 0)
            return rc;
        if (o->mode == LUAS__OUTPUT_TAG)
            pass_lines(o, i, 0);
    }
    return 0;
}

void luas__output_abandon(const luas__output *o, luas__fd_closing *closing)
{
    luas__fd_closing_add(closing, o->pipes[0]);
    luas__fd_closing_add(closing, o->pipes[1]);
}

void luas__output_close(luas__output *o, luas__poller *poller)
{
    luas__output_read(o, poller);
    for (int i = 0; i < 2; i++) {
        luas__poller_remove(poller, o->pipes[i]);
        if (o->mode == LUAS__OUTPUT_TAG)
            pass_lines(o, i, 1);
        luas__buffer_release(&o->text[i]);
        luas__fd_close(&o->pipes[i]);
    }
}
