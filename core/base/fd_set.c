/* Sets of descriptors: a bit for each number. */
#include "fd_set.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"

void luas__fd_set_add(luas__fd_set *s, int fd)
{
    size_t words = (size_t)fd / 64 + 1;
    if (fd < 0)
        return;
    if (words > s->words) {
        if (luas__array_reserve(&s->bits, &s->cap, words, sizeof *s->bits) < 0) {
            s->is_partial = true;
            return;
        }
        memset(s->bits + s->words, 0, (words - s->words) * sizeof *s->bits);
        s->words = words;
    }
    s->bits[fd / 64] |= UINT64_C(1) << fd % 64;
}

size_t luas__fd_set_count(const luas__fd_set *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->words; i++)
        for (uint64_t bits = s->bits[i]; bits != 0; bits &= bits - 1)
            count++;
    return count;
}

int luas__fd_set_next(const luas__fd_set *s, int fd)
{
    for (int end = (int)(s->words * 64); fd < end; fd++)
        if (luas__fd_set_has(s, fd))
            return fd;
    return -1;
}

void luas__fd_set_release(luas__fd_set *s)
{
    free(s->bits);
    *s = (luas__fd_set){.bits = NULL};
}
