--- Iterators over the outcomes of a lazy job, for generic `for`. Each step gives an outcome
--- that has come, or drives the job until one comes.

local core = require "luas.core"
local outcome = require "luas.outcome"

local unpack = table.unpack

local M = {}

-- What the generic for gets: the index and the results. For a failure that is collected it
-- gets the index, nil and the outcome.
local function yield(job, collect, index, o, ...)
    if o == nil then return index, ... end
    if not collect and job.stop and o.kind == "cancelled" then error(job.stop, 0) end
    if not collect then outcome.raise(o) end
    return index, nil, o
end

-- Gives the outcome of this index, from the tables that Job:gather has filled.
local function give(job, collect, values, others, index)
    local value, other = values[index], others[index]
    job.taken = job.taken + 1
    if value ~= nil then
        values[index] = nil
        return index, value
    end
    others[index] = nil
    return yield(job, collect, index, unpack(other, 1, other.n))
end

-- All outcomes were given: what ended the reading of the source comes last.
local function finish(job)
    job:finish_meter()
    job.pool:write_out(job.failed > 0)
    if job.stop then error(job.stop, 0) end
    local cut = job:cut_short { n = job.fed, failures = {} }
    if cut then outcome.raise(cut) end
end

-- Drives the job until an outcome comes. Returns false when the job is over. The source is
-- called only when none is there, for it may wait; and what is about to come is waited for
-- first, a little.
local function await(job, values, others, order)
    local again, deadline
    while not job:gather(values, others, order) do
        if job:over() then
            finish(job)
            return false
        end
        deadline = deadline or core.now() + job:patience()
        local left = deadline - core.now()
        if left > 0 and not job.handle:rests() then
            job:wait(left, again)
        else
            job:fill()
            job:step(nil, again)
            deadline = nil
        end
        again = true
    end
    if job.meter then job.meter:hide() end -- the loop's body may print
    return true
end

-- As await, but the first Ctrl-C only keeps tasks from being started (on_interrupt = "drain").
local function await_draining(job, ...)
    local ok, there = pcall(await, job, ...)
    if ok then return there end
    if job.stop or not core.stopped(there) then error(there, 0) end
    job.stop = there
    job:finish()
    job.handle:start_no_more()
    return await_draining(job, ...)
end

local function await_of(job)
    return job.options.on_interrupt == "drain" and await_draining or await
end

--- An iterator in input order. Outcomes that come early are kept until their turn; they
--- count against the window.
---@param job luas.job
---@param collect boolean?  whether failures are given, not raised
---@return fun(): integer?, ...
function M.in_order(job, collect)
    local values, others, wait = {}, {}, await_of(job)
    return function()
        local turn = job.taken + 1
        while values[turn] == nil and not others[turn] do
            if not wait(job, values, others) then return nil end
            turn = job.taken + 1 -- reading it may have called this again
        end
        return give(job, collect, values, others, turn)
    end
end

--- An iterator in the order in which tasks end.
---@param job luas.job
---@param collect boolean?
---@return fun(): integer?, ...
function M.as_they_come(job, collect)
    local values, others, order, place, wait = {}, {}, {}, 0, await_of(job)
    return function()
        if not order[place + 1] then
            local next_order = {} -- reading it may call this again, and fail there
            if not wait(job, values, others, next_order) then return nil end
            order, place = next_order, 0
        end
        place = place + 1
        return give(job, collect, values, others, order[place])
    end
end

return M
