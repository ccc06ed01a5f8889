-- Nobody without the key, and the rights, has anything run or reads anything.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local quote = shell.quote
local program = quote(helpers.program)

-- Somebody who may read and write whatever goes through the server, without the key: `spy.seen` has each message
-- under its subject.
local SPY <const> = [[
    local tools = require "luas.core".cluster_tools()
    local spy = {seen = {}, link = tools.link{url = cluster.url}}
    spy.link:listen("lp.>", "P")
    function spy.look(seconds)
        spy.link:wait(seconds or 0.3)
        for kind, _, _, _, _, body, _, _, _, subject in function() return spy.link:next() end do
            if kind == "P" then spy.seen[#spy.seen + 1] = {subject = subject, body = body} end
        end
    end
    function spy.find(letter)
        for _, m in ipairs(spy.seen) do if m.subject:find("^lp%.luas%." .. letter .. "%.") then return m end end
    end
]]

describe("a cluster with a key", function()
    local cluster

    setup(function()
        cluster = clusters.open { key = true }
        cluster:agent("one", 1)
        shell.must(("%s --make-key %s/other"):format(program, quote(cluster.folder)))
    end)
    teardown(function() cluster:close() end)

    local function output(text) return cluster:output(SPY .. text, { seconds = 30 }) end

    it("shows nothing of tasks and results to who owns the server", function()
        assert.equal("secret 5\ttrue\ttrue\tfalse\n", output [[
            local p <close> = pool.new{cluster = cluster.url, key = cluster.key}
            print(p:apply(function(x) return "secret " .. x end, 5), (function()
                for _ = 1, 50 do
                    spy.look(0.1)
                    if spy.find "t" and spy.find "r" then break end
                end
                local found
                for _, m in ipairs(spy.seen) do found = found or m.body:find("secret", 1, true) end
                return spy.find "t" ~= nil, spy.find "r" ~= nil, found or false
            end)())]])
    end)

    it("runs nothing without the key, or with another one", function()
        assert.equal("timeout\ttimeout\n5\n", output [[
            local function try(key)
                local p <close> = pool.new{cluster = cluster.url, key = key}
                local f = p:apply_async(function() os.execute("touch " .. cluster.folder .. "/broken-in") end)
                local ok, o = pcall(f.get, f, 0.6)
                f:cancel()
                return o.kind
            end
            print(try(nil), try(cluster.folder .. "/other"))
            print(pool.new{cluster = cluster.url, key = cluster.key}:apply(function() return 5 end))]])
        assert.is_false(pcall(shell.read, cluster.folder .. "/broken-in"))
        local text, status = shell.run(("%s --agents %s --key %s/other"):format(program, cluster.url, cluster.folder))
        assert.equal(1, status)
        assert.matches("no agent is at", text)
    end)

    it("runs no task twice that is played again, and takes no result that is changed", function()
        assert.equal("6\n1\n3\ttrue\n", output [[
            local p <close> = pool.new{cluster = cluster.url, key = cluster.key}
            local path = cluster.folder .. "/ran"
            local function run(x)
                local file <close> = io.open(path, "a")
                file:write(x, "\n")
                return 2 * x
            end
            print(p:apply(run, 3)) -- spied on
            for _ = 1, 5 do spy.look(0.1) end
            local t, r = spy.find "t", spy.find "r"
            for i = 1, 20 do
                spy.link:post(t.subject, nil, t.body)
                spy.link:post(r.subject, nil, r.body)
                local at = 30 + i
                spy.link:post(r.subject, nil, r.body:sub(1, at - 1) .. string.char(r.body:byte(at) ~ 1) .. r.body:sub(at + 1))
            end
            p:step(0.5)
            local n = 0
            for _ in io.lines(path) do n = n + 1 end
            print(n)
            print(p:apply(function() return 3 end), p:stats().tasks == 2)]])
    end)

    it("goes on under ten thousand messages of noise, and too large ones are refused", function()
        local text = output [[
            local p <close> = pool.new{cluster = cluster.url, key = cluster.key}
            local f = p:map_async(function(x) return x end, pool.range(1, 200))
            math.randomseed(1)
            local letters = {"t", "h", "r", "d"}
            local run = spy.find "t"
            for i = 1, 10000 do
                local bytes = {}
                for k = 1, math.random(0, 40) do bytes[k] = string.char(math.random(0, 255)) end
                local mark = ({"", "LP0", "LP1"})[i % 3 + 1]
                local subject = i % 5 == 4 and ({"a", "c"})[i % 2 + 1] or letters[i % 4 + 1] .. "." .. (i % 7)
                spy.link:post("lp.luas." .. subject, nil, mark .. table.concat(bytes))
            end
            print(select(2, f:get()))
            print(spy.link:post("lp.luas.a", nil, ("x"):rep(2 << 20)))
            print(p:apply(function() return "well" end))]]
        assert.equal("200\nnil\tmessage too large\nwell\n", text)
    end)

    it("says what is wrong with a key, and nothing of what is in it", function()
        local key = shell.read(cluster.key):match "%x+$" or shell.read(cluster.key):sub(12, 40)
        shell.must("cp " .. quote(cluster.key) .. " " .. quote(cluster.folder .. "/loose"))
        shell.must("chmod 644 " .. quote(cluster.folder .. "/loose"))
        local text = output [[
            for _, name in ipairs {"loose", "missing", "js"} do
                print(pcall(pool.new, {cluster = cluster.url, key = cluster.folder .. "/" .. name}))
            end
            print(pcall(pool.new, {cluster = "nats://10.1.2.3:4222"}))
            print(pcall(pool.new, {cluster = "nats://me:hidden@127.0.0.1:1", key = cluster.key}))
            print(pcall(pool.new, {cluster = "http://x"}))
            print(pcall(pool.new, {cluster = cluster.url .. "/a b"}))]]
        local expected = { "loose: others may read or write it", "missing: No such file", "js: it is no file",
            "a server on another machine needs a key", "cannot connect to nats://127.0.0.1:1: ", "option 'cluster' must be a server",
            "the name of a pool" }
        local n = 0
        for line in text:gmatch "[^\n]+" do
            n = n + 1
            assert.matches(expected[n], line)
        end
        assert.equal(#expected, n)
        assert.is_nil(text:find("hidden", 1, true))
        assert.is_nil(text:find(key, 1, true))
        assert.is_nil(shell.must("ps -eo args"):find(key, 1, true))
    end)

    it("pools of other names do not meet", function()
        assert.equal("timeout\tfalse\n", cluster:output([[
            local p <close> = pool.new{cluster = cluster.url .. "/other", key = cluster.key}
            local f = p:apply_async(function() return 1 end)
            local ok, o = pcall(f.get, f, 0.4)
            f:cancel()
            print(o.kind, next(p:stats().machines) ~= nil)]], { seconds = 20 }))
    end)
end)

describe("a host with another Lua", function()
    it("is told, and its tasks are not run", function()
        local cluster = clusters.open()
        cluster:agent("one", 1)
        local text = cluster:output([[
            local core = require "luas.core"
            local tools = core.cluster_tools()
            local link = tools.link{url = cluster.url}
            link:send("lp.luas.a", nil, 5, 0, 77, 1, (tools.pack(nil, false, {name = "old", slots = 9, lua = "Lua 5.4.0"})))
            link:listen("lp.luas.c", "c")
            local reports = {}
            luas.report = function(m) reports[#reports + 1] = m end
            local p <close> = pool.new{cluster = cluster.url}
            link:send("lp.luas.a", nil, 5, 0, 77, 2, (tools.pack(nil, false, {name = "old", slots = 9, lua = "Lua 5.4.0"})))
            print(p:apply(function() return 5 end), p:size())
            print(reports[1])]], { seconds = 20 })
        cluster:close()
        assert.matches("^5\t1\nagent old is not used: it has Lua 5.4.0, and this host Lua 5.4", text)
    end)
end)

describe("the server's configuration in scripts/cluster.d", function()
    local cluster, host, agent

    setup(function()
        cluster = clusters.open { key = true, idle = true }
        local folder = cluster.folder
        shell.must(("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout cert.key -out cert.pem -days 2 -subj /CN=luas -addext subjectAltName=IP:127.0.0.1 2>&1")
            :format(quote(folder)))
        host = shell.must(("%s --make-nkey %s/host.nk"):format(program, folder)):gsub("\n", "")
        agent = shell.must(("%s --make-nkey %s/agent.nk"):format(program, folder)):gsub("\n", "")
        cluster:serve_by("scripts/cluster.d/nats-server.conf",
            ("LUAS_CERT=cert.pem LUAS_CERT_KEY=cert.key LUAS_STORE=js LUAS_HOST=%s LUAS_AGENT=%s"):format(host, agent), "tls")
        cluster:agent("one", 1, { more = ("--ca %s/cert.pem --nkey %s/agent.nk"):format(folder, folder) })
    end)
    teardown(function() cluster:close() end)

    it("lets hosts and agents in that have their keys", function()
        assert.equal("1\t42\t2000000\n", cluster:output([[
            local p <close> = pool.new{cluster = cluster.url, key = cluster.key, ca = cluster.folder .. "/cert.pem", nkey = cluster.folder .. "/host.nk"}
            local big = ("x"):rep(2000000)
            print(p:size(), p:apply(function(x) return 2 * x end, 21), #p:apply(function(s) return s end, big))]], { seconds = 30 }))
    end)

    it("refuses who has none, another certificate, a plain connection, and an agent that submits", function()
        shell.must(("%s --make-nkey %s/stranger.nk"):format(program, cluster.folder))
        local text = cluster:output([[
            local function try(t)
                t.cluster = t.cluster or cluster.url
                t.key = cluster.key
                local ok, why = pcall(pool.new, t)
                print(ok, (tostring(why):gsub(".*tls://127.0.0.1:%d+: ", ""):gsub(".*nats://127.0.0.1:%d+: ", "")))
            end
            local ca, folder = cluster.folder .. "/cert.pem", cluster.folder
            try {ca = ca}
            try {ca = ca, nkey = folder .. "/stranger.nk"}
            try {nkey = folder .. "/host.nk"}
            try {cluster = cluster.url:gsub("tls", "nats"), nkey = folder .. "/host.nk"}
            try {cluster = cluster.url:gsub("127.0.0.1", "localhost"), ca = ca, nkey = folder .. "/host.nk"}
            local link = require "luas.core".cluster_tools().link{url = cluster.url, ca = ca, nkey = folder .. "/agent.nk"}
            link:post("lp.luas.t.1", nil, "task")
            link:wait(0.3)
            for _ = 1, 20 do if link:look().error ~= "" then break end link:wait(0.1) end
            print(link:look().error)]], { seconds = 40 })
        local lines = {}
        for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
        assert.equal(6, #lines)
        for i = 1, 5 do assert.matches("^false\t", lines[i]) end
        assert.matches("[Aa]uth", lines[1])
        assert.matches("[Aa]uth", lines[2])
        assert.matches("SSL", lines[3])
        assert.matches("SSL", lines[4]) -- it asks for TLS, and is known by nobody
        assert.matches("SSL", lines[5])
        assert.matches("[Pp]ermi", lines[6])
    end)

    it("a tls:// URL is enforced against a plain server", function()
        local plain = clusters.open { key = true }
        local text = plain:output([[print(pcall(pool.new, {cluster = (cluster.url:gsub("nats", "tls")), key = cluster.key}))]])
        plain:close()
        assert.matches("false.*[Ss]ecure", text)
    end)
end)

describe("scripts/cluster", function()
    it("runs a script with a server and two agents, and ends all of it", function()
        local script = os.tmpname()
        shell.write(script, [[
            local p <close> = pool.new()
            print(p:size(), #p:map(function(x) return x end, pool.range(1, 20)))
            io.stderr:write(require "luas.core".cluster().key, "\n")]])
        local text = shell.must(("LUAS=%s scripts/cluster %s"):format(program, script))
        os.remove(script)
        assert.matches("\n4\t20\n", text)
        local folder = text:match "\n(/[^\n]+)/pool.key\n"
        assert.equal("", shell.run("ps -eo args | grep -F " .. folder .. "/ | grep -v grep"))
        assert.not_equal(0, select(2, shell.run("ls " .. folder)))
    end)

    it("has units, a batch script and manifests that can be read", function()
        shell.must "bash -n scripts/cluster && sh -n scripts/cluster.d/slurm.sh"
        for _, name in ipairs { "luas-agent", "luas-nats" } do
            local text = shell.read(("scripts/cluster.d/%s.service"):format(name))
            assert.matches("\nExecStart=/usr/[^\n]+\n", text)
            assert.matches("\nUser=%l+\n", text)
        end
        assert.matches("nats%-server.conf", shell.read "scripts/cluster.d/kubernetes.yaml")
    end)
end)
