-- What is installed works from outside the tree, with the stock tools.

local shell = require "tests.support.shell"

local quote, must = shell.quote, shell.must
local root = must("pwd"):gsub("\n$", "")
local program = (os.getenv("LUAS") or "build/luas"):gsub("^([^/])", root:gsub("%%", "%%%%") .. "/%1")
local build = program:match("^(.*)/")

local MAP = "pool.map(function(x) return x * x end, {1, 2, 3})"
local PRINT = "print(table.concat((" .. MAP .. "), ' '))"
local SQUARES = "1 4 9\n"

-- Defined symbols that the dynamic linker sees, one a line, with versions.
local function exported(library)
    return must("nm -D --defined-only " .. quote(library) .. " | awk '$2 != \"A\" {print $3}' | LC_ALL=C sort")
end

local function lines(text)
    local list = {}
    for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
    return list
end

describe("the build", function()
    it("exports one symbol from the module", function()
        assert.equal("luaopen_luas\n", exported(build .. "/luas.so"))
    end)

    it("exports the public names, and no others, from the library", function()
        local names = exported(build .. "/libluas.so")
        local public = {"luaopen_luas@@LUAS_0.2"}
        local header = shell.read "core/luas.h":gsub("/%*.-%*/", "")
        for name in header:gmatch "\nLUAS_API [^;(]-(luas_[%w_]+)%(" do public[#public + 1] = name .. "@@LUAS_0.2" end
        table.sort(public)
        assert.is_true(#public > 40)
        assert.same(public, lines(names))
    end)

    it("gives the program its Lua modules inside", function()
        assert.equal("function\n", must("cd / && " .. quote(program)
            .. [[ -e 'print(type(package.preload["luas.inspect"] or require "luas.inspect"))']]))
        assert.equal(SQUARES, must("cd / && " .. quote(program) .. ' -e "' .. PRINT .. '"'))
    end)

    -- A second Lua in the process would take its own nil and empty table for others.
    it("has one Lua for C modules, too, that are linked with liblua", function()
        local folder = shell.folder()
        shell.write(folder .. "/linked.c", [[
            #include <lauxlib.h>
            static int walk(lua_State *L)
            {
                int n = 0;
                lua_newtable(L);
                lua_getfield(L, -1, "none");
                if (!lua_isnil(L, -1))
                    return luaL_error(L, "an empty table has a field");
                lua_pop(L, 1);
                lua_pushnil(L);
                while (lua_next(L, 1) != 0) {
                    n++;
                    lua_pushvalue(L, -2);
                    lua_insert(L, -2);
                    lua_settable(L, -4);
                }
                if (n == 0)
                    return luaL_error(L, "nothing in it");
                return 1;
            }
            int luaopen_linked(lua_State *L) { lua_pushcfunction(L, walk); return 1; }
        ]])
        shell.write(folder .. "/use.lua", [[
            local walk = require "linked"
            local function work(t)
                local copy = walk(t)
                copy[#copy + 1] = select(2, pcall(walk, {}))
                return table.concat(copy, " ")
            end
            print(work { 1, 2 })
            for _, line in ipairs(pool.map(work, { { 3 }, { 4, 5 } })) do print(line) end
        ]])
        must(("cd %s && cc -shared -fPIC -o linked.so linked.c $(pkg-config --cflags lua5.4) "
            .. "-Wl,--no-as-needed $(pkg-config --libs lua5.4) && ldd linked.so | grep -q liblua")
            :format(quote(folder)))
        assert.equal("1 2 nothing in it\n3 nothing in it\n4 5 nothing in it\n",
            must(("cd %s && LUA_CPATH='./?.so' %s use.lua"):format(quote(folder), quote(program))))
        must("rm -rf " .. quote(folder))
    end)

    it("gives the stock interpreter a module", function()
        assert.equal(SQUARES, must(("LUA_CPATH=%s lua5.4 -e %s"):format(
            quote(build .. "/?.so"), quote('pool = require "luas".pool ' .. PRINT))))
    end)
end)

-- The module with each place where a text stands replaced by what `change` gives
-- for the byte before it and the text; nil leaves it.
local function changed_module(folder, text, change)
    local bytes = shell.read(folder .. "/luas.so")
    local n = 0
    bytes = bytes:gsub("(.)" .. text:gsub("%p", "%%%0"), function(before)
        local new = change(before)
        n = n + (new and 1 or 0)
        return new and before .. new
    end)
    assert(n > 0, "nothing was changed")
    shell.write(folder .. "/luas.so", bytes)
end

describe("the modules in the build", function()
    local MESSAGE = "close the pool before you join it"
    local folder

    -- What the module in the folder says to one mistake.
    local function said()
        return must(("LUA_CPATH=%s lua5.4 -e %s"):format(quote(folder .. "/?.so"), quote(
            'local p = require "luas".pool.new(1) print(select(2, pcall(p.join, p)))')))
    end

    setup(function()
        folder = shell.folder()
        must(("cp %s %s"):format(quote(build .. "/luas.so"), quote(folder)))
        changed_module(folder, MESSAGE, function(before)
            return before == '"' and MESSAGE:gsub("pool", "SOURCE"):sub(1, #MESSAGE) or MESSAGE:gsub("pool", "CODE")
        end)
    end)

    teardown(function() must("rm -rf " .. quote(folder)) end)

    it("are bytecode for the Lua that they were compiled by", function()
        assert.truthy(said():find("close the CODE before", 1, true))
    end)

    it("are compiled anew by one that would make other bytecode", function()
        changed_module(folder, "@luas/probe.lua", function(before)
            return before == "\x90" and "@luas/PROBE.lua" or nil
        end)
        assert.truthy(said():find("close the SOURCE before", 1, true))
    end)

    it("have no instruction that the probe lacks", function()
        local function instructions(files)
            local set = {}
            for name in must("for f in " .. files .. "; do luac5.4 -l -l -p $f; done"):gmatch "\n\t%d+\t%[[%d?]+%]\t([%u%d]+)" do
                set[name] = true
            end
            return set
        end
        local all, probed = instructions "lua/*.lua lua/luas/*.lua", instructions "lua/luas/probe.lua"
        assert.is_true(all.VARARGPREP and all.CALL and probed.CALL)
        for name in pairs(all) do assert.is_true(probed[name], name) end
    end)
end)

describe("an installation that was moved", function()
    local base, prefix, environment

    setup(function()
        base = shell.folder()
        prefix = base .. "/there"
        must(("cmake --install %s --prefix %s && mv %s %s"):format(
            quote(build), quote(base .. "/here"), quote(base .. "/here"), quote(prefix)))
        environment = ("PKG_CONFIG_PATH=%s LD_LIBRARY_PATH=%s; export PKG_CONFIG_PATH LD_LIBRARY_PATH; ")
            :format(quote(prefix .. "/lib/pkgconfig"), quote(prefix .. "/lib"))
    end)

    teardown(function() must("rm -rf " .. quote(base)) end)

    -- Compiles an embedding example and runs it from the root of the tree, where
    -- the script that it names is.
    local function embed(example, libraries, folder)
        return must(environment .. ("cc -std=gnu11 -Wall -Wextra -Werror -o %s %s/%s.c %s && %s"):format(
            quote(base .. "/" .. example), folder or "scripts/embed", example, libraries,
            quote(base .. "/" .. example)))
    end

    it("holds each file where it belongs", function()
        local files = must("cd " .. quote(prefix) .. " && find . -type f -o -type l | LC_ALL=C sort")
        for _, file in ipairs {
            "bin/luas", "include/luas.h", "include/luas.hpp", "lib/libluas.a", "lib/libluas.so", "lib/libluas.so.0.2",
            "lib/lua/5.4/luas.so", "lib/pkgconfig/luas.pc", "lib/cmake/luas/luas-config.cmake",
            "share/man/man1/luas.1", "share/man/man3/luas.3", "share/man/man3/luas.3lua", "share/luas/library/luas.lua",
            "share/doc/luas/README.md", "share/doc/luas/lua/README.md",
        } do
            assert.truthy(files:find("./" .. file .. "\n", 1, true), file .. " among\n" .. files)
        end
        assert.falsy(files:find("luas__", 1, true))
        local _, headers = files:gsub("%./include/[^\n]+", "")
        assert.equal(2, headers)
    end)

    it("has a program that runs without the tree", function()
        assert.equal(SQUARES, must(("cd / && %s/bin/luas -e %s"):format(quote(prefix), quote(PRINT))))
    end)

    it("has a module for the stock interpreter", function()
        assert.equal(SQUARES, must(("cd / && LUA_CPATH=%s lua5.4 -e %s"):format(
            quote(prefix .. "/lib/lua/5.4/?.so"), quote('pool = require "luas".pool ' .. PRINT))))
    end)

    for _, file in ipairs {"no_lua", "own_state"} do
        it("compiles and runs " .. file .. ".c with what pkg-config says", function()
            local expected = must(quote(build .. "/embed/" .. file))
            assert.is_true(#expected > 0)
            assert.equal(expected, embed(file, "$(pkg-config --cflags --libs luas lua5.4)"))
        end)

        it("links " .. file .. ".c with the static library", function()
            local output = embed(file, quote(prefix .. "/lib/libluas.a")
                .. " $(pkg-config --cflags luas) $(pkg-config --static --libs lua5.4) -pthread")
            assert.equal(must(quote(build .. "/embed/" .. file)), output)
        end)
    end

    it("runs a program that was built with the first header of 0.2", function()
        local old = base .. "/old"
        must(("mkdir %s && cp tests/support/luas-0.2.0.h %s/luas.h"):format(quote(old), quote(old)))
        assert.equal(must(quote(build .. "/embed/no_lua")),
            embed("luas-0.2.0", ("-I%s $(pkg-config --libs luas)"):format(quote(old)), "tests/support"))
    end)

    it("is a CMake package", function()
        local app = base .. "/app"
        must("mkdir " .. quote(app))
        shell.write(app .. "/app.c", [[
#include <luas.h>
#include <stdio.h>
int main(void) { return puts(luas_strerror(LUAS_EINVAL)) < 0; }
]])
        shell.write(app .. "/CMakeLists.txt", [[
cmake_minimum_required(VERSION 3.18)
project(app LANGUAGES C)
find_package(luas 0.2 REQUIRED)
add_executable(shared app.c)
target_link_libraries(shared PRIVATE luas::luas)
add_executable(static app.c)
target_link_libraries(static PRIVATE luas::luas_static)
]])
        must(("cd %s && cmake -S . -B build -DCMAKE_PREFIX_PATH=%s && cmake --build build"):format(
            quote(app), quote(prefix)))
        for _, name in ipairs {"shared", "static"} do
            assert.equal("invalid argument\n", must(quote(app .. "/build/" .. name)))
        end
    end)
end)

describe("a copy of the tree", function()
    local tree

    setup(function()
        tree = shell.folder()
        must("cp -R CMakeLists.txt LICENSE core lua scripts tests " .. quote(tree))
    end)

    teardown(function() must("rm -rf " .. quote(tree)) end)

    it("installs the module by luarocks make", function()
        must(("cd %s/lua && luarocks --lua-version 5.4 make --tree %s/rocks"):format(
            quote(tree), quote(tree)))
        assert.equal(SQUARES, must(("LUA_CPATH=%s lua5.4 -e %s"):format(
            quote(tree .. "/rocks/lib/lua/5.4/?.so"), quote('pool = require "luas".pool ' .. PRINT))))
    end)

    it("names the package that is missing", function()
        local output, status = shell.run(
            ("cd %s && PKG_CONFIG_LIBDIR=/none cmake -S . -B build-none"):format(quote(tree)))
        assert.not_equal(0, status)
        assert.truthy(output:find("apt-get install liblua5.4-dev", 1, true), output)
        must(("cd %s && mkdir pc && cp $(pkg-config --variable=pcfiledir lua5.4)/lua5.4.pc pc")
            :format(quote(tree)))
        output, status = shell.run(
            ("cd %s && PKG_CONFIG_LIBDIR=$PWD/pc cmake -S . -B build-other"):format(quote(tree)))
        assert.not_equal(0, status)
        assert.truthy(output:find("apt-get install libedit-dev", 1, true), output)
    end)
end)

describe("the scripts", function()
    it("run counts words when nothing is said", function()
        local output = must("cd / && " .. quote(root .. "/scripts/run"))
        assert.truthy(output:find("^ +%d+  the\n"), output)
        assert.truthy(output:find("\n%d+ words, "), output)
    end)

    it("run takes options, a script and its arguments", function()
        assert.equal("hello Mary Ann\n", must(("cd %s && ../run -j 1 hello.lua 'Mary Ann'"):format(
            quote(root .. "/scripts/examples"))))
    end)

    it("run counts nothing where the options say what to run", function()
        assert.equal("1\n", must("scripts/run -W -e 'print(1)'"))
        assert.truthy(must("scripts/run --version"):find("^luas [^\n]*\n"))
        assert.equal("2\n", must("echo 'print(2)' >build/input; scripts/run - <build/input; rm build/input"))
    end)

    it("run passes on the exit status", function()
        local _, status = shell.run("scripts/run scripts/examples/mandelbrot.lua")
        assert.equal(2, status)
    end)

    it("say how they are used", function()
        for _, script in ipairs {"test", "setup"} do
            local output, status = shell.run("scripts/" .. script .. " --nonsense")
            assert.equal(2, status)
            assert.truthy(output:find("^usage: scripts/" .. script), output)
        end
    end)
end)
