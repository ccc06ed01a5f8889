/* An allocator in front of the state's own, which counts. */
#include "alloc_limit.h"

#include <stdint.h>
#include <stdlib.h>

typedef struct limit {
    lua_Alloc allocate;
    void *ud;
    int64_t used;   /* bytes more than at the start; negative when inherited memory was freed */
    int64_t most;
} limit;

static void *allocate_within(void *ud, void *block, size_t old_size, size_t new_size)
{
    limit *l = ud;
    int64_t more = (int64_t)new_size - (int64_t)(block != NULL ? old_size : 0);
    if (more > 0 && l->used + more > l->most)
        return NULL;
    void *result = l->allocate(l->ud, block, old_size, new_size);
    if (result != NULL || new_size == 0)
        l->used += more;
    return result;
}

int luas__alloc_limit(lua_State *L, size_t bytes)
{
    if (bytes == 0)
        return 1;
    limit *l = malloc(sizeof *l);
    if (l == NULL)
        return 0;
    *l = (limit){.most = (int64_t)bytes};
    l->allocate = lua_getallocf(L, &l->ud);
    lua_setallocf(L, allocate_within, l);
    return 1;
}
