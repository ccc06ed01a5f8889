--- Sources of the lines or blocks of files and streams. Workers read files themselves: a job is
--- fed with places of lines, and not with the lines (core/host/text_handle.h). For
--- everybody else such a source is a function that gives one line after the other.

local check = require "luas.check"
local core = require "luas.core"
local options = require "luas.options"
local sources = require "luas.sources"

local tools = core.text_tools()

local M = {}

---@field local_files boolean?     every machine that has workers has the files at these paths (default: this one has)

---@alias luas.files string|file*|(string|file*)[]|fun(): string?  a name, an open file, several, or a source of names

local MOST_SEPARATOR <const> = 255

local known = {
    sep = function(v)
        return type(v) == "string" and #v >= 1 and #v <= MOST_SEPARATOR, "a text of 1 to 255 bytes"
    end,
    local_files = function(v) return type(v) == "boolean", "a boolean" end,
    block = function(v)
        local bytes = options.bytes(v)
        return bytes ~= nil and bytes >= 1, 'a size of at least 1: bytes, or text such as "256K"'
    end,
}

-- What a name ends in, and the program that writes the contents to its output.
local packers = { gz = "gzip -dc", bz2 = "bzip2 -dc", xz = "xz -dc", zst = "zstd -dcq", lz4 = "lz4 -dcq" }

---@class luas.texts       several texts, one after the other
local Texts = {}
Texts.__index = Texts

-- Starts the program that unpacks the file. The first byte says whether it could.
local function unpack_file(path, packer)
    local file <close>, message = io.open(path, "rb") -- the program would say it worse
    if not file then return nil, message end
    return io.popen(("exec %s < '%s' 2>/dev/null"):format(packer, path:gsub("'", [['\'']])), "r")
end

local function open(self, what)
    local packer = type(what) == "string" and packers[what:match "%.(%w+)$"]
    local given, message = what, nil
    if packer then
        given, message = unpack_file(what, packer)
        self.unpacked = given
    end
    if not given then return nil, message end
    local text
    text, message = tools.text(given, self.how)
    if not text then return nil, ("%s: %s"):format(tostring(what), message) end
    return text
end

-- A file that has a name goes by that.
local function named(what, name, number, byte)
    return type(what) == "string" and what or name, number, byte
end

-- The first record of each text may be what the others are read by. Gives a message if it cannot
-- be read.
local function take_header(self, text)
    if not self.how.header then return nil end
    local record, message
    repeat
        record, message = text:record(true)
    until record ~= false -- a signal
    if record then message = self.how.header(record) end
    return message and ("%s: %s"):format(tostring(self.list[self.at]), message)
end

-- The next name of the list. A source that gives them may raise: then also why.
local function next_name(self)
    local ok, name = pcall(function() return self.list[self.at + 1] end)
    if ok then return name end
    if core.stopped(name) then error(name, 0) end
    return nil, tostring(name)
end

