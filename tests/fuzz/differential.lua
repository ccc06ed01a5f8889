--- Random jobs, each run in several ways: in the caller (workers = 0), with one worker and with four, shipped and
--- inherited, single calls also as a process of their own. All must give the same results, kinds, messages, inputs and
--- counts, but for what lua/README.md names under Limits.
---
---   luas tests/fuzz/differential.lua [SECONDS [SEED [JOB]]]
---
--- The seed is printed. What differs is shown as a program, as short as it was easy to get. With JOB only that job is
--- run. `lua5.4` does as well, with LUA_CPATH.

local folder = arg[0]:match "^(.*/)" or "./"
package.path = folder .. "?.lua;" .. package.path

local luas = pool and { pool = pool, process = process, shared = shared } or require "luas"
local core = require "luas.core"
local jobs = require "differential.jobs"
local show = require "differential.show"
require "differential.things" -- before any worker is forked

local seconds = tonumber(arg[1]) or 60
local seed = math.tointeger(arg[2]) or os.time()
local most = tonumber(os.getenv "MOST") or 3 -- differences that are shown
local only = math.tointeger(arg[3])

local READY <const> = "0 ship, 0 inherit, 1 ship, 1 inherit, 4 ship, 4 inherit, 4 auto"
local ways = {}
for workers, carry in READY:gmatch "(%d) (%a+)" do
    ways[#ways + 1] = { workers = tonumber(workers), carry = carry, name = workers .. " " .. carry }
end

-- ---- what came of a job ----

-- What cannot be the same is not compared: which of the items that a worker combined was running when it died, and that
-- a process is no task of a job.
local function trim(job, o)
    if not show.is_outcome(o) then return o end
    if job.verb == "reduce" and o.kind ~= "error" then o.index, o.count, o.input = nil, nil, nil end
    if job.verb == "apply" then o.index, o.count = nil, nil end
    return o
end

local function recorder(job, rows)
    local function row(name, ...)
        local values = table.pack(...)
        for i = 1, values.n do values[i] = trim(job, values[i]) end
        rows[#rows + 1] = name .. " " .. show.values(table.unpack(values, 1, values.n))
    end
    return row
end

-- What a call that was cut short had stands in rows of its own.
local function tell_raised(row, raised)
    if show.is_outcome(raised) and raised.n then
        row("had", raised.n, raised.result)
        for i = 1, raised.n do
            local o, results = raised.failures[i], raised.results
            if o ~= nil then row("outcome", i, o) elseif results then row("value", i, results[i]) end
        end
        raised.n, raised.result, raised.failures, raised.results = nil, nil, nil, nil
    end
    row("raised", raised)
end

local function observe(job, text, view)
    local rows = {}
    local row = recorder(job, rows)
    local chunk, wrong = load(text, "=job")
    if not chunk then error(wrong .. "\n" .. text, 0) end
    local ok, raised = pcall(chunk, view, row, show.is_outcome)
    if not ok then tell_raised(row, raised) end
    if job.verb == "imap_unordered" or job.verb == "reduce" then table.sort(rows) end
    return rows
end

-- ---- what is the same ----

-- Which task is the first to fail, and which are done by then, is not said there.
local function is_free(job)
    local o = job.options
    return o.halt or job.verb == "imap_unordered" and (job.leave or o.on_error ~= [["collect"]])
end

-- The job without what makes it end early.
local function whole(job)
    local new = setmetatable({ leave = false, options = setmetatable({}, { __index = job.options }) }, { __index = job })
    for k, v in pairs(job.options) do new.options[k] = v end
    new.options.halt, new.options.on_error = nil, [["collect"]]
    return new
end

local function set(rows)
    local all = {}
    for _, row in ipairs(rows) do
        all[row] = true
        if row:find "^outcome" then all["raised (" .. row:gsub("^outcome %(%d+, ", "")] = true end
    end
    return all
end

-- Each row is one of those that the whole job gives, or says that a task was cancelled.
local function differs_freely(rows, all)
    for _, row in ipairs(rows) do
        if (row:find "^value" or row:find "^outcome" or row:find "^raised") and not all[row]
            and not row:find('["kind"]="cancelled"', 1, true) and not row:find "left" then
            return row
        end
    end
end

-- ---- a set of pools ----

local Set = {}
Set.__index = Set

local function open(options)
    local self = setmetatable({ pools = {}, options = options }, Set)
    for _, way in ipairs(ways) do
        if not self.pools[way.workers] then
            local given = assert(load("return " .. options))()
            given.workers = way.workers
            self.pools[way.workers] = luas.pool.new(given)
        end
    end
    return self
end

function Set:view(way)
    return self.pools[way.workers]:with { carry = way.carry }
end

function Set:__close()
    for _, p in pairs(self.pools) do
        p:close()
        p:join()
    end
    dinit = nil
end

-- ---- a job, in all ways ----

-- What kills would end this process, too; and a function that is shipped though it makes up names of globals finds those
-- of the worker.
local function fits(job, way)
    return not (job.f.kills and way.workers == 0) and not (job.f.inherited and way.carry == "ship")
end

local function ways_of(job)
    local list = {}
    for _, way in ipairs(ways) do
        if fits(job, way) then list[#list + 1] = way end
    end
    return list
end

-- As a process it has no options, and no number.
local function can_be_spawned(job)
    return job.verb == "apply" and not job.f.loops and not job.options.seed and not job.options.retries
        and not (job.f.returns or ""):find "pool.task"
end

-- What cannot be shipped is compared with what is to be shipped as well, and the rest with the rest.
local function class(job, way)
    return jobs.is_bound(job) and way.carry == "ship" and "ship" or "any"
end

local function difference(a, b, x, y)
    return { ways = { x, y }, rows = { a, b } }
end

local function same(a, b)
    return table.concat(a, "\n") == table.concat(b, "\n")
end

local function compare_free(job, pools)
    local text, complete, known = jobs.render(job), whole(job), {}
    for _, way in ipairs(ways_of(job)) do
        local kind = class(job, way)
        known[kind] = known[kind] or { way.name .. ", whole", observe(complete, jobs.render(complete), pools:view(way)) }
        local name, all = table.unpack(known[kind])
        local rows = observe(job, text, pools:view(way))
        if differs_freely(rows, set(all)) then return difference(all, rows, name, way.name) end
    end
end

local function compare_exactly(job, pools)
    local first, text = {}, jobs.render(job)
    local function check(kind, name, rows)
        local known = first[kind]
        first[kind] = known or { name = name, rows = rows }
        if known and not same(known.rows, rows) then return difference(known.rows, rows, known.name, name) end
    end
    for _, way in ipairs(ways_of(job)) do
        local found = check(class(job, way), way.name, observe(job, text, pools:view(way)))
        if found then return found end
    end
    if can_be_spawned(job) then
        return check("any", "process", observe(job, jobs.render(job, true), pools:view(ways[1])))
    end
end

--- The first difference between two ways of running it; nil if there is none.
local function compare(job, pools)
    return (is_free(job) and compare_free or compare_exactly)(job, pools)
end

-- ---- what is found ----

local function compare_alone(job, options)
    local pools <close> = open(options)
    return compare(job, pools)
end

-- Takes away what the difference does not need, for some seconds.
local function minimise(job, options, found)
    local stop = core.now() + 20
    local again = true
    while again do
        again = false
        for simpler in jobs.simpler(job) do
            if core.now() > stop then return job, found end
            local ok, other = pcall(compare_alone, simpler, options)
            if ok and other then
                job, found, again = simpler, other, true
                break
            end
        end
    end
    return job, found
end

local PROGRAM <const> = [[
package.path = "%s?.lua;" .. package.path
local show = require "differential.show"
local pool = pool or require "luas".pool
local function job(...)
%s
end
for _, way in ipairs { %s } do
    print("-- workers = " .. way[1] .. ", " .. way[2])
    local given = %s
    given.workers, given.carry = way[1], way[2]
    local p <close> = pool.new(given)
    print(pcall(job, p, function(name, ...) print(name, show.values(...)) end, show.is_outcome))
end
]]

local function program(job, options, found)
    local parts = {}
    for _, name in ipairs(found.ways) do
        local workers, carry = name:match "^(%d) (%a+)"
        parts[#parts + 1] = workers and ('{ %s, "%s" }'):format(workers, carry) or nil
    end
    return PROGRAM:format(folder, jobs.render(job):gsub("\n", "\n    "), table.concat(parts, ", "), options)
end

local function show_difference(found)
    local shown = 0
    for i = 1, math.max(#found.rows[1], #found.rows[2]) do
        local a, b = found.rows[1][i], found.rows[2][i]
        if a ~= b and shown < 5 then
            shown = shown + 1
            print(("    %-12s %s\n    %-12s %s"):format(found.ways[1], a, found.ways[2], b))
        end
    end
end

-- A task that is stopped because the machine is slow is no difference: it gets more time.
local function is_slowness(job, options, found)
    if not job.options.timeout or not table.concat(found.rows[1]):find "timeout" == not table.concat(found.rows[2]):find "timeout" then
        return false
    end
    job.options.timeout = "2"
    return not compare_alone(job, options)
end

local function tell(job, options, found)
    print(("differential: FAILED (seed %d, job %d): %s, %s"):format(seed, job.serial, job.verb, table.concat(found.ways, " and ")))
    local alone = compare_alone(job, options)
    if alone then
        job, found = minimise(job, options, alone)
    else
        print "    not by itself: only after the jobs before it"
    end
    show_difference(found)
    print(program(job, options, found))
end

-- ---- the run ----

-- Ends this process if it makes no progress.
local function watch(host, serial)
    local never, last, since = luas.shared.event(), -1, core.now()
    while true do
        never:wait(1)
        local n = serial:get()
        if n ~= last then last, since = n, core.now() end
        if core.now() - since > 60 then
            print(("differential: FAILED (seed %d, job %d): no end in 60 s"):format(seed, n))
            os.execute("kill -9 " .. host)
        end
    end
end

local function children()
    local file = io.open(("/proc/%d/task/%d/children"):format(core.pid(), core.pid()))
    return file and file:read "a" or ""
end

local pool_options = { "{}", "{}", "{}", "{ max_tasks = 3 }", "{ init = function() dinit = 5 end }", [[{ name = "calc" }]], "{ stats = true }" }

io.stdout:setvbuf "line"
print(("differential: %g seconds, seed %d"):format(seconds, seed))
local serial, failed, slow = luas.shared.value("i64"), 0, 0
local watcher = luas.process.spawn(watch, core.pid(), serial)
local stop = core.now() + seconds

local function one(k, options, pools)
    serial:set(k)
    local job = jobs.make(seed, k)
    if os.getenv "VERBOSE" then print(k, job.verb) end
    local ok, found = pcall(compare, job, pools)
    if not ok then
        print(("differential: FAILED (seed %d, job %d): %s"):format(seed, k, found))
        failed = failed + 1
    elseif found and is_slowness(job, options, found) then
        slow = slow + 1
    elseif found then
        failed = failed + 1
        tell(job, options, found)
    end
end

local function batch(k)
    math.randomseed(seed, -k)
    local options, last = pool_options[math.random(#pool_options)], k + math.random(40)
    local pools <close> = open(options)
    while k < last and core.now() < stop and failed < most do
        k = k + 1
        one(k, options, pools)
    end
    return k
end

local done = only or 0
if only then
    local pools <close> = open(pool_options[1])
    one(only, pool_options[1], pools)
else
    while core.now() < stop and failed < most do done = batch(done) end
end
watcher:kill()
watcher:join()
luas.pool.close()
luas.pool.join()
collectgarbage()
collectgarbage()
if children():find "%d" then
    print("differential: FAILED: children are left: " .. children())
    failed = failed + 1
end
print(("differential: %d jobs, %d differ, %d were slow"):format(done, failed, slow))
os.exit(failed == 0, true)
