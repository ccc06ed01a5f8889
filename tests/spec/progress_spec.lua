-- What people see while jobs run: the line on a terminal, plain lines where there
-- is none, what a function is told, what a task says of itself.

local luas = require "luas"
local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local pool = luas.pool
local range = helpers.range

-- Sleeps in the worker, without the CPU that others want.
local NAP = "local function nap(s) os.execute('sleep ' .. s) end "

-- Runs a script on a terminal: what terminal.py says, by its first words.
local function watch(columns, script, how)
    how = how or {}
    local path = helpers.write_script(NAP .. script)
    local text = sh.run(("timeout -s KILL " .. helpers.within(40) .. " python3 tests/support/terminal.py %d %s env %s %s %s %s"):format(
        columns, how.actions or "", how.env or "TERM=xterm", how.program or helpers.program,
        how.options or "", path))
    os.remove(path)
    local seen = { line = {}, screen = {}, wrapped = {}, text = text }
    for what, rest in text:gmatch "(%l+): ?([^\n]*)" do
        if seen[what] then table.insert(seen[what], rest) else seen[what] = rest end
    end
    return seen
end

local MAP = [[
    local list = {}
    for i = 1, 24 do list[i] = i end
    pool.new{4, workers = 4, name = "p"}:map(function(i)
        nap(0.1)
        if i % 8 == 0 then error "no" end
    end, list, { progress = true, on_error = "collect" })
]]
MAP = MAP:gsub("4, workers", "workers")

