/* Pools whose workers are fresh programs. This test is that program, too: `--worker`. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "embed_program.h"
#include "embed_testing.h"
#include "embed_worker.h"
#include "fresh.h"

static char self[4096];

static const char functions[] =
    "local greeting = ...\n"
    "function echo(...) return ... end\n"
    "function greet() return greeting end\n"
    "function die() os.exit(9) end\n"
    "function spin() while true do end end\n"
    "function read(path) local f = assert(io.open(path)) return f:read 'a' end\n"
    "function parent() local f = io.open('/proc/self/stat') return tonumber(f:read('l'):match('%) . (%d+)')) end\n"
    "function files() local n = 0 for _ in io.popen('ls /proc/' .. io.open('/proc/self/stat'):read 'n' .. '/fd'):lines() do n = n + 1 end return n end\n"
    "function add(v) return v:add(2) end\n"
    "function first() ready = true end function is_ready() return ready end\n"
    "function last() io.open(greeting, 'w'):write('ended') end\n";

static luas_options fresh(void)
{
    return (luas_options){.source = functions, .script = "=mine", .workers = 1, .start = LUAS_START_EXEC,
                          .program = self};
}

static luas_outcome call(luas_pool *pool, const char *name, luas_value argument)
{
    luas_outcome o;
    submit(pool, name, argument);
    await(pool, &o);
    return o;
}

static int64_t number(luas_pool *pool, const char *name, luas_value argument)
{
    luas_outcome o = call(pool, name, argument);
    CHECK_INT(o.kind, LUAS_VALUE);
    return o.results[0].as.integer;
}

/* ---- what they have ---- */

static void test_workers_are_children_with_nothing_of_the_application(void)
{
    int fd = memfd_create("the-applications", 0); /* which an exec keeps, if nobody closes it */
    void *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(fd >= 0 && mine != MAP_FAILED);
    luas_options options = fresh();
    luas_pool *pool = open_pool(&options);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(number(pool, "parent", luas_integer(0)), getpid());
        luas_outcome o = call(pool, "read", luas_string("/proc/self/maps"));
        CHECK(o.kind == LUAS_VALUE && strstr(o.results[0].bytes, "the-applications") == NULL);
        CHECK(under_valgrind() || number(pool, "files", luas_integer(0)) <= 9);
        CHECK_INT(call(pool, "die", luas_integer(0)).kind, LUAS_CRASH);
    }
    luas_pool_close(pool);
    munmap(mine, 4096);
    close(fd);
}

/* A copy of this process with all its memory. */
static void forbid_forks(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_VM, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
    CHECK(fork() < 0 && errno == EPERM);
}

static void work_without_forks(void)
{
    forbid_forks();
    luas_options options = fresh();
    luas_pool *pool = open_pool(&options);
    CHECK_INT(number(pool, "echo", luas_integer(5)), 5);
    luas_outcome o = call(pool, "read", luas_string("/proc/self/cmdline"));
    CHECK(o.kind == LUAS_VALUE && strstr(o.results[0].bytes + strlen(o.results[0].bytes) + 1, "--worker") != NULL);
    luas_pool_close(pool);
    _exit(0);
}

static void test_no_fork_is_needed(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        work_without_forks();
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
}

static void test_arguments_first_and_last_and_limits(void)
{
    char file[] = "/tmp/luas-exec-XXXXXX", bytes[16] = "";
    int fd = mkstemp(file);
    luas_value argument = luas_string(file);
    luas_options options = fresh();
    options.count = 1;
    options.arguments = &argument;
    options.init = "first";
    options.exit = "last";
    options.memory = 64 << 20;
    options.max_tasks = 2;
    luas_pool *pool = open_pool(&options);
    luas_outcome o = call(pool, "greet", luas_nil());
    CHECK(o.kind == LUAS_VALUE && strcmp(o.results[0].bytes, file) == 0);
    CHECK_INT(call(pool, "is_ready", luas_nil()).results[0].as.boolean, 1);
    CHECK_INT(number(pool, "echo", luas_integer(3)), 3);
    luas_pool_close(pool);
    CHECK(read(fd, bytes, sizeof bytes) == 5 && strcmp(bytes, "ended") == 0);
    close(fd);
    unlink(file);
}

static void test_shared_objects_are_the_same(void)
{
    luas_shared *shared;
    luas_object *value;
    CHECK_INT(luas_shared_open(&shared, 1 << 20), 0);
    CHECK_INT(luas_shared_value(shared, 40, &value), 0);
    luas_options options = fresh();
    options.shared = shared;
    luas_pool *pool = open_pool(&options);
    CHECK_INT(number(pool, "add", luas_shared_argument(value)), 42);
    CHECK_INT(luas_shared_add(value, 0), 42);
    luas_pool_close(pool);
    luas_shared_drop(value);
    luas_shared_close(shared);
}

