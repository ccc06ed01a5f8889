/* Two pipes and a child. */
#define _GNU_SOURCE
#include "selftest.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "module.h"

enum { BLOCK = 1 << 20, ROUNDS = 16 };

typedef struct partner {
    int in, out;    /* this side's ends */
    pid_t pid;
} partner;

/* Both end when the other side closes its ends. */
static void echo(int in, int out)
{
    char byte;
    while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
        ;
}

static void pour(int in, int out)
{
    static char block[BLOCK];
    (void)in;
    memset(block, 'x', sizeof block);
    while (write(out, block, sizeof block) > 0)
        ;
}

static _Noreturn void be_partner(void (*work)(int, int), const int there[2], const int back[2])
{
    signal(SIGPIPE, SIG_IGN);
    close(there[1]);
    close(back[0]);
    work(there[0], back[1]);
    _exit(0);
}

static int start(partner *p, void (*work)(int, int))
{
    int there[2], back[2];
    int rc = luas__fd_pipe(there);
    if (rc < 0)
        return rc;
    if ((rc = luas__fd_pipe(back)) == 0 && (p->pid = fork()) == 0)
        be_partner(work, there, back);
    if (rc == 0 && p->pid < 0) {
        rc = -errno;
        luas__fd_close(&back[0]);
        luas__fd_close(&back[1]);
    }
    luas__fd_close(&there[0]);
    if (rc < 0) {
        luas__fd_close(&there[1]);
        return rc;
    }
    luas__fd_close(&back[1]);
    p->in = back[0];
    p->out = there[1];
    return 0;
}

static void finish(partner *p)
{
    luas__fd_close(&p->in);
    luas__fd_close(&p->out);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static int64_t bounce_some(const partner *p)
{
    char byte = 'x';
    for (int i = 0; i < ROUNDS; i++)
        if (write(p->out, &byte, 1) != 1 || read(p->in, &byte, 1) != 1)
            return -1;
    return ROUNDS;
}

static int64_t read_some(const partner *p)
{
    static char block[BLOCK];
    return read(p->in, block, sizeof block);
}

/* How much of it a second; a signal ends it early. */
static int pace(lua_State *L, void (*work)(int, int), int64_t (*step)(const partner *))
{
    int64_t length = luas__seconds(luaL_checknumber(L, 1)), done = 0, some;
    partner p;
    int rc = start(&p, work);
    if (rc < 0)
        return luaL_error(L, "no pipe or no process: %s", strerror(-rc));
    int64_t began = luas__now(), now;
    do {
        some = step(&p);
        done += some;
        now = luas__now();
    } while (some > 0 && now - began < length);
    finish(&p);
    lua_pushnumber(L, (lua_Number)done * 1e9 / (lua_Number)(now - began));
    return 1;
}

static int bounce(lua_State *L)
{
    return pace(L, echo, bounce_some);
}

static int carry(lua_State *L)
{
    return pace(L, pour, read_some);
}

int luas__selftest_push(lua_State *L)
{
    static const luaL_Reg pipes[] = {{"bounce", bounce}, {"carry", carry}, {NULL, NULL}};
    luas__module_push(L, "luas.selftest", "main");
    luaL_newlib(L, pipes);
    return 1;
}
