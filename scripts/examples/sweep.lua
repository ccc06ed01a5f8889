-- Tries all combinations of parameters: a walk that drifts, for each drift and length, and the
-- mean of where it ends. With a seed the table is the same for every number of workers.

local drifts, lengths = { 0.5, 0.55, 0.6 }, { 10, 100, 1000 }

local function walk(drift, length)
    local sum = 0
    for _ = 1, 200 do
        for _ = 1, length do sum = sum + (math.random() < drift and 1 or -1) end
    end
    return sum / 200
end

local means = pool.map(walk, pool.product(drifts, lengths), { seed = 42 })
for i, drift in ipairs(drifts) do
    local row = table.move(means, (i - 1) * #lengths + 1, i * #lengths, 1, {})
    for k, mean in ipairs(row) do row[k] = ("%8.1f"):format(mean) end
    print(("drift %.2f"):format(drift) .. table.concat(row))
end
