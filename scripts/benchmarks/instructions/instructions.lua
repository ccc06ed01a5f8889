-- Work whose instructions are counted (instructions.py):
--
--   luas -j 1 instructions.lua ROW COUNT
--
-- One worker does it and ends by itself, so that valgrind can say what it took.
-- Chunks have a fixed length: their own would go by the clock, which under
-- valgrind is another.

local rows = {}

local function integers(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
end

local function square(x) return x * x end

function rows.integers(n) return square, integers(n) end

function rows.ones(n) return square, integers(n), { chunk = 1 } end

function rows.inherited(n) return square, integers(n), { chunk = 1000, carry = "inherit" } end

function rows.strings(n)
    local list = {}
    for i = 1, n do list[i] = "line " .. i end
    return function(line) return line .. line end, list
end

function rows.tables(n)
    local list = {}
    for i = 1, n do list[i] = { id = i, name = "row " .. i % 100, price = i / 4 } end
    return function(row)
        return { id = row.id, name = row.name, price = row.price + 1 }
    end, list
end

-- Each task has a worker of its own. Its pool is one that is not closed below.
function rows.renewed(n)
    local p <close> = pool.new { workers = 2, max_tasks = 1 }
    p:map(square, integers(n))
    return square, {}
end

-- Read when all have been submitted: what a step does for each costs more with many.
function rows.futures(n)
    local futures = {}
    for i = 1, n do futures[i] = pool.apply_async(square, i) end
    for i = 1, n do assert(futures[i]:get() == i * i) end
end

local f, list, options = rows[arg[1]](math.tointeger(arg[2]))
if f then
    local results, n = pool.map(f, list, options or { chunk = 1000, carry = "ship" })
    assert(n == #list and #results == n)
end
pool.close()
pool.join()
