/* A pool holds nothing open that its application closes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>

#include "embed_testing.h"

/* Says how many of its descriptors, from 3 on, lead to something that matches. */
static const char FUNCTIONS[] =
    "function count(pattern)\n"
    "  local path, n = os.tmpname(), 0\n"
    "  os.execute('ls -l /proc/$PPID/fd >' .. path)\n"
    "  for line in io.lines(path) do\n"
    "    local fd, to = line:match '(%d+) %-> (.*)'\n"
    "    if fd and tonumber(fd) > 2 and to:find(pattern) then n = n + 1 end\n"
    "  end\n"
    "  os.remove(path)\n"
    "  return n\n"
    "end\n"
    "function die() os.exit(3) end\n"
    "function same(x) return x end\n";

static luas_pool *open_workers(int workers, int keep_files)
{
    write_script(FUNCTIONS);
    return open_pool(&(luas_options){.script = script, .workers = workers, .timeout = 20,
                                     .keep_files = keep_files});
}

static int64_t count(luas_pool *pool, const char *pattern)
{
    luas_outcome o;
    submit(pool, "count", luas_string(pattern));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    return o.results[0].as.integer;
}

/* A worker crashes; another one takes its place. */
static void replace(luas_pool *pool)
{
    luas_outcome o;
    submit(pool, "die", luas_integer(0));
    submit(pool, "same", luas_integer(1));
    for (int i = 0; i < 2; i++)
        await(pool, &o);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what is closed is closed ---- */

static void test_a_pipe(void)
{
    int fds[2];
    char byte;
    CHECK_INT(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    luas_pool *pool = open_workers(2, 0);
    close(fds[1]);
    CHECK_INT(read(fds[0], &byte, 1), 0); /* at once */
    close(fds[0]);
    CHECK_INT(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    replace(pool);
    close(fds[1]);
    CHECK_INT(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    close_pool(pool);
}

static void test_an_epoll_set(void)
{
    int pair[2], set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &event), 0);
    luas_pool *pool = open_workers(1, 0);
    CHECK_INT(write(pair[1], "x", 1), 1);
    close(pair[0]);
    CHECK_INT(epoll_wait(set, &event, 1, 0), 0);
    close(pair[1]);
    close(set);
    close_pool(pool);
}

static void test_a_lock(void)
{
    char path[] = "/tmp/luas-lock-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC), again = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && again >= 0);
    CHECK_INT(flock(fd, LOCK_EX), 0);
    luas_pool *pool = open_workers(1, 0);
    close(fd);
    CHECK_INT(flock(again, LOCK_EX | LOCK_NB), 0);
    replace(pool);
    close(again);
    again = open(path, O_RDWR | O_CLOEXEC);
    CHECK_INT(flock(again, LOCK_EX | LOCK_NB), 0);
    close(again);
    unlink(path);
    close_pool(pool);
}

/* ---- what a worker has ---- */

/* Whatever this program was started with its workers have, too. */
static void test_a_worker_has_none(void)
{
    luas_pool *pool = open_workers(1, 0);
    int64_t pipes = count(pool, "pipe:"), others = count(pool, "anon_inode");
    close_pool(pool);
    int fds[2], file = open("/etc/passwd", O_RDONLY), set = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(pipe(fds), 0);
    pool = open_workers(1, 0);
    CHECK_INT(count(pool, "pipe:"), pipes);
    CHECK_INT(count(pool, "anon_inode"), others);
    CHECK_INT(count(pool, "passwd"), 0);
    close_pool(pool);
    pool = open_workers(1, 1);
    CHECK_INT(count(pool, "pipe:"), pipes + 2);
    CHECK_INT(count(pool, "anon_inode"), others + 1);
    CHECK_INT(count(pool, "passwd"), 1);
    close_pool(pool);
    close(fds[0]);
    close(fds[1]);
    close(file);
    close(set);
}

/* ... but for the memory that it shares with the application. */
static void test_shared_memory_stays(void)
{
    luas_shared *shared;
    luas_object *value;
    luas_outcome o;
    CHECK_INT(luas_shared_open(&shared, 0), 0);
    write_script("function add(v) v:add(1) return v:get() end");
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1, .timeout = 20,
                                                .shared = shared});
    CHECK_INT(luas_shared_value(shared, 41, &value), 0);
    submit(pool, "add", luas_shared_argument(value));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.results[0].as.integer, 42);
    close_pool(pool);
    luas_shared_drop(value);
    luas_shared_close(shared);
}

