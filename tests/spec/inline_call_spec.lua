-- What ends a task ends nothing else where there is no worker to end: a timeout,
-- os.exit, and on the other hand Ctrl-C, which ends all.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

local function square(x) return x * x end

local exit <const> = os.exit

-- What becomes of three tasks, of which the second takes too long.
local function overtime(body, workers)
    local p <close> = pool.new(workers)
    local results, n, failures = p:map(body, { 1, 2, 3 }, { timeout = 0.3, on_error = "collect" })
    local stats = p:stats()
    local o = failures[2] or {}
    return { results, n, o.kind, o.index, o.limit, o.attempts, stats.timeouts, stats.values, stats.retries }
end

local function endless() while true do end end

describe("a timeout without workers", function()
    local bodies = {
        ["an endless loop"] = function(x)
            if x == 2 then endless() end
            return x
        end,
        ["a loop that swallows errors"] = function(x)
            while x == 2 do pcall(endless) end
            return x
        end,
        ["a loop in a coroutine"] = function(x)
            if x == 2 then coroutine.wrap(endless)() end
            return x
        end,
        ["a loop that starts one coroutine after the other"] = function(x)
            while x == 2 do pcall(coroutine.wrap(endless)) end
            return x
        end,
        ["a loop in what closes a variable"] = function(x)
            if x == 2 then
                local guard <close> = setmetatable({}, { __close = endless })
                endless()
            end
            return x
        end,
        ["a task that waits in C"] = function(x)
            if x == 2 then os.execute("sleep 1") end
            return x
        end,
    }
    for name, body in pairs(bodies) do
        it("ends " .. name .. ", as with workers", function()
            local expected = overtime(body, 2)
            assert.are.same({ "timeout", 2, 0.3 }, { expected[3], expected[4], expected[5] })
            assert.are.same(expected, overtime(body, 0))
            assert.is_nil((debug.gethook()))
        end)
    end

    it("closes the variables of the task, and says where it was", function()
        local p <close> = pool.new(0)
        local closed = 0
        local ok, o = pcall(p.map, p, function()
            local guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
            endless()
        end, { 1 }, { timeout = 0.05 })
        assert.is_false(ok)
        assert.are.equal(1, closed)
        assert.are.equal("timed out after 0.05 s", o.message)
        assert.matches("stopped by the pool$", o.value)
        assert.matches("in upvalue 'endless'", o.traceback)
        assert.are.equal("task 1 (input 1): timed out after 0.05 s", tostring(o))
    end)

    it("leaves a task that catches the error and ends in time its value", function()
        for _, workers in ipairs { 2, 0 } do
            local p <close> = pool.new(workers)
            assert.are.equal("rescued", p:with { timeout = 0.1 }:apply(function()
                pcall(endless)
                return "rescued"
            end))
        end
    end)

    it("counts for each attempt", function()
        local p <close> = pool.new(0)
        local runs = 0
        local results = p:map(function()
            runs = runs + 1
            if runs < 3 then endless() end
            return "third"
        end, { 1 }, { retries = 5, timeout = 0.2 })
        assert.are.same({ { "third" }, 3, 2 }, { results, runs, p:stats().retries })
        local ok, o = pcall(p.map, p, endless, { 1 }, { retries = 1, timeout = 0.05 })
        assert.is_false(ok)
        assert.are.same({ "timeout", 2 }, { o.kind, o.attempts })
    end)

    it("takes the tasks inside the task with it", function()
        local p <close> = pool.new(0)
        local past = false
        local _, _, failures = p:map(function()
            p:with { on_error = "collect" }:map(endless, { 1, 2 })
            past = true
        end, { 1 }, { timeout = 0.05, on_error = "collect" })
        assert.are.same({ "timeout", false }, { failures[1].kind, past })
    end)

    it("of a task inside a task leaves that running", function()
        local p <close> = pool.new(0)
        assert.are.equal("timeout", p:with { timeout = 20 }:apply(function()
            local _, _, failures = p:map(function()
                while true do pcall(endless) end
            end, { 1 }, { timeout = 0.05, on_error = "collect" })
            for _ = 1, 10000 do end
            return failures[1].kind
        end))
    end)

    it("is not kept where a debugger has its hook, which stays", function()
        local p <close> = pool.new(0)
        local function hook() end
        debug.sethook(hook, "", 100000)
        local ok, value = pcall(p.map, p, function(x)
            local till = os.clock() + 0.1
            while os.clock() < till do end
            return x
        end, { 1 }, { timeout = 0.01 })
        local now = debug.gethook()
        debug.sethook()
        assert.is_true(ok, tostring(value))
        assert.are.equal(hook, now)
        assert.are.same({ 1 }, value)
    end)

    it("leaves no hook in a coroutine that outlives its task", function()
        local p <close> = pool.new(0)
        local kept
        p:with { timeout = 20 }:apply(function()
            kept = coroutine.create(function()
                coroutine.yield()
                for _ = 1, 1000 do end
                coroutine.yield()
            end)
            coroutine.resume(kept)
        end)
        assert.is_truthy(debug.gethook(kept))
        assert.is_true(coroutine.resume(kept))
        assert.is_nil((debug.gethook(kept)))
    end)
end)

