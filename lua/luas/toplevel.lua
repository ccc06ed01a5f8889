--- Locals of the prompt's top level, which live on from one text to the next, as in Node.js's. Each
--- local has a cell: a closure whose one upvalue is the variable itself. So functions of an earlier
--- text and later texts share it.
---
--- A text is compiled as a function inside of declarations of the locals that it names; its
--- upvalues are then joined with their cells. At its end it hands over the locals that it declares
--- itself. A local with `<close>` is closed when the prompt ends, or when its name is declared
--- again.

local concat, match, pack, rep, sub = table.concat, string.match, table.pack, string.rep, string.sub
local find, getupvalue, join, setupvalue = string.find, debug.getupvalue, debug.upvaluejoin, debug.setupvalue
local getmetatable, ipairs, load, rawget, setmetatable, type = debug.getmetatable, ipairs, load, rawget, setmetatable, type

-- The name by which a text hands over its locals.
local GIVE <const> = "__luas_give"

-- What opens a block, and what closes one. `while` and `for` open theirs with `do`.
local DEPTH <const> = { ["function"] = 1, ["do"] = 1, ["if"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1 }

local M = {}

---@class luas.toplevel
---@field cells table<string, function>  of each name
---@field closing { name: string, value: any }[]  what is still to be closed
local Toplevel = {}
Toplevel.__index = Toplevel

---@return luas.toplevel
function M.new()
    return setmetatable({ cells = {}, closing = {} }, Toplevel)
end

-- ---- reading a text ----

-- Behind the comment or the string that begins at this place; nil if there is none.
local function behind(text, at)
    local level = match(text, "^%-%-%[(=*)%[", at) or match(text, "^%[(=*)%[", at)
    if level then
        local _, last = find(text, "]" .. level .. "]", at, true)
        return (last or #text) + 1
    elseif sub(text, at, at + 1) == "--" then
        return find(text, "\n", at, true) or #text + 1
    end
    local quote = match(text, "^[\"']", at)
    if not quote then return nil end
    at = at + 1
    while at <= #text and sub(text, at, at) ~= quote do
        at = at + (sub(text, at, at) == "\\" and 2 or 1)
    end
    return at + 1
end

-- The words and signs of a text, each with its place.
local function tokens(text)
    local list, at = {}, 1
    while at <= #text do
        local next_at = behind(text, at)
        if not next_at then
            local token = match(text, "^[%a_][%w_]*", at) or match(text, "^%d[%w_.]*", at) or match(text, "^%S", at)
            if token then list[#list + 1] = { token, at } end
            next_at = at + (token and #token or 1)
        end
        at = next_at
    end
    return list
end

-- The names in a declaration, whose first is token i, and the places of `<close>`.
local function declared(list, i, names, closes)
    while list[i] and find(list[i][1], "^[%a_]") do
        names[#names + 1] = list[i][1]
        if list[i + 1] and list[i + 1][1] == "<" then
            if list[i + 2][1] == "close" then
                closes[#closes + 1] = { name = list[i][1], from = list[i + 1][2], to = list[i + 3][2] }
            end
            i = i + 3
        end
        if not list[i + 1] or list[i + 1][1] ~= "," then return end
        i = i + 2
    end
end

-- What a text declares outside of all blocks, and the words in it.
local function read(text)
    local list, depth = tokens(text), 0
    local names, closes, words = {}, {}, {}
    for i, token in ipairs(list) do
        local word = token[1]
        if word == "local" and depth == 0 then
            local is_function = list[i + 1] and list[i + 1][1] == "function"
            declared(list, is_function and i + 2 or i + 1, names, closes)
        end
        depth = depth + (DEPTH[word] or 0)
        words[word] = true
    end
    return names, closes, words
end

-- ---- compiling it ----

local function cell_of(value)
    return function() return value end
end

-- The text without its `<close>`, which would end with it.
local function without_close(text, closes)
    for _, close in ipairs(closes) do
        text = sub(text, 1, close.from - 1) .. rep(" ", close.to - close.from + 1) .. sub(text, close.to + 1)
    end
    return text
end

local function unique(names)
    local list, has = {}, {}
    for i = #names, 1, -1 do
        if not has[names[i]] then list[#list + 1] = names[i] end
        has[names[i]] = true
    end
    return list
end

local function load_within(known, text, chunkname)
    local outer = load("local " .. concat(known, ",") .. " return function(...) " .. text .. "\nend", chunkname, "t")
    return outer and outer()
end

-- Takes over the variables that `all`, a function of the text, gives.
local function take(self, names, closes, all)
    local values, places = pack(all()), {}
    for i = 1, #names do
        local name = getupvalue(all, i)
        if name then places[name] = i end
    end
    for i, name in ipairs(names) do
        self:close(name)
        local cell = cell_of(values[i])
        if places[name] then join(cell, 1, all, places[name]) end -- else it is a constant
        self.cells[name] = cell
    end
    for _, close in ipairs(closes) do
        self.closing[#self.closing + 1] = { name = close.name, value = self.cells[close.name]() }
    end
end

--- Compiles a text that is known to be correct. Gives nil where the locals make it too much for
--- the compiler, and whether the text keeps no locals because it ends with `return`.
---@param text string
---@param chunkname string
---@return function?
---@return boolean? forgets
function Toplevel:load(text, chunkname)
    local names, closes, words = read(text)
    local known = {}
    for name in pairs(self.cells) do
        if words[name] then known[#known + 1] = name end
    end
    names = unique(names)
    if #names == 0 and #known == 0 then return load(text, chunkname, "t") end
    known[#known + 1] = GIVE
    local give = ("\n;%s(function() return %s end)"):format(GIVE, concat(names, ","))
    local chunk = #names > 0 and load_within(known, without_close(text, closes) .. give, chunkname)
    local forgets = not chunk and #names > 0
    chunk = chunk or load_within(known, text, chunkname)
    for i = 1, chunk and 255 or 0 do
        local name = getupvalue(chunk, i)
        if not name then break end
        if name == GIVE then setupvalue(chunk, i, function(all) take(self, names, closes, all) end) end
        if self.cells[name] then join(chunk, i, self.cells[name], 1) end
    end
    return chunk, forgets
end

-- ---- values ----

--- Sets a local, which is made if there is none.
---@param name string
---@param value any
function Toplevel:set(name, value)
    if self.cells[name] then setupvalue(self.cells[name], 1, value) else self.cells[name] = cell_of(value) end
end

---@param name string
---@return any
function Toplevel:get(name)
    return self.cells[name] and self.cells[name]()
end

local function close(value)
    local meta = getmetatable(value)
    local method = type(meta) == "table" and rawget(meta, "__close")
    if method then method(value, nil) end
end

--- Closes what has this name, or all, the newest first. Raises what that raises.
---@param name string?
function Toplevel:close(name)
    for i = #self.closing, 1, -1 do
        local due = self.closing[i]
        if due and (name == nil or due.name == name) then
            table.remove(self.closing, i)
            close(due.value)
        end
    end
end

return M
