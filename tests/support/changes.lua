-- What a script can change after workers were forked. Run as a script; prints a line for each
-- change that a task sees otherwise than the script, and how many there were.
--
-- `module` is the text of a module M; `change` and `look` are texts that have M. What `look` gives
-- must be the same in the script, in a task that is shipped to the worker that was there, and in one
-- that is inherited. `forks`: the change cannot be sent. `undo` is text.

local pool = pool or require "luas".pool

local cases = {
    { "a field of a module", module = "return { level = 1 }", change = "M.level = 9", look = "return M.level", forks = true },
    { "a field of a table in a module", module = "return { of = { a = { b = 1 } } }", change = "M.of.a.b = 9",
        look = "return M.of.a.b", forks = true },
    { "a function of a module", module = "return {}", change = "function M.f() return 9 end", look = "return M.f()",
        forks = true },
    { "a local of a module", module = "local x = 1 return { set = function(v) x = v end, get = function() return x end }",
        change = "M.set(9)", look = "return M.get()" },
    { "a local that becomes nil", module = "local x = 1 return { set = function(v) x = v end, get = function() return x end }",
        change = "M.set(nil)", look = "return tostring(M.get())" },
    { "a local from 1 to 1.0", module = "local x = 1 return { set = function(v) x = v end, get = function() return x end }",
        change = "M.set(1.0)", look = "return math.type(M.get())" },
    { "a local that is a new string", module = "local x = 'a' return { set = function(v) x = v end, get = function() return x end }",
        change = "M.set(('x'):rep(100))", look = "return M.get()" },
    { "a local that several functions share",
        module = [[local x = 1 return { set = function(v) x = v end, a = function() return x end,
            b = function() x = 2 * x end }]],
        change = "M.set(9)", look = "M.set(M.a()) M.b() local twice = M.a() M.set(twice // 2) return twice" },
    { "a local of a local function", module = [[local x = 1 local function inner() return x end
            return { set = function(v) x = v end, get = function() return inner() end }]],
        change = "M.set(9)", look = "return M.get()" },
    { "a table in a local", module = "local t = { a = 1, old = 1 } return { t = function() return t end, get = function(k) return t[k] end }",
        change = "local t = M.t() t.a, t.b, t.old = 9, 8, nil", look = "return M.get 'a' .. M.get 'b' .. tostring(M.get 'old')" },
    { "a list in a local", module = "local t = { 1, 2, 3 } return { t = function() return t end, get = function() return table.concat(t, ' ') end }",
        change = "table.insert(M.t(), 4) table.remove(M.t(), 1)", look = "return M.get()" },
    { "a table in a table in a local", module = "local t = { a = { b = {} } } return { t = function() return t end, get = function() return t.a.b.c end }",
        change = "M.t().a.b.c = 9", look = "return M.get()" },
    { "another table in a local", module = "local t = {} return { set = function(v) t = v end, get = function() return t.a end }",
        change = "M.set { a = 9 }", look = "return M.get()" },
    { "a table in two locals", module = [[local a, b = {}, {} return { set = function(v) a, b = v, v end,
            get = function() a.x = 1 return b.x end }]],
        change = "M.set {}", look = "return M.get()" },
    { "a table of a module that moves to another local", module = [[local a, b = { 7 }, nil
            return { move = function() b = a end, get = function() a[1] = 8 return b[1] end }]],
        change = "M.move()", look = "return M.get()" },
    { "a callback in a local", module = "local f = print return { set = function(v) f = v end, get = function() return f() end }",
        change = "local n = 9 M.set(function() return n end)", look = "return M.get()" },
    { "a callback that shares a local", module = [[local x, f = 1, nil
            return { make = function() f = function() return x end end, get = function() x = 5 return f() end }]],
        change = "M.make()", look = "return M.get()" },
    { "a callback with a global", module = "local f = print return { set = function(v) f = v end, get = function() return f() end }",
        change = "G1 = 9 M.set(function() return G1 end)", look = "return M.get()", undo = "G1 = nil" },
    { "a handler in a table in a local", module = "local on = {} return { on = on, fire = function(e) return on[e] and on[e]() end }",
        change = "local n = 9 M.on.x = function() return n end", look = "return M.fire 'x'", forks = true },
    { "a registry in a local", module = "local all = {} return { add = function(k, v) all[k] = v end, get = function(k) return all[k] end }",
        change = "local C = {} C.__index = C function C.f() return 9 end M.add('c', C)", look = "return M.get 'c'.f()" },
    { "a class that is registered, and is the job's, too", module = "local all = {} return { add = function(v) all[#all + 1] = v end, all = function() return all end }",
        change = "C1 = { __name = 'C1' } M.add(C1)", look = "return M.all()[1] == C1", undo = "C1 = nil" },
    { "a method of a class in a local", module = "local C = {} C.__index = C function C.f() return 1 end return { class = function() return C end, new = function() return setmetatable({}, C) end }",
        change = "M.class().f = function() return 9 end", look = "return M.new().f()" },
    { "an object with a class, in a local", module = "local C = {} C.__index = C function C:f() return self.x end local o = setmetatable({ x = 1 }, C) return { o = function() return o end, get = function() return o:f() end }",
        change = "M.o().x = 9", look = "return M.get()" },
    { "the metatable of a module", module = "return {}", change = "setmetatable(M, { __index = function(_, k) return k end })",
        look = "return M.anything" },
    { "a metamethod of a module", module = "return setmetatable({}, { __call = function() return 1 end })",
        change = "getmetatable(M).__call = function() return 9 end", look = "return M()" },
    { "the metatable of a table in a local", module = "local t = {} return { t = function() return t end, get = function() return t.x end }",
        change = "setmetatable(M.t(), { __index = { x = 9 } })", look = "return M.get()" },
    { "a local of a module's module", module = [[local inner = { }
            do local x = 1 function inner.set(v) x = v end function inner.get() return x end end
            package.loaded.inner_one = inner return { get = function() return inner.get() end }]],
        change = "require 'inner_one'.set(9)", look = "return M.get()", undo = "package.loaded.inner_one = nil" },
    { "a module that is a function", module = "local x = 1 return function(v) x = v or x return x end",
        change = "M(9)", look = "return M()" },
    { "the metatable of the globals", change = "setmetatable(_G, { __index = function(_, k) return k == 'G2' and 9 or nil end })",
        look = "return G2", undo = "setmetatable(_G, nil)" },
    { "a strict mode", change = [[local declared = {} setmetatable(_G, { __newindex = function(t, k, v) declared[k] = true rawset(t, k, v) end,
            __index = function(_, k) if not declared[k] then error('undeclared ' .. k, 2) end end }) G3 = nil]],
        look = "return (select(2, pcall(function() return G4 end)):gsub('^.*: ', '')), G3", undo = "setmetatable(_G, nil)" },
    { "methods of numbers", change = "debug.setmetatable(0, { __index = { double = function(x) return 2 * x end } })",
        look = "return (4):double()", undo = "debug.setmetatable(0, nil)" },
    { "calls of nil", change = "debug.setmetatable(nil, { __call = function() return 9 end })", look = "local x return x()",
        undo = "debug.setmetatable(nil, nil)" },
    { "the length of booleans", change = "debug.setmetatable(true, { __len = function() return 9 end })", look = "return #true",
        undo = "debug.setmetatable(true, nil)" },
    { "the sum of functions", change = "debug.setmetatable(print, { __add = function() return 9 end })", look = "return print + print",
        undo = "debug.setmetatable(print, nil)" },
    { "methods of coroutines", change = "debug.setmetatable(coroutine.running(), { __index = coroutine })",
        look = "return coroutine.running():status()", undo = "debug.setmetatable(coroutine.running(), nil)" },
    { "a metamethod of strings", change = "getmetatable('').__call = function(s) return s .. 9 end", look = "return ('a')()",
        undo = "getmetatable('').__call = nil" },
    { "what strings have for methods", change = "getmetatable('').__index = function(s, k) return string[k] or k end",
        look = "return ('a').odd .. ('a'):rep(2)", undo = "getmetatable('').__index = string" },
    { "a function of string", change = "function string.trim(s) return s:match '^%s*(.-)%s*$' end", look = "return (' a '):trim()",
        undo = "string.trim = nil", forks = true },
    { "a function of math", change = "function math.nine() return 9 end", look = "return math.nine()", undo = "math.nine = nil", forks = true },
    { "a local of a function in string", before = "do local x = 1 function string.nth(_, v) x = v or x return x end end",
        change = "(''):nth(9)", look = "return (''):nth()", undo = "string.nth = nil" },
    { "a method of files", change = "getmetatable(io.stdout).__index.nine = function() return 9 end", look = "return io.stdout:nine()",
        undo = "getmetatable(io.stdout).__index.nine = nil" },
    { "print", change = "function print(x) return x end", look = "return print(9)", undo = "print = require 'luas.core' and PRINT" },
    { "a global", change = "G5 = 9", look = "return G5", undo = "G5 = nil" },
    { "a global function's local", before = "do local x = 1 function G6(v) x = v or x return x end end", change = "G6(9)",
        look = "return G6()", undo = "G6 = nil" },
    { "io.output, to what has a name", change = "io.output(io.stderr)", look = "return io.output() == io.stderr", undo = "io.output(io.stdout)" },
    { "io.output, to a file", change = "F = io.tmpfile() io.output(F)", look = "return io.type(io.output()) and io.output() ~= io.stdout",
        undo = "io.output(io.stdout) F = nil", forks = true },
    { "io.input", change = "F = io.tmpfile() F:write 'nine' F:seek 'set' io.input(F)", look = "local s = io.read(4) io.input():seek 'set' return s",
        undo = "io.input(io.stdin) F = nil", forks = true },
    { "io.output, in a module", module = "return { get = function() return io.output() == io.stderr end }", change = "io.output(io.stderr)",
        look = "return M.get()", undo = "io.output(io.stdout)" },
    { "the collector's mode", change = "collectgarbage 'generational'", look = "local was = collectgarbage 'incremental' collectgarbage(was) return was",
        undo = "collectgarbage 'incremental'" },
    { "a collector that is stopped", change = "collectgarbage 'stop'", look = "return collectgarbage 'isrunning'", undo = "collectgarbage 'restart'" },
    { "the collector's pause", change = "OLD = collectgarbage('setpause', 400)", look = "local was = collectgarbage('setpause', 100) collectgarbage('setpause', was) return was",
        undo = "collectgarbage('setpause', OLD) OLD = nil" },
    { "the collector's speed", change = "OLD = collectgarbage('setstepmul', 400)", look = "local was = collectgarbage('setstepmul', 100) collectgarbage('setstepmul', was) return was",
        undo = "collectgarbage('setstepmul', OLD) OLD = nil" },
    { "package.path", change = "OLD = package.path package.path = 'nine'", look = "return package.path", undo = "package.path = OLD OLD = nil",
        forks = true },
    { "package.path, for a module that requires", module = "return { get = function() return package.path end }",
        change = "OLD = package.path package.path = 'nine'", look = "return M.get()", undo = "package.path = OLD OLD = nil" },
    { "package.cpath, for a module that requires", module = "return { get = function() return package.cpath end }",
        change = "OLD = package.cpath package.cpath = 'nine'", look = "return M.get()", undo = "package.cpath = OLD OLD = nil" },
    { "package.preload, for a module that requires", module = "return { get = function() return (require 'late_one') end }",
        change = "package.preload.late_one = function() return 9 end", look = "return M.get()",
        undo = "package.preload.late_one, package.loaded.late_one = nil, nil" },
    { "package.searchers, for a module that requires", module = "return { get = function() return (require 'late_two') end }",
        change = "table.insert(package.searchers, function(name) return name == 'late_two' and function() return 9 end or nil end)",
        look = "return M.get()", undo = "table.remove(package.searchers) package.loaded.late_two = nil" },
    { "a module that comes later", change = "package.loaded.late_three = { x = 9 }", look = "return require 'late_three'.x",
        undo = "package.loaded.late_three = nil", forks = true },
    { "the locale", change = "os.setlocale 'C.UTF-8'", look = "return os.setlocale()", undo = "os.setlocale 'C'" },
}

