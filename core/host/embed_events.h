/* The stream of events for an application without Lua (luas.h). */
#ifndef LUAS_EMBED_EVENTS_H
#define LUAS_EMBED_EVENTS_H

#include "events.h"
#include "luas.h"

/* Makes a reader that calls this function. The caller is its first user. NULL without memory. */
luas__reader *luas__embed_events_new(luas_listener *hear, void *data);

#endif
