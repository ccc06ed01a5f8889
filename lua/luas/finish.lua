--- What is done at the end of a script (see luas.ending, which has it done).

local core = require "luas.core"
local due = require "luas.due"
local future = require "luas.future"

local M = {}

-- Seconds after which people are told what is waited for.
local PATIENCE <const> = 2

-- ---- waiting ----

-- Of this process, of all that its state knows.
local function own(states)
    local list = {}
    for state in pairs(states) do
        if not state.ended and state.owner == core.pid() then list[#list + 1] = state end
    end
    return list
end

--- Is its asynchronous work unfinished? A pool that was finalized with its state has none.
---@param state luas.poolstate
---@return boolean
function M.is_busy(state)
    local ok, busy = pcall(state.is_busy, state)
    if not ok and core.stopped(busy) then error(busy, 0) end
    return ok and busy
end

-- What is raised to stop the script goes on; all else is told.
local function try(f, ...)
    local ok, message = pcall(f, ...)
    if ok then return true, message end
    if core.stopped(message) then error(message, 0) end
    core.report(tostring(message))
    return false
end

local function leave_loops(state)
    local jobs = {}
    for job in pairs(state.under_way) do
        if job ~= state then jobs[#jobs + 1] = job end
    end
    for _, job in ipairs(jobs) do pcall(job.close, job) end
end

local function all_busy(states)
    local list = {}
    for _, state in ipairs(own(states)) do
        if not state.given_up and M.is_busy(state) then list[#list + 1] = state end
    end
    return list
end

local function say(busy)
    local names = {}
    for i, state in ipairs(busy) do names[i] = state:unfinished() end
    core.report(("waiting for %s; Ctrl-C ends it"):format(table.concat(names, ", ")))
end

-- A pool that cannot go on, and tasks that wait for each other in their caller, would be
-- waited for in vain.
local function drive(state, seconds)
    local ok, news = try(state.drive, state, seconds)
    if not ok or (state.size == 0 and not news and state.core:stuck()) then state.given_up = true end
end

-- Runs the callbacks of all that has ended, also while no call drove its pool: were there any?
local function call_back(states)
    for _, state in ipairs(own(states)) do
        if state.watching > 0 then try(future.tell, state) end
    end
    if not due.any() then return false end
    due.run()
    return true
end

-- Callbacks may submit more. What ends after `busy` was taken is looked at once more.
local function wait_for_all(states)
    local say_at = core.now() + PATIENCE
    while true do
        local busy = all_busy(states)
        if not call_back(states) and #busy == 0 then return end
        for _, state in ipairs(busy) do
            drive(state, #busy > 1 and 0.01 or say_at and math.max(0, say_at - core.now()) or nil)
        end
        if say_at and #busy > 0 and core.now() >= say_at then
            say(busy)
            say_at = nil
        end
    end
end

-- ---- workers ----

-- Far off. A join with a limit does not wait for a reader of tagged output that has stopped
-- to read: under stock Lua this may be the end of a script that failed or was interrupted.
local FAR_OFF <const> = 1e6

local function end_pool(state)
    if state.end_all then return state:end_all() end
    if state.given_up then return state:terminate() end
    state:join(core.ends_alone() and FAR_OFF or nil)
end

-- All are told at once, so that each has its time, and the whole takes no longer.
---@param states table<luas.poolstate, boolean>
function M.end_pools(states)
    local list = own(states)
    for _, state in ipairs(list) do
        state.closed, state.is_ending = true, true
        if not (state.ended or state.given_up or state.end_all) and state.size > 0 then try(state.core.stop, state.core) end
    end
    for _, state in ipairs(list) do try(end_pool, state) end
end

-- What is done here, and not by workers: while all that the script has is whole.
local function end_here(states)
    for _, state in ipairs(own(states)) do
        if state.tell then
            state:tell()
        elseif state.size == 0 and state.core.exit and not state.given_up then
            try(state.core.stop, state.core)
        end
    end
end

--- Waits for what was submitted and started. What stops that (Ctrl-C) it raises. Then `exit` of
--- pools without workers runs, which may submit more, and it is told what nobody has asked for.
---@param states table<luas.poolstate, boolean>
function M.wait(states)
    for _, state in ipairs(own(states)) do leave_loops(state) end
    wait_for_all(states)
    end_here(states)
    wait_for_all(states)
end

return M
