/* The module `shared`. */
#include "share_open.h"

#include <lauxlib.h>

#include "share.h"

int luas__share_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"queue", luas__share_queue_new}, {"lock", luas__share_lock_new},
        {"semaphore", luas__share_lock_semaphore}, {"event", luas__share_meet_event},
        {"condition", luas__share_meet_condition}, {"barrier", luas__share_meet_barrier},
        {"value", luas__share_word_value}, {"array", luas__share_word_array},
        {"table", luas__share_table_new}, {NULL, NULL},
    };
    luas__share_queue_open(L);
    luas__share_lock_open(L);
    luas__share_meet_open(L);
    luas__share_word_open(L);
    luas__share_table_open(L);
    luaL_newlibtable(L, functions);
    lua_pushvalue(L, -1);
    luaL_setfuncs(L, functions, 1);
    return 1;
}
