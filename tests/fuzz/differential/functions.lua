--- Random functions for tasks: what they reach outside of themselves, what they return,
--- and how they fail.

local values = require "differential.values"

local chance, pick, random = values.chance, values.pick, math.random

local M = {}

-- What a function reaches: an expression, and what is defined before the function.
local reaches = {
    function() return "x" end,
    function() return "k", "local k = " .. values.value(2) end,
    function() return "t.k, #t", ("local t = { 1, 2, k = %s }"):format(values.value(1)) end,
    function() return "dscale", "dscale = " .. values.value(1) end,
    function() return "dtwice(x)", "function dtwice(v) return { v, v, dscale } end dscale = " .. random(100) end,
    function() return "dconf.deep.er", ("dconf = { deep = { er = %s } }"):format(values.value(1)) end,
    function() return "things.twice(x), things.limit" end,
    function() return [[require "differential.things".point(x)]] end,
    function() return "fac(20)", "local function fac(n) if n <= 1 then return 1 end return n * fac(n - 1) end" end,
    function() return "even(10)", "local odd local function even(n) return n == 0 or odd(n - 1) end "
        .. "function odd(n) return n ~= 0 and even(n - 1) end" end,
    function() return "object:sum()", "local object = things.point(5)" end,
    function() return "getmetatable(x) == things.Point, getmetatable(x) == Vec, type(x), math.type(x)" end,
    function() return "nosuchglobal" end,
    function() return "pool.task and pool.task.attempt, coroutine.isyieldable()" end,
    function() return "pool.map(function(y) return { y, type(x) } end, { 1, 2, 3 })" end,
    function() return "select(2, pcall(pool.map, function(y) error { y } end, { 1 }))" end,
    function() return "pool.reduce(function(y) return y end, pool.range(1, 10), math.max)" end,
    function() return "coroutine.wrap(function(a) coroutine.yield(a) end)(type(x))" end,
    function() return "debug.getinfo(1, 'Sl').short_src, debug.getinfo(1, 'l').currentline" end,
    function() return "load 'return 5, ...' (x)" end,
    function() return "table.pack(...)" end,
    function() return "closures[2](), closures[1]()",
        "local closures = {} for j = 1, 2 do closures[j] = function() return j end end" end,
    function() return "next({}), rawequal(x, x), tostring(nil), #tostring(print) > 0" end,
    function() return "x == NONE, y == NONE", "local NONE = NONE" end,
    function() return "dinit" end,
    function() return "#arg, arg == dargs", "dargs = arg" end,
    function() return "_VERSION, _G == _ENV, math.pi" end,
    function() return "string.format('%s %q', type(x), 1.5), ('x'):upper()" end,
    function() return "things == package.loaded['differential.things']" end,
}

-- The same for what cannot be sent.
local bound = {
    function() return "io.type(file)", "local file = io.tmpfile()" end,
    function() return "type(routine), coroutine.status(routine)", "local routine = coroutine.create(type)" end,
    function() return "type(words)", [[local words = ("a b"):gmatch "%a"]] end,
    function() return "_G['d' .. 'scale']", "dscale = " .. random(100) end,
}

local returns = {
    "return $reach", "return x, $reach", "return $reach, nil, x", "return nil", "return", "return nil, $reach", "return { $reach }",
    "return x, { $reach }, nil, nil", "return ...", "return table.unpack({}, 1, 100)", "local t = { $reach } return t, t, { t }",
    "return function(...) return $reach end", "return $value", "return x", "return false", "return nil, nil", "return $value, $value",
    "return $bound", "return x and x, y", "return select('#', ...), $reach",
}

local ready = {
    "math.type", "type", "select", "string.upper", "error", "assert", "pcall", "table.pack", "ipairs",
    "tostring", "string.rep", "rawequal", "getmetatable", "coroutine.isyieldable", "things.twice",
    "setmetatable({}, { __call = function(_, ...) return ... end })", "things.point", "coroutine.yield", "math.max",
    "load", "string.len", "utf8.char", "tonumber",
}

-- When a task fails, given its number i.
local function moment(f)
    if chance(f.single and 0.7 or 0.2) then return "true" end
    local every = random(2, 9)
    local when = ("i %% %d == %d"):format(every, random(0, every - 1))
    return chance(0.15) and when .. " and (not pool.task or pool.task.attempt == 1)" or when
end

local function add_failure(f)
    f.fails, f.loops, f.kills = values.failure()
    f.when = f.loops and ("i == %d"):format(f.single and 1 or random(5)) or moment(f)
    if f.loops then f.returns = "return x" end -- a task that goes on after its time is over is not told how
end

local function fill_in(text, reach)
    return (text:gsub("%$(%a+)", function(word)
        if word == "reach" then return reach end
        return word == "value" and values.value(2) or values.bound()
    end))
end

--- A function whose parts can be taken away one by one.
---@param single boolean  whether it is called once
---@return table
function M.any(single)
    if chance(0.06) then
        local text = pick(table.unpack(ready))
        return { ready = text }
    end
    local bind = chance(0.05)
    local list = bind and bound or reaches
    local reach, defs = list[random(#list)]()
    local f = { defs = defs, returns = fill_in(pick(table.unpack(returns)), reach), bound = bind, single = single,
        inherited = reach:find("_G[", 1, true) ~= nil }
    if chance(0.45) then add_failure(f) end
    return f
end

--- A function for `reduce`: of numbers, to text or numbers.
---@return table
function M.number()
    local f = { number = true, returns = pick("return x", "return tostring(x)", "return 2 * x, x", "return x // 1") }
    if chance(0.4) then add_failure(f) end
    return f
end

-- The number of the task, which `reduce` does not tell.
local function index(f)
    return f.number and "x // 1" or f.single and "1" or "pool.task and pool.task.index or 1"
end

--- The function as text: what comes before it, and itself.
---@param f table
---@return string
function M.render(f)
    if f.ready then return ("local f = %s"):format(f.ready) end
    local lines = { f.defs or "", "local function f(...)", "    local x, y = ..." }
    if f.fails then
        lines[#lines + 1] = ("    local i = %s"):format(index(f))
        lines[#lines + 1] = ("    if %s then"):format(f.when)
        lines[#lines + 1] = ("        do %s end"):format(f.fails)
        lines[#lines + 1] = "    end"
    end
    lines[#lines + 1] = ("    %s"):format(f.returns)
    lines[#lines + 1] = "end"
    return table.concat(lines, "\n")
end

return M
