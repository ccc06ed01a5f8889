--- The option `limit`: at most `n` tasks at a time and `rate` starts a second, for each key.
--- Keys become numbers, which the engine counts by (core/pool/limit.h, turns.lua).

local core = require "luas.core"

local max, mathtype = math.max, math.type
local pack, unpack = table.pack, table.unpack

local M = {}

local MOST <const> = 1 << 30

local valid = {
    n = function(v) return mathtype(v) and math.tointeger(v) and v >= 1 and v <= MOST end,
    rate = function(v) return type(v) == "number" and v > 0 and v < math.huge end,
    key = function(v) return type(v) == "function" end,
}

--- Is this a table that the option may be? If not, which field is wrong.
---@param given table
---@return boolean
---@return any field
function M.is_valid(given)
    for name, value in pairs(given) do
        if not valid[name] or not valid[name](value) then return false, name end
    end
    return given.n ~= nil or given.rate ~= nil
end

--- Adds what the option says to the fields of a policy.
---@param policy table
---@param given luas.limit
function M.add(policy, given)
    policy.limit_n = given.n
    policy.limit_interval = given.rate and 1 / given.rate
end

-- ---- the numbers of keys ----

-- So many keys are remembered before those are forgotten that have no task any more.
local KEPT <const> = 1000

local function new_numbers(handle)
    return { handle = handle, of = {}, keys = {}, last = 0, spare = {}, used = 0, most = KEPT }
end

local function forget_some(numbers)
    for _, number in ipairs(numbers.handle:spare_keys(numbers.last)) do
        local key = numbers.keys[number]
        if key ~= nil then
            numbers.of[key], numbers.keys[number] = nil, nil
            numbers.spare[#numbers.spare + 1] = number
            numbers.used = numbers.used - 1
        end
    end
    numbers.most = max(KEPT, 2 * numbers.used)
end

local function new_number(numbers)
    local number = table.remove(numbers.spare)
    if number then return number end
    numbers.last = numbers.last + 1
    return numbers.last
end

-- The number of a key; 0: a task with it has no limit.
local function number_of(numbers, key)
    if key == nil or key ~= key then return 0 end
    local number = numbers.of[key]
    if number then return number end
    if numbers.handle and numbers.used >= numbers.most then forget_some(numbers) end
    number = new_number(numbers)
    numbers.of[key], numbers.keys[number] = number, key
    numbers.used = numbers.used + 1
    return number
end

-- ---- the keys of tasks ----

local function ask(numbers, f, ...)
    local key = f(...)
    core.called()
    return number_of(numbers, key)
end

--- The numbers of the keys of all items; nil: all have the same key.
---@param job luas.job
---@param items table
---@param n integer
---@return integer[]?
function M.of_items(job, items, n)
    local f = job.options.limit.key
    if not f then return nil end
    local numbers, list = new_numbers(), {}
    for i = 1, n do
        if job.star then
            list[i] = ask(numbers, f, unpack(items[i], 1, core.check_list(items[i], i)))
        else
            list[i] = ask(numbers, f, items[i])
        end
    end
    return list
end

-- The arguments of a task, of what a source gives for it: a list and more, with `star`; its
-- index first, where the source gives that.
local function arguments(job, ...)
    local given = pack(...)
    if job.indexed then given = pack(unpack(given, 2, given.n)) end
    if not job.star or type(given[1]) ~= "table" then return given end
    local all = pack(unpack(given[1], 1, core.length(given[1]) or 0))
    table.move(given, 2, given.n, all.n + 1, all)
    all.n = all.n + given.n - 1
    return all
end

--- The job's source, which says the key of each item to the engine as it gives the item. While
--- the key is asked for, the job's `in_key` is true.
---@param job luas.job
---@param source fun(): any
---@return fun(): any
function M.source(job, source)
    local f = job.options.limit.key
    if not f then return source end
    local numbers
    local function note(...)
        if (...) == nil then return nil end
        numbers = numbers or new_numbers(job.handle)
        local all = arguments(job, ...)
        job.in_key = true
        local number = ask(numbers, f, unpack(all, 1, all.n))
        job.in_key = false
        job.handle:keys { number }
        return ...
    end
    return function() return note(source()) end
end

return M
