--- Calls that are due. Callbacks wait here, in order, and the outermost call of the
--- library runs them. So a callback never runs inside another one, a chain of callbacks
--- takes no stack, and an error in one does not stop the others.
---
--- A task that runs in its caller has a queue of its own, as it would have in a worker:
--- its callbacks do not wait for those of the caller.

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

-- How many inline tasks run inside each other; and the calls of each level: 0 is the
-- outermost caller.
local depth = 0
---@type table<integer, luas.calls>
local levels = {}

-- A process that was spawned has one task, whose calls go on at its end.
local function task_here()
    local _, spawned = core.worker()
    return spawned and 0 or core.task_seq()
end

-- Calls that came with a fork belong to the host. Calls that an earlier task of a worker
-- has left do not belong to this one.
local function present()
    local calls, task = levels[depth], task_here()
    if not calls or calls.pid ~= core.pid() or calls.task ~= task then
        calls = { first = false, last = false, pid = core.pid(), task = task }
        levels[depth] = calls
    end
    return calls
end

--- Makes a call for later. It belongs to the task or process that binds it, and is made
--- once, after it was added.
---@param f function
---@param ... any  its two arguments
---@return table
function M.bind(f, ...)
    return { calls = present(), next = false, f, ... }
end

--- Marks the call as due. This needs no memory, so a call cannot get lost.
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

-- Does a call further out run them? One in a suspended coroutine does not.
local function is_run(calls)
    local state = calls.runner and status(calls.runner)
    return state == "running" or state == "normal"
end

local Turn = {}

function Turn:__close()
    self.calls.runner = self.before
end

--- Makes all calls that are due; or leaves that to a call further out that is running
--- them already.
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

--- Is anything due that `run` would do?
---@return boolean
function M.any()
    local calls = levels[depth]
    if not calls or not calls.first then return false end
    calls = present()
    return calls.first ~= false and not is_run(calls)
end

--- The current level, for `leave`.
---@return integer
function M.level() return depth end

--- Call it when a task begins to run here: it gets a queue of its own.
function M.enter()
    depth = depth + 1
end

local function close(calls, stopped)
    calls.over, calls.outer = stopped and "dropped" or "left", present()
    while calls.first do M.add(take(calls)) end
end

--- Call it when the task is over. The caller makes the calls that the task has left,
--- unless the task was stopped: then nothing of it may go on.
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
