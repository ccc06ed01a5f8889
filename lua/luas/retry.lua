--- Further starts of tasks that failed: what the option `retries` says, and the answers of
--- its function. The engine does the rest (core/pool/retries.h); inline.lua does it by what is
--- here.

local core = require "luas.core"

local max, min = math.max, math.min

local M = {}

-- As core.policy has them.
local codes <const> = { crash = 0, error = 1, any = 2 }
local ASK <const> = 3

--- What the option calls it.
---@param code integer
---@return string?
function M.word(code)
    for word, number in pairs(codes) do
        if number == code then return word end
    end
end

-- Where the table leaves them out.
local STARTS <const>, FACTOR <const>, LONGEST <const> = 3, 2, 60

local function between(v, low, high)
    return type(v) == "number" and v >= low and v <= high
end

local MOST <const> = 1e12

local valid = {
    n = function(v) return between(v, 0, 1000) and math.tointeger(v) ~= nil end,
    on = function(v) return codes[v] ~= nil or type(v) == "function" end,
    delay = function(v) return between(v, 0, MOST) end,
    factor = function(v) return between(v, 1, MOST) end,
    max = function(v) return between(v, 0, math.huge) end,
}

--- Is this a table that the option may be? If not, which field is wrong.
---@param given table
---@return boolean
---@return any field
function M.is_valid(given)
    for name, value in pairs(given) do
        if not valid[name] or not valid[name](value) then return false, name end
    end
    return true
end

--- Adds what the option says, which is a table, to the fields of a policy.
---@param policy table
---@param given luas.retries
function M.add(policy, given)
    policy.retries = given.n or STARTS
    policy.retry_on = type(given.on) == "function" and ASK or codes[given.on or "crash"]
    policy.retry_delay, policy.retry_factor = given.delay or 0, given.factor or FACTOR
    policy.retry_max = given.max or LONGEST
end

-- ---- a function that decides ----

-- What it raises is reported, and means no.
local function decide(on, o)
    local ok, again = pcall(on, o)
    core.called()
    if ok then return again and true or false end
    if core.stopped(again) then error(again, 0) end
    core.report("retries: on raised: " .. tostring(again))
    return false
end

--- Where the job's option has such a function, calls that drive the pool ask it; without workers
--- the engine does.
---@param job luas.job
---@param describe fun(job: luas.job, fields: table): luas.outcome
function M.listen(job, describe)
    local on, pool = job.options.retries.on, job.pool
    if type(on) ~= "function" then return end
    local function ask(fields) return decide(on, describe(job, fields)) end
    if pool.size == 0 or pool.remote then
        job.policy.decide = ask
    else
        pool.deciders = pool.deciders or {}
        pool.deciders[job] = ask
    end
end

-- The function's own calls drive the pool, too.
local Turn = {}

function Turn:__close()
    self.job.deciding = nil
end

local function answer(job, ask)
    if job.deciding then return end
    local turn <close> = setmetatable({ job = job }, Turn)
    job.deciding = true
    local fields = job.handle:asked()
    while fields do
        job.handle:answer(ask(fields))
        fields = job.handle:asked()
    end
end

--- Asks about all outcomes that wait for that. What is done there may end other jobs.
---@param pool luas.poolstate
function M.answer(pool)
    local jobs = {}
    for job in pairs(pool.deciders) do jobs[#jobs + 1] = job end
    for _, job in ipairs(jobs) do
        local ask = pool.deciders and pool.deciders[job]
        if ask then answer(job, ask) end
        if pool.deciders and job.handle:done() then pool.deciders[job] = nil end
    end
    if pool.deciders and next(pool.deciders) == nil then pool.deciders = nil end
end

-- ---- for the engine without processes ----

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
