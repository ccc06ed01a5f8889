/*
 * An application with much memory and a pool of luas.h: what its workers cost it when a quiet
 * process forks them. Beside that: when it forks that process only now, without luas_prepare; when
 * workers are fresh programs (LUAS_START_EXEC); and when it forks them itself (as with keep_files). And how
 * often an idle pool wakes it.
 *
 *     embed_host [MEGABYTES]
 *
 * Prints a row for each figure, and whether that of the quiet process is within what is promised; if one is
 * not the exit status is 1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <luas.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, CRASHES = 5, PAGE = 4096 };

static const char script[] =
    "function echo(x) return x end\n"
    "function die() os.exit(9) end\n"
    "function sleep(s) os.execute('sleep ' .. s) end\n";

typedef struct cost {
    double open, next, write;   /* ms */
    double kept;                /* MB that only the children have, when the host has written */
} cost;

static char *memory;
static char program[4200];      /* the luas of this build */
static size_t size;
static int failures;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "embed_host: %s\n", what);
        exit(2);
    }
}

/* How workers are made: the quiet process, which was forked early or late, or the application forks
   them, or they are fresh. */
typedef enum way {
    QUIET, LATE, FORKED, FRESH
} way;

static luas_pool *open_pool(int workers, way how)
{
    luas_pool *pool;
    luas_options options = {.source = script, .workers = workers, .keep_files = how == FORKED,
                            .start = how == FRESH ? LUAS_START_EXEC : LUAS_START_ZYGOTE,
                            .program = how == FRESH ? program : NULL};
    must(luas_pool_open(&pool, &options) == 0, "luas_pool_open");
    return pool;
}

/* Returns how long the longest call of the library took. */
static double finish(luas_pool *pool)
{
    luas_outcome o;
    double longest = 0;
    while (luas_pending(pool) > 0) {
        struct pollfd p = {luas_pool_fd(pool), POLLIN, 0};
        int rc;
        poll(&p, 1, -1);
        do {
            double began = now();
            rc = luas_next(pool, &o);
            longest = now() - began > longest ? now() - began : longest;
        } while (rc > 0);
        must(rc == 0, "luas_next");
    }
    return longest;
}

static double call(luas_pool *pool, const char *name)
{
    double began = now();
    luas_value one = luas_integer(1);
    must(luas_submit(pool, name, 1, &one, NULL) == 0, "luas_submit");
    double took = now() - began, next = finish(pool);
    return took > next ? took : next;
}

static double write_all(void)
{
    double began = now();
    for (size_t i = 0; i < size; i += PAGE)
        memory[i]++;
    return now() - began;
}

static int parent_of(const char *pid)
{
    char path[300];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *f = fopen(path, "r");
    if (f != NULL && fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    if (f != NULL)
        fclose(f);
    return parent;
}

/* In KB: its share of what it has in memory. */
static double share_of(const char *pid)
{
    char path[300], line[200];
    double share = 0;
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Pss: %lf", &share) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return share;
}

static double kept_by_children(void)
{
    double kept = 0;
    DIR *all = opendir("/proc");
    must(all != NULL, "/proc");
    for (struct dirent *e; (e = readdir(all)) != NULL;)
        if (atoi(e->d_name) > 0 && parent_of(e->d_name) == getpid())
            kept += share_of(e->d_name);
    closedir(all);
    return kept / 1024;
}

static cost measure(way how)
{
    cost c;
    double began = now();
    luas_pool *pool = open_pool(WORKERS, how);
    c.open = now() - began;
    call(pool, "echo");
    c.next = 0;
    for (int i = 0; i < CRASHES; i++) {
        double next = call(pool, "die"), then = call(pool, "echo");
        next = next > then ? next : then;
        c.next = next > c.next ? next : c.next;
    }
    c.write = write_all();
    c.kept = kept_by_children();
    luas_pool_close(pool);
    return c;
}

/* In a process of its own, which has not called luas_prepare. */
static cost measure_late(const char *self)
{
    char command[5000];
    cost c = {.open = 0};
    snprintf(command, sizeof command, "'%s' %zu late", self, size >> 20);
    FILE *p = popen(command, "r");
    must(p != NULL && fscanf(p, "%lf %lf %lf %lf", &c.open, &c.next, &c.write, &c.kept) == 4, "another process");
    pclose(p);
    return c;
}

/* `others` are NULL, or those of LATE, FRESH and FORKED. */
static void row(const char *what, double is, double most, const double *others, const char *unit)
{
    int ok = is <= most;
    failures += !ok;
    printf("%-41s %8.2f %8.2f ", what, is, most);
    for (int i = 0; i < 3; i++)
        others != NULL ? printf("%8.2f ", others[i]) : printf("%8s ", "");
    printf("%-4s %s\n", unit, ok ? "ok" : "MORE");
}

static int count_wakes(luas_pool *pool, double ms)
{
    luas_outcome o;
    int n = 0;
    for (double end = now() + ms, left; (left = end - now()) > 0;) {
        struct pollfd p = {luas_pool_fd(pool), POLLIN, 0};
        n += poll(&p, 1, (int)left + 1) > 0;
        must(luas_next(pool, &o) == 0, "an outcome");
    }
    return n;
}

static void measure_wakes(void)
{
    luas_pool *pool = open_pool(2, QUIET);
    luas_value long_time = luas_integer(60);
    count_wakes(pool, 300);
    row("wake-ups in 1 s: idle", count_wakes(pool, 1000), 0, NULL, "");
    for (int i = 0; i < 100; i++)
        must(luas_submit(pool, "sleep", 1, &long_time, NULL) == 0, "luas_submit");
    count_wakes(pool, 300);
    row("wake-ups in 1 s: 2 calls run, 98 wait", count_wakes(pool, 1000), 0, NULL, "");
    luas_pool_close(pool);
}

static void take_memory(const char *megabytes)
{
    size = (size_t)(megabytes != NULL ? atoi(megabytes) : 2048) << 20;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    madvise(memory, size, MADV_NOHUGEPAGE);
    write_all();
}

int main(int argc, char **argv)
{
    snprintf(program, sizeof program, "%.*s../luas", (int)(strrchr(argv[0], '/') + 1 - argv[0]), argv[0]);
    if (argc > 2) {
        take_memory(argv[1]);
        cost c = measure(LATE);
        return printf("%f %f %f %f\n", c.open, c.next, c.write, c.kept) < 0;
    }
    must(luas_prepare() == 0, "luas_prepare");
    cost late;
    size = (size_t)(argc > 1 ? atoi(argv[1]) : 2048) << 20;
    late = measure_late(argv[0]); /* before there is memory for both */
    take_memory(argc > 1 ? argv[1] : NULL);
    double alone = write_all();
    cost quiet = measure(QUIET), fresh = measure(FRESH), forked = measure(FORKED);
#define OTHERS(what) ((double[]){late.what, fresh.what, forked.what})
    printf("%zu MB, %d workers%27s %8s %8s %8s %8s\n", size >> 20, WORKERS, "prepared", "at most", "late",
           "exec", "forking");
    row("luas_pool_open", quiet.open, forked.open / 4, OTHERS(open), "ms");
    row("longest call while a worker is replaced", quiet.next, 1, OTHERS(next), "ms");
    row("the application writes to all its memory", quiet.write, 1.5 * alone, OTHERS(write), "ms");
    row("what only workers have of it then", quiet.kept, 32, OTHERS(kept), "MB");
    measure_wakes();
    return failures > 0;
}
