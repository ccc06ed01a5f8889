--- Makes functions of the code that stands on the command line: of a line, and of a block of lines.
--- Their text is put together, and compiled once. Code sees the line as `_`, its fields as F, its
--- number as NR and the file's name as FILE; each costs something only where the code has its name.

local core = require "luas.core"
local later = require "luas.later"
local shell_run = later.open "luas.shell_run"

local tools = core.text_tools()
local text_of, record_of, each_record = tools.text_of, tools.record, tools.each_record
local add, least, greatest = tools.add, tools.min, tools.max
local xpcall, stopped, describe, traceback = xpcall, core.stopped, core.describe, core.traceback
local concat, type, tostring = table.concat, type, tostring

local M = {}

local function has_name(text, name)
    return text ~= nil and text:find(("%%f[%%w_]%s%%f[^%%w_]"):format(name)) ~= nil
end

--- Compiles one piece of code. Raises a message that names the option.
---@param name string   the option
---@param text string   statements, or with `return` before it an expression
---@return function
function M.compile(name, text)
    local f, message = load(text, "=" .. name)
    if not f then error(message, 0) end
    return f
end

-- A comment at the end of a piece must not go on.
local function closed(text)
    return text:find("--", 1, true) and text .. "\n" or text
end

-- Is each piece right by itself? Else the message would be about the text that was put together.
local function check_pieces(all)
    local function expression(name, text)
        if text then M.compile(name, "return " .. text) end
    end
    expression("-p", all.print)
    expression("--where", all.where)
    expression("--by", all.by)
    for _, fold in ipairs(all.folds) do expression("--" .. fold.kind, fold.code) end
    if all.run then M.compile("-n", all.run) end
    if all.begin then M.compile("--begin", all.begin) end
    if all.finish then M.compile("--end", all.finish) end
end

