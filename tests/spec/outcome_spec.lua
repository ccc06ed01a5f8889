-- Every task ends in exactly one of value, error, timeout, crash, cancelled;
-- the outcome names its input, and no other task is disturbed.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local function square(x) return x * x end

local function clock() return io.open("/proc/uptime"):read("n") end

-- How many times a task left its mark in a file.
local function marks(path)
    local n = 0
    for _ in io.lines(path) do n = n + 1 end
    return n
end

local function mark(path, word)
    local file <close> = assert(io.open(path, "a"))
    file:write(word or "x", "\n")
end

local own_pid = "local function own_pid() return io.open('/proc/self/stat'):read('n') end "

-- Ways to die, as text for a function's body, and what the outcome says.
local deaths = {
    ["by SIGKILL"] = { "os.execute('kill -9 ' .. own_pid())", signal = 9 },
    ["by SIGSEGV"] = { "os.execute('kill -SEGV ' .. own_pid())", signal = 11 },
    ["by SIGTERM"] = { "os.execute('kill -TERM ' .. own_pid())", signal = 15 },
    ["by os.exit(7)"] = { "os.exit(7)", exitcode = 7 },
    ["by os.exit()"] = { "os.exit()", exitcode = 0 },
    ["by os.exit(false)"] = { "os.exit(false)", exitcode = 1 },
    ["by os.exit(true, true)"] = { "os.exit(true, true)", exitcode = 0 },
}

