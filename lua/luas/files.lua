--- A source of the files below folders. The core walks (core/base/tree.h); this module says which
--- files are wanted, and what becomes of folders that cannot be read.

local check = require "luas.check"
local core = require "luas.core"
local options = require "luas.options"
local sources = require "luas.sources"

local tools = core.text_tools()

local M = {}

local known = {
    pattern = function(v) return type(v) == "string", "a text" end,
    follow = function(v) return type(v) == "boolean", "a boolean" end,
}

-- What Lua's pattern is that says the same as a pattern of the shell's, if it has nothing but `*`
-- and `?`.
local function translated(glob)
    local text = glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("[*?]", { ["*"] = "[^/]*", ["?"] = "[^/]" })
    return "/" .. text .. "$"
end

-- In front a `*` repeats nothing: such a pattern was meant for the shell.
local function check_pattern(pattern)
    if pattern:find "^%*" then
        check.fail(("pool.files: %q is a pattern of the shell's; in Lua it is %q"):format(pattern,
            translated(pattern):gsub("^/%[^/%]%*", "")))
    end
    local ok, message = pcall(string.find, "a", pattern)
    if not ok then check.fail("pool.files: " .. message) end
end

local function list_of(what)
    if type(what) == "string" then what = { what } end
    check.argument(what, 1, "files", "string or table")
    if what[1] == nil and next(what) ~= nil then check.fail "bad argument #1 to 'files' (a table of names has an item 1)" end
    local list = {}
    for i, path in ipairs(what) do
        if type(path) ~= "string" or path:find "\0" then
            check.fail(("bad argument #1 to 'files' (item %d is no file's name)"):format(i))
        end
        list[i] = path
    end
    return list
end

---@class luas.treewalk
local Files = {}
Files.__index = Files

-- The first folder that cannot be read is named at the end. All other files are given before that.
local function note(self, path, why)
    self.unread = self.unread + 1
    self.message = self.message or ("%s: %s"):format(path, why)
end

-- Opens the next folder that can be read.
local function open_next(self)
    self.tree = nil
    while not self.tree and self.at < #self.list do
        self.at = self.at + 1
        local why
        self.tree, why = tools.tree(self.list[self.at], self.follow)
        if not self.tree then note(self, self.list[self.at], why) end
    end
end

local function finish(self)
    local message, others = self.message, self.unread - 1
    if not message then return nil end
    self.message = nil
    error(others > 0 and ("%s (and %d more)"):format(message, others) or message, 0)
end

local function is_wanted(self, path)
    return not self.pattern or path:find(self.pattern) ~= nil
end

local function next_file(self)
    while self.tree do
        local path, folder, why = self.tree:next()
        if folder then
            note(self, folder, why)
        elseif not path then
            self.tree:close()
            open_next(self)
        elseif is_wanted(self, path) then
            return path
        end
    end
    return finish(self)
end

function Files:__close()
    if self.tree then self.tree:close() end
    self.tree, self.list, self.message = nil, {}, nil
end

local function options_of(given)
    if type(given) == "string" then given = { pattern = given } end
    options.check(known, given, "pool.files", "; a pattern is a text")
    if given and given.pattern then check_pattern(given.pattern) end
    return given or {}
end

--- A source of the files below a folder, and below that: each task has the path of one, which
--- begins with the path that is given here. They come in the order of the bytes of their paths.
--- Only regular files are given. With a pattern, only those whose path `string.find` finds it in.
--- Folders that cannot be read raise an error after all other files were given; of the first path
--- at once.
---@param what string|string[]   a folder, or several one after the other; a file is that one
---@param pattern string|luas.fileoptions|nil
---@return fun(): string?
function M.files(what, pattern)
    local list, opts = list_of(what), options_of(pattern)
    local self = setmetatable({ list = list, at = 0, unread = 0, pattern = opts.pattern, follow = opts.follow }, Files)
    open_next(self)
    if self.message then check.fail(self.message) end
    return sources.closing(function() return next_file(self) end, self)
end

return M
