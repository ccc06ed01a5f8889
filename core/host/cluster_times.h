/*
 * When the tasks of an agent's pool ran, for the reports and traces of hosts: lua/luas/cluster_agent_pool.lua.
 *
 *   times() -> R                a reader (readers.h) that notes the end of each task
 *   timed(R, job, shift) -> string      what it has noted of the job with that id, and forgets. Of each task 28
 *                               bytes, big-endian: u64 its index and `shift`, u32 the worker, i64 when it began and
 *                               i64 how long it took, in ns of this machine's clock
 */
#ifndef LUAS_CLUSTER_TIMES_H
#define LUAS_CLUSTER_TIMES_H

#include <lauxlib.h>

extern const luaL_Reg luas__cluster_times_functions[];

#endif
