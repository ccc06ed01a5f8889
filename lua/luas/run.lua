--- The bar, report, trace and log of a whole run, which the command line asks for. They cover
--- all pools that the script opens.

local core = require "luas.core"
local observe = require "luas.observe"
local progress = require "luas.progress"
local journal = require("luas.later").open "luas.journal"

local M = {}

---@class luas.run
---@field owner integer     the process that it is about
---@field readers table[]   what each pool tells
---@field tally table?      of these, what counts
---@field output string?    of pools that do not say theirs
---@field progress table?   likewise
---@field journal luas.journaloption?  likewise
local Run = {}
Run.__index = Run

local function add(self, writer)
    self.writers[#self.writers + 1] = writer
    self.readers[#self.readers + 1] = writer.reader
end

--- Begins it. Raises if a file cannot be written.
---@param given { bar: boolean?, report: string?, trace: string?, joblog: string?, output: string?, prompt: boolean?, journal: string?, resume: string?, on_change: string?, explain: string? }
function M.begin(given)
    local self = { owner = core.pid(), readers = {}, writers = {} }
    if given.report then
        self.target = observe.file(given.report, "--report")
        self.tally = core.tally()
        self.readers[1] = self.tally
    end
    for _, name in ipairs { "trace", "joblog" } do
        if given[name] then add(self, observe.writer(name, given[name], "--" .. name)) end
    end
    if given.bar then
        self.progress = { quiet = not given.prompt }
        self.output = core.isatty(2) and "tag" or nil
    end
    self.output = given.output or self.output
    if given.journal then
        self.journal = { path = given.journal, on_change = given.on_change, explain = given.explain ~= nil, program = true,
            resume = given.resume == "failed" and "failed" or given.resume ~= nil }
        journal.begin(self.journal)
    end
    core.run = setmetatable(self, Run)
end

--- Ends it, however the script ended. Does this once, and only in the process that began it.
function Run:finish()
    if self.finished or self.owner ~= core.pid() then return end
    self.finished = true
    progress.finish()
    for _, writer in ipairs(self.writers) do observe.end_writer(writer) end
    if self.target then observe.write(self.target, self.tally:figures()) end
    if self.journal then journal.finish() end
end
function M.finish()
    if core.run then core.run:finish() end
end

return M
