-- What an outcome says: in words, how long its task took, what the task was given,
-- and what the worker is called.

local luas = require("luas")
local pool, process = luas.pool, luas.process
local helpers = require("tests.support.helpers")

local function nap(seconds) os.execute("sleep " .. seconds) end

local function outcome_of(f, ...)
    local ok, o = pcall(f, ...)
    assert.is_false(ok)
    assert.are.equal("table", type(o), tostring(o))
    return o
end

-- The first line of what is printed of it, without what stands before the message.
local function words(o)
    local line = tostring(o):match "^[^\n]*"
    return line:sub(-#o.message) == o.message and o.message or line
end

local function says(o, text)
    assert.are.equal("string", type(o.message))
    assert.are.equal(o.message, words(o))
    assert.is_truthy(o.message:find(text, 1, true), o.message)
end

local function is_given(expected, o)
    assert.are.same({ expected }, { o.input })
    assert.is_truthy(type(o.took) == "number" and o.took >= 0 and o.took < 60, tostring(o.took))
    says(o, "")
end

for _, how in ipairs { { workers = 0 }, { workers = 2, carry = "auto" }, { workers = 2, carry = "inherit" } } do
    describe(("with %d workers, %s, an outcome"):format(how.workers, how.carry or "inline"), function()
        local p
        setup(function() p = pool.new(how) end)
        teardown(function() p:terminate() end)

        it("says what was raised, or what became of the task", function()
            local function fail(x)
                if x == 1 then error("plain", 0) end
                if x == 2 then error { code = 404, where = { "a" } } end
                if x == 3 then os.exit(3) end
                if x == 4 then while true do end end
                if x == 5 then error(setmetatable({}, { __tostring = function() return "in words" end })) end
                if x == 6 then error() end
                if x == 7 then error(7, 0) end
                if x == 8 then error(true) end
                if x == 9 then error(print) end
            end
            local _, n, failures = p:map(fail, helpers.range(9), { on_error = "collect", timeout = 0.2, chunk = 1 })
            assert.are.equal(9, n)
            for i, text in ipairs { "plain", 'raised {code = 404, where = {"a"}}', "exited with status 3", "timed out after 0.2 s",
                "in words", "nil value", "7", "boolean value", "function" } do
                says(failures[i], text)
                is_given(i, failures[i])
            end
            assert.are.equal("raised {code = 404, where = {\"a\"}}", failures[2].message)
            assert.are.equal("timed out after 0.2 s", failures[4].message)
        end)

        it("of what never began says so", function()
            local _, _, failures = p:map(function() error("no", 0) end, helpers.range(200),
                { on_error = "collect", halt = 1, chunk = 1 })
            local cancelled = failures[200]
            assert.are.same({ "cancelled", "cancelled", 200, 0 },
                { cancelled.kind, cancelled.message, cancelled.input, cancelled.took })
        end)

        it("says how long the task took", function()
            local function work(x)
                nap(x)
                error("late", 0)
            end
            local _, _, failures = p:map(work, { 0.1, 0.3 }, { on_error = "collect" })
            for i, seconds in ipairs { 0.1, 0.3 } do
                assert.is_true(failures[i].took >= seconds and failures[i].took < seconds + 2, failures[i].took)
            end
            -- Of many in one chunk each has its own time.
            _, _, failures = p:map(function(x)
                if x == 4 then error("fourth", 0) end
                nap(0.15)
            end, helpers.range(4), { on_error = "collect", chunk = 4 })
            assert.is_true(failures[4].took < 0.1, failures[4].took)
            local o = outcome_of(p.apply, p, function()
                nap(0.1)
                os.exit(1)
            end)
            assert.is_true(o.took >= 0.1 and o.took < 2, o.took)
            o = outcome_of(p.reduce, p, function(x)
                if x == 3 then error("third", 0) end
                nap(0.15)
                return x
            end, { 1, 2, 3 }, math.max, nil, { chunk = 3 })
            assert.is_true(o.took < 0.1, o.took)
        end)

        it("has the arguments of single calls", function()
            local function fail() error("no", 0) end
            local function call(...) return outcome_of(p.apply, p, fail, ...) end
            is_given("b", call("b"))
            is_given({ n = 3, 1, nil, false }, call(1, nil, false))
            is_given({ "a list" }, call { "a list" })
            is_given(nil, call())
            is_given({ n = 2, nil, nil }, call(nil, nil))
            is_given("b", outcome_of(function() p:apply_async(fail, "b"):get() end))
            is_given({ n = 2, 1, "x" }, outcome_of(function() p:apply_async(fail, 1, "x"):get() end))
            is_given({ n = 2, 1, "x" }, outcome_of(p.broadcast, p, fail, 1, "x"))
            is_given("x", outcome_of(p.apply, p, function() os.exit(2) end, "x"))
            is_given("x", outcome_of(p.apply, p:with { timeout = 0.1 }, function() while true do end end, "x"))
        end)

        it("has what a source gave, also where the task was cancelled or crashed", function()
            local function source(n)
                local i = 0
                return function()
                    i = i + 1
                    if i <= n then return i, -i end
                end
            end
            local function fail(i)
                if i == 1 then error("no", 0) end
                os.exit(i)
            end
            for _, verb in ipairs { "map", "each" } do
                local results = table.pack(p[verb](p, fail, source(20), { on_error = "collect", halt = 3, chunk = 1 }))
                local failures = verb == "map" and results[3] or results[2]
                assert.is_truthy(next(failures))
                for i in pairs(failures) do is_given({ n = 2, i, -i }, failures[i]) end
            end
            local failures = select(3, p:map(fail, source(20), { on_error = "collect", halt = 1, chunk = 1 }))
            assert.is_truthy(next(failures))
            for i, o in pairs(failures) do is_given({ n = 2, i, -i }, o) end
            failures = select(3, p:map_async(fail, source(5), { on_error = "collect" }):get())
            for i = 1, 5 do is_given({ n = 2, i, -i }, failures[i]) end
        end)

        it("of reduce has the item", function()
            local function fail(x) return x ~= 3 and x or error("no", 0) end
            is_given(3, outcome_of(p.reduce, p, fail, { 1, 2, 3, 4 }, math.max))
            is_given(3, outcome_of(p.reduce, p, fail, pool.range(1, 5), math.max))
            is_given(3, outcome_of(p.reduce, p:with { chunk = 2 }, fail, { 1, 2, 3, 4 }, math.max))
            is_given({ n = 2, 3, nil }, outcome_of(p.reduce, p, fail,
                pool.iter(function(_, i) if i < 4 then return i + 1, nil end end, nil, 0), math.max))
            local _, failures = p:reduce(fail, { 1, 2, 3 }, math.max, 0, { on_error = "collect" })
            is_given(3, failures[3])
        end)

        it("keeps little of a large input from a source", function()
            local sizes = { 1000, 3 << 20, 10 }
            local i = 0
            local function source()
                i = i + 1
                return sizes[i] and ("x"):rep(sizes[i])
            end
            local _, _, failures = p:map(function() error("no", 0) end, source, { on_error = "collect" })
            assert.are.equal(1000, #failures[1].input)
            assert.are.equal("x", failures[2].input:sub(1, 1))
            if how.workers > 0 then assert.is_true(#failures[2].input <= 1000) end
            assert.are.equal(("x"):rep(10), failures[3].input)
        end)
    end)
end

it("inputs of a job's outcomes take so much in all, and each is told of", function()
    local p <close> = pool.new(2)
    local n, size = 100, 900000
    local i = 0
    local function source()
        i = i + 1
        return i <= n and i .. ("x"):rep(size) or nil
    end
    local _, _, failures = p:map(function() error("no", 0) end, source, { on_error = "collect" })
    local bytes = 0
    for k = 1, n do
        assert.are.equal(tostring(k), failures[k].input:match "^%d+")
        bytes = bytes + #failures[k].input
    end
    assert.is_true(bytes < 66 << 20, bytes)
end)

describe("a process", function()
    it("that fails says with what", function()
        local function fail(...) error("no " .. select("#", ...), 0) end
        for _, case in ipairs { { 5, 5 }, { { n = 2, 1, "x" }, 1, "x" }, { nil } } do
            local o = outcome_of(function() process.spawn(fail, table.unpack(case, 2)):result() end)
            is_given(case[1], o)
            assert.matches("^process process%-%d+: no %d", tostring(o))
        end
        local p = process.spawn(function() while true do end end, "forever")
        p:kill()
        local o = outcome_of(p.result, p)
        assert.are.same({ "crash", "forever" }, { o.kind, o.input })
        assert.matches("^it was killed by signal 9 %(SIGKILL%) %(pid %d+%)$", o.message)
    end)
end)

it("a wait that ran out is an outcome as well", function()
    local p <close> = pool.new(1)
    local future = p:apply_async(nap, 0.3)
    local o = outcome_of(future.get, future, 0.05)
    assert.are.same({ "timeout", true, "not finished after 0.05 s; it goes on", 0.05 }, { o.kind, o.pending, o.message, o.took })
end)

describe("a worker has one name", function()
    it("in outcomes, tags, tasks, traces and reports: its pool's and its number", function()
        for _, case in ipairs { { name = "calc", called = "calc 1" }, { called = "worker 1" } } do
            local trace, report = os.tmpname(), os.tmpname()
            local output = helpers.output(([[
                local p = pool.new { workers = 1, name = %s, output = "tag", trace = %q, report = %q }
                p:apply(print, "hello")
                print(p:apply(function() return process.current().name end))
                local _, _, failures = p:map(function(x) if x == 1 then os.exit(3) end error "no" end, { 1, 2 }, { on_error = "collect" })
                print(failures[1], failures[1].worker_name)
                print(failures[2].worker_name, tostring(failures[2]):match "\n%%[(.-),")
                p:close()
                p:join()]]):format(case.name and ("%q"):format(case.name) or "nil", trace, report .. ".html"))
            assert.is_truthy(output:find("[" .. case.called .. "] hello", 1, true), output)
            assert.is_truthy(output:find("\n" .. case.called .. "\n", 1, true), output)
            assert.is_truthy(output:find("status 3 (" .. case.called .. ", pid ", 1, true), output)
            assert.is_truthy(output:find("\n" .. case.called .. "\t" .. case.called .. "\n", 1, true), output)
            local function text(path)
                local file <close> = assert(io.open(path))
                os.remove(path)
                return file:read "a"
            end
            assert.is_truthy(text(trace):find('"name":"' .. case.called .. '"', 1, true))
            assert.is_truthy(text(report .. ".html"):find("<title>" .. case.called .. ": ", 1, true))
            os.remove(report)
        end
    end)
end)

describe("what a task raised", function()
    local function twice() local s = { 1 } error { s, s } end
    local function itself() local t = {} t.self = t error(t) end
    local function closures()
        local n = 0
        error { function() n = n + 1 return n end, function() return n end }
    end
    local ways = {
        apply = function(p, f) return select(2, pcall(p.apply, p, f)) end,
        map = function(p, f) return select(3, p:map(f, { 1 }, { on_error = "collect" }))[1] end,
        ["apply_async"] = function(p, f)
            local future = p:apply_async(f)
            return select(2, pcall(future.get, future))
        end,
        ["a process"] = function(_, f)
            local started = luas.process.spawn(f)
            return select(2, pcall(started.result, started))
        end,
    }
    for name, way in pairs(ways) do
        it("keeps what it has twice, itself and shared upvalues, by " .. name, function()
            local p <close> = luas.pool.new(1)
            local value = way(p, twice).value
            assert.are.same({ { 1 }, { 1 } }, value)
            assert.are.equal(value[1], value[2])
            value = way(p, itself).value
            assert.are.equal(value, value.self)
            value = way(p, closures).value
            assert.are.equal(1, value[1]())
            assert.are.equal(1, value[2]())
        end)
    end

    it("and cannot be made again here leaves its message", function()
        local p <close> = luas.pool.new(1)
        local class = { __tostring = function() return "an object" end }
        function class.__luas_pack() return 1 end
        function class.__luas_unpack() error("no way back", 0) end
        local o = ways.apply(p, function() error(setmetatable({}, class)) end)
        assert.are.equal("an object, whose value is lost: __luas_unpack: no way back", o.message)
        assert.is_nil(o.value)
    end)
end)
