--- Pools: the verbs that run a function over many inputs in worker processes.

local check = require "luas.check"
local core = require "luas.core"
local due = require "luas.due"
local future = require "luas.future"
local gather = require "luas.gather"
local Job = require "luas.job"
local later = require "luas.later"
local lazy = require "luas.lazy"
local files = later.open "luas.files"
local journal = later.open "luas.journal"
local lines = later.open "luas.lines"
local options = require "luas.options"
local outcome = require "luas.outcome"
local reduce = later.open "luas.reduce"
local search = later.open "luas.search"
local sources = require "luas.sources"
local State = require "luas.state"
local progress = later.open "luas.progress"

local callable, max = check.callable, math.max

---@alias luas.source table|fun(): any, ...

---@class luas.pool
local Pool = {}

---@class luas.poolmodule: luas.pool
local M = {}

-- A pool that was opened before this process was forked belongs to the host. In this process
-- its verbs run inline, also if the pool is closed there. Its verbs also run inline in a task that
-- runs in the host itself, unless that task opened the pool.
local function present(self)
    local state = self.state
    local pid = core.pid()
    if state.owner == pid and (state.size == 0 or due.level() <= state.depth) then return state end
    if not state.here or state.here.owner ~= pid then state.here = State.new { workers = 0, output = state.output } end
    return state.here
end

local function state_of(self)
    local state = present(self)
    if state.closed then check.fail("pool is closed") end
    return state
end

-- ---- arguments ----

local KEYS <const> = "; pool.iter(pairs(t)) is a source of its keys and values"

local function length(items, what)
    local n, problem, has_keys = core.length(items)
    if n then return n end
    check.fail(("bad argument #2 to '%s' (%s%s)"):format(what, problem, has_keys and KEYS or ""))
end

-- The first value of pairs or ipairs alone is no iterator: it needs their other two values.
local next_index = ipairs {}

local function input(source, what)
    check.argument(source, 2, what, "table or function")
    if source == next or source == next_index then
        check.fail(("bad argument #2 to '%s' (an iterator alone is no source: write pool.iter(%s(t)))")
            :format(what, source == next and "pairs" or "ipairs"))
    elseif type(source) == "function" then
        return { source = source }
    end
    return { items = source, n = length(source, what) }
end

local HINT <const> = "; what a generic for takes becomes a source by pool.iter"

local function job_options(self, given, what, source)
    if given == nil then return self.defaults end
    options.check(options.job, given, "pool." .. what, type(source) == "function" and HINT)
    return options.merge(self.defaults, given)
end

local function start(self, what, f, source, given, how)
    callable(f, what)
    local given_input = input(source, what)
    local all = job_options(self, given, what, source)
    how.verb = what
    if self.recorded then for name, value in pairs(self.recorded) do how[name] = value end end
    return Job.start(state_of(self), f, given_input, all, how), all
end

-- ---- map ----

local function map(self, what, f, source, given, star)
    local job <close>, all = start(self, what, f, source, given, { star = star })
    return gather.give(job, all)
end

--- Calls `f` on every item, in worker processes: a table of the (first)
--- results in input order, and their number. Raises the first failing
--- outcome, in input order; with `on_error = "collect"` gives a third result
--- instead: a table from the index of a task without a value to its outcome.
--- In a pool with `output = "capture"` a fourth result has, by index, what the
--- tasks printed.
---@param f function
---@param items luas.source
---@param opts luas.joboptions?
---@return table results, integer n, table<integer, luas.outcome>? failures, table<integer, string>? printed
function Pool:map(f, items, opts)
    return map(self, "map", f, items, opts)
end

--- As map, but each item is a table of arguments (its `n` or length counts). What a source
--- function returns after the table follows its arguments.
---@param f function
---@param arglists luas.source
---@param opts luas.joboptions?
---@return table results, integer n, table<integer, luas.outcome>? failures, table<integer, string>? printed
function Pool:starmap(f, arglists, opts)
    return map(self, "starmap", f, arglists, opts, true)
end

-- ---- lazily ----

local function lazily(self, what, f, source, given, iterate)
    local job, all = start(self, what, f, source, given, { lazy = true })
    local undo <close> = job:unless_handed_over()
    job.pool.lazy[job] = true
    job:fill()
    job:pump()
    return iterate(job, all.on_error == "collect"), nil, nil, job
