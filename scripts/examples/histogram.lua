-- A counter and a histogram that all tasks add to: how the sum of two dice is
-- distributed. With a seed, the answer is the same however many workers there are.

local THROWS <const>, TASKS <const> = 1000, 20

local throws = shared.value "i64"
local sums = shared.array("u32", 12)

pool.each(function()
    for _ = 1, THROWS do
        sums:add(math.random(6) + math.random(6), 1)
    end
    throws:add(THROWS)
end, (function() local n = 0 return function() n = n + 1 return n <= TASKS and n or nil end end)(),
    { seed = 7 })

for sum = 2, 12 do
    print(("%2d  %-18s %d"):format(sum, ("*"):rep(sums[sum] * 100 // throws:get()), sums[sum]))
end
print(throws:get() .. " throws")
