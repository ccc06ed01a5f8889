-- Trouble from places that are no task: definitions, results being read,
-- callbacks, stopped workers. It stays with those whose it is.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

local function square(x) return x * x end

local function nap(seconds) os.execute("sleep " .. seconds) end

local function pid() return io.open("/proc/self/stat"):read("n") end

-- Its objects do this where they arrive.
local function class(unpack)
    return { __luas_pack = function(o) return o.v end, __luas_unpack = unpack }
end

describe("a definition", function()
    it("that ends its workers is a crash of that job, and of no other", function()
        local p <close> = pool.new(2)
        local other = p:map_async(function(x)
            nap(0.05)
            return x
        end, { 1, 2, 3, 4, 5, 6, 7, 8 })
        local deadly = setmetatable({ v = 1 }, class(function() os.exit(5) end))
        local ok, o = pcall(p.apply, p:with { carry = "ship" }, function() return deadly.v end)
        assert.is_false(ok)
        assert.are.same({ "crash", 5 }, { o.kind, o.exitcode })
        assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, (other:get(20)))
        local _, n, failures = p:map(function() return deadly.v end, { 1, 2, 3 },
            { on_error = "collect", carry = "ship" })
        assert.are.equal(3, n)
        for i = 1, 3 do assert.is_true(failures[i].kind == "crash" or failures[i].kind == "cancelled") end
        assert.are.equal(9, p:apply(square, 3))
        assert.is_true(p:stats().forks < 30)
    end)

    it("that ends its workers is not retried for ever, nor lost to retries", function()
        local p <close> = pool.new(2)
        local deadly = setmetatable({ v = 1 }, class(function() os.exit(5) end))
        local _, _, failures = p:map(function() return deadly.v end, { 1, 2, 3 },
            { on_error = "collect", carry = "ship", retries = 5 })
        local crashes = 0
        for i = 1, 3 do crashes = crashes + (failures[i].exitcode == 5 and 1 or 0) end
        assert.is_true(crashes >= 1)
        assert.is_true(p:stats().forks < 30)
    end)

    it("that does not end is a timeout, and the worker goes", function()
        local p <close> = pool.new { workers = 1, timeout = 0.5 }
        local endless = setmetatable({ v = 1 }, class(function() while true do end end))
        local ok, o = pcall(p.apply, p:with { carry = "ship" }, function() return endless.v end)
        assert.is_false(ok)
        assert.are.equal("timeout", o.kind)
        assert.are.equal(9, p:apply(square, 3))
        assert.are.equal(4, p:stats().forks) -- three workers had tried it
    end)

    it("that does not end in one worker is another's", function()
        local p <close> = pool.new { workers = 1, timeout = 0.5 }
        local path = os.tmpname()
        os.remove(path)
        local once = setmetatable({ v = 1 }, class(function()
            local tried = io.open(path)
            if tried then return { v = 7 } end
            io.open(path, "w"):close()
            while true do end
        end))
        assert.are.same({ 7, 7, 7 }, (p:map(function() return once.v end, { 1, 2, 3 }, { carry = "ship" })))
        assert.are.equal(2, p:stats().forks)
        os.remove(path)
    end)

    it("that does not end, of a task that is over, keeps no other from its worker", function()
        local p <close> = pool.new(1)
        local endless = setmetatable({ v = 1 }, class(function() while true do end end))
        local future = p:with { carry = "ship" }:apply_async(function() return endless.v end)
        assert.is_false(future:wait(0.2))
        future:cancel()
        assert.are.equal("cancelled", select(2, pcall(future.get, future)).kind)
        assert.are.equal(9, p:apply(square, 3))
        assert.are.equal(2, p:stats().forks)
    end)
end)

describe("results that are being read", function()
    it("are not read by what reads them", function()
        local p <close> = pool.new(2)
        local again
        local Odd = class(function(v)
            if again then again() end
            return { v = v }
        end)
        local source = pool.iter(ipairs { 1, 2, 3, 4 })
        local step, _, _, job = p:imap_unordered(function(x)
            return setmetatable({ v = x }, Odd), setmetatable({ v = ("x"):rep(1000) }, Odd)
        end, source)
        local close <close> = job
        again = step
        local ok, message = pcall(function() while step() do end end)
        assert.is_false(ok)
        assert.matches("being read already", tostring(message))
        again = function() job:close() end
        ok, message = pcall(function() while step() do end end)
        assert.matches("are being read", tostring(message))
        again = nil
        assert.are.equal(9, p:apply(square, 3))
    end)
end)

