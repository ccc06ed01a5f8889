/*
 * Allocations that fail on demand, for a test that tries each of them: the
 * linker puts the functions below before the library's (--wrap). The test sets
 * until_failure and failures_left and reads `failed` and `live`.
 */
#ifndef LUAS_FAILING_MALLOC_H
#define LUAS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stdlib.h>

static long until_failure = -1; /* allocations that still succeed; < 0: all do */
static long failures_left;
static bool failed;             /* at least one did not */
static _Atomic long live;       /* blocks that were not freed yet, by any thread */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static bool fails(void)
{
    if (until_failure < 0 || until_failure-- > 0)
        return false;
    failed = true;
    until_failure = --failures_left > 0 ? 0 : -1;
    return true;
}

static void *counted(void *block)
{
    live += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (fails())
        return NULL;
    return block == NULL ? counted(__real_realloc(NULL, size)) : __real_realloc(block, size);
}

void __wrap_free(void *block)
{
    live -= block != NULL;
    __real_free(block);
}

/* A lua_Alloc; Lua counts on blocks that become smaller. */
static inline void *allocate_for_lua(void *context, void *block, size_t old_size, size_t size)
{
    (void)context;
    if (size == 0) {
        __wrap_free(block);
        return NULL;
    }
    if (block != NULL && size <= old_size)
        return __real_realloc(block, size);
    return __wrap_realloc(block, size);
}

#endif
