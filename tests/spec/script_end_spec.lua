-- The end of a script: what it has submitted and started is waited for, and workers have
-- time for what they do last. Not so after an error, os.exit or a signal.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

-- Runs a script with `note`, which writes to a file: its lines, sorted, what was printed,
-- the status, and seconds.
local function run(text, how)
    local path <const> = os.tmpname()
    how = how or {}
    local began = sh.must "date +%s%N"
    local output, status = helpers.run(([[
        local path, me = %q, process.current().pid
        local function note(text) local f <close> = io.open(path, "a") f:write(text, "\n") end
        ]]):format(path) .. text, { by = how.by, before = how.before, after = how.after, seconds = 30 })
    local took = (tonumber(sh.must "date +%s%N") - tonumber(began)) / 1e9
    local lines = {}
    for line in io.lines(path) do lines[#lines + 1] = line end
    table.sort(lines)
    os.remove(path)
    return table.concat(lines, " "), output, status, took
end

local function in_order(text)
    local words = {}
    for word in text:gmatch "%S+" do words[#words + 1] = word end
    table.sort(words)
    return table.concat(words, " ")
end

-- What the end of a script waits for, and what the file then has.
local awaited = {
    ["a call"] = { [[pool.apply_async(function() os.execute "sleep 0.2" note "a" end)]], "a" },
    ["calls that nobody has a future of"] = { [[
        for i = 1, 6 do pool.apply_async(function() os.execute "sleep 0.05" note(i) end) end]], "1 2 3 4 5 6" },
    ["map_async of a pool that was forgotten"] = { [[
        do
            local p = pool.new(2)
            p:map_async(function(i) os.execute "sleep 0.1" note(i) end, { 1, 2, 3, 4 })
        end
        collectgarbage() collectgarbage()]], "1 2 3 4" },
    ["a call that is inherited"] = { [[
        local held = io.stdin:lines()
        pool.apply_async(function() os.execute "sleep 0.2" note(held and "a" or "b") end)]], "a" },
    ["calls without workers"] = { [[
        local p = pool.new(0)
        p:map_async(note, { 1, 2 })]], "1 2" },
    ["pools one after the other"] = { [[
        local p, q = pool.new(1), pool.new(1)
        p:apply_async(function() os.execute "sleep 0.2" note "p" end)
        q:apply_async(function() os.execute "sleep 0.1" note "q" end)]], "p q" },
    ["a process"] = { [[process.spawn(function() os.execute "sleep 0.2" note "a" end)]], "a" },
    ["a process of a process"] = { [[
        process.spawn(function()
            process.spawn(function() os.execute "sleep 0.2" note "inner" end)
            note "outer"
        end)]], "inner outer" },
    ["calls of a process"] = { [[
        process.spawn(function() pool.apply_async(function() os.execute "sleep 0.2" note "a" end) end)]], "a" },
    ["callbacks, and what these submit"] = { [[
        local f = pool.apply_async(function() os.execute "sleep 0.1" return 1 end)
        f:on_done(function()
            note "first"
            pool.apply_async(function() return 2 end):on_done(function(g) note("second" .. g:get()) end)
        end)]], "first second2" },
    ["what callbacks submit whose call has ended by then"] = { [[
        local function go_on(n)
            pool.apply_async(math.abs, n):on_done(function() note(n) if n < 3 then go_on(n + 1) end end)
            os.execute "sleep 0.1"
        end
        go_on(1)]], "1 2 3" },
    ["processes that callbacks start"] = { [[
        pool.apply_async(math.abs, 1):on_done(function()
            process.spawn(function() os.execute "sleep 0.2" note "a" end)
        end)
        os.execute "sleep 0.1"]], "a" },
    ["pools that callbacks open"] = { [[
        pool.apply_async(math.abs, 1):on_done(function()
            local p = pool.new { workers = 1, exit = function() note "exit" end }
            p:map_async(function(i) os.execute "sleep 0.1" note(i) end, { 1, 2 }):on_done(function() note "done" end)
        end)
        os.execute "sleep 0.1"]], "1 2 done exit" },
    ["callbacks of a process"] = { [[
        process.spawn(function()
            pool.apply_async(os.execute, "sleep 0.1"):on_done(function()
                note "first"
                pool.new(1):apply_async(math.abs, 1):on_done(function() note "second" end)
            end)
            pool.apply_async(math.abs, 1):on_done(function() note "early" end)
            os.execute "sleep 0.1"
        end):join()]], "early first second" },
    ["callbacks that use what was made before"] = { [[
        local Log = { __index = { write = note }, __gc = function(log) log.write("closed") log.write = nil end }
        local log = setmetatable({ write = note }, Log)
        for i = 1, 3 do pool.apply_async(math.abs, i):on_done(function(f) log.write(f:get()) end) end]],
        "1 2 3 closed" },
    ["callbacks that use what is younger than the submission"] = { [[
        local f = pool.apply_async(os.execute, "sleep 0.1")
        local log = io.open(path, "a")
        f:on_done(function() log:write "a\n" end)]], "a" },
    ["callbacks that fail, and others"] = { [[
        local f = pool.apply_async(math.abs, 1)
        f:on_done(function() error "oops" end)
        f:on_done(function() note "other" end)]], "other" },
}

-- What each worker does last, and how often.
local last = {
    ["exit functions"] = { [[
        local p = pool.new { workers = 2, exit = function() note "exit" end }
        p:map(function() os.execute "sleep 0.05" end, { 1, 2, 3, 4 }, { chunk = 1 })]], "exit exit" },
    ["exit functions of used up workers"] = { [[
        local p = pool.new { workers = 1, max_tasks = 1, exit = function() note "exit" end }
        for i = 1, 3 do p:apply(math.abs, i) end]], "exit exit exit" },
    ["exit functions after asynchronous calls"] = { [[
        local p = pool.new { workers = 1, exit = function() note "exit" end }
        p:apply_async(function() os.execute "sleep 0.1" note "call" end)]], "call exit" },
    ["the exit function of a pool without workers"] = { [[
        local p = pool.new { workers = 0, exit = function() note "exit" end }
        p:map(math.abs, { 1 })]], "exit" },
    ["the exit function of a pool without workers, which uses what is younger than the pool"] = { [[
        local log
        local p = pool.new { workers = 0, exit = function() log:write "exit\n" end }
        log = io.open(path, "a")
        p:map(math.abs, { 1 })]], "exit" },
    ["the exit function of a pool without workers, and what it submits"] = { [[
        local p = pool.new { workers = 0, exit = function()
            pool.apply_async(os.execute, "sleep 0.1"):on_done(function() note "callback" end)
        end }
        p:map(math.abs, { 1 })]], "callback" },
    ["exit functions of a pool that was forgotten"] = { [[
        local function job()
            local p = pool.new { workers = 2, exit = function() note "exit" end }
            p:map(function() os.execute "sleep 0.05" end, { 1, 2, 3, 4 }, { chunk = 1 })
        end
        job()
        collectgarbage() collectgarbage()
        note "end"]], "exit exit end" },
    ["exit functions of many such pools, collected by the way"] = { [[
        collectgarbage "generational"
        for i = 1, 5 do pool.new { workers = 1, exit = function() note "exit" end }:apply(math.abs, i) end
        for i = 1, 1e5 do local t = { {} } end]], "exit exit exit exit exit" },
    ["exit functions of a pool that was closed and forgotten"] = { [[
        do
            local p = pool.new { workers = 1, exit = function() note "exit" end }
            p:apply_async(math.abs, 1):on_done(function() note "done" end)
            p:close()
        end
        os.execute "sleep 0.1"
        pool.apply_async(math.abs, 1)
        collectgarbage() collectgarbage()]], "done exit" },
    ["what exit functions write to files"] = { [[
        local p = pool.new { workers = 2, init = function() log = io.open(path, "a") end,
            exit = function() log:write("bye\n") end }
        p:map(function() os.execute "sleep 0.05" end, { 1, 2, 3, 4 }, { chunk = 1 })]], "bye bye" },
}

-- What workers made is finalized there; what the script made in the script alone.
local FINAL <const> = [[
        local mine = setmetatable({}, { __gc = function() note("script " .. process.current().name) end })
        local held <close> = setmetatable({}, { __close = function() note("closed " .. process.current().name) end })
        local function make(i)
            kept = kept or setmetatable({}, { __gc = function() note "final" end })
            return i
        end
        ]]
local finalized = {
    ["finalizers of tasks' objects"] = { FINAL .. [[
        pool.new(2):map(function(i) os.execute "sleep 0.1" return make(i) end, { 1, 2, 3, 4 }, { chunk = 1 })]], "final final" },
    ["finalizers of init's objects"] = { FINAL .. [[
        pool.new { workers = 1, init = make }:map(math.abs, { 1 })]], "final" },
    ["finalizers, after exit"] = { FINAL .. [[
        pool.new { workers = 1, exit = function() note(kept and "exit" or "late") end }:apply(make)]], "exit final" },
    ["finalizers of a job that is inherited"] = { FINAL .. [[
        pool.new(1):map(function(i) return mine and make(i) end, { 1, 2 }, { carry = "inherit" })]], "final" },
    ["finalizers of objects in upvalues"] = { FINAL .. [[
        local object
        pool.new(1):apply(function() object = setmetatable({}, { __gc = function() note "final" end }) end)]], "final" },
    ["finalizers of a used up worker"] = { FINAL .. [[
        local p = pool.new { workers = 1, max_tasks = 1 }
        for i = 1, 2 do p:apply(make, i) end]], "final final" },
    ["finalizers of a pool that was forgotten"] = { FINAL .. [[
        do pool.new(1):apply(make) end
        collectgarbage() collectgarbage()]], "final" },
    ["finalizers of a process"] = { FINAL .. [[process.spawn(make)]], "final" },
    ["finalizers in a script that runs in a coroutine"] = { FINAL .. [[
        coroutine.wrap(function()
            local inner <close> = setmetatable({}, getmetatable(held))
            pool.new(1):apply(make)
        end)()]], "closed main final" },
    ["finalizers that use what the script closes"] = { FINAL .. [[
        local log <close> = io.open(path, "a")
        pool.new(1):apply(function()
            kept = setmetatable({}, { __gc = function()
                local again <close> = io.open(path)
                log:write "late\n"
            end })
        end)]], "late" },
}
for _, case in pairs(finalized) do case[2] = case[2] .. " closed main script main" end

for what, cases in pairs { ["waits for"] = awaited, ["has workers do"] = last, ["has workers run"] = finalized } do
    describe("a script that ends well " .. what, function()
        for name, case in pairs(cases) do
            it(name, function()
                helpers.each_interpreter(function(by)
                    local lines, output, status = run(case[1], { by = by })
                    assert.are.same({ in_order(case[2]), 0 }, { in_order(lines), status }, by .. ": " .. output)
                end)
            end)
        end
    end)
end

describe("a script that ends well", function()
    it("cancels loops that were left", function()
        helpers.each_interpreter(function(by)
            local _, output, status, took = run([[
                local next = pool.imap(function(i) os.execute "sleep 20" end, function() return 1 end)
                local walk = coroutine.wrap(function()
                    for _ in pool.imap_unordered(function(i)
                        if i > 1 then os.execute "sleep 20" end
                    end, { 1, 2, 3 }, { chunk = 1 }) do coroutine.yield() end
                end)
                walk()]], { by = by })
            assert.are.same({ "", 0 }, { output, status })
            assert.is_true(took < 8, took)
        end)
    end)

    it("kills daemons", function()
        helpers.each_interpreter(function(by)
            local lines, output, status, took = run([[
                process.new { target = function() os.execute "sleep 20" end, daemon = true }:start()
                local p = process.spawn(function() os.execute "sleep 20" end)
                p.daemon = true
                process.spawn(function() note "a" end)]], { by = by })
            assert.are.same({ "a", "", 0 }, { lines, output, status })
            assert.is_true(took < 8, took)
        end)
    end)

    it("says after two seconds what it waits for, once", function()
        helpers.each_interpreter(function(by)
            local lines, output, status = run((([[
                local p = pool.new { workers = 1, name = "calc" }
                p:map_async(function() os.execute "sleep LONG" end, { 1 })
                process.new { name = "loader", target = function() os.execute "sleep LONG" note "done" end }:start()]])
                :gsub("LONG", 2 + helpers.within(0.4))), { by = by })
            assert.are.same({ "done", 0 }, { lines, status }, output)
            assert.are.equal(1, select(2, output:gsub("\n", "")), output)
            for _, word in ipairs { "waiting for ", "1 call of pool calc", "process loader", "Ctrl%-C" } do
                assert.matches(word, output)
            end
        end)
    end)

    it("ends at once at Ctrl-C while it waits", function()
        helpers.each_interpreter(function(by)
            local _, _, status, took = run([[
                os.execute("(sleep 0.5; kill -INT " .. me .. ") &")
                pool.apply_async(function() os.execute "sleep 20" end)]], { by = by })
            assert.are.equal(130, status)
            assert.is_true(took < 8, took)
        end)
    end)

    it("kills who has not ended in time, and says so", function()
        helpers.each_interpreter(function(by)
            local _, output, status, took = run([[
                local p = pool.new { workers = 2, name = "calc", exit_timeout = 0.3, exit = function() while true do end end }
                local q = pool.new { workers = 1, exit_timeout = 0.3, exit = function() os.execute "sleep 20" end }
                p:map(function() os.execute "sleep 0.05" end, { 1, 2 }, { chunk = 1 })
                q:apply(math.abs, 1)]], { by = by })
            assert.are.equal(0, status)
            assert.is_true(took < 8, took)
            for _, name in ipairs { "calc 1", "calc 2", "worker 1" } do
                assert.matches(name .. " was killed, as it had not ended 0.3 s after", output)
            end
        end)
    end)
end)

describe("a script that ends otherwise waits for nothing, and exit does not run:", function()
    local text <const> = [[
        local p = pool.new { workers = 1, exit = function() note "exit" end }
        p:apply(math.abs, 1)
        pool.apply_async(function() os.execute "sleep 20" note "call" end)
        process.spawn(function() os.execute "sleep 20" note "process" end)
        os.execute "sleep 0.1"
        ]]
    for name, how in pairs {
        ["by an error"] = { "error 'so'", { luas = 1 } }, -- stock Lua does not tell
        ["by os.exit"] = { "os.exit(3)", { luas = 3, ["lua5.4"] = 3 } },
        ["by os.exit that closes"] = { "os.exit(3, true)", { luas = 3 } },
        ["by SIGTERM"] = { "os.execute('kill -TERM ' .. me) os.execute 'sleep 5'", { luas = 143, ["lua5.4"] = 143 } },
        ["by SIGINT"] = { "os.execute('(sleep 0.2; kill -INT ' .. me .. ') &') while true do end", { luas = 130 } },
    } do
        it(name, function()
            helpers.each_interpreter(function(by)
                if not how[2][by] then return end
                local lines, output, status, took = run(text .. how[1], { by = by })
                assert.are.same({ "", how[2][by] }, { lines, status }, output)
                assert.is_true(took < 8, took)
            end)
        end)
    end
end)

describe("what nobody caught", function()
    local faults <const> = [[
        pool.apply_async(math.abs, 1):on_done(function() error "in a callback" end)
        process.spawn(error, "in a process")
        local p = pool.new { workers = 1, exit = function() error "in exit" end }
        p:apply(math.abs, 1)
        ]]

    it("is on stderr", function()
        helpers.each_interpreter(function(by)
            local _, output, status = run(faults, { by = by })
            assert.are.equal(0, status)
            for _, words in ipairs { "a callback raised: .*in a callback", "nobody asked .*in a process",
                "exit raised: .*in exit" } do
                assert.matches(words, output)
            end
            assert.matches("\ncalled from SCRIPT:4\n", output) -- the process
        end)
    end)

    it("is on stderr where a daemon failed before the end", function()
        helpers.each_interpreter(function(by)
            local _, output = run([[
                local p = process.new { daemon = true, target = function() error("so", 0) end }:start()
                -- until it is a zombie, with all its threads, or reaped by the library's
                os.execute(("cd /proc/%d/task && while [ -d /proc/%d ] && { ! grep -q ') Z' /proc/%d/stat || [ $(ls | wc -l) != 1 ]; }; do :; done")
                    :format(p.pid, p.pid, p.pid)) ]],
                { by = by })
            assert.matches("process process%-1: so", output)
        end)
    end)

    it("goes to luas.report where there is one, and to stderr if that fails", function()
        helpers.each_interpreter(function(by)
            local lines, output = run("luas.report = function(text) note(text:match 'in %a+ ?%a*') end " .. faults, { by = by })
            assert.are.same({ "in a callback in a process in exit", "" }, { lines, output })
            _, output = run("luas.report = function(text) error 'no' end " .. faults, { by = by })
            for _, words in ipairs { "in a callback", "in a process", "in exit" } do assert.matches(words, output) end
        end)
    end)
end)

-- Stock Lua closes a file before it tells the library of the end, if it is younger than the last call.
describe("what a script opened last", function()
    for name, text in pairs {
        ["is open for callbacks"] = [[
            local log
            pool.apply_async(os.execute, "sleep 0.1"):on_done(function() log:write "a\n" end)
            log = io.open(path, "a")]],
        ["is open for the exit function of a pool without workers"] = [[
            local log
            local p = pool.new { workers = 0, exit = function() log:write "a\n" end }
            p:apply(math.abs, 1)
            log = io.open(path, "a")]],
        ["is open for retries.on"] = [[
            local log
            local on = function() log:write "a\n" return false end
            pool.with { retries = { on = on } }:apply_async(function() os.execute "sleep 0.2" error "so" end)
            log = io.open(path, "a")]],
        ["is open for luas.report"] = [[
            process.spawn(error, "so")
            local log = io.open(path, "a")
            luas.report = function(message) if message:find "so" then log:write "a\n" end end]],
    } do
        it(name, function()
            local lines, output, status = run(text)
            assert.are.same({ "a", "", 0 }, { lines, output, status })
        end)
    end

    it("is open under stock Lua, too, if the library is called after it", function()
        local lines, output, status = run([[
            local log
            process.spawn(error, "so")
            pool.apply_async(os.execute, "sleep 0.1"):on_done(function() log:write "callback\n" end)
            log = io.open(path, "a")
            luas.report = function(message) if message:find "so" then log:write "report\n" end end
            pool.apply_async(math.abs, 1)]], { by = helpers.interpreters["lua5.4"] and "lua5.4" or "luas" })
        assert.are.same({ "callback report", "", 0 }, { lines, output, status })
    end)
end)

describe("a process that was left by os.exit", function()
    for name, case in pairs {
        ["with status 0 has not failed"] = { "process.spawn(os.exit, 0)" },
        ["and that somebody has joined has told its status"] = { "process.spawn(os.exit, 3):join()" },
        ["and whose status was read has told it"] = {
            "local p = process.spawn(os.exit, 3) while p:is_alive() do end print(p.exitcode)", "3\n" },
        ["unasked with another status is reported"] = { "process.spawn(os.exit, 3)", "exited with status 3" },
        ["is not taken for one that was killed"] = {
            "process.spawn(function() os.execute('kill -9 ' .. process.current().pid) end):join()", "SIGKILL" },
        ["is not taken for one that raised"] = { "process.spawn(error, 'so'):join()", "so" },
    } do
        it(name, function()
            helpers.each_interpreter(function(by)
                local _, output, status = run(case[1], { by = by })
                assert.are.equal(0, status)
                if not case[2] then
                    assert.are.equal("", output)
                else
                    assert.matches(case[2], output)
                end
            end)
        end)
    end
end)

describe("a process that ended", function()
    it("is no zombie, and has no descriptors left, though nobody calls", function()
        helpers.each_interpreter(function(by)
            local _, output = run(helpers.counters .. ([[
                process.spawn(function() end):join()
                process.spawn(function() end)
                os.execute "sleep %g"
                collectgarbage()
                local before = descriptors()
                process.spawn(function() end)
                process.spawn(os.exit, 0)
                process.spawn(function() os.execute("kill -9 " .. process.current().pid) end)
                os.execute "sleep %g"
                print(children())
                print(descriptors() - before) ]]):format(helpers.within(0.2), helpers.within(0.3)), { by = by })
            assert.matches("^0\n0\n", output)
        end)
    end)
end)

describe("a script whose stdout nobody reads any more", function()
    it("ends as any program in a pipe, where a task printed", function()
        for _, printing in ipairs {
            "pool.each(p, range)", "pool.map(p, range)", "pool.map_async(p, range):get()",
            "for _ in pool.imap_unordered(p, range) do end",
        } do
            local path = helpers.write_script("local function p() print(('x'):rep(1000)) end local range = {} "
                .. "for i = 1, 5000 do range[i] = i end " .. printing)
            local output = sh.run(("exec 3>&1; { %s %s; echo $? >&3; } | head -c 10"):format(helpers.interpreters.luas, path))
            os.remove(path)
            assert.are.equal("xxxxxxxxxx141", (output:gsub("\n", "")), printing)
        end
    end)

    it("has the outcome if it catches it", function()
        local lines = run("local ok, o = pcall(pool.each, function() for i = 1, 1000 do print(('x'):rep(1000)) end end, { 1 }) "
            .. "note(o.signal)", { before = "{", after = "; } | head -c 10" })
        assert.are.equal("13", lines)
    end)
end)
