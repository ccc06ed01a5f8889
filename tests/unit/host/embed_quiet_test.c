/* The quiet process: what workers are forked by, and what they do not have of the application. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "embed_testing.h"

static const char functions[] =
    "function echo(...) return ... end\n"
    "function die() os.exit(9) end\n"
    "function read(path) local f = assert(io.open(path)) return f:read 'a' end\n"
    "function parent() local f = io.open('/proc/self/stat') return tonumber(f:read('l'):match('%) . (%d+)')) end\n"
    "function dates(n) for i = 1, n do os.date('%X') end return n end\n";

static luas_pool *open_functions(int workers)
{
    write_script(functions);
    return open_pool(&(luas_options){.script = script, .workers = workers});
}

/* The outcome of a call with an argument, in the order of submission. */
static luas_outcome call(luas_pool *pool, const char *name, luas_value argument)
{
    luas_outcome o;
    submit(pool, name, argument);
    await(pool, &o);
    return o;
}

static void check_echo(luas_pool *pool, int n)
{
    luas_outcome o = call(pool, "echo", luas_integer(n));
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.results[0].as.integer, n);
}

static void crash(luas_pool *pool)
{
    CHECK_INT(call(pool, "die", luas_integer(0)).kind, LUAS_CRASH);
}

/* ---- what a worker has ---- */

static void test_workers_are_children_without_the_applications_memory(void)
{
    enum { SIZE = 1 << 20 };
    int fd = memfd_create("the-applications", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
    void *mine = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(mine != MAP_FAILED);
    luas_pool *pool = open_functions(1);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(call(pool, "parent", luas_integer(0)).results[0].as.integer, getpid());
        luas_outcome o = call(pool, "read", luas_string("/proc/self/maps"));
        CHECK_INT(o.kind, LUAS_VALUE);
        CHECK(under_valgrind() || strstr(o.results[0].bytes, "the-applications") == NULL);
        crash(pool);
    }
    close_pool(pool);
    munmap(mine, SIZE);
    close(fd);
}

static void test_the_script_stays_as_it_was(void)
{
    char folder[] = "/tmp/luas-quiet-XXXXXX", before[200];
    CHECK(getcwd(before, sizeof before) != NULL && mkdtemp(folder) != NULL && chdir(folder) == 0);
    FILE *f = fopen("v.lua", "w");
    CHECK(f != NULL && fprintf(f, "#!/usr/bin/luas\nfunction v() return 1 end function die() os.exit(9) end") > 0
          && fclose(f) == 0);
    luas_pool *pool = open_pool(&(luas_options){.script = "v.lua", .workers = 1});
    f = fopen("v.lua", "w");
    CHECK(f != NULL && fputs("function v() return 2 end", f) >= 0 && fclose(f) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(call(pool, "v", luas_integer(0)).results[0].as.integer, 1);
        crash(pool);
        CHECK_INT(chdir("/"), 0);
    }
    luas_pool_close(pool);
    CHECK(chdir(folder) == 0 && unlink("v.lua") == 0 && rmdir(folder) == 0 && chdir(before) == 0);
}

/* ---- setup, and text ---- */

static int add(lua_State *L)
{
    lua_pushinteger(L, luaL_checkinteger(L, 1) + lua_tointeger(L, lua_upvalueindex(1)));
    return 1;
}

typedef struct config {
    int more, result;
} config;

static int set_up(lua_State *L, void *data)
{
    const config *c = data;
    if (c->more < 0)
        return luaL_error(L, "no less");
    lua_pushinteger(L, c->more);
    lua_pushcclosure(L, add, 1);
    lua_setglobal(L, "add");
    return c->result;
}

static luas_options with_setup(config *c)
{
    return (luas_options){.source = "local a = add function sum(x) return a(x) end function die() os.exit(9) end",
                          .script = "=mine", .workers = 1, .setup = set_up, .setup_data = c,
                          .setup_size = sizeof *c};
}

