--- Keeps track of the modules of workers. A worker has them as they were in the host when it
--- was forked. `pool.known` has the modules that are the same in all workers. So it can be
--- found out whether the host has changed one since.

local core = require "luas.core"

local M = {}

local function unchanged(known, module)
    return known and rawequal(known.value, module) and core.same(known.watch)
end

-- What was known last, of any pool; and whether it was used.
local latest, used

-- It keeps old contents of modules alive. So it is forgotten when a cycle of the collector
-- ends in which it was not used. (A finalizer that sets up a new one runs once a cycle.)
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

-- Watches all modules, each with the tables in it that are not modules themselves.
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

--- Call it when all workers, and those that come next, have the modules as they are now.
---@param pool luas.poolstate
function M.note(pool)
    pool.known, pool.libraries = know_all(), core.libraries()
    pool.core:forget() -- in functions carried before, names may mean something else now
end

--- Call it when some workers were forked now and others before. Modules that they do not have
--- alike are no longer known.
---@param pool luas.poolstate
function M.compare(pool)
    local known = pool.known
    if pool.libraries ~= core.libraries() then pool.libraries = nil end
    for name, module in pairs(known) do
        if not unchanged(module, package.loaded[name]) then known[name] = nil end
    end
end

-- Stands among the names of modules for the libraries in C that are loaded: light userdata may point
-- into one, whichever module that belongs to.
local LIBRARIES <const> = "(libraries)"

-- Checks the module with all modules in it, in these, and so on: they are reached by its
-- name, too.
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

--- Are these modules in the workers as they are in the host?
---@param pool luas.poolstate
---@param modules table<string, boolean>  a set of their names
---@return boolean
function M.are_known(pool, modules)
    if pool.size == 0 then return true end
    if pool.core:live(true) == 0 then M.note(pool) end
    local known, passed = pool.known, {}
    if modules[LIBRARIES] and pool.libraries ~= core.libraries() then return false end
    if modules.package then modules = package.loaded end -- it may require any module
    for name in pairs(modules) do
        if name ~= LIBRARIES and not is_known(known, name, passed) then return false end
    end
    return is_known(known, "string", passed) -- strings have its methods without naming it
end

return M
