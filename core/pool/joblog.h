/*
 * A log with a line for each task that has ended. It has the nine columns of GNU parallel's
 * --joblog, so programs that read those can read it: Seq, Host, Starttime, JobRuntime, Send,
 * Receive, Exitval, Signal, Command.
 *
 * Seq is the task's index; each job of a run goes on counting where the one before ended.
 * Exitval is 0 for a value, 1 for an error, -1 for a timeout, and the exit status of the
 * worker for a crash. A task that is retried has one line, when it ends the last time.
 */
#ifndef LUAS_JOBLOG_H
#define LUAS_JOBLOG_H

#include "events.h"

/* As luas__trace_open and luas__trace_finish. */
int luas__joblog_open(luas__reader **reader, const char *path);
int luas__joblog_finish(luas__reader *reader);

#endif
