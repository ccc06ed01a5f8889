--- The parts of `reduce`. Items go to workers in lists, and a worker combines a list before it
--- answers. A failure still names the task, with its index and input.

local core = require "luas.core"
local outcome = require "luas.outcome"
local sources = require "luas.sources"

local min, max = math.min, math.max
local pack, unpack = table.pack, table.unpack
-- Functions that are sent to workers use these locals. If they used globals, the globals of
-- this module would be sent, too.
local error, type, xpcall = error, type, xpcall

local M = {}

-- The most items in a list; and how many if the number of all items is unknown.
local MOST <const>, USUAL <const> = 1000, 100

--- How many items go into a list. With options for single tasks it is one.
---@param options luas.joboptions
---@param n integer?        of all items, where that is known
---@param workers integer
---@return integer
function M.size(options, n, workers)
    if workers == 0 or options.timeout or options.seed or options.retries or options.limit or options.deadline or options.halt
        or options.journal or options.on_error == "collect" then
        return 1
    end
    return options.chunk or n and max(1, min(MOST, n // (4 * workers))) or USUAL
end

-- Appends an item to a list. An item of several values becomes a table; `packed` records
-- that.
local function put(list, ...)
    list.n = list.n + 1
    if select("#", ...) == 1 then
        list[list.n] = ...
    else
        list.packed = list.packed or {}
        list.packed[list.n], list[list.n] = true, pack(...)
    end
end

-- Readers append the next item to a list. They return false after the last one.
local function array_reader(items, n)
    local at = 0
    return function(list)
        if at == n then return false end
        at = at + 1
        put(list, items[at])
        return true
    end
end

local function source_reader(source)
    local step, indexed = sources.step(source)
    local function take(list, first, ...)
        if first == nil then return false end
        if indexed then put(list, ...) else put(list, first, ...) end
        return true
    end
    return function(list) return take(list, core.call(step)) end
end

--- A source of lists of `size` items. The given source is not called again after its end.
---@param given {items: table?, n: integer?, source: function?}
---@param size integer
---@return fun(): table?
---@return fun(): integer  how many items it has read
function M.lists(given, size)
    local read = given.source and source_reader(given.source) or array_reader(given.items, given.n)
    local count, more, raised = 0, true, nil
    local function fill(list)
        while more and list.n < size do more = read(list) end
    end
    local function next_list()
        local list = { first = count + 1, n = 0 }
        local ok, value = pcall(fill, list)
        if not ok then more, raised = false, { value = value } end
        count = count + list.n
        if raised and (list.n == 0 or core.stopped(raised.value)) then error(raised.value, 0) end
        return list.n > 0 and list or nil
    end
    if given.source then sources.over(next_list, given.source) end
    return next_list, function() return count end
end

local function input_of(list, i)
    local item = list[i]
    if list.packed and list.packed[i] and item.n == 0 then return nil end
    return item
end

-- All items of a list of which it is not known which one failed. A long list is text.
local function inputs_of(list)
    if type(list) ~= "table" then return list end
    if list.n == 1 then return input_of(list, 1) end
    return { n = list.n, unpack(list, 1, list.n) }
end

-- f of item i. Without tail calls, because tracebacks would show them.
local function call(f, list, i)
    local item = list[i]
    if list.packed and list.packed[i] then return (core.call(f, unpack(item, 1, item.n))) end
    return (core.call(f, item))
end

-- The fields of the outcome of an item. What was raised to stop the task goes on from there.
local function describe(raised, lines)
    if core.stopped(raised) then error(raised, 0) end
    local value, message = core.describe(raised)
    return {
        kind = "error", count = 1, attempts = 1, pid = core.pid(), worker = core.worker(),
        value = value, message = message, traceback = lines,
    }
end

--- The function that runs in a worker. It returns true and a value; or false and the fields of
--- an outcome, for the task in the list that failed.
---@param f function
---@param combine fun(a: any, b: any): any
---@param size integer
---@return function
function M.task(f, combine, size)
    if size == 1 then return function(...) return true, (core.call(f, ...)) end end
    return function(list)
        local i, since, lines = 1, core.now(), nil
        local ok, total = xpcall(function()
            local sum = call(f, list, 1)
            while i < list.n do
                i, since = i + 1, core.now()
                sum = core.call(combine, sum, call(f, list, i))
            end
            return sum
        end, function(value) -- which functions that are closed by it get as it is
            lines = core.traceback(nil, 2)
            return value
        end)
        if ok then return true, total end
        local fields = describe(total, lines)
        fields.index, fields.input, fields.took = list.first + i - 1, input_of(list, i), core.now() - since
        return false, fields
    end
end

--- The same for a block of lines.
---@param f function
---@param combine fun(a: any, b: any): any
---@param sep string
---@return function
function M.block_task(f, combine, sep)
    return function(block)
        local count, since, total, lines, input = 0, nil, nil, nil, nil
        local function add(line)
            count, since, input = count + 1, core.now(), line
            local value = (core.call(f, line))
            if count > 1 then total = core.call(combine, total, value) else total = value end
        end
        local ok, raised = xpcall(core.each_record, function(value)
            lines = core.traceback(nil, 2)
            return value
        end, block, sep, nil, 1, add)
        if ok then return true, total end
        local fields = describe(raised, lines)
        fields.index, fields.input, fields.took = count, input, core.now() - since
        return false, fields
    end
end

local function count_lines(text, sep)
    local n = 0
    core.each_record(text, sep, nil, 1, function() n = n + 1 end)
    return n
end

--- Turns the outcome of a block, or its fields, into the outcome of a task.
---@param o table
---@param block { name: string, number: integer, ordinal: integer }
---@param before integer  lines that were read before the call
---@param sep string
---@return luas.outcome
function M.block_outcome(o, block, before, sep)
    local died = outcome.is(o)
    local nth = died and 1 or o.index
    if died then
        o.count = type(o.input) == "string" and not o.input_is_cut and count_lines(o.input, sep) or 1
    end
    o.index, o.file, o.line, o.byte = block.ordinal - before + nth - 1, block.name, block.number + nth - 1, nil
    if not died then o = outcome.new(o) end
    o.traceback = o.traceback and outcome.own_lines(o.traceback)
    return o
end

--- Turns the outcome of list k, or its fields, into the outcome of a task.
---@param o table
---@param k integer
---@param size integer
---@param n integer?
---@return luas.outcome
function M.outcome(o, k, size, n)
    if size > 1 and outcome.is(o) then -- which task it was is not known: the worker has died
        o.index = (k - 1) * size + 1
        o.count = min(size, (n or math.huge) - o.index + 1)
        o.input = inputs_of(o.input)
        if type(o.input) == "table" and o.count > 1 and o.input.n then o.count = o.input.n end
    elseif not outcome.is(o) then
        o = outcome.new(o)
    end
    o.traceback = o.traceback and outcome.own_lines(o.traceback)
    return o
end

-- Lines of files are combined block by block, and workers read these.
local function plan_blocks(f, combine, texts)
    local before, given, sep = texts:lines_read(), texts.given, texts.how.sep or "\n"
    texts:take_blocks()
    return {
        size = 1, task = M.block_task(f, combine, sep), count = function() return texts:lines_read() - before end,
        outcome = function(o, k) return M.block_outcome(o, texts:block(given + k), before, sep) end,
    }
end

---@class luas.reduceplan
---@field size integer               how many items a part has, if it is a list
---@field task function              of a part
---@field parts function?            the source of parts, if it is not that of the call
---@field count (fun(): integer)?    how many items were read
---@field outcome fun(o: table, k: integer): luas.outcome   of a task, from that of part k

--- How a call is done.
---@param f function
---@param combine fun(a: any, b: any): any
---@param given {items: table?, n: integer?, source: function?}
---@param options luas.joboptions
---@param workers integer
---@return luas.reduceplan
function M.plan(f, combine, given, options, workers)
    local size = M.size(options, given.n, workers)
    local texts = given.source and sources.texts(given.source)
    if texts and texts.how.whole then size = 1 end -- blocks are large enough
    if texts and size > 1 and not options.chunk and not options.progress then
        return plan_blocks(f, combine, texts)
    end
    local plan = { size = size, task = M.task(f, combine, size) }
    if size > 1 then plan.parts, plan.count = M.lists(given, size) end
    function plan.outcome(o, k) return M.outcome(o, k, size, given.n) end
    return plan
end

return M
