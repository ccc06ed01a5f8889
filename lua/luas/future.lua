--- Futures: results that come later.

local check = require "luas.check"
local core = require "luas.core"
local due = require "luas.due"
local ending = require "luas.ending"
local later = require "luas.later"
local outcome = require "luas.outcome"
local progress = later.open "luas.progress"

local pack, traceback, unpack = table.pack, core.traceback, table.unpack

---@class luas.future
local Future = {}
Future.__index = Future
Future.__name = "luas.future"

local M = {}

-- A job goes on even if nobody keeps its future, because the pool keeps it until it has
-- ended. Ended jobs are removed when there are twice as many jobs as the last time.
local function keep(job)
    local kept = job.pool.kept
    kept.n = kept.n + 1
    kept.jobs[job] = true
    if kept.n < kept.most then return end
    kept.n = 0
    for other in pairs(kept.jobs) do
        if other.handle:done() then
            kept.jobs[other] = nil
        else
            kept.n = kept.n + 1
        end
    end
    kept.most = math.max(64, 2 * kept.n)
end

--- A future of what `settle(future)` returns once the job is over: true and
--- results, or false and what to raise.
---@param job luas.job
---@param settle fun(job: luas.job): boolean, ...
---@return luas.future
function M.new(job, settle)
    local self = setmetatable({ job = job, settle = settle }, Future)
    job.pool.futures[self] = true
    keep(job)
    if not job.pool.ended then job:set_aside() end
    ending.submitted(job.pool)
    return self
end

-- An error while reading, for example in a progress function, is what `get` raises.
local function settled(ok, ...)
    if ok then return pack(...) end
    return pack(false, ...)
end

-- From now on `tell` notices when it has ended. Only in the process that owns the pool.
local function watch(self)
    local pool = self.job.pool
    pool:check_owner()
    if self.id then return end
    self.id = self.job.handle:watch()
    pool.watched[self.id] = self
    pool.watching = pool.watching + 1
end

local function hand_over(self, pool)
    for wait in pairs(pool.waits) do
        wait.ended = wait.ended or wait.futures[self]
    end
    if not self.callbacks then return end
    pool.listeners = pool.listeners - 1
    for _, call in ipairs(self.callbacks) do due.add(call) end
    self.callbacks = nil
end

--- Notices which of the watched futures of a pool have ended, in that order. Their
--- callbacks are then due.
---@param pool luas.poolstate
function M.tell(pool)
    while pool.watching > 0 do
        local id = pool.core:ended()
        if not id then return end
        local future = pool.watched[id]
        pool.watched[id], future.id = nil, nil
        pool.watching = pool.watching - 1
        hand_over(future, pool)
    end
end

-- Makes the callbacks due that waited for the end of the reading.
local function end_reading(self)
    local late = self.late or {}
    self.resolving, self.late = nil, nil
    for _, call in ipairs(late) do due.add(call) end
end

-- Outcomes stay as bytes until somebody asks for them. Reading them closes the job. So
-- `tell` comes first: after that nobody could be told of its end.
local function resolve(self)
    if self.result or not self.job.handle:done() then return self.result ~= nil end
    if self.resolving then check.fail("the future is being read already") end
    if self.id then M.tell(self.job.pool) end
    self.resolving = true
    self.job:take_up()
    self.result = settled(pcall(self.settle, self.job))
    self.job:close()
    end_reading(self)
    local raised = self.result[2]
    if not self.result[1] and core.stopped(raised) then error(raised, 0) end
    return true
end

function Future:__tostring()
    if not self.resolving then core.try(resolve, self) end -- without memory the text is shorter
    local o = self.result and not self.result[1] and self.result[2]
    local how = not self.result and "not ended yet" or not o and "ended"
        or outcome.is(o) and o.kind == "cancelled" and "cancelled" or "failed"
    return "future: " .. how
end

--- Reads all futures that have ended, before the engine of their pool is closed.
---@param pool luas.poolstate
function M.settle(pool)
    for future in pairs(pool.futures) do
        if not future.resolving then resolve(future) end
    end
end

-- ---- waiting ----