describe("a worker that dies", function()
    for name, death in pairs(deaths) do
        it(name .. " fails only its own task, and the outcome says how", function()
            local text = own_pid .. "return function(x) if x == 3 then " .. death[1] .. " end return x end"
            local f = assert(load(text))()
            local p <close> = pool.new(2)
            local results, n, failures = p:map(f, range(40), { on_error = "collect" })
            assert.are.equal(40, n)
            for i = 1, 40 do
                if i ~= 3 then assert.are.equal(i, results[i]) end
            end
            local o = failures[3]
            assert.are.same({ "crash", 3, 3, 1 }, { o.kind, o.index, o.input, o.attempts })
            assert.are.equal(death.signal, o.signal)
            assert.are.equal(death.exitcode, o.exitcode)
            assert.are.equal("integer", math.type(o.pid))
            assert.is_false(helpers.alive(o.pid))
            local words = death.signal and "signal " .. death.signal or "status " .. death.exitcode
            local line = tostring(o)
            assert.is_truthy(line:find("task 3 (input 3)", 1, true), line)
            assert.is_truthy(line:find(words, 1, true), line)
            assert.is_truthy(line:find(tostring(o.pid), 1, true), line)
            assert.is_nil(next(failures, next(failures)))
            assert.are.same({ 1, 4 }, (p:map(square, { 1, 2 })))
        end)
    end

    it("in a chunk of tiny tasks loses none of its neighbours, and none runs twice", function()
        local path = os.tmpname()
        local p <close> = pool.new(2)
        local results, _, failures = p:map(function(x)
            mark(path, x)
            if x == 333 then os.exit(3) end
            return x
        end, range(1000), { chunk = 100, on_error = "collect" })
        for i = 1, 1000 do assert.are.equal(i ~= 333 and i or nil, results[i]) end
        assert.are.equal("crash", failures[333].kind)
        assert.are.equal(1000, marks(path))
        os.remove(path)
    end)

    it("while it writes a large result fails only its own task", function()
        local p <close> = pool.new(2)
        local results, _, failures = p:map(function(x)
            if x == 3 then
                -- A shell kills this worker while it writes more than a pipe holds.
                local pid = io.open("/proc/self/stat"):read("n")
                os.execute("(sleep 0.02; kill -9 " .. pid .. ") >/dev/null 2>&1 &")
                local clutter = {}
                for i = 1, 200 do clutter[i] = ("y"):rep(1 << 20) end
                return clutter
            end
            return ("x"):rep(100000)
        end, range(20), { on_error = "collect", chunk = 1 })
        for i = 1, 20 do
            if i ~= 3 then assert.are.equal(100000, #results[i]) end
        end
        assert.are.equal("crash", failures[3].kind)
        assert.are.equal(9, failures[3].signal)
    end)

    it("one after the other leaves a pool that still works", function()
        local p <close> = pool.new(2)
        local _, n, failures = p:map(os.exit, range(60), { on_error = "collect" })
        assert.are.equal(60, n)
        for i = 1, 60 do assert.are.equal(i, failures[i].exitcode) end
        assert.are.equal(9, p:apply(square, 3))
    end)

    it("with all of Lua's C stack used is an error or a crash of its own task", function()
        local p <close> = pool.new(2)
        local results, _, failures = p:map(function(x)
            if x == 2 then
                local function deeper(s) return s:gsub(".", deeper) end
                deeper("x")
            end
            return x
        end, range(5), { on_error = "collect" })
        assert.are.same({ 1, nil, 3, 4, 5 }, results)
        assert.is_truthy(failures[2].kind == "error" or failures[2].kind == "crash")
    end)

    it("idle is replaced without a word", function()
        local p <close> = pool.new(1)
        local pid = p:apply(function() return io.open("/proc/self/stat"):read("n") end)
        os.execute("kill -9 " .. pid)
        assert.are.equal(9, p:apply(square, 3))
        local stats = p:stats()
        assert.are.equal(0, stats.crashes)
    end)
end)

describe("retries", function()
    it("start a crashed task again, up to so many times", function()
        local path = os.tmpname()
        local p <close> = pool.new(2)
        local results, _, failures = p:map(function(x)
            if x == 2 then
                mark(path)
                if marks(path) < 3 then os.exit(1) end
            end
            return x
        end, range(4), { retries = 5, on_error = "collect" })
        assert.are.same({ 1, 2, 3, 4 }, results)
        assert.are.same({}, failures)
        assert.are.equal(3, marks(path))
        assert.are.equal(2, p:stats().retries)
        os.remove(path)
    end)

    it("end, and the outcome counts the attempts", function()
        local path = os.tmpname()
        local p <close> = pool.new(2)
        local _, _, failures = p:map(function(x)
            if x == 2 then
                mark(path)
                os.exit(1)
            end
        end, range(4), { retries = 2, on_error = "collect" })
        assert.are.equal(3, failures[2].attempts)
        assert.is_truthy(tostring(failures[2]):find("3 attempts", 1, true))
        assert.are.equal(3, marks(path))
        os.remove(path)
    end)

    it("are for crashes and timeouts: an error is not tried again", function()
        local path = os.tmpname()
        local p <close> = pool.new(1)
        local ok = pcall(p.map, p, function()
            mark(path)
            error("no")
        end, { 1 }, { retries = 5 })
        assert.is_false(ok)
        assert.are.equal(1, marks(path))
        os.remove(path)
        local _, _, failures = p:map(function() while true do end end, { 1 },
            { retries = 1, timeout = 0.05, on_error = "collect" })
        assert.are.same({ "timeout", 2 }, { failures[1].kind, failures[1].attempts })
    end)

    it("work where there is no other worker", function()
        local path = os.tmpname()
        local p <close> = pool.new(1)
        assert.are.same({ "ok" }, (p:map(function()
            mark(path)
            if marks(path) == 1 then os.exit(1) end
            return "ok"
        end, { 1 }, { retries = 1 })))
        os.remove(path)
    end)
end)

describe("a timeout", function()
    local function collect(p, body, n)
        local before = clock()
        local results, _, failures = p:map(body, range(n or 6),
            { timeout = 0.5, on_error = "collect" })
        assert.is_true(clock() - before < helpers.within(8))
        for i = 1, n or 6 do
            if i ~= 2 then assert.are.equal(i, results[i]) end
        end
        assert.are.equal("timeout", failures[2].kind)
        assert.are.equal(2, failures[2].index)
        assert.is_truthy(tostring(failures[2]):find("timed out after 0.5 s", 1, true))
        assert.is_nil(next(failures, next(failures)))
        assert.are.same({ 1, 4 }, (p:map(square, { 1, 2 })))
        return failures[2]
    end

    it("ends a task in an endless loop, politely", function()
        local path = os.tmpname()
        os.remove(path)
        local p <close> = pool.new(2)
        collect(p, function(x)
            local guard <close> = setmetatable({}, { __close = function() mark(path) end })
            while x == 2 do end
            return x
        end)
        assert.are.equal(6, marks(path))
        os.remove(path)
    end)

    it("ends a task that swallows the polite error", function()
        local p <close> = pool.new(2)
        collect(p, function(x)
            while x == 2 do pcall(function() while true do end end) end
            return x
        end)
    end)

    it("ends a task that loops in a coroutine", function()
        local p <close> = pool.new(2)
        collect(p, function(x)
            if x == 2 then coroutine.wrap(function() while true do end end)() end
            return x
        end)
    end)

    it("ends a task that is blocked in C, and the subprocesses that it started", function()
        local path = os.tmpname()
        local p <close> = pool.new(2)
        collect(p, function(x)
            if x == 2 then
                local pipe = io.popen("echo $$ > " .. path .. "; exec sleep 30")
                pipe:read("a")
            end
            return x
        end)
        local pid = io.open(path):read("n")
        assert.are.same({}, helpers.survivors({ pid }, 5))
        os.remove(path)
    end)

    it("leaves the subprocesses that an earlier task has kept", function()
        local p <close> = pool.new(1)
        local path = os.tmpname()
        for n = 2001, 2004 do
            local _, _, failures = p:map(function(x)
                if x == n then
                    kept = io.popen("echo $$ > " .. path .. "; echo; exec sleep 30")
                    kept:read()
                    os.execute("sleep 0.05") -- times are told by the tick
                end
                while x > n do end
                return x
            end, range(n + 1), { chunk = n + 1, timeout = 1, on_error = "collect" })
            assert.are.equal("timeout", failures[n + 1].kind)
            local pid = io.open(path):read("n")
            assert.are.same({ pid }, helpers.survivors({ pid }, 0.1))
            os.execute("kill -9 " .. pid)
        end
        os.remove(path)
    end)

    it("counts a task's own time, not that in the queue", function()
        local p <close> = pool.new(1)
        local results, n = p:map(function(x)
            os.execute("sleep 0.12")
            return x
        end, range(10), { timeout = 1, chunk = 10 })
        assert.are.equal(10, n)
        assert.are.equal(10, results[10])
    end)

    it("does not hit the next task", function()
        local p <close> = pool.new(1)
        local results, _, failures = p:map(function(x)
            local until_time = os.clock() + (x % 2 == 0 and 0.02 or 0)
            while os.clock() < until_time do end
            return x
        end, range(30), { timeout = 0.01, on_error = "collect" })
        for i = 1, 30, 2 do
            if failures[i] then assert.are.equal("timeout", failures[i].kind) end
            assert.is_truthy(results[i] == i or failures[i])
        end
        assert.are.equal("timeout", failures[30].kind)
    end)
end)

describe("an error", function()
    local p

    setup(function() p = pool.new(2) end)
    teardown(function() p:terminate() end)

    it("of any type arrives as the value that was raised", function()
        local values = { "text", 42, 1.5, true, false, { code = 7, list = { 1, 2 } } }
        for _, value in ipairs(values) do
            local ok, o = pcall(p.apply, p, error, value, 0)
            assert.is_false(ok)
            assert.are.equal("error", o.kind)
            assert.are.same(value, o.value)
        end
        local ok, o = pcall(p.apply, p, error)
        assert.is_false(ok)
        assert.are.equal("error", o.kind)
        assert.is_nil(o.value)
        assert.is_truthy(tostring(o):find("(error object is a nil value)", 1, true))
    end)

    it("object describes itself", function()
        local ok, o = pcall(p.apply, p, function()
            error(setmetatable({ code = 3 }, { __tostring = function(e) return "code " .. e.code end }))
        end)
        assert.is_false(ok)
        assert.are.equal("code 3", o.message)
        assert.is_truthy(tostring(o):find("code 3", 1, true))
    end)

    it("whose fields somebody has changed is shown all the same", function()
        local _, o = pcall(p.apply, p, error, "once")
        for _, change in ipairs { { kind = "odd" }, { index = {} }, { count = "x" }, { traceback = 5 }, { attempts = {} } } do
            local changed = setmetatable({}, getmetatable(o))
            for name, value in pairs(o) do changed[name] = value end
            for name, value in pairs(change) do changed[name] = value end
            assert.are.equal("an outcome whose fields were changed", tostring(changed))
        end
    end)

    it("object whose __tostring fails keeps its value and traceback", function()
        for _, workers in ipairs { 1, 0 } do
            local q <close> = pool.new(workers)
            local ok, o = pcall(q.apply, q, function()
                error(setmetatable({ code = 3 }, { __tostring = error }))
            end)
            assert.is_false(ok)
            assert.are.equal(3, o.value.code)
            assert.are.equal("(error object is a table value, whose __tostring failed)", o.message)
            assert.matches("outcome_spec.lua:%d+: in function", o.traceback)
        end
    end)

    it("object that cannot be described or sent is an error still", function()
        for _, make in ipairs {
            function() return setmetatable({}, { __tostring = function() error("worse") end }) end,
            function() return coroutine.create(print) end,
            function() return { co = coroutine.create(print) } end,
            function() return io.stdout end,
        } do
            local ok, o = pcall(p.apply, p, function() error(make()) end)
            assert.is_false(ok)
            assert.are.equal("error", o.kind)
            assert.are.equal("string", type(o.message))
        end
        assert.are.equal(4, p:apply(square, 2))
    end)

    it("has the traceback of the script's lines, and nothing of the host's", function()
        local output = helpers.output([[
            local function inner(x) error("deep") end
            local function outer(x)
                inner(x)
                return x
            end
            local function host_side() return pool.map(outer, { 1 }) end
            local ok, o = pcall(host_side)
            print(tostring(o)) ]])
        assert.is_truthy(output:find("task 1 (input 1): SCRIPT:1: deep", 1, true), output)
        assert.is_truthy(output:find("SCRIPT:1: in upvalue 'inner'", 1, true), output)
        assert.is_truthy(output:find("SCRIPT:3: in function <SCRIPT:2>", 1, true), output)
        assert.is_nil(output:find("SCRIPT:6", 1, true), output)
        assert.is_nil(output:find("luas/luas", 1, true), output)
    end)

    it("raised is the first in input order, whichever came first", function()
        for _ = 1, 5 do
            local ok, o = pcall(p.map, p, function(x)
                if x == 4 then os.execute("sleep 0.05") end
                if x == 4 or x > 6 then error("at " .. x, 0) end
            end, range(30), { chunk = 1 })
            assert.is_false(ok)
            assert.are.equal(4, o.index)
            assert.are.equal("at 4", o.value)
        end
    end)

    it("cancels what comes after it", function()
        local path = os.tmpname()
        local ok = pcall(p.map, p, function(x)
            mark(path)
            if x == 2 then error("stop") end
            os.execute("sleep 0.02")
        end, range(300), { chunk = 1 })
        assert.is_false(ok)
        assert.are.equal(4, p:apply(square, 2))
        os.execute("sleep 0.1")
        assert.is_true(marks(path) < 50, marks(path) .. " tasks ran")
        os.remove(path)
    end)

    it("of the source stays what it is in the outcome, and the pool stays usable", function()
        local raised = { "the source's own" }
        for _, verb in ipairs { "map", "each", "map_async" } do
            local n = 0
            local ok, o = pcall(function()
                local got = p[verb](p, square, function()
                    n = n + 1
                    if n == 20 then error(raised) end
                    return n
                end)
                if verb == "map_async" then got:get() end
            end)
            assert.is_false(ok)
            assert.are.equal(raised, o.value)
            assert.are.equal(19, o.n)
        end
        local seen = 0
        local ok, o = pcall(function()
            local n = 0
            for _ in p:imap(square, function()
                n = n + 1
                if n == 20 then error(raised) end
                return n
            end, { window = 4 }) do seen = seen + 1 end
        end)
        assert.is_false(ok)
        assert.are.equal(raised, o.value)
        assert.are.equal(19, seen)
        assert.are.equal(4, p:apply(square, 2))
    end)

    it("of a value that cannot travel names its path, soon", function()
        local before = clock()
        local ok, o = pcall(p.map, p, function() return 1, { list = { io.stdout, coroutine.create(print) } } end, { 1 })
        assert.is_false(ok)
        assert.is_truthy(tostring(o):find('result 2, field "list"[2]: a coroutine cannot be sent', 1, true), tostring(o))
        local sent = false
        ok, o = pcall(p.map, p, square, function()
            if sent then return nil end
            sent = true
            return 1, { deep = { { co = coroutine.create(print) } } }
        end)
        assert.is_false(ok)
        assert.is_truthy(tostring(o):find("item 1", 1, true), tostring(o))
        assert.is_truthy(tostring(o):find("co", 1, true), tostring(o))
        assert.is_truthy(tostring(o):find("a coroutine cannot be sent", 1, true), tostring(o))
        assert.is_true(clock() - before < helpers.within(1))
        assert.are.equal(4, p:apply(square, 2))
    end)

    it("of a result that cannot travel says which, in a worker or in the caller", function()
        local here <close> = pool.new { workers = 0 }
        for _, where in ipairs { p, here } do
            local function message(f)
                return select(2, pcall(where.apply, where, f)).message
            end
            assert.are.equal("result 1: a coroutine cannot be sent", message(function()
                return coroutine.create(print)
            end))
            assert.are.equal("result 2, [3].x: a coroutine cannot be sent", message(function()
                return 1, { 1, 2, { x = coroutine.create(print) } }
            end))
            assert.are.equal("result 2: value nested too deeply", message(function()
                local t = {}
                for _ = 1, 300000 do t = { t } end
                return 1, t
            end))
        end
    end)
end)

describe("halt", function()
    it("deals no more after so many failures", function()
        local path = os.tmpname()
        local p <close> = pool.new(2)
        local results, n, failures = p:map(function(x)
            mark(path)
            error("no")
        end, range(500), { halt = 3, on_error = "collect", chunk = 1 })
        local kinds = { error = 0, cancelled = 0 }
        for i = 1, n do kinds[failures[i].kind] = kinds[failures[i].kind] + 1 end
        assert.are.same({}, results)
        assert.is_true(kinds.error >= 3 and kinds.error < 30, kinds.error .. " failures")
        assert.are.equal(n, kinds.error + kinds.cancelled)
        assert.are.equal(kinds.error, marks(path))
        os.remove(path)
        local stats = p:stats()
        assert.are.same({ n, kinds.error, kinds.cancelled },
            { stats.tasks, stats.errors, stats.cancelled })
    end)

    it("stops reading the source, too", function()
        local p <close> = pool.new(2)
        local read = 0
        local ok, n = pcall(p.each, p, error, function()
            read = read + 1
            return read
        end, { halt = 2, on_error = "collect", window = 20 })
        assert.is_true(ok, tostring(n))
        assert.is_true(n < 1000)
        assert.are.equal(n, read)
    end)

    for _, verb in ipairs { "imap", "imap_unordered" } do
        it("ends " .. verb .. " with an outcome for each task, which names its input", function()
            assert.are.equal("1\t100\ttrue\ntrue\ntrue\n", helpers.output([[
                local verb, items, seen = ]] .. ("%q"):format(verb) .. [[, {}, {}
                for i = 1, 100 do items[i] = "item " .. i end
                local options = { halt = 1, on_error = "collect", chunk = 1 }
                local function f(x)
                    if x == "item 4" then error("no") end
                    os.execute("sleep 0.01")
                    return 1
                end
                local p <close> = pool.new(2)
                local errors, n, named = 0, 0, true
                for i, _, o in p[verb](p, f, items, options) do
                    assert(not seen[i])
                    seen[i], n = true, n + 1
                    if o and o.kind == "error" then errors = errors + 1 end
                    named = named and (not o or o.index == i and o.input == items[i])
                end
                print(errors, n, named)
                local read = 0
                for i, _, o in p[verb](p, error, function() read = read + 1 return read end, options) do
                    n = n + 1
                end
                print(n == 100 + read)
                local _, failures = p:reduce(f, items, math.max, 0, options)
                print(failures[100].kind == "cancelled")
            ]]))
        end)
    end

    it("leaves a map's cancelled tasks with their inputs", function()
        local p <close> = pool.new(2)
        local _, _, failures = p:map(function()
            os.execute("sleep 0.01")
            error("no")
        end, range(100), { halt = 1, on_error = "collect", chunk = 1 })
        assert.are.equal("cancelled", failures[99].kind)
        assert.are.equal(99, failures[99].input)
    end)
end)

describe("init", function()
    it("runs once in each worker, before its tasks, and exit after them", function()
        local path = os.tmpname()
        local p = pool.new {
            workers = 2,
            init = function()
                mark(path, "init")
                state = "ready"
            end,
            exit = function() mark(path, "exit " .. state) end,
        }
        local results = p:map(function()
            os.execute("sleep 0.02")
            return state
        end, range(10))
        p:close()
        p:join()
        for i = 1, 10 do assert.are.equal("ready", results[i]) end
        local counts = {}
        for line in io.lines(path) do counts[line] = (counts[line] or 0) + 1 end
        os.remove(path)
        local forks = p.forks
        assert.is_nil(forks)
        assert.is_true(counts.init >= 1)
        assert.are.equal(counts.init, counts["exit ready"])
    end)

    local failing = {
        raises = { function() error("no database") end, "no database" },
        ["raises much"] = { function() error(("no database"):rep(100000)) end, "no database" },
        exits = { function() os.exit(3) end, "it exited with status 3" },
        ["is killed"] = { function() os.execute("kill -9 $PPID") end,
            "it was killed by signal 9" },
    }
    for name, case in pairs(failing) do
        it("that " .. name .. " is one clear error, not a storm of processes", function()
            local path = os.tmpname()
            local p = pool.new {
                workers = 2,
                init = function()
                    mark(path)
                    case[1]()
                end,
            }
            local before = clock()
            for _ = 1, 2 do
                local ok, message = pcall(p.map, p, square, range(100))
                assert.is_false(ok)
                assert.is_truthy(tostring(message):find(case[2], 1, true),
                    tostring(message))
            end
            assert.is_true(clock() - before < helpers.within(5))
            assert.is_true(marks(path) <= 20, marks(path) .. " workers were tried")
            p:terminate()
            os.remove(path)
        end)
    end
end)

describe("max_tasks", function()
    it("replaces a worker after so many tasks, and loses none", function()
        local p <close> = pool.new { workers = 2, max_tasks = 5 }
        local pids, n = p:map(function() return io.open("/proc/self/stat"):read("n") end, range(40))
        local served = {}
        assert.are.equal(40, n)
        for i = 1, 40 do served[pids[i]] = (served[pids[i]] or 0) + 1 end
        local workers = 0
        for _, count in pairs(served) do
            workers = workers + 1
            assert.is_true(count <= 5)
        end
        assert.is_true(workers >= 8)
    end)
end)
