/* Affinity and cgroup quotas (v2: cpu.max; v1: cpu.cfs_quota_us). */
#define _GNU_SOURCE
#include "cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
static cpu_set_t at_load;   /* empty if unknown */

/* The main thread has the id of the process, whichever thread loads the library. */
__attribute__((constructor)) static void note_affinity(void)
{
    if (sched_getaffinity(getpid(), sizeof at_load, &at_load) < 0)
        CPU_ZERO(&at_load);
}
#endif

void luas__cpus_unbind(void)
{
#ifdef __linux__
    cpu_set_t now;
    if (CPU_COUNT(&at_load) > 0 && sched_getaffinity(0, sizeof now, &now) == 0
        && !CPU_EQUAL(&now, &at_load))
        (void)sched_setaffinity(0, sizeof at_load, &at_load); /* fails if none of them is left */
#endif
}

void luas__cpus_give(unsigned char bytes[LUAS__CPUS_SIZE])
{
    memset(bytes, 0, LUAS__CPUS_SIZE);
#ifdef __linux__
    memcpy(bytes, &at_load, sizeof at_load < LUAS__CPUS_SIZE ? sizeof at_load : LUAS__CPUS_SIZE);
#endif
}

void luas__cpus_take(const unsigned char bytes[LUAS__CPUS_SIZE])
{
#ifdef __linux__
    memcpy(&at_load, bytes, sizeof at_load < LUAS__CPUS_SIZE ? sizeof at_load : LUAS__CPUS_SIZE);
#else
    (void)bytes;
#endif
    luas__cpus_unbind();
}

static int by_affinity(void)
{
#ifdef __linux__
    if (CPU_COUNT(&at_load) > 0)
        return CPU_COUNT(&at_load);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static int ratio(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return INT_MAX;
    long long cpus = (quota + period - 1) / period;
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

static int read_numbers(const char *path, long long *a, long long *b)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    int n = fscanf(f, "%lld %lld", a, b);
    fclose(f);
    return n;
}

static int quota_v2(const char *group)
{
    char path[PATH_MAX];
    long long quota, period;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    return read_numbers(path, &quota, &period) == 2 ? ratio(quota, period) : INT_MAX;
}

static int quota_v1(const char *group)
{
    char path[PATH_MAX];
    long long quota, period, unused;
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
    if (read_numbers(path, &quota, &unused) < 1)
        return INT_MAX;
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
    return read_numbers(path, &period, &unused) >= 1 ? ratio(quota, period) : INT_MAX;
}

/* The quotas of all groups above a group limit it as well. */
static int tightest(char *group, int quota(const char *))
{
    int least = INT_MAX;
    for (;;) {
        int here = quota(group);
        least = here < least ? here : least;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

static int by_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return INT_MAX;
    *group++ = '\0';
    controllers++;
    if (*controllers == '\0')
        return tightest(group, quota_v2);
    return strstr(controllers, "cpu") == controllers ? tightest(group, quota_v1) : INT_MAX;
}

static int by_cgroup(void)
{
    int least = INT_MAX;
    char line[PATH_MAX];
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        int here = by_line(line);
        least = here < least ? here : least;
    }
    if (f != NULL)
        fclose(f);
    return least;
}

int luas__cpus_count(void)
{
    int affinity = by_affinity(), quota = by_cgroup();
    int cpus = affinity < quota ? affinity : quota;
    return cpus > 0 ? cpus : 1;
}
