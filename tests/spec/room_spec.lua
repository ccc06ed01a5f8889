-- Where there is little room: memory, descriptors, processes. Errors with their
-- reason and no hang; and large results from workers that die.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")
local range = helpers.range

local MB <const> = 1 << 20

-- A script that runs a map, and then says that it has come to its end.
local MAP = [[
    local items = {}
    for i = 1, 60 do items[i] = i end
    local ok, message = pcall(function()
        local p <close> = pool.new(8)
        local results, n = p:map(function(i)
            local till = os.clock() + 0.002
            while os.clock() < till do end
            return i
        end, items, { retries = 1 })
        for i = 1, n do assert(results[i] == i) end
        assert(n == 60)
        print("mapped", p:stats().forks)
    end)
    if not ok then print(message) end
    print "end"
]]

helpers.each_interpreter(function(by)
    describe("under " .. by .. ", with few descriptors", function()
        it("a map does with fewer workers, or says why not", function()
            local mapped, refused = 0, 0
            for _, limit in ipairs { 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 28 } do
                local output, status = helpers.run(MAP, { by = by, before = "ulimit -n " .. limit .. ";" })
                -- Where not even the module can be loaded, that is not luas's doing.
                if output:find("\nend\n$") then
                    assert.are.equal(0, status, output)
                    local forks = tonumber(output:match "^mapped\t(%d+)\n")
                    if forks then
                        assert.is_true(forks >= 1 and forks <= 8)
                        mapped = mapped + 1
                    else
                        assert.is_truthy(output:find("Too many open files", 1, true), output)
                        refused = refused + 1
                    end
                else
                    assert.is_truthy(output:find("open", 1, true), output)
                    assert.are_not.equal(137, status, "it hung")
                end
            end
            assert.is_true(mapped > 2, mapped)
            assert.is_true(refused > 0)
        end)
    end)
end)

