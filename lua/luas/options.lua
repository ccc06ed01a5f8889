--- The options of pools and jobs. A wrong name or type raises at the call; the message says
--- what is allowed.

local fail = require("luas.check").fail
local later = require "luas.later"
local halt = later.open "luas.halt"
local journal = later.open "luas.journal"
local limit = later.open "luas.limit"
local retry = later.open "luas.retry"

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

local function some_seconds(v)
    return type(v) == "number" and v >= 0, "a number of seconds, 0 or more"
end

local function integer(v)
    return math.type(v) == "integer", "an integer"
end

local function describe(v)
    if type(v) == "string" then return ("%q"):format(v) end
    if type(v) ~= "number" then return type(v) end
    return v ~= v and "NaN" or tostring(v)
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

local function path(v)
    return type(v) == "string" and v ~= "", "a file's name"
end

local function url(v)
    local is_url = type(v) == "string" and (v:find "^nats://." or v:find "^tls://.") ~= nil
    return is_url, "a server, such as nats://host:4222", type(v) == "string" and "another text" or nil
end

local EVERY <const> = "true, a function, or a table {every = seconds}"

local function progress(v)
    if type(v) ~= "table" then return type(v) == "boolean" or type(v) == "function", EVERY end
    for name in pairs(v) do
        if name ~= "every" then return false, EVERY end
    end
    return v.every == nil or seconds(v.every), EVERY
end

local RETRIES <const> = 'a whole number from 0 to 1000, or a table {n = 3, on = "crash", "error", "any" or '
    .. "a function, delay = 0, factor = 2, max = 60}"

-- A table whose field of this name is wrong, in words.
local function wrong_field(v, name)
    if name == nil then return nil end
    local key = type(name) == "string" and name or ("[%s]"):format(describe(name))
    return ("{%s = %s}"):format(key, describe(v[name]))
end

local function retries(v)
    if type(v) ~= "table" then return whole(0, 1000)(v) and true, RETRIES end
    local ok, name = retry.is_valid(v)
    return ok, RETRIES, wrong_field(v, name)
end

local LIMIT <const> = "a table {n = tasks at a time, rate = starts a second, key = a function}, with n or rate"

local function limits(v)
    if type(v) ~= "table" then return false, LIMIT end
    local ok, name = limit.is_valid(v)
    return ok, LIMIT, wrong_field(v, name)
end

local HALT <const> = 'a whole number of at least 1, a part of all tasks ("5%"), or a table {n = one of these, now = true}'

local function halts(v)
    local ok, name = halt.is_valid(v)
    return ok, HALT, wrong_field(v, name)
end

local JOURNAL <const> = 'a file\'s name, false, or a table {path = name, resume = true, false or "failed", '
    .. 'on_change = "error", "rerun" or "keep", values = boolean, key = function, ignore = names, depends = function, '
    .. "explain = boolean}"

local function journals(v)
    if v == false then return true end
    local ok, name = journal.is_valid(v)
    return ok, JOURNAL, wrong_field(v, name)
end

--- As many workers may a pool have.
M.MOST_WORKERS = 4096

--- The options of a job. A pool may have them as defaults of its jobs.
M.job = {
    chunk = whole(1, 1 << 20),
    window = whole(1),
    timeout = seconds,
    deadline = seconds,
    grace = some_seconds,
    retries = retries,
    limit = limits,
    on_error = one_of("raise", "collect"),
    on_interrupt = one_of("raise", "drain"),
    halt = halts,
    seed = integer,
    priority = whole(-1000000, 1000000),
    progress = progress,
    report = path,
    carry = one_of("auto", "ship", "inherit"),
    journal = journals,
}

M.pool = {
    workers = whole(0, M.MOST_WORKERS),
    name = kind("string"),
    init = kind("function"),
    init_timeout = seconds,
    idle = seconds,
    exit = kind("function"),
    exit_timeout = seconds,
    max_tasks = whole(1),
    memory = size,
    output = one_of("inherit", "tag", "capture"),
    max_memory = size,
    start = one_of("fork", "zygote", "exec"),
    program = path,
    keep_files = kind("boolean"),
    cluster = url,
    key = path,
    ca = path,
    nkey = path,
    lost_after = seconds,
    modules = one_of("send", "check", "require"),
    stats = kind("boolean"),
    trace = path,
    joblog = path,
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


-- An option of a pool is not unknown, but it is in the wrong place: the message says so.
local function refuse_name(spec, name, what, hint)
    if M.pool[name] then
        fail(("%s: unknown option %s of a job: it is one of a pool, for pool.new, or before the default pool is used for pool.configure")
            :format(what, describe(name)))
    end
    fail(("%s: unknown option %s (there are: %s)%s"):format(what, describe(name), names(spec), hint or ""))
end

--- Does a pool with these options listen to its own tasks?
---@param given luas.pooloptions
---@return boolean
function M.listens(given)
    return (given.stats or given.report or given.trace or given.joblog or given.progress) and true or false
end

--- Checks `given` (a table or nil) against `spec`; `what` names the call.
---@param spec table<string, fun(v: any): boolean, string?>
---@param given table?
---@param what string
---@param hint string?  added to the message, in case that these were not meant as options
---@return table given
function M.check(spec, given, what, hint)
    if given == nil then return {} end
    if type(given) ~= "table" then
        fail(("%s: options must be a table, got %s%s"):format(what, type(given), hint or ""))
    end
    for name, value in pairs(given) do
        local test = spec[name]
        if not test then refuse_name(spec, name, what, hint) end
        local ok, expected, got = test(value)
        if not ok then
            fail(("%s: option '%s' must be %s, got %s"):format(what, name, expected, got or describe(value)))
        end
    end
    return given
end

--- A new table with the fields of both; those of the second win.
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
