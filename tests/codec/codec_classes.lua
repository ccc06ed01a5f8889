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
    local empty_set = Set.new()
    local s = Set.new()
    s.has.a = true
    local j = job(function(x, y) return x.has.a, x.cache, x == y, x, empty_set, getmetatable(x) == Set end)
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
    local self = packing(function(o) return {o} end, id)
    refuses("value of __luas_pack 1, [1]: refers to an object that is still being packed", self)
    local _, message = codec.trip(packing(function() return 1 end, function() error("no", 0) end))
    assert(message == "__luas_unpack: no", message)
    _, message = codec.trip(packing(function() return 1 end, function() end))
    assert(message == "__luas_unpack returned nil")
    local many = packing(function() return table.unpack({}, 1, 5000) end,
                         function(...) return {select("#", ...)} end)
    assert(trip(many)[1] == 5000)
end)

case("packing may use the codec itself", function()
    local inner = {1, {2}, {x = 3}}
    local M = {__luas_unpack = function(s) return {s} end}
    M.__luas_pack = function() return (_G.codec.bytes(inner, {inner})) end
    local a, b = codec.trip({setmetatable({}, M), setmetatable({}, M)}, {inner, inner})
    assert(same(codec.decode(a[1][1]), inner) and a[1] ~= a[2] and b[1] == b[2])
end)

-- Packing that changes what is packed.

-- An object that calls `change` when it is packed, and arrives as what that returned. Its class
-- does not refer to `change`, so it reaches nothing of what is sent.
changes_when_packed = setmetatable({}, {__mode = "k"})

local function changing(change)
    local object = setmetatable({}, {
        __luas_pack = function(o) return changes_when_packed[o](o) end,
        __luas_unpack = function(...) return {...} end,
    })
    changes_when_packed[object] = change
    return object
end

-- What the values are at the other end of one message.
local function sent(...)
    return codec.decode(assert(codec.bytes(...)))
end

case("packing may take the class away from the object, or give it another one", function()
    local Point, Other = {}, {}
    function Point.__luas_pack(p) return setmetatable(p, p.next).x end
    function Point.__luas_unpack(x) return setmetatable({x = x}, Point) end
    function Other.__luas_pack() error("of the other class") end
    function Other.__luas_unpack() error("of the other class") end
    local j = job(function(...) return ... end)
    for _, class in ipairs {false, Other} do
        local p = setmetatable({x = 5, next = class or nil}, Point)
        local back, message = j(p)
        assert(back and back.x == 5 and getmetatable(back) == Point, message)
        p = setmetatable({x = 6, next = class or nil}, Point)
        back, message = j({p, {p}})
        assert(back and back[1].x == 6 and back[2][1] == back[1], message)
    end
    local object = setmetatable({}, {name = "before"})
    object[1] = changing(function() setmetatable(object, nil) end)
    assert(getmetatable(sent(object)).name == "before")
    local file = assert(io.tmpfile())
    local File = debug.getmetatable(file)
    function File.__luas_pack(f) return f:seek("end"), debug.setmetatable(f, nil) and nil end
    function File.__luas_unpack(size) return {size = size} end
    local arrived = sent({file})
    debug.setmetatable(file, File)
    File.__luas_pack, File.__luas_unpack = nil, nil
    assert(arrived[1].size == 0 and file:close())
end)

