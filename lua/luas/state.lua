--- The state of a pool: its engine, what is under way in it, and how it ends. The pool and all
--- views of it (`with`) share this state.

local check = require "luas.check"
local core = require "luas.core"
local due = require "luas.due"
local ending = require "luas.ending"
local future = require "luas.future"
local later = require "luas.later"
local inline = later.open "luas.inline"
local modules = require "luas.modules"
local options = require "luas.options"
local observe = later.open "luas.observe"
local progress = later.open "luas.progress"
local retry = later.open "luas.retry"
local cluster = later.open "luas.cluster"
local fresh = later.open "luas.fresh"

local getenv = os and os.getenv or function() end

-- Seconds that a worker may take to start, and to end.
local INIT_TIMEOUT <const> = 60
local EXIT_TIMEOUT <const> = 10

---@class luas.poolstate
---@field size integer        how many workers it may have
---@field core table          the engine: luas.core's or luas.inline's
---@field owner integer       the process that opened it
---@field depth integer       how many tasks ran in it then, without workers of their own
---@field closed boolean?     it takes no further jobs
---@field ended boolean?      all outcomes are known
---@field polled boolean?     a poll loop of the application's drives it
---@field watched table       futures, by the ids of their jobs, whose end is told of:
---@field watching integer    how many
---@field listeners integer   how many have callbacks
---@field waits table         waits for one of some futures: a set
---@field remote boolean?    its workers are on other machines
---@field ships_only boolean? its workers inherit nothing from the script
---@field fresh boolean?     they are programs of their own
---@field is_ending boolean? the end of the script ends it
---@field given_up boolean    its work is not waited for at the end of the script
local State = {}
State.__index = State

--- Makes the state of a pool with this engine and size.
---@param engine table
---@param size integer
---@return luas.poolstate
function State.over(engine, size)
    local self = setmetatable({
        core = engine, size = size, owner = core.pid(), depth = due.level(), known = {}, images = {},
        watched = {}, watching = 0, listeners = 0, waits = {},
        kept = { jobs = {}, n = 0, most = 64 }, carried = { ship = 0, inherit = 0 },
        futures = setmetatable({}, { __mode = "k" }), lazy = setmetatable({}, { __mode = "k" }),
        under_way = setmetatable({}, { __mode = "k" }),
    }, State)
    ending.opened(self)
    return self
end

--- The default number of workers: the one of -j; else the one of the environment; else one for
--- each CPU.
---@return integer
function State.usual_size()
    local text = not core.workers() and getenv "LUAS_JOBS" or ""
    if text == "" then return core.workers() or core.cpus() end
    local n = text:find "^%d+$" and math.tointeger(tonumber(text))
    if n and n <= options.MOST_WORKERS then return n end
    check.fail(("LUAS_JOBS must be a whole number of workers from 0 to %d, not '%s'"):format(
        options.MOST_WORKERS, text))
end

-- The cluster that the pool is to use: the one of its options; else the one of the program, or of the
-- environment, unless the number of its workers is given or this is a task.
local function cluster_of(given)
    local named = core.cluster()
    local key = given.key or named and named.key or getenv "LUAS_KEY"
    if given.cluster then return { url = given.cluster, key = key, ca = given.ca, nkey = given.nkey } end
    if given.workers or core.worker() then return nil end
    local url = named and named.cluster or getenv "LUAS_CLUSTER"
    return url and url ~= "" and { url = url, key = key, ca = given.ca or named and named.ca,
        nkey = given.nkey or named and named.nkey } or nil
end

-- Opens a pool over other machines.
local function new_remote(given, named)
    local engine = cluster.new(given, named)
    local self = State.over(engine, engine:slots())
    self.name, self.output, self.remote, self.ships_only = given.name, engine.output, true, true
    engine.state = self
    if core.run or options.listens(given) then
        observe.open(self, given)
        ending.renew()
    end
    return self
end

--- Opens a pool with these options, which have been checked.
---@param given luas.pooloptions
---@return luas.poolstate
function State.new(given)
    local named = cluster_of(given)
    if named then return new_remote(given, named) end
    local size = math.tointeger(given.workers or State.usual_size())
    local output = given.output or core.run and core.run.output
    local program = size > 0 and (given.start == "exec" or given.program) and fresh.prepare(given) or nil
    local engine = size == 0 and inline.new(given) or core.pool {
        workers = size, init = given.init, exit = given.exit, max_tasks = given.max_tasks,
        init_timeout = given.init_timeout or INIT_TIMEOUT, idle = given.idle,
        output = output, name = given.name, keep_files = given.keep_files or nil,
        memory = given.memory and options.bytes(given.memory),
        max_memory = given.max_memory and options.bytes(given.max_memory),
        exit_timeout = given.exit_timeout or EXIT_TIMEOUT, fresh = program,
    }
    local self = State.over(engine, size)
    self.name, self.output = given.name, output
    if program then
        self.ships_only, self.fresh = true, true
    elseif given.start == "zygote" and size > 0 then
        self.ships_only = true
        modules.note(self) -- what workers have: later changes are sent
        engine:breed()
    end
    if given.idle and given.idle < math.huge then engine:keep_time(true) end
    if core.run or options.listens(given) then
        observe.open(self, given)
        ending.renew()
    end
    return self
end

--- Is something that was submitted to it asynchronously unfinished?
---@return boolean
function State:is_busy()
    if not self.core:busy() then return false end
    local jobs = self.kept.jobs
    for job in pairs(jobs) do
        if not job.handle:done() then return true end
        jobs[job] = nil
    end
    return false
end

