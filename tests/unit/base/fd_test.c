/* Descriptors and waiting: nothing blocks that should not, nothing is lost. */
#define _GNU_SOURCE
#include "fd.h"
#include "fdpass.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "poller.h"
#include "testing.h"

static void open_pipe(int fds[2])
{
    CHECK_INT(luas__fd_pipe(fds), 0);
    CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    CHECK_INT(luas__fd_set_nonblocking(fds[0]), 0);
    CHECK_INT(luas__fd_set_nonblocking(fds[1]), 0);
}

static void close_pipe(int fds[2])
{
    luas__fd_close(&fds[0]);
    luas__fd_close(&fds[1]);
}

/* ---- fdio ---- */

static void test_close_closes_once(void)
{
    int fds[2], none = -1;
    open_pipe(fds);
    close_pipe(fds);
    CHECK_INT(fds[0], -1);
    close_pipe(fds);
    luas__fd_close(&none);
}

static void test_pipes_leave_the_standard_streams_free(void)
{
    int fds[2], kept[2] = {dup(STDIN_FILENO), dup(STDOUT_FILENO)};
    CHECK(kept[0] > STDERR_FILENO && kept[1] > STDERR_FILENO);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    open_pipe(fds);
    CHECK(fds[0] > STDERR_FILENO && fds[1] > STDERR_FILENO);
    close_pipe(fds);
    CHECK_INT(dup2(kept[0], STDIN_FILENO), STDIN_FILENO);
    CHECK_INT(dup2(kept[1], STDOUT_FILENO), STDOUT_FILENO);
    close_pipe(kept);
}

static void test_reads_what_is_there(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    int fds[2];
    open_pipe(fds);
    CHECK_INT(luas__fd_read_some(fds[0], &b, 100), -EAGAIN);
    CHECK_INT(write(fds[1], "hello", 5), 5);
    CHECK_INT(luas__fd_read_some(fds[0], &b, 3), 3);
    CHECK_INT(luas__fd_read_some(fds[0], &b, 100), 2);
    CHECK_INT(b.len, 5);
    CHECK_BYTES(luas__buffer_bytes(&b), "hello", 5);
    luas__fd_close(&fds[1]);
    CHECK_INT(luas__fd_read_some(fds[0], &b, 100), 0);
    CHECK_INT(b.len, 5);
    close_pipe(fds);
    CHECK_INT(luas__fd_read_some(fds[0], &b, 100), -EBADF);
    luas__buffer_release(&b);
}

static void test_writes_what_fits(void)
{
    enum { SIZE = 1 << 20 };
    luas__buffer out = LUAS__BUFFER_INIT, in = LUAS__BUFFER_INIT;
    int fds[2], rc;
    open_pipe(fds);
    CHECK_INT(luas__buffer_reserve(&out, SIZE), 0);
    for (size_t i = 0; i < SIZE; i++)
        luas__buffer_bytes(&out)[i] = (char)(i * 7 >> 3);
    out.len = SIZE;
    CHECK_INT(luas__fd_write_some(fds[1], &out), -EAGAIN);
    CHECK(out.len > 0 && out.len < SIZE);
    do {
        rc = luas__fd_write_some(fds[1], &out);
        while (luas__fd_read_some(fds[0], &in, 5000) > 0)
            continue;
    } while (rc == -EAGAIN);
    CHECK_INT(rc, 0);
    CHECK_INT(out.len, 0);
    CHECK_INT(in.len, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        CHECK(luas__buffer_bytes(&in)[i] == (char)(i * 7 >> 3));
    luas__buffer_release(&out);
    luas__buffer_release(&in);
    close_pipe(fds);
}

static void *read_slowly(void *arg)
{
    static char bytes[4096];
    size_t total = 0;
    struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};
    while (poll(&p, 1, 10000) == 1) {
        ssize_t n = read(p.fd, bytes, sizeof bytes);
        if (n <= 0)
            break;
        total += (size_t)n;
    }
    return (void *)total;
}

static void test_writes_everything_when_it_may_wait(void)
{
    enum { SIZE = 1 << 20 };
    int fds[2];
    pthread_t reader;
    void *total;
    char *bytes = calloc(1, SIZE);
    CHECK(bytes != NULL);
    open_pipe(fds); /* non-blocking: even so it waits */
    CHECK_INT(pthread_create(&reader, NULL, read_slowly, &fds[0]), 0);
    CHECK_INT(luas__fd_write_waiting(fds[1], bytes, SIZE), 0);
    luas__fd_close(&fds[1]);
    CHECK_INT(pthread_join(reader, &total), 0);
    CHECK_INT((size_t)total, SIZE);
    free(bytes);
    close_pipe(fds);
}

