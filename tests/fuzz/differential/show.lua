--- Values and outcomes as text that two runs of a job can be compared by.
---
--- What may differ is left out: pids, workers, tracebacks, attempts, times, and where
--- in memory things are.

local M = {}

-- The classes that jobs use, by name.
local classes = {}

local unimportant = {
    pid = true, worker = true, worker_name = true, traceback = true, attempts = true, took = true,
    output = true, called_from = true, name = true, call = true,
}

-- A task that does not stop when its time is over is killed where it has a worker.
local unimportant_of_timeouts = setmetatable({ value = true, signal = true, exitcode = true }, { __index = unimportant })

--- Gives a metatable a name in texts.
---@param class table
---@param name string
function M.class(class, name)
    classes[class] = name
end

--- A message without what names the worker.
---@param text string
---@return string
function M.plain(text)
    text = text:gsub("its worker (.-) %([^()]*pid %d+%)", "%1"):gsub("it (.-) %(pid %d+%)", "%1")
    text = text:gsub("^[^\n]*stopped by the pool$", "stopped"):gsub("attempt to yield .*", "attempt to yield")
    text = text:gsub("\n[^\n]*stack traceback:\n.*$", "")
    return (text:gsub("0x%x+", "0x?"))
end

local function number(v)
    if v ~= v then return "nan" end
    return math.type(v) == "integer" and ("%d"):format(v) or ("%q"):format(v)
end

local function text(v)
    v = M.plain(v)
    if #v <= 200 then return (("%q"):format(v):gsub("\n", "n")) end
    local sum = 0
    for i = 1, #v, 97 do sum = (sum * 31 + v:byte(i)) % 1000003 end
    return ("<%d bytes, %d, %q>"):format(#v, sum, v:sub(1, 40))
end

local one

-- Keys in an order that does not depend on where tables are.
local function keys(t, seen)
    local list = {}
    for k in next, t do
        local shown = type(k) == "table" and "table" or one(k, seen)
        list[#list + 1] = { k, type(k) .. (math.type(k) == "integer" and ("%020d"):format(k) or shown) }
    end
    table.sort(list, function(a, b) return a[2] < b[2] end)
    return list
end

local function is_outcome(meta)
    return type(meta) == "table" and rawget(meta, "__name") == "luas.outcome"
end

local function fields(t, seen, skip)
    local parts = {}
    for _, key in ipairs(keys(t, seen)) do
        local k = key[1]
        if skip then seen = { n = 0 } end -- the fields of an outcome came on different ways
        if not (skip and skip[k]) then
            parts[#parts + 1] = ("[%s]=%s"):format(one(k, seen), one(rawget(t, k), seen))
        end
    end
    return "{" .. table.concat(parts, ", ") .. "}"
end

local function shown_table(t, seen)
    if seen[t] then return "#" .. seen[t] end
    seen.n = seen.n + 1
    seen[t] = seen.n
    local meta = debug.getmetatable(t)
    if is_outcome(meta) then
        return "outcome" .. fields(t, seen, t.kind == "timeout" and unimportant_of_timeouts or unimportant)
    end
    local name = meta ~= nil and (classes[meta] or "(some class)") or ""
    return name .. fields(t, seen)
end

function one(v, seen)
    local kind = type(v)
    if kind == "number" then return number(v) end
    if kind == "string" then return text(v) end
    if kind == "table" then return shown_table(v, seen) end
    if v == io.stdout then return "stdout" end
    if kind == "nil" or kind == "boolean" then return tostring(v) end
    return kind
end

--- Values as text. What is the same table in several places is it in the text, too.
---@param ... any
---@return string
function M.values(...)
    local seen, parts = { n = 0 }, {}
    for i = 1, select("#", ...) do parts[i] = one((select(i, ...)), seen) end
    return "(" .. table.concat(parts, ", ") .. ")"
end

--- Is it an outcome?
---@param v any
---@return boolean
function M.is_outcome(v)
    return is_outcome(debug.getmetatable(v))
end

return M
