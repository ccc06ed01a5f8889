-- Whatever machine dies, each task ends in exactly one outcome.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local cluster

before_each(function() cluster = clusters.open() end)
after_each(function() cluster:close() end)

-- A script that runs 40 tasks of 30 ms, and does something when a few have ended. Prints how many outcomes of
-- which kind there were, and whether values are right.
local SCRIPT <const> = [[
    local p <close> = pool.new{cluster = cluster.url, lost_after = 1}
    local function slow(x) require("luas.core").sleep(0.03) return x * x end
    local kinds, wrong, seen, n, machines = {value = 0, crash = 0}, 0, {}, 0, {}
    for i, v, o in p:imap_unordered(slow, pool.range(1, 40), {chunk = 1, retries = RETRIES, on_error = "collect"}) do
        n = n + 1
        if seen[i] then wrong = wrong + 1 end
        seen[i] = true
        local kind = o and o.kind or "value"
        kinds[kind] = kinds[kind] + 1
        if kind == "value" and v ~= i * i then wrong = wrong + 1 end
        if o then machines[o.machine] = tostring(o) end
        if n == 6 then os.execute(MISHAP) end
        if n == 12 then os.execute(LATER) end
    end
    print(n, kinds.value, kinds.crash, wrong)
    for _, text in pairs(machines) do print(text) end
]]

local function outcomes(how)
    local text = SCRIPT:gsub("RETRIES", how.retries or 5):gsub("MISHAP", ("%q"):format(how.mishap))
        :gsub("LATER", ("%q"):format(how.later or "true"))
    return cluster:output(text, { seconds = 40 })
end

