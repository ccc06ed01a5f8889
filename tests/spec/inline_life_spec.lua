-- The life of a pool without workers: its futures, what ends it from inside,
-- init and exit.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local function square(x) return x * x end

describe("a future without workers", function()
    local p

    before_each(function() p = pool.new(0) end)
    after_each(function() p:terminate() end)

    it("has had its task run when it was made, with the values of that moment", function()
        local v, ran = 1, 0
        local argument = { 5 }
        local future = p:apply_async(function(t)
            ran = ran + 1
            return v, t[1]
        end, argument)
        v, argument[1] = 2, 6
        assert.are.equal(1, ran)
        assert.is_true(future:ready())
        assert.are.same({ 1, 5 }, { future:get() })
        assert.are.equal(1, ran)
    end)

    it("has ended, so that it cannot be cancelled", function()
        for _, future in ipairs { p:apply_async(square, 2), p:map_async(square, range(9)),
            p:starmap_async(square, { { 1 }, { 2 } }) } do
            assert.is_false(future:cancel())
            assert.is_true(future:successful())
        end
        assert.are.equal(0, p:stats().cancelled)
    end)

    it("keeps its results when the pool is terminated", function()
        local future = p:map_async(square, range(3))
        p:terminate()
        assert.are.same({ 1, 4, 9 }, (future:get()))
    end)

    it("may be waited for by another task", function()
        local first = p:apply_async(square, 3)
        local second = p:with { priority = 1 }:apply_async(function() return first:get() + 1 end)
        assert.are.equal(10, second:get())
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
                    messages[i] = tostring(message):gsub("\n\t%[C%]: in %?", "")
                        :gsub("worker %d", "worker"):gsub("%[worker, pid %d+%] ", "")
                end
                p:terminate()
            end
            assert.are.equal(messages[1], messages[2])
            assert.is_false(ran)
        end
    end)
end)
