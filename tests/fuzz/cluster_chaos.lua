-- Everything that can happen to a cluster, at random, while a host runs one job after the other: each must
-- have as many outcomes as tasks, each once and right.
--
--   luas tests/fuzz/cluster_chaos.lua [seconds [seed]]      from the tree's root, with LUAS as for the specs

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

local seconds, seed = tonumber(arg[1]) or 60, tonumber(arg[2]) or os.time()
math.randomseed(seed)
print("seed " .. seed)

local HOST <const> = [[
    local core = require "luas.core"
    local finish = core.now() + SECONDS
    local p <close> = pool.new{cluster = cluster.url, key = cluster.key, lost_after = 1}
    print "connected"
    io.stdout:flush()
    local jobs, tasks, retries = 0, 0, 0
    while core.now() < finish do
        local n, salt = math.random(1, 60), math.random(1000)
        local seen, count = {}, 0
        local chunk = math.random(3)
        for i, v, o in p:imap_unordered(function(x)
            require("luas.core").sleep(x % 7 * 0.004)
            return x * salt, ("x"):rep(x % 5 == 0 and 20000 or 1)
        end, pool.range(1, n), {retries = 100, chunk = chunk < 3 and chunk or nil, on_error = "collect"}) do
            assert(not seen[i], "twice: " .. i)
            seen[i], count = true, count + 1
            assert(v == i * salt, tostring(o or v))
        end
        assert(count == n, ("%d of %d outcomes"):format(count, n))
        jobs, tasks = jobs + 1, tasks + n
    end
    local stats = p:stats()
    print(("%d jobs, %d tasks, %d retries"):format(jobs, tasks, stats.retries))
]]

local cluster <close> = setmetatable({ clusters.open { key = true } }, { __close = function(self) self[1]:close() end })
local c = cluster[1]
local names, made = {}, 0

local function join()
    made = made + 1
    local name = "m" .. made
    c:agent(name, math.random(2))
    names[#names + 1] = name
end

local function any() return names[math.random(#names)] end

local mishaps = {
    join = function() if #names < 4 then join() end end,
    kill = function()
        local name = any()
        clusters.kill(c.agents[name], "KILL")
        for i = #names, 1, -1 do if names[i] == name then table.remove(names, i) end end
        join()
    end,
    leave = function()
        local name = table.remove(names, math.random(#names))
        clusters.kill(c.agents[name], "TERM")
        join()
    end,
    stop = function()
        local pid = c.agents[any()]
        clusters.kill(pid, "STOP")
        helpers.sleep(math.random() * 2)
        clusters.kill(pid, "CONT")
    end,
    server = function()
        clusters.kill(c.server, "KILL")
        helpers.sleep(math.random() * 0.5)
        c:serve(math.random() < 0.5)
    end,
}
local kinds = {}
for kind in pairs(mishaps) do kinds[#kinds + 1] = kind end
table.sort(kinds)

for _ = 1, 3 do join() end
local script = helpers.write_script(("cluster = { url = %q, key = %q } "):format(c.url, c.key) .. HOST:gsub("SECONDS", seconds))
local log = c.folder .. "/host.log"
local pid = tonumber(shell.must(("%s %s >%s 2>&1 </dev/null & echo $!"):format(helpers.program, script, log)))
c.pids[#c.pids + 1] = pid
-- A host that finds no server at its start has an error, and that is right.
helpers.eventually(helpers.within(20), function() return shell.read(log):find "connected" or not helpers.alive(pid) end)
local finish = os.time() + seconds
while os.time() < finish and helpers.alive(pid) do
    local kind = kinds[math.random(#kinds)]
    mishaps[kind]()
    helpers.sleep(math.random() * 1.5)
end
for _, name in ipairs(names) do clusters.kill(c.agents[name], "CONT") end
local left = helpers.survivors({ pid }, helpers.within(30))
os.remove(script)
print(shell.read(log))
assert(#left == 0, "the host hangs")
assert(shell.read(log):find "%d+ jobs, %d+ tasks", "the host has failed")
