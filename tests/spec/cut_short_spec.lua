-- A call that is cut short, by its source or by Ctrl-C: first come the outcomes of all that
-- was read, then the error, which has them too where a verb gives them at its end.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

local function same(...) return ... end

-- A source of 1 to n that raises then, after lines of its own.
local function failing(n, value)
    local i = 0
    local function fetch()
        i = i + 1
        if i > n then error(value or "connection lost") end
        return i
    end
    return function()
        local item = fetch()
        return item
    end
end

local function outcome_of(f, ...)
    local ok, o = pcall(f, ...)
    assert.is_false(ok)
    assert.are.equal("table", type(o), tostring(o))
    assert.are.equal("error", o.kind)
    return o
end

local function comes_from_source(o)
    assert.matches("cut_short_spec.lua:%d+: connection lost$", o.value)
    assert.are.equal(o.value, o.message)
    assert.is_nil(o.index)
    assert.matches("^the source", tostring(o))
    assert.matches("in upvalue 'fetch'", o.traceback)
    assert.is_nil(o.traceback:find("luas/", 1, true), o.traceback)
end

local function collected(next_of, ...)
    local list, n = {}, 0
    for i, value in next_of, ... do
        list[i], n = value, n + 1
    end
    return list, n
end

for _, how in ipairs { { workers = 0 }, { workers = 2 }, { workers = 2, carry = "inherit" }, { workers = 1, chunk = 7 } } do
    describe(("a source that raises, with %d workers, %s,"):format(how.workers, how.carry or how.chunk or "as usual"), function()
        local p
        setup(function() p = pool.new(how) end)
        teardown(function() p:terminate() end)

        for _, on_error in ipairs { "raise", "collect" } do
            it("gives map and its like all results, " .. on_error, function()
                local opts = { on_error = on_error }
                for _, n in ipairs { 0, 1, 100, 1500 } do
                    for _, call in ipairs {
                        function() return p:map(same, failing(n), opts) end,
                        function() return p:map_async(same, failing(n), opts):get() end,
                        function() return p:starmap(same, pool.iter(function(source) return { source() } end, failing(n)), opts) end,
                    } do
                        local o = outcome_of(call)
                        assert.are.equal(n, o.n)
                        assert.are.same(helpers.range(n), o.results)
                        assert.are.same({}, o.failures)
                        assert.matches("connection lost$", o.value)
                    end
                end
                comes_from_source(outcome_of(p.map, p, same, failing(5), opts))
            end)

            it("gives a loop all results first, " .. on_error, function()
                for _, verb in ipairs { "imap", "imap_unordered" } do
                    for _, n in ipairs { 0, 3, 1000 } do
                        local list, count = {}, 0
                        local o = outcome_of(function()
                            for i, value in p[verb](p, same, failing(n), { on_error = on_error, window = 50 }) do
                                list[i], count = value, count + 1
                            end
                        end)
                        assert.are.same(helpers.range(n), list)
                        assert.are.equal(n, count)
                        assert.are.equal(n, o.n)
                        comes_from_source(o)
                    end
                end
            end)

            it("tells each how many there were, " .. on_error, function()
                local o = outcome_of(p.each, p, same, failing(70), { on_error = on_error })
                assert.are.equal(70, o.n)
                assert.is_nil(o.results)
                comes_from_source(o)
            end)

            it("tells reduce what was combined, " .. on_error, function()
                for _, n in ipairs { 0, 5, 333 } do
                    local o = outcome_of(p.reduce, p, same, failing(n), function(a, b) return a + b end, 0, { on_error = on_error })
                    assert.are.same({ n, n * (n + 1) // 2 }, { o.n, o.result })
                    assert.matches("connection lost$", o.value)
                end
            end)
        end

        it("is left as it is where reduce's combine has it from another call", function()
            for _, on_error in ipairs { "raise", "collect" } do
                local ok, o = pcall(p.reduce, p, same, { 1, 2, 3, 4, 5 }, function(a, b)
                    if b == 4 then p:map(same, failing(2)) end
                    return a + b
                end, 0, { timeout = 60, on_error = on_error }) -- so it is combined here
                assert.is_false(ok)
                assert.are.same({ 2, { 1, 2 }, {}, nil }, { o.n, o.results, o.failures, o.result })
                assert.matches("^the source %(2 results kept%): ", tostring(o))
            end
        end)

        it("has its value of any type", function()
            for _, value in ipairs { { code = 5 }, 7, setmetatable({}, { __tostring = function() return "in words" end }) } do
                local o = outcome_of(p.map, p, same, failing(3, value))
                assert.is_true(o.value == value)
                assert.are.equal("string", type(o.message))
            end
            assert.are.equal("raised {code = 5}", outcome_of(p.map, p, same, failing(3, { code = 5 })).message)
            assert.are.equal("in words", outcome_of(p.each, p, same,
                failing(3, setmetatable({}, { __tostring = function() return "in words" end }))).message)
        end)

        it("comes after the failure of a task", function()
            local function fail_at_3(x)
                if x == 3 then error("third", 0) end
                return x
            end
            local o = outcome_of(p.map, p, fail_at_3, failing(50))
            assert.are.same({ 3, "third" }, { o.index, o.message })
            o = outcome_of(p.map, p, fail_at_3, failing(50), { on_error = "collect" })
            assert.are.equal(50, o.n)
            assert.are.same({ 2, nil, 4 }, { o.results[2], o.results[3], o.results[4] })
            assert.are.same({ "third", 3 }, { o.failures[3].message, o.failures[3].input })
            assert.matches("^the source %(49 results kept%): ", tostring(o))
        end)

        it("is like one whose item cannot be sent", function()
            local i = 0
            local function source()
                i = i + 1
                return i < 20 and i or coroutine.create(print)
            end
            local o = outcome_of(p.map, p, same, source)
            assert.are.equal(19, o.n)
            assert.are.same(helpers.range(19), o.results)
            assert.matches("item 20: a coroutine cannot be sent", o.message)
        end)

        it("leaves a pool that works", function()
            assert.are.same({ 1, 2 }, (p:map(same, { 1, 2 })))
            assert.are.same({ 1, 2 }, (collected(p:imap(same, { 1, 2 }))))
        end)
    end)
end

helpers.each_interpreter(function(by)
    -- The script tells us when to send the signal.
    local function interrupted(text, opts)
        return helpers.run(([[
            local me = process.current().pid
            local function hit() os.execute("kill -INT " .. me) end
            local function nap(s) os.execute("exec sleep " .. s) end
            local function slow(x)
                if x == 3 then nap(0.1) hit() end
                if x >= 3 then nap(%s) end
                return x
            end
            local function show(ok, o)
                print(ok, type(o) == "table" and o.kind or o)
                if type(o) ~= "table" then return end
                print(o.n, o.results and o.results[1], o.results and o.results[3], o.failures[3] and o.failures[3].kind,
                    o.failures[4] and o.failures[4].kind, o.failures[4] and o.failures[4].input)
                print((tostring(o):match "interrupted!"), o.value:match "interrupted!", (tostring(o):match "^[^:]*"))
            end
            %s]]):format(opts and opts.nap or 30, text), { by = by, seconds = 20 })
    end

    describe("Ctrl-C, under " .. by, function()
        local kept = "^false\terror\n4\t1\tnil\tcancelled\tcancelled\t4\ninterrupted!\tinterrupted!\tthe call %(2 results kept%)\n$"

        for name, opts in pairs { ["map"] = "{ chunk = 1 }", ["map that collects"] = "{ chunk = 1, on_error = 'collect' }",
            ["map that inherits"] = "{ chunk = 1, carry = 'inherit' }" } do
            it("in a " .. name .. " keeps what was finished", function()
                local output = interrupted(("local p = pool.new(1) show(pcall(p.map, p, slow, { 1, 2, 3, 4 }, %s))"):format(opts))
                assert.matches(kept, output)
            end)
        end

        it("in starmap, each and over a source likewise", function()
            assert.matches(kept:gsub("\tcancelled\t4", "\tcancelled\ttable: %%S+"), (interrupted(
                "local p = pool.new(1) show(pcall(p.starmap, p, slow, { {1}, {2}, {3}, {4} }, { chunk = 1 }))")))
            assert.matches(kept, (interrupted(
                "local p = pool.new(1) show(pcall(p.map, p, slow, pool.range(1, 4), { chunk = 1 }))")))
            assert.matches("^false\terror\n4\tnil\tnil\tcancelled\tcancelled\t4\ninterrupted!\tinterrupted!\tthe call, after 4 tasks\n",
                (interrupted("local p = pool.new(1) show(pcall(p.each, p, slow, { 1, 2, 3, 4 }, { chunk = 1 }))")))
        end)

        it("lets what runs end where it drains, and starts no more", function()
            for _, opts in ipairs { "{ chunk = 1, on_interrupt = 'drain' }", "{ chunk = 4, on_interrupt = 'drain', on_error = 'collect' }" } do
                local output = interrupted(("local p = pool.new(1) show(pcall(p.map, p, slow, { 1, 2, 3, 4, 5 }, %s))"):format(opts),
                    { nap = 0.4 })
                assert.matches("^false\terror\n5\t1\t3\tnil\tcancelled\t4\ninterrupted!\tinterrupted!\tthe call %(3 results kept%)\n$", output)
            end
        end)

        it("lets a loop have what runs where it drains", function()
            local output = interrupted([[
                local p = pool.new(1)
                print(pcall(function()
                    for i, v in p:imap(slow, { 1, 2, 3, 4, 5 }, { chunk = 1, on_interrupt = "drain" }) do print(i, v) end
                end))]], { nap = 0.4 })
            assert.matches("^1\t1\n2\t2\n3\t3\nfalse\t[^\n]*interrupted!\n$", output)
        end)

        it("twice ends what drains", function()
            local before = os.time()
            local _, status = interrupted([[
                local p = pool.new(1)
                os.execute("(sleep 1; kill -INT " .. me .. ") >/dev/null 2>&1 &")
                p:map(slow, { 1, 2, 3, 4 }, { chunk = 1, on_interrupt = "drain" })]])
            assert.is_true(os.time() - before < 15)
            assert.are_not.equal(0, status)
        end)

        it("that nobody catches ends the script as before", function()
            local output, status = interrupted("local p = pool.new(1) p:map(slow, { 1, 2, 3, 4 }, { chunk = 1 }) print 'not here'")
            assert.is_truthy(output:find("interrupted!", 1, true))
            assert.is_nil(output:find("not here", 1, true))
            assert.are.equal(by == "luas" and 130 or 1, status)
        end)
    end)

    describe("what nobody catches, under " .. by, function()
        local calls = {
            map = "pool.map(error, { 'bad' })",
            each = "pool.each(error, { 'bad' })",
            apply = "pool.apply(error, 'bad')",
            get = "pool.apply_async(error, 'bad'):get()",
            loop = "for _ in pool.imap(error, { 'bad' }) do end",
            reduce = "pool.reduce(error, { 'bad' }, math.max)",
            source = "pool.map(print, function() error 'bad' end)",
            broadcast = "pool.broadcast(error, 'bad')",
            process = "process.spawn(error, 'bad'):result()",
            wait = "pool.apply_async(os.execute, 'sleep 0.2'):get(0.01)",
        }
        for name, call in pairs(calls) do
            it("says which call of the script it came from: " .. name, function()
                for _, workers in ipairs { 0, 1 } do
                    if not (workers == 0 and name == "wait") then
                        local output, status = helpers.run(("pool.configure(%d)\nlocal function f()\n    %s\nend\nf()"):format(workers, call),
                            { by = by })
                        assert.are.equal(1, status)
                        assert.is_truthy(output:find("\ncalled from SCRIPT:3\n", 1, true), output)
                        output = helpers.output(("pool.configure(%d)\nprint(select(2, pcall(function() %s end)))"):format(workers, call), by)
                        assert.is_nil(output:find("called from", 1, true), output)
                    end
                end
            end)
        end
    end)
end)
