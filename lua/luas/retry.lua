--- Further starts of tasks that failed: what the option `retries` says, and the answers of
--- its function. The engine does the rest (core/pool/retries.h); inline.lua does it by what is
--- here.

local core = require "luas.core"

local max, min = math.max, math.min

local M = {}

-- As core.policy has them.
local codes <const> = { crash = 0, error = 1, any = 2 }
local ASK <const> = 3

-- Where the table leaves them out.
local STARTS <const>, FACTOR <const>, LONGEST <const> = 3, 2, 60

--- The function that decides, if the option has one.
---@param given integer|table|nil
---@return function?
function M.decider(given)
    local on = type(given) == "table" and given.on
    return type(on) == "function" and on or nil
end

--- Adds what the option says to the fields of a policy.
---@param policy table
---@param given integer|table|nil
---@return table policy
function M.add(policy, given)
    if type(given) ~= "table" then
        policy.retries = given
        return policy
    end
    policy.retries = given.n or STARTS
    policy.retry_on = type(given.on) == "function" and ASK or codes[given.on or "crash"]
    policy.retry_delay, policy.retry_factor = given.delay or 0, given.factor or FACTOR
    policy.retry_max = given.max or LONGEST
    return policy
end

--- Asks it about an outcome. What it raises is reported, and means no.
---@param on function
---@param o luas.outcome
---@return boolean
function M.decide(on, o)
    local ok, again = pcall(on, o)
    core.called()
    if ok then return again and true or false end
    if core.stopped(again) then error(again, 0) end
    core.report("retries: on raised: " .. tostring(again))
    return false
end

--- Does the policy say that a task which ended so is started again? Nil: ask.
---@param policy table
---@param kind string
---@param attempts integer  starts that it has had
---@return boolean?
function M.wanted(policy, kind, attempts)
    local ended, raised = kind == "crash" or kind == "timeout", kind == "error"
    local on = policy.retry_on or codes.crash
    if attempts > (policy.retries or 0) or not (ended or raised) then return false end
    if on == ASK then return nil end
    return on == codes.any or ended == (on == codes.crash)
end

-- The finalizer of splitmix64.
local function scramble(x)
    x = (x ~ x >> 30) * 0xbf58476d1ce4e5b9
    x = (x ~ x >> 27) * 0x94d049bb133111eb
    return x ~ x >> 31
end

--- From 0 to 1: with a seed the same for the same try of the same task.
---@param seed integer
---@param index integer
---@param attempts integer  starts that it has had
---@return number
function M.draw(seed, index, attempts)
    local x = scramble(scramble(scramble(seed) + index) + attempts)
    return (x >> 11) / (1 << 53)
end

--- Seconds until that, as the engine has them: jitter may add a quarter.
---@param policy table
---@param attempts integer
---@param draw number  from 0 to 1
---@return number
function M.pause(policy, attempts, draw)
    local delay = policy.retry_delay or 0
    if delay == 0 then return 0 end
    return max(0, min(delay * policy.retry_factor ^ (attempts - 1) * (1 + draw / 4), policy.retry_max))
end

return M
