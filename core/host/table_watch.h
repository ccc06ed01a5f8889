/*
 * Watching tables for changes: what a module had when workers were forked.
 *
 *   core.watch(modules, tables) -> W, names     what the tables have now: their fields,
 *                                       and those of the tables in them, in those, and
 *                                       so on, but for modules, whose names `modules`
 *                                       has by table (nil: of the given tables only);
 *                                       and the set of the names of those that were met
 *   core.same(W) -> boolean             do they have these fields still, no more and
 *                                       no fewer, with the same values?
 *
 * If there are too many tables (module_tables.h) only the given ones are watched. A table with
 * too many fields is not watched. W keeps the objects that it has seen alive, so that no new
 * object gets the address of an old one. Long strings are compared as objects.
 */
#ifndef LUAS_TABLE_WATCH_H
#define LUAS_TABLE_WATCH_H

#include <lua.h>

int luas__table_watch(lua_State *L);
int luas__table_watch_same(lua_State *L);

#endif
