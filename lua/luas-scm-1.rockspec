-- The module luas for an interpreter of one's own: `cd lua && luarocks make`.
-- CMake builds it from the whole tree, of which this folder is a part.
rockspec_format = "3.0"
package = "luas"
version = "scm-1"
source = {
    url = "file://.",
}
description = {
    summary = "Run Lua functions in a pool of processes",
    detailed = [[
pool.map(f, items) runs an ordinary Lua function over items on every core, in
worker processes, and says of every task what became of it.]],
    license = "MIT",
}
supported_platforms = {"unix"}
dependencies = {
    "lua >= 5.4, < 5.5",
}
build = {
    type = "command",
    build_command = "cmake -S .. -B ../build-rock"
        .. " -DLUA_INCLUDE_DIR='$(LUA_INCDIR)' -DCMAKE_C_COMPILER='$(CC)'"
        .. " && cmake --build ../build-rock --parallel --target luas_module",
    install = {
        lib = {luas = "../build-rock/luas.so"},
    },
}
