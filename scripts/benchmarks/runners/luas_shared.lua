-- What luas does for each row of what processes share:
--
--   luas luas_shared.lua ROW COUNT CPUS
--
-- Two processes do the work at once. Says how many `seconds` it took and a `result`
-- that shows that it was done.

local now = require "luas.core".now

local rows = {}

-- Two processes that begin together; the clock runs from then until both have ended.
local function timed(first, second)
    local gate, ready = shared.event(), shared.semaphore(2)
    local function start(work)
        return process.spawn(function()
            ready:acquire()
            gate:wait()
            return work()
        end)
    end
    local a, b = start(first), start(second or first)
    while ready:count() > 0 do end
    local begin = now()
    gate:set()
    local x, y = a:result(), b:result()
    print(("seconds %.9f"):format(now() - begin))
    return (x or 0) + (y or 0)
end

-- One puts items of so many bytes, the other gets them.
local function through_queue(size)
    return function(n)
        local q, item = shared.queue(), ("x"):rep(size)
        return timed(function()
            for _ = 1, n do q:put(item) end
        end, function()
            local bytes = 0
            for _ = 1, n do bytes = bytes + #q:get() end
            return bytes
        end)
    end
end

rows.queue_16 = through_queue(16)
rows.queue_1k = through_queue(1 << 10)
rows.queue_64k = through_queue(64 << 10)
rows.queue_1m = through_queue(1 << 20)

function rows.queue_rtt(n)
    local there, back = shared.queue(), shared.queue()
    return timed(function()
        for i = 1, n do
            there:put(i)
            back:get()
        end
    end, function()
        local sum = 0
        for _ = 1, n do
            local i = there:get()
            sum = sum + i
            back:put(i)
        end
        return sum
    end)
end

function rows.value(n)
    local v = shared.value "i64"
    timed(function() for _ = 1, n // 2 do v:add(1) end end)
    return v:get()
end

function rows.lock(n)
    local l, v = shared.lock(), shared.value "i64"
    timed(function()
        for _ = 1, n // 2 do
            l:acquire()
            l:release()
        end
        v:add(n // 2)
    end)
    return v:get()
end

function rows.table(n)
    local t, value = shared.table(), ("x"):rep(100)
    return timed(function()
        local bytes = 0
        for i = 1, n // 2 do
            t:set(i % 1000, value)
            bytes = bytes + #t:get(i % 1000)
        end
        return bytes
    end)
end

-- Warm calls of a function that captures a queue, or does not.
local function warm(captured)
    return function(n)
        local p <close> = pool.new(2)
        local q = captured and shared.queue() or nil
        local function f(i) return q ~= 1 and i end
        p:map(f, { 1, 2, 3, 4, 5, 6, 7, 8 })
        local forks, begin, sum = p:stats().forks, now(), 0
        for i = 1, n do
            for _, x in ipairs(p:map(f, { i, i })) do sum = sum + x end
        end
        print(("seconds %.9f"):format(now() - begin))
        assert(p:stats().forks == forks, "it forked")
        return sum
    end
end

rows.warm, rows.warm_none = warm(true), warm(false)

local row = assert(rows[arg[1]], "no such row")
print(("result %d"):format(row(math.tointeger(arg[2]))))
