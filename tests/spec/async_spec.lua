-- Futures: jobs that go on while the script does something else.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

local function square(x) return x * x end

local function nap(seconds) os.execute("sleep " .. seconds) end

local function later(seconds, ...)
    os.execute("sleep " .. seconds)
    return ...
end

local function clock() return tonumber(io.open("/proc/uptime"):read("n")) end

describe("a future", function()
    local p

    setup(function() p = pool.new(2) end)
    teardown(function() p:terminate() end)

    it("gives all results of apply_async, as often as asked", function()
        local future = p:apply_async(function(...) return select("#", ...), nil, ... end, "a", nil)
        for _ = 1, 2 do
            local results = table.pack(future:get())
            assert.are.same({ n = 4, 2, nil, "a", nil }, results)
        end
        assert.is_true(future:ready())
        assert.is_true(future:successful())
        assert.is_true(future:wait(0))
    end)

    it("gives what map and starmap would", function()
        local squares = p:map_async(square, { n = 3, 1, 2, 3 })
        local sums = p:starmap_async(function(a, b) return a + b end, { { 1, 2 }, { 3, 4 } })
        local i = 0
        local read = p:map_async(square, function()
            i = i + 1
            if i <= 1000 then return i end
        end)
        assert.are.equal(1001, i)
        assert.are.same({ { 3, 7 }, 2 }, { sums:get() })
        assert.are.same({ { 1, 4, 9 }, 3 }, { squares:get() })
        local results, n = read:get()
        assert.are.equal(1000, n)
        assert.are.equal(1000000, results[1000])
    end)

    it("collects failures as map does", function()
        local results, n, failures = p:map_async(function(x)
            if x == 2 then error("two") end
            return x
        end, { 1, 2, 3 }, { on_error = "collect" }):get()
        assert.are.same({ 1, nil, 3 }, results)
        assert.are.equal(3, n)
        assert.are.equal("error", failures[2].kind)
        assert.is_nil(failures[1])
    end)

    it("raises its task's outcome from get, and again", function()
        local future = p:apply_async(error, { code = 7 })
        for _ = 1, 2 do
            local ok, o = pcall(future.get, future)
            assert.is_false(ok)
            assert.are.equal("error", o.kind)
            assert.are.equal(7, o.value.code)
        end
        assert.is_false(future:successful())
    end)

    it("tells a wait that ran out from a task that did", function()
        local future = p:apply_async(later, 0.5, "late")
        assert.is_false(future:ready())
        assert.is_false(future:wait(0.01))
        local ok, o = pcall(future.get, future, 0.01)
        assert.is_false(ok)
        assert.are.equal("timeout", o.kind)
        assert.is_true(o.pending)
        assert.are.equal("the future: not finished after 0.01 s; it goes on", tostring(o))
        assert.has_error(function() future:successful() end)
        assert.are.equal("late", future:get(10))
        ok, o = pcall(function() p:with { timeout = 0.1 }:apply_async(later, 5):get() end)
        assert.is_false(ok)
        assert.are.equal("timeout", o.kind)
        assert.is_nil(o.pending)
    end)

    it("may be asked in any order", function()
        local futures = {}
        for i = 1, 20 do futures[i] = p:apply_async(square, i) end
        for i = 20, 1, -1 do assert.are.equal(i * i, futures[i]:get()) end
    end)

    it("that nobody asks costs the pool nothing but its task", function()
        for _ = 1, 50 do p:apply_async(square, 1) end
        collectgarbage()
        collectgarbage()
        assert.are.equal(81, p:apply(square, 9))
    end)

    describe("cancelled", function()
        it("while it waits in the queue never runs", function()
            assert.are.equal("true\tfalse\tcancelled\tfirst\t4\tnil\n", helpers.output([[
                local mark = os.tmpname()
                os.remove(mark)
                local p <close> = pool.new(1)
                local first = p:apply_async(function() os.execute("sleep 0.3") return "first" end)
                local second = p:apply_async(function() io.open(mark, "w"):close() end)
                local cancelled = second:cancel()
                local ok, o = pcall(second.get, second, 10)
                print(cancelled, ok, o.kind, first:get(), p:apply(function(x) return x * x end, 2), (io.open(mark))) ]]))
        end)

        it("while it runs is stopped, and its <close> variables are closed", function()
            local started, closed = os.tmpname(), os.tmpname()
            os.remove(started)
            os.remove(closed)
            local future = p:apply_async(function()
                local guard <close> = setmetatable({}, {
                    __close = function() io.open(closed, "w"):close() end,
                })
                io.open(started, "w"):close()
                while true do end
            end)
            assert.is_truthy(helpers.eventually(5, function() return io.open(started) end))
            assert.is_true(future:cancel())
            local ok, o = pcall(future.get, future, 10)
            assert.is_false(ok)
            assert.are.equal("cancelled", o.kind)
            assert.is_true(os.remove(started))
            assert.is_true(os.remove(closed))
            assert.are.equal(4, p:apply(square, 2))
        end)

        it("while it sleeps in C is stopped, and soon", function()
            local future = p:apply_async(later, 20)
            nap(0.1)
            local before = clock()
            assert.is_true(future:cancel())
            assert.is_true(future:wait(10))
            assert.is_true(clock() - before < helpers.within(8))
            assert.are.equal(4, p:apply(square, 2))
        end)

        it("takes a whole map with it", function()
            local future = p:map_async(later, { n = 100, 0.02, 0.02, 0.02 })
            future:cancel()
            local ok, o = pcall(future.get, future, 10)
            assert.is_false(ok)
            assert.are.equal("cancelled", o.kind)
        end)

        it("by a worker that inherited it goes on", function()
            local items = { n = 20 }
            for i = 1, items.n do items[i] = 0.05 end
            local future = p:map_async(later, items)
            local other <close> = pool.new { workers = 1, carry = "inherit" }
            local ok, o = pcall(other.apply, other, function() return future:cancel() end)
            assert.is_false(ok)
            assert.is_truthy(o.message:find("another process", 1, true))
            assert.are.equal(20, select(2, future:get(20)))
        end)

        it("too late says so and changes nothing", function()
            local future = p:apply_async(square, 3)
            assert.is_true(future:wait(10))
            assert.is_false(future:cancel())
            assert.are.equal(9, future:get())
        end)

        it("at any moment never hits the next task on its worker", function()
            local q <close> = pool.new(1)
            local function spin(n)
                local sum = 0
                for i = 1, n do sum = sum + i end
                return sum
            end
            local ended = { value = 0, cancelled = 0 }
            for round = 1, 2000 do
                local doomed = q:apply_async(spin, round % 10 == 0 and math.huge or math.random(4000))
                local next_one = q:apply_async(square, round)
                spin(math.random(4000))
                doomed:cancel()
                assert.are.equal(round ^ 2, next_one:get(10))
                local ok, o = pcall(doomed.get, doomed, 10)
                local kind = ok and "value" or o.kind
                ended[kind] = ended[kind] + 1
            end
            assert.is_true(ended.cancelled >= 200)
            assert.are.equal(0, q:stats().crashes)
        end)
    end)

    describe("with on_done", function()
        it("calls back with itself once it has ended, and at once if it has", function()
            local future = p:apply_async(square, 3)
            local calls = {}
            future:on_done(function(f) calls[#calls + 1] = f:get() end)
            future:on_done(function(f) calls[#calls + 1] = f:get() + 1 end)
            future:get()
            while #calls < 2 do p:step(0.1) end
            future:on_done(function(f) calls[#calls + 1] = f:get() + 2 end)
            assert.are.same({ 9, 10, 11 }, calls)
        end)

        it("calls back for failures and cancelled ones too", function()
            local kinds = {}
            local function note(f)
                kinds[#kinds + 1] = select(2, pcall(f.get, f)).kind
            end
            local failing, cancelled = p:apply_async(error, "x"), p:apply_async(later, 5)
            failing:on_done(note)
            cancelled:on_done(note)
            cancelled:cancel()
            pool.wait_all({ failing, cancelled }, 10)
            while #kinds < 2 do p:step(0.1) end
            table.sort(kinds)
            assert.are.same({ "cancelled", "error" }, kinds)
        end)

        it("may submit more from a callback", function()
            local result
            p:apply_async(square, 2):on_done(function(f)
                p:apply_async(square, f:get()):on_done(function(g) result = g:get() end)
            end)
            for _ = 1, 100 do
                if result then break end
                p:step(0.1)
            end
            assert.are.equal(16, result)
        end)

        it("reports a callback that raises once, and calls the others", function()
            local output = helpers.output([[
                warn "@on"
                local p <close> = pool.new(1)
                local future = p:apply_async(function() return 5 end)
                local called = 0
                future:on_done(function() error("bad callback") end)
                future:on_done(function() called = called + 1 end)
                print(future:get())
                p:step(0)
                print(called)]])
            local reports = select(2, output:gsub("bad callback", ""))
            assert.are.equal(1, reports, output)
            assert.is_truthy(output:find("^5\n") or output:find("\n5\n"), output)
            assert.is_truthy(output:find("1\n$"), output)
        end)
    end)

    describe("among several", function()
        it("is found by wait_any when it is the first to end", function()
            local slow, quick = p:apply_async(later, 0.5, "slow"), p:apply_async(square, 2)
            local future, place = pool.wait_any({ slow, quick })
            assert.are.equal(quick, future)
            assert.are.equal(2, place)
            assert.is_false(slow:ready())
            assert.is_nil((pool.wait_any({ slow }, 0.01)))
            assert.are.equal(slow, (pool.wait_any { slow }))
        end)

        it("is waited for by wait_all", function()
            local futures = { p:apply_async(later, 0.3), p:apply_async(square, 2) }
            assert.is_false(pool.wait_all(futures, 0.01))
            assert.is_true(pool.wait_all(futures))
            assert.is_true(futures[1]:ready() and futures[2]:ready())
        end)

        it("may belong to another pool", function()
            local q <close> = pool.new(1)
            local futures = { q:apply_async(later, 0.1, 1), p:apply_async(later, 0.1, 2) }
            assert.is_true(pool.wait_all(futures, 10))
            assert.are.equal(3, futures[1]:get() + futures[2]:get())
        end)

        it("over none, nothing is waited for", function()
            assert.is_true(pool.wait_all {})
            assert.is_nil((pool.wait_any {}))
        end)
    end)

    it("goes on while the script sleeps", function()
        local future = p:map_async(later, { n = 20, table.unpack({ 0.05, 0.05, 0.05, 0.05, 0.05,
            0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05 }) })
        nap(2)
        local before = clock()
        local _, n = future:get()
        assert.are.equal(20, n)
        assert.is_true(clock() - before < helpers.within(0.4))
    end)

    it("sees the values of the moment at which it was submitted", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("102 204 306 408 510 612 714 816 918 1020 1122 1224 ",
                helpers.output([[
                    local p <close> = pool.new(2)
                    factor = 1
                    local offset = 0
                    local futures = {}
                    for i = 1, 12 do
                        factor, offset = i, 100 * i
                        futures[i] = p:apply_async(function(x) return x * factor + offset end, 2)
                    end
                    factor, offset = -1, -1
                    for i, future in ipairs(futures) do io.write(future:get(), " ") end]], by))
        end)
    end)

    it("keeps its result beyond the close of its pool", function()
        local q = pool.new(1)
        local future = q:apply_async(square, 6)
        q:close()
        q:join()
        assert.are.equal(36, future:get())
    end)

    it("of a terminated pool is cancelled", function()
        local q = pool.new(1)
        local future = q:apply_async(later, 20)
        q:terminate()
        assert.is_true(future:ready())
        local ok, o = pcall(future.get, future)
        assert.is_false(ok)
        assert.are.equal("cancelled", o.kind)
    end)

    it("makes the descriptor readable when another call took its outcome in", function()
        local q <close> = pool.new(2)
        assert.is_true(q:fileno() >= 0)
        local future = q:apply_async(square, 3)
        q:map(nap, { 0.2 })
        local before = clock()
        assert.is_true(q:step(10))
        assert.is_true(clock() - before < helpers.within(5))
        assert.are.equal(9, future:get(0))
    end)
end)
