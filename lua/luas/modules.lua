--- What the workers of a pool have in their modules: what the host had in them
--- when they were forked. `pool.known` tells of the modules that all workers
--- have alike, and so whether the host has since changed one of them.

local core = require "luas.core"

local M = {}

local function unchanged(known, module)
    return known and rawequal(known.value, module) and core.same(known.watch)
end

-- What was known last, of any pool; is it used?
local latest, used

-- It holds what modules had: gone when a cycle of the collector ends in which it
-- was not used. (A finalizer runs once a cycle if it sets up the next.)
local function forget_unused()
    setmetatable({}, { __gc = function()
        if used then forget_unused() else latest = nil end
        used = false
    end })
end

local function names_of_modules()
    local names = { [package.loaded] = "package" }
    for name, module in pairs(package.loaded) do
        if type(module) == "table" then names[module] = name end
    end
    return names
end

local function watch(module, names)
    local watched, inner = core.watch(names, { module })
    return { value = module, watch = watched, inner = inner }
end

-- A module is watched with the tables in it that are no modules themselves.
local function know_all()
    local before = latest and unchanged(latest.package, package) and latest or {}
    local known, names = {}, nil
    for name, module in pairs(package.loaded) do
        known[name] = before[name]
        if not unchanged(known[name], module) then
            names = names or names_of_modules()
            known[name] = watch(module, names)
        end
    end
    local what_require_goes_by = { package, package.loaded, package.preload, package.searchers }
    known.package = before.package
        or { value = package, watch = core.watch(nil, what_require_goes_by), inner = {} }
    if not latest then forget_unused() end
    latest, used = known, true
    return known
end

--- All workers there are, or that come next, have the modules as they are now.
---@param pool luas.poolstate
function M.note(pool)
    pool.known = know_all()
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

-- With the modules in it, in these, and so on: they are reached by its name, too.
local function is_known(known, name, passed)
    local module = known[name]
    if passed[name] then return true end
    if not unchanged(module, package.loaded[name]) then return false end
    passed[name] = true
    for inner in pairs(module.inner) do
        if not is_known(known, inner, passed) then return false end
    end
    return true
end

--- Would the workers find in these modules what the host has in them?
---@param pool luas.poolstate
---@param modules table<string, boolean>  a set of their names
---@return boolean
function M.are_known(pool, modules)
    if pool.size == 0 then return true end
    if pool.core:live(true) == 0 then M.note(pool) end
    local known, passed = pool.known, {}
    if modules.package then modules = package.loaded end -- what it may require it has from there
    for name in pairs(modules) do
        if not is_known(known, name, passed) then return false end
    end
    return is_known(known, "string", passed) -- its methods need no name
end

return M
