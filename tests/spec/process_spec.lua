-- Processes of one's own, and the pipes between them.

local luas = require("luas")
local process = luas.process
local helpers = require("tests.support.helpers")

local function forever() while true do os.execute("sleep 0.02") end end

describe("a process", function()
    it("runs its function and gives all its results", function()
        local p = process.spawn(function(...) return select("#", ...), nil, ... end, 1, nil)
        assert.are.same({ n = 4, 2, nil, 1, nil }, table.pack(p:result()))
        assert.are.same({ n = 4, 2, nil, 1, nil }, table.pack(p:result()))
        assert.are.equal(0, p.exitcode)
        assert.is_nil(p.signal)
    end)

    it("is signalled by its own host alone, not by copies of it", function()
        local p = process.spawn(forever)
        for _, verb in ipairs { "kill", "terminate" } do
            local ok, o = pcall(luas.pool.apply, function() p[verb](p) end)
            assert.is_false(ok)
            assert.matches("belongs to another process", tostring(o))
        end
        assert.is_true(p:is_alive())
        p:kill()
        assert.is_true(p:join(10))
    end)

    it("has a pid of its own, and is alive until it ends", function()
        local p = process.spawn(forever)
        assert.are.equal("integer", math.type(p.pid))
        assert.is_true(helpers.alive(p.pid))
        assert.is_true(p:is_alive())
        assert.is_nil(p.exitcode)
        assert.is_false(p:join(0.05))
        p:terminate()
        assert.is_true(p:join(10))
        assert.is_false(p:is_alive())
        assert.is_false(helpers.alive(p.pid))
        assert.are.equal(15, p.signal)
        assert.is_nil(p.exitcode)
    end)

    it("is a copy of the script as it is at the start", function()
        local words = { "a" }
        local stream = assert(io.open("/dev/null"))
        local p = process.spawn(function()
            words[#words + 1] = io.type(stream)
            return table.concat(words, " ")
        end)
        words[1] = "changed"
        assert.are.equal("a file", p:result())
        assert.are.same({ "changed" }, words)
        stream:close()
    end)

    it("killed says by which signal", function()
        local p = process.spawn(forever)
        p:kill()
        assert.is_true(p:join(10))
        assert.are.equal(9, p.signal)
        local ok, o = pcall(p.result, p)
        assert.is_false(ok)
        assert.are.equal("crash", o.kind)
        assert.are.equal(9, o.signal)
        assert.are.equal(("process %s: it was killed by signal 9 (SIGKILL) (pid %d)"):format(p.name, p.pid), tostring(o))
        assert.is_truthy(tostring(p):find("signal 9", 1, true))
    end)

    it("that exits says with which status", function()
        for _, code in ipairs { 0, 7 } do
            local p = process.spawn(os.exit, code)
            assert.is_true(p:join(10))
            assert.are.equal(code, p.exitcode)
            local ok, o = pcall(p.result, p)
            assert.is_false(ok)
            assert.are.equal(code, o.exitcode)
        end
    end)

    it("that raises exits with status 1, and raises the value from result", function()
        local p = process.spawn(error, { code = 5 })
        assert.is_true(p:join(10))
        assert.are.equal(1, p.exitcode)
        for _ = 1, 2 do
            local ok, o = pcall(p.result, p)
            assert.is_false(ok)
            assert.are.equal("error", o.kind)
            assert.are.equal(5, o.value.code)
            assert.is_nil(tostring(o):find("worker", 1, true), tostring(o))
        end
    end)

    it("whose result cannot travel says where it cannot", function()
        local p = process.spawn(function() return { list = { coroutine.create(print) } } end)
        local ok, o = pcall(p.result, p)
        assert.is_false(ok)
        assert.is_truthy(tostring(o):find('field "list"', 1, true), tostring(o))
    end)

    it("made by new starts when told, with its name and arguments", function()
        local p = process.new {
            target = function(a, b, c) return process.current().name, a, b, c end,
            args = table.pack(1, nil, 3), name = "loader",
        }
        assert.are.equal("loader", p.name)
        assert.is_nil(p.pid)
        assert.is_false(p:is_alive())
        assert.are.equal(p, p:start())
        assert.are.same({ n = 4, "loader", 1, nil, 3 }, table.pack(p:result()))
    end)

    it("without a name gets one", function()
        local p, q = process.spawn(function() end), process.spawn(function() end)
        assert.is_truthy(p.name:find("^process%-%d+$"))
        assert.are_not.equal(p.name, q.name)
        p:join()
        q:join()
    end)

    it("is among the children while it runs", function()
        local before = #process.children()
        local p = process.spawn(forever)
        local found
        for _, child in ipairs(process.children()) do found = found or child == p end
        assert.is_true(found)
        assert.are.equal(before + 1, #process.children())
        p:kill()
        p:join()
        assert.are.equal(before, #process.children())
    end)

    it("knows itself and its parent", function()
        local own = process.current()
        local p = process.spawn(function()
            local me, parent = process.current(), process.parent()
            return me.pid, parent.pid, parent:is_alive() ~= nil, #process.children()
        end)
        assert.are.same({ p.pid, own.pid, true, 0 }, { p:result() })
        assert.are.equal("main", own.name)
        assert.is_nil(process.parent())
    end)

    it("has one name everywhere", function()
        local p = process.new { name = "loader", target = function()
            local inner = process.new { name = "inner", target = function()
                return process.current().name .. " of " .. process.parent().name
            end }:start()
            error({ process.current().name, process.parent().name, inner:result(),
                luas.pool.apply(function() return process.parent().name end) })
        end }:start()
        local ok, o = pcall(p.result, p)
        assert.are.same({ false, "loader", "loader", "loader" }, { ok, p.name, o.name, o.worker_name })
        assert.are.same({ "loader", "main", "inner of loader", "loader" }, o.value)
        assert.matches("^process loader: ", tostring(o))
    end)

    it("ends what it started when it is told to end", function()
        local path = os.tmpname()
        local p = process.spawn(function()
            os.execute("echo $$ > " .. path .. "; exec sleep 30")
        end)
        local pid = helpers.eventually(5, function() return io.open(path):read("n") end)
        p:terminate()
        assert.is_true(p:join(10))
        assert.are.same({}, helpers.survivors({ pid }, 5))
        os.remove(path)
    end)

    it("may use a pool, and processes of its own", function()
        local p = process.spawn(function()
            local squares = luas.pool.map(function(x) return x * x end, { 1, 2, 3 })
            local own <close> = luas.pool.new(2)
            local cubes = own:map(function(x) return x * x * x end, { 1, 2, 3 })
            local inner = process.spawn(function() return process.parent().pid end)
            return squares[3], cubes[3], inner:result() == process.current().pid
        end)
        assert.are.same({ 9, 27, true }, { p:result() })
    end)

    it("shows itself anywhere, and raises nowhere in doing so", function()
        local run, ended, unknown = process.spawn(forever), process.spawn(os.exit, 3), process.new { target = print }
        assert.is_false(pcall(ended.result, ended))
        assert.are.same({ "running", "exit status 3", "not started" },
            { tostring(run):match "running", tostring(ended):match "exit status 3",
                tostring(unknown):match "not started" })
        local function show() return { tostring(run), tostring(ended), tostring(unknown) } end
        for _, shown in ipairs { luas.pool.apply(show), process.spawn(show):result() } do
            assert.are.equal(("process %s (pid %d, of another process)"):format(run.name, run.pid), shown[1])
            assert.are.equal(tostring(ended), shown[2])
            assert.are.equal("process ? (pid ?, not started)", shown[3])
        end
        run:kill()
        assert.is_true(run:join(10))
    end)

    it("knows of itself and its parent that they are alive", function()
        assert.is_true(process.current():is_alive())
        local function are_alive() return process.current():is_alive(), process.parent():is_alive() end
        assert.are.same({ true, true }, { process.spawn(are_alive):result() })
        assert.are.same({ true, true }, { luas.pool.apply(are_alive) })
    end)

    it("is not what a worker of its own pool is", function()
        assert.are.same({ "worker 1", "process" }, { process.new {
            name = "process",
            target = function()
                local own <close> = luas.pool.new(1)
                return own:apply(function() return process.current().name end), process.current().name
            end,
        }:start():result() })
    end)

    it("runs beside others", function()
        local list = {}
        for i = 1, 8 do
            list[i] = process.spawn(function()
                os.execute("sleep 0.1")
                return i
            end)
        end
        for i = 8, 1, -1 do assert.are.equal(i, list[i]:result()) end
    end)

    it("ended and reaped leaves nothing behind", function()
        local count = helpers.own_counters()
        process.spawn(function() end):join()
        collectgarbage()
        collectgarbage()
        local fds, segments = count.descriptors(), count.segments()
        for i = 1, 20 do process.spawn(function() return i end):result() end
        collectgarbage()
        collectgarbage()
        process.spawn(function() end):join()
        assert.are.equal(fds, count.descriptors())
        assert.is_true(count.segments() <= segments + 1)
    end)

    it("that raised unasked is reported once, when it is forgotten", function()
        local output = helpers.output([[
            warn "@on"
            local p = process.spawn(function() error "lost words" end)
            p:join()
            process.spawn(function() -- its copy
                p = nil
                collectgarbage()
                collectgarbage()
            end):join()
            p = nil
            collectgarbage()
            collectgarbage() ]])
        assert.are.equal(1, select(2, output:gsub("lost words", "")), output)
        assert.matches("\ncalled from SCRIPT:2\n", output)
    end)
end)

describe("a pipe", function()
    it("carries values both ways, with their nils", function()
        local here, there = process.pipe()
        local p = process.spawn(function()
            while true do
                local message = table.pack(there:recv())
                if message[1] == "end" then return message.n end
                there:send(message.n, table.unpack(message, 1, message.n))
            end
        end)
        here:send(nil, { 1, { 2 } }, "s\0", nil)
        local n, a, b, c = here:recv(10)
        assert.are.equal(4, n)
        assert.is_nil(a)
        assert.are.same({ 1, { 2 } }, b)
        assert.are.equal("s\0", c)
        here:send(math.mininteger, 1.0)
        local _, low, one = here:recv(10)
        assert.are.equal(math.mininteger, low)
        assert.are.equal("float", math.type(one))
        here:send("end")
        assert.are.equal(1, p:result())
    end)

    it("carries values much larger than the kernel's buffer", function()
        local here, there = process.pipe()
        local p = process.spawn(function()
            local text = there:recv()
            there:send(text:upper())
        end)
        here:send(("x"):rep(5000000))
        local text = here:recv(20)
        assert.are.equal(5000000, #text)
        assert.is_nil(text:find("[^X]"))
        assert.is_true(p:join(10))
    end)

    it("tells a wait that ran out from a closed end", function()
        local here, there = process.pipe()
        assert.are.same({ n = 2, nil, "timeout" }, table.pack(here:recv(0.01)))
        assert.are.same({ n = 2, nil, "timeout" }, table.pack(here:recv(0)))
        there:send("last")
        there:close()
        assert.are.equal("last", here:recv(1))
        assert.are.same({ n = 2, nil, "closed" }, table.pack(here:recv(1)))
        local ok, message = pcall(here.send, here, 1)
        assert.is_false(ok)
        assert.is_truthy(tostring(message):find("no process has the other end open", 1, true))
        here:close()
        ok, message = pcall(here.recv, here)
        assert.is_false(ok)
        assert.is_truthy(tostring(message):find("closed", 1, true))
    end)

    it("is closed for one side when the other's process has ended", function()
        local here, there = process.pipe()
        local p = process.spawn(function() there:send("bye") end)
        there:close()
        assert.are.equal("bye", here:recv(10))
        assert.are.same({ n = 2, nil, "closed" }, table.pack(here:recv(10)))
        assert.is_true(p:join(10))
    end)

    it("is closed for a process whose parent closed its end", function()
        local here, there = process.pipe()
        local p = process.spawn(function()
            here:close()
            return select(2, there:recv())
        end)
        here:close()
        assert.are.equal("closed", p:result())
    end)

    it("refuses what cannot travel, and goes on", function()
        local here, there = process.pipe()
        local ok, message = pcall(here.send, here, { 1, { co = coroutine.create(print) } })
        assert.is_false(ok)
        assert.is_truthy(message:find("[2].co: a coroutine cannot be sent", 1, true), message)
        here:send("fine")
        assert.are.equal("fine", there:recv(1))
    end)

    it("shows whether it is open", function()
        local here <close> = process.pipe()
        assert.are.equal("pipe (open)", tostring(here))
        here:close()
        assert.are.equal("pipe (closed)", tostring(here))
    end)

    it("has a descriptor for a poll loop", function()
        local here = process.pipe()
        assert.are.equal("integer", math.type(here:fileno()))
    end)
end)
