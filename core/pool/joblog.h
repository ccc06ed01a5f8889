/*
 * A log with a line for each task that ended, in the nine columns of GNU
 * parallel's --joblog, so that what reads that reads this: Seq, Host, Starttime,
 * JobRuntime, Send, Receive, Exitval, Signal, Command.
 *
 * Seq is the task's index, counted on over the jobs of a run. Exitval is 0 for a
 * value, 1 for an error, -1 for a timeout, and of a crash what the worker exited
 * with. A task that is started again has its line at its last end.
 */
#ifndef LUAS_JOBLOG_H
#define LUAS_JOBLOG_H

#include "events.h"

/* As luas__trace_open and luas__trace_finish. */
int luas__joblog_open(luas__reader **reader, const char *path);
int luas__joblog_finish(luas__reader *reader);

#endif
