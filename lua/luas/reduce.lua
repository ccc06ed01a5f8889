--- The parts of `reduce`: items in lists, so that a worker combines a list
--- before it answers, and yet what fails is a task, with its index and input.

local core = require "luas.core"
local outcome = require "luas.outcome"

local min, max, traceback = math.min, math.max, debug.traceback

local M = {}

-- Items in a list at most, and where their number is not known.
local MOST <const>, USUAL <const> = 1000, 100

--- How many items go into a list. Options that are for a task want it alone.
---@param options luas.joboptions
---@param n integer?        of all items, where that is known
---@param workers integer
---@return integer
function M.size(options, n, workers)
    if workers == 0 or options.timeout or options.seed or options.retries or options.halt
        or options.on_error == "collect" then
        return 1
    end
    return options.chunk or n and max(1, min(MOST, n // (4 * workers))) or USUAL
end

--- A source of lists of `size` items.
---@param given {items: table?, n: integer?, source: function?}
---@param size integer
---@return fun(): table?
function M.lists(given, size)
    local at = 0
    local function next_item()
        if given.source then return given.source() end
        return given.items[at + 1]
    end
    return function()
        local list, n = { first = at + 1 }, 0
        while n < size and (given.source or at < given.n) do
            local item = next_item()
            if item == nil and given.source then break end
            at, n = at + 1, n + 1
            list[n] = item
        end
        list.n = n
        return n > 0 and list or nil
    end
end

local function describe(value)
    local kind, meta = type(value), getmetatable(value)
    local says = kind == "string" or kind == "number" or type(meta) == "table" and meta.__tostring
    return {
        kind = "error", count = 1, attempts = 1, pid = core.pid(), worker = core.worker(),
        value = value, traceback = traceback(nil, 2),
        message = says and tostring(value) or ("(error object is a %s value)"):format(kind),
    }
end

--- What runs in a worker: gives true and a value, or false and the fields of
--- the outcome of the task in the list that failed.
---@param f function
---@param combine fun(a: any, b: any): any
---@param size integer
---@return function
function M.task(f, combine, size)
    if size == 1 then return function(item) return true, (f(item)) end end
    return function(list)
        local i = 1
        local ok, total = xpcall(function()
            local sum = f(list[1])
            while i < list.n do
                i = i + 1
                sum = combine(sum, (f(list[i])))
            end
            return sum
        end, describe)
        if not ok then total.index, total.input = list.first + i - 1, list[i] end
        return ok, total
    end
end

--- The outcome in terms of tasks: of `o`, which list k or its fields became.
---@param o table
---@param k integer
---@param size integer
---@param n integer?
---@return luas.outcome
function M.outcome(o, k, size, n)
    if size > 1 and outcome.is(o) then -- which of them it was died with the worker
        o.index = (k - 1) * size + 1
        o.count, o.input = min(size, (n or math.huge) - o.index + 1), nil
    elseif not outcome.is(o) then
        o = outcome.new(o)
    end
    o.traceback = o.traceback and outcome.own_lines(o.traceback)
    return o
end

return M
