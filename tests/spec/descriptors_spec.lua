-- Workers keep nothing open that the host closes: no pipe to a filter, no connection.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

-- A filter ends when all its writers have, and out:close() waits for that.
local FILTER = [[
    local out = io.popen("cat >/dev/null", "w")
]]

local function check(by, text)
    local output, status = helpers.run(FILTER .. text .. " out:close() io.write 'closed'",
        { by = by, seconds = 20 })
    assert.equal("closed", output)
    assert.equal(0, status)
end

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        local shipped = {
            ["idle workers"] = "pool.map(math.abs, { 1, 2, 3 })",
            ["the workers of an imap that goes on"] = [[
                for i, r in pool.imap(function(x) return x * x end, pool.range(1, 50)) do
                    out:write(r, "\n")
                    if i == 5 then out:close() break end
                end
                out = io.popen("cat >/dev/null", "w")
            ]],
            ["a worker that replaces one that crashed"] = [[
                local p = pool.new(2)
                p:broadcast(function() end)
                out:close()
                out = io.popen("cat >/dev/null", "w")
                p:map(function(x) if x == 2 then os.exit(1) end end, { 1, 2, 3 }, { on_error = "collect" })
                p:map(math.abs, { 1, 2, 3 })
            ]],
            ["a worker that replaces one with max_tasks"] = [[
                local p = pool.new { workers = 1, max_tasks = 1 }
                for i = 1, 3 do p:apply(math.abs, i) end
            ]],
            ["workers of a pool that was resized"] = [[
                local p = pool.new(1)
                p:apply(math.abs, 1)
                p:resize(3)
                p:broadcast(function() end)
            ]],
            ["workers that are forked while the library has a thread"] = [[
                local p = pool.new(1)
                p:apply_async(math.abs, 1):get()
                local q = pool.new(2)
                q:map_async(math.abs, { 1, 2, 3 }):get()
            ]],
            ["workers that are renewed for a module"] = [[
                local p = pool.new(2)
                p:map(math.abs, { 1, 2 })
                package.loaded.later = { f = function(x) return x + 1 end }
                local later = require "later"
                p:map(function(x) return later.f(x) end, { 1, 2 })
            ]],
            ["a process that has nothing to do with it"] = [[
                local other = process.spawn(function() os.execute "sleep 1000" end)
                out:close()
                other:kill()
                out = io.popen("cat >/dev/null", "w")
            ]],
            ["workers that inherit a large table"] = [[
                local large = {}
                for i = 1, 100000 do large[i] = i end
                for i, x in pool.imap(function(i) return large[i] end, pool.range(1, 200)) do
                    if i == 100 then out:close() end
                end
                out = io.popen("cat >/dev/null", "w")
            ]],
            ["workers that inherit a long array"] = [[
                local items = {}
                for i = 1, 60000 do items[i] = i end
                local future = pool.map_async(math.abs, items)
                out:close()
                future:get()
                out = io.popen("cat >/dev/null", "w")
            ]],
            ["a worker with an init function"] = [[
                local p = pool.new { workers = 1, init = function() ready = true end }
                assert(p:apply(function() return ready end))
            ]],
        }
        for who, text in pairs(shipped) do
            it("a filter sees its end in spite of " .. who, function() check(by, text) end)
        end

        it("a filter that was opened before the library sees its end", function()
            local path = os.tmpname()
            sh.write(path, [[
                local out = io.popen("cat >/dev/null", "w")
                local pool = pool or require "luas".pool
                pool.map(math.abs, { 1, 2, 3 })
                out:close()
                io.write "closed"
            ]])
            assert.equal("closed", (sh.run(("timeout -s KILL " .. helpers.within(20) .. " sh -c %s"):format(
                sh.quote(helpers.interpreters[by] .. " " .. path)))))
            os.remove(path)
        end)

        it("the other end of a pipe that the host closes is told", function()
            assert.equal("closed", helpers.output([[
                local here, there = process.pipe()
                local p = process.spawn(function() return select(2, there:recv()) end)
                pool.map(math.abs, { 1, 2, 3 })
                here:close()
                io.write(p:result())
            ]], by))
        end)
    end)
