-- Monte Carlo pi:  luas [-j N] pi.lua [tasks]
--
-- Of points thrown at a square, pi/4 fall into the circle inside it. Each task
-- seeds its generator with its own number, so the result is the same on every
-- run and for every number of workers.

local TASKS = math.tointeger(tonumber(arg[1] or 100)) or error("tasks: a whole number expected")
local POINTS = 100000  -- a task

local function hits(task)
    math.randomseed(task)
    local random, count = math.random, 0
    for _ = 1, POINTS do
        local x, y = random(), random()
        if x * x + y * y <= 1 then
            count = count + 1
        end
    end
    return count
end

local tasks = {}
for i = 1, TASKS do
    tasks[i] = i
end

local total = 0
for _, count in ipairs(pool.map(hits, tasks)) do
    total = total + count
end
print(("pi is about %.6f, by %d points"):format(4 * total / (TASKS * POINTS), TASKS * POINTS))
