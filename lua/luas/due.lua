--- Calls that are due. What is to be called back waits here, in order, for the
--- outermost call that runs it: so a callback never runs inside another one, a
--- chain of them takes no stack, and what one of them raises is no other's loss.
---
--- A task that runs in its caller has calls of its own, as it would have in a
--- worker: they do not wait for the caller's.

local core = require "luas.core"

local running, status = coroutine.running, coroutine.status

local M = {}

---@class luas.calls
---@field first table|false the calls that are due, each with the next one
---@field last table|false
---@field pid integer       of the process whose calls these are
---@field task integer      of the worker's task that is or was running then
---@field runner thread?    runs them
---@field over string?      "left" or "dropped", once the task is over whose they are
---@field outer luas.calls? of its caller, if it was left

-- Tasks that run in their caller, inside each other; the calls of each, from 0 on
-- for the outermost caller.
local depth = 0
---@type table<integer, luas.calls>
local levels = {}

-- What came with a fork is the host's, and what a worker's last task has left is no
-- concern of this one.
local function present()
    local calls = levels[depth]
    if not calls or calls.pid ~= core.pid() or calls.task ~= core.task_seq() then
        calls = { first = false, last = false, pid = core.pid(), task = core.task_seq() }
        levels[depth] = calls
    end
    return calls
end

--- A call to be made once, after it was added; by whom is settled here.
---@param f function
---@param ... any  its two arguments
---@return table
function M.bind(f, ...)
    return { calls = present(), next = false, f, ... }
end

--- It is due now. This takes no memory, so that nothing is lost where there is none.
---@param call table
function M.add(call)
    local calls = call.calls
    while calls.over == "left" do calls = calls.outer end
    if calls.over then return end
    if calls.last then calls.last.next = call else calls.first = call end
    calls.last = call
end

local function take(calls)
    local call = calls.first
    calls.first, call.next = call.next, false
    if not calls.first then calls.last = false end
    return call
end

-- Is a call further out at it? One in a coroutine that is suspended is not.
local function is_run(calls)
    local state = calls.runner and status(calls.runner)
    return state == "running" or state == "normal"
end

local Turn = {}

function Turn:__close()
    self.calls.runner = self.before
end

--- Makes all calls that are due, unless a call further out is at it: then that
--- makes them when this one has returned.
function M.run()
    local calls = levels[depth]
    if not calls or not calls.first then return end
    calls = present()
    if not calls.first or is_run(calls) then return end
    local turn <close> = setmetatable({ calls = calls, before = calls.runner }, Turn)
    calls.runner = running()
    while calls.first do
        local call = take(calls)
        call[1](call[2], call[3])
    end
end

--- Is anything due?
---@return boolean
function M.any()
    local calls = levels[depth]
    return calls ~= nil and calls.first ~= false and present().first ~= false
end

--- Where calls are due now, for `leave`.
---@return integer
function M.level() return depth end

--- A task begins to run here: what is due for it is its own.
function M.enter()
    depth = depth + 1
end

local function close(calls, stopped)
    calls.over, calls.outer = stopped and "dropped" or "left", present()
    while calls.first do M.add(take(calls)) end
end

--- It is over, if it had begun. What it left to be called back its caller does,
--- unless the task was stopped: then that would go on with what was to stop.
---@param level integer     before it began
---@param stopped boolean
function M.leave(level, stopped)
    while depth > level do
        local calls = levels[depth]
        levels[depth] = nil
        depth = depth - 1
        if calls then close(calls, stopped) end
    end
end

return M
