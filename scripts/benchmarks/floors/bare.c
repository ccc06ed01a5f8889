/*
 * What remains when all that a runner is for is left out: fork, pipes and the
 * Lua API, no promise kept.
 *
 *   bare cheap N      the squares of N integers
 *   bare rows N       N tables of three fields in, N out
 *   bare start N      N times eight workers for eight tasks
 *   bare guarded N    the same with what luas promises of workers: each in a
 *                     process group that ends with the host, without its signal
 *                     handlers, stdin and descriptors, watched, and with memory
 *                     that is shared with the host
 *   bare sending N    the same with the function sent to each, as bytes, from a
 *                     host that has as much in its Lua state as one with luas has
 *
 * Two children have the list by fork and take every other task. What they send
 * is the plainest there is: 8 bytes a number, a name after its length, nothing
 * that says which task it is. A child that fails goes unnoticed.
 *
 * Says as all programs here do how many `seconds` the work took, and a `result`
 * that shows that it was done.
 */
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "limits.h"

enum { CHILDREN = 2, FORKS = 8, BLOCK = 1 << 16, RECORD = 8 + 8 + 1 + 255, SHARED = 1 << 16 };

/* Lua stack. */
enum { FUNCTION = 1, LIST, RESULTS };

static const char cheap_script[] =
    "local list = {} for i = 1, ... do list[i] = i end\n"
    "return function(x) return x * x end, list";

/* A host with its own Lua modules has so many KB. */
static const char sending_script[] =
    "local list = {}\n"
    "repeat list[#list + 1] = {#list, tostring(#list)} until collectgarbage 'count' > 350\n"
    "return function(x) return x * x end, list";

static const char rows_script[] =
    "local list = {}\n"
    "for i = 1, ... do list[i] = {id = i, name = 'row ' .. i % 100, price = i / 4} end\n"
    "return function(row) return {id = row.id, name = row.name, price = row.price + 1} end, list";

/* What is done with a result in a child, and in the host: bytes used, or 0
   where they are not all there yet. */
typedef size_t writer(lua_State *L, char *to);
typedef size_t reader(lua_State *L, const char *from, size_t len);

/* ---- numbers and rows ---- */

static size_t write_integer(lua_State *L, char *to)
{
    lua_Integer value = lua_tointeger(L, -1);
    memcpy(to, &value, sizeof value);
    return sizeof value;
}

static size_t read_integer(lua_State *L, const char *from, size_t len)
{
    lua_Integer value;
    if (len < sizeof value)
        return 0;
    memcpy(&value, from, sizeof value);
    lua_pushinteger(L, value);
    return sizeof value;
}

static size_t write_row(lua_State *L, char *to)
{
    size_t len;
    lua_getfield(L, -1, "id");
    lua_getfield(L, -2, "price");
    lua_getfield(L, -3, "name");
    lua_Integer id = lua_tointeger(L, -3);
    lua_Number price = lua_tonumber(L, -2);
    const char *name = lua_tolstring(L, -1, &len);
    memcpy(to, &id, 8);
    memcpy(to + 8, &price, 8);
    to[16] = (char)len;
    memcpy(to + 17, name, len);
    return 17 + len;
}

static size_t read_row(lua_State *L, const char *from, size_t len)
{
    lua_Integer id;
    lua_Number price;
    if (len < 17 || len < 17 + (size_t)(unsigned char)from[16])
        return 0;
    size_t name = (unsigned char)from[16];
    memcpy(&id, from, 8);
    memcpy(&price, from + 8, 8);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, id);
    lua_setfield(L, -2, "id");
    lua_pushlstring(L, from + 17, name);
    lua_setfield(L, -2, "name");
    lua_pushnumber(L, price);
    lua_setfield(L, -2, "price");
    return 17 + name;
}

/* ---- a map ---- */

static _Noreturn void serve(lua_State *L, long first, long n, int fd, writer *put)
{
    static char block[BLOCK];
    size_t used = 0;
    lua_gc(L, LUA_GCSTOP);
    for (long i = first; i <= n; i += CHILDREN) {
        if (used > BLOCK - RECORD) {
            write_all(fd, block, used);
            used = 0;
        }
        lua_pushvalue(L, FUNCTION);
        lua_geti(L, LIST, i);
        lua_call(L, 1, 1);
        used += put(L, block + used);
        lua_settop(L, LIST);
    }
    write_all(fd, block, used);
    _exit(0);
}

