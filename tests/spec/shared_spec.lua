-- What processes share: queues, locks, values, arrays and tables.

local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local function each(name, text, wanted, how)
    helpers.each_interpreter(function(by)
        it(name .. ", under " .. by, function()
            how = how or {}
            local output, status = helpers.run(text, { by = by, seconds = how.seconds, before = how.before })
            assert.are.equal(wanted, output)
            assert.are.equal(how.status or 0, status)
        end)
    end)
end

describe("a shared queue", function()
    each("carries values between processes, in order", [[
        local q, back = shared.queue(), shared.queue()
        local child = process.spawn(function()
            for item in q:items() do back:put(item) end
            back:close()
        end)
        local items = { 1, -0.5, "text", ("x"):rep(100000), true, false, { a = { 1, 2 } } }
        for _, v in ipairs(items) do q:put(v) end
        q:close()
        for _, v in ipairs(items) do
            local got = back:get()
            assert(type(v) == "table" and got.a[2] == 2 or got == v)
        end
        print(back:get())
        print(back:get(0), child:join())
    ]], "nil\tclosed\nnil\ttrue\n")

    each("counts its items against its limit", [[
        local q = shared.queue(2)
        print(q:put(1), q:put(2), q:put(3, 0.01), q:count(), q:get(), q:put(3))
        print(q:get(), q:get(), q:get(0.01))
    ]], "true\ttrue\tfalse\t2\t1\ttrue\n2\t3\tnil\ttimeout\n")

    each("refuses what cannot be put", [[
        local q = shared.queue(1, { bytes = "64K" })
        local function why(...) return (select(2, pcall(...)):gsub("^[^:]*:%d+: ", "")) end
        print(why(q.put, q))
        print(why(q.put, q, ("x"):rep(70000)))
        assert(q:put(("x"):rep(65536)) and #q:get() == 65536 and not q:done())
        print(why(q.put, q, coroutine.create(print)))
        q:close()
        print(why(q.put, q, 1))
        print(why(q.done, q))
        print(why(shared.queue, 0))
        print(why(shared.queue, 1, { size = 1 }))
        print(why(shared.queue, shared))
    ]], [[
nil cannot be put into a queue
an item of 70000 bytes is too large for this queue: give it more than bytes = 65536
cannot put this: a coroutine cannot be sent
the queue is closed
'done' without an item that this process has got
bad argument #1 to 'queue' (a whole number of at least 1 expected, got 0)
shared.queue: unknown option 'size' (there are: bytes)
'queue' is a function of the module: write shared.queue(...) with a dot
]])

    each("is joined when all is done, but for what the dead had", [[
        local q = shared.queue()
        for i = 1, 4 do q:put(i) end
        local killed = process.spawn(function() q:get() q:get() while true do end end)
        local other = process.spawn(function()
            while q:count() > 2 do end
            q:get() q:done() q:get() q:done()
        end)
        other:join()
        print(q:join(0.05))
        killed:kill()
        print(q:join())
    ]], "false\ntrue\n")

    each("that is full while its taker waits for the putter ends that with an error", [[
        local q = shared.queue(nil, { bytes = 100000 })
        local child = process.spawn(function() for i = 1, 10 do q:put(("x"):rep(50000)) end end)
        child:join()
        local _, outcome = pcall(child.result, child)
        print((tostring(outcome.message):gsub("%d+", "N"):gsub("^.-: ", "")))
        local other = process.spawn(function() for i = 1, 10 do q:put("small") end end)
        q:get() other:join()
    ]], "the queue is full, and process N, which could take from it, waits for this one to end\n")

    each("keeps what is in it, and lets go of what was taken", [[
        local q = shared.queue()
        for _ = 1, 3 do
            local inner = shared.queue()
            inner:put "kept"
            q:put { inner }
        end
        collectgarbage() collectgarbage()
        local p <close> = pool.new(1)
        print(p:apply(function() return q:get()[1]:get() end), q:get()[1]:get(), q:get()[1]:get())
    ]], "kept\tkept\tkept\n")
end)

describe("what is shared", function()
    each("reaches workers that were there before, without a fork", [[
        local p <close> = pool.new(2)
        p:map(function(x) return x end, { 1, 2, 3, 4 })
        local forks = p:stats().forks
        local q, v, a = shared.queue(), shared.value("i64"), shared.array("i32", 4)
        local l, t = shared.lock(), shared.table()
        local holder = { inner = { q = q } }
        p:map(function(i) q:put(i) end, { 1, 2 })                       -- captured
        p:map(function(x) x:put(3) end, { q })                          -- an item
        p:starmap(function(x, i) x:put(i) end, { { q, 4 } })            -- an argument
        p:apply(function(h) h.inner.q:put(5) end, holder)               -- a field
        p:map(function(i) l:acquire() v:set(v:get() + 1) l:release() a:add(i, i) t:add("n", i) end,
            { 1, 2, 3, 4 })
        local sum = 0
        for _ = 1, 5 do sum = sum + q:get() end
        print(sum, v:get(), table.concat(a:slice(), " "), t:get "n", p:stats().forks - forks)
        local mine = p:apply(function() local q = shared.queue() q:put "made there" return q end)
        print(mine:get(), p:apply(function() return q end) == q)
    ]], "15\t4\t1 2 3 4\t10\t0\nmade there\ttrue\n")

    each("reaches workers that a zygote forks", [[
        local file = io.tmpfile()
        local v = shared.value "i64"
        local p <close> = pool.new(2)
        local future = p:map_async(function(i)
            if i % 5 == 0 then os.exit(1) end
            return io.type(file) and v:add(1)
        end, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, { carry = "inherit", chunk = 1, on_error = "collect" })
        future:wait()
        print(v:get())
    ]], "8\n")

    each("is freed when nobody has it any more", [[
        local function read(name, pattern)
            for line in io.lines(name) do
                local n = line:match(pattern)
                if n then return tonumber(n) end
            end
        end
        local function memory() return read("/proc/self/status", "RssShmem:%s+(%d+)") end
        local function descriptors()
            local n = 0
            for _ in io.popen("ls /proc/" .. require("luas.core").pid() .. "/fd"):lines() do n = n + 1 end
            return n
        end
        local p <close> = pool.new(1)
        local function round()
            local q, t = shared.queue(), shared.table()
            q:put(("x"):rep(30000))
            p:apply(function() t:set(1, #q:get()) end)
            assert(t:get(1) == 30000)
        end
        for _ = 1, 40 do round() end
        collectgarbage() collectgarbage()
        local before, open = memory(), descriptors()
        for _ = 1, 200 do round() end
        collectgarbage() collectgarbage()
        print(memory() - before < 2000, descriptors() - open <= 6) -- what is garbage by now goes later
    ]], "true\ttrue\n")

    each("is freed though another process runs on, and lives until it is in a queue", [[
        local q, stop = shared.queue(), shared.event()
        local long = process.spawn(function() stop:wait() end)
        for _ = 1, 2500 do -- more than there are places for
            q:put { shared.queue() }
            q:get()
        end
        local Maker = {
            __luas_pack = function()
                local made = shared.queue()
                made:put "made"
                return made
            end,
            __luas_unpack = function(made) return made end,
        }
        q:put(setmetatable({}, Maker))
        collectgarbage() collectgarbage()
        stop:set()
        print(q:get():get(0), long:join())
    ]], "made\ttrue\n")

    each("makes room for others, though it is garbage where it is", [[
        local p <close> = pool.new(2)
        print(p:map(function()
            for _ = 1, 1500 do shared.queue() end
            return true
        end, { 1, 2 }, { chunk = 1 })[2])
        for _ = 1, 1500 do shared.queue() end
        print(p:apply(function() return shared.queue():count() end))
    ]], "true\n0\n")

    each("leaves no more garbage than other strings do", [[
        local q, item = shared.queue(), ("x"):rep(1 << 20)
        local putter = process.spawn(function() for _ = 1, 60 do q:put(item) end end)
        local most = 0
        for _ = 1, 60 do
            q:get()
            most = math.max(most, collectgarbage "count")
        end
        print(most < 8000 or most, putter:join())
    ]], "true\ttrue\n")

    each("works in tasks of a pool without workers, and never waits for ever", [[
        local p <close> = pool.new(0)
        local q, l, e = shared.queue(), shared.lock(), shared.event()
        print(table.concat(p:map(function(i) q:put(i) return q:get() * 2 end, { 1, 2 }), " "))
        local function why(f) return (select(2, pcall(f)):gsub("^[^:]*:%d+: ", "")) end
        print(why(function() q:get() end))
        print(why(function() e:wait() end))
        print(why(function() shared.barrier(2):wait() end))
        p:map(function(i) l:acquire() error "stop" end, { "first" }, { on_error = "collect" })
        local ok, died = l:acquire()
        print(ok, died.task, died.input)
        print(why(function() l:acquire() end))
    ]], [[
2 4
this would wait for an item for ever: no other process has it
this would wait for the event for ever: no other process has it
this would wait at the barrier for ever: no other process has it
true	1	first
this process holds the lock already
]])

    each("ends its waits at a timeout of the task and at its cancellation", [[
        local q, e = shared.queue(), shared.event()
        local p <close> = pool.new(2)
        local _, _, failures = p:map(function() q:get() end, { 1 }, { timeout = 0.1, on_error = "collect" })
        print(failures[1].kind)
        local f = p:apply_async(function()
            local w <close> = setmetatable({}, { __close = function() q:put "closed" end })
            coroutine.wrap(function() e:wait() end)()
        end)
        f:wait(0.05)
        f:cancel()
        f:wait()
        print(q:get(0), f:successful())
    ]], "timeout\nclosed\tfalse\n")

end)

describe("a wait for what is shared", function()
    helpers.each_interpreter(function(by)
        for _, how in ipairs { "q:get()", "coroutine.wrap(function() q:get() end)()", "l:acquire()" } do
            it(("ends at Ctrl-C: %s under %s"):format(how, by), function()
                local output = helpers.run([[
                    local q, l = shared.queue(), shared.lock()
                    local child = process.new { daemon = true, target = function() l:acquire() while true do end end }
                    child:start()
                    while l:acquire(0) do l:release() end
                    local pid = require("luas.core").pid()
                    os.execute("(sleep 0.2; kill -INT " .. pid .. ") &")
                    ]] .. how, { by = by, seconds = 10 })
                assert.truthy(output:find("interrupted!", 1, true))
                assert.falsy(output:find("Killed", 1, true))
            end)
        end
    end)
end)

describe("a shared lock", function()
    each("tells the next one who died with it, and of which task", [[
        local l = shared.lock()
        local p <close> = pool.new { workers = 2, on_error = "collect", chunk = 1 }
        local function died_of(f, options)
            local _, _, failures = p:map(f, { "input" }, options)
            local ok, died = l:acquire()
            assert(ok and died.pid == failures[1].pid and died.worker == failures[1].worker)
            l:release()
            assert(select("#", l:acquire()) == 1)
            l:release()
            print(failures[1].kind, died.task, died.input)
        end
        died_of(function() l:acquire() os.exit(3) end)
        died_of(function() l:acquire() error "no" end)
        died_of(function() l:acquire() while true do end end, { timeout = 0.1 })
        died_of(function() l:acquire() process.spawn(os.execute, "kill -9 " .. process.current().pid):join()
            while true do end end)
        p:map(function() l:acquire() end, { "left" })
        local _, died = l:acquire()
        print(died.task, died.input)
    ]], "crash\t1\tinput\nerror\t1\tinput\ntimeout\t1\tinput\ncrash\t1\tinput\n1\tleft\n")

    each("is taken again where it is recursive, and given up by who has it", [[
        local l, r = shared.lock(), shared.lock { recursive = true }
        r:acquire() r:acquire() r:release()
        print(process.spawn(function() return r:acquire(0) end):result())
        r:release()
        print(process.spawn(function() return r:acquire(0) end):result())
        print(pcall(l.release, l))
        print(process.spawn(function() return select("#", r:acquire()) end):result())
        do
            local guard <close> = l:hold()
            print(l:acquire(0.01), process.spawn(function() return l:acquire(0) end):result())
        end
        print(l:acquire())
    ]], "false\ntrue\nfalse\tSCRIPT:6: this process does not hold the lock\n2\nfalse\tfalse\ntrue\n")
end)

describe("processes meet", function()
    each("at a semaphore, whose permits are their holder's", [[
        local s = shared.semaphore(2)
        local p <close> = pool.new(1)
        print(s:acquire(), p:apply(function() return s:acquire(), s:acquire(0.01), s:count() end))
        print(s:count(), pcall(function() return process.spawn(function() s:release() end):result() end) == false)
        s:release()
        print(s:count(), pcall(s.release, s))
    ]], "true\ttrue\tfalse\t0\n1\ttrue\n2\tfalse\tSCRIPT:6: this process holds no permit of the semaphore\n")

    each("at an event, a condition and a barrier", [[
        local p <close> = pool.new(2)
        local e, l, b = shared.event(), shared.lock(), shared.barrier(3)
        local c, n = shared.condition(l), shared.value "i64"
        local f = p:apply_async(function() return e:wait() end)
        e:set()
        print(f:get(), e:is_set(), e:wait(0), e:clear() or e:is_set(), e:wait(0.01))
        local f = p:apply_async(function()
            local guard <close> = l:hold()
            return c:wait_for(function() return n:get() == 3 end, 5)
        end)
        for _ = 1, 3 do
            l:acquire()
            n:add(1)
            c:notify()
            l:release()
        end
        print(f:get(), pcall(c.wait, c))
        l:acquire()
        print(c:wait(0.01))
        l:release()
        local futures = { p:apply_async(function() return b:wait() end), p:apply_async(function() return b:wait() end) }
        local places = { b:wait(), futures[1]:get(), futures[2]:get() }
        table.sort(places)
        print(table.concat(places, " "))
    ]], "true\ttrue\ttrue\tfalse\tfalse\ntrue\tfalse\tSCRIPT:17: this process does not hold the condition's lock\nfalse\n1 2 3\n")

    each("at a barrier, which breaks when one of them dies", [[
        local b = shared.barrier(2)
        local child = process.spawn(function() b:wait() while true do end end)
        b:wait()
        child:kill()
        local ok, why = pcall(b.wait, b)
        print(ok, why.broken, why.pid == child.pid, tostring(why) == "the barrier is broken by process " .. child.pid)
        b:reset()
        print(pcall(b.wait, b, 0.01) == false, pcall(b.wait, b) == false)
    ]], "false\ttrue\ttrue\ttrue\ntrue\ttrue\n")
end)

describe("shared numbers", function()
    each("are added to at once by all", [[
        local v, a = shared.value("i64", 5), shared.array("f64", 3)
        local p <close> = pool.new(3)
        p:each(function() for _ = 1, 1000 do v:add(1) a:add(2, 0.5) end end, { 1, 2, 3 })
        print(v:get(), a[2], #a, a[1])
    ]], "3005\t1500.0\t3\t0.0\n")

    each("keep to their types", [[
        local v = shared.value("u8", 250)
        local function why(...) return (select(2, pcall(...)):gsub("^[^:]*:%d+: ", "")) end
        print(v:add(10), why(v.set, v, 256), why(v.set, v, 1.5), why(v.set, v, "1"))
        print(v:swap(9), v:compare_exchange(9, 10), v:compare_exchange(9, 11))
        local f, b = shared.value("f32", 0.5), shared.value("bool", true)
        print(f:add(0.25), f:compare_exchange(0.75, 1), f:get(), b:swap(false), b:get(), pcall(b.set, b, 1))
        local a = shared.array("i16", 5)
        a:fill(-1)
        a[3] = 7
        print(table.concat(a:slice(2, 4), " "), a:bytes(3, 3) == "\7\0", pcall(function() return a[6] end))
        print(pcall(shared.value, "i128"))
    ]], [[
4	256 cannot be a shared u8	1.5 cannot be a shared u8	1 cannot be a shared u8
4	true	false	10
0.75	true	1.0	true	false	false	SCRIPT:6: 1 cannot be a shared bool
-1 7 -1	true	false	SCRIPT:10: index 6 of a shared array of 5
false	SCRIPT:11: shared.value: no type 'i128' (there are: i8, i16, i32, i64, u8, u16, u32, f32, f64, bool)
]])
end)

describe("a shared table", function()
    each("has keys in order, and what the codec carries as values", [[
        local t = shared.table()
        for _, k in ipairs { "b", 10, 2, -1.5, true, "a", math.mininteger, math.huge, 3.0 } do t:set(k, { k }) end
        local seen = {}
        for k, v in t:pairs() do
            assert(v[1] == k)
            seen[#seen + 1] = math.type(k) == "integer" and k or tostring(k)
        end
        print(table.concat(seen, " "), t:count(), t:get(3)[1])
        t:set(2, nil)
        print(t:get(2), t:add("n", 2), t:add("n", 0.5), t:update("n", function(v) return v * 2 end))
        print(t:update("n", function() end), t:get "n", pcall(t.update, t, "a", function() t:get "a" end))
        print(pcall(t.set, t, "f", { g = print }))
        print(pcall(t.set, t, ("x"):rep(501), 1))
        t:clear()
        print(t:count())
    ]], [[
true -9223372036854775808 -1.5 2 3 10 inf a b	9	3.0
nil	2	2.5	5.0
nil	nil	false	SCRIPT:11: the function of 'update' cannot use the table itself
false	SCRIPT:12: cannot set this: field "g": a function cannot be a value of a shared table
false	SCRIPT:13: a key of a shared table cannot have more than 500 bytes
0
]])

    each("does all of a transaction or nothing", [[
        local t = shared.table()
        local p <close> = pool.new(2)
        print(t:atomically(function(t) t:set("a", 1) t:set("b", 1) return t:get "a", "given" end))
        print(pcall(t.atomically, t, function(t) t:set("a", 2) error("no", 0) end))
        print(t:get "a")
        p:map(function() t:atomically(function(t) t:set("a", t:get "a" + 1) t:set("b", t:get "b" + 1) end) end,
            { 1, 2, 3, 4, 5, 6, 7, 8 })
        print(t:get "a", t:get "b")
        p:map(function() t:atomically(function(t) t:set("a", 0) os.exit(1) end) end, { 1 }, { on_error = "collect" })
        print(t:get "a", t:get "b")
    ]], "1\tgiven\nfalse\tno\n1\n9\t9\n9\t9\n")

    each("is a file where it has a name, and says when it is full", [[
        local path = os.tmpname()
        os.remove(path)
        local t = shared.table { file = path }
        local p <close> = pool.new(1)
        p:map(function(i) t:set(i, i * i) end, { 1, 2, 3 })
        print(t:get(3), p:apply(function() return t:get(2) end))
        local copy = shared.table()
        copy:set("saved", true)
        copy:save(path .. ".copy")
        print(shared.table { file = path .. ".copy" }:get "saved")
        print(pcall(t.set, t, 1, { shared.queue() }))
        for _, end_ in ipairs { "", "-lock", ".copy", ".copy-lock" } do assert(os.remove(path .. end_)) end
        local small = shared.table { bytes = "1M" }
        print(pcall(function() for i = 1, 2000 do small:set(i, ("x"):rep(1000)) end end))
        print(small:get(1) == ("x"):rep(1000))
    ]], [[
9	4
true
false	SCRIPT:11: cannot set this: what processes share cannot be kept in a file
false	SCRIPT:14: the shared table is full (1 MB): give it more bytes
true
]])
end)

it("a script whose processes were killed leaves no files", function()
    local function files() return sh.run("ls /dev/shm; ls /tmp | grep -e luas-shared -e luas-table; ipcs | wc -l") end
    local before = files()
    helpers.run([[
        local q, t = shared.queue(), shared.table()
        for i = 1, 3 do process.spawn(function() while true do q:put(i) t:add(1, 1) end end) end
        q:get()
        os.execute("kill -9 " .. require("luas.core").pid())
    ]])
    assert.are.equal(before, files())
end)