--- What is, in words.
---@return string
function State:unfinished()
    local n = 0
    for job in pairs(self.kept.jobs) do
        if not job.handle:done() then n = n + 1 end
    end
    return ("%d call%s%s"):format(n, n == 1 and "" or "s", self.name and " of pool " .. self.name or "")
end

--- Raises if another process has opened the pool: a parent of this one.
function State:check_owner()
    if self.owner ~= core.pid() then check.fail("pool belongs to another process") end
end

--- Drives the pool once, unless all outcomes are known. Then runs the callbacks that are due.
--- `again`: the last call of this came from the same loop, and no code of the user has run
--- since. Then modules need not be compared again.
---@param timeout number?
---@param again boolean?
---@return boolean news
function State:drive(timeout, again)
    local news, forked = false, false
    if not self.ended then
        news, forked = self.core:step(timeout, again)
        if not news then self:check_owner() end -- the inline engine does not check it
    end
    if self.deciders then retry.answer(self) end
    if forked then modules.compare(self) end
    if self.watching > 0 then future.tell(self) end
    if self.meters and timeout ~= 0 then progress.tick(self.meters) end
    due.run()
    return news
end

-- Drives the pool from inside another call. It may take in outcomes for which the
-- application's poll loop waits: so it makes the descriptor readable.
function State:step(timeout, again)
    if self.meters and (not timeout or timeout > progress.EACH) then timeout = progress.EACH end
    local news = self:drive(timeout, again)
    if news and self.polled and not self.ended then self.core:wake() end
    return news
end

--- As step, for a wait that only tasks of this pool can end. Raises if that is impossible.
function State:await(timeout, again)
    if not self:step(timeout, again) and self.size == 0 and timeout ~= 0 and self.core:stuck() then
        check.fail("a task cannot wait for its own end")
    end
end

-- Drives the pool as long as `is_so(engine)`, or until a callback has ended the pool. Returns
-- false when the time is over first.
local function drive_while(state, is_so, deadline)
    local again
    while not state.ended and is_so(state.core) do
        local left = deadline and deadline - core.now()
        if left and left <= 0 then return false end
        state:await(left, again)
        again = true
    end
    return true
end

-- What tasks printed is written, or nobody has read it for so long after a failure.
local PATIENCE <const> = 1

--- Waits until what tasks have printed so far is written, where the pool tags it. A
--- reader that pauses is waited for, unless the caller has a failure to tell of.
---@param failed boolean
function State:write_out(failed)
    if self.output ~= "tag" or self.ended or self.size == 0 then return end
    local waiting, written = self.core:unwritten()
    local goal, since = written + waiting, core.now()
    while waiting > 0 and written < goal and not (failed and core.now() - since > PATIENCE) do
        self:step(0.1)
        if self.ended then return end
        local before = written
        waiting, written = self.core:unwritten()
        if written > before then since = core.now() end
    end
end

local function is_busy(engine) return engine:busy() end
local function has_workers(engine) return engine:live() > 0 end

-- Closes the engine. Futures keep their results; views find the pool closed.
local function release(state)
    if state.ended then return end
    state.counts = state:stats()
    state.ended, state.under_way[state] = true, true
    future.settle(state)
    future.tell(state)
    due.run()
    state.under_way[state] = nil
    ending.closed(state)
    if state.observer then state.observer:finish() end
    if next(state.under_way) == nil then state.core:close() end
end

-- Lazy jobs end with what they have read so far. Other calls must read their source to its
-- end, so join cannot wait inside of them.
local function finish_lazy(state)
    for job in pairs(state.under_way) do
        if job:reading() then
            check.fail("'join' cannot wait inside a call that still reads its source")
        end
    end
    for job in pairs(state.lazy) do
        if not job.handle:done() then job:finish() end -- one that was finalized with its state is
    end
end

--- Its counts, for Pool:stats. After its end these are the last ones.
---@return table
function State:stats()
    if self.ended then return options.merge(self.counts, {}) end
    local stats = self.core:stats()
    stats.carried = { ship = self.carried.ship, inherit = self.carried.inherit }
    stats.workers = self.core:live()
    if self.observer then self.observer:add(stats) end
    return stats
end

--- Waits until all is done and the workers have ended, at most `timeout` seconds. Returns false
--- if that was not enough.
---@param timeout number?
---@return boolean
function State:join(timeout)
    if self.owner ~= core.pid() or self.ended then return true end
    if not self.closed then check.fail("close the pool before you join it") end
    finish_lazy(self)
    local deadline = timeout and core.now() + timeout
    if not drive_while(self, is_busy, deadline) then return false end
    if not self.ended then self.core:stop() end
    if not drive_while(self, has_workers, deadline) then return false end
    self:write_out(timeout ~= nil)
    release(self)
    return true
end

-- As join, for a pool that has nothing to do. The collector does this at any place of the
-- script, so no callbacks run.
local function let_go(state)
    local engine = state.core
    engine:stop()
    while has_workers(engine) do engine:step() end
    engine:close()
end

--- Nobody has it any more: its workers have the time for their end that others have at the
--- end of the script. Where the state closes, that has been, or is not to be; the end itself finds
--- pools that the collector comes to next.
function State:__gc()
    if self.ended or self.size == 0 or self.remote or self.owner ~= core.pid() then return end
    if self.is_ending or ending.is_closing() then return end
    self.ended = true
    core.try(let_go, self)
end

--- Kills the workers and cancels all tasks that have not ended.
function State:terminate()
    if self.owner ~= core.pid() or self.ended then return end
    self.closed = true
    self.core:terminate()
    drive_while(self, has_workers)
    release(self)
end

return State
