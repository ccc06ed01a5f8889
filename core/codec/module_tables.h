/*
 * The tables of a module: itself, the tables in its fields, those in theirs, and so
 * on, but for other modules. What is deep in a module has names, and is watched for
 * changes, only where all of it can be looked at.
 */
#ifndef LUAS_MODULE_TABLES_H
#define LUAS_MODULE_TABLES_H

#include <lua.h>
#include <stdbool.h>

/* A module is looked at whole where it has no more tables than this, none with more
   fields. */
enum { LUAS__MODULE_TABLES = 32, LUAS__MODULE_FIELDS = 1000 };

/*
 * `found` is a table with tables from 1, and with each of them as a key. Adds those
 * that they lead to in the same way: true; or false where that is too much, and some
 * were added. `modules` is a table whose keys are modules. Both are stack indices.
 */
bool luas__module_tables_find(lua_State *L, int modules, int found);

/* Adds the table at the top, which stays: false where there is no room for another. */
bool luas__module_tables_add(lua_State *L, int found);

/* Has the table at the top no more fields than may be? */
bool luas__module_tables_is_small(lua_State *L);

#endif
