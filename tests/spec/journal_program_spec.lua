-- The journal of the command line, and what becomes of runs that are killed, or meet a full disk,
-- another run, or a file that is no journal.

require "luas"
local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local folder, db

before_each(function()
    folder = sh.folder()
    db = folder .. "/run.db"
end)

after_each(function() sh.must("rm -rf " .. sh.quote(folder)) end)

local function put(name, text) sh.write(folder .. "/" .. name, text) end

-- Runs luas in the folder.
local function luas(options, before)
    return sh.run(("cd %s; %s timeout -s KILL %g %s %s"):format(sh.quote(folder), before or "", helpers.within(30),
        sh.quote(helpers.program), options))
end

local function gives(output, options)
    local got, status = luas(options)
    assert.are.equal(output, (got:gsub(helpers.program:gsub("%p", "%%%0"), "luas")))
    assert.are.equal(0, status)
end

local function fails(status, pattern, options)
    local got, code = luas(options)
    assert.is_truthy(got:find(pattern, 1, true), got)
    assert.are.equal(status, code)
end

local tools = require("luas.core").journal()

local function sql(query)
    local file, lines = assert(tools.open(db)), {}
    for i, row in ipairs(assert(tools.query(file, query))) do lines[i] = table.concat(row, "|") end
    tools.close(file)
    return table.concat(lines, "\n")
end

local SCRIPT <const> = [[
local function gross(x)
    if x == tonumber(os.getenv "BAD") then error("bad", 0) end
    io.stdout:write("ran ", x, "\n")
    io.stdout:flush()
    return 2 * x
end
local results, n, failures = pool.map(gross, { 1, 2, 3 }, { on_error = "collect", chunk = 1 })
for i = 1, n do io.write(results[i] or failures[i].kind, i < n and " " or "\n") end
]]

describe("luas --journal", function()
    it("resumes a script", function()
        put("job.lua", SCRIPT)
        gives("ran 1\nran 2\nran 3\n2 4 6\n", "-j1 --journal run.db job.lua")
        gives("2 4 6\n", "-j1 --journal run.db --resume job.lua")
        gives("2 4 6\n", "--journal=run.db --resume -e 'x = 1' job.lua")
        assert.are.equal("3", sql "SELECT count(*) FROM outcome")
        assert.are.equal("0", sql "SELECT count(*) FROM run WHERE ended IS NULL")
    end)

    it("never overwrites a journal", function()
        put("job.lua", SCRIPT)
        luas "--journal run.db job.lua"
        local before = sql "SELECT count(*) FROM run"
        fails(2, "journal run.db: it exists already, of run 1 (", "--journal run.db job.lua")
        assert.are.equal(before, sql "SELECT count(*) FROM run")
    end)

    it("runs again what failed", function()
        put("job.lua", SCRIPT)
        assert.are.equal("ran 1\nran 2\n2 4 error\n", (luas("-j1 --journal run.db job.lua", "BAD=3")))
        gives("2 4 error\n", "-j1 --journal run.db --resume job.lua")
        gives("ran 3\n2 4 6\n", "-j1 --journal run.db --resume-failed job.lua")
        gives("2 4 6\n", "-j1 --journal run.db --resume-failed job.lua")
    end)

    it("refuses changed code, and says what the choices are", function()
        put("job.lua", SCRIPT)
        luas "--journal run.db job.lua"
        put("job.lua", (SCRIPT:gsub("2 %* x", "3 * x")))
        fails(2, "job.lua:7: journal run.db: the function changed since run 1 (job.lua:1); --on-change=rerun runs all 3 again, "
            .. "--on-change=keep trusts them\n", "--journal run.db --resume job.lua")
        gives("2 4 6\n", "--journal run.db --resume --on-change keep job.lua")
        gives("2 4 6\n", "--journal run.db --resume job.lua")
    end)

    it("explains what is known of each input", function()
        put("job.lua", SCRIPT)
        luas("--journal run.db job.lua", "BAD=2")
        gives([[
luas: map job.lua:1, task 1 (1): done (run 1)
luas: map job.lua:1, task 2 (2): failed (run 1)
luas: map job.lua:1, task 3 (3): done (run 1)
]], "--journal run.db --resume --explain job.lua 2>&1 >/dev/null")
        put("job.lua", (SCRIPT:gsub("2 %* x", "3 * x"):gsub("{ 1, 2, 3 }", "{ 3, 4, 1 }")))
        gives([[
luas: map job.lua:1, task 1 (3): code (the function changed since run 1, job.lua:1)
luas: map job.lua:1, task 2 (4): new
luas: map job.lua:1, task 3 (1): code (the function changed since run 1, job.lua:1)
]], "--journal run.db --resume --explain --on-change=rerun job.lua 2>&1 >/dev/null")
    end)

    it("resumes one-liners, by their lines", function()
        local code = "-p 'io.stderr:write(\"R\") and _ * 2' --journal run.db"
        gives("RRR2\n4\n6\n", ("-j1 %s --args 1 2 3 2>&1"):format(code))
        gives("R4\n8\n2\n", ("-j1 %s --resume --args 2 4 1 2>&1"):format(code))
        fails(2, "journal run.db: the command changed since run 1 (command line)", "-j1 --journal run.db --resume -p '_ * 3' --args 1")
    end)

    it("counts the numbers of lines where the code sees them", function()
        put("a", "x\ny\nx\n")
        put("b", "y\nx\nx\n")
        local code = "-j1 --run 'echo R >&2; echo {} {#}' --journal run.db"
        gives("R\nR\nR\nx 1\ny 2\nx 3\n", code .. " a")
        gives("x 1\ny 2\nx 3\n", code .. " --resume a")
        gives("R\nR\nR\ny 1\nx 2\nx 3\n", code .. " --resume b")
    end)

    it("folds only new blocks", function()
        put("a", "1\n2\n3\n")
        local code = "-j1 --sum 'io.stderr:write\"R\" and _' --journal run.db"
        gives("RRR6\n", code .. " a")
        gives("6\n", code .. " --resume a")
    end)

    it("says what is wrong with the command line", function()
        put("job.lua", SCRIPT)
        fails(2, "'--resume' needs --journal FILE", "--resume job.lua")
        fails(2, "'--explain' needs --journal FILE", "--explain job.lua")
        fails(2, "what is done on a change is error, rerun or keep", "--journal run.db --on-change maybe job.lua")
        fails(2, "'--journal' needs an argument", "--journal")
        fails(2, "--journal needs workers: not -j 0", "-j0 --journal run.db --count job.lua")
        fails(2, "cannot open the journal none/run.db: unable to open database file", "--journal none/run.db job.lua")
    end)
end)

