-- Memory of the host while it takes the results of long lists: its collector
-- rests then, but never so long that garbage heaps up.

local pool = require("luas").pool
local range = require("tests.support.helpers").range

local ROWS <const> = 60000

local function row(i) return { id = i, name = "row " .. i % 100, price = i / 4 } end

-- Has a cycle of the collector ended since this was called?
local function watch_collector()
    local seen = setmetatable({ {} }, { __mode = "v" })
    return function() return seen[1] == nil end
end

describe("taking many results", function()
    local p, numbers

    setup(function()
        p, numbers = pool.new(2), range(ROWS)
        p:map(row, { 1 }) -- the first call looks at all modules, which makes garbage
    end)
    teardown(function() p:terminate() end)

    it("does not run the collector, once", function()
        collectgarbage() collectgarbage()
        local collected = watch_collector()
        local results, n = p:map(row, numbers)
        local during = collected()
        assert.are.equal(ROWS, n)
        assert.are.same(row(ROWS), results[ROWS])
        assert.is_false(during)
        results = p:map(row, numbers) -- no cycle has ended in between
        assert.are.same(row(ROWS), results[ROWS])
        assert.is_true(collected())
    end)

    it("lets it run where results are few", function()
        collectgarbage() collectgarbage()
        local collected, few, maps = watch_collector(), range(2000), 0
        while not collected() and maps < 1000 do
            p:map(row, few)
            maps = maps + 1
        end
        assert.is_true(maps < 1000)
    end)

    it("does not heap up garbage from map to map", function()
        collectgarbage() collectgarbage()
        local before = collectgarbage("count")
        local results = p:map(row, numbers)
        local one, most = collectgarbage("count") - before, 0
        assert.are.equal(ROWS, #results)
        results = nil
        for _ = 1, 30 do
            p:map(row, numbers)
            most = math.max(most, collectgarbage("count") - before)
        end
        assert.is_true(most < 6 * one, ("%.0f KB, of which one map makes %.0f"):format(most, one))
    end)

    it("does not heap up the garbage that their reading makes", function()
        local Wasteful = {}
        Wasteful.__index = Wasteful
        function Wasteful.__luas_pack(w) return w.n end
        local most = 0
        function Wasteful.__luas_unpack(n)
            for _ = 1, 300 do local _ = { n } end
            if n % 100 == 0 then most = math.max(most, collectgarbage("count")) end
            return setmetatable({ n = n }, Wasteful)
        end
        collectgarbage() collectgarbage()
        local before = collectgarbage("count")
        local results = p:map(function(i) return setmetatable({ n = i }, Wasteful) end, numbers)
        assert.are.equal(ROWS, results[ROWS].n)
        local kept = collectgarbage("count") - before -- of 860 MB of garbage
        assert.is_true(math.max(most - before, kept) < 300 * 1024,
            ("%.0f KB"):format(most - before))
    end)

    it("makes no step of a stopped collector", function()
        local finalized = 0
        local mt = { __gc = function() finalized = finalized + 1 end }
        collectgarbage() collectgarbage()
        collectgarbage("stop")
        for _ = 1, 10 do setmetatable({}, mt) end
        for _ = 1, 600000 do local _ = { 1 } end -- so that it would be about to go on
        local ok, results = pcall(p.map, p, row, numbers)
        local during = finalized
        collectgarbage("restart")
        assert.is_true(ok and #results == ROWS)
        assert.are.equal(0, during)
    end)

    it("leaves a stopped collector stopped", function()
        collectgarbage()
        collectgarbage("stop")
        local collected = watch_collector()
        local ok, results = pcall(p.map, p, row, numbers)
        for _ = 1, 1000 do local _ = { {}, {} } end
        local during, running = collected(), collectgarbage("isrunning")
        collectgarbage("restart")
        assert.is_true(ok and #results == ROWS)
        assert.is_false(during)
        assert.is_false(running)
    end)

    it("goes on in the generational mode", function()
        local mode = collectgarbage("generational")
        local ok, sum = pcall(function()
            local sum = 0
            for _ = 1, 4 do sum = sum + #p:map(row, numbers) end
            return sum
        end)
        collectgarbage(mode)
        assert.is_true(ok)
        assert.are.equal(4 * ROWS, sum)
    end)
end)
