--- One-liners: what the options -p, -n, --where, --sum and others of the command line do, over the
--- lines of files or of stdin. This module reads the options and runs them; shell_code.lua makes
--- functions of their code.

local code = require "luas.shell_code"
local core = require "luas.core"
local halt = require "luas.halt"
local Job = require "luas.job"
local later = require "luas.later"
local lines = require "luas.lines"
local options = require "luas.options"
local outcome = require "luas.outcome"
local pool = require "luas.pool"
local results = later.open "luas.results"
local sources = require "luas.sources"

local tools = core.text_tools()

local M = {}

-- As many failures are told one by one.
local MOST_TOLD <const> = 20

-- ---- the options ----

-- What ends it at once is raised as this: a wrong command line, with 2, or output that cannot be
-- written, with 1.
local End = {}

local function refuse(message, ...)
    error(setmetatable({ status = 2, message = message:format(...) }, End), 0)
end

-- Call it with what a function of io returns.
local function written(ok, message)
    if not ok then error(setmetatable({ status = 1, message = "stdout: " .. message }, End), 0) end
end

local function positive(name, text)
    local n = tonumber(text)
    if not n or n <= 0 then refuse("%s takes a number above 0, not '%s'", name, text) end
    return n
end

local function whole(name, text, least)
    local n = math.tointeger(tonumber(text))
    if not n or n < least then refuse("%s takes a whole number of at least %d, not '%s'", name, least, text) end
    return n
end

-- Text with the escapes of a Lua string.
local function unescape(name, text)
    local f = load('return "' .. text:gsub('[\n"]', "\\%0") .. '"')
    local result = f and f()
    if type(result) ~= "string" or result == "" then refuse("%s takes a text, not '%s'", name, text) end
    return result
end

local function once(field)
    return function(all, name, value)
        if all[field] ~= nil then refuse("%s is given twice", name) end
        all[field] = value == nil and true or value
    end
end

