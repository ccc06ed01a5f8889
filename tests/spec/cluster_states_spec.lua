-- Whatever state a chunk of tasks is in at an agent, and whatever happens then, each task ends, in the way that is
-- right. The agents are of this spec (tests/support/agent.lua), so each state lasts as long as it is wanted.

local clusters = require "tests.support.cluster"
local shell = require "tests.support.shell"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local cluster

setup(function()
    cluster = clusters.open { key = true }
    shell.write(cluster.folder .. "/server.pid", tostring(cluster.server))
end)
teardown(function() if cluster then cluster:close() end end)

-- Brings a chunk of two tasks into a state, has something happen, and prints what became of them.
local SCRIPT <const> = [[
    local agents, core = require "tests.support.agent", require "luas.core"
    local STATE, EVENT = %q, %q
    local url = cluster.url .. "/" .. STATE .. EVENT
    local p = pool.new{cluster = url, key = cluster.key, lost_after = 0.5}
    local bad = agents.new(url, cluster.key, "bad")
    local all = {bad}

    local function go_on(seconds, is_over)
        local limit = core.now() + seconds
        while not is_over() and core.now() < limit do
            for _, a in ipairs(all) do a:step() end
            if not p.closed_here then p:step(0.01) end
        end
        return is_over()
    end

    bad.alive = true
    bad:say()
    go_on(20, function() return p:size() == 1 and next(p:stats().machines) ~= nil end)
    local options = {chunk = 2, on_error = "collect", deadline = EVENT == "deadline" and 0.5 or nil}
    local items, failing = {10, 20}, nil
    if EVENT:find "^halt" then -- a chunk before it, whose tasks will fail where another agent has it
        options.halt = {n = 2, now = EVENT == "halt_now"}
        items = {1, 2, 10, 20}
        failing = agents.new(url, cluster.key, "failing")
        failing.alive = true
        all[#all + 1] = failing
        failing:say()
        failing:pull()
    end
    local f = p:map_async(function(x) return 2 * x end, items, options)

    local function reach(what, is_there) assert(go_on(20, is_there), "never " .. what) end
    if failing then
        reach("pulled by the failing one", function() return failing.chunk end)
        failing:ask()
        reach("granted to the failing one", function() return failing.granted end)
    end
    if STATE ~= "offered" then
        bad:pull()
        reach("pulled", function() return bad.chunk end)
    end
    if STATE == "granted" or STATE == "sent" then
        bad:ask()
        reach("granted", function() return bad.granted end)
    end
    if STATE == "sent" then bad:send{blob = 77} end
    go_on(0.1, function() return false end)

    local function help() -- somebody who does it
        local good = agents.new(url, cluster.key, "good")
        good.alive, good.honest = true, true
        all[#all + 1] = good
        good:say()
        good:pull()
    end
    if EVENT == "cancel" then f:cancel() end
    if EVENT == "close" then p:terminate() p:close() p.closed_here = true end
    if EVENT == "silence" then bad.alive = false help() end
    if EVENT == "goodbye" then bad.alive = false bad:say(true) help() end
    if EVENT == "refusal" then bad:send{why = "cannot run it"} end
    if EVENT == "unasked" then bad:send(bad:answers()) bad.alive = false help() end
    if EVENT == "nonsense" then bad:send("\0\1\2nonsense") end
    if failing then
        local error = {kind = "error", message = "no"}
        failing:send({error, error})
        local function failures() return p:stats().errors end
        reach("failed", function() return failures() == 2 end)
        go_on(0.2, function() return false end)
        if EVENT == "halt" and (STATE == "granted" or STATE == "sent") then bad:send(bad:answers()) end
    end
    if EVENT == "restart" then
        os.execute(%q)
        if STATE == "offered" or STATE == "pulled" then bad.alive = false help() end
        local at = core.now() + 2
        go_on(20, function() return f:ready() or core.now() > at end)
        if not f:ready() and bad.alive then bad:send(bad:answers()) end
    end

    local over = go_on(30, function() return f:ready() end)
    if not over then print "it hangs" os.exit(1) end
    local ok, results, n, failures = pcall(f.get, f, 1)
    if not ok then return print(tostring(results)) end
    for i = #items - 1, n do
        local o = failures and failures[i]
        print(o and o.kind or results[i], o and o.machine)
    end
]]

-- A word for both tasks: values, cancelled, or a crash there.
local VALUES <const>, CANCELLED <const> = "20\tnil\n40\tnil\n", "cancelled\tnil\ncancelled\tnil\n"
local CRASHES <const> = "crash\tbad\ncrash\tbad\n"

local expected = {
    offered = { halt = CANCELLED, halt_now = CANCELLED, cancel = CANCELLED, deadline = CANCELLED, close = CANCELLED, silence = VALUES, goodbye = VALUES, restart = VALUES },
    pulled = { halt = CANCELLED, halt_now = CANCELLED, unasked = VALUES, cancel = CANCELLED, deadline = CANCELLED, close = CANCELLED, silence = VALUES, goodbye = VALUES, restart = VALUES },
    granted = { halt = VALUES, halt_now = CANCELLED, cancel = CANCELLED, deadline = CANCELLED, close = CANCELLED, silence = CRASHES, goodbye = CRASHES, restart = VALUES,
        refusal = CRASHES, nonsense = CRASHES },
    sent = { halt = VALUES, halt_now = CANCELLED, cancel = CANCELLED, deadline = CANCELLED, close = CANCELLED, silence = CRASHES, goodbye = CRASHES, restart = VALUES },
}

-- Kills the server, which forgets all, and starts it again.
local function restart()
    return ("kill -9 $(cat server.pid); sleep 0.1; rm -rf js; (exec nats-server -a 127.0.0.1 -p %s -js -sd js -P server.pid >again.log 2>&1 </dev/null & )")
        :format(cluster.port)
end

for state, events in pairs(expected) do
    for event, outcomes in pairs(events) do
        it(("a chunk that is %s ends well after %s"):format(state, event), function()
            local text = cluster:run(SCRIPT:format(state, event, ("cd %s; %s"):format(cluster.folder, restart())), { seconds = 60 })
            cluster.server = tonumber(shell.read(cluster.folder .. "/server.pid"))
            assert.equal(outcomes, text)
        end)
    end
end
