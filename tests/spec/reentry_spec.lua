-- What a class runs while its objects travel (__luas_pack, __luas_unpack) may do
-- anything: change what travels, use the pool that carries it, close the pipe.

local helpers = require("tests.support.helpers")

-- A class whose objects lose it, or get another one, as they are packed.
local LOSING = [[
    local Point, Other = {}, { __luas_pack = error, __luas_unpack = error }
    Point.__index = Point
    function Point.__luas_pack(p) return setmetatable(p, p.other).x end
    function Point.__luas_unpack(x) return setmetatable({ x = x }, Point) end
    local function new(x, other) return setmetatable({ x = x, other = other or nil }, Point) end
    local function x_of(p) return getmetatable(p) == Point and p.x end
]]

describe("an object that loses its class as it is packed", function()
    it("arrives with that class, whatever the verb", function()
        helpers.each_interpreter(function(by)
            assert.are.equal(("ok\n"):rep(6), helpers.output(LOSING .. [[
                for _, options in ipairs { { workers = 2 }, { workers = 2, carry = "ship" },
                    { workers = 2, carry = "inherit" } } do
                    for _, other in ipairs { false, Other } do
                        local p <close> = pool.new(options)
                        local function make(x) return new(x, other) end
                        assert(p:apply(x_of, new(1, other)) == 1)
                        assert(x_of(p:apply(make, 2)) == 2)
                        assert(p:map(x_of, { new(3, other), 4 })[1] == 3)
                        assert(x_of(p:apply_async(function(...) return ... end, new(5, other)):get()) == 5)
                        local list = p:map(function(o) return { o, { o } } end, { new(6, other), new(7, other) })
                        assert(x_of(list[2][1]) == 7 and list[2][2][1] == list[2][1])
                        for i, o in p:imap(make, pool.iter(ipairs { 1, 2, 3 })) do assert(x_of(o) == i) end
                        local captured = new(9, other)
                        assert(p:apply(function() return x_of(captured) end) == 9)
                        local ok, o = pcall(p.apply, p, function() error(new(10, other)) end)
                        assert(not ok and x_of(o.value) == 10)
                        assert(x_of(process.spawn(make, 11):result()) == 11)
                        local a, b = process.pipe()
                        a:send(new(12, other), {})
                        assert(b:recv().x == 12)
                        print "ok"
                    end
                end ]], by))
        end)
    end)
end)

describe("a class that fails as it packs", function()
    it("has what it raised in the message, with the place", function()
        helpers.each_interpreter(function(by)
            local output = helpers.output([[
                local function bad()
                    local C = { __luas_unpack = print }
                    function C.__luas_pack() error(setmetatable({}, { __tostring = function() error {} end })) end
                    return { x = setmetatable({}, C) }
                end
                for _, workers in ipairs { 0, 1 } do
                    local p <close> = pool.new(workers)
                    print(select(2, pcall(p.map, p, print, bad)))
                    print((select(2, pcall(p.apply, p, bad)).message))
                    if workers == 1 then
                        print(select(2, pcall(p.apply, p:with { carry = "ship" }, print, bad())))
                    end
                end
                local a, b = process.pipe()
                print(select(2, pcall(a.send, a, 1, bad()))) ]], by)
            local why = 'field "x": __luas_pack: (error object is a table value, whose __tostring failed)\n'
            local _, n = output:gsub(why:gsub("%p", "%%%0"), "")
            assert.are.equal(6, n, output)
        end)
    end)
end)

