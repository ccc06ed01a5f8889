/*
 * Functions and values for other machines, for lua/luas/cluster*.lua: what a job does by its messages to
 * workers (feed.c, serve.c) in strings. Objects in the shared memory are refused by name.
 *
 *   define(value) -> bytes, space, modules     its define message, the host's side of the space (codec.h), and a
 *                                       table whose keys are the names of modules that it needs, and others
 *                 -> nil, why
 *   pack(space or nil, unchanged, ...) -> bytes, defines     the values; and define messages that must be
 *                 -> nil, why           read before them, or "". `unchanged`: no code of the user has run
 *                                       since `define`
 *   open(bytes...) -> space, value      an agent's side, of these define messages, each as above
 *   pack_plain(space, ...) -> bytes     an agent's side: without further define messages; or nil, why
 *   unpack(space or nil, trusted, bytes) -> n, values...     or nil, why. `trusted`: with functions
 *   sum(bytes) -> integer               the same for the same bytes
 *   keep_shared()                       from now on whatever this process sends refuses objects in shared memory
 */
#ifndef LUAS_CLUSTER_PACK_H
#define LUAS_CLUSTER_PACK_H

#include <lauxlib.h>

extern const luaL_Reg luas__cluster_pack_functions[];

#endif
