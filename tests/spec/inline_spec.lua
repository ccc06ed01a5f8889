-- `workers = 0` runs everything in the caller: the same results and the same
-- errors as with workers. So do the verbs inside a task.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local function square(x) return x * x end

local function read_only(list)
    local i = 0
    return function()
        i = i + 1
        return list[i]
    end
end

-- What an outcome says, but for where it happened.
local function without_place(o)
    local message = o.message:gsub("^its worker (.*) %(worker %d+, pid %d+%)$", "%1")
    return {
        kind = o.kind, index = o.index, input = o.input, value = o.value, message = message,
        attempts = o.attempts, count = o.count, traceback = o.traceback, limit = o.limit,
        exitcode = o.exitcode, signal = o.signal,
    }
end

local function gather(...)
    local seen = {}
    for i, a, b in ... do seen[#seen + 1] = { i, a, b } end
    return seen
end

local function fail_at(...)
    local bad = { ... }
    return function(x)
        for _, value in ipairs(bad) do
            if x == value then error("bad " .. value, 0) end
        end
        return x
    end
end

local Point = setmetatable({}, { __tostring = function() return "class Point" end })
Point.__index = Point
package.loaded["tests.inline_spec.Point"] = Point

-- Each case gets a pool and gives what is to be the same.
local cases = {
    ["map over an array"] = function(p) return p:map(square, range(100)) end,
    ["map over a source"] = function(p) return p:map(square, read_only(range(100))) end,
    ["map over nils"] = function(p) return p:map(function(x) return x end, { n = 4, nil, 2, nil, nil }) end,
    ["map over nothing"] = function(p) return p:map(square, {}) end,
    ["map of several results"] = function(p) return p:map(function(x) return x, x end, { 1 }) end,
    ["map of no result"] = function(p) return p:map(function() end, { 1, 2 }) end,
    ["starmap"] = function(p)
        return p:starmap(function(...) return select("#", ...) end, { {}, { 1 }, { n = 3 } })
    end,
    ["starmap over a source"] = function(p)
        return p:starmap(function(a, b) return a - b end, read_only { { 3, 1 }, { 9, 4 } })
    end,
    ["imap"] = function(p) return gather(p:imap(function(x) return x, -x end, range(10))) end,
    ["imap_unordered"] = function(p)
        local seen = gather(p:imap_unordered(square, range(10)))
        table.sort(seen, function(a, b) return a[1] < b[1] end)
        return seen
    end,
    ["each"] = function(p) return p:each(square, range(10)) end,
    ["reduce"] = function(p)
        return p:reduce(tostring, range(30), function(a, b) return a .. b end, "")
    end,
    ["apply"] = function(p) return p:apply(function(...) return select("#", ...), nil, ... end, nil, 2) end,
    ["apply_async"] = function(p) return p:apply_async(square, 5):get() end,
    ["map_async"] = function(p) return p:map_async(square, range(5)):get() end,
    ["a raised string"] = function(p) return p:map(fail_at(3), range(5)) end,
    ["the first of several failures"] = function(p) return p:map(fail_at(7, 3, 5), range(9)) end,
    ["a raised table"] = function(p) return p:apply(error, { code = 3 }) end,
    ["a raised nil"] = function(p) return p:apply(error) end,
    ["a raised number"] = function(p) return p:apply(error, 12) end,
    ["a raised object with __tostring"] = function(p)
        return p:map(function() error(setmetatable({}, Point)) end, { 1 })
    end,
    ["a failure in imap"] = function(p) return gather(p:imap(fail_at(3), range(5))) end,
    ["a failure in each"] = function(p) return p:each(fail_at(3), range(5)) end,
    ["a failure in map_async"] = function(p) return p:map_async(fail_at(3), range(5)):get() end,
    ["a result that cannot travel"] = function(p)
        return p:apply(function() return { { co = coroutine.create(print) } } end)
    end,
    ["an item of an array that must travel and cannot"] = function(p)
        return p:map(type, { 1, coroutine.create(print) }, { carry = "ship" })
    end,
    ["an item of a list that must travel and cannot"] = function(p)
        return p:starmap(type, { { 1 }, { 1, { print, io.tmpfile() } } }, { carry = "ship" })
    end,
    ["arguments that must travel and cannot"] = function(p)
        return p:with { carry = "ship" }:apply(type, 1, { io.tmpfile() })
    end,
    ["what every worker is given, and cannot be sent"] = function(p)
        return p:with { carry = "ship" }:broadcast(type, coroutine.wrap(print))
    end,
    ["an item of a source that cannot travel"] = function(p)
        return p:map(type, read_only { { co = coroutine.create(print) } })
    end,
    ["a source that raises"] = function(p)
        return p:map(square, function() error("dry", 0) end)
    end,
    ["a level that is outside of a source"] = function(p)
        return p:map(square, function() error("dry", 2) end)
    end,
    ["a level that is outside of an iterator"] = function(p)
        return p:map(square, pool.iter(function() error("dry", 2) end))
    end,
    ["a level that is outside of what reduce is given"] = function(p)
        local function dry() error("dry", 2) end
        local function message(...) return select(2, pcall(p.reduce, p, ...)) end
        return message(dry, { 1, 2 }, math.max).message, message(square, dry, math.max).message,
            message(square, pool.iter(dry), math.max).message, message(dry, { 1 }, math.max, 0, { retries = 1 }).message
    end,
    ["what reduce is told of what was raised"] = function(p)
        local function told(raised, opts)
            local o = select(2, pcall(p.reduce, p, function() error(raised) end, { 1, 2 }, math.max, nil, opts))
            return o.index, o.input, o.value, o.message
        end
        local silent = setmetatable({}, { __tostring = error })
        local number = setmetatable({}, { __tostring = function() return 5 end })
        local all = {}
        for _, raised in ipairs { Point, silent, number, coroutine.create(print), { 1 }, 5, print } do
            all[#all + 1] = table.pack(told(raised, { chunk = 2 }))
        end
        return all, told(nil)
    end,
    ["what closes while reduce is left"] = function(p)
        local o = select(2, pcall(p.reduce, p, function()
            local guard <close> = setmetatable({}, { __close = function(_, raised) error({ raised }, 0) end })
            error("first", 0)
        end, { 1, 2 }, math.max, nil, { chunk = 2 }))
        return o.value, o.message
    end,
    ["failures collected by map"] = function(p)
        local results, n, failures = p:map(fail_at(2, 4), range(5), { on_error = "collect" })
        return results, n, without_place(failures[2]), without_place(failures[4]), failures[1]
    end,
    ["an error in deep recursion"] = function(p)
        return p:apply(function()
            local function down(n)
                if n == 0 then error("deep") end
                return 1 + down(n - 1)
            end
            return down(60)
        end)
    end,
    ["an error behind a tail call"] = function(p)
        local function inner() error("inner") end
        return p:apply(function() return inner() end)
    end,
    ["an error object that cannot describe itself"] = function(p)
        return p:apply(function() error(setmetatable({}, { __tostring = error })) end)
    end,
    ["an error object that cannot travel"] = function(p)
        return p:apply(function() error({ co = coroutine.create(print) }) end)
    end,
    ["an outcome raised in an outcome"] = function(p)
        return select(2, pcall(p.map, p, function() error("inner", 0) end, { 1 })).message
    end,
    ["the end of C's stack"] = function(p)
        return select(2, pcall(p.apply, p, function()
            local function deeper(text) return text:gsub(".", deeper) end
            deeper("x")
        end)).kind
    end,
    ["os.exit"] = function(p)
        local _, _, failures = p:map(function(x) os.exit(x) end, { n = 4, 7, true, false, 300 },
            { on_error = "collect" })
        return without_place(failures[1]), failures[2].exitcode, failures[3].exitcode, failures[4].exitcode
    end,
    ["os.exit without a status"] = function(p)
        return select(2, pcall(p.apply, p, function() os.exit() end)).exitcode
    end,
    ["os.exit as the task's function"] = function(p) return p:apply(os.exit, 5) end,
    ["os.exit with what is no status"] = function(p) return p:apply(function() os.exit("no") end) end,
    ["os.exit under pcall"] = function(p)
        return p:apply(function()
            while true do pcall(os.exit, 3) end
        end)
    end,
    ["retries of a crash"] = function(p)
        local ok, o = pcall(p.map, p, function() os.exit(2) end, { 1 }, { retries = 3 })
        return ok, without_place(o), tostring(o):match("%(%d attempts%)"), p:stats().retries, p:stats().crashes
    end,
    ["retries of an error, of which there are none"] = function(p)
        local ok, o = pcall(p.map, p, error, { "no" }, { retries = 3 })
        return ok, without_place(o), p:stats().retries
    end,
    ["progress"] = function(p)
        local last
        p:map(square, range(20), { progress = function(done, total) last = { done, total } end })
        return last
    end,
    ["what carry and chunk say"] = function(p)
        return p:map(square, range(9), { chunk = 4 }), p:map(square, range(9), { carry = "inherit" }),
            p:map(square, range(9), { carry = "ship", priority = 3, window = 2 })
    end,
    ["a coroutine that the task yields out of"] = function(p)
        return select(2, pcall(p.apply, p, coroutine.yield)).kind
    end,
    ["failures collected by imap"] = function(p)
        local list = {}
        for i, value, o in p:imap(fail_at(2), range(3), { on_error = "collect" }) do
            list[i] = { value, o and without_place(o) }
        end
        return list
    end,
    ["failures collected by each"] = function(p)
        local n, failures = p:each(fail_at(2), range(3), { on_error = "collect" })
        return n, without_place(failures[2])
    end,
    ["seeded random numbers"] = function(p)
        return p:map(function() return math.random(1 << 40) end, range(50), { seed = 42 })
    end,
    ["what a task changes in its argument"] = function(p)
        local items = { { n = 1 }, { n = 2 } }
        local results = p:map(function(t)
            t.seen = true
            return t
        end, items, { carry = "inherit" })
        return results[1].seen, results[2].n
    end,
}

local function settle(ok, ...)
    if ok then return true, ... end
    local o = ...
    return false, type(o) == "table" and without_place(o) or o
end

local function run(case, workers)
    local p <close> = pool.new(workers)
    return table.pack(settle(pcall(case, p)))
end

describe("a pool without workers gives what workers give for", function()
    for name, case in pairs(cases) do
        it(name, function()
            local expected = run(case, 2)
            assert.are.same(expected, run(case, 0))
            assert.are.same(expected, run(case, 1))
        end)
    end
end)

describe("a pool without workers", function()
    it("runs tasks in the caller, so that a debugger sees them", function()
        local seen = {}
        local p <close> = pool.new(0)
        p:map(function(x) seen[#seen + 1] = x end, { 1, 2, 3 })
        assert.are.same({ 1, 2, 3 }, seen)
        assert.are.equal(0, p:size())
    end)

    it("runs what has the highest priority first, then what was submitted first", function()
        local p, log, expected, iterators = pool.new(0), {}, {}, {}
        for i = 1, 60 do
            local priority = i * 7 % 5
            iterators[i] = p:with { priority = priority }:imap(function(x) log[#log + 1] = x end, { i, i + 0.5 })
            for x = i, i + 0.5, 0.5 do expected[#expected + 1] = { x, priority } end
        end
        table.sort(expected, function(a, b) return a[2] > b[2] or (a[2] == b[2] and a[1] < b[1]) end)
        while p:step() do end
        for i, each in ipairs(expected) do expected[i] = each[1] end
        assert.are.same(expected, log)
    end)

    it("reads a lazy source no further than workers would", function()
        local p <close> = pool.new(0)
        local read = 0
        for i in p:imap(square, function()
            read = read + 1
            return read
        end, { window = 10 }) do
            assert.is_true(read <= i + 10)
            if i == 100 then break end
        end
    end)

    it("stops after so many failures", function()
        local p <close> = pool.new(0)
        local ran = 0
        local _, n, failures = p:map(function()
            ran = ran + 1
            error("no")
        end, range(50), { halt = 3, on_error = "collect" })
        assert.are.equal(3, ran)
        assert.are.equal(50, n)
        assert.are.equal("error", failures[3].kind)
        assert.are.equal("cancelled", failures[50].kind)
    end)

    it("counts crashes as failures, too", function()
        local p <close> = pool.new(0)
        local _, _, failures = p:map(function(x)
            if x == 1 then os.exit(1) end
            error("no")
        end, range(5), { halt = 2, on_error = "collect" })
        assert.are.same({ "crash", "error", "cancelled" },
            { failures[1].kind, failures[2].kind, failures[3].kind })
    end)

    it("counts in its stats", function()
        local p <close> = pool.new(0)
        p:map(square, range(5))
        pcall(p.apply, p, error)
        local stats = p:stats()
        assert.are.same({ 6, 5, 1, 0, 0 },
            { stats.tasks, stats.values, stats.errors, stats.forks, stats.workers })
    end)

    it("has outcomes that show the script's own lines, and no worker", function()
        local p <close> = pool.new(0)
        local ok, o = pcall(p.map, p, function() error("here", 0) end, { 5 })
        assert.is_false(ok)
        assert.matches("^task 1 %(input 5%): here\nstack traceback:\n\t%[C%]: in function 'error'\n"
            .. "\t[^\n]*inline_spec.lua:%d+: in function <[^\n]*>$", tostring(o))
        ok, o = pcall(p.map, p, os.exit, { 7 })
        assert.is_false(ok)
        assert.are.equal("task 1 (input 7): exited with status 7", tostring(o))
    end)

    it("calls back when a future is done", function()
        local p <close> = pool.new(0)
        local future, called = p:apply_async(square, 3), nil
        future:on_done(function(f) called = f:get() end)
        future:wait()
        p:step()
        assert.are.equal(9, called)
    end)
end)

describe("inside a task", function()
    helpers.each_interpreter(function(by)
        it("the verbs of the default pool run inline, under " .. by, function()
            assert.are.equal("14 1,4,9\n", helpers.output([[
                local function sum(n)
                    local squares = pool.map(function(x) return x * x end, { 1, 2, 3 })
                    local total = 0
                    for _, s in ipairs(squares) do total = total + s end
                    return total, table.concat(squares, ",")
                end
                print(table.concat({ pool.apply(sum, 3) }, " "))]], by))
        end)

        it("other pools run inline too where the task has no worker, but not its own, under " .. by, function()
            assert.are.equal("0 0 0 1 1\n", helpers.output([[
                local other <close> = pool.new(2)
                local function whose(p) return select(2, pcall(p.apply, p, error)).worker end
                local function task()
                    local own <close> = pool.new(1)
                    return select(2, pcall(pool.apply, error)).worker, whose(other),
                        whose(other:with { timeout = 9 }), whose(own)
                end
                local p <close> = pool.new(0)
                local a, b, c, d = p:apply(task)
                print(a, b, c, d, whose(pool.with { timeout = 9 }))
                ]], by):gsub("\t", " "))
        end)

        it("the pool that runs the task runs inline, under " .. by, function()
            assert.are.equal("10 true\n", helpers.output([[
                local p <close> = pool.new(2)
                local results = p:map(function(n)
                    return p:reduce(function(x) return x end, { 1, 2, 3, 4 }, function(a, b) return a + b end)
                end, { 1, 2, 3, 4 })
                local nested = p:apply(function()
                    return p:apply(function() return p:apply(function() return true end) end)
                end)
                print(results[4], nested)]], by):gsub("\t", " "))
        end)

        it("each of many tasks may wait for tasks of its own, under " .. by, function()
            assert.are.equal("2000 1000\n", helpers.output([[
                local p <close> = pool.new(0)
                local list = {}
                for i = 1, 1000 do list[i] = i end
                local results, n = p:map(function(x)
                    return p:apply(function() return 2 * x end)
                end, list)
                print(results[1000] .. " " .. n)]], by))
        end)

        it("what is submitted and not waited for runs, under " .. by, function()
            assert.are.equal("5\n", helpers.output([[
                print((pool.apply(function()
                    local ran = 0
                    for _ = 1, 2 do pool.apply_async(function() ran = ran + 1 end) end
                    pool.map_async(function() ran = ran + 1 end, { 1, 2, 3 })
                    return ran
                end)))]], by))
        end)

        it("a stop of the task ends those inside it, under " .. by, function()
            assert.are.equal("timeout nil\n", helpers.output([[
                local p <close> = pool.new(1)
                local path = os.tmpname()
                os.remove(path)
                local _, _, failures = p:map(function()
                    pool.map(function() while true do end end, { 1 }, { on_error = "collect" })
                    io.open(path, "w"):close()
                end, { 1 }, { timeout = 0.2, on_error = "collect" })
                print(failures[1].kind .. " " .. tostring(io.open(path)))]], by))
        end)

        it("a pool of its own works, and ends with it, under " .. by, function()
            local output = helpers.output(helpers.counters .. [[
                local p = pool.new(2)
                local pids, n = p:map(function(x)
                    local own <close> = pool.new(2)
                    return own:map(function(y)
                        return io.open("/proc/self/stat"):read("n")
                    end, { 1, 2, 3 })
                end, { 1, 2 })
                local abandoned = p:apply(function()
                    kept = pool.new(1)
                    return kept:apply(function() return io.open("/proc/self/stat"):read("n") end)
                end)
                p:close()
                p:join()
                io.write(abandoned, " ")
                for _, list in ipairs(pids) do for _, pid in ipairs(list) do io.write(pid, " ") end end]], by)
            local list = {}
            for pid in output:gmatch "%d+" do list[#list + 1] = tonumber(pid) end
            assert.are.equal(7, #list)
            assert.are.same({}, helpers.survivors(list, 5))
        end)

        it("a process of its own works, under " .. by, function()
            assert.are.equal("7\n", helpers.output([[
                print(pool.apply(function() return process.spawn(function() return 7 end):result() end))]], by))
        end)
    end)
end)

describe("seeded random numbers", function()
    it("are the same for any number of workers and any size of chunk", function()
        local function draw(workers, chunk)
            local p <close> = pool.new(workers)
            return (p:map(function() return math.random(1 << 40) + math.random() end, range(64),
                { seed = 42, chunk = chunk }))
        end
        local expected = draw(0)
        assert.are.same(expected, draw(1))
        assert.are.same(expected, draw(4))
        assert.are.same(expected, draw(3, 7))
        assert.are_not.equal(expected[1], expected[2])
    end)

    it("differ for another seed, and unseeded from worker to worker", function()
        local p <close> = pool.new(2)
        local function draw() return math.random(1 << 40) end
        local a, b = p:map(draw, range(4), { seed = 1 }), p:map(draw, range(4), { seed = 2 })
        assert.are_not.same(a, b)
        local unseeded = p:map(draw, range(50))
        local seen = {}
        for _, x in ipairs(unseeded) do
            assert.is_nil(seen[x])
            seen[x] = true
        end
    end)
end)
