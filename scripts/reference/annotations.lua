-- Reads the annotations of luas.lua: its classes with their fields, and its functions.

local annotations = {}

---@class reference.field
---@field name string
---@field optional boolean
---@field type string      as LuaCATS writes it
---@field values string?   of an option: what it may be, in words
---@field default string?
---@field text string      what it means

---@class reference.entry
---@field name string      "pool.map", "future:get", "luas.outcome"
---@field line string?     of a function: what it does, in a line
---@field text string[]    paragraphs behind that
---@field example string?
---@field params {name: string, optional: boolean, type: string}[]
---@field returns {type: string, name: string?}[]
---@field fields reference.field[]?   of a class

local function read_field(line)
    local name, optional, rest = line:match "^([%w_]+)(%??) (.*)$"
    if not name then return nil end
    local type, text = rest:match "^(.-)  +(.*)$"
    local field = { name = name, optional = optional ~= "", type = type or rest, text = text or "" }
    local values, default, meaning = field.text:match "^(.-) | ?(.-) | (.*)$"
    if values then field.values, field.default, field.text = values, default, meaning end
    return field
end

local function new() return { params = {}, returns = {}, text = {}, doc = {} } end

local function add_tag(entry, tag, rest)
    if tag == "param" then
        local name, optional, type = rest:match "^([%w_.]+)(%??) (.*)$"
        entry.params[#entry.params + 1] = { name = name, optional = optional ~= "", type = type }
    elseif tag == "return" then
        local type, name = rest:match "^(.-) ([%a_]+)$"
        if rest:find "[:,] [%a_]+$" then type, name = nil, nil end
        entry.returns[#entry.returns + 1] = { type = type or rest, name = name }
    end
end

-- The lines of a comment: the first one, paragraphs, and code.
local function divide(entry)
    local all = table.concat(entry.doc, "\n") .. "\n"
    all = all:gsub("```lua\n(.-)```\n", function(code) entry.example = code return "" end)
    local paragraphs = {}
    for paragraph in (all .. "\n"):gmatch "(.-)\n\n" do
        paragraph = paragraph:gsub("^\n+", ""):gsub("\n", " ")
        if paragraph ~= "" then paragraphs[#paragraphs + 1] = paragraph end
    end
    entry.line, entry.text = table.remove(paragraphs, 1), paragraphs
    entry.doc = nil
    return entry
end

---@param path string
---@return reference.entry[] functions, table<string, reference.entry> classes
function annotations.read(path)
    local functions, classes, entry, class = {}, {}, new(), nil
    for line in io.lines(path) do
        local tag, rest = line:match "^%-%-%-@(%w+) ?(.*)$"
        local name = line:match "^function ([%w_.:]+)%("
        if tag == "class" then
            class = { name = rest:match "^[%w.]+", fields = {} }
            classes[class.name] = class
        elseif tag == "field" and class then
            class.fields[#class.fields + 1] = read_field(rest)
        elseif tag then
            add_tag(entry, tag, rest)
        elseif line:find "^%-%-%-" then
            entry.doc[#entry.doc + 1] = line:sub(4)
        elseif name then
            entry.name = name
            functions[#functions + 1], entry = divide(entry), new()
        elseif line == "" then
            entry = new()
        end
    end
    return functions, classes
end

local function arguments(entry)
    local text, open = "", 0
    for i, param in ipairs(entry.params) do
        local comma = i > 1 and ", " or ""
        if param.optional then
            text, open = text .. (i > 1 and " [" or "[") .. comma .. param.name, open + 1
        else
            text = text .. comma .. param.name
        end
    end
    return text .. ("]"):rep(open)
end

---How a function is called: `pool.map(f, items [, opts])`.
---@param entry reference.entry
---@return string
function annotations.call(entry)
    return ("%s(%s)"):format(entry.name, arguments(entry))
end

---What it gives, in a word for each: `results, n [, failures]`.
---@param entry reference.entry
---@return string
function annotations.gives(entry)
    local text, open = "", 0
    for i, result in ipairs(entry.returns) do
        local word = result.name or result.type:gsub("^%w+ %.%.%.$", "...")
        local optional = i > 1 and result.type:find "%?$"
        if optional then open = open + 1 end
        text = text .. (optional and " [" or "") .. (i > 1 and ", " or "") .. word
    end
    return text .. ("]"):rep(open)
end

return annotations
