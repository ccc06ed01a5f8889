--- How a verb takes the outcomes of all tasks: map, starmap, each, broadcast and their futures.

local core = require "luas.core"
local due = require "luas.due"
local outcome = require "luas.outcome"

local min = math.min

-- Room for at most this many results is made ahead: a wrong `n` must not take all memory.
local AHEAD <const> = 1 << 22

local M = {}

local function earlier(a, b)
    return (not a or b.index < a.index) and b or a
end

-- Takes all outcomes of a job. Unless failures are collected, the first failure in input order
-- counts: so after a failure only earlier tasks still matter. A cancelled task counts only
-- if nothing failed.
local function gather_all(job, all, had)
    -- Fork the workers before the table of results is made. Otherwise they would share its
    -- pages, and each page would be copied when a result is written to it.
    if job.carried == "inherit" then job:step(0) end
    had.results = job.handle:list(min(job.total or 0, AHEAD))
    local results, failures = had.results, had.failures
    local first, cancelled
    local function take(o)
        if all.on_error == "collect" then return job:spread(o, failures) end
        had.others[#had.others + 1] = o
        if o.kind == "cancelled" then
            cancelled = earlier(cancelled, o)
        elseif earlier(first, o) ~= first then
            first = job:first(o)
            job:finish()
            job:cancel(o.index + 1)
        end
    end
    local function failing() return job:collect(results) end
    local again
    while true do
        for o in failing do take(o) end
        if job:over() then break end
        job:fill()
        job:step(nil, again)
        again = true
    end
    job:finish_meter()
    return first or cancelled
end

-- Ctrl-C has ended the call: what is raised has all outcomes.
local function interrupted(job, had, raised)
    job:wind_up()
    for _, o in ipairs(had.others) do job:spread(o, had.failures) end
    local last = job:last_failure()
    if last then job:spread(last, had.failures) end
    local function failing() return job:collect(had.results) end
    for o in failing do job:spread(o, had.failures) end
    had.n = job.fed
    if job.policy.discard then had.results = nil end
    return outcome.cut_short("the call", raised, nil, had)
end

-- In a task there is nobody who could use what the call has had.
local function is_in_task()
    return core.worker() ~= nil or due.level() > 0
end

--- Takes all outcomes of a job.
---@param job luas.job
---@param all luas.joboptions
---@return table results, integer n, any raised, table<integer, luas.outcome> failures
function M.all(job, all)
    local had = { results = {}, failures = {}, others = {} }
    local ok, raised = pcall(gather_all, job, all, had)
    if not ok then
        if core.stopped(raised) and not is_in_task() and not job.pool.ended then
            outcome.raise(interrupted(job, had, raised))
        end
        error(raised, 0)
    end
    had.n = job.fed
    local results = had.results
    if job.policy.discard then had.results = nil end
    return results, had.n, raised or job:cut_short(had), had.failures
end

--- Returns false and the outcome to raise, or true and what map gives.
---@param job luas.job
---@param all luas.joboptions
---@return boolean, any ...
function M.finish(job, all)
    local results, n, first, failures = M.all(job, all)
    if first then return false, first end
    local printed = job.pool.output == "capture" and job:printed() or nil
    if all.on_error == "collect" or printed then return true, results, n, failures, printed end
    return true, results, n
end

-- When what its tasks printed is written, too.
local function given_or_raised(job, ok, first, ...)
    job.pool:write_out(job.failed > 0)
    if not ok then outcome.raise(first) end
    return first, ...
end

--- What map gives, or raises, of a job.
---@param job luas.job
---@param all luas.joboptions
---@return table results, integer n, table<integer, luas.outcome>? failures, table<integer, string>? printed
function M.give(job, all)
    return given_or_raised(job, M.finish(job, all))
end

return M
