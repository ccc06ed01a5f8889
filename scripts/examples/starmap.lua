-- starmap is map for functions of several arguments: each item is the list of
-- arguments of one call.

local function area(width, height)
    return width * height
end

local areas = pool.starmap(area, {{3, 4}, {5, 6}, {7, 8}})
print("[" .. table.concat(areas, ", ") .. "]")
