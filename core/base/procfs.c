/* What /proc tells of processes. */
#define _GNU_SOURCE
#include "procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#endif

#include "clock.h"

enum { DEEPEST = 32 };

/* When a process began, in ticks since boot, and its group: 0 when it is gone. */
static unsigned long long began(int pid, int *group)
{
    char path[40], line[1024];
    *group = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    unsigned long long ticks = 0;
    const char *after_name = strrchr(line, ')'); /* a name may hold anything */
    if (after_name == NULL
        || sscanf(after_name + 1, " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d"
                  " %*d %*d %*d %*d %llu", group, &ticks) != 2)
        return 0;
    return ticks;
}

/* Kills the tree below `pid` from the leaves up, so that no process becomes an orphan
   and escapes. Level 0 is this process; its older children stay. */
static void end_below(int pid, unsigned long long oldest, int level)
{
    char path[60];
    int child, group;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *f = level < DEEPEST ? fopen(path, "re") : NULL;
    while (f != NULL && fscanf(f, "%d", &child) == 1)
        if (level > 0 || began(child, &group) >= oldest) {
            end_below(child, oldest, level + 1);
            kill(child, SIGKILL);
        }
    if (f != NULL)
        fclose(f);
}

/* Those of the group that this process leads: also orphans, of which no tree tells. */
static void end_group(unsigned long long oldest)
{
    int self = getpid(), group;
    DIR *all = getpgrp() == self ? opendir("/proc") : NULL;
    const struct dirent *entry;
    while (all != NULL && (entry = readdir(all)) != NULL) {
        int pid = atoi(entry->d_name);
        if (pid > 0 && pid != self && began(pid, &group) >= oldest && group == self)
            kill(pid, SIGKILL);
    }
    if (all != NULL)
        closedir(all);
}

void luas__procfs_kill_tree(int64_t since)
{
#ifdef __linux__
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    long tick = LUAS__SECOND / sysconf(_SC_CLK_TCK);
    int64_t ago = luas__now() - since;
    int64_t began_at = (int64_t)boot.tv_sec * LUAS__SECOND + boot.tv_nsec - ago;
    /* The kernel rounds ticks down, and so does this division. */
    unsigned long long oldest = (unsigned long long)(began_at / tick);
    end_below(getpid(), oldest, 0);
    end_group(oldest);
#else
    (void)since;
#endif
}

/* Reads the beginning of a file of a process, as a string. */
static void read_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[40];
    text[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
}

/* ---- locks ---- */

#if defined(__linux__) && defined(SYS_futex)
/* Its folder has one for each thread. */
static bool is_alone(pid_t pid)
{
    enum { OWN = 2, THREADS = 2 };
    char path[40];
    struct stat folder;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    return stat(path, &folder) == 0 && folder.st_nlink <= OWN + THREADS;
}

/* The call waits until a word of this process's own is another than `value`, without a limit. In
   locks 2 stands for one that is locked and awaited; a flag makes it 3 in those for readers and
   writers. */
static bool waits_for_lock(const unsigned long long call[4])
{
    unsigned long long operation = call[1] & ~(unsigned long long)FUTEX_CLOCK_REALTIME;
    if (call[3] != 0)
        return false;
    return operation == (FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG)
        || ((operation == (FUTEX_WAIT | FUTEX_PRIVATE_FLAG)
             || operation == (FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG))
            && ((uint32_t)call[2] == 2 || (uint32_t)call[2] == 3));
}

uint64_t luas__procfs_awaited_lock(pid_t pid)
{
    char text[256];
    long number;
    unsigned long long call[6], stack, at;
    read_file(pid, "syscall", text, sizeof text);
    if (sscanf(text, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &number, &call[0], &call[1],
               &call[2], &call[3], &call[4], &call[5], &stack, &at) != 9
        || number != SYS_futex || !waits_for_lock(call) || !is_alone(pid))
        return 0;
    return (call[0] ^ stack << 1 ^ at << 2) | 1;
}
#else
uint64_t luas__procfs_awaited_lock(pid_t pid)
{
    (void)pid;
    return 0;
}
#endif

size_t luas__procfs_rss(pid_t pid)
{
    char text[128];
    read_file(pid, "statm", text, sizeof text);
    unsigned long long size, resident, shared;
    if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || shared > resident)
        return 0;
    return (size_t)(resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- descriptors ---- */

#ifdef SYS_getdents64
/* As the kernel writes it. */
typedef struct folder_entry {
    uint64_t inode;
    int64_t next;
    unsigned short length;
    unsigned char type;
    char name[];
} folder_entry;

static void visit_entries(const char *at, const char *end, int folder,
                          void visit(void *context, int fd), void *context)
{
    while (at < end) {
        const folder_entry *e = (const folder_entry *)(const void *)at;
        int fd = atoi(e->name);
        if (e->name[0] != '.' && fd != folder)
            visit(context, fd);
        at += e->length;
    }
}

/* Not readdir: that allocates, and in a forked child the heap is copied page by page. */
int luas__procfs_each_fd(pid_t pid, void visit(void *context, int fd), void *context)
{
    char path[40];
    _Alignas(folder_entry) char entries[2048];
    snprintf(path, sizeof path, pid != 0 ? "/proc/%d/fd" : "/proc/self/fd", (int)pid);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    long n;
    while ((n = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0)
        visit_entries(entries, entries + n, pid == 0 ? folder : -1, visit, context);
    close(folder);
    return 0;
}
#else
int luas__procfs_each_fd(pid_t pid, void visit(void *context, int fd), void *context)
{
    (void)pid;
    (void)visit;
    (void)context;
    return -ENOSYS;
}
#endif

/* A line "lock:" for each lock of the open file. They come after a few short lines. */
bool luas__procfs_is_locked(int fd)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY | O_CLOEXEC);
    if (info < 0)
        return false;
    ssize_t n = read(info, text, sizeof text - 1);
    close(info);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, "\nlock:") != NULL;
}
