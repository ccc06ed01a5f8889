--- What the workers of a pool have in their modules: what the host had in them
--- when they were forked. `pool.known` tells of the modules that all workers
--- have alike, and so whether the host has since changed one of them.

local core = require "luas.core"

local M = {}

-- A module is watched for changes: its own fields, and those of the tables in
-- it, in those, and so on. One that has more of them than this is watched in
-- its own fields only, or not at all.
local FIELDS <const>, TABLES <const> = 1000, 32

-- What is watched: tables, each followed by what it had.
local function note(watched, t)
    local fields = core.snapshot(t, FIELDS)
    if fields then table.move({ t, fields }, 1, 2, #watched + 1, watched) end
    return fields
end

-- Other modules are watched by themselves.
local function remember(module, modules)
    local watched, passed = {}, setmetatable({}, { __index = modules })
    if type(module) ~= "table" or not note(watched, module) then return { value = module, watched = {} } end
    local i = 1
    while i < #watched do
        for _, v in next, watched[i] do
            if type(v) == "table" and not passed[v] then
                passed[v] = true
                if #watched == 2 * TABLES or not note(watched, v) then
                    return { value = module, watched = { watched[1], watched[2] } }
                end
            end
        end
        i = i + 2
    end
    return { value = module, watched = watched }
end

local function unchanged(known, module)
    return known and rawequal(known.value, module) and core.same(known.watched)
end

-- What `require` goes by.
local function remember_package()
    local watched = {}
    for _, t in ipairs { package, package.loaded, package.preload, package.searchers } do
        note(watched, t)
    end
    return { value = package, watched = watched }
end

-- What was last known, of any pool: as long as the same modules are loaded it
-- is known anew of those that did not change. Weak, for it keeps what they had.
local latest = setmetatable({}, { __mode = "v" })

local function know_all()
    local loaded, all = latest.loaded, latest.known
    local before = loaded and all and core.same { package.loaded, loaded } and all or {}
    local known, modules = {}, { [package.loaded] = true }
    for _, module in pairs(package.loaded) do modules[module] = true end
    for name, module in pairs(package.loaded) do
        known[name] = unchanged(before[name], module) and before[name] or remember(module, modules)
    end
    known.package = unchanged(before.package, package) and before.package or remember_package()
    latest.loaded, latest.known = core.snapshot(package.loaded, math.maxinteger), known
    return known
end

--- All workers there are, or that come next, have the modules as they are now.
---@param pool luas.poolstate
function M.note(pool)
    pool.known = {}
    for name, module in pairs(know_all()) do pool.known[name] = module end
    pool.core:forget() -- names in what was carried before may mean something else now
end

--- Some workers were forked just now, and others before: what they do not have
--- alike is known no more.
---@param pool luas.poolstate
function M.compare(pool)
    local known = pool.known
    for name, module in pairs(known) do
        if not unchanged(module, package.loaded[name]) then known[name] = nil end
    end
end

--- Would the workers find in these modules what the host has in them?
---@param pool luas.poolstate
---@param modules table<string, boolean>  a set of their names
---@return boolean
function M.are_known(pool, modules)
    if pool.size == 0 then return true end
    if pool.core:live(true) == 0 then M.note(pool) end
    local known, loaded = pool.known, package.loaded
    if modules.package then modules = loaded end -- what it may require it has from there
    for name in pairs(modules) do
        if not unchanged(known[name], loaded[name]) then return false end
    end
    return unchanged(known.string, loaded.string) -- its methods need no name
end

return M