typedef struct source {
    int fd;
    long next;          /* the task whose result comes next */
    size_t len;
    char bytes[2 * BLOCK];
} source;

static void take_results(lua_State *L, source *s, reader *get)
{
    size_t used = 0, n;
    while ((n = get(L, s->bytes + used, s->len - used)) > 0) {
        lua_rawseti(L, RESULTS, s->next);
        s->next += CHILDREN;
        used += n;
    }
    s->len -= used;
    memmove(s->bytes, s->bytes + used, s->len);
}

static int read_results(lua_State *L, source *s, reader *get)
{
    ssize_t n = read(s->fd, s->bytes + s->len, BLOCK);
    if (n < 0 && errno != EINTR)
        die("read");
    if (n > 0) {
        s->len += (size_t)n;
        take_results(L, s, get);
    }
    return n != 0;
}

static void map(lua_State *L, long n, writer *put, reader *get)
{
    static source sources[CHILDREN];
    struct pollfd polls[CHILDREN];
    int open = CHILDREN, status;
    lua_createtable(L, (int)n, 0);
    for (int i = 0; i < CHILDREN; i++) {
        int ends[2];
        open_pipe(ends);
        fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
        if (fork_child() == 0)
            serve(L, i + 1, n, ends[1], put);
        close(ends[1]);
        sources[i].fd = ends[0];
        sources[i].next = i + 1;
        polls[i] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    }
    while (open > 0) {
        if (poll(polls, CHILDREN, -1) < 0 && errno != EINTR)
            die("poll");
        for (int i = 0; i < CHILDREN; i++)
            if (polls[i].revents != 0 && !read_results(L, &sources[i], get)) {
                polls[i].fd = -1;
                open--;
            }
    }
    while (wait(&status) > 0)
        ;
}

static long sum_integers(lua_State *L, long n)
{
    lua_Integer total = 0;
    for (long i = 1; i <= n; i++, lua_settop(L, RESULTS)) {
        lua_geti(L, RESULTS, i);
        total += lua_tointeger(L, -1);
    }
    return (long)total;
}

static long sum_prices(lua_State *L, long n)
{
    lua_Number total = 0;
    for (long i = 1; i <= n; i++, lua_settop(L, RESULTS)) {
        lua_geti(L, RESULTS, i);
        lua_getfield(L, -1, "price");
        total += lua_tonumber(L, -1);
    }
    return (long)(4 * total);
}

static void prepare(lua_State *L, const char *script, long n)
{
    if (luaL_loadstring(L, script) != LUA_OK)
        die(lua_tostring(L, -1));
    lua_pushinteger(L, n);
    lua_call(L, 1, 2);
}

/* ---- eight workers ---- */

/* Each has what the one before it has, and more. */
enum { PLAIN, GUARDED, SENDING };

typedef struct code {
    size_t len;
    char bytes[1024];
} code;

static int append_code(lua_State *L, const void *bytes, size_t len, void *to)
{
    code *c = to;
    (void)L;
    if (len > sizeof c->bytes - c->len)
        return 1;
    memcpy(c->bytes + c->len, bytes, len);
    c->len += len;
    return 0;
}

static void send_function(lua_State *L, int fd)
{
    code c = {.len = 0};
    lua_pushvalue(L, FUNCTION);
    if (lua_dump(L, append_code, &c, 0) != 0)
        die("lua_dump");
    lua_pop(L, 1);
    write_all(fd, (const char *)&c, offsetof(code, bytes) + c.len);
}

/* What is so short comes in one piece. */
static void receive_function(lua_State *L, int fd)
{
    code c;
    if (read(fd, &c.len, sizeof c.len) != sizeof c.len || read(fd, c.bytes, c.len) != (ssize_t)c.len
        || luaL_loadbuffer(L, c.bytes, c.len, "=sent") != LUA_OK)
        die("the function");
    lua_replace(L, FUNCTION);
}

static _Noreturn void serve_one(lua_State *L, int in, int out, int level)
{
    lua_Integer x;
    if (level == SENDING)
        receive_function(L, in);
    while (read(in, &x, sizeof x) == sizeof x) {
        lua_pushvalue(L, FUNCTION);
        lua_pushinteger(L, x);
        lua_call(L, 1, 1);
        x = lua_tointeger(L, -1);
        lua_settop(L, LIST);
        write_all(out, (const char *)&x, sizeof x);
    }
    _exit(0);
}

