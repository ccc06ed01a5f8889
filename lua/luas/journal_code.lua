--- What a function is, for a journal: a hash of all that shipping it would walk, and of the files
--- of the modules that it uses.

local core = require "luas.core"

local M = {}

-- The library's own modules are no part of a script.
local function is_ours(name)
    return name == "luas" or name:find "^luas%." ~= nil
end

local function find(name)
    if not package or is_ours(name) then return nil end
    local ok, file = pcall(function()
        return package.searchpath(name, package.path) or package.searchpath(name, package.cpath)
    end)
    return ok and file or nil
end

-- Is a module a file? Others are looked at as what they are.
local files = setmetatable({}, { __index = function(_, name) return is_ours(name) or find(name) ~= nil end })

local function read(file)
    local handle <close> = io.open(file, "rb")
    return handle and handle:read "a" or ""
end

-- The names in the text of a module that it requires.
local function required(text)
    local names = {}
    for name in text:gmatch "require%s*%(?%s*[\"']([%w_.%-]+)[\"']" do names[#names + 1] = name end
    return names
end

-- Appends the files of these modules, and of those that they require, in the order of their names.
local function add_modules(parts, met, tools)
    local known, found, queue = {}, {}, {}
    for name in pairs(met) do queue[#queue + 1] = name end
    for _, name in ipairs(queue) do -- which grows
        local file = not known[name] and find(name)
        known[name] = true
        if file then
            local text = read(file)
            found[#found + 1] = { ("module '%s'"):format(name), file, tools.hash(text) }
            for _, other in ipairs(file:find "%.lua$" and required(text) or {}) do
                if package.loaded[other] then queue[#queue + 1] = other end
            end
        end
    end
    table.sort(found, function(a, b) return a[1] < b[1] end)
    table.move(found, 1, #found, #parts + 1, parts)
    return found
end

--- The hash of a function, and its parts: lists of a name, a place, and a hash.
---@param f any             a function, or what stands for one
---@param ignore table<string, boolean>?  names that do not count
---@param tools table       core.journal()
---@return string hash, table[] parts
function M.of(f, ignore, tools)
    local parts, met = {}, {}
    local hash = tools.code(f, ignore, files, met, parts)
    core.called() -- __luas_pack
    local found = add_modules(parts, met, tools)
    for i, module in ipairs(found) do found[i] = module[1] .. module[3] end
    return #found > 0 and tools.hash(hash .. table.concat(found)) or hash, parts
end

M.files = files

return M
