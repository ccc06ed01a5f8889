-- Callbacks of futures: in which order they run, that none runs inside another,
-- and that a chain of them, each submitting the next task, has no end of its own.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

-- More than Lua has room for calls of C inside each other.
local LINKS <const> = 210

local function id(x) return x end

local error = error -- which can be shipped, unlike a spec's globals

local function fail() error("as it should") end

-- Each submits a task and gives its future.
local submissions = {
    ["apply_async"] = function(p, n) return p:apply_async(id, n) end,
    ["map_async"] = function(p, n) return p:map_async(id, { n }) end,
    ["map_async over nothing"] = function(p) return p:map_async(id, {}) end,
    ["map_async over a source"] = function(p, n)
        local given
        return p:map_async(id, function()
            given = not given and n or nil
            return given
        end)
    end,
    ["starmap_async"] = function(p, n) return p:starmap_async(id, { { n } }) end,
    ["apply_async of what fails"] = function(p) return p:apply_async(fail) end,
    ["apply_async that is over"] = function(p, n)
        local future = p:apply_async(id, n)
        future:get()
        return future
    end,
    ["apply_async that is cancelled"] = function(p, n)
        local future = p:apply_async(id, n)
        future:cancel()
        return future
    end,
    ["apply_async after a map"] = function(p, n)
        assert(p:map(id, { 1, 2, n })[3] == n)
        return p:apply_async(id, n)
    end,
    ["apply_async after an apply"] = function(p, n)
        assert(p:apply(id, n) == n)
        return p:apply_async(id, n)
    end,
    ["apply_async after an iteration"] = function(p, n)
        for _, x in p:imap(id, { n }) do assert(x == n) end
        return p:apply_async(id, n)
    end,
    ["apply_async after another's get"] = function(p, n)
        local first, second = p:apply_async(id, n), p:apply_async(id, n)
        assert(first:get() == n)
        return second
    end,
    ["apply_async after all"] = function(p, n)
        local first, second = p:apply_async(id, n), p:apply_async(id, n)
        pool.wait_all { first, second }
        return second
    end,
    ["apply_async after any"] = function(p, n)
        return (pool.wait_any { p:apply_async(id, n), p:apply_async(id, n) })
    end,
    ["apply_async and a step"] = function(p, n)
        local future = p:apply_async(id, n)
        p:step(0.001)
        return future
    end,
}

-- Drives the pools until `test` holds, or half a minute has passed.
local function drive(pools, test)
    for _ = 1, 30000 do
        if test() then return true end
        for _, p in ipairs(pools) do p:step(0.001) end
    end
    return test()
end

