--- The codes of jobs that an agent has fetched: a function, or init, with the modules in Lua that it needs.

local modules = require "luas.cluster_modules"
local names = require "luas.cluster_names"

-- How many jobs' codes are kept, and closures of them.
local KEPT <const> = 64

local M = {}

--- Keeps a code. `first` is what its modules are (cluster_modules.lua), or sources of such.
---@param self table  the agent
---@param key string
---@param first any
---@param parts string[]
function M.keep(self, key, first, parts)
    if self.codes_n >= KEPT then self.codes, self.codes_n = {}, 0 end
    self.codes[key], self.codes_n = { key = key, first = first, parts = parts }, self.codes_n + 1
end

--- What a blob of a chunk's run is called here.
---@param chunk table
---@param blob integer
---@return string
function M.key(chunk, blob) return names.hex(chunk.run) .. names.hex(blob) end

--- A code that is here, or nil.
---@param self table  the agent
---@param chunk table
---@param blob integer
---@return { key: string, first: any, parts: string[], sources: table? }?
function M.find(self, chunk, blob) return self.codes[M.key(chunk, blob)] end

-- Looks once what modules of a code this machine has otherwise. Returns the blob that it lacks, with their
-- sources; or nil, and what is wrong if it may not have that.
local function look_at_modules(self, chunk, code)
    local needed = code.first
    if type(needed) ~= "table" or code.sources then return nil end
    code.differing = code.differing or modules.differing(self.tools, needed)
    local name, why = next(code.differing)
    if not name then return nil end
    if not needed.blob then return nil, why end
    local fetched = M.find(self, chunk, needed.blob)
    if not fetched then return needed.blob end
    code.sources = {}
    for other in pairs(code.differing) do code.sources[other] = fetched.first[other] end
end

--- What of the codes that a chunk needs is not here; nil if all is, or why it cannot run here.
---@param self table  the agent
---@param chunk table
---@return integer? blob
---@return string? why
function M.missing(self, chunk)
    for _, name in ipairs { "init", "code" } do
        local blob = chunk.info[name]
        local code = blob and M.find(self, chunk, blob)
        if blob and not code then return blob end
        if code then
            local lacking, why = look_at_modules(self, chunk, code)
            if lacking or why then return lacking, why end
        end
    end
end

return M
