-- A genetic algorithm: a tour through 20 cities on a circle gets shorter from generation to generation.
-- Each generation is one map. With seeds the answer is the same for every number of workers.

local CITIES <const>, MEMBERS <const>, GENERATIONS <const> = 20, 64, 20

local function length(tour)
    local sum = 0
    for i = 1, CITIES do
        local steps = math.abs(tour[i] - tour[i % CITIES + 1])
        sum = sum + math.min(steps, CITIES - steps)
    end
    return sum
end

-- A child is its parent with some stretches turned round: the best of 50 of them.
local function breed(parent)
    local best, shortest = parent, length(parent)
    for _ = 1, 50 do
        local child = table.move(parent, 1, CITIES, 1, {})
        local a, b = math.random(CITIES), math.random(CITIES)
        if a > b then a, b = b, a end
        while a < b do
            child[a], child[b] = child[b], child[a]
            a, b = a + 1, b - 1
        end
        local l = length(child)
        if l < shortest then best, shortest = child, l end
    end
    return { tour = best, length = shortest }
end

math.randomseed(1)
local tours = {}
for m = 1, MEMBERS do
    local tour = {}
    for i = 1, CITIES do table.insert(tour, math.random(i), i) end
    tours[m] = tour
end
for generation = 1, GENERATIONS do
    local children = pool.map(breed, tours, { seed = generation })
    table.sort(children, function(a, b) return a.length < b.length end)
    if generation % 5 == 0 then print(("generation %d: %d"):format(generation, children[1].length)) end
    for m = 1, MEMBERS do tours[m] = children[(m - 1) % (MEMBERS // 4) + 1].tour end -- the best quarter
end
