--- A job: it carries the function, feeds inputs, and takes outcomes.
---
--- The verbs of a pool are built on this. Data flow from the source through `fill` to the
--- engine, and from there through `take`. A job keeps no outcomes: the caller has them.

local carry = require "luas.carry"
local core = require "luas.core"
local fail = require("luas.check").fail
local later = require "luas.later"
local outcome = require "luas.outcome"
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
-- The most records of texts at first; then as many as this number of passages has, for each worker.
local MOST_RECORDS <const>, PASSAGES <const> = 1 << 16, 8
-- How many items are encoded at a time.
local BATCH <const> = 4096

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
        bare = how.bare, stamped = options.progress or options.report or options.journal, names = names, retries = options.retries,
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

local function describe(self, o)
    if o.index and o.count == 1 then
        o.output = self:printed()[o.index]
        if self.arguments then
            o.input = outcome.input(self.arguments)
        elseif self.items then
            o.input = self.items[o.index]
        end
    end
    o.name = self.name
    if self.journal and not o.pid then o.recorded = o.kind ~= "cancelled" and not o.init or nil end
    if self.texts and o.index then o.file, o.line, o.byte = self.texts:place(self.before + o.index) end
    if o.kind == "timeout" and not o.init then o.limit = self.options.timeout end
    if o.expired then o.limit, o.expired = self.options.deadline, nil end
    if o.worker and o.worker > 0 then o.worker_name = self.name or outcome.worker_name(self.pool.name, o) end
    o.traceback = o.traceback and outcome.own_lines(o.traceback)
    return outcome.new(o)
end

-- Where a function decides on retries.
local function listen(self)
    if type(self.options.retries) == "table" then retry.listen(self, describe) end
    return self
end

-- Records of texts are read by the workers, if there are such.
local function read_from(self, source)
    self.source, self.indexed = sources.step(source)
    if self.options.limit then self.source = limit.source(self, self.source) end
    self.texts = sources.texts(source)
    if not self.texts then return end
    self.before = self.texts.given
    self.cuts = not self.star and self.pool.size > 0 and not self.pool.remote
        and not (self.options.limit and self.options.limit.key)
    if self.cuts and not self.options.window then self.window = MOST_RECORDS end
end

--- Starts a job of `f` over `items` (an array of `n`) or `source` (a function).
---@param pool table       a pool's state
---@param f function
---@param input {items: table?, n: integer?, source: function?}
---@param options table    checked job options
---@param how {arguments: table?, is_call: boolean?, name: string?, star: boolean?, lazy: boolean?, async: boolean?, discard: boolean?, process: boolean?, each: boolean?}
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
    if input.source then read_from(self, input.source) end
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

-- Seconds that a quick source takes for a batch; and for one task, a source that may wait.
local QUICK <const>, SLOW <const> = 0.0005, 0.005
-- Seconds that a slow source waits for outcomes at most, and after its first batch, which says
-- little of how slow it is.
local PATIENCE <const>, FIRST_PATIENCE <const> = 0.25, 0.02

-- Seconds after which a stream is looked at that had nothing.
local LOOK <const> = 0.02

-- Surrounds the calls of a source: after an error in it nothing more is read.
local Pull = {}

function Pull:__close(raised)
    self.job.pulling = nil
    if raised ~= nil then self.job:finish() end
end

local function give(self, most)
    if self.cuts then return self.texts:feed(self, most) end
    return self.handle:pull(self.source, most, self.fed, self.star, self.indexed)
end

local function pull(self, most)
    if self.pulling then fail("a source cannot wait for the job that reads it") end
    self:check_pool()
    local guard <close> = setmetatable({ job = self }, Pull)
    self.pulling = true
    local n, more, modules, who, value, traceback = give(self, most)
    -- What stops the script does not wait for tasks. A first item that cannot be sent is an
    -- argument that is wrong.
    if who and (core.stopped(value) or who == "item" and self.fed + n == 0) then error(value, 0) end
    carry.submit(self, modules)
    self.fed = self.fed + n
    self:check_pool()
    if who then
        self.raised = { who = self.in_key and "the key of limit" or "the source", value = value, traceback = traceback }
    end
    if not more then self:finish() end
end

--- The outcome of a call whose source, or the key of its limit, raised an error, with what the call has had. It comes
--- after the outcomes of all tasks; nil if the source raised none.
---@param had { n: integer, results: table?, failures: table<integer, luas.outcome> }
---@return luas.outcome?
function Job:cut_short(had)
    local raised = self.raised
    return raised and outcome.cut_short(raised.who, raised.value,
        raised.traceback and outcome.source_lines(raised.traceback), had)
end

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

--- Has its stream nothing to read now?
---@return boolean
function Job:dry()
    return self.cuts and not self.exhausted and self.texts:waits()
end

-- Would a stream keep tasks waiting that run?
local function must_wait(self)
    return self.cuts and self.fed > self.taken and self.texts:waits()
end

-- A few passages are ahead of the workers: the host holds those of streams.
local function pull_passage(self, most)
    local fed = self.fed
    pull(self, most)
    local n = self.fed - fed
    if n > 0 and not (self.options.window or self.async) then self.window = PASSAGES * n * self.pool.size end
end

