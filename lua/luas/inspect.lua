-- Turns values into text for people, close to the Lua that would make them. The prompt
-- prints results with it. It calls no metamethod except __tostring.

local core = require "luas.core"

local byte, find, format, gsub, rep, sub = string.byte, string.find, string.format, string.gsub, string.rep, string.sub
local concat, sort, utf8len = table.concat, table.sort, utf8.len
local error, getmetatable, next, rawget = error, debug.getmetatable, next, rawget
local getinfo, mathtype, tostring, type = debug.getinfo, math.type, tostring, type
local ipairs, pairs, setmetatable = ipairs, pairs, setmetatable

---@class luas.inspect.options
---@field width? integer columns of a line (80)
---@field depth? integer levels of tables shown, before `{...}` (8)
---@field items? integer entries shown of one table (100), and ten times as many in all
---@field bytes? integer bytes shown of one string (4096), and of all of them 16 times as many

local DEFAULTS = { width = 80, depth = 8, items = 100, bytes = 4096 }

-- A table that is met again is written again if its text is this short.
local SHORT <const> = 32

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil
    not or repeat return then true until while]]):gmatch("%a+") do
    KEYWORDS[word] = true
end

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

local function escape(char)
    return ESCAPES[char] or format("\\%03d", byte(char))
end

-- U+0080 to U+009F are valid UTF-8, but they control terminals.
local function escape_c1(low)
    return format("\\xC2\\x%02X", byte(low))
end

