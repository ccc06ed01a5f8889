/* Large blocks: what is in them stays, what is idle is bounded and used again. */
#include "alloc_large.h"

#include <stdbool.h>

#include "testing.h"

/* An allocator that checks the sizes that it is told, and fails when it should. */
typedef struct heap {
    size_t live;        /* bytes that are allocated now */
    int calls;
    size_t most;        /* that may be live; 0: any */
    bool fails;
} heap;

/* In front of each block: its size. */
enum { HEAD = 16 };

static void *allocate(void *ud, void *block, size_t old_size, size_t new_size)
{
    heap *h = ud;
    char *start = block != NULL ? (char *)block - HEAD : NULL;
    h->calls++;
    if (start != NULL)
        CHECK(*(size_t *)(void *)start == old_size);
    else
        old_size = 0;
    bool is_too_much = h->most > 0 && h->live - old_size + new_size > h->most;
    if (new_size > 0 && (h->fails || is_too_much))
        return NULL;
    h->live += new_size - old_size;
    if (new_size == 0) {
        free(start);
        return NULL;
    }
    start = realloc(start, new_size + HEAD);
    CHECK(start != NULL);
    *(size_t *)(void *)start = new_size;
    return start + HEAD;
}

static void *change(luas__large *l, heap *h, void *block, size_t old_size, size_t new_size)
{
    return luas__alloc_large(l, allocate, h, block, old_size, new_size);
}

static void release_all(luas__large *l, heap *h)
{
    for (int i = 0; i < LUAS__LARGE_BLOCKS; i++)
        if (l->blocks[i].idle)
            allocate(h, l->blocks[i].at, l->blocks[i].size, 0);
}

static void test_a_block_is_used_again(void)
{
    enum { SIZE = 4 << 20 };
    luas__large l = {.most_idle = LUAS__LARGE_IDLE};
    heap h = {0};
    void *first = change(&l, &h, NULL, 0, SIZE);
    CHECK(change(&l, &h, first, SIZE, 0) == NULL);
    int calls = h.calls;
    CHECK(change(&l, &h, NULL, 0, SIZE + 25) == first); /* a string is a little longer */
    void *second = change(&l, &h, NULL, 0, SIZE);
    CHECK(second != first);
    CHECK_INT(h.calls, calls + 1);
    change(&l, &h, first, SIZE + 25, 0);
    change(&l, &h, second, SIZE, 0);
    void *small = change(&l, &h, NULL, 0, LUAS__LARGE_BLOCK); /* not in so large a one */
    CHECK(small != first && small != second);
    change(&l, &h, small, LUAS__LARGE_BLOCK, 0);
    release_all(&l, &h);
    CHECK_INT(h.live, 0);
}

static void test_idle_memory_goes_before_an_allocation_fails(void)
{
    enum { SIZE = 8 << 20 };
    luas__large l = {.most_idle = LUAS__LARGE_IDLE};
    heap h = {0};
    change(&l, &h, change(&l, &h, NULL, 0, SIZE), SIZE, 0);
    CHECK(h.live >= SIZE);
    h.fails = true;
    CHECK(change(&l, &h, NULL, 0, 4 * SIZE) == NULL);
    CHECK_INT(h.live, 0);
}

static void test_idle_memory_goes_before_a_block_fails_to_grow(void)
{
    enum { SIZE = 8 << 20 };
    luas__large l = {.most_idle = LUAS__LARGE_IDLE};
    heap h = {.most = 4 * SIZE};
    char *block = change(&l, &h, NULL, 0, SIZE);
    change(&l, &h, change(&l, &h, NULL, 0, 2 * SIZE), 2 * SIZE, 0);
    block[9] = 'x';
    block = change(&l, &h, block, SIZE, 3 * SIZE);
    CHECK(block != NULL);
    CHECK_INT(block[9], 'x');
    CHECK(h.live < 4 * SIZE);
    CHECK(change(&l, &h, block, 3 * SIZE, 5 * SIZE) == NULL);
    CHECK_INT(block[9], 'x');
    change(&l, &h, block, 3 * SIZE, 0);
    release_all(&l, &h);
    CHECK_INT(h.live, 0);
}

static void test_a_block_shrinks_whatever_happens(void)
{
    enum { SIZE = 8 << 20 };
    luas__large l = {.most_idle = LUAS__LARGE_IDLE};
    heap h = {0};
    char *block = change(&l, &h, NULL, 0, SIZE);
    block[9] = 'x';
    h.fails = true;
    CHECK(change(&l, &h, block, SIZE, 10) == block);
    CHECK(change(&l, &h, block, 10, 2 * SIZE) == NULL);
    CHECK_INT(block[9], 'x');
    h.fails = false;
    CHECK(change(&l, &h, block, 10, 0) == NULL);
    release_all(&l, &h);
    CHECK_INT(h.live, 0);
}

/* ---- many of all sizes ---- */

typedef struct held {
    unsigned char *at;
    size_t size;
    unsigned char mark;
} held;

static void mark(held *b)
{
    b->at[0] = b->at[b->size / 2] = b->at[b->size - 1] = b->mark;
}

static void check_mark(const held *b, size_t size)
{
    CHECK_INT(b->at[0], b->mark);
    if (size == b->size) {
        CHECK_INT(b->at[size / 2], b->mark);
        CHECK_INT(b->at[size - 1], b->mark);
    }
}

static size_t draw_size(uint64_t *random)
{
    size_t size = (size_t)1 << draw(random, 25);
    return draw(random, 5) == 0 ? 0 : size + draw(random, 100);
}

static void step(luas__large *l, heap *h, held *b, size_t size, unsigned char fresh)
{
    void *to = change(l, h, b->at, b->size, size);
    CHECK((to == NULL) == (size == 0));
    b->at = to;
    if (to != NULL && b->size > 0)
        check_mark(b, size < b->size ? size : b->size + 1);
    *b = (held){.at = to, .size = size, .mark = fresh};
    if (to != NULL)
        mark(b);
}

static void test_blocks_of_all_sizes_keep_what_is_in_them(void)
{
    enum { HELD = 12, STEPS = 3000 };
    luas__large l = {.most_idle = LUAS__LARGE_IDLE};
    heap h = {0};
    held blocks[HELD] = {{0}};
    uint64_t random = 7;
    for (int i = 0; i < STEPS; i++) {
        held *b = &blocks[draw(&random, HELD)];
        step(&l, &h, b, draw_size(&random), (unsigned char)i);
        size_t sum = 0;
        for (int k = 0; k < HELD; k++) {
            sum += blocks[k].size;
            if (blocks[k].at != NULL)
                check_mark(&blocks[k], blocks[k].size);
        }
        CHECK(h.live <= 2 * sum + LUAS__LARGE_IDLE);
    }
    for (int k = 0; k < HELD; k++)
        if (blocks[k].at != NULL)
            step(&l, &h, &blocks[k], 0, 0);
    CHECK(h.live <= LUAS__LARGE_IDLE);
    release_all(&l, &h);
    CHECK_INT(h.live, 0);
}

int main(void)
{
    RUN(test_a_block_is_used_again);
    RUN(test_idle_memory_goes_before_an_allocation_fails);
    RUN(test_idle_memory_goes_before_a_block_fails_to_grow);
    RUN(test_a_block_shrinks_whatever_happens);
    RUN(test_blocks_of_all_sizes_keep_what_is_in_them);
}
