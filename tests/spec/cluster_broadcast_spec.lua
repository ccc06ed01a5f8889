-- A broadcast over a cluster: once in each worker of each agent.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local cluster

setup(function()
    cluster = clusters.open { key = true }
    cluster:agent("alpha", 3)
    cluster:agent("beta", 1)
end)

teardown(function() if cluster then cluster:close() end end)

local OPEN <const> = [[
    local p <close> = pool.new{cluster = cluster.url, key = cluster.key}
    local function pid() return process.current().pid end
    local function distinct(results)
        local seen, n = {}, 0
        for _, v in pairs(results) do n = n + (seen[v] and 0 or 1) seen[v] = true end
        return n
    end
]]

helpers.each_interpreter(function(by)
    describe("a broadcast over agents, under " .. by, function()
        local function prints(expected, text)
            local output, status = cluster:run(OPEN .. text, { by = by, seconds = 40 })
            assert.equal(expected, output)
            assert.equal(0, status)
        end

        it("runs once in each of their workers, again and again", function()
            prints("4\n", [[
                for _ = 1, 20 do
                    local results, n = p:broadcast(pid)
                    if n ~= 4 or distinct(results) ~= 4 then print(n, distinct(results)) end
                end
                print(p:size())]])
        end)

        it("waits for workers that are busy, and leaves what it sets up to the tasks that follow", function()
            prints("4\ntrue\n42\t4\n", [[
                local naps = p:map_async(function(s) require("luas.core").sleep(s) end, {0.3, 0.3, 0.3, 0.3, 0.1, 0.1}, {chunk = 1})
                print(select(2, p:broadcast(function(a, b) answer = a + b end, 40, 2)))
                naps:get()
                print(naps:successful())
                local results = p:map(function() return answer end, pool.range(1, 40), {chunk = 1})
                local sum = 0
                for i = 1, 40 do sum = sum + (results[i] == 42 and 1 or 0) end
                print(results[1], sum // 10)]])
        end)

        it("fails as it does here, and says where", function()
            prints("false\t5\n4\tcrash\t3\t4\ntrue\n4\n", [[
                local ok, o = pcall(p.broadcast, p, function() error({code = 5}) end)
                print(ok, o.value.code)
                local _, n, failures = p:with{on_error = "collect"}:broadcast(os.exit, 3)
                local machines, count = {}, 0
                for i = 1, n do
                    machines[failures[i].machine] = (machines[failures[i].machine] or 0) + 1
                    count = count + (failures[i].exitcode == 3 and 1 or 0)
                end
                print(n, failures[1].kind, machines.alpha, count)
                print(machines.beta == 1)
                print(distinct((p:broadcast(pid))))]])
        end)

        it("that crashes starts again in the worker that takes the place of each", function()
            prints("4\t4\n4\n3\terror\n", [[
                local function second() if pool.task.attempt < 2 then os.exit(1) end return pid() end
                local results, n = p:with{retries = 1}:broadcast(second)
                print(n, distinct(results))
                local again = p:with{retries = {n = 2, on = "error"}}:broadcast(function()
                    if pool.task.attempt < 3 then error "again" end
                    return pid()
                end)
                print(#again) -- which worker has the next start is the pool's affair, as it is here
                local _, _, failures = p:with{retries = {n = 2, on = "any"}, on_error = "collect"}:broadcast(function() error "x" end)
                print(failures[4].attempts, failures[4].kind)]])
        end)

        it("comes after init, has the text of what is printed, and a large argument", function()
            prints("4\tready 1\n4\tseen x\n3000000\t4\n", [[
                local q <close> = pool.new{cluster = cluster.url, key = cluster.key, output = "capture",
                    init = function() state, times = "ready", (times or 0) + 1 end}
                local words, n = q:broadcast(function() return state .. " " .. times end)
                local same = 0
                for i = 1, n do same = same + (words[i] == "ready 1" and 1 or 0) end
                print(same, words[1])
                local _, _, _, printed = q:broadcast(function(x) print("seen " .. x) end, "x")
                local seen = 0
                for i = 1, 4 do seen = seen + (printed[i] == "seen x\n" and 1 or 0) end
                io.write(seen, "\t", printed[1])
                local big = ("x"):rep(3000000)
                local lengths = p:broadcast(function(s) return #s end, big)
                print(lengths[4], #lengths)]])
        end)

        it("tells each task its index, and has the options of the pool", function()
            prints("1 2 3 4\ntimeout\t4\ncancelled\n", [[
                print(table.concat(p:broadcast(function() return pool.task.index end), " "))
                local function spin() while true do end end
                local _, n, late = p:with{timeout = 0.3, on_error = "collect"}:broadcast(spin)
                print(late[2].kind, n)
                local _, _, over = p:with{deadline = 0.3, on_error = "collect"}:broadcast(spin)
                print(over[3].kind)]])
        end)
    end)
end)

-- A command of sh that starts another agent of the cluster.
local function starting(other, name, slots)
    return ("(exec %s --agent %s -j %d --name %s >%s/%s.log 2>&1 </dev/null & echo $! >%s/%s)"):format(
        helpers.program, other.url, slots, name, other.folder, name, other.folder, name)
end

-- What a script prints that starts the agent of this name. Then the cluster is closed, with that agent.
local function output_with(other, script, name)
    local ok, text = pcall(other.output, other, script, { seconds = 90 })
    local file = io.open(other.folder .. "/" .. name)
    if file then
        other.pids[#other.pids + 1] = file:read "n"
        file:close()
    end
    other:close()
    return ok, text
end

describe("a broadcast over agents", function()
    it("is for those that are there: one that comes later has not seen it, and one that goes is a crash", function()
        local other = clusters.open()
        other:agent("first", 1)
        local ok, text = output_with(other, ([[
            local core = require "luas.core"
            local p <close> = pool.new{cluster = cluster.url, lost_after = 1}
            p:broadcast(function() seen = true end)
            os.execute(%q)
            local limit = core.now() + 60
            while p:size() < 2 and core.now() < limit do p:step(0.1) end
            print(p:size())
            local _, words = p:map(function() end, {1}), {}
            for _, v in ipairs((p:broadcast(function() return tostring(seen) end))) do words[#words + 1] = v end
            print(table.concat(words, " "))
            local _, n, failures = p:with{on_error = "collect", retries = 3}:broadcast(function(parent)
                require("luas.core").sleep(0.3)
                if seen then os.execute("kill -9 " .. parent) end
                return "there"
            end, %d)
            print(n, failures[1].kind, failures[1].machine, failures[2], tostring(failures[1]):find("its machine first", 1, true) ~= nil)
        ]]):format(starting(other, "second", 1), other.agents.first), "second")
        assert.is_true(ok, text)
        assert.equal("2\ntrue nil\n2\tcrash\tfirst\tnil\ttrue\n", text)
    end)

    it("waits for the first agent, and not longer than its deadline", function()
        local other = clusters.open()
        local ok, text = output_with(other, ([[
            local p <close> = pool.new{cluster = cluster.url}
            local _, _, failures = p:with{deadline = 0.3, on_error = "collect"}:broadcast(function() end)
            print(failures[1].kind)
            os.execute(%q)
            print(select(2, p:broadcast(function() end)))
        ]]):format(starting(other, "late", 2)), "late")
        assert.is_true(ok, text)
        assert.equal("cancelled\n2\n", text)
    end)
end)