static void test_setup_runs_before_the_script_with_a_copy_of_its_data(void)
{
    config c = {.more = 40};
    luas_options options = with_setup(&c);
    luas_pool *pool = open_pool(&options);
    c.more = 1;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(call(pool, "sum", luas_integer(2)).results[0].as.integer, 42);
        crash(pool);
    }
    luas_pool_close(pool);
}

static void check_refused(config c, const char *words)
{
    luas_options options = with_setup(&c);
    luas_pool *pool = open_pool(&options);
    luas_outcome o;
    CHECK_INT(luas_submit(pool, "sum", 0, NULL, NULL), 0);
    await(pool, &o);
    CHECK(o.kind == LUAS_ERROR && strstr(o.message, words) != NULL);
    luas_pool_close(pool);
}

static void test_setup_that_fails(void)
{
    check_refused((config){.result = 3}, "setup: result 3");
    check_refused((config){.more = -1}, "no less");
}

static void test_text_has_a_name(void)
{
    char why[100];
    luas_pool *pool;
    luas_options options = {.source = "x = = 1", .script = "=mine", .why = why, .why_size = sizeof why};
    CHECK_INT(luas_pool_open(&pool, &options), LUAS_ESCRIPT);
    CHECK(strcmp(why, "mine:1: unexpected symbol near '='") == 0);
    options = (luas_options){.source = "function f() error('x') endandmore", .source_size = 27, .workers = 1};
    pool = open_pool(&options);
    CHECK(strstr(call(pool, "f", luas_integer(0)).message, "[string \"function f()") != NULL);
    luas_pool_close(pool);
}

/* ---- threads of the application ---- */

static void *read_input(void *stream)
{
    char line[10];
    CHECK(fgets(line, sizeof line, stream) != NULL);
    return NULL;
}

static volatile bool over;

static void *log_times(void *unused)
{
    struct tm tm;
    while (!over) {
        time_t now = time(NULL);
        localtime_r(&now, &tm);
    }
    return unused;
}

static void *hold_stdout(void *pipe)
{
    char byte;
    flockfile(stdout);
    CHECK_INT(read(*(int *)pipe, &byte, 1), 1);
    funlockfile(stdout);
    return NULL;
}

static void use_a_pool(void)
{
    luas_pool *pool = open_functions(2);
    crash(pool);
    crash(pool);
    for (int i = 0; i < 4; i++)
        submit(pool, "dates", luas_integer(500));
    luas_outcome o;
    for (int i = 0; i < 4; i++) {
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_VALUE);
    }
    close_pool(pool);
}

static void test_no_thread_is_waited_for_and_no_lock_is_inherited(void)
{
    int input[2], holding[2];
    pthread_t threads[3];
    CHECK(pipe(input) == 0 && pipe(holding) == 0);
    FILE *stream = fdopen(input[0], "r");
    over = false;
    CHECK(stream != NULL && pthread_create(&threads[0], NULL, read_input, stream) == 0
          && pthread_create(&threads[1], NULL, log_times, NULL) == 0
          && pthread_create(&threads[2], NULL, hold_stdout, &holding[0]) == 0);
    for (int i = 0; i < 3; i++)
        use_a_pool();
    over = true;
    CHECK(write(input[1], "x\n", 2) == 2 && write(holding[1], "x", 1) == 1);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    fclose(stream);
    close(input[1]);
    close(holding[0]);
    close(holding[1]);
}

/* ---- the end of a zygote ---- */

typedef struct seen {
    int events, zygote, worker;
} seen;

static void hear(void *data, const luas_event *e)
{
    seen *s = data;
    if (e->type == LUAS_EVENT_ZYGOTE) {
        s->events++;
        s->zygote = e->pid;
    } else if (e->type == LUAS_EVENT_FORKED || e->type == LUAS_EVENT_REPLACED) {
        s->worker = e->pid;
    }
}

static int parent_of(int pid)
{
    char path[40];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f != NULL && fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    if (f != NULL)
        fclose(f);
    return parent;
}