end

--- For generic `for`: the index and results of each task, in input order,
--- while the source is read at most a window ahead (`window`, by default 1024
--- for each worker). `break` cancels the rest. With `on_error = "collect"` a
--- failing task gives its index, nil and its outcome.
---@param f function
---@param source luas.source
---@param opts luas.joboptions?
function Pool:imap(f, source, opts)
    return lazily(self, "imap", f, source, opts, lazy.in_order)
end

--- As imap, but in the order in which tasks end.
---@param f function
---@param source luas.source
---@param opts luas.joboptions?
function Pool:imap_unordered(f, source, opts)
    return lazily(self, "imap_unordered", f, source, opts, lazy.as_they_come)
end

--- Calls `f` on every item for its effects; results are not sent back. Gives
--- the number of tasks and, with `on_error = "collect"`, the failures.
---@param f function
---@param source luas.source
---@param opts luas.joboptions?
---@return integer n, table<integer, luas.outcome>? failures
function Pool:each(f, source, opts)
    local job <close>, all = start(self, "each", f, source, opts, { discard = true })
    local _, n, first, failures = gather.all(job, all)
    job.pool:write_out(job.failed > 0)
    if first then outcome.raise(first) end
    if all.on_error == "collect" then return n, failures end
    return n
end

-- ---- looking for items ----

-- The iterator of a job whose tasks call a function made of f. Without `raises` failures are given,
-- not raised. First comes whether the call collects them.
local function looking(self, what, f, source, given, make, iterate, raises)
    callable(f, what)
    local all = job_options(self, given, what, source)
    local inner = raises and all or options.merge(all, { on_error = "collect" })
    local view = setmetatable({ state = self.state, defaults = inner, recorded = { verb = what, code = f } },
        getmetatable(self))
    return all.on_error == "collect", lazily(view, what, make(f), source, nil, iterate)
end

--- The index of the first item, in input order, of which f gives neither nil nor false, and what
--- it gives; nil if there is none.
---@param f function
---@param source luas.source
---@param opts luas.joboptions?
---@return integer? index, any value, table<integer, luas.outcome>? failures
function Pool:find(f, source, opts)
    return search.find(looking(self, "find", f, source, opts, search.first, lazy.in_order, true))
end

--- Does f hold for any item? A failure is raised only if it does for none.
---@param f function
---@param source luas.source
---@param opts luas.joboptions?
---@return boolean, table<integer, luas.outcome>? failures
function Pool:any(f, source, opts)
    local collect, step, state, control, job = looking(self, "any", f, source, opts, search.holds, lazy.as_they_come)
    local found, failures = search.is_any(true, collect, step, state, control, job)
    if collect then return found, failures end
    return found
end

--- Does f hold for all items? A failure is raised only if it does for each of the others.
---@param f function
---@param source luas.source
---@param opts luas.joboptions?
---@return boolean, table<integer, luas.outcome>? failures
function Pool:all(f, source, opts)
    local collect, step, state, control, job = looking(self, "all", f, source, opts, search.holds, lazy.as_they_come)
    local found, failures = search.is_any(false, collect, step, state, control, job)
    if collect then return not found, failures end
    return not found
end

--- The items for which f holds, in input order, and their number; with `most`, the first so many.
---@param f function
---@param source luas.source
---@param most integer?
---@param opts luas.joboptions?
---@return table items, integer n, table<integer, luas.outcome>? failures
function Pool:filter(f, source, most, opts)
    if most ~= nil and (math.type(most) ~= "integer" or most < 1) then
        check.fail(("bad argument #3 to 'filter' (a whole number of at least 1 expected, got %s)")
            :format(math.type(most) and tostring(most) or type(most)))
    end
    local items = type(source) == "table" and source or nil
    return search.filter(items, most, looking(self, "filter", f, source, opts, items and search.holds or search.kept,
        lazy.in_order, true))
end

--- Calls f(key, value) for all pairs of a table: a table with its (first) results under the same
--- keys, and their number.
---@param f function
---@param t table
---@param opts luas.joboptions?
---@return table results, integer n, table<any, luas.outcome>? failures, table<any, string>? printed
function Pool:map_pairs(f, t, opts)
    callable(f, "map_pairs")
    check.argument(t, 2, "map_pairs", "table")
    local keys, arguments = search.pairs_of(t)
    local results, n, failures, printed = map(self, "map_pairs", f, arguments, opts, true)
    if not failures then return search.by_key(results, keys), n end
    return search.by_key(results, keys), n, search.by_key(failures, keys), printed and search.by_key(printed, keys)
