/* Definitions by content. */
#include "definition.h"

#include <stdlib.h>

enum { KEEP_COUNT = 64, KEEP_BYTES = 4 << 20 };

/* FNV-1a (Fowler, Noll, Vo), eight bytes at a step; equality is still checked. */
static uint64_t hash_bytes(const char *bytes, size_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ len;
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * UINT64_C(1099511628211);
        hash ^= hash >> 29;
    }
    for (; len > 0; bytes++, len--)
        hash = (hash ^ (unsigned char)*bytes) * UINT64_C(1099511628211);
    return hash;
}

static void to_front(luas__definitions *all, luas__definition **link)
{
    luas__definition *definition = *link;
    *link = definition->next;
    definition->next = all->first;
    all->first = definition;
}

static luas__definition *make(luas__definitions *all, uint64_t hash, const char *bytes, size_t len)
{
    luas__definition *definition = malloc(sizeof *definition + len);
    if (definition == NULL)
        return NULL;
    *definition = (luas__definition){.next = all->first, .id = ++all->last_id, .hash = hash, .len = len};
    memcpy(definition->bytes, bytes, len);
    all->first = definition;
    all->count++;
    all->bytes += len;
    return definition;
}

luas__definition *luas__definition_take(luas__definitions *all, const char *bytes, size_t len)
{
    uint64_t hash = hash_bytes(bytes, len);
    luas__definition **link = &all->first;
    while (*link != NULL && ((*link)->hash != hash || (*link)->len != len
                             || memcmp((*link)->bytes, bytes, len) != 0))
        link = &(*link)->next;
    luas__definition *definition = *link;
    if (definition != NULL)
        to_front(all, link);
    else if ((definition = make(all, hash, bytes, len)) == NULL)
        return NULL;
    definition->users++;
    return definition;
}

void luas__definition_drop(luas__definition *definition)
{
    definition->users--;
}

luas__definition *luas__definition_evict(luas__definitions *all)
{
    if (all->count <= KEEP_COUNT && all->bytes <= KEEP_BYTES)
        return NULL;
    luas__definition **oldest = NULL;
    for (luas__definition **link = &all->first; *link != NULL; link = &(*link)->next)
        if ((*link)->users == 0)
            oldest = link;
    if (oldest == NULL)
        return NULL;
    luas__definition *definition = *oldest;
    *oldest = definition->next;
    all->count--;
    all->bytes -= definition->len;
    return definition;
}

void luas__definition_release_all(luas__definitions *all)
{
    while (all->first != NULL) {
        luas__definition *definition = all->first;
        all->first = definition->next;
        free(definition);
    }
    *all = (luas__definitions){0};
}
