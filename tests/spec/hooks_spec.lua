-- Each task begins with the debug hook that was there before the first one.

local helpers = require "tests.support.helpers"

-- What a task may leave behind.
local hooks = {
    ["that raises at calls"] = [[debug.sethook(function() error "hook" end, "c")]],
    ["that raises at lines"] = [[debug.sethook(function() error "hook" end, "l")]],
    ["that raises after some instructions"] = [[debug.sethook(function() error "hook" end, "", 5)]],
    ["that is set before an error"] = [[debug.sethook(function() end, "c") error "task"]],
    ["in a coroutine's creator"] = [[coroutine.wrap(function() debug.sethook(function() error "hook" end, "crl", 1) end)()]],
}

describe("a debug hook", function()
    helpers.each_interpreter(function(by)
        for name, left in pairs(hooks) do
            for _, carry in ipairs { "ship", "inherit" } do
                it(("%s does not go from one task to the next, %s in %s"):format(name, carry, by), function()
                    assert.equal("0 0\n", helpers.output(([[
                        local p = pool.new(1)
                        local seen, n, failures = p:map(function(i)
                            if i == 2 then %s return 0 end
                            return { i, debug.gethook() == nil }
                        end, { 1, 2, 3, 4, 5 }, { on_error = "collect", carry = %q })
                        for i = 1, 5 do
                            assert(i == 2 or seen[i][2], i)
                            assert(i == 2 or not failures[i], i)
                        end
                        p:apply(math.abs, 1)
                        local s = p:stats()
                        print(s.crashes .. " " .. s.retries)
                    ]]):format(left, carry), by))
                end)
            end
        end

        it("that a task in the host itself leaves ends with it, in " .. by, function()
            for name, left in pairs(hooks) do
                assert.equal("true true none\n", helpers.output(([[
                    local p = pool.new(0)
                    local function leave() %s end
                    pcall(p.apply, p, leave)
                    pcall(p.map, p, leave, { 1, 2 }, { on_error = "collect", timeout = 5 })
                    local function long() for i = 1, 1e4 do math.abs(i) end return debug.gethook() == nil end
                    local ok, free = pcall(p.apply, p, long)
                    local kept, calls = nil, 0
                    local function mine() calls = calls + 1 end
                    debug.sethook(mine, "c")
                    pcall(p.apply, p, leave)
                    pcall(p.apply, p, function() pcall(p.apply, p, leave) debug.sethook() end)
                    kept = debug.gethook() == mine and select(2, debug.gethook()) == "c"
                    debug.sethook()
                    print(("%%s %%s %%s"):format(ok and free, kept and calls > 0, debug.gethook() or "none"))
                ]]):format(left), by), name)
            end
        end)

        it("that init has set is there for every task, without workers, too, in " .. by, function()
            assert.equal("true true timeout\n", helpers.output([[
                local calls = 0
                local function counter() calls = calls + 1 end
                local p = pool.new { workers = 0, init = function() debug.sethook(counter, "c") end }
                local function is() return debug.gethook() == counter and calls > 0 end
                local first = p:apply(is)
                p:apply(function() debug.sethook(function() error "other" end, "c") end)
                local second = p:apply(is)
                debug.sethook()
                local _, o = pcall(p.apply, p:with { timeout = 0.02 }, function() while true do end end)
                print(("%s %s %s"):format(first, second, o.kind)) ]], by))
        end)

        it("that init has set is there for every task, in " .. by, function()
            assert.equal("true\ttrue\ttrue\ttrue\n", helpers.output([[
                local p = pool.new { workers = 1, init = function()
                    calls = 0
                    counter = function() calls = calls + 1 end
                    debug.sethook(counter, "c")
                end }
                local function counts()
                    local before = calls
                    return debug.gethook() == counter and select(2, debug.gethook()) == "c" and calls > 0
                        and calls >= before
                end
                local first = p:apply(counts)
                pcall(p.apply, p, error, "raised")
                local second = p:apply(counts)
                p:apply(function() debug.sethook(function() error "other" end, "c") end)
                local third = p:apply(counts)
                pcall(p.apply, p:with { timeout = 0.05 }, function() while true do end end)
                print(first, second, third, p:apply(counts))
            ]], by))
        end)
    end)
end)
