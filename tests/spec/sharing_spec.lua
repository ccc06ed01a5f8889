-- Jobs of equal priority share the workers by turns: none waits for the whole of another.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local execute = os.execute -- so that what uses it is shipped

local function nap(x)
    execute "sleep 0.02"
    return x
end

local function spin(x)
    local sum = 0
    for i = 1, 20000 do sum = sum + i end
    return sum > 0 and x
end

-- The order in which jobs end that were submitted in this one.
local function ends(futures)
    local order = {}
    for i, future in ipairs(futures) do
        future:on_done(function() order[#order + 1] = i end)
    end
    pool.wait_all(futures)
    return order
end

describe("jobs of equal priority", function()
    local p

    before_each(function() p = pool.new(2) end)
    after_each(function() p:terminate() end)

    it("share the workers, so that a short one is over first", function()
        local long = p:map_async(nap, range(100))
        local short = p:map_async(nap, range(4))
        assert.are.same({ 2, 1 }, ends { long, short })
    end)

    it("do so when there are several, and for single calls", function()
        local futures = { p:map_async(nap, range(60)), p:map_async(nap, range(20)), p:map_async(nap, range(3)) }
        futures[4] = p:apply_async(nap, 1)
        local order = ends(futures)
        assert.are.equal(1, order[4])
        assert.are.equal(2, order[3])
    end)

    it("share time and not tasks: short tasks do not wait for as many long ones", function()
        local long = p:map_async(nap, range(60))
        local short = p:map_async(function(x) return x end, range(2000))
        assert.are.same({ 2, 1 }, ends { long, short })
    end)

    it("share while they are read from sources", function()
        local function source(n)
            return function()
                n = n - 1
                if n >= 0 then return n end
            end
        end
        local long = p:imap(spin, source(3000), { window = 1000 })
        local first = long()
        local n = p:map(spin, source(20))
        assert.are.equal(1, first)
        assert.are.equal(20, #n)
        assert.is_true(p:stats().tasks < 1000)
    end)

    it("share when the long one is inherited, or both are", function()
        local file <close> = assert(io.open("/dev/null"))
        local function inherited(x) return file and nap(x) end
        local long = p:map_async(inherited, range(100))
        assert.are.same({ 2, 1 }, ends { long, p:map_async(nap, range(2)) })
        long = p:map_async(inherited, range(100))
        assert.are.same({ 2, 1 }, ends { long, p:map_async(inherited, range(2)) })
    end)

    it("come after those of a higher one, and before those of a lower", function()
        -- Inheriting jobs have workers of their own.
        local function submit(priority, n)
            return p:map_async(nap, range(n), { priority = priority, carry = "ship" })
        end
        local low, middle, high = submit(-1, 30), submit(0, 20), submit(1, 20)
        assert.are.same({ 3, 2, 1 }, ends { low, middle, high })
    end)

    it("share without workers, too", function()
        local inline <close> = pool.new(0)
        local long = inline:imap(spin, range(1000))
        assert.are.equal(1, (long()))
        local before = inline:stats().tasks
        assert.are.equal(3, #inline:map(spin, range(3)))
        assert.is_true(inline:stats().tasks < before + 500)
    end)
end)

describe("a script's jobs", function()
    helpers.each_interpreter(function(by)
        it("share the workers (" .. by .. ")", function()
            assert.are.equal("short long\n", helpers.output([[
                local function nap(x) os.execute "sleep 0.02" return x end
                local items = {}
                for i = 1, 60 do items[i] = i end
                local p = pool.new(2)
                local order = {}
                local long = p:map_async(nap, items)
                long:on_done(function() order[#order + 1] = "long" end)
                assert(p:apply(nap, 1) == 1)
                order[#order + 1] = "short"
                long:wait()
                pool.wait_all { long }
                while #order < 2 do p:step(0.1) end
                print(table.concat(order, " "))
            ]], by))
        end)
    end)
end)