typedef struct worker {
    int in, out;
    int watch;          /* its pidfd; -1: it is not guarded */
    char *shared;
} worker;

static void guard_child(const worker *all, const worker *w, int events)
{
    const int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGTTOU};
    struct sigaction action = {.sa_handler = SIG_IGN};
    pid_t parent = getppid();
    setpgid(0, 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(1);
    close(STDIN_FILENO);
    if (open("/dev/null", O_RDONLY) != STDIN_FILENO)
        _exit(1);
    for (; all < w; all++) {
        close(all->in);
        close(all->out);
        close(all->watch);
    }
    close(events);
    *w->shared = 1;
}

static void watch(int events, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void guard_host(worker *w, int events, pid_t pid)
{
    setpgid(pid, pid);
    w->watch = (int)syscall(SYS_pidfd_open, pid, 0);
    if (w->watch < 0)
        die("pidfd_open");
    watch(events, w->watch);
    watch(events, w->in);
    fcntl(w->out, F_SETFL, O_NONBLOCK);
}

/* `events` is an epoll descriptor; -1: the worker is not guarded. */
static void open_worker(lua_State *L, const worker *all, worker *w, int events, int level)
{
    int there[2], back[2];
    open_pipe(there);
    open_pipe(back);
    w->watch = -1;
    if (events >= 0)
        w->shared = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (events >= 0 && w->shared == MAP_FAILED)
        die("mmap");
    pid_t pid = fork_child();
    if (pid == 0) {
        close(there[1]);
        if (events >= 0)
            guard_child(all, w, events);
        serve_one(L, there[0], back[1], level);
    }
    close(there[0]);
    close(back[1]);
    w->in = back[0];
    w->out = there[1];
    if (events >= 0)
        guard_host(w, events, pid);
}

static long close_worker(const worker *w)
{
    lua_Integer x;
    long done = read(w->in, &x, sizeof x) == sizeof x;
    close(w->in);
    close(w->out);
    if (w->watch >= 0) {
        done = done && *w->shared == 1;
        close(w->watch);
        munmap(w->shared, SHARED);
    }
    return done;
}

/* A child may have the ends of those before it: they are told to end in turn. */
static long start(lua_State *L, int level)
{
    worker all[FORKS];
    int status, events = level >= GUARDED ? epoll_create1(EPOLL_CLOEXEC) : -1;
    long done = 0;
    lua_Integer x = 1;
    for (int i = 0; i < FORKS; i++) {
        open_worker(L, all, &all[i], events, level);
        if (level == SENDING)
            send_function(L, all[i].out);
        write_all(all[i].out, (const char *)&x, sizeof x);
    }
    for (int i = FORKS; i-- > 0;)
        done += close_worker(&all[i]);
    while (wait(&status) > 0)
        ;
    if (events >= 0)
        close(events);
    return done;
}

static const char *script_for(const char *row)
{
    return strcmp(row, "rows") == 0 ? rows_script
        : strcmp(row, "sending") == 0 ? sending_script : cheap_script;
}

/* Of a row that opens workers; -1: it does not. */
static int level_for(const char *row)
{
    return strcmp(row, "sending") == 0 ? SENDING : strcmp(row, "guarded") == 0 ? GUARDED
        : strcmp(row, "start") == 0 ? PLAIN : -1;
}

int main(int argc, char **argv)
{
    const char *row = argc > 2 ? argv[1] : "";
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0, result = 0;
    int is_rows = strcmp(row, "rows") == 0, level = level_for(row);
    lua_State *L = luaL_newstate();
    if (L == NULL)
        die("luaL_newstate");
    if (!is_rows && level < 0 && strcmp(row, "cheap") != 0) {
        fputs("usage: bare cheap|rows|start|guarded|sending N\n", stderr);
        return 2;
    }
    luaL_openlibs(L);
    prepare(L, script_for(row), level >= 0 ? 0 : n);
    double begin = now();
    for (long i = 0; level >= 0 && i < n; i++)
        result += start(L, level);
    if (level < 0)
        map(L, n, is_rows ? write_row : write_integer, is_rows ? read_row : read_integer);
    say_seconds(now() - begin);
    if (level < 0)
        result = is_rows ? sum_prices(L, n) : sum_integers(L, n);
    printf("result %ld\n", result);
    return 0;
}
