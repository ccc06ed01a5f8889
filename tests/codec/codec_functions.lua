-- Cases: functions, names, and the globals of jobs.

local codec = codec
local support = require "codec_support"
local case, same, trip, job = support.case, support.same, support.trip, support.job

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
    assert(trip(package.loaded) == package.loaded and trip(_G) == _G)
    assert(trip(package.searchers) == package.searchers)
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
    local j = job(function(c, h)
        return geometry.area(2), geometry.Class.far, h:twice(), getmetatable(c).far, h
    end)
    local area, far, twice, class, hidden = j(Class(1), geometry.hide(1))
    assert(area == "far" and far and twice == 20 and class and hidden:twice() == 2)
    local _, modules = j:info()
    assert(modules.geometry and next(modules, "geometry") == nil)
    package.loaded.geometry = nil
    assert(getmetatable(trip(Class(3))) ~= Class)
    package.loaded.elsewhere = {f = function() end}
    assert(codec.job(function() return package.loaded.elsewhere end))
    local elsewhere = package.loaded.elsewhere
    local message = select(2, codec.job(function() return elsewhere end))
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

case("what had a name that leads elsewhere now has its other one", function()
    local module, secret = {}, coroutine.create(print)
    local class = {__index = {}}
    for i = 1, 20 do
        local function f() return secret end
        module["f" .. i], class["f" .. i] = f, f
        module["g" .. i] = function() return class end -- its methods may be named first
    end
    package.loaded["a module of this case"] = module
    assert(codec.bytes(module.g1))
    class = nil
    for i = 1, 20 do
        local f, bytes = module["f" .. i], codec.bytes({function() end, module["f" .. i]})
        assert(bytes and codec.decode(bytes)[2] == f)
        class = {__index = {}, ["f" .. i] = f}
        package.loaded["another one"] = {}
        assert(codec.bytes(module.g2))
        package.loaded["another one"], class = nil, nil
    end
    package.loaded["a module of this case"] = nil
end)

case("a small table of scalars that has a name or a number goes by it", function()
    local settings, captured = {depth = 3}, {1, 2}
    package.loaded.settings = settings
    codec.far("package.loaded.settings = {depth = 3}")
    local job = codec.job(function(t) return t == captured or t == require "settings" end)
    assert(job(settings) and job(captured) and not job({1, 2}))
    package.loaded.settings = nil
    codec.far("package.loaded.settings = nil")
end)

case("globals that are scalars only are the globals all the same", function()
    local registry, globals = debug.getregistry(), 2
    local before, few = registry[globals], {answer = 42}
    registry[globals] = few
    trip({{}}) -- the encoder looks at what is known when it meets more than a small table
    local kept = trip(few) == few
    registry[globals] = before
    trip({{}})
    assert(kept)
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

case("functions that are defined one after the other share their upvalues", function()
    local n = 0
    local First, Second = {__index = {}}, {__index = {}}
    function First.__index.up() n = n + 1 return n end
    function Second.__index.get() return n end
    function late() n = n + 100 return n end
    local j = job(function(a, b, f)
        n = n + 10
        return a.up(), b.get(), f and f()
    end)
    local a, b = setmetatable({}, First), setmetatable({}, Second)
    assert(same(table.pack(j(a, b)), {11, 11, n = 3}))
    assert(same(table.pack(j(a, b, function() return late() end)), {22, 22, 122, n = 3}))
    assert(n == 0)
    late = nil
end)

case("an upvalue that the function defined with it has no more is not shared", function()
    local a, b = 1, 2
    local function set(x) a = x end
    local function get() return a end
    local function other() return b end
    local j = job(function(f) set(5) return f() end)
    assert(j(get) == 5)
    debug.upvaluejoin(set, 1, other, 1)
    assert(j(get) == 1)
end)

case("an input that the job's function captured is the same object", function()
    local t, later = {1}, {}
    local f = function() return t end
    local j = job(function(x, y, g, h) return x == t, x == y.t, g == f, h == f, g() == x, #x end)
    assert(same(table.pack(j(t, {t = t}, f, later)), {true, true, true, false, true, 1, n = 6}))
end)

case("a job's function can be carried on, with the globals that it was sent", function()
    carried, overwritten = 1, 2
    function step() return carried + overwritten end
    local j = job(function(x)
        if x then overwritten = x end
        return step(), math.type(1), nowhere
    end)
    assert(j(10) == 11)
    carried, overwritten, step = nil, nil, nil
    local sum, kind, missing = assert(j:onward())()
    assert(sum == 11 and kind == "integer" and missing == nil)
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
