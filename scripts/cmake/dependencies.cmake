# Finds what luas is built with, or says by name what is missing and how to
# install it. Gives Threads::Threads, LUA_INCLUDES, and, unless only the module
# is wanted, PkgConfig::LUA, whole_lua and EDIT_INCLUDE_DIRS.

function(missing what package)
    # Indented, or CMake would break the command across lines.
    message(FATAL_ERROR
        "  ${what} is missing.\n  On Debian: apt-get install ${package}")
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# A module needs the headers of the interpreter that will load it and nothing
# else; luarocks knows where they are.
set(LUA_INCLUDE_DIR "" CACHE PATH "Lua headers; given, only the module is built")
if(LUA_INCLUDE_DIR)
    if(NOT EXISTS ${LUA_INCLUDE_DIR}/lua.h)
        missing("${LUA_INCLUDE_DIR}/lua.h" liblua5.4-dev)
    endif()
    set(LUA_INCLUDES ${LUA_INCLUDE_DIR})
    set(LUAS_LIBRARY OFF)
    set(LUAS_PROGRAM OFF)
    return()
endif()

find_package(PkgConfig)
if(NOT PKG_CONFIG_FOUND)
    missing("pkg-config" pkg-config)
endif()

pkg_search_module(LUA IMPORTED_TARGET lua5.4 lua-5.4 lua54 lua)
if(NOT LUA_FOUND OR LUA_VERSION VERSION_LESS 5.4 OR NOT LUA_VERSION VERSION_LESS 5.5)
    missing("The Lua 5.4 library (lua5.4.pc)" liblua5.4-dev)
endif()
set(LUA_INCLUDES ${LUA_INCLUDE_DIRS})
set(LUAS_LIBRARY ON)

# What an executable has Lua from: the whole static library, if there is one that
# suits it, else the shared one.
list(GET LUA_LIBRARIES 0 name)
find_library(LUA_ARCHIVE lib${name}.a HINTS ${LUA_LIBDIR} ${LUA_LIBRARY_DIRS})
set(whole_lua PkgConfig::LUA)
if(LUA_ARCHIVE)
    set(archive -Wl,--whole-archive ${LUA_ARCHIVE} -Wl,--no-whole-archive m ${CMAKE_DL_LIBS})
    set(CMAKE_REQUIRED_INCLUDES ${LUA_INCLUDES})
    set(CMAKE_REQUIRED_LIBRARIES ${archive})
    check_c_source_compiles("#include <lauxlib.h>
        int main(void) { return luaL_newstate() == NULL || LUA_VERSION_NUM != 504; }"
        LUAS_HAS_LUA_ARCHIVE)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_LIBRARIES)
endif()
if(LUAS_HAS_LUA_ARCHIVE)
    set(whole_lua ${archive})
endif()

if(LUAS_PROGRAM)
    pkg_check_modules(EDIT libedit)
    if(NOT EDIT_FOUND)
        missing("The line-editing library (libedit.pc)" libedit-dev)
    endif()
endif()
