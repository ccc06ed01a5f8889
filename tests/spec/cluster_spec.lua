-- The verbs over agents on other machines do what they do with workers of this one.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local cluster
local OPEN <const> = "local p <close> = pool.new{cluster = cluster.url, key = cluster.key} "

setup(function()
    cluster = clusters.open { key = true }
    cluster:agent("alpha", 2)
    cluster:agent("beta", 1)
end)

teardown(function() if cluster then cluster:close() end end)

helpers.each_interpreter(function(by)
    describe("over agents, under " .. by, function()
        local function prints(expected, text)
            local output, status = cluster:run(OPEN .. text, { by = by, seconds = 30 })
            assert.equal(expected, output)
            assert.equal(0, status)
        end

        it("all verbs give what they give here", function()
            prints("3\t4\n4\t9\t16\n2\t3\n6\n10\n1\t2\n2\t4\n5\n5050\n7\n3\n", [[
                local function square(x) return x * x end
                print(p:size(), select(2, p:map(square, {2, 3, 4, 5})))
                print(table.unpack((p:map(square, {2, 3, 4}))))
                print(p:apply(function(...) return ... end, 2, 3))
                print(p:apply_async(function(a, b) return a * b end, 2, 3):get())
                print(p:starmap(function(a, b) return a + b end, {{4, 6}})[1])
                for i, v in p:imap(function(x) return 2 * x end, pool.range(1, 2)) do print(i, v) end
                local sum = 0
                for _, v in p:imap_unordered(square, {1, 2}) do sum = sum + v end
                print(sum)
                print(p:reduce(function(x) return x end, pool.range(1, 100), function(a, b) return a + b end))
                print(p:each(square, pool.range(1, 7)))
                print(select(2, p:map_async(square, {1, 2, 3}):get()))]])
        end)

        it("functions, classes and values arrive as they were", function()
            prints("11\ttrue\ttrue\n1\t1.0\t-0.0\ttrue\tnil\t5\nx\tfunction\n7\n", [[
                local Point = {} Point.__index = Point
                function Point.add(a, b) return setmetatable({x = a.x + b}, Point) end
                local offset, counted = 10, 0
                local made = p:apply(function(a) return a:add(offset), getmetatable(a) == Point end, setmetatable({x = 1}, Point))
                local _, same = p:apply(function(a) return a, getmetatable(a) == Point end, setmetatable({x = 1}, Point))
                print(made.x, getmetatable(made) == Point, same)
                local t = p:apply(function(t) return t end, table.pack(1, 1.0, -0.0, 0/0, nil, 5))
                print(t[1], t[2], t[3], t[4] ~= t[4], t[5], t[6])
                local s, f = p:apply(function() return "x", function(y) return y + 1 end end)
                print(s, type(f)) print(f(6))]])
        end)

        it("a source may give anything, and what breaks it is raised with its traceback", function()
            prints("number.nil number.nil table.nil string.nil number.five boolean.nil number.nil\n3\nfalse\ttrue\ttrue\nfalse\ttrue\n49\n", [[
                local function source(...)
                    local list, n = table.pack(...), 0
                    return function() n = n + 1 return table.unpack(list[n] or {}) end
                end
                local kinds = p:map(function(a, b) return type(a) .. "." .. tostring(b) end, source({1}, {2.5}, {{}}, {"s"}, {5, "five"}, {false}, {7}))
                print(table.concat(kinds, " "))
                print(select(2, p:map(function(x) return x end, pool.iter(ipairs({5, 6, 7})))))
                local n, done = 0, 0
                local function breaks() n = n + 1 if n == 50 then error("broke", 0) end return n end
                local ok, o = pcall(p.map, p, function(x) return x end, breaks)
                print(ok, tostring(o):find("broke", 1, true) ~= nil, tostring(o):find("49 results kept", 1, true) ~= nil)
                ok, o = pcall(p.map, p, function(x) return x end, source({1}, {coroutine.create(print)}))
                print(ok, tostring(o):find("item 2, a coroutine cannot be sent", 1, true) ~= nil)
                n = 0
                pcall(function() for _ in p:imap(function(x) return x end, breaks) do done = done + 1 end end)
                print(done)]])
        end)

        it("each outcome is one of the five, and names its input", function()
            prints("6\n2 error 20 no 20 1 true\n3 crash 30 true\n4 timeout 40 true\n5 error 50 table true\n6 error 60 true true\n", [[
                local function line(...) print(table.concat(table.pack(...), " ")) end
                local _, n, failures = p:map(function(x)
                    if x == 20 then error("no " .. x, 0) end
                    if x == 30 then os.exit(3) end
                    if x == 40 then while true do end end
                    if x == 50 then error({code = 5}) end
                    if x == 60 then return coroutine.create(print) end
                    return x
                end, {10, 20, 30, 40, 50, 60}, {on_error = "collect", timeout = 2})
                print(n)
                local o = failures[2]
                line(2, o.kind, o.input, o.message, o.attempts, tostring(o.machine == "alpha" or o.machine == "beta"))
                o = failures[3] line(3, o.kind, o.input, tostring(o.exitcode == 3))
                o = failures[4] line(4, o.kind, o.input, tostring(o.limit == 2))
                o = failures[5] line(5, o.kind, o.input, type(o.value), tostring(o.value.code == 5))
                o = failures[6] line(6, o.kind, o.input, tostring(o.value == o.message), tostring(o.message:find "coroutine" ~= nil))]])
        end)
    end)
end)

