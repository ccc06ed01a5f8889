--- Sources: functions that return the arguments of one task at each call. They are made of
--- the values of a generic `for`, or of numbers.

local check = require "luas.check"

local call, mathtype = require("luas.core").call, math.type

local M = {}

-- For each source that was made here: the value to close when the source is not needed any
-- more, or the source that it is made of; and the step function, if that returns an index
-- first; and the texts that it reads (lines.lua).
---@type table<function, { closing: any, inner: function?, step: function?, texts: luas.texts? }>
local made = setmetatable({}, { __mode = "k" })

--- The function to call, and whether its first value is an index and not an argument.
---@param source function
---@return function step, boolean indexed
function M.step(source)
    local step = made[source] and made[source].step
    return step or source, step ~= nil
end

--- Call it when the source is not needed any more. It closes the closing value, as a generic
--- `for` does at its end.
---@param source function
function M.close(source)
    local known = made[source]
    if not known then return end
    local closing <close>, inner = known.closing, known.inner
    known.closing, known.inner = nil, nil
    if inner then M.close(inner) end
end

--- Says that a source reads another one.
---@param source function
---@param inner function
---@return function source
function M.over(source, inner)
    made[source] = { inner = inner }
    return source
end

--- Says what is to be closed when a source is not needed any more.
---@param source function
---@param closing any
---@return function source
function M.closing(source, closing)
    made[source] = { closing = closing }
    return source
end

--- Says that a source gives the records of texts.
---@param source function
---@param texts luas.texts
---@return function source
function M.of_texts(source, texts)
    made[source] = { closing = texts, texts = texts }
    return source
end

--- The texts whose records the source gives, or nil.
---@param source function
---@return luas.texts?
function M.texts(source)
    return made[source] and made[source].texts
end

local function read(f, state, control)
    local function advance(first, ...)
        control = first
        return first, ...
    end
    return function() return advance(call(f, state, control)) end
end

--- A source made of what a generic `for` takes: pool.iter(pairs(t)).
---@param f function
---@param state any
---@param control any
---@param closing any  is closed when the job that reads it is over
---@return fun(): any, ...
function M.iter(f, state, control, closing)
    check.callable(f, "iter")
    return M.closing(read(f, state, control), closing)
end

local function without_first(_, ...) return ... end

--- The same without the first value of each step. It turns an `imap` into a source of its
--- results, for a second stage. A result that is nil is an argument like any other; so are
--- nil and the outcome, if failures are collected.
---@param f function
---@param state any
---@param control any
---@param closing any
---@return fun(): any, ...
function M.values(f, state, control, closing)
    check.callable(f, "values")
    local step = read(f, state, control)
    local function source() return without_first(step()) end
    made[source] = { closing = closing, step = step }
    return source
end

local function number(v, position)
    check.number(v, position, "range")
    return v
end

--- A source of the numbers that `for i = first, last, step` goes through.
---@param first number
---@param last number
---@param step number?  by default 1
---@return fun(): number?
function M.range(first, last, step)
    local at, to, by = number(first, 1), number(last, 2), step == nil and 1 or number(step, 3)
    if by == 0 then check.fail "bad argument #3 to 'range' (a step other than 0 expected)" end
    if mathtype(at) ~= "integer" or mathtype(by) ~= "integer" then at, by = at + 0.0, by + 0.0 end
    return function()
        local now = at
        if now == nil or by > 0 and now > to or by < 0 and now < to then
            at = nil
            return nil
        end
        at = now + by
        if by > 0 and at < now or by < 0 and at > now then at = nil end -- past the last integer
        return now
    end
end

return M
