--- The engine without processes. Tasks run in the caller, one at a time, with the same
--- results and the same errors. It replaces a pool of luas.core where there are no workers
--- (`workers = 0`, or inside a task), so the verbs need not know. What a task changes
--- stays changed here.
---
--- Why not a worker's own loop, with a channel that leads back here? The loop copies values,
--- and here a task has the caller's own. It is one task deep, and here a task waits for tasks
--- of the same pool. The pool kills a process that goes on or exits; here core.guard must stop
--- the call, so it would stay, and its outcomes would have to be told to the pool in another
--- way. What the loop would save is the queue: the smaller part, and the part without traps.

local core = require "luas.core"
local ending = require "luas.ending"
local later = require "luas.later"
local heap = later.open "luas.heap"
local held = later.open "luas.held"
local lost = later.open "luas.lost"
local refusal = later.open "luas.refusal"
local Job = require("luas.inline_job", true)
local tasks = require("luas.inline_task", true)

local Task = tasks.Task

---@class luas.inlinepool
local Pool = {}
Pool.__index = Pool

Pool.Job, Pool.Task = Job, Task

-- Seconds of work after which a job lets others of its priority go first.
local TURN <const> = 0.01

-- Jobs that a running task has submitted go first, because the task may wait for them. Then
-- higher priorities go first, then the job whose turn it is.
local function goes_before(a, b)
    if a.depth ~= b.depth then return a.depth > b.depth end
    if a.priority ~= b.priority then return a.priority > b.priority end
    return a.turn < b.turn
end

--- A pool with the methods of a pool of luas.core (core/host/core.h). Its tasks run when a
--- call drives it. Asynchronous tasks run when they are submitted, so that they see the
--- host as it is then.
---@param given {init: function?, exit: function?}
---@return table
---@param class table?  Pool, or what is derived of it
local function new(given, class)
    local self = setmetatable({
        jobs = {}, -- a set of those that have tasks and are not done
        waiting = heap.new(goes_before), running = {}, counts = {}, last_id = 0, last_turn = 0,
        ended_ids = {}, first_ended = 1, last_ended = 0,
        init = given.init, exit = given.exit, name = given.name,
        init_timeout = given.init_timeout ~= math.huge and given.init_timeout or nil,
    }, class or Pool)
    return self
end

function Pool:job(policy)
    if self.broken then error(self.broken, 0) end
    self.last_id = self.last_id + 1
    self.last_turn = self.last_turn + 1
    local job = setmetatable({
        turn = self.last_turn, had = 0,
        ends = policy.deadline and core.now() + policy.deadline,
        serial = self.last_id, pool = self, policy = policy, priority = policy.priority or 0,
        depth = #self.running, queue = {}, first = 1, last = 0,
        outcomes = {}, taken = 0, posted = 0, fed = 0, failures = 0,
        open = {}, -- tasks without an outcome, by their index
        lanes = (policy.limit_n or policy.limit_interval) and {}, noted = 0,
    }, self.Job)
    return job
end

function Pool:live() return 0 end

function Pool:ended()
    local id = self.ended_ids[self.first_ended]
    if not id then return nil end
    self.ended_ids[self.first_ended] = nil
    self.first_ended = self.first_ended + 1
    return id
end

--- Is there a task that has no outcome? Who still feeds a job may have been stopped, and never
--- ends it.
function Pool:busy()
    for job in pairs(self.jobs) do
        if not job:rests() then return true end
    end
    return false
end

local function is_older(a, b) return a.serial < b.serial end

--- The jobs that are not done, the oldest first.
function Pool:unfinished()
    local jobs = {}
    for job in pairs(self.jobs) do jobs[#jobs + 1] = job end
    table.sort(jobs, is_older)
    return jobs
end

--- Runs `exit`, as a worker does at its end, if any task has run.
function Pool:stop()
    if self.ready and self.exit and not self.left then
        self.left = true
        local kind, value, message = core.guard(self, nil, true, self.exit)
        if kind == "stopped" then error(value, 0) end
        if kind == "error" then core.report("exit raised: " .. message) end
    end
end

function Pool:terminate()
    self.closed = true
    for _, job in ipairs(self:unfinished()) do
        job.sealed = true
        job:cancel()
        job:leave_if_done()
    end
end

Pool.close = Pool.terminate

function Pool:trim() return 0 end

function Pool:keep_time() end

--- Tells a reader of the tasks that run here.
function Pool:listen(reader, tag)
    self.readers = self.readers or {}
    self.readers[reader] = tag
end

function Pool:ignore(reader)
    self.readers[reader] = nil
end

function Pool:forget() end

function Pool:made() end

function Pool:stats()
    local all = {}
    for _, name in ipairs { "tasks", "values", "errors", "timeouts", "crashes", "cancelled",
        "forks", "retries", "chunks", "steals", "resumed" } do
        all[name] = self.counts[name] or 0
    end
    return all
end

function Pool:count(name, n)
    self.counts[name] = (self.counts[name] or 0) + n
end

-- Runs init before the first task: false if it fails, and then no task runs.
function Pool:prepare()
    if self.ready then return true end
    self.ready = true -- for verbs that it uses
    if self.exit then ending.renew() end -- it may use what is younger than the pool
    if not self.init then return true end
    local kind, value, message, traceback = core.guard(self, self.init_timeout, "init", self.init)
    if kind == "value" then return true end
    self.ready = false
    if kind == "stopped" then error(value, 0) end
    self.broken = refusal.give_up(self, kind, value, message, traceback)
    return false
end

-- A job that had its turn goes behind those of its priority.
local function end_turn(job)
    local pool, waits = job.pool, job.pool.waiting:has(job)
    if waits then pool.waiting:remove(job) end
    pool.last_turn = pool.last_turn + 1
    job.turn, job.had = pool.last_turn, 0
    if waits then pool.waiting:add(job) end
end

-- Runs a task of a job while others wait.
local function share(job)
    local began = core.now()
    job:run()
    job.had = job.had + (core.now() - began)
    if job.had >= TURN then end_turn(job) end
end

-- Nothing is ready to run.
local function rest(self, timeout)
    if self.later and self.later:first() then
        held.await(self, timeout)
    elseif #self.running == 0 and self:busy() then
        lost.mend(self, Task.cancel)
    end
    return false
end

--- Runs one task: false when there is none.
function Pool:step(timeout)
    if self.later then held.release(self) end
    local job = self.waiting:first()
    if not job then return rest(self, timeout) end
    if not self:prepare() or job:expire() then return true end
    if self.waiting.n > 1 then share(job) else job:run() end
    return true
end

--- Does everything that could be waited for run already, further down the stack?
function Pool:stuck()
    return #self.running > 0 and not self.waiting:first()
        and not (self.later and self.later:first())
end

return { new = new, task = tasks.task, Pool = Pool, Job = Job, Task = Task }