describe("a class that uses its pool as it unpacks", function()
    -- Its objects are told apart from those at the worker's end.
    local USING = [[
        local host = require "luas.core".pid()
        local use
        local C = { __luas_pack = function(o) return o.x, ("-"):rep(1000) end }
        function C.__luas_unpack(x)
            if require "luas.core".pid() == host then use(x) end
            return setmetatable({ x = x }, C)
        end
        local function give(i)
            local o = setmetatable({ x = i }, C)
            if i % 2 == 0 then error(o) end
            return o
        end
    ]]

    it("cannot take the next result before this one is read, a raised one neither", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("imap 120 60\nimap_unordered 120 60\n", helpers.output(USING .. [[
                for _, verb in ipairs { "imap", "imap_unordered" } do
                    local p <close> = pool.new { workers = 2, window = 20 }
                    local n, failed, f = 0, 0, nil
                    local list = {}
                    for i = 1, 120 do list[i] = i end
                    f = p[verb](p, give, list, { on_error = "collect" })
                    use = function()
                        local ok, message, _, o = pcall(f)
                        assert(ok or message:find("these results are being read already", 1, true), message)
                        if ok and message then n = n + 1 end
                        if ok and o then failed = failed + 1 end
                    end
                    for i, value, o in f do
                        n = n + 1
                        if o then failed = failed + 1 end
                    end
                    print(verb, n, failed)
                end ]], by):gsub("\t", " "))
        end)
    end)

    it("may end it", function()
        helpers.each_interpreter(function(by)
            assert.are.equal(("false\n"):rep(4), helpers.output(USING .. [[
                local list = {}
                for i = 1, 50 do list[i] = i end
                for _, first in ipairs { 1, 2 } do
                    local p = pool.new(2)
                    use = function() p:terminate() end
                    print((pcall(p.map, p, give, { table.unpack(list, first) })))
                    local p2 = pool.new(2)
                    use = function() p2:close() p2:terminate() end
                    print((pcall(function() for _ in p2:imap(give, list) do end p2:map(give, list) end)))
                end ]], by))
        end)
    end)
end)

describe("a pipe", function()
    it("may be used by what packs and unpacks what it carries", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("inner x\nouter inner 2 1\nlast\n", helpers.output([[
                local a, b = process.pipe()
                local C = {}
                package.loaded.C = C -- so that its functions go by name
                function C.__luas_pack() a:send("inner", ("x"):rep(100000)) return 1 end
                function C.__luas_unpack(x) return { x, (b:recv()) } end
                local big = ("y"):rep(100000)
                local reader = process.spawn(function()
                    a:close()
                    local first, text = b:recv()
                    io.write(first, " ", text:sub(1, 1), "\n")
                    local outer, c = b:recv()
                    io.write(outer, " ", c[2], " ", #c, " ", c[1], "\n")
                    io.write(b:recv(), "\n")
                end)
                b:close()
                a:send("outer", setmetatable({ big }, C))
                a:send "inner"
                a:send "last"
                reader:result() ]], by))
        end)
    end)

    it("sends the rest of a message that Ctrl-C has interrupted before the next one", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("false 10000000 next\n", helpers.output([[
                local a, b = process.pipe()
                local big, pid = ("x"):rep(10000000), process.current().pid
                local interrupt <close> = io.popen(("sleep 0.1;" -- and as soon as the host waits
                    .. "until grep -q '^State:.S' /proc/%d/status; do :; done; kill -INT %d"):format(pid, pid))
                local ok = pcall(a.send, a, big)
                local reader = process.spawn(function()
                    a:close()
                    return #b:recv(), b:recv()
                end)
                a:send "next"
                local size, message = reader:result()
                print(tostring(ok) .. " " .. size .. " " .. message) ]], by))
        end)
    end)

    it("may be closed by them", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("this end of the pipe is closed\n1\nthis end of the pipe is closed\n", helpers.output([[
                local a, b = process.pipe()
                local C = {}
                package.loaded.C = C
                local ends = { a, b }
                function C.__luas_pack() if #ends < 2 then ends[1]:close() end return ("x"):rep(70000) end
                function C.__luas_unpack() b:close() return 1 end
                local function message(...) return (select(2, pcall(...)):gsub("^.-: ", "")) end
                local c, d = process.pipe()
                ends = { c }
                print(message(c.send, c, setmetatable({}, C), { {} }))
                ends = { a, b }
                a:send(setmetatable({}, C))
                print(b:recv())
                print(message(b.recv, b)) ]], by))
        end)
    end)
end)
