-- A pool that is ended from inside a call of its own (by the call's source, by
-- a callback, in the body of its loop): outcomes or one clear error, no hang.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")
local range = helpers.range

local TERMINATED <const> = "the pool was terminated"

local function square(x) return x * x end

local function slowly(x)
    os.execute("sleep 0.02")
    return x
end

-- A source of 1 .. n that calls `act` before it gives the fifth.
local function source(n, act)
    local i = 0
    return function()
        i = i + 1
        if i == 5 then act() end
        if i <= n then return i end
    end
end

local function check_ended(p)
    assert.is_truthy(tostring(p):find("closed", 1, true))
    local ok, message = pcall(p.map, p, square, { 1 })
    assert.is_false(ok)
    assert.is_truthy(message:find("pool is closed", 1, true), message)
end

for _, workers in ipairs { 2, 0 } do
    describe(("a pool of %d terminated"):format(workers), function()
        local p

        before_each(function() p = pool.new(workers) end)
        after_each(function()
            check_ended(p)
            p:terminate()
        end)

        local function terminate() p:terminate() end

        for _, verb in ipairs { "map", "each", "map_async" } do
            it("by the source of " .. verb .. " raises that it was", function()
                local ok, message = pcall(p[verb], p, square, source(20, terminate))
                assert.are.same({ false, TERMINATED }, { ok, message })
            end)
        end

        for _, verb in ipairs { "imap", "imap_unordered" } do
            it("by the source of " .. verb .. " raises that it was", function()
                local ok, message = pcall(function()
                    for _ in p[verb](p, square, source(20, terminate)) do end
                end)
                assert.are.same({ false, TERMINATED }, { ok, message })
            end)

            it("in the body of " .. verb .. " gives what was done, and then raises", function()
                local seen = {}
                local ok, message = pcall(function()
                    for i, v in p[verb](p, slowly, source(2000, function() end)) do
                        seen[i] = v
                        if i == 3 then p:terminate() end
                    end
                end)
                assert.is_false(ok)
                for i, v in pairs(seen) do assert.are.equal(i, v) end
                assert.are.equal(3, seen[3])
                if message ~= TERMINATED then assert.are.equal("cancelled", message.kind) end
            end)
        end

        it("by progress gives the outcomes that there are, the others cancelled", function()
            local results, n, failures = p:map(slowly, range(20), {
                on_error = "collect", chunk = 1,
                progress = function(done) if done >= 1 then p:terminate() end end,
            })
            assert.are.equal(20, n)
            local cancelled = 0
            for i = 1, 20 do
                if failures[i] then
                    assert.are.same({ "cancelled", i }, { failures[i].kind, failures[i].index })
                    cancelled = cancelled + 1
                else
                    assert.are.equal(i, results[i])
                end
            end
            assert.is_true(cancelled > 0 and cancelled < 20)
        end)

        it("by the first call of progress raises a cancelled task", function()
            local ok, o = pcall(p.map, p, slowly, range(20), { progress = function() p:terminate() end })
            assert.are.same({ false, "cancelled" }, { ok, o.kind })
        end)
    end)
end

describe("a pool terminated by a callback", function()
    -- A future whose callback terminates the pool, soon.
    local function doom(p)
        local future = p:apply_async(slowly, 7)
        future:on_done(function() p:terminate() end)
        return future
    end

    for name, call in pairs {
        map = function(p) return p:map(os.execute, { "sleep 5" }) end,
        apply = function(p) return p:apply(os.execute, "sleep 5") end,
        imap = function(p) for _ in p:imap(os.execute, { "sleep 5" }) do end end,
        get = function(p) return p:apply_async(os.execute, "sleep 5"):get() end,
    } do
        it("cancels the " .. name .. " that is under way", function()
            local p <close> = pool.new(2)
            local future = doom(p)
            local ok, o = pcall(call, p)
            assert.are.same({ false, "cancelled" }, { ok, o.kind })
            assert.are.equal(7, future:get())
            check_ended(p)
        end)
    end

    for _, verb in ipairs { "join", "terminate" } do
        it("inside " .. verb .. " is just ended", function()
            local p = pool.new(2)
            local future, other = doom(p), p:apply_async(os.execute, "sleep 5")
            p:close()
            p[verb](p)
            assert.is_true(future:ready())
            local ok, o = pcall(other.get, other)
            assert.are.same({ false, "cancelled" }, { ok, o.kind })
        end)
    end

    it("leaves nothing behind", function()
        local output = helpers.output(helpers.counters .. [[
            local before = descriptors()
            for i = 1, 5 do
                local p = pool.new(2)
                p:apply_async(function() end):on_done(function() p:terminate() end)
                assert(not pcall(p.map, p, os.execute, { "sleep 5" }))
            end
            print(descriptors() - before, children(), segments())
        ]])
        assert.are.equal("0\t0\t0\n", output)
    end)
end)

