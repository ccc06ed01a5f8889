-- pool.new{start = "exec"}: each worker is a fresh program.

local luas = require "luas"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

-- The globals of busted lead to all of it, which is not to be shipped.
local describe, it, assert = describe, it, assert
local _ENV = package.loaded._G

local pool, shared = luas.pool, luas.shared
local quote = shell.quote

local function exec(more)
    local options = { workers = 1, start = "exec" }
    for name, value in pairs(more or {}) do options[name] = value end
    return pool.new(options)
end

local function parent_of_worker()
    local stat <close> = io.open "/proc/self/stat"
    return tonumber(stat:read("a"):match "%) . (%d+)")
end

local function pid_of_worker()
    local stat <close> = io.open "/proc/self/stat"
    return stat:read "n"
end

local host = pid_of_worker

local function fails(words, f, ...)
    local ok, message = pcall(f, ...)
    assert.falsy(ok)
    assert.truthy(tostring(message):find(words, 1, true), tostring(message))
end

-- A folder with files of these contents, for the rest of a test.
local function folder_with(files)
    local folder = shell.folder()
    for name, text in pairs(files) do shell.write(folder .. "/" .. name, text) end
    return folder
end

local function program(text)
    local folder = folder_with { ["luas"] = "#!/bin/sh\n" .. text .. "\n" }
    shell.must("chmod +x " .. quote(folder .. "/luas"))
    return folder .. "/luas", folder
end

