-- Completion for Tab at the prompt: names of globals, keywords and fields. It calls no
-- functions of the user: it only looks into tables and their `__index` tables.

local concat, sort = table.concat, table.sort
local find, format, gmatch, gsub, match, rep, sub =
    string.find, string.format, string.gmatch, string.gsub, string.match, string.rep, string.sub
local getmetatable, ipairs, max, next, rawget, type = debug.getmetatable, ipairs, math.max, next, rawget, type
local globals = _G

local CHAIN = 16
local KEYWORDS = [[and break do else elseif end false for function goto if in local nil
    not or repeat return then true until while]]

local complete = {}

-- The tables in which a field of `value` is looked up, in that order.
local function tables_of(value)
    local list = {}
    while value ~= nil and #list < CHAIN do
        if type(value) == "table" then
            list[#list + 1] = value
        end
        local meta = getmetatable(value)
        local index = type(meta) == "table" and rawget(meta, "__index")
        value = type(index) == "table" and index or nil
    end
    return list
end

local function field(value, name)
    for _, t in ipairs(tables_of(value)) do
        local found = rawget(t, name)
        if found ~= nil then
            return found
        end
    end
end

local function resolve(path)
    local value = globals
    for name in gmatch(path, "[^.]+") do
        value = field(value, name)
    end
    return value
end

local function callable(value)
    local meta = getmetatable(value)
    return type(value) == "function" or type(meta) == "table" and rawget(meta, "__call") ~= nil
end

-- Names that begin with an underscore are shown only if it was typed.
local function fits(name, prefix)
    return type(name) == "string" and sub(name, 1, #prefix) == prefix and find(name, "^[%a_][%w_]*$")
        and (prefix ~= "" or sub(name, 1, 1) ~= "_")
end

local function collect(owner, prefix, methods_only)
    local names, seen = {}, {}
    for _, t in ipairs(tables_of(owner)) do
        for name, value in next, t do
            if not seen[name] and fits(name, prefix) and (not methods_only or callable(value)) then
                seen[name] = true
                names[#names + 1] = name
            end
        end
    end
    return names
end

---@param line string up to the cursor
---@return string[] names that could stand there, sorted
---@return string prefix the part of them that is typed already
function complete.candidates(line)
    local word = gsub(match(line, "[%a_][%w_.:]*$") or "", "^.*%.%.", "")
    local before = sub(line, 1, #line - #word)
    local path, separator, prefix = match(word, "^([%w_.]-)([.:]?)([%w_]*)$")
    if not path or word == "" or find(before, "[%w_:]$") or find(before, "%.$") and not find(before, "%.%.$") then
        return {}, ""
    end
    local names = collect(resolve(path), prefix, separator == ":")
    if separator == "" then
        for keyword in gmatch(KEYWORDS, "%a+") do
            names[#names + 1] = fits(keyword, prefix) and keyword or nil
        end
    end
    sort(names)
    return names, prefix
end

local function common(names)
    local shared = names[1] or ""
    for _, name in ipairs(names) do
        while sub(name, 1, #shared) ~= shared do
            shared = sub(shared, 1, -2)
        end
    end
    return shared
end

---@param names string[]
---@param width integer columns of the terminal
---@return string # the names in columns, read downwards
function complete.columns(names, width)
    local widest = 0
    for _, name in ipairs(names) do
        widest = max(widest, #name + 2)
    end
    local across = max(1, width // widest)
    local lines, rows = {}, (#names + across - 1) // across
    for row = 1, rows do
        local line = {}
        for i = row, #names, rows do
            line[#line + 1] = names[i] .. rep(" ", widest - #names[i])
        end
        lines[row] = match(concat(line), "^(.-) *$")
    end
    return concat(lines, "\n")
end

---@param line string up to the cursor
---@param width integer columns of the terminal
---@return string insert what belongs at the cursor, perhaps nothing
---@return string? listing the choices, where nothing can be inserted
function complete.complete(line, width)
    if not find(line, "%S") then
        return "    "
    end
    local names, prefix = complete.candidates(line)
    local insert = sub(common(names), #prefix + 1)
    if insert == "" and #names > 1 then
        return "", complete.columns(names, width)
    end
    return insert
end

return complete
