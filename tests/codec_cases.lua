-- What codec_test runs in its host state: cases by name, samples for peers, and random values.
-- `codec` is described in codec_rig.h.

local codec = codec
local M = {cases = {}}

local function case(name, body)
    M.cases[#M.cases + 1] = {name, body}
end

local function same_number(a, b)
    if math.type(a) ~= math.type(b) then
        return false
    end
    if a ~= a then
        return b ~= b
    end
    return a == b and (a ~= 0 or 1 / a == 1 / b)
end

-- Equal in every way that a program can tell, sharing included; tables as keys
-- are told apart by what is in them.
local same

local function find_key(a, key, b, met)
    if type(key) ~= "table" then
        return key
    end
    for other in pairs(b) do
        if type(other) == "table" and (met[key] == other or met[key] == nil and same(key, other, met)) then
            return other
        end
    end
end

local function same_table(a, b, met)
    if met[a] or met[b] then
        return met[a] == b and met[b] == a
    end
    met[a], met[b] = b, a
    local count = 0
    for key, value in next, a do
        local other = find_key(a, key, b, met)
        if other == nil or not same(value, rawget(b, other), met) then
            return false
        end
        count = count + 1
    end
    for _ in next, b do
        count = count - 1
    end
    return count == 0 and same(getmetatable(a), getmetatable(b), met)
end

function same(a, b, met)
    if type(a) ~= type(b) then
        return false
    elseif type(a) == "number" then
        return same_number(a, b)
    elseif type(a) == "table" then
        return same_table(a, b, met or {})
    end
    return a == b
end

local function trip(value)
    local back, message = codec.trip(value)
    assert(back ~= nil or value == nil, message)
    return back
end

local function survives(value)
    assert(same(value, trip(value)))
end

local function refuses(message, ...)
    local bytes, why, code = codec.bytes(...)
    assert(bytes == nil and why == message and code == -10010, why or "it was encoded")
end

local function job(f)
    local j, message = codec.job(f)
    assert(j, message)
    return j
end

-- Values.

case("scalars keep value and type", function()
    for _, value in ipairs {
        true, false, 0, 1, -1, 31, -32, -33, 127, 128, -128, -129, 255, 256, 32767, -32768, -32769, 65535,
        65536, 2 ^ 31 | 0, -2 ^ 31 | 0, 2 ^ 32 | 0, math.maxinteger, math.mininteger, 0.0, -0.0, 1.0, 1e300,
        2 ^ 53, 2 ^ 63, 5e-324, 0.1, 1 / 0, -1 / 0, 0 / 0, "", "a", "caf\xc3\xa9", "\xff\0\xfe", "a\0b",
        ("x"):rep(31), ("x"):rep(32), ("x"):rep(255), ("x"):rep(256), ("x"):rep(65535), ("x"):rep(65536),
    } do
        survives(value)
    end
    for size = 0, 70 do
        survives(("\xe2\x82\xac"):rep(size):sub(1, size))
        survives(("z"):rep(size) .. "\x80")
    end
end)

case("several values keep their number and their nils", function()
    assert(select("#", codec.trip()) == 0)
    assert(select("#", codec.trip(nil)) == 1)
    local t = table.pack(codec.trip(nil, 1, nil, {2}, nil, nil))
    assert(t.n == 6 and t[2] == 1 and t[4][1] == 2 and t[6] == nil)
    t = table.pack(codec.trip(table.unpack({}, 1, 70000)))
    assert(t.n == 70000)
    t = table.pack(codec.trip({}, table.unpack({[300] = "end"}, 1, 300)))
    assert(t.n == 301 and t[301] == "end" and #t[1] == 0)
end)

case("tables of every shape", function()
    for _, value in ipairs {
        {}, {1}, {1, 2, 3}, {1, nil, 3}, {nil, 2}, {[2] = 2}, {x = 1}, {1, x = 2}, {{}, {{}}}, {[1.5] = 1},
        {[true] = 1, [false] = 0}, {[-1] = 1, [0] = 2, 3}, {["1"] = "a", "b"}, {[{}] = {}}, {[{1}] = 2}, {[{1}] = {2}, [3] = {4}},
        {[math.mininteger] = 1, [math.maxinteger] = 2}, {["\xff"] = 1}, {{x = {1, {y = {2}}}}, {3}},
        {{1}, nil, {2}}, {{1}, x = {2}}, {1, 2, 3, {4}, nil, 6},
    } do
        survives(value)
    end
    for _, size in ipairs {14, 15, 16, 17, 255, 256, 65535, 65536, 70000} do
        local array, map = {}, {}
        for i = 1, size do
            array[i], map["k" .. i] = i, i
        end
        survives(array)
        survives(map)
    end
end)

case("array keys that lie in the hash in any order", function()
    for first = 1, 6 do
        for second = 1, 6 do
            local t = {x = 0}
            t[first], t[second] = {first}, second
            for i = 6, 1, -1 do
                t[i] = t[i] or i
            end
            survives(t)
            t.x = nil
            survives(t)
        end
    end
end)

case("nested holes cost no more than their size", function()
    local t = {1, nil, 3}
    for _ = 1, 2000 do
        t = {t, nil, {}, x = 1}
    end
    local r, depth = trip(t), 0
    while r.x do
        r, depth = r[1], depth + 1
    end
    assert(depth == 2000 and r[3] == 3)
end)

case("sharing and cycles", function()
    local shared, t = {1}, {}
    t.a, t.b, t.self, t[shared] = shared, shared, t, t
    survives(t)
    local r = trip(t)
    assert(r.a == r.b and r.self == r)
    local x, y = codec.trip(t, shared)
    assert(x.a == y)
    local list = {}
    for i = 1, 70000 do
        list[i] = {i}
    end
    list[70001] = list[70000]
    list[70002] = list[200]
    r = trip(list)
    assert(r[70001] == r[70000] and r[70002] == r[200] and r[1] ~= r[2])
end)

case("deep nesting arrives or is refused in words", function()
    local t = {}
    local innermost = t
    for _ = 1, 100000 do
        innermost[1] = {}
        innermost = innermost[1]
    end
    local r, depth = trip(t), 0
    while r[1] do
        r, depth = r[1], depth + 1
    end
    assert(depth == 100000)
    for _ = 1, 150000 do
        innermost.x = {}
        innermost = innermost.x
    end
    local bytes, message, code = codec.bytes(t)
    assert(bytes == nil and message == "value nested too deeply" and code == -10009)
    local map = {}
    for _ = 1, 20000 do
        map = setmetatable({next = map, [{}] = 1}, {})
    end
    r, depth = trip(map), 0
    while r.next do
        r, depth = r.next, depth + 1
    end
    assert(depth == 20000)
    bytes, message = codec.decode("\x91" .. ("\x91"):rep(250000) .. "\xc0")
    assert(bytes == nil and message == "value nested too deeply")
end)

case("a string of 100 MB", function()
    local big = ("0123456789"):rep(10 * 1024 * 1024)
    local back = codec.decode(codec.bytes(big))
    assert(back == big)
end)

case("what is plain is plain MessagePack", function()
    local function hex(...)
        return (codec.bytes(...):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
    end
    assert(hex() == "90")
    assert(hex(nil, true, false) == "93c0c3c2")
    assert(hex(1, 1.0) == "9201cb3ff0000000000000")
    assert(hex("a\xff", "a") == "92c402" .. "61ff" .. "a161")
    assert(hex({1, {}}, {a = -1}) == "92" .. "920190" .. "81a161ff")
    local t = {}
    assert(hex(t, t) == "c90000000501" .. "9290d40200")
end)

-- What cannot travel.

case("what cannot travel is named with its path", function()
    local file <close> = assert(io.tmpfile())
    local thread = coroutine.create(print)
    refuses("userdata (FILE*)", file)
    refuses('field "conn": userdata (FILE*)', {conn = file})
    refuses("[3].x: thread", {1, 2, {x = thread}})
    refuses('field "a"["b c"][1.5][true]: thread', {a = {["b c"] = {[1.5] = {[true] = thread}}}})
    refuses("[2][-1]: thread", {1, {[-1] = thread}})
    refuses("value 3, [1]: thread", 1, {}, {thread})
    refuses("key: thread", {[thread] = 1})
    refuses('field "t", key, [1]: thread', {t = {[{thread}] = 1}})
    refuses("[1]: C function that no loaded module has", {string.gmatch("", "")})
    local function uses() return file end
    local line = debug.getinfo(uses, "S").linedefined
    local where = ("<%s:%d>"):format(debug.getinfo(uses, "S").short_src, line)
    refuses("upvalue 'file' of function " .. where .. ": userdata (FILE*)", uses)
    refuses('field "f", upvalue \'file\' of function ' .. where .. ": userdata (FILE*)", {f = uses})
    refuses('metatable, field "__index"[1]: thread', setmetatable({}, {__index = {thread}}))
    refuses('metatable, field "x": thread', setmetatable({}, {x = thread}))
end)

case("the path of a deep place shows its ends", function()
    local t = {coroutine.create(print)}
    for _ = 1, 1000 do
        t = {t}
    end
    local _, message = codec.bytes({a = t})
    assert(message:find('^field "a"%[1%]') and message:find("%.%.%.") and message:find("%]: thread$"))
    assert(#message < 200)
end)

case("a failure leaves the encoder as good as before", function()
    local bad = {{{coroutine.create(print)}}}
    for _ = 1, 3 do
        assert(codec.bytes(bad) == nil)
        survives({1, {2}})
    end
end)

-- Functions.

case("functions keep code and upvalues", function()
    local n, t = 5, {1, 2}
    local function vararg(...) return select("#", ...), n, #t, ... end
    local f = trip(vararg)
    local a, b, c, d, e = f(nil, nil)
    assert(a == 2 and b == 5 and c == 2 and d == nil and e == nil)
    local function factorial(i) return i <= 1 and 1 or i * factorial(i - 1) end
    assert(trip(factorial)(20) == factorial(20))
    local even, odd
    function even(i) return i == 0 or odd(i - 1) end
    function odd(i) return i ~= 0 and even(i - 1) end
    assert(trip(even)(10) and not trip(odd)(10))
    local object = {n = 1, add = function(self, i) self.n = self.n + i return self.n end}
    assert(trip(object):add(2) == 3 and object.n == 1)
end)

case("closures that share an upvalue still share it", function()
    local n = 0
    local pair = {up = function() n = n + 1 return n end, get = function() return n end}
    local r = trip(pair)
    assert(r.up() == 1 and r.up() == 2 and r.get() == 2 and n == 0)
    local nested = {function() return pair.up, pair.get end, function() return n end}
    r = trip(nested)
    local up, get = r[1]()
    up()
    assert(get() == 1 and r[2]() == 1)
    local apart = {trip(pair.up), trip(pair.get)}
    apart[1]()
    assert(apart[2]() == 0)
end)

case("functions of functions and their globals", function()
    local function outer(x) return function(y) return math.max(x, y) end end
    assert(trip(outer)(3)(2) == 3)
    assert(trip(outer(9))(2) == 9)
    local many = {}
    for i = 1, 300 do
        many[i] = function() return i end
    end
    local r = trip(many)
    assert(r[1]() == 1 and r[300]() == 300)
end)

case("an environment of one's own is an upvalue like any other", function()
    local function with_env()
        local _ENV = {x = 7}
        return function() return x end
    end
    assert(trip(with_env())() == 7)
    assert(job(with_env())() == 7)
    local f = load("return x", "=c", "t", {x = 8})
    assert(trip(f)() == 8 and job(f)() == 8)
end)

case("the standard library travels by name", function()
    assert(trip(print) == print and trip(string.format) == string.format and trip(io.stdout) == io.stdout)
    assert(trip(string) == string and trip(getmetatable("")) == getmetatable(""))
    assert(trip(package.loaded) == package.loaded and trip(_G) == _G and trip(package.searchers) == package.searchers)
    local a, b = table.unpack(trip({print, print}))
    assert(a == print and b == print)
    local message = select(2, codec.decode("\x91\xc7\x04\x0anope"))
    assert(message == "nothing standard is called 'nope' here")
end)

case("modules travel by name", function()
    local Class = setmetatable({}, {__call = function(class, x) return setmetatable({x = x}, class) end})
    Class.__index = Class
    local Hidden = {__index = {twice = function(self) return 2 * self.x end}}
    local geometry = {Class = Class, area = function(x) return x * x end, state = {1}}
    function geometry.hide(x) return setmetatable({x = x}, Hidden) end
    package.loaded.geometry = geometry
    codec.far [[
        local Hidden = {__index = {twice = function(self) return 20 * self.x end}}
        package.preload.geometry = function()
            return {Class = {far = true}, area = function() return "far" end, state = {far = true},
                    hide = function(x) return setmetatable({x = x}, Hidden) end}
        end
    ]]
    assert(trip(geometry.area) == geometry.area and trip(geometry) == geometry)
    assert(trip({geometry.state})[1] == geometry.state)
    assert(getmetatable(trip(Class(3))) == Class)
    assert(getmetatable(trip(geometry.hide(3))) == Hidden)
    local j = job(function(c, h) return geometry.area(2), geometry.Class.far, h:twice(), getmetatable(c).far, h end)
    local area, far, twice, class, hidden = j(Class(1), geometry.hide(1))
    assert(area == "far" and far and twice == 20 and class and hidden:twice() == 2)
    local _, modules = j:info()
    assert(modules.geometry and next(modules, "geometry") == nil)
    package.loaded.geometry = nil
    survives(getmetatable(trip(Class(3))) ~= Class)
    package.loaded.elsewhere = {f = function() end}
    local message = select(2, codec.job(function() return package.loaded.elsewhere end)) or "carried"
    assert(message == "carried")
    local elsewhere = package.loaded.elsewhere
    message = select(2, codec.job(function() return elsewhere end))
    assert(message:find("module 'elsewhere' cannot be loaded here: ", 1, true), message)
    package.loaded.elsewhere = nil
end)

case("a module's field that changed is not taken for the old one", function()
    local module = {f = function() return 1 end}
    package.loaded.changing = module
    codec.far("package.loaded.changing = {f = function() end}")
    local old = module.f
    assert(trip(old) == old)
    module.f = function() return 2 end
    assert(trip(old) ~= old and trip(old)() == 1)
    package.loaded.changing = nil
end)

-- Jobs: globals.

case("globals that a function names go with it, and theirs", function()
    factor, unused = 3, io.tmpfile()
    function scale(x) return x * factor end
    function helper(x) return scale(x) + math.floor(1.5) end
    local j = job(function(x) return helper(x), print ~= nil, unknown end)
    local a, b, c = j(2)
    assert(a == 7 and b == true and c == nil)
    assert(codec.far("return helper, factor") == nil)
    local k = job(function(x) factor = factor + x return scale(1) end)
    assert(k(1) == 4 and k(1) == 5 and factor == 3)
    factor = 10
    assert(job(function() return scale(1) end)() == 10 and k(1) == 6)
    unused:close()
    factor, unused, scale, helper = nil, nil, nil, nil
end)

case("a carried global that a task clears stays cleared", function()
    thing = 5
    codec.far("thing = 'inherited'")
    local j = job(function(clear) if clear then thing = nil end return thing end)
    assert(j(false) == 5 and j(true) == nil and j(false) == nil)
    thing = nil
    codec.far("thing = nil")
end)

case("what the host has not is the worker's own", function()
    codec.far("stale = 'from the host' early = 1")
    codec.snapshot()
    codec.far("db = {open = true} early = 2")
    local j = job(function() return db.open, stale, early end)
    local open, old, replaced = j()
    assert(open == true and old == nil and replaced == 2)
    j = job(function(x) made = x return made end)
    assert(j(4) == 4 and codec.far("return made") == 4)
    codec.far("stale, early, db, made = nil")
end)

case("strict globals of the worker are honoured", function()
    codec.far [[setmetatable(_G, {__index = function(_, name) error("undefined " .. name, 0) end})]]
    local j = job(function() return undefined_name end)
    local result, message = j()
    assert(result == nil and message == "undefined undefined_name")
    codec.far("setmetatable(_G, nil)")
end)

case("a job whose globals cannot be told is called dynamic", function()
    local function dynamic(f) return (job(f):info()) end
    value_of = 1
    assert(not dynamic(function() return value_of + #arg end))
    assert(dynamic(function(name) return _G[name] end))
    assert(dynamic(function(name) return _ENV[name] end))
    assert(dynamic(function(s) return load(s)() end))
    assert(dynamic(function() return function() local e = _ENV return e end end))
    assert(not dynamic(function() local load = 1 return load end))
    assert(job(function() local e = _ENV return e.value_of end)() == 1)
    assert(job(function() return _G.value_of end)() == 1)
    local wide = {"local t = {"}
    for i = 1, 300 do
        wide[#wide + 1] = ("'k%d', "):format(i)
    end
    wide[#wide + 1] = "} return value_of"
    assert(job(assert(load(table.concat(wide))))() == 1)
    value_of = nil
end)

case("globals of functions among the arguments arrive too", function()
    late = 11
    local j = job(function(f, x) return f(x) end)
    assert(j(function(x) return late + x end, 1) == 12)
    assert(j(function(x) return late + x + 1 end, 1) == 13)
    late_class = {__index = {get = function() return late end}}
    assert(j(function() return setmetatable({}, late_class):get() end) == 11)
    late, late_class = nil, nil
end)

case("the same function gives the same carrier", function()
    local Point = {}
    Point.__index = Point
    local function f(x) return setmetatable({x = x}, Point), tostring(x) end
    local j = job(f)
    local bytes, space = j:again(f)
    assert(bytes and space)
    Point.more = true
    assert(not j:again(f))
    local function make()
        local P = {}
        P.__index = P
        return function() return P end
    end
    j = job(make())
    bytes, space = j:again(make())
    assert(bytes and not space)
end)

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

case("a class that cannot travel leaves the space usable", function()
    local j = job(function(...) return ... end)
    local Bad = {__index = {coroutine.create(print)}}
    local Good = {__index = {1}}
    local result, message = j({setmetatable({}, Good), {x = setmetatable({}, Bad)}})
    assert(result == nil and message == '[2].x, metatable, field "__index"[1]: thread', message)
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
    assert(R.__index == R and getmetatable(R.origin) == R and getmetatable(R.list[1]) == R and R.origin[1] == 0)
    survives({M, setmetatable({}, M)})
    local A, B = {}, {}
    setmetatable(A, B)
    setmetatable(B, A)
    survives(setmetatable({}, A))
    survives(setmetatable({1, 2, 3}, {__metatable = "locked"}) ~= nil)
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
    local closed = codec.far("local n = 0 do local x <close> = setmetatable({}, {__close = function() n = 1 end}) end return n")
    assert(closed == 1)
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
    refuses("[1], value of __luas_pack 2, [1]: thread",
            {packing(function() return 1, {coroutine.create(print)} end, id)})
    local self
    self = packing(function() return {self} end, id)
    refuses("value of __luas_pack 1, [1]: refers to an object that is still being packed", self)
    local _, message = codec.trip(packing(function() return 1 end, function() error("no", 0) end))
    assert(message == "__luas_unpack: no", message)
    _, message = codec.trip(packing(function() return 1 end, function() end))
    assert(message == "__luas_unpack returned nil")
    local many = packing(function() return table.unpack({}, 1, 5000) end, function(...) return {select("#", ...)} end)
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
    for i = 1, 1000000 do
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

-- Hostile messages.

local function malformed(bytes, why)
    local result, message, code = codec.decode(bytes)
    assert(result == nil and code == -10002, ("accepted: %q"):format(bytes))
    assert(message:find(why, 1, true), message)
end

case("malformed messages are refused with a reason", function()
    malformed("", "not an array")
    malformed("\xc0", "not an array")
    malformed("\x91", "more elements than bytes")
    malformed("\x90\xc0", "bytes left over")
    malformed("\x91\xc0\xc0", "bytes left over")
    malformed("\x91\xc1", "no MessagePack")
    malformed("\x91\x92\x01", "more elements than bytes")
    malformed("\x91\x81\x01", "more elements than bytes")
    malformed("\x91\x81\xc0\x01", "nil or NaN as a key")
    malformed("\x91\x81\xcb\x7f\xf8\0\0\0\0\0\0\x01", "nil or NaN as a key")
    malformed("\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "integer above 2^63 - 1")
    malformed("\x91\xd4\x7f\0", "unknown extension type")
    malformed("\x91\xd4\xff\0", "unknown extension type")
    malformed("\x91\xd4\x02\0", "reference outside a shared message")
    malformed("\xc7\x04\x01\x91\xd4\x02\x05", "reference to what is not there")
    malformed("\xc7\x05\x01\x91\xd8\x02\0\0", "no MessagePack")
    malformed("\x91\xd4\x08\0", "reference to a space, but there is none")
    malformed("\x91\xc7\x03\x02\0\0\0", "number of another size")
    malformed("\x91\xd4\x03\x90", "ends too early")
    malformed("\x91\xc7\x02\x03\xc0\xc0", "object that is no table")
    malformed("\x91\xc7\x02\x03\x90\xc0", "metatable that is no table")
    malformed("\x91\xc7\x03\x03\x90\x90\xc0", "extension of another length")
    malformed("\x91\xc7\x02\x04\xc0\x90", "packed object without an array")
    malformed("\x91\xc7\x03\x05\x01\x02\x03", "function without bytecode")
    malformed("\x91\xc7\x03\x05\xc4\x01\x1b", "bytecode that this Lua did not write")
    malformed("\x91\xd4\x06\0", "unknown extension type")
    malformed("\x91\xc7\x01\x09\x01", "malformed name")
    malformed("\x91\xdf\xff\xff\xff\xff", "more elements than bytes")
    malformed("\x91\xdd\xff\xff\xff\xff", "more elements than bytes")
    malformed("\xdd\xff\xff\xff\xff", "more elements than bytes")
    malformed("\x91\xdb\xff\xff\xff\xff", "no MessagePack")
    assert(same(table.pack(codec.decode("\x92\xca\x3f\xc0\0\0\xd3\0\0\0\0\0\0\0\1")), {1.5, 1, n = 2}))
end)

case("without trust there is no code and no name", function()
    for _, bytes in ipairs {codec.bytes(function() end), codec.bytes(print), codec.bytes(_G), codec.bytes({string})} do
        local result, message = codec.decode(bytes, nil, true)
        assert(result == nil and message:find("not trusted", 1, true), message)
    end
    assert(same(codec.decode(codec.bytes({1, {x = 2}}), nil, true), {1, {x = 2}}))
end)

case("bytecode of another Lua is refused", function()
    local bytes = codec.bytes(function() return 1 end)
    local at = bytes:find("\27Lua", 1, true)
    for i, byte in ipairs {[5] = 0x53, [6] = 1, [7] = 0, [13] = 8, [14] = 4, [15] = 4, [16] = 0} do
        malformed(bytes:sub(1, at + i - 2) .. string.char(byte) .. bytes:sub(at + i), "this Lua did not write")
    end
    for i = 5, 31 do
        local changed = bytes:byte(at + i - 1) ~ 1
        malformed(bytes:sub(1, at + i - 2) .. string.char(changed) .. bytes:sub(at + i), "this Lua did not write")
    end
end)

-- Random values.

local function random_string()
    local kind, size = math.random(4), math.random(0, 40)
    if kind == 1 then
        return ("x"):rep(size)
    elseif kind == 2 then
        return utf8.char(math.random(0x10ffff & 0xd7ff), math.random(0x10000, 0x10ffff))
    end
    local bytes = {}
    for i = 1, size do
        bytes[i] = string.char(math.random(0, 255))
    end
    return table.concat(bytes)
end

local function random_number()
    local kind = math.random(6)
    if kind == 1 then
        return math.random(-200, 200)
    elseif kind == 2 then
        return math.random(0) >> math.random(0, 63)
    elseif kind == 3 then
        return -(math.random(0) >> math.random(0, 63))
    elseif kind == 4 then
        return string.unpack("d", string.pack("j", math.random(0)))
    elseif kind == 5 then
        return (math.random(-5, 5) + 0.0) / 2
    end
    return ({0.0, -0.0, 1 / 0, -1 / 0, 0 / 0, math.mininteger, math.maxinteger, 1.0, 2 ^ 53})[math.random(9)]
end

local random_value

local function random_key(made, depth)
    local kind = math.random(10)
    if kind <= 4 then
        return "k" .. math.random(20)
    elseif kind <= 6 then
        return math.random(-2, 10)
    elseif kind == 7 then
        return math.random(2) == 1
    elseif kind == 8 then
        return random_string()
    elseif kind == 9 and depth < 2 and not made.keyed then
        made.keyed = true
        return random_value(made, 4)
    end
    local number = random_number()
    return number == number and number or 0
end

local function random_table(made, depth)
    local t, size = {}, math.random(0, depth < 3 and 6 or 2)
    made[#made + 1] = t
    for i = 1, math.random(2) == 1 and size or 0 do
        t[i] = random_value(made, depth + 1)
    end
    for _ = 1, math.random(3) == 1 and size or 0 do
        local key = random_key(made, depth)
        t[key == nil and 1 or key ~= key and 2 or key] = random_value(made, depth + 1)
    end
    if math.random(20) == 1 then
        setmetatable(t, {class = #made, __newindex = made[math.random(#made)]})
    end
    return t
end

function random_value(made, depth)
    local kind = math.random(depth > 5 and 8 or 14)
    if kind <= 2 then
        return random_number()
    elseif kind <= 4 then
        return random_string()
    elseif kind == 5 then
        return math.random(2) == 1
    elseif kind == 6 then
        return nil
    elseif kind <= 8 and #made > 0 then
        return made[math.random(#made)]
    end
    return random_table(made, depth)
end

--- Sends `count` random values there and back.
---@param seed integer
---@param count integer
function M.properties(seed, count)
    math.randomseed(seed)
    for i = 1, count do
        local value = random_value({}, 0)
        local back, message = codec.trip(value)
        if back == nil and value ~= nil or not same(value, back) then
            error(("value %d of seed %d is not the same: %s"):format(i, seed, message), 0)
        end
    end
end

M.same = same

-- Samples that tests/msgpack_peer.py knows: chunks that return the values of one message.
M.samples = {
    function() return nil, true, false end,
    function() return 0, 1, 127, 128, 255, 256, 65535, 65536, 2 ^ 32 - 1 | 0, 2 ^ 32 | 0, math.maxinteger end,
    function() return -1, -32, -33, -128, -129, -32768, -32769, -2 ^ 31 | 0, -2 ^ 31 - 1 | 0, math.mininteger end,
    function() return 0.0, -0.0, 1.0, 0.1, 1e300, 1 / 0, -1 / 0, 0 / 0 end,
    function() return "", "abc", "caf\xc3\xa9", ("x"):rep(40), ("y"):rep(300), ("z"):rep(70000) end,
    function() return "\xff", ("\xfe"):rep(300), "\xed\xa0\x80", "\xc0\x80", ("\x80"):rep(70000) end,
    function() return {}, {1, 2, 3}, {{1}, {2}}, {a = 1}, {[1.5] = true}, {[-1] = "x"} end,
    function()
        local list, map = {}, {}
        for i = 1, 70000 do
            list[i], map[i * 2] = i, {i}
        end
        return list, map
    end,
    function() local t = {} return t, t end,
}

return M
