/*
 * What the system itself takes, for the rows that have such a limit:
 *
 *   limits rtt N      N bytes there and back, one at a time, over two pipes
 *   limits blob N     N blocks of 4 MB through one pipe, into one buffer
 *   limits kept N     the same, each block into fresh memory and kept
 *   limits start N    N times eight forks, then eight waits
 *   limits first N    N times two pipes and a fork, and a byte there and back
 *
 * Says as all programs here do how many `seconds` the work took, and a `result`
 * that shows that it was done.
 */
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "limits.h"

enum { BLOCK = 4 << 20, PIPE_BYTES = 1 << 20, FORKS = 8 };

/* How much of n bytes there was before the end of the stream. */
static size_t read_all(int fd, char *bytes, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t done = read(fd, bytes + got, n - got);
        if (done == 0)
            break;
        if (done < 0 && errno != EINTR)
            die("read");
        got += done > 0 ? (size_t)done : 0;
    }
    return got;
}

static void wait_for(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("waitpid");
}

static _Noreturn void echo(int from, int to)
{
    char byte;
    while (read_all(from, &byte, 1) == 1)
        write_all(to, &byte, 1);
    _exit(0);
}

/* Forks a child that sends back what it is sent, until the first pipe is closed. */
static pid_t fork_echo(int there[2], int back[2])
{
    open_pipe(there);
    open_pipe(back);
    pid_t pid = fork_child();
    if (pid == 0) {
        close(there[1]);
        echo(there[0], back[1]);
    }
    return pid;
}

static long ping(long n)
{
    int there[2], back[2];
    long done = 0;
    pid_t pid = fork_echo(there, back);
    double begin = now();
    for (char byte = 'x'; done < n; done++) {
        write_all(there[1], &byte, 1);
        if (read_all(back[0], &byte, 1) != 1)
            die("no answer");
    }
    say_seconds(now() - begin);
    close(there[1]);
    wait_for(pid);
    return done;
}

static char *new_block(void)
{
    char *block = malloc(BLOCK);
    if (block == NULL)
        die("malloc");
    return block;
}

static _Noreturn void send_blocks(int fd, long n)
{
    char *block = new_block();
    memset(block, 'x', BLOCK);
    while (n-- > 0)
        write_all(fd, block, BLOCK);
    _exit(0);
}

/* Blocks that are kept are never freed: the exit does that. */
static long receive_blocks(long n, int keep)
{
    int ends[2];
    char *block = new_block();
    long bytes = 0;
    open_pipe(ends);
    if (fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES) < 0)
        fprintf(stderr, "limits: pipe buffer left at its default: %s\n", strerror(errno));
    memset(block, 0, BLOCK);
    double begin = now();
    pid_t pid = fork_child();
    if (pid == 0)
        send_blocks(ends[1], n);
    close(ends[1]);
    for (; n > 0; n--) {
        bytes += (long)read_all(ends[0], block, BLOCK);
        if (keep && n > 1)
            block = new_block();
    }
    say_seconds(now() - begin);
    wait_for(pid);
    return bytes;
}

static long start(long n)
{
    pid_t pids[FORKS];
    double begin = now();
    for (long round = 0; round < n; round++) {
        for (int i = 0; i < FORKS; i++) {
            pids[i] = fork_child();
            if (pids[i] == 0)
                _exit(0);
        }
        for (int i = 0; i < FORKS; i++)
            wait_for(pids[i]);
    }
    say_seconds(now() - begin);
    return n * FORKS;
}

static int first_once(void)
{
    int there[2], back[2];
    char byte = 'x';
    fork_echo(there, back);
    write_all(there[1], &byte, 1);
    int good = read_all(back[0], &byte, 1) == 1;
    close(there[1]);
    close(there[0]);
    close(back[0]);
    close(back[1]);
    return good;
}

/* The child ends by itself once the pipe is closed: its end is no part of the first answer. */
static long first(long n)
{
    int status;
    long done = 0;
    double begin = now();
    for (long i = 0; i < n; i++)
        done += first_once();
    say_seconds(now() - begin);
    while (wait(&status) > 0)
        ;
    return done;
}

int main(int argc, char **argv)
{
    const char *row = argc > 2 ? argv[1] : "";
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0, result;
    if (strcmp(row, "rtt") == 0)
        result = ping(n);
    else if (strcmp(row, "blob") == 0 || strcmp(row, "kept") == 0)
        result = receive_blocks(n, strcmp(row, "kept") == 0);
    else if (strcmp(row, "start") == 0)
        result = start(n);
    else if (strcmp(row, "first") == 0)
        result = first(n);
    else {
        fputs("usage: limits rtt|blob|kept|start|first N\n", stderr);
        return 2;
    }
    printf("result %ld\n", result);
    return 0;
}
