/* An application with a lua_State and C functions of its own gives its scripts
   the module `pool`. Build: cc own_state.c $(pkg-config --cflags --libs luas lua5.4) */
#include <lauxlib.h>
#include <lualib.h>
#include <luas.h>
#include <stdio.h>

static int checksum(lua_State *L) /* of the application; workers have it too */
{
    lua_Integer sum = 0;
    for (const char *text = luaL_checkstring(L, 1); *text != '\0'; text++)
        sum = (31 * sum + (unsigned char)*text) % 65521;
    lua_pushinteger(L, sum);
    return 1;
}

static int run(lua_State *L) /* protected: all of this can raise */
{
    luaL_openlibs(L);
    luas_openlibs(L);
    lua_register(L, "checksum", checksum);
    if (luaL_loadfile(L, "scripts/embed/own_state.lua") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

int main(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return 1;
    lua_pushcfunction(L, run);
    int rc = lua_pcall(L, 0, 0, 0);
    if (rc != LUA_OK)
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL)); /* also outcomes */
    lua_close(L); /* ends the workers */
    return rc != LUA_OK;
}
