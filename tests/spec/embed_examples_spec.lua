-- The examples of scripts/embed, built from outside of the tree as their first lines say, and by CMake; and servers
-- in the event loops of Lua.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

local quote, must = shell.quote, shell.must
local root = must("pwd"):gsub("\n$", "")
local program = (os.getenv("LUAS") or "build/luas"):gsub("^([^/])", root:gsub("%%", "%%%%") .. "/%1")
local build = program:match("^(.*)/")

-- What each prints, and the packages that CMake finds for it beside luas.
local examples = {
    { "own_state.c", "alpha\t41910\nbeta\t13156\ngamma\t59840\ndelta\t38418\n", "lua5.4" },
    { "no_lua.c", "call 1: the number 10, 4\ncall 2: the number 11, 2\ncall 3: the number 12, 6\ncall 4: unlucky: 13\n" },
    { "libuv.c", "one: 1 squared is 1\ntwo: 2 squared is 4\nthree: its worker exited with status 9\nfour: 4 squared is 16\n", "libuv" },
    { "glib.c", "call 1: 1, A\ncall 2: 3, FEW\ncall 3: 5, WORDS\n", "glib-2.0" },
    { "threads.c", "5050 5150 5250\n" },
    { "shared_counter.c", "10005\n" },
    { "reload.c", "one\nnot loaded: next:1: 'end' expected near <eof>\none\nversion two\n" },
    { "tables.cpp", "tea: 4.5\nnuts: 6\n" },
}

