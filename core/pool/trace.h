/*
 * A trace: Chrome trace events in JSON, for Perfetto and chrome://tracing. A pool is shown as a
 * process, or each of its machines is, and a worker's number as a thread. The file is written while the run goes on. Until
 * the end it is an array without its closing bracket, which those programs accept.
 *
 * Each task is an event, up to LUAS__TRACE_MOST of them. After that each chunk is an event, and
 * each task that failed or took long.
 */
#ifndef LUAS_TRACE_H
#define LUAS_TRACE_H

#include "events.h"

enum { LUAS__TRACE_MOST = 200000 };

/* Opens the file. Returns 0, or negative, and *reader is NULL. */
int luas__trace_open(luas__reader **reader, const char *path);

/* Completes the file. Returns 0, or why something is missing. Later events are not written. */
int luas__trace_finish(luas__reader *reader);

#endif
