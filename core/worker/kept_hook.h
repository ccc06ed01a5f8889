/*
 * The debug hook with which each task of a worker begins: what init has set, or none. Hooks would
 * cross tasks otherwise: one that a task leaves would run in the next, innocent one.
 *
 * It is global, as a worker is one process with one state of tasks. Set in workers only, never in
 * a host. In a host that has kept nothing there is none.
 */
#ifndef LUAS_KEPT_HOOK_H
#define LUAS_KEPT_HOOK_H

#include <lua.h>
#include <stdbool.h>

/* Registry of a host: true if its workers begin with the hook that it has when they are forked. */
#define LUAS__KEPT_HOOK_ASKED_KEY "luas.kept_hook"

typedef struct luas__hook {
    lua_Hook f;     /* NULL: none */
    int mask, count;
} luas__hook;

/* Takes away the hook of the thread and returns it; puts it back. Neither needs memory. */
luas__hook luas__kept_hook_lift(lua_State *L);
void luas__kept_hook_put(lua_State *L, luas__hook hook);

/* Keeps the hook that is set now. */
void luas__kept_hook_keep(lua_State *L);

/* Sets the kept one again, in this thread; takes away any other. */
void luas__kept_hook_set(lua_State *L);

/* Is the kept one set, with its function and its count? */
bool luas__kept_hook_is_set(lua_State *L);

#endif
