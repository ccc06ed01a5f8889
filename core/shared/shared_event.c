/* One word, and a bell. */
#include "shared_event.h"

#include "bell.h"

typedef struct event {
    char owners[LUAS__BLOCK_HEAD];
    luas__bell bell;
    _Atomic uint32_t is_set;
} event;

static event *event_of(const luas__object *o)
{
    return (event *)(void *)o->at;
}

int luas__shared_event_new(luas__arena *a, luas__object *o)
{
    return luas__arena_new(a, LUAS__SHARED_EVENT, sizeof(event), sizeof(event), o);
}

void luas__shared_event_set(const luas__object *o)
{
    atomic_store(&event_of(o)->is_set, 1);
    luas__bell_ring(&event_of(o)->bell);
}

void luas__shared_event_clear(const luas__object *o)
{
    atomic_store(&event_of(o)->is_set, 0);
}

bool luas__shared_event_is_set(const luas__object *o)
{
    return atomic_load(&event_of(o)->is_set) != 0;
}

int luas__shared_event_await(const luas__object *o, int64_t ns)
{
    uint32_t rings = luas__bell_listen(&event_of(o)->bell);
    return luas__shared_event_is_set(o) ? 0 : luas__bell_wait(&event_of(o)->bell, rings, ns);
}
