--- The option `halt`: after how many failures a job ends. The engine does it (core/pool/halt.h).

local M = {}

local MOST <const> = 1 << 53

local function is_number(v)
    return math.type(v) ~= nil and math.tointeger(v) ~= nil and v >= 1
end

--- The number of "5%"; nil if it is no such text.
---@param v any
---@return number?
function M.percent(v)
    local digits = type(v) == "string" and v:match "^(%d+%.?%d*)%%$"
    local n = digits and tonumber(digits)
    return n and n > 0 and n <= 100 and n or nil
end

local function is_count(v) return is_number(v) or M.percent(v) ~= nil end

local valid = { n = is_count, now = function(v) return type(v) == "boolean" end }

--- May the option be this? If it is a table that it may not be, also which field is wrong.
---@param given any
---@return boolean
---@return any field
function M.is_valid(given)
    if type(given) ~= "table" then return is_count(given) end
    for name, value in pairs(given) do
        if not valid[name] or not valid[name](value) then return false, name end
    end
    return given.n ~= nil
end

--- Adds what the option says to the fields of a policy.
---@param policy table
---@param given luas.halt
function M.add(policy, given)
    local n = given
    if type(given) == "table" then n, policy.halt_now = given.n, given.now end
    policy.halt_percent = M.percent(n)
    if not policy.halt_percent then policy.halt = math.min(n, MOST) end
end

--- Has a job come to its end by failures? Of all tasks it is known only when it is sealed how many
--- these are.
---@param policy table
---@param failures integer
---@param fed integer
---@param sealed boolean?
---@return boolean
function M.is_due(policy, failures, fed, sealed)
    if policy.halt and failures >= policy.halt then return true end
    return policy.halt_percent ~= nil and sealed and failures > 0 and 100 * failures >= policy.halt_percent * fed
end

return M
