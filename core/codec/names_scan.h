/*
 * Naming what is in the loaded modules. A scan takes as long as they are large,
 * so it is made where something may have no name yet, and only if modules came or
 * went since the last one, or a name was found to lead elsewhere.
 */
#ifndef LUAS_NAMES_SCAN_H
#define LUAS_NAMES_SCAN_H

#include "names.h"

/* Reads all modules, if they are others than at the last time. Carrying a function and a
   survey do it, and a message with a function or class that has no name yet. */
void luas__names_scan(lua_State *L, int names);

/* Would that be the same as at the last time, as far as is known? */
int luas__names_scan_is_done(lua_State *L, int names);

/* As luas__names_map, after the first scan. */
const luas__ptrmap *luas__names_scan_known(lua_State *L, int names);

/* A scan before values are encoded that are tables, from stack index `first` to the top: for these
   no message makes one by itself. Not for each message: it takes as long as a row. */
void luas__names_scan_for(lua_State *L, int first);

#endif
