/* Open addressing: a call lies at its place, or behind it without a gap. */
#include "embed_calls.h"

#include <stdlib.h>

#include "error.h"
#include "queue.h"

enum { FEWEST = 16 };

static size_t place(const luas__calls *c, uint64_t number)
{
    return (size_t)luas__queue_scramble(number) & c->mask;
}

static void put(luas__calls *c, const luas__call *call)
{
    size_t at = place(c, call->number);
    while (c->slots[at].number != 0)
        at = (at + 1) & c->mask;
    c->slots[at] = *call;
}

/* At most half of the slots are in use. */
int luas__embed_calls_reserve(luas__calls *c, size_t more)
{
    size_t size = c->slots != NULL ? c->mask + 1 : FEWEST, wanted = c->count + more;
    if (more > SIZE_MAX / 4 - c->count)
        return LUAS_ENOMEM;
    while (size / 2 < wanted)
        size *= 2;
    if (c->slots != NULL && size == c->mask + 1)
        return 0;
    luas__calls larger = {.slots = calloc(size, sizeof *c->slots), .mask = size - 1, .count = c->count};
    if (larger.slots == NULL)
        return LUAS_ENOMEM;
    for (size_t i = 0; c->slots != NULL && i <= c->mask; i++)
        if (c->slots[i].number != 0)
            put(&larger, &c->slots[i]);
    free(c->slots);
    *c = larger;
    return 0;
}

void luas__embed_calls_add(luas__calls *c, const luas__call *call)
{
    put(c, call);
    c->count++;
}

/* Where it is, or the empty slot where it would be. */
static size_t find(const luas__calls *c, uint64_t number)
{
    size_t at = place(c, number);
    while (c->slots[at].number != 0 && c->slots[at].number != number)
        at = (at + 1) & c->mask;
    return at;
}

const luas__call *luas__embed_calls_find(const luas__calls *c, uint64_t number)
{
    if (c->slots == NULL || number == 0)
        return NULL;
    const luas__call *call = &c->slots[find(c, number)];
    return call->number != 0 ? call : NULL;
}

/* Moves those behind the gap that would not be found any more. */
static void close_gap(luas__calls *c, size_t gap)
{
    for (size_t at = (gap + 1) & c->mask; c->slots[at].number != 0; at = (at + 1) & c->mask)
        if (((at - place(c, c->slots[at].number)) & c->mask) >= ((at - gap) & c->mask)) {
            c->slots[gap] = c->slots[at];
            gap = at;
        }
    c->slots[gap] = (luas__call){.number = 0};
}

luas__call luas__embed_calls_take(luas__calls *c, uint64_t number)
{
    luas__call call = {.number = 0};
    if (luas__embed_calls_find(c, number) == NULL)
        return call;
    size_t at = find(c, number);
    call = c->slots[at];
    close_gap(c, at);
    c->count--;
    return call;
}

void luas__embed_calls_release(luas__calls *c)
{
    for (size_t i = 0; c->slots != NULL && i <= c->mask; i++)
        free(c->slots[i].label);
    free(c->slots);
    *c = (luas__calls){.slots = NULL};
}
