--- Futures: results that will be there later.

local check = require "luas.check"
local core = require "luas.core"
local outcome = require "luas.outcome"
local progress = require "luas.progress"

local pack, traceback, unpack = table.pack, debug.traceback, table.unpack

---@class luas.future
local Future = {}
Future.__index = Future
Future.__name = "luas.future"

local M = {}

local wait, all

-- A job goes on though nobody keeps its future: the pool does until it has
-- ended. The ended are looked for when there are twice as many as last time.
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
    return self
end

-- What reading raises (a progress function, say) is what get raises.
local function settled(ok, ...)
    if ok then return pack(...) end
    return pack(false, ...)
end

-- Outcomes wait as bytes until somebody asks; then the job is not needed.
local function resolve(self)
    if self.result or not self.job.handle:done() then return self.result ~= nil end
    if self.resolving then check.fail("the future is being read already") end
    self.resolving = true
    self.job:take_up()
    self.result = settled(pcall(self.settle, self.job))
    self.job:close()
    return true
end

function Future:__tostring()
    if not self.resolving then pcall(resolve, self) end -- without memory it says less
    local how = not self.result and "not ended yet" or self.result[1] and "ended" or "failed"
    return "future: " .. how
end

--- Reads all that have ended, for the engine of their pool is about to go.
---@param pool table
function M.settle(pool)
    for future in pairs(pool.futures) do
        if not future.resolving then resolve(future) end
    end
end

--- Has it ended? Does not wait.
---@return boolean
function Future:ready()
    if resolve(self) then return true end
    self.job.pool:step(0)
    return resolve(self)
end

--- Waits until it has ended, at most `timeout` seconds: false if it has not.
---@param timeout number?
---@return boolean
function Future:wait(timeout)
    return wait({ self }, check.timeout(timeout, 1, "wait"), all())
end

--- Its results; raises its outcome if it has none, or one of kind "timeout"
--- with `pending = true` if it has not ended within `timeout` seconds.
---@param timeout number?
---@return any ...
function Future:get(timeout)
    timeout = check.timeout(timeout, 1, "get")
    if not self:wait(timeout) then
        error(outcome.new { kind = "timeout", pending = true, limit = timeout }, 0)
    end
    if not self.result[1] then error(self.result[2], 0) end
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
    if resolve(self) then return false end
    self.job:cancel()
    return true
end

-- Without what called the callback.
local function own_traceback(message)
    return (traceback(message, 2):gsub("\n%s*%[C%]: in function 'xpcall'.*", ""))
end

local function call_back(self, callback)
    local ok, message = xpcall(callback, own_traceback, self)
    core.called()
    if not ok then core.report("a callback raised: " .. tostring(message)) end
end

--- Calls `callback(future)` once it has ended: at once if it has, else from
--- the next call that drives the pool. An error in it is reported and
--- disturbs nothing.
---@param callback fun(future: luas.future)
function Future:on_done(callback)
    check.argument(callback, 1, "on_done", "function")
    if resolve(self) then return call_back(self, callback) end
    self.job.pool:check_owner() -- no other hears of its end
    self.callbacks = self.callbacks or {}
    table.insert(self.callbacks, callback)
    self.job.pool.watched[self] = true
end

--- Runs the callbacks of those futures of a pool that have ended.
---@param pool table
function M.notify(pool)
    local ended
    for future in pairs(pool.watched) do
        if resolve(future) then
            ended = ended or {}
            ended[#ended + 1] = future
        end
    end
    for _, future in ipairs(ended or {}) do
        local theirs = pool.watched[future] and future.callbacks or {}
        pool.watched[future] = nil -- a callback may come here again
        for _, callback in ipairs(theirs) do call_back(future, callback) end
    end
end

local function check_futures(futures, what)
    if type(futures) ~= "table" or getmetatable(futures) == Future then
        check.fail(("bad argument #1 to '%s' (a list of futures expected, got %s)"):format(
            what, futures == nil and "no value" or type(futures) == "table" and "a future" or type(futures)))
    end
    for i = 1, #futures do
        if getmetatable(futures[i]) ~= Future then
            check.fail(("bad argument #1 to '%s' (element %d is not a future)"):format(what, i))
        end
    end
end

-- The pool of all of them, if it is one.
local function common_pool(futures)
    local pool = futures[1] and futures[1].job.pool
    for _, future in ipairs(futures) do
        if future.job.pool ~= pool then return nil end
    end
    return pool
end

-- Futures may be of several pools: each is driven in turn.
local function drive(futures, left, again)
    local pools, n = {}, 0
    for _, future in ipairs(futures) do
        local pool = future.job.pool
        if not resolve(future) and not pools[pool] then
            pools[pool] = true
            n = n + 1
        end
    end
    for pool in pairs(pools) do
        pool:step(n == 1 and left or math.min(left or 1, 0.01), again)
    end
end

function wait(futures, timeout, enough)
    local deadline = timeout and core.now() + timeout
    local pool, again = common_pool(futures), nil
    while not enough(futures) do
        local left = deadline and math.max(0, deadline - core.now())
        if pool then pool:await(left, again) else drive(futures, left, again) end
        again = true
        if left == 0 then return enough(futures) end
    end
    if pool and pool.meters then progress.hide() end
    return true
end

-- Looks at each only until it has ended.
function all()
    local at = 1
    return function(futures)
        while futures[at] and resolve(futures[at]) do at = at + 1 end
        return not futures[at]
    end
end

local function any(futures)
    for _, future in ipairs(futures) do
        if resolve(future) then return true end
    end
    return #futures == 0
end

--- Waits until all have ended, at most `timeout` seconds: false if not.
---@param futures luas.future[]
---@param timeout number?
---@return boolean
function M.wait_all(futures, timeout)
    check_futures(futures, "wait_all")
    return wait(futures, check.timeout(timeout, 2, "wait_all"), all())
end

--- Waits until one has ended: that future and its place in the list, or nil
--- when `timeout` seconds are over first.
---@param futures luas.future[]
---@param timeout number?
---@return luas.future?, integer?
function M.wait_any(futures, timeout)
    check_futures(futures, "wait_any")
    wait(futures, check.timeout(timeout, 2, "wait_any"), any)
    for i, future in ipairs(futures) do
        if resolve(future) then return future, i end
    end
end

check.methods(Future, Future, "future")

return M