static bool is_dead(int pid)
{
    char path[40], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return true;
    bool is_read = fscanf(f, "%*d (%*[^)]) %c", &state) == 1;
    fclose(f);
    return !is_read || state == 'Z' || state == 'X';
}

/* Ends all children of this process but this one; on a busy machine that takes a moment. */
static void kill_children_but(int worker)
{
    DIR *all = opendir("/proc");
    CHECK(all != NULL);
    for (struct dirent *e; (e = readdir(all)) != NULL;) {
        int pid = atoi(e->d_name);
        if (pid > 0 && pid != worker && parent_of(pid) == getpid())
            CHECK_INT(kill(pid, SIGKILL), 0);
        while (pid > 0 && pid != worker && parent_of(pid) == getpid() && !is_dead(pid))
            usleep(1000);
    }
    closedir(all);
}

static void test_one_zygote_may_die(void)
{
    seen s = {.events = 0};
    write_script(functions);
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1, .on_event = hear, .event_data = &s});
    check_echo(pool, 1);
    for (int i = 0; i < 4 && !under_valgrind(); i++) {
        if (i > 0)
            kill_children_but(s.worker);
        check_echo(pool, 1);
        crash(pool);
        check_echo(pool, 2);
        CHECK_INT(s.events, i < 2 ? i : 2);
        CHECK((s.zygote > 0) == (i == 1));
    }
    close_pool(pool);
}

/* ---- the quiet process and the application ---- */

static int count_children(void)
{
    int n = 0;
    DIR *all = opendir("/proc");
    CHECK(all != NULL);
    for (struct dirent *e; (e = readdir(all)) != NULL;)
        n += atoi(e->d_name) > 0 && parent_of(atoi(e->d_name)) == getpid();
    closedir(all);
    return n;
}

static void test_two_pools_and_a_child_that_opens_its_own(void)
{
    luas_pool *pool = open_functions(1);
    luas_pool *other = open_pool(&(luas_options){.source = "function echo() return 7 end", .workers = 1});
    check_echo(pool, 1);
    CHECK_INT(call(other, "echo", luas_integer(1)).results[0].as.integer, 7);
    luas_pool_close(other);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        static luas_pool *volatile kept;
        luas_pool_close(kept = pool);
        pool = open_pool(&(luas_options){.script = script, .workers = 1});
        check_echo(pool, 2);
        luas_pool_close(pool);
        _exit(0);
    }
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    crash(pool);
    check_echo(pool, 3);
    close_pool(pool);
}

/* The quiet process is a child that stays. */
static void run_prepared(void (*test)(void), const char *name)
{
    running_test = name;
    test();
    CHECK_INT(count_children(), 1);
}

#define RUN_PREPARED(test) run_prepared(test, #test)

int main(void)
{
    RUN(test_the_script_stays_as_it_was);
    RUN(test_setup_runs_before_the_script_with_a_copy_of_its_data);
    RUN(test_setup_that_fails);
    RUN(test_text_has_a_name);
    RUN(test_two_pools_and_a_child_that_opens_its_own);
    if (!under_valgrind()) /* which knows no siblings: so the application forks */
        RUN(test_no_thread_is_waited_for_and_no_lock_is_inherited);
    RUN(test_one_zygote_may_die);
    CHECK_INT(count_children(), 0);
    CHECK_INT(luas_prepare(), 0);
    CHECK_INT(luas_prepare(), 0);
    RUN_PREPARED(test_workers_are_children_without_the_applications_memory);
    RUN_PREPARED(test_the_script_stays_as_it_was);
    RUN_PREPARED(test_setup_runs_before_the_script_with_a_copy_of_its_data);
    RUN_PREPARED(test_two_pools_and_a_child_that_opens_its_own);
    if (!under_valgrind())
        RUN_PREPARED(test_no_thread_is_waited_for_and_no_lock_is_inherited);
    return 0;
}
