/* Objects that are in messages, or in other objects. */
#include "arena_keep.h"

#include "arena_entry.h"
#include "array.h"

int luas__arena_keep_pack(const luas__object *o)
{
    luas__arena *a = o->arena;
    if (a->collects) {
        int rc = luas__array_reserve(&a->packed, &a->cap_packed, (size_t)a->npacked + 1,
                                     sizeof *a->packed);
        if (rc < 0)
            return rc;
        a->packed[a->npacked++] = o->id;
        luas__arena_retain(o);
        return 0;
    }
    atomic_store(&luas__arena_head_entry_of(o)->packed_at, luas__now_coarse());
    return 0;
}

void luas__arena_keep_release(luas__arena *a, const uint64_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        luas__arena_drop(&(luas__object){.arena = a, .at = (char *)a->head, .id = ids[i]});
}

/* The keeper's place in the entry, or one that is free, or NULL. */
static struct luas__keeper *find_keeper(luas__arena *a, luas__entry *e, uint64_t id)
{
    struct luas__keeper *place = NULL;
    for (int i = 0; i < LUAS__KEEPERS; i++) {
        const luas__entry *now = luas__arena_head_entry(a, (uint32_t)e->keepers[i].id);
        if (e->keepers[i].id == id)
            return &e->keepers[i];
        if (e->keepers[i].count == 0
            || atomic_load(&now->generation) != (uint32_t)(e->keepers[i].id >> 32))
            place = &e->keepers[i];
    }
    if (place != NULL)
        *place = (struct luas__keeper){.id = id};
    return place;
}

static void change_keeper(luas__arena *a, uint64_t keeper, uint64_t id, int by)
{
    luas__entry *e = luas__arena_head_entry(a, (uint32_t)id);
    if (atomic_load(&e->generation) != (uint32_t)(id >> 32))
        return;
    struct luas__keeper *k = find_keeper(a, e, keeper);
    if (k == NULL)
        e->stays |= by > 0;
    else if (by > 0 || k->count > 0)
        k->count += (uint64_t)by;
}

static int change_keepers(const luas__object *keeper, const uint64_t *ids, uint32_t count, int by)
{
    luas__arena *a = keeper->arena;
    int rc = count > 0 ? luas__arena_entry_lock(a) : 0;
    if (rc < 0 || count == 0)
        return rc;
    for (uint32_t i = 0; i < count; i++)
        change_keeper(a, keeper->id, ids[i], by);
    luas__arena_entry_unlock(a);
    return 0;
}

int luas__arena_keep_add(const luas__object *keeper, const uint64_t *ids, uint32_t count)
{
    return change_keepers(keeper, ids, count, 1);
}

void luas__arena_keep_remove(const luas__object *keeper, const uint64_t *ids, uint32_t count)
{
    (void)change_keepers(keeper, ids, count, -1); /* if it fails they live as long as the keeper */
}