describe("join", function()
    for _, verb in ipairs { "map", "each", "map_async", "imap" } do
        it("inside the source of " .. verb .. " is refused, and the pool is as usable as before", function()
            local p <close> = pool.new(2)
            local ok, message = pcall(function()
                local got = p[verb](p, square, source(20, function()
                    p:close()
                    p:join()
                end))
                if verb == "imap" then for _ in got do end end
                if verb == "map_async" then got:get() end
            end)
            assert.is_false(ok)
            message = tostring(message)
            assert.is_truthy(message:find("'join' cannot wait inside a call that still reads its source", 1, true), message)
            assert.is_true(p:join(10))
        end)
    end

    it("while a call is being submitted is refused, and the call is done", function()
        local p <close> = pool.new(1)
        local refused = 0
        local function end_it()
            p:close()
            local ok, message = pcall(p.join, p)
            refused = refused + (not ok and message:find("'join' cannot wait", 1, true) and 1 or 0)
        end
        local Ending = {
            __luas_pack = function(o)
                end_it()
                return o.v
            end,
            __luas_unpack = function(v) return { v = v } end,
        }
        assert.are.equal(3, p:apply(function(o) return o.v end, setmetatable({ v = 3 }, Ending)))
        assert.is_true(refused > 0)
    end)

    it("while a call waits for room to fork is refused, and the call is done", function()
        local p <close> = pool.new(1)
        local file <close>, refused = io.tmpfile(), nil
        -- The first ends while the last one waits for room, the others when the last one runs.
        local first, last = os.tmpname(), os.tmpname()
        local function awaits(path)
            os.execute(("while [ -e %s ]; do sleep 0.02; done"):format(path))
            return io.type(file)
        end
        local futures = { p:apply_async(function() return awaits(first) end) }
        for i = 2, 8 do futures[i] = p:apply_async(function() return awaits(last) end) end
        futures[1]:on_done(function()
            p:close()
            refused = not pcall(p.join, p)
        end)
        os.execute(("(sleep 1; rm %s) &"):format(first))
        assert.are.equal("file", p:apply(function()
            os.remove(last)
            return io.type(file)
        end))
        assert.is_true(refused)
        for i = 1, 8 do assert.are.equal("file", futures[i]:get(20)) end
    end)

    it("by progress of a map is done when all is, and the map has its results", function()
        local p = pool.new(2)
        local results, n = p:map(slowly, range(10), { progress = function()
            p:close()
            assert.is_true(p:join())
        end })
        assert.are.equal(10, n)
        assert.are.same(range(10), results)
    end)

    it("in the body of imap leaves it what it has read", function()
        local p, sum, count = pool.new(2), 0, 0
        for _, v in p:imap(square, range(10)) do
            p:close()
            assert.is_true(p:join())
            sum, count = sum + v, count + 1
        end
        assert.are.same({ 385, 10 }, { sum, count })
    end)

    it("with a timeout is not kept by an exit function that does not end, and terminate ends it", function()
        local p = pool.new { workers = 2, exit = function() while true do end end }
        assert.are.same({ 1, 4 }, (p:map(square, { 1, 2 })))
        p:close()
        assert.is_false(p:join(0.1))
        p:terminate()
        assert.is_true(p:join())
    end)
end)

describe("a pool that was closed", function()
    it("can be stepped, and tells its counts to the end", function()
        local p = pool.new(2)
        p:fileno()
        local future = p:apply_async(square, 3)
        p:close()
        for _ = 1, 500 do
            if future:ready() then break end
            p:step(0.02)
        end
        assert.are.equal(9, future:get())
        assert.are.equal(1, p:stats().values)
        assert.is_true(p:join(10))
        assert.are.same({ 1, 0, 1 }, { p:stats().values, p:stats().workers, p:stats().carried.ship })
        assert.is_false(p:step())
    end)

    it("tells what exit raised, once", function()
        local output = helpers.output([[
            local p = pool.new { workers = 2, exit = function() error("exit oops", 0) end }
            p:map(function(x) return x end, { 1, 2, 3, 4 })
            p:close()
            print(p:join(10)) ]])
        assert.are.equal(1, select(2, output:gsub("exit raised: exit oops", "")), output)
        assert.matches("true", output)
    end)
end)

