-- Functions whose _ENV is a table before the globals, as scripts give it to plugins.

local helpers = require "tests.support.helpers"

local PRELUDE = [[
    g1 = 10
    function helper(x) return g1 + x end
    local function env(fields, class)
        class = class or {}
        class.__index = class.__index or _G
        return setmetatable(fields or {}, class)
    end
    local function make(text, e, ...) return load(text, "=plugin", "t", e)(...) end
    local function show(p, f, ...)
        local result = p:apply(f, ...)
        local s = p:stats().carried
        print(result, s.ship, s.inherit)
    end
    local p = pool.new(1)
]]

-- What is shipped, and what it gives.
local shipped = {
    ["with globals"] = { "1311", [[ show(p, make("return function(x) return tostring(x) .. math.floor(3.5) .. helper(x) end", env()), 1) ]] },
    ["with functions of its own"] = { "66", [[ show(p, make("local y = 3 function double(x) return x * 2 * y end return function(x) return double(helper(x)) end", env()), 1) ]] },
    ["that hides a global"] = { "110", [[ show(p, make("g1 = 99 return function(x) return g1 + helper(x) end", env()), 1) ]] },
    ["before another one"] = { "15", [[ show(p, make("return function() return g1 + k end", env({}, { __index = env { k = 5 } }))) ]] },
    ["with other metamethods"] = { "10", [[ show(p, make("return function() n = g1 return n end", env({}, { __newindex = rawset, __call = print }))) ]] },
    ["and a global that init made"] = { "made", [[
        p = pool.new { workers = 1, init = function() made = "made" end }
        show(p, make("return function() return made end", env())) ]] },
    ["through functions of its own"] = { "10", [[ show(p, make("local function inner() return g1 end return function() return (function() return inner() end)() end", env())) ]] },
}

-- What any global may be reached through is inherited, and sees it.
local inherited = {
    ["that is a value"] = [[ make("return function(k) return _ENV[k] end", env()) ]],
    ["in which code is loaded"] = [[ make("return function(k) return load('return ' .. k)() end", env()) ]],
    ["in a table"] = [[ make("local t = { e = _ENV } return function(k) return t.e[k], g1 end", env()) ]],
    ["whose metatable is a value"] = [[ (function()
        local class = { __index = _G }
        return make("local c = ... return function(k) return c.__index[k], g1 end", env({}, class), class)
    end)() ]],
    ["whose metatable is another's, too"] = [[ (function()
        local class = { __index = _G }
        local other = { e = setmetatable({}, class) }
        return make("local o = ... return function(k) return o.e[k], g1 end", env({}, class), other)
    end)() ]],
    ["whose metatable is its own __index"] = [[ (function()
        local class = setmetatable({}, { __index = _G })
        class.__index = class
        return make("local c = ... return function(k) return c[k], g1 end", setmetatable({}, class), class)
    end)() ]],
    ["that looks names up by a function"] = [[ make("return function(k) return g1 end",
        setmetatable({}, { __index = function(_, k) return _G[k] end })) ]],
}

describe("a sandbox", function()
    helpers.each_interpreter(function(by)
        for name, case in pairs(shipped) do
            it(("%s is shipped, in %s"):format(name, by), function()
                assert.equal(case[1] .. "\t1\t0\n", helpers.output(PRELUDE .. case[2], by))
            end)
        end

        for name, make in pairs(inherited) do
            it(("%s is inherited, in %s"):format(name, by), function()
                assert.equal("10\t0\t1\n", helpers.output(PRELUDE .. "show(p, " .. make .. ", 'g1')", by))
            end)
        end

        it("is as it is at each call, in " .. by, function()
            assert.equal("20 30 3 nil\n", helpers.output(PRELUDE .. [[
                local e = env()
                local f = make("rate = 2 return function(x) left = x return rate * g1 * x end", e)
                local first = p:apply(f, 1)
                e.rate = 3
                local second = p:apply(f, 1)
                g1 = 1
                print(first .. " " .. second .. " " .. p:apply(f, 1) .. " " .. tostring(p:apply(function() return left end)))
            ]], by))
        end)
    end)
end)
