--- Checking of options and arguments: a wrong name or type raises at the
--- call and says what there is.

local core = require "luas.core"

local M = {}

--- Raises a message that names the line outside of luas that called into it.
---@param message string
function M.fail(message)
    error(core.caller() .. message, 0)
end

--- Makes each method say what to write where it is called with a dot, so that
--- its first argument is no object.
---@param methods table<string, function>
---@param class table    the metatable of the objects
---@param object string  what an object is called in messages
function M.methods(methods, class, object)
    for name, method in pairs(methods) do
        if type(method) == "function" and not name:find "^__" then
            methods[name] = function(self, ...)
                if getmetatable(self) == class then return method(self, ...) end
                M.fail(("'%s' is a method: write %s:%s(...) with a colon"):format(
                    name, object, name))
            end
        end
    end
end

--- Raises for a function that was called with a colon.
---@param called string  its module's name
---@param name string
function M.ask_for_dot(called, name)
    M.fail(("'%s' is a function of the module: write %s.%s(...) with a dot"):format(
        name, called, name))
end

local function whole(low, high)
    local range = high and ("a whole number from %d to %d"):format(low, high)
        or ("a whole number of at least %d"):format(low)
    return function(v)
        return math.type(v) ~= nil and math.tointeger(v) ~= nil and v >= low
            and (not high or v <= high), range
    end
end

local function kind(...)
    local names = { ... }
    return function(v)
        for _, name in ipairs(names) do
            if type(v) == name then return true end
        end
        return false, "a " .. table.concat(names, " or a ")
    end
end

local function one_of(...)
    local words = { ... }
    local all = ('"%s"'):format(table.concat(words, '", "')):gsub('^(.*), ', "%1 or ")
    return function(v)
        for _, word in ipairs(words) do
            if v == word then return true end
        end
        return false, all
    end
end

local function seconds(v)
    return type(v) == "number" and v > 0, "a number of seconds above 0"
end

local function integer(v)
    return math.type(v) == "integer", "an integer"
end

local units = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30 }

--- A size in bytes, from a number or a string such as "200M"; nil if it is none.
---@param v integer|string
---@return integer?
function M.bytes(v)
    if math.type(v) == "integer" then return v end
    if type(v) ~= "string" then return nil end
    local number, unit = v:match "^(%d+)([KMG]?)i?B?$"
    return number and math.tointeger(tonumber(number) * units[unit])
end

local function size(v)
    local bytes = M.bytes(v)
    return bytes ~= nil and bytes >= 1 << 20, 'a size of at least 1M: bytes, or text such as "200M"'
end

--- Options of one job; those of a pool are the defaults of its jobs.
M.job = {
    chunk = whole(1, 1 << 20),
    window = whole(1),
    timeout = seconds,
    retries = whole(0, 1000),
    on_error = one_of("raise", "collect"),
    halt = whole(1),
    seed = integer,
    priority = whole(-1000000, 1000000),
    progress = kind("boolean", "function"),
    carry = one_of("auto", "ship", "inherit"),
}

M.pool = {
    workers = whole(0, 4096),
    name = kind("string"),
    init = kind("function"),
    exit = kind("function"),
    max_tasks = whole(1),
    memory = size,
    output = one_of("inherit", "tag", "capture"),
    max_memory = size,
    start = one_of("fork"),
}

for name, check in pairs(M.job) do
    M.pool[name] = check
end

local function names(spec)
    local list = {}
    for name in pairs(spec) do list[#list + 1] = name end
    table.sort(list)
    return table.concat(list, ", ")
end

local function describe(v)
    if type(v) == "string" then return ("%q"):format(v) end
    if type(v) ~= "number" then return type(v) end
    return v ~= v and "NaN" or tostring(v)
end

--- Checks `given` (a table or nil) against `spec`; `what` names the call.
---@param spec table<string, fun(v: any): boolean, string?>
---@param given table?
---@param what string
---@param hint string?  what to add where they are no options at all
---@return table given
function M.check(spec, given, what, hint)
    if given == nil then return {} end
    if type(given) ~= "table" then
        M.fail(("%s: options must be a table, got %s%s"):format(what, type(given), hint or ""))
    end
    for name, value in pairs(given) do
        local test = spec[name]
        if not test then
            M.fail(("%s: unknown option %s (there are: %s)%s"):format(
                what, describe(name), names(spec), hint or ""))
        end
        local ok, expected = test(value)
        if not ok then
            M.fail(("%s: option '%s' must be %s, got %s"):format(
                what, name, expected, describe(value)))
        end
    end
    return given
end

--- Raises unless `v` is of one of the types named in `expected`.
---@param v any
---@param position integer
---@param what string
---@param expected string  such as "function" or "table or function"
function M.argument(v, position, what, expected)
    local t = type(v)
    for name in expected:gmatch "%a+" do
        if t == name then return end
    end
    M.fail(("bad argument #%d to '%s' (%s expected, got %s)"):format(
        position, what, expected, v == nil and "no value" or t))
end

--- The length of a list: its field n or, without one, its border. Nil and what
--- is wrong where that is no whole number.
---@param list table
---@return integer? n, string? problem
function M.length(list)
    local n = rawget(list, "n")
    local name = n == nil and "its length" or "field 'n'"
    if n == nil then n = #list end
    if math.type(n) == "integer" and n >= 0 then return n end
    return nil, ("%s must be a whole number, got %s"):format(name, tostring(n))
end

--- Can it be called?
---@param f any
---@return boolean
function M.is_callable(f)
    local meta = getmetatable(f)
    return type(f) == "function" or type(meta) == "table" and meta.__call ~= nil
end

--- Raises unless `f` can be called.
---@param f any
---@param what string
---@param position integer?  by default 1
function M.callable(f, what, position)
    if not M.is_callable(f) then M.argument(f, position or 1, what, "function") end
end

--- A timeout argument: the seconds to wait, nil for as long as it takes. Less
--- than 0 counts as 0, for a deadline that has passed.
---@param v number?
---@param position integer
---@param what string
---@return number?
function M.timeout(v, position, what)
    if v == nil or v == math.huge then return nil end
    if type(v) ~= "number" or v ~= v then
        M.fail(("bad argument #%d to '%s' (a number of seconds expected, got %s)"):format(
            position, what, type(v) == "number" and "NaN" or type(v)))
    end
    return math.max(v, 0)
end

--- The second table's fields over the first's, in a new table.
---@param base table
---@param over table
---@return table
function M.merge(base, over)
    local all = {}
    for k, v in pairs(base) do all[k] = v end
    for k, v in pairs(over) do all[k] = v end
    return all
end

return M
