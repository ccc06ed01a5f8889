/*
 * The connection of a cluster for Lua (lua/luas/cluster.lua, cluster_agent.lua).
 *
 *   core.cluster_tools() -> table       these, and the functions of cluster_pack.h, _chunk.h, _times.h
 *   make_key(path) -> true, or nil and why
 *   make_nkey(path) -> public key, or nil and why
 *   link{url =, key =, ca =, nkey =, name =} -> L     opens one; raises why not. Files' names may be nil
 *   random() -> integer                 not 0, and nobody else has it
 *   lua: a string                       what must be the same at both ends
 *
 *   L:listen(subject, kind)   L:inbox() -> subject      (connection.h)
 *   L:send(subject, reply or nil, type, run, agent, token, body) -> true, or nil and why
 *   L:post(subject, reply or nil, bytes) -> true, or nil and why
 *   L:ask(subject, bytes, seconds) -> bytes, or nil and why
 *   L:next() -> kind, type, run, agent, token, body, reply, status, verdict, subject     what came; or nothing.
 *                                       Of what is not sealed the type is nil, and body the bytes
 *   L:wait(seconds [, fd]) -> boolean   as P:step of core.h waits
 *   L:fileno() -> fd
 *   L:serve(run)   L:offer() -> token   L:withdraw(token) -> agent or nil   L:revoke(token) -> boolean
 *   L:keep(bytes) -> blob   L:drop(blob)                 (desk.h)
 *   L:look() -> table                   connected, closed, reconnects, refused, most, error
 *   L:close()
 */
#ifndef LUAS_CLUSTER_HANDLE_H
#define LUAS_CLUSTER_HANDLE_H

#include <lua.h>

int luas__cluster_handle_tools(lua_State *L);

#endif