case("packing may change the tables that are being written: they arrive as they were", function()
    local changes = {
        function(t) for key in next, t do t[key] = nil end end,
        function(t) for i = 1, 200 do t["new" .. i] = i end end,
        function(t) for i = 1, 200 do t[#t + 1] = i end end,
        function(t) for key in next, t do t[key] = "changed" end end,
        function(t)
            for key in next, t do t[key] = nil end
            for i = 1, 200 do t[-i] = i end
        end,
    }
    for _, change in ipairs(changes) do
        for at = 1, 12 do
            local list, map, inner, keyed = {}, {}, {}, {}
            for i = 1, 12 do
                list[i], map["key" .. i], inner[i], keyed["key" .. i] = i, i, {i}, i
            end
            list[at], map.inner, inner[at] = map, inner, changing(function()
                change(list) change(map) change(inner)
                return at
            end)
            keyed[changing(function() change(keyed) end)] = true
            local l, k = sent(list, keyed)
            local m = l[at]
            assert(#l == 12 and #m.inner == 12 and l[at % 12 + 1] == at % 12 + 1)
            for i = 1, 12 do
                assert(m["key" .. i] == i and m.inner[i][1] == i and k["key" .. i] == i)
                m["key" .. i], k["key" .. i] = nil, nil
            end
            assert(next(m, "inner") == nil and next(k, next(k)) == nil)
        end
    end
end)

case("a table that is begun once its packed field has changed it arrives as it is then", function()
    local late = {1}
    local first = changing(function() late[1], late[2] = 2, {} return late end)
    local list, other = sent({first, late}, late)
    assert(list[1][1] == list[2] and list[2] == other and other[1] == 2 and #other == 2)
end)

case("packing may change the class that is being written", function()
    local Class = {__index = {}}
    function Class.__luas_unpack(...) return {class = ...} end
    function Class.__luas_pack()
        Class.__index, Class.more = nil, {}
        for i = 1, 100 do Class["method" .. i] = i end
        return 1
    end
    Class.sample = setmetatable({}, Class)
    local arrived = sent(setmetatable({}, Class), {Class})
    assert(arrived.class == 1)
    local j = job(function(...) return ... end)
    local back, message = j(setmetatable({}, Class), Class)
    assert(back.class == 1, message)
end)

case("packing may change a class whose method refers to what is packed", function()
    for at = 1, 20 do
        local Class = {__luas_unpack = function() return {} end}
        local packed = changing(function()
            for key in next, Class do Class[key] = nil end
            for i = 1, 100 do Class["new" .. i] = i end
            return at
        end)
        for i = 1, 20 do
            Class["table" .. i], Class["method" .. i] = {i}, function() return i end
        end
        Class["method" .. at] = function() return packed end
        local _, class = sent(changing(function() end), Class)
        for i = 1, 20 do
            local result = class["method" .. i]()
            assert(class["table" .. i][1] == i and (i == at and result[1] or result) == i)
        end
        assert(class.__luas_unpack and not class.new1)
    end
end)

case("what packing leaves to the collector is not mistaken for what it makes then", function()
    for _ = 1, codec.slow and 5 or 50 do
        local list = {}
        for i = 1, 100 do list[i] = {i} end
        list[101] = changing(function()
            for i = 1, 100 do list[i] = nil end
            collectgarbage()
            local made = {}
            for i = 1, 300 do made[i] = {-i} end
            return made
        end)
        local arrived = sent(list)
        for i = 1, 300 do
            assert(arrived[101][1][i][1] == -i)
        end
    end
end)

case("an upvalue that packing takes from a function is not mistaken for another one", function()
    local function holder(value) return function() return value end end
    for round = 1, codec.slow and 5 or 50 do
        local functions, others = {}, {}
        collectgarbage() -- so that there is not much else to be freed
        for i = 1, 20 do functions[i] = holder(i) end
        for i = 1, 50 do others[i] = holder(-i) end
        functions[21] = changing(function()
            for i = 1, 20 do debug.upvaluejoin(functions[i], 1, holder(0), 1) end
            collectgarbage()
            local new, old = {}, others
            for i = 1, 50 do new[i] = holder(-i) end
            if round % 2 == 0 then old, new = new, old end
            for i = 1, 50 do debug.upvaluejoin(new[i], 1, old[i], 1) end
            package.loaded["kept for this case"] = old -- where it does not travel
            return new
        end)
        local arrived, message = codec.bytes(functions)
        arrived = arrived and codec.decode(arrived)
        assert(arrived or message:find("a function changed while it was encoded", 1, true), message)
        for i = 1, arrived and 50 or 0 do
            assert(arrived[21][1][i]() == -i)
        end
    end
    package.loaded["kept for this case"] = nil
end)

case("whatever packing and unpacking raise is told as text, with the place", function()
    local function raising(value)
        return {{x = changing(function() error(value, 0) end)}}
    end
    local failing = setmetatable({}, {__tostring = function() error({}) end})
    local speaking = setmetatable({}, {__tostring = function() return "said" end})
    refuses('[1].x: __luas_pack: (error object is a table value)', raising({}))
    refuses('[1].x: __luas_pack: (error object is a nil value)', raising(nil))
    refuses('[1].x: __luas_pack: said', raising(speaking))
    refuses('[1].x: __luas_pack: (error object is a table value, whose __tostring failed)', raising(failing))
    coroutine.wrap(function()
        refuses("[1]: __luas_pack: attempt to yield across a C-call boundary", {changing(coroutine.yield)})
    end)()
    local unpacking = setmetatable({}, {__luas_pack = function() end,
        __luas_unpack = function() error(setmetatable({}, {__tostring = function() error({}) end})) end})
    local arrived, message = codec.decode((codec.bytes(unpacking)))
    assert(arrived == nil and message
        == "__luas_unpack: (error object is a table value, whose __tostring failed)", message)
end)

case("a job cannot send anything while it packs something", function()
    local j, inner, message = job(function(...) return ... end), nil, nil
    local packing = {unpack = function(...) return {...} end}
    function packing.pack()
        inner, message = j({{}})
        return 1
    end
    package.loaded.packing = packing -- so that it goes by name
    codec.far("package.loaded.packing = {pack = print, unpack = function(...) return {...} end}")
    local back, why = j(setmetatable({}, {__luas_pack = packing.pack, __luas_unpack = packing.unpack}))
    package.loaded.packing = nil
    assert(back, why)
    assert(back[1] == 1 and inner == nil and message == "something else is being packed for this job", message)
    assert(j(1) == 1)
end)

case("no finalizer changes a table while it is read, be it sent, named or surveyed", function()
    local busy, target, message
    local function change()
        for key in next, target do target[key] = nil end
        for _ = 1, 100 do target["key" .. math.random(1000)] = {} end
    end
    local function arm()
        setmetatable({}, {__gc = function()
            if not busy then return end
            change()
            arm()
        end})
    end
    local pause, speed = collectgarbage("setpause", 0), collectgarbage("setstepmul", 1000)
    for i = 1, codec.slow and 20 or 200 do
        target = {}
        change()
        busy = true
        arm()
        local f = function() return target end
        if i % 3 == 0 then
            package.loaded["changing module"] = target
            message = select(2, codec.bytes(math.floor, {f}))
            package.loaded["changing module"] = nil
        elseif i % 3 == 1 then
            message = select(2, pcall(codec.inherit, f))
        else
            message = select(2, codec.bytes(setmetatable({target, {target}}, {name = target})))
        end
        busy = false
        if type(message) == "string" then break end
    end
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", speed)
    assert(type(message) ~= "string", message)
end)

case("names outlive a message inside a message that has no stack left to look for them", function()
    local module, depth, failures = {}, 0, 0
    local function new() return setmetatable({}, {__luas_pack = module.pack, __luas_unpack = module.unpack}) end
    local unsendable = coroutine.create(print)
    function module.named() return unsendable end
    function module.unpack(x) return {x} end
    function module.pack()
        depth = depth + 1
        package.loaded["met at depth " .. depth] = {}
        if depth < 200 and not codec.bytes({new(), module.named}) then failures = failures + 1 end
        return 1
    end
    package.loaded["a module of this case"] = module
    local function send_from(level)
        if level > 0 then return select(2, pcall(send_from, level - 1)) end
        return {codec.bytes({new(), module.named})}
    end
    for level = 0, 12 do
        local result = send_from(level)
        for i = 1, depth do package.loaded["met at depth " .. i] = nil end
        assert(result[1], result[2])
        assert(failures > level and depth > 20 and codec.decode(result[1])[2] == module.named)
        depth = 0
    end
    package.loaded["a module of this case"] = nil
end)

case("a debug hook that raises in the middle of a message leaves the job as it was", function()
    local n, failed = 0, 0
    local function raise_at(at)
        n = 0
        debug.sethook(function()
            n = n + 1
            if n == at then
                debug.sethook()
                error({})
            end
        end, "cr")
    end
    for at = 1, 40 do
        local Class, Packed = {__index = {}}, {__luas_unpack = function(...) return {...} end}
        function Packed.__luas_pack(o) return o[1], {} end
        local j = job(function(...) return ... end)
        local value = {setmetatable({at}, Class), setmetatable({at}, Packed), {math.floor}}
        for _ = 1, 2 do
            local ok, result, message = pcall(function()
                raise_at(at)
                local first, second = j(value)
                debug.sethook()
                return first, second
            end)
            if not ok or result == nil then
                failed = failed + 1
                assert(type(result) == "table" or type(message) == "string")
            end
            result, message = j(value)
            assert(result, message)
            assert(getmetatable(result[1]) == Class and result[2][1] == at and result[3][1] == math.floor)
        end
    end
    assert(failed > 10)
end)

case("objects that pack themselves as others, without an end, are too deep", function()
    local C = {__luas_unpack = print}
    function C.__luas_pack() return setmetatable({}, C) end
    local bytes, message
    if not codec.slow then
        bytes, message = codec.bytes(setmetatable({}, C))
        assert(bytes == nil and message == "value nested too deeply", message)
    end
    local list = {}
    list[1] = changing(function()
        list[#list + 1] = changing(getmetatable(list[1]).__luas_pack)
        return #list
    end)
    local arrived = sent(list)
    assert(#arrived == 1 and arrived[1][1] == 2)
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
