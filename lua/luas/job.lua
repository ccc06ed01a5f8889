--- A job: it carries the function, feeds inputs, and takes outcomes.
---
--- The verbs of a pool are built on this. Data flow from the source through `fill` to the
--- engine, and from there through `take`. A job keeps no outcomes: the caller has them.

local carry = require "luas.carry"
local core = require "luas.core"
local fail = require("luas.check").fail
local job_results = require "luas.job_results"
local job_source = require "luas.job_source"
local later = require "luas.later"
local sources = require "luas.sources"
local halt = later.open "luas.halt"
local journal = later.open "luas.journal"
local limit = later.open "luas.limit"
local observe = later.open "luas.observe"
local progress = later.open "luas.progress"
local retry = later.open "luas.retry"

local min, max, huge = math.min, math.max, math.huge
local getinfo = debug.getinfo

-- An array is inherited by fresh workers, instead of being encoded, if it has this many
-- items for each worker that short tasks use: as many can be sent in the time of a fork.
local INHERIT_ITEMS <const> = 50000
local INHERIT_SHARE <const> = 2048
-- An array is also inherited if it takes this many bytes.
local INHERIT_BYTES <const> = 16 << 20
-- Bytes of results that may wait for a slow consumer before dealing stops. Results that an
-- iterator keeps until their turn do not count here; they count against the window.
local ROOM <const> = 64 << 20
-- By how many outcomes a lazy job may be ahead of its consumer, for each worker; and for each on another
-- machine, which is farther away.
local WINDOW <const>, FAR_WINDOW <const> = 1024, 16384

---@class luas.job
local Job = { __name = "luas.job" }
Job.__index = Job

-- A job of one task. There may be many of these, so fields that are the same for all are
-- in the class.
local Call = { fed = 1, taken = 0, exhausted = true, single = true }
Call.__index = Call

function Job:__tostring()
    return ("job: %d of %s tasks taken"):format(self.taken, self.total or "?")
end

-- A callback or a loop's body may end the pool while a verb is under way. The verb keeps
-- the engine until it has read its outcomes.
local function enter(self)
    self.pool.under_way[self] = true
    return self
end

local function leave(self)
    local pool = self.pool
    pool.under_way[self] = nil
    if pool.ended and next(pool.under_way) == nil then pool.core:close() end
end

local function policy(options, how, names)
    local all = {
        timeout = options.timeout, deadline = options.deadline, grace = options.grace, chunk = options.chunk,
        seed = options.seed, priority = options.priority,
        star = how.star, discard = how.discard, process = how.process,
        each = how.each, async = how.async, room = how.lazy and ROOM or nil,
        bare = how.bare, stamped = how.stamped or options.progress or options.report or options.journal, names = names, retries = options.retries,
    }
    if type(options.retries) == "table" then retry.add(all, options.retries) end
    if options.limit then limit.add(all, options.limit) end
    if options.halt then halt.add(all, options.halt) end
    return all
end

-- A name for its function, for people.
local function label(f)
    local info = type(f) == "function" and getinfo(f, "S")
    return info and ("%s:%d"):format(info.short_src, info.linedefined) or "(callable)"
end

local function is_watched(self)
    return self.options.progress or self.options.report or self.pool.observer or self.journal
end

--- Tells those who watch the job, or its pool, what it is called. Needed for each new
--- handle.
function Job:introduce()
    if self.options.report then observe.job(self, self.options.report) end
    if self.journal then journal.attach(self) end
    if is_watched(self) then self.handle:label(label(self.f)) end
end

local function feed_all(self, items, n)
    local most = carry.how(self) ~= "ship" and INHERIT_BYTES or nil
    return self.handle:feed(items, 1, n, self.star, most)
end

-- Is the array so long that inheriting it is faster?
local function is_long(self, n)
    local pool = self.pool
    return n >= INHERIT_ITEMS and not self.journal -- which looks at each item anyway
        and (n >= INHERIT_SHARE * min(pool.size, core.cpus()) or pool.core:live() == 0)
end

-- Checks the lists of an array that is inherited. Lists that are sent are checked when they
-- are encoded.
local function check_lists(items, n)
    for i = 1, n do core.check_list(items[i], i) end
end

