--- `pool.task`: what a running task can ask and tell about itself.

local check = require "luas.check"
local core = require "luas.core"
local inline = require("luas.later").open "luas.inline"

local known

local function new(index, attempt, worker, own)
    local task = { index = index, attempt = attempt, worker = worker }
    function task.progress(done, total, note)
        check.number(done, 1, "progress")
        if total ~= nil then check.number(total, 2, "progress") end
        core.tell(own, done, total or 0, note and tostring(note))
    end
    return { own = own, index = index, task = task }
end

--- Returns the value of `pool.task`: nil outside a task.
---@return table?
return function()
    local index, attempt, worker, own = core.task()
    if not index then return inline.task() end
    if core.far then index, attempt = core.far.index, core.far.attempt end -- of another machine's job
    if not known or known.own ~= own or known.index ~= index then
        known = new(index, attempt, worker, own)
    end
    return known.task
end