describe("callbacks of futures", function()
    it("are called once each, though they drive the pool", function()
        local p <close> = pool.new(2)
        local calls, futures = { 0, 0, 0, 0 }, {}
        for i = 1, 4 do
            futures[i] = p:apply_async(nap, 0.05)
            futures[i]:on_done(function()
                calls[i] = calls[i] + 1
                p:step(0)
            end)
        end
        nap(0.3)
        p:step(0.1)
        pool.wait_all(futures)
        p:step(0)
        assert.are.same({ 1, 1, 1, 1 }, calls)
    end)

    it("are called when the pool is terminated", function()
        for _ = 1, 20 do
            local p = pool.new(4)
            local called = 0
            for _ = 1, 3 do p:apply_async(nap, 5):on_done(function() called = called + 1 end) end
            p:apply_async(square, 1):on_done(function() p:terminate() end)
            for _ = 1, 500 do
                if called == 3 then break end
                if not p.state.closed then p:step(0.01) end
            end
            p:terminate()
            assert.are.equal(3, called)
        end
    end)
end)

it("a progress function that raises ends a future with that, as often as one asks", function()
    local p <close> = pool.new(2)
    local function not_at_all() error("no progress", 0) end
    local function not_at_the_end(done) if done == 3 then not_at_all() end end
    for _, progress in ipairs { not_at_all, not_at_the_end } do
        for _, before in ipairs { 0, 0.05, 0.3 } do
            local future = p:map_async(square, { 1, 2, 3 }, { progress = progress })
            future:wait(before)
            for _ = 1, 3 do
                local ok, message = pcall(future.get, future)
                assert.are.same({ false, "no progress" }, { ok, message })
            end
            assert.is_true(future:ready())
        end
    end
end)

it("a task that was dealt to a stopped worker is done by another", function()
    local p <close> = pool.new(2)
    local pids = p:broadcast(pid)
    os.execute("kill -STOP " .. pids[1])
    local future = p:map_async(square, { 1, 2, 3, 4, 5, 6, 7, 8 })
    local done = future:wait(10)
    os.execute("kill -CONT " .. pids[1])
    assert.is_true(done)
    assert.are.equal(64, future:get()[8])
end)

it("a broadcast says why not all workers can be had", function()
    local output = helpers.run([[
        local p = pool.new(8)
        p:map(function(x) return x end, { 1, 2, 3 })
        print(pcall(p.broadcast, p, function() return 1 end))
        print(p:apply(function() return 5 end))
    ]], { before = "ulimit -n 30;" })
    assert.matches("^false\t[^\n]*Too many open files\n5\n$", output)
end)

it("a replacement that dies in init once does not break the pool", function()
    local path = os.tmpname()
    os.remove(path)
    local p <close> = pool.new { workers = 1, init = function()
        local mark = io.open(path)
        if not mark then return end
        mark:close()
        os.remove(path)
        os.execute("kill -9 $PPID")
    end }
    assert.are.equal(4, p:apply(square, 2))
    io.open(path, "w"):close()
    local ok, o = pcall(p.apply, p, os.exit, 3)
    assert.are.same({ false, 3 }, { ok, o.exitcode })
    assert.are.equal(9, p:apply(square, 3))
end)

helpers.each_interpreter(function(by)
    it("what a nested worker has started ends with the task around it, under " .. by, function()
        local marker, pattern = helpers.sleep_marker()
        local output = helpers.output(([[
            local p = pool.new { workers = 1, timeout = 0.5 }
            print(pcall(p.apply, p, function()
                local inner = pool.new(1)
                inner:apply_async(function() os.execute("exec sleep %s") end)
                while true do pcall(function() while true do end end) end
            end))
            p:terminate()
            os.execute "sleep 0.5; pgrep -f '%s'; true"]]):format(marker, pattern), by)
        assert.matches("timed out", output)
        assert.is_nil(output:find("\n%d+\n"), output)
    end)
end)

it("a method of the engine takes nothing for an object that only has its class", function()
    assert.matches("^false\t.*luas%.core%.pool expected", helpers.output([[
        local engine = pool.new(1).state.core
        print(pcall(engine.live, setmetatable({}, debug.getmetatable(engine))))]]))
end)
