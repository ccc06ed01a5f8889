--- A task of the engine without processes (inline.lua): its call, and what becomes of it.

local core = require "luas.core"
local due = require "luas.due"
local later = require "luas.later"
local held = later.open "luas.held"
local inspect = later.open "luas.inspect"
local outcome = require "luas.outcome"
local retry = later.open "luas.retry"
local turns = later.open "luas.turns"

local pack, unpack, randomseed = table.pack, table.unpack, math.randomseed

-- The tasks that run now, in all pools. Each waits for the next one.
local stack = {}

-- The task that runs. However its call ends, the task has one outcome in the end.
local Task = {}
Task.__index = Task

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

--- When and where it ran. A pool of other machines has what is theirs.
---@return number start    seconds
---@return number took
---@return { worker: integer, number: integer, name: string }? place
function Task:ran() return self.start, core.now() - self.start end

-- Tells those who watch its job, or its pool, that the task has ended.
function Task:tell(again, kind, ...)
    local job, message = self.job, select(2, ...)
    local start, took, place = self:ran()
    if job.journal and not again and kind ~= "stopped" and kind ~= "cancelled" then record(self, took, kind, ...) end
    job.first_start = math.min(job.first_start or start, start)
    job.last_end, job.slowest = math.max(job.last_end or 0, start + took), math.max(job.slowest or 0, took)
    for reader, tag in pairs(job.pool.readers or {}) do
        reader:ended {
            tag = tag, job = job:id(), label = job.text, index = self.index, start = start,
            took = took, kind = kind == "stopped" and "cancelled" or kind, attempts = self.attempts,
            worker = place and place.worker, machine = place and place.number, machine_name = place and place.name,
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

function Task:cancel()
    self:fail { kind = "cancelled", expired = self.job.expired }
end

-- ---- one after the other ----

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

--- Runs the next task of a job.
---@param job table
local function run(job)
    local place = new_run(job.pool)
    local again <close> = place -- if a signal ends the first end
    local once <close> = place
    local task <close> = start(job, place)
    if task then task:call() end
end

--- What `pool.task` is in the task that runs here, if any.
---@return table?
local function task()
    local here = stack[#stack]
    if not here then return nil end
    return { index = here.index, attempt = here.attempts, worker = 0, progress = function() end }
end

return { run = run, task = task, Task = Task }
