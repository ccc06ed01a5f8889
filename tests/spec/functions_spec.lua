-- What a task function sees: everything, with the values of the moment at
-- which its job was submitted. Each case is a script of its own, as people
-- write them, run by the program and by the stock interpreter.

local helpers = require("tests.support.helpers")
local cases = require("tests.spec.function_cases")

-- Before a case: its pools carry functions in one way only, and see that they do.
local forced = [[
    local carry, real, shared = %q, pool, nil
    local function close(p, failed)
        local carried = p.real:stats().carried
        p.real:close()
        assert(failed or carried[carry] > 0 and carried.ship + carried.inherit == carried[carry])
    end
    local pool = {}
    pool.__index, pool.__close = pool, close
    function pool.new(options)
        options = type(options) == "table" and options or { workers = options }
        options.carry = carry
        return setmetatable({ real = real.new(options) }, pool)
    end
    for _, verb in ipairs { "map", "apply" } do
        pool[verb] = function(p, ...)
            if getmetatable(p) == pool then return p.real[verb](p.real, ...) end
            shared = shared or pool.new(2)
            return shared.real[verb](shared.real, p, ...)
        end
    end
    local at_exit <close> = setmetatable({}, { __close = function(_, failed)
        if shared then close(shared, failed) end
    end })
]]

describe("a task function sees", function()
    for _, case in ipairs(cases) do
        it(case[1], function()
            helpers.each_interpreter(function(by)
                assert.are.equal(case[3] .. "\n", helpers.output(case[2], by))
            end)
        end)
    end
end)

describe("a function that is shipped", function()
    for _, case in ipairs(cases) do
        if not case.ship then
            it("sees " .. case[1], function()
                local expected = (case.shipped or case[3]) .. "\n"
                assert.are.equal(expected, helpers.output(forced:format("ship") .. case[2]))
            end)
        else
            it("or fails to be, naming " .. case[1], function()
                local output, status = helpers.run(forced:format("ship") .. case[2])
                assert.are.equal(1, status)
                assert.is_truthy(output:find(case.ship, 1, true), output)
            end)
        end
    end
end)