static void test_a_reader_that_is_gone(void)
{
    int fds[2];
    luas__buffer out = LUAS__BUFFER_INIT;
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    open_pipe(fds);
    luas__fd_close(&fds[0]);
    CHECK_INT(luas__fd_write_waiting(fds[1], "x", 1), -EPIPE);
    CHECK_INT(luas__buffer_append(&out, "x", 1), 0);
    CHECK_INT(luas__fd_write_some(fds[1], &out), -EPIPE);
    CHECK_INT(out.len, 1);
    luas__buffer_release(&out);
    close_pipe(fds);
    signal(SIGPIPE, before);
}

/* ---- poller ---- */

static uint64_t wait_key(luas__poller *p, int64_t timeout)
{
    luas__event event;
    int n = luas__poller_wait(p, &event, 1, timeout);
    CHECK(n >= 0);
    return n == 1 ? event.key : 0;
}

static void test_reports_what_is_ready(void)
{
    luas__poller p;
    int fds[2];
    open_pipe(fds);
    CHECK_INT(luas__poller_open(&p), 0);
    CHECK_INT(luas__poller_add(&p, fds[0], 0, 17), 0);
    CHECK_INT(wait_key(&p, 0), 0);
    CHECK_INT(write(fds[1], "x", 1), 1);
    CHECK_INT(wait_key(&p, -1), 17);
    CHECK_INT(wait_key(&p, 0), 17); /* until it has been read */
    luas__poller_remove(&p, fds[0]);
    luas__poller_remove(&p, fds[0]);
    luas__poller_remove(&p, -1);
    CHECK_INT(wait_key(&p, 0), 0);
    CHECK_INT(luas__poller_add(&p, fds[1], 1, 18), 0);
    CHECK_INT(wait_key(&p, 0), 18);
    CHECK(luas__poller_add(&p, -1, 0, 19) < 0);
    luas__poller_close(&p);
    luas__poller_close(&p);
    close_pipe(fds);
}

static void test_is_one_descriptor_to_the_application(void)
{
    luas__poller p;
    CHECK_INT(luas__poller_open(&p), 0);
    struct pollfd outside = {.fd = p.fd, .events = POLLIN};
    CHECK_INT(poll(&outside, 1, 0), 0);
    CHECK_INT(luas__poller_alarm(&p, luas__now() + 10 * LUAS__MS), 0);
    CHECK_INT(poll(&outside, 1, 10000), 1);
    CHECK(wait_key(&p, 0) == LUAS__ALARM);
    luas__poller_acknowledge(&p, LUAS__ALARM);
    CHECK_INT(poll(&outside, 1, 0), 0);
    luas__poller_close(&p);
}

static void test_the_earliest_alarm_counts(void)
{
    luas__poller p;
    int64_t start = luas__now();
    CHECK_INT(luas__poller_open(&p), 0);
    CHECK_INT(luas__poller_alarm(&p, start + 100 * LUAS__SECOND), 0);
    CHECK_INT(luas__poller_alarm(&p, start + 20 * LUAS__MS), 0);
    CHECK_INT(luas__poller_alarm(&p, start + 50 * LUAS__SECOND), 0);
    CHECK(wait_key(&p, 10 * LUAS__SECOND) == LUAS__ALARM);
    CHECK(luas__now() >= start + 20 * LUAS__MS);
    luas__poller_acknowledge(&p, LUAS__ALARM);
    CHECK_INT(wait_key(&p, 20 * LUAS__MS), 0); /* the others are gone with it */
    CHECK_INT(luas__poller_alarm(&p, start), 0); /* long ago is now */
    CHECK(wait_key(&p, 10 * LUAS__SECOND) == LUAS__ALARM);
    luas__poller_close(&p);
}

static void *wake_later(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 20 * LUAS__MS}, NULL);
    luas__poller_wake(arg);
    return NULL;
}

static void test_woken_from_another_thread(void)
{
    luas__poller p;
    pthread_t thread;
    CHECK_INT(luas__poller_open(&p), 0);
    CHECK_INT(pthread_create(&thread, NULL, wake_later, &p), 0);
    CHECK(wait_key(&p, -1) == LUAS__WAKE);
    CHECK_INT(pthread_join(thread, NULL), 0);
    luas__poller_wake(&p);
    luas__poller_acknowledge(&p, LUAS__WAKE);
    CHECK_INT(wait_key(&p, 0), 0);
    luas__poller_close(&p);
}

static void test_waits_as_long_as_it_was_told(void)
{
    luas__poller p;
    int64_t start = luas__now();
    CHECK_INT(luas__poller_open(&p), 0);
    CHECK_INT(wait_key(&p, 30 * LUAS__MS + 1), 0);
    CHECK(luas__now() - start >= 30 * LUAS__MS);
    luas__poller_close(&p);
}

/* ---- messages ---- */

