/* Definitions by content. */
#include "blob.h"

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

static void to_front(luas__blobs *all, luas__blob **link)
{
    luas__blob *blob = *link;
    *link = blob->next;
    blob->next = all->first;
    all->first = blob;
}

static luas__blob *make(luas__blobs *all, uint64_t hash, const char *bytes, size_t len)
{
    luas__blob *blob = malloc(sizeof *blob + len);
    if (blob == NULL)
        return NULL;
    *blob = (luas__blob){.next = all->first, .id = ++all->last_id, .hash = hash, .len = len};
    memcpy(blob->bytes, bytes, len);
    all->first = blob;
    all->count++;
    all->bytes += len;
    return blob;
}

luas__blob *luas__blob_take(luas__blobs *all, const char *bytes, size_t len)
{
    uint64_t hash = hash_bytes(bytes, len);
    luas__blob **link = &all->first;
    while (*link != NULL && ((*link)->hash != hash || (*link)->len != len
                             || memcmp((*link)->bytes, bytes, len) != 0))
        link = &(*link)->next;
    luas__blob *blob = *link;
    if (blob != NULL)
        to_front(all, link);
    else if ((blob = make(all, hash, bytes, len)) == NULL)
        return NULL;
    blob->users++;
    return blob;
}

void luas__blob_drop(luas__blob *blob)
{
    blob->users--;
}

luas__blob *luas__blob_evict(luas__blobs *all)
{
    if (all->count <= KEEP_COUNT && all->bytes <= KEEP_BYTES)
        return NULL;
    luas__blob **oldest = NULL;
    for (luas__blob **link = &all->first; *link != NULL; link = &(*link)->next)
        if ((*link)->users == 0)
            oldest = link;
    if (oldest == NULL)
        return NULL;
    luas__blob *blob = *oldest;
    *oldest = blob->next;
    all->count--;
    all->bytes -= blob->len;
    return blob;
}

void luas__blobs_release(luas__blobs *all)
{
    while (all->first != NULL) {
        luas__blob *blob = all->first;
        all->first = blob->next;
        free(blob);
    }
    *all = (luas__blobs){0};
}