-- Encodes the whole array before anything is dealt. If an item cannot be encoded, or the
-- array is large, workers inherit it instead.
local function start_array(self, items, n)
    local how = carry.how(self)
    self.fed, self.exhausted, self.total = n, true, n
    local keys = self.options.limit and not self.is_call and limit.of_items(self, items, n)
    if self.journal and not self.staged then
        self.journal:stage(items, n, self.star)
        self:check_pool()
    end
    local shipped = how ~= "inherit" and (how == "ship" or not is_long(self, n)) and carry.ship(self)
    if shipped then
        if keys then self.handle:keys(keys) end
        local ok, met = feed_all(self, items, n)
        if ok then
            carry.submit(self, met)
            self.handle:seal()
            return
        elseif how == "ship" then
            fail(met)
        end
        carry.unship(self)
    end
    if self.star then check_lists(items, n) end
    carry.inherit(self, items, n)
    if is_watched(self) then
        self.named = items
        observe.inherited(self, items, n)
    end
    if keys then self.handle:keys(keys) end
    self.handle:feed_inherited(n)
    self.handle:seal()
end

local function start_source(self)
    if carry.how(self) == "inherit" or not carry.ship(self) then
        carry.inherit(self, nil, huge)
    end
end

-- Sets up the meter and the report of the job, if they are wanted.
local function watch(self)
    local given = self.options.progress
    self:introduce()
    if not given then return end
    local pool = self.pool
    observe.join(pool)
    self.meter = progress.meter(self, given)
    pool.meters = pool.meters or {}
    pool.meters[self.meter] = true
end

local function start_input(self, items, n)
    if is_watched(self) then watch(self) end
    if items then start_array(self, items, n) else start_source(self) end
end

-- The job counts as starting during `work`. All of this runs in protected mode: an error
-- that stops the task, wherever it is raised, leaves no such job behind.
local function begin(self, work, ...)
    enter(self)
    local done = work(self, ...)
    self.starting = nil
    return done
end

local function give_up(self)
    self.starting = nil -- first: closing may need memory and fail
    self:close()
end

-- Where a function decides on retries.
local function listen(self)
    if type(self.options.retries) == "table" then retry.listen(self, self.describe) end
    return self
end

--- Starts a job of `f` over `items` (an array of `n`) or `source` (a function).
---@param pool table       a pool's state
---@param f function
---@param input {items: table?, n: integer?, source: function?}
---@param options table    checked job options
---@param how {arguments: table?, is_call: boolean?, name: string?, star: boolean?, lazy: boolean?, async: boolean?, discard: boolean?, process: boolean?, each: any, stamped: boolean?}
---@return luas.job        to be closed
function Job.start(pool, f, input, options, how)
    local self = setmetatable({
        pool = pool, f = f, options = options, star = how.star, lazy = how.lazy, async = how.async,
        items = input.items, given = input.source, arguments = how.arguments, is_call = how.is_call, name = how.name,
        policy = policy(options, how, input.source ~= nil),
        fed = 0, taken = 0, failed = 0, batch = 1, exhausted = false, slowness = 0, reads = 0,
        window = options.window or (pool.remote and FAR_WINDOW or WINDOW) * max(1, pool.size),
        ends = options.deadline and core.now() + options.deadline,
        starting = true,
    }, Job)
    if input.source then self:read_from(input.source) end
    if options.journal and how.verb then journal.join(self, how) end
    self.alone = not pool.core:busy()
    self.handle = pool.core:job(self.policy)
    local ok, message = pcall(begin, self, start_input, input.items, input.n)
    if not ok then
        give_up(self)
        error(message, 0)
    end
    return listen(self)
end

-- The policies of single calls, by their options.
local policies = setmetatable({}, { __mode = "k" })

local function call_policy(pool, options)
    if pool.size == 0 or pool.remote then return policy(options, {}, true) end
    local ready = policies[options]
    if not ready then
        ready = core.policy(policy(options, {}, true))
        policies[options] = ready
    end
    return ready
end

local function ship_call(self, ...)
    if not carry.ship(self) then return false end
    local ok, met = self.handle:call(...)
    if ok and (not met or carry.is_current(self, met)) then
        if met then self.handle:submit() end
        self.handle:seal()
        return true
    elseif not ok and carry.how(self) == "ship" then
        fail(met)
    end
    carry.unship(self)
    return false
end

local function start_call(self, ...)
    if self.options.journal then
        self.journal = journal.part(self, self.how)
        if self.journal then
            self.journal:stage_values(...)
            self:check_pool()
        end
    end
    if is_watched(self) then watch(self) end
    return ship_call(self, ...)
end