describe("what a verb could not submit", function()
    it("for an error of its source keeps nobody waiting", function()
        local p <close> = pool.new(2)
        for _, verb in ipairs { "map", "each", "map_async", "starmap_async", "imap" } do
            local ok, raised = pcall(function()
                local got = p[verb](p, square, function() error("no input", 0) end)
                if verb == "imap" then got() else got:get() end
            end)
            assert.are.same({ false, "no input" }, { ok, raised.value })
        end
        p:close()
        assert.is_true(p:join(10))
    end)
end)

describe("a finalizer that the end of the script calls", function()
    -- `at`: whether its object is made before the pool or after it.
    local function script(at)
        return ([[
            local p, future, a, b
            local function same(...) return ... end
            local function told(what, f) print(what, (tostring(select(2, pcall(f))):gsub("^.-:%%d+: ", ""))) end
            local function finalize()
                told("map", function() return p:map(same, { { 1 }, { { 2 } } })[2][1][1] end)
                told("apply", function() return p:apply(same, { { 3 } })[1][1] end)
                told("async", function() return p:apply_async(same, { { 4 } }):get()[1][1] end)
                told("get", function() return future:get()[1][1] end)
                told("new", function() return pool.new(1):apply(same, { { 6 } })[1][1] end)
                told("default", function() return pool.map(same, { { { 7 } } })[1][1][1] end)
                told("pipe", function() a:send({ { 8 } }) return b:recv()[1][1] end)
                told("spawn", function() return process.spawn(same, { { 9 } }):result()[1][1] end)
                left = pool.new(1)
                left:apply_async(function() os.execute("sleep 60") end)
            end
            local function make(now) if now == "%s" then kept = setmetatable({}, { __gc = finalize }) end end
            make "before"
            p = pool.new(2)
            future = p:apply_async(function() return { { 5 } } end)
            a, b = process.pipe()
            process.spawn(same, 1):join()
            make "after" ]]):format(at)
    end

    it("has all verbs, if its object is younger than what it uses", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("map 2\napply 3\nasync 4\nget 5\nnew 6\ndefault 7\npipe 8\nspawn 9\n",
                helpers.output(script "after", by):gsub("\t", " "))
        end)
    end)

    it("has workers that leave the other finalizers to the host", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("1\nolder\n", helpers.output([[
                io.stdout:setvbuf "line"
                older = setmetatable({}, { __gc = function() print "older" end })
                queue = shared.queue()
                younger = setmetatable({}, { __gc = function()
                    local p = pool.new(1)
                    print(p:apply(function(x) return setmetatable({}, { __gc = print }) and x end, 1))
                    p:close()
                    p:join()
                end }) ]], by))
        end)
    end)

    it("is told that the pool is closed, if its object is older", function()
        helpers.each_interpreter(function(by)
            local closed = "pool is closed\n"
            assert.are.equal("map " .. closed .. "apply " .. closed .. "async " .. closed
                .. "get 5\nnew 6\ndefault 7\npipe this end of the pipe is closed\nspawn " .. closed,
                helpers.output(script "before", by):gsub("\t", " "))
        end)
    end)

    it("is told that the state is closing, if its object is older than the library", function()
        local by = helpers.interpreters["lua5.4"] and "lua5.4" or "luas" -- which has it from the start
        local output, status = helpers.run([[
            local p = pool.new(1)
            p:apply(print)
            function finalize()
                for _, f in ipairs { pool.map, process.spawn, process.pipe, function() pool.new(1) end } do
                    local ok, message = pcall(f, print, {})
                    print(ok or (message:gsub("^.-:%d+: ", "")))
                end
            end ]], { by = by, before = "export LUA_INIT="
                .. sh.quote "kept = setmetatable({}, { __gc = function() finalize() end })" .. ";" })
        assert.are.equal(0, status, output)
        assert.are.equal(by == "lua5.4" and 4 or 0,
            select(2, output:gsub("the Lua state is closing\n", "")), output)
    end)
end)
