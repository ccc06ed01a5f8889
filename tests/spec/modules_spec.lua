-- Workers have the modules of a shipped job as the host has them, though each
-- worker has them as they were when it was forked.

local helpers = require "tests.support.helpers"

-- Kinds of user code that can run while a call waits: each sets what workers
-- see to "torn" in the middle of work on a pool `p`, whose worker is replaced
-- after every fourth task. Tasks are dealt one by one.
local kinds = {
    ["a source"] = [[
        local i = 0
        p:each(same, function()
            i = i + 1
            if i == 8 then tear() end
            return i <= 14 and i or nil
        end, { chunk = 1, window = 2 }) ]],
    ["a progress function"] = [[
        p:map(slow, items, { chunk = 1, progress = function(done) if done > 5 then tear() end end }) ]],
    ["a callback"] = [[
        for i = 1, 12 do p:apply_async(slow, i):on_done(i == 10 and tear or same) end
        p:map(same, items, { chunk = 1 }) ]],
    ["a callback, in a wait for another future,"] = [[
        for i = 1, 7 do p:apply_async(same, i):on_done(i == 7 and tear or same) end
        p:map_async(same, items, { chunk = 1 }):get() ]],
    ["a callback of another pool"] = [[
        local q <close> = pool.new(1)
        local other, all = q:apply_async(spin, 0.1), { p:map_async(slow, items, { chunk = 1 }) }
        other:on_done(tear)
        all[2] = other
        pool.wait_all(all) ]],
    ["a hook"] = [[
        debug.sethook(function() if p:stats().values > 6 then tear() end end, "", 10)
        p:map(same, items, { chunk = 1 })
        debug.sethook() ]],
    ["a hook that is gone afterwards"] = [[
        debug.sethook(function() if p:stats().values > 6 then tear() debug.sethook() end end, "", 10)
        p:map(same, items, { chunk = 1 }) ]],
    ["a finalizer"] = [[
        local n = 0
        local function arm()
            setmetatable({}, { __gc = function() n = n + 1; if n > 3 then tear() else arm() end end })
        end
        arm()
        for _ in p:imap(function() return ("x"):rep(1 << 18) end, items, { chunk = 1 }) do end
        assert(n > 3) ]],
    ["__luas_unpack"] = [[
        local Point = { __luas_pack = function(x) return x.n end }
        function Point.__luas_unpack(n)
            if n == 6 and in_host() then tear() end
            return setmetatable({ n = n }, Point)
        end
        p:map(function(n) return setmetatable({ n = n }, Point) end, items, { chunk = 1 }) ]],
    ["a module that a result wants"] = [[
        p:map(function(n)
            return n == 6 and setmetatable({ n = n }, require "late".Class) or n
        end, items, { chunk = 1, carry = "ship" }) ]],
}

local SCRIPT = [[
    local p = pool.new { workers = 1, max_tasks = 4 }
    local M = { state = "whole" }
    package.loaded.M = M
    local own = process.current().pid
    local function in_host() return process.current().pid == own end
    local function tear() M.state = "torn" end
    local function same(x) return x end
    local function spin(seconds) local stop = os.clock() + seconds while os.clock() < stop do end end
    local function slow() spin(0.015) end
    local items = {}
    for i = 1, 14 do items[i] = i end
    package.preload.late = function()
        if in_host() then tear() end
        return { Class = { __name = "late" } }
    end
    p:map(function() return M.state end, { 1 })
    %s
    assert(M.state == "torn", "nothing was changed")
    M.state = "whole"
    print(table.concat(p:map(function() return M.state end, { 1, 2 }), " "))
]]

helpers.each_interpreter(function(by)
    describe("under " .. by .. " workers that were forked after", function()
        for kind, text in pairs(kinds) do
            it(kind .. " changed a module are not taken for others", function()
                assert.are.equal("whole whole\n", helpers.output(SCRIPT:format(text), by))
            end)
        end
    end)
end)

-- Calls in which workers are forked, and nothing of the user's runs meanwhile.
local calls = {
    map = "p:map(same, items, { chunk = 1 })",
    each = "p:each(same, items, { chunk = 1 })",
    ["map with failures"] = "p:map(error, items, { chunk = 1, on_error = 'collect' })",
    ["map_async and get"] = "p:map_async(same, items, { chunk = 1 }):get()",
    join = "p:map_async(same, items, { chunk = 1 }) p:close() p:join()",
    wait_all = "pool.wait_all { p:map_async(same, items, { chunk = 1 }) }",
}

describe("the modules are compared once and not with every fork", function()
    for name, text in pairs(calls) do
        it("in " .. name, function()
            local rounds, forks = helpers.output([[
                local core = require "luas.core"
                local p = pool.new { workers = 2, max_tasks = 1 }
                local items, n, all = {}, 0, 0
                for i = 1, 40 do items[i] = i end
                local function same(x) return x end
                p:map(same, { 1 })
                for _ in pairs(package.loaded) do all = all + 1 end
                collectgarbage "stop"
                local before, compare = p:stats().forks, core.same
                core.same = function(watch) n = n + 1 return compare(watch) end
                ]] .. text .. [[

                core.same = compare
                print(n / all, p:stats().forks - before)]]):match "(%S+)\t(%d+)"
            assert.is_true(math.tointeger(forks) >= 35, forks .. " forks")
            -- A submission may be one call, and the wait for it another.
            assert.is_true(tonumber(rounds) <= 5 and tonumber(rounds) >= 1, rounds .. " rounds")
        end)
    end
end)

-- A function that has `require` may have any module from its worker. What the
-- library opens when it is needed first is none that it could mean.
helpers.each_interpreter(function(by)
    it("under " .. by .. " workers stay when the library opens a part of itself", function()
        assert.are.equal("2\ttask 1 (input 7): 7\n", helpers.output([[
            local p <close> = pool.new(2)
            local function f(x) return require "math".floor(x) end
            p:map(f, { 1, 2, 3 }, { chunk = 1 })
            p:map(f, { 1, 2, 3 }, { chunk = 1, progress = function() end })
            p:map(f, { 1, 2, 3 }, { chunk = 1, report = "/dev/null" })
            local _, _, failures = p:map(error, { 7 }, { on_error = "collect" })
            local text = tostring(failures[1]):match "[^\n]*" .. (pool.task and "in a task?" or "")
            p:map(f, { 1, 2, 3 }, { chunk = 1 })
            print(p:stats().forks, text)]], by))
    end)
end)
