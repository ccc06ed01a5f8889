-- A pipeline of three stages, each a process, with a queue between them: numbers,
-- their squares, and a running sum.

local numbers, squares, sums = shared.queue(10), shared.queue(10), shared.queue(10)

local function stage(from, to, work)
    return process.spawn(function()
        for item in from:items() do to:put(work(item)) end
        to:close()
    end)
end

local sum = 0
local stages = {
    process.spawn(function()
        for i = 1, 20 do numbers:put(i) end
        numbers:close()
    end),
    stage(numbers, squares, function(n) return n * n end),
    stage(squares, sums, function(square)
        sum = sum + square
        return sum
    end),
}
local last
for item in sums:items() do last = item end
for _, p in ipairs(stages) do p:join() end
print("the sum of the first 20 squares is " .. last)
