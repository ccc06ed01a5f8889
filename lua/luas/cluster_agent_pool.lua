--- How the pool of an agent runs a chunk: as a job to which the bytes go as they are; or, where workers need
--- init or sources of modules first, by a call of cluster_task.lua for each task.

local codes = require "luas.cluster_agent_codes"
local future = require "luas.future"
local gather = require "luas.gather"
local Job = require "luas.job"
local options = require "luas.options"
local retry = require "luas.retry"
local task = require "luas.cluster_task"

local max = math.max

local M = {}

--- Workers that had another run's tasks have its init and globals: others are forked for this one.
---@param self table  the agent
---@param run integer
function M.renew_workers(self, run)
    if self.run == run then return end
    for _, chunk in pairs(self.chunks) do
        if chunk.state == "runs" then return end
    end
    if self.run then self.pool.state.core:trim() end -- they are not waited for
    self.run = run
end

-- What workers need of a code.
local function plain(code) return { key = code.key, parts = code.parts, sources = code.sources } end

local function bound(self, chunk)
    local info = chunk.info
    local code = codes.find(self, chunk, info.code)
    local init = info.init and codes.find(self, chunk, info.init)
    local key = ("%s %s %s"):format(init and init.key, info.seed, info.discard)
    code.bound = code.bound or {}
    code.bound[key] = code.bound[key] or task.bind(plain(code), init and plain(init), info.seed, info.discard)
    return code.bound[key]
end

-- Of each task its index, which start it is, and its arguments.
local function arguments_of(self, info)
    local lists, at, n, past = {}, 0, nil, nil
    while at < #info.tasks do
        past, n = self.tools.cut(info.tasks, at, 1, math.maxinteger)
        if n == 0 then error("tasks that are cut short", 0) end
        lists[#lists + 1] = { info.first + #lists, info.starts + 1, info.tasks:sub(at + 1, past) }
        at = past
    end
    return lists
end

-- A call for each task, or of each worker, without waiting.
local function start_calls(self, info, f, lists, opts)
    local all = options.merge(self.pool.defaults, opts)
    local job = Job.start(self.pool.state, f, { items = lists, n = #lists }, all,
        { star = true, each = info.each, async = true, stamped = info.watch })
    local undo <close> = job:unless_handed_over()
    job:detach()
    return future.new(job, function() return gather.finish(job, all) end)
end

-- As the option `retries` has it.
local function retries_of(info)
    local given = info.retries
    if not given then return nil end
    if not given.retry_on then return given.retries end
    return { n = given.retries, on = retry.word(given.retry_on), delay = given.retry_delay, factor = given.retry_factor,
        max = given.retry_max }
end

local function submit_calls(self, chunk)
    local info = chunk.info
    local lists = arguments_of(self, info)
    local opts = { on_error = "collect", timeout = info.timeout, grace = info.grace, retries = retries_of(info) }
    chunk.n = #lists
    chunk.future = start_calls(self, info, bound(self, chunk), lists, opts)
    chunk.job_id = chunk.future.job.handle:id()
    chunk.future:on_done(function() chunk.is_over = true end)
end

-- A job of the pool, to which the bytes go as they are.
local function submit_bytes(self, chunk)
    local info = chunk.info
    local code = codes.find(self, chunk, info.code)
    local policy = {
        timeout = info.timeout, grace = info.grace, seed = info.seed, discard = info.discard, each = info.each,
        stamped = info.watch,
        chunk = max(1, math.ceil(info.n / self.slots)), -- their time is known: that of the chunk is right
    }
    for name, value in pairs(info.retries or {}) do policy[name] = value end
    local job = self.pool.state.core:job(policy)
    chunk.job = job
    chunk.n = self.tools.feed(job, info.first, info.starts, not info.capture, info.tasks, table.unpack(code.parts))
end

--- Has the pool run a chunk. Raises where that cannot be.
---@param self table  the agent
---@param chunk table
function M.submit(self, chunk)
    if chunk.info.watch and not self.times then
        self.times = self.tools.times()
        self.pool.state.core:listen(self.times, 0, false)
    end
    if chunk.info.each then chunk.info.tasks = chunk.info.tasks:rep(chunk.info.n) end
    local by_calls = chunk.info.init or codes.find(self, chunk, chunk.info.code).sources
    if by_calls then submit_calls(self, chunk) else submit_bytes(self, chunk) end
end

--- Have all its tasks their outcome?
---@param chunk table
---@return boolean
function M.is_over(chunk)
    if chunk.job then return chunk.job:done() end
    return chunk.is_over or false
end

-- Whether two lists say the same, but for the time that passes.
local function is_same(a, b)
    if not a or #a ~= #b then return false end
    for i, task in ipairs(a) do
        local other = b[i]
        if task.index ~= other.index or task.worker ~= other.worker or task.done ~= other.done or task.total ~= other.total
            or task.note ~= other.note then return false end
    end
    return true
end

--- What of a chunk runs now, and what the tasks say of themselves: nil, if that is nothing new.
---@param chunk table
---@return table[]?
function M.running(chunk)
    local handle = chunk.job or chunk.future and chunk.future.job.handle
    local list = handle and handle:running() or {}
    for _, task in ipairs(list) do
        if not chunk.job then task.index = task.index + chunk.info.first - 1 end
    end
    if is_same(chunk.running, list) then return nil end
    chunk.running = list
    return list
end

--- When its tasks ran, where its host wants to know (core/host/cluster_times.h).
---@param self table  the agent
---@param chunk table
---@return string?
function M.times_of(self, chunk)
    if not chunk.info.watch then return nil end
    if chunk.job then return self.tools.timed(self.times, chunk.job:id()) end
    return self.tools.timed(self.times, chunk.job_id, chunk.info.first - 1)
end

--- What it came to is nobody's.
---@param chunk table
function M.cancel(chunk)
    chunk.is_cancelled = true
    if chunk.job then chunk.job:cancel() elseif chunk.future then chunk.future:cancel() end
end

-- What the host is told of a task that has no value.
local function failure(o)
    return { kind = o.kind, message = o.message, exitcode = o.exitcode, signal = o.signal, pid = o.pid,
        worker = o.worker, attempts = o.attempts, took = o.took, hung = o.hung, over_memory = o.over_memory }
end

local function outcome_of(result, failed, printed)
    if failed then
        result = failure(failed)
    elseif type(result) == "table" then
        result = { kind = "error", raised = result.raised, message = result.message, traceback = result.traceback,
            took = result.took, pid = result.pid, worker = result.worker }
    elseif printed then
        result = { kind = "value", bytes = result }
    end
    if printed then result.printed = printed end
    return result
end

--- Its outcomes: their bytes (core/host/cluster_chunk.h), or a list.
---@param self table  the agent
---@param chunk table
---@return string|table
function M.results_of(self, chunk)
    if chunk.job then return self.tools.take(chunk.job) end
    local results, n, failures, printed = chunk.future:get(0)
    local list = {}
    for i = 1, n do
        list[i] = outcome_of(results[i], failures and failures[i], printed and printed[i])
    end
    return list
end

return M
