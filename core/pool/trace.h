/*
 * A trace: Chrome trace events in JSON, which Perfetto and chrome://tracing open.
 * A process there is a pool, a thread a worker, whatever process has its place.
 * Written as the run goes; what is there of it is an array that only lacks its
 * end, which those readers do not mind.
 *
 * Each task is an event, up to LUAS__TRACE_MOST of them; from then on each chunk
 * is one, and each task that failed or took long.
 */
#ifndef LUAS_TRACE_H
#define LUAS_TRACE_H

#include "events.h"

enum { LUAS__TRACE_MOST = 200000 };

/* Opens the file: 0, or negative and *reader is NULL. */
int luas__trace_open(luas__reader **reader, const char *path);

/* Completes the file: 0, or why something is missing. What comes later is not in it. */
int luas__trace_finish(luas__reader *reader);

#endif
