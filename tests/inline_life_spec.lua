-- The life of a pool without workers: futures whose tasks wait for a call that
-- drives it, what ends it from inside, init and exit.

local luas = require("luas")
local pool = luas.pool

local function square(x) return x * x end

local function range(n)
    local t = {}
    for i = 1, n do t[i] = i end
    return t
end

describe("a future without workers", function()
    local p

    before_each(function() p = pool.new(0) end)
    after_each(function() p:terminate() end)

    it("has its task run by the first call that drives the pool", function()
        local ran = 0
        local future = p:apply_async(function()
            ran = ran + 1
            return "done"
        end)
        assert.are.equal(0, ran)
        assert.are.equal(4, p:apply(square, 2))
        assert.are.equal("done", future:get())
        assert.are.equal(1, ran)
        local polled = p:map_async(square, range(5))
        while not polled:ready() do end
        assert.are.same({ 1, 4, 9, 16, 25 }, (polled:get()))
    end)

    it("that is cancelled never runs its task", function()
        local ran = false
        local function note() ran = true end
        for _, future in ipairs { p:apply_async(note), p:map_async(note, range(9)),
            p:starmap_async(note, { {}, {} }) } do
            assert.is_true(future:cancel())
            local ok, o = pcall(future.get, future)
            assert.is_false(ok)
            assert.are.same({ "cancelled", 0, 1 }, { o.kind, o.attempts, o.index })
            assert.is_nil(o.pid)
            assert.is_false(future:cancel())
        end
        p:close()
        p:join()
        assert.is_false(ran)
        assert.are.equal(12, p.state.core:stats().cancelled)
    end)

    it("runs its task though nobody asks, before the pool ends", function()
        local ran = 0
        for _ = 1, 5 do p:apply_async(function() ran = ran + 1 end) end
        p:close()
        assert.is_true(p:join(10))
        assert.are.equal(5, ran)
    end)

    it("is cancelled when the pool is terminated", function()
        local ran = false
        local future = p:map_async(function() ran = true end, range(3))
        p:terminate()
        local ok, o = pcall(future.get, future)
        assert.are.same({ false, "cancelled", false }, { ok, o.kind, ran })
    end)

    it("may be cancelled by its own task, which that stops", function()
        local closed, past = false, false
        local future
        future = p:map_async(function(x)
            local guard <close> = setmetatable({}, { __close = function() closed = true end })
            if x == 2 then
                future:cancel()
                while true do past = not past end
            end
            return x
        end, range(5), { on_error = "collect", retries = 3 })
        local results, n, failures = future:get()
        assert.are.same({ { 1 }, 5, true }, { results, n, closed })
        assert.are.same({ "cancelled", 1 }, { failures[2].kind, failures[2].attempts })
        assert.are.same({ "cancelled", 0 }, { failures[5].kind, failures[5].attempts })
        assert.are.equal(9, p:apply(square, 3))
    end)

    it("says so when its own task waits for it", function()
        local future
        future = p:apply_async(function() return (future:get()) end)
        local ok, o = pcall(future.get, future)
        assert.is_false(ok)
        assert.matches("a task cannot wait for its own end", o.message)
        assert.matches("inline_life_spec.lua:%d+", o.message)
    end)

    it("may wait for another that was not begun", function()
        local first = p:apply_async(square, 3)
        local second = p:with { priority = 1 }:apply_async(function() return first:get() + 1 end)
        assert.are.equal(10, second:get())
    end)

    it("may cancel others from its callback", function()
        local ran = 0
        local futures = {}
        for i = 1, 4 do futures[i] = p:apply_async(function() ran = ran + 1 end) end
        futures[1]:on_done(function()
            for i = 2, 4 do futures[i]:cancel() end
        end)
        futures[1]:wait()
        p:step()
        local ok, o = pcall(futures[4].get, futures[4])
        assert.are.same({ false, "cancelled" }, { ok, o.kind })
        assert.is_true(ran < 4)
    end)
end)

describe("the end of a pool without workers", function()
    it("in a task cancels that and all others", function()
        local p = pool.new(0)
        local past, ran = false, 0
        local ok, o = pcall(p.map, p, function()
            ran = ran + 1
            p:terminate()
            past = true
        end, range(5))
        assert.is_false(ok)
        assert.are.equal("cancelled", o.kind)
        assert.are.same({ 1, false }, { ran, past })
        assert.has_error(function() p:map(square, {}) end)
    end)

    it("in a source or a progress function ends the job", function()
        local p = pool.new(0)
        local read = 0
        local ok = pcall(p.each, p, square, function()
            read = read + 1
            if read == 3 then p:terminate() end
            return read
        end, { window = 2 })
        assert.is_false(ok)
        assert.are.equal(3, read)
        local q = pool.new(0)
        local o
        ok, o = pcall(q.map, q, function()
            os.execute("sleep 0.1")
        end, range(9), { progress = function() q:terminate() end })
        assert.are.same({ false, "cancelled" }, { ok, o.kind })
    end)

    it("is not waited for by a task of its own", function()
        local p <close> = pool.new(0)
        local ok, o = pcall(p.apply, p, function()
            p:close()
            p:join()
        end)
        assert.is_false(ok)
        assert.matches("a task cannot wait for its own end", o.message)
    end)
end)

describe("init without workers", function()
    it("runs before the first task, and exit at the end", function()
        local order = {}
        local function note(word) return function() order[#order + 1] = word end end
        local p = pool.new { workers = 0, init = note "init", exit = note "exit" }
        assert.are.same({}, order)
        p:map(note "task", { 1, 2 })
        p:close()
        p:join()
        p:join()
        assert.are.same({ "init", "task", "task", "exit" }, order)
        order = {}
        pool.new { workers = 0, init = note "init", exit = note "exit" }:close()
        local q = pool.new { workers = 0, init = note "init", exit = note "exit" }
        q:apply(note "task")
        q:terminate()
        assert.are.same({ "init", "task" }, order)
    end)

    it("that fails gives the error that workers give, and no task runs", function()
        for _, init in ipairs { function() error("no database") end, function() error({}) end,
            function() os.exit(3) end } do
            local messages, ran = {}, false
            for i, workers in ipairs { 1, 0 } do
                local p = pool.new { workers = workers, init = init }
                for _ = 1, 2 do
                    local ok, message = pcall(p.map, p, function() ran = true end, { 1 })
                    assert.is_false(ok)
                    messages[i] = message:gsub("\n\t%[C%]: in %?", "")
                end
                p:terminate()
            end
            assert.are.equal(messages[1], messages[2])
            assert.is_false(ran)
        end
    end)
end)
