--- Random sources of jobs: arrays with and without holes, functions, iterators, numbers,
--- and those that raise somewhere.

local values = require "differential.values"

local chance, pick, random = values.chance, values.pick, math.random

local M = {}

-- The arguments of some tasks: a list of expressions for each.
local function rows(n, numbers, wide)
    local list = {}
    for i = 1, n do
        local row = { numbers and tostring(random(-50, 50)) or values.value(2) }
        while wide and #row < 3 and chance(0.3) do row[#row + 1] = chance(0.2) and "nil" or values.value(1) end
        list[i] = row
    end
    return list
end

local function add_holes(source)
    source.n = #source.rows
    for _, row in ipairs(source.rows) do
        if chance(0.3) then row[1] = "nil" end
    end
end

local kinds = { "array", "array", "array", "holes", "virtual", "func", "func", "func", "iter", "pairs", "values",
    "stage", "range", "words" }

--- A source for a verb.
---@param numbers boolean  whether all of it are numbers
---@param star boolean     whether it is of lists of arguments
---@return table
function M.any(numbers, star)
    local kind = numbers and pick("array", "func", "range", "stage") or kinds[random(#kinds)]
    if star then kind = pick("array", "func") end
    local most = chance(0.05) and 400 or 30
    local source = { kind = kind, star = star, rows = rows(values.count(most), numbers, star or kind == "func") }
    if kind == "holes" then add_holes(source) end
    if kind == "pairs" then source.rows = { source.rows[1] } end
    if kind == "stage" then source.options = pick("", [[, { on_error = "collect" }]], [[, { window = 3 }]]) end
    if not numbers and chance(0.05) and #source.rows > 0 then -- something that cannot be sent
        source.rows[random(#source.rows)][1], source.bound = values.bound(), true
    elseif kind == "array" and not numbers and not star and #source.rows > 0 and chance(0.1) then
        source.rows[random(#source.rows)][1] = "NONE"
    end
    if (kind == "func" or kind == "stage") and chance(0.25) then
        source.raise_at, source.raises = random(0, #source.rows) + 1, values.raise()
    end
    if kind == "range" then
        source.range = pick("1, 20", "10, -5, -3", "1, 2, 0.25", "5, 1", "math.maxinteger - 2, math.maxinteger")
    end
    return source
end

local function list(source)
    local texts = {}
    for i, row in ipairs(source.rows) do
        texts[i] = row[1]
        if source.star then texts[i] = ("{ %s%s }"):format(table.concat(row, ", "), #row > 1 and ", n = " .. #row or "") end
    end
    if source.n then texts[#texts + 1] = "n = " .. source.n end
    return "{ " .. table.concat(texts, ", ") .. " }"
end

-- A function that gives row after row, and may raise.
local function read(source)
    local lines = { "local rows = {" }
    for _, row in ipairs(source.rows) do
        local text = table.concat(row, ", ")
        if source.star then text = ("{ %s, n = %d }"):format(text, #row) end
        lines[#lines + 1] = ("    table.pack(%s),"):format(text)
    end
    lines[#lines + 1] = "}\nlocal i = 0\nlocal function source()\n    i = i + 1"
    if source.raise_at then
        lines[#lines + 1] = ("    if i == %d then do %s end end"):format(source.raise_at, source.raises)
    end
    lines[#lines + 1] = "    if rows[i] then return table.unpack(rows[i], 1, rows[i].n) end\nend"
    return table.concat(lines, "\n")
end

local renders = {
    func = function(source) return read(source), "source" end,
    iter = function(source) return "", ("pool.iter(ipairs(%s))"):format(list(source)) end,
    pairs = function(source) return "", ("pool.iter(next, %s)"):format(list(source)) end,
    values = function(source) return "", ("pool.values(ipairs(%s))"):format(list(source)) end,
    range = function(source) return "", ("pool.range(%s)"):format(source.range) end,
    words = function() return "", [[("some words to take"):gmatch "%a+"]] end,
    virtual = function(source)
        return ("local behind = %s"):format(list(source)),
            ("setmetatable({ n = %d }, { __index = function(_, i) return behind[i] end })"):format(#source.rows)
    end,
    stage = function(source)
        return read(source) .. "\nlocal function before(v) return v, 1 end",
            ("pool.values(p:imap(before, source%s))"):format(source.options)
    end,
}

--- The source as text: what comes before it, and itself.
---@param source table
---@return string defs, string expression
function M.render(source)
    local render = renders[source.kind]
    if render then return render(source) end
    return "", list(source)
end

return M
