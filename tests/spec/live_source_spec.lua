-- A source that may wait: what is ready is handed out before it is called. And the
-- standard input of a task.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

local function same(...) return ... end

local function now() return luas.pool and require "luas.core".now() end

local function nap(seconds) os.execute("sleep " .. seconds) end

for _, how in ipairs { { workers = 0 }, { workers = 2 }, { workers = 2, carry = "inherit" } } do
    describe(("with %d workers, %s, a loop over a source that waits"):format(how.workers, how.carry or "as usual"), function()
        local p
        setup(function() p = pool.new(how) end)
        teardown(function() p:terminate() end)

        for _, verb in ipairs { "imap", "imap_unordered" } do
            it("has each result before the source is called for the next but one: " .. verb, function()
                local given, had, late = 0, 0, 0
                local function source()
                    if given > 0 then
                        nap(0.15)
                        if had < given then late = late + 1 end
                    end
                    given = given + 1
                    return given <= 4 and given or nil
                end
                for _ in p[verb](p, same, source) do had = had + 1 end
                assert.are.equal(4, had)
                -- The first one may be late, where a fork takes long.
                assert.is_true(late <= 1, late .. " were late")
            end)

            it("has what comes in bursts: " .. verb, function()
                local calls, times, came = 0, {}, {}
                local function source()
                    calls = calls + 1
                    if calls > 1 and calls % 3 == 1 then nap(0.5) end
                    came[calls] = now()
                    return calls <= 6 and calls or nil
                end
                for i in p[verb](p, same, source) do times[i] = now() - came[i] end
                -- Once it has waited, the last of each burst is not held back by the next wait.
                local slow = 0
                for i = 4, 6 do slow = slow + (times[i] > 0.4 and 1 or 0) end
                assert.is_true(slow <= 1, slow .. " were held back")
            end)
        end

        it("still keeps all workers busy", function()
            if how.workers == 0 then return end
            local given, running = 0, luas.shared.value("i64")
            local most = luas.shared.value("i64")
            local function task(x)
                local n = running:add(1)
                if n > most:get() then most:set(n) end
                nap(0.3)
                running:add(-1)
                return x
            end
            for _ in p:imap(task, function()
                nap(0.05)
                given = given + 1
                return given <= 6 and given or nil
            end) do end
            assert.are.equal(2, most:get())
        end)
    end)
end

helpers.each_interpreter(function(by)
    it("a task's standard input is at its end, under " .. by, function()
        for _, carry in ipairs { "ship", "inherit" } do
            local output = helpers.run(([[
                local p = pool.new { workers = 1, carry = %q }
                print(p:apply(function() return io.read "l" end), p:apply(function() return #io.read "a" end))
                print(p:apply(function() return (io.popen "cat; echo over":read "a") end))
                print(process.spawn(function() return io.read "l" end):result())
                print(io.read "l")]]):format(carry), { by = by, before = "echo mine |" })
            assert.are.equal("nil\t0\nover\n\nnil\nmine\n", output)
        end
    end)
end)
