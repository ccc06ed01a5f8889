/* The list of a pool's snapshots. */
#define _GNU_SOURCE
#include "snapshots.h"

#include <stdlib.h>

luas__snapshot *luas__snapshots_find(const luas__pool *p, uint32_t id)
{
    for (luas__snapshot *k = p->snapshots; k != NULL && id != 0; k = k->next)
        if (k->job != NULL && k->id == id && k->zygote.socket >= 0)
            return k;
    return NULL;
}

luas__snapshot *luas__snapshots_mother(const luas__pool *p)
{
    return p->mother != NULL && p->mother->zygote.socket >= 0 ? p->mother : NULL;
}

void luas__snapshots_release(luas__snapshot *k)
{
    luas__zygote_close(&k->zygote);
    luas__surroundings_release(k->around);
    free(k);
}

bool luas__snapshots_has_others(const luas__pool *p, uint32_t id)
{
    for (const luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        if (k->job != NULL && k->id != id)
            return true;
    return false;
}

void luas__snapshots_end(luas__pool *p, const luas__job *job)
{
    for (luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        if (k->job == job) {
            k->job = NULL;
            luas__zygote_end(&k->zygote);
        }
}

void luas__snapshots_free(luas__pool *p)
{
    for (luas__snapshot **at = &p->snapshots, *k; (k = *at) != NULL;)
        if (k->job == NULL && luas__child_reap(&k->zygote.child)) {
            *at = k->next;
            p->mother = p->mother == k ? NULL : p->mother;
            luas__snapshots_release(k);
        } else {
            at = &k->next;
        }
}

void luas__snapshots_end_all(luas__pool *p)
{
    for (luas__snapshot *k = p->snapshots; k != NULL; k = k->next) {
        k->job = NULL;
        luas__zygote_end(&k->zygote);
    }
}

void luas__snapshots_await(luas__pool *p)
{
    for (luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        luas__child_await(&k->zygote.child);
}

void luas__snapshots_abandon(const luas__pool *p, luas__fd_closing *closing)
{
    for (const luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        luas__zygote_abandon(&k->zygote, closing);
}
