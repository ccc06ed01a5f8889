--- Progress for a person at a terminal: `progress = true` shows a line on
--- stderr for as long as the job runs, if stderr is a terminal.

local core = require "luas.core"

local M = {}

local function line(done, total, since)
    local rate = done / math.max(core.now() - since, 0.001)
    if total and total > 0 then
        local left = rate > 0 and (total - done) / rate or 0
        return ("%d of %d (%d%%), %.0f/s, %.0f s left"):format(
            done, total, done * 100 // total, rate, left)
    end
    return ("%d, %.0f/s"):format(done, rate)
end

local function terminal()
    local since = core.now()
    return function(done, total)
        io.stderr:write("\r\27[K", done == total and "" or line(done, total, since))
        io.stderr:flush()
    end
end

--- What calls back for the option `progress`: the function given, or the line.
---@param given true|fun(done: integer, total: integer?)
---@return fun(done: integer, total: integer?)
function M.reporter(given)
    if type(given) == "function" then return given end
    return core.isatty(2) and terminal() or function() end
end

return M
