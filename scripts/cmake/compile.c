/*
 * Writes OUTPUT, a C file with the embedded modules as bytecode of the Lua that
 * this program is linked with, in the order of luas__modules:
 *
 *   compile OUTPUT
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

#include "modules.h"

static int put(lua_State *L, const void *bytes, size_t size, void *file)
{
    const unsigned char *p = bytes;
    (void)L;
    for (size_t i = 0; i < size; i++)
        fprintf(file, "%d,", p[i]);
    return ferror((FILE *)file);
}

/* With lines and names, which messages and tracebacks have. */
static int put_code(lua_State *L, const luas__module *m, size_t number, FILE *file)
{
    if (luaL_loadbufferx(L, m->source, m->size, m->chunk, "t") != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        return 1;
    }
    fprintf(file, "static const unsigned char code_%zu[] = {", number);
    int rc = lua_dump(L, put, file, 0);
    fprintf(file, "};\n");
    lua_settop(L, 0);
    return rc;
}

static int put_all(lua_State *L, FILE *file)
{
    fprintf(file, "/* Generated from lua/ by scripts/cmake/compile.c. */\n"
                  "#include \"modules.h\"\n\n");
    size_t count = 0;
    for (; luas__modules[count].name != NULL; count++)
        if (put_code(L, &luas__modules[count], count, file) != 0)
            return 1;
    fprintf(file, "\nconst luas__code luas__compiled[] = {\n");
    for (size_t i = 0; i < count; i++)
        fprintf(file, "    {(const char *)code_%zu, sizeof code_%zu},\n", i, i);
    fprintf(file, "    {NULL, 0}\n};\n");
    return 0;
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
    int rc = L == NULL || file == NULL || put_all(L, file) != 0;
    if (file != NULL && fclose(file) != 0)
        rc = 1;
    if (L != NULL)
        lua_close(L);
    if (rc != 0)
        fprintf(stderr, "compile: cannot write %s\n", argc == 2 ? argv[1] : "nothing: one argument");
    return rc != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