PRINT = print

local function text(of, module)
    return assert(load("local M = ... " .. of))(module)
end

-- How the task sees it: nil and why, if it is otherwise than in the script.
local function check(case, number)
    local name = "changes_" .. number
    if case.module then package.loaded[name] = assert(load(case.module, "=" .. name))() end
    if case.before then assert(load(case.before))() end
    local M = package.loaded[name]
    local p <close> = pool.new(1)
    p:apply(function() end)
    text(case.change, M)
    local look = assert(load("local M = ... return function() " .. case.look .. " end"))(M)
    local want, seen = table.pack(pcall(look)), {}
    for _, way in ipairs { "auto", "auto", "inherit" } do
        local before = p:stats()
        seen[#seen + 1] = table.pack(pcall(p.apply, p:with { carry = way }, look))
        local after = p:stats()
        if way == "auto" and not case.forks and after.forks ~= before.forks then
            seen[#seen + 1] = { false, "a fork", n = 2 }
        end
    end
    if case.undo then assert(load(case.undo))() end
    package.loaded[name] = nil
    for _, got in ipairs(seen) do
        for i = 1, want.n do
            if want[1] ~= true or got[i] ~= want[i] then
                return nil, ("%s, in the script %s"):format(tostring(not got[1] and got[2] or got[i]), tostring(want[i]))
            end
        end
    end
    return true
end

for number, case in ipairs(cases) do
    local ok, right, why = pcall(check, case, number)
    if not (ok and right) then io.stdout:write(case[1], ": ", tostring(why or right), "\n") end
end
io.stdout:write(#cases, " changes\n")
