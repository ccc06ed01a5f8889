/* An event that processes share. It is set, or it is not. */
#ifndef LUAS_SHARED_EVENT_H
#define LUAS_SHARED_EVENT_H

#include "arena.h"

int luas__shared_event_new(luas__arena *a, luas__object *o);
void luas__shared_event_set(const luas__object *o);
void luas__shared_event_clear(const luas__object *o);
bool luas__shared_event_is_set(const luas__object *o);

/* Waits, up to `ns` or a slice. Returns 0, or LUAS_EINTR after a signal. */
int luas__shared_event_await(const luas__object *o, int64_t ns);

#endif