/* ---- a server ---- */

typedef struct server {
    int listener, set;
    struct sockaddr_in address;
} server;

static void open_server(server *s)
{
    socklen_t len = sizeof s->address;
    int yes = 1;
    *s = (server){.address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    s->set = epoll_create1(EPOLL_CLOEXEC);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    CHECK_INT(bind(s->listener, (void *)&s->address, len), 0);
    CHECK_INT(listen(s->listener, 10), 0);
    CHECK_INT(getsockname(s->listener, (void *)&s->address, &len), 0);
}

static int connect_client(const server *s)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(client, (const void *)&s->address, sizeof s->address), 0);
    return client;
}

/* Serves one client while a worker crashes and is replaced, and closes the connection. Returns
   how long the client then waits for the end (ms). */
static int64_t serve(const server *s, luas_pool *pool, bool crashes)
{
    char byte;
    luas_outcome o;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    int client = connect_client(s), served = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(served >= 0);
    CHECK_INT(epoll_ctl(s->set, EPOLL_CTL_ADD, served, &event), 0);
    if (crashes)
        submit(pool, "die", luas_integer(0));
    submit(pool, "same", luas_integer(1));
    while (luas_pending(pool) > 0)
        await(pool, &o);
    close(served);
    int64_t began = now_ms();
    struct pollfd p = {.fd = client, .events = POLLIN};
    CHECK_INT(poll(&p, 1, 10000), 1);
    CHECK_INT(read(client, &byte, 1), 0);
    CHECK_INT(epoll_wait(s->set, &event, 1, 0), 0); /* no stale event */
    close(client);
    return now_ms() - began;
}

static void *rest(void *unused)
{
    pause();
    return unused;
}

/* With a thread of the application's each child looks for what is open, and else the host. */
static void check_server(bool has_thread, int clients)
{
    server s;
    pthread_t thread;
    int64_t slowest = 0;
    if (has_thread)
        CHECK_INT(pthread_create(&thread, NULL, rest, NULL), 0);
    open_server(&s);
    luas_pool *pool = open_workers(2, 0);
    for (int i = 0; i < clients; i++) {
        int64_t ms = serve(&s, pool, i % 10 == 0);
        slowest = ms > slowest ? ms : slowest;
    }
    CHECK(slowest < within(under_valgrind() ? 5000 : 100));
    close(s.listener);
    int again = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    CHECK_INT(bind(again, (void *)&s.address, sizeof s.address), 0);
    CHECK_INT(listen(again, 1), 0); /* the port is free */
    close(again);
    close(s.set);
    close_pool(pool);
    if (has_thread) {
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
}

static void test_a_server(void)
{
    check_server(false, under_valgrind() ? 20 : 200);
}

static void test_a_server_with_threads(void)
{
    check_server(true, under_valgrind() ? 10 : 50);
}

/* ---- streams ---- */

static void *read_line(void *arg)
{
    char line[16];
    CHECK(fgets(line, sizeof line, arg) != NULL);
    return NULL;
}

/* Forks do not wait for the thread, which sits in a read of stdin with the stream's lock. */
static void test_a_thread_that_reads_stdin(void)
{
    int fds[2], saved = dup(STDIN_FILENO);
    pthread_t thread;
    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    dup2(fds[0], STDIN_FILENO);
    CHECK_INT(pthread_create(&thread, NULL, read_line, stdin), 0);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    luas_pool *pool = open_workers(1, 0);
    replace(pool);
    CHECK_INT(write(fds[1], "line\n", 5), 5);
    CHECK_INT(pthread_join(thread, NULL), 0);
    close_pool(pool);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    RUN(test_a_pipe);
    RUN(test_an_epoll_set);
    RUN(test_a_lock);
    RUN(test_a_worker_has_none);
    RUN(test_shared_memory_stays);
    RUN(test_a_server);
    RUN(test_a_server_with_threads);
    RUN(test_a_thread_that_reads_stdin);
}