-- The text that is read now: opens the next one where there is none. Nil after the last one, or
-- if the next one cannot be opened: then also why.
local function current(self)
    while not self.text do
        local what, why = next_name(self)
        if not what then return nil, why end
        self.at = self.at + 1
        local text, message = open(self, what)
        if not text then return nil, message end
        self.text = text
        message = take_header(self, text)
        if message then return nil, message end
        local name, number, byte = named(what, text:place())
        self.places[#self.places + 1] = { first = self.given + 1, name = name, number = number, byte = byte }
    end
    return self.text
end

-- A text is over. What unpacked it says whether it was whole.
local function finish(self)
    local program, path = self.unpacked, self.list[self.at]
    self.finished = self:lines_read()
    self.text:close()
    self.text, self.unpacked = nil, nil
    if not program then return nil end
    local ok, _, status = program:close()
    if ok then return nil end
    local packer = packers[path:match "%.(%w+)$"]:match "%S+"
    return status == 127 and ("%s: the program %s is not there"):format(path, packer)
        or ("%s: %s cannot unpack it"):format(path, packer)
end

-- Reads by `step(text)`, which gives what it has read; nil at the end of the text, or also why
-- it could not be read. Gives nil after the last text.
local function read(self, step)
    local text, message = current(self)
    while text do
        local got, why = step(text)
        if got ~= nil then return got end
        if why then return nil, ("%s: %s"):format(self.places[#self.places].name, why) end
        message = finish(self)
        if message then return nil, message end
        text, message = current(self)
    end
    return nil, message
end

--- The next record; nil at the end. Raises if it cannot be read.
---@return string?
function Texts:next()
    local record, message
    local function next_of(text)
        if self.how.whole then self:note_block(text) end
        return text:record()
    end
    repeat
        record, message = read(self, next_of)
    until record ~= false -- a signal
    if message then error(message, 0) end
    if record ~= nil then self.given = self.given + 1 end
    return record
end

--- Feeds a job with the next passage. Returns what J:pull of core.h does.
---@param job luas.job
---@param most integer
function Texts:feed(job, most)
    local handle = job.handle
    local function cut(text)
        local before = self.given
        if self.how.whole then self:note_block(text) end
        local n, more, why = tools.cut(handle, text, most)
        self.given = before + n
        if more then return n end
        return nil, why
    end
    local n, message = read(self, cut)
    if message then return 0, false, nil, "source", message end
    return n or 0, n ~= nil
end

-- The last place that begins at `i` or before.
local function find(places, i)
    local from, to = 1, #places
    while from < to do
        local middle = (from + to + 1) // 2
        if places[middle].first <= i then from = middle else to = middle - 1 end
    end
    return from
end

--- Notes where a block begins.
function Texts:note_block(text)
    local name, number, byte = text:place()
    local last = self.places[#self.places]
    if last.first == self.given + 1 then
        last.byte, last.number, last.ordinal = byte, number, self.finished + number
    else
        self.places[#self.places + 1] = { first = self.given + 1, name = last.name or name, number = number, byte = byte,
            ordinal = self.finished + number }
    end
end

--- Would reading wait?
---@return boolean
function Texts:waits()
    return self.text ~= nil and not self.text:ready()
end

-- As many bytes of lines are taken together that are reduced. If a worker dies, all of them come
-- back with the outcome.
local REDUCED <const> = 1 << 19

--- Has blocks from now on instead of lines.
function Texts:take_blocks()
    self.how.whole, self.how.block = true, self.how.block or REDUCED
    if self.text then self.text:take_blocks(self.how.block) end
end

--- How many lines were read, of all texts.
---@return integer
function Texts:lines_read()
    if not self.text then return self.finished end
    local _, number = self.text:place()
    return self.finished + number - 1
end

--- Where a block is from; its `ordinal` is its first line's number among all lines of all texts.
---@param i integer  its number among all that were given
---@return { name: string, number: integer, byte: integer, ordinal: integer }
function Texts:block(i)
    return self.places[find(self.places, i)]
end

--- The name of the text that has a record, and the record's number there, or for a block the
--- place of its first byte.
---@param i integer   the number of the record among all that were given
---@return string? name, integer? number, integer? byte
function Texts:place(i)
    local p = self.places[find(self.places, i)]
    if not p or p.first > i then return nil end
    if self.how.whole then return p.name, nil, p.byte end
    return p.name, p.number + i - p.first
end

function Texts:__close()
    if self.text then self.text:close() end
    if self.unpacked then self.unpacked:close() end
    self.text, self.unpacked, self.list = nil, nil, {}
    if self.names then sources.close(self.names) end
end

local function is_text(v)
    return io.type(v) ~= nil or type(v) == "string" and not v:find "\0"
end

-- The names that a source gives, each when it is asked for.
local function names_of(source)
    local function read(list, i)
        local name = source()
        if name ~= nil and not is_text(name) then error("the source of files gives what is no file's name", 0) end
        list[i] = name
        return name
    end
    return setmetatable({}, { __index = read })
end

local function list_of(what, verb)
    if type(what) == "function" then return names_of(what) end
    if is_text(what) then return { what } end
    check.argument(what, 1, verb, "string, table or function")
    if type(what) == "string" then what = { what } end
    local n, problem = core.length(what)
    if not n then check.fail(("bad argument #1 to '%s' (%s)"):format(verb, problem)) end
    local list = {}
    for i = 1, n do
        if not is_text(what[i]) then
            check.fail(("bad argument #1 to '%s' (item %d is no file's name)"):format(verb, i))
        end
        list[i] = what[i]
    end
    return list
end

--- A source of records. Raises a message if the first text cannot be opened.
---@param list (string|file*)[]
---@param how { sep: string?, block: integer?, whole: boolean?, delimiter: string?, header: (fun(record: string): string?)? }
---@param names function?   the source that the list is read from
---@return fun(): string?
function M.open(list, how, names)
    local texts = setmetatable({ list = list, at = 0, given = 0, finished = 0, places = {}, how = how,
        names = names }, Texts)
    local text, message = current(texts)
    if not text and message then error(message, 0) end
    return sources.of_texts(function() return texts:next() end, texts)
end

-- An open file is the host's alone.
local function check_paths(list, verb)
    for i = 1, #list do
        if type(list[i]) ~= "string" then
            check.fail(("pool.%s: local_files is about files that have a path, not about an open file"):format(verb))
        end
    end
end

local function source_of(verb, what, given, whole)
    local list = list_of(what, verb)
    options.check(known, given, "pool." .. verb)
    given = given or {}
    if given.local_files then check_paths(list, verb) end
    local ok, source = pcall(M.open, list, { sep = given.sep, block = options.bytes(given.block), whole = whole },
        type(what) == "function" and what or nil)
    if not ok then check.fail(source) end
    return source
end

--- A source of the lines of files: each task has one, without what ends it. The first file is
--- opened at once, the others in their turn. A name that ends in .gz, .bz2, .xz, .zst or .lz4 is
--- unpacked by that program. A file is read up to the size that it has when it is opened.
---@param what luas.files
---@param opts luas.lineoptions?
---@return fun(): string?
function M.lines(what, opts)
    return source_of("lines", what, opts, false)
end

--- A source of blocks: runs of whole lines, with what ends them.
---@param what luas.files
---@param opts luas.lineoptions?
---@return fun(): string?
function M.blocks(what, opts)
    return source_of("blocks", what, opts, true)
end

return M