--- Reads as much from the source as the window has room for, in batches. A batch grows only
--- while the source is quick: so workers do not wait for a slow source. One that has waited
--- lately is called for one task at a time. Returns at once for an array.
function Job:fill()
    local room = self.window - (self.fed - self.taken)
    if self.exhausted or room < self.window // 2 then return end
    self.pool:check_owner() -- the source belongs to the owner, too
    local before = core.now()
    if self.ends and before >= self.ends then return self:finish() end
    if self.cuts then
        if not must_wait(self) then pull_passage(self, room) end
        return
    end
    local is_slow = self.slowness >= SLOW or self.reads < 2
    pull(self, is_slow and 1 or min(room, self.batch, BATCH))
    local took = core.now() - before
    self.slowness, self.reads = max(took, self.slowness / 2), self.reads + 1
    if took < QUICK then
        self.batch = min(2 * self.batch, BATCH)
    else
        self.batch = max(1, self.batch // 2)
    end
end

--- Seconds to wait for tasks that run before the source is called, which may take long: a part
--- of what it took the last times. Nothing runs meanwhile where tasks run in the caller.
---@return number
function Job:patience()
    if self.exhausted or self.cuts then return 0 end
    if self.pool.size == 0 then return huge end
    if self.reads == 1 then return FIRST_PATIENCE end
    return self.slowness < SLOW and 0 or min(self.slowness / 4, PATIENCE)
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

--- Stops reading the source.
function Job:finish()
    if not self.exhausted then
        self.exhausted, self.total = true, self.fed
        self.handle:seal()
        if self.given then sources.close(self.given) end
    end
end

--- Would `fill` do something now?
function Job:hungry()
    return not self.exhausted and self.window - (self.fed - self.taken) >= self.window // 2
        and self.pool.owner == core.pid() and not must_wait(self)
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

-- Stops reading the source after too many failures, and when no worker can start.
local function note_failure(self, o)
    if o.kind == "cancelled" then return end
    self.failed = self.failed + 1
    if o.init or self.policy.halt and self.failed >= self.policy.halt then self:finish() end
end

-- What an outcome of several tasks says of one of them.
local function of_one(self, o, index)
    local fields = {}
    for name, value in pairs(o) do fields[name] = value end
    fields.index, fields.count = index, 1
    return describe(self, fields)
end

--- Puts one outcome for each task that `o` stands for into a table, by index.
---@param o luas.outcome  of one task, or of several that ended together
---@param into table<integer, luas.outcome>
function Job:spread(o, into)
    into[o.index] = o
    if o.count == 1 then return end
    for i = o.index, o.index + o.count - 1 do
        into[i] = of_one(self, o, i)
    end
end

--- Moves the values that have come into `results`, up to the first outcome that is no
--- value, which it returns.
---@param results table
---@return luas.outcome?
function Job:collect(results)
    local n
    n, self.failure = self.handle:collect(results)
    self.taken = self.taken + n
    local fields = self.failure
    if fields then note_failure(self, fields) end
    return fields and describe(self, fields)
end

--- Prints the results that have come, up to the first outcome that is no value, which it returns
--- after the number of those that are over (printer.h).
---@param tools table     core.text_tools()
---@param printer userdata
---@return integer n, luas.outcome?
function Job:print(tools, printer)
    local n, fields = tools.print(self.handle, printer)
    self.taken = self.taken + n
    if fields then note_failure(self, fields) end
    return n, fields and describe(self, fields)
end

--- What `collect` has returned, again, in case that a signal came before the caller had it.
---@return luas.outcome?
function Job:last_failure()
    local fields = self.failure
    return fields and (outcome.is(fields) and fields or describe(self, fields))
end

--- The outcome of the first task that this one is about.
---@param o luas.outcome
---@return luas.outcome
function Job:first(o)
    return o.count == 1 and o or of_one(self, o, o.index)
end

local function describe_taken(self, index, fields, ...)
    if fields == nil then return index, nil, ... end
    return index, describe(self, fields)
end

--- Takes one outcome: returns its index, then nil and the results, or the outcome if it is
--- no value. Returns nothing when there is none. The caller counts it in `taken`.
function Job:take()
    return describe_taken(self, self.handle:next())
end

--- Moves the outcomes that have come into two tables, by index. `values` gets the results of
--- tasks that have exactly one, not nil. `others` gets for each other task a list with its
--- length in `n`: nil and the results, or the outcome that is no value. The indices are
--- appended to `order`, if given, as tasks ended. The caller counts them in `taken`.
--- Returns false when there was nothing.
---@param values table<integer, any>
---@param others table<integer, table>
---@param order integer[]?
---@return boolean
function Job:gather(values, others, order)
    local n, fields = self.handle:gather(values, others, order)
    if fields then
        local failures = {}
        note_failure(self, fields)
        self:spread(describe(self, fields), failures)
        for i = fields.index, fields.index + fields.count - 1 do
            others[i] = { n = 1, failures[i] }
            if order and i > fields.index then order[#order + 1] = i end
        end
    end
    return n > 0
end

--- What tasks printed, by index, in a pool that captures it.
---@return table<integer, string>
function Job:printed()
    return self.handle:printed()
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

for name, method in pairs(Job) do Call[name] = Call[name] or method end

return Job