-- Gives how many links there were, and how many callbacks ran inside each other.
local function follow(pools, submit, links)
    local n, depth, deepest = 0, 0, 0
    local function link()
        depth = depth + 1
        deepest = math.max(deepest, depth)
        n = n + 1
        if n < links then submit(pools[1 + n % #pools], n):on_done(link) end
        depth = depth - 1
    end
    submit(pools[1], 0):on_done(link)
    drive(pools, function() return n >= links end)
    return n, deepest
end

describe("a chain of callbacks", function()
    for name, submit in pairs(submissions) do
        it("of " .. name .. " goes on, one at a time", function()
            for _, workers in ipairs { 0, 2 } do
                local p <close> = pool.new(workers)
                local n, deepest = follow({ p }, submit, LINKS)
                assert.are.equal(LINKS, n)
                assert.are.equal(1, deepest)
            end
        end)
    end

    it("goes to and fro between pools", function()
        for _, sizes in ipairs { { 1, 1 }, { 0, 1 }, { 0, 0 }, { 1, 0, 1 } } do
            local pools = {}
            for i, size in ipairs(sizes) do pools[i] = pool.new(size) end
            local n, deepest = follow(pools, submissions.apply_async, LINKS)
            assert.are.equal(LINKS, n)
            assert.are.equal(1, deepest)
            for _, p in ipairs(pools) do p:terminate() end
        end
    end)

    it("goes on through new pools", function()
        local n = 0
        local function link()
            n = n + 1
            if n < LINKS then pool.new(0):apply_async(id, n):on_done(link) end
        end
        link()
        assert.are.equal(LINKS, n)
    end)

    it("goes on where its callbacks raise", function()
        local output = helpers.output([[
            local p <close> = pool.new(1)
            local n = 0
            local function link()
                n = n + 1
                if n < 300 then p:apply_async(math.abs, n):on_done(link) end
                if n % 100 == 0 then error("link " .. n) end
            end
            p:apply_async(math.abs, 0):on_done(link)
            while n < 300 do p:step(1) end
            print(n)]], "luas")
        for i = 100, 300, 100 do
            assert.are.equal(1, select(2, output:gsub("a callback raised: [^\n]*link " .. i, "")), output)
        end
        assert.is_truthy(output:find("300\n$"), output)
    end)

    it("leaves nothing behind, whatever else is open", function()
        for _, workers in ipairs { 0, 2 } do
            local p <close> = pool.new(workers)
            local next_of = p:imap(id, { 1, 2, 3 }, { window = 1 })
            local function kilobytes()
                follow({ p }, submissions.apply_async, 300)
                collectgarbage()
                collectgarbage()
                return collectgarbage("count")
            end
            local before = kilobytes()
            for _ = 1, 3 do kilobytes() end
            local more = kilobytes() - before
            assert.is_true(more < 100, ("1200 links left %.0f KB"):format(more))
            assert.are.equal(1, next_of())
        end
    end)

    it("is made within one call where its tasks run in the caller", function()
        local p <close> = pool.new(0)
        local n = 0
        local function link()
            n = n + 1
            if n < LINKS then p:apply_async(id, n):on_done(link) end
        end
        p:apply_async(id, 0):on_done(link)
        assert.are.equal(LINKS, n)
    end)

    it("goes on inside a task", function()
        for _, workers in ipairs { 0, 1 } do
            local p <close> = pool.new(workers)
            local function task(links)
                local n = 0
                local function link()
                    n = n + 1
                    if n < links then p:apply_async(math.abs, n):on_done(link) end
                end
                p:apply_async(math.abs, 0):on_done(link)
                return n
            end
            assert.are.equal(LINKS, p:apply(task, LINKS))
        end
    end)
end)

describe("callbacks", function()
    local p

    before_each(function() p = pool.new(2) end)
    after_each(function() p:terminate() end)

    -- A callback that notes its name, and its future's place in the order of ends.
    local function noting(log, name)
        return function() log[#log + 1] = name end
    end

    it("run in the order in which their futures ended, and were registered", function()
        local log = {}
        local slow, quick = p:apply_async(helpers.sleep, helpers.within(0.2)), p:apply_async(id, 1)
        slow:on_done(noting(log, "slow 1"))
        quick:on_done(noting(log, "quick 1"))
        slow:on_done(noting(log, "slow 2"))
        quick:on_done(noting(log, "quick 2"))
        p:apply(helpers.sleep, helpers.within(0.3))
        assert.is_true(pool.wait_all { slow, quick })
        assert.are.same({ "quick 1", "quick 2", "slow 1", "slow 2" }, log)
    end)

    it("of what has ended and was not looked at run before a later one of it", function()
        local log = {}
        local future = p:apply_async(id, 1)
        future:on_done(noting(log, "early"))
        helpers.sleep(0.1)
        future:on_done(noting(log, "late"))
        future:wait()
        assert.are.same({ "early", "late" }, log)
    end)

    it("have run when a wait for their future returns", function()
        for _, wait in ipairs {
            function(f) f:get() end, function(f) f:wait() end, function(f) pool.wait_all { f } end,
            function(f) pool.wait_any { f } end, function(f) while not f:ready() do p:step() end end,
        } do
            local log = {}
            local future = p:apply_async(id, 1)
            future:on_done(noting(log, "done"))
            wait(future)
            assert.are.same({ "done" }, log)
        end
    end)

    it("that others lead to come after them, first those that were due", function()
        local log, ended = {}, p:apply_async(id, 1)
        ended:wait()
        local first, second = p:apply_async(id, 2), p:apply_async(id, 3)
        pool.wait_all { first, second }
        local both = p:apply_async(helpers.sleep, 0.1)
        both:on_done(function()
            ended:on_done(noting(log, "inner"))
            log[#log + 1] = "one"
        end)
        both:on_done(noting(log, "two"))
        both:wait()
        assert.are.same({ "one", "two", "inner" }, log)
    end)

    it("may wait for a future while others are due", function()
        local log = {}
        local futures = {}
        for i = 1, 10 do
            futures[i] = p:apply_async(id, i)
            futures[i]:on_done(function()
                log[#log + 1] = p:apply(id, i) + p:apply_async(id, 100):get()
                pool.wait_all(futures)
            end)
        end
        pool.wait_all(futures)
        table.sort(log)
        assert.are.same({ 101, 102, 103, 104, 105, 106, 107, 108, 109, 110 }, log)
    end)

    it("that raise take no others with them", function()
        local output = helpers.output([[
            local p <close> = pool.new(1)
            local f, n = p:apply_async(math.abs, 1), 0
            for i = 1, 3 do
                f:on_done(function() error(setmetatable({}, { __tostring = function() return "bad " .. i end })) end)
                f:on_done(function() n = n + 1 end)
            end
            f:get()
            print(n)]], "luas")
        for i = 1, 3 do assert.is_truthy(output:find("a callback raised: bad " .. i, 1, true), output) end
        assert.is_truthy(output:find("3\n$"), output)
    end)

    it("may end their pool, and others of it still run", function()
        for _, stop in ipairs { "terminate", "join" } do
            local q, log = pool.new(1), {}
            local first, last = q:apply_async(id, 1), q:apply_async(helpers.sleep, stop == "join" and 0 or 30)
            first:on_done(function()
                q:close()
                q[stop](q)
                log[#log + 1] = "first"
            end)
            last:on_done(noting(log, "last"))
            first:wait()
            assert.are.same({ "first", "last" }, log)
        end
    end)

    it("that cancel what others wait for have those run", function()
        local log = {}
        local doomed = p:apply_async(helpers.sleep, 30)
        doomed:on_done(function(f) log[#log + 1] = select(2, pcall(f.get, f)).kind end)
        p:apply_async(id, 1):on_done(function() doomed:cancel() end)
        assert.is_true(drive({ p }, function() return #log == 1 end))
        assert.are.same({ "cancelled" }, log)
    end)

    it("run though one waits in a coroutine that nobody resumes", function()
        local log = {}
        local co = coroutine.wrap(function()
            local future = p:apply_async(helpers.sleep, 0.1)
            future:on_done(function() coroutine.yield("away") end)
            future:on_done(noting(log, "next"))
            future:wait()
        end)
        assert.are.equal("away", co())
        p:apply_async(id, 2):on_done(noting(log, "other"))
        assert.is_true(drive({ p }, function() return #log == 2 end))
        assert.are.same({ "next", "other" }, log)
        co()
        local n, deepest = follow({ p }, submissions.apply_async, 300)
        assert.are.same({ 300, 1 }, { n, deepest })
    end)

    it("run after the reading of their future, where that drives the pool", function()
        local log = {}
        local future
        future = p:map_async(id, { 1, 2, 3 }, { progress = function()
            log[#log + 1] = "progress"
            p:step(0)
        end })
        future:on_done(function(f) log[#log + 1] = "done " .. select(2, f:get()) end)
        assert.are.equal(3, select(2, future:get()))
        assert.are.equal("done 3", log[#log])
    end)

    it("wake the poll loop of a pool whose future was cancelled", function()
        local q, log = pool.new(1), {}
        q:fileno()
        local running, waiting = q:apply_async(helpers.sleep, 20), q:apply_async(id, 1)
        waiting:on_done(noting(log, "cancelled"))
        while q:step(0) do end
        waiting:cancel()
        assert.is_true(q:step(5))
        assert.are.same({ "cancelled" }, log)
        running:cancel()
        q:terminate()
    end)
end)

describe("callbacks of a task", function()
    -- They are its own, wherever it runs: the pool is one without workers there.
    local function task_of(p)
        return function()
            local seen
            p:apply_async(math.abs, -7):on_done(function(f) seen = f:get() end)
            return seen
        end
    end

    it("run in it, also where it was called by a callback", function()
        for _, workers in ipairs { 0, 1 } do
            local p <close> = pool.new(workers)
            local results, task = {}, task_of(p)
            results[1] = p:apply(task)
            p:apply_async(id, 1):on_done(function() results[2] = p:apply(task) end)
            assert.is_true(drive({ p }, function() return results[2] ~= nil end))
            assert.are.same({ 7, 7 }, results)
        end
    end)

    it("run in a worker that was forked by a callback", function()
        local p <close> = pool.new { workers = 1, carry = "inherit" }
        local result, task = nil, task_of(p)
        p:apply_async(id, 1):on_done(function() result = p:apply(task) end)
        assert.is_true(drive({ p }, function() return result ~= nil end))
        assert.are.equal(7, result)
    end)

    it("end with it, where they have no end of their own", function()
        for workers = 0, 1 do
            local p <close> = pool.new { workers = workers, timeout = 0.1 }
            local ok, o = pcall(p.apply, p, function()
                local function link() p:apply_async(math.abs, 1):on_done(link) end
                link()
            end)
            assert.is_false(ok)
            assert.are.equal("timeout", o.kind)
            assert.are.equal(1, p:apply(id, 1))
            p:close()
            assert.is_true(p:join(helpers.within(1)))
        end
    end)

    it("leave those of its caller to that", function()
        local p, q = pool.new(0), pool.new(1)
        local log = {}
        local future = q:apply_async(helpers.sleep, 0.1)
        future:on_done(function() log[#log + 1] = "caller's" end)
        p:apply(function()
            future:wait()
            log[#log + 1] = "task"
        end)
        assert.are.same({ "task", "caller's" }, log)
        q:terminate()
    end)
end)
