-- Cases: metatables, classes that pack themselves, and jobs that are inherited.

local codec = codec
local support = require "codec_support"
local case, same, trip = support.case, support.same, support.trip
local survives, refuses, job = support.survives, support.refuses, support.job

-- Jobs: classes.

case("a class is the host's own when it comes back", function()
    local Point = {}
    Point.__index = Point
    Point.__eq = function(a, b) return a.x == b.x end
    function Point.new(x) return setmetatable({x = x}, Point) end
    function Point:move(by) return Point.new(self.x + by) end
    local j = job(function(p, by)
        assert(getmetatable(p) == Point)
        return p:move(by), {Point.new(1)}, p
    end)
    local moved, list, p = j(Point.new(1), 2)
    assert(getmetatable(moved) == Point and moved.x == 3 and moved == Point.new(3))
    assert(getmetatable(list[1]) == Point and getmetatable(p) == Point)
    GlobalPoint = Point
    j = job(function(x) return GlobalPoint.new(x), GlobalPoint end)
    local made, class = j(5)
    assert(getmetatable(made) == Point and class == Point)
    GlobalPoint = nil
end)

case("classes that only arguments have are defined on the way", function()
    local Base = {__index = {kind = function() return "base" end}}
    local Derived = setmetatable({}, Base)
    Derived.__index = function(_, key) return Derived[key] end
    local j = job(function(a, b) return a, b, getmetatable(a) == getmetatable(b), a:kind(), {a} end)
    local object = setmetatable({}, Derived)
    local a, b, equal, kind, list = j(object, setmetatable({1}, Derived))
    assert(getmetatable(a) == Derived and getmetatable(b) == Derived and equal and kind == "base")
    assert(list[1] == a and a ~= object)
    local again = j(object, object)
    assert(getmetatable(again) == Derived)
    j = job(function(...) return ... end)
    for i = 1, 300 do
        local Class = {__index = {i = i}}
        local result, message = j(setmetatable({}, Class), setmetatable({}, Class))
        assert(getmetatable(result) == Class, message)
    end
end)

case("a class refers to itself while it is defined for an object that is being packed", function()
    for before = 0, 8 do
        local Pair, list, j = {}, {}, job(function(...) return ... end)
        function Pair.__luas_pack(p) return p.a end
        function Pair.__luas_unpack(a) return setmetatable({a = a}, Pair) end
        for i = 1, before do
            list[i] = {}
        end
        list.pair = setmetatable({a = before}, Pair)
        local result, message = j(list)
        assert(result and result.pair.a == before and getmetatable(result.pair) == Pair, message)
    end
end)

case("a class that cannot travel leaves the space usable", function()
    local j = job(function(...) return ... end)
    local Bad = {__index = {coroutine.create(print)}}
    local Good = {__index = {1}}
    local result, message = j({setmetatable({}, Good), {x = setmetatable({}, Bad)}})
    assert(result == nil and message == '[2].x, metatable, field "__index"[1]: a coroutine cannot be sent', message)
    result = j(setmetatable({}, Good))
    assert(getmetatable(result) == Good and result[1] == 1)
    result, message = j(function() return Bad end)
    assert(result == nil and message:find("upvalue 'Bad' of function", 1, true), message)
    result = j(setmetatable({}, Good))
    assert(getmetatable(result) == Good)
end)

case("functions among arguments and results see the same class", function()
    local Point = {__index = {}}
    local j = job(function(f) local p = f() return p, function() return setmetatable({}, Point) end end)
    local p, make = j(function() return setmetatable({}, Point) end)
    assert(getmetatable(p) == Point and getmetatable(make()) == Point)
end)

case("metatables by value, with themselves and cycles", function()
    local t = {}
    survives(setmetatable(t, t))
    local M = {}
    M.__index, M.origin, M.list = M, setmetatable({0}, M), {setmetatable({1}, M)}
    local r = trip(setmetatable({}, M))
    local R = getmetatable(r)
    assert(R.__index == R and getmetatable(R.origin) == R and getmetatable(R.list[1]) == R)
    assert(R.origin[1] == 0)
    survives({M, setmetatable({}, M)})
    local A, B = {}, {}
    setmetatable(A, B)
    setmetatable(B, A)
    survives(setmetatable({}, A))
    local locked = trip(setmetatable({}, {__metatable = "locked"}))
    assert(getmetatable(locked) == "locked")
    local guarded = trip(setmetatable({x = 1}, {__newindex = function() error("called") end}))
    assert(guarded.x == 1)
end)

case("__gc and __close of what arrives are honoured", function()
    local calls = {}
    function count_gc(what) calls[what] = (calls[what] or 0) + 1 end
    do
        local back = trip(setmetatable({}, {__gc = function() count_gc("near") end}))
        assert(back)
    end
    collectgarbage()
    assert(calls.near >= 1)
    local M = {}
    M.__gc = function(self) count_gc(self.name) end
    M.sample = setmetatable({name = "inner"}, M)
    local back = trip(setmetatable({name = "outer"}, M))
    local inner = getmetatable(back).sample
    M.sample, back, inner = nil, nil, inner and nil
    M.__gc = nil
    collectgarbage()
    collectgarbage()
    assert(calls.outer == 1 and calls.inner == 1)
    local j = job(function(c) do local x <close> = c end return c.closed end)
    assert(j(setmetatable({}, {__close = function(self) self.closed = true end})) == true)
    count_gc = nil
end)

