--- Jobs and tasks of a pool over many machines. They are those of the engine without processes (inline.lua),
--- except for how tasks get to where they run. In the queue is a *span*, for tasks that were fed together and
--- have not been started, { index, n, bytes, at, code }; or a task.

local check = require "luas.check"
local chunks = require "luas.cluster_chunks"
local core = require "luas.core"
local each = require "luas.cluster_each"
local held = require "luas.held"
local inline = require("luas.inline", true)
local modules = require "luas.cluster_modules"
local names = require "luas.cluster_names"
local retry = require "luas.retry"

local pack, unpack = table.pack, table.unpack

local Job = setmetatable({}, { __index = inline.Job })
Job.__index = Job

local Task = setmetatable({}, { __index = inline.Task })
Task.__index = Task
Task.__close = inline.Task.__close

-- ---- the function, and the arguments ----

local REMEDY <const> = "; over a cluster nothing is inherited: make it in init, or in the task"

function Job:carry(f)
    self.f, self.forced, self.spread = f, true, 0
    local bytes, space, found = self.pool.tools.define(f)
    if not bytes then return nil, space .. REMEDY end
    self.space, self.parts = space, { bytes }
    self.needed = modules.needed(self.pool, found) or false
    return true, {}
end

function Job:inherit() check.fail "over a cluster nothing is inherited" end