-- The first call leaves workers that have all the descriptors there are.
describe("where idle workers have used up the descriptors", function()
    for _, verb in ipairs { "map", "apply", "apply_async", "imap" } do
        it("they make room for those that " .. verb .. " wants", function()
            local output, status = helpers.run(([[
                local p <close> = pool.new(8)
                local file, items = io.open "/dev/null", {}
                for i = 1, 2000 do items[i] = i end
                local function square(x) return x * x end
                local function inherited(x) return file and x * x end
                local calls = {
                    map = function() return #p:map(inherited, items) end,
                    apply = function() return p:apply(inherited, 45) - 25 end,
                    apply_async = function() return p:apply_async(inherited, 45):get() - 25 end,
                    imap = function()
                        local n = 0
                        for _ in p:imap(inherited, items) do n = n + 1 end
                        return n
                    end,
                }
                for _ = 1, 3 do
                    assert(#p:map(square, items) == 2000)
                    io.write(calls[%q](), " ")
                end
                print(p:stats().carried.inherit)
            ]]):format(verb), { before = "ulimit -n 24;" })
            assert.are.equal("2000 2000 2000 3\n", output)
            assert.are.equal(0, status)
        end)
    end

    it("a call does not wait for ever where their exit does not return", function()
        local output = helpers.run([[
            local p = pool.new { workers = 8, exit_timeout = 0.3, exit = function() while true do end end }
            local file, items = io.open "/dev/null", {}
            for i = 1, 2000 do items[i] = i end
            assert(#p:map(function(x) for _ = 1, 1000 do end return x end, items) == 2000)
            print(pcall(p.map, p, function(x) return file and x end, items))
            p:terminate()
        ]], { before = "ulimit -n 24;" })
        assert.matches("worker %d was killed, as it had not ended 0.3 s after", output)
        assert.matches("true\ttable: %S+\t2000\n$", output)
    end)

    it("they do so while others work, and waits are interrupted", function()
        local output = helpers.run([[
            local now = require "luas.core".now
            local p <close> = pool.new { workers = 4, exit = function() os.execute "sleep 0.1" end }
            local file, items = io.open "/dev/null", {}
            for i = 1, 100 do items[i] = i end
            local function inherited(x) return file and x end
            p:broadcast(function() end)
            local slow = p:apply_async(os.execute, "sleep 3")
            local pid = io.open "/proc/self/stat":read "n"
            os.execute(("(for i in $(seq 20); do kill -STOP %d; kill -CONT %d; sleep 0.02; done) 2>/dev/null &")
                :format(pid, pid))
            local begin = now()
            local n = #p:map(inherited, items)
            print(n, p:apply_async(inherited, 2):get(), now() - begin < 2.5, slow:ready())
        ]], { before = "ulimit -n 27;" })
        assert.are.equal("100\t2\ttrue\tfalse\n", output)
    end)
end)

describe("where there is no room for the library's thread", function()
    it("those who wait for a job do its work", function()
        if helpers.sanitized then return pending("a sanitizer reserves terabytes") end
        -- A thread's stack is as large as that limit says.
        assert.are.equal("14 9\n", (helpers.run([[
            local p <close> = pool.new(2)
            local function square(x) return x * x end
            local sum = 0
            for _, v in p:imap(square, { 1, 2, 3 }) do sum = sum + v end
            print(sum .. " " .. p:map_async(square, { 1, 2, 3 }):get(10)[3])
        ]], { before = "ulimit -v 4000000 && ulimit -s 90000000 &&" })))
    end)
end)

-- A user without other processes, for the limit counts all of a user's: also of this spec, as
-- another interpreter may run it at the same time.
local user <const> = 200000 + math.tointeger(sh.must "echo $PPID") % 100000

local function with_processes(most)
    return ("exec setpriv --reuid=%d --clear-groups prlimit --nproc=%d"):format(user, most)
end

-- Another user cannot write the sanitizers' reports.
local can_limit = not helpers.sanitized and select(2, sh.run(with_processes(5) .. " " .. sh.quote(helpers.program) .. " -v")) == 0

describe("with few processes", function()
    local function run(text, most)
        local path = helpers.write_script(text)
        sh.must("chmod 644 " .. path)
        local output, status = sh.run(("timeout -s KILL " .. helpers.within(30) .. " sh -c %s"):format(sh.quote(
            with_processes(most) .. " " .. sh.quote(helpers.program) .. " " .. path)))
        os.remove(path)
        return output, status
    end

    it("a map does with fewer workers, or says why not", function()
        if not can_limit then return pending("needs root, setpriv and prlimit") end
        for most = 1, 10 do
            local output, status = run(MAP, most)
            assert.are.equal(0, status, output)
            assert.is_truthy(output:find("end\n$"), output)
            if most == 1 then
                assert.is_truthy(output:find("Resource temporarily unavailable", 1, true), output)
            else
                local forks = tonumber(output:match "^mapped\t(%d+)\n")
                assert.is_true(forks ~= nil and forks < most, output)
            end
        end
    end)

    it("what cannot be submitted is refused, and join does not wait for it", function()
        if not can_limit then return pending("needs root, setpriv and prlimit") end
        local output, status = run([[
            local p = pool.new(2)
            print(pcall(p.apply_async, p, print))
            print(pcall(p.map_async, p, print, { 1, 2 }))
            print(pcall(process.spawn, print))
            p:close()
            print(p:join(10))
        ]], 1)
        assert.are.equal(0, status, output)
        local reason = "Resource temporarily unavailable"
        local refusals = select(2, output:gsub("false\t[^\n]*" .. reason, ""))
        assert.are.equal(3, refusals, output)
        assert.is_truthy(output:find("true\n$"), output)
    end)
end)

describe("with little address space", function()
    it("a map has all its workers, and large results", function()
        if helpers.sanitized then return pending("a sanitizer reserves terabytes") end
        for _, limit in ipairs { 30000, 60000 } do -- KB
            assert.are.equal("8\t32\t100000\n", (helpers.run([[
                local p <close> = pool.new(8)
                local items = {}
                for i = 1, 32 do items[i] = i end
                local results, n = p:map(function()
                    os.execute "sleep 0.02"
                    return ("x"):rep(100000)
                end, items)
                print(p:stats().forks, n, #results[32])
            ]], { before = "ulimit -v " .. limit .. ";" })))
        end
    end)
end)

describe("results of a megabyte", function()
    local last = helpers.sanitized and 30 or 400
    for _, verb in ipairs { "imap", "imap_unordered" } do
        it("wait in the workers for a slow consumer of " .. verb .. ", not in the host", function()
            local output = helpers.output(([[
                local function peak()
                    for line in io.lines "/proc/self/status" do
                        local kb = line:match "^VmHWM:%%s*(%%d+)"
                        if kb then return kb // 1024 end
                    end
                end
                local n, sum = 0, 0
                local p <close> = pool.new(2)
                local function source()
                    n = n + 1
                    if n <= %d then return n end
                end
                for i, text in p:%s(function(i) return ("x"):rep((1 << 20) + i) end, source) do
                    if i %% 200 == 5 then os.execute "sleep 1" end
                    sum = sum + #text
                end
                print(sum, peak())
            ]]):format(last, verb))
            local sum, peak = output:match "^(%d+)\t(%d+)\n"
            assert.are.equal(last * MB + last * (last + 1) // 2, tonumber(sum))
            assert.is_true(tonumber(peak) < 250 or helpers.sanitized, peak) -- MB, of 400
        end)
    end

    it("of any size come in order, also more than memory is shared for", function()
        local p <close> = pool.new(2)
        local sizes = { 1, 30000, 40000, MB, 20, 5 * MB, 16 * MB - 20, 16 * MB, 7, 17 * MB, 3 * MB, 40 * MB }
        local function text(i)
            local unit = ("%06d\n"):format(i) .. string.char(128 + i) -- no UTF-8
            return unit:rep(sizes[(i - 1) % #sizes + 1] // #unit + 1)
        end
        local function check(results, n)
            assert.are.equal(36, n)
            for i = 1, n do assert.is_true(results[i] == text(i), i) end
        end
        check(p:map(text, range(36)))
        local future = p:map_async(text, range(36), { chunk = 3 })
        future:wait(0.2) -- a thread takes them
        check(future:get())
    end)

    it("flow while inputs as large flow the other way", function()
        local p <close> = pool.new(2)
        local i, total = 0, 0
        local function source()
            i = i + 1
            if i <= 60 then return ("x"):rep(MB) .. i end
        end
        for k, text in p:imap(function(s) return s .. s end, source, { chunk = 4 }) do
            assert.are.equal(2 * (MB + #tostring(k)), #text)
            total = total + 1
        end
        assert.are.equal(60, total)
    end)
end)

describe("a worker killed at any moment", function()
    -- A shell kills workers, each once, while results of some megabytes flow.
    it("while large results flow fails one task at most, and mixes up no other", function()
        local p <close> = pool.new(3)
        local path = os.tmpname()
        local future = p:map_async(function(i)
            local file <close> = assert(io.open(path, "a"))
            file:write(io.open("/proc/self/stat"):read("n"), "\n")
            file:close()
            return { i, (string.char(97 + i % 26)):rep(3 * MB + i) }
        end, range(90), { on_error = "collect", chunk = 1 })
        local kills, killed = 0, {}
        while not future:wait(0.01) and kills < 25 do
            local pids = helpers.lines("tail -n 2 " .. path)
            local pid = pids[math.random(math.max(1, #pids))]
            if pid and not killed[pid] then
                killed[pid] = true
                kills = kills + (os.execute("kill -9 " .. pid .. " 2>/dev/null") and 1 or 0)
            end
        end
        local results, n, failures = future:get()
        os.remove(path)
        assert.are.equal(90, n)
        local failed = 0
        for i = 1, n do
            if results[i] then
                assert.are.equal(i, results[i][1])
                assert.are.equal(string.char(97 + i % 26):rep(3 * MB + i), results[i][2])
            else
                failed = failed + 1
                assert.are.same({ "crash", i, 9 },
                    { failures[i].kind, failures[i].index, failures[i].signal })
            end
        end
        assert.is_true(kills > 0)
        assert.is_true(failed <= kills, failed .. " failures of " .. kills .. " kills")
    end)

    it("by its own finalizer, while its result is made, fails its own task", function()
        local p <close> = pool.new(2)
        local Deadly = { __luas_pack = function() os.exit(3) end, __luas_unpack = function() end }
        local results, _, failures = p:map(function(i)
            if i == 3 then
                return { ("x"):rep(MB), setmetatable({}, Deadly) }
            elseif i == 6 then
                setmetatable({}, { __gc = function() os.exit(6) end })
                collectgarbage()
            end
            return i
        end, range(10), { on_error = "collect" })
        for i = 1, 10 do
            local dies = i == 3 or i == 6
            assert.are.equal(not dies and i or nil, results[i])
            if dies then
                assert.are.same({ "crash", i }, { failures[i].kind, failures[i].exitcode })
            end
        end
    end)
end)
