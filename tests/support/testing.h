/*
 * Assertions for C tests, and what a test must leave as it found it. A test is
 * a function without arguments; main RUNs them one after other. The first
 * check that fails says where and ends the program with status 1. In a forked
 * child nobody would see that: a child reports by its exit status.
 */
#ifndef LUAS_TESTING_H
#define LUAS_TESTING_H

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : fail_check(__FILE__, __LINE__, #condition))

/* Two integers; the first is what came, the second what should have. */
#define CHECK_INT(got, wanted) \
    check_int(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(wanted))

#define CHECK_BYTES(got, wanted, len) CHECK(memcmp(got, wanted, len) == 0)

/* Runs a test; afterwards there are no more descriptors, children and shared
   mappings than before. */
#define RUN(test) \
    do { \
        leftovers before = count_leftovers(); \
        running_test = #test; \
        test(); \
        check_leftovers(before); \
    } while (0)

static const char *running_test = "";

static inline _Noreturn void fail_check(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: %s: not so: %s\n", file, line, running_test, text);
    exit(1);
}

static inline void check_int(const char *file, int line, const char *text, int64_t got,
                             int64_t wanted)
{
    if (got == wanted)
        return;
    fprintf(stderr, "%s:%d: %s: %s is %" PRId64 ", not %" PRId64 "\n", file, line,
            running_test, text, got, wanted);
    exit(1);
}

/* A limit of time, of an idle machine: scripts/test says how many times longer it takes. */
static inline int64_t within(int64_t ns)
{
    const char *slowness = getenv("LUAS_TEST_SLOWNESS");
    return ns * (slowness != NULL ? atoi(slowness) : 1);
}

typedef struct leftovers {
    int descriptors, shared;
} leftovers;

/* The files of a folder: of /proc/self/fd, say, or of /proc/self/task. */
static inline int count_files(const char *path)
{
    int n = 0;
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    for (const struct dirent *file; (file = readdir(folder)) != NULL;)
        n += file->d_name[0] != '.';
    closedir(folder);
    return n;
}

/* Pages shared by fork are backed by a deleted /dev/zero. */
static inline int count_shared(void)
{
    int n = 0;
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        n += strstr(line, "/dev/zero") != NULL;
    fclose(maps);
    return n;
}

static inline leftovers count_leftovers(void)
{
    return (leftovers){.descriptors = count_files("/proc/self/fd"), .shared = count_shared()};
}

static inline void check_leftovers(leftovers before)
{
    leftovers now = count_leftovers();
    pid_t child = waitpid(-1, NULL, WNOHANG);
    int error = errno;
    if (now.descriptors == before.descriptors && now.shared == before.shared && child == -1
        && error == ECHILD)
        return;
    fprintf(stderr, "%s left behind: %d descriptors, %d shared pages%s\n", running_test,
            now.descriptors - before.descriptors, now.shared - before.shared,
            child == -1 ? "" : ", a child");
    exit(1);
}

static inline bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

/* Reproducible random numbers below `limit` (xorshift, Marsaglia). */
static inline uint32_t draw(uint64_t *state, uint32_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32) % limit;
}

#endif
