/* Strings that are too long to be written in place. */
#include "scalar.h"

#include "error.h"

int luas__scalar_put_long(lua_State *L, int index, luas__buffer *out, size_t most)
{
    size_t len;
    const char *bytes = lua_tolstring(L, index, &len);
    if (len > most || out->len > most - len)
        return LUAS_ETOOBIG;
    int rc = luas__mp_write_string(out, bytes, len);
    return rc < 0 ? rc : 1;
}
