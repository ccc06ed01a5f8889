--- `luas --results FILE`: prints what a journal has, of each task its last outcome.

local core = require "luas.core"
local later = require "luas.later"
local inspect = later.open "luas.inspect"

local M = {}

local tools = core.journal()

local columns = { "run", "pool", "verb", "function", "index", "kind", "started", "seconds", "worker", "attempts", "input",
    "value", "message" }

-- Rows that are read at a time.
local PAGE <const> = 10000

local LATEST <const> = [[CREATE TEMP TABLE latest AS SELECT max(outcome.id) AS id FROM outcome JOIN job ON job.id = outcome.job
    GROUP BY pool, verb, ordinal, key ORDER BY min(job.id), idx]]

local ROWS <const> = [[SELECT latest.rowid, run, pool, verb, job.name, idx, kind, outcome.started, took, worker, attempts, input, value,
    message, typeof(value) FROM latest JOIN outcome ON outcome.id = latest.id JOIN job ON job.id = outcome.job
    WHERE latest.rowid > ? AND (? = 0 OR kind <> 'value') ORDER BY latest.rowid LIMIT ?]]

-- ---- texts ----

local function text_of(v)
    if type(v) == "string" then return v end
    if type(v) == "table" then return (inspect.inspect(v):gsub("%s+", " ")) end
    return v == nil and "" or tostring(v)
end

local escapes = { ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r", ["\\"] = "\\\\" }

local function tsv(values)
    local texts = {}
    for i = 1, #columns do texts[i] = text_of(values[i]):gsub("[\t\n\r\\]", escapes) end
    return table.concat(texts, "\t")
end

local function csv(values)
    local texts = {}
    for i = 1, #columns do
        local text = text_of(values[i])
        texts[i] = text:find '[,"\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text
    end
    return table.concat(texts, ",")
end

local function json_string(text)
    local is_utf8 = utf8.len(text) ~= nil
    text = text:gsub('["\\]', "\\%0"):gsub("[%c\127]", function(c) return ("\\u%04x"):format(c:byte()) end)
    if not is_utf8 then text = text:gsub("[\128-\255]", function(c) return ("\\u%04x"):format(c:byte()) end) end
    return '"' .. text .. '"'
end

local json

local function json_list(t)
    local parts = {}
    for i, v in ipairs(t) do parts[i] = json(v) end
    return "[" .. table.concat(parts, ",") .. "]"
end

local function json_object(t)
    local parts = {}
    for k, v in pairs(t) do parts[#parts + 1] = json_string(text_of(k)) .. ":" .. json(v) end
    table.sort(parts)
    return "{" .. table.concat(parts, ",") .. "}"
end

-- The tables around the value: one in itself has no JSON.
local around = {}

function json(v)
    if type(v) == "string" then return json_string(v) end
    if type(v) == "number" then return v - v == 0 and tostring(v) or "null" end
    if type(v) == "boolean" then return tostring(v) end
    if type(v) ~= "table" then return v == nil and "null" or json_string(tostring(v)) end
    if around[v] or #around > 200 then return "null" end
    around[v], around[#around + 1] = true, v
    local n = 0
    for _ in pairs(v) do n = n + 1 end
    local text = n == #v and n > 0 and json_list(v) or json_object(v)
    around[v], around[#around] = nil, nil
    return text
end

local function jsonl(values)
    local parts = {}
    for i, name in ipairs(columns) do
        if values[i] ~= nil then parts[#parts + 1] = ('"%s":%s'):format(name, json(values[i])) end
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

--- The formats, by their names.
M.formats = { tsv = tsv, csv = csv, jsonl = jsonl }

-- ---- rows ----

local function query(journal, path, sql, ...)
    local rows, why = tools.query(journal, sql, ...)
    if not rows then error(("%s: %s"):format(path, why), 0) end
    return rows
end

-- What a task gave: one value, or a list of several. A task of reduce gives `true` first.
local function value_of(value, kind, stored, verb)
    if kind ~= "value" or stored == "null" then return nil end
    if stored ~= "blob" then return value end
    local ok, results = tools.payload(value, "value")
    if not ok then return "(" .. tostring(results) .. ")" end
    if verb == "reduce" then results = table.pack(table.unpack(results, 2, results.n)) end
    if results.n <= 1 then return results[1] end
    if results.n == #results then results.n = nil end
    return results
end

local function values_of(row)
    local values = {}
    for i = 1, #columns do
        values[i] = row[i + 1]
        if values[i] == false then values[i] = nil end
    end
    if values[7] then values[7] = os.date("%Y-%m-%dT%H:%M:%S", math.floor(values[7])) end
    if values[8] then values[8] = tonumber(("%.6f"):format(values[8])) end
    values[12] = value_of(row[13], row[7], row[15], row[4])
    return values
end

--- Prints them to stdout. Raises a message where the file is no journal.
---@param path string
---@param format "tsv"|"csv"|"jsonl"
---@param failed boolean?  only those without a value
---@return integer status
function M.print(path, format, failed)
    local journal, why = tools.open(path, true)
    if not journal then error(("%s: %s"):format(path, why), 0) end
    if #query(journal, path, "SELECT 1 FROM sqlite_master WHERE name = 'outcome'") == 0 then
        error(path .. ": this is no journal of luas", 0)
    end
    query(journal, path, LATEST)
    local text, last = M.formats[format], 0
    if format ~= "jsonl" then io.stdout:write(text(columns), "\n") end
    repeat
        local rows = query(journal, path, ROWS, last, failed and 1 or 0, PAGE)
        for _, row in ipairs(rows) do io.stdout:write(text(values_of(row)), "\n") end
        last = #rows > 0 and rows[#rows][1]
    until not last
    tools.close(journal)
    return 0
end

return M
