/* The keys of shared tables: booleans, numbers and strings, in that order. */
#ifndef LUAS_SHARE_KEY_H
#define LUAS_SHARE_KEY_H

#include <lua.h>
#include <stdbool.h>

#include "shared_table.h"

typedef struct luas__share_key {
    char bytes[LUAS__MOST_KEY];
    size_t len;
} luas__share_key;

static inline luas__bytes luas__share_key_bytes(const luas__share_key *k)
{
    return (luas__bytes){.at = k->bytes, .len = k->len};
}

/* Raises for a value that cannot be a key. */
void luas__share_key_check(lua_State *L, int index, luas__share_key *k);

/* Are the bytes a key? A file may have others. */
bool luas__share_key_is(luas__bytes b);
void luas__share_key_push(lua_State *L, const luas__share_key *k);

#endif
