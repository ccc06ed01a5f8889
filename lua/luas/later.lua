--- Modules that most scripts need nothing of are opened when a field of them is read
--- first. They get no place in package.loaded, unlike the others: what a function
--- finds there by `require` is what its workers were forked with.

local M = {}

local stand_ins = {}

--- Stands for a module of the library: has its fields.
---@param name string
---@return table
function M.open(name)
    stand_ins[name] = stand_ins[name] or setmetatable({}, { __index = function(stand_in, key)
        local module = require(name, true)
        getmetatable(stand_in).__index = module
        return module[key]
    end })
    return stand_ins[name]
end

--- Has anything of the module been used?
---@param stand_in table
---@return boolean
function M.is_open(stand_in)
    return type(getmetatable(stand_in).__index) == "table"
end

return M
