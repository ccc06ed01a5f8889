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

-- What the state has one of; and of that, what functions use that may use files.
local STATE <const>, FILES <const> = "(state)", "(files)"
local CHANGED <const>, ANYWAY <const>, UNKNOWN <const> = "(changed)", "(anyway)", "(unknown)"

-- The library's own modules change all the time, the globals are carried with functions, and strings
-- are looked at with the state.
local function has_baseline(name)
    return name ~= "_G" and name ~= "string" and name ~= "luas" and name:sub(1, 5) ~= "luas."
end

local function is_at_baseline(known)
    return not known.baseline or core.is_at_baseline(known.baseline)
end

local function watch(name, module, names)
    local fields, inner = core.watch(names, { module })
    local baseline = has_baseline(name) and core.baseline(name, names, module, fields, inner) or nil
    return { value = module, watch = fields, inner = inner, baseline = baseline,
        leads_nowhere = next(inner) == nil }
end

local function watch_state(name, names)
    local inner = {}
    local baseline = core.baseline_of_state(name == FILES, names, inner)
    return { baseline = baseline, inner = inner, leads_nowhere = next(inner) == nil }
end

--- Watches all modules, each with the tables in it that are not modules themselves. Call it
--- before workers are forked, which keep what was watched.
---@return table known
function M.know_all()
    local before = latest and unchanged(latest.package, package) and latest or {}
    local known, names = {}, nil
    for name, module in pairs(package.loaded) do
        known[name] = before[name]
        if not unchanged(known[name], module) or not is_at_baseline(known[name]) then
            names = names or names_of_modules()
            known[name] = watch(name, module, names)
        end
    end
    for _, name in ipairs { STATE, FILES } do
        known[name] = before[name]
        if not known[name] or known.string ~= before.string or not is_at_baseline(known[name]) then
            names = names or names_of_modules()
            known[name] = watch_state(name, names)
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
---@param known table?  what know_all gave before these were forked
function M.note(pool, known)
    pool.known, pool.libraries = known or M.know_all(), core.libraries()
    pool.core:forget() -- in functions carried before, names may mean something else now
end

--- Call it when some workers were forked now and others before. Modules that they do not have
--- alike are no longer known; what lies behind the fields of modules is sent again.
---@param pool luas.poolstate
function M.compare(pool)
    local known = pool.known
    if pool.libraries ~= core.libraries() then pool.libraries = nil end
    for name, module in pairs(known) do
        if module.value and not pool.ships_only and not unchanged(module, package.loaded[name]) then
            known[name] = nil
        elseif module.baseline then
            core.note_changes(module.baseline)
        end
    end
end

-- Stands among the names of modules for the libraries in C that are loaded: light userdata may point
-- into one, whichever module that belongs to.
local LIBRARIES <const> = "(libraries)"

-- The standard library, whose functions use none of the files unless they are io's.
local standard = {
    string = true, math = true, table = true, os = true, coroutine = true, utf8 = true,
    debug = true, package = true,
}

-- `passed`: what was looked at; and in it `changed`, a list of the baselines that differ, or nil.
local have_inner

local function look_behind(known, module, passed)
    if module.baseline and not core.is_at_baseline(module.baseline) then
        local changed = passed[CHANGED] or {}
        changed[#changed + 1], passed[CHANGED] = module.baseline, changed
    end
    return module.leads_nowhere or have_inner(known, module, passed)
end

-- Checks the module with all modules in it, in these, and so on: they are reached by its
-- name, too.
local function is_known(known, name, passed)
    local module = known[name]
    if passed[name] then return true end
    if not unchanged(module, package.loaded[name]) then
        passed[UNKNOWN] = true
        if not passed[ANYWAY] then return false end
        if not module then return true end
    end
    passed[name] = true
    if not standard[name] then passed[FILES] = true end
    return look_behind(known, module, passed)
end

function have_inner(known, module, passed)
    for inner in pairs(module.inner) do
        if not is_known(known, inner, passed) then return false end
    end
    return true
end

-- The same of the state, which all functions use, and of the files, if it may use them.
local function is_state_known(known, passed)
    return look_behind(known, known[STATE], passed)
        and (not passed[FILES] or look_behind(known, known[FILES], passed))
end

--- Are these modules in the workers as they are in the host?
---@param pool luas.poolstate
---@param modules table<string|table, boolean>  a set of their names, and of objects in them
---@param anyway boolean?  the job is sent in any case: look at all of them
---@return boolean
---@return table? changed  baselines from which the modules, or the state, differ; nil: none
function M.are_known(pool, modules, anyway)
    if pool.size == 0 or pool.remote or pool.fresh then return true end
    if pool.core:live(true) == 0 and not pool.ships_only then M.note(pool) end
    local known, passed = pool.known, { [ANYWAY] = anyway }
    if modules[LIBRARIES] and pool.libraries ~= core.libraries() then return false end
    if modules.package then modules = package.loaded end -- it may require any module
    for name in pairs(modules) do
        if type(name) == "string" and name ~= LIBRARIES and not is_known(known, name, passed) then
            return false
        end
    end
    -- Strings have its methods without naming it.
    local all = is_known(known, "string", passed) and is_state_known(known, passed)
    return all and not passed[UNKNOWN], passed[CHANGED]
end

return M
