/* Walks as userdata. */
#include "tree_handle.h"

#include <errno.h>

#include "handles.h"
#include "luas.h"
#include "tree.h"

#define TREE "luas.core.tree"

static luas__tree *tree_of(lua_State *L)
{
    return luaL_checkudata(L, 1, TREE);
}

static int tree_close(lua_State *L)
{
    luas__tree_close(tree_of(L));
    return 0;
}

static int tree_next(lua_State *L)
{
    luas__tree *t = tree_of(L);
    int rc = luas__tree_next(t);
    if (rc <= 0)
        lua_pushnil(L);
    if (rc == 0)
        return 1;
    lua_pushlstring(L, luas__buffer_bytes(&t->path), t->path.len);
    if (rc > 0)
        return 1;
    lua_pushstring(L, luas_strerror(rc));
    return 3;
}

static const luaL_Reg methods[] = {{"next", tree_next}, {"close", tree_close}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", tree_close}, {"__close", tree_close}, {NULL, NULL}};

static int core_tree(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (luaL_getmetatable(L, TREE) == LUA_TNIL) /* most scripts need no class of trees */
        luas__handles_new_class(L, TREE, methods, meta);
    luas__tree *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (luas__tree){.root = -1};
    luaL_setmetatable(L, TREE);
    luas__handles_keep(L);
    int rc = luas__tree_open(t, path, lua_toboolean(L, 2));
    if (rc >= 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, rc == -EINVAL ? "neither a file nor a folder" : luas_strerror(rc));
    return 2;
}

const luaL_Reg luas__tree_handle_functions[] = {{"tree", core_tree}, {NULL, NULL}};
