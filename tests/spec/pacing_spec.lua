-- Limits on what runs at a time and starts in a second; workers that end when they are idle.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local open, execute = io.open, os.execute -- so that what uses them is shipped

local function clock()
    local file = open("/proc/uptime")
    local seconds = file:read("n")
    file:close()
    return seconds
end

-- When a task began and ended.
local function span()
    local began = clock()
    execute "sleep 0.05"
    return { began, clock() }
end

-- How many of these ran at once. The clock counts hundredths.
local function overlap(spans, counts)
    local ends, running, most = {}, 0, 0
    for i, s in ipairs(spans) do
        if not counts or counts(i) then
            ends[#ends + 1] = { s[1], 1 }
            ends[#ends + 1] = { s[2] - 0.015, -1 }
        end
    end
    table.sort(ends, function(a, b) return a[1] < b[1] end)
    for _, e in ipairs(ends) do
        running = running + e[2]
        most = math.max(most, running)
    end
    return most
end

local function counter(n)
    local i = 0
    return function()
        i = i + 1
        if i <= n then return i, "more" end
    end
end

local function is_even(i) return i % 2 == 0 end

for _, carry in ipairs { "auto", "inherit" } do
    describe("limit (" .. carry .. ")", function()
        local p

        before_each(function() p = pool.new(4) end)
        after_each(function() p:terminate() end)

        it("has no more than n tasks run at a time", function()
            local spans, n = p:map(span, range(8), { carry = carry, limit = { n = 2 } })
            assert.are.equal(8, n)
            assert.are.equal(2, overlap(spans))
        end)

        it("counts each key by itself, of arrays, lists and sources", function()
            local limit = { n = 1, key = function(i) return i % 2 end }
            for _, spans in ipairs {
                p:map(span, range(6), { carry = carry, limit = limit }),
                (p:starmap(span, { { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 } }, { carry = carry, limit = limit })),
                (p:map(span, counter(6), { carry = carry, limit = limit })),
            } do
                assert.are.equal(1, overlap(spans, is_even))
                assert.are.equal(2, overlap(spans))
            end
        end)

        it("holds up no task with another key, or none", function()
            local done = {}
            for i in p:imap_unordered(span, range(8), { carry = carry,
                limit = { n = 1, key = function(i) return i <= 6 and "slow" or nil end } }) do
                done[#done + 1] = i
            end
            local place = {}
            for at, i in ipairs(done) do place[i] = at end
            assert.is_true(place[7] < 5 and place[8] < 5)
        end)

        it("spaces the starts of a key", function()
            local before = clock()
            assert.are.equal(6, p:each(function() end, range(6), { carry = carry, limit = { rate = 20 } }))
            local took = clock() - before
            assert.is_true(took >= 0.24, took)
            before = clock()
            p:each(function() end, counter(6),
                { carry = carry, limit = { rate = 20, key = function(i) return i % 3 end } })
            assert.is_true(clock() - before < took)
        end)

        it("counts further starts, too, and lets all tasks end", function()
            local _, n, failed = p:map(function(i)
                if i % 2 == 0 then error(i, 0) end
            end, range(10), { carry = carry, limit = { n = 1, rate = 200 }, on_error = "collect",
                retries = { n = 2, on = "error" } })
            assert.are.equal(10, n)
            for i = 2, 10, 2 do assert.are.equal(3, failed[i].attempts) end
            assert.is_nil(failed[1])
        end)

        it("lets another job go on", function()
            local slow = p:map_async(span, range(50), { carry = carry, limit = { rate = 2 } })
            local before = clock()
            assert.are.equal(20, #p:map(math.sqrt, range(20)))
            assert.is_true(clock() - before < 2)
            slow:cancel()
            assert.are.equal("cancelled", select(2, pcall(slow.get, slow)).kind)
        end)
    end)
end

describe("limit", function()
    it("has its turn beside a job with many tasks", function()
        local p <close> = pool.new(1)
        local many = p:map_async(function() for _ = 1, 3e5 do end end, range(150))
        local limited = p:map_async(function() end, range(4), { limit = { n = 1 } })
        assert.are.equal(limited, pool.wait_any { many, limited })
        many:cancel()
    end)

    it("is of starts after init", function()
        local p <close> = pool.new { workers = 4, init = function() execute "sleep 0.2" end }
        local starts = p:map(clock, range(4), { limit = { rate = 10 } })
        table.sort(starts)
        assert.is_true(starts[4] - starts[1] > 0.1, starts[4] - starts[1])
    end)

    it("is of tasks that wait for others without workers, too", function()
        local p <close> = pool.new(0)
        local running, most, order = 0, 0, {}
        p:each(function(i)
            running = running + 1
            most = math.max(most, running)
            p:each(function() end, { 1, 2 }, { limit = { rate = 50 } }) -- waits, and others go on meanwhile
            running = running - 1
            order[#order + 1] = i
        end, range(4), { limit = { n = 2 } })
        assert.are.equal(2, most)
        assert.are.equal(4, #order)
    end)

    it("counts further starts without workers, too", function()
        local p <close> = pool.new(0)
        for _, delay in ipairs { 0, 0.001 } do
            local before = clock()
            local _, _, failed = p:map(function() error("no", 0) end, { 1, 2 },
                { limit = { rate = 50 }, on_error = "collect", retries = { n = 2, on = "error", delay = delay } })
            assert.are.same({ 3, 3 }, { failed[1].attempts, failed[2].attempts })
            assert.is_true(clock() - before >= 0.09)
        end
    end)

    it("ends with the job's deadline, halt and cancelling", function()
        for workers = 0, 2, 2 do
            local p <close> = pool.new(workers)
            local slow = { rate = 10, key = is_even }
            local _, n, failed = p:map(function() end, range(20), { limit = slow, on_error = "collect", deadline = 0.05 })
            assert.are.same({ 20, "cancelled", "cancelled" }, { n, failed[3].kind, failed[20].kind })
            _, n, failed = p:map(error, range(20), { limit = slow, on_error = "collect", halt = 1 })
            local raised = failed[1].kind == "error" and failed[1] or failed[2] -- they start together
            assert.are.same({ 20, "error", "cancelled" }, { n, raised.kind, failed[20].kind })
            local before = clock()
            for _ in p:imap(function() end, pool.range(1, 100), { limit = slow }) do break end
            assert.is_true(clock() - before < 2)
        end
    end)

    it("spaces starts without workers, too, for each key", function()
        local p <close> = pool.new(0)
        local before, order = clock(), {}
        for i in p:imap_unordered(function() end, range(6),
            { limit = { rate = 10, key = function(i) return i < 4 and "slow" or i end } }) do
            order[#order + 1] = i
        end
        assert.is_true(clock() - before >= 0.19)
        assert.are.same({ 1, 4, 5, 6, 2, 3 }, order)
        assert.are.equal(3, #p:map_async(math.sqrt, range(3), { limit = { rate = 100 } }):get())
    end)

    it("is of reduce's items", function()
        local p <close> = pool.new(2)
        local before = clock()
        assert.are.equal(10, p:reduce(function(x) return x end, range(4), function(a, b) return a + b end, 0,
            { limit = { rate = 20 } }))
        assert.is_true(clock() - before >= 0.14)
    end)

    it("is checked", function()
        for _, wrong in ipairs { 3, {}, { n = 0 }, { rate = 0 }, { rate = -1 }, { n = 1, key = 3 },
            { key = print }, { n = 1, each = 2 } } do
            local ok, message = pcall(pool.map, math.sqrt, {}, { limit = wrong })
            assert.is_false(ok)
            assert.matches("option 'limit' must be a table {n = tasks at a time", message)
        end
    end)

    it("says which of its fields is wrong", function()
        for words, wrong in pairs {
            ['{n = "two"}'] = { n = "two" }, ["{rate = NaN}"] = { rate = 0 / 0 }, ["{key = 3}"] = { n = 1, key = 3 },
            ["{most = 3}"] = { most = 3 }, ["{[1] = 2}"] = { 2 }, ["table"] = { key = print },
        } do
            local _, message = pcall(pool.map, math.sqrt, {}, { limit = wrong })
            assert.are.equal("got " .. words, message:match "got .*$")
        end
        assert.matches('got {n = "x"}$', select(2, pcall(pool.map, math.sqrt, {}, { retries = { n = "x" } })))
    end)

    it("whose key raises raises that, with what the call has had", function()
        local limit = { n = 1, key = function(i) if i == 3 then error("no key", 0) end end }
        for workers = 0, 2, 2 do
            local p <close> = pool.new(workers)
            local ok, message = pcall(p.map, p, math.sqrt, range(5), { limit = limit })
            assert.are.same({ false, "no key" }, { ok, message })
            local _, o = pcall(p.map, p, math.sqrt, pool.range(1, 5), { limit = limit })
            assert.are.same({ "no key", 2, 1 }, { o.value, o.n, o.results[1] })
            assert.matches("^the key of limit %(2 results kept%): no key", tostring(o))
            _, o = pcall(p.each, p, math.sqrt, pool.range(1, 5), { limit = limit })
            assert.are.same({ "no key", 2 }, { o.value, o.n })
        end
    end)

    it("has keys of any value but nil and NaN, and asks for each once", function()
        local key, asked = {}, 0
        local keys = { key, 0 / 0, false, key, "x", {}, 1, 1.0 }
        for _, carry in ipairs { "auto", "inherit" } do
            for workers = 0, 2, 2 do
                local p <close> = pool.new(workers)
                local thread = coroutine.create(print) -- cannot be shipped
                for _, source in ipairs { range(9), counter(9) } do
                    asked = 0
                    p:each(function(i) return carry == "inherit" and i == 9 and thread end, source,
                        { limit = { n = 1, key = function(i) asked = asked + 1 return keys[i] end } })
                    assert.are.equal(9, asked)
                end
            end
        end
    end)

    it("says nothing of a single call, so its key is not asked for", function()
        for _, carry in ipairs { "ship", "inherit" } do
            local p <close> = pool.new { workers = 1, carry = carry, limit = { n = 1, key = error } }
            assert.are.equal(3, p:apply(math.sqrt, 9))
            assert.are.equal(3, p:apply_async(math.sqrt, 9):get())
        end
    end)

    it("forgets keys that have no task any more", function()
        for workers = 0, 1 do
            local p <close> = pool.new(workers)
            local alive, most = setmetatable({}, { __mode = "k" }), 0
            p:each(function() end, pool.range(1, 5000), { limit = { n = 1, rate = 1e6, key = function(i)
                local key = {}
                alive[key] = true
                if i % 500 == 0 then
                    collectgarbage()
                    local n = 0
                    for _ in pairs(alive) do n = n + 1 end
                    most = math.max(most, n)
                end
                return key
            end } })
            assert.is_true(most < 3500, most)
        end
    end)
end)

describe("a worker that is idle", function()
    local function pids_of(p)
        return (p:broadcast(function() return open("/proc/self/stat"):read("n") end))
    end

    it("ends after a while, though nobody calls, and is replaced", function()
        local p <close> = pool.new { workers = 2, idle = 0.2 }
        local pids = pids_of(p)
        assert.are.same({}, helpers.survivors(pids, 10))
        assert.are.equal(3, p:apply(math.sqrt, 9))
    end)

    it("stays while it has tasks", function()
        local p <close> = pool.new { workers = 1, idle = 0.1 }
        local function pid() return open("/proc/self/stat"):read("n") end
        local first = p:apply(pid)
        local results = p:map(function()
            execute "sleep 0.12"
            return open("/proc/self/stat"):read("n")
        end, range(3))
        assert.are.same({ results[1], results[1] }, { results[2], results[3] })
        assert.is_number(first)
    end)

    it("ends in a pool that a poll loop drives, too", function()
        local p <close> = pool.new { workers = 2, idle = 0.1 }
        p:fileno()
        local pids = pids_of(p)
        assert.is_truthy(helpers.eventually(10, function()
            p:step(0.01)
            return #helpers.survivors(pids, 0.05) == 0
        end))
    end)

    it("ends at once by trim, after its exit function", function()
        local path = os.tmpname()
        local p <close> = pool.new { workers = 2, exit = function()
            local file = open(path, "a")
            file:write "x"
            file:close()
        end }
        local pids = pids_of(p)
        assert.are.equal(2, p:trim())
        assert.are.same({}, helpers.survivors(pids, 5))
        assert.are.equal(0, p:stats().workers)
        assert.are.equal("xx", open(path):read("a"))
        assert.are.equal(0, p:trim())
        assert.are.equal(2, p:apply(math.sqrt, 4))
        os.remove(path)
    end)

    it("stays in a broadcast, and for what inherits, until there is nothing to do", function()
        local p <close> = pool.new { workers = 2, idle = 0.05 }
        local here = setmetatable({}, { __luas_pack = false, __call = function(_, i) return i end })
        for _ = 1, 2 do
            assert.are.equal(2, #p:broadcast(function() execute "sleep 0.08" return true end))
            assert.are.same({ 1, 2, 3 }, p:map(function(i) execute "sleep 0.03" return here(i) end, range(3), { carry = "inherit" }))
            assert.is_truthy(helpers.eventually(10, function() return p:stats().workers == 0 end))
        end
    end)

    it("ends in a pool that is resized, too", function()
        local p <close> = pool.new { workers = 1, idle = 0.1 }
        pids_of(p)
        p:resize(3)
        assert.are.equal(3, #pids_of(p))
        p:resize(2)
        local pids = pids_of(p)
        assert.are.equal(2, #pids)
        assert.are.same({}, helpers.survivors(pids, 10))
        assert.are.equal(2, #pids_of(p))
    end)

    it("may be trimmed by what closes the pool meanwhile", function()
        local p <close> = pool.new { workers = 2, exit = function() execute "sleep 0.2" end }
        pids_of(p)
        p:apply_async(math.sqrt, 4):on_done(function() p:terminate() end)
        assert.is_number(p:trim())
        assert.are.equal(0, p:trim())
    end)

    it("alone is trimmed", function()
        local p <close> = pool.new(2)
        pids_of(p)
        local busy = p:apply_async(function() execute "sleep 0.3" return "done" end)
        helpers.sleep(0.1)
        p:trim()
        assert.are.equal("done", busy:get())
        local inline <close> = pool.new(0)
        assert.are.equal(0, inline:trim())
    end)
end)

helpers.each_interpreter(function(by)
    it("limits and idle workers are a script's, too (" .. by .. ")", function()
        assert.are.equal("4 0 2\n", helpers.output([[
            local p = pool.new { workers = 2, idle = 0.1 }
            local n = p:each(function() end, { 1, 2, 3, 4 }, { limit = { n = 1, rate = 100 } })
            for _ = 1, 500 do
                if p:stats().workers > 0 then os.execute "sleep 0.02" end
            end
            print(("%d %d %d"):format(n, p:stats().workers, p:apply(math.sqrt, 4)))
            pool.trim()
        ]], by))
    end)
end)