static void test_another_script(void)
{
    luas_options options = fresh(), other = {.source = "function echo(x) return x + 1 end", .script = "=other"};
    luas_pool *pool = open_pool(&options);
    CHECK_INT(number(pool, "echo", luas_integer(1)), 1);
    CHECK_INT(luas_reload(pool, &other), 0);
    CHECK_INT(number(pool, "echo", luas_integer(1)), 2);
    luas_outcome o = call(pool, "echo", luas_string("x"));
    CHECK_INT(o.kind, LUAS_ERROR);
    luas_pool_close(pool);
}

static void test_timeouts(void)
{
    luas_options options = fresh();
    options.timeout = 0.2;
    luas_pool *pool = open_pool(&options);
    CHECK_INT(call(pool, "spin", luas_nil()).kind, LUAS_TIMEOUT);
    CHECK_INT(number(pool, "echo", luas_integer(5)), 5);
    luas_pool_close(pool);
}

/* ---- what is refused ---- */

static int set_up(lua_State *L, void *data)
{
    (void)L;
    (void)data;
    return 0;
}

static void check_refused(luas_options options, int code, const char *words)
{
    luas_pool *pool;
    char why[600] = "";
    options.why = why;
    options.why_size = sizeof why;
    CHECK_INT(luas_pool_open(&pool, &options), code);
    CHECK(pool == NULL && strstr(why, words) != NULL);
}

static void test_what_cannot_be_is_refused(void)
{
    luas_options options = fresh();
    options.setup = set_up;
    check_refused(options, LUAS_EINVAL, "setup: a fresh program does not have");
    options = fresh();
    options.keep_files = 1;
    check_refused(options, LUAS_EINVAL, "keep_files: ");
    options = fresh();
    options.start = LUAS_START_ZYGOTE;
    check_refused(options, LUAS_EINVAL, "program: only");
    options = fresh();
    options.start = (luas_start)7;
    check_refused(options, LUAS_EINVAL, "");
    options = fresh();
    options.program = "/no/such/luas";
    check_refused(options, -ENOENT, "cannot run /no/such/luas: No such file");
    options.program = "/bin/true";
    check_refused(options, LUAS_EPROTO, "/bin/true does not say that it is luas " LUAS_VERSION);
    options = fresh();
    options.source = "syntax error";
    check_refused(options, LUAS_ESCRIPT, "syntax error");
}

static void test_a_script_that_fails_is_said(void)
{
    luas_options options = fresh();
    options.source = "error 'no luck'";
    luas_pool *pool = open_pool(&options);
    luas_outcome o = call(pool, "echo", luas_nil());
    CHECK(o.kind == LUAS_ERROR && strstr(o.message, "no luck") != NULL);
    luas_pool_close(pool);
}

/* A program that was replaced tells its host, in the frame for workers that cannot start. */
static void test_a_worker_of_another_version_says_both(void)
{
    int in[2], out[2], status;
    char words[600] = "";
    CHECK(pipe(in) == 0 && pipe(out) == 0);
    extern char **environ;
    pid_t pid = luas__fresh_spawn(self, "luas 9.9.9", environ, &(luas__fresh_request){
        .worker = {.number = 1, .in = in[0], .out = out[1], .scoreboard = -1, .prints = {-1, -1}},
        .letter = -1, .bulk = -1, .shared = -1});
    CHECK(pid > 0);
    close(out[1]);
    CHECK(read(out[0], words, sizeof words - 1) > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(memmem(words, sizeof words, "luas 9.9.9", 10) != NULL);
    CHECK(memmem(words, sizeof words, luas__embed_program_tag(), strlen(luas__embed_program_tag())) != NULL);
    close(out[0]);
    close(in[0]);
    close(in[1]);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--worker") == 0)
        return luas__embed_worker_program();
    CHECK(realpath("/proc/self/exe", self) != NULL);
    if (under_valgrind()) /* that is valgrind */
        return 0;
    RUN(test_workers_are_children_with_nothing_of_the_application);
    RUN(test_no_fork_is_needed);
    RUN(test_arguments_first_and_last_and_limits);
    RUN(test_shared_objects_are_the_same);
    RUN(test_another_script);
    RUN(test_timeouts);
    RUN(test_what_cannot_be_is_refused);
    RUN(test_a_script_that_fails_is_said);
    RUN(test_a_worker_of_another_version_says_both);
    return 0;
}
