-- Classes with __luas_pack and __luas_unpack that refer to objects of their own: constants, registries,
-- upvalues of methods. The fields of a table come in another order in each process, so several
-- processes do the same.

local helpers = require("tests.support.helpers")

local PROCESSES <const> = 4

-- Runs the script in several processes, by both interpreters in turn. Each has to print this.
local function always(expected, text)
    local names = {}
    helpers.each_interpreter(function(name) names[#names + 1] = name end)
    for i = 1, PROCESSES do assert.are.equal(expected, helpers.output(text, names[i % #names + 1])) end
end

-- Makes classes; `shapes` has functions that return a class, an object of it, and whether there may
-- be only one such object. The workers are older than all of these.
local SHAPES = [[
    pool.apply(function() end)
    local function class(parent)
        local C = setmetatable({}, parent)
        C.__index = C
        function C.new(x) return setmetatable({ x = x }, C) end
        function C.__luas_pack(v) return v.x end
        function C.__luas_unpack(x) return C.new(x) end
        return C
    end
    -- A class whose objects are unique, in this table.
    local function interned(C, known)
        function C.new(x)
            known[x] = known[x] or setmetatable({ x = x }, C)
            return known[x]
        end
        return C, known
    end
    local shapes = {}
    function shapes.constant()
        local C = class()
        C.ZERO = C.new(0)
        return C, C.ZERO
    end
    function shapes.upvalue_of_methods()
        local C = class()
        local one = C.new(1)
        for i = 1, 8 do C["method" .. i] = function(v) return v.x + one.x + i end end
        return C, one
    end
    function shapes.registry()
        local C, known = interned(class(), {})
        C.known = known
        function C.__luas_unpack(x) return assert(known[x], "unknown") end
        return C, C.new "red", true
    end
    function shapes.weak_registry()
        local C = interned(class(), setmetatable({}, { __mode = "v" }))
        function C.__luas_unpack(x) return C.new(x) end
        return C, C.new "red", true
    end
    function shapes.global_registry()
        local C = class()
        known = {}
        interned(C, known)
        function C.__luas_unpack(x) return assert(known[x], "unknown") end
        return C, C.new "blue", true
    end
    function shapes.two_classes()
        local A, B = class(), class()
        A.of_b, B.of_a = B.new(2), A.new(1)
        function A.sum(v) return v.x + A.of_b.x + B.of_a.x end
        return A, B.of_a
    end
    function shapes.subclass()
        local Base = class()
        local C = class(Base)
        Base.default, C.parent = C.new(5), Base.new(4)
        return C, Base.default
    end
    function shapes.key()
        local C = class()
        local red = C.new "red"
        C.names = { [red] = "red" }
        function C.check() return C.names[red] == "red" and C.names end
        return C, red
    end
    function shapes.packs_as_another()
        local C = class()
        C.ZERO = C.new(0)
        function C.__luas_pack(v) if v ~= C.ZERO then return v.x, C.ZERO end end
        function C.__luas_unpack(x, zero) return zero and C.new(x) or C.ZERO end
        return C, C.new(7)
    end
    function shapes.not_packable()
        local C = class()
        function C.new(x) return setmetatable({ x = x, thread = coroutine.create(print) }, C) end
        C.default = C.new(3)
        return C, C.default
    end
]]

describe("a class that packs its objects, and refers to some", function()
    it("has them in tasks, whichever way they go", function()
        always("done\n", SHAPES .. [[
            local function check(C, v, unique)
                local function is(o) return getmetatable(o) == C and o.x == v.x and (o == v or not unique) end
                local function back(o) return getmetatable(o) == C and o end
                assert(is(pool.apply(back, v)), "argument")
                local r = pool.map(back, { v, v, v })
                assert(is(r[1]) and is(r[3]), "items")
                local n = 0
                r = pool.map(back, function() n = n + 1 return n < 3 and v or nil end)
                assert(is(r[1]) and is(r[2]), "source")
                assert(is(pool.apply(function() return getmetatable(v) == C and v end)), "upvalue")
                assert(is(pool.apply(function() return C.__luas_unpack(v.x, true) end)), "result")
                local _, o = pcall(pool.apply, function() error(v) end)
                assert(is(o.value), "raised")
                assert(is(pool.with { carry = "inherit" }:apply(back, v)), "inherited")
                assert(not C.check or pool.apply(function() return C.check()[v] end) == "red", "key")
            end
            for name, make in pairs(shapes) do
                local ok, message = pcall(check, make())
                if not ok then print(name, message) end
            end
            print "done" ]])
    end)

    it("finds its constants where they come from a source, several to a task", function()
        always("done\n", [[
            local function colors()
                local Color = {}
                Color.__index = Color
                Color.__luas_pack = function(c) return c.name end
                Color.__luas_unpack = function(n) return Color[n] end
                function Color.is(c) return Color[c.name] == c end
                for _, n in ipairs { "red", "green" } do Color[n] = setmetatable({ name = n }, Color) end
                return Color.red, Color.green
            end
            -- Each class has a constant, and the next class.
            local function ring(count)
                local classes = {}
                for i = 1, count do
                    local C = {}
                    C.__index, classes[i] = C, C
                    local one = setmetatable({ name = i }, C)
                    C.one = function() return one end
                    C.following = function() return classes[i % count + 1].one() end
                    C.is = function(o) return o == one and o:following():following():following().name == one.name end
                    C.__luas_pack, C.__luas_unpack = function(o) return { o.name } end, C.one
                end
                return classes[1].one(), classes[count].one()
            end
            local function two()
                local A, B = {}, {}
                A.__index, B.__index = A, B
                A.one, B.one = setmetatable({}, A), setmetatable({}, B)
                function A.other() return B.one end
                function B.other() return A.one end
                function A.is(o) return o:other():other() == o end
                B.is = A.is
                A.__luas_pack, A.__luas_unpack = function() return 1 end, function() return A.one end
                B.__luas_pack, B.__luas_unpack = function() return 1 end, function() return B.one end
                return A.one, B.one
            end
            local function is(a, b)
                if type(a) == "table" and a[1] then a, b = a[1], a[2] end
                return a:is() and b:is()
            end
            local function once(...)
                local given = table.pack(...)
                return function()
                    local now = given
                    given = {}
                    return table.unpack(now, 1, now.n)
                end
            end
            local ways = {
                apply = function(p, a, b) return p:apply(is, a, b) end,
                async = function(p, a, b) return p:apply_async(is, { a, b }):get() end,
                map = function(p, a, b) return p:map(is, { { a, b }, { b, a } })[2] end,
                source = function(p, a, b) return p:map(is, once(a, b))[1] end,
                each_in_one_table = function(p, a, b) return p:starmap(is, once { a, b })[1] end,
                imap = function(p, a, b) for _, v in p:imap(is, once(a, b)) do return v end end,
                reduce = function(p, a, b) return p:reduce(is, once({ a, b }), rawequal) end,
                pairs = function(p, a, b) return p:map(is, pool.iter(next, { [a] = b }))[1] end,
            }
            local pools = { pool.new(0), pool.new(1), pool.new { workers = 1, carry = "inherit" },
                            pool.new { workers = 1, start = "zygote" } }
            for name, go in pairs(ways) do
                for i, p in ipairs(pools) do
                    for _, make in ipairs { colors, two, function() return ring(1) end, function() return ring(3) end } do
                        local ok, o = pcall(go, p, make())
                        if not (ok and o) then print(name, i, type(o) == "table" and o.message or o) end
                    end
                end
            end
            print "done" ]])
    end)

    it("goes with an object that has no space in which the class is known", function()
        always("done\n", SHAPES .. [[
            shapes.not_packable, shapes.global_registry = nil, nil
            local q, t, a, b = shared.queue(), shared.table(), process.pipe()
            for name, make in pairs(shapes) do
                local _, v = make()
                q:put(v)
                t:set("v", v)
                a:send({ v, v })
                local from = { q:get(), t:get "v", table.unpack(b:recv()) }
                for i, o in ipairs(from) do
                    if #from < 4 or o.x ~= v.x or not getmetatable(o).__luas_unpack then print(name, i) end
                end
                if getmetatable(from[3]) ~= getmetatable(from[4]) then print(name, "two classes") end
            end
            print "done" ]])
    end)

    it("is shipped, unless such an object cannot travel", function()
        always("2 1\n", SHAPES .. [[
            local p <close> = pool.new(1)
            p:apply(function() end)
            for _, name in ipairs { "registry", "constant", "not_packable" } do
                local C, v = shapes[name]()
                p:apply(function() return C, v.x end)
            end
            local carried = p:stats().carried
            print(carried.ship - 1 .. " " .. carried.inherit) ]])
    end)
end)

describe("an object that packs itself, in a function's upvalue", function()
    it("is made with the globals of the call", function()
        always("7 true true old\n", [[
            function make(x) return setmetatable({ x = x, from = from }, Point) end
            Point, from = {}, "old"
            pool.apply(function() end)
            Point = { __luas_pack = function(p) return p.x end, __luas_unpack = function(x) return make(x) end }
            local origin = make(7)
            local holds = { origin, [origin] = origin }
            print(pool.apply(function()
                return ("%d %s %s %s"):format(origin.x, getmetatable(origin) == Point,
                    holds[1] == origin and holds[origin] == origin and next(holds, next(holds, 1)) == nil, origin.from)
            end)) ]])
    end)

    it("fails its tasks if its class cannot make it", function()
        always("oops attempt to yield across a C-call boundary 3\n", [[
            local function failing(unpack)
                local v = setmetatable({}, { __luas_pack = function() return 1 end, __luas_unpack = unpack })
                local ok, o = pcall(pool.apply, function() return v end)
                assert(not ok and o.kind == "error")
                return o.message:match "__luas_unpack: (.*)"
            end
            print(failing(function() error("oops", 0) end) .. " " .. failing(coroutine.yield) .. " " .. pool.apply(math.abs, -3)) ]])
    end)
end)
