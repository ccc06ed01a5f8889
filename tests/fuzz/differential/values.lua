--- Random Lua expressions: values of all kinds, and what tasks and sources raise.

local M = {}

local random = math.random

--- One of the arguments.
function M.pick(...)
    return (select(random(select("#", ...)), ...))
end

--- True so often.
---@param share number  from 0 to 1
function M.chance(share)
    return random() < share
end

local pick = M.pick

local scalars = {
    "true", "false", "0", "1", "-1", "42", "math.maxinteger", "math.mininteger", "(1 << 53) + 1", "255", "-129",
    "0.5", "-0.0", "1e300", "5e-324", "1/0", "-1/0", "0/0", "2.0^53", "3.0",
    [[""]], [["a"]], [["zero\0zero"]], [["\xff\xfe"]], [["two\nlines"]], [[("x"):rep(300)]], [[("y\0"):rep(20000)]],
    [["%d %s"]], [["nil"]],
}

-- What cannot be sent, but inherited.
local bound = { "coroutine.create(type)", "io.tmpfile()", "coroutine.wrap(type)", [[("a b"):gmatch "%a"]] }

local function inner(depth)
    return M.value(depth - 1)
end

local makers = {
    function() return "{}" end,
    function(depth) return ("{ %s, %s, %s }"):format(inner(depth), inner(depth), inner(depth)) end,
    function(depth) return ("{ nil, %s, nil, %s, n = 5 }"):format(inner(depth), inner(depth)) end,
    function(depth) return ("{ a = %s, b = { c = %s } }"):format(inner(depth), inner(depth)) end,
    function(depth) return ("{ [1.5] = %s, [false] = 1, [-3] = 2, [\"\"] = 3 }"):format(inner(depth)) end,
    function(depth) return ("{ [{}] = %s }"):format(inner(depth)) end,
    function(depth) return ("things.point(%s)"):format(inner(depth)) end,
    function(depth) return ("things.packed(%s)"):format(inner(depth)) end,
    function(depth) return ("setmetatable({ %s }, Vec)"):format(inner(depth)) end,
    function() return "(function() local t = {} t.t = t return t end)()" end,
    function(depth) return ("(function() local s = { %s } return { s, { s } } end)()"):format(inner(depth)) end,
    function() return "(function() local t = {} for _ = 1, 100 do t = { t } end return t end)()" end,
    function() return "function(v) return v, Vec end" end,
    function() return pick("math.max", "string.rep", "io.stdout", "type", "things.twice", "things", "string") end,
}

--- A value, not nil.
---@param depth integer  of tables in it
---@return string
function M.value(depth)
    if depth > 0 and M.chance(0.4) then return makers[random(#makers)](depth) end
    return scalars[random(#scalars)]
end

--- A value that cannot be sent.
---@return string
function M.bound()
    return bound[random(#bound)]
end

--- How many values.
---@param most integer
---@return integer
function M.count(most)
    return M.chance(0.05) and 0 or random(most)
end

-- What raises an error, where `i` is the number of the task.
local errors = {
    [[error("no " .. i)]], [[error("plain", 0)]], [[error("two", 2)]], "error { code = i }", "error(nil)", "error()",
    [[error(setmetatable({ i }, { __tostring = function(o) return "object " .. o[1] end }))]],
    [[error(setmetatable({}, { __name = "Named" }))]],
    [[error(setmetatable({}, { __tostring = function() error "cannot say" end }))]],
    [[error(setmetatable({}, { __tostring = function() return 5 end }))]],
    "error(i)", "error(1.5)", "error(true)", "error(type)", "error(function() end)", "error(things.point(i))",
    "error(coroutine.create(type))", "error(io.stdout)", [[error(("long"):rep(30000))]], [[error("zero\0zero")]],
    "local t t.x = 1", "return i + {}", "return nosuchfunction(i)", "return #i", [[return ("x"):rep(-1, {})]],
    "string.rep()", "assert(false)", "assert(nil, { code = i })", [[assert(false, "asserted")]], "assert()",
    "error(setmetatable({}, Vec))", [[error { kind = "error", index = 5 }]], [[coroutine.wrap(function() error "inside" end)()]],
    [[local c <close> = setmetatable({}, { __close = function() error "closing" end })]],
    [[local c <close> = setmetatable({}, { __close = function(_, e) error { e } end }) error "first"]],
    "coroutine.yield(1)", "error(select(2, pcall(error, { i })))", [[xpcall(error, function(m) error(m) end, "x") error "handled"]],
    "return nil .. i", "for _ = 1, 10, 0 do end", "return 1 < {}", "return math.tointeger(2^53) // 0", "goto out ::out:: error [[goto]]",
    [[pool.map(function(v) if v == 2 then error("nested " .. v) end end, { 1, 2, 3 })]],
    [[pool.apply(function() os.exit(4) end)]], [[pool.map(1)]], [[error(select(2, pcall(pool.apply, error, { i })))]],
    [[return load("error [=[loaded]=]", "=loaded")()]], [[require "differential.nosuchmodule"]],
    [[setmetatable({}, { __index = function(_, k) error(k) end }).field()]],
}

local exits = {
    "os.exit(3)", "os.exit(true)", "os.exit(false)", "os.exit(0)", "os.exit()", "os.exit(7, true)", "os.exit(259)",
    "pcall(os.exit, 5)", "coroutine.wrap(function() os.exit(6) end)()", "coroutine.wrap(os.exit)(6)",
    "local c <close> = setmetatable({}, { __close = function() os.exit(8) end })",
}

local kills = { "os.execute 'kill -9 $PPID'", "os.execute 'kill -SEGV $PPID'", "os.execute 'kill -TERM $PPID' while true do end" }

local loops = {
    "while true do end", "pcall(function() while true do end end)", "repeat until false",
    "coroutine.wrap(function() while true do end end)()", "while true do pcall(error) end",
}

-- Loops that must be killed: after the grace time.
local stubborn = { "while true do pcall(function() while true do end end) end", [[("a"):rep(30):find(("a*"):rep(30) .. "b")]] }

--- What a task does that fails: a statement; and what there must be for it: a time
--- limit, a process of its own. Slow kinds are few.
---@return string text, boolean loops, boolean kills
function M.failure()
    local roll = random()
    if roll < 0.75 then return errors[random(#errors)], false, false end
    if roll < 0.90 then return exits[random(#exits)], false, false end
    if roll < 0.965 then return kills[random(#kills)], false, true end
    if roll < 0.995 then return loops[random(#loops)], true, false end
    return stubborn[random(#stubborn)], true, true
end

--- What a source raises.
---@return string
function M.raise()
    return errors[random(21)]
end

return M
