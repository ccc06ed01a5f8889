/*
 * What the fields of a table were: core.snapshot(table, most) gives a
 * userdata, or nil for a table with more fields than `most`; core.same{table,
 * snapshot, ...} whether each table has these fields now, no more and no fewer,
 * with the same values. The snapshot keeps the values, so that no new object takes
 * the address of one of them. Long strings are the same only as objects.
 */
#ifndef LUAS_LUA_SNAPSHOT_H
#define LUAS_LUA_SNAPSHOT_H

#include <lua.h>

int luas__core_snapshot(lua_State *L);
int luas__core_same(lua_State *L);

#endif
