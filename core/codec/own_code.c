/* Knows the library by the names of its embedded modules. */
#include "own_code.h"

#include <string.h>

#include "modules.h"

static bool is_module(const char *chunk)
{
    const luas__module *m = luas__modules;
    while (m->name != NULL && strcmp(m->chunk, chunk) != 0)
        m++;
    return m->name != NULL;
}

bool luas__own_code_is(const lua_Debug *ar)
{
    return *ar->what != 'C' && strncmp(ar->source, "@luas/", 6) == 0 && is_module(ar->source);
}

bool luas__own_code_runs(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar) && lua_getinfo(L, "S", &ar); level++)
        if (*ar.what != 'C')
            return luas__own_code_is(&ar);
    return false;
}