end)

-- ---- what a job captures ----

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        -- Runs a script whose filter sorts what comes into a file: what is in it.
        local function written(text)
            local path = os.tmpname()
            local output, status = helpers.run(([[
                local path = %q
                local function filter() return io.popen("sort >>" .. path, "w") end
                local out = filter()
            ]]):format(path) .. text .. " out:close() io.write 'closed'", { by = by, seconds = 20 })
            local content = sh.read(path)
            os.remove(path)
            assert.equal("closed", output)
            assert.equal(0, status)
            return content
        end

        local captured = {
            ["an upvalue"] = "pool.each(function(x) out:write(x, '\\n') end, { 1, 2, 3 })",
            ["a field"] = [[
                local log = { to = { out } }
                pool.each(function(x) log.to[1]:write(x, "\n") end, { 1, 2, 3 })
            ]],
            ["a global"] = "log = out pool.each(function(x) log:write(x, '\\n') end, { 1, 2, 3 })",
            ["any global"] = [[
                log = out
                pool.each(function(x) _G["l" .. "og"]:write(x, "\n") end, { 1, 2, 3 })
            ]],
            ["a method of an object"] = [[
                local Log = {}
                Log.__index = Log
                function Log:add(x) self.to:write(x, "\n") end
                local log = setmetatable({ to = out }, Log)
                pool.each(function(x) log:add(x) end, { 1, 2, 3 })
            ]],
            ["an item"] = [[
                pool.starmap(function(to, x) to:write(x, "\n") end, { { out, 1 }, { out, 2 }, { out, 3 } })
            ]],
            ["what a process is given"] = [[
                process.spawn(function(to) for x = 1, 3 do to:write(x, "\n") end end, out):result()
            ]],
            ["a field behind a long list"] = [[
                local log = { to = out }
                for i = 1, 1000 do log[i] = i end
                pool.each(function(x) log.to:write(x, "\n") end, { 1, 2, 3 })
            ]],
            ["a coroutine"] = [[
                local co = coroutine.wrap(function() while true do out:write(coroutine.yield(), "\n") end end)
                co()
                process.spawn(function() for x = 1, 3 do co(x) end end):result()
            ]],
            ["the init function"] = [[
                local p = pool.new { workers = 1, init = function() function put(x) out:write(x, "\n") end end }
                p:each(function(x) put(x) end, { 1, 2, 3 })
                p:close()
                p:join()
            ]],
        }
        for how, text in pairs(captured) do
            it("a job keeps a file that is " .. how, function()
                assert.equal("1\n2\n3\n", written(text))
            end)
        end

        it("a job keeps an iterator over the lines of a pipe", function()
            assert.equal("one", helpers.output([[
                local lines = io.popen("echo one"):lines()
                io.write(process.spawn(function() return lines() end):result())
            ]], by))
        end)

        it("a process keeps what it captured and nothing else", function()
            assert.equal("7\n", written [[
                local other = filter()
                local p = process.spawn(function(there)
                    there:recv()
                    out:write("7\n")
                    out:close()
                end, (function() here, there = process.pipe() return there end)())
                other:close()
                here:send(true)
                p:result()
            ]])
        end)

        it("what is captured is closed for good when the job has ended", function()
            assert.equal("1\n2\n", written [[
                local p = pool.new(2)
                p:each(function(x) out:write(x, "\n") end, { 1, 2 }, { carry = "inherit" })
                out:close()     -- while the pool lives, and nobody drives it
                out = io.popen("cat >/dev/null", "w")
                assert(p:apply(math.abs, -1) == 1)
            ]])
        end)
    end)
end)

-- ---- the end of a job ----

