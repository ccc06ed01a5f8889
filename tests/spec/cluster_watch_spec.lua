-- What people see of tasks that run on other machines: progress, reports, traces.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local cluster

setup(function()
    cluster = clusters.open { key = true }
    cluster:agent("alpha", 2)
    cluster:agent("beta", 1)
end)

teardown(function() if cluster then cluster:close() end end)

local OPEN <const> = [[
    local core = require "luas.core"
    local p <close> = pool.new{cluster = cluster.url, key = cluster.key}
    local with_init <close> = pool.new{cluster = cluster.url, key = cluster.key, init = function() ready = true end}
]]

helpers.each_interpreter(function(by)
    describe("of tasks on agents, under " .. by, function()
        local function prints(expected, text)
            local output, status = cluster:run(OPEN .. text, { by = by, seconds = 40 })
            assert.equal(expected, output)
            assert.equal(0, status)
        end

        it("progress tells what runs where, since when, and what tasks say of themselves", function()
            prints(("true\ttrue\ttrue\ttrue\n3\t3\t1\t0\n"):rep(2), [[
                local function slow(x)
                    local own = require "luas.core"
                    for i = 1, 4 do
                        own.sleep(0.4)
                        pool.task.progress(i, 4, "part " .. i)
                    end
                    if x == 2 then error "no" end
                end
                for _, q in ipairs{p, with_init} do
                    local most, between, notes, well, final = 0, 0, {}, true, nil
                    q:map(slow, {1, 2, 3}, {chunk = 1, on_error = "collect", progress = function(done, total, info)
                        most = math.max(most, info.running)
                        if info.fraction > 0 and info.fraction < 1 then between = between + 1 end
                        if info.note then notes[info.note] = true end
                        for _, task in ipairs(info.tasks) do
                            well = well and (task.machine == "alpha" or task.machine == "beta") and task.index >= 1 and task.index <= 3
                                and task.worker >= 1 and task.seconds >= 0 and task.seconds <= info.elapsed + 1
                                and (not task.done or task.total == 4)
                        end
                        final = {done, total, info.failed, info.running}
                        assert(info.slowest <= info.elapsed + 1)
                    end})
                    print(most >= 1 and most <= 3, between >= 2, notes["part 2"] or notes["part 3"], well)
                    print(table.unpack(final))
                end]])
        end)

        it("each task knows its index, its start and its worker", function()
            prints(("true\t3\n"):rep(2), [[
                local function about(i)
                    if i == 2 and pool.task.attempt < 3 then os.exit(1) end
                    return {pool.task.index, pool.task.attempt, pool.task.worker}
                end
                for _, q in ipairs{p, with_init} do
                    local seen, well = q:map(about, pool.range(1, 12), {retries = 2}), true
                    for i = 1, 12 do
                        well = well and seen[i][1] == i and (i == 2 or seen[i][2] == 1) and math.type(seen[i][3]) == "integer" and seen[i][3] >= 1
                    end
                    print(well, seen[2][2])
                end]])
        end)
    end)
end)

-- Lanes, events and lines, of a run of 12 tasks of which the fifth fails.
local WATCHED <const> = [[
    local folder = cluster.folder .. "/"
    local function work(x)
        require("luas.core").sleep(0.1)
        if x == 5 then error "five" end
        return x
    end
    for i, init in ipairs{false, function() ready = true end} do
        local q = pool.new{cluster = cluster.url, key = cluster.key, lost_after = 30, init = init or nil, report = folder .. i .. ".json",
            trace = folder .. i .. ".trace", joblog = folder .. i .. ".log"}
        q:map(work, pool.range(1, 12), {chunk = 1, on_error = "collect", report = folder .. i .. ".html"})
        local machines, sum = q:stats().machines, 0
        for _, counts in pairs(machines) do sum = sum + counts.tasks end
        print(sum)
        q:close() q:join()
    end
]]

