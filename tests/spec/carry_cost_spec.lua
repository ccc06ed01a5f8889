-- A function that takes long to ship is inherited, as far as what both take is known by then.

local helpers = require("tests.support.helpers")

-- `ways(p, f, n)`: how the calls 1 to n of a map over f went, a letter each. The tables stay below what is always
-- inherited for its size.
local WAYS = [[
    local function ways(p, make, n)
        local letters = {}
        for i = 1, n do
            local before = p:stats().carried.ship
            p:map(make(), { 1, 2, 3, 4 })
            letters[i] = p:stats().carried.ship > before and "s" or "i"
        end
        return table.concat(letters)
    end
    local function list(n)
        local t = {}
        for i = 1, n do t[i] = i end
        return t
    end
    local function rows(n)
        local t = {}
        for i = 1, n do t[i] = { i } end
        return t
    end
    local function capture(t)
        return function() return function() return #t end end
    end
    local function always(t)
        local f = capture(t)()
        return function() return f end
    end
]]

describe("a captured table", function()
    it("is shipped if it is small, and inherited if that takes less", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("ssssssss iiiiiiii iiiiiiii\n", helpers.output(WAYS .. [[
                local p <close> = pool.new(2)
                p:map(function() end, { 1, 2 })
                local small, large = list(2000), rows(40000)
                print(ways(p, capture(small), 8) .. " " .. ways(p, capture(large), 8) .. " " .. ways(p, always(large), 8)) ]], by))
        end)
    end)

    it("is shipped where the function needs what only the workers have", function()
        assert.are.equal("ssss ssss\n", helpers.output(WAYS .. [[
            local large = rows(40000)
            local with_init <close> = pool.new { workers = 1, init = function() from_init = 5 end }
            local p <close> = pool.new(1)
            p:map(function() only_in_workers = 5 end, { 1 })
            local function f() assert(only_in_workers == 5) return #large end
            print(ways(with_init, capture(large), 4) .. " " .. ways(p, function() return f end, 4)) ]]))
    end)

    it("is as it is at the call, either way", function()
        assert.are.equal("true\n", helpers.output(WAYS .. [[
            local p <close> = pool.new(2)
            local t, right = rows(40000), true
            for i = 1, 12 do
                if i == 7 then for k = 100, #t do t[k] = nil end end
                t[i] = { -i }
                local r = p:map(function(k) return t[k][1] + #t end, { i, i })
                right = right and r[1] == #t - i and r[2] == r[1]
            end
            print(right) ]]))
    end)
end)
