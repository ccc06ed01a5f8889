--- Outcomes: what became of a task that has no value.
---

local core = require "luas.core"
local later = require "luas.later"
local inspect = later.open "luas.inspect"

local getinfo = debug.getinfo

local M = {}

local signals = {
    [1] = "SIGHUP", [2] = "SIGINT", [3] = "SIGQUIT", [4] = "SIGILL", [6] = "SIGABRT",
    [7] = "SIGBUS", [8] = "SIGFPE", [9] = "SIGKILL", [11] = "SIGSEGV", [13] = "SIGPIPE",
    [15] = "SIGTERM", [24] = "SIGXCPU", [31] = "SIGSYS",
}

local function how_it_ended(o)
    if o.over_memory then
        return "was killed because it passed its memory limit"
    elseif o.hung then
        return "hung in a lock that another thread held when it was forked"
    elseif o.signal then
        local name = signals[o.signal]
        return ("was killed by signal %d%s"):format(o.signal, name and " (" .. name .. ")" or "")
    elseif o.exitcode then
        return ("exited with status %d"):format(o.exitcode)
    end
    return "ended, nobody knows how"
end

--- What a worker is called: by its pool, if that has a name, and its number.
---@param pool string?  the pool's name
---@param o { worker: integer?, worker_name: string? }
---@return string
function M.worker_name(pool, o)
    return o.worker_name or ("%s %s"):format(pool or "worker", o.worker or "?")
end

--- What a task with these arguments has as its input: none, the one, or all.
---@param arguments table  as table.pack gives them
---@return any
function M.input(arguments)
    if arguments.n == 0 then return nil end
    if arguments.n == 1 then return arguments[1] end
    return arguments
end

-- Who ran it: a worker of a pool, or a spawned process, which has a name.
local function where(o)
    local pid = ("pid %s"):format(o.pid or "?")
    return o.name and pid or ("%s, %s"):format(M.worker_name(nil, o), pid)
end

--- What was raised, in words: of a table that has no text of its own, what is in it.
---@param value any
---@param message string  what is said of it without looking into it
---@return string
function M.in_words(value, message)
    if type(value) ~= "table" or message ~= "(error object is a table value)" then return message end
    local text = inspect.inspect(value, { depth = 2 }):gsub("%s+", " ")
    core.called() -- __tostring
    return "raised " .. text
end

local function raised(o)
    return M.in_words(o.value, type(o.message) == "string" and o.message or "(no message)")
end

local describe = {
    error = raised,
    crash = function(o)
        if o.machine_lost then return ("its machine %s %s"):format(o.machine, o.machine_lost) end
        if o.worker == 0 then return how_it_ended(o) end
        local who = o.recorded and "" or (" (%s)"):format(where(o)) -- whom a journal tells of nobody knows
        return ("%s %s%s"):format(o.name and "it" or "its worker", how_it_ended(o), who)
    end,
    timeout = function(o)
        if o.pending then return ("not finished after %g s; it goes on"):format(o.limit) end
        return o.limit and ("timed out after %g s"):format(o.limit) or "timed out"
    end,
    cancelled = function(o)
        return o.limit and ("cancelled at the deadline of %g s"):format(o.limit) or "cancelled"
    end,
}

local function place(o)
    return o.line and ("%s:%d"):format(o.file, o.line) or ("%s, byte %s"):format(o.file, o.byte)
end

local function name(o)
    local who = o.call or o.name and "process " .. o.name or o.file and place(o) or (o.index and "task " .. o.index) or "the future"
    if o.index and (o.count or 1) > 1 then
        local first, what = o.file and o.line or o.index, o.file and o.line and "lines" or "tasks"
        who = ("%s%s %d to %d%s"):format(o.kind == "cancelled" and "" or "one of ", what, first,
            first + o.count - 1, what == "lines" and " of " .. o.file or "")
    end
    if o.input == nil or o.name then return who end
    local input = inspect.inspect(o.input, { depth = 1 }):gsub("%s+", " ")
    if #input > 60 then input = input:sub(1, 57) .. "..." end
    return ("%s (input %s)"):format(who, input)
end

local Outcome = { __name = "luas.outcome" }
Outcome.__index = Outcome