-- A job that captures the pipe; then the pipe is closed while the pool lives and nobody drives it.
local ENDED = {
    ["a map"] = "p:map(put, { 1, 2, 3 })",
    ["a map with a task that crashed"] = [[
        p:map(function(x) put(x) if x == 3 then os.exit(2) end end, pool.range(1, 8), { on_error = "collect", chunk = 1 })
    ]],
    ["a map with a task that raised"] = "pcall(p.map, p, function(x) put(x) error 'no' end, { 1, 2, 3 })",
    ["a map with a task that took too long"] =
        "pcall(p.map, p, function(x) put(x) while true do end end, { 1 }, { timeout = 0.1 })",
    ["a future"] = "p:map_async(put, { 1, 2, 3 }):get()",
    ["a call"] = "p:apply(put, 1)",
    ["an iterator that was left"] = "for i in p:imap(put, pool.range(1, 100)) do if i == 3 then break end end",
    ["a broadcast"] = "p:broadcast(put, 1)",
    ["a process"] = "process.spawn(put, 1):result()",
    ["a process that was killed"] = [[
        local busy = process.spawn(function() put(1) while true do end end)
        busy:kill()
        busy:join()
    ]],
}

helpers.each_interpreter(function(by)
    for what, text in pairs(ENDED) do
        it(("under %s a filter that was captured sees its end after %s"):format(by, what), function()
            check(by, "local p = pool.new(2) local function put(x) out:write(x) return x end " .. text)
        end)
    end
end)

-- ---- the numbers ----

-- A module that has a pipe: its functions go to workers by name.
local MODULE = [[
    package.preload.log = function()
        local out = io.popen("cat >" .. path, "w")
        return {
            put = function(s) out:write(s) return out:flush() end,
            shut = function() return pcall(out.close, out) end,
        }
    end
    local log = require "log"
]]

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        local function run(text)
            local path = os.tmpname()
            local output = helpers.output(("local path = %q "):format(path) .. MODULE .. text, by)
            local content = sh.read(path)
            os.remove(path)
            return output, content
        end

        it("a write to what was given up fails instead of getting lost", function()
            local output, content = run [[
                io.write(tostring(select(2, pool.apply(function() return log.put "lost" end))))
                log.shut()
            ]]
            assert.equal("Bad file descriptor", output)
            assert.equal("", content)
        end)

        it("closing what was given up closes nothing else", function()
            assert.equal("kept", (run [[
                io.write(pool.apply(function()
                    local path = os.tmpname()
                    local files = {}
                    for i = 1, 20 do files[i] = io.open(path, "a") end
                    log.shut()
                    for i = 1, 20 do assert(files[i]:write "" and files[i]:flush()) end
                    files[1]:write("kept") files[1]:flush()
                    local text = io.open(path):read "a"
                    os.remove(path)
                    return text
                end))
            ]]))
        end)

        local keeping = {
            ["a pool"] = [[
                local p = pool.new { workers = 1, keep_files = true }
                p:apply(function() return log.put "kept" end)
                p:close()
                p:join()
            ]],
            ["a process"] = [[
                process.new { target = function() log.put "kept" end, keep_files = true }:start():result()
            ]],
            ["a process of a pool's worker"] = [[
                local p = pool.new { workers = 1, keep_files = true }
                p:apply(function()
                    process.new { target = function() log.put "kept" end, keep_files = true }:start():result()
                end)
                p:close()
                p:join()
            ]],
        }
        for who, text in pairs(keeping) do
            it("with keep_files " .. who .. " keeps all that is open", function()
                assert.equal("kept", select(2, run(text .. " log.shut()")))
            end)
        end

        it("a job that captures what nobody can look into keeps all that is open", function()
            assert.equal("kept", select(2, run [[
                local next_entry, folder = require "lfs".dir "/"
                process.spawn(function() local held = folder log.put "kept" end):result()
                log.shut()
            ]]))
        end)

        it("regular files stay open", function()
            assert.equal("abcdef", (run [[
                local path = os.tmpname()
                local file = io.open(path, "w")
                package.loaded.file = { put = function(s) file:write(s) file:flush() end }
                local put = require "file".put
                put "abc"
                pool.apply(function() put "def" end)
                io.write(io.open(path):read "a")
                os.remove(path)
                log.shut()
            ]]))
        end)

        it("what the program was started with stays", function()
            local fifo = os.tmpname()
            os.remove(fifo)
            local output = helpers.run([[
                pool.apply(function() os.execute "echo from a task >&7" end)
                process.spawn(function() os.execute "echo from a process >&7" end):result()
                io.write(io.popen("head -n 2 <&7"):read "a")
            ]], { by = by, before = ("mkfifo %s; exec 7<>%s; rm %s;"):format(fifo, fifo, fifo), seconds = 20 })
            assert.equal("from a task\nfrom a process\n", output)
        end)
    end)
