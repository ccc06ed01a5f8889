-- A job that is inherited while its host goes on: whatever becomes of its
-- workers, all its tasks see what was there when it was submitted.

local helpers = require("tests.support.helpers")

-- Makes a job, and then changes all that it sees; its workers die all the time.
-- What came of the tasks, each kind once, goes to `seen`.
local START = [[
    local t, file, items, seen = { v = "old" }, io.tmpfile(), {}, {}
    g = "old"
    for i = 1, 60 do items[i] = { i, "old" } end
    local function look(x)
        if x[1] % 6 == 1 then os.exit(x[1]) end
        return table.concat({ t.v, g, x[2], io.type(file) }, " ")
    end
    local options = { carry = "inherit", chunk = 1, on_error = "collect" }
    local function change()
        t.v, g = "new", "new"
        for i = 1, 60 do items[i][2] = "new" end
        collectgarbage()
    end
    local function note(value, failure)
        local text = value or failure.kind
        seen[text] = (seen[text] or 0) + 1
    end
    local function print_seen()
        local list = {}
        for text, n in pairs(seen) do list[#list + 1] = text .. " " .. n end
        table.sort(list)
        print(table.concat(list, ", "))
    end
]]

helpers.each_interpreter(function(by)
    describe("under " .. by .. ", a worker that replaces another sees what was submitted", function()
        it("to map_async", function()
            assert.are.equal("crash 10, old old old file 50\ntrue\n", helpers.output(START .. [[
                local p <close> = pool.new(2)
                local future = p:map_async(look, items, options)
                change()
                p:resize(1)
                future:wait(0.02)
                p:resize(4)
                local results, n, failures = future:get()
                for i = 1, n do note(results[i], failures[i]) end
                print_seen()
                local forks = p:stats().forks -- one for each that died, at most
                print(forks > 4 and forks <= 12 or forks)
            ]], by))
        end)

        it("to imap, and to map with a source", function()
            assert.are.equal("crash 20, old old old file 100\n", helpers.output(START .. [[
                local p <close> = pool.new(2)
                local i = 0
                local function source()
                    i = i + 1
                    if i == 5 then t.v, g = "new", "new" end
                    return items[i]
                end
                for k, value, failure in p:imap(look, items, options) do
                    if k == 5 then change() end
                    note(value, failure)
                end
                t.v, g = "old", "old"
                for k = 1, 60 do items[k][2] = "old" end
                local results, n, failures = p:map(look, source, options)
                for k = 1, n do note(results[k], failures[k]) end
                print_seen()
            ]], by))
        end)

        it("to apply_async, also when it is tried again", function()
            assert.are.equal("crash 1, old old old file 20\n", helpers.output(START .. [[
                local p <close> = pool.new(2)
                local path, futures = os.tmpname(), {}
                local again = p:with { carry = "inherit", retries = 1 }
                for i = 1, 20 do
                    io.open(path .. i, "w"):close()
                    futures[i] = again:apply_async(function(x)
                        if os.rename(path .. i, path) then os.exit(1) end
                        return look(x)
                    end, { 2, "old" })
                end
                change()
                local _, failure = pcall(again.apply, again, os.exit)
                note(nil, failure)
                for _, future in ipairs(futures) do note(future:get()) end
                print_seen()
                os.remove(path)
            ]], by))
        end)
    end)
end)

describe("a worker that replaces another", function()
    it("sees the same after max_tasks, after a timeout, and by another's hand", function()
        assert.are.equal("old old old file 50, timeout 10\nold old old file 60\n", helpers.output(START .. [[
            local function slow(x)
                while x[1] % 6 == 1 do end
                return look(x)
            end
            local p <close> = pool.new(2)
            options.timeout = 0.5
            local future = p:map_async(slow, items, options)
            change()
            local results, n, failures = future:get()
            for i = 1, n do note(results[i], failures[i]) end
            print_seen()
            t.v, g, seen, options.timeout = "old", "old", {}, nil
            for i = 1, 60 do items[i] = { 2, "old" } end
            local q <close> = pool.new { workers = 2, max_tasks = 2 }
            local future = q:map_async(function(x)
                os.execute "sleep 0.01"
                return look(x)
            end, items, options)
            change()
            results, n, failures = future:get()
            for i = 1, n do note(results[i], failures[i]) end
            print_seen()
        ]]))
    end)

    it("leaves nothing open of the other, while no call drives the pool either", function()
        assert.are.equal("true\ttrue\n", helpers.output(START .. helpers.counters .. [[
            local path = os.tmpname()
            local p <close> = pool.new { workers = 2, max_tasks = 1 }
            local before = descriptors()
            local future = p:map_async(function()
                local file <close> = io.open(path, "a")
                file:write("x")
            end, items, options)
            local deadline, text = os.time() + 100, nil
            repeat
                os.execute "sleep 0.05"
                local file <close> = io.open(path)
                text = file:read("a")
            until #text == 60 or os.time() > deadline
            os.execute "sleep 0.1"
            local more = descriptors() - before
            print(more < 40 or more, #text == 60)
            os.remove(path)
        ]]))
    end)

    it("times out what hangs in it, while no call drives the pool either", function()
        assert.are.equal("5\ttimeout\n", helpers.output([[
            local never, path = coroutine.create(print), os.tmpname()
            local p <close> = pool.new { workers = 1, max_tasks = 1 }
            local future = p:map_async(function(i)
                local _, file <close> = never, io.open(path, "a")
                file:write("x"):flush()
                while i == 3 do end
            end, { 1, 2, 3, 4, 5 }, { timeout = 1, on_error = "collect", chunk = 1 })
            local deadline, text = os.time() + 100, nil
            repeat
                os.execute "sleep 0.05"
                local file <close> = io.open(path)
                text = file and file:read("a") or ""
            until #text == 5 or os.time() > deadline
            local _, _, failures = future:get()
            print(#text, failures[3].kind)
            os.remove(path)
        ]]))
    end)

    it("comes while no call drives the pool", function()
        assert.are.equal("45\nold old old file\n", helpers.output(START .. [[
            local path = os.tmpname()
            local p <close> = pool.new(2)
            local future = p:map_async(function(x)
                if x[1] % 4 == 1 then os.exit(1) end
                local text = look { 2, x[2] }
                local file <close> = io.open(path, "a")
                file:write(text, "\n")
            end, items, options)
            change()
            local deadline, n, text = os.time() + 100, 0, nil
            repeat
                os.execute "sleep 0.05"
                n = 0
                for line in io.lines(path) do n, text = n + 1, line end
            until n == 45 or os.time() > deadline
            print(n)
            print(text)
            os.remove(path)
        ]]))
    end)

    it("is like others to its host: it has init, output, limits and pools of its own", function()
        local SEEN <const> = "old old old file inited 16 100000"
        local expected = ("crash\nerror\tnot enough memory\tout 2\n\n%s\n%s\n%s\ntrue\n"):format(SEEN, SEEN, SEEN)
        assert.are.equal(expected, helpers.output(START .. [[
            local p <close> = pool.new { workers = 1, init = function() inited = "inited" end,
                output = "capture", memory = "100M", name = "born" }
            local future = p:map_async(function(i)
                if i == 1 then os.exit(1) end
                print("out " .. i)
                if i == 2 then return #("x"):rep(200 << 20) end
                local own <close> = pool.new(2)
                local squares = own:map(function(x) return x * x end, { 4 }, { carry = "inherit" })
                local big = ("x"):rep(i * 100000)
                return table.concat({ look { 2, "old" }, inited, squares[1], #big // i }, " ")
            end, { 1, 2, 3, 4, 5 }, options)
            change()
            local results, n, failures = future:get()
            print(failures[1].kind)
            print(failures[2].kind, failures[2].message:match "not enough memory", failures[2].output)
            for i = 3, n do print(results[i]) end
            print(p:stats().workers <= 1)
        ]]))
    end)
end)

describe("what keeps a job's host as it was", function()
    local FIND = helpers.counters .. [[
        -- The children that are not among these workers.
        local function others(workers)
            local list, path = {}, os.tmpname()
            os.execute("ps -o pid=,comm= --ppid " .. own .. " >" .. path)
            for line in io.lines(path) do
                local pid, name = line:match "(%d+)%s+(%S+)"
                if name:find "^lua" and not workers[tonumber(pid)] then list[#list + 1] = pid end
            end
            os.remove(path)
            return list
        end
        -- Tasks that `hold` end once the script has looked.
        local gate = os.tmpname()
        os.remove(gate)
        local function hold() os.execute("until [ -e " .. gate .. " ]; do sleep 0.02; done") end
        local cleanup <close> = setmetatable({}, { __close = function() os.remove(gate) end })
        local function let_go() io.open(gate, "w"):close() end
    ]]

    it("is no worker, and gone when the job is", function()
        assert.are.equal("2\t3\t2\ttrue\n0\t0\t0\n", helpers.output(START .. FIND .. [[
            local p <close> = pool.new(2)
            local future = p:map_async(function() hold() return look { 2, "old" } end, { 1, 2 }, options)
            local stats = p:stats()
            local running = children()
            let_go()
            print(stats.workers, running, stats.forks, future:get()[1] == "old old old file")
            local deadline = os.time() + 100
            while children() > 0 and os.time() < deadline do p:step(0.01) end
            print(children(), p:stats().workers, p:stats().crashes)
        ]]))
    end)

    it("killed is done without: everything ends", function()
        assert.are.equal("crash 10\ttrue\n", helpers.output(START .. FIND .. [[
            local p <close> = pool.new(2)
            local all = { { -1 }, { -1 } }
            table.move(items, 1, 60, 3, all)
            local future = p:map_async(function(x)
                if x[1] > 0 then return look(x) end
                hold()
            end, all, options)
            change()
            os.execute "sleep 0.1"
            local pids = {}
            for _, pid in ipairs(others {}) do
                -- The zygote waits on a socket; workers have pipes.
                local path, sockets = os.tmpname(), 0
                os.execute("ls -l /proc/" .. pid .. "/fd >" .. path)
                for line in io.lines(path) do
                    if line:find "socket:" then sockets = sockets + 1 end
                end
                os.remove(path)
                if sockets > 0 then pids[#pids + 1] = pid end
            end
            assert(#pids == 1, #pids)
            os.execute("kill -9 " .. pids[1])
            let_go()
            local results, n, failures = future:get()
            for i = 3, n do note(results[i], failures[i]) end
            local old, new = seen["old old old file"] or 0, seen["new new new file"]
            print("crash " .. seen.crash, old + new == 50 and old <= 20)
        ]]))
    end)

    it("holds no end of another worker's pipe, and no descriptor of a pool", function()
        assert.are.equal("0\t2\t2\n", helpers.output(START .. FIND .. [[
            local function pipes(pid)
                local path, n = os.tmpname(), 0
                os.execute("ls -l /proc/" .. pid .. "/fd >" .. path)
                for line in io.lines(path) do
                    if line:find "pipe:" or line:find "anon_inode" then n = n + 1 end
                end
                os.remove(path)
                return n
            end
            local before = pipes(own)
            local q <close> = pool.new(3)
            q:map(function() os.execute "sleep 0.05" end, { 1, 2, 3 })
            local p <close> = pool.new(2)
            p:map(function() os.execute "sleep 0.05" end, { 1, 2 })
            local known, more = {}, {}
            for _, pid in ipairs(others {}) do known[tonumber(pid)] = true end
            local future = p:map_async(function() hold() return look { 2, "old" } end, { 1, 2 }, options)
            for _, pid in ipairs(others(known)) do more[#more + 1] = pipes(pid) - before end
            table.sort(more)
            let_go()
            print(table.unpack(more))
            future:get()
        ]]))
    end)

    it("leaves no descriptor in workers that are forked later", function()
        assert.are.equal("0\t0\t0\n", helpers.output(START .. [[
            local function sockets()
                local path, n = os.tmpname(), 0
                os.execute("ls -l /proc/$PPID/fd >" .. path)
                for line in io.lines(path) do n = n + (line:find "socket:" and 1 or 0) end
                os.remove(path)
                return n
            end
            local p <close> = pool.new(3)
            local future = p:map_async(function() os.execute "sleep 0.5" return look { 2, "old" } end,
                { 1, 2 }, options)
            local before = sockets() - 1
            local q <close> = pool.new(1)
            local later = p:map_async(function() return file and sockets() end, { 1 }, options)
            print(p:apply(sockets) - before, q:apply(sockets) - before, later:get()[1] - before)
            future:get()
        ]]))
    end)

    it("ends with a host that is killed", function()
        local sh = require("tests.support.shell")
        local path = os.tmpname()
        local script = helpers.write_script(START .. FIND .. ([[
            local p = pool.new(2)
            p:map_async(function() os.execute "sleep 30" return look { 2, "old" } end, { 1, 2 }, options)
            os.execute "sleep 0.2"
            local file = io.open(%q, "w")
            file:write(own, "\n", table.concat(others {}, "\n"), "\n")
            file:close()
            os.execute "sleep 30" ]]):format(path))
        sh.must(("%s %s >/dev/null 2>&1 & echo $!"):format(helpers.interpreters.luas, script))
        local pids = helpers.eventually(20, function()
            local list = {}
            for line in io.lines(path) do list[#list + 1] = tonumber(line) end
            return #list >= 4 and list
        end)
        assert.are.equal(4, #pids)
        os.execute("kill -9 " .. pids[1])
        assert.are.same({}, helpers.survivors(pids, 2))
        os.remove(script)
        os.remove(path)
    end)

    it("is not there where the host waits for an array's tasks", function()
        assert.are.equal("2\n", helpers.output(START .. FIND .. [[
            local p <close> = pool.new(2)
            local most = 0
            local counted = p:map(function(i)
                os.execute "sleep 0.3"
                local path, n = os.tmpname(), 0
                os.execute("ps -o comm= --ppid " .. own .. " >" .. path)
                for line in io.lines(path) do n = n + (line:find "^lua" and 1 or 0) end
                os.remove(path)
                return file and n
            end, { 1, 2 }, options)
            print(math.max(counted[1], counted[2]))
        ]]))
    end)
end)

describe("tasks that make garbage over a large heap that they inherited", function()
    -- 3 MB of it a task; the value is what the worker has for itself, in MB.
    local LARGE = [[
        local rows, inputs, most, n = {}, {}, 0, 0
        for i = 1, 1000000 do rows[i] = { i, i } end
        for i = 1, 100 do inputs[i] = i end
        collectgarbage() collectgarbage()
        local function private()
            for line in io.lines "/proc/self/smaps_rollup" do
                local kb = line:match "^Private_Dirty:%s+(%d+)"
                if kb then return kb // 1024 end
            end
        end
        local function work(i)
            for k = 1, 30000 do rows[0] = { k, k, k } end
            assert(rows[i][1] == i and rows[i][2] == i)
            return private()
        end
        local function note(i, mb)
            most, n = math.max(most, mb), n + 1
        end
    ]]

    local function run(text)
        if helpers.sanitized then return pending("a sanitizer has memory of its own for each block") end
        local most, n, forks = helpers.output(LARGE .. text):match "^(%d+) (%d+) (%d+)\n$"
        assert.are.equal("100", n)
        return tonumber(most), tonumber(forks)
    end

    it("do not have the workers copy it, where the host waits", function()
        local most, forks = run [[
            local p <close> = pool.new(1)
            for i, mb in ipairs((p:map(work, inputs, { carry = "inherit" }))) do note(i, mb) end
            print(most .. " " .. n .. " " .. p:stats().forks) ]]
        if forks then
            assert.is_true(most < 70, most) -- 32 of garbage; else 100 and more
            assert.is_true(forks > 4 and forks < 20, forks)
        end
    end)

    it("do not, and see it as it was, where the host goes on", function()
        local most, forks = run [[
            local p <close> = pool.new(1)
            for i, mb in p:imap(work, inputs, { carry = "inherit", chunk = 7 }) do
                note(i, mb)
                if i == 1 then
                    for k = 1, 200 do rows[k] = { 0, 0 } end
                end
            end
            print(most .. " " .. n .. " " .. p:stats().forks) ]]
        if forks then
            assert.is_true(most < 70, most)
            assert.is_true(forks > 4 and forks < 20, forks)
        end
    end)

    it("keep their workers where init has set them up, and where the heap is small", function()
        local _, forks = run [[
            local p <close> = pool.new { workers = 1, init = function() set_up = true end }
            for i, mb in ipairs((p:map(work, inputs, { carry = "inherit" }))) do note(i, mb) end
            print(most .. " " .. n .. " " .. p:stats().forks) ]]
        assert.are.equal(forks and 1, forks)
        _, forks = run [[
            for i = #rows, 1000, -1 do rows[i] = nil end
            collectgarbage() collectgarbage()
            local p <close> = pool.new(1)
            for i, mb in ipairs((p:map(work, inputs, { carry = "inherit" }))) do note(i, mb) end
            print(most .. " " .. n .. " " .. p:stats().forks) ]]
        assert.are.equal(forks and 1, forks)
    end)

    it("end within a limit of their memory that is less than the garbage", function()
        local most = run [[
            local p <close> = pool.new { workers = 1, memory = "20M" }
            for i, mb in ipairs((p:map(work, inputs, { carry = "inherit" }))) do note(i, mb) end
            print(most .. " " .. n .. " " .. p:stats().forks) ]]
        assert.is_true(not most or most < 40, most)
    end)
end)
