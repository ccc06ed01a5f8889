--- The module `luas`: what `require "luas"` gives, and the program's globals.
---@class luas
---@field pool luas.poolmodule
---@field process luas.processmodule
---@field version string

return {
    pool = require "luas.pool",
    process = require "luas.process",
    version = require "luas.core".version,
}
