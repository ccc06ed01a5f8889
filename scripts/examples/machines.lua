-- Tasks on many machines, of which one is lost in the middle: all have their value in the end.
--
--   luas --cluster nats://host:4222 --key pool.key scripts/examples/machines.lua [COMMAND]
--
-- The command is run when a third is done; scripts/cluster has it kill an agent.

local COUNT <const> = 60

-- What takes some time: the steps of Collatz until 1, of many numbers.
local function longest(from)
    local most, at = 0, from
    for start = from, from + 9999 do
        local n, steps = start, 0
        while n ~= 1 do
            n, steps = n % 2 == 0 and n // 2 or 3 * n + 1, steps + 1
        end
        if steps > most then most, at = steps, start end
    end
    return at, most
end

local p <close> = pool.new { lost_after = 2 }
print(("%d tasks can run at a time"):format(p:size()))
local starts, best, most, done = pool.range(1, 10000 * COUNT, 10000), 0, 0, 0
for _, at, steps in p:imap_unordered(longest, starts, { chunk = 1, retries = 3 }) do
    done = done + 1
    if done == COUNT // 3 and arg[1] then os.execute(arg[1]) end
    if steps > most then best, most = at, steps end
end
print(("%d tasks, each once: %d takes %d steps"):format(done, best, most))

local stats = p:stats()
local names = {}
for name in pairs(stats.machines or {}) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
    local machine = stats.machines[name]
    print(("%s: %d values, and %d lost with it"):format(name, machine.values or 0, machine.crashes or 0))
end
