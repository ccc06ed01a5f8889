-- Functions as people write them: scripts, each with what it prints. They
-- have the locals luas, pool and process. Where workers must not be forked for
-- the job, so that they have the modules that they began with, `shipped` is
-- what is printed instead, or `ship` a part of the message.

---@type { [1]: string, [2]: string, [3]: string, ship: string?, shipped: string? }[]
return {
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
        print(first, p:apply(f, 1))]], "1\t2", shipped = "1\t1" },

    { "a table in a module changed after the workers were started", [[
        package.preload.conf = function() return { a = { b = { c = 1 } }, list = { {} } } end
        local conf = require "conf"
        conf.self = conf
        local p <close> = pool.new(1)
        local f = function() return conf.a.b.c .. #conf.list[1] end
        local out = { p:apply(f) }
        conf.a.b.c = 2
        out[2] = p:apply(f)
        table.insert(conf.list[1], "x")
        print(out[1], out[2], p:apply(f))]], "10\t20\t21", shipped = "10\t10\t10" },

    { "a module with many tables changed after the workers were started", [[
        package.preload.data = function()
            local rows = {}
            for i = 1, 100 do rows[i] = { i } end
            return { rows = rows, version = 1 }
        end
        local data = require "data"
        local p <close> = pool.new(1)
        local f = function() return data.version + #data.rows end
        local first = p:apply(f)
        data.version = 2
        print(first, p:apply(f))]], "101\t102", shipped = "101\t101" },

    { "a module's function redefined after the workers were started", [[
        package.preload.mymod = function() return { f = function() return "old" end } end
        local mymod = require "mymod"
        local p <close> = pool.new(2)
        local direct, by_name = function() return mymod.f() end, function() return require("mymod").f() end
        local before = p:apply(mymod.f) .. p:apply(direct) .. p:apply(by_name)
        function mymod.f() return "new" end
        print(before, p:apply(mymod.f), p:apply(direct), p:apply(by_name))]], "oldoldold\tnew\tnew\tnew",
        shipped = "oldoldold\tnew\told\told" },

    { "what the script added to the standard library meanwhile", [[
        local p <close> = pool.new(2)
        local before = p:map(function(x) return x end, { 1, 2 })
        function string.shout(s) return s:upper() .. "!" end
        function table.first(t) return t[1] end
        print(p:apply(function(s) return s:shout() end, "hey"), p:apply(function(t) return table.first(t) end, { 5 }))]],
        "HEY!\t5", ship = "attempt to call a nil value (method 'shout')" },

    { "io.stdout by another name", [[
        local out = io.stdout
        print(pool.apply(function() return io.type(out), out == io.stdout end))]], "file\ttrue" },

    { "an open file", [[
        local file = io.tmpfile()
        print(pool.apply(function() return io.type(file) end))]], "file",
        ship = "upvalue 'file'" },

    { "a coroutine", [[
        local co = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)
        print(pool.map(function() return co() end, { n = 1 })[1], co())]], "1\t1",
        ship = "upvalue 'co'" },

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

    { "mutually recursive globals", [[
        function ping(n) return n == 0 and "ping" or pong(n - 1) end
        function pong(n) return n == 0 and "pong" or ping(n - 1) end
        print(pool.apply(ping, 3), pool.apply(pong, 3))]], "pong\tping" },

    { "its varargs, nils and all", [[
        local function count(...) return select("#", ...), (select(-1, ...)) end
        print(pool.apply(count, nil, 2, nil, 4))]], "4\t4" },

    { "functions inside tables, which see each other", [[
        local ops = { fold = {} }
        function ops.add(a, b) return a + b end
        function ops.fold.sum(t) local n = 0 for _, x in ipairs(t) do n = ops.add(n, x) end return n end
        print(pool.apply(ops.fold.sum, { 1, 2, 3 }), pool.apply(function() return ops.fold.sum { 4, 5 } end))]],
        "6\t9" },

    { "closures in a table that share an upvalue, as arguments too", [[
        local function counter()
            local n = 0
            return { up = function() n = n + 1 return n end, get = function() return n end }
        end
        local c = counter()
        c.up()
        print(pool.apply(function() c.up() return c.get() end),
              pool.apply(function(d) d.up() d.up() return d.get() end, c), c.get())]], "2\t3\t1" },

    { "the table that it captured among its inputs", [[
        local RED, GREEN, NULL = {}, {}, setmetatable({}, { __tostring = function() return "null" end })
        BLUE = {}
        local function name(x)
            return x.color == RED and "red" or x.color == GREEN and "green" or x.color == BLUE and "blue"
                or x.color == NULL and "null" or "?"
        end
        local items = { { color = RED }, { color = GREEN }, { color = BLUE }, { color = NULL }, { color = {} } }
        print(table.concat(pool.map(name, items), " "), pool.apply(function(x) return x == RED end, RED))]],
        "red green blue null ?\ttrue" },

    { "an upvalue that it shares with a function among its inputs", [[
        local n, log = 0, {}
        local function add(x) n = n + x log[#log + 1] = x end
        local function task(item) item.f(2) item.f(3) return n .. ":" .. #log end
        print(pool.map(task, { { f = add } })[1], pool.apply(task, { f = add }), n, #log)]], "5:2\t5:2\t0\t0" },

    { "an upvalue that it shares with the methods of its inputs", [[
        local made, closed = 0, 0
        local Thing = { __close = function() closed = closed + 1 end }
        Thing.__index = Thing
        function Thing:copy() made = made + 1 return setmetatable({}, Thing) end
        local function task(thing)
            do local copy <close> = thing:copy():copy() end
            return made .. " " .. closed
        end
        print(pool.map(task, { setmetatable({}, Thing) })[1], pool.apply(task, setmetatable({}, Thing)))]],
        "2 1\t2 1" },

    { "loop variables, of which each closure has its own", [[
        local fs = {}
        for i = 1, 3 do fs[i] = function() i = i * 10 return i end end
        print(pool.apply(function() return fs[1](), fs[1](), fs[2](), fs[3]() end))]], "10\t100\t20\t30" },

    { "globals of the functions nested in it", [[
        unit = "km"
        function label(n) return n .. unit end
        local function outer(n)
            local function middle() return (function() return label(n) end)() end
            return middle()
        end
        print(pool.map(outer, { 5 })[1])]], "5km" },

    { "another function's environment, shared by two", [[
        local env = { n = 1 }
        local function make() local _ENV = env return function() n = n + 1 end, function() return n end end
        local up, get = make()
        print(pool.apply(function() up() up() return get() end), env.n)]], "3\t1" },

    { "an environment that falls back on the globals", [[
        base = 40
        local env = setmetatable({ own = 2 }, { __index = _G })
        local f = load("return own + base, tostring(own)", "chunk", "t", env)
        print(pool.apply(f))]], "42\t2" },

    { "a coroutine that the task makes", [[
        local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i) end end) end
        print(pool.apply(function(n) local s = 0 for x in gen(n) do s = s + x end return s end, 4))]], "30" },

    { "goto, integer division, bit operators and attributes", [[
        local function f(n)
            local k <const>, steps = 3, 0
            ::again::
            n, steps = n // 2, steps + 1
            if n > k then goto again end
            do local c <close> = setmetatable({}, { __close = function() steps = steps | 64 end }) end
            return n, steps, 7 // 2.0, ~0 >> 60, 1 << 4 ~ 3
        end
        print(pool.apply(f, 100))]], "3\t69\t3.0\t15\t19" },

    { "a method of an object that it captured, and what that inherits", [[
        local Base = {} Base.__index = Base
        function Base:name() return "base of " .. self.id end
        local Derived = setmetatable({}, { __index = Base }) Derived.__index = Derived
        function Derived:both() return self:name() .. ", derived" end
        local object = setmetatable({ id = 7 }, Derived)
        print(pool.apply(function() return object:both() end), pool.apply(object.both, object))]],
        "base of 7, derived\tbase of 7, derived" },

    { "C functions and modules' functions as upvalues", [[
        package.preload.m = function() return { sub = { f = function(x) return x .. "." end } } end
        local upper, m, concat = string.upper, require "m", table.concat
        print(pool.apply(function(s) return m.sub.f(upper(s)) .. concat { 1, 2 } end, "a"))]], "A.12" },

    { "a function redefined by the task itself", [[
        function greet() return "old" end
        local function task()
            local before = greet()
            function greet() return "new" end
            return before .. greet()
        end
        local p <close> = pool.new(1)
        print(p:apply(task), p:apply(task), greet())]], "oldnew\toldnew\told" },

    { "a debug-stripped function", [[
        local add = 4
        local f = load(string.dump(function(x) return x + 1 end, true))
        print(pool.apply(function(x) return f(x) + add end, 1))]], "6" },

    { "a C function that has no name", [[
        local iterate = string.gmatch("a b", "%a")
        print(pool.apply(function() return iterate() end), iterate())]], "a\ta",
        ship = "upvalue 'iterate'" },
}
