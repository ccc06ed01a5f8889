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

local check = require "luas.check"
local core = require "luas.core"
local due = require "luas.due"
local ending = require "luas.ending"
local later = require "luas.later"
local heap = later.open "luas.heap"
local inspect = later.open "luas.inspect"
local outcome = require "luas.outcome"
local halt = later.open "luas.halt"
local held = later.open "luas.held"
local lost = later.open "luas.lost"
local refusal = later.open "luas.refusal"
local retry = later.open "luas.retry"
local turns = later.open "luas.turns"

local pack, unpack, randomseed = table.pack, table.unpack, math.randomseed
local traceback, now, call = core.traceback, core.now, core.call

---@class luas.inlinepool
local Pool = {}
Pool.__index = Pool

local Job = {}
Job.__index = Job
Pool.Job = Job

-- Seconds of work after which a job lets others of its priority go first.
local TURN <const> = 0.01

-- Seconds after which a batch of a slow source ends.
local LONGEST_PULL <const> = 0.005

-- The tasks that run now, in all pools. Each waits for the next one.
local stack = {}

-- The task that runs. However its call ends, the task has one outcome in the end.
local Task = {}
Task.__index = Task
Pool.Task = Task

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
local function prepare(self)
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
    if not prepare(self) or job:expire() then return true end
    if self.waiting.n > 1 then share(job) else job:run() end
    return true
end

--- Does everything that could be waited for run already, further down the stack?
function Pool:stuck()
    return #self.running > 0 and not self.waiting:first()
        and not (self.later and self.later:first())
end

local ids = 0

function Job:id()
    if not self.number then
        ids = ids + 1
        self.number = ids
    end
    return self.number
end

--- Has all that was fed its outcome?
function Job:rests() return self.posted == self.fed end

function Job:label(text) self.text = text end

function Job:name() end

function Job:running() return {} end

function Job:pace()
    return self.posted, self.cancelled_count or 0, self.failures, self.first_start,
        self.last_end, self.slowest
end

function Job:keys(list) turns.note(self, list) end

function Job:spare_keys() return turns.spare(self) end

function Job:carry(f, forced)
    self.f, self.forced = f, forced
    local why = forced and core.check(f)
    if why then return nil, why end
    return true, {}
end

function Job:inherit(f, items)
    self.f, self.items = f, items
    return true
end

local function unpack_item(list, index)
    return pack(unpack(list, 1, core.check_list(list, index)))
end

-- What the source gave with the list follows the list's arguments.
local function spread_list(given, index)
    local arguments = unpack_item(given[1], index)
    table.move(given, 2, given.n, arguments.n + 1, arguments)
    arguments.n = arguments.n + given.n - 1
    return arguments
end

-- Puts a task behind those that wait, or before them if its index is lower.
function Job:enqueue(task)
    local first = self.queue[self.first]
    if first and task.index < first.index then
        self.queue[self.first - 1] = task
        self.first = self.first - 1
    else
        self.queue[self.last + 1] = task
        self.last = self.last + 1
    end
    self.pool.waiting:add(self)
end

-- Ends a task as the journal says: true if it says that.
local function recall(task, kind, known)
    local job = task.job
    if kind == "value" then
        task:post { results = known }
    elseif kind then
        local fields = known
        fields.index = task.index
        if job.policy.names then
            fields.input = job.policy.star and task.arguments or outcome.input(task.arguments)
        end
        task:post { fields = fields }
        job:count_failure()
    end
    if kind then job.pool:count("resumed", 1) end
    return kind ~= nil
end

function Job:push(arguments)
    local index = self.fed + 1
    local task = setmetatable({ job = self, index = index, arguments = arguments, attempts = 0 }, self.pool.Task)
    self.open[index] = task
    self.fed = index
    self.pool.jobs[self] = true
    if self.journal and recall(task, self.journal:take()) then return end
    if self.lanes then turns.add(task) else self:enqueue(task) end
    if self.expired then self:expire() end
    if self.halted then self:look_at_failures() end
end

--- Why these arguments cannot be sent; nil if they can.
function Job:refusal(arguments)
    return core.check(unpack(arguments, 1, arguments.n))
end

local function why_unsent(self, index, arguments)
    local message = self:refusal(arguments)
    return message and ("item %d%s%s"):format(index, message:find(": ", 1, true) and ", " or ": ", message)
end

-- What is to be shipped must be such that it could be, also where nothing is sent.
function Job:feed(items, first, last, star)
    for i = first, last do
        local arguments = star and unpack_item(items[i], i) or pack(items[i])
        local why = self.forced and why_unsent(self, i, arguments)
        if why then return false, why end
        self:push(arguments)
    end
    return true