case("a class may say how it travels", function()
    local Set = {}
    Set.__index = Set
    function Set.__luas_pack(set)
        local list = {}
        for key in pairs(set.has) do
            list[#list + 1] = key
        end
        return #list, list, nil
    end
    function Set.__luas_unpack(n, list, last)
        local set = Set.new()
        for i = 1, n do
            set.has[list[i]] = true
        end
        assert(last == nil)
        set.cache = "made"
        return set
    end
    function Set.new() return setmetatable({has = {}, cache = coroutine.create(print)}, Set) end
    Set.empty = Set.new()
    local s = Set.new()
    s.has.a = true
    local j = job(function(x, y) return x.has.a, x.cache, x == y, x, Set.empty, getmetatable(x) == Set end)
    s.cache = coroutine.create(print)
    local a, cache, equal, back, empty, class = j(s, s)
    assert(a and cache == "made" and equal and class)
    assert(getmetatable(back) == Set and back.has.a and empty.cache == "made")
    local one, two = codec.trip({s, s}, s)
    assert(one[1] == one[2] and one[1] == two)
end)

case("what goes wrong in packing is said", function()
    local function packing(pack, unpack)
        return setmetatable({}, {__luas_pack = pack, __luas_unpack = unpack})
    end
    local function id(...) return ... end
    refuses('field "x": its class has __luas_pack but no __luas_unpack', {x = packing(id)})
    refuses("[1]: __luas_pack: oops", {packing(function() error("oops", 0) end, id)})
    refuses("[1], value of __luas_pack 2, [1]: a coroutine cannot be sent",
            {packing(function() return 1, {coroutine.create(print)} end, id)})
    local self
    self = packing(function() return {self} end, id)
    refuses("value of __luas_pack 1, [1]: refers to an object that is still being packed", self)
    local _, message = codec.trip(packing(function() return 1 end, function() error("no", 0) end))
    assert(message == "__luas_unpack: no", message)
    _, message = codec.trip(packing(function() return 1 end, function() end))
    assert(message == "__luas_unpack returned nil")
    local many = packing(function() return table.unpack({}, 1, 5000) end,
                         function(...) return {select("#", ...)} end)
    assert(trip(many)[1] == 5000)
end)

case("packing may use the codec itself, and change what is packed", function()
    local inner = {1, {2}, {x = 3}}
    local M = {__luas_unpack = function(s) return {s} end}
    M.__luas_pack = function() return (_G.codec.bytes(inner, {inner})) end
    local a, b = codec.trip({setmetatable({}, M), setmetatable({}, M)}, {inner, inner})
    assert(same(codec.decode(a[1][1]), inner) and a[1] ~= a[2] and b[1] == b[2])
    local t = {}
    for i = 1, 20 do
        t[i] = setmetatable({}, {__luas_unpack = function() return 1 end, __luas_pack = function()
            for k = 1, 20 do
                t[k] = nil
            end
            for k = 100, 300 do
                t[k] = k
            end
        end})
    end
    local bytes, message, code = codec.bytes(t)
    assert(bytes == nil and message and code < 0)
    survives({1, {2}})
end)

case("userdata of a registered type travels by its class", function()
    local file = assert(io.tmpfile())
    local M = debug.getmetatable(file)
    M.__luas_pack = function(f) return f:seek("end") end
    M.__luas_unpack = function(size) return {size = size} end
    codec.far("getmetatable(io.stdout).__luas_unpack = function(size) return {size = size} end")
    file:write("12345")
    assert(trip(file).size == 5)
    assert(trip({file, file})[1].size == 5)
    assert(job(function(f) return f.size end)(file) == 5)
    M.__luas_pack, M.__luas_unpack = nil, nil
    file:close()
end)

-- Inheriting.

case("a survey finds the classes of a job", function()
    local Point, Deep, Unseen = {}, {__index = {}}, {__index = {}}
    Point.__index = Point
    SurveyedClass = {__name = "Surveyed"}
    local object = setmetatable({}, Deep)
    local list = {a = {b = {c = object}}}
    local big = {}
    for i = 1, codec.slow and 100000 or 1000000 do
        big[i] = i
    end
    local function f() return Point, list, big, SurveyedClass, string.format, print end
    local send, classes = codec.inherit(function() return f() end)
    assert(classes == 3, classes)
    for _, class in ipairs {Point, Deep, SurveyedClass} do
        assert(getmetatable(send(setmetatable({}, class))) == class)
    end
    local other = getmetatable(send(setmetatable({}, Unseen)))
    assert(other ~= Unseen and other.__index)
    SurveyedClass = nil
end)
