--- The end of a script. What it submitted asynchronously and its processes are waited
--- for, callbacks run, loops that were left are cancelled; then the workers of all pools
--- end, with what they have for that.
---
--- The program calls `wait` when a script has ended well. Stock Lua calls nobody
--- then, but it closes its state, which finalizes all objects, the youngest first. So
--- there is a sentinel, whose finalizer does the rest: a fresh one is made when a pool
--- opens, at each asynchronous submission and each callback that is registered, so that what
--- these find is older, and still whole. Where an application's state closes it does nothing.

local core = require "luas.core"
local finish = require "luas.later".open "luas.finish"

local M = {}

local stderr = io.stderr

-- Not where the program or an application listens.
core.reporter(function(message) stderr:write("luas: ", message, "\n") end)

---@type table<luas.poolstate, boolean>
local states = setmetatable({}, { __mode = "k" })
-- Those with asynchronous jobs, or with an `exit` to call here: the collector must not end these.
---@type table<luas.poolstate, boolean>
local kept = {}
local function has_exit(state) return state.size == 0 and state.core.exit ~= nil end

-- The process that has waited, and the one that waits.
local waited, waiting

local function wait()
    if waited == core.pid() then return end
    waiting = core.pid()
    finish.wait(states)
    waiting, waited = nil, waiting
end

local function end_all()
    wait()
    finish.end_pools(states)
end

local closing = false

--- Does the state close? All pools are older than the sentinel, which tells.
---@return boolean
function M.is_closing() return closing end

core.at_close(function()
    closing = true
    if next(states) == nil then return end
    if waited ~= core.pid() and not core.ends_alone() then return end
    local ok, message = pcall(end_all)
    if not ok then core.report(tostring(message)) end
end)

local function at_end(all)
    if all then end_all() else wait() end
end

--- Something was made that a pool needs to its end.
M.renew = core.sentinel

--- A pool was opened.
---@param state luas.poolstate
function M.opened(state)
    core.at_end(at_end) -- a worker has not what was the host's
    states[state] = true
    if has_exit(state) then kept[state] = true end
    -- what a finalizer opens is not waited for, but what a callback opens at the end
    state.given_up = core.in_finalizer() and waiting ~= core.pid()
    M.renew()
end

--- Something was submitted to it asynchronously. Others that have nothing to do any more
--- need no keeping.
---@param state luas.poolstate
function M.submitted(state)
    if not kept[state] then
        for other in pairs(kept) do
            local is_over = other.ended or other.owner ~= core.pid()
            if is_over or not (has_exit(other) or other.listeners > 0 or finish.is_busy(other)) then kept[other] = nil end
        end
        kept[state] = true
    end
    M.renew()
end

--- It is over.
---@param state luas.poolstate
function M.closed(state)
    states[state], kept[state] = nil, nil
end

return M