describe("over agents with retries all tasks have their value when", function()
    it("an agent is killed", function()
        cluster:agent("good", 2)
        local pid = cluster:agent("bad", 2)
        assert.equal("40\t40\t0\t0\n", outcomes { mishap = "kill -9 " .. pid })
    end)

    it("an agent stands still, and goes on later", function()
        cluster:agent("good", 2)
        local pid = cluster:agent("bad", 2)
        assert.equal("40\t40\t0\t0\n", outcomes { mishap = "kill -STOP " .. pid,
            later = ("(sleep 1.5; kill -CONT %d) & sleep 0"):format(pid) })
    end)

    it("an agent is cut off, and its line comes back later", function()
        cluster:agent("good", 2)
        local port = cluster.folder .. "/port"
        local proxy = tonumber(shell.must(("python3 tests/support/proxy.py %s >%s 2>&1 </dev/null & echo $!"):format(
            cluster.port, port)))
        cluster.pids[#cluster.pids + 1] = proxy
        local number = helpers.eventually(helpers.within(5), function() return shell.read(port):match "%d+" end)
        cluster:agent("far", 2, { url = "nats://127.0.0.1:" .. number })
        assert.equal("40\t40\t0\t0\n", outcomes { mishap = "kill -STOP " .. proxy,
            later = ("(sleep 1.5; kill -CONT %d) & sleep 0"):format(proxy) })
    end)

    for what, forget in pairs { ["with its store"] = false, ["without it"] = true } do
        it("the server is killed and starts again " .. what, function()
            cluster:agent("one", 2)
            cluster:agent("two", 1)
            assert.equal("40\t40\t0\t0\n", outcomes { mishap = ("kill -9 %d; sleep 0.2; cd %s; %s (exec nats-server -a 127.0.0.1 -p %s -js -sd js >again.log 2>&1 & echo $! >again)")
                :format(cluster.server, cluster.folder, forget and "rm -rf js;" or "", cluster.port) })
            cluster.pids[#cluster.pids + 1] = tonumber(shell.read(cluster.folder .. "/again"))
        end)
    end

    it("agents come and go", function()
        local pid = cluster:agent("first", 2)
        assert.equal("40\t40\t0\t0\n", outcomes {
            mishap = ("(exec %s --agent %s -j 2 --name second >%s/second.log 2>&1 & echo $! >%s/second)"):format(helpers.program,
                cluster.url, cluster.folder, cluster.folder),
            later = "kill -TERM " .. pid })
        cluster.pids[#cluster.pids + 1] = tonumber(shell.read(cluster.folder .. "/second"))
    end)
end)

describe("without retries", function()
    it("what a machine had begun when it was lost is a crash that names it", function()
        cluster:agent("good", 1)
        local pid = cluster:agent("bad", 1)
        local text = outcomes { retries = 0, mishap = "kill -9 " .. pid }
        local values, crashes = text:match "^40\t(%d+)\t(%d+)\t0\n"
        assert.equal(40, values + crashes)
        assert.is_true(tonumber(crashes) <= 1)
        if crashes == "1" then assert.matches("its machine bad was lost", text) end
    end)
end)

-- Starts a host that a spec kills: it says "begun" when its tasks run.
local function start_host(text)
    local script = helpers.write_script(text:format(cluster.url))
    local log = cluster.folder .. "/host.log"
    local pid = tonumber(shell.must(("%s %s >%s 2>&1 </dev/null & echo $!"):format(helpers.program, script, log)))
    cluster.pids[#cluster.pids + 1] = pid
    assert(helpers.eventually(helpers.within(10), function() return shell.read(log):find "begun" end))
    os.remove(script)
    return pid
end

describe("a host that is killed", function()
    it("leaves nothing that reaches the next one", function()
        cluster:agent("one", 2)
        clusters.kill(start_host [[
            local p = pool.new{cluster = %q, lost_after = 1}
            local f = p:map_async(function(x) require("luas.core").sleep(0.05) return "old" end, pool.range(1, 60), {chunk = 1})
            p:apply(function() end)
            print "begun" io.stdout:flush()
            require("luas.core").sleep(30)]], "KILL")
        assert.equal("20\tnew\n", cluster:output([[
            local p <close> = pool.new{cluster = cluster.url, lost_after = 1}
            local results, n = p:map(function(x) return "new" end, pool.range(1, 20), {chunk = 1})
            local kinds = {}
            for _, v in ipairs(results) do kinds[v] = true end
            print(n, (next(kinds))) assert(next(kinds, (next(kinds))) == nil)]], { seconds = 30 }))
    end)

    it("has all that ran for it ended within a minute, and no task of its begins after", function()
        cluster:agent("one", 2)
        local before = os.time()
        clusters.kill(start_host(([[
            local p = pool.new{cluster = %%q, lost_after = 1}
            local f = p:map_async(function(x)
                local file = assert(io.open("%s/begun." .. x, "w"))
                file:close()
                require("luas.core").sleep(1000)
            end, pool.range(1, 6), {chunk = 1})
            local limit = os.time() + 60
            while not io.open "%s/begun.2" and os.time() < limit do p:step(0.1) end
            print "begun" io.stdout:flush()
            require("luas.core").sleep(1000)]]):format(cluster.folder, cluster.folder)), "KILL")
        local killed = os.time()
        assert.equal("4\tnew\n", cluster:output([[
            local p <close> = pool.new{cluster = cluster.url, lost_after = 1}
            local results, n = p:map(function(x) return "new" end, pool.range(1, 4), {chunk = 1})
            print(n, results[4])]], { seconds = 90 }))
        local took = os.time() - killed
        assert.is_true(took >= 20 and took <= 62 + helpers.within(1), ("%d s, %d s before"):format(took, killed - before))
        local begun = select(2, shell.run(("ls %s/begun.*"):format(cluster.folder)):gsub("begun%.", ""))
        assert.equal(2, begun)
    end)
end)

describe("a server that is killed while agents fetch code", function()
    for what, forget in pairs { ["with its store"] = "", ["without it"] = "rm -rf js;" } do
        it("and starts again " .. what .. " costs no task", function()
            cluster:agent("one", 1)
            cluster:agent("two", 1)
            local restart = ("cd %s; kill -9 $(cat again.pid); %s (exec nats-server -a 127.0.0.1 -p %s -js -sd js -P again.pid >again.log 2>&1 </dev/null &)")
                :format(cluster.folder, forget, cluster.port)
            shell.write(cluster.folder .. "/again.pid", tostring(cluster.server))
            local text, status = cluster:run(([[
                local p <close> = pool.new{cluster = cluster.url, lost_after = 2}
                local core, wrong = require "luas.core", 0
                for i = 1, 5 do
                    local big = ("x"):rep(12000000) .. i
                    local f = p:map_async(function(x) return #big + x, big:sub(-1) end, {1, 2}, {chunk = 1})
                    local moment = core.now() + 0.015 * i
                    while core.now() < moment do p:step(0.005) end
                    os.execute(%q)
                    local r, n = f:get()
                    if n ~= 2 or r[1] ~= 12000002 or r[2] ~= 12000003 then wrong = wrong + 1 end
                end
                print("over", wrong)]]):format(restart), { seconds = 100 })
            cluster.server = tonumber(shell.read(cluster.folder .. "/again.pid"))
            assert.equal("over\t0\n", text)
            assert.equal(0, status)
        end)
    end
end)