local CHECK <const> = [[
import json, sys
for i in "12":
    report = json.load(open(i + ".json"))
    lanes = {(lane["machine"], lane["worker"]): lane for lane in report["lanes"]}
    assert set(m for m, w in lanes) == {"alpha", "beta"}, lanes.keys()
    for (machine, worker), lane in lanes.items():
        assert lane["name"] == "%s %d" % (machine, worker) and lane["worker"] >= 1, lane["name"]
    assert sum(lane["tasks"] for lane in lanes.values()) == 12
    failure, = report["failures"]
    assert failure["machine"] in ("alpha", "beta") and failure["index"] == 5 and failure["input"] == "5", failure
    events = [e for e in json.load(open(i + ".trace"))]
    groups = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert sorted(groups.values()) == ["alpha", "beta"], groups
    tasks = [e for e in events if e["ph"] == "X"]
    assert len(tasks) == 12
    first, last = min(e["ts"] for e in tasks), max(e["ts"] + e["dur"] for e in tasks)
    seconds = (last - first) / 1e6
    assert 0.4 <= seconds < 100, seconds
    assert abs(report["wall"] - seconds) < 0.5 * seconds, (report["wall"], seconds)
    for pid in groups:
        for tid in set(e["tid"] for e in tasks if e["pid"] == pid):
            row = sorted((e["ts"], e["dur"]) for e in tasks if e["pid"] == pid and e["tid"] == tid)
            for a, b in zip(row, row[1:]):
                assert b[0] >= a[0] + a[1] - 1, (a, b)
            assert all(0.1e6 <= d < 30e6 for _, d in row), row
    lines = [line.rstrip("\n").split("\t") for line in open(i + ".log")]
    assert len(lines) == 13 and set(line[1] for line in lines[1:]) == {"alpha", "beta"}
    page = open(i + ".html").read()
    assert page.count('<div class="machine">') == 2 and page.index('<div class="machine">alpha') < page.index('<div class="machine">beta')
print("fine")
]]

describe("of tasks on agents", function()
    it("a journal keeps what they gave, for the next run", function()
        local text = [[
            local p <close> = pool.new{cluster = cluster.url, key = cluster.key}
            local function double(x) if x == 3 then error("three", 0) end return 2 * x, "and" end
            local path = cluster.folder .. "/run.db"
            local r, n, failures = p:map(double, pool.range(1, 4), {journal = path, on_error = "collect"})
            print(n, r[1], r[4], failures[3].message, p:stats().resumed)
            for i, v, w in p:imap(double, {1, 2}, {journal = path}) do print(i, v, w) end
            print(p:stats().resumed)]]
        local lines = "1\t2\tand\n2\t4\tand\n"
        assert.equal("4\t2\t8\tthree\t0\n" .. lines .. "0\n", cluster:output(text, { seconds = 30 }))
        assert.equal("4\t2\t8\tthree\t4\n" .. lines .. "6\n", cluster:output(text, { seconds = 30 }))
    end)

    it("reports, traces and logs have the workers of each machine together, and when they ran", function()
        assert.equal("12\n12\n", cluster:output(WATCHED, { seconds = 40 }))
        shell.write(cluster.folder .. "/check.py", CHECK)
        assert.equal("fine\n", shell.must(("cd %s && python3 check.py 2>&1"):format(cluster.folder)))
    end)

    it("a machine whose clock is another is shown at the time of this one", function()
        if select(2, shell.run "unshare --time --monotonic=1 --fork true") ~= 0 then return pending "unshare --time" end
        local other = clusters.open()
        other:agent("here", 1)
        other:agent("shifted", 1, { before = "unshare --time --monotonic=5000 --fork --kill-child" })
        local ok, text = pcall(other.output, other, [[
            local q = pool.new{cluster = cluster.url, trace = cluster.folder .. "/trace"}
            local core = require "luas.core"
            local before = core.now()
            q:map(function() require("luas.core").sleep(0.1) end, pool.range(1, 10), {chunk = 1})
            print(core.now() - before)
            q:close() q:join()]], { seconds = 40 })
        local trace = shell.read(other.folder .. "/trace")
        other:close()
        assert.is_true(ok, text)
        local first, last, pids = math.huge, 0, {}
        for pid, ts, dur in trace:gmatch '"pid":(%d+),"tid":%d+,"ts":([%d.-]+),"dur":([%d.]+)' do
            pids[pid] = true
            first, last = math.min(first, tonumber(ts)), math.max(last, ts + dur)
        end
        assert.is_truthy(trace:find("shifted 1", 1, true) and trace:find("here 1", 1, true), trace)
        assert.is_true((last - first) / 1e6 <= tonumber(text) + 0.05, ("%f %s"):format((last - first) / 1e6, text))
    end)
end)
