-- What luas does for each row, and the serial loop beside it:
--
--   luas -j CPUS luas.lua ROW COUNT CPUS [FILE]
--
-- ROW is a name of the table below, COUNT how many tasks (for `start`: how
-- many times), CPUS the number of workers, FILE what `stream` reads. Says
-- how many `seconds` the work took and a `result` that shows that it was done.

local now = require "luas.core".now

local rows = {}

---Runs the work against the clock.
---@param work function
---@return any ...
local function timed(work, ...)
    local begin = now()
    local results = table.pack(work(...))
    print(("seconds %.9f"):format(now() - begin))
    return table.unpack(results, 1, results.n)
end

local function same(x) return x end

local function square(x) return x * x end

local function raise_price(row)
    return { id = row.id, name = row.name, price = row.price + 1 }
end

local function words(line)
    return select(2, line:gsub("%S+", ""))
end

-- CPU time, so that a crowded machine cannot do the work for the runner.
local function spin(seconds)
    local stop = os.clock() + seconds
    while os.clock() < stop do end
    return 1
end

local function integers(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
end

local function price_list(n)
    local list = {}
    for i = 1, n do list[i] = { id = i, name = "row " .. i % 100, price = i / 4 } end
    return list
end

-- The lengths that works.py knows the ideal time of.
local function lengths(n)
    local list = {}
    for i = 1, n do list[i] = (1 + 49 * ((i * 7919 % 200) / 199) ^ 3) / 1000 end
    return list
end

local function sum(list, n)
    local total = 0
    for i = 1, n or #list do total = total + list[i] end
    return total
end

-- Workers are there, and know the function, before the clock starts. Not so if all is to be cold.
local function warm_up(f, input)
    if os.getenv "BENCH_COLD" then return end
    for _ = 1, 3 do pool.map(f, input, { chunk = 1 }) end
end

local function mapped(f, items, options)
    local results, n = timed(pool.map, f, items, options)
    assert(n == #items)
    return results, n
end

local function serial(f, items)
    return timed(function()
        local results, n = {}, #items
        for i = 1, n do results[i] = f(items[i]) end
        return results, n
    end)
end

function rows.tiny(n)
    warm_up(same, integers(8))
    return sum(mapped(same, integers(n), { chunk = 1 }))
end

function rows.tiny_default(n)
    warm_up(same, integers(8))
    return sum(mapped(same, integers(n)))
end

function rows.tiny_serial(n)
    return sum(serial(same, integers(n)))
end

function rows.cheap(n)
    warm_up(square, integers(8))
    return sum(mapped(square, integers(n)))
end

function rows.cheap_serial(n)
    return sum(serial(square, integers(n)))
end

local function sum_prices(results, n)
    local total = 0
    for i = 1, n do
        assert(results[i].id == i)
        total = total + results[i].price
    end
    return math.tointeger(total * 4)
end

function rows.rows(n)
    warm_up(raise_price, price_list(8))
    return sum_prices(mapped(raise_price, price_list(n)))
end

function rows.rows_serial(n)
    return sum_prices(serial(raise_price, price_list(n)))
end

local function blobs(n, kilobytes)
    warm_up(same, integers(8))
    local kilobyte = ("x"):rep(1024)    -- rep copies unit by unit
    local results = mapped(function() return kilobyte:rep(kilobytes) end, integers(n))
    local bytes = 0
    for i = 1, n do bytes = bytes + #results[i] end
    return bytes
end

function rows.blob(n) return blobs(n, 4096) end

function rows.mega(n) return blobs(n, 1024) end

function rows.rtt(n)
    warm_up(same, integers(8))
    return timed(function()
        local done = 0
        for i = 1, n do done = done + (pool.apply(same, i) == i and 1 or 0) end
        return done
    end)
end

function rows.start(n)
    local eight = integers(8)
    return timed(function()
        local done, forks = 0, 0
        for _ = 1, n do
            local p = pool.new(8)
            done = done + select(2, p:map(same, eight, { chunk = 1 }))
            forks = forks + p:stats().forks
            p:close()
            p:join()
        end
        assert(forks == 8 * n, "not all workers were forked")
        return done
    end)
end

local function table_of(n)
    local captured = {}
    for i = 1, n do captured[i] = i * 2 end
    return captured
end

-- A pool of its own, since the peers must open theirs once the table exists.
function rows.captured(n, cpus)
    local captured = table_of(1000000)
    local items = integers(n)
    local results = timed(function()
        local p <close> = pool.new(cpus)
        return p:map(function(i) return captured[i * 1000] end, items)
    end)
    return sum(results, n)
end

function rows.captured_warm(n)
    warm_up(same, integers(8))
    local captured = table_of(1000000)
    return sum(mapped(function(i) return captured[i * 1000] end, integers(n)))
end

-- So many maps over a captured table, each of which has to get the table to the workers. Counts
-- the median for each, because what else runs makes some of them far longer.
local function carried(entries, carry, n)
    local captured, items = table_of(entries), integers(8)
    local function field(i) return captured[i * (entries // 8)] end
    for _ = 1, 5 do pool.map(field, items, { carry = carry }) end
    local times, total = {}, 0
    for i = 1, n do
        local begin = now()
        total = total + sum(pool.map(field, items, { carry = carry }))
        times[i] = now() - begin
    end
    table.sort(times)
    print(("seconds %.9f"):format(n * times[(n + 1) // 2]))
    return total
end

for size, entries in pairs { ["10k"] = 10000, ["30k"] = 30000, ["1m"] = 1000000 } do
    for _, carry in ipairs { "auto", "ship", "inherit" } do
        rows[("carry_%s_%s"):format(size, carry)] = function(n) return carried(entries, carry, n) end
    end
end

-- A plugin that is called from its host.
local PLUGIN <const> = [[
    local function round(x) return math.floor(x + 0.5) end
    function twice(x) return round(x) * 2 end
    return function(x) return twice(x) // 2 end
]]

local function called(environment, n)
    local f = assert(load(PLUGIN, "=plugin", "t", environment))()
    for _ = 1, 3 do pool.map(f, integers(8), { chunk = 1 }) end
    local forks = pool.stats().forks
    local total = timed(function()
        local total = 0
        for i = 1, n do total = total + pool.apply(f, i) end
        return total
    end)
    assert(pool.stats().forks == forks, "workers were forked")
    return total
end

function rows.sandbox(n) return called(setmetatable({}, { __index = _G }), n) end

function rows.sandbox_none(n) return called(_G, n) end

function rows.cpu(n)
    warm_up(spin, { 0, 0, 0, 0 })
    return sum(mapped(spin, lengths(n)))
end

-- The most memory that this process has had, in bytes.
local function peak()
    for line in io.lines "/proc/self/status" do
        local kilobytes = line:match "^VmHWM:%s*(%d+) kB"
        if kilobytes then return kilobytes * 1024 end
    end
end

function rows.stream(_, _, path)
    warm_up(words, { "a", "b c", "d", "e f", "g", "h", "i", "j" })
    local total = timed(function()
        local total = 0
        for _, count in pool.imap(words, pool.lines(path)) do total = total + count end
        return total
    end)
    print(("peak %d"):format(peak()))
    return total
end

function rows.stream_serial(_, _, path)
    local total = timed(function()
        local total = 0
        for line in io.lines(path) do total = total + words(line) end
        return total
    end)
    print(("peak %d"):format(peak()))
    return total
end

local function many(n, options)
    local p <close> = pool.new(options.workers)
    for _ = 1, 3 do p:map(same, integers(8 * options.workers), { chunk = 1 }) end
    local results, count = timed(p.map, p, same, integers(n), { chunk = options.chunk })
    return sum(results, count)
end

for _, workers in ipairs { 1, 2, 8, 64 } do
    rows["many_" .. workers] = function(n) return many(n, { workers = workers }) end
    rows["many_ones_" .. workers] = function(n) return many(n, { workers = workers, chunk = 1 }) end
end

-- One call in a pool that is opened for it, and its answer, which is 1.
local first = {}

function first.apply(p) return p:apply(same, 1) end

function first.map(p) return p:map(same, { 1 })[1] end

function first.imap(p) return select(2, p:imap(same, { 1 })()) end

function first.each(p) return p:each(same, { 1 }) end

function first.reduce(p) return p:reduce(same, { 1 }, math.max) end

function first.apply_async(p) return p:apply_async(same, 1):get() end

function first.map_async(p) return p:map_async(same, { 1 }):get()[1] end

function first.broadcast(p) return p:broadcast(same, 1)[1] end

local function opened(call, cpus)
    local p
    local answer = timed(function()
        p = pool.new(cpus)
        return call(p)
    end)
    p:close()
    p:join()
    return answer
end

for verb, call in pairs(first) do
    rows["first_" .. verb] = function(_, cpus) return opened(call, cpus) end
    rows["again_" .. verb] = function(_, cpus)
        do
            local p <close> = pool.new(cpus)
            call(p)
        end
        return opened(call, cpus)
    end
end

local row = assert(rows[arg[1]], "no such row")
print(("result %d"):format(row(math.tointeger(arg[2]), math.tointeger(arg[3]), arg[4])))
