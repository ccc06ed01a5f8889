-- The verbs of a pool: what they return, in which order, and how much of
-- their source they read.

local luas = require("luas")
local pool = luas.pool
local now = require("luas.core").now
local helpers = require("tests.support.helpers")
local range = helpers.range

local function square(x) return x * x end

-- A source of 1, 2, 3 ... and how far it has been read.
local function counter(last)
    local read = { n = 0 }
    local function source()
        if read.n == last then return nil end
        read.n = read.n + 1
        return read.n
    end
    return source, read
end

local function nap(seconds) os.execute("sleep " .. seconds) end

describe("a pool's verb", function()
    local p

    setup(function() p = pool.new(2) end)
    teardown(function() p:terminate() end)

    describe("map", function()
        it("gives the results in input order, and their number", function()
            local results, n = p:map(function(x)
                if x % 10 == 1 then nap(0.01) end
                return x * x
            end, range(40))
            assert.are.equal(40, n)
            for i = 1, 40 do assert.are.equal(i * i, results[i]) end
        end)

        it("counts, so that nil items and nil results are safe", function()
            local results, n = p:map(function(x)
                if x == nil then return "nothing" end
                if x ~= 2 then return x end
            end, { n = 5, nil, 2, 3, nil, nil })
            assert.are.equal(5, n)
            assert.are.same({ "nothing", nil, 3, "nothing", "nothing" }, results)
        end)

        it("takes its number of items from the field n, if there is one", function()
            local _, n = p:map(square, { n = 2, 1, 2, 3, 4 })
            assert.are.equal(2, n)
            assert.are.equal(2, select(2, p:map(type, table.pack(nil, nil))))
        end)

        it("over nothing gives nothing", function()
            local results, n = p:map(square, {})
            assert.are.same({}, results)
            assert.are.equal(0, n)
            assert.are.equal(0, select(2, p:map(square, function() end)))
        end)

        it("reads a source to its first nil; its results are the task's arguments", function()
            local i = 0
            local results, n = p:map(function(a, b, c, ...)
                return ("%s %s %s %d"):format(a, b, c, select("#", ...))
            end, function()
                i = i + 1
                if i <= 3 then return i, nil, "c", nil end
            end)
            assert.are.equal(3, n)
            assert.are.same({ "1 nil c 1", "2 nil c 1", "3 nil c 1" }, results)
        end)

        it("keeps only the first of a task's results", function()
            assert.are.same({ 1, 2 }, (p:map(function(x) return x, "more" end, { 1, 2 })))
        end)

        it("takes a source made of a generic-for triple", function()
            local lengths = p:map(function(k, v) return k .. "=" .. v end,
                pool.iter(pairs { a = 1, b = 2, c = 3 }))
            table.sort(lengths)
            assert.are.same({ "a=1", "b=2", "c=3" }, lengths)
        end)

        it("takes a callable object for a function", function()
            local adder = setmetatable({ by = 5 }, { __call = function(self, x) return x + self.by end })
            assert.are.same({ 6, 7 }, (p:map(adder, { 1, 2 })))
        end)

        it("reads lines of a file as its source", function()
            local path = os.tmpname()
            local file <close> = assert(io.open(path, "w"))
            for i = 1, 500 do file:write("line ", i, "\n") end
            file:flush()
            local results, n = p:map(string.upper, io.lines(path))
            os.remove(path)
            assert.are.equal(500, n)
            assert.are.equal("LINE 500", results[500])
        end)

        it("carries 60 000 items without losing or mixing up one", function()
            local results, n = p:map(square, range(60000))
            assert.are.equal(60000, n)
            for i = 1, n do
                if results[i] ~= i * i then error("result " .. i .. " is " .. tostring(results[i])) end
            end
        end)

        it("forks workers to inherit 60 000 items", function()
            local function inherited_by(workers)
                local some <close> = pool.new(workers)
                some:map(square, range(workers), { chunk = 1 })
                assert.are.equal(60000, select(2, some:map(square, range(60000))))
                return some:stats().carried.inherit
            end
            assert.are.equal(1, inherited_by(2))
            assert.are.equal(1, inherited_by(30))
        end)

        it("leaves its worker asleep when calls one after the other are over", function()
            assert.are.equal("true\n", helpers.output([[
                local p <close> = pool.new(1)
                local function square(x) return x * x end
                local function ticks(pid) -- of CPU time, mostly 10 ms each
                    local file <close> = assert(io.open("/proc/" .. pid .. "/stat"))
                    local user, system = file:read("a"):match("%) %a" .. (" %-?%d+"):rep(10) .. " (%d+) (%d+)")
                    return user + system
                end
                for i = 1, 3000 do assert(p:apply(square, i) == i * i) end
                local pid = p:apply(function() return io.open("/proc/self/stat"):read("n") end)
                os.execute "sleep 0.1"
                local before = ticks(pid)
                os.execute "sleep 0.5"
                print(ticks(pid) - before <= 2 and p:stats().forks == 1) ]]))
        end)

        it("spreads its tasks over the workers", function()
            local pids = p:map(function()
                nap(0.02)
                return io.open("/proc/self/stat"):read("n")
            end, range(8))
            local seen = {}
            for _, pid in ipairs(pids) do seen[pid] = true end
            local n = 0
            for _ in pairs(seen) do n = n + 1 end
            assert.are.equal(2, n)
        end)

        it("does many tasks that sleep in all workers at once, however many CPUs there are", function()
            local some <close> = pool.new(16)
            local function nap_first(i)
                if i <= 16 then os.execute "sleep 0.5" end
                return i
            end
            local began = now()
            assert.are.equal(16 * 256, select(2, some:map(nap_first, range(16 * 256))))
            assert.is_true(now() - began < helpers.within(3.5)) -- 4 with two of them, 8 with one
        end)

        it("takes and gives scalars of any length", function()
            local items = { true, false, 0, -0.0, 1 / 0, 127, 128, -32, -33, 65536, -65537,
                math.maxinteger, math.mininteger, 0.1 }
            for n = 0, 300 do items[#items + 1] = ("x"):rep(n - n % 2) .. ("\xff"):rep(n % 2) end
            for _, how in ipairs { "ship", "inherit" } do
                local results, n = p:map(function(x) return x end, items, { carry = how })
                assert.are.equal(#items, n)
                for i = 1, n do
                    assert.are.equal(items[i], results[i])
                    assert.are.equal(tostring(items[i]), tostring(results[i])) -- 0.0 is -0.0
                end
            end
        end)

        it("gives what it gives whatever the size of a chunk", function()
            for _, chunk in ipairs { 1, 3, 1000 } do
                local results, n = p:map(square, range(100), { chunk = chunk })
                assert.are.equal(100, n)
                assert.are.equal(10000, results[100])
            end
        end)
    end)

    describe("starmap", function()
        it("unpacks each item into arguments, as far as its n or length", function()
            local results, n = p:starmap(function(...) return select("#", ...), ... end,
                { { 1, 2 }, {}, { n = 4 }, table.pack(nil, 7) })
            assert.are.equal(4, n)
            assert.are.same({ 2, 0, 4, 2 }, results)
        end)

        it("counts a list in the same way wherever it is unpacked", function()
            local select = select
            local function count(...) return select("#", ...) end
            local class = { n = 9, __len = function() return 2 end }
            class.__index = class
            local lists = { { 1, 2, n = 1 }, { n = 0, 1 }, setmetatable({ 1 }, class), { 1, 2, nil, n = 3 } }
            for _, carry in ipairs { "ship", "inherit" } do
                assert.are.same({ 1, 0, 2, 3 }, (p:starmap(count, lists, { carry = carry })))
            end
            local here <close> = pool.new(0)
            assert.are.same({ 1, 0, 2, 3 }, (here:starmap(count, lists)))
        end)

        it("takes its lists from a source, too", function()
            local next_number = counter(5)
            local results = p:starmap(function(a, b) return a + b end, function()
                local i = next_number()
                return i and { i, 10 * i }
            end)
            assert.are.same({ 11, 22, 33, 44, 55 }, results)
        end)
    end)

    describe("imap", function()
        it("gives index and all results of each task, in input order", function()
            local seen = {}
            for i, a, b, c in p:imap(function(x)
                if x == 1 then nap(0.05) end
                return x, nil, -x
            end, range(30)) do
                seen[#seen + 1] = i
                assert.are.equal(i, a)
                assert.is_nil(b)
                assert.are.equal(-i, c)
            end
            assert.are.same(range(30), seen)
        end)

        it("gives tasks without a result their turn", function()
            local n = 0
            for i, value in p:imap(function() end, range(50)) do
                n = n + 1
                assert.are.equal(n, i)
                assert.is_nil(value)
            end
            assert.are.equal(50, n)
        end)

        it("never reads its source further than a window ahead", function()
            local source, read = counter()
            for i in p:imap(square, source, { window = 10 }) do
                assert.is_true(read.n <= i + 10, ("at %d it had read %d"):format(i, read.n))
                if i == 500 then break end
            end
            assert.is_true(read.n >= 500)
        end)

        it("reads an endless source at most its default window ahead", function()
            local source, read = counter()
            for i in p:imap(square, source) do
                if i == 3000 then break end
            end
            assert.is_true(read.n <= 3000 + 2 * 1024)
        end)

        it("waits for the slow consumer: what it reads ahead does not grow", function()
            local source, read = counter()
            local iterate <const>, _, _, job <close> = p:imap(square, source, { window = 20 })
            iterate()
            for _ = 1, 10 do
                nap(0.01)
                p:step()
            end
            assert.is_true(read.n <= 21, "read " .. read.n)
            assert.are.equal(2, (iterate()))
        end)

        it("goes on over a window of one", function()
            local n = 0
            for i, v in p:imap(square, counter(20), { window = 1 }) do
                n = n + 1
                assert.are.equal(i * i, v)
            end
            assert.are.equal(20, n)
        end)

        it("is left clean by break at once, in the middle and at the end", function()
            for _, stop in ipairs { 1, 2, 50, 99, 100 } do
                for i in p:imap(square, (counter(100))) do
                    if i == stop then break end
                end
                assert.are.same({ 1, 4 }, (p:map(square, { 1, 2 })))
            end
        end)

        it("ends, like any other iterator, by giving nil again and again", function()
            local iterate <const>, _, _, job <close> = p:imap(square, { 1 })
            assert.are.equal("job: 0 of 1 tasks taken", tostring(job))
            assert.are.equal(1, (iterate()))
            assert.is_nil((iterate()))
            assert.is_nil((iterate()))
        end)

        it("does not run what break has cut off", function()
            local path = os.tmpname()
            for i in p:imap(function(x)
                local file <close> = assert(io.open(path, "a"))
                file:write(x, "\n")
                nap(0.02)
            end, range(200), { chunk = 1 }) do
                if i == 3 then break end
            end
            nap(0.2)
            local ran = 0
            for _ in io.lines(path) do ran = ran + 1 end
            os.remove(path)
            assert.is_true(ran < 20, ran .. " tasks ran")
        end)

        it("is left clean by an error in the loop's body", function()
            local ok, message = pcall(function()
                for i in p:imap(square, (counter())) do
                    if i == 7 then error("enough", 0) end
                end
            end)
            assert.is_false(ok)
            assert.are.equal("enough", message)
            assert.are.same({ 9 }, (p:map(square, { 3 })))
        end)

        it("nests in itself, each loop with its own place", function()
            local pairs_seen = {}
            for i, a in p:imap(square, (counter())) do
                for j, b in p:imap(square, (counter())) do
                    if j == i + 1 then break end
                    pairs_seen[#pairs_seen + 1] = a * 100 + b
                end
                if i == 3 then break end
            end
            assert.are.same({ 101, 401, 404, 901, 904, 909 }, pairs_seen)
        end)

        it("leaves the pool to other verbs while it is under way", function()
            for i, v in p:imap(square, (counter())) do
                assert.are.equal(i + 1, p:apply(function(x) return x + 1 end, i))
                assert.are.equal(i * i, v)
                if i == 5 then break end
            end
        end)
    end)

    describe("imap_unordered", function()
        it("gives each task once, with its index", function()
            local seen = {}
            for i, v in p:imap_unordered(square, range(300)) do
                assert.is_nil(seen[i])
                seen[i] = v
            end
            for i = 1, 300 do assert.are.equal(i * i, seen[i]) end
        end)

        it("does not wait for the slow", function()
            local order = {}
            for i in p:imap_unordered(function(x)
                if x == 1 then nap(0.3) end
            end, range(5), { chunk = 1 }) do
                order[#order + 1] = i
            end
            assert.are.equal(5, #order)
            assert.are.equal(1, order[5])
        end)

        it("never has more than a window under way", function()
            local source, read = counter()
            local n = 0
            for _ in p:imap_unordered(square, source, { window = 10 }) do
                n = n + 1
                assert.is_true(read.n <= n + 10)
                if n == 300 then break end
            end
        end)
    end)

    describe("each", function()
        it("gives the number of tasks and keeps no result", function()
            assert.are.equal(100, p:each(function(x) return ("x"):rep(100) end, (counter(100))))
            assert.are.equal(3, p:each(square, range(3)))
            assert.are.equal(0, p:each(square, {}))
        end)

        it("does not mind results that cannot travel, for nobody wants them", function()
            assert.are.equal(2, p:each(function() return coroutine.create(print) end, { 1, 2 }))
        end)

        it("raises the first failure", function()
            local ok, o = pcall(p.each, p, function(x) if x > 2 then error("no") end end, range(9))
            assert.is_false(ok)
            assert.are.equal("error", o.kind)
            assert.are.equal(3, o.index)
        end)
    end)

    describe("reduce", function()
        local function join(a, b) return a .. b end

        it("combines in order, from the initial value", function()
            local letters = {}
            for i = 1, 500 do letters[i] = string.char(97 + i % 26) end
            assert.are.equal("<" .. table.concat(letters):upper(),
                p:reduce(string.upper, letters, join, "<"))
            local i = 0
            assert.are.equal("<" .. table.concat(letters):upper(), p:reduce(string.upper, function()
                i = i + 1
                return letters[i]
            end, join, "<"))
        end)

        it("without an initial value starts with the first result", function()
            assert.are.equal("ABC", p:reduce(string.upper, { "a", "b", "c" }, join))
            assert.are.equal(5, p:reduce(square, { 1, 2 }, function(a, b) return a + b end))
        end)

        it("names the task that failed and its input, with any number of workers", function()
            local function add(a, b) return a + b end
            for workers = 0, 4 do
                local q <close> = pool.new(workers)
                local ok, o = pcall(q.reduce, q, function(x)
                    if x >= 77 then error { code = x } end
                    return x
                end, range(100), add)
                assert.is_false(ok)
                assert.are.same({ "error", 77, 77, 77 }, { o.kind, o.index, o.input, o.value.code })
                assert.is_nil(o.traceback:find("luas/", 1, true), o.traceback)
                ok, o = pcall(q.reduce, q, function(x)
                    if x == 77 then os.exit(3) end
                    return x
                end, range(100), add)
                assert.is_false(ok)
                assert.are.same({ "crash", 3 }, { o.kind, o.exitcode })
                assert.is_true(o.index <= 77 and o.index + o.count > 77)
            end
        end)

        it("takes the options of a job for each task", function()
            local function add(a, b) return a + b end
            local sums = {}
            for workers = 0, 2 do
                local q <close> = pool.new(workers)
                sums[#sums + 1] = q:reduce(function() return math.random(1000) end, range(60), add, 0, { seed = 7 })
                assert.are.equal(60, q:reduce(function()
                    nap(0.02)
                    return 1
                end, range(60), add, 0, { timeout = 1 }))
                local sum, failures = q:reduce(function(x)
                    if x == 5 then error("five", 0) end
                    return x
                end, range(10), add, 0, { on_error = "collect" })
                assert.are.same({ 50, "five", 5 }, { sum, failures[5].message, failures[5].input })
            end
            assert.are.same({ sums[1], sums[1], sums[1] }, sums)
        end)

        it("over nothing gives the initial value", function()
            assert.are.equal(7, p:reduce(square, {}, join, 7))
            assert.is_nil(p:reduce(square, {}, join))
        end)

        it("keeps an initial value of false", function()
            local either = function(a, b) return a or b end
            assert.is_false(p:reduce(function() return false end, range(10), either, false))
            assert.is_true(p:reduce(function(x) return x == 9 end, range(10), either, false))
        end)

        it("raises what f or combine raises", function()
            local ok, o = pcall(p.reduce, p, square, range(10), function() error("not so") end, 0)
            assert.is_false(ok)
            assert.is_truthy(tostring(o):find("not so", 1, true))
        end)
    end)

    describe("apply", function()
        it("gives all results of the function, nils included", function()
            local results = table.pack(p:apply(function(...) return nil, select("#", ...), nil end,
                1, nil, nil))
            assert.are.equal(3, results.n)
            assert.are.equal(3, results[2])
            assert.are.equal(0, select("#", p:apply(function() end)))
        end)

        it("raises the task's outcome, without an index to puzzle over", function()
            local ok, o = pcall(p.apply, p, function() error({ code = 5 }) end)
            assert.is_false(ok)
            assert.are.equal("error", o.kind)
            assert.are.equal(5, o.value.code)
        end)
    end)

    it("with gives the same pool with other job options", function()
        local patient = p:with { timeout = 0.5, on_error = "collect" }
        local _, _, failures = patient:map(function(x) while x do end end, { false, true })
        assert.is_nil(failures[1])
        assert.are.equal("timeout", failures[2].kind)
        assert.are.same({ 4 }, (p:map(square, { 2 })))
        local _, _, none = patient:with { timeout = 5 }:map(square, { 2 })
        assert.are.same({}, none)
    end)

    it("progress is called with how many are done, and of how many", function()
        local calls = {}
        p:map(function() nap(0.03) end, range(20), {
            progress = function(done, total) calls[#calls + 1] = { done, total } end,
        })
        assert.is_true(#calls >= 2)
        assert.are.same({ 20, 20 }, calls[#calls])
        for i = 2, #calls do assert.is_true(calls[i][1] >= calls[i - 1][1]) end
        calls = {}
        p:each(square, (counter(50)), { progress = function(done, total) calls[#calls + 1] = { done, total } end })
        assert.are.same({ 50, 50 }, calls[#calls])
    end)

    it("priority goes before what waits", function()
        local order = helpers.output([[
            io.stdout:setvbuf("no")
            local p <close> = pool.new(1)
            local function say(word)
                io.write(word)
                os.execute("sleep 0.02")
            end
            local words = {}
            for i = 1, 30 do words[i] = "-" end
            local many = p:map_async(say, words)
            p:with { priority = 5 }:apply(say, "!")
            many:get() ]])
        assert.are.equal(31, #order)
        assert.is_true(order:find("!", 1, true) < 15, order)
    end)

    it("stats counts tasks by what became of them", function()
        local q <close> = pool.new(2)
        q:map(square, range(10))
        pcall(q.apply, q, error, "oh")
        local stats = q:stats()
        assert.are.equal(11, stats.tasks)
        assert.are.equal(10, stats.values)
        assert.are.equal(1, stats.errors)
        assert.are.equal(0, stats.crashes + stats.timeouts + stats.cancelled + stats.retries)
        assert.are.equal(2, stats.carried.ship + stats.carried.inherit)
        assert.is_true(stats.workers >= 1 and stats.workers <= 2)
        assert.is_true(stats.forks >= 1)
    end)
end)

describe("the default pool", function()
    it("is still the one to join once it is closed", function()
        assert.are.equal("true 1 1 2\n", helpers.output([[
            local future = pool.apply_async(function() return 1 end)
            pool.close()
            print(tostring(pool.join(10)) .. " " .. pool.stats().tasks .. " " .. future:get() .. " "
                .. pool.apply(function() return 2 end))]]))
    end)

    it("has a worker for each CPU, and the module has all verbs", function()
        assert.is_true(math.type(pool.cpus()) == "integer" and pool.cpus() >= 1)
        assert.are.equal(tostring(pool.cpus()), helpers.output("print(pool.size())"):match("%d+"))
        assert.are.equal("1\t4\t9\n", helpers.output([[
            print(table.unpack((pool.map(function(x) return x * x end, {1, 2, 3}))))]]))
    end)
end)

helpers.each_interpreter(function(by)
    describe("a host under " .. by .. " that took from its scripts what is dangerous", function()
        it("has all that a pool does", function()
            local output = helpers.output([[
                local luas, print = require "luas", print
                for _, name in ipairs { "package", "debug", "io", "os", "require", "load", "loadfile",
                        "dofile", "collectgarbage" } do
                    _G[name] = nil
                end
                local pool, process = luas.pool, luas.process
                local function square(x) return x * x end
                local function add(a, b) return a + b end
                local function fail() error("here", 0) end
                local future = pool.apply_async(fail)
                local ok, o = pcall(future.get, future)
                assert(not ok and not pcall(pool.reduce, fail, { 1, 2, 3 }, add, 0))
                local five, last
                future = pool.apply_async(square, 5)
                future:on_done(function() five = 5 end)
                future:get()
                for _, v in pool.imap(square, { 1, 2 }) do last = v end
                assert(process.spawn(square, 3):join(10))
                print(("%d %d %d %s %d %d %d"):format(pool.map(square, { 1, 2, 3 }, { progress = true })[3],
                    pool.apply(square, 4), pool.reduce(square, { 1, 2, 3 }, add), o.message, five,
                    pool.map_async(square, { 3 }):get()[1], last))
            ]], by)
            assert.are.equal("9 16 14 here 5 9 4\n", (output:gsub("3 tasks in %d+%.%d s\n", "")))
        end)

        it("may have done so before it took luas", function()
            assert.are.equal("9\n", (helpers.run([[
                print(pool.map(function(x) return x * x end, { 1, 2, 3 })[3])
            ]], { by = by, before = "export LUA_INIT='io, os = nil';" })))
        end)
    end)
end)
