-- Nothing is left behind: no worker, descriptor, output or memory, however
-- the host ends.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

local PIDS = [[
    local function own_pid()
        local file <close> = io.open("/proc/self/stat")
        return file:read("n")
    end
    local function note(path)
        local file <close> = io.open(path, "a")
        file:write(own_pid(), "\n")
    end
]]

-- What starts workers that are busy for long: each writes its pid to PATH. A script that ends
-- well waits for them: hence the timeout.
local BUSY = PIDS .. [[
    local path = %q
    local p = pool.new(2)
    local future = p:map_async(function(x)
        note(path)
        while true do end
    end, { 1, 2 }, { timeout = 3 })
    local deadline = os.time() + 10
    repeat
        os.execute("sleep 0.02")
        local n = 0
        for _ in io.lines(path) do n = n + 1 end
        assert(os.time() < deadline, "the workers do not start")
    until n == 2
]]

local function pids_in(path)
    local list = {}
    for line in io.lines(path) do list[#list + 1] = tonumber(line) end
    return list
end

local function with_file(body)
    local path = os.tmpname()
    body(path)
    os.remove(path)
end

-- Runs a script in the background: its pid.
local function start(text, by, output)
    local script = helpers.write_script(text)
    local pid = tonumber((sh.must(("%s %s >%s 2>&1 & echo $!"):format(
        helpers.interpreters[by], script, output or "/dev/null"))))
    return pid, script
end

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        local endings = {
            ["the end of the script"] = "",
            ["an error"] = "error('the end')",
            ["os.exit()"] = "os.exit(0)",
            ["os.exit(0, true)"] = "os.exit(0, true)",
            ["an exit that closes the state inside a call"] = "pcall(function() os.exit(3, true) end)",
        }
        for name, text in pairs(endings) do
            it(name .. " with jobs running leaves no worker", function()
                with_file(function(path)
                    local _, status = helpers.run(BUSY:format(path) .. text, { by = by })
                    assert.is_true(status ~= 137, "it did not end")
                    local pids = pids_in(path)
                    assert.are.equal(2, #pids)
                    assert.are.same({}, helpers.survivors(pids, 1))
                end)
            end)
        end

        it("kill -9 of the host leaves no worker a second later, busy or idle", function()
            with_file(function(path)
                local text = BUSY:format(path) .. [[
                    local idle = pool.new(2)
                    idle:map(function() note(path) os.execute("sleep 0.05") end, { 1, 2 })
                    note(path)
                    os.execute("sleep 20") ]]
                local host, script = start(text, by)
                local pids = helpers.eventually(10, function()
                    local list = pids_in(path)
                    return #list >= 5 and list
                end)
                assert.are.equal(5, #pids)
                os.execute("kill -9 " .. host)
                assert.are.same({}, helpers.survivors(pids, 1))
                os.remove(script)
            end)
        end)

        for signal, status in pairs { INT = 2, TERM = 15 } do
            it("SIG" .. signal .. " ends a script in a map, and leaves no child", function()
                with_file(function(path)
                    local text = PIDS .. ([[
                        local path = %q
                        note(path)
                        pool.new(2):map(function()
                            note(path)
                            os.execute("sleep 20")
                        end, { 1, 2 }) ]]):format(path)
                    local script = helpers.write_script(text)
                    -- In the background a shell ignores SIGINT; env sets it right.
                    local output = os.tmpname()
                    local host = tonumber((sh.must(
                        ("{ env --default-signal=INT %s %s; echo status $?; } >%s 2>&1 & echo $!"):format(
                            helpers.interpreters[by], script, output))))
                    assert.is_truthy(host)
                    local pids = helpers.eventually(10, function()
                        local list = pids_in(path)
                        return #list >= 3 and list
                    end)
                    assert.are.equal(3, #pids)
                    os.execute(("kill -%s %d"):format(signal, pids[1]))
                    assert.are.same({}, helpers.survivors(pids, 3))
                    local text_out = helpers.eventually(3, function()
                        local words = sh.read(output)
                        return words:find("status %d+") and words
                    end)
                    assert.is_truthy(text_out)
                    -- The stock interpreter makes an error of SIGINT.
                    local expected = by == "lua5.4" and signal == "INT" and 1 or 128 + status
                    assert.are.equal(expected, tonumber(text_out:match "status (%d+)"), text_out)
                    assert.is_true(#text_out < 2000, text_out)
                    os.remove(script)
                    os.remove(output)
                end)
            end)
        end

        it("what was printed before a fork appears once, and what tasks print, too", function()
            local output = helpers.output([[
                io.stdout:setvbuf("full")
                io.write("before\n")
                local p = pool.new(2)
                p:map(function(x) print("task " .. x) end, { 1, 2, 3 })
                io.write("between\n")
                local p2 = pool.new(1)
                p2:apply(function() io.write("unended line") end)
                io.write("after\n")
                p:close() p2:close() p:join() p2:join() ]], by)
            for _, word in ipairs { "before", "task 1", "task 2", "task 3", "between", "unended line", "after" } do
                assert.are.equal(1, select(2, output:gsub(word, "")), word .. " in:\n" .. output)
            end
        end)

        it("a worker runs no finalizer of the host's", function()
            local output = helpers.output([[
                local guard <close> = setmetatable({}, { __close = function() print("closed") end })
                object = setmetatable({}, { __gc = function() print("collected") end })
                local p <close> = pool.new(2)
                p:map(function(x) return x end, { 1, 2, 3, 4 }) ]], by)
            assert.are.equal(1, select(2, output:gsub("closed", "")), output)
            assert.are.equal(1, select(2, output:gsub("collected", "")), output)
        end)

        it("processes spawned beside pools whose workers come and go all run", function()
            local output = helpers.output([[
                local items, busy, n, lost = {}, {}, 0, 0
                for i = 1, 200 do items[i] = i end
                local function again(p) return p:map_async(function(x) return x end, items) end
                for i = 1, 2 do
                    local p = pool.new { workers = 6, max_tasks = 1 }
                    busy[p] = again(p)
                end
                local deadline = os.time() + 2
                repeat
                    local batch = {}
                    for i = 1, 8 do
                        n = n + 1
                        batch[n] = process.spawn(function(x) return x end, n)
                    end
                    for i, p in pairs(batch) do
                        if select(2, pcall(p.result, p)) ~= i then lost = lost + 1 end
                    end
                    for p, future in pairs(busy) do
                        if future:ready() and future:get() then busy[p] = again(p) end
                    end
                until os.time() >= deadline
                print(lost) ]], by)
            assert.are.equal("0\n", (output:gsub("[^\n]*waiting for[^\n]*\n", ""))) -- a slow machine says so
        end)

        it("1000 pools leave descriptors, children, segments and memory as they were", function()
            local output = helpers.output(helpers.counters .. [[
                local function memory()
                    local file <close> = io.open("/proc/self/status")
                    return tonumber(file:read("a"):match "VmRSS:%s+(%d+)")
                end
                local function use(i)
                    local p <close> = pool.new(2)
                    if i % 3 == 0 then return end
                    assert(p:apply(function(x) return x end, i) == i)
                    if i % 3 == 1 then p:map_async(function(x) return x end, { 1, 2, 3 }) end
                end
                for i = 1, 50 do use(i) end
                collectgarbage() collectgarbage()
                local fds, kb, maps = descriptors(), memory(), segments()
                for i = 1, 1000 do use(i) end
                collectgarbage() collectgarbage()
                print(descriptors() - fds, children(), segments() - maps)
                local most = ]] .. (helpers.sanitized and 300000 or 4000) .. [[
                print(memory() - kb < most or memory() - kb) ]], by)
            assert.are.equal("0\t0\t0\ntrue\n", output)
        end)
    end)
end)

describe("a worker", function()
    it("does not see the other workers' pipes, nor another pool's", function()
        local output = helpers.output(helpers.counters .. [[
            local function open()
                local path, n = os.tmpname(), 0
                os.execute("ls /proc/$PPID/fd >" .. path)
                for _ in io.lines(path) do n = n + 1 end
                os.remove(path)
                return n
            end
            local first, others = pool.new(1), {}
            local alone = first:apply(open)
            for i = 1, 5 do
                others[i] = pool.new(4)
                others[i]:map(function() os.execute("sleep 0.01") end, { 1, 2, 3, 4 })
            end
            local last = pool.new(1)
            print(last:apply(open) - alone) ]])
        assert.are.equal("0\n", output)
    end)

    it("copies little of the heap that it inherited", function()
        assert.are.equal("true\ttrue\n", helpers.output([[
            local rows, gaps = {}, {}
            for i = 1, 600000 do
                rows[i] = { i, i }
                if i % 5 == 0 then gaps[#gaps + 1] = {} end
            end
            gaps = nil -- free blocks all over the heap
            collectgarbage() collectgarbage()
            local function private()
                local kb = 0
                for line in io.lines("/proc/self/smaps_rollup") do
                    kb = kb + tonumber(line:match("^Private_%a+:%s+(%d+)") or 0)
                end
                return kb
            end
            local most, inputs = 0, {}
            for i = 1, 40000 do inputs[i] = i end
            local p <close> = pool.new(1)
            local results = p:map(function(i)
                local made = {}
                return i % 1000 == 0 and rows[i][1] == i and private() or 0
            end, inputs)
            for _, kb in ipairs(results) do most = math.max(most, kb) end
            print(most > 0, most < collectgarbage("count") / ]] .. (helpers.sanitized and 1 or 10) .. [[ or most) ]]))
    end)

    it("reads nothing of the script's standard input", function()
        local output, status = helpers.run([[
            local first = io.read("l")
            local taken = pool.apply(function() return io.read("l") end)
            print(first, taken, io.read("a")) ]], { before = "printf 'one\\ntwo\\nthree\\n' |" })
        assert.are.equal(0, status)
        assert.are.equal("one\tnil\ttwo\nthree\n\n", output)
    end)

    it("gets its tasks where the host has closed its standard input", function()
        local output, status = helpers.run([[
            local first = pool.new(1)
            first:apply(print, "first")
            local p <close> = pool.new(1)
            p:apply(print, "second")
            first:close()
            first:join() -- and the lowest numbers are free again
            p:resize(4)
            local results, n = p:map(function(i) os.execute "sleep 0.02" return i end,
                { 1, 2, 3, 4, 5, 6, 7, 8 }, { chunk = 1 })
            print(n, p:stats().forks)
        ]], { after = "<&-" })
        assert.are.same({ "first\nsecond\n8\t4\n", 0 }, { output, status })
    end)

    it("killed with what it started takes that along", function()
        with_file(function(path)
            helpers.output(([[
                local p = pool.new(1)
                p:apply_async(function() os.execute("echo $$ > %s; exec sleep 30") end)
                os.execute("while [ ! -s %s ]; do sleep 0.02; done")
                p:terminate() ]]):format(path, path))
            assert.are.same({}, helpers.survivors(pids_in(path), 2))
        end)
    end)
end)

describe("a pool that is left", function()
    it("in good order has done what was submitted", function()
        assert.are.equal("20\n", helpers.output([[
            local path = os.tmpname()
            do
                local p <close> = pool.new(2)
                for i = 1, 20 do
                    p:apply_async(function() local f <close> = io.open(path, "a") f:write("x\n") end)
                end
            end
            local n = 0
            for _ in io.lines(path) do n = n + 1 end
            os.remove(path)
            print(n) ]]))
    end)

    it("although nobody keeps the futures", function()
        assert.are.equal("60\n", helpers.output([[
            local path = os.tmpname()
            local p = pool.new(2)
            for i = 1, 60 do
                p:apply_async(function() os.execute("sleep 0.005") local f <close> = io.open(path, "a") f:write("x\n") end)
                collectgarbage()
            end
            p:close()
            assert(p:join(20))
            local n = 0
            for _ in io.lines(path) do n = n + 1 end
            os.remove(path)
            print(n) ]]))
    end)

    it("by an error has ended its tasks", function()
        local output = helpers.output([[
            local future
            local before = os.time()
            local ok, message = pcall(function()
                local p <close> = pool.new(2)
                future = p:apply_async(os.execute, "sleep 20")
                error("out of here", 0)
            end)
            print(ok, message, os.time() - before < 10, select(2, pcall(future.get, future)).kind) ]])
        assert.are.equal("false\tout of here\ttrue\tcancelled\n", output)
    end)

    it("by join with a timeout says whether all is done", function()
        assert.are.equal("false\ttrue\tdone\n", helpers.output([[
            local p = pool.new(1)
            local future = p:apply_async(function() os.execute("sleep 0.4") return "done" end)
            p:close()
            local first = p:join(0.05)
            print(first, p:join(10), future:get()) ]]))
    end)

    it("with a lazy job half read does not wait for it", function()
        assert.are.equal("1\ttrue\n", helpers.output([[
            local p = pool.new(2)
            local i = 0
            local iterate, _, _, job = p:imap(function(x) return x end, function() i = i + 1 return i end)
            local _, value = iterate()
            p:close()
            print(value, p:join(10)) ]]))
    end)
end)
