/* Holds the collector by a negative debt: this much may be allocated before it goes on. */
#include "gc_hold.h"

#include <lauxlib.h>

/* In KB: more than is ever allocated while it is held. */
enum { HELD = 1 << 20 };

/* A collector that is stopped need not be held: in a finalizer, where lua_gc returns -1, or by
   the user. */
bool luas__gc_hold(lua_State *L)
{
    bool held = lua_gc(L, LUA_GCISRUNNING) == 1;
    if (held)
        lua_gc(L, LUA_GCSTEP, -HELD);
    return held;
}

void luas__gc_hold_end(lua_State *L, bool held)
{
    if (held)
        lua_gc(L, LUA_GCSTEP, HELD);
}

/* The end may run finalizers. They find room on the stack also when memory is short by then: one that
   cannot be called is lost, with all that its object holds. */
void luas__gc_hold_call(lua_State *L, int arguments, int results)
{
    luaL_checkstack(L, 2 * LUA_MINSTACK, "not enough memory");
    bool held = luas__gc_hold(L);
    int status = lua_pcall(L, arguments, results, 0);
    luas__gc_hold_end(L, held);
    if (status != LUA_OK)
        lua_error(L);
}
