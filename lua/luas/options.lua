--- Checking of options and arguments: a wrong name or type raises at the
--- call and says what there is.

local M = {}

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
    return function(v)
        for _, word in ipairs(words) do
            if v == word then return true end
        end
        return false, '"' .. table.concat(words, '", "') .. '"'
    end
end

local function seconds(v)
    return type(v) == "number" and v > 0, "a number of seconds above 0"
end

local function integer(v)
    return math.type(v) == "integer", "an integer"
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
    return type(v) == "number" and tostring(v) or type(v)
end

--- Checks `given` (a table or nil) against `spec`; `what` names the call.
---@param spec table<string, fun(v: any): boolean, string?>
---@param given table?
---@param what string
---@param level integer  whose fault it is, as for `error`
---@return table given
function M.check(spec, given, what, level)
    if given == nil then return {} end
    if type(given) ~= "table" then
        error(("%s: options must be a table, got %s"):format(what, type(given)), level + 1)
    end
    for name, value in pairs(given) do
        local test = spec[name]
        if not test then
            error(("%s: unknown option %s (there are: %s)"):format(
                what, describe(name), names(spec)), level + 1)
        end
        local ok, expected = test(value)
        if not ok then
            error(("%s: option '%s' must be %s, got %s"):format(
                what, name, expected, describe(value)), level + 1)
        end
    end
    return given
end

--- Raises unless `v` is of one of the types named in `expected`.
---@param v any
---@param position integer
---@param what string
---@param expected string  such as "function" or "table or function"
---@param level integer
function M.argument(v, position, what, expected, level)
    local t = type(v)
    for name in expected:gmatch "%a+" do
        if t == name then return end
    end
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(
        position, what, expected, v == nil and "no value" or t), level + 1)
end

--- A timeout argument: nil or a number of seconds.
---@param v number?
---@param position integer
---@param what string
function M.timeout(v, position, what)
    if v ~= nil and type(v) ~= "number" then
        error(("bad argument #%d to '%s' (a number of seconds expected, got %s)"):format(
            position, what, type(v)), 3)
    end
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
