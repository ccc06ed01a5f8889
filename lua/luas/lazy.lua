--- Iterators over the outcomes of a lazy job, for generic `for`. Each step gives
--- what is there, or drives the job until something is.

local pack, unpack = table.pack, table.unpack

local M = {}

-- What a generic for gets: the index and the results; where failures are
-- collected, an index, nil and the outcome.
local function yield(collect, index, o, ...)
    if o == nil then return index, ... end
    if not collect then error(o, 0) end
    return index, nil, o
end

local function refill(job)
    if job:hungry() then
        job:fill()
        job:step(0)
    end
end

--- An iterator in input order. What comes too early is kept until its turn; it
--- counts against the window.
---@param job luas.job
---@param collect boolean?  whether failures are given, not raised
---@return fun(): integer?, ...
function M.in_order(job, collect)
    local early, turn, advance = {}, 1, nil
    local function give(...)
        job.taken = turn
        turn = turn + 1
        return yield(collect, job.taken, ...)
    end
    local function sort_out(index, ...)
        if index == turn then return give(...) end
        if index then
            early[index] = pack(...)
        elseif job:over() then
            return nil
        else
            job:fill()
            job:step()
        end
        return advance()
    end
    function advance()
        local packed = early[turn]
        if not packed then return sort_out(job:take()) end
        early[turn] = nil
        return give(unpack(packed, 1, packed.n))
    end
    return function()
        refill(job)
        return advance()
    end
end

--- An iterator in the order in which tasks end.
---@param job luas.job
---@param collect boolean?
---@return fun(): integer?, ...
function M.as_they_come(job, collect)
    local advance
    local function sort_out(index, ...)
        if index then
            job.taken = job.taken + 1
            return yield(collect, index, ...)
        elseif job:over() then
            return nil
        end
        job:fill()
        job:step()
        return advance()
    end
    function advance()
        return sort_out(job:take())
    end
    return function()
        refill(job)
        return advance()
    end
end

return M