end)

-- ---- a server ----

-- Serves CLIENTS one after the other, closes each connection while its client still has it open,
-- and has tasks done meanwhile by workers that crash and are replaced. Says how long the
-- slowest client waited for its end, and whether the port was free at once.
local SERVER = [[
    local ok, socket = pcall(require, "socket")
    if not ok then io.write "no luasocket" return end
    local function crash(x) if x % 10 == 0 then os.exit(3) end return x end
    local p = pool.new(2)
    local server = assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local clients, slowest = {}, 0
    for i = 1, 200 do
        local client = assert(socket.connect("127.0.0.1", port))
        local connection = assert(server:accept())
        local future = WORK
        connection:send "bye"
        connection:close()
        local began = socket.gettime()
        client:settimeout(5)
        assert(client:receive "*a" == "bye")
        slowest = math.max(slowest, socket.gettime() - began)
        if future then future:wait() end
        client:close()
    end
    server:close()
    assert(not socket.connect("127.0.0.1", port), "the port still listens")
    assert(p:stats().forks > 2, "no worker was replaced")
    io.write(slowest < LIMIT and "all within" or slowest)
]]

-- Some of the usual ways to have work done.
local WORK = {
    shipped = 'p:apply_async(crash, i)',
    ["all at once"] = 'i % 20 == 1 and p:map(crash, pool.values(pairs { i, i + 9, i + 18 }), { on_error = "collect" }) and nil',
    inherited = 'i % 20 == 10 and p:with { carry = "inherit" }:map_async(crash, { i, i + 1 })',
    ["in processes"] = 'i % 20 == 10 and pool.map(math.abs, { i }) and p:apply_async(crash, i) and'
        .. ' process.spawn(function() return i end) and nil',
}

helpers.each_interpreter(function(by)
    for how, work in pairs(WORK) do
        it(("under %s 200 clients of a server see their end while work is done %s"):format(by, how), function()
            local text = SERVER:gsub("WORK", (work:gsub("%%", "%%%%"))):gsub("LIMIT", helpers.within(0.1))
            local output = helpers.output(text, by)
            if output == "no luasocket" then pending("needs luasocket") return end
            assert.equal("all within", output)
        end)
    end
end)

-- A process for each connection, which captures the connection: the usual server.
local FORKING = [[
    local ok, socket = pcall(require, "socket")
    if not ok then io.write "no luasocket" return end
    local server = assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local function connect()
        local client = assert(socket.connect("127.0.0.1", port))
        client:settimeout(5)
        return client, assert(server:accept())
    end
    local client, connection = connect()
    local other, closed = connect()
    local p = process.spawn(function()
        connection:send("hello\n")
        local line = connection:receive()
        connection:close()
        return line
    end)
    connection:close()
    closed:close()
    io.write(select(2, other:receive()), " ", client:receive(), " ")
    client:send("bye\n")
    io.write(select(2, client:receive()), " ", p:result())
]]

helpers.each_interpreter(function(by)
    it("under " .. by .. " a process has the connection that it captures and no other", function()
        local output = helpers.output(FORKING, by)
        if output == "no luasocket" then pending("needs luasocket") return end
        assert.equal("closed hello closed bye", output)
    end)
end)
