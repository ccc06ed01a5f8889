/* The descriptor that a userdata has. */
#ifndef LUAS_DESCRIPTOR_OF_H
#define LUAS_DESCRIPTOR_OF_H

#include <lua.h>

enum { LUAS__DESCRIPTOR_NONE = -1, LUAS__DESCRIPTOR_UNKNOWN = -2 };

/*
 * The descriptor of the userdata at the top: that of a file, or what its method `getfd` or
 * `fileno` gives, if that is a C function (luasocket has the first, pipes of the library and
 * libuv the other). None for what is closed, for what travels by value, and for other objects
 * of the library. Unknown for all the rest.
 */
int luas__descriptor_of(lua_State *L);

#endif