end

-- ---- reduce ----

--- combine(... combine(combine(init, f(item 1)), f(item 2)) ..., f(item n)),
--- provided that combine is associative: runs of items are combined in the
--- workers first, in order. Without `init` it starts with the first result;
--- over nothing it gives `init`. Raises the first failing outcome; with
--- `on_error = "collect"` it combines what there is, and gives the failures.
---@param f function
---@param source luas.source
---@param combine fun(a: any, b: any): any
---@param init any
---@param opts luas.joboptions?
---@return any, table<integer, luas.outcome>? failures
function Pool:reduce(f, source, combine, init, opts)
    callable(f, "reduce")
    callable(combine, "reduce", 3)
    local given = input(source, "reduce")
    local all = job_options(self, opts, "reduce", source)
    local collect = all.on_error == "collect"
    local plan = reduce.plan(f, combine, given, all, self:size())
    local inner = options.merge(all, { on_error = "collect" })
    if plan.size > 1 then
        inner.chunk = 1
        inner.progress = inner.progress and progress.scaled(inner.progress, plan.size, given.n)
    end
    local view = setmetatable({ state = self.state, defaults = inner, recorded = { verb = "reduce", code = f } },
        getmetatable(self))
    local total, started, failures = init, init ~= nil, {}
    local combining = false
    local function combine_all()
        for k, ok, part in view:imap(plan.task, plan.parts or source) do
            if not ok then
                part = plan.outcome(part, k)
                if not collect then outcome.raise(part) end
                failures[part.index] = part
            elseif started then
                combining = true
                total = core.call(combine, total, part)
                combining = false
            else
                total, started = part, true
            end
        end
    end
    local done, raised = pcall(combine_all)
    if not done then
        if outcome.is(raised) and raised.n and not combining then -- it is no verb's in combine
            raised.n, raised.failures, raised.result = plan.count and plan.count() or raised.n, failures, total
        end
        outcome.raise(raised)
    end
    if collect then return total, failures end
    return total
end

-- ---- one call ----

local function call(self, what, f, async, ...)
    callable(f, what)
    return Job.call(state_of(self), f, self.defaults, async, "apply", ...)
end

local function success(_, o, ...)
    if o == nil then return true, ... end
    return false, o
end

local function settle_one(job)
    return success(job:take())
end

local function give(job, ok, ...)
    job.pool:write_out(not ok)
    job:close()
    if not ok then outcome.raise(...) end
    return ...
end

--- f(...) in a worker: all its results. Raises its outcome if it has none.
---@param f function
---@param ... any
---@return any ...
function Pool:apply(f, ...)
    local job <close> = call(self, "apply", f, false, ...)
    local handle, pool, again = job.handle, job.pool, nil
    while not handle:done() do
        pool:step(nil, again)
        again = true
    end
    return give(job, settle_one(job))
end

--- As apply, without waiting.
---@param f function
---@param ... any
---@return luas.future
function Pool:apply_async(f, ...)
    local job = call(self, "apply_async", f, true, ...)
    local undo <close> = job:unless_handed_over()
    job:detach()
    return future.new(job, settle_one)
end

-- How many workers there are, and where, as the engine knows it.
local function all_workers(state, deadline)
    if state.core.places then return state.core:places(deadline) end
    return max(1, state.size), true
end

--- f(...) once in each worker: a table with one result for each, and their
--- number. What it sets up there, a worker that is forked later does not have.
--- Failures as with map.
---@param f function
---@param ... any
---@return table results, integer n, table<integer, luas.outcome>? failures, table<integer, string>? printed
function Pool:broadcast(f, ...)
    callable(f, "broadcast")
    local recorded = self.defaults.journal
    if recorded and not recorded.program then
        check.fail "pool.broadcast: the option journal is not for it: it runs in each worker, each time (pool.with{journal = false} is without)"
    end
    local state, arguments = state_of(self), table.pack(...)
    local n, places = all_workers(state, self.defaults.deadline)
    local lists = {}
    for i = 1, n do lists[i] = arguments end
    local job <close> = Job.start(state, f, { items = lists, n = n }, self.defaults,
        { star = true, each = places, arguments = arguments })
    return gather.give(job, self.defaults)