local function bars(seen)
    local list = {}
    for _, line in ipairs(seen.line) do
        if line:find "%%" then list[#list + 1] = line end
    end
    return list
end

local function last(list)
    for i = #list, 1, -1 do
        if list[i] ~= "" then return list[i] end
    end
end

describe("the bar", function()
    for _, columns in ipairs { 20, 80, 200 } do
        it("fits into " .. columns .. " columns", function()
            local seen = watch(columns, MAP)
            local list = bars(seen)
            assert.is_true(#list >= 3, seen.text)
            for _, line in ipairs(seen.wrapped) do assert.is_falsy(line:find "%%", line) end
            for _, line in ipairs(list) do
                assert.is_true(utf8.len(line) < columns, line)
                assert.is_truthy(line:find "^.*%d+%%")
            end
            if columns >= 80 then
                assert.is_truthy(seen.text:find("█", 1, true))
                assert.is_truthy(seen.text:find "%d+/24")
                assert.is_truthy(seen.text:find "%d/s  %d:%d%d left  %d failed")
            end
            local left = table.concat(seen.screen)
            assert.is_truthy(left:find "^24 tasks in %d+%.%d s, 3 failed$", left)
            assert.are.equal("0", seen.cursor)
        end)
    end

    it("asks for the width at each draw", function()
        local seen = watch(80, (MAP:gsub("nap%(0%.1%)", "nap(0.5)")), { actions = "--resize 2 30" })
        local list = bars(seen)
        assert.is_true(utf8.len(list[1]) > 30)
        assert.is_true(utf8.len(list[#list]) < 30)
    end)

    it("has colours but where NO_COLOR is set", function()
        assert.is_true(tonumber(watch(80, MAP).colours) > 0)
        local seen = watch(80, MAP, { env = "TERM=xterm NO_COLOR=1" })
        assert.are.equal("0", seen.colours)
        assert.is_true(#bars(seen) > 2)
    end)

    it("is in ASCII where the locale is not UTF-8", function()
        local seen = watch(80, MAP, { env = "TERM=xterm LC_ALL=C" })
        assert.is_truthy(seen.text:find("##", 1, true))
        assert.is_falsy(seen.text:find("█", 1, true))
    end)

    it("leaves the terminal clean after Ctrl-C", function()
        local seen = watch(160, MAP:gsub("0%.1", "1"), { actions = "--key 0.8 03" })
        assert.is_true(#bars(seen) > 0, seen.text)
        assert.are.equal("0", seen.cursor)
        for _, line in ipairs(seen.screen) do assert.is_falsy(line:find "%d%%") end
        assert.is_truthy(seen.text:find "interrupted!")
    end)

    it("stands below what tasks print, line by line", function()
        local seen = watch(80, [[
            local p = pool.new { workers = 2, output = "tag", name = "w" }
            p:map(function(i) nap(0.15) print("line " .. i) io.stderr:write("err ", i, "\n") end,
                { 1, 2, 3, 4, 5, 6 }, { progress = true })
        ]])
        local lines, errors = 0, 0
        for _, line in ipairs(seen.screen) do
            if line:find "^%[w %d%] line %d$" then lines = lines + 1 end
            if line:find "^%[w %d%] err %d$" then errors = errors + 1 end
        end
        assert.are.same({ 6, 6 }, { lines, errors }, seen.text)
        assert.is_true(#bars(seen) > 2)
    end)

    it("makes room for what the body of a loop prints", function()
        local seen = watch(80, [[
            for i in pool.new(2):imap(function() nap(0.4) end, { 1, 2, 3, 4 }, { progress = true }) do
                print("got " .. i)
            end
        ]])
        local got = 0
        for _, line in ipairs(seen.screen) do got = got + (line:find "^got %d$" and 1 or 0) end
        assert.are.equal(4, got, seen.text)
        assert.is_true(#bars(seen) > 1)
    end)

    it("shows count and rate where the total is not known", function()
        local seen = watch(80, [[
            local n = 0
            pool.new(2):each(function() nap(0.1) end, function() n = n + 1 return n <= 12 and n or nil end,
                { progress = true, window = 4 })
        ]])
        assert.is_truthy(seen.text:find "line: %S+  %d+  %d+%.%d/s\n", seen.text)
    end)

    it("is shared by jobs that go on together", function()
        local seen = watch(80, [[
            local p = pool.new(4)
            local futures = {}
            for i = 1, 3 do futures[i] = p:map_async(function() nap(0.2) end, { 1, 2, 3, 4 }, { progress = true }) end
            pool.wait_all(futures)
        ]])
        assert.is_truthy(seen.text:find "/12", seen.text)
        assert.is_truthy(last(seen.screen):find "^12 tasks in")
    end)
end)

describe("without a terminal progress", function()
    local function run(script, env)
        return (sh.run(("env %s %s %s 2>&1"):format(env or "", helpers.program,
            helpers.write_script(NAP .. script))))
    end

    it("is one line at the end", function()
        assert.is_truthy(run(MAP):find "^24 tasks in %d+%.%d s, 3 failed\n$")
    end)

    it("is a plain line as often as one wants, too", function()
        local text = run((MAP:gsub("progress = true", "progress = { every = 0.2 }")))
        local n = select(2, text:gsub("[^\n]+: %d+ of 24 %(%d+%%%)", ""))
        assert.is_true(n >= 2, text)
        assert.is_falsy(text:find "[\r\27]")
    end)

    it("is the same on a dumb one", function()
        local seen = watch(80, MAP, { env = "TERM=dumb" })
        assert.are.same({}, bars(seen))
        assert.is_truthy(last(seen.screen):find "^24 tasks in")
    end)
end)

describe("a progress function", function()
    local p
    setup(function() p = pool.new(2) end)
    teardown(function() p:terminate() end)

    local function nap(s) os.execute("sleep " .. s) end

    it("is told of failures, rate, what is left and what runs", function()
        local calls = {}
        p:map(function(i)
            nap(0.05)
            if i == 1 then error "no" end
        end, range(20), { on_error = "collect", progress = function(done, total, info)
            calls[#calls + 1] = { done = done, total = total, info = info }
        end })
        local halfway, final = calls[#calls // 2], calls[#calls]
        assert.are.same({ 20, 20, 1, 0 }, { final.done, final.total, final.info.failed, final.info.running })
        assert.is_true(halfway.info.rate > 0 and halfway.info.eta > 0)
        assert.is_true(halfway.info.running >= 1 and halfway.info.running <= 2)
        assert.is_true(final.info.slowest >= 0.05)
    end)

    local verbs = {
        imap = function(options)
            for _ in p:imap(nap, { 0.1, 0.1, 0.1, 0.1 }, options) do end
        end,
        imap_unordered = function(options)
            for _ in p:imap_unordered(nap, { 0.1, 0.1, 0.1, 0.1 }, options) do end
        end,
        each = function(options) p:each(nap, { 0.1, 0.1, 0.1, 0.1 }, options) end,
        starmap = function(options) p:starmap(nap, { { 0.1 }, { 0.1 }, { 0.1 }, { 0.1 } }, options) end,
        map_async = function(options) p:map_async(nap, { 0.1, 0.1, 0.1, 0.1 }, options):get() end,
        reduce = function(options)
            p:reduce(function(s) nap(s) return 1 end, { 0.1, 0.1, 0.1, 0.1 },
                function(a, b) return a + b end, 0, options)
        end,
    }
    for name, verb in pairs(verbs) do
        it("is called by " .. name .. " while it runs and at its end", function()
            local calls = {}
            verb { progress = function(done, total) calls[#calls + 1] = { done, total } end }
            assert.is_true(#calls >= 2)
            assert.are.same({ 4, 4 }, calls[#calls])
            assert.is_true(calls[1][1] < 4)
        end)

        it("that raises ends " .. name .. " with that", function()
            local ok, message = pcall(verb, { progress = function() error("enough", 0) end })
            assert.are.same({ false, "enough" }, { ok, message })
            assert.are.equal(3, p:apply(function() return 3 end))
        end)
    end

    it("of reduce is told of items, though lists of them are sent", function()
        local final
        p:reduce(function(x) return x end, range(1000), function(a, b) return a + b end, 0,
            { progress = function(done, total) final = { done, total } end })
        assert.are.same({ 1000, 1000 }, final)
    end)

    it("is told of the time left within 15% after a tenth of equal tasks", function()
        local core = require "luas.core"
        local eight <close> = pool.new(8) -- which start one after the other
        local never = luas.shared.event()
        local began, guessed = core.now(), nil
        eight:map(function() never:wait(0.1) end, range(200), {
            chunk = 1, progress = function(done, _, info)
                if not guessed and done >= 20 then guessed = core.now() + info.eta end
            end,
        })
        local took, off = core.now() - began, math.abs(core.now() - guessed)
        assert.is_true(off < 0.15 * took + 0.1, ("%.3f s of %.3f s off"):format(off, took))
    end)

    it("may run other jobs", function()
        local inner = 0
        p:map(nap, { 0.15, 0.15, 0.15, 0.15 }, { progress = function()
            p:map(function(x) return x end, { 1, 2 }, { progress = function() inner = inner + 1 end })
        end })
        assert.is_true(inner > 0)
    end)
end)

describe("pool.task", function()
    it("is nil outside of a task", function()
        assert.is_nil(pool.task)
        assert.is_nil(helpers.output("print(process.spawn(function() return pool.task end):result())",
            "luas"):match "%d")
    end)

    for _, workers in ipairs { 2, 0 } do
        it("says where one is, with " .. workers .. " workers", function()
            local p <close> = pool.new(workers)
            local seen = p:map(function()
                local task = pool.task
                return { task.index, task.attempt, task.worker }
            end, range(5))
            for i = 1, 5 do
                assert.are.same({ i, 1 }, { seen[i][1], seen[i][2] })
                assert.is_true(seen[i][3] <= workers)
            end
        end)
    end

    it("counts attempts", function()
        local p <close> = pool.new { workers = 1, retries = 2 }
        assert.are.same({ 1, 3, 1 }, (p:map(function(i)
            if i == 2 and pool.task.attempt < 3 then os.exit(1) end
            return pool.task.attempt
        end, range(3))))
    end)

    it("reaches the function with how far the task is", function()
        local p <close> = pool.new(1)
        local fractions, notes = {}, {}
        p:map(function()
            for i = 1, 4 do
                os.execute "sleep 0.15"
                pool.task.progress(i, 4, "part " .. i)
            end
        end, { 1 }, { progress = function(_, _, info)
            fractions[#fractions + 1] = info.fraction
            if info.note then notes[info.note] = true end
            for _, task in ipairs(info.tasks) do assert(task.index == 1 and task.worker == 1) end
        end })
        assert.are.equal(1, fractions[#fractions])
        local between = 0
        for _, f in ipairs(fractions) do between = between + (f > 0 and f < 1 and 1 or 0) end
        assert.is_true(between >= 2)
        assert.is_true(notes["part 2"])
    end)

    it("may speak as often as it likes, also while nobody watches", function()
        local p <close> = pool.new(2)
        assert.are.same({ 1, 2, 3 }, (p:map(function(x)
            for i = 1, 20000 do pool.task.progress(i, 20000) end
            return x
        end, range(3))))
    end)

    it("refuses what is no number", function()
        local p <close> = pool.new(1)
        local ok, o = pcall(p.apply, p, function() pool.task.progress "much" end)
        assert.is_false(ok)
        assert.is_truthy(tostring(o):find("number expected, got string", 1, true))
    end)
end)
