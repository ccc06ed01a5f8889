-- What a process does with handles of the one that it was forked of: what had
-- ended by then it has, what has not is its host's. Nothing waits for good, and
-- nothing that it does changes the host.

local helpers = require("tests.support.helpers")

-- The host's handles, and what can be done with them; `wanted` is what the first line
-- of that shows in another process (a pattern), and true is the most frequent.
local HANDLES = [[
    local state = ...
    local ELSEWHERE <const> = "belongs to another process"
    local function double(x) return 2 * x end
    local function later(...) os.execute "sleep 1000" return ... end
    local function eventually(test)
        for _ = 1, 1000 do
            if test() then return end
            os.execute "sleep 0.01"
        end
        error "it does not come"
    end

    local p = pool.new { workers = 2, name = "mine" }
    local ended = p:apply_async(double, 4)
    local failed = p:apply_async(function() error("bad", 0) end)
    local mapped = p:map_async(double, { 1, 2, 3 })
    local failing = p:map_async(function(x) error("no " .. x, 0) end, { 1, 2, 3 })
    local it, _, _, it_job = p:imap(double, { 1, 2, 3 })
    local unordered = p:imap_unordered(double, { 1, 2, 3 })
    local read = 0
    local from_source = p:imap(double, function()
        read = read + 1
        return read <= 5000 and read or nil
    end)
    local done = process.spawn(double, 4)
    local raised = process.spawn(error, "bad")
    local run = process.spawn(later)
    local fresh = process.new { target = double, args = { 4 } }
    local a, b = process.pipe()
    local called, heard, heard_pending = p:apply_async(double, 4), {}, nil
    local function hear(future) heard[#heard + 1] = future end
    called:on_done(hear)
    local inline, inline_read = pool.new(0), 0
    local inline_ended = inline:apply_async(double, 4)
    local inline_it = inline:imap(double, function() inline_read = inline_read + 1 return inline_read end)
    pool.apply(double, 1)
    for i = 1, 3 do assert(from_source() == i) end
    -- All this has come, though nobody has looked at it.
    eventually(function() return p:stats().values >= 11 + read and p:stats().errors >= 4 end)
    eventually(function() return not io.open(("/proc/%d/stat"):format(done.pid)) end)
    eventually(function() return not io.open(("/proc/%d/stat"):format(raised.pid)) end)
    os.execute "sleep 0.05"

    local pending, busy
    local view = p:with { timeout = 5 }
    if state == "ended" then
        p:close()
        assert(p:join(10))
    else
        pending, heard_pending = p:apply_async(later, 4), p:apply_async(later, 4)
        heard_pending:on_done(hear)
        local other = pool.new(1)
        other:apply(double, 1)
    end
    -- Its thread takes in results for as long as this goes on.
    local items = {}
    for i = 1, 20000 do items[i] = i end
    local function be_busy()
        if state == "busy" and (not busy or busy:ready()) then busy = p:map_async(double, items) end
    end
    be_busy()

    local function all(iterate)
        local values = {}
        for _, v in iterate do values[#values + 1] = v end
        table.sort(values)
        return table.concat(values, " ")
    end

    local cases = {}
    local function case(name, wanted, f) cases[#cases + 1] = { name = name, wanted = wanted, f = f } end

    case("a future that has ended: ready", "^true$", function() return ended:ready() end)
    case("wait", "^true$", function() return ended:wait() end)
    case("get", "^8$", function() return ended:get() end)
    case("get with a timeout", "^8$", function() return ended:get(0) end)
    case("successful", "^true$", function() return ended:successful() end)
    case("cancel", "^false$", function() return ended:cancel() end)
    case("on_done", "^8$", function()
        local value
        ended:on_done(function(future) value = future:get() end)
        return value
    end)
    -- Those of its host are called back there.
    case("one that has a callback: on_done", "^8 true$", function()
        local before, value = #heard, nil
        called:on_done(function(future) value = future:get() end)
        return ("%d %s"):format(value, #heard == before or "the host's were called")
    end)
    case("get, wait_any", "^8 1 true$", function()
        local before = #heard
        return ("%d %d %s"):format(called:get(), select(2, pool.wait_any { called }), #heard == before)
    end)
    case("tostring", "^future: ended$", function() return tostring(ended) end)
    case("twice", "^16$", function() return ended:get() + ended:get() end)
    case("one that failed: get", "^task 1: bad$", function() return failed:get() end)
    case("successful", "^false$", function() return failed:successful() end)
    case("tostring", "^future: failed$", function() return tostring(failed) end)
    case("one of a map: get", "^2 4 6$", function() return table.concat(mapped:get(), " ") end)
    case("one of a map that failed: get", "^task 1 %(input 1%): no 1$", function() return failing:get() end)
    case("wait_all", "^true$", function() return pool.wait_all { ended, failed, mapped, failing } end)
    case("wait_any", "^true 1$", function()
        local future, place = pool.wait_any { ended, mapped }
        return tostring(future == ended) .. " " .. place
    end)
    case("wait_any with one of here", "^1$", function()
        return select(2, pool.wait_any { ended, pool.new(1):apply_async(os.execute, "sleep 0.2") })
    end)
    case("wait_all with one of here", "^true$", function()
        return pool.wait_all { ended, pool.new(1):apply_async(double, 1) }
    end)
    case("one without workers: get", "^8$", function() return inline_ended:get() end)

    case("imap", "^2 4 6$", function() return all(it) end)
    case("imap_unordered", "^2 4 6$", function() return all(unordered) end)
    -- What had come, which may be nothing, and no more of what is still to be read.
    local over = state == "ended" and "true" or ELSEWHERE
    case("imap over a source", "^8? .*" .. over, function()
        local before, values = read, {}
        local ok, message = pcall(function()
            for _, v in from_source do values[#values + 1] = v end
        end)
        assert(read == before, "it was read")
        return ("%s %s"):format(table.concat(values, " "), message or ok)
    end)
    case("imap without workers", ELSEWHERE, function()
        local before = inline_read
        local ok, message = pcall(all, inline_it)
        assert(not ok and inline_read == before, "it was read")
        return message
    end)

    if pending then
        for _, name in ipairs { "ready", "wait", "get", "successful", "cancel" } do
            case("a future that has not: " .. name, ELSEWHERE, function() return pending[name](pending) end)
        end
        case("get with a timeout", ELSEWHERE, function() return pending:get(0) end)
        case("on_done", ELSEWHERE, function() return pending:on_done(print) end)
        for _, verb in ipairs { "on_done", "wait", "ready" } do
            case("one that has a callback: " .. verb, ELSEWHERE, function()
                return heard_pending[verb](heard_pending, verb == "on_done" and print or nil)
            end)
        end
        case("tostring", "^future: not ended yet$", function() return tostring(pending) end)
        case("wait_all", ELSEWHERE, function() return pool.wait_all { ended, pending } end)
        case("wait_any", ELSEWHERE, function() return pool.wait_any { pending } end)
        case("wait_any with one that has", "^2$", function() return select(2, pool.wait_any { pending, ended }) end)
        case("wait_any with one of here", ELSEWHERE, function()
            return pool.wait_any { pending, pool.new(1):apply_async(os.execute, "sleep 0.2") }
        end)
    end

    for name, of in pairs { ["a pool"] = p, ["a view"] = view } do
        case(name .. ": tostring", "^pool mine: 2 workers", function() return tostring(of) end)
        case("size", "^2$", function() return of:size() end)
        case("stats", "^0$", function() return of:stats().tasks end)
        case("step", "^false$", function() return of:step(0.01) end)
        case("map", "^2 4$", function() return table.concat(of:map(double, { 1, 2 }), " ") end)
        case("apply_async", "^8$", function() return of:apply_async(double, 4):get() end)
        case("imap", "^2 4$", function() return all(of:imap(double, { 1, 2 })) end)
        case("broadcast", "^4$", function() return of:broadcast(double, 2)[1] end)
        case("fileno", ELSEWHERE, function() return of:fileno() end)
        case("resize", ELSEWHERE, function() return of:resize(3) end)
        case("close, join, terminate", "^true$", function()
            of:close()
            local joined = of:join()
            of:terminate()
            return joined
        end)
    end
    case("the default pool: map", "^2 4$", function() return table.concat(pool.map(double, { 1, 2 }), " ") end)
    case("stats, size, step", "^number number boolean$", function()
        return ("%s %s %s"):format(math.type(pool.stats().tasks) and "number", type(pool.size()), type(pool.step(0)))
    end)

    case("a process that has ended: tostring", "^process process%-1 %(pid %d+, exit status 0%)$",
        function() return tostring(done) end)
    case("is_alive", "^false$", function() return done:is_alive() end)
    case("exitcode", "^0$", function() return done.exitcode end)
    case("signal", "^nil$", function() return done.signal end)
    case("join", "^true$", function() return done:join() end)
    case("result", "^8$", function() return done:result() end)
    case("kill", "^nil$", function() return done:kill() end)
    case("one that failed: result", "^process process%-2: .*bad", function() return raised:result() end)
    case("tostring", "exit status 1", function() return tostring(raised) end)
    case("one that runs: tostring", "^process process%-3 %(pid %d+, of another process%)$",
        function() return tostring(run) end)
    case("pid, name", "^true process%-3$", function()
        return ("%s %s"):format(math.type(run.pid) == "integer", run.name)
    end)
    for _, name in ipairs { "is_alive", "join", "result", "terminate", "kill" } do
        case(name, name .. ".*" .. ELSEWHERE, function() return run[name](run) end)
    end
    case("join with a timeout", ELSEWHERE, function() return run:join(0) end)
    case("exitcode", "exitcode.*" .. ELSEWHERE, function() return run.exitcode end)
    case("signal", "signal.*" .. ELSEWHERE, function() return run.signal end)
    case("start", "started already", function() return run:start() end)
    case("one that was not started: tostring", "^process %? %(pid %?, not started%)$",
        function() return tostring(fresh) end)
    case("start", "^8$", function() return fresh:start():result() end)
    case("children", "^0$", function() return #process.children() end)
    case("current, parent", "^true true$", function()
        return ("%s %s"):format(process.current():is_alive(), process.parent():is_alive())
    end)

    case("a pipe: send, recv", "^4$", function() a:send(4) return b:recv(5) end)
    case("recv with a timeout", "^timeout$", function() return select(2, b:recv(0.01)) end)
    case("tostring, fileno", "^pipe %(open%) true$", function()
        return ("%s %s"):format(a, math.type(a:fileno()) == "integer")
    end)
    case("close", "^pipe %(closed%)$", function() a:close() b:close() return tostring(a) end)
    local function walk()
        local inspect = require "luas.inspect"
        for _, of in ipairs { p, view, inline, ended, failed, mapped, it_job, done, raised, run, fresh, a, b } do
            assert(#of == 0 and inspect(of) == tostring(of))
            for name in pairs(of) do assert(type(name) == "string") end
        end
        return true
    end
    case("all of them: #, pairs, inspect", "^true$", walk)
    case("all of them: collected", "^true$", function()
        p, view, ended, called, failed, mapped, failing, it, it_job, unordered, from_source = nil
        pending, heard_pending, done, raised, run, fresh, a, b, inline_ended, inline_it, cases = nil
        collectgarbage() collectgarbage()
        return true
    end)

    -- The first line of what it shows, in another process.
    local function show(f)
        local results = table.pack(pcall(f))
        return (tostring(results[2]):gsub("\n.*", ""))
    end

    local function try_all(elsewhere)
        for i, c in ipairs(cases) do
            be_busy()
            local name, f, wanted = c.name, c.f, c.wanted
            local ok, shown = pcall(elsewhere, function() return show(f) end)
            shown = tostring(shown)
            if not shown:find(wanted) then print(("%d, %s: %s"):format(i, name, shown)) end
        end
    end

    -- Nothing of that has changed anything here.
    local function check_host()
        assert(walk())
        assert(ended:get() == 8 and failed:successful() == false and #mapped:get() == 3)
        assert(all(it) == "2 4 6" and all(unordered) == "2 4 6")
        assert(called:get() == 8 and #heard == 1 and heard[1] == called)
        assert(inline_it() == 1)
        assert(done:result() == 8 and run:is_alive())
        assert(run.exitcode == nil)
        run:kill()
        assert(run:join(10) and run.signal == 9)
        assert(not pcall(raised.result, raised))
        assert(a:send(5) == nil and b:recv(5) == 5)
        if state == "ended" then return end
        assert(p:size() == 2 and p:stats().crashes == 0)
        assert(pending:cancel() and heard_pending:cancel())
        assert(not pcall(heard_pending.get, heard_pending) and #heard == 2)
        assert(p:apply(double, 4) == 8)
        local n = 3
        for i, v in from_source do
            n = n + 1
            assert(i == n and v == 2 * i)
        end
        assert(n == 5000)
    end
]]

-- How another process comes to be: given what it shall do, what that gives there.
local ELSEWHERE = {
    ["a task that inherited them"] = [[
        local other <close> = pool.new { workers = 1, carry = "inherit", timeout = 5 }
        try_all(function(f) return other:apply(f) end) ]],
    ["a task of the same pool"] = [[
        local same = p:with { carry = "inherit", timeout = 5 }
        try_all(function(f) return same:apply(f) end) ]],
    ["a process"] = [[
        try_all(function(f)
            local child = process.spawn(f)
            if child:join(5) then return child:result() end
            child:kill()
            return "it hangs"
        end) ]],
    ["a task of a pool of a task's"] = [[
        local other <close> = pool.new { workers = 1, carry = "inherit" }
        try_all(function(f)
            return other:apply(function()
                local inner <close> = pool.new { workers = 1, carry = "inherit", timeout = 5 }
                return inner:apply(f)
            end)
        end) ]],
}

local function check(state, elsewhere, by)
    local text = ("local function main(...) %s %s check_host() end main(%q) print 'done'"):format(
        HANDLES, elsewhere, state)
    assert.are.equal("done\n", helpers.output(text, by))
end

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        for name, elsewhere in pairs(ELSEWHERE) do
            for _, state in ipairs { "idle", "busy", "ended" } do
                if not (state == "ended" and name == "a task of the same pool") then
                    it(("%s has of an %s pool what had come"):format(name, state), function()
                        check(state, elsewhere, by)
                    end)
                end
            end
        end

        it("a future that has ended gives its value in each of 100 processes of a busy host", function()
            assert.are.equal("100\n", helpers.output([[
                local items, n = {}, 0
                for i = 1, 40000 do items[i] = i end
                local p = pool.new(2)
                local ended = p:apply_async(function() return 1 end)
                p:apply(os.execute, "sleep 0.05")
                local busy
                for _ = 1, 100 do
                    if not busy or busy:ready() then busy = p:map_async(function(x) return x end, items) end
                    local child = process.spawn(function()
                        assert(ended:ready() and ended:wait() and not ended:cancel())
                        assert(pool.wait_any { ended } == ended)
                        return ended:get(1)
                    end)
                    if child:join(5) then n = n + child:result() else child:kill() end
                end
                p:terminate()
                print(n) ]], by))
        end)
    end)
end)

describe("what has ended", function()
    local FORMS = [[
        local p = pool.new { workers = 2, output = "capture" }
        Point = {}
        Point.__index, Point.__tostring = Point, function(point) return "Point " .. point.x end
        local function fail_at_2(i)
            print("task", i)
            if i == 2 then error { code = i } end
            return i, i
        end
        local function never() while true do end end
        local collect = { on_error = "collect" }
        local futures = {
            large = p:apply_async(string.rep, "x", 3000000),
            larges = p:map_async(string.rep, { "y", "z" }),
            object = p:apply_async(function() return setmetatable({ x = 3 }, Point) end),
            closure = p:apply_async(function() local n = 5 return function() return n end end),
            nothing = p:apply_async(function() end),
            nils = p:apply_async(function() return nil, 1, nil end),
            printed = p:map_async(fail_at_2, { 1, 2, 3 }, collect),
            raised = p:map_async(fail_at_2, { 1, 2, 3 }),
            crash = p:apply_async(os.exit, 7),
            timeout = p:with { timeout = 0.05 }:apply_async(never),
            cancelled = p:apply_async(never),
            none = p:map_async(print, {}),
        }
        futures.cancelled:cancel()
        local iterators = {
            several = p:imap_unordered(function(i) return i, 2 * i end, { 1, 2, 3 }),
            collected = p:imap(fail_at_2, { 1, 2, 3 }, collect),
            raises = p:imap(fail_at_2, { 1, 2, 3 }),
        }
        for _ = 1, 1000 do
            if p:stats().tasks == 25 then break end
            os.execute "sleep 0.01"
        end
        assert(p:stats().tasks == 25)
        local inspect = require "luas.inspect"
        local function show(...)
            local shown = table.pack(...)
            for i = 1, shown.n do
                local v = type(shown[i]) == "function" and shown[i]() or shown[i]
                shown[i] = (getmetatable(v) == Point and tostring(v) or inspect(v, { bytes = 100 })):gsub("%s+", " ")
            end
            return table.concat(shown, " ")
        end
        local function show_all(iterate)
            local all = {}
            for i, v, more in iterate do all[i] = show(v, more) end
            return table.concat(all, "; ")
        end
        local cases = {}
        for name, future in pairs(futures) do cases[name] = function() return show(future:get()) end end
        for name, it in pairs(iterators) do cases[name] = function() return show_all(it) end end
        local other <close> = pool.new { workers = 1, carry = "inherit", timeout = 5 }
        local same = p:with { carry = "inherit", timeout = 5 }
        for name, f in pairs(cases) do
            local function shown() return select(2, pcall(f)) end
            local function shown_as_text() return tostring(shown()) end
            local ways = { other:apply(shown_as_text), same:apply(shown_as_text) }
            ways[3] = process.spawn(shown_as_text):result()
            local here = shown_as_text()
            for i, there in ipairs(ways) do
                if there ~= here then print(name, i, there, here) end
            end
        end
        print "that was all"
        p:terminate() ]]

    it("gives everywhere the same", function()
        assert.are.equal("that was all\n", helpers.output(FORMS))
    end)
end)

describe("a handle", function()
    it("that a task has of its own pool is that task's, not one's of the pool", function()
        assert.are.equal("8\ttrue\ttrue\t4\n", helpers.output([[
            print(pool.new(1):apply(function()
                local function double(x) return 2 * x end
                local inner <close> = pool.new(1)
                local ended, pending = inner:apply_async(double, 4), inner:apply_async(os.execute, "sleep 60")
                ended:wait()
                local value, message = inner:with { carry = "inherit", timeout = 5 }:apply(function()
                    return ended:get(), select(2, pcall(pending.get, pending))
                end)
                local is_here = not pending:ready()
                inner:terminate()
                return value, message:find "another process" ~= nil, is_here, pool.new(1):apply(double, 2)
            end)) ]]))
    end)

    it("cannot be shipped, and the message names it", function()
        assert.are.equal("true\ttrue\ttrue\n", helpers.output([[
            local p = pool.new(1)
            local f = p:apply_async(function() end)
            local it = p:imap(function() end, {})
            local started = process.spawn(function() end)
            local ship = pool.new { workers = 1, carry = "ship" }
            local function refused(g)
                local ok, o = pcall(ship.apply, ship, g)
                return not ok and tostring(o):find "cannot ship the function: .*upvalue" ~= nil
            end
            print(refused(function() return f:get() end), refused(function() return it() end),
                refused(function() return started:result() end)) ]]))
    end)

    it("serves a worker that another one's zygote bore later", function()
        assert.are.equal("5\t15\ttrue\n", helpers.output([[
            local p = pool.new(1)
            local ended = p:apply_async(function() return 1 end)
            assert(ended:wait())
            local q = pool.new { workers = 1, max_tasks = 1, timeout = 10 }
            local i, n, sum = 0, 0, 0
            for _, v in q:imap(function(x) return x + ended:get() - 1 end, function()
                i = i + 1
                return i <= 5 and i or nil
            end, { window = 1 }) do
                n, sum = n + 1, sum + v
            end
            print(n, sum, q:stats().forks >= 5) ]]))
    end)

    it("of a process is good in the process itself", function()
        assert.are.equal("process mine (pid ?, of another process)\tfalse\ttrue\n", helpers.output([[
            local p
            p = process.new { name = "mine", target = function()
                return tostring(p), (pcall(p.start, p)), process.current():is_alive()
            end }
            p:start()
            print(p:result()) ]]))
    end)

    it("of a process says in a worker of that process's pool who that is", function()
        assert.are.equal("worker 1\t1\tprocess-1\n", helpers.output([[
            print(process.spawn(function()
                local inner <close> = pool.new(1)
                local name, size = inner:apply(function()
                    return process.current().name, select(2, pool.map(function(x) return x end, { 1 }))
                end)
                return name, size, process.current().name
            end):result()) ]]))
    end)

    it("of a pool that a task has used is as good in what that task starts", function()
        assert.are.equal("2\t2\t0\n", helpers.output([[
            local p = pool.new(2)
            print(pool.new(1):apply(function()
                local function double(x) return 2 * x end
                local here = p:map(function()
                    return process.spawn(function()
                        local future = p:apply_async(double, 1)
                        return future:get(1)
                    end):result()
                end, { 1 })[1]
                return here, process.spawn(function() return p:map(double, { 1 })[1] end):result(),
                    process.spawn(function() return p:stats().tasks end):result()
            end)) ]]))
    end)
end)
