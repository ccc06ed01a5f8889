-- A task that ends each machine that runs it ends itself, in time.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local cluster

setup(function() cluster = clusters.open() end)

teardown(function()
    shell.write(cluster.folder .. "/stop", "")
    for _, name in ipairs { "one", "two" } do
        local pid = tonumber(shell.read(cluster.folder .. "/" .. name .. ".pid"))
        if pid then clusters.kill(pid, "KILL") end
    end
    cluster:close()
end)

-- An agent that starts again whenever it is killed, as a service does.
local LOOP <const> = [[
while [ ! -e stop ]; do
    %s --agent %s -j 2 --name %s >%s.log 2>&1 </dev/null & echo $! >%s.pid; wait
done
]]

local function keep_agent(name)
    local script = cluster.folder .. "/" .. name .. ".sh"
    shell.write(script, LOOP:format(helpers.program, cluster.url, name, name, name))
    local pid = shell.must(("cd %s && (exec sh %s.sh >/dev/null 2>&1 </dev/null & echo $!)"):format(cluster.folder, name))
    cluster.pids[#cluster.pids + 1] = tonumber(pid)
end

describe("a task that kills each machine that has it", function()
    it("is a crash that names them, though it may start much more often, and the others have their values", function()
        keep_agent "one"
        keep_agent "two"
        local text = cluster:output([[
            local p <close> = pool.new{cluster = cluster.url, lost_after = 1}
            local function is_agent(pid)
                local file = io.open("/proc/" .. pid .. "/cmdline")
                local words = file and file:read "a" or ""
                if file then file:close() end
                return words:find("--agent", 1, true)
            end
            local function parent(pid)
                local file = io.open("/proc/" .. pid .. "/status")
                local words = file and file:read "a" or ""
                if file then file:close() end
                return tonumber(words:match "PPid:%s*(%d+)")
            end
            local function work(x)
                if x ~= 5 then return 2 * x end
                local pid = process.current().pid
                while is_agent(parent(pid)) do pid = parent(pid) end
                os.execute("kill -9 " .. pid)
                require("luas.core").sleep(60)
            end
            local r, n, failures = p:map(work, {1, 2, 3, 4, 5, 6, 7, 8}, {retries = 100, chunk = 4, on_error = "collect"})
            local failed = 0
            for i = 1, n do
                if failures[i] then failed = failed + 1 elseif r[i] ~= 2 * i then print("wrong", i) end
            end
            local o = failures[5]
            print(n, failed, o.kind, o.attempts, o.input)
            print(o)]], { seconds = 100 })
        assert.matches("^8\t1\tcrash\t6\t5\n", text)
        local names = text:match "its machine %a+ was lost: .*, after 5 others with the same task: ([%a, ]+)"
        assert.is_truthy(names, text)
        for name in names:gmatch "%a+" do assert.is_true(name == "one" or name == "two", text) end
    end)
end)
