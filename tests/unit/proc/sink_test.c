/* Writing to a stream that is read slowly, or not at all: a pipe, a socket, a terminal. */
#define _GNU_SOURCE
#include "sink.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "testing.h"

enum { LINES = 40000 };

typedef struct rig {
    luas__sinks sinks;
    luas__poller poller;
    int stdout_before;
} rig;

/* `end` becomes stdout. */
static void open_rig(rig *r, int end)
{
    r->sinks = (luas__sinks)LUAS__SINKS_INIT;
    CHECK_INT(luas__poller_open(&r->poller), 0);
    r->stdout_before = dup(STDOUT_FILENO);
    CHECK(dup2(end, STDOUT_FILENO) == STDOUT_FILENO);
    close(end);
}

static void close_rig(rig *r)
{
    luas__sink_close_all(&r->sinks, &r->poller);
    luas__poller_close(&r->poller);
    dup2(r->stdout_before, STDOUT_FILENO);
    close(r->stdout_before);
}

static void add_line(rig *r, int n)
{
    char line[32];
    int len = snprintf(line, sizeof line, "%08d\n", n);
    luas__sink_add(&r->sinks.of[0], "tag ", line, (size_t)len);
}

static void add_lines(rig *r, int n)
{
    for (int i = 0; i < n; i++)
        add_line(r, i);
}

static bool is_told(rig *r, int64_t wait)
{
    luas__event event;
    return luas__poller_wait(&r->poller, &event, 1, wait) == 1 && event.key == LUAS__SINK_KEY(0);
}

/* Reads the lines from the other end, and writes whenever the poller says so. */
static void read_lines(rig *r, int from)
{
    static char text[LINES * 14];
    size_t len = 0, wanted = (size_t)LINES * 13;
    while (len < wanted) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        while (len < wanted && poll(&p, 1, 0) > 0) {
            ssize_t n = read(from, text + len, wanted - len);
            CHECK(n > 0);
            len += (size_t)n;
        }
        if (len < wanted) {
            CHECK(is_told(r, 5 * LUAS__SECOND));
            luas__sink_flush_all(&r->sinks, 0, &r->poller);
        }
    }
    for (int i = 0; i < LINES; i++) {
        char line[32];
        snprintf(line, sizeof line, "tag %08d\n", i);
        CHECK_BYTES(text + (size_t)i * 13, line, 13);
    }
}

/* What does not fit waits, the stream stays as it was, and all comes in order. */
static void all_comes_by(int from, int to)
{
    rig r;
    int flags = fcntl(to, F_GETFL);
    open_rig(&r, to);
    add_lines(&r, LINES);
    luas__sink_flush_all(&r.sinks, 0, &r.poller);
    CHECK(luas__sink_is_full(&r.sinks.of[0]));
    CHECK(!is_told(&r, 0));
    CHECK_INT(fcntl(STDOUT_FILENO, F_GETFL), flags);
    read_lines(&r, from);
    CHECK_INT(r.sinks.of[0].text.len, 0);
    CHECK_INT(r.sinks.of[0].fd, -1);
    close_rig(&r);
    close(from);
}

static void all_comes_by_a_pipe(void)
{
    int ends[2];
    CHECK_INT(luas__fd_pipe(ends), 0);
    all_comes_by(ends[0], ends[1]);
}

static void all_comes_by_a_socket(void)
{
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    int least = 1;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    all_comes_by(ends[0], ends[1]);
}

static void a_terminal_that_nobody_reads_holds_up_nobody(void)
{
    rig r;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(terminal >= 0);
    open_rig(&r, terminal);
    add_lines(&r, LINES);
    luas__sink_flush_all(&r.sinks, 0, &r.poller);
    CHECK(r.sinks.of[0].text.len > 0);
    close_rig(&r);
    close(master);
}

/* The tail of what was too much is a line that says so. */
static void what_nobody_reads_has_a_bound(void)
{
    static char line[1 << 16];
    rig r;
    int ends[2];
    memset(line, 'x', sizeof line);
    CHECK_INT(luas__fd_pipe(ends), 0);
    open_rig(&r, ends[1]);
    for (int i = 0; i < 1000; i++) {
        luas__sink_add(&r.sinks.of[0], "", line, sizeof line);
        luas__sink_flush_all(&r.sinks, 0, &r.poller);
    }
    CHECK(r.sinks.of[0].text.len < 20 << 20);
    CHECK(r.sinks.of[0].left_out > 20 << 20);
    int64_t began = luas__now();
    close_rig(&r);
    CHECK(luas__now() - began < within(2 * LUAS__SECOND));
    close(ends[0]);
}

/* What the host has not flushed yet comes first, unless that would wait. */
static void the_host_comes_first(void)
{
    rig r;
    char text[64] = "";
    int ends[2];
    CHECK_INT(luas__fd_pipe(ends), 0);
    open_rig(&r, ends[1]);
    printf("host ");
    add_line(&r, 7);
    luas__sink_flush_all(&r.sinks, 0, &r.poller);
    CHECK_INT(read(ends[0], text, sizeof text), 18);
    CHECK(strcmp(text, "host tag 00000007\n") == 0);
    close_rig(&r);
    close(ends[0]);
}

static void a_stream_that_is_closed_takes_all(void)
{
    rig r;
    int ends[2];
    CHECK_INT(luas__fd_pipe(ends), 0);
    close(ends[0]);
    open_rig(&r, ends[1]);
    close(STDOUT_FILENO);
    add_lines(&r, 10);
    luas__sink_flush_all(&r.sinks, 0, &r.poller);
    CHECK_INT(r.sinks.of[0].text.len, 0);
    close_rig(&r);
}

int main(void)
{
    fflush(stdout);
    RUN(all_comes_by_a_pipe);
    RUN(all_comes_by_a_socket);
    RUN(a_terminal_that_nobody_reads_holds_up_nobody);
    RUN(what_nobody_reads_has_a_bound);
    RUN(the_host_comes_first);
    RUN(a_stream_that_is_closed_takes_all);
    return 0;
}
