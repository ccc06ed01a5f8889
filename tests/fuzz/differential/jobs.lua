--- Random jobs as text: a chunk that gets a pool and a function `row`, which it tells what
--- came of it. A job is a table whose parts can be taken away one by one.

local functions = require "differential.functions"
local sources = require "differential.sources"
local values = require "differential.values"

local chance, pick, random = values.chance, values.pick, math.random

local M = {}

local verbs = { "map", "map", "map", "imap", "imap", "imap", "imap_unordered", "imap_unordered", "each", "reduce", "apply",
    "apply_async", "map_async", "starmap", "starmap_async", "broadcast" }

local single = { apply = true, apply_async = true, broadcast = true }
local lazy = { imap = true, imap_unordered = true }

-- How long a task with a loop may run, and one without: it must never need so long.
local SHORT <const>, LONG <const> = "0.1", "60"

local function options(verb, f)
    local given = {}
    local function maybe(share, name, value)
        if chance(share) then given[name] = tostring(value) end
    end
    maybe(0.5, "on_error", [["collect"]])
    maybe(0.25, "chunk", random(1, 20))
    maybe(0.25, "window", random(1, 30))
    maybe(0.25, "retries", pick("1", "2", "{ n = 2 }", [[{ n = 1, on = "error" }]], [[{ n = 2, on = "any", delay = 0.001 }]],
        [[{ n = 1, on = function(o) return o.kind == "error" end }]]))
    maybe(0.1, "deadline", LONG)
    maybe(0.15, "limit", pick("{ n = 1 }", "{ n = 2, key = type }", "{ rate = 5000 }",
        "{ n = 3, rate = 9000, key = function(...) return (...) end }",
        [[{ n = 1, key = function(x) if type(x) == "table" then error "no key" end return x end }]]))
    maybe(0.1, "halt", random(1, 4))
    maybe(0.15, "seed", random(-5, 1 << 40))
    maybe(0.1, "priority", random(-9, 9))
    maybe(0.1, "timeout", LONG)
    if f.loops then given.timeout = SHORT end
    if single[verb] then given.halt = nil end
    if verb == "reduce" then given.window = nil end
    return given
end

local function loop_of(job)
    if chance(0.35) then job.leave_at, job.leave = random(1, 12), pick("break", [[error "left"]], "error { left = i }", "return") end
    if chance(0.15) then
        job.body = pick("row('body', p:apply(things.twice, i))", "row('body', p:map(things.twice, { i }))",
            "row('body', pcall(p.apply, p, error, i))", "row('body', #pool.map(type, { i, i }))",
            "p:apply_async(things.twice, i)")
    end
end

local function arguments()
    local list = {}
    for i = 1, random(0, 3) do list[i] = chance(0.2) and "nil" or chance(0.04) and values.bound() or values.value(2) end
    return list
end

