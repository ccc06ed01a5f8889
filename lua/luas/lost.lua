--- A signal may end the engine without processes (inline.lua) between any two of its steps.
--- Then a task may be nowhere, or a job not among those that wait. This finds them.

local later = require "luas.later"
local turns = later.open "luas.turns"

local M = {}

local function goes_before(a, b) return a.index < b.index end

--- Calls `f` with each task of a job that is nowhere: it does not run and has no outcome. Call it
--- when none waits.
---@param job table
---@param f fun(task: table)
function M.find(job, f)
    if job.posted == job.fed then return end
    local known, lost = {}, {}
    for i = job.taken + 1, job.posted do known[job.outcomes[i].index] = true end
    for _, task in ipairs(job.pool.running) do
        if task.job == job then known[task.index] = true end
    end
    for index, task in pairs(job.open) do
        if not known[index] and not task.deciding then lost[#lost + 1] = task end
    end
    table.sort(lost, goes_before)
    for _, task in ipairs(lost) do f(task) end
end

--- Puts the jobs of a pool in order that has nothing to do; as find.
---@param pool table
---@param f fun(task: table)
function M.mend(pool, f)
    for _, job in ipairs(pool:unfinished()) do
        if job.lanes then turns.refill(job) end
        if job.first <= job.last then
            pool.waiting:add(job)
        else
            M.find(job, f)
            job:leave_if_done()
        end
    end
end

return M
