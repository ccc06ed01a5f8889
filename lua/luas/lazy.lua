--- Iterators over the outcomes of a lazy job, for generic `for`. Each step gives an outcome
--- that has come, or drives the job until one comes.

local maxinteger, unpack = math.maxinteger, table.unpack

local M = {}

-- What the generic for gets: the index and the results. For a failure that is collected it
-- gets the index, nil and the outcome.
local function yield(collect, index, o, ...)
    if o == nil then return index, ... end
    if not collect then error(o, 0) end
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
    return yield(collect, index, unpack(other, 1, other.n))
end

-- Feeds the job more of its source, if it has room. Returns how many outcomes must have been
-- taken before it has room again.
local function refill(job)
    if job:hungry() then
        job:fill()
        job:step(0)
    end
    return job.exhausted and maxinteger or job.fed - job.window + job.window // 2
end

-- Drives the job until an outcome comes. Returns false when the job is over.
local function await(job, values, others, order)
    local again
    while not job:gather(values, others, order) do
        if job:over() then
            job:finish_meter()
            job.pool:write_out(job.failed > 0)
            return false
        end
        job:fill()
        job:step(nil, again)
        again = true
    end
    if job.meter then job.meter:hide() end -- the loop's body may print
    return true
end

--- An iterator in input order. Outcomes that come early are kept until their turn; they
--- count against the window.
---@param job luas.job
---@param collect boolean?  whether failures are given, not raised
---@return fun(): integer?, ...
function M.in_order(job, collect)
    local values, others, due = {}, {}, 0
    return function()
        local turn = job.taken + 1
        if turn > due then due = refill(job) end
        while values[turn] == nil and not others[turn] do
            if not await(job, values, others) then return nil end
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
    local values, others, order, place, due = {}, {}, {}, 0, 0
    return function()
        if job.taken >= due then due = refill(job) end
        if not order[place + 1] then
            local next_order = {} -- reading it may call this again, and fail there
            if not await(job, values, others, next_order) then return nil end
            order, place = next_order, 0
        end
        place = place + 1
        return give(job, collect, values, others, order[place])
    end
end

return M