end

function Job:feed_inherited(n)
    self:feed(self.items, 1, n, self.policy.star)
end

function Job:call(...)
    local arguments = pack(...)
    local why = self.forced and self:refusal(arguments)
    if why then return false, why end
    self:push(arguments)
    return true
end

local function check_item(self, index, arguments)
    local why = why_unsent(self, index, arguments)
    if why then check.fail(why) end
end

-- Takes one task from the source: false if there is none.
local function pull_one(self, source, index, star, indexed)
    self.in_source = true
    local arguments = pack(call(source))
    self.in_source = false
    if self.dropped or self.pool.closed or arguments[1] == nil then return false end
    if indexed then arguments = pack(unpack(arguments, 2, arguments.n)) end
    if star then arguments = spread_list(arguments, index) end
    check_item(self, index, arguments)
    if self.journal then self.journal:stage_values(unpack(arguments, 1, arguments.n)) end
    self:push(arguments)
    return true
end

function Job:pull(source, most, before, star, indexed)
    local n, more, lines = 0, true, nil
    local ok, raised = xpcall(function()
        local last = now() + LONGEST_PULL
        while n < most and more and (n == 0 or now() < last) do
            more = pull_one(self, source, before + n + 1, star, indexed)
            if more then n = n + 1 end
        end
    end, function(value)
        lines = traceback(nil, 2)
        return value
    end)
    if ok then return n, more end
    return n, false, nil, self.in_source and "source" or "item", raised, lines
end

function Job:seal()
    self.sealed = true
    self:look_at_failures()
    self:leave_if_done()
end

function Job:pump() end

--- Call it when nobody waits for the job yet.
function Job:detach()
    while self.first <= self.last or held.any(self) do
        if self.first > self.last then
            held.await(self.pool)
        elseif prepare(self.pool) and not self:expire() then
            self:run()
        end
    end
end

local function note_end(self)
    local pool = self.pool
    pool.last_ended = pool.last_ended + 1
    pool.ended_ids[pool.last_ended] = self.serial
end

function Job:leave_if_done()
    if self.has_left or not self:done() then return end
    self.pool.jobs[self] = nil
    self.has_left = true
    if self.watched then note_end(self) end
end

function Job:watch()
    if not self.watched and self:done() then note_end(self) end
    self.watched = true
    return self.serial
end

local counters = {
    value = "values", error = "errors", timeout = "timeouts", crash = "crashes",
    cancelled = "cancelled",
}

function Job:post(o)
    local at = self.posted + 1
    self.outcomes[at] = o
    self.posted = at
    self.open[o.index] = nil
    self.pool:count("tasks", 1)
    if o.fields and o.fields.kind == "cancelled" then
        self.cancelled_count = (self.cancelled_count or 0) + 1
    end
    self.pool:count(counters[o.fields and o.fields.kind or "value"], 1)
    self:leave_if_done()
end

-- What each outcome of it says.
function Task:complete(fields)
    local arguments = self.arguments
    fields.index, fields.count, fields.attempts = self.index, 1, self.attempts
    fields.took = self.begun and core.now() - self.begun or 0
    if self.job.policy.names then
        fields.input = arguments
        if not self.job.policy.star then fields.input = outcome.input(arguments) end
    end
    if self.attempts > 0 then fields.pid, fields.worker = core.pid(), 0 end
    return fields
end

function Task:post(o)
    self.settled, o.index = true, self.index
    if self.lane then turns.settled(self) end
    self.job:post(o)
end

function Task:fail(fields)
    self:post { fields = self:complete(fields) }
end

--- Its next start may come.
function Task:go_on()
    if self.lane then turns.again(self) else self.job:enqueue(self) end
end

function Task:__close()
    if self.goes_on then
        self.goes_on = nil
        self:go_on()
    elseif not self.settled and not self.due then
        self:fail { kind = "cancelled" }
    end
end

local function cut(list, n)
    for i = #list, n + 1, -1 do list[i] = nil end
end

-- The run of a task. A signal may end it before the task's own scope begins, and at its end.
local Run = {}

function Run:__close()
    cut(self.running, self.before)
    cut(stack, self.depth)
    due.leave(self.level, true)
    if self.lane then self.lane:go_on() end
end

