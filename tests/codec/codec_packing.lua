-- Cases: classes that pack themselves and reach objects of their own. What __luas_unpack may use is
-- there when it is called, in whatever order the fields of the class come.

local codec = codec
local support = require "codec_support"
local case, refuses, job, trip = support.case, support.refuses, support.job, support.trip

-- Calls `body` with classes whose fields come in many orders.
local function orders(body)
    for extra = 0, codec.slow and 8 or 24 do
        body(function()
            local C = {}
            for i = 1, extra do C["extra" .. extra .. i] = i end
            C.__index = C
            C.new = function(x) return setmetatable({x = x}, C) end
            C.__luas_pack = function(v) return v.x end
            C.__luas_unpack = function(x) return C.new(x) end
            return C
        end)
    end
end

case("a class reaches objects of its own", function()
    orders(function(class)
        local C = class()
        C.ZERO, C.list = C.new(0), {C.new(1), C.new(2)}
        local one = C.new(3)
        for i = 1, 5 do C["method" .. i] = function(v) return v.x + one.x + C.list[2].x end end
        local free = C.new(4)
        local j = job(function(v)
            assert(getmetatable(C.ZERO) == C and getmetatable(one) == C and free ~= one)
            return v, free, v:method3() + free:method1(), v == C.ZERO
        end)
        local v, f, sum, same = j(C.ZERO)
        assert(v.x == 0 and f.x == 4 and sum == 14 and same and getmetatable(v) == C and getmetatable(f) == C)
        local a, b = codec.trip(C.ZERO, {C, C.new(7)})
        local A = getmetatable(a)
        assert(A ~= C and b[1] == A and A.ZERO == a and getmetatable(b[2]) == A and b[2]:method1() == 12)
    end)
end)

case("a class finds its objects in a registry", function()
    orders(function(class)
        local C = class()
        C.known = {}
        C.__luas_unpack = function(x) return assert(C.known[x], "unknown") end
        for _, name in ipairs {"red", "green", "blue"} do C.known[name] = C.new(name) end
        local known, red = C.known, C.known.red
        local j = job(function(v, same) return v == (same and known.red or C.known.blue), red, v, {[v] = v} end)
        local is, r, v, map = j(red, true)
        assert(is and r == red and v == red and map[red] == red)
        is, r, v = j(known.blue)
        assert(is and r == red and v == known.blue)
        local back = trip({red, known.blue, {red}})
        assert(back[1] == back[3][1] and getmetatable(back[1]).known.red == back[1])
        assert(getmetatable(back[1]).__luas_unpack("blue") == back[2])
    end)
end)

case("two classes reach objects of each other", function()
    orders(function(class)
        local A, B = class(), class()
        A.of_b, B.of_a = B.new(2), A.new(1)
        A.sum = function(v) return v.x + A.of_b.x + B.of_a.x end
        local free = {A.new(10), B.new(20)}
        local j = job(function(v) return v:sum() + free[1]:sum(), free[1], free[2], B.of_a end)
        local sum, a, b, of_a = j(A.new(5))
        assert(sum == 21 and getmetatable(a) == A and getmetatable(b) == B and b.x == 20 and getmetatable(of_a) == A)
    end)
end)

case("an object is made once the globals are there that its class uses", function()
    orders(function(class)
        local C = class()
        NamedClass, known_by_name = C, {}
        function C.__luas_unpack(x)
            return known_by_name[x] or NamedClass.new(x)
        end
        known_by_name.one = C.new("one")
        local free = C.new(2)
        local holds = {free, [free] = free, key = {free}}
        local j = job(function()
            assert(getmetatable(free) == NamedClass and known_by_name.one.x == "one" and known_by_name.two == nil)
            return free, holds[1] == free and holds[free] == free and holds.key[1] == free, next(holds.key, 1), holds
        end)
        local f, same, rest, back = j()
        assert(getmetatable(f) == C and f.x == 2 and same and rest == nil)
        local count = 0
        for key, value in next, back do
            count = count + ((key == 1 or key == "key" or key == value) and 1 or 5)
        end
        assert(count == 3)
    end)
    NamedClass, known_by_name = nil, nil
end)

case("what stands in for an object is nowhere to be seen", function()
    local made = 0
    local Node = {}
    function Node.__luas_pack(n) return n.inner, {n.inner, [n.inner or 1] = 1} end
    function Node.__luas_unpack(inner, list)
        assert(rawequal(list[1], inner) and (inner == nil or getmetatable(inner) == Node and list[inner] == 1))
        return setmetatable({inner = inner, n = tostring(inner and inner.n)}, Node)
    end
    local chain = setmetatable({}, Node)
    for _ = 1, 5 do chain = setmetatable({inner = chain}, Node) end
    local function holder() return chain end
    local object = setmetatable({}, setmetatable({name = "class", inner = nil}, Node))
    local Callable = {__luas_pack = function(c) return c.by end}
    function Callable.__luas_unpack(by) return setmetatable({by = by}, Callable) end
    function Callable.__call(c, x) return holder() == chain and chain.inner.inner.n == "nil" and x * c.by, made end
    local j = job(function(x)
        local depth, at = 0, chain
        while at do
            assert(getmetatable(at) == Node)
            depth, at = depth + 1, at.inner
        end
        return depth, holder() == chain, getmetatable(getmetatable(object)) == Node, x
    end)
    local depth, same, class, x = j(3)
    assert(depth == 6 and same and class and x == 3)
    j = job(setmetatable({by = 4}, Callable))
    local product = j(5)
    assert(product == false or product == 20, product)
end)

case("an object that a class reaches, and that cannot travel, is named", function()
    local C = {}
    C.__luas_pack = function() return 1 end
    C.__luas_unpack = function() return setmetatable({}, C) end
    C.default = setmetatable({thread = coroutine.create(print)}, C)
    local _, message = codec.job(function() return C.default end)
    assert(message:find('field "default".thread: a coroutine cannot be sent', 1, true), message)
    refuses('field "thread": a coroutine cannot be sent', C.default)
end)
