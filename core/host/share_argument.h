/* Checks of what constructors and methods of shared objects are given. They raise, and name the line of
   the script. */
#ifndef LUAS_SHARE_ARGUMENT_H
#define LUAS_SHARE_ARGUMENT_H

#include <lua.h>
#include <stdint.h>

/* The first raises if a constructor is called with a colon. The second checks its options, a
   table at `index` or nothing, and raises for an unknown one. */
void luas__share_argument_check_call(lua_State *L, const char *name);
void luas__share_argument_check_options(lua_State *L, int index, const char *what,
                               const char *const *names);

/* A whole number from `least` to `most` as argument of a constructor. It raises for others. */
lua_Integer luas__share_argument_whole(lua_State *L, int index, const char *verb, lua_Integer least,
                              lua_Integer most);

/* Raises unless the argument of a method can be called. Nothing may be locked then. */
void luas__share_argument_check_callable(lua_State *L, int index, const char *verb);

/* A size in bytes from the options: a number, or text such as "64M"; `standard` if it is not
   given. */
uint64_t luas__share_argument_bytes(lua_State *L, int index, const char *what, const char *name,
                           uint64_t standard);

#endif