local function new_run(pool)
    local running = pool.running
    return setmetatable({ running = running, before = #running, depth = #stack, level = due.level() }, Run)
end

local function start(self, run)
    local task = self.queue[self.first]
    self.first = self.first + 1
    self.queue[self.first - 1] = nil
    if self.first > self.last then self.pool.waiting:remove(self) end
    if not task then return nil end
    task.level, run.lane = run.level, task.lane
    table.insert(self.pool.running, task)
    stack[#stack + 1] = task
    if task.lane then turns.started(task) end
    return task
end

-- MessagePack of one string, and of what a task raises.
local function packed(text)
    return "\x91\xdb" .. (">s4"):pack(text)
end

local function packed_raised(message)
    return "\x93\xc0\xdb" .. (">s4"):pack(message) .. "\xc0"
end

local function describe_arguments(arguments)
    if arguments.n == 1 and type(arguments[1]) == "string" then return arguments[1] end
    local texts = {}
    for i = 1, arguments.n do
        texts[i] = inspect.inspect(arguments[i], { depth = 2 }):gsub("%s+", " ")
    end
    core.called() -- __tostring
    return table.concat(texts, ", ")
end

-- Has the journal record it.
local function record(task, took, kind, ...)
    local value, message = ...
    task.job.journal:ended {
        index = task.index, start = task.start, took = took, kind = kind, attempts = task.attempts,
        arguments = task.arguments, results = kind == "value" and pack(...) or nil,
        message = kind == "error" and tostring(message) or nil, is_text = type(value) == "string",
    }
end

-- Tells those who watch its job, or its pool, that the task has ended.
function Task:tell(again, kind, ...)
    local job, now = self.job, core.now()
    local took, message = now - self.start, select(2, ...)
    if job.journal and not again and kind ~= "stopped" and kind ~= "cancelled" then record(self, took, kind, ...) end
    job.first_start = job.first_start or self.start
    job.last_end, job.slowest = now, math.max(job.slowest or 0, took)
    for reader, tag in pairs(job.pool.readers or {}) do
        reader:ended {
            tag = tag, job = job:id(), label = job.text, index = self.index, start = self.start,
            took = took, kind = kind == "stopped" and "cancelled" or kind, attempts = self.attempts,
            input = packed(describe_arguments(self.arguments)),
            raised = kind == "error" and packed_raised(tostring(message)) or nil,
            retried = again,
        }
    end
    self.start = nil
end

local function fields_of(kind, value, message, traceback)
    if kind == "crash" then return { kind = kind, exitcode = value } end
    return { kind = kind, value = value, message = message, traceback = traceback }
end

-- A decider runs outside of the task.
local function decide(self, fields)
    local running = self.job.pool.running
    self.deciding = true
    table.remove(running)
    table.remove(stack)
    local ok, again = pcall(self.job.policy.decide, fields)
    table.insert(running, self)
    stack[#stack + 1] = self
    self.deciding = nil
    if not ok then error(again, 0) end
    return again
end

-- Is it to be started again?
function Task:again(kind, ...)
    if (self.job.policy.retries or 0) == 0 then return false end
    local again = retry.wanted(self.job.policy, kind, self.attempts)
    if again ~= nil then return again end
    return decide(self, self:complete(fields_of(kind, ...)))
end

-- Until its time others go on.
function Task:try_again()
    local job = self.job
    job.pool:count("retries", 1)
    local seed = job.policy.seed or math.floor(core.now() * 1e9)
    local pause = retry.pause(job.policy, self.attempts, retry.draw(seed, self.index, self.attempts))
    if pause > 0 then
        held.hold(self, core.now() + pause)
    elseif self.lane then
        self.goes_on = true
    else
        return self:call()
    end
end

function Task:settle(kind, ...)
    due.leave(self.level, kind ~= "value" and kind ~= "error")
    if kind == "timeout" and (self.cancelled or self.job:expire()) then kind = "cancelled" end
    local again = kind ~= "value" and self:again(kind, ...)
    if self.start then self:tell(again, kind, ...) end
    if again then
        return self:try_again()
    elseif kind == "value" then
        return self:post { results = pack(...) }
    elseif kind == "stopped" then
        error(..., 0)
    end
    local fields = fields_of(kind, ...)
    fields.expired = kind == "cancelled" and self.job.expired or nil
    self:fail(fields)
    if kind ~= "cancelled" then self.job:count_failure() end
end

-- Seconds that it may run.
function Task:limit()
    local job = self.job
    if not job.ends then return job.policy.timeout end
    return math.max(0.001, math.min(job.policy.timeout or math.huge, job.ends - core.now()))
end

function Task:call()
    local policy, arguments = self.job.policy, self.arguments
    self.attempts = self.attempts + 1
    self.begun = core.now()
    if policy.stamped or self.job.pool.readers then self.start = self.begun end
    if policy.seed then randomseed(policy.seed, self.index) end
    due.enter()
    return self:settle(core.guard(self, self:limit(), policy.discard, self.job.f,
        unpack(arguments, 1, arguments.n)))
end

function Job:count_failure()
    self.failures = self.failures + 1
    self:look_at_failures()
end

-- What runs meanwhile is the task that failed, and those that wait for it.
function Job:look_at_failures()
    local policy = self.policy
    if not (policy.halt or policy.halt_percent) then return end
    self.halted = self.halted or halt.is_due(policy, self.failures, self.fed, self.sealed)
    if self.halted then self:cancel_queued() end
end

function Job:run()
    local run = new_run(self.pool)
    local again <close> = run -- if a signal ends the first end
    local once <close> = run
    local task <close> = start(self, run)
    if task then task:call() end
end

-- Takes out what has not begun, from one index to another, and calls `f` with each task. A signal
-- may have ended this anywhere: then places are empty.
local function take_queued(self, from, to, f)
    if self.lanes then turns.take(self, from, to, f) end
    if self.pool.later then held.take(self, from, to, f) end
    local kept, last = self.first, self.last
    for i = self.first, last do
        local task = self.queue[i]
        self.queue[i] = nil
        if task and task.index >= from and task.index <= to then
            f(task)
        elseif task then
            self.queue[kept] = task
            kept = kept + 1
        end
    end
    self.last = kept - 1
    if self.first > self.last then self.pool.waiting:remove(self) end
    if self.lanes then turns.refill(self) end
end

--- All that has not begun has this outcome.
function Job:end_queued(o)
    take_queued(self, 0, math.maxinteger, function(task)
        local fields = {}
        for name, value in pairs(o) do fields[name] = value end
        task:fail(fields)
    end)
end

function Task:cancel()
    self:fail { kind = "cancelled", expired = self.job.expired }
end

--- Is its deadline over? Then all that has not begun is cancelled.
function Job:expire()
    if not self.ends or core.now() < self.ends then return false end
    self.expired = true
    self:cancel_queued()
    return true
end

function Job:cancel_queued(from, to)
    take_queued(self, from or 0, to or math.maxinteger, Task.cancel)
end

-- The task that ran was stopped by the same error.
function Job:start_no_more() self:cancel_queued() end

function Job:cancel(from, to)
    self:cancel_queued(from, to)
    if not from and not to then lost.find(self, Task.cancel) end
    for _, task in ipairs(self.pool.running) do
        if task.job == self and task.index >= (from or 0) and task.index <= (to or math.maxinteger) then
            task.cancelled = true
            core.stop(task)
        end
    end
end

-- The next outcome; `skip` takes it, once it is where it belongs.
local function peek(self)
    return self.taken < self.posted and self.outcomes[self.taken + 1] or nil
end

local function skip(self, o)
    self.open[o.index] = nil
    self.outcomes[self.taken] = nil -- the one before it
    self.taken = self.taken + 1
end

function Job:list() return {} end

function Job:collect(results)
    local n = 0
    for o in peek, self do
        local fields = o.fields
        if not fields then results[o.index] = o.results[1] end
        n = n + 1
        skip(self, o)
        if fields then return n, fields end
    end
    return n
end

function Job:next()
    local o = peek(self)
    if o == nil then return end
    skip(self, o)
    if o.fields then return o.index, o.fields end
    return o.index, nil, unpack(o.results, 1, o.results.n)
end

function Job:gather(values, others, order)
    local n = 0
    for o in peek, self do
        local results = o.results
        skip(self, o)
        n = n + 1
        if order then order[#order + 1] = o.index end
        if o.fields then return n, o.fields end
        if results.n == 1 and results[1] ~= nil then
            values[o.index] = results[1]
        else
            others[o.index] = pack(nil, unpack(results, 1, results.n))
        end
    end
    return n
end

function Job:printed() return {} end

function Job:done()
    return self.dropped or (self.sealed and self.posted == self.fed)
end

function Job:drop()
    self:cancel()
    self.dropped = true
    self:leave_if_done()
end

--- What `pool.task` is in the task that runs here, if any.
---@return table?
local function task()
    local here = stack[#stack]
    if not here then return nil end
    return { index = here.index, attempt = here.attempts, worker = 0, progress = function() end }
end

return { new = new, task = task, Pool = Pool, Job = Job, Task = Task }
