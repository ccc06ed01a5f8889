-- A worker in which a task writes into the memory that it shares with its host, or
-- closes what leads there: its own task is a crash, in time; the others are not disturbed.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

local MODULE <const> = [[
#include <lua.h>
#include <lauxlib.h>
#include <stdio.h>
#include <unistd.h>
/* A word of each small mapping that is shared. */
static int poke(lua_State *L)
{
    lua_Integer word = luaL_checkinteger(L, 1), value = luaL_checkinteger(L, 2);
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from, to;
    char line[512], rights[8];
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[3] == 's' && rights[1] == 'w'
            && to - from < 100000)
            ((volatile lua_Integer *)from)[word] = value;
    fclose(maps);
    return 0;
}
static int close_from(lua_State *L)
{
    for (int fd = (int)luaL_checkinteger(L, 1); fd < 1000; fd++)
        close(fd);
    return 0;
}
int luaopen_hostile(lua_State *L)
{
    luaL_Reg all[] = {{"poke", poke}, {"close_from", close_from}, {NULL, NULL}};
    luaL_newlib(L, all);
    return 1;
}
]]

describe("a hostile task", function()
    local folder

    setup(function()
        folder = sh.folder()
        sh.write(folder .. "/hostile.c", MODULE)
        sh.must(("cc -shared -fPIC -o %s/hostile.so %s/hostile.c $(pkg-config --cflags lua5.4)"):format(folder, folder))
    end)

    teardown(function() os.execute("rm -rf " .. folder) end)

    -- `k` outcomes as text, of a map over 1 to 8 with these options.
    local PRELUDE <const> = [[
        package.cpath = "%s/?.so;" .. package.cpath
        local hostile, core = require "hostile", require "luas.core"
        local function kinds(p, f, options)
            local results, n, failures = p:map(f, { 1, 2, 3, 4, 5, 6, 7, 8 }, options)
            local texts = {}
            for i = 1, n do
                local o = failures[i]
                texts[i] = o and o.kind or type(results[i]) == "string" and #results[i] or results[i]
            end
            return table.concat(texts, " ")
        end
    ]]

    helpers.each_interpreter(function(by)
        for _, carry in ipairs { "ship", "inherit" } do
            local name = (" under %s, by %s"):format(by, carry)

            it("that writes into the shared words is over in time" .. name, function()
                local output = helpers.output(PRELUDE:format(folder) .. ([[
                    local began, pools = core.now(), {}
                    for word = 0, 9 do
                        for _, value in ipairs { 1, -1, 0x7fffffffffffffff, 5 << 32 | 4 } do
                            local p = pool.new(1)
                            local function f(i) if i == 3 then hostile.poke(word, value) end return i end
                            local others = p:with { carry = %q, on_error = "collect" }
                            pools[#pools + 1] = { p, others:map_async(f, { 1, 2, 3, 4, 5, 6 },
                                { timeout = word %% 2 == 0 and 0.3 or nil, chunk = value == 1 and 6 or nil }) }
                        end
                    end
                    for _, pair in ipairs(pools) do
                        local results, n, failures = pair[2]:get()
                        for i = 1, 6 do assert(results[i] == i or failures[i].kind == "crash" or failures[i].kind == "timeout"
                            or failures[i].kind == "error") end
                        assert(pair[1]:apply(math.abs, -1) == 1)
                        pair[1]:terminate()
                    end
                    print(core.now() - began < %g)
                ]]):format(carry, helpers.within(20)), by)
                assert.are.equal("true\n", output)
            end)

            it("that closes all descriptors costs no other task" .. name, function()
                local output = helpers.output(PRELUDE:format(folder) .. ([[
                    for _, size in ipairs { 10, 1000, 40000 } do
                        for _, workers in ipairs { 1, 3 } do
                            local p <close> = pool.new { workers = workers, carry = %q, on_error = "collect" }
                            print(kinds(p, function(i)
                                if i == 3 then hostile.close_from(3) end
                                return ("x"):rep(size)
                            end))
                        end
                    end
                    local p <close> = pool.new { workers = 1, carry = %q, on_error = "collect" }
                    print(kinds(p, function(i)
                        if i == 3 then hostile.close_from(3) return ("x"):rep(30000000) end
                        return i
                    end))
                ]]):format(carry, carry), by)
                local wanted = {}
                for _, size in ipairs { 10, 1000, 40000 } do
                    wanted[#wanted + 1] = (size .. " "):rep(8):sub(1, -2)
                    wanted[#wanted + 1] = wanted[#wanted]
                end
                wanted[#wanted + 1] = "1 2 crash 4 5 6 7 8"
                assert.are.equal(table.concat(wanted, "\n") .. "\n", output)
            end)
        end
    end)
end)