local CMAKE <const> = [[
cmake_minimum_required(VERSION 3.18)
project(app LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(luas 0.2 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
]]

local FRESH <const> = [[
#include <luas.h>
#include <stdio.h>
int main(void)
{
    char why[600];
    luas_pool *pool;
    luas_outcome o;
    luas_value seven = luas_integer(7);
    luas_options options = {.source = "function same(x) return x end", .start = LUAS_START_EXEC, .workers = 1,
                            .why = why, .why_size = sizeof why};
    if (luas_pool_open(&pool, &options) < 0)
        return puts(why), 1;
    luas_submit(pool, "same", 1, &seven, NULL);
    while (luas_next(pool, &o) == 0)
        luas_wait(pool, 60);
    printf("%d\n", o.kind == LUAS_VALUE ? (int)o.results[0].as.integer : (puts(o.message), -1));
    luas_pool_close(pool);
}
]]

describe("the examples of embedding", function()
    local base, prefix, environment

    setup(function()
        base = shell.folder()
        prefix = base .. "/prefix"
        must(("cmake --install %s --prefix %s && mkdir %s %s"):format(quote(build), quote(prefix),
            quote(base .. "/app"), quote(base .. "/cmake")))
        environment = ("export PKG_CONFIG_PATH=%s LD_LIBRARY_PATH=%s; "):format(
            quote(prefix .. "/lib/pkgconfig"), quote(prefix .. "/lib"))
    end)

    teardown(function() must("rm -rf " .. quote(base)) end)

    -- The scripts that two of them name are in the tree.
    local function run(file)
        return must(("%stimeout %g %s"):format(environment, helpers.within(60), quote(file)))
    end

    for _, example in ipairs(examples) do
        local file, wanted = example[1], example[2]
        it(file .. " is built as its head says, and works", function()
            local text = shell.read("scripts/embed/" .. file)
            local command = text:match "Build: (.-) ?%*/" or text:match "Build: ([^\n]*)"
            must(("cp scripts/embed/%s %s"):format(file, quote(base .. "/app")))
            must(("%scd %s && %s -Wall -Wextra -Werror -o %s"):format(environment, quote(base .. "/app"),
                command:gsub("%s+", " "), file:gsub("%.%w+$", "")))
            assert.equal(wanted, run(base .. "/app/" .. file:gsub("%.%w+$", "")))
        end)

        it(file .. " has at most 40 lines", function()
            local _, lines = shell.read("scripts/embed/" .. file):gsub("\n", "")
            assert.is_true(lines <= 40)
        end)
    end

    it("are all known here", function()
        local known = {}
        for _, example in ipairs(examples) do known[example[1]] = true end
        for file in must("cd scripts/embed && ls *.c *.cpp"):gmatch "%S+" do assert.is_true(known[file], file) end
    end)

    it("in Lua have at most 40 lines, too", function()
        for file in must("cd scripts/embed && ls *.lua"):gmatch "%S+" do
            local _, lines = shell.read("scripts/embed/" .. file):gsub("\n", "")
            assert.is_true(lines <= 40, file)
        end
    end)

    it("find the program of fresh workers in their prefix, in PATH, or say how to get it", function()
        local file = quote(base .. "/app/fresh")
        shell.write(base .. "/app/fresh.c", FRESH)
        must(("%scc -Wall -Wextra -Werror -o %s %s.c $(pkg-config --cflags --libs luas)"):format(environment, file, file))
        local moved = quote(prefix .. "/bin/luas.moved")
        assert.equal("7\n", must(environment .. "PATH=/nowhere " .. file))
        must(("mv %s %s && mkdir %s && ln -s %s %s"):format(quote(prefix .. "/bin/luas"), moved, quote(base .. "/path"),
            moved, quote(base .. "/path/luas")))
        assert.equal("7\n", must(("%sPATH=/nowhere:%s %s"):format(environment, quote(base .. "/path"), file)))
        local output = shell.run(environment .. "PATH=/nowhere " .. file)
        assert.truthy(output:find("there is no program 'luas' near " .. prefix .. "/lib or in PATH: install it", 1, true), output)
        must(("mv %s %s"):format(moved, quote(prefix .. "/bin/luas")))
    end)

    it("are built by CMake", function()
        local folder, text = base .. "/cmake", { CMAKE }
        for _, example in ipairs(examples) do
            local name, package = example[1]:gsub("%.%w+$", ""), example[3]
            must(("cp scripts/embed/%s %s"):format(example[1], quote(folder)))
            if package then
                text[#text + 1] = ("pkg_check_modules(for_%s REQUIRED IMPORTED_TARGET %s)"):format(name, package)
            end
            text[#text + 1] = ("add_executable(example_%s %s)\ntarget_link_libraries(example_%s PRIVATE luas::luas Threads::Threads %s)")
                :format(name, example[1], name, package and "PkgConfig::for_" .. name or "")
        end
        shell.write(folder .. "/CMakeLists.txt", table.concat(text, "\n") .. "\n")
        must(("%scd %s && cmake -S . -B build -DCMAKE_PREFIX_PATH=%s && cmake --build build --parallel 2"):format(
            environment, quote(folder), quote(prefix)))
        for _, example in ipairs(examples) do
            assert.equal(example[2], run(("%s/build/example_%s"):format(folder, example[1]:gsub("%.%w+$", ""))))
        end
    end)
end)

describe("a server in a loop of Lua", function()
    for _, loop in ipairs { "luv", "cqueues" } do
        for _, interpreter in ipairs { program, "lua5.4" } do
            it(("answers each request once: %s, %s"):format(loop, interpreter:match "[^/]*$"), function()
                if select(2, shell.run(("lua5.4 -e 'require %q'"):format(loop))) ~= 0 then
                    assert(os.getenv "LUAS_TEST_QUICK", "needs " .. loop .. ": apt-get install lua-" .. loop)
                    return pending("needs lua-" .. loop)
                end
                local output = must(([[
                    out=$(mktemp) || exit 1
                    LUA_CPATH=%s timeout %g %s scripts/embed/http_%s.lua 0 16 >"$out" & server=$!
                    until port=$(sed -n 's/^port //p' "$out") && [ -n "$port" ]; do
                        kill -0 $server || exit 1
                        sleep 0.02
                    done
                    timeout %g /usr/bin/python3 tests/support/http_client.py "$port" && wait $server && rm "$out"]]):format(
                    quote(build .. "/?.so;;"), helpers.within(60), quote(interpreter), loop, helpers.within(50)))
                assert.equal("20: 200 6765 8\n22: 200 17711 4\ncrash: 500 its worker exited with status 9 4\n", output)
            end)
        end
    end
end)

describe("a server in C", function()
    for name, package in pairs { microhttpd = "libmicrohttpd", libuv = "libuv", glib = "glib-2.0" } do
        it("answers each request once: " .. name, function()
            local folder = shell.folder()
            must(("cc -std=gnu11 -Wall -Wextra -Werror -o %s/http tests/support/servers/http_%s.c -Icore -L%s -Wl,-rpath,%s -lluas $(pkg-config --cflags --libs %s)")
                :format(quote(folder), name, quote(build), quote(build), package))
            local output = must(("tests/support/servers/run %s/http"):format(quote(folder)))
            assert.equal("20: 200 6765 8\n22: 200 17711 4\ncrash: 500 its worker exited with status 9 4\n", output)
            must("rm -r " .. quote(folder))
        end)
    end
end)
