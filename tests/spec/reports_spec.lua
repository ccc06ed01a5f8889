-- What is left of a run: figures, reports, traces, logs; whatever its end is.

local luas = require "luas"
local core = require "luas.core"
local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local pool = luas.pool
local range = helpers.range

local function path(suffix)
    local name = os.tmpname()
    os.remove(name)
    return name .. suffix
end

-- Read and removed.
local function take(name)
    local text = sh.read(name)
    os.remove(name)
    return text
end

local function spin(seconds)
    local now = require("luas.core").now
    local stop = now() + seconds
    while now() < stop do end
end

-- What a JSON file says, by way of Python: `code` prints something of `d`.
local function json(name, code)
    return (sh.run(("python3 -c %s %s"):format(sh.quote("import json, sys\nd = json.load(open(sys.argv[1]))\n" .. code), name)))
end

local TRACE <const> = [[
tasks = [e for e in d if e["ph"] == "X"]
rows = {}
for e in tasks:
    rows.setdefault((e["pid"], e["tid"]), []).append((e["ts"], e["ts"] + e["dur"]))
overlaps = sum(1 for row in rows.values() for a, b in zip(sorted(row), sorted(row)[1:]) if a[1] > b[0] + 0.002)
print(len(tasks), overlaps, "%.6f" % (sum(e["dur"] for e in tasks) / 1e6), len(rows))
]]

local function read_trace(name)
    local tasks, overlaps, busy, rows = json(name, TRACE):match "(%d+) (%d+) ([%d.]+) (%d+)"
    return { tasks = tonumber(tasks), overlaps = tonumber(overlaps), busy = tonumber(busy), rows = tonumber(rows) }
end

local function close_to(a, b, share)
    return math.abs(a - b) <= share * math.max(math.abs(a), math.abs(b)) + 1e-6
end

describe("stats", function()
    it("has times where something listens, and else not", function()
        local p <close> = pool.new { workers = 2, stats = true }
        local q <close> = pool.new(2)
        for _, each in ipairs { p, q } do each:map(function(x) spin(x == 7 and 0.03 or 0.002) end, range(20)) end
        assert.is_nil(q:stats().busy)
        local s = p:stats()
        assert.is_true(s.busy >= 0.068 and s.wall >= 0.034)
        assert.is_true(s.slowest[1].index >= 1)
        assert.are.equal(tostring(s.slowest[1].index), s.slowest[1].input)
        assert.is_true(s.times.max >= 0.03 and s.times.median >= 0.0019 and s.times.median < s.times.max)
        assert.is_true(s.times.p95 >= s.times.median and s.times.p95 <= s.times.max)
        assert.is_true(close_to(1, s.shares.busy + s.shares.wait + s.shares.startup, 0.01))
        assert.is_true(close_to(s.busy / s.wall, s.speedup, 0.001))
    end)

    it("has them also without workers", function()
        local p <close> = pool.new { workers = 0, stats = true }
        p:map(spin, { 0.001, 0.02 })
        assert.are.same({ 2, "0.02" }, { p:stats().slowest[1].index, p:stats().slowest[1].input })
        assert.is_true(p:stats().busy >= 0.021)
    end)
end)

