-- Sources that are made of something: of what a generic for takes, of the results
-- of another loop, of numbers. And what looks like a list and is none.

local luas = require("luas")
local pool, process = luas.pool, luas.process

local function same(...) return ... end

local function numbers(first, last, step)
    local list = {}
    for i = first, last, step or 1 do list[#list + 1] = i end
    return list
end

-- Counts how often what a loop is given to close was closed.
local function closing()
    local counter = { closed = 0 }
    return setmetatable(counter, { __close = function() counter.closed = counter.closed + 1 end }), counter
end

local function counting(n)
    return function(_, i)
        if i < n then return i + 1, (i + 1) * 10 end
    end, nil, 0
end

describe("a table with keys only", function()
    local tables = {
        ["names"] = { host = "a", port = 80 },
        ["an index that is far off"] = { [7] = true },
        ["a 0"] = { [0] = 1 },
        ["keys that are tables"] = { [{}] = 1 },
    }
    for name, t in pairs(tables) do
        it("of " .. name .. " is refused by every verb, which names pool.iter", function()
            for _, workers in ipairs { 0, 1 } do
                local p <close> = pool.new(workers)
                for _, verb in ipairs { "map", "starmap", "imap", "imap_unordered", "each", "map_async", "starmap_async" } do
                    local ok, message = pcall(p[verb], p, same, t)
                    assert.is_false(ok, verb)
                    assert.is_truthy(message:find("made_sources_spec", 1, true) or message:find("bad argument", 1, true))
                    assert.is_truthy(message:find("pool.iter(pairs(t))", 1, true), message)
                end
                local ok, message = pcall(p.reduce, p, same, t, math.max)
                assert.is_false(ok)
                assert.is_truthy(message:find("pool.iter(pairs(t))", 1, true), message)
            end
        end)
    end

    it("is no list of arguments, of futures, or of what a process is given", function()
        local p <close> = pool.new(1)
        for _, carry in ipairs { "ship", "inherit" } do
            local ok, message = pcall(p.starmap, p, same, { { 1 }, { x = 1 } }, { carry = carry })
            assert.is_false(ok)
            assert.is_truthy(message:find("item 2: a table with keys only", 1, true), message)
        end
        local future = p:apply_async(same, 1)
        assert.is_false((pcall(pool.wait_all, { a = future })))
        assert.is_false((pcall(pool.wait_any, { a = future }, 0)))
        assert.is_false((pcall(process.new, { target = same, args = { x = 1 } })))
        assert.are.equal(1, future:get())
    end)

    it("is none if it is empty, says its length, or is like a list", function()
        for _, workers in ipairs { 0, 1 } do
            local p <close> = pool.new(workers)
            for _, t in ipairs { {}, { n = 0 }, { n = 0, host = "a" }, table.pack(),
                setmetatable({ hidden = true }, { __len = function() return 0 end }) } do
                assert.are.equal(0, select(2, p:map(same, t)))
            end
            assert.are.equal(2, select(2, p:map(same, { n = 2 })))
            assert.are.equal(1, select(2, p:map(same, { "x", host = "a" })))
        end
    end)
end)

for _, workers in ipairs { 0, 2 } do
    for _, carry in ipairs { "auto", "inherit" } do
        describe(("with %d workers, %s,"):format(workers, carry), function()
            local p
            setup(function() p = pool.new { workers = workers, carry = carry } end)
            teardown(function() p:terminate() end)

            it("pool.values makes a second stage of every loop", function()
                local function double(x) return x * 2 end
                for _, verb in ipairs { "imap", "imap_unordered" } do
                    local results = p:map(double, pool.values(p[verb](p, double, numbers(1, 50))))
                    table.sort(results)
                    assert.are.same(numbers(4, 200, 4), results)
                end
                local sum = p:reduce(double, pool.values(p:imap(double, pool.range(1, 10))), function(a, b) return a + b end)
                assert.are.equal(220, sum)
                local three = pool.values(p:imap(double, pool.values(p:imap(double, { 1, 2 }))))
                assert.are.same({ 8, 16 }, (p:map(double, three)))
            end)

            it("pool.values passes on several results, nils and outcomes", function()
                local function odd(i)
                    if i == 2 then return nil end
                    if i == 3 then error("three", 0) end
                    if i == 4 then return end
                    return i, nil, -i
                end
                local function describe(...)
                    local n, a, b, c = select("#", ...), ...
                    return ("%d %s %s %s"):format(n, a, type(b) == "table" and b.message or tostring(b), c)
                end
                local stage = pool.values(p:imap(odd, { 1, 2, 3, 4, 5 }, { on_error = "collect" }))
                local texts, n = p:map(describe, stage)
                assert.are.equal(5, n)
                assert.are.same({ "3 1 nil -1", "1 nil nil nil", "2 nil three nil", "5 5 nil -5" },
                    { texts[1], texts[2], texts[3], (texts[5]:gsub("^3", "5")) })
            end)

            it("pool.values and pool.iter read what any generic for takes", function()
                assert.are.same({ 10, 20, 30 }, (p:map(same, pool.values(counting(3)))))
                assert.are.same({ 1, 2, 3 }, (p:map(same, pool.iter(counting(3)))))
                assert.are.same({ "a", "b" }, (p:starmap(same, pool.values(ipairs { { "a" }, { "b" } }))))
            end)

            it("what they were given to close is closed once, when the job is over", function()
                for _, make in ipairs { pool.iter, pool.values } do
                    local close, counter = closing()
                    local f, s, c = counting(5)
                    assert.are.equal(5, select(2, p:map(same, make(f, s, c, close))))
                    assert.are.equal(1, counter.closed)
                    close, counter = closing()
                    for i in p:imap(same, make(f, s, c, close), { window = 2 }) do
                        if i == 2 then break end
                    end
                    assert.are.equal(1, counter.closed)
                    close, counter = closing()
                    p:reduce(same, make(f, s, c, close), math.max)
                    assert.are.equal(1, counter.closed)
                    close, counter = closing()
                    assert.is_false((pcall(p.each, p, error, make(f, s, c, close))))
                    assert.are.equal(1, counter.closed)
                end
            end)
        end)
    end
end

describe("pool.range", function()
    local function all(...)
        local list = {}
        for v in pool.range(...) do list[#list + 1] = v end
        return list
    end

    it("counts as for does", function()
        local maxi, mini = math.maxinteger, math.mininteger
        for _, r in ipairs { { 1, 5 }, { 1, 0 }, { 5, 1, -2 }, { 1, 10, 3 }, { 0, 1, 0.25 }, { 1.5, 4 }, { 1, 3.5 },
            { -3, 3, 3 }, { maxi - 2, maxi }, { mini + 2, mini, -1 }, { maxi - 5, maxi, 4 }, { maxi, maxi, maxi },
            { 3, 1, -0.5 } } do
            local expected = numbers(r[1], r[2], r[3])
            local given = all(r[1], r[2], r[3])
            assert.are.same(expected, given)
            for i, v in ipairs(expected) do assert.are.equal(math.type(v), math.type(given[i])) end
        end
    end)

    it("may have no end", function()
        local p <close> = pool.new(1)
        for i, v in p:imap(same, pool.range(10, math.huge), { window = 4 }) do
            assert.are.equal(9 + i, v)
            assert.are.equal("integer", math.type(v))
            if i == 20 then break end
        end
    end)

    it("wants numbers, and a step", function()
        for _, r in ipairs { { "1", 2 }, { 1 }, { 1, 2, "1" }, { 1, 0 / 0 }, { 1, 2, 0 }, { 1, 2, 0.0 } } do
            local ok, message = pcall(pool.range, table.unpack(r, 1, 3))
            assert.is_false(ok)
            assert.is_truthy(message:find("'range'", 1, true), message)
        end
        assert.is_truthy(select(2, pcall(pool.values, 3)):find("'values' (function expected, got number)", 1, true))
    end)
end)
