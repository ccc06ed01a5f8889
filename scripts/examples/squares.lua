-- A pool of four workers squares the numbers from 1 to 5.

local function square(x)
    return x * x
end

-- <close> ends the workers when `p` goes out of scope, after an error too.
local p <close> = pool.new(4)
local squares = p:map(square, {1, 2, 3, 4, 5})
print("[" .. table.concat(squares, ", ") .. "]")
