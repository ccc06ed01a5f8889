--- What `luas --selftest` does: each of the promise's five outcomes is brought about once, and the speed
--- of calls, tasks and results is shown beside what two pipes do on this machine.

local core = require "luas.core"
local later = require "luas.later"
local insights = later.open "luas.insights"

local M = {}

local stdout, now = io.stdout, core.now

-- Seconds: what a case may take, one figure, and a piece of it, measured in turn with the pipes.
local PATIENCE <const>, FIGURE <const>, PIECE <const> = 15, 2.4, 0.2

local function say(format, ...)
    stdout:write(format:format(...), "\n")
    stdout:flush()
end

-- ---- what becomes of a task ----

local function answer(x) return x + 1 end

local function fail(x) error("no good: " .. x) end

local function hang() while true do end end

-- The shell's parent is the worker.
local function die() os.execute "kill -9 $PPID" end

local function expect(is_so, format, ...)
    if not is_so then error(format:format(...), 0) end
end

-- Runs f on 2 among tasks that are well, and gives its outcome: none of the others is disturbed.
local function one_of_three(p, f, options)
    local function task(i)
        if i == 2 then return f(i) end
        return i
    end
    options.on_error, options.chunk = "collect", 1
    local results, n, failures = p:map_async(task, { 1, 2, 3 }, options):get(PATIENCE)
    expect(n == 3 and results[1] == 1 and results[3] == 3, "the tasks beside it gave %s and %s",
        tostring(results[1]), tostring(results[3]))
    expect(failures[2], "it gave %s", tostring(results[2]))
    return failures[2]
end

local function expect_kind(outcome, kind)
    expect(outcome.kind == kind, "it ended as %s: %s", outcome.kind, outcome.message)
    expect(outcome.index == 2 and outcome.input == 2, "its input is not told")
end

local cases = {
    { "value", "a task that returns: its result is here", function(p)
        local got = p:apply_async(answer, 41):get(PATIENCE)
        expect(got == 42, "it gave %s", tostring(got))
    end },
    { "error", "a task that raises: what it raised, where, and its input", function(p)
        local outcome = one_of_three(p, fail, {})
        expect_kind(outcome, "error")
        expect(outcome.message:find("no good: 2", 1, true), "its message is %s", outcome.message)
    end },
    { "timeout", "a task that never ends: stopped after its time", function(p)
        expect_kind(one_of_three(p, hang, { timeout = 0.3 }), "timeout")
    end },
    { "crash", "a task whose process is killed: told, and the worker replaced", function(p)
        local outcome = one_of_three(p, die, {})
        expect_kind(outcome, "crash")
        expect(outcome.signal == 9, "its signal is %s", tostring(outcome.signal))
        expect(p:apply_async(answer, 1):get(PATIENCE) == 2, "the pool does not go on")
    end },
    { "cancelled", "a task that is called off: never begun, or stopped", function(p)
        local future = p:apply_async(hang)
        future:cancel()
        local ok, outcome = core.try(future.get, future, PATIENCE)
        expect(not ok and type(outcome) == "table" and outcome.kind == "cancelled", "it ended as %s",
            ok and "value" or tostring(outcome))
        expect(p:apply_async(answer, 1):get(PATIENCE) == 2, "the pool does not go on")
    end },
}

-- Errors that are no failure of the case, such as Ctrl-C, pass.
local function check(p, case)
    local ok, why = core.try(case[3], p)
    if ok then
        say("  %-10s %s", case[1], case[2])
    else
        say("  %-10s FAILED: %s: %s", case[1], case[2], tostring(why))
    end
    return ok
end

local function check_all(p)
    say("What becomes of a task, and of those beside it:")
    local failed = 0
    for _, case in ipairs(cases) do
        if not check(p, case) then failed = failed + 1 end
    end
    return failed
end

-- ---- how fast ----

local function middle(list)
    table.sort(list)
    return list[(#list + 1) // 2]
end

-- How much a second: `some` does some of it and says how much.
local function pace(some)
    local began, done = now(), 0
    repeat done = done + some() until now() - began >= PIECE
    return done / (now() - began)
end

-- The medians of pieces of both, measured in turn.
local function side_by_side(some, pipe)
    local ours, pipes = {}, {}
    local stop = now() + FIGURE
    some()
    repeat
        if pipe then pipes[#pipes + 1] = pipe(PIECE) end
        ours[#ours + 1] = pace(some)
    until now() >= stop
    return middle(ours), middle(pipes)
end

local function thousands(x)
    local text = ("%.0f"):format(x)
    return (text:reverse():gsub("(%d%d%d)(%f[%d])", "%1 %2"):reverse())
end

local function times(ratio)
    return ("%.2g times"):format(ratio)
end

local function show_calls(p, pipes)
    local calls, bounces = side_by_side(function()
        for i = 1, 20 do p:apply(answer, i) end
        return 20
    end, pipes.bounce)
    say("  %9s calls a second, one after the other: one takes %s. A byte there and back through two",
        thousands(calls), insights.seconds(1 / calls))
    say("  %9s pipes takes %s; so a call takes %s as long.", "", insights.seconds(1 / bounces), times(bounces / calls))
end

local function show_tasks(p)
    local items = {}
    for i = 1, 20000 do items[i] = i end
    local tasks = side_by_side(function() return select(2, p:map(answer, items)) end)
    say("  %9s tasks a second, in one map: one costs %s beside what it does itself.", thousands(tasks),
        insights.seconds(1 / tasks))
end

local function show_bytes(p, pipes)
    local function megabyte() return ("x"):rep(1024):rep(1024) end
    local items = { 1, 2, 3, 4, 5, 6, 7, 8 }
    local bytes, raw = side_by_side(function()
        local results, n = p:map(megabyte, items)
        return n * #results[1]
    end, pipes.carry)
    say("  %9s MB a second come back as results of 1 MB. A pipe carries %s, into one buffer that is",
        thousands(bytes / 1e6), thousands(raw / 1e6))
    say("  %9s used again; so results, which are made and kept, have %s its speed.", "", times(bytes / raw))
end

-- ---- all of it ----

---@param pipes { bounce: fun(seconds: number): number, carry: fun(seconds: number): number }
---@return integer status  0; 1 when a case fails
---@return string?  message
function M.main(pipes)
    local pool = require "luas".pool
    local p <close> = pool.new(math.max(2, pool.cpus()))
    say("luas with %d workers on %d CPU%s", p:size(), pool.cpus(), pool.cpus() == 1 and "" or "s")
    local failed = check_all(p)
    if failed > 0 then return 1, ("%d of %d outcomes are not what they must be"):format(failed, #cases) end
    say("How fast that is here, now:")
    show_calls(p, pipes)
    show_tasks(p)
    show_bytes(p, pipes)
    say("All is well.")
    return 0
end

return M