--- The job of a number in a series.
---@param seed integer
---@param serial integer
---@return table
function M.make(seed, serial)
    math.randomseed(seed, serial)
    local verb = verbs[random(#verbs)]
    local f = verb == "reduce" and functions.number() or functions.any(single[verb])
    local job = { verb = verb, f = f, options = options(verb, f), serial = serial }
    if single[verb] then
        job.arguments = arguments()
    else
        job.source = sources.any(verb == "reduce", verb:find "star" ~= nil)
    end
    if lazy[verb] then loop_of(job) end
    if verb == "reduce" then
        job.combine = pick("a .. b", "a .. b", "a .. b, 1", "tostring(a) .. b")
        job.init = pick("nil", "nil", [["init"]], "0")
    end
    if job.options.seed and not f.number and not f.ready then f.returns = "return x, math.random(1000), math.random()" end
    if chance(0.1) then job.within = true end
    return job
end

--- Can it be shipped as it is?
---@param job table
---@return boolean
function M.is_bound(job)
    if job.f.bound or job.source and job.source.bound then return true end
    for _, text in ipairs(job.arguments or {}) do
        if text:find "coroutine" or text:find "tmpfile" or text:find "gmatch" then return true end
    end
    return false
end

-- ---- as text ----

local function options_text(given)
    local names, parts = {}, {}
    for name in pairs(given) do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do parts[i] = name .. " = " .. given[name] end
    return "{ " .. table.concat(parts, ", ") .. " }"
end

local COLLECTED <const> = [[
local function collected(results, n, failures)
    row("n", n)
    for i = 1, n do
        if failures and failures[i] ~= nil then row("outcome", i, failures[i]) else row("value", i, results[i]) end
    end
    for i in pairs(results) do
        if i ~= "n" and (i < 1 or i > n) then row("beyond", i) end
    end
end]]

local calls = {}

local function collect(job, expression)
    return ("%s\ncollected(%s)"):format(COLLECTED, expression)
end

function calls.map(job, source, given)
    return collect(job, ("p:%s(f, %s, %s)"):format(job.verb, source, given))
end
calls.starmap = calls.map

function calls.map_async(job, source, given)
    return ([[
local called = 0
local future = p:%s(f, %s, %s)
future:on_done(function() called = called + 1 end)
row("waited", future:wait(), called)
row("successful", future:successful())
]]):format(job.verb, source, given) .. collect(job, "future:get()")
end
calls.starmap_async = calls.map_async

function calls.each(_, source, given)
    return ([[
local n, failures = p:each(f, %s, %s)
row("n", n)
for i = 1, n do
    if failures and failures[i] then row("outcome", i, failures[i]) end
end]]):format(source, given)
end

function calls.imap(job, source, given)
    local leave = job.leave and ("if taken == %d then do %s end end"):format(job.leave_at, job.leave)
        or "-- goes on" -- as many lines in any case: messages name them
    return ([[
local taken = 0
for i, v, o, more in p:%s(f, %s, %s) do
    if v == nil and is_outcome(o) and more == nil then row("outcome", i, o) else row("value", i, v, o, more) end
    taken = taken + 1
    %s
    %s
end
row("end", taken)]]):format(job.verb, source, given, job.body or "", leave)
end
calls.imap_unordered = calls.imap

function calls.reduce(job, source, given)
    return ([[
local total, failures = p:reduce(f, %s, function(a, b) return %s end, %s, %s)
row("total", total)
for i, o in pairs(failures or {}) do row("outcome", i, o) end]]):format(source, job.combine, job.init, given)
end

local function with(job, given)
    return given == "{  }" and "p" or ("p:with(%s)"):format(given), table.concat(job.arguments, ", ")
end

function calls.apply(job, _, given)
    local view, arguments = with(job, given)
    return ("row('gave', %s:apply(%s))"):format(view, "f" .. (arguments ~= "" and ", " .. arguments or ""))
end

function calls.spawn(job)
    local arguments = table.concat(job.arguments, ", ")
    return ("row('gave', process.spawn(f%s):result())"):format(arguments ~= "" and ", " .. arguments or "")
end

function calls.apply_async(job, _, given)
    local view, arguments = with(job, given)
    return ([[
local view, futures, called = %s, {}, 0
for i = 1, 3 do
    futures[i] = view:apply_async(f%s)
    futures[i]:on_done(function() called = called + 1 end)
end
row("all", pool.wait_all(futures), called, pool.wait_any(futures) ~= nil)
for i = 1, 3 do
    row("ready", futures[i]:ready(), futures[i]:successful())
    local function seen(ok, ...)
        if ok then row("gave", ...) else row("raised", ...) end
    end
    seen(pcall(futures[i].get, futures[i]))
end]]):format(view, arguments ~= "" and ", " .. arguments or "")
end

function calls.broadcast(job, _, given)
    local view, arguments = with(job, given)
    return ([[
local results, n, failures = %s:broadcast(f%s)
row("n", n == math.max(1, p:size()))
if failures and failures[1] then row("outcome", 1, failures[1]) else row("value", 1, results[1]) end]]):format(
        view, arguments ~= "" and ", " .. arguments or "")
end

local HEAD <const> = [[
local p, row, is_outcome = ...
local things = require "differential.things"
local pool = pool or require "luas".pool
local process = process or require "luas".process
local Vec = { __name = "Vec" }
require "differential.show".class(Vec, "Vec")
local NONE = {}
]]

--- The chunk. With `spawned` the call is of a process.
---@param job table
---@param spawned boolean?
---@return string
function M.render(job, spawned)
    local defs, source = "", ""
    if job.source then defs, source = sources.render(job.source) end
    local body = calls[spawned and "spawn" or job.verb](job, source, options_text(job.options))
    local lines = { HEAD .. functions.render(job.f), defs, "local function act()", body, "end" }
    lines[#lines + 1] = job.within and "coroutine.wrap(act)()" or "act()"
    return (table.concat(lines, "\n"):gsub("\n%s*\n", "\n"))
end

-- ---- simpler ----

local function copy(v)
    if type(v) ~= "table" then return v end
    local new = {}
    for k, x in pairs(v) do new[k] = copy(x) end
    return new
end

local function without(name)
    return function(job)
        if job[name] == nil or job[name] == false then return false end
        job[name] = nil
        return true
    end
end

local function shorten(list, from, to)
    if not list or #list < to or from > to then return false end
    for _ = from, to do table.remove(list, from) end
    return true
end

local steps = {
    without "within", without "body", without "leave",
    function(job) return without "fails" (job.f) end,
    function(job) if job.f.returns == "return 1" or job.f.ready then return false end job.f.returns = "return 1" return true end,
    function(job) return job.source and without "raise_at" (job.source) end,
    function(job)
        if job.f.when == "true" or not job.f.fails then return false end
        job.f.when = "true"
        return true
    end,
}

--- Jobs that are a little simpler than this one.
---@param job table
---@return fun(): table?
function M.simpler(job)
    return coroutine.wrap(function()
        local function try(change)
            local new = copy(job)
            if change(new) then coroutine.yield(new) end
        end
        for _, step in ipairs(steps) do try(step) end
        for name in pairs(job.options) do
            try(function(new)
                new.options[name] = nil
                return not (name == "timeout" and new.f.loops and new.f.fails) -- it would never end
            end)
        end
        local rows = job.source and job.source.rows or job.arguments or {}
        local size = #rows // 2
        while size > 0 do
            for at = 1, #rows - size + 1, size do
                try(function(new)
                    if new.source and new.source.n then new.source.n = new.source.n - size end
                    return shorten(new.source and new.source.rows or new.arguments, at, at + size - 1)
                end)
            end
            size = size // 2
        end
    end)
end

return M
