-- Producers and consumers: two processes put numbers into a queue, two others take
-- them out, and the one that made them adds up what they found.

local numbers, sums = shared.queue(100), shared.queue()

local function produce(from, to)
    for i = from, to do numbers:put(i) end
end

local function consume()
    local sum, n = 0, 0
    for i in numbers:items() do
        sum, n = sum + i, n + 1
    end
    sums:put { sum = sum, n = n }
end

local consumers = { process.spawn(consume), process.spawn(consume) }
local producers = { process.spawn(produce, 1, 500), process.spawn(produce, 501, 1000) }
for _, p in ipairs(producers) do p:join() end
numbers:close()

local sum, n = 0, 0
for _ = 1, #consumers do
    local part = sums:get()
    sum, n = sum + part.sum, n + part.n
end
print(("%d numbers, their sum is %d"):format(n, sum))
