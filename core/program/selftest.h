/*
 * What `luas --selftest` measures the library beside: two pipes between two processes of this
 * machine, with nothing of luas in them. The module luas.selftest does the rest.
 */
#ifndef LUAS_SELFTEST_H
#define LUAS_SELFTEST_H

#include <lua.h>

/* Pushes the function that does the work, and its argument; returns how many these are. It
   returns an exit status, and a message or nil. The argument is a table of two functions of
   seconds: bounce() gives how often a second a byte goes there and back, one at a time, and
   carry() how many bytes a second one process reads from another. Both raise where the system
   gives no pipe or no process. */
int luas__selftest_push(lua_State *L);

#endif
