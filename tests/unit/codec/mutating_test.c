/*
 * Values that change while they are encoded and decoded (codec_mutating.lua).
 *
 *   lua_mutating_test [SEED [SECONDS]]   that seed's round first
 */
#include <time.h>
#include <unistd.h>

#include "codec_rig.h"

/* A round that does not end is a failure: the alarm ends the test. */
enum { USUAL_SECONDS = 5, PATIENCE = 60 };

/* Both states have the module, as both ends of a pipe would. */
static void load_module(lua_State *L)
{
    const char *slash = strrchr(__FILE__, '/');
    lua_pushlstring(L, __FILE__, slash == NULL ? 0 : (size_t)(slash - __FILE__) + 1);
    lua_pushliteral(L, "../../codec/codec_mutating.lua");
    lua_concat(L, 2);
    if (luaL_dofile(L, lua_tostring(L, -1)) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    lua_Integer seed = argc > 1 ? (lua_Integer)strtoll(argv[1], NULL, 10) : (lua_Integer)time(NULL);
    double seconds = argc > 2 ? strtod(argv[2], NULL) : USUAL_SECONDS;
    printf("mutating: seed %lld\n", (long long)seed);
    fflush(stdout);
    alarm((unsigned)seconds + PATIENCE);
    rig_open();
    load_module(rig_worker);
    lua_settop(rig_worker, 0);
    load_module(rig_host);
    lua_getfield(rig_host, -1, "run");
    lua_pushinteger(rig_host, seed);
    lua_pushnumber(rig_host, seconds);
    int status = lua_pcall(rig_host, 2, 1, 0);
    printf(status == LUA_OK ? "%s rounds\n" : "FAILED %s\n", lua_tostring(rig_host, -1));
    rig_close();
    return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