describe("a function that is inherited", function()
    for _, case in ipairs(cases) do
        it("sees " .. case[1], function()
            assert.are.equal(case[3] .. "\n", helpers.output(forced:format("inherit") .. case[2]))
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

    it("of a module's function that has changed since forks workers once", function()
        assert.are.equal("old\tnew\ttrue\n", helpers.output([[
            package.preload.mymod = function() return { f = function() return "old" end } end
            local mymod = require "mymod"
            local p <close> = pool.new(2)
            local function f() return mymod.f() end
            local before = p:apply(f)
            function mymod.f() return "new" end
            local after = p:apply(f)
            p:apply(f)
            local forks = p:stats().forks
            for _ = 1, 50 do assert(p:apply(f) == "new") end
            print(before, after, p:stats().forks == forks) ]]))
    end)

    it("knows what is deep in a module by its name, and follows no circle", function()
        assert.are.equal("true true true\n", helpers.output([[
            package.preload.app = function()
                local leaf = { level = 7, f = function() return require "app".a.b.c.d.e end }
                local app = { a = { b = { c = { d = { e = leaf } } } } }
                app.self, leaf.root, leaf.leaf = app, app, leaf
                return app
            end
            local leaf = require "app".a.b.c.d.e
            local p <close> = pool.new { workers = 2, carry = "ship" }
            print(p:apply(function(t) return t == require "app".a.b.c.d.e end, leaf),
                p:apply(function() return leaf.f() == leaf end),
                p:apply(function() return require "app".a.b.c.d.e end) == leaf) ]]):gsub("\t", " "))
    end)

    it("has what is deep in a large module as it was at the call", function()
        assert.are.equal("2 2 2 2\n2 2 2 2\n", helpers.output([[
            local function module(rows)
                local M = { rows = {}, a = { b = { c = { v = 1 } } } }
                for i = 1, rows do M.rows[i] = {} end
                return M
            end
            package.loaded.large, package.loaded.small = module(40), module(1)
            local p <close> = pool.new(2)
            local function value(t) return t.v end
            for _, name in ipairs { "large", "small" } do
                local c = require(name).a.b.c
                p:map(value, { c })
                c.v = 2
                local got = { p:map(value, { c })[1], p:apply(value, c), p:apply(function() return c.v end) }
                for _, v in p:imap(value, { c }) do got[4] = v end
                print(table.concat(got, " "))
            end ]]))
    end)

    it("holds no module that the host has let go, once its pool is gone", function()
        assert.are.equal("gone end\n", helpers.output([[
            package.loaded.large = setmetatable({ rows = {} }, { __gc = function() io.write "gone " end })
            local p = pool.new(1)
            p:map(type, { 1 })
            p:close()
            p:join()
            p, package.loaded.large = nil, nil
            for _ = 1, 3 do collectgarbage() end
            print "end" ]]))
    end)

    it("knows a module that was loaded just now", function()
        assert.are.equal("5 5 5\ntrue 5\ntrue true true\ntrue true\ntrue true\n", helpers.output([[
            for _, name in ipairs { "fed", "given", "sentinel", "called" } do
                package.preload[name] = function()
                    local M = { level = 1, NONE = {} }
                    function M.set(level) M.level = level end
                    return M
                end
            end
            local p, calls <const> = pool.new(1), 3
            local i = 0
            local function source()
                i = i + 1
                if i <= calls then return require "fed" end
            end
            print(table.concat(p:map(function(m) m.set(5) return m.level end, source), " "))
            local given = p:apply(function() return require "given" end)
            given.set(5)
            print(given == require "given", given.level)
            local nones = p:map(function() return require "sentinel".NONE end, { 1, 2, 3 })
            for j = 1, 3 do nones[j] = tostring(nones[j] == require "sentinel".NONE) end
            print(table.concat(nones, " "))
            local function is_called(m) return m == require "called" end
            p:map(is_called, { 1 })
            local called = require "called"
            for _, carry in ipairs { "ship", "auto" } do
                print(table.unpack((p:map(is_called, { called, called }, { carry = carry }))))
            end ]]):gsub("\t", " "))
    end)

    it("of a standard library that has changed since works for every verb", function()
        assert.are.equal("a! b! c! d! e! 7\n", helpers.output([[
            local p <close> = pool.new(2)
            p:map(type, { 1, 2 })
            function string.bang(s) return s .. "!" end
            local function bang(s) return string.bang(s) end
            local got = { p:map(bang, { "a" })[1], p:apply(bang, "b"), p:map_async(bang, { "c" }):get()[1] }
            for _, text in p:imap(bang, { "d" }) do got[4] = text end
            got[5] = p:broadcast(bang, "e")[1]
            math.five = 5
            got[6] = p:apply(function(x) return math.five + math.floor(x) end, 2.5)
            print(table.concat(got, " ")) ]]))
    end)

    it("of what require finds sees where it looks as of the call", function()
        assert.are.equal("false 42 5 6 true\n", helpers.output([[
            local p <close> = pool.new(2)
            local function value(name) return require(name).value end
            local got = { tostring((pcall(p.apply, p, value, "only.preloaded"))) }
            package.preload["only.preloaded"] = function() return { value = 42 } end
            got[2] = p:apply(value, "only.preloaded")
            package.loaded["only.loaded"] = { value = 5 }
            got[3] = p:apply(value, "only.loaded")
            local name = os.tmpname()
            io.open(name, "w"):write("return { value = 6 }"):close()
            package.path = name:match "^(.*)/" .. "/?;" .. package.path
            got[4] = p:apply(value, name:match "[^/]*$")
            os.remove(name)
            p:apply(value, "only.loaded")
            local forks = p:stats().forks
            for _ = 1, 20 do p:apply(value, "only.loaded") end
            got[5] = tostring(p:stats().forks == forks)
            print(table.concat(got, " ")) ]]))
    end)

    it("inherited, knows the classes of what comes later, and sends them back", function()
        assert.are.equal("true 1 2 3 number true true\n", helpers.output([[
            local Point = {}
            Point.__index = Point
            function Point:get() return tostring(self.x) end
            local file, i = io.tmpfile(), 0
            local function source()
                i = i + 1
                if i <= 3 then return setmetatable({ x = i }, Point) end
            end
            local points = pool.map(function(p)
                file:write(p:get())
                return p
            end, source)
            local got = { tostring(getmetatable(points[1]) == Point) }
            for k = 1, 3 do got[k + 1] = points[k]:get() end
            local once = true
            got[5] = pool.map(function(f) return file and type(f()) end, function()
                if once then
                    once = false
                    return function() return tonumber("5") end
                end
            end)[1]
            local back = pool.map(function(p) return file and p end, { setmetatable({ x = 1 }, Point) })
            got[6] = tostring(getmetatable(back[1]) == Point)
            local p = process.spawn(function(q) return q end, setmetatable({}, Point))
            got[7] = tostring(getmetatable(p:result()) == Point)
            print(table.concat(got, " ")) ]]))
    end)

    it("inherited, leaves no later job what it changed", function()
        assert.are.equal("5 9 9 9 9\n", helpers.output([[
            local config = { level = 9 }
            package.loaded.config = config
            local file = io.tmpfile()
            local p <close> = pool.new(2)
            local function level() os.execute "sleep 0.02" return config.level end
            p:map(level, { 1, 2, 3, 4 })
            p:map(function() tostring = nil return file and 1 end, { 1, 2 })
            config.level = 10
            p:map(function() return file and config.level end, { 1 })
            config.level = 9
            print(p:apply(function(x) return tostring(x) end, 5), table.unpack((p:map(level, { 1, 2, 3, 4 }))))]])
            :gsub("\t", " ") .. "")
    end)

    it("remembered, calls what it called when a module's name leads elsewhere", function()
        assert.are.equal("old old old\n", helpers.output([[
            local m = { fn = function() return "old" end }
            package.loaded.m = m
            local old = m.fn
            local function job() return old() end
            local got = { pool.apply(job) }
            m.fn = function() return "wrapped " .. old() end
            got[2], got[3] = pool.apply(job), pool.apply(job)
            print(table.concat(got, " ")) ]]))
    end)

    it("sees a library that it has in a local as of the call", function()
        assert.are.equal("6\n", helpers.output([[
            local m = math
            pool.map(type, { 1, 2 })
            m.six = 6
            print(pool.apply(function() return m.six end)) ]]))
    end)

    it("finds the modules among its inputs as they are at the call", function()
        assert.are.equal("1 2 3 14 15 96 7 8 9 10 11\t8\n0\t0\n", helpers.output([[
            local config = { level = 1 }
            config.__index = config
            function config:get() return self.x + config.level end
            package.loaded.config = config
            local p <close> = pool.new(2)
            local function level(c) return c.level end
            local function get(object) return object:get() end
            local function object() return setmetatable({ x = 10 }, config) end
            local function thrice(make)
                local n = 0
                return function()
                    n = n + 1
                    return n <= 3 and make() or nil
                end
            end
            local got = {}
            local function note(x)
                got[#got + 1] = x
                config.level = config.level + 1
            end
            note(p:map(level, { config, config })[2])
            note(p:map(level, { config, config })[2])
            note(p:apply(level, config))
            note(p:map(get, thrice(object))[3])
            for i, x in p:imap(get, thrice(object)) do
                if i == 3 then note(x) end
            end
            config.get = function() return 90 + config.level end
            note(p:apply_async(get, object()):get())
            note(p:starmap(level, { { config }, { config } })[1])
            local under_way = p:apply_async(function() return os.execute "sleep 0.1" and config.level end)
            note(p:apply(level, config))
            note(p:map(level, { config, config, config })[3])
            note(p:map(function(f) return f() end, { function() return config.level end })[1])
            note(p:apply(level, config))
            print(table.concat(got, " "), under_way:get())
            config.level = 1
            note(p:apply(level, config))
            p:apply(level, config)
            local before = p:stats()
            for i = 1, 100 do p:apply(level, config) end
            print(before.carried.inherit, p:stats().forks - before.forks) ]]))
    end)

    local CONFIG <const> = [[
        local config = { level = 1 }
        package.loaded.config = config
        local function level(c)
            os.execute "sleep 0.01"
            return c.level
        end
        local function busy() return os.execute "sleep 0.5" end
        local function levels(p) return table.concat((p:map(level, { config, config, config, config })), " ") end
        local p <close> = pool.new(2)
    ]]

    it("has a changing module for each item that a source gives, without end", function()
        assert.are.equal("40\ttrue\ttrue\n", helpers.output(CONFIG .. [[
            local most, i = 0, 0
            local results, n = p:map(level, function()
                i = i + 1
                config.level = i
                most = math.max(most, p:stats().workers)
                if i <= 40 then return config end
            end, { chunk = 1 })
            local in_order = true
            for k = 1, n do in_order = in_order and results[k] >= k and results[k] <= 41 end
            print(n, in_order, most <= 8) ]]))
    end)

    it("takes no worker for a new one that was busy with what its source submitted", function()
        assert.are.equal("2 2\t2 2 2 2\ttrue\t2 2 2 2\n", helpers.output(CONFIG .. [[
            levels(p)
            local i, other = 0, nil
            local results = p:map(level, function()
                i = i + 1
                if i == 1 then
                    other = p:apply_async(busy)
                    config.level = 2
                end
                if i <= 2 then return config end
            end)
            print(table.concat(results, " "), levels(p), other:get(), levels(p)) ]]))
    end)

    it("has modules as they are, when they are again as they were", function()
        assert.are.equal("2\t1 1 1 1\ttrue\t1 1 1 1\n", helpers.output(CONFIG .. [[
            levels(p)
            local other = p:apply_async(busy)
            config.level = 2
            local changed = p:apply(level, config)
            config.level = 1
            print(changed, levels(p), other:get(), levels(p)) ]]))
        assert.are.equal("2\t1 1 1 1\n", helpers.output(CONFIG .. [[
            p:apply(level, config)
            config.level = 2
            p:map(function() os.execute "sleep 0.1" end, { 1, 2, 3, 4 })
            local workers = p:stats().workers
            config.level = 1
            print(workers, levels(p)) ]]))
    end)

    it("notices what changed in a module that is reached by way of another", function()
        assert.are.equal("1 2 2 2 3 3\n", helpers.output([[
            package.loaded["A.sub"] = { x = 1 }
            package.loaded.A = { sub = package.loaded["A.sub"] }
            package.loaded["A.sub"].parent = package.loaded.A
            local A = require "A"
            local p <close> = pool.new(2)
            local function f() return A.sub.x end
            local got = { p:apply(f) }
            A.sub.x = 2
            got[2] = p:apply(f)
            got[3] = p:map(f, { 1 })[1]
            package.loaded["A.sub"] = nil
            got[4] = p:apply(f)
            A.sub.x = 3
            got[5] = p:apply(f)
            got[6] = p:map(f, { 1 })[1]
            print(table.concat(got, " ")) ]]))
    end)

    it("has modules of any value", function()
        assert.are.equal("nan true file\n", helpers.output([[
            package.loaded.nan, package.loaded.done, package.loaded.file = 0 / 0, true, io.stderr
            local function value(name)
                local x = require(name)
                return io.type(x) or x ~= x and "nan" or tostring(x)
            end
            print(table.concat(pool.map(value, { "nan", "done", "file" }), " ")) ]]))
    end)

    it("reaches globals that were made since, however it gets to them", function()
        assert.are.equal("8 6 2 2 ship\n", helpers.output([[
            local got = {}
            local function try(f, ...)
                local p <close> = pool.new(2)
                p:map(type, { 1, 2 })
                late = function(x) return 2 * x end
                got[#got + 1] = p:apply(f, ...)
                late = nil
                return p:stats().carried
            end
            local sandboxed
            do
                local _ENV = setmetatable({}, { __index = _G })
                function sandboxed(x) return late(x) end
            end
            try(sandboxed, 4)
            local load = load
            try(function() return load("return late(3)")() end)
            local t = { G = _G }
            try(function() return t.G.late(1) end)
            local G = _G
            local carried = try(function() return G.late(1) end)
            print(table.concat(got, " ") .. (carried.ship == 2 and " ship" or " inherit")) ]]))
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

describe("a watched table", function()
    require "luas"
    local core = require "luas.core"

    -- Is the table as it was, when `change` has been at it?
    local function same_after(change)
        local t = { 1, 2.0, true, "x", key = "value", f = print, [1.5] = -0.0, [print] = {},
                    inner = { { deep = {} } }, module = {} }
        t.inner.t = t
        local watch = core.watch({ [t.module] = true }, { {}, t })
        assert.is_true(core.same(watch))
        change(t)
        return core.same(watch)
    end

    it("tells every change of a field", function()
        assert.is_true(same_after(function() collectgarbage() end))
        assert.is_true(same_after(function(t) t.key = "val" .. "ue" end))
        assert.is_false(same_after(function(t) t.new = 1 end))
        assert.is_false(same_after(function(t) t.key = nil end))
        assert.is_false(same_after(function(t) t.key = "other" end))
        assert.is_false(same_after(function(t) t[1] = 1.0 end))
        assert.is_false(same_after(function(t) t[2] = 2 end))
        assert.is_false(same_after(function(t) t[3] = false end))
        assert.is_false(same_after(function(t) t[1.5] = 0.0 end))
        assert.is_false(same_after(function(t) t.f = type end))
        assert.is_false(same_after(function(t) t[print] = {} end))
        assert.is_false(same_after(function(t) t[3], t[4] = t[4], t[3] end))
    end)

    it("is watched with the tables in it that are no modules", function()
        assert.is_false(same_after(function(t) t.inner[1].deep.new = 1 end))
        assert.is_false(same_after(function(t) t.inner[1] = {} end))
        assert.is_false(same_after(function(t) t[print].new = 1 end))
        assert.is_true(same_after(function(t) t.module.new = 1 end))
        assert.is_false(same_after(function(t) t.module = {} end))
    end)

    it("is watched, too, where it was a key before", function()
        local t = { key = {} }
        t[t.key] = { t.key }
        t.key = nil
        local watch = core.watch({}, { t })
        assert.is_true(core.same(watch))
        t[next(t)][1].new = 1
        assert.is_false(core.same(watch))
    end)

    it("says which modules it has in it", function()
        local b, c = {}, {}
        local a = { b = b, inner = { c = c, [{}] = 1 }, string = "b" }
        b.a, c.a = a, a
        local watch, names = core.watch({ [a] = "a", [b] = "b", [c] = "c", [{}] = "d" }, { a })
        assert.are.same({ b = true, c = true }, names)
        b.new, c.new = 1, 1
        assert.is_true(core.same(watch))
        assert.are.same({}, select(2, core.watch({}, { a })))
        assert.are.same({}, select(2, core.watch(nil, { a })))
        for i = 1, 40 do a.inner[i] = {} end -- too many to be watched
        assert.are.same({ b = true }, select(2, core.watch({ [a] = "a", [b] = "b" }, { a })))
    end)

    it("is watched alone where there are too many tables in it, or one that is too large", function()
        local function check(filled, changed, expected)
            local t = { inner = {} }
            for i = 1, filled.tables or 0 do t.inner[i] = {} end
            for i = 1, filled.fields or 0 do t.inner[i] = i end
            local watch = core.watch({}, { t })
            t.inner.new = 1
            assert.are.equal(changed, not core.same(watch))
            t.inner = nil
            assert.are.equal(expected, not core.same(watch))
        end
        check({ tables = 30 }, true, true)
        check({ tables = 31 }, false, true)
        check({ fields = 1000 }, true, true)
        check({ fields = 1001 }, false, true)
    end)

    it("is not watched where it has too many fields, or no table is given", function()
        local large, small = {}, {}
        for i = 1, 1001 do large[i] = i end
        local watch = core.watch(nil, { large, small, 3 })
        large[1] = 2
        assert.is_true(core.same(watch))
        small[1] = 2
        assert.is_false(core.same(watch))
        assert.is_true(core.same(core.watch({}, {})))
        assert.is_true(core.same(core.watch({}, { "no table" })))
    end)

    it("does not take a new object for one that was where it is", function()
        local t = { f = function() return t end }
        local watch = core.watch({}, { t })
        for _ = 1, 100 do
            t.f = nil
            collectgarbage()
            t.f = function() return t end
            assert.is_false(core.same(watch))
        end
    end)

    it("is seen as it is before a finalizer changes it, or after that", function()
        assert.are.equal("true 0\n", helpers.output([[
            local core, changed, torn = require "luas.core", 0, 0
            collectgarbage("incremental", 100, 1000)
            for _ = 1, 2000 do
                local t, before = {}, true
                for i = 1, 100 do t[i] = { i } end
                setmetatable({}, { __gc = function()
                    changed = changed + 1
                    before = false
                    for i = 101, 900 do t[i] = i end
                end })
                local watch = core.watch({}, { t })
                if before and not core.same(watch) then torn = torn + 1 end
            end
            print(changed > 0, torn)]]):gsub("\t", " "))
    end)

    it("is kept by what watches it, and is free afterwards", function()
        local t, watch = { {} }, nil
        local seen = setmetatable({ t[1] }, { __mode = "v" })
        watch = core.watch({}, { t })
        t[1] = nil
        collectgarbage()
        assert.is_not_nil(seen[1])
        watch = nil
        collectgarbage()
        assert.is_nil(seen[1], watch)
    end)

    it("is made by core.watch alone", function()
        assert.has_error(function() core.watch({}, nil) end)
        assert.has_error(function() core.same(io.stdout) end)
    end)
end)