-- Groups futures by pool, because each pool has to be driven.
local function by_pool(futures)
    local groups, of = {}, {}
    for _, future in ipairs(futures) do
        local pool = future.job.pool
        if not of[pool] then
            of[pool] = { pool = pool, at = 1 }
            groups[#groups + 1] = of[pool]
        end
        table.insert(of[pool], future)
    end
    return groups
end

local function drive(groups, left, again)
    if #groups == 1 then return groups[1].pool:await(left, again) end
    for _, group in ipairs(groups) do
        group.pool:step(math.min(left or 1, 0.01), again)
    end
end

local function wait(groups, timeout, enough)
    local deadline, again = timeout and core.now() + timeout, nil
    while not enough(groups) do
        local left = deadline and math.max(0, deadline - core.now())
        drive(groups, left, again)
        again = true
        if left == 0 then return enough(groups) end
    end
    if later.is_open(progress) then progress.hide() end -- what waits may print next
    return true
end

-- Checks each future only until it has ended. Removes pools whose futures have all ended,
-- so that they are not driven any more.
local function all_ended(groups)
    for i = #groups, 1, -1 do
        local group = groups[i]
        while group[group.at] and resolve(group[group.at]) do group.at = group.at + 1 end
        if not group[group.at] then table.remove(groups, i) end
    end
    return #groups == 0
end

-- What their tasks printed is written, too, where that is passed on.
local function write_out(futures, hurry)
    local hurries = {}
    for _, future in ipairs(futures) do
        local pool = future.job.pool
        if pool.output == "tag" then
            hurries[pool] = hurries[pool] or hurry or not future.result[1]
        end
    end
    for pool, hurried in pairs(hurries) do pool:write_out(hurried) end
end

local function wait_for_all(futures, timeout)
    local ended = wait(by_pool(futures), timeout, all_ended)
    if ended then write_out(futures, timeout ~= nil) end
    due.run()
    return ended
end

local function first_ended(futures)
    for i, future in ipairs(futures) do
        if resolve(future) then return future, i end
    end
end

-- A wait for one of many futures. `tell` ends it. All of them are checked only before and
-- after the wait.
local Wait = {}

function Wait:__close()
    for _, group in ipairs(self.groups) do group.pool.waits[self] = nil end
end

local function listen(futures)
    local self = setmetatable({ groups = by_pool(futures), futures = {} }, Wait)
    for _, future in ipairs(futures) do
        watch(future)
        self.futures[future] = true
    end
    for _, group in ipairs(self.groups) do group.pool.waits[self] = true end
    return self
end

local function wait_for_any(futures, timeout)
    local listening <close> = listen(futures)
    wait(listening.groups, timeout, function() return listening.ended end)
end

-- ---- what a script has of it ----

--- Has it ended? Does not wait.
---@return boolean
function Future:ready()
    if not resolve(self) then self.job.pool:step(0) end
    local ended = resolve(self)
    due.run()
    return ended
end

--- Waits until it has ended, at most `timeout` seconds: false if it has not.
---@param timeout number?
---@return boolean
function Future:wait(timeout)
    timeout = check.timeout(timeout, 1, "wait")
    if not resolve(self) then return wait_for_all({ self }, timeout) end
    due.run()
    return true
end

--- Its results; raises its outcome if it has none, or one of kind "timeout"
--- with `pending = true` if it has not ended within `timeout` seconds.
---@param timeout number?
---@return any ...
function Future:get(timeout)
    timeout = check.timeout(timeout, 1, "get")
    if not self:wait(timeout) then
        outcome.raise(outcome.new { kind = "timeout", pending = true, limit = timeout, took = timeout })
    end
    if not self.result[1] then outcome.raise(self.result[2]) end
    return unpack(self.result, 2, self.result.n)
end

--- Did it end with a value? Raises if it has not ended.
---@return boolean
function Future:successful()
    if not self:ready() then check.fail("the future has not ended yet") end
    return self.result[1]
end

--- Cancels it: a task that has not started never will, a running one is
--- stopped. False if it had ended already.
---@return boolean
function Future:cancel()
    local pool = self.job.pool
    if resolve(self) then
        due.run()
        return false
    end
    self.job:cancel()
    if pool.polled and not pool.ended then pool.core:wake() end -- it may have ended by that
    return true
end

-- Gives a message handler, which adds the traceback down to the callback. An error that was raised to
-- stop the task that runs here, or the script, does not belong to the callback: `call_back` raises it again.
local function describe(below)
    return function(raised)
        if core.stopped(raised) then return { stop = raised } end
        return traceback(tostring(raised), 2, below)
    end
end

local function call_back(self, callback)
    if self.resolving then -- a call further out, or in a coroutine, is reading it
        self.late = self.late or {}
        table.insert(self.late, due.bind(call_back, self, callback))
        return
    end
    resolve(self)
    local ok, message = xpcall(callback, describe(core.levels() + 1), self)
    core.called()
    if ok then return end
    if type(message) == "table" then error(message.stop, 0) end
    core.report("a callback raised: " .. tostring(message))
end

--- Calls `callback(future)` once it has ended: at once if it has, otherwise from a call
--- that waits for it or drives the pool. Callbacks run one after the other, in the order
--- in which their futures ended. None runs inside another one: callbacks that become due
--- during a callback run after it. So a callback may wait for a future and use any verb,
--- but it must not wait for another callback. An error in a callback is reported; the
--- others still run.
---@param callback fun(future: luas.future)
function Future:on_done(callback)
    check.argument(callback, 1, "on_done", "function")
    local pool, call = self.job.pool, due.bind(call_back, self, callback)
    if self.callbacks and pool.owner == core.pid() then
        table.insert(self.callbacks, call)
    elseif resolve(self) then
        due.add(call)
    else
        watch(self)
        self.callbacks = { call }
        pool.listeners = pool.listeners + 1
    end
    ending.renew() -- the callback may use what is younger than the submission
    M.tell(pool)
    due.run()
end

-- Waits as a plain coroutine does: whoever drives the pool resumes it.
local function pause(set)
    local thread = coroutine.running()
    set(function()
        if coroutine.status(thread) ~= "suspended" then return end -- it was closed
        local ok, raised = coroutine.resume(thread)
        if not ok then error(raised, 0) end
    end)
    coroutine.yield()
end

--- As `get`, for a coroutine of an event loop: it yields until the future has ended, and the loop goes on.
--- The loop drives the pool: it calls `pool.step(0)` when `pool.fileno()` is readable. That resumes
--- the coroutine. A loop that resumes its coroutines itself is told by `wait(set)`: it calls
--- `set(f)` with a function that the future calls once it has ended, and then waits for that in
--- the loop's way. Where nothing can yield this is `get`.
---@param wait (fun(set: fun(f: fun())))?
---@return any ...
function Future:await(wait)
    if wait ~= nil then check.argument(wait, 1, "await", "function") end
    if not coroutine.isyieldable() or self:ready() then return self:get() end
    local tell
    self:on_done(function() if tell then tell() end end)
    while not resolve(self) do
        (wait or pause)(function(f) tell = f end)
        tell = nil
    end
    return self:get()
end

local function check_futures(futures, what)
    if type(futures) ~= "table" or getmetatable(futures) == Future then
        check.fail(("bad argument #1 to '%s' (a list of futures expected, got %s)"):format(
            what, futures == nil and "no value" or type(futures) == "table" and "a future" or type(futures)))
    end
    local n, problem = core.length(futures)
    if not n then check.fail(("bad argument #1 to '%s' (%s)"):format(what, problem)) end
    for i = 1, #futures do
        if getmetatable(futures[i]) ~= Future then
            check.fail(("bad argument #1 to '%s' (element %d is not a future)"):format(what, i))
        end
    end
end

--- Waits until all have ended, at most `timeout` seconds: false if not.
---@param futures luas.future[]
---@param timeout number?
---@return boolean
function M.wait_all(futures, timeout)
    check_futures(futures, "wait_all")
    return wait_for_all(futures, check.timeout(timeout, 2, "wait_all"))
end

--- Waits until one has ended: that future and its place in the list, or nil
--- when `timeout` seconds are over first.
---@param futures luas.future[]
---@param timeout number?
---@return luas.future?, integer?
function M.wait_any(futures, timeout)
    check_futures(futures, "wait_any")
    timeout = check.timeout(timeout, 2, "wait_any")
    local future, place = first_ended(futures)
    if not future and #futures > 0 then
        wait_for_any(futures, timeout)
        future, place = first_ended(futures)
    end
    due.run()
    return future, place
end

check.methods(Future, Future, "future")

return M
