/* What children keep of the descriptors of their host. */
#define _GNU_SOURCE
#include "descriptors.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fd.h"
#include "heritage.h"
#include "testing.h"

/* ---- kinds ---- */

static int open_file(void)
{
    char path[] = "/tmp/luas-descriptors-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, "x", 1), 1);
    return fd; /* it has a name, as locked files have */
}

/* Removes the file by its name. */
static void close_file(int fd)
{
    char link[40], path[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    CHECK(n > 0);
    path[n] = '\0';
    unlink(path);
    close(fd);
}

static int open_pipe(void)
{
    int fds[2];
    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    return fds[1];
}

static int open_flocked(void)
{
    int fd = open_file();
    CHECK_INT(flock(fd, LOCK_EX), 0);
    return fd;
}

static int open_fcntl_locked(void)
{
    int fd = open_file();
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK_INT(fcntl(fd, F_OFD_SETLK, &all), 0);
    return fd;
}

static int open_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    return signalfd(-1, &none, SFD_CLOEXEC);
}

static int open_master(void) { return posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC); }
static int open_socket(void) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static int open_unix(void) { return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
static int open_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }
static int open_event(void) { return eventfd(0, EFD_CLOEXEC); }
static int open_timer(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); }
static int open_inotify(void) { return inotify_init1(IN_CLOEXEC); }
static int open_folder(void) { return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }
static int open_null(void) { return open("/dev/null", O_RDWR | O_CLOEXEC); }
static int open_memory(void) { return memfd_create("test", MFD_CLOEXEC); }

static const struct {
    const char *name;
    int (*open)(void);
    bool is_file, has_name;
} kinds[] = {
    {"a pipe", open_pipe, false, false},
    {"a socket", open_socket, false, false},
    {"a socket of this machine", open_unix, false, false},
    {"an epoll set", open_epoll, false, false},
    {"an eventfd", open_event, false, false},
    {"a timer", open_timer, false, false},
    {"a signalfd", open_signals, false, false},
    {"an inotify", open_inotify, false, false},
    {"a pseudo-terminal's master", open_master, false, false},
    {"a file with a lock", open_flocked, false, true},
    {"a file with a lock of fcntl", open_fcntl_locked, false, true},
    {"a file", open_file, true, true},
    {"a folder", open_folder, true, false},
    {"/dev/null", open_null, true, false},
    {"memory", open_memory, true, false},
};

/* ---- a child ---- */

/* Looks, forks a child that cuts, and gives what `body` gives in it, with the number. The host
   looks on its own if `looks`. */
static int in_child(int fd, const luas__kept *kept, const luas__fd_set *more, bool looks,
                    int body(int fd))
{
    luas__descriptors found = LUAS__DESCRIPTORS_INIT;
    luas__fd_set own = {.bits = NULL};
    if (looks)
        luas__descriptors_look(&found, &own, 0);
    luas__fd_set_release(&own);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        luas__descriptors_cut(&found, kept, more);
        _exit(body(fd));
    }
    luas__descriptors_release(&found);
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

enum { KEPT, BLANK, CLOSED, CONFUSED };

/* A blank number cannot be used, is not given to a new file, and can be closed. */
static int state_of(int fd)
{
    char byte;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return CLOSED;
    if (!(flags & O_PATH))
        return KEPT;
    if (write(fd, "x", 1) != -1 || errno != EBADF || read(fd, &byte, 1) != -1 || errno != EBADF)
        return CONFUSED;
    if (send(fd, "x", 1, MSG_NOSIGNAL) != -1 || errno != EBADF)
        return CONFUSED;
    if (fcntl(fd, F_GETFD) != FD_CLOEXEC || open("/dev/null", O_RDONLY) == fd)
        return CONFUSED;
    return close(fd) == 0 && fcntl(fd, F_GETFD) < 0 ? BLANK : CONFUSED;
}

static void check_state(const char *name, int got, int wanted)
{
    if (got != wanted)
        fprintf(stderr, "%s\n", name);
    CHECK_INT(got, wanted);
}

/* The host may not know what it has open, before Linux 6.2 or under valgrind: then the child
   finds out. */
static void test_each_kind(void)
{
    const luas__kept files = {.keeping = LUAS__KEEP_FILES}, none = {.keeping = LUAS__KEEP_NONE},
                     all = {.keeping = LUAS__KEEP_ALL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int looks = 0; looks < 2; looks++) {
            const char *name = kinds[i].name;
            int fd = kinds[i].open();
            CHECK(fd >= 0);
            check_state(name, in_child(fd, &files, NULL, looks, state_of),
                        kinds[i].is_file ? KEPT : BLANK);
            check_state(name, in_child(fd, &none, NULL, looks, state_of), CLOSED);
            check_state(name, in_child(fd, &all, NULL, looks, state_of), KEPT);
            kinds[i].has_name ? close_file(fd) : (void)close(fd);
        }
}

