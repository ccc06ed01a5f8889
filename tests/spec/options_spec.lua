-- Bad input: a wrong argument or option raises at the call, on the line of the
-- script that made it, and says what was expected.

local luas = require("luas")
local pool, process = luas.pool, luas.process

local function noop() end

-- Every message names this file and a line: that of the call.
local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok, "nothing was raised")
    return message
end

local function assert_message(expected, f)
    local message = message_of(f)
    assert.are.equal("string", type(message))
    assert.is_truthy(message:find(expected, 1, true), ("'%s' is not in: %s"):format(expected, message))
    assert.is_truthy(message:find("options_spec.lua:%d+: "), "not blamed on the caller: " .. message)
end

local function with_wrong_values(values, body)
    for i = 1, values.n or #values do body(values[i]) end
end

describe("bad input to", function()
    for _, workers in ipairs { 2, 0 } do
        describe("a pool of " .. workers, function()
            local p

            setup(function() p = pool.new(workers) end)
            teardown(function() p:close() end)

            local mapping = { "map", "starmap", "imap", "imap_unordered", "each", "map_async", "starmap_async" }
            for _, verb in ipairs(mapping) do
                it(verb .. " names the argument and what was expected", function()
                    assert_message(("bad argument #1 to '%s' (function expected, got no value)"):format(verb),
                        function() p[verb](p) end)
                    assert_message(("bad argument #1 to '%s' (function expected, got number)"):format(verb),
                        function() p[verb](p, 3, {}) end)
                    assert_message(("bad argument #2 to '%s' (table or function expected, got no value)"):format(verb),
                        function() p[verb](p, noop) end)
                    assert_message(("bad argument #2 to '%s' (table or function expected, got string)"):format(verb),
                        function() p[verb](p, noop, "items") end)
                    assert_message(("pool.%s: options must be a table, got number"):format(verb),
                        function() p[verb](p, noop, {}, 5) end)
                    assert_message(("pool.%s: unknown option \"timout\""):format(verb),
                        function() p[verb](p, noop, {}, { timout = 1 }) end)
                    assert_message("timeout",
                        function() p[verb](p, noop, {}, { timout = 1 }) end)
                    assert_message(("pool.%s: option 'chunk' must be"):format(verb),
                        function() p[verb](p, noop, {}, { chunk = 0 }) end)
                    assert_message("field 'n' must be a whole number, got many",
                        function() p[verb](p, noop, { n = "many" }) end)
                    assert_message("field 'n' must be a whole number, got -1",
                        function() p[verb](p, noop, { n = -1 }) end)
                end)
            end

            for _, verb in ipairs { "starmap", "starmap_async" } do
                it(verb .. " over what is no list of arguments names the item", function()
                    local ok, message
                    for _, carry in ipairs { "auto", "inherit" } do
                        ok, message = pcall(p[verb], p, noop, { { 1 }, 2 }, { carry = carry })
                        assert.is_false(ok)
                        assert.is_truthy(tostring(message):find(
                            "item 2: a table of arguments expected, got number", 1, true), tostring(message))
                    end
                    local sent = 0
                    ok, message = pcall(p[verb], p, noop, function()
                        sent = sent + 1
                        return "no list"
                    end)
                    assert.is_false(ok)
                    assert.is_truthy(tostring(message):find(
                        "item 1: a table of arguments expected, got string", 1, true), tostring(message))
                end)
            end

            it("apply and apply_async names the function", function()
                for _, verb in ipairs { "apply", "apply_async" } do
                    assert_message(("bad argument #1 to '%s' (function expected, got table)"):format(verb),
                        function() p[verb](p, {}) end)
                end
            end)

            it("reduce names each of its arguments", function()
                assert_message("bad argument #1 to 'reduce' (function expected, got no value)",
                    function() p:reduce() end)
                assert_message("bad argument #2 to 'reduce' (table or function expected, got number)",
                    function() p:reduce(noop, 1, noop) end)
                assert_message("bad argument #3 to 'reduce' (function expected, got number)",
                    function() p:reduce(noop, {}, 0) end)
                assert_message("pool.reduce: unknown option",
                    function() p:reduce(noop, {}, noop, 0, { combine = noop }) end)
            end)

            it("with names the option", function()
                assert_message("bad argument #1 to 'with' (table expected, got number)", function() p:with(2) end)
                assert_message("bad argument #1 to 'with' (table expected, got no value)", function() p:with() end)
                assert_message("pool.with: unknown option \"workers\"", function() p:with { workers = 2 } end)
            end)

            it("step, join and the waits of a future names the timeout", function()
                local future = p:apply_async(noop)
                assert_message("bad argument #1 to 'step' (a number of seconds expected, got string)",
                    function() p:step("1") end)
                assert_message("bad argument #1 to 'join' (a number of seconds expected, got table)",
                    function() p:join {} end)
                assert_message("bad argument #1 to 'get' (a number of seconds expected, got string)",
                    function() future:get("1") end)
                assert_message("bad argument #1 to 'wait' (a number of seconds expected, got boolean)",
                    function() future:wait(true) end)
                assert_message("bad argument #2 to 'wait_all' (a number of seconds expected, got string)",
                    function() pool.wait_all({ future }, "1") end)
                assert_message("bad argument #2 to 'wait_any' (a number of seconds expected, got string)",
                    function() pool.wait_any({ future }, "1") end)
                assert_message("bad argument #1 to 'on_done' (function expected, got no value)",
                    function() future:on_done() end)
                future:get()
            end)

            it("a wait of no number of seconds that there is says so", function()
                local future = p:apply_async(noop)
                assert_message("bad argument #1 to 'get' (a number of seconds expected, got NaN)",
                    function() future:get(0 / 0) end)
                assert_message("bad argument #1 to 'step' (a number of seconds expected, got NaN)",
                    function() p:step(0 / 0) end)
                assert.is_true(future:wait(math.huge))
                for _ = 1, 20 do p:step(-1) end -- nothing is under way: to wait for more would be for ever
                assert.is_true(future:wait(-1))
                assert.are.equal(future, pool.wait_any({ future }, math.huge))
            end)

            it("wait_all and wait_any names what is no future", function()
                assert_message("bad argument #1 to 'wait_all' (a list of futures expected, got no value)",
                    function() pool.wait_all() end)
                assert_message("bad argument #1 to 'wait_any' (element 1 is not a future)",
                    function() pool.wait_any { 5 } end)
            end)

            it("a verb leaves the pool as usable as before", function()
                assert.are.same({ 2, 4 }, (p:map(function(x) return 2 * x end, { 1, 2 })))
            end)
        end)
    end

    it("pool.resize asks for a size that there can be", function()
        local p <close> = pool.new(1)
        for _, n in ipairs { 0, -1, 1.5, 5000, "2", true } do
            assert_message("bad argument #1 to 'resize' (a whole number from 1 to 4096 expected, got ",
                function() p:resize(n) end)
        end
    end)

    it("pool.resize takes a whole number of either kind", function()
        local p <close> = pool.new(1)
        for _, n in ipairs { 4.0, 2, 4096.0 } do
            p:resize(n)
            assert.are.equal("integer", math.type(p:size()))
            assert.are.equal(n, p:size())
        end
        p:resize(2.0)
        assert.are.equal(2, #p:broadcast(type, 1))
    end)

    it("starmap and imap names the item, on the line of the call", function()
        local p <close> = pool.new(1)
        local function endless() return { coroutine.create(print) } end
        assert_message("item 2: a table of arguments expected, got number",
            function() p:starmap(noop, { {}, 2 }) end)
        assert_message("item 2: a table of arguments expected, got number",
            function() p:starmap(noop, { {}, 2 }, { carry = "inherit" }) end)
        assert_message("item 1: its length, or field 'n', must be a whole number from 0 to",
            function() p:starmap(noop, { { n = -1 } }) end)
        for _, carry in ipairs { "ship", "inherit" } do
            assert_message("item 1: its length, or field 'n', must be a whole number from 0 to",
                function() p:starmap(noop, { { n = 2.5 } }, { carry = carry }) end)
        end
        assert_message("item 1: a table of arguments expected, got thread",
            function() p:starmap(noop, function() return endless()[1] end) end)
        assert_message("item 2, field \"x\": a coroutine cannot be sent",
            function() p:map(noop, { 1, { x = coroutine.create(print) } }, { carry = "ship" }) end)
        assert_message("cannot ship the function: upvalue 'endless'",
            function()
                local file <close> = io.tmpfile()
                p:map(function() return endless, file end, {}, { carry = "ship" })
            end)
    end)

    it("a verb that got what a generic for takes names pool.iter", function()
        local p <close> = pool.new(1)
        local function steps(limit, i) if i < limit.last then return i + 1 end end
        assert_message("bad argument #2 to 'map' (an iterator alone is no source: write pool.iter(pairs(t)))",
            function() p:map(noop, pairs { a = 1 }) end)
        assert_message("bad argument #2 to 'each' (an iterator alone is no source: write pool.iter(ipairs(t)))",
            function() p:each(noop, ipairs { 1 }) end)
        assert_message("becomes a source by pool.iter", function() p:imap(noop, steps, { last = 3 }, 0) end)
        assert_message("becomes a source by pool.iter", function() p:reduce(noop, steps, noop, 0, { last = 3 }) end)
        assert.are.same({ 2, 3, 4 }, (p:map(function(i) return i + 1 end, pool.iter(steps, { last = 3 }, 0))))
    end)

    describe("what is called with a dot in place of a colon, or the other way round:", function()
        it("a pool's verbs", function()
            local p <close> = pool.new(1)
            for _, verb in ipairs { "map", "apply", "with", "size", "stats", "step", "close", "join", "terminate" } do
                assert_message(("'%s' is a method: write p:%s(...) with a colon"):format(verb, verb),
                    function() p[verb](noop, {}) end)
            end
            assert_message("'size' is a method: write p:size(...)", function() p.size() end)
            assert.are.equal(1, pool.size(p))
        end)

        it("the functions of the modules", function()
            for _, name in ipairs { "map", "apply", "with", "new", "cpus", "iter", "wait_all", "wait_any" } do
                assert_message(("'%s' is a function of the module: write pool.%s(...) with a dot"):format(name, name),
                    function() pool[name](pool, noop, {}) end)
            end
            for _, name in ipairs { "spawn", "new", "current", "parent", "children", "pipe" } do
                assert_message(("'%s' is a function of the module: write process.%s(...)"):format(name, name),
                    function() process[name](process, noop) end)
            end
        end)

        it("the methods of a future, a process and a pipe", function()
            local future, p, pipe = pool.apply_async(noop), process.spawn(noop), process.pipe()
            for _, name in ipairs { "get", "wait", "ready", "successful", "cancel", "on_done" } do
                assert_message(("'%s' is a method: write future:%s(...) with a colon"):format(name, name),
                    function() future[name](1) end)
            end
            for _, name in ipairs { "start", "is_alive", "join", "result", "terminate", "kill" } do
                assert_message(("'%s' is a method: write p:%s(...) with a colon"):format(name, name),
                    function() p[name]() end)
            end
            for _, name in ipairs { "send", "recv", "close", "fileno" } do
                assert_message(("'%s' is a method: write pipe:%s(...) with a colon"):format(name, name),
                    function() pipe[name](1) end)
            end
            pipe:close()
            p:join()
            future:get()
        end)
    end)

    it("pool.iter names the function", function()
        assert_message("bad argument #1 to 'iter' (function expected, got table)",
            function() pool.iter({}) end)
    end)

    describe("an option", function()
        local wrong = {
            workers = { { -1, 1.5, 5000, "2", true }, "a whole number from 0 to 4096" },
            chunk = { { 0, -1, 0.5, "3", {} }, "a whole number from 1 to" },
            window = { { 0, 2.5, "8" }, "a whole number of at least 1" },
            timeout = { { 0, -1, "2", true, 0 / 0, -1 / 0 }, "a number of seconds above 0" },
            retries = { { -1, 0.5, "1", 1001 }, "a whole number from 0 to 1000" },
            on_error = { { "ignore", 1, true }, '"raise" or "collect", got' },
            halt = { { 0, -1, "3", "0%", "101%", "x%", {}, { n = 0 }, { now = true }, { n = 1, now = 1 }, { n = 1, soon = true } },
                "a whole number of at least 1" },
            seed = { { "x", 1.5, {} }, "an integer" },
            priority = { { 0.5, "high" }, "a whole number from" },
            progress = { { 1, "yes", { each = 1 }, { every = 0 } }, "true, a function, or a table {every = seconds}" },
            report = { { 1, "" }, "a file's name" },
            carry = { { "pickle", true }, '"auto", "ship" or "inherit", got' },
            name = { { 5, {} }, "a string" },
            init = { { "f", {} }, "a function" },
            exit = { { 5 }, "a function" },
            max_tasks = { { 0, -5, "9" }, "a whole number of at least 1" },
            start = { { "thread", 1 }, '"fork", "zygote" or "exec"' },
        }
        for name, case in pairs(wrong) do
            it(name .. " says what it must be", function()
                with_wrong_values(case[1], function(value)
                    local expected = ("pool.new: option '%s' must be %s"):format(name, case[2])
                    assert_message(expected, function() pool.new { [name] = value } end)
                end)
            end)
        end

        it("that is unknown says which there are", function()
            for _, bad in ipairs { "worker", "processes", "Timeout", "on_errors" } do
                local message = message_of(pool.new, { [bad] = 1 })
                assert.is_truthy(message:find(("unknown option %q"):format(bad), 1, true), message)
                for name in pairs(wrong) do
                    assert.is_truthy(message:find("[ ,(]" .. name .. "[,)]"), name .. " is not in: " .. message)
                end
            end
            assert_message("unknown option 1", function() pool.new { 4 } end)
            assert_message("unknown option boolean", function() pool.new { [true] = 4 } end)
        end)

        it("table that is none says so", function()
            assert_message("bad argument #1 to 'new' (a number of workers or a table of options expected, got string)",
                function() pool.new("4") end)
            assert_message("option 'workers' must be", function() pool.new(-1) end)
            assert_message("option 'workers' must be", function() pool.new(2.5) end)
        end)

        it("may be a float where a whole number is meant and given", function()
            local p <close> = pool.new(2.0)
            assert.are.equal("2", tostring(p:size()))
            assert.are.equal("pool: 2 workers", tostring(p))
            local one <close> = pool.new(1)
            assert.are.equal("pool: 1 worker", tostring(one))
            assert.are.same({ 1 }, (p:map(function() return 1 end, { 1 }, { chunk = 2.0, retries = 1.0 })))
        end)
    end)

    describe("a process", function()
        it("names the argument", function()
            assert_message("bad argument #1 to 'spawn' (function expected, got no value)",
                function() process.spawn() end)
            assert_message("bad argument #1 to 'spawn' (function expected, got string)",
                function() process.spawn("f") end)
            assert_message("bad argument #1 to 'new' (table expected, got function)",
                function() process.new(noop) end)
        end)

        it("names the option", function()
            assert_message("process.new: option 'target' is missing", function() process.new {} end)
            assert_message("process.new: option 'target' must be a function, got string",
                function() process.new { target = "f" } end)
            assert_message("process.new: option 'args' must be a table, got number",
                function() process.new { target = noop, args = 1 } end)
            assert_message("process.new: option 'args': field 'n' must be a whole number, got x",
                function() process.new { target = noop, args = { n = "x" } } end)
            assert_message("process.new: option 'args': field 'n' must be a whole number, got -1",
                function() process.new { target = noop, args = { n = -1 } } end)
            assert_message("process.new: option 'name' must be a string, got number",
                function() process.new { target = noop, name = 1 } end)
            assert_message("process.new: unknown option 'arg' (there are: args, daemon, keep_files, name, target)",
                function() process.new { target = noop, arg = {} } end)
        end)

        it("that was not started cannot be waited for or signalled", function()
            local p = process.new { target = noop }
            for _, verb in ipairs { "join", "result", "terminate", "kill" } do
                assert_message("the process has not been started", function() p[verb](p) end)
            end
            assert.is_false(p:is_alive())
            assert_message("'join': not a process that was started from here",
                function() process.current():join() end)
        end)

        it("starts once", function()
            local p = process.spawn(noop)
            assert_message("the process has been started already", function() p:start() end)
            assert.is_true(p:join(10))
            assert_message("the process has been started already", function() p:start() end)
        end)

        it("names the timeout", function()
            local p = process.spawn(noop)
            assert_message("bad argument #1 to 'join' (a number of seconds expected, got string)",
                function() p:join("1") end)
            assert_message("bad argument #1 to 'join' (a number of seconds expected, got NaN)",
                function() p:join(0 / 0) end)
            assert.is_true(p:join(math.huge))
            local a, b = process.pipe()
            assert_message("bad argument #1 to 'recv' (a number of seconds expected, got NaN)",
                function() a:recv(0 / 0) end)
            assert.are.same({ n = 2, nil, "timeout" }, table.pack(a:recv(-1)))
            b:send(0)
            assert.are.equal(0, a:recv(1e12))
            assert_message("bad argument #1 to 'recv' (a number of seconds expected, got string)",
                function() a:recv("1") end)
            b:send(1)
            assert.are.equal(1, a:recv(1))
            a:close()
            for _, verb in ipairs { "send", "recv", "fileno" } do
                assert_message("this end of the pipe is closed", function() a[verb](a) end)
            end
            assert_message("cannot send: no process has the other end open", function() b:send(1) end)
            assert_message("[1]: a coroutine cannot be sent", function() b:send { coroutine.create(print) } end)
            b:close()
        end)
    end)
end)

describe("a closed pool", function()
    it("refuses every verb, and says why", function()
        local p = pool.new(1)
        p:close()
        for _, verb in ipairs { "map", "starmap", "imap", "imap_unordered", "each", "map_async" } do
            assert_message("pool is closed", function() p[verb](p, noop, {}) end)
        end
        assert_message("pool is closed", function() p:apply(noop) end)
        assert_message("pool is closed", function() p:apply_async(noop) end)
        assert_message("pool is closed", function() p:reduce(noop, {}, noop) end)
        assert_message("pool is closed", function() p:with { retries = 1 }:map(noop, {}) end)
        p:join()
        assert_message("pool is closed", function() p:map(noop, {}) end)
    end)

    it("may be closed, joined and terminated again", function()
        local p = pool.new(1)
        p:apply(noop)
        assert_message("close the pool before you join it", function() p:join() end)
        p:close()
        p:close()
        assert.is_true(p:join())
        assert.is_true(p:join(0))
        p:terminate()
        assert.is_truthy(tostring(p):find("closed"))
    end)
end)
