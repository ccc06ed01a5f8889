-- The headers of the library are taken by every compiler without a word, and the one for C++ works.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

local quote, must = shell.quote, shell.must
local root = must("pwd"):gsub("\n$", "")
local program = (os.getenv("LUAS") or "build/luas"):gsub("^([^/])", root:gsub("%%", "%%%%") .. "/%1")
local build = program:match("^(.*)/")

local WARNINGS <const> = " -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -pedantic -Werror"

-- Uses each function that is inline there.
local USE <const> = [[
#include <luas.h>
int use(luas_pool **p, luas_options *o, luas_outcome *out, luas_call *c, luas_figures *f);
int use(luas_pool **p, luas_options *o, luas_outcome *out, luas_call *c, luas_figures *f)
{
    luas_value v = luas_integer(LUAS_VERSION_NUM);
    return luas_pool_open(p, o) + luas_submit_call(*p, c, &out->call) + luas_map(*p, c, 1, &v, &out->call)
        + luas_next(*p, out) + luas_stats(*p, f) + luas_reload(*p, o);
}
]]

local compilers = {
    { "gcc -x c", "c99 c11 c17 gnu11", " -Wstrict-prototypes" },
    { "clang -x c", "c99 c11 c17 gnu11", " -Wstrict-prototypes" },
    { "g++ -x c++", "c++11 c++14 c++17 c++20", " -Wold-style-cast" },
    { "clang++ -x c++", "c++11 c++14 c++17 c++20", " -Wold-style-cast" },
}

local folder

local function compile(compiler, standard, more, rest)
    return must(("%s -std=%s%s%s -Icore %s"):format(compiler, standard, WARNINGS, more, rest))
end

describe("the headers", function()
    setup(function() folder = shell.folder() end)
    teardown(function() must("rm -rf " .. quote(folder)) end)

    for _, row in ipairs(compilers) do
        it("are taken by " .. row[1]:match "%S+" .. " without a warning", function()
            local file = folder .. "/use"
            shell.write(file, USE)
            for standard in row[2]:gmatch "%S+" do
                assert.equal("", compile(row[1], standard, row[3], "-fsyntax-only " .. quote(file)))
            end
        end)
    end

    for _, row in ipairs { { "g++", "c++11" }, { "g++", "c++20" }, { "clang++", "c++17" } } do
        it("have a wrapper that works with " .. table.concat(row, " "), function()
            local output = folder .. "/wrapper"
            assert.equal("", compile(row[1], row[2], " -fno-exceptions", ("tests/support/cpp/wrapper.cpp -o %s -L%s -lluas -Wl,-rpath,%s"):format(
                quote(output), quote(build), quote(build))))
            assert.equal("ok\n", must("timeout " .. helpers.within(120) .. " " .. quote(output)))
        end)
    end

    it("have a wrapper of at most 200 lines", function()
        local _, lines = shell.read "core/luas.hpp":gsub("\n", "")
        assert.is_true(lines <= 200)
    end)
end)
