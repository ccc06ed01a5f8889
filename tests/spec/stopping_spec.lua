-- A task that is stopped was mostly inside the library at that moment. What it used
-- there is whole afterwards.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

local function id(...) return ... end
local function clock() return io.open("/proc/uptime"):read("n") end

-- What a task may be at with a pool without workers, for ever.
local bodies = {
    ["a chain of callbacks"] = function(p)
        local function link() p:apply_async(math.abs, 1):on_done(link) end
        link()
    end,
    ["a map"] = function(p)
        while true do p:map(id, { 1, 2, 3 }) end
    end,
    ["a map of what is no Lua"] = function(p)
        while true do p:map(math.abs, { 1, 2, 3 }) end
    end,
    ["an iterator"] = function(p)
        local function endless() return 1 end
        for _ in p:imap(id, endless, { window = 4 }) do end
    end,
    ["tasks in a task"] = function(p)
        while true do p:apply(function() return p:apply(id, p:apply(id, 1)) end) end
    end,
    ["futures"] = function(p)
        while true do
            local one, two = p:apply_async(id, 1), p:map_async(id, { 1, 2 })
            pool.wait_all { one, two }
            one:on_done(id)
        end
    end,
    ["a reduction"] = function(p)
        while true do p:reduce(id, { 1, 2, 3 }, math.max) end
    end,
}

-- Goes on after the first error, and is stopped for good half a second later.
local function stubborn(body)
    return function(p)
        while true do pcall(body, p) end
    end
end

-- Closes the pool; says what is wrong with it, or nothing.
local function fault(p)
    local ok, result = pcall(p.apply, p, id, 7)
    p:close()
    local joined, whole = pcall(p.join, p, 1)
    if not ok or result ~= 7 then return "apply: " .. tostring(result) end
    if not (joined and whole) then return "join: " .. tostring(whole) end
end

describe("a pool without workers is whole after", function()
    for name, body in pairs(bodies) do
        local function stop(times, run)
            for i = 1, times do
                local p = pool.new { workers = 0, timeout = 0.01 + i / 2000 }
                local ok, o = pcall(p.apply, p, run, p)
                assert.is_false(ok)
                assert.are.equal("timeout", o.kind)
                assert.is_nil(pool.task)
                assert.is_nil(fault(p))
            end
        end

        it(name .. " that was stopped", function() stop(10, body) end)

        it(name .. " that was stopped for good", function() stop(1, stubborn(body)) end)
    end
end)

describe("a pool that a worker has for its tasks is whole after", function()
    for name, body in pairs(bodies) do
        it(name .. " that was stopped", function()
            local p <close> = pool.new { workers = 1, carry = "ship",
                init = function() package.loaded.ours = pool.new(0) end }
            for i = 1, 10 do
                local view = p:with { timeout = 0.01 + i / 2000 }
                local _, o = pcall(view.apply, view, function() body(package.loaded.ours) end)
                assert.are.equal("timeout", o.kind)
                assert.is_nil(p:apply(function()
                    local why = fault(package.loaded.ours)
                    package.loaded.ours = pool.new(0)
                    return why
                end))
            end
            assert.are.equal(1, p:stats().forks)
        end)
    end
end)

describe("a task that waits in the library is stopped in time,", function()
    local long <const> = helpers.within(3)

    local function check(run)
        for _, workers in ipairs { 0, 1 } do
            local p <close> = pool.new { workers = workers, timeout = 0.1 }
            local before = clock()
            local ok, o = pcall(p.apply, p, run)
            assert.is_false(ok)
            assert.are.equal("timeout", o.kind)
            assert.is_true(clock() - before < helpers.within(1))
        end
    end

    it("for a task of other workers", function()
        check(function()
            local inner <close> = pool.new(1)
            inner:apply(helpers.sleep, long)
        end)
    end)

    it("for a future", function()
        check(function()
            local inner <close> = pool.new(1)
            inner:apply_async(helpers.sleep, long):get()
        end)
    end)
end)