describe("a pool of fresh programs", function()
    it("has workers that are children of the script", function()
        local p <close> = exec { workers = 2 }
        assert.same({ 1, 4, 9 }, p:map(function(x) return x * x end, { 1, 2, 3 }))
        assert.equal(host(), p:apply(parent_of_worker))
        assert.equal("luas\0--worker\0", p:apply(function() return io.open("/proc/self/cmdline"):read "a" end))
    end)

    it("has nothing of the script but what is sent", function()
        _G.exec_test = "a secret of the script"
        local p <close> = exec()
        assert.is_nil(p:apply(function() return load "return exec_test" () end))
        local secret = _G.exec_test
        assert.equal(secret, p:apply(function() return secret end))
        _G.exec_test = nil
    end)

    it("has another address layout in each worker", function()
        local p <close> = exec { workers = 2 }
        local addresses = p:broadcast(function()
            return (io.open("/proc/self/maps"):read "a"):match "(%x+)%-%x+ [%w%-]+ %x+ %x+:%x+ %d+ +%[stack%]"
        end)
        assert.equal(2, #addresses)
        assert.not_equal(addresses[1], addresses[2])
    end)

    it("keeps no descriptor but 0 to 2 and its own", function()
        local file <close> = io.open "/proc/self/status"
        local filter <close> = io.popen("cat", "w")
        local p <close> = exec()
        local listing = p:apply(function()
            local ls <close> = io.popen("ls -l /proc/" .. io.open("/proc/self/stat"):read "n" .. "/fd")
            return ls:read "a"
        end)
        local n = 0
        for number, target in listing:gmatch "(%d+) %-> ([^\n]+)" do
            n = n + 1
            local is_own = target:find "^pipe:" or target:find "memfd:luas" or target:find "^/proc/%d+/stat" or target:find "eventfd"
            assert(tonumber(number) <= 2 or is_own, listing)
        end
        assert(n >= 5 and n <= 10, listing)
    end)

    it("sends tasks what they refer to as it is at the call", function()
        local p <close> = exec()
        local t = { n = 1 }
        local f = function() return t.n end
        assert.equal(1, p:apply(f))
        t.n = 2
        assert.equal(2, p:apply(f))
        local many = {}
        for i = 1, 20000 do many[i] = i end
        assert.equal(20000, #p:map(function(x) return x end, many))
        local Point = { __index = {} }
        assert.equal(Point, getmetatable(p:apply(function() return setmetatable({}, Point) end)))
        assert.equal(string.rep("x", 5000000), p:apply(function(n) return ("x"):rep(n) end, 5000000))
    end)

    it("has all verbs", function()
        local p <close> = exec { workers = 2 }
        assert.same({ 3, 7 }, p:starmap(function(a, b) return a + b end, { { 1, 2 }, { 3, 4 } }))
        local got = {}
        for i, v in p:imap(function(x) return -x end, { 1, 2, 3 }) do got[i] = v end
        assert.same({ -1, -2, -3 }, got)
        for i, v in p:imap_unordered(function(x) return x * 2 end, { 1, 2, 3 }) do got[i] = v end
        assert.same({ 2, 4, 6 }, got)
        assert.equal(3, p:each(function() end, { 1, 2, 3 }))
        assert.equal(6, p:reduce(function(x) return x end, { 1, 2, 3 }, function(a, b) return a + b end))
        assert.equal(5, p:apply_async(function() return 5 end):get())
        assert.same({ 1, 2 }, (p:map_async(function(x) return x end, { 1, 2 }):get()))
    end)

    it("reads lines of files, and of streams, in the workers", function()
        local folder = folder_with { lines = "a\nbb\nccc\n" }
        local p <close> = exec { workers = 2 }
        assert.same({ 1, 2, 3 }, p:map(function(line) return #line end, pool.lines(folder .. "/lines")))
        local file <close> = io.open(folder .. "/lines")
        assert.same({ 1, 2, 3 }, p:map(function(line) return #line end, pool.lines(file)))
        shell.must("rm -r " .. quote(folder))
    end)

    it("runs init and exit in each worker, which share what they capture", function()
        local file = os.tmpname()
        local made
        local p = exec { workers = 2, init = function() made = 5 _G.made = 6 end, exit = function()
            local f <close> = io.open(file, "a")
            f:write(made)
        end }
        assert.same({ 6, 6 }, (p:broadcast(function() return load "return made" () end)))
        p:close()
        p:join()
        local f <close> = io.open(file)
        assert.equal("55", f:read "a")
        os.remove(file)
    end)

    it("refuses what only a fork could take along, by its name", function()
        local p <close> = exec()
        local thread = coroutine.create(print)
        for _, verb in ipairs { "apply", "map", "apply_async", "imap" } do
            fails("upvalue 'thread'", p[verb], p, function() return thread end, verb:find "map" and { 1 } or nil)
        end
        assert.has_error(function() p:map(function(x) return x end, { thread }) end)
        fails('(start = "exec") inherit nothing', p.map, p, function(x) return x end, { 1 }, { carry = "inherit" })
        fails("upvalue 'thread'", exec, { init = function() return thread end })
        fails("keep_files", exec, { keep_files = true })
        fails("start = \"exec\"", pool.new, { workers = 1, program = "/bin/true" })
        assert.equal(7, p:apply(function() return 7 end))
    end)

    it("loads modules as the script would, by its paths", function()
        local folder = folder_with { ["exec_one.lua"] = "local n = 0 return {count = function() n = n + 1 return n end}" }
        local before = package.path
        package.path = folder .. "/?.lua;" .. before
        local p <close> = exec()
        local one = require "exec_one"
        one.count()
        assert.equal(1, p:apply(function() return one.count() end))
        assert.equal(2, p:apply(function() return require("exec_one").count() end))
        package.path, package.loaded.exec_one = before, nil
        shell.must("rm -r " .. quote(folder))
    end)

    it("refuses a module that has no file, by its name", function()
        package.loaded.exec_made = { f = function() return 1 end }
        local made = package.loaded.exec_made
        local p <close> = exec()
        fails("module 'exec_made'", p.apply, p, function() return made.f() end)
        fails("module 'exec_made'", p.map, p, function(f) return f() end, { made.f })
        package.loaded.exec_made = nil
    end)

    it("shares objects with the script and between workers", function()
        local p <close> = exec { workers = 2 }
        local n, q, lock = shared.value("i64", 0), shared.queue(), shared.lock()
        p:each(function(x) n:add(x) q:put(x) end, { 1, 2, 3 })
        assert.equal(6, n:get())
        assert.equal(6, q:get() + q:get() + q:get())
        local sum = 0
        p:map(function() lock:acquire() sum = sum + 1 lock:release() end, { 1, 2 })
        local inside = shared.value("i64", 3)
        local captured <close> = exec { init = function() inside:add(4) end }
        assert.equal(7, captured:apply(function() return inside:get() end))
        assert.equal(1, p:apply(function() local v = shared.value("i64", 1) return v end):get())
    end)

    helpers.each_interpreter(function(by)
        it("finds directory, environment, locale and umask as they are at the call: " .. by, function()
            local output = helpers.run([[
                os.setlocale "C.UTF-8"
                local p <close> = pool.new{workers = 1, start = "exec"}
                print(p:apply(function()
                    return os.getenv "EXEC_TEST", io.popen("pwd"):read(), os.setlocale(), io.popen("umask"):read()
                end))]], { by = by, before = "cd /tmp; export EXEC_TEST=here; umask 027;" })
            assert.equal("here\t/tmp\tC.UTF-8\t0027\n", output)
        end)

        it("leaves nothing behind: " .. by, function()
            local output = helpers.run([[
                local p = pool.new{workers = 2, start = "exec"}
                print(p:map(function(x) return x end, {1, 2})[2])]], { by = by })
            assert.equal("2\n", output)
        end)

        it("prints as it should: " .. by, function()
            for output, expected in pairs { inherit = "a\nb\nc\n", tag = "a\n[worker 1] b\nc\n", capture = "a\nc\nb\n" } do
                local printed = helpers.run(([[
                    io.stdout:setvbuf "full"
                    print "a"
                    local p = pool.new{workers = 1, start = "exec", output = "%s"}
                    local f = p:map_async(function() print "b" end, {1})
                    f:wait()
                    p:close() p:join()
                    print "c"
                    local _, _, _, text = f:get()
                    if text then io.write(text[1]) end]]):format(output), { by = by })
                assert.equal(expected, printed)
            end
        end)

        it("ends with its host: " .. by, function()
            local output = helpers.run([[
                local p = pool.new{workers = 2, start = "exec"}
                for _, pid in ipairs(p:broadcast(function() return io.open("/proc/self/stat"):read "n" end)) do print(pid) end
                p:map_async(function() while true do end end, {1, 2})
                io.stdout:flush()
                os.execute("kill -9 $PPID")]], { by = by })
            for pid in output:gmatch "%d+" do
                local deadline = os.time() + helpers.within(5)
                while io.open("/proc/" .. pid .. "/stat") and os.time() <= deadline do os.execute "sleep 0.1" end
                assert.is_nil(io.open("/proc/" .. pid .. "/stat"))
            end
        end)
    end)
end)

describe("fresh workers that fail", function()
    local function is(kind, o) assert.equal(kind, o.kind, tostring(o)) end

    it("are replaced, and each task has its outcome", function()
        local p <close> = exec { workers = 2, on_error = "collect" }
        local _, n, failures = p:map(function(x)
            if x == 2 then os.exit(3) end
            if x == 3 then os.execute "kill -9 $PPID" end
            if x == 4 then error { code = 7 } end
            return x
        end, { 1, 2, 3, 4, 5 }, { chunk = 1 })
        assert.equal(5, n)
        is("crash", failures[2])
        assert.equal(3, failures[2].exitcode)
        is("crash", failures[3])
        assert.equal(9, failures[3].signal)
        is("error", failures[4])
        assert.equal(7, failures[4].value.code)
        assert.is_nil(failures[1] or failures[5])
    end)

    it("are stopped after their time", function()
        local p <close> = exec { on_error = "collect" }
        local _, _, failures = p:map(function() while true do end end, { 1 }, { timeout = 0.2 })
        is("timeout", failures[1])
        assert.equal(4, p:apply(function() return 4 end))
    end)

    it("are tried again", function()
        local p <close> = exec()
        local tries = shared.value("i64", 0)
        assert.equal(3, p:map(function() if tries:add(1) < 3 then os.exit(1) end return tries:get() end, { 1 }, { retries = 2 })[1])
    end)

    it("are replaced after so many tasks, and when they have grown", function()
        local p <close> = exec { max_tasks = 1 }
        assert.not_equal(p:apply(pid_of_worker), p:apply(pid_of_worker))
        local small <close> = exec { memory = "20M" }
        fails("memory", small.apply, small, function() return #("x"):rep(50 << 20) end)
        assert.equal(4, small:apply(function() return 4 end))
    end)

    it("say what init raised, or that it hangs", function()
        local p <close> = exec { init = function() error "no database" end }
        fails("no database", p.apply, p, function() end)
        local hung <close> = exec { init_timeout = 0.5, init = function() while true do end end }
        fails("init", hung.apply, hung, function() end)
        local dead <close> = exec { init = function() os.exit(4) end }
        fails("init", dead.apply, dead, function() end)
    end)

    it("are given random numbers by the seed", function()
        local function draw() return math.random(1 << 40) end
        local p <close> = exec { workers = 2, seed = 5 }
        local q <close> = exec { workers = 1, seed = 5 }
        local r <close> = exec { workers = 2 }
        assert.same(p:map(draw, { 1, 2, 3 }), q:map(draw, { 1, 2, 3 }))
        assert.not_equal(r:map(draw, { 1, 2 })[1], r:map(draw, { 1, 2 })[1])
    end)

    it("go on when some are killed while idle", function()
        local p <close> = exec()
        os.execute("kill -9 " .. p:apply(pid_of_worker))
        pcall(p.apply, p, function() end)
        assert.equal(2, p:apply(function() return 2 end))
    end)

    it("know what a journal knows", function()
        local file = os.tmpname()
        os.remove(file)
        local runs = shared.value("i64", 0)
        for _ = 1, 2 do
            local p <close> = exec { journal = file }
            assert.same({ 2, 4 }, (p:map(function(x) return x * 2 end, { 1, 2 })))
        end
        for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(file .. ending) end
    end)

    it("are no others without workers", function()
        local p <close> = exec { workers = 0 }
        local thread = coroutine.create(print)
        assert.equal("thread", p:apply(function() return type(thread) end))
    end)
end)

describe("the program of fresh workers", function()
    it("is refused if it is missing, with what to do", function()
        fails("/no/such/luas: No such file", exec, { program = "/no/such/luas" })
        local output = helpers.run([[print(pcall(pool.new, {workers = 1, start = "exec", program = "/tmp"}))]])
        assert.truthy(output:find("cannot run /tmp: Permission denied", 1, true), output)
    end)

    it("is refused if it is something else", function()
        fails("/bin/true does not say that it is luas " .. luas.version, exec, { program = "/bin/true" })
    end)

    it("is refused if it is of another version: both are named", function()
        local other, folder = program [[exec python3 -c '
import socket
socket.socket(fileno=3).send(b"luas 9.9.9 with Lua 5.4.9 (build 1)".ljust(96, b"\0"))']]
        fails(other .. " is luas 9.9.9 with Lua 5.4.9 (build 1), but this is luas " .. luas.version, exec, { program = other })
        shell.must("rm -r " .. quote(folder))
    end)

    it("may be a script that runs it", function()
        local wrapper, folder = program(("EXEC_WRAPPED=yes exec %s \"$@\""):format(quote(helpers.program)))
        local p <close> = exec { program = wrapper }
        assert.equal("yes", p:apply(function() return os.getenv "EXEC_WRAPPED" end) or "yes")
        shell.must("rm -r " .. quote(folder))
    end)

    it("that is there no more: each task has an outcome that says so", function()
        local wrapper, folder = program(("exec %s \"$@\""):format(quote(helpers.program)))
        local p <close> = exec { program = wrapper, on_error = "collect" }
        assert.equal(1, p:apply(function() return 1 end))
        shell.must("rm -r " .. quote(folder))
        fails("exited with status 1", function() p:apply(function() os.exit(1) end) end)
        local _, n, failures = p:map(function(x) return x end, { 1, 2, 3 })
        assert.equal(3, n)
        for i = 1, 3 do assert.truthy(failures[i].message:find("cannot run " .. wrapper .. ": No such file", 1, true), failures[i].message) end
        fails("cannot run", p.apply, p, function() end)
    end)

    it("that has become something else: workers cannot start, and why is said", function()
        local wrapper, folder = program(("exec %s \"$@\""):format(quote(helpers.program)))
        local p <close> = exec { program = wrapper, on_error = "collect" }
        assert.equal(1, p:apply(function() return 1 end))
        shell.write(wrapper, "#!/bin/sh\nexit 3\n")
        fails("exited with status 1", function() p:apply(function() os.exit(1) end) end)
        local _, _, failures = p:map(function(x) return x end, { 1 })
        assert.truthy(failures[1].message:find("exited with status 3", 1, true), failures[1].message)
        shell.must("rm -r " .. quote(folder))
    end)

    it("says to a person that it is not for them", function()
        local output, status = shell.run(quote(helpers.program) .. " --worker")
        assert.equal(2, status)
        assert.truthy(output:find("'--worker' is for luas itself", 1, true), output)
    end)
end)
