-- What costs as much with many futures, callbacks or processes as with few. Of
-- the time that the host's CPU takes, for each, many may take three times that of
-- few: what walks over all of them takes ten times as much.

local luas = require("luas")
local pool, process = luas.pool, luas.process
local helpers = require("tests.support.helpers")

local FEW <const>, MANY <const>, MOST <const> = 300, 3000, 3

local function id(x) return x end

-- Long enough that the host sees its end before that of the next.
local function spin(x)
    local sum = 0
    for i = 1, 5000 do sum = sum + i end
    return x
end

-- CPU time of a round, for each of n.
local function cost(n, work)
    local p = pool.new(2)
    p:map(id, { 1, 2, 3 })
    local ready = work.before and work.before(p, n)
    collectgarbage()
    collectgarbage("stop") -- its cycles are longer, and so fewer, with many
    local before = os.clock()
    work.run(p, n, ready)
    local took = os.clock() - before
    collectgarbage("restart")
    p:terminate()
    return took / n
end

local function least_cost(n, work, rounds)
    local least = math.huge
    for _ = 1, rounds do least = math.min(least, cost(n, work)) end
    return least
end

local function submit(p, n, f)
    local futures = {}
    for i = 1, n do futures[i] = p:apply_async(f or id, i) end
    return futures
end

-- Tasks that keep the workers so busy that what comes after them waits.
local function block(p)
    for _ = 1, 2 * p:size() do p:with { priority = 1000000 }:apply_async(helpers.sleep, 60) end
end

local function submit_blocked(p, n)
    block(p)
    return submit(p, n)
end

local function get_all(futures)
    for i, future in ipairs(futures) do assert(future:get() == i) end
end

-- Two at a time of the four that each of many sources gives.
local function take_in_turn(p, n)
    local iterators = {}
    for i = 1, n do
        local given = 0
        iterators[i] = p:imap(id, function()
            given = given + 1
            if given <= 4 then return given end
        end, { window = 2 })
    end
    for k = 1, 4 do
        for i = 1, n do assert(iterators[i]() == k) end
    end
end