describe("os.exit without workers", function()
    it("ends the task and nothing else, and is itself afterwards", function()
        local p <close> = pool.new(0)
        local past = false
        local _, _, failures = p:map(function(x)
            if x == 2 then
                pcall(function() pcall(os.exit, 7) end)
                past = true
            end
            error("no", 0)
        end, { 1, 2, 3 }, { on_error = "collect" })
        assert.are.same({ "error", "crash", "error" },
            { failures[1].kind, failures[2].kind, failures[3].kind })
        assert.are.same({ 7, 0, false }, { failures[2].exitcode, failures[2].worker, past })
        assert.are.equal(exit, os.exit)
    end)

    it("ends the innermost task that calls it", function()
        local p <close> = pool.new(0)
        local kind, status = p:apply(function()
            local q <close> = pool.new(0)
            local ok, o = pcall(q.apply, q, function() os.exit(3) end)
            return o.kind, o.exitcode
        end)
        assert.are.same({ "crash", 3 }, { kind, status })
        assert.are.equal(exit, os.exit)
        local ok, o = pcall(p.apply, p, function()
            p:apply(square, 2)
            os.exit(4)
        end)
        assert.is_false(ok)
        assert.are.equal(4, o.exitcode)
    end)

    it("reaches through the coroutines of the task", function()
        local p <close> = pool.new(0)
        local ok, o = pcall(p.apply, p, function()
            coroutine.wrap(function()
                while true do pcall(os.exit, 9) end
            end)()
        end)
        assert.is_false(ok)
        assert.are.same({ "crash", 9 }, { o.kind, o.exitcode })
        local past = false
        ok, o = pcall(p.apply, p, function()
            pcall(coroutine.wrap(function() os.exit(8) end))
            past = true
        end)
        assert.are.same({ false, 8, false }, { ok, o.exitcode, past })
    end)

    it("that a task keeps is the program's own again afterwards", function()
        helpers.each_interpreter(function(by)
            local output, status = helpers.run([[
                local p <close> = pool.new(0)
                local kept
                p:apply(function() kept = os.exit end)
                kept(6, true)]], { by = by })
            assert.are.equal("", output)
            assert.are.equal(6, status)
        end)
    end)

    it("leaves an os.exit that the task put there", function()
        local p <close> = pool.new(0)
        local function mine() end
        p:apply(function() os.exit = mine end)
        local now = os.exit
        os.exit = exit
        assert.are.equal(mine, now)
    end)
end)

describe("Ctrl-C in a task without a worker", function()
    -- Runs the script, sends a signal once it is ready, gives what came of it.
    local function interrupt(text, by, signal)
        local mark = os.tmpname()
        os.remove(mark)
        local output, status = helpers.run(([[
            local function ready() io.open(%q, "w"):close() end
            ]]):format(mark) .. text, { by = by, before = ("(n=0; until [ -e %s ] || [ $n -gt 500 ]; do sleep 0.02; "
                .. "n=$((n + 1)); done; kill -%s $$) &"):format(mark, signal or "INT") })
        os.remove(mark)
        return output, status
    end

    helpers.each_interpreter(function(by)
        local expected = by == "luas" and 130 or 1
        for name, options in pairs {
            ["without a timeout"] = "on_error = 'collect'",
            ["with a timeout"] = "on_error = 'collect', timeout = 25",
            ["with retries"] = "on_error = 'collect', timeout = 25, retries = 3",
        } do
            it("ends the whole map, " .. name .. ", under " .. by, function()
                local output, status = interrupt([[
                    local p <close> = pool.new(0)
                    p:map(function()
                        ready()
                        while true do end
                    end, { 1, 2, 3 }, { ]] .. options .. [[ })
                    print("collected")]], by)
                assert.matches("interrupted!", output)
                assert.is_nil(output:find("collected", 1, true), output)
                assert.is_nil(output:find("task 1", 1, true), output)
                assert.are.equal(expected, status)
            end)
        end

        it("ends the maps inside it, too, under " .. by, function()
            local output, status = interrupt([[
                local p <close> = pool.new(0)
                p:map(function()
                    p:map(function()
                        ready()
                        while true do end
                    end, { 1, 2 }, { on_error = "collect" })
                    print("went on")
                end, { 1, 2, 3 }, { on_error = "collect", timeout = 25 })]], by)
            assert.matches("interrupted!", output)
            assert.is_nil(output:find("went on", 1, true), output)
            assert.are.equal(expected, status)
        end)

        it("leaves the pool usable under " .. by, function()
            assert.are.equal("false true 9\n", interrupt([[
                local p <close> = pool.new(0)
                local ok, message = pcall(p.apply_async, p, function()
                    ready()
                    while true do end
                end)
                print(table.concat({ tostring(ok), tostring(message:find "interrupted!$" ~= nil),
                    p:apply(function(x) return x * x end, 3) }, " "))]], by))
        end)
    end)

    it("is what SIGTERM does to the program, too", function()
        local output, status = interrupt([[
            local p <close> = pool.new(0)
            p:map(function()
                ready()
                while true do end
            end, { 1 }, { on_error = "collect", timeout = 25 })]], "luas", "TERM")
        assert.matches("terminated\n$", output)
        assert.are.equal(143, status)
    end)

    it("is not every error that has its words, in the program", function()
        assert.are.equal("error\tinterrupted!\n", helpers.output([[
            local p <close> = pool.new(0)
            local _, o = pcall(p.apply, p, error, "interrupted!")
            print(o.kind, o.message)]]))
    end)
end)