static void test_messages_stay_apart_and_bring_descriptors(void)
{
    int ends[2], pipes[2], came[3], count = 3, none = 0;
    char bytes[16];
    CHECK_INT(luas__fdpass_pair(ends), 0);
    CHECK_INT(luas__fd_pipe(pipes), 0);
    CHECK_INT(luas__fdpass_take(ends[1], bytes, sizeof bytes, NULL, &none, 0), -EAGAIN);
    CHECK_INT(luas__fdpass_send(ends[0], "one", 3, pipes, 2), 0);
    CHECK_INT(luas__fdpass_send(ends[0], "second", 6, NULL, 0), 0);
    close(pipes[1]);
    CHECK_INT(luas__fdpass_take(ends[1], bytes, sizeof bytes, came, &count, 1), 3);
    CHECK_BYTES(bytes, "one", 3);
    CHECK_INT(count, 2);
    CHECK(fcntl(came[1], F_GETFD) & FD_CLOEXEC);
    CHECK_INT(write(came[1], "x", 1), 1);
    CHECK_INT(read(pipes[0], bytes, 1), 1);
    CHECK_INT(luas__fdpass_take(ends[1], bytes, sizeof bytes, NULL, &none, 1), 6);
    CHECK_BYTES(bytes, "second", 6);
    close(ends[0]);
    CHECK_INT(luas__fdpass_take(ends[1], bytes, sizeof bytes, NULL, &none, 1), 0);
    CHECK_INT(luas__fdpass_send(ends[1], "late", 4, NULL, 0), -EPIPE);
    close(ends[1]);
    close(pipes[0]);
    close(came[0]);
    close(came[1]);
}

/* None is lost on the way: each copy is closed again. */
static void test_more_descriptors_than_are_wanted_are_refused(void)
{
    int ends[2], many[LUAS__MOST_FDS], came[1], count = 1;
    char byte;
    CHECK_INT(luas__fdpass_pair(ends), 0);
    for (int i = 0; i < LUAS__MOST_FDS; i++)
        many[i] = ends[0];
    CHECK_INT(luas__fdpass_send(ends[0], "x", 1, many, LUAS__MOST_FDS), 0);
    CHECK_INT(luas__fdpass_take(ends[1], &byte, 1, came, &count, 0), -EMFILE);
    CHECK_INT(count, 0);
    close(ends[0]);
    count = 1;
    CHECK_INT(luas__fdpass_take(ends[1], &byte, 1, came, &count, 1), 0);
    close(ends[1]);
}

/* With none free the system has no control message for what it did not deliver.
   (Valgrind keeps such limits itself, so that there one is delivered.) */
static void test_descriptors_that_find_no_room_are_missed(void)
{
    struct rlimit before, full;
    int ends[2], fillers[256], n = 0, came[1], count = 1;
    char byte;
    CHECK_INT(luas__fdpass_pair(ends), 0);
    CHECK_INT(luas__fdpass_send(ends[0], "x", 1, ends, 1), 0);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    full = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &full), 0);
    while (n < 256 && (fillers[n] = dup(ends[0])) >= 0)
        n++;
    ssize_t got = luas__fdpass_take(ends[1], &byte, 1, came, &count, 0);
    while (n > 0)
        close(fillers[--n]);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(got, count == 1 ? 1 : -EMFILE);
    if (count == 1)
        close(came[0]);
    close(ends[0]);
    close(ends[1]);
}

/* ---- sets ---- */

static void test_a_set_of_descriptors(void)
{
    static const int numbers[] = {0, 63, 64, 700};
    luas__fd_set s = {.bits = NULL};
    CHECK(!luas__fd_set_has(&s, 0) && luas__fd_set_next(&s, 0) == -1);
    luas__fd_set_add(&s, -1);
    CHECK_INT(luas__fd_set_count(&s), 0);
    for (int i = 3; i >= 0; i--)
        luas__fd_set_add(&s, numbers[i]);
    luas__fd_set_add(&s, 64);
    CHECK_INT(luas__fd_set_count(&s), 4);
    for (int fd = 0, i = 0; (fd = luas__fd_set_next(&s, fd)) >= 0; fd++, i++)
        CHECK_INT(fd, numbers[i]);
    CHECK(!luas__fd_set_has(&s, 1) && !luas__fd_set_has(&s, 5000) && !s.is_partial);
    luas__fd_set_release(&s);
    CHECK_INT(luas__fd_set_count(&s), 0);
}

int main(void)
{
    RUN(test_close_closes_once);
    RUN(test_pipes_leave_the_standard_streams_free);
    RUN(test_reads_what_is_there);
    RUN(test_writes_what_fits);
    RUN(test_writes_everything_when_it_may_wait);
    RUN(test_a_reader_that_is_gone);
    RUN(test_reports_what_is_ready);
    RUN(test_is_one_descriptor_to_the_application);
    RUN(test_the_earliest_alarm_counts);
    RUN(test_woken_from_another_thread);
    RUN(test_waits_as_long_as_it_was_told);
    RUN(test_messages_stay_apart_and_bring_descriptors);
    RUN(test_more_descriptors_than_are_wanted_are_refused);
    RUN(test_descriptors_that_find_no_room_are_missed);
    RUN(test_a_set_of_descriptors);
}