--- Starts a job of one task: f(...). The arguments go straight to the engine. If they
--- cannot be sent, a worker inherits them.
---@param pool table
---@param f function
---@param options table
---@param async boolean    whether the caller goes on meanwhile
---@param verb string
---@param ... any
---@return luas.job        to be closed
function Job.call(pool, f, options, async, verb, ...)
    local how = options.journal and { verb = verb, is_call = true }
    if options.carry ~= "inherit" or pool.ships_only then
        local policy = call_policy(pool, options)
        local self = setmetatable({
            pool = pool, f = f, options = options, handle = pool.core:job(policy), policy = policy,
            starting = true, how = how or nil,
        }, Call)
        local ok, sent = pcall(begin, self, start_call, ...)
        if sent == true then return listen(self) end
        if how then how.journal = self.journal end
        give_up(self)
        if not ok then error(sent, 0) end
    end
    local arguments = table.pack(...)
    return Job.start(pool, f, { items = { arguments }, n = 1 }, options,
        { star = true, async = async, arguments = arguments, is_call = true, verb = how and verb, journal = how and how.journal })
end

-- Seconds after which a stream is looked at that had nothing.
local LOOK <const> = 0.02

-- Seconds after which tasks that were told to stop have ended, by a kill if need be.
local TO_STOP <const> = 2

--- After Ctrl-C no task is started. Those that run are stopped, or may end (on_interrupt =
--- "drain"): this waits for them. Then all outcomes are there.
function Job:wind_up()
    local drains, engine = self.options.on_interrupt == "drain", self.pool.core
    self:finish()
    if drains then self.handle:start_no_more() else self.handle:cancel() end
    local deadline = core.now() + (drains and huge or TO_STOP)
    while not self.handle:done() and core.now() < deadline do
        engine:step(min(1, deadline - core.now()))
    end
end

--- Raises if the pool was terminated: then there is nothing to wait for.
function Job:check_pool()
    if self.pool.ended then error("the pool was terminated", 0) end
end

--- Are its inputs being read now, or will a call that is under way read on? A wait for the
--- whole job from inside of that would never end.
function Job:reading()
    return self.starting or self.pulling or not (self.exhausted or self.lazy)
end

--- Have all outcomes been taken, and will there be no further tasks?
function Job:over()
    return self.exhausted and self.taken >= self.fed
end

--- Drives the pool until something happens or `timeout` seconds are over.
---@param timeout number?
---@param again boolean?  as of State:drive
function Job:step(timeout, again)
    self:wait(self:hungry() and 0 or timeout, again)
end

--- As step, though the source could be read.
---@param timeout number?
---@param again boolean?
function Job:wait(timeout, again)
    if self.cuts and not self.exhausted then timeout = min(timeout or huge, LOOK) end
    self.pool:step(timeout, again)
    if self.meter then self.meter:check() end
end

--- Tells the meter that all outcomes were taken.
function Job:finish_meter()
    if self.meter then self.meter:finish() end
end

--- Cancels the tasks from one index to another (by default all).
function Job:cancel(from, to)
    self.handle:cancel(from, to)
end

--- Lets the job go on while no call drives the pool.
function Job:pump()
    local pool = self.pool
    if not (pool.polled or pool.ended) then self.handle:pump() end
end

--- Call it when nobody reads the outcomes for now: a pool that ends does not wait for them.
function Job:set_aside()
    leave(self)
end

--- Call it when its outcomes are read again.
function Job:take_up()
    enter(self)
end

-- Closes the job when its scope is left by an error.
local Unless = {}

function Unless:__close(raised)
    if raised ~= nil then self.job:close() end
end

--- A value for `<close>` while the job is handed over: an error on the way closes the job.
function Job:unless_handed_over()
    return setmetatable({ job = self }, Unless)
end

--- Starts an asynchronous job, which then goes on by itself. Without workers it waits for a
--- call that drives the pool.
function Job:detach()
    if self.pool.size == 0 then return self.handle:detach() end
    self:step(0)
    self:pump()
end

local function stop_watching(self)
    self.meter:close()
    self.pool.meters[self.meter] = nil
    if next(self.pool.meters) == nil then self.pool.meters = nil end
end

--- Cancels the tasks that have not ended, and frees the job.
function Job:close()
    if self.lazy then self.pool.lazy[self] = nil end
    if self.pool.deciders then self.pool.deciders[self] = nil end
    if self.meter then stop_watching(self) end
    if self.named then observe.closing(self) end
    self.handle:drop()
    self.items, self.arguments = nil, nil
    if self.watch then observe.end_job(self) end
    if self.journal then journal.leave(self) end
    leave(self)
    if self.given then sources.close(self.given) end
end
Job.__close = Job.close

for _, part in ipairs { job_source, job_results } do
    for name, method in pairs(part) do Job[name] = method end
end
for name, method in pairs(Job) do Call[name] = Call[name] or method end

return Job
