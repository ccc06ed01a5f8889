-- A function that runs once in each worker.

local luas = require("luas")
local pool, process = luas.pool, luas.process
local helpers = require("tests.support.helpers")

local function nap(seconds) os.execute("sleep " .. seconds) end

describe("broadcast", function()
    local function pid() return process.current().pid end

    local function distinct(results)
        local seen, n = {}, 0
        for _, value in ipairs(results) do
            n = n + (seen[value] and 0 or 1)
            seen[value] = true
        end
        return n
    end

    it("runs once in each worker, again and again", function()
        local p <close> = pool.new(4)
        for _ = 1, 100 do
            local results, n = p:broadcast(pid)
            assert.are.equal(4, n)
            assert.are.equal(4, distinct(results))
        end
        assert.are.equal(4, p:stats().forks)
    end)

    it("runs once in each though some are busy, and where it must be inherited", function()
        local p <close> = pool.new(4)
        local naps = p:map_async(nap, { 0.3, 0.3, 0.1, 0.1, 0.1, 0.1 })
        assert.are.equal(4, distinct((p:broadcast(pid))))
        naps:get()
        local file <close> = assert(io.open("/dev/null"))
        assert.are.equal(4, distinct((p:broadcast(function() return file and pid() end))))
    end)

    it("leaves what it sets up to the tasks that follow", function()
        assert.are.equal("42 42 42 42 42 42 nil\n", helpers.output [[
            local p <close> = pool.new(3)
            p:broadcast(function(a, b) answer = a + b end, 40, 2)
            local results = p:map(function() return answer end, { 1, 2, 3, 4, 5, 6 })
            print(table.concat(results, " ") .. " " .. tostring(answer)) ]])
    end)

    it("fails as map does, and each worker that crashed once only", function()
        local p <close> = pool.new(3)
        local ok, o = pcall(p.broadcast, p, function() error({ code = 5 }) end)
        assert.is_false(ok)
        assert.are.equal(5, o.value.code)
        local _, n, failures = p:with { on_error = "collect" }:broadcast(os.exit, 3)
        assert.are.equal(3, n)
        for i = 1, 3 do assert.are.equal(3, failures[i].exitcode) end
        assert.are.equal(3, distinct((p:broadcast(pid))))
    end)

    it("gives what was printed in each worker, where that is captured", function()
        for _, on_error in ipairs { "raise", "collect" } do
            local p <close> = pool.new { workers = 2, output = "capture", on_error = on_error }
            local results, n, failures, printed = p:broadcast(function(x)
                print("seen", x)
                return x
            end, 5)
            assert.are.same({ { 5, 5 }, 2, {} }, { results, n, failures })
            assert.are.same({ "seen\t5\n", "seen\t5\n" }, printed)
        end
    end)

    it("ends when the pool has become smaller meanwhile", function()
        local p <close> = pool.new(4)
        local slow = p:map_async(nap, { 0.2, 0.2, 0.2, 0.2 })
        p:resize(2)
        local _, n = p:broadcast(pid)
        assert.are.equal(2, n)
        slow:get()
    end)

    it("runs once, here, in a pool without workers", function()
        local p <close> = pool.new(0)
        local results, n = p:broadcast(function(...) return select("#", ...) end, nil, nil)
        assert.are.same({ { 2 }, 1 }, { results, n })
        assert.has_error(function() p:broadcast(5) end,
            "bad argument #1 to 'broadcast' (function expected, got number)")
    end)
end)
