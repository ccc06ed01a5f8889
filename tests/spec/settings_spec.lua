-- What lies behind the fields of modules, and what a state has one of, is in a shipped task as it was in
-- the script at the call, though the worker was forked before.

local helpers = require "tests.support.helpers"

local MODULE = [[
    local pool = pool or require "luas".pool
    local M
    do
        local level, t = 1, { a = 1 }
        M = { set = function(v) level = v end, get = function() return level end, t = function() return t end,
            replace = function(v) t = v end }
    end
    package.loaded.M = M
    local function get() return M.get() end
    local function a() return M.t().a end
]]

local function script(text) return MODULE .. text end

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        it("what a script changes after the fork is in tasks as it is in the script", function()
            local changes = assert(io.open("tests/support/changes.lua")):read "a"
            assert.matches("^%d%d changes\n$", helpers.output(changes, by))
        end)

        it("jobs that take turns in a worker each have the settings of their calls", function()
            assert.are.equal("1 1 1 1\t2 2 2 2\t1\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(get)
                local function level() return M.get() end
                local before = p:map_async(level, { 1, 2, 3, 4 }, { chunk = 1 })
                M.set(2)
                local after = p:map_async(level, { 1, 2, 3, 4 }, { chunk = 1 })
                M.set(1)
                print(table.concat(before:get(), " "), table.concat(after:get(), " "), (p:apply(get)))]], by))
        end)

        it("a value that comes back is seen by workers that were forked in between", function()
            assert.are.equal("1 1 1 1\tok\n", helpers.output(script [[
                local p <close> = pool.new(4)
                local function slow() local stop = os.clock() + 0.02 while os.clock() < stop do end return M.get() end
                p:apply(get)
                M.set(2)
                p:map(slow, { 1, 2, 3, 4 }, { chunk = 1 })
                M.set(1)
                local before = p:stats().forks
                print(table.concat(p:map(slow, { 1, 2, 3, 4 }, { chunk = 1 }), " "), p:stats().forks == before and "ok")]], by))
        end)

        it("what the script has set back is seen, whatever tasks have set since", function()
            assert.are.equal("6 6 7 true\n1 1 1 false\n1 1 1 false\n", helpers.output(script [[
                local function all()
                    return ("%d %d %s %s"):format(M.get(), M.t().a, M.t().b or 1, getmetatable(M.t()) ~= nil)
                end
                local function leave() M.set(6) M.t().a, M.t().b = 6, 7 setmetatable(M.t(), {}) end
                local p <close> = pool.new(1)
                p:apply(leave)
                print(p:apply(all)) -- it stays in its worker
                M.set(100) M.t().a, M.t().b = 100, 100 setmetatable(M.t(), {})
                local before = p:stats().forks
                assert(p:apply(all) == all())
                M.set(1) M.t().a, M.t().b = 1, nil setmetatable(M.t(), nil)
                print(p:apply(all))
                p:apply(leave)
                print(p:apply(all))
                assert(p:stats().forks == before)]], by))
        end)

        it("a table whose fields come and go is sent as it is", function()
            assert.are.equal("20\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(get)
                local last = 0
                for i = 1, 20 do
                    local t = M.t()
                    for k = 1, 100 do t[last + k] = nil end
                    last = i * 100
                    for k = 1, 100 do t[last + k] = k end
                    last = p:apply(function() return M.t()[last + 100] end) == 100 and last or error "lost"
                end
                print(last // 100)]], by))
        end)

        it("what init has set stays until the script changes it", function()
            assert.are.equal("7\n7 9\n8\n", helpers.output(script [[
                local p <close> = pool.new { workers = 1, init = function() M.set(7) end }
                print(p:apply(get))
                M.t().a = 9
                print(p:apply(function() return M.get() .. " " .. M.t().a end))
                M.set(8)
                print(p:apply(get))]], by))
        end)

        it("what cannot be sent makes workers be forked anew, once", function()
            assert.are.equal("true true\t1\ttrue\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(get)
                local f = assert(io.tmpfile())
                M.set(f)
                local before = p:stats().forks
                local function is_file() return io.type(M.get()) == "file" end
                local seen = p:map(is_file, { 1, 2 })
                print(tostring(seen[1]) .. " " .. tostring(seen[2]), p:stats().forks - before, (p:apply(is_file)))]], by))
        end)

        it("what is too much to be sent makes workers be forked anew", function()
            assert.are.equal("300000\t300000\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(get)
                for i = 1, 300000 do M.t()[i] = i end
                local function count() return #M.t() end
                print(p:map(count, { 1 })[1], (p:apply(count)))]], by))
        end)

        it("what a module lets go of is collected", function()
            assert.are.equal("true\n", helpers.output(script [[
                local gone = false
                M.replace(setmetatable({ a = 1 }, { __gc = function() gone = true end }))
                local p <close> = pool.new(1)
                p:apply(a)
                M.replace { a = 2 }
                collectgarbage() collectgarbage()
                assert(p:apply(a) == 2)
                print(gone)]], by))
        end)

        it("another object at the address of an old one is another value", function()
            assert.are.equal("ok\n", helpers.output(script [[
                local p <close> = pool.new(1)
                M.replace { a = 1 }
                p:apply(a)
                for i = 2, 30 do
                    M.replace(nil)
                    collectgarbage()
                    M.replace { a = i }
                    assert(p:apply(a) == i)
                end
                print "ok"]], by))
        end)

        it("a class of a module is that of objects that a job brings", function()
            assert.are.equal("true true\n", helpers.output([[
                local pool = pool or require "luas".pool
                local N
                do
                    local C, count = { __index = {} }, 0
                    N = { new = function() count = count + 1 return setmetatable({}, C) end,
                        is = function(o) return getmetatable(o) == C end, change = function() C = { __index = {} } end }
                end
                package.loaded.N = N
                local p <close> = pool.new(1)
                p:apply(function() return N end)
                local function is() return N.is(N.new()) end
                local first, n = p:apply(is), nil
                N.new()
                local o = N.new()
                local second = p:apply(function() return N.is(o) end)
                N.change()
                package.loaded.more = {}
                o = N.new()
                print(tostring(first and second) .. " " .. tostring(p:apply(function() return N.is(o) end)))]], by))
        end)

        it("a source finds what it sets in the tasks of the items", function()
            assert.are.equal("ok\n", helpers.output(script [[
                local p <close> = pool.new(2)
                p:apply(get)
                local i = 0
                for k, v in p:imap(function(f) return f() end, function()
                    i = i + 1
                    if i > 20 then return nil end
                    M.set(i)
                    return M.get
                end, { window = 1 }) do assert(v >= k, v) end
                print "ok"]], by))
        end)

        it("workers that inherit nothing are sent what has changed since their zygote was forked", function()
            assert.are.equal("2 2 3 9\n", helpers.output(script [[
                local p <close> = pool.new { workers = 1, start = "zygote" }
                M.set(2)
                local first, again = p:apply(get), p:map(get, { 1 })[1]
                M.field = 1 -- is not sent
                M.set(3)
                M.t().a = 9
                print(first .. " " .. again .. " " .. p:apply(get) .. " " .. p:apply(a))]], by))
        end)

        it("where all workers end while it is packed, those that come next have what has changed", function()
            assert.are.equal("9\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(a)
                local dying = p:apply_async(function() os.execute "sleep 0.1; kill -9 $PPID" end)
                debug.getregistry().await = function() dying:wait(20) end -- where no task looks
                M.replace(setmetatable({ a = 9 }, {
                    __luas_pack = function(o)
                        debug.getregistry().await()
                        return o.a
                    end,
                    __luas_unpack = function(v) return { a = v } end,
                }))
                print(p:map(a, { 1 })[1])]], by))
        end)

        it("two pools have baselines of their own", function()
            assert.are.equal("3 3 4 4\n", (helpers.output(script [[
                local p <close> = pool.new(1)
                local q <close> = pool.new(1)
                p:apply(get)
                M.set(2)
                M.replace { a = 2 }
                q:apply(get)
                M.set(3)
                M.t().a = 4
                print(p:apply(get), q:apply(get), p:apply(a), (q:apply(a)))]], by):gsub("\t", " ")))
        end)
    end)
end)
