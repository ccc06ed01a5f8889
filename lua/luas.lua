--- The module `luas`: what `require "luas"` gives, and the program's globals.
---@class luas
---@field pool luas.poolmodule
---@field process luas.processmodule
---@field shared luas.sharedmodule
---@field version string      added where it is opened

return require "luas.verbs"
