--- What the functions of random jobs use by name: a module of classes and functions.

local show = require "differential.show"

local M = { limit = 7 }

local count = 3

function M.twice(x)
    return { x, x, count }
end

--- A class without more.
M.Point = { __name = "Point" }
M.Point.__index = M.Point
function M.Point.__eq(a, b) return a.x == b.x end
function M.Point:sum() return self.x end

--- A class that says how it travels.
M.Packed = { __name = "Packed" }
function M.Packed.__luas_pack(object) return { object.n } end
function M.Packed.__luas_unpack(list) return setmetatable({ n = list[1] }, M.Packed) end

show.class(M.Point, "Point")
show.class(M.Packed, "Packed")

function M.point(x) return setmetatable({ x = x }, M.Point) end
function M.packed(n) return setmetatable({ n = n }, M.Packed) end

return M
