/* A page of memory that is wiped on fork. */
#define _GNU_SOURCE
#include "fork_detect.h"

#include <stdint.h>
#include <sys/mman.h>

enum { SIZE = 4096 }; /* where pages are larger, both system calls round it up */

static char *map_mark(void)
{
#ifdef MADV_WIPEONFORK
    char *mark = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED)
        return NULL;
    if (madvise(mark, SIZE, MADV_WIPEONFORK) == 0) {
        *mark = 1;
        return mark;
    }
    munmap(mark, SIZE);
#endif
    return NULL;
}

void luas__fork_detect_open(luas__fork_detect *o)
{
    *o = (luas__fork_detect){.pid = getpid(), .mark = map_mark()};
}

void luas__fork_detect_close(luas__fork_detect *o)
{
    if (o->mark != NULL)
        munmap((void *)(uintptr_t)o->mark, SIZE);
    o->mark = NULL;
}
