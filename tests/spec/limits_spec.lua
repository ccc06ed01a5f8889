-- Limits of a worker: what it may allocate, after what it is replaced, and how
-- many there are. None of them loses a task.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local MB <const> = 1 << 20

local function pid() return io.open("/proc/self/stat"):read("n") end

-- Takes memory that Lua's allocator does not see: results are encoded in C.
local function gigabyte()
    local text, list = ("x"):rep(8 * MB), {}
    for i = 1, 128 do list[i] = text end
    return list
end

-- Sanitizers need memory of their own, and much of it.
local where_memory_counts = helpers.sanitized and function() end or describe

where_memory_counts("memory", function()
    it("exceeded in Lua is Lua's own error, and its worker goes on", function()
        local p <close> = pool.new { workers = 2, memory = "20M" }
        local results, n, failures = p:map(function(i)
            if i == 3 then return #("x"):rep(30 * MB) end
            if i == 5 then
                local t = {}
                for k = 1, math.huge do t[k] = { k } end
            end
            return i
        end, range(10), { on_error = "collect" })
        assert.are.equal(10, n)
        for i = 1, 10 do
            if i == 3 or i == 5 then
                assert.are.same({ "error", i }, { failures[i].kind, failures[i].index })
                assert.are.equal("not enough memory", failures[i].value)
            else
                assert.are.equal(i, results[i])
            end
        end
        local stats = p:stats()
        assert.are.same({ 2, 0 }, { stats.forks, stats.crashes })
    end)

    it("that a task took is there for the next one", function()
        local p <close> = pool.new { workers = 1, memory = "20M" }
        local results, n = p:map(function(i) return #("x"):rep(8 * MB) + i end, range(20))
        assert.are.equal(20, n)
        for i = 1, 20 do assert.are.equal(8 * MB + i, results[i]) end
        assert.are.equal(1, p:stats().forks)
    end)

    it("exceeded in Lua can be handled by the task", function()
        local p <close> = pool.new { workers = 1, memory = "20M" }
        local ok, message = p:apply(pcall, string.rep, "x", 30 * MB)
        assert.are.same({ false, "not enough memory" }, { ok, message })
    end)

    it("exceeded in C kills the worker, and the outcome says why", function()
        local p <close> = pool.new { workers = 2, memory = "20M" }
        local results, _, failures = p:map(function(i)
            return i == 3 and gigabyte() or i
        end, range(10), { on_error = "collect" })
        for i = 1, 10 do
            if i ~= 3 then assert.are.equal(i, results[i]) end
        end
        local o = failures[3]
        assert.are.same({ "crash", 9, true }, { o.kind, o.signal, o.over_memory })
        assert.is_truthy(tostring(o):find("passed its memory limit", 1, true), tostring(o))
        assert.is_nil(next(failures, next(failures)))
        assert.are.equal(7, p:apply(function() return 7 end))
    end)

    it("exceeded by the input alone fails that task, and no other", function()
        local p <close> = pool.new { workers = 2, memory = "20M" }
        local results, _, failures = p:map(function(s) return #s end,
            { "a", ("x"):rep(100 * MB), "bc", "def" }, { on_error = "collect", carry = "ship" })
        assert.are.same({ 1, nil, 2, 3 }, results)
        assert.are.equal("crash", failures[2].kind)
        assert.is_true(failures[2].over_memory)
    end)

    it("that was inherited is not the worker's", function()
        local ballast = ("x"):rep(100 * MB)
        local p <close> = pool.new { workers = 2, memory = "20M" }
        assert.are.same({ 100 * MB, 100 * MB }, (p:map(function()
            os.execute("sleep 0.1")
            return #ballast
        end, range(2), { carry = "inherit" })))
    end)

    for how, exceed in pairs {
        ["Lua"] = { function() return #("x"):rep(30 * MB) end, "not enough memory" },
        ["C"] = { function() require("luas.core").check(gigabyte()) end, "memory limit" },
    } do
        it("exceeded by init in " .. how .. " is one clear error", function()
            local p = pool.new { workers = 2, memory = "20M", init = exceed[1] }
            local ok, message = pcall(p.map, p, function(i) return i end, range(10))
            assert.is_false(ok)
            assert.is_truthy(tostring(message):find(exceed[2], 1, true), tostring(message))
            assert.is_true(p:stats().forks <= 2)
            p:terminate()
        end)
    end
end)

where_memory_counts("max_memory", function()
    it("replaces a worker that has grown past it, and loses no task", function()
        local p <close> = pool.new { workers = 2, max_memory = "8M" }
        local results, n = p:map(function(i)
            kept = kept or {}
            kept[#kept + 1] = ("x"):rep(3 * MB)
            os.execute("sleep 0.03") -- a worker is weighed every 10 ms
            return i
        end, range(30), { chunk = 1 })
        assert.are.equal(30, n)
        for i = 1, 30 do assert.are.equal(i, results[i]) end
        local stats = p:stats()
        assert.are.same({ 30, 0 }, { stats.values, stats.crashes })
        assert.is_true(stats.forks > 4, stats.forks)
    end)
end)

describe("max_tasks", function()
    it("of one gives each task a process of its own", function()
        local p <close> = pool.new { workers = 2, max_tasks = 1 }
        local pids, n = p:map(pid, range(50))
        local seen = {}
        for i = 1, n do
            assert.is_nil(seen[pids[i]])
            seen[pids[i]] = true
        end
        assert.are.equal(50, n)
    end)

    it("with retries and crashes still gives each task its outcome", function()
        local p <close> = pool.new { workers = 2, max_tasks = 3, retries = 1 }
        local results, n, failures = p:map(function(i)
            if i % 10 == 0 then os.exit(i) end
            return i
        end, range(100), { on_error = "collect" })
        assert.are.equal(100, n)
        for i = 1, 100 do
            if i % 10 == 0 then
                assert.are.same({ "crash", i, 2 },
                    { failures[i].kind, failures[i].exitcode, failures[i].attempts })
            else
                assert.are.equal(i, results[i])
            end
        end
    end)
end)

describe("resize", function()
    it("up and down in the middle of a job loses nothing", function()
        local p <close> = pool.new(2)
        local future = p:map_async(function(i)
            if i % 50 == 0 then os.execute("sleep 0.001") end
            return i * i
        end, range(5000))
        local rounds = 0
        while not future:ready() do
            rounds = rounds + 1
            p:resize(rounds * 5 % 7 + 1)
            assert.is_true(p:stats().workers <= 60) -- with those that still end
            p:step(0.001)
        end
        local results, n = future:get()
        assert.are.equal(5000, n)
        for i = 1, n do assert.are.equal(i * i, results[i]) end
        assert.is_true(rounds > 2)
        assert.are.equal(5000, p:stats().tasks)
    end)

    it("brings the workers to the new number", function()
        local p <close> = pool.new(4)
        local function workers(n)
            local pids = p:map(function()
                os.execute("sleep 0.2")
                return pid()
            end, range(n), { chunk = 1 })
            local seen, count = {}, 0
            for _, one in ipairs(pids) do
                count = count + (seen[one] and 0 or 1)
                seen[one] = true
            end
            return count
        end
        assert.are.equal(4, workers(4))
        p:resize(1)
        assert.are.equal(1, workers(3))
        assert.is_true(helpers.eventually(10, function()
            p:step(0)
            return p:stats().workers <= 1 -- forks of an inherited job leave when that is over
        end))
        p:resize(3)
        assert.are.equal(3, workers(3))
    end)
end)
