--- A job of the engine without processes (inline.lua): what is fed to it, what is taken from it.

local check = require "luas.check"
local core = require "luas.core"
local later = require "luas.later"
local halt = later.open "luas.halt"
local held = later.open "luas.held"
local lost = later.open "luas.lost"
local outcome = require "luas.outcome"
local tasks = require("luas.inline_task", true)
local turns = later.open "luas.turns"

local Task = tasks.Task
local pack, unpack = table.pack, table.unpack
local traceback, now, call = core.traceback, core.now, core.call

-- Seconds after which a batch of a slow source ends.
local LONGEST_PULL <const> = 0.005

local Job = {}
Job.__index = Job

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
    local n, more, lines, below = 0, true, nil, core.levels() + 1 -- and xpcall
    local ok, raised = xpcall(function()
        local last = now() + LONGEST_PULL
        while n < most and more and (n == 0 or now() < last) do
            more = pull_one(self, source, before + n + 1, star, indexed)
            if more then n = n + 1 end
        end
    end, function(value)
        lines = traceback(nil, 2, below)
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
        elseif self.pool:prepare() and not self:expire() then
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

function Job:run() tasks.run(self) end

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

return Job