describe("over agents", function()
    local function output(text) return cluster:output(OPEN .. text, { seconds = 30 }) end

    it("a failure is raised, with the traceback of the task alone", function()
        local text = output [[
            local ok, o = pcall(p.map, p, function(x)
                local function inner() error("deep") end
                inner()
            end, {1, 2})
            print(ok, o.index, o.kind) print(o.traceback) print(tostring(o))]]
        assert.matches("^false\t1\terror\n", text)
        assert.matches("in upvalue 'inner'\n", text:gsub("local 'inner'", "upvalue 'inner'"))
        assert.is_nil(text:find("luas/", 1, true))
        assert.matches("%[%a+ %d, pid %d+%]", text)
    end)

    it("retries start a task again, and say which start it is", function()
        assert.equal("3\t3\n1\tcrash\t2\nerror\t4\n", output [[
            local function third() if pool.task.attempt < 3 then os.exit(1) end return pool.task.attempt end
            print(p:map(third, {1, 2, 3}, {retries = 2})[2], p:with{retries = {n = 3, delay = 0.01}}:apply(third))
            local _, _, f = p:map(function() os.exit(1) end, {1}, {retries = 1, on_error = "collect"})
            print(f[1].index, f[1].kind, f[1].attempts)
            local _, _, g = p:map(function() error "x" end, {1}, {retries = {n = 3, on = function(o) return o.kind == "error" end}, on_error = "collect"})
            print(g[1].kind, g[1].attempts)]])
    end)

    it("seed, halt, chunk, limit, deadline and priority count", function()
        assert.equal("true\ntrue\n10\ntrue\ttrue\n1\ttrue\n", output [[
            local function draw() return math.random(1 << 40) end
            local one, two = p:map(draw, {1, 2, 3}, {seed = 7}), p:map(draw, {1, 2, 3}, {seed = 7, chunk = 2})
            print(one[1] == two[1] and one[2] == two[2] and one[3] == two[3] and one[1] ~= one[2])
            local _, n, failures = p:map(function(x) error(x, 0) end, pool.range(1, 200), {halt = 2, chunk = 1, on_error = "collect"})
            local cancelled = 0
            for i = 1, n do if failures[i] and failures[i].kind == "cancelled" then cancelled = cancelled + 1 end end
            print(n < 200 or cancelled > 100)
            print(#p:map(function(x) return x end, pool.range(1, 10), {limit = {n = 1}}))
            local t = os.time()
            local _, _, late = p:map(function() local e = os.clock() + 60 while os.clock() < e do end end, {1, 2, 3, 4, 5}, {deadline = 0.5, on_error = "collect"})
            print(late[1].kind == "cancelled" or late[1].kind == "timeout", late[5].kind == "cancelled" and os.time() - t < 20)
            local f = p:apply_async(function() while true do end end)
            print(p:apply(function() return 1 end), f:cancel() ~= nil and not f:successful())]])
    end)

    it("a deadline that comes while agents time out leaves no task without an outcome", function()
        assert.equal("100\t100\n", output [[
            local function spin() while true do end end
            local n, over = 0, 0
            for _ = 1, 20 do
                local _, m, failures = p:map(spin, {1, 2, 3, 4, 5}, {deadline = 0.1, on_error = "collect"})
                for i = 1, m do if failures[i].kind == "cancelled" then over = over + 1 end end
                n = n + m
            end
            print(n, over)]])
    end)

    it("what is cancelled while its code is fetched never runs", function()
        assert.equal("done\n", output [[
            local big = ("x"):rep(2000000)
            for i = 1, 6 do
                local f = p:apply_async(function() while #big > 0 do end return i end)
                p:apply(tostring, i)
                f:cancel()
            end
            p:map(function(x) return x end, {1, 2, 3, 4, 5, 6, 7, 8}, {chunk = 1})
            print "done"]])
    end)

    it("init runs once in each worker before its first task", function()
        assert.equal("db\t1\nfalse\ttrue\n", cluster:output([[
            local q <close> = pool.new{cluster = cluster.url, key = cluster.key, init = function() db, n = "db", (n or 0) + 1 end}
            local most = 0
            for _, _, v in q:imap(function() return db, n end, pool.range(1, 50)) do most = math.max(most, v) end
            print(q:apply(function() return db end), most)
            local r <close> = pool.new{cluster = cluster.url, key = cluster.key, init = function() error "broken" end}
            local ok, o = pcall(r.map, r, function() end, {1})
            print(ok, tostring(o):find "init: .*broken" ~= nil)]], { seconds = 30 }))
    end)

    it("what tasks print comes out here, or is captured", function()
        assert.equal("hello\nprinted 1\ntrue\n", output [[
            p:apply(function() print "hello" end)
            local q <close> = pool.new{cluster = cluster.url, key = cluster.key, output = "capture"}
            local _, _, _, printed = q:map(function(x) print("printed " .. x) end, {1})
            io.write(printed[1])
            print(#p:map(function(x) return x end, {1}) == 1)]])
    end)

    it("values and functions larger than a message go in parts", function()
        assert.equal("6000000\t3000000\t2500000\n", output [[
            local big, far = ("x"):rep(3000000), ("y"):rep(2500000)
            local doubled, length, kept = p:apply(function(s) return s .. s, #s, #far end, big)
            print(#doubled, length, kept)]])
    end)

    it("what must be inherited is refused by name, with the remedy", function()
        local text = output [[
            local file, q = io.tmpfile(), shared.queue()
            print(pcall(p.map, p, function() return file end, {1}))
            print(pcall(p.map, p, function() return q end, {1}))
            print(pcall(p.map, p, function(x) return x end, {q}))
            print(pcall(p.map, p, print, {1}, {carry = "inherit"}))
            print(pcall(p.resize, p, 3))
            for _, o in ipairs {"workers", "exit", "memory", "keep_files"} do
                print(pcall(pool.new, {cluster = cluster.url, key = cluster.key, [o] = ({workers = 2, exit = print, memory = "10M", keep_files = true})[o]}))
            end
            print(p:apply(function() return "unharmed" end))]]
        local lines = {}
        for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
        assert.matches("upvalue 'file'.*nothing is inherited: make it in init, or in the task$", lines[1])
        assert.matches("upvalue 'q'.*shared.queue: other machines do not have this machine's memory", lines[2])
        assert.matches("item 1.*shared.queue: other machines", lines[3])
        assert.matches('carry = "inherit"', lines[4])
        assert.matches("cannot be resized", lines[5])
        for i = 6, 9 do assert.matches("is about workers of this machine", lines[i]) end
        assert.equal("unharmed", lines[10])
    end)

    it("a module that an agent cannot have is named, with the machine", function()
        local text = output [[
            package.preload.only_here = function() return {f = function() return 1 end} end
            local m = require "only_here"
            local ok, o = pcall(p.apply, p, function() return m.f() end)
            print(ok, o.kind, o.machine, o)]]
        assert.matches("^false\terror\talpha\t.*module 'only_here'", text:gsub("beta", "alpha"))
    end)

    it("modules in Lua that an agent lacks, or has with other content, are sent, or named", function()
        local mine = cluster.folder .. "/mine"
        shell.must("mkdir -p " .. mine)
        shell.write(mine .. "/far.lua", "local near = require 'near' return {name = function() return 'far ' .. near.name() end}")
        shell.write(mine .. "/near.lua", "return {name = function() return 'of the host' end}")
        shell.write(cluster.folder .. "/near.lua", "return {name = function() return 'of the agent' end}") -- it is in that folder
        local text = cluster:output([[
            package.path = cluster.folder .. "/mine/?.lua;" .. package.path
            local far, near = require "far", require "near"
            local function names() return far.name(), near.name() end
            for _, how in ipairs {"send", "check", "require"} do
                local q <close> = pool.new{cluster = cluster.url, key = cluster.key, modules = how}
                for _, f in ipairs {names, function() return near.name() end} do
                    local ok, v, w = pcall(q.apply, q, f)
                    print(how, ok, (tostring(v):gsub("\n.*", "")), w)
                end
            end
            local q <close> = pool.new{cluster = cluster.url, key = cluster.key, init = function() word = far.name() end}
            print(q:apply(function() return word end))]], { seconds = 60 })
        os.remove(cluster.folder .. "/near.lua")
        local lines = {}
        for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
        assert.equal("send\ttrue\tfar of the host\tof the host", lines[1])
        assert.equal("send\ttrue\tof the host\tnil", lines[2])
        assert.matches("^check\tfalse\t.*its machine %a+ has %a+ module '%a+'", lines[3])
        assert.matches("^check\tfalse\t.*its machine %a+ has another module 'near'", lines[4])
        assert.matches("^require\tfalse\t.*far", lines[5])
        assert.equal("require\ttrue\tof the agent\tnil", lines[6])
        assert.equal("far of the host", lines[7])
    end)

    it("asynchronous jobs go on while the host does something else", function()
        assert.equal("true\n", output [[
            local f = p:map_async(function(x) return x end, pool.range(1, 60), {chunk = 1})
            local core = require "luas.core"
            local t = core.now()
            os.execute "sleep 1.5"
            local before = core.now()
            f:get()
            print(core.now() - before < 0.75)]])
    end)

    it("stats count by machine", function()
        local text = output [[
            p:map(function(x) local e = os.clock() + 0.01 while os.clock() < e do end end, pool.range(1, 60), {chunk = 1})
            local stats = p:stats()
            local sum = 0
            for name, m in pairs(stats.machines) do sum = sum + m.tasks print(name, m.slots, m.tasks > 0) end
            print(sum, stats.tasks, stats.values)]]
        assert.matches("alpha\t2\ttrue\n", text)
        assert.matches("beta\t1\ttrue\n", text)
        assert.matches("60\t60\t60\n$", text)
    end)

    it("the program and the environment choose it for pools that say no number", function()
        local script = helpers.write_script "for _ = 1, 1000 do if pool.size() == 3 then break end pool.apply(tostring, 1) end print(pool.size(), pool.apply(function() return 5 end), pool.new(1):size())"
        local options = ("--cluster %s --key %s"):format(cluster.url, cluster.key)
        assert.equal("3\t5\t1\n", shell.must(("%s %s %s"):format(helpers.program, options, script)))
        assert.equal("3\t5\t1\n", shell.must(("LUAS_CLUSTER=%s LUAS_KEY=%s %s %s"):format(cluster.url, cluster.key,
            helpers.program, script)))
        os.remove(script)
    end)

    it("luas --agents says who is there", function()
        local text = shell.must(("%s --agents %s --key %s"):format(helpers.program, cluster.url, cluster.key))
        assert.matches("NAME +SLOTS +RUNNING +DONE +SINCE +LUA\n", text)
        assert.matches("\nalpha +2 +0 +%d+ +%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d +Lua 5%.4%.%d\nbeta +1 ", text)
    end)
end)
