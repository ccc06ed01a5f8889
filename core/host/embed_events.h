/* The stream of events as an application without Lua has it (luas.h). */
#ifndef LUAS_EMBED_EVENTS_H
#define LUAS_EMBED_EVENTS_H

#include "events.h"
#include "luas.h"

/* Has the function called; the first user is the caller. NULL without memory. */
luas__reader *luas__embed_events_new(luas_listener *hear, void *data);

#endif