describe("luas --results", function()
    before_each(function()
        put("job.lua", [[
            pool.map(function(x)
                if x == 2 then error "a\tb" end
                return x == 1 and 'say "hi", you' or { x, k = true }
            end, { 1, 2, 3 }, { on_error = "collect" })]])
        luas "-j1 --journal run.db job.lua"
    end)

    -- Without times.
    local function rows(options)
        local output, status = luas("--results run.db " .. options)
        assert.are.equal(0, status, output)
        return (output:gsub("%d+%-%d+%-%d+T[%d:]+", "T"):gsub("%f[^%z\t,:]0%.?[%de-]*%f[\t,]", "S"))
    end

    it("prints what a journal has", function()
        assert.are.equal("run\tpool\tverb\tfunction\tindex\tkind\tstarted\tseconds\tworker\tattempts\tinput\tvalue\tmessage\n"
            .. '1\t\tmap\tjob.lua:1\t1\tvalue\tT\tS\t1\t1\t1\tsay "hi", you\t\n'
            .. "1\t\tmap\tjob.lua:1\t2\terror\tT\tS\t1\t1\t2\t\tjob.lua:2: a\\tb\n"
            .. "1\t\tmap\tjob.lua:1\t3\tvalue\tT\tS\t1\t1\t3\t{3, k = true}\t\n", (rows "":gsub("T\t[%de.-]+\t", "T\tS\t")))
    end)

    it("has other formats, and those that failed alone", function()
        assert.are.equal('1,,map,job.lua:1,2,error,T,S,1,1,2,,job.lua:2: a\tb\n',
            (rows "--failed --format csv":match "\n(.*)":gsub("T,[%de.-]+,", "T,S,")))
        local lines = rows "--format=jsonl"
        assert.are.equal(3, select(2, lines:gsub("\n", "")))
        assert.is_truthy(lines:find([["input":1,"value":"say \"hi\", you"}]], 1, true), lines)
        assert.is_truthy(lines:find([["message":"job.lua:2: a\u0009b"}]], 1, true), lines)
        assert.is_truthy(lines:find([["value":{"1":3,"k":true}}]], 1, true), lines)
    end)

    it("says what is no journal", function()
        fails(2, "job.lua: file is not a database", "--results job.lua")
        fails(2, "none: unable to open database file", "--results none")
        put("empty", "")
        fails(2, "empty: this is no journal of luas", "--results empty")
        fails(2, "--format takes tsv, csv or jsonl, not 'xml'", "--results run.db --format xml")
        fails(2, "--failed needs --results FILE", "--failed --count job.lua")
        fails(2, "-p does not go with --results", "--results run.db -p 1")
    end)
