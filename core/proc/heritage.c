/* What was open when the library was loaded. Nothing here changes later. */
#define _GNU_SOURCE
#include "heritage.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "procfs.h"

typedef struct heirloom {
    int fd;
    dev_t device;
    ino_t inode;
    bool is_parents;    /* the parent has it, too */
} heirloom;

static struct {
    heirloom *all;
    size_t count, cap;
} heritage;

static bool is_same(const heirloom *h, const struct stat *s)
{
    return s->st_dev == h->device && s->st_ino == h->inode;
}

static void note(void *context, int fd)
{
    struct stat s;
    (void)context;
    if (fd > STDERR_FILENO && fstat(fd, &s) == 0
        && luas__array_reserve(&heritage.all, &heritage.cap, heritage.count + 1,
                               sizeof *heritage.all) == 0)
        heritage.all[heritage.count++] = (heirloom){.fd = fd, .device = s.st_dev, .inode = s.st_ino};
}

__attribute__((constructor)) static void note_all(void)
{
    (void)luas__procfs_each_fd(0, note, NULL); /* without /proc: none that we know of */
}

static void compare_with(void *parent, int fd)
{
    struct stat s;
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)*(const pid_t *)parent, fd);
    if (stat(path, &s) < 0)
        return;
    for (size_t i = 0; i < heritage.count; i++)
        heritage.all[i].is_parents |= is_same(&heritage.all[i], &s);
}

static void ask_parent(void)
{
    pid_t parent = getppid();
    size_t kept = 0;
    if (heritage.count == 0 || luas__procfs_each_fd(parent, compare_with, &parent) < 0)
        return;
    for (size_t i = 0; i < heritage.count; i++) {
        int free_below = heritage.all[i].fd - (STDERR_FILENO + 1) - (int)i;
        if (free_below > 1 || heritage.all[i].is_parents)
            heritage.all[kept++] = heritage.all[i];
    }
    heritage.count = kept;
}

void luas__heritage_loaded_late(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_parent);
}

static bool is_there(const heirloom *h)
{
    struct stat s;
    return fstat(h->fd, &s) == 0 && is_same(h, &s);
}

bool luas__heritage_has(int fd)
{
    for (size_t i = 0; i < heritage.count; i++)
        if (heritage.all[i].fd == fd)
            return is_there(&heritage.all[i]);
    return false;
}

void luas__heritage_add_to(luas__fd_set *s)
{
    for (size_t i = 0; i < heritage.count; i++)
        if (is_there(&heritage.all[i]))
            luas__fd_set_add(s, heritage.all[i].fd);
}
