--- The end of a script. What it submitted asynchronously and its processes are waited
--- for, callbacks run, loops that were left are cancelled; then the workers of all pools
--- end, with what they have for that.
---
--- The program calls `wait` when a script has ended well. Stock Lua calls nobody
--- then, but it closes its state, which finalizes all objects, the youngest first. So
--- there is a sentinel, whose finalizer does the rest: a fresh one is made when a pool
--- opens and at each asynchronous submission, so that what callbacks find is older, and
--- still whole. Where an application's state closes it does nothing.

local core = require "luas.core"
local due = require "luas.due"

local M = {}

local stderr = io.stderr

-- Not where the program or an application listens.
core.reporter(function(message) stderr:write("luas: ", message, "\n") end)

-- Seconds after which people are told what is waited for.
local PATIENCE <const> = 2

---@type table<luas.poolstate, boolean>
local states = setmetatable({}, { __mode = "k" })
-- Those with asynchronous jobs, which the collector must not end.
---@type table<luas.poolstate, boolean>
local kept = {}
-- The process that has waited.
local waited

-- ---- the sentinel ----

local Sentinel = {}
-- One; beside it those that finalizers made since, for it may be that the state closes:
-- then nobody finalizes these.
local sentinels = {}

local function in_finalizer() return collectgarbage "isrunning" == nil end

function Sentinel:__gc()
    if not sentinels[self] or self.pid ~= core.pid() or core.is_exiting() then return end
    sentinels = {}
    if waited ~= core.pid() and not core.ends_alone() then return end
    local ok, message = pcall(M.finish)
    if not ok then core.report(tostring(message)) end
end

--- Something was made that a pool needs to its end.
function M.renew()
    local sentinel = setmetatable({ pid = core.pid() }, Sentinel)
    if not in_finalizer() then sentinels = {} end
    sentinels[sentinel] = true
end

local function at_end(all)
    if all then M.finish() else M.wait() end
end

--- A pool was opened.
---@param state luas.poolstate
function M.opened(state)
    core.at_end(at_end) -- a worker has not what was the host's
    states[state] = true
    state.given_up = in_finalizer()
    M.renew()
end

local function is_own(state)
    return not state.ended and state.owner == core.pid()
end

-- A pool that was finalized with its state is not.
local function is_busy(state)
    local ok, busy = pcall(state.is_busy, state)
    if not ok and core.stopped(busy) then error(busy, 0) end
    return ok and busy
end

-- Those that have nothing to do any more need no keeping.
local function forget_idle()
    for state in pairs(kept) do
        if not is_own(state) or not is_busy(state) then kept[state] = nil end
    end
end

--- It is over.
---@param state luas.poolstate
function M.closed(state)
    states[state], kept[state] = nil, nil
end

--- Something was submitted to it asynchronously.
---@param state luas.poolstate
function M.submitted(state)
    if not kept[state] then
        forget_idle()
        kept[state] = true
    end
    M.renew()
end

-- ---- waiting ----

local function own_states()
    local list = {}
    for state in pairs(states) do
        if is_own(state) then list[#list + 1] = state end
    end
    return list
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

local function busy_states()
    local list = {}
    for _, state in ipairs(own_states()) do
        if not state.given_up and is_busy(state) then list[#list + 1] = state end
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

local function wait_for_all()
    local say_at = core.now() + PATIENCE
    while true do
        local busy = busy_states()
        due.run()
        if #busy == 0 and not due.any() then return end
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

local function end_pool(state)
    if state.end_all then return state:end_all() end
    if state.given_up then return state:terminate() end
    state:join()
end

-- All are told at once, so that each has its time, and the whole takes no longer.
local function end_pools()
    local list = own_states()
    for _, state in ipairs(list) do
        state.closed = true
        if not (state.given_up or state.end_all) and state.size > 0 then try(state.core.stop, state.core) end
    end
    for _, state in ipairs(list) do try(end_pool, state) end
end

--- Waits, once. What stops it (Ctrl-C) it raises.
function M.wait()
    if waited == core.pid() then return end
    for _, state in ipairs(own_states()) do leave_loops(state) end
    wait_for_all()
    waited = core.pid()
end

--- Does all that.
function M.finish()
    M.wait()
    end_pools()
end


return M