local function all_code(all)
    local pieces = { all.print or "", all.where or "", all.by or "", all.run or "" }
    for _, fold in ipairs(all.folds) do pieces[#pieces + 1] = fold.code or "" end
    return concat(pieces, "\n")
end

--- Does the code see the place of a line?
---@param all table  the options
---@return boolean
function M.is_numbered(all)
    local text = all_code(all)
    return has_name(text, "NR") or has_name(text, "FILE") or all.command ~= nil and all.command:find("{#}", 1, true) ~= nil
end

-- ---- fields and records ----

local function fields_of(all)
    return tools.fields { sep = all.sep, quotes = all.quotes, names = all.names }
end

--- A function that takes the names of fields from the first record of a file. Workers know only
--- those of the first file: it returns a message if others differ.
---@param all table   the options
---@return fun(record: string): string?
function M.names_of(all)
    local header
    all.names = {}
    return function(record)
        if header and record ~= header then return "its first line is not that of the first file" end
        header = record
        local F, set = fields_of(all)
        set(record)
        for i = 1, #F do all.names[F[i]] = i end
    end
end

local function decoder()
    local ok, cjson = pcall(load 'return require "cjson"')
    if not ok then error("--json needs the module cjson (Debian: lua-cjson)", 0) end
    return cjson.decode
end

-- ---- what is printed comes out in the order of the lines ----

local printed = {}

local function keep(...)
    for i = 1, select("#", ...) do printed[#printed + 1] = (select(i, ...)) end
end

local function keep_line(...)
    for i = 1, select("#", ...) do
        if i > 1 then printed[#printed + 1] = "\t" end
        printed[#printed + 1] = tostring((select(i, ...)))
    end
    printed[#printed + 1] = "\n"
end

local function taken()
    if #printed == 0 then return nil end
    local text = concat(printed)
    printed = {}
    return text
end

-- The script's own globals: this module has others. Gives what undoes it.
local function redirect()
    local globals = load "return _G" ()
    local print_before, write_before = globals.print, globals.io.write
    globals.print = keep_line
    globals.io.write = function(...)
        keep(...)
        return io.stdout
    end
    return function() globals.print, globals.io.write = print_before, write_before end
end

-- Without workers this process has run the code of lines.
local undo

--- Runs the code for the end.
---@param text string
function M.finish(text)
    if undo then undo() end
    M.compile("--end", text)()
end

-- ---- the text of the functions ----

-- What the functions are given. Their names begin with two underscores, so that they hide nothing.
local ENVIRONMENT <const> = "local F, __set, __set_record, __columns, __add_field, __record, __decode, __text, __taken, __map, "
    .. "__add, __min, __max, __initial = ... "

-- ---- what is done without Lua ----

-- The numbers of the fields, as text, if that is all that code asks for: F[1], F[-1].
local function field_numbers(text)
    local numbers, rest = {}, text .. ","
    while rest ~= "" do
        local n, behind = rest:match "^%s*F%[%s*(%-?%d+)%s*%]%s*,(.*)$"
        if not n then return nil end
        numbers[#numbers + 1], rest = n, behind
    end
    return concat(numbers, ", "), #numbers
end

local function single_field(text)
    local numbers, n = field_numbers(text)
    return n == 1 and numbers or nil
end

--- Does no code look at the line as a whole? Then it is not made a string.
---@param all table  the options
---@return boolean
function M.is_bare(all)
    if all.json or all.map or all.command or has_name(all_code(all), "_") then return false end
    return #all.folds == 0 or has_name(all_code(all), "F") and (not all.by or single_field(all.by) ~= nil)
end

-- The code of a line, whose text is `_`, with what has to come before it. `numbers` says where NR
-- and FILE come from.
local function with_head(all, numbers, body)
    local uses, head = all_code(all), {}
    if has_name(uses, "NR") or has_name(uses, "FILE") then head[1] = numbers end
    if has_name(uses, "F") then
        head[#head + 1] = not all.bare and "__set(_)" or #all.folds == 0 and "__set_record()" or "if _ then __set(_) end"
    end
    if all.json then head[#head + 1] = "local __line = _ _ = __decode(_)" end
    if all.where then head[#head + 1] = "if not (" .. closed(all.where) .. ") then return end" end
    head[#head + 1] = body
    return concat(head, " ")
end

-- Makes one line of a text into which code is put, so that messages name the lines of the code.
local function one_line(text)
    return (text:gsub("%s+", " "))
end

local function build(all, text, ...)
    local F, set, set_record, columns, add_field
    if has_name(all_code(all), "F") then F, set, set_record, columns, add_field = fields_of(all) end
    return F, M.compile("(command line)", ENVIRONMENT .. text)(F, set, set_record, columns, add_field,
        all.record_of or record_of, all.json and decoder(), text_of, taken, all.mapped, add, least, greatest, ...)
end

-- What the line itself is called: `_` may be a record.
local function line_of(all)
    return all.json and "__line" or "_"
end

-- Where fields are all that is printed no Lua runs for a line.
local function column_function(all, value)
    local numbers = load("return " .. field_numbers(value))
    return select(6, fields_of(all))(numbers())
end

-- The function of a line that gives what is to be printed.
local function print_function(all)
    local numbers = "local NR, FILE = __record()"
    if all.run then
        return select(2, build(all, one_line([[
            local function __run(_, NR, FILE) %s end
            return function(_)
                %s
                __run(_, NR, FILE)
                return __taken()
            end]]):format(with_head(all, nil, closed(all.run)), has_name(all.run, "NR") and numbers
                or has_name(all.run, "FILE") and numbers or "local NR, FILE")))
    end
    local value = all.map and "__map(_)" or all.print
    if all.bare and not all.where and field_numbers(value) then
        local f = column_function(all, value)
        if f then return f end
    end
    local fields = not all.map and field_numbers(value)
    local gives = fields and ("return __columns(%s)"):format(fields)
        or ("return __text(%s, %s)"):format(line_of(all), closed(value))
    return select(2, build(all, ("return function(_) %s end"):format(with_head(all, numbers, gives))))
end

-- ---- folds: what lines are reduced to ----

-- Each has some places in a table: how many, what is there at first, how a value gets there, how the
-- places of two tables are put together, and what they come to.
local kinds = {
    count = {
        initial = function(t, i) t[i] = 0 end, size = 1,
        step = function(i) return ("__a[%d] = __a[%d] + 1"):format(i, i) end,
        merge = function(a, b, i) a[i] = a[i] + b[i] end,
        value = function(t, i) return t[i] end,
    },
    sum = {
        initial = function(t, i) t[i], t[i + 1] = 0, 0.0 end, size = 2,
        step = function(i, code)
            local field = single_field(code)
            return field and ("__add_field(__a, %d, %s)"):format(i, field) or ("__add(__a, %d, (%s))"):format(i, closed(code))
        end,
        merge = function(a, b, i)
            add(a, i, b[i])
            a[i + 1] = a[i + 1] + b[i + 1]
        end,
        value = function(t, i) return math.type(t[i]) == "integer" and t[i + 1] == 0 and t[i] or t[i] + t[i + 1] end,
    },
    min = {
        initial = function() end, size = 1,
        step = function(i, code) return ("__min(__a, %d, (%s))"):format(i, closed(code)) end,
        merge = function(a, b, i) least(a, i, b[i]) end,
        value = function(t, i) return t[i] end,
    },
    max = {
        initial = function() end, size = 1,
        step = function(i, code) return ("__max(__a, %d, (%s))"):format(i, closed(code)) end,
        merge = function(a, b, i) greatest(a, i, b[i]) end,
        value = function(t, i) return t[i] end,
    },
}
kinds.mean = {
    initial = function(t, i)
        kinds.sum.initial(t, i)
        t[i + 2] = 0
    end, size = 3,
    step = function(i, code) return ("if %s then __a[%d] = __a[%d] + 1 end"):format(kinds.sum.step(i, code), i + 2, i + 2) end,
    merge = function(a, b, i)
        kinds.sum.merge(a, b, i)
        a[i + 2] = a[i + 2] + b[i + 2]
    end,
    value = function(t, i) return t[i + 2] > 0 and kinds.sum.value(t, i) / t[i + 2] or nil end,
}

-- Calls f(kind, place, fold) for each fold.
local function each_fold(folds, f)
    local place = 1
    for _, fold in ipairs(folds) do
        f(kinds[fold.kind], place, fold)
        place = place + kinds[fold.kind].size
    end
end

--- The values of no line.
---@param folds table[]
---@return table
function M.initial(folds)
    local t = {}
    each_fold(folds, function(kind, place) kind.initial(t, place) end)
    return t
end

--- Adds the values of some lines to those of others.
---@param folds table[]
---@param into table
---@param from table
function M.merge(folds, into, from)
    each_fold(folds, function(kind, place) kind.merge(into, from, place) end)
end

-- Numbers by their value, before texts.
local function goes_before(a, b)
    local x, y = math.tointeger(a) or tonumber(a), math.tointeger(b) or tonumber(b)
    if x and y and x ~= y then return x < y end
    if (x == nil) ~= (y == nil) then return x ~= nil end
    return a < b
end

--- The lines to print, sorted by key.
---@param all table     the options
---@param sums table<string, table>
---@return string[]
function M.report(all, sums)
    local keys, lines = {}, {}
    for key in pairs(sums) do keys[#keys + 1] = key end
    table.sort(keys, goes_before)
    for i, key in ipairs(keys) do
        local columns = { all.by and key }
        each_fold(all.folds, function(kind, place)
            local value = kind.value(sums[key], place)
            columns[#columns + 1] = value == nil and "" or tostring(value)
        end)
        lines[i] = concat(columns, "\t")
    end
    return lines
end

-- Three functions: one folds a line, with its number; one begins anew and gives the sums, by key;
-- one says the number of the last line.
local function fold_functions(all)
    local steps = {}
    each_fold(all.folds, function(kind, place, fold) steps[#steps + 1] = kind.step(place, fold.code) end)
    local field = all.by and single_field(all.by)
    local key = field and ("local __key = __columns(%s) if __key == nil then return end"):format(field)
        or all.by and ("local __key = __text(%s, %s) if __key == nil then return end"):format(line_of(all), closed(all.by))
        or 'local __key = ""'
    local body = ("%s local __a = __sums[__key] if not __a then __a = __initial() __sums[__key] = __a end %s"):format(
        key, concat(steps, "\n"))
    local function initial() return M.initial(all.folds) end
    return build(all, one_line([[
        local __sums, __number, __file
        return function(_, __n) __number = __n %s end,
            function(name) __sums, __file = {}, name return __sums end, function() return __number end]]):format(
        with_head(all, "local NR, FILE = __n, __file", body)), initial)
end

-- The fields of the outcome of a line.
local function failure(number, value, lines)
    local _, message = describe(value)
    return { kind = "error", count = 1, line = number, message = message, traceback = lines }
end

-- Folds all records of a block. A record that raises is left out.
local function block_function(all)
    local F, line, begin, number = fold_functions(all)
    local own = all.bare and F or nil
    local sep, delimiter = all.record or "\n", all.quotes and all.sep or nil
    return function(block)
        local first, name = record_of()
        local failures, skipped, lines = {}, 0, nil
        local sums = begin(name)
        local function handler(value)
            lines = traceback(nil, 2)
            return value
        end
        while true do
            local ok, raised = xpcall(each_record, handler, block, sep, delimiter, first or 1, line, skipped, own)
            if ok then return sums, failures end
            if stopped(raised) then error(raised, 0) end
            failures[#failures + 1] = failure(number(), raised, lines)
            skipped = number() - (first or 1) + 1
        end
    end
end

local function single_function(all)
    local _, line, begin = fold_functions(all)
    return function(record)
        local number, name
        if type(record) == "table" then
            record, number, name = record[1], record[2], record[3]
        else
            number, name = (all.record_of or record_of)()
        end
        local sums = begin(name)
        line(record, number)
        return sums
    end
end

local function begin_function(all)
    if not all.begin and not all.run then return nil end
    local begin = all.begin and M.compile("--begin", all.begin)
    return function()
        if begin then begin() end
        if all.run then undo = redirect() end
    end
end

--- The functions for workers: `init`; `line`, which gives what is to be printed; or `block` and
--- `single`, which give sums by key, of a block of lines and of a line.
---@param all table  the options
---@return { init: function?, line: function?, block: function?, single: function? }
function M.make(all)
    check_pieces(all)
    all.bare = all.bare and M.is_bare(all)
    if all.map then
        all.mapped = assert(loadfile(all.map))()
        if type(all.mapped) ~= "function" then error(all.map .. " returns no function", 0) end
    end
    if all.command then
        all.map, all.mapped = true, shell_run.runner(all.command, all.record_of or record_of, shell_run.is_tagged())
    end
    local made = { init = begin_function(all) }
    if #all.folds > 0 then
        made.block, made.single = block_function(all), single_function(all)
    else
        made.line = print_function(all)
    end
    return made
end

return M
