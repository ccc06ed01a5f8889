--- A broadcast over a cluster: once in each worker of each agent that is there at the call. Of each agent there is
--- one chunk, which goes to that agent and not into the stream. It has the arguments once, and the agent's own pool
--- sees to it that each of its workers runs them, also where one is to start again. A chunk like that has a *home*,
--- and so have its tasks: { id, n }, the agent and how many workers that has.

local core = require "luas.core"

local M = {}

-- Seconds between two looks whether an agent has come.
local LOOK <const> = 0.1

-- What of a policy an agent has to know to start tasks again: all but a function of the user's.
local fields <const> = { "retries", "retry_on", "retry_delay", "retry_factor", "retry_max" }
local ASK <const> = 3 -- retry.lua

local function goes_before(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return a.id < b.id
end

-- The agents that are there, in the order of their names.
local function present(pool)
    local places, n = {}, 0
    for id, machine in pairs(pool.agents.all) do
        if machine.slots > 0 and not machine.lost then
            places[#places + 1] = { id = id, name = machine.name, n = machine.slots }
            n = n + machine.slots
        end
    end
    table.sort(places, goes_before)
    return places, n
end

--- Waits until an agent is there, at most for so many seconds.
---@param pool table  the engine: cluster.lua
---@param seconds number?
---@return integer n       how many workers there are, or 1
---@return table[] places
function M.places(pool, seconds)
    local ends = seconds and core.now() + seconds
    pool:receive()
    local places, n = present(pool)
    pool.awaits = n == 0
    while n == 0 and not pool.closed and not (ends and core.now() >= ends) do
        pool:step(LOOK)
        places, n = present(pool)
    end
    pool.awaits = nil
    return math.max(1, n), places
end

--- Where the task with this index belongs.
---@param places table[]
---@param index integer
---@return table?
function M.place(places, index)
    for _, place in ipairs(places) do
        if index <= place.n then return place end
        index = index - place.n
    end
end

--- How the agent may start tasks again by itself: nil, if the host decides.
---@param policy table
---@return table?
function M.retries(policy)
    if (policy.retries or 0) == 0 or policy.retry_on == ASK then return nil end
    local all = {}
    for _, name in ipairs(fields) do all[name] = policy[name] end
    return all
end

return M
