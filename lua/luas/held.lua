--- What waits for a time in the engine without processes (inline.lua): tasks for their next
--- start, lanes (turns.lua) for the next of their tasks. Each has its `job` and a method
--- `go_on`, which is called then.

local core = require "luas.core"
local heap = require("luas.later").open "luas.heap"

local M = {}

local function is_due_before(a, b) return a.due < b.due end

--- Holds something until a time.
---@param thing table
---@param at number
function M.hold(thing, at)
    local job = thing.job
    local pool = job.pool
    pool.later = pool.later or heap.new(is_due_before)
    thing.due = at
    pool.later:add(thing)
end

--- It is held no more.
---@param thing table
function M.drop(thing)
    local job = thing.job
    job.pool.later:remove(thing)
    thing.due = nil
end

--- Is something of the job held?
---@param job table
---@return boolean
function M.any(job)
    local later = job.pool.later
    if not (later and later:first()) then return false end
    for i = 1, later.n do
        if later[i].job == job then return true end
    end
    return false
end

--- What was held until now goes on.
---@param pool table
function M.release(pool)
    local thing = pool.later:first()
    while thing and thing.due <= core.now() do
        M.drop(thing)
        thing:go_on()
        thing = pool.later:first()
    end
end

--- Waits until something may go on, at most so many seconds.
---@param pool table
---@param timeout number?
function M.await(pool, timeout)
    local first = pool.later:first()
    if not first then return end
    local jobs, at = pool:unfinished(), first.due
    for _, job in ipairs(jobs) do at = math.min(at, job.ends or math.huge) end
    core.sleep(math.min(timeout or 1, at - core.now()))
    for _, job in ipairs(jobs) do job:expire() end
    M.release(pool)
end

--- The tasks of a job that are held, from one index to another, are so no more: calls `f` with each.
---@param job table
---@param from integer
---@param to integer
---@param f fun(task: table)
function M.take(job, from, to, f)
    local tasks = {}
    for _, thing in ipairs(job.pool.later:all()) do
        if thing.job == job and thing.index and thing.index >= from and thing.index <= to then
            tasks[#tasks + 1] = thing
        end
    end
    for _, task in ipairs(tasks) do
        M.drop(task)
        f(task)
    end
end

return M
