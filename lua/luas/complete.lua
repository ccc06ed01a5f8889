-- Completion for Tab at the prompt: names of globals, of the prompt's locals, keywords and fields;
-- options in a table among a verb's arguments, modules after `require "`. It calls no functions of the
-- user: it only looks into tables and their `__index` tables. A class that has a function there
-- may name its fields and methods in `__members`.

local concat, sort = table.concat, table.sort
local find, format, gmatch, gsub, match, rep, sub =
    string.find, string.format, string.gmatch, string.gsub, string.match, string.rep, string.sub
local getmetatable, ipairs, max, next, rawget, type = debug.getmetatable, ipairs, math.max, next, rawget, type
local globals, package, require = _G, package, require

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
        if type(index) == "function" then index = rawget(meta, "__members") end
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

-- `locals` are those of the prompt, which go before globals.
local function resolve(path, locals)
    local value = globals
    for name in gmatch(path, "[^.]+") do
        local own = value == globals and locals and locals:get(name)
        value = own ~= nil and own or field(value, name)
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

-- The options that may stand at the end of this text, in a table among a verb's arguments; or nil.
local function options_at(before)
    if not find(before, "[,;{]%s*$") then return nil end
    local call = match(gsub(before, "%b()", ""), "^(.*){[^{}]*$")
    local owner, verb = match(call or "", "([%a_][%w_]*)[.:]([%a_]+)%s*%(?[^()]*$")
    local verbs = rawget(globals, "pool")
    if not owner or type(verbs) ~= "table" or not rawget(verbs, verb) then return nil end
    local options = require "luas.options"
    return (verb == "new" or verb == "configure") and options.pool or options.job
end

-- Is the end of the text inside a string? Then the string up to there, and what is before it.
local function open_string(text)
    local at = 1
    while at <= #text do
        local quote = match(text, "^[\"']", at)
        if quote then
            local from = at
            at = at + 1
            while at <= #text and sub(text, at, at) ~= quote do
                at = at + (sub(text, at, at) == "\\" and 2 or 1)
            end
            if at > #text then return sub(text, from + 1), sub(text, 1, from - 1) end
        end
        at = at + 1
    end
end

-- The modules that are loaded, or can be loaded by what package.preload has.
local function modules(prefix)
    local names = {}
    for _, there in ipairs { package.loaded, package.preload } do
        for name in next, there do
            if type(name) == "string" and sub(name, 1, #prefix) == prefix and not find(name, "^luas%.")
                and not (there == package.preload and package.loaded[name]) then
                names[#names + 1] = name
            end
        end
    end
    sort(names)
    return names, prefix
end

---@param line string up to the cursor
---@param locals luas.toplevel?
---@return string[] names that could stand there, sorted
---@return string prefix the part of them that is typed already
function complete.candidates(line, locals)
    local inside, outside = open_string(line)
    if inside then
        if find(outside, "require%s*%(?%s*$") then return modules(inside) end
        return {}, ""
    end
    local word = gsub(match(line, "[%a_][%w_.:]*$") or "", "^.*%.%.", "")
    local before = sub(line, 1, #line - #word)
    local path, separator, prefix = match(word, "^([%w_.]-)([.:]?)([%w_]*)$")
    local options = separator == "" and options_at(before)
    if options then
        local names = collect(options, prefix)
        sort(names)
        return names, prefix
    end
    if not path or word == "" or find(before, "[%w_:]$") or find(before, "%.$") and not find(before, "%.%.$") then
        return {}, ""
    end
    local names = collect(resolve(path, locals), prefix, separator == ":")
    if separator == "" and locals then
        for name in next, locals.cells do names[#names + 1] = fits(name, prefix) and name or nil end
    end
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
---@param locals luas.toplevel?  those of the prompt
---@return string insert what belongs at the cursor, perhaps nothing
---@return string? listing the choices, where nothing can be inserted
function complete.complete(line, width, locals)
    if not find(line, "%S") then
        return "    "
    end
    local names, prefix = complete.candidates(line, locals)
    local insert = sub(common(names), #prefix + 1)
    if insert == "" and #names > 1 then
        return "", complete.columns(names, width)
    end
    return insert
end

return complete
