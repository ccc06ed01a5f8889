--- Modules in Lua that go to agents: a host tells which ones its function needs, with what content, and an agent
--- that lacks one, or has another, fetches the sources. Its workers load them in front of its own.

local core = require "luas.core"

local concat, sort = table.concat, table.sort

local M = {}

local function read(path)
    local file = path and io.open(path, "rb")
    if not file then return nil end
    local text = file:read "a"
    file:close()
    return text
end

-- The source of a module, as `require` would find it.
local function source_of(name)
    if package.preload[name] then return nil end
    return read(package.searchpath(name, package.path))
end

-- ---- a host ----

-- Those of the library itself each machine has.
local function is_own(name) return name:find "^luas%f[%W]" ~= nil or name == "pool" or name == "process" or name == "shared" end

-- Adds a module and those that its source requires by a plain string.
local function add(sources, name)
    if sources[name] or is_own(name) then return end
    local text = source_of(name)
    if not text then return end
    sources[name] = text
    for other in text:gmatch "%f[%w_]require%s*%(?%s*[\"']([%w_%.%-/]+)[\"']" do add(sources, other) end
end

---What an agent must know of the modules that a function needs: nil, if it needs none.
---@param pool table   the engine: cluster.lua
---@param found table  whose keys are the names of modules, among others
---@return table?
function M.needed(pool, found)
    local sources, list, sums = {}, {}, {}
    if pool.modules == "require" then return nil end
    for name in pairs(found) do
        if type(name) == "string" then add(sources, name) end
    end
    for name, text in pairs(sources) do
        sums[name] = pool.tools.sum(text)
        list[#list + 1] = ("%s %d"):format(name, sums[name])
    end
    if #list == 0 then return nil end
    sort(list)
    local key = concat(list, "\n")
    pool.sources = pool.sources or {}
    if pool.modules == "send" and not pool.sources[key] then
        pool.sources[key] = pool.link:keep((pool.tools.pack(nil, false, sources)))
    end
    return { sums = sums, blob = pool.sources[key] }
end

-- ---- an agent ----

---The modules that this machine has not as the host has them: of each what is the matter.
---@param tools table
---@param needed table
---@return table<string, string>
function M.differing(tools, needed)
    local differing = {}
    for name, sum in pairs(needed.sums) do
        local text = source_of(name)
        if not text then
            differing[name] = "has no module '" .. name .. "'"
        elseif tools.sum(text) ~= sum then
            differing[name] = "has another module '" .. name .. "'"
        end
    end
    return differing
end

-- ---- a worker ----

local installed = {}

---Has `require` find these sources.
---@param sources table<string, string>
function M.install(sources)
    for name, text in pairs(sources) do
        if installed[name] ~= text then
            installed[name] = text
            package.loaded[name] = nil
            package.preload[name] = function(...)
                local chunk, why = load(text, "@" .. name)
                if not chunk then error(why, 0) end
                return chunk(...)
            end
        end
    end
end

return M