static void test_what_shall_be_kept(void)
{
    luas__kept kept = {.keeping = LUAS__KEEP_FILES};
    luas__fd_set more = {.bits = NULL}, unknown = {.is_partial = true};
    int a = open_pipe(), b = open_socket(), c = open_event();
    luas__fd_set_add(&kept.fds, a);
    luas__fd_set_add(&more, b);
    for (int looks = 0; looks < 2; looks++) {
        CHECK_INT(in_child(a, &kept, &more, looks, state_of), KEPT);
        CHECK_INT(in_child(b, &kept, &more, looks, state_of), KEPT);
        CHECK_INT(in_child(c, &kept, &more, looks, state_of), BLANK);
        CHECK_INT(in_child(c, &kept, &unknown, looks, state_of), KEPT);
    }
    luas__fd_set_release(&kept.fds);
    luas__fd_set_release(&more);
    close(a);
    close(b);
    close(c);
}

static int has_standard_streams(int fd)
{
    (void)fd;
    return fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0;
}

static void test_standard_streams_stay(void)
{
    int fds[2], saved = dup(STDIN_FILENO);
    const luas__kept none = {.keeping = LUAS__KEEP_NONE}, files = {.keeping = LUAS__KEEP_FILES};
    CHECK_INT(pipe(fds), 0);
    CHECK_INT(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
    CHECK_INT(in_child(0, &none, NULL, true, has_standard_streams), 1);
    CHECK_INT(in_child(0, &files, NULL, false, state_of), KEPT);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(fds[0]);
    close(fds[1]);
}

/* ---- what the host knows ---- */

static bool matters(int threads)
{
    luas__descriptors found = LUAS__DESCRIPTORS_INIT;
    luas__fd_set own = {.bits = NULL};
    luas__descriptors_look(&found, &own, threads);
    bool does = luas__descriptors_matter(&found);
    luas__descriptors_release(&found);
    luas__fd_set_release(&own);
    return does;
}

static bool has_count(void)
{
    struct stat folder;
    return stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0 && !under_valgrind();
}

static void *rest(void *unused)
{
    pause();
    return unused;
}

static void test_the_host_knows_what_matters(void)
{
    pthread_t thread;
    int file = open_file();
    if (has_count())
        CHECK(!matters(0));
    int far = fcntl(file, F_DUPFD_CLOEXEC, 900);    /* too far to look */
    CHECK(far >= 900);
    CHECK(matters(0));
    close(far);
    int fd = open_pipe();
    CHECK(matters(0));
    close(fd);
    CHECK_INT(pthread_create(&thread, NULL, rest, NULL), 0);
    CHECK(matters(0)); /* it may open something at any time */
    if (has_count())
        CHECK(!matters(1));
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    close_file(file);
}

static int is_cut(int fd)
{
    return state_of(fd) == BLANK;
}

static void test_numbers_far_away(void)
{
    const luas__kept files = {.keeping = LUAS__KEEP_FILES};
    int fd = open_pipe(), far = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    CHECK(far >= 900);
    CHECK_INT(in_child(far, &files, NULL, true, is_cut), 1);
    CHECK_INT(in_child(far, &files, NULL, false, is_cut), 1);
    close(far);
    close(fd);
}

/* ---- what the program was started with ---- */

static const char *program;

/* This program, started anew with a pipe at 9. */
static int was_started_with_pipe(void)
{
    const luas__kept none = {.keeping = LUAS__KEEP_NONE}, files = {.keeping = LUAS__KEEP_FILES};
    if (!luas__heritage_has(9) || luas__heritage_has(8))
        return 1;
    if (in_child(9, &none, NULL, true, state_of) != KEPT
        || in_child(9, &files, NULL, false, state_of) != KEPT)
        return 2;
    luas__heritage_loaded_late(); /* the parent has that pipe, too, at another number */
    if (!luas__heritage_has(9))
        return 3;
    close(9);
    int fd = open_pipe();
    dup2(fd, 9); /* another file by now */
    return luas__heritage_has(9) ? 4 : 0;
}

static void test_what_the_program_was_started_with(void)
{
    int fd = open_pipe(), status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fd, 9); /* not close-on-exec */
        execl(program, program, "again", NULL);
        _exit(9);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    close(fd);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1)
        return was_started_with_pipe();
    RUN(test_each_kind);
    RUN(test_what_shall_be_kept);
    RUN(test_standard_streams_stay);
    RUN(test_the_host_knows_what_matters);
    RUN(test_numbers_far_away);
    RUN(test_what_the_program_was_started_with);
}