end

local function drain(job)
    while not job.exhausted do
        job:fill()
        if job.pool.size > 0 then job:step(0) end
    end
end

local function map_async(self, what, f, source, given, star)
    local job, all = start(self, what, f, source, given, { star = star, async = true })
    local undo <close> = job:unless_handed_over()
    job.window = math.maxinteger
    drain(job)
    job:detach()
    return future.new(job, function() return gather.finish(job, all) end)
end

--- As map, without waiting: a future of what map gives. A source function is
--- read to its end before this returns.
---@param f function
---@param items luas.source
---@param opts luas.joboptions?
---@return luas.future
function Pool:map_async(f, items, opts)
    return map_async(self, "map_async", f, items, opts)
end

--- As starmap, without waiting.
---@param f function
---@param arglists luas.source
---@param opts luas.joboptions?
---@return luas.future
function Pool:starmap_async(f, arglists, opts)
    return map_async(self, "starmap_async", f, arglists, opts, true)
end

-- ---- the pool itself ----

--- The same pool with other job options.
---@param opts luas.joboptions
---@return luas.pool
function Pool:with(opts)
    check.argument(opts, 1, "with", "table")
    options.check(options.job, opts, "pool.with")
    return setmetatable({ state = self.state, defaults = options.merge(self.defaults, opts) },
        getmetatable(self))
end

--- How many workers it may have.
---@return integer
function Pool:size()
    return self.state.size
end

--- Changes how many workers it may have; those too many end when idle.
---@param n integer
function Pool:resize(n)
    self.state:check_owner()
    local state = state_of(self)
    if state.size == 0 then check.fail("a pool without workers cannot be resized") end
    local whole = math.type(n) and math.tointeger(n)
    if not whole or whole < 1 or whole > options.MOST_WORKERS then
        check.fail(("bad argument #1 to 'resize' (a whole number from 1 to %d expected, got %s)")
            :format(options.MOST_WORKERS, type(n) == "number" and n or type(n)))
    end
    state.core:resize(whole)
    state.size = whole
end

-- So long workers may take to end, until `trim` returns.
local TRIM <const> = 1

--- Ends the workers that have nothing to do, and waits until they have, a second at most: how
--- many these are. Others are forked when tasks want them.
---@return integer
function Pool:trim()
    local state = self.state
    state:check_owner()
    if state.ended then return 0 end
    local n = state.core:trim()
    local left, deadline = state.core:live() - n, core.now() + TRIM
    while not state.ended and state.core:live() > left and core.now() < deadline do
        state:step(max(0, deadline - core.now()))
    end
    return n
end

--- Counts since it was opened: tasks by outcome, forks, retries, chunks and
--- steals, and how many jobs were carried which way (`carried`), and the `workers` that live. Where something
--- listens (progress, report, trace, joblog, `stats = true`) also, in seconds:
--- `wall`, `busy`, `wait`, `startup` (of all workers together; `shares` has them as
--- shares), `times` (`min`, `median`, `mean`, `p95`, `max` of tasks), `slowest` (a
--- list of tasks with `index`, `input`, `seconds`), `speedup` and `efficiency`.
---@return table
function Pool:stats()
    return present(self):stats()
end

--- A descriptor that is readable when `step` has something to do, for a poll
--- loop of the application's. From then on that loop drives asynchronous jobs.
---@return integer
function Pool:fileno()
    local state = self.state
    state:check_owner()
    if state.ended then check.fail("pool is closed") end
    if state.size == 0 then check.fail("a pool without workers has no descriptor") end
    state.polled = true
    state.core:keep_time(false)
    return state.core:fileno()
end

--- Moves what can be moved, and waits at most `timeout` seconds (default 0)
--- for something to happen: whether anything did.
---@param timeout number?
---@return boolean
function Pool:step(timeout)
    local wait = timeout == nil and 0 or check.timeout(timeout, 1, "step")
    return present(self):drive(wait)
end

--- No further jobs; what was submitted still gets done.
function Pool:close()
    local state = self.state
    if state.owner == core.pid() then state.closed = true end
end

