-- Verbs that look for items end when the answer is known; results may go by keys; lists may be zipped.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"

local function check(text, by) assert.are.equal("fine\n", helpers.output(text .. "\nprint 'fine'", by)) end

local METHODS <const> = "local p = setmetatable({}, { __index = function(_, name) return function(...) return real[name](real, ...) end end })"

local kinds = {
    ["the default pool"] = "local p = pool",
    ["a pool"] = "local real = pool.new(2) " .. METHODS,
    ["no workers"] = "local real = pool.new(0) " .. METHODS,
}

local cluster

setup(function()
    if not clusters.is_possible() then return end
    cluster = clusters.open()
    cluster:agent("alpha", 2)
    kinds["a pool of agents"] = ("local real = pool.new{ cluster = %q } "):format(cluster.url) .. METHODS
end)
teardown(function() if cluster then cluster:close() end end)

if clusters.is_possible() then kinds["a pool of agents"] = "" end

helpers.each_interpreter(function(by)
    for kind in pairs(kinds) do
        describe("with " .. kind .. " under " .. by .. ",", function()
            local function holds(text) check(kinds[kind] .. "\n" .. text, by) end

            it("find gives the first in input order, though a later one is quicker", function()
                holds [[
                    local function slow(x) if x == 2 then os.execute "sleep 0.2" end return x % 2 == 0 and x * 10 end
                    local i, value, none = p.find(slow, { 1, 2, 4, 6 })
                    assert(i == 2 and value == 20 and none == nil)
                    assert(select("#", p.find(slow, { 1, 3 })) == 1 and p.find(slow, { 1, 3 }) == nil and p.find(slow, {}) == nil) ]]
            end)

            it("find, any, all and filter stop, over a source without an end", function()
                holds [[
                    local function naturals() local i = 0 return function() i = i + 1 return i end end
                    assert(p.find(function(x) return x > 100 end, naturals()) == 101)
                    assert(p.any(function(x) return x > 100 end, naturals()) == true)
                    assert(p.all(function(x) return x < 100 end, naturals()) == false)
                    local kept, n = p.filter(function(x) return x % 10 == 0 end, naturals(), 3)
                    assert(n == 3 and table.concat(kept, " ") == "10 20 30") ]]
            end)

            it("what runs when the answer is known is stopped", function()
                if kind == "no workers" then return end
                holds [[
                    local function spins(x) while x > 1 do end return true end
                    assert(p.find(spins, { 1, 2, 3, 4, 5, 6 }, { chunk = 1 }) == 1)
                    assert(p.any(spins, { 2, 3, 1, 4, 5 }, { chunk = 1, timeout = 1 }) == true)
                    assert(p.all(function(x) return not spins(x) end, { 1, 2, 3, 4, 5 }, { chunk = 1 }) == false)
                    assert(#p.filter(spins, { 1, 2, 3 }, 1, { chunk = 1 }) == 1)
                    assert(p.map(function(x) return x end, { 7, 8, 9 })[3] == 9) ]]
            end)

            it("any and all count a failure only where nothing else decides, whatever ends first", function()
                holds [[
                    local function is_two(x) if x == 1 then error("one", 0) end return x == 2 end
                    local function is_not_two(x) if x == 1 then error("one", 0) end return x ~= 2 end
                    for _ = 1, 20 do
                        assert(p.any(is_two, { 1, 2 }) == true and p.all(is_not_two, { 1, 2 }) == false)
                    end
                    local ok, o = pcall(p.any, is_two, { 3, 1, 1 })
                    assert(not ok and o.index == 2 and o.message == "one" and o.input == 1)
                    ok, o = pcall(p.all, is_not_two, { 3, 1, 1 })
                    assert(not ok and o.index == 2)
                    local found, failures = p.any(is_two, { 3, 1 }, { on_error = "collect" })
                    assert(found == false and failures[2].message == "one" and failures[1] == nil)
                    assert(p.all(is_not_two, { 3, 1 }, { on_error = "collect" }) == true)
                    assert(p.any(is_two, {}) == false and p.all(is_two, {}) == true) ]]
            end)

            it("find and filter raise what fails before, and collect it", function()
                holds [[
                    local function even(x) if x == 1 then error("one", 0) end return x % 2 == 0 end
                    for _, verb in ipairs { "find", "filter" } do
                        local ok, o = pcall(p[verb], even, { 3, 1, 2 })
                        assert(not ok and o.index == 2 and o.message == "one", verb)
                    end
                    assert(p.find(even, { 2, 1 }) == 1)
                    local i, value, failures = p.find(even, { 1, 2 }, { on_error = "collect" })
                    assert(i == 2 and value == true and failures[1].message == "one")
                    local kept, n, failed = p.filter(even, { 1, 2, 4 }, nil, { on_error = "collect" })
                    assert(n == 2 and kept[2] == 4 and failed[1].message == "one" and next(failed, 1) == nil)
                    assert(not pcall(p.filter, even, { 1 }, nil, { timeut = 1 })) ]]
            end)

            it("a value that looks like a failure is none", function()
                holds [[
                    local o = select(2, pcall(pool.apply, error, "x"))
                    local function gives(x) return nil, o end
                    assert(p.find(gives, { 1 }) == nil and p.any(gives, { 1 }) == false and p.all(gives, { 1 }) == false)
                    assert(select(2, p.filter(gives, { 1 })) == 0) ]]
            end)

            it("filter gives the array's own items, and all values of a source", function()
                holds [[
                    local a, b = { 1 }, { 2 }
                    local kept = p.filter(function(t) return t[1] == 2 end, { a, b })
                    assert(#kept == 1 and kept[1] == b)
                    local n = 0
                    local function source() n = n + 1 if n < 4 then return n, nil, "x" end end
                    local some, count = p.filter(function(x) return x ~= 2 end, source)
                    assert(count == 2 and some[2][1] == 3 and some[2].n == 3 and some[2][3] == "x")
                    local holes, m = p.filter(function(x) return x == nil end, { 1, nil, 3, nil, n = 4 })
                    assert(m == 2 and next(holes) == nil) ]]
            end)

            it("map_pairs keeps keys", function()
                holds [[
                    local function pair(k, v) if v == "bad" then error("no " .. tostring(k), 0) end return tostring(k) .. v end
                    local got, n, none = p.map_pairs(pair, { a = 1, [2] = 2, [true] = 3 })
                    assert(n == 3 and got.a == "a1" and got[2] == "22" and got[true] == "true3" and none == nil)
                    local some, count, failures = p.map_pairs(pair, { a = 1, b = "bad" }, { on_error = "collect" })
                    assert(count == 2 and some.a == "a1" and some.b == nil and failures.b.message == "no b" and failures.a == nil)
                    local ok, o = pcall(p.map_pairs, pair, { a = "bad", b = "bad" })
                    assert(not ok and o.message == "no a" and o.input[1] == "a" and o.input.n == 2)
                    assert(select(2, p.map_pairs(pair, {})) == 0)
                    local function random() return math.random(1 << 30) end
                    local once = p.map_pairs(random, { x = 1, y = 2, z = 3 }, { seed = 1 })
                    local again = p.map_pairs(random, { z = 3, y = 2, x = 1 }, { seed = 1 })
                    assert(once.x == again.x and once.z == again.z) ]]
            end)

            it("zip and product are sources of several lists", function()
                holds [[
                    local function join(...) return table.concat({ ... }, "-") end
                    local function all(source) return table.concat(p.map(join, source), " ") end
                    assert(all(pool.zip({ 1, 2 }, { "a", "b" }, { "x", "y" })) == "1-a-x 2-b-y")
                    assert(all(pool.product({ 1, 2 }, { "a", "b" })) == "1-a 1-b 2-a 2-b")
                    assert(all(pool.product({ 1, 2 })) == "1 2" and all(pool.product({ 1 }, {})) == "" and all(pool.zip({}, {})) == "")
                    local kinds = p.map(function(x, y) return math.type(x), y end, pool.zip({ 1, 1.5 }, { nil, 2, n = 2 }))
                    assert(kinds[1] == "integer" and kinds[2] == "float") ]]
            end)
        end)
    end

    describe("a wrong argument under " .. by, function()
        it("is named, with the line that called", function()
            for call, message in pairs {
                ["pool.find(1, {})"] = "bad argument #1 to 'find' (function expected, got number)",
                ["pool.any(print)"] = "bad argument #2 to 'any' (table or function expected, got no value)",
                ["pool.all(print, { x = 1 })"] = "bad argument #2 to 'all' (",
                ["pool.filter(print, {}, 0)"] = "bad argument #3 to 'filter' (a whole number of at least 1 expected, got 0)",
                ["pool.filter(print, {}, {})"] = "bad argument #3 to 'filter' (a whole number of at least 1 expected, got table)",
                ["pool.find(print, {}, { nothing = 1 })"] = "pool.find: unknown option \"nothing\"",
                ["pool.map_pairs(print, pairs {})"] = "bad argument #2 to 'map_pairs' (table expected, got function)",
                ["pool.zip({ 1 }, { 1, 2 })"] = "bad argument #2 to 'zip' (it has 2 items, the first list has 1)",
                ["pool.zip({ 1, nil, n = 2 })"] = "bad argument #1 to 'zip' (item 2 is nil)",
                ["pool.product({ 1 }, 2)"] = "bad argument #2 to 'product' (table expected, got number)",
            } do
                local said = helpers.output(("print((select(2, pcall(function() %s end))))"):format(call), by)
                assert.are.equal("SCRIPT:1: " .. message, said:sub(1, #message + 10), said)
            end
        end)
    end)
end)

describe("a task's own lines", function()
    it("are all that a traceback of these verbs has", function()
        assert.not_matches("search", helpers.output [[
            print((pcall(pool.find, function() error "x" end, { 1 })))
            print(select(2, pcall(pool.find, function() error "x" end, { 1 })).traceback) ]])
    end)
end)

describe("a journal", function()
    it("knows what find and filter have done by the function that was given", function()
        local path = os.tmpname() .. ".db"
        local script = ([[
            local p = pool.new { workers = 2, journal = %q }
            local function even(x) return x %% 2 == 0 end
            assert(p:find(even, { 1, 3 }) == nil and select(2, p:filter(even, { 1, 2, 4 })) == 2)
            print(p:stats().tasks, p:stats().resumed)
        ]]):format(path)
        assert.are.equal("5\t0\n", helpers.output(script))
        assert.are.equal("0\t5\n", helpers.output(script))
        os.execute("rm -f " .. path .. "*")
    end)
end)
