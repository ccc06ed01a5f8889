/*
 * The tables of a module: the module itself, the tables in its fields, the tables in their
 * fields, and so on, except other modules. Objects deep in a module have names, and are watched
 * for changes, only if the whole module is small enough to be looked at.
 */
#ifndef LUAS_MODULE_TABLES_H
#define LUAS_MODULE_TABLES_H

#include <lua.h>
#include <stdbool.h>

/* A module is looked at whole if it has at most this many tables, none with more fields. */
enum { LUAS__MODULE_TABLES = 32, LUAS__MODULE_FIELDS = 1000 };

/*
 * `found` is a table that has tables from 1 on, and each of them as a key. Adds the tables to
 * which they lead in the same way. Returns false if there are too many: then some were added.
 * `modules` is a table whose keys are modules. Both are stack indices.
 */
bool luas__module_tables_find(lua_State *L, int modules, int found);

/* Adds the table at the top, which stays. Returns false if there are too many. */
bool luas__module_tables_add(lua_State *L, int found);

/* Has the table at the top few enough fields? */
bool luas__module_tables_is_small(lua_State *L);

#endif