--- Waits until all is done and every worker has ended, at most `timeout`
--- seconds: false if not. The pool must have been closed.
---@param timeout number?
---@return boolean
function Pool:join(timeout)
    return self.state:join(check.timeout(timeout, 1, "join"))
end

--- Ends everything at once: running tasks are killed, all unfinished ones
--- are cancelled. A call that is under way meanwhile (this came from its
--- source, a callback, the body of its loop) raises.
function Pool:terminate()
    self.state:terminate()
end

-- At the end of a block the pool does what was submitted. After an error it ends at once.
local function leave(self, raised)
    if raised ~= nil then return self:terminate() end
    self:close()
    self:join()
end

local methods = { __index = Pool, __name = "luas.pool", __close = leave }

function methods:__tostring()
    local state = self.state
    return ("pool%s: %d worker%s%s"):format(state.name and " " .. state.name or "", state.size,
        state.size == 1 and "" or "s", state.closed and ", closed" or "")
end

-- ---- the module: constructors, and the verbs on a default pool ----

--- The CPUs that workers may use: the affinity that the process began with and the cgroup quota count.
---@return integer
function M.cpus()
    return core.cpus()
end

local function pool_options(given, what)
    if type(given) == "number" then
        given = { workers = given }
    elseif given ~= nil and type(given) ~= "table" then
        check.fail(("bad argument #1 to '%s' (a number of workers or a table of options expected, got %s)")
            :format(what, type(given)))
    end
    return options.check(options.pool, given, "pool." .. what)
end

local function new(given)
    local defaults = {}
    for name in pairs(options.job) do defaults[name] = given[name] end
    defaults.report = nil -- the pool's own, of all its jobs
    if defaults.journal == nil and core.run and core.run.owner == core.pid() then defaults.journal = core.run.journal end
    if defaults.journal and not core.worker() then journal.begin(defaults.journal) end
    if defaults.progress == nil and core.run then defaults.progress = core.run.progress end
    return setmetatable({ state = State.new(given), defaults = defaults }, methods)
end

--- Opens a pool of one's own. With `cluster` its workers are those of other machines. Its workers are forked when tasks want them. Without
--- a number it has as many as -j or LUAS_JOBS say; without these, one for each CPU.
---@param n_or_options integer|luas.pooloptions|nil
---@return luas.pool
function M.new(n_or_options)
    return new(pool_options(n_or_options, "new"))
end

-- The default pool, and the options that it is to have.
local default, configured = nil, {}

-- The default pool that is open here. A task has the one of its host, as a copy.
local function opened()
    local state = default and not default.state.closed and default.state
    if not state then return nil end
    local worker, process = core.worker()
    return (state.owner == core.pid() or worker and not process) and default or nil
end

-- In a task the verbs run inline. A spawned process opens a default pool of its own.
local function default_pool()
    local here = opened()
    if here then return here end
    local worker, process = core.worker()
    default = new(worker and not process and { workers = 0 } or configured)
    default.state.depth = 0 -- no task's own
    return default
end

--- Options of the default pool, as pool.new has them. It must not be in use yet: the
--- first call of a verb opens it.
---@param n_or_options integer|luas.pooloptions
function M.configure(n_or_options)
    local given = pool_options(n_or_options, "configure")
    if opened() then
        check.fail "pool.configure: the default pool is in use already (configure it before its first use, or make one by pool.new)"
    end
    configured = options.merge(configured, given)
end

-- These verbs apply to the last default pool. The others open one if there is none.
local about = { close = true, trim = true, join = true, terminate = true, stats = true, size = true, step = true }

local function pool_for(name)
    local last = about[name] and default
    return last and last.state.owner == core.pid() and last or default_pool()
end

M.iter, M.values, M.range = sources.iter, sources.values, sources.range
M.zip = function(...) return search.zip(...) end
M.product = function(...) return search.product(...) end
M.lines = function(...) return lines.lines(...) end
M.blocks = function(...) return lines.blocks(...) end
M.files = function(...) return files.files(...) end
M.wait_all = future.wait_all
M.wait_any = future.wait_any

for name, verb in pairs(Pool) do
    M[name] = function(first, ...)
        if getmetatable(first) == methods then return verb(first, ...) end
        return verb(pool_for(name), first, ...)
    end
end

check.methods(Pool, methods, "p")

return M