local works = {
    ["submit and get futures"] = { many = 12000, run = function(p, n) get_all(submit(p, n)) end },
    ["submit and get futures with a timeout"] = {
        run = function(p, n) get_all(submit(p:with { timeout = 60 }, n)) end,
    },
    ["submit and get futures of functions that differ"] = {
        run = function(p, n)
            local futures = {}
            for i = 1, n do futures[i] = p:apply_async(function() return i end) end
            get_all(futures)
        end,
    },
    ["submit and get maps"] = {
        run = function(p, n)
            local futures = {}
            for i = 1, n do futures[i] = p:map_async(id, { i }) end
            for i, future in ipairs(futures) do assert(future:get()[1] == i) end
        end,
    },
    ["submit what has to wait"] = { run = submit_blocked },
    ["submit what has to wait, each with a priority of its own"] = {
        run = function(p, n)
            block(p)
            for i = 1, n do p:with { priority = i * 7919 % n }:apply_async(id, i) end
        end,
    },
    ["step while many wait"] = {
        before = submit_blocked,
        run = function(p, n) for _ = 1, n do p:step(0) end end,
    },
    ["cancel what waits"] = {
        before = submit_blocked,
        run = function(_, _, futures) for i = #futures, 1, -1 do assert(futures[i]:cancel()) end end,
    },
    ["terminate what waits"] = {
        before = submit_blocked,
        run = function(p) p:terminate() end,
    },
    ["call beside unread futures"] = {
        before = function(p, n)
            local futures = submit(p, n)
            helpers.eventually(10, function() return p:stats().tasks >= n end)
            return futures
        end,
        run = function(p, n) for i = 1, n do p:apply(id, i) end end,
    },
    ["let futures go"] = {
        run = function(p, n)
            for i = 1, n do p:apply_async(id, i) end
            p:close()
            p:join()
        end,
    },
    ["wait for all"] = {
        before = submit,
        run = function(_, _, futures) assert(pool.wait_all(futures)) end,
    },
    ["wait for all of two pools"] = {
        before = function()
            local other = pool.new(2)
            other:map(id, { 1, 2, 3 })
            return other
        end,
        run = function(p, n, other)
            local futures = {}
            for i = 1, n do futures[i] = (i % 2 == 0 and p or other):apply_async(spin, i) end
            assert(pool.wait_all(futures))
            other:terminate()
        end,
    },
    ["wait for any of many that wait, while others end"] = {
        before = submit_blocked,
        run = function(_, n, futures)
            local other, done = pool.new(1), 0
            for i = 1, n do other:apply_async(spin, i):on_done(function() done = done + 1 end) end
            futures[#futures + 1] = other:apply_async(id, 0)
            assert(pool.wait_any(futures) == futures[#futures])
            while done < n do other:step(1) end
            other:terminate()
        end,
    },
    ["call back"] = {
        run = function(p, n)
            local done = 0
            for i = 1, n do p:apply_async(id, i):on_done(function() done = done + 1 end) end
            while done < n do p:step(1) end
        end,
    },
    ["call beside callbacks that wait"] = {
        before = function(p, n)
            for _, future in ipairs(submit_blocked(p, n)) do future:on_done(id) end
        end,
        run = function(p, n) for _ = 1, n do p:step(0) end end,
    },
    ["call back where the tasks ran in the caller"] = {
        run = function(_, n)
            local p, done = pool.new(0), 0
            for i = 1, n do p:apply_async(id, i):on_done(function() done = done + 1 end) end
            assert(done == n)
        end,
    },
    ["go on with each of many iterators in turn"] = {
        run = function(p, n) take_in_turn(p, n) end,
    },
    ["go on with each of many iterators whose tasks run in the caller"] = {
        run = function(_, n) take_in_turn(pool.new(0), n) end,
    },
    ["get futures whose tasks ran in the caller"] = {
        run = function(_, n) get_all(submit(pool.new(0), n)) end,
    },
}

describe("it costs as much for each of many as of few to", function()
    for name, work in pairs(works) do
        it(name, function()
            local n = work.many or MANY
            local few, many = least_cost(FEW, work, 3), least_cost(n, work, 1)
            if many > MOST * few then many = math.min(many, least_cost(n, work, 2)) end
            assert.is_true(many <= MOST * few, ("each of %d took %.1f us, each of %d %.1f us"):format(
                FEW, few * 1e6, n, many * 1e6))
        end)
    end

    it("list processes", function()
        local function listed(n)
            local processes = {}
            for i = 1, n do processes[i] = process.spawn(helpers.sleep, 60) end
            local before = os.clock()
            for _ = 1, 20 do assert(#process.children() == n) end
            local took = (os.clock() - before) / n
            for _, child in ipairs(processes) do child:kill() end
            for _, child in ipairs(processes) do child:join() end
            return took
        end
        local few, many = listed(5), listed(60)
        assert.is_true(many <= MOST * few, ("of 5 %.1f us, of 60 %.1f us"):format(few * 1e6, many * 1e6))
    end)
end)

describe("an unread future", function()
    it("takes little more than a kilobyte", function()
        if helpers.sanitized then return pending("a sanitizer has memory of its own for each block") end
        local N <const> = 4000
        local output = helpers.output(([[
            local function resident()
                for line in io.lines "/proc/self/status" do
                    local kb = line:match "^VmRSS:%%s+(%%d+)"
                    if kb then return tonumber(kb) * 1024 end
                end
            end
            local function lua()
                collectgarbage()
                collectgarbage()
                return collectgarbage "count" * 1024
            end
            local p = pool.new(2)
            local futures = {}
            local function submit(n)
                for _ = 1, n do futures[#futures + 1] = p:apply_async(math.abs, -1) end
                while not futures[#futures]:ready() do p:step(1) end
            end
            submit(1000)
            local own, all = lua(), resident()
            submit(%d)
            print((lua() - own) // %d, (resident() - all) // %d)]]):format(N, N, N))
        local own, all = output:match("^(%d+)%.0\t(%-?%d+)")
        assert.is_true(tonumber(own) < 900, output)
        assert.is_true(tonumber(all) < 2000, output)
    end)
end)
