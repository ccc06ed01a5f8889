--- What becomes of tasks whose worker cannot start, in the engine without processes (inline.lua).

local core = require "luas.core"
local outcome = require "luas.outcome"

local M = {}

local function how_it_ended(self, kind, exitcode)
    if kind == "timeout" then return ("timed out after %g s"):format(self.init_timeout) end
    return ("it exited with status %d"):format(exitcode)
end

-- The outcome that they have.
local function refusal(self, kind, value, message, traceback)
    local o = { kind = kind, init = true, pid = core.pid(), worker = 0 }
    if kind == "error" then
        message = outcome.in_words(value, message)
        o.value, o.traceback = message, traceback
    else
        o.exitcode = kind == "crash" and value or nil
        message = how_it_ended(self, kind, value)
    end
    o.message = ("init, worker %s0: %s"):format(self.name and self.name .. " " or "", message)
    return o
end

--- Ends all that waits in a pool, whose init ended so: what is said of further submissions.
---@param self table  the pool
---@param kind string
---@param ... any     as core.guard gives them
---@return string
function M.give_up(self, kind, ...)
    local o = refusal(self, kind, ...)
    for _, job in ipairs(self:unfinished()) do job:end_queued(o) end
    return o.traceback and o.message .. "\n" .. o.traceback or o.message
end

return M
