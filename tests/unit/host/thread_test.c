/* Pools of a thread that is not like others: with a small stack, on one CPU, in real time. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "embed_testing.h"

/* Each pcall in a pcall takes stack of C, some 190 of them more than the thread has. What runs
   through string.gsub takes more, and a pattern takes some by itself. */
static const char functions[] =
    "local function nest(n) if n == 0 then return 0 end\n"
    "    local ok, depth = pcall(nest, n - 1); assert(ok, depth); return depth + 1 end\n"
    "local function substitute(n) if n == 0 then return 0 end\n"
    "    local depth; ('x'):gsub('x', function() depth = substitute(n - 1) + 1 end)\n"
    "    return depth end\n"
    "function deep() return nest(150) + substitute(80) end\n"
    "function seen() local f <close> = io.open('/proc/self/status'); local text = f:read('a')\n"
    "    local g <close> = io.open('/proc/self/stat')\n"
    "    local fields = {}; for word in g:read('a'):gmatch('%S+') do fields[#fields + 1] = word end\n"
    "    return text:match('Cpus_allowed:%s*(%S+)') .. ' ' .. fields[41] end\n"
    "function die() os.exit(3) end\n";

static char usual[200];

static void call(luas_pool *pool, const char *name, luas_outcome *o)
{
    CHECK_INT(luas_submit(pool, name, 0, NULL, NULL), 0);
    await(pool, o);
}

static void check_worker(luas_pool *pool)
{
    luas_outcome o;
    call(pool, "deep", &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.results[0].as.integer, 230);
    call(pool, "seen", &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    if (usual[0] == '\0')
        snprintf(usual, sizeof usual, "%s", o.results[0].bytes);
    CHECK(strcmp(o.results[0].bytes, usual) == 0);
}

/* The first worker, and the one that replaces it. */
static void *check_pool(void *unused)
{
    luas_outcome o;
    write_script(functions);
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1});
    check_worker(pool);
    call(pool, "die", &o);
    CHECK_INT(o.kind, LUAS_CRASH);
    check_worker(pool);
    close_pool(pool);
    return unused;
}

static void *check_bound(void *unused)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) < 0)
        printf("SKIP: real time is not allowed here\n");
    return check_pool(unused);
}

static void in_thread(void *body(void *), size_t stack)
{
    pthread_t thread;
    pthread_attr_t attributes;
    CHECK_INT(pthread_attr_init(&attributes), 0);
    CHECK_INT(pthread_attr_setstacksize(&attributes, stack), 0);
    CHECK_INT(pthread_create(&thread, &attributes, body, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(pthread_attr_destroy(&attributes), 0);
}

int main(void)
{
    check_pool(NULL);
    in_thread(check_pool, 1 << 17);
    in_thread(check_bound, 1 << 17);
    return 0;
}
