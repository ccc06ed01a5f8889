/* Definitions by content. */
#include "definition.h"

#include <stdbool.h>
#include <stdlib.h>

/* Limits of the definitions that are kept without a user. */
enum { KEEP_COUNT = 64, KEEP_BYTES = 4 << 20 };

enum { FIRST_SIZE = 64 };

/* FNV-1a (Fowler, Noll, Vo), eight bytes at a step. Bytes with equal hashes are compared. */
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

static luas__definition **bucket(const luas__definitions *all, uint64_t hash)
{
    return &all->buckets[(hash ^ hash >> 32) & (all->size - 1)];
}

static void chain(luas__definitions *all, luas__definition *definition)
{
    luas__definition **at = bucket(all, definition->hash);
    definition->next = *at;
    *at = definition;
}

/* Doubles the buckets. Without memory the chains just become longer, but there must be at
   least one bucket. */
static bool grow(luas__definitions *all)
{
    luas__definitions before = *all;
    size_t size = before.size > 0 ? 2 * before.size : FIRST_SIZE;
    luas__definition **buckets = calloc(size, sizeof *buckets);
    if (buckets == NULL)
        return before.size > 0;
    all->buckets = buckets;
    all->size = size;
    for (size_t i = 0; i < before.size; i++)
        for (luas__definition *definition = before.buckets[i], *next; definition != NULL; definition = next) {
            next = definition->next;
            chain(all, definition);
        }
    free(before.buckets);
    return true;
}

static luas__definition *find(const luas__definitions *all, uint64_t hash, const char *bytes, size_t len)
{
    luas__definition *definition = all->size > 0 ? *bucket(all, hash) : NULL;
    while (definition != NULL && (definition->hash != hash || definition->len != len
                            || memcmp(definition->bytes, bytes, len) != 0))
        definition = definition->next;
    return definition;
}

static luas__definition *make(luas__definitions *all, uint64_t hash, const char *bytes, size_t len)
{
    if ((size_t)all->count >= all->size && !grow(all))
        return NULL;
    luas__definition *definition = malloc(sizeof *definition + len);
    if (definition == NULL)
        return NULL;
    *definition = (luas__definition){.id = ++all->last_id, .hash = hash, .len = len};
    memcpy(definition->bytes, bytes, len);
    chain(all, definition);
    all->count++;
    all->bytes += len;
    return definition;
}

/* Appends it to the queue of those without a user. */
static void set_aside(luas__definitions *all, luas__definition *definition)
{
    definition->younger = NULL;
    definition->older = all->oldest != NULL ? all->youngest : &all->oldest;
    *definition->older = definition;
    all->youngest = &definition->younger;
    all->unused++;
    all->unused_bytes += definition->len;
}

static void take_up(luas__definitions *all, luas__definition *definition)
{
    *definition->older = definition->younger;
    if (definition->younger != NULL)
        definition->younger->older = definition->older;
    else
        all->youngest = definition->older;
    all->unused--;
    all->unused_bytes -= definition->len;
}

luas__definition *luas__definition_take(luas__definitions *all, const char *bytes, size_t len)
{
    uint64_t hash = hash_bytes(bytes, len);
    luas__definition *definition = find(all, hash, bytes, len);
    if (definition == NULL && (definition = make(all, hash, bytes, len)) != NULL)
        definition->users = 1;
    else if (definition != NULL && definition->users++ == 0)
        take_up(all, definition);
    return definition;
}

void luas__definition_drop(luas__definitions *all, luas__definition *definition)
{
    if (--definition->users == 0)
        set_aside(all, definition);
}

luas__definition *luas__definition_evict(luas__definitions *all)
{
    if (all->unused <= KEEP_COUNT && all->unused_bytes <= KEEP_BYTES)
        return NULL;
    luas__definition *definition = all->oldest, **at = bucket(all, definition->hash);
    take_up(all, definition);
    while (*at != definition)
        at = &(*at)->next;
    *at = definition->next;
    all->count--;
    all->bytes -= definition->len;
    return definition;
}

static void free_chain(luas__definition *definition)
{
    while (definition != NULL) {
        luas__definition *next = definition->next;
        free(definition);
        definition = next;
    }
}

void luas__definition_release_all(luas__definitions *all)
{
    for (size_t i = 0; i < all->size; i++)
        free_chain(all->buckets[i]);
    free(all->buckets);
    *all = (luas__definitions){0};
}