---A string in quotes, with UTF-8 as it is and other bytes escaped.
---@param s string
---@return string
local function quote(s)
    local parts, from = {}, 1
    while from <= #s do
        local _, bad = utf8len(s, from)
        local text = gsub(sub(s, from, (bad or 0) - 1), '[%c"\\]', escape)
        parts[#parts + 1] = gsub(text, "\xC2([\x80-\x9F])", escape_c1)
        parts[#parts + 1] = bad and format("\\x%02X", byte(s, bad))
        from = (bad or #s) + 1
    end
    return '"' .. concat(parts) .. '"'
end

-- At most `limit` bytes of a text, whole characters, as `write` puts them.
local function cut(s, limit, write)
    if #s <= limit then
        return write(s)
    end
    while limit > 0 and find(s, "^[\x80-\xBF]", limit + 1) do
        limit = limit - 1
    end
    return format("%s... (%d more bytes)", write(sub(s, 1, limit)), #s - limit)
end

local function as_it_is(s)
    return s
end

local function describe_function(f)
    local info = getinfo(f, "S")
    if info.what == "C" then
        return tostring(f)
    end
    return format("function <%s:%d>", info.short_src, info.linedefined)
end

-- The result of the value's own __tostring. If that fails the failure is shown, not raised.
local function describe(value)
    local ok, text = core.try(tostring, value)
    return ok and text or format("<error in __tostring: %s>", type(text) == "string" and text or type(text))
end

local function scalar(value, state)
    local kind, text = type(value), nil
    if kind == "string" then
        text = cut(value, state.bytes, quote)
    elseif kind == "function" then
        text = describe_function(value)
    else
        text = cut(describe(value), state.bytes, as_it_is)
    end
    state.room = state.room - #text
    return text
end

local function key_text(key, state)
    if type(key) == "string" and find(key, "^[%a_][%w_]*$") and not KEYWORDS[key] then
        return key
    elseif type(key) == "table" then
        return "[" .. cut(describe(key), state.bytes, as_it_is) .. "]"
    end
    return "[" .. scalar(key, state) .. "]"
end

-- How many items are written without keys: up to the last place of which at least half
-- are there. The length operator does not serve: with holes it depends on how the table was made, so
-- a copy would read differently.
local function sequence_length(t)
    local count, last, places = 0, 0, {}
    for key in next, t do
        if mathtype(key) == "integer" and key >= 1 then
            count, last = count + 1, key > last and key or last
        end
    end
    if count == last then return last end
    for key in next, t do
        if mathtype(key) == "integer" and key >= 1 then places[#places + 1] = key end
    end
    sort(places)
    for i = count, 1, -1 do
        if places[i] <= 2 * i then return places[i] end
    end
    return 0
end

local RANKS = { number = 1, string = 2, boolean = 3 }

-- Numbers, then strings, each in order; false, true; the rest as they came.
local function sorted_keys(t, length)
    local keys, place = {}, {}
    for key in next, t do
        if not (mathtype(key) == "integer" and key >= 1 and key <= length) then
            keys[#keys + 1] = key
            place[key] = #keys
        end
    end
    sort(keys, function(a, b)
        local rank_a, rank_b = RANKS[type(a)] or 4, RANKS[type(b)] or 4
        if rank_a ~= rank_b then
            return rank_a < rank_b
        elseif rank_a <= 2 then
            return a < b
        elseif rank_a == 3 then
            return not a and b
        end
        return place[a] < place[b]
    end)
    return keys
end

local render

-- The texts of a table's entries; how many of them are items of its sequence.
local function entries(t, level, state)
    local texts, length = {}, sequence_length(t)
    local keys = sorted_keys(t, length)
    local limit = state.items
    local function full()
        return limit <= 0 or state.left <= 0 or state.room <= 0
    end
    local function add(name, value)
        limit, state.left, state.room = limit - 1, state.left - 1, state.room - #name
        texts[#texts + 1] = name .. render(value, level + 1, state, #name)
    end
    for i = 1, length do
        if full() then break end
        add("", rawget(t, i))
    end
    local items = #texts
    for _, key in ipairs(keys) do
        if full() then break end
        add(key_text(key, state) .. " = ", rawget(t, key))
    end
    local hidden = length + #keys - #texts
    if hidden > 0 then
        texts[#texts + 1] = format("... (%d more)", hidden)
    end
    return texts, items
end

-- One entry a line, but short items of the sequence side by side.
local function fold(texts, items, level, state)
    local indent = rep("  ", level)
    local lines, line = {}, nil
    for i, text in ipairs(texts) do
        local entry = i < #texts and text .. "," or text
        local flat = i <= items and not find(text, "[{\n]")
        if line and flat and #indent + #line + 1 + #entry <= state.width then
            line = line .. " " .. entry
        else
            lines[#lines + 1] = line and indent .. line
            line = entry
        end
        if not flat then
            lines[#lines + 1] = indent .. line
            line = nil
        end
    end
    lines[#lines + 1] = line and indent .. line
    return "{\n" .. concat(lines, "\n") .. "\n" .. rep("  ", level - 1) .. "}"
end

local function class_name(t)
    local meta = getmetatable(t)
    local name = meta and rawget(meta, "__name")
    return type(name) == "string" and name .. " " or ""
end

-- The text for a table that was written before, with as many levels as it would have here;
-- nil if it was not.
local function repeated(t, level, state)
    local shown = state.shown[t]
    if shown and shown.level <= level then
        state.room = state.room - #(shown.text or "")
        return shown.text or "<repeated>"
    end
end

local function note_shown(t, level, line, state)
    local short = #line <= SHORT and not find(line, "<cycle>", 1, true)
    state.shown[t] = { level = level, text = short and line or nil }
end

local function render_table(t, level, state, column)
    local name = class_name(t)
    if state.path[t] then
        return name .. "<cycle>"
    elseif next(t) == nil then
        return name .. "{}"
    elseif level >= state.depth or state.left <= 0 then
        return name .. "{...}"
    end
    local again = repeated(t, level, state)
    if again then
        return name .. again
    end
    state.path[t] = true
    local texts, items = entries(t, level, state)
    state.path[t] = nil
    local line = "{" .. concat(texts, ", ") .. "}"
    note_shown(t, level, line, state)
    if 2 * level + column + #name + #line < state.width and not find(line, "\n", 1, true) then
        return name .. line
    end
    return name .. fold(texts, items, level + 1, state)
end

-- `column` is the width of the text before the value on its line, without indentation.
function render(value, level, state, column)
    local meta = getmetatable(value)
    if type(value) ~= "table" or meta and rawget(meta, "__tostring") ~= nil then
        return (gsub(scalar(value, state), "\n", "\n" .. rep("  ", level)))
    end
    return render_table(value, level, state, column)
end

local function check_options(opts)
    if opts ~= nil and type(opts) ~= "table" then
        error(format("bad argument #2 to 'inspect' (table expected, got %s)", type(opts)), 3)
    end
    for name, value in pairs(opts or {}) do
        if not DEFAULTS[name] then
            error(format("unknown option '%s' to 'inspect' (known: width, depth, items, bytes)", describe(name)), 3)
        elseif mathtype(value) ~= "integer" or value < 0 then
            error(format("option '%s' of 'inspect' must be a whole number, not %s", name, describe(value)), 3)
        end
    end
end

local function begin(value, opts)
    local state = { path = {}, shown = {} }
    for name, default in pairs(DEFAULTS) do
        state[name] = opts and opts[name] or default
    end
    state.left, state.room = 10 * state.items, 16 * state.bytes
    return render(value, 0, state, 0)
end

local inspect = { quote = quote }

---A value as readable text: short tables on one line as `{1, 4, x = "y"}`, longer
---ones folded and indented, keys sorted, cycles marked `<cycle>`, longer tables
---that were written before `<repeated>`, and a note where the limits of `opts` leave something out. Raises on a wrong option only.
---The module itself may be called in its place.
---@param value any
---@param opts? luas.inspect.options
---@return string
function inspect.inspect(value, opts)
    check_options(opts)
    return begin(value, opts)
end

return setmetatable(inspect, {
    __call = function(_, value, opts)
        check_options(opts)
        return begin(value, opts)
    end,
})
