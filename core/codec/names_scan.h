/*
 * Gives names to the objects in the loaded modules. The time of a scan grows with the size of the
 * modules. So a scan is made only when some object may lack a name, and only if modules came or
 * went since the last scan, or a name was found to lead elsewhere.
 */
#ifndef LUAS_NAMES_SCAN_H
#define LUAS_NAMES_SCAN_H

#include "names.h"

/* Scans all modules, if they are not those of the last scan. Used when a function is carried, by
   luas__class_scan, and for a message with a function or class that has no name. */
void luas__names_scan(lua_State *L, int names);

/* Would a scan find the same as the last one, as far as is known? */
int luas__names_scan_is_done(lua_State *L, int names);

/* As luas__names_map, after the first scan. */
const luas__ptrmap *luas__names_scan_known(lua_State *L, int names);

/* Scans before tables, from stack index `first` to the top, are encoded: a message does not
   scan for tables by itself. Not for each message, because it takes as long as a row. */
void luas__names_scan_for(lua_State *L, int first);

#endif
