--- How a job reads its source: as much as its window has room for, in batches while the source is
--- quick, one item at a time while it is slow. These are methods of a job (job.lua).

local carry = require "luas.carry"
local core = require "luas.core"
local fail = require("luas.check").fail
local later = require "luas.later"
local outcome = require "luas.outcome"
local sources = require "luas.sources"
local limit = later.open "luas.limit"

local min, max, huge = math.min, math.max, math.huge

-- The most records of texts at first; then as many as this number of passages has, for each worker.
local MOST_RECORDS <const>, PASSAGES <const> = 1 << 16, 8
-- How many items are encoded at a time.
local BATCH <const> = 4096
-- Seconds that a quick source takes for a batch; and for one task, a source that may wait.
local QUICK <const>, SLOW <const> = 0.0005, 0.005
-- Seconds that a slow source waits for outcomes at most, and after its first batch, which says
-- little of how slow it is.
local PATIENCE <const>, FIRST_PATIENCE <const> = 0.25, 0.02

---@class luas.job
local Job = {}

--- Begins to read from a source. Records of texts are read by the workers, if there are such.
---@param source function|table
function Job:read_from(source)
    self.source, self.indexed = sources.step(source)
    if self.options.limit then self.source = limit.source(self, self.source) end
    self.texts = sources.texts(source)
    if not self.texts then return end
    self.before = self.texts.given
    self.cuts = not self.star and self.pool.size > 0 and not self.pool.remote
        and not (self.options.limit and self.options.limit.key)
    if self.cuts and not self.options.window then self.window = MOST_RECORDS end
end

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
        raised.traceback and outcome.own_lines(raised.traceback), had)
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

return Job
