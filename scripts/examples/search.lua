-- Looks for a number whose hash begins with so many zeros, and stops when one is found:
--   luas search.lua [ZEROS]

local zeros = tonumber(arg[1]) or 4

-- FNV-1a, of 64 bits.
local function hash(text)
    local h = 0xcbf29ce484222325
    for i = 1, #text do h = (h ~ text:byte(i)) * 0x100000001b3 end
    return ("%016x"):format(h)
end

-- The first one in a run of 10 000 numbers: a task of some milliseconds is worth its way.
local function look(first)
    for n = first, first + 9999 do
        if hash("luas " .. n):sub(1, zeros) == ("0"):rep(zeros) then return n end
    end
end

local _, n = pool.find(look, pool.range(0, math.maxinteger, 10000))
print(n, hash("luas " .. n))
