--- Pools whose workers are fresh programs (start = "exec"): what the host gives to a worker, and what
--- that does first and last. All else is shipped to it, as to workers of a zygote.

local check = require "luas.check"
local core = require "luas.core"

local M = {}

-- Globals that luas has and a script of the stock interpreter may lack.
local GLOBALS <const> = { "pool", "process", "shared" }

-- ---- the host ----

local function define(given)
    if not given.init and not given.exit then return nil end
    local bytes, why = core.cluster_tools().define_here { init = given.init, exit = given.exit }
    if not bytes then check.fail(('start = "exec": cannot send what workers call first and last: %s'):format(why)) end
    return bytes
end

local function lacking()
    local names = {}
    for _, name in ipairs(GLOBALS) do
        if _G[name] == nil then names[#names + 1] = name end
    end
    return names
end

--- What the engine of a pool with these options needs for its workers. Raises if they cannot be.
---@param given luas.pooloptions
---@return table?
function M.prepare(given)
    if given.start ~= "exec" then
        if given.program then check.fail "option 'program' is for start = \"exec\"" end
        return nil
    end
    if given.keep_files then check.fail 'keep_files: workers with start = "exec" have no files of the script' end
    local program, why = core.fresh_program(given.program)
    if not program then check.fail(('start = "exec": %s'):format(why)) end
    local words = core.cluster_tools().pack(nil, false, package.path, package.cpath, lacking(), define(given))
    return { program = program, words = words, exit = given.exit and "exit" or "" }
end

-- Modules that every worker has. What it is in C a loader may find by the first part of its name.
local standard = { _G = true }
for _, name in ipairs { "string", "math", "table", "os", "io", "coroutine", "utf8", "debug", "package" } do
    standard[name] = true
end

local function has_file(name)
    local root = name:match "^[^.]*"
    return package.searchpath(name, package.path) or package.searchpath(name, package.cpath)
        or package.searchpath(root, package.cpath)
end

--- The name of a module that workers cannot load, if these are the ones that something refers to.
---@param modules table  whose keys are names, among others
---@return string?
function M.unknown_module(modules)
    if #package.searchers > 4 then return nil end -- who knows what they find
    for name in pairs(modules) do
        local is_own = type(name) ~= "string" or standard[name] or name == "luas" or name:find "^luas%." or name:find "^%("
        for _, global in ipairs(GLOBALS) do is_own = is_own or name == global end
        if not is_own and not has_file(name) then return name end
    end
    return nil
end

-- ---- a worker ----

--- Runs in a worker, before anything else of the user's. What it returns has the function to call last.
---@param path string
---@param cpath string
---@param lacks string[]  globals that the host has not
---@param bytes string?   what `prepare` has defined
function M.begin(path, cpath, lacks, bytes)
    package.path, package.cpath = path, cpath
    for _, name in ipairs(lacks) do _G[name] = nil end
    if not bytes then return M end
    local space, functions = core.cluster_tools().open(bytes)
    if not space then error(functions, 0) end
    M.space, M.exit = space, functions.exit
    if functions.init then functions.init() end
    return M
end

return M