describe("a report", function()
    local SCRIPT <const> = "<script>alert(1)</script>"

    local function run(name, options)
        local all = { workers = 3, report = name, retries = 1 }
        for k, v in pairs(options or {}) do all[k] = v end
        local p = pool.new(all)
        local _, _, failures = p:map(function(x)
            spin(0.001)
            if x == 5 then error(SCRIPT, 0) end
            if x == 6 then os.exit(3) end
            if x == SCRIPT then spin(0.05) end
            return x
        end, { 1, 2, 3, 4, 5, 6, 7, SCRIPT, 9, 10 }, { on_error = "collect" })
        p:close()
        p:join()
        return p, failures
    end

    it("is a page of its own that says what was, with the figures of stats", function()
        local name = path ".html"
        run(name)
        local text = take(name)
        assert.is_truthy(text:find "^<!DOCTYPE html>")
        assert.is_nil(text:lower():find("<script", 1, true))
        assert.is_nil(text:find("http", 1, true))
        assert.is_truthy(text:find("&lt;script&gt;alert(1)", 1, true))
        for _, words in ipairs { "<b>10</b><span>tasks", "<b>2</b><span>failed", "2 of 10 tasks failed: 1 error, 1 crash.",
            "2 workers died and were replaced.", "1 task was started again", "crash (status 3)", 'class="death"',
            "Slowest tasks", "Throughput" } do
            assert.is_truthy(text:find(words, 1, true), words)
        end
        for _, tag in ipairs { "div", "svg", "table", "section", "ul", "td", "p" } do
            local opened = select(2, text:gsub("<" .. tag .. "[ >]", "%0"))
            local closed = select(2, text:gsub("</" .. tag .. ">", "%0"))
            assert.are.equal(opened, closed, tag)
        end
    end)

    it("is data where its name ends in .json", function()
        local name = path ".json"
        local p, failures = run(name)
        local stats = p:stats()
        local tasks, busy, n, kinds, lanes = json(name, [[
print(d["tasks"], d["busy"], len(d["failures"]), ",".join(sorted(f["kind"] for f in d["failures"])), len(d["lanes"]))
print(d["slowest"][0]["input"])]]):match "(%S+) (%S+) (%S+) (%S+) (%S+)"
        os.remove(name)
        assert.are.same({ "10", "2", "crash,error", "3" }, { tasks, n, kinds, lanes })
        assert.is_true(close_to(tonumber(busy), stats.busy, 0.001))
        assert.is_truthy(failures[6].attempts == 2)
    end)

    it("may be of one job", function()
        local name = path ".json"
        local p <close> = pool.new(2)
        p:map(spin, { 0.001, 0.001, 0.001 })
        p:map(spin, { 0.001, 0.001 }, { report = name })
        p:map(spin, { 0.001 })
        assert.are.equal("2\n", json(name, 'print(d["tasks"])'))
        os.remove(name)
    end)

    it("stays small, however much there was", function()
        local name = path ".html"
        local tally = core.tally()
        local at = 1
        for i = 1, 60000 do
            at = at + 0.0007
            tally:ended { start = at, took = 0.0001 * (i * 7919 % 97), index = i, worker = 1 + i % 64, kind = "value",
                tag = 1, label = "job.lua:1", attempts = 1, job = 1 }
        end
        local text = require("luas.report").text(name, tally:figures())
        assert.is_true(#text > 20000 and #text < 500000, #text)
        assert.are.equal(64, select(2, text:gsub('class="lane"', "")))
    end)

    it("says in words who was waited for", function()
        local name = path ".json"
        local p = pool.new { workers = 2, report = name }
        p:map(function(x) spin(x) end, { 0.01, 0.01, 0.01, 0.3 }, { chunk = 1 })
        p:close()
        p:join()
        local words = json(name, 'print("\\n".join(d["insights"]))')
        os.remove(name)
        assert.is_truthy(words:find "The last %d+%% of the time one worker was busy: task 4 %(0%.3%) took [3-9]%d%d ms", words)
    end)

    it("that cannot be written is said at the start", function()
        for _, option in ipairs { "report", "trace", "joblog" } do
            local ok, message = pcall(pool.new, { [option] = "/nonexistent/x" })
            assert.is_false(ok)
            assert.is_truthy(message:find("cannot write /nonexistent/x: No such file", 1, true), message)
        end
        local p <close> = pool.new(1)
        local ok, message = pcall(p.map, p, spin, { 0 }, { report = "/nonexistent/x" })
        assert.is_false(ok)
        assert.is_truthy(message:find("cannot write /nonexistent/x", 1, true), message)
        assert.are.equal(1, p:apply(function() return 1 end))
    end)

    it("costs the run nothing where the disk is full, and says so once", function()
        local output, status = helpers.run([[
            local p = pool.new { workers = 1, report = "/dev/full", trace = "/dev/full", joblog = "/dev/full" }
            local list = {}
            for i = 1, 3000 do list[i] = i end
            print(#p:map(function(x) return x end, list))
            p:close() p:join()
        ]])
        assert.are.equal(0, status)
        assert.is_truthy(output:find "^3000\n")
        assert.are.equal(3, select(2, output:gsub("No space left on device", "")), output)
    end)

    it("costs the run nothing where the process may write no larger files", function()
        local name = path ""
        local output, status = helpers.run(([[
            local name = %q
            local p = pool.new { workers = 1, report = name .. ".html", trace = name .. ".json", joblog = name .. ".log" }
            local list = {}
            for i = 1, 3000 do list[i] = i end
            print(#p:map(function(x) return x end, list))
            p:close() p:join()
        ]]):format(name), { before = "ulimit -f 1;" })
        assert.are.equal(0, status)
        assert.is_truthy(output:find "^3000\n")
        assert.are.equal(3, select(2, output:gsub("File too large", "")), output)
    end)
end)

describe("a trace", function()
    it("has an event a task, none of a worker's overlap, and adds up to what stats says", function()
        local name = path ".json"
        local p = pool.new { workers = 2, trace = name, stats = true, retries = 1, timeout = 0.3 }
        p:map(function(x)
            spin(0.001)
            if x == 5 then error "no" end
            if x == 9 then os.exit(1) end
            if x == 11 then while true do end end
        end, range(60), { on_error = "collect" })
        p:close()
        p:join()
        local trace = read_trace(name)
        os.remove(name)
        assert.are.same({ 62, 0, 2 }, { trace.tasks, trace.overlaps, trace.rows }) -- two were tried twice
        assert.is_true(close_to(trace.busy, p:stats().busy, 0.01))
    end)

    it("of a loop that is broken off, and of single calls, is whole", function()
        local name = path ".json"
        local p = pool.new { workers = 2, trace = name, stats = true }
        local n = 0
        for i in p:imap(function(x) spin(0.001) return x end, function() n = n + 1 return n end) do
            if i == 20 then break end
        end
        local before = p:stats().tasks
        local futures = {}
        for i = 1, 30 do futures[i] = p:apply_async(spin, 0.001) end
        pool.wait_all(futures)
        local late = p:stats().tasks - before - 30 -- what ran as the loop was left
        assert.is_true(late >= 0 and late <= 2, late)
        p:close()
        p:join()
        local trace = read_trace(name)
        local stats = p:stats()
        os.remove(name)
        local stopped = trace.tasks - stats.values -- as the loop was left
        assert.is_true(stopped >= 0 and stopped <= 2, stopped)
        assert.are.equal(0, trace.overlaps)
        assert.is_true(close_to(trace.busy, stats.busy, 0.01))
    end)

    it("joins tasks to chunks where they are very many", function()
        local name = path ".json"
        local p = pool.new { workers = 2, trace = name }
        p:each(function() end, range(230000))
        p:close()
        p:join()
        local n, chunks, total = json(name, [[
t = [e for e in d if e["ph"] == "X"]
print(len(t), sum(e["cat"] == "chunk" for e in t), sum(e["args"].get("tasks", 1) for e in t))]]):match "(%d+) (%d+) (%d+)"
        os.remove(name)
        assert.is_true(tonumber(chunks) > 0 and tonumber(n) < 215000, n)
        assert.are.equal("230000", total)
    end)
end)

describe("a joblog", function()
    it("has the nine columns of GNU parallel", function()
        local name = path ".log"
        local p = pool.new { workers = 2, joblog = name }
        p:map(function(x)
            if x == "b\tc" then error "no" end
            if x == "d" then os.exit(7) end
            if x == "e" then os.execute "kill -9 $PPID" end
            return x
        end, { "a", "b\tc", "d", "e" }, { on_error = "collect" })
        p:apply(function() end)
        p:close()
        p:join()
        local lines = {}
        for line in take(name):gmatch "[^\n]+" do lines[#lines + 1] = line end
        assert.are.equal("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand", lines[1])
        local seen = {}
        for i = 2, #lines do
            local seq, start, exitval, signal, command =
                lines[i]:match "^(%d+)\t:\t(%d+%.%d%d%d)\t +%d+%.%d%d%d\t%d+\t%d+\t(%-?%d+)\t(%d+)\t[^\t]*:%d+ ?([^\t]*)$"
            seen[tonumber(seq)] = { exitval, signal, command }
            assert.is_true(math.abs(tonumber(start) - os.time()) < 100)
        end
        assert.are.same({ { "0", "0", "a" }, { "1", "0", "b\\tc" }, { "7", "0", "d" }, { "0", "9", "e" }, { "0", "0", "" } },
            seen)
    end)
end)

describe("on the command line", function()
    local names, script

    before_each(function()
        names = { report = path ".json", trace = path ".trace", joblog = path ".log" }
        script = helpers.write_script [[
            pool.map(function() end, { 1, 2, 3 })
            if arg[1] == "exit" then os.exit(3) end
            if arg[1] == "close" then os.exit(3, true) end
            if arg[1] == "raise" then error "raised" end
            if arg[1] == "wait" then pool.map(function() while true do end end, { 1, 2 }) end
            local q = pool.new(1)
            q:map(function() end, { 4, 5 })
        ]]
    end)

    after_each(function()
        for _, name in pairs(names) do os.remove(name) end
        os.remove(script)
    end)

    local function run(argument, before)
        return sh.run(("%s %s -j2 --report %s --trace=%s --joblog %s %s %s"):format(before or "", helpers.program,
            names.report, names.trace, names.joblog, script, argument))
    end

    local ends = {
        { "", 0, 5 }, { "exit", 3, 3 }, { "close", 3, 3 }, { "raise", 1, 3 },
        { "wait", 130, 3, "timeout -s INT 0.7" }, { "wait", 143, 3, "timeout -s TERM 0.7" },
    }
    for _, case in ipairs(ends) do
        local argument, status, tasks, before = table.unpack(case)
        it(("all is written at the end: %s %s"):format(argument, before or ""), function()
            local output, code = run(argument, before and before:gsub("timeout", "timeout --preserve-status"))
            assert.are.equal(status, code, output)
            assert.are.equal(tasks .. "\n", json(names.report, 'print(d["values"])'))
            assert.is_true(read_trace(names.trace).tasks >= tasks)
            assert.is_true(select(2, take(names.joblog):gsub("\n", "")) >= tasks + 1)
        end)
    end

    it("is written though a signal comes twice in a moment, as timeout sends it", function()
        for signal, wanted in pairs { INT = 130, TERM = 143 } do
            local _, code = sh.run(([[%s -j2 --report %s %s wait 2>/dev/null & sleep 0.5
                kill -%s $!; kill -%s $!; wait $!]]):format(helpers.program, names.report, script, signal, signal))
            assert.are.equal(wanted, code)
            assert.are.equal("3\n", json(names.report, 'print(d["values"])'))
        end
    end)

    it("what was written is readable though the host was killed", function()
        run("wait", "timeout -s KILL 1.5")
        local text = sh.read(names.trace)
        sh.write(names.trace, text .. "]")
        assert.are.equal(3, read_trace(names.trace).tasks)
        assert.are.equal(4, select(2, take(names.joblog):gsub("\n", "")))
    end)

    it("lines can be tagged, or kept", function()
        local text = helpers.write_script "print((select(4, pool.map(function(x) print('said ' .. x) end, { 1 }))))"
        assert.are.equal("[worker 1] said 1\nnil\n", (sh.run(("%s --tag %s"):format(helpers.program, text))))
        assert.are.equal("[worker 1] said 1\nnil\n", (sh.run(("%s --output tag %s"):format(helpers.program, text))))
        assert.is_truthy(sh.run(("%s --output=capture %s"):format(helpers.program, text)):find "^table")
        os.remove(text)
    end)

    it("a wrong option says what is wrong", function()
        local cases = {
            ["--report"] = "'--report' needs an argument", ["--bar=1"] = "'--bar=1': this option takes no argument",
            ["--output loud"] = "an output is inherit, tag or capture", ["--reports x"] = "unrecognized option '--reports'",
        }
        for option, message in pairs(cases) do
            local output, status = sh.run(("%s %s"):format(helpers.program, option))
            assert.are.equal(2, status)
            assert.is_truthy(output:find(message, 1, true), output)
        end
        local output, status = sh.run(("%s --trace /nonexistent/x %s"):format(helpers.program, script))
        assert.are.equal(1, status)
        assert.is_truthy(output:find("--trace: cannot write /nonexistent/x: No such file", 1, true), output)
    end)

    it("a file named as an option's argument is not taken for an option", function()
        os.remove(names.report)
        names.report = os.tmpname() .. "e"
        local output, status = run ""
        assert.are.equal(0, status, output)
    end)
end)

describe("with chromium", function()
    -- In frames of several widths, of which each tells what it shows.
    local WIDTHS <const> = { 400, 520, 641, 800, 1100, 1600 }
    local TELL <const> = [[<script>
parent.postMessage([innerWidth, document.documentElement.scrollWidth,
    document.querySelector(".figures").innerText.replace(/\s+/g, " ")].join(" "), "*")
</script>]]
    local OUTER <const> = [[<pre id="said"></pre><script>
onmessage = (e) => { document.getElementById("said").textContent += "frame " + e.data + "\n" }
</script>]]

    local function look(report)
        local outer, frames = path ".html", { OUTER }
        for _, width in ipairs(WIDTHS) do
            frames[#frames + 1] = ('<iframe src="file://%s" width="%d" height="800" frameborder="0"></iframe>'):format(
                report, width)
        end
        sh.write(outer, table.concat(frames))
        local said = sh.run("timeout " .. helpers.within(100) .. " chromium --headless --no-sandbox --disable-gpu --enable-logging=stderr"
            .. " --window-size=1700,900 --virtual-time-budget=5000 --dump-dom file://" .. outer)
        os.remove(outer)
        return said
    end

    it("a page fits into windows of 400 to 1600 pixels, and says what stats does", function()
        if select(2, sh.run "command -v chromium") ~= 0 then return pending "there is none" end
        local name = path ".html"
        local p = pool.new { workers = 3, report = name }
        p:map(function(x) spin(0.001) if x:find "7" then error(x) end end, (function()
            local t = {}
            for i = 1, 80 do t[i] = "https://example.org/" .. ("x"):rep(i * 3) .. i end
            return t
        end)(), { on_error = "collect" })
        p:close()
        p:join()
        sh.write(name, take(name) .. TELL)
        local said, stats = look(name), p:stats()
        os.remove(name)
        if not said:find("<pre", 1, true) then return pending "it does not answer in time" end
        assert.is_nil(said:find("CONSOLE", 1, true), said)
        local seconds, widths = require("luas.insights").seconds, {}
        local figures = ("%d tasks %s wall %s busy, in 3 workers %.1f× speed-up %.0f%% efficiency %d failed"):format(
            stats.tasks, seconds(stats.wall), seconds(stats.busy), stats.speedup, 100 * stats.efficiency, 17)
        for inner, scrolled, told in said:gmatch "frame (%d+) (%d+) ([^\n]*)" do
            assert.is_true(tonumber(scrolled) <= tonumber(inner), said)
            assert.are.equal(figures, told)
            widths[#widths + 1] = tonumber(inner)
        end
        table.sort(widths)
        assert.are.same(WIDTHS, widths)
    end)
end)
