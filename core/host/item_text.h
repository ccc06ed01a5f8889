/* Lua values as text by which people recognize them: one line, cut if it is long. No code of
   the values runs. */
#ifndef LUAS_ITEM_TEXT_H
#define LUAS_ITEM_TEXT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Writes the text of the value at `index`; with `list` it is a list of arguments. Returns the
   length. */
size_t luas__item_text(lua_State *L, int index, bool list, char *out, size_t size);

#endif
