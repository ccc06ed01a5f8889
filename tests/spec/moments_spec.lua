-- Ctrl-C after each so many instructions of a call without workers: it is raised at once with an
-- outcome of each task, and the pool goes on as if nothing had been.

local helpers = require("tests.support.helpers")

-- Prints how often the call was ended with its outcomes, and otherwise; how many of these lack a task
-- (a signal comes between the engine and the reader); and all that is wrong.
local MOMENTS <const> = [[
    local luas = require "luas"
    local core, due, pool = require "luas.core", require "luas.due", luas.pool
    local function two(i) if i == 2 then error("two", 0) end return i end
    local cut, others, lacking, armed = 0, 0, 0, false
    local function hook()
        debug.sethook()
        if armed then error "interrupted!" end
    end
    local function disarm(raised)
        armed = false
        debug.sethook()
        return raised
    end
    local function interrupted(count, f, ...)
        return xpcall(function(...)
            armed = true
            debug.sethook(hook, "", count)
            return disarm((f(...)))
        end, disarm, ...)
    end
    local function check(o)
        cut = cut + 1
        for i = 1, o.n do
            local had, failed = o.results[i], o.failures[i]
            if had and failed then print("both", i) end
            if not (had or failed) then lacking = lacking + 1 end
        end
    end
    local options = { %s }
    local p = pool.new(0)
    for count = 500, 4600, 37 do
        local before = core.now()
        local ok, o = interrupted(count, p.map, p, two, { 1, 2, 3 }, options)
        if not ok and type(o) == "table" and o.n then check(o) else others = others + 1 end
        if core.now() - before > 1.5 then print(count, "slow") end
        if due.level() ~= 0 then print(count, "depth") end
        if #p:map(math.sqrt, { 4, 9 }) ~= 2 then print(count, "broken") end
    end
    p:close()
    if not p:join(5) then print "cannot be joined" end
    print(cut > 20, others > 1, lacking <= 4, lacking)
]]

describe("Ctrl-C at any moment of a call without workers", function()
    for what, options in pairs {
        ["whose failures raise"] = "",
        ["whose failures are collected"] = "on_error = 'collect'",
        ["with further starts"] = "on_error = 'collect', retries = { n = 2, on = 'error', delay = 0.0001 }",
        ["with a limit"] = "on_error = 'collect', retries = { n = 1, on = 'error' }, "
            .. "limit = { n = 1, rate = 5000, key = function(i) return i % 2 end }",
    } do
        it("loses nothing, " .. what, function()
            local said = helpers.output(MOMENTS:gsub("%%s", function() return options end), "lua5.4")
            assert.matches("^true\ttrue\ttrue\t%d\n$", said)
        end)
    end
end)
