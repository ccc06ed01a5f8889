--- Verbs that look for items. Each ends when its answer is known, and what runs then is stopped.
--- And the tables of arguments that map_pairs, zip and product make.

local check = require "luas.check"
local core = require "luas.core"
local outcome = require "luas.outcome"

local pack, unpack = table.pack, table.unpack

local M = {}

-- ---- what workers call: it gives one value, so what an iterator gives behind that is a failure ----

--- The first value of f.
function M.first(f)
    return function(...) return (core.call(f, ...)) end
end

--- Whether f holds.
function M.holds(f)
    return function(...) return core.call(f, ...) and true or false end
end

--- The arguments for which f holds, in a table, or false.
function M.kept(f)
    return function(...) return core.call(f, ...) and pack(...) end
end

-- ---- loops over the iterator of a job ----

-- What a verb gives, and the failures if it collects them.
local function given(collect, failures, first, second)
    if collect then return first, second, failures end
    return first, second
end

--- The first task in input order that gives neither nil nor false: its index and value.
---@return integer? index, any value, table<integer, luas.outcome>? failures
function M.find(collect, step, state, control, closing)
    local failures = {}
    for i, value, failure in step, state, control, closing do
        if failure then failures[i] = failure end
        if value then return given(collect, failures, i, value) end
    end
    if collect then return nil, nil, failures end
    return nil
end

local function first_of(failures)
    local first
    for i in pairs(failures) do first = first and first < i and first or i end
    return failures[first]
end

--- Does any task give `wanted`? A failure counts only if none does.
---@return boolean found, table<integer, luas.outcome> failures
function M.is_any(wanted, collect, step, state, control, closing)
    local failures = {}
    for i, value, failure in step, state, control, closing do
        if failure then failures[i] = failure elseif value == wanted then return true, failures end
    end
    if not collect and next(failures) then outcome.raise(first_of(failures)) end
    return false, failures
end

-- An item that was sent back: the one value, or all as table.pack gives them.
local function item_of(value, items, i)
    if items then return items[i] end
    if value.n == 1 then return value[1] end
    return value
end

--- The items that are kept, at most so many, in input order.
---@param items table?  where it has them; else tasks give them
---@return table kept, integer n, table<integer, luas.outcome>? failures
function M.filter(items, most, collect, step, state, control, closing)
    local kept, n, failures = {}, 0, {}
    for i, value, failure in step, state, control, closing do
        if failure then failures[i] = failure end
        if value then
            n = n + 1
            kept[n] = item_of(value, items, i)
            if n == most then break end
        end
    end
    return given(collect, failures, kept, n)
end

-- ---- keys ----

-- Numbers first, then texts; others stay where they were.
local function goes_before(a, b)
    local ta, tb = type(a), type(b)
    if ta ~= tb then return ta < tb end
    return (ta == "number" or ta == "string") and a < b
end

--- The keys of a table, in an order that is the same in each run where they are numbers or
--- strings, and their arguments.
---@param t table
---@return any[] keys, table[] arguments
function M.pairs_of(t)
    local keys, arguments = {}, {}
    for key in pairs(t) do keys[#keys + 1] = key end
    table.sort(keys, goes_before)
    for i, key in ipairs(keys) do arguments[i] = { key, t[key], n = 2 } end
    return keys, arguments
end

--- A list by the keys of its items.
---@param list table
---@param keys any[]
---@return table
function M.by_key(list, keys)
    local all = {}
    for i, key in ipairs(keys) do all[key] = list[i] end
    return all
end

-- ---- several lists ----

local function lengths_of(lists, what)
    local lengths = {}
    for i = 1, lists.n do
        check.argument(lists[i], i, what, "table")
        local n, problem = core.length(lists[i])
        if not n then check.fail(("bad argument #%d to '%s' (%s)"):format(i, what, problem)) end
        for k = 1, i == 1 and n or 0 do -- a source ends where its first value is nil
            if lists[1][k] == nil then check.fail(("bad argument #1 to '%s' (item %d is nil)"):format(what, k)) end
        end
        lengths[i] = n
    end
    return lengths
end

--- A source of the first items of all lists, the second ones, and so on. The lists have the same
--- length.
---@param ... table
---@return fun(): any, ...
function M.zip(...)
    local lists = pack(...)
    local lengths, at = lengths_of(lists, "zip"), 0
    for i = 2, lists.n do
        if lengths[i] ~= lengths[1] then
            check.fail(("bad argument #%d to 'zip' (it has %d items, the first list has %d)")
                :format(i, lengths[i], lengths[1]))
        end
    end
    return function()
        at = at + 1
        if at > (lengths[1] or 0) then return nil end
        local values = {}
        for i = 1, lists.n do values[i] = lists[i][at] end
        return unpack(values, 1, lists.n)
    end
end

-- Counts up, the last place first: false after the last one.
local function advance(places, lengths)
    for i = #places, 1, -1 do
        places[i] = places[i] + 1
        if places[i] <= lengths[i] then return true end
        places[i] = 1
    end
    return false
end

--- A source of all combinations of one item of each list. The last list goes through its items
--- first.
---@param ... table
---@return fun(): any, ...
function M.product(...)
    local lists = pack(...)
    local lengths = lengths_of(lists, "product")
    local places, more = {}, lists.n > 0
    for i = 1, lists.n do
        places[i] = 1
        more = more and lengths[i] > 0
    end
    return function()
        if not more then return nil end
        local values = {}
        for i = 1, lists.n do values[i] = lists[i][places[i]] end
        more = advance(places, lengths)
        return unpack(values, 1, lists.n)
    end
end

return M
