--- The listeners of a pool: figures for `stats`, reports, traces and logs. Their files are
--- completed when the pool ends, however it ends.

local core = require "luas.core"
local ending = require "luas.ending"
local fail = require("luas.check").fail
local options = require "luas.options"
local report = require("luas.later").open "luas.report"

local M = {}

---@class luas.observer
---@field tally table?    counts what the pool does
local Observer = {}
Observer.__index = Observer

-- Each pool has a number, in the order in which pools are first watched.
local pools = 0

--- Opens a file that will be written at the end. Raises if it cannot be opened.
---@param path string
---@param what string  the option, for the message
---@return table
function M.file(path, what)
    local file, why = core.file(path)
    if not file then fail(("%s: cannot write %s: %s"):format(what, path, why)) end
    return { file = file, path = path }
end

--- Writes a report. A failure is reported, but the run does not fail by it.
---@param target { file: table, path: string }
---@param figures table
function M.write(target, figures)
    if target.written then return end
    target.written = true
    local text = report.text(target.path, figures)
    local ok, why = target.file:replace(text)
    target.file:close()
    if not ok then core.report(("cannot write %s: %s"):format(target.path, why)) end
end

local function listen(self, state, reader, all)
    self.readers[#self.readers + 1] = reader
    state.core:listen(reader, self.tag, all)
end

--- Opens a trace or a log, which is written while the run goes on.
---@param name "trace"|"joblog"
---@param path string
---@param what string
---@return table reader
function M.writer(name, path, what)
    local reader, why = core[name](path)
    if not reader then fail(("%s: cannot write %s: %s"):format(what, path, why)) end
    return { reader = reader, path = path }
end

--- Completes it. A failure is reported.
---@param writer { reader: table, path: string }
function M.end_writer(writer)
    local ok, why = writer.reader:finish()
    if not ok then core.report(("cannot write all of %s: %s"):format(writer.path, why)) end
end

local function new(state)
    pools = pools + 1
    return { tag = pools, readers = {}, writers = {}, owner = core.pid() }
end

--- Begins to listen to a new pool, as its options and those of the program say.
---@param state luas.poolstate
---@param given luas.pooloptions
function M.open(state, given)
    local run = core.run
    if not options.listens(given) and not (run and run.owner == core.pid()) then return end
    local self = new(state)
    for _, name in ipairs { "trace", "joblog" } do
        if given[name] then
            local writer = M.writer(name, given[name], "pool.new: option '" .. name .. "'")
            self.writers[#self.writers + 1] = writer
            self.streams = true
            listen(self, state, writer.reader, true)
        end
    end
    if given.report then self.target = M.file(given.report, "pool.new: option 'report'") end
    if options.listens(given) then
        self.tally = core.tally()
        listen(self, state, self.tally, true)
    end
    if run and run.owner == core.pid() then
        for _, reader in ipairs(run.readers) do listen(self, state, reader, true) end
        self.tally, self.streams = self.tally or run.tally, self.streams or #run.writers > 0
    end
    state.observer = setmetatable(self, Observer) -- last: so it is finalized before its readers
end

--- Begins to listen to a pool for those jobs that ask for it.
---@param state luas.poolstate
function M.join(state)
    if state.observer and state.observer.tally or not state.core.listen then return end
    local self = state.observer or new(state)
    self.tally = core.tally()
    listen(self, state, self.tally, false)
    state.observer = getmetatable(self) and self or setmetatable(self, Observer)
    ending.renew()
end

--- Adds the figures to the fields of `stats`.
---@param stats table
function Observer:add(stats)
    local figures = self.tally and self.tally:figures()
    if not figures then return end
    for _, name in ipairs { "wall", "busy", "wait", "startup", "speedup", "efficiency", "times",
        "slowest" } do
        stats[name] = figures[name]
    end
    local all = math.max(figures.alive, figures.busy)
    stats.shares = all > 0 and { busy = figures.busy / all, wait = figures.wait / all,
        startup = figures.startup / all } or {}
end

-- For traces and logs, the names of inherited inputs are recorded if there are no more.
local MOST_NAMED <const> = 200000

--- Call it when the job's workers have inherited its array.
---@param job luas.job
function M.inherited(job, items, n)
    local observer = job.pool.observer
    if observer and observer.streams and n <= MOST_NAMED then job.handle:name(items, n, job.star) end
end

-- Names the inputs of the tasks that a tally shows, after the items of the array.
local function name(job)
    local observer, items = job.pool.observer, job.named
    if observer and observer.tally then
        observer.tally:name(observer.tag, job.handle:id(), items, job.star)
    end
    if job.watch then job.watch.tally:name(0, job.handle:id(), items, job.star) end
end

--- Call it before the job is closed.
---@param job luas.job
function M.closing(job)
    core.try(name, job) -- fails for a job that was dropped already
    job.named = nil
end

--- Call it when the pool has ended, or nobody has it any more.
function Observer:finish()
    if self.finished or self.owner ~= core.pid() then return end
    self.finished = true
    for _, writer in ipairs(self.writers) do M.end_writer(writer) end
    if self.target then M.write(self.target, self.tally:figures()) end
end
Observer.__gc = Observer.finish

-- ---- one job's report ----

--- Begins to count what this job does.
---@param job luas.job
---@param path string
function M.job(job, path)
    local watch = job.watch or { target = M.file(path, "option 'report'") }
    if watch.tally then job.pool.core:ignore(watch.tally) end
    watch.tally = core.tally(job.handle:id())
    job.pool.core:listen(watch.tally, 0, false)
    job.watch = watch
end

--- Call it when the job is over.
---@param job luas.job
function M.end_job(job)
    local watch = job.watch
    job.watch = nil
    if not job.pool.ended then job.pool.core:ignore(watch.tally) end
    M.write(watch.target, watch.tally:figures())
end

return M