end)

describe("a file that is no journal", function()
    local function map(file)
        return helpers.run(([[print(pcall(pool.map, function(x) return x end, { 1 }, { journal = %q }))]]):format(file))
    end

    it("is left as it is", function()
        put("text", ("no database\n"):rep(100))
        assert.is_truthy(map(folder .. "/text"):find("false\t.*cannot open the journal .*/text: file is not a database"))
        assert.are.equal(("no database\n"):rep(100), sh.read(folder .. "/text"))
        db = folder .. "/other.db"
        sql "CREATE TABLE mine(x)"
        assert.is_truthy(map(db):find("this file is another program's database", 1, true))
        assert.are.equal("mine", sql "SELECT name FROM sqlite_master")
    end)

    it("may be of another version, or damaged", function()
        put("job.lua", SCRIPT)
        luas "--journal run.db job.lua"
        sql "PRAGMA user_version = 99"
        assert.is_truthy(map(db):find("it has version 99 of the schema, and this luas has 1", 1, true))
        sql "PRAGMA user_version = 1"
        local text = sh.read(db)
        put("run.db", text:sub(1, 4096) .. ("\xff"):rep(#text - 4096))
        local output = map(db)
        assert.is_truthy(output:find("^false\t.*malformed"), output)
    end)

    it("may be in a folder where nothing can be made", function()
        if sh.run "id -u" == "0\n" then return end -- may write everywhere
        sh.must("chmod 555 " .. folder)
        assert.is_truthy(map(folder .. "/new.db"):find("unable to open database file", 1, true))
        sh.must("chmod 755 " .. folder)
    end)
end)

describe("a run with a journal", function()
    local ITEMS <const> = 400

    -- Each task appends its input to a file, and takes a moment.
    local LONG <const> = [[
local items = {}
for i = 1, %d do items[i] = i end
local function work(x)
    local file <close> = io.open("log", "a")
    file:write(x, "\n")
    luas.sleep(0.002)
    return x * x
end
local p = pool.new { workers = 2 }
local results, n = p:map(work, items, { journal = "run.db" })
local sum = 0
for i = 1, n do sum = sum + results[i] end
print(n, sum)
]]

    local function prelude(text)
        return 'local luas = { sleep = require("luas.core").sleep }\nlocal pool = pool or require "luas".pool\n' .. text
    end

    local function started()
        local times, n = {}, 0
        for x in sh.read(folder .. "/log"):gmatch "%d+" do
            times[x] = (times[x] or 0) + 1
            n = n + 1
        end
        return times, n
    end

    it("loses little to a kill, and nothing twice", function()
        put("job.lua", prelude(LONG:format(ITEMS)))
        put("log", "")
        local kills = 3
        for i = 1, kills do
            luas("job.lua", ("timeout -s KILL %g"):format(0.12 + 0.05 * i))
            assert.are.equal("ok", sql "PRAGMA integrity_check")
        end
        local output, status = luas "job.lua"
        assert.are.equal(("%d\t%d\n"):format(ITEMS, ITEMS * (ITEMS + 1) * (2 * ITEMS + 1) // 6), output)
        assert.are.equal(0, status)
        assert.are.equal(tostring(ITEMS), sql "SELECT count(DISTINCT key) FROM outcome")
        local _, n = started()
        assert.is_true(n - ITEMS <= kills * 100, ("%d tasks were started twice"):format(n - ITEMS))
    end)

    it("that is alive is named to others", function()
        put("job.lua", prelude [[
            local function wait(x) require("luas.core").sleep(30) end
            local future = pool.new(1):apply_async(function() end)
            local p = pool.new { workers = 1, journal = "run.db" }
            io.open("up", "w"):close()
            p:apply(wait, 1)]])
        local output = sh.run(([[cd %s; %s job.lua & host=$!
            while [ ! -e up ]; do sleep 0.01; done
            echo host $host; %s --journal run.db --resume -e 'pool.map(print, {})'; echo status $?; kill -9 $host; wait $host
            %s --journal run.db --resume -e 'pool.map(print, {})'; echo status $?]]):format(
            folder, helpers.program, helpers.program, helpers.program))
        local host = output:match "host (%d+)"
        assert.is_truthy(output:find(("journal run.db: run 1 is alive, and uses it (pid %s)\nstatus 2\n"):format(host), 1, true), output)
        assert.is_truthy(output:find "status 0\n$", output)
    end)

    it("goes on where the disk is full, and says so once", function()
        put("job.lua", [[
            local items, text = {}, ("x"):rep(3000)
            for i = 1, 2000 do items[i] = i end
            local _, n = pool.map(function(i) return text .. i end, items, { journal = "run.db" })
            pool.map(function(i) return i end, items, { journal = "run.db" })
            print(n)]])
        local output, status = luas("job.lua", "ulimit -f 600; trap '' XFSZ;")
        assert.are.equal(0, status, output)
        assert.is_truthy(output:find "\n2000\n$" or output:find "^2000\n", output)
        local _, times = output:gsub("what ends from now on may be missing", "")
        assert.are.equal(1, times, output)
        assert.are.equal("ok", sql "PRAGMA integrity_check")
        assert.is_true(tonumber((sql "SELECT count(*) FROM outcome")) < 4000)
    end)

    it("records what Ctrl-C leaves", function()
        put("job.lua", prelude(LONG:format(ITEMS)))
        put("log", "")
        local _, status = luas("job.lua", "timeout --preserve-status -s INT 0.3")
        assert.are.equal(130, status)
        local n = tonumber((sql "SELECT count(*) FROM outcome"))
        assert.is_true(n > 0 and n < ITEMS)
        assert.are.equal(0, (select(2, luas "job.lua")))
        assert.are.equal(tostring(ITEMS), sql "SELECT count(*) FROM outcome")
    end)

    it("may be read meanwhile, and shared by pools", function()
        put("job.lua", [[
            local p, q = pool.new { workers = 1, name = "p", journal = "run.db" }, pool.new { workers = 1, name = "q", journal = "run.db" }
            local function f(x) return x end
            local a, b = p:map_async(f, { 1, 2 }), q:map_async(f, { 1, 2 })
            a:get() b:get()
            os.execute(arg[1])]])
        local output = luas(("job.lua %s"):format(sh.quote(helpers.program .. " --results run.db | cut -f 2,11")))
        assert.are.equal("pool\tinput\np\t1\np\t2\nq\t1\nq\t2\n", output)
    end)

    -- Jobs begin while those of another pool write their outcomes.
    it("has each outcome with its own job, however many jobs and pools there are at once", function()
        put("job.lua", [[
            local pools, futures = {}, {}
            for i = 1, 3 do pools[i] = pool.new { workers = 1, name = "p" .. i, journal = "run.db" } end
            for i = 1, 40 do
                local f = load("local x = ... return x + " .. i)
                for k, p in ipairs(pools) do futures[#futures + 1] = p:map_async(f, { i, -k }) end
            end
            for _, future in ipairs(futures) do future:get() end]])
        assert.are.equal(0, (select(2, luas "job.lua")))
        assert.are.equal("120|240", sql "SELECT count(DISTINCT job), count(*) FROM outcome")
        assert.are.equal("", sql "SELECT job FROM outcome GROUP BY job HAVING count(*) != 2 OR min(idx) != 1 OR max(idx) != 2")
        assert.are.equal("120", sql "SELECT count(DISTINCT code) * 3 FROM code WHERE name = 'the function'")
    end)

    it("leaves no file of SQLite's behind", function()
        put("job.lua", SCRIPT)
        luas "--journal run.db job.lua"
        assert.are.equal("job.lua\nrun.db\n", (sh.run("ls " .. folder)))
    end)

    it("cannot be had for what runs in each worker", function()
        local output = helpers.run(([[print(pcall(pool.new { workers = 1, journal = %q }.broadcast, ...))
            local p = pool.new { workers = 1, journal = %q }
            print(pcall(p.broadcast, p, print))
            print(p:with { journal = false }:broadcast(function() return 1 end)[1])]]):format(db, db))
        assert.is_truthy(output:find("pool.broadcast: the option journal is not for it", 1, true), output)
        assert.is_truthy(output:find "\n1\n$", output)
    end)
end)
