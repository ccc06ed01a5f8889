/*
 * Walks through trees of folders for Lua (lua/luas/files.lua).
 *
 *   tree(path, follows) -> W        or nil, message
 *   W:next() -> path                nil at the end; of a folder that cannot be read nil, path, message:
 *                                   the next call goes on behind it
 *   W:close()
 */
#ifndef LUAS_TREE_HANDLE_H
#define LUAS_TREE_HANDLE_H

#include <lauxlib.h>

extern const luaL_Reg luas__tree_handle_functions[];

#endif
