-- future:await() in a coroutine gives the results of get, and the loop goes on meanwhile.

local pool = require "luas".pool

-- Drives the pool as an event loop does, until `over` is true.
local function drive(p, over)
    local steps = 0
    while not over() do
        p:step(0.05)
        steps = steps + 1
        assert.is_true(steps < 2000, "it does not end")
    end
end

-- Has not ended when it is submitted.
local function gate(p)
    return p:apply_async(function()
        local over = os.clock() + 0.05
        while os.clock() < over do end
        return 1, nil, 3, nil
    end)
end

describe("await", function()
    local p

    before_each(function() p = pool.new(2) end)
    after_each(function() p:close() end)

    it("yields, and gives all results", function()
        local results
        local thread = coroutine.create(function() results = table.pack(gate(p):await()) end)
        assert.is_true(coroutine.resume(thread))
        assert.is_nil(results)
        drive(p, function() return results end)
        assert.same({ n = 4, 1, nil, 3, nil }, results)
        assert.equal("dead", coroutine.status(thread))
    end)

    it("raises what get raises", function()
        local outcomes = {}
        for i, f in ipairs { function() error({ code = 5 }) end, function() os.exit(3) end } do
            coroutine.wrap(function()
                local ok, o = pcall(function() return p:apply_async(f):await() end)
                outcomes[i] = not ok and o
            end)()
        end
        drive(p, function() return outcomes[1] and outcomes[2] end)
        assert.equal(5, outcomes[1].value.code)
        assert.equal("crash", outcomes[2].kind)
    end)

    it("is get where nothing can yield, and where it has ended", function()
        assert.same({ 1, nil, 3 }, { gate(p):await() })
        local future, value = gate(p), nil
        future:wait()
        coroutine.wrap(function() value = future:await() end)()
        assert.equal(1, value)
    end)

    it("waits on when something else resumes the coroutine", function()
        local value
        local thread = coroutine.create(function() value = gate(p):await() end)
        coroutine.resume(thread)
        for _ = 1, 3 do
            if coroutine.status(thread) == "suspended" then coroutine.resume(thread) end
        end
        drive(p, function() return value end)
        assert.equal(1, value)
    end)

    it("is awaited by many, one after the other in each", function()
        local sum, left = 0, 20
        for i = 1, 20 do
            coroutine.wrap(function()
                local x = p:apply_async(function(n) return n + 1 end, i):await()
                local doubled = p:map_async(function(n) return 2 * n end, { x }):await()
                sum, left = sum + doubled[1], left - 1
            end)()
        end
        drive(p, function() return left == 0 end)
        assert.equal(2 * (20 * 21 // 2 + 20), sum)
    end)

    it("two coroutines can await one future", function()
        local future, seen = gate(p), 0
        for _ = 1, 2 do
            coroutine.wrap(function()
                local one = future:await()
                seen = seen + one -- which is read after the wait
            end)()
        end
        drive(p, function() return seen == 2 end)
    end)

    it("waits in a loop's own way", function()
        local told, value, asked = nil, nil, 0
        local thread = coroutine.create(function()
            value = gate(p):await(function(set)
                asked = asked + 1
                set(function() told = true end)
                coroutine.yield "the loop's"
            end)
        end)
        assert.same({ true, "the loop's" }, { coroutine.resume(thread) })
        drive(p, function() return told end)
        assert.is_nil(value) -- the loop resumes it when it likes
        coroutine.resume(thread)
        assert.equal(1, value)
        assert.equal(1, asked)
    end)

    it("refuses what is no function", function()
        assert.has_error(function() gate(p):await(5) end, "bad argument #1 to 'await' (function expected, got number)")
    end)

    it("leaves a coroutine that is closed alone", function()
        local future, woken = gate(p), false
        local thread = coroutine.create(function() future:await() woken = true end)
        coroutine.resume(thread)
        coroutine.close(thread)
        assert.equal(1, (future:get()))
        assert.is_false(woken)
    end)
end)