local function in_words(o)
    assert(describe[o.kind])
    local attempts = (o.attempts or 1) > 1 and (" (%d attempts)"):format(o.attempts) or ""
    local recorded = o.recorded and ' (in an earlier run; resume = "failed" runs it again)' or ""
    local line = ("%s: %s%s%s"):format(name(o), o.message, attempts, recorded)
    if o.kind == "error" and o.traceback and o.traceback:find "\n" then
        local place = o.pid and o.worker ~= 0 and ("[%s] "):format(where(o)) or ""
        line = ("%s\n%s%s"):format(line, place, o.traceback)
    end
    return line
end

-- Is it being raised now? A message handler is called then, below which the call still stands:
-- so asks whoever shows what nobody has caught.
local function is_raised(o)
    if not o.called_from then return false end
    for level = 3, math.huge do
        local info = getinfo(level, "f")
        if not info or info.func == M.raise then return info ~= nil end
    end
end

-- Must not fail: it is called when something went wrong, and a script may have changed the
-- fields.
function Outcome:__tostring()
    local ok, words = core.try(in_words, self)
    if not ok then return "an outcome whose fields were changed" end
    return is_raised(self) and ("%s\ncalled from %s"):format(words, self.called_from) or words
end

--- The text of an outcome that nobody has caught, where it is not raised.
---@param o luas.outcome
---@return string
function M.uncaught(o)
    local words = tostring(o)
    return o.called_from and ("%s\ncalled from %s"):format(words, o.called_from) or words
end

--- The place in the script that called the library, as in `job.lua:8`; nil if none did.
---@return string?
function M.place_of_call()
    return core.caller():match "^(.*): $"
end

--- A traceback without the engine's outermost frames; nil if nothing is left.
---@param traceback string
---@return string?
function M.own_lines(traceback)
    local n = 1
    while n > 0 do traceback, n = traceback:gsub("\n%s*%[C%]: in %?$", "") end
    traceback = traceback:gsub("\n%s*%[C%]: in function 'xpcall'$", "")
    return traceback ~= "" and traceback or nil
end

--- Makes an outcome of a table of its fields, and says in its message what happened.
---@param fields table
---@return luas.outcome
function M.new(fields)
    fields.took = fields.took or 0
    if fields.init then return setmetatable(fields, Outcome) end -- it says where
    local ok, words = core.try(describe[fields.kind], fields)
    if not ok and core.stopped(words) then error(words, 0) end
    fields.message = ok and words or "(the error could not be described)"
    return setmetatable(fields, Outcome)
end

--- Raises what a call came to. An outcome says then which call of the script it came from.
---@param o any
function M.raise(o)
    if M.is(o) then o.called_from = M.place_of_call() end
    error(o, 0)
end

local function text_of(value)
    if type(value) == "string" or type(value) == "number" then return tostring(value) end
    if M.is(value) then return value.message end
    local meta = getmetatable(value)
    if type(meta) == "table" and meta.__tostring then
        local ok, text = pcall(tostring, value)
        if not ok and core.stopped(text) then error(text, 0) end
        core.called()
        if ok then return text end
    end
    return ("(error object is a %s value)"):format(type(value))
end

--- The outcome of a call that was cut short, by an error of its source or by Ctrl-C. It
--- has what the call had so far.
---@param who string      what raised the error
---@param value any
---@param traceback string?
---@param had { n: integer, results: table?, failures: table<integer, luas.outcome> }
---@return luas.outcome
function M.cut_short(who, value, traceback, had)
    local kept = had.n
    for _ in pairs(had.failures) do kept = kept - 1 end
    local so_far = had.results and ("%s (%d result%s kept)"):format(who, kept, kept == 1 and "" or "s")
        or ("%s, after %d task%s"):format(who, had.n, had.n == 1 and "" or "s")
    return M.new {
        kind = "error", value = value, message = text_of(value), traceback = traceback,
        call = so_far,
        n = had.n, results = had.results, failures = had.failures,
    }
end

--- Is this value an outcome?
---@param v any
---@return boolean
function M.is(v)
    return getmetatable(v) == Outcome
end

return M
