/* Lua values as a person would find them again: one line, cut where it is long. What
   they are is only looked at, no code of theirs runs. */
#ifndef LUAS_ITEM_TEXT_H
#define LUAS_ITEM_TEXT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Of the value at `index`, which with `list` is a list of arguments: gives the length. */
size_t luas__item_text(lua_State *L, int index, bool list, char *out, size_t size);

#endif
