-- What a task function sees: everything, with the values of the moment at
-- which its job was submitted. Each case is a script of its own, as people
-- write them, run by the program and by the stock interpreter.

local helpers = require("tests.helpers")

local cases = {
    { "an upvalue", [[
        local by = 3
        print(pool.map(function(x) return x * by end, { 2 })[1])]], "6" },

    { "a local helper that calls another", [[
        local function one() return 1 end
        local function two() return one() + one() end
        print(pool.apply(function() return two() + two() end))]], "4" },

    { "a recursive local function", [[
        local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
        print(table.concat(pool.map(fib, { 10, 15, 20 }), " "))]], "55 610 6765" },

    { "mutually recursive functions", [[
        local even
        local function odd(n) if n == 0 then return false end return even(n - 1) end
        function even(n) if n == 0 then return true end return odd(n - 1) end
        print(pool.apply(even, 10), pool.apply(odd, 10))]], "true\tfalse" },

    { "a global function and its global helpers", [[
        function helper(x) return x + offset end
        function task(x) return helper(x) * 2 end
        offset = 1
        print(pool.map(task, { 1, 2 })[2])]], "6" },

    { "globals defined after the pool was opened", [[
        local p <close> = pool.new(2)
        p:map(function(x) return x end, { 1, 2, 3, 4 })
        function late(x) return x .. suffix end
        suffix = "!"
        print(p:apply(function(x) return late(x) end, "hey"))]], "hey!" },

    { "globals and functions redefined between maps", [[
        local p <close> = pool.new(2)
        local f = function(x) return op(x, by) end
        local out = {}
        for i = 1, 4 do
            by = i
            op = i % 2 == 0 and function(a, b) return a * b end or function(a, b) return a + b end
            out[i] = p:map(f, { 10 })[1]
        end
        print(table.concat(out, " "))]], "11 20 13 40" },

    { "an upvalue changed between maps", [[
        local p <close> = pool.new(2)
        local n = 0
        local out = {}
        for i = 1, 5 do
            n = i
            out[i] = p:apply(function() return n end)
        end
        print(table.concat(out, " "))]], "1 2 3 4 5" },

    { "a global that is gone again", [[
        local p <close> = pool.new(1)
        there = 1
        local function see() return tostring(there) end
        local first = p:apply(see)
        there = nil
        print(first, p:apply(see))]], "1\tnil" },

    { "two closures that share an upvalue", [[
        local n = 0
        local function add(x) n = n + x end
        local function get() return n end
        print(pool.apply(function() add(2) add(3) return get() end), n)]], "5\t0" },

    { "a method, and its object's class", [[
        local Point = {}
        Point.__index = Point
        function Point.new(x) return setmetatable({ x = x }, Point) end
        function Point:double() return Point.new(2 * self.x) end
        local p = pool.map(Point.double, { Point.new(4) })[1]
        print(p.x, getmetatable(p) == Point, p:double().x)]], "8\ttrue\t16" },

    { "a table that it captured, with cycles and shared parts", [[
        local shared = { 1 }
        local t = { a = shared, b = shared }
        t.self = t
        print(pool.apply(function() return t.a == t.b, t.self == t, t.self.self.a[1] end))]],
        "true\ttrue\t1" },

    { "a large table that it captured", [[
        local big = {}
        for i = 1, 200000 do big[i] = "item " .. i end
        print(pool.apply(function(i) return #big, big[i] end, 123456))]], "200000\titem 123456" },

    { "the standard library", [[
        print(pool.apply(function(x) return ("%05.1f"):format(math.floor(x) + #table.pack(1, 2)) end, 3.7))]],
        "005.0" },

    { "functions of the standard library as they are", [[
        print(pool.apply(string.rep, "ab", 3), pool.map(math.abs, { -5 })[1])]], "ababab\t5" },

    { "modules that the script has loaded", [[
        package.preload.mymod = function() return { triple = function(x) return 3 * x end } end
        local p <close> = pool.new(2)
        p:map(function(x) return x end, { 1, 2 })
        local mymod = require "mymod"
        print(p:apply(function(x) return mymod.triple(x) end, 5),
              p:apply(function(x) return require("mymod").triple(x) end, 5),
              p:apply(mymod.triple, 5))]], "15\t15\t15" },

    { "a module changed after the workers were started", [[
        package.preload.conf = function() return { level = 1 } end
        local conf = require "conf"
        local p <close> = pool.new(1)
        local f = function() return conf.level end
        local first = p:apply(f)
        conf.level = 2
        print(first, p:apply(f, 1))]], "1\t2" },

    { "a module's function redefined after the workers were started", [[
        package.preload.mymod = function() return { f = function() return "old" end } end
        local mymod = require "mymod"
        local p <close> = pool.new(2)
        local direct, by_name = function() return mymod.f() end, function() return require("mymod").f() end
        local before = p:apply(mymod.f) .. p:apply(direct) .. p:apply(by_name)
        function mymod.f() return "new" end
        print(before, p:apply(mymod.f), p:apply(direct), p:apply(by_name))
        local forks = p:stats().forks
        for _ = 1, 50 do assert(p:apply(direct) == "new") end
        print(p:stats().forks == forks)]], "oldoldold\tnew\tnew\tnew\ntrue" },

    { "what the script added to the standard library meanwhile", [[
        local p <close> = pool.new(2)
        local before = p:map(function(x) return x end, { 1, 2 })
        function string.shout(s) return s:upper() .. "!" end
        function table.first(t) return t[1] end
        print(p:apply(function(s) return s:shout() end, "hey"), p:apply(function(t) return table.first(t) end, { 5 }))]],
        "HEY!\t5" },

    { "io.stdout by another name", [[
        local out = io.stdout
        print(pool.apply(function() return io.type(out), out == io.stdout end))]], "file\ttrue" },

    { "an open file", [[
        local file = io.tmpfile()
        print(pool.apply(function() return io.type(file) end))]], "file" },

    { "a coroutine", [[
        local co = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)
        print(pool.map(function() return co() end, { n = 1 })[1], co())]], "1\t1" },

    { "varargs bound by a closure", [[
        local function bind(f, ...)
            local args = table.pack(...)
            return function(x) return f(x, table.unpack(args, 1, args.n)) end
        end
        print(pool.apply(bind(function(...) return select("#", ...) end, nil, nil), 1))]], "3" },

    { "a function made by load", [[
        local f = load "local x = ... return x * 2"
        print(pool.map(f, { 21 })[1])]], "42" },

    { "a function that uses load, _G and _ENV", [[
        answer = 42
        print(pool.apply(function() return load("return answer")(), _G.answer, _ENV["ans" .. "wer"] end))]],
        "42\t42\t42" },

    { "its own environment", [[
        local function make() local _ENV = { x = 5, tostring = tostring } return function() return tostring(x) end end
        print(pool.apply(make()))]], "5" },

    { "a value captured by metatables with __index functions", [[
        local t = setmetatable({}, { __index = function(_, k) return k .. "?" end })
        print(pool.apply(function() return t.what end))]], "what?" },

    { "strings' methods that the script added", [[
        function string.shout(s) return s:upper() .. "!" end
        print(pool.apply(function(s) return s:shout() end, "hey"))]], "HEY!" },

    { "deeply nested captures", [[
        local t = {}
        local at = t
        for i = 1, 5000 do at.next = { i = i } at = at.next end
        print(pool.apply(function()
            local n, at = 0, t
            while at.next do n, at = n + 1, at.next end
            return n
        end))]], "5000" },
}

describe("a task function sees", function()
    for _, case in ipairs(cases) do
        it(case[1], function()
            helpers.each_interpreter(function(by)
                assert.are.equal(case[3] .. "\n", helpers.output(case[2], by))
            end)
        end)
    end
end)

describe("what a task changes", function()
    it("stays in its worker: the host and the next job see the host's values", function()
        assert.are.equal("1 x 0|1 x 0|1 x 0\nmine\tnil\n", helpers.output([[
            local p <close> = pool.new(1)
            count, word, list = 1, "x", {}
            local function f()
                local seen = count .. " " .. word .. " " .. #list
                count, word = count + 100, "changed"
                list[#list + 1] = 1
                own_of_worker = "set"
                return seen
            end
            local a, b, c = p:apply(f), p:apply(f), p:apply(f)
            print(a .. "|" .. b .. "|" .. c)
            count = "mine"
            print(count, own_of_worker) ]]))
    end)

    it("to a global that the host does not have is the worker's own, and stays", function()
        assert.are.equal("1 2 3\n", helpers.output([[
            local p <close> = pool.new(1)
            local function f()
                calls = (calls or 0) + 1
                return calls
            end
            print(p:apply(f) .. " " .. p:apply(f) .. " " .. p:apply(f)) ]]))
    end)

    it("in init is there for every task", function()
        assert.are.equal("db1 db1 db1\n", helpers.output([[
            local p <close> = pool.new { workers = 1, init = function() db = { name = "db1" } end }
            local function f() return db.name end
            print(table.concat(p:map(f, { 1, 2, 3 }), " ")) ]]))
    end)
end)

describe("jobs under way at the same time", function()
    it("each see the globals of their own submission", function()
        assert.are.equal("a1 b2 c3 a1 b2 c3\n", helpers.output([[
            local p <close> = pool.new(2)
            local futures = {}
            function describe_it() return letter .. digit end
            for round = 1, 2 do
                for i, word in ipairs { "a", "b", "c" } do
                    letter, digit = word, i
                    futures[#futures + 1] = p:apply_async(function() return describe_it() end)
                end
            end
            letter, digit = "wrong", 0
            local out = {}
            for i, future in ipairs(futures) do out[i] = future:get() end
            print(table.concat(out, " ")) ]]))
    end)
end)

describe("carry", function()
    it("ship refuses what cannot travel, naming the path, and the pool goes on", function()
        local output = helpers.output([[
            local p <close> = pool.new(1)
            local conn = io.tmpfile()
            local ok, message = pcall(p.apply, p:with { carry = "ship" }, function() return conn end)
            print(ok, message)
            print(p:apply(function(x) return x end, 5)) ]])
        assert.is_truthy(output:find("upvalue 'conn'", 1, true), output)
        assert.is_truthy(output:find("SCRIPT:3", 1, true), output)
        assert.is_truthy(output:find("userdata", 1, true), output)
        assert.is_truthy(output:find("5\n$"), output)
    end)

    it("of any kind gives the same results, and stats tell which it was", function()
        assert.are.equal("1 4 9 ship 1 0\n1 4 9 inherit 0 1\n1 4 9 auto 1 0\n", helpers.output([[
            for _, carry in ipairs { "ship", "inherit", "auto" } do
                local p <close> = pool.new { workers = 2, carry = carry }
                local results = p:map(function(x) return x * x end, { 1, 2, 3 })
                local carried = p:stats().carried
                print(table.concat(results, " ") .. " " .. carry .. " " .. carried.ship .. " " .. carried.inherit)
            end ]]))
    end)

    it("of repeated small jobs forks no worker anew", function()
        assert.are.equal("true\n", helpers.output([[
            local p <close> = pool.new(2)
            local by = 0
            for i = 1, 100 do
                by = i
                assert(p:apply(function(x) return x * by end, 2) == 2 * i)
            end
            print(p:stats().forks <= 2) ]]))
    end)

    it("of arrays inherits items that cannot be sent", function()
        assert.are.equal("thread file 3\n", helpers.output([[
            local items = { coroutine.create(print), io.tmpfile(), 3 }
            local results = pool.map(function(x) return io.type(x) or type(x) == "number" and x or type(x) end, items)
            print(table.concat(results, " ")) ]]))
    end)
end)