local function aggregate(kind)
    return function(all, _, value)
        all.folds[#all.folds + 1] = { kind = kind, code = value }
    end
end

-- As GNU parallel has it: when, and after how many failures.
local function halt_of(name, text)
    if text == "never" then return nil end
    local when, count = text:match "^(%l+),fail=(.*)$"
    count = count or text
    local n = halt.percent(count) and count or math.tointeger(tonumber(count))
    local given = n and { n = n, now = when == "now" }
    if given and halt.is_valid(given) and (not when or when == "now" or when == "soon") then return given end
    refuse("%s takes failures (3) or a part of all lines (10%%), also with soon,fail= or now,fail= in front, not '%s'", name, text)
end

local readers = {
    ["-p"] = once "print", ["-n"] = once "run", ["--where"] = once "where", ["--by"] = once "by",
    ["--begin"] = once "begin", ["--end"] = once "finish", ["--map"] = once "map", ["--run"] = once "command",
    ["--args"] = once "args",
    ["--csv"] = once "csv", ["--tsv"] = once "tsv", ["--header"] = once "header", ["--json"] = once "json",
    ["--unordered"] = once "unordered",
    ["--count"] = aggregate "count", ["--sum"] = aggregate "sum", ["--min"] = aggregate "min",
    ["--max"] = aggregate "max", ["--mean"] = aggregate "mean",
    ["-F"] = function(all, name, value) all.sep = unescape(name, value) end,
    ["-0"] = function(all) all.record = "\0" end,
    ["--record"] = function(all, name, value) all.record = unescape(name, value) end,
    ["--block"] = function(all, name, value)
        local bytes = options.bytes(value)
        if not bytes or bytes < 1 then refuse('%s takes a size such as 256K, not \'%s\'', name, value) end
        all.block = bytes
    end,
    ["--timeout"] = function(all, name, value) all.job.timeout = positive(name, value) end,
    ["--retries"] = function(all, name, value) all.job.retries = whole(name, value, 0) end,
    ["--halt"] = function(all, name, value) all.job.halt = halt_of(name, value) end,
    ["--results"] = once "results", ["--failed"] = once "failed", ["--format"] = once "format",
}

-- The options for what a journal has.
local function check_results(all, given)
    for _, option in ipairs(given) do
        if option[1] ~= "--results" and option[1] ~= "--failed" and option[1] ~= "--format" then
            refuse("%s does not go with --results", option[1])
        end
    end
    all.format = all.format or "tsv"
    if not results.formats[all.format] then refuse("--format takes tsv, csv or jsonl, not '%s'", all.format) end
end

-- What cannot be together.
local function check(all)
    local does = 0
    if all.failed or all.format then refuse("%s needs --results FILE", all.failed and "--failed" or "--format") end
    for _, field in ipairs { "print", "run", "map", "command" } do does = does + (all[field] and 1 or 0) end
    if #all.folds > 0 then does = does + 1 end
    if does > 1 then refuse("only one of -p, -n, --map, --run, and --count, --sum, --min, --max, --mean") end
    if does == 0 then
        if not all.where then refuse("what is to be done? -p, -n, --where, --run, --map, --count or --sum says it") end
        all.print = "true"
    end
    if all.by and #all.folds == 0 then refuse("--by needs one of --count, --sum, --min, --max, --mean") end
    if (all.csv and 1 or 0) + (all.tsv and 1 or 0) + (all.json and 1 or 0) > 1 then
        refuse("only one of --csv, --tsv and --json")
    end
    if (all.csv or all.json) and all.record then refuse("records of --csv and --json end at a newline") end
end

local function read_options(given)
    local all = { folds = {}, job = {} }
    for _, option in ipairs(given) do readers[option[1]](all, option[1], option[2]) end
    if all.results then
        check_results(all, given)
        return all
    end
    check(all)
    -- A command that fails is an error.
    if all.command and all.job.retries then all.job.retries = { n = all.job.retries, on = "any" } end
    if all.csv then all.sep, all.quotes = all.sep or ",", true end
    if all.tsv then all.sep = "\t" end
    if all.quotes and #all.sep > 1 then refuse("-F takes one character with --csv") end
    return all
end

-- ---- the input ----

-- All files are looked at before anything is done.
local function check_files(files)
    for _, name in ipairs(files) do
        local message = name ~= "-" and tools.unreadable(name)
        if message then refuse("%s: %s", name, message) end
    end
end

local function texts_of(files)
    check_files(files)
    local list = { io.stdin }
    for i, name in ipairs(files) do list[i] = name == "-" and io.stdin or name end
    return list
end

-- ---- results ----

---@class luas.shellrun
local Run = {}
Run.__index = Run

local function tell(message)
    io.stdout:flush()
    io.stderr:write("luas: ", message, "\n")
end

-- Says on stderr what has failed, and where.
function Run:fail(o)
    self.failed = self.failed + 1
    if self.failed > MOST_TOLD then return end
    local place = o.line and ("%s:%d: "):format(o.file, o.line) or o.file and o.file .. ": "
        or type(o.input) == "string" and o.input .. ": " or ""
    local attempts = (o.attempts or 1) > 1 and (" (%d attempts)"):format(o.attempts) or ""
    tell(place .. o.message .. attempts)
end

function Run:flush()
    written(self.printer:flush())
end

-- Prints what tasks give, in order or as it comes.
local function print_results(self, f, source)
    local input = type(source) == "table" and { items = source, n = #source } or { source = source }
    local job <close> = Job.start(self.pool.state, f, input, self.options, self.recorded or { bare = self.all.bare })
    self.printer = tools.printer(self.behind, not self.all.unordered)
    local function take(o)
        if o.kind ~= "cancelled" then self:fail(o) end
    end
    local again
    while true do
        local n, o = job:print(tools, self.printer)
        if o then take(o) end
        if job:over() then break end
        if n == 0 and not o then
            if job:dry() then self:flush() end
            job:fill()
            job:step(nil, again)
            again = true
        end
    end
    self:flush()
    local cut = job:cut_short { n = job.fed, failures = {} }
    if cut then self:fail(cut) end
end

-- ---- reduced results ----

local function merge(self, into, from)
    for key, values in pairs(from) do
        local has = into[key]
        if has then code.merge(self.all.folds, has, values) else into[key] = values end
    end
end

-- A block whose worker has died: each of its lines is a task of its own. That one of them which
-- ended the worker is known then; the lines before it are done once more.
local function fold_again(self, sums, o, block)
    local records = {}
    local function collect(record, number) records[#records + 1] = { record, number, block.name } end
    tools.each_record(o.input, self.how.sep, self.how.delimiter, block.number, collect)
    for i, values, failure in self.pool:with { journal = false }:imap(self.made.single, records, { on_error = "collect" }) do
        if values then
            merge(self, sums, values)
        else
            failure.file, failure.line = block.name, records[i][2]
            self:fail(failure)
        end
    end
end

local function fold_block(self, sums, texts, index, values, failures)
    local block = texts:block(index)
    if values then
        merge(self, sums, values)
        for _, o in ipairs(failures) do
            o.file = block.name
            self:fail(o)
        end
        return
    end
    local o = failures
    o.file, o.line = block.name, block.number
    if o.kind == "crash" and not o.input_is_cut then return fold_again(self, sums, o, block) end
    if o.kind ~= "cancelled" then self:fail(o) end
end

local function fold_all(self, sums, source)
    local texts = sources.texts(source)
    local whole = texts and texts.how.whole
    local f = whole and self.made.block or self.made.single
    for index, values, failures in self.pool:imap_unordered(f, source, self.options) do
        if whole then
            fold_block(self, sums, texts, index, values, failures)
        elseif values then
            merge(self, sums, values)
        elseif failures.kind ~= "cancelled" then
            self:fail(failures)
        end
    end
end

-- What could be read counts, where the source has raised an error.
local function fold_results(self, source)
    local sums = {}
    local ok, raised = pcall(fold_all, self, sums, source)
    if ok then return sums end
    if not outcome.is(raised) or core.stopped(raised.value) then error(raised, 0) end
    self:fail(raised)
    return sums
end

local function report(self, sums)
    if not self.all.by and not next(sums) then sums[""] = code.initial(self.all.folds) end
    for _, line in ipairs(code.report(self.all, sums)) do written(io.stdout:write(line, "\n")) end
end

-- ---- without workers (-j 0) ----

-- Says where the line of the running task is from.
local function place_of(source)
    local texts, task = sources.texts(source), require("luas.task", true)
    return function()
        local index = task().index
        local name, number = nil, index
        if texts then name, number = texts:place(index) end
        return number, name, index
    end
end

local function print_here(self, f, source)
    for _, text, o in self.pool:imap(f, source, self.options) do
        if text then written(io.stdout:write(text, self.behind)) end
        if o and o.kind ~= "cancelled" then self:fail(o) end
    end
end

-- ---- from start to end ----

-- Options for single lines need lines as tasks.
local function takes_blocks(all)
    return #all.folds > 0 and core.workers() ~= 0 and not all.args
        and not (all.job.timeout or all.job.retries or all.job.halt)
end

-- How many bytes of blocks are reduced together. Where a worker dies its block comes back whole.
local BLOCK <const> = 1 << 19

local function how_to_cut(all)
    local blocks = takes_blocks(all)
    return {
        sep = all.record or "\n", block = all.block or blocks and BLOCK or nil, whole = blocks,
        delimiter = all.quotes and all.sep or nil, header = all.header and code.names_of(all) or nil,
    }
end

-- Calls f; what it raises is a wrong command line.
local function well(f, ...)
    local ok, result = pcall(f, ...)
    if ok then return result end
    if core.stopped(result) then error(result, 0) end
    refuse("%s", result)
end

local function finish(self)
    if self.all.finish then code.finish(self.all.finish) end
    written(io.stdout:flush())
    if self.failed > MOST_TOLD then tell(("and %d more"):format(self.failed - MOST_TOLD)) end
    if self.failed > 0 then tell(("%d failed"):format(self.failed)) end
    return self.failed > 0 and 1 or 0
end

local function work(self, source)
    self.pool = pool.new { init = self.made.init }
    self.pool.recorded = self.recorded
    if self.made.single then return report(self, fold_results(self, source)) end
    local print_all = core.workers() == 0 and print_here or print_results
    print_all(self, self.made.line, source)
end

-- What a journal takes for the function of the lines: what was asked for.
local function recorded(all)
    local run = core.run and core.run.journal
    if not run then return nil end
    if core.workers() == 0 then refuse("--journal needs workers: not -j 0") end
    local what = {}
    for _, name in ipairs { "print", "run", "where", "by", "begin", "command", "csv", "tsv", "header", "json", "sep", "record",
        "folds", "quotes" } do
        what[name] = all[name]
    end
    if all.map then
        local file <close> = well(assert, io.open(all.map, "rb"))
        what.map = file:read "a"
    end
    return { verb = "lines", code = what, name = "command line", numbered = code.is_numbered(all) }
end

local function run(given, files)
    local all = read_options(given)
    if all.results then
        if #files > 0 then refuse("--results takes one file: what is '%s'?", files[1]) end
        return well(results.print, all.results, all.format, all.failed)
    end
    local as = recorded(all)
    local how = how_to_cut(all)
    local source = all.args and files or well(lines.open, texts_of(files), how)
    all.bare = core.workers() ~= 0 and not (all.args or as)
    if core.workers() == 0 then all.record_of = place_of(source) end
    local self <close> = setmetatable({
        all = all, how = how, made = well(code.make, all), failed = 0, behind = (all.run or all.command) and "" or "\n",
        options = options.merge(all.job, { on_error = "collect", carry = "inherit", journal = as and core.run.journal }),
        recorded = as,
    }, Run)
    work(self, source)
    return finish(self)
end

function Run:__close()
    if self.pool then self.pool:terminate() end
end

--- Runs what the command line asks for.
---@param given string[][]  options in their order: name, and argument if it has one
---@param files string[]
---@return integer status   what the program exits with
---@return string? message  what was wrong with the command line
function M.main(given, files)
    local ok, status = pcall(run, given, files)
    if ok then return status end
    if getmetatable(status) == End then return status.status, status.message end
    error(status, 0)
end

return M