-- Code is kept for agents, once it is needed, and anew when arguments have brought classes.
local function code_of(self)
    if not self.code then
        local tools = self.pool.tools
        self.codes = self.codes or {}
        self.code = self.pool.link:keep((tools.pack(nil, false, self.needed, unpack(self.parts))))
        self.codes[#self.codes + 1] = self.code
    end
    return self.code
end

-- Encodes items, or lists of arguments: as tools.put, but with the definitions noted.
local function put(self, unchanged, items, from, to, star)
    local bytes, n, more, why = self.pool.tools.put(self.space, unchanged, items, from, to, star)
    if more ~= "" then
        self.parts[#self.parts + 1], self.code = more, nil
    end
    return bytes, n, why and why .. REMEDY
end

--- Encodes the arguments: why that cannot be done, or nil.
function Job:refusal(arguments)
    local bytes, _, why = put(self, self.fresh or false, { arguments }, 1, 1, true)
    self.encoded = bytes
    return why
end

function Job:push(arguments)
    local bytes = self.encoded
    inline.Job.push(self, arguments)
    local task = self.open[self.fed]
    if not task then return end
    task.bytes, task.code = bytes, code_of(self)
    if self.policy.each then task.home = each.place(self.policy.each, task.index) end
end

-- Does nobody look at its tasks one by one?
local function is_plain(self)
    return not (self.lanes or self.journal or self.pool.readers or self.policy.stamped or self.policy.each)
end

-- Adds tasks whose arguments are these bytes.
local function push_span(self, n, bytes)
    if n == 0 then return end
    local span = { job = self, index = self.fed + 1, n = n, bytes = bytes, at = 0, code = code_of(self) }
    self.fed = self.fed + n
    self.spread = self.spread + n - 1
    self.pool.jobs[self] = true
    self:enqueue(span)
    if self.expired then self:expire() end
    if self.halted then self:look_at_failures() end
end

local function place(index, why) return ("item %d%s%s"):format(index, why:find(": ", 1, true) and ", " or ": ", why) end

local function feed_plain(self, items, first, last, star)
    local bytes, n, why = put(self, true, items, first, last, star)
    if why then return false, place(first + n, why) end
    push_span(self, n, bytes)
    return true
end

-- No code of the user's runs between the function and an array: so what both have goes by number.
function Job:feed(items, first, last, star)
    if is_plain(self) then return feed_plain(self, items, first, last, star) end
    self.fresh = true
    local ok, why = inline.Job.feed(self, items, first, last, star)
    self.fresh = nil
    return ok, why
end

function Job:call(...)
    self.fresh = true
    local ok, why = inline.Job.call(self, ...)
    self.fresh = nil
    return ok, why
end

-- ---- a source ----

-- Seconds after which a batch of a slow source ends.
local LONGEST_PULL <const> = 0.005

-- What a source has given: scalars wait for others, as no later call of the source can change them, and all else is
-- encoded at once.
local Batch = {}
Batch.__index = Batch

function Batch:flush()
    local list = self.list
    if #list == 0 then return true end
    self.list = {}
    local bytes, n, why = put(self.job, false, list, 1, #list)
    self.parts[#self.parts + 1] = bytes
    self.n = self.n + n
    return not why, why
end

local function give(self, indexed, ...)
    local n = select("#", ...)
    if n == 0 or (...) == nil then return false end
    if indexed then return give(self, false, select(2, ...)) end
    self:flush()
    local bytes, _, why = put(self.job, false, { pack(...) }, 1, 1, true)
    if why then check.fail(place(self.before + self.n + 1, why)) end
    self.parts[#self.parts + 1] = bytes
    self.n = self.n + 1
    return true
end

-- Its first value is an index, and no item.
local function read_one(source) return true, core.call(source) end

local function read_source(self, source, most, indexed)
    local last = core.now() + LONGEST_PULL
    local read = indexed and read_one or self.job.pool.tools.scalars
    local function take(is_other, ...)
        self.job.in_source = false
        if self.job.dropped or self.job.pool.closed then return false end
        return not is_other or give(self, indexed, ...)
    end
    while self.n + #self.list < most and (self.n + #self.list == 0 or core.now() < last) do
        self.job.in_source = true
        if not take(read(source, self.list, most - self.n, last)) then return false end
    end
    return true
end

function Job:pull(source, most, before, star, indexed)
    if star or not is_plain(self) then return inline.Job.pull(self, source, most, before, star, indexed) end
    local batch = setmetatable({ job = self, list = {}, parts = {}, n = 0, before = before }, Batch)
    local lines
    local below = core.levels() + 1 -- and xpcall
    local ok, raised = xpcall(read_source, function(value)
        lines = core.traceback(nil, 2, below)
        return value
    end, batch, source, most, indexed)
    local in_source = self.in_source
    batch:flush()
    push_span(self, batch.n, table.concat(batch.parts))
    if ok then return batch.n, raised end
    return batch.n, false, nil, in_source and "source" or "item", raised, lines
end

function Job:settle() return true, {} end

function Job:submit() end

-- ---- the queue ----

--- How many tasks wait.
---@return integer
function Job:count_waiting() return self.last - self.first + 1 + self.spread end

--- Takes out what is first.
function Job:take_first()
    self.queue[self.first] = nil
    self.first = self.first + 1
    if self.first > self.last then self.pool.waiting:remove(self) end
end

--- An object for each task of a span or a chunk.
---@param from { first: integer?, index: integer?, n: integer, bytes: string, code: integer }
---@param at integer  where its bytes begin
---@return table[]
function Job:tasks_in(from, at)
    local tasks, first = {}, from.first or from.index
    for i = 1, from.n do
        local past = self.pool.tools.cut(from.bytes, at, 1, math.maxinteger)
        tasks[i] = setmetatable({ job = self, index = first + i - 1, attempts = 0, code = from.code,
            bytes = from.bytes:sub(at + 1, past) }, self.pool.Task)
        at = past
    end
    return tasks
end

-- Replaces the spans in the queue by their tasks.
local function explode(self)
    if self.spread == 0 and not self.spans then return end
    local all = {}
    for i = self.first, self.last do
        local entry = self.queue[i]
        if entry and entry.n then
            table.move(self:tasks_in(entry, entry.at), 1, entry.n, #all + 1, all)
        elseif entry then
            all[#all + 1] = entry
        end
    end
    self.queue, self.first, self.last, self.spread = all, 1, #all, 0
end

-- Its arguments are needed for an outcome that names them.
local function read_arguments(self)
    local values = pack(self.job.pool.tools.arguments(self.job.space, self.bytes, 0))
    if not values[1] then return pack() end
    return pack(unpack(values, 2, values.n))
end

-- ---- what has become of tasks ----

--- All of a chunk have values, which are read when they are taken.
function Job:post_values(chunk)
    local o = { index = chunk.first, n = chunk.n, run = chunk.results, at = 0, left = 0, next = 0 }
    self.outcomes[self.posted + 1] = o
    self.posted = self.posted + chunk.n
    self.pool:count("tasks", chunk.n)
    self.pool:count("values", chunk.n)
    self:leave_if_done()
end

local function first_outcome(self) return self.taken < self.posted and self.outcomes[self.taken + 1] or nil end

-- So many of it were taken.
local function pass(self, o, n)
    local at = self.taken + 1
    o.n = (o.n or 1) - n
    if o.n > 0 then self.outcomes[at + n] = o end
    self.taken = self.taken + n
    self.outcomes[at] = nil
end

local function collect_run(self, o, results)
    local at, left, following, n, failed = self.pool.tools.collect(self.space, results, o.run, o.at, o.left, o.next)
    o.at, o.left, o.next = at, left, following
    pass(self, o, n)
    return n, failed
end

local function collect_one(self, o, results)
    pass(self, o, 1)
    if not o.fields then results[o.index] = o.results[1] end
    return 1, o.fields
end

function Job:collect(results)
    local n = 0
    for o in first_outcome, self do
        local taken, failed = (o.run and collect_run or collect_one)(self, o, results)
        n = n + taken
        if failed then return n, failed end
    end
    return n
end

local function from_run(self, o, at, left, following, ...)
    o.at, o.left, o.next = at, left, following
    pass(self, o, 1)
    return following - 1, ...
end

function Job:next()
    local o = first_outcome(self)
    if o == nil then return end
    if o.run then return from_run(self, o, self.pool.tools.next(self.space, o.run, o.at, o.left, o.next)) end
    pass(self, o, 1)
    if o.fields then return o.index, o.fields end
    return o.index, nil, unpack(o.results, 1, o.results.n)
end

-- Puts one outcome where it belongs: its fields, if it is no value.
local function sort(values, others, order, index, fields, ...)
    if order then order[#order + 1] = index end
    if fields then return fields end
    if select("#", ...) == 1 and (...) ~= nil then
        values[index] = ...
    else
        others[index] = pack(nil, ...)
    end
end

function Job:gather(values, others, order)
    local n = 0
    while first_outcome(self) do
        local fields = sort(values, others, order, self:next())
        n = n + 1
        if fields then return n, fields end
    end
    return n
end

function Job:printed() return self.prints or {} end

function Task:value(bytes)
    local job = self.job
    if job.policy.discard then return self:finish("value") end
    local ok, results = chunks.read(job, bytes)
    if ok and not results.why then return self:finish("value", nil, results) end
    self:finish("error", { message = ok and results.why or tostring(results) })
    if not ok and core.stopped(results) then error(results, 0) end
end

--- When and where it ran.
function Task:ran()
    local timed = self.timed
    if not timed then return inline.Task.ran(self) end
    return timed.start, timed.took, timed
end

-- The user's function decides. Where a stop interrupts it, the task has its outcome all the same.
local function ask(self, fields)
    local ok, again = pcall(self.job.policy.decide, self:complete(fields))
    if ok then return again end
    if not self.settled then self:cancel() end
    error(again, 0)
end

-- Seconds until it is started again; nil: it is not.
function Task:pause_after(kind, fields)
    local policy = self.job.policy
    if kind == "value" or (policy.retries or 0) == 0 or self.job.pool.closed then return nil end
    if fields.machine_lost and chunks.is_lost_for_good(self) then return nil end
    if self.home and (fields.machine_lost or each.retries(policy)) then return nil end -- its agent has tried
    local again = retry.wanted(policy, kind, self.attempts)
    if again == nil then again = ask(self, fields) end
    if not again then return nil end
    local seed = policy.seed or math.floor(core.now() * 1e9)
    return retry.pause(policy, self.attempts, retry.draw(seed, self.index, self.attempts))
end

--- What has become of it: it has its outcome, or starts again.
---@param kind string
---@param fields table?    of an outcome that is no value
---@param results table?
function Task:finish(kind, fields, results)
    if kind == "timeout" and self.job:expire() and not self.settled then return self:cancel() end
    if self.settled then return end
    if fields then fields.kind = kind end
    local pause = self:pause_after(kind, fields)
    if self.settled then return end -- the function that decided has cancelled it
    if self.start then
        if results then self:tell(false, kind, unpack(results, 1, results.n))
        else self:tell(pause ~= nil, kind, nil, fields and fields.message) end
    end
    if pause then
        self.job.pool:count("retries", 1)
        if pause > 0 then return held.hold(self, core.now() + pause) end
        return self:go_on()
    elseif kind == "value" then
        return self:post { results = results or pack() }
    end
    self:fail(fields)
    if kind ~= "cancelled" then self.job:count_failure() end
end

function Task:complete(fields)
    local pid, worker = fields.pid, fields.worker
    if self.job.policy.names and not self.arguments then self.arguments = read_arguments(self) end
    inline.Task.complete(self, fields)
    fields.pid, fields.worker = pid, worker
    return fields
end

-- A job that has failed too often may stop what runs, too.
function Job:look_at_failures()
    inline.Job.look_at_failures(self)
    if self.halted and self.policy.halt_now and not self.stopping then
        self.stopping = true
        self:cancel()
    end
end

--- What agents have told of its tasks that run.
---@return table[]
function Job:running()
    local list, now = {}, core.now()
    for _, chunk in ipairs(chunks.list(self.pool, function(chunk) return chunk.job == self and not chunk.results end)) do
        for _, task in ipairs(chunk.running or {}) do
            local copy = { machine = self.pool.agents:get(chunk.agent).name }
            for name, value in pairs(task) do copy[name] = value end
            copy.seconds = (task.seconds or 0) + now - chunk.told
            list[#list + 1] = copy
        end
    end
    return list
end

-- In so many chunks, about, goes out what a host leaves to itself.
local EAGER <const> = 1000

--- For a host that goes on: all that is fed goes out.
function Job:pump()
    self.least = self:count_waiting() // EAGER
    while self.first <= self.last and not self:expire() do chunks.dispatch(self.pool, self) end
end

Job.detach = Job.pump

-- ---- cancelling ----

-- A chunk of which nobody waits for anything is taken back.
local function drop_if_over(self, chunk)
    for _, task in ipairs(chunks.tasks_of(chunk)) do
        if not task.settled then return end
    end
    chunks.retire(self, chunk)
    self.link:send(self.prefix .. "c", nil, names.CANCEL, self.run, 0, chunk.token)
end

local function own_chunks(self)
    return chunks.list(self.pool, function(chunk) return chunk.job == self end)
end

-- Takes back those of its chunks that no agent has begun.
local function take_back(self)
    local pool = self.pool
    for _, chunk in ipairs(own_chunks(self)) do
        if not chunk.agent and pool.link:revoke(chunk.token) then
            chunks.retire(pool, chunk)
            local tasks = chunks.tasks_of(chunk)
            for i = #tasks, 1, -1 do
                if not tasks[i].settled then self:enqueue(tasks[i]) end
            end
        end
    end
end

--- All that no agent has begun.
function Job:cancel_queued(from, to)
    take_back(self)
    explode(self)
    inline.Job.cancel_queued(self, from, to)
end

function Job:end_queued(o)
    explode(self)
    inline.Job.end_queued(self, o)
end

function Job:cancel(from, to)
    if self.pool.gone then return end
    self:cancel_queued(from, to)
    for _, chunk in ipairs(own_chunks(self)) do
        for _, task in ipairs(chunks.tasks_of(chunk)) do
            if not task.settled and task.index >= (from or 0) and task.index <= (to or math.maxinteger) then
                task:cancel()
            end
        end
        drop_if_over(self.pool, chunk)
    end
end

function Job:expire()
    if not self.ends or core.now() < self.ends then return false end
    self.expired = true
    self:cancel()
    return true
end

function Job:drop()
    if not self.dropped and not self.pool.gone then
        self:cancel()
        for _, blob in ipairs(self.codes or {}) do self.pool.link:drop(blob) end
    end
    self.dropped = true
    self:leave_if_done()
end

return { Job = Job, Task = Task }
