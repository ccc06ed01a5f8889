/* Streams around a fork: what was printed comes out once, and no lock holds a fork up. */
#define _GNU_SOURCE
#include "streams.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "testing.h"

/* A stream of a pipe, and its other end. */
typedef struct both {
    FILE *stream;
    int other;
} both;

static both open_pipe(const char *mode)
{
    int ends[2], writes = mode[0] == 'w';
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    both b = {fdopen(ends[writes], mode), ends[!writes]};
    CHECK(b.stream != NULL);
    return b;
}

/* Forks a child that flushes all that it has and ends. */
static void fork_and_flush(void)
{
    luas__child_forks forks;
    luas__child c;
    int64_t began = luas__now();
    luas__child_forks_begin(&forks);
    pid_t pid = luas__child_fork(&forks);
    if (pid == 0) {
        alarm(20);
        fflush(NULL);
        _exit(0);
    }
    luas__child_forks_end(&forks);
    CHECK(pid > 0);
    luas__child_adopt(&c, pid);
    luas__child_await(&c);
    CHECK_INT(c.status, 0);
    CHECK(luas__now() - began < within(5 * LUAS__SECOND));
    luas__child_release(&c);
}

/* All that comes until its writers have closed it, or hold it and wrote nothing more. */
static void check_came(int fd, const char *wanted)
{
    char text[256];
    size_t len = 0;
    ssize_t n;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((n = read(fd, text + len, sizeof text - len)) > 0)
        len += (size_t)n;
    CHECK_INT(len, strlen(wanted));
    CHECK_BYTES(text, wanted, len);
}

/* What is left in the stream comes now, and once. */
static void check_close(both b, const char *wanted)
{
    fclose(b.stream);
    check_came(b.other, wanted);
    close(b.other);
}

/* ---- threads that hold a stream ---- */

typedef struct holder {
    FILE *stream;
    pthread_t thread;
    sem_t held, enough;
    char line[16];
} holder;

static void *hold(void *arg)
{
    holder *h = arg;
    flockfile(h->stream);
    sem_post(&h->held);
    while (sem_wait(&h->enough) < 0)
        continue;
    funlockfile(h->stream);
    return NULL;
}

static void *read_line(void *arg)
{
    holder *h = arg;
    flockfile(h->stream); /* so that the lock is known to be held */
    sem_post(&h->held);
    CHECK(fgets(h->line, sizeof h->line, h->stream) == h->line);
    funlockfile(h->stream);
    return NULL;
}

static void begin(holder *h, FILE *stream, void *body(void *))
{
    h->stream = stream;
    CHECK_INT(sem_init(&h->held, 0, 0), 0);
    CHECK_INT(sem_init(&h->enough, 0, 0), 0);
    CHECK_INT(pthread_create(&h->thread, NULL, body, h), 0);
    while (sem_wait(&h->held) < 0)
        continue;
}

static void end(holder *h)
{
    sem_post(&h->enough);
    CHECK_INT(pthread_join(h->thread, NULL), 0);
    sem_destroy(&h->held);
    sem_destroy(&h->enough);
}

static void test_a_thread_that_waits_for_a_line(void)
{
    both in = open_pipe("r"), out = open_pipe("w");
    holder h;
    fputs("other", out.stream);
    begin(&h, in.stream, read_line);
    fork_and_flush();
    check_came(out.other, "other");     /* others are flushed meanwhile */
    CHECK_INT(write(in.other, "line\n", 5), 5);
    end(&h);
    CHECK_BYTES(h.line, "line\n", 5);
    fclose(in.stream);
    fclose(out.stream);
    close(in.other);
    close(out.other);
}

static void test_what_a_thread_has_locked_comes_once(void)
{
    both out = open_pipe("w");
    holder h;
    fputs("locked", out.stream);
    begin(&h, out.stream, hold);
    fork_and_flush();
    check_came(out.other, "");
    end(&h);
    check_close(out, "locked");
}

/* ---- what takes no bytes ---- */

static void test_a_full_pipe_holds_nothing_up(void)
{
    both out = open_pipe("w");
    char block[4096] = "", byte;
    int fd = fileno(out.stream), flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, block, sizeof block) > 0)
        continue;
    fcntl(fd, F_SETFL, flags);
    fputs("late", out.stream);
    fork_and_flush();
    for (fcntl(out.other, F_SETFL, O_NONBLOCK); read(out.other, &byte, 1) == 1;)
        CHECK_INT(byte, 0);
    check_close(out, "late");
}

static void test_a_pipe_without_a_reader_raises_no_signal(void)
{
    both out = open_pipe("w");
    close(out.other);
    fputs("nobody", out.stream);
    fork_and_flush();       /* SIGPIPE would end this program */
    signal(SIGPIPE, SIG_IGN);
    fclose(out.stream);
    signal(SIGPIPE, SIG_DFL);
}

/* ---- the rest ---- */

static void test_several_streams_come_once(void)
{
    both out[3];
    for (int i = 0; i < 3; i++) {
        out[i] = open_pipe("w");
        fprintf(out[i].stream, "stream %d", i);
    }
    fork_and_flush();
    fork_and_flush();
    for (int i = 0; i < 3; i++) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "stream %d", i);
        check_close(out[i], wanted);
    }
}

/* fflush of a stream that is read sets the file's position back, and that is shared. */
static void test_a_file_that_is_read_stays_where_it_is(void)
{
    FILE *f = tmpfile();
    CHECK(f != NULL && fputs("one\ntwo\n", f) >= 0);
    rewind(f);
    CHECK_INT(fgetc(f), 'o');
    off_t before = lseek(fileno(f), 0, SEEK_CUR);
    CHECK_INT(before, 8);
    luas__streams_flush();
    luas__streams_purge();
    CHECK_INT(lseek(fileno(f), 0, SEEK_CUR), before);
    CHECK_INT(fgetc(f), 'n');
    fclose(f);
}

int main(void)
{
    RUN(test_a_thread_that_waits_for_a_line);
    RUN(test_what_a_thread_has_locked_comes_once);
    RUN(test_a_full_pipe_holds_nothing_up);
    RUN(test_a_pipe_without_a_reader_raises_no_signal);
    RUN(test_several_streams_come_once);
    RUN(test_a_file_that_is_read_stays_where_it_is);
}
