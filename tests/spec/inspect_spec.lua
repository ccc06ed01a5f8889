-- luas.inspect writes what a person can read; luas.complete knows what fits.

require "luas"
package.path = "lua/?.lua;" .. package.path
local inspect = require("luas.inspect")
local complete = require("luas.complete")

local function lines(...)
    return table.concat({ ... }, "\n")
end

describe("inspect", function()
    it("writes scalars as Lua has them", function()
        assert.are.equal("nil", inspect(nil))
        assert.are.equal("true", inspect(true))
        assert.are.equal("1", inspect(1))
        assert.are.equal("1.0", inspect(1.0))
        assert.are.equal("-0.0", inspect(-0.0))
        assert.are.equal("-9223372036854775808", inspect(math.mininteger))
    end)

    it("writes short tables on one line, keys sorted", function()
        assert.are.equal("{}", inspect({}))
        assert.are.equal("{1, 4, 9}", inspect({ 1, 4, 9 }))
        assert.are.equal("{x = 1, y = 2}", inspect({ y = 2, x = 1 }))
        assert.are.equal('{"a", "b", [-1] = 0, [1.5] = 1, n = {2}, [false] = 3, [true] = 4}',
            inspect({ "a", "b", [1.5] = 1, [-1] = 0, n = { 2 }, [true] = 4, [false] = 3 }))
    end)

    it("keeps holes and quotes keys that are no names", function()
        assert.are.equal("{1, nil, 3}", inspect({ 1, nil, 3 }))
        assert.are.equal("{nil, 2}", inspect({ nil, 2 }))
        assert.are.equal("{[3] = 3}", inspect({ nil, nil, 3 }))
        assert.are.equal('{["a b"] = 1, ["end"] = 2}', inspect({ ["end"] = 2, ["a b"] = 1 }))
    end)

    it("writes the same of tables that have the same in them, however they were made", function()
        local function both(text, fill)
            local t = {}
            fill(t)
            assert.are.equal(text, inspect(t))
            assert.are.equal(text, inspect(load("return " .. text)()))
        end
        both("{nil, 2, nil, 4}", function(t) t[4], t[2] = 4, 2 end)
        both("{1, 2, nil, nil, 5, 6}", function(t) for _, i in ipairs { 6, 1, 5, 2 } do t[i] = i end end)
        both("{[3] = 3, [9] = 9, n = 9}", function(t) t.n, t[9], t[3] = 9, 9, 3 end)
        both("{1, [9223372036854775807] = 2}", function(t) t[math.maxinteger], t[1] = 2, 1 end)
    end)

    it("escapes what is not text, and keeps UTF-8", function()
        assert.are.equal([["a\nb\t\"\\\000\027é€\xFF\x80"]], inspect("a\nb\t\"\\\0\27é€\xFF\x80"))
        assert.are.equal([["\xC2\x9B1m"]], inspect("\xC2\x9B1m"))
        assert.are.equal('""', inspect(""))
    end)

    it("writes strings that Lua reads back as they were", function()
        for _, s in ipairs({ "", "é\r\n", "\0001", string.char(0, 9, 10, 13, 34, 92, 127, 128, 255), "\xC2\x85" }) do
            assert.are.equal(s, load("return " .. inspect(s))())
        end
    end)

    it("folds long tables, short items side by side", function()
        assert.are.equal(lines("{", "  1001, 1002, 1003,", "  1004", "}"), inspect({ 1001, 1002, 1003, 1004 }, { width = 22 }))
        assert.are.equal(lines("{", "  alpha = {1, 2},", "  beta = {", '    gamma = "long enough to be folded"', "  }", "}"),
            inspect({ alpha = { 1, 2 }, beta = { gamma = "long enough to be folded" } }, { width = 36 }))
    end)

    it("marks cycles, and writes what is only shared twice", function()
        local t = { name = "t" }
        t.self, t.inner = t, { t }
        assert.are.equal('{inner = {<cycle>}, name = "t", self = <cycle>}', inspect(t))
        local shared = { 1 }
        assert.are.equal("{{1}, {1}}", inspect({ shared, shared }))
    end)

    it("writes a longer table once, unless more of it would be seen", function()
        local big = { text = ("x"):rep(40) }
        local line = '{text = "' .. big.text .. '"}'
        assert.are.equal("{a = " .. line .. ", b = <repeated>}", inspect({ a = big, b = big }))
        assert.are.equal("{\n  {" .. line .. "},\n  " .. line .. "\n}", inspect({ { big }, big }, { width = 60 }))
        assert.are.equal("{{{...}}, " .. line .. "}", inspect({ { { big } }, big }, { depth = 2 }))
    end)

    it("says what its limits leave out", function()
        assert.are.equal("{{{{...}}}}", inspect({ { { { 1 } } } }, { depth = 3 }))
        assert.are.equal("{{{{}}}}", inspect({ { { {} } } }, { depth = 3 }))
        assert.are.equal("{1, 2, ... (2 more)}", inspect({ 1, 2, 3, x = 4 }, { items = 2 }))
        assert.are.equal('"abc"... (3 more bytes)', inspect("abcdef", { bytes = 3 }))
        assert.are.equal('"a"... (3 more bytes)', inspect("aéb", { bytes = 2 }))
    end)

    it("stays short whatever the value", function()
        local wide = {}
        for i = 1, 200 do wide[i] = wide[i - 1] and { wide[i - 1], wide[i - 1], wide[i - 1] } or { 1 } end
        assert.is_true(#inspect(wide, { depth = 100 }) < 200000)
        local text, same = ("x"):rep(3000), { tostring = ("y"):rep(5000) }
        for i = 1, 5000 do same[i] = { text, i } end
        assert.is_true(#inspect(same) < 100000)
        local long = setmetatable({}, { __tostring = function() return ("z"):rep(1000000) end })
        assert.are.equal("zz... (999998 more bytes)", inspect(long, { bytes = 2 }))
        assert.is_true(#inspect({ long, [long] = long }) < 20000)
        local deep = {}
        for _ = 1, 100000 do deep = { deep } end
        assert.are.equal("{{{{...}}}}", inspect({ deep }, { depth = 3 }))
    end)

    it("uses __tostring, survives its failure, names classes, calls nothing else", function()
        local function object(meta) return setmetatable({ x = 1 }, meta) end
        assert.are.equal("Point(1)", inspect(object({ __tostring = function(p) return "Point(" .. p.x .. ")" end })))
        assert.are.equal("{P}", inspect({ object({ __tostring = function() return "P" end }) }))
        assert.matches("^<error in __tostring: .*boom>$", inspect(object({ __tostring = function() error("boom") end })))
        assert.are.equal("Point {x = 1}", inspect(object({ __name = "Point" })))
        local trap = function() error("called") end
        assert.are.equal("{x = 1}", inspect(object({ __index = trap, __pairs = trap, __len = trap, __metatable = trap })))
    end)

    it("says where a function is from", function()
        assert.are.equal("function <job:2>", inspect(load("\nreturn function() end", "=job")()))
        assert.matches("^function: ", inspect(print))
    end)

    it("raises on a wrong option, naming it", function()
        assert.has_error(function() inspect(1, { deep = 1 }) end,
            "unknown option 'deep' to 'inspect' (known: width, depth, items, bytes)")
        assert.has_error(function() inspect(1, { depth = "x" }) end,
            "option 'depth' of 'inspect' must be a whole number, not x")
        assert.has_error(function() inspect(1, 2) end, "bad argument #2 to 'inspect' (table expected, got number)")
    end)
end)

describe("completion", function()
    local function candidates(line)
        return table.concat((complete.candidates(line)), " ")
    end

    setup(function()
        local base = { walk = print, legs = 4 }
        _G.luas_spec = setmetatable({ run = print, ["a b"] = 1, _hidden = 1, text = "x" }, { __index = base })
    end)
    teardown(function() _G.luas_spec = nil end)

    it("knows globals, keywords and fields", function()
        assert.are.equal("luas_spec", candidates("luas_sp"))
        assert.are.equal("rawequal rawget rawlen rawset", candidates("x = raw"))
        assert.are.equal("repeat require return", candidates("re"))
        assert.are.equal("find format", candidates("print(string.f"))
        assert.are.equal("legs run text walk", candidates("luas_spec."))
        assert.are.equal("_hidden", candidates("luas_spec._"))
    end)

    it("offers methods alone after a colon, through metatables", function()
        assert.are.equal("run walk", candidates("luas_spec:"))
        assert.are.equal("upper", candidates("luas_spec.text:up"))
        assert.are.equal("seek setvbuf", candidates("io.stdout:se"))
    end)

    it("offers nothing where it cannot know", function()
        for _, line in ipairs({ "f().", "f().x", "('x'):u", "a[1].b", "nosuch.", "luas_spec.run.", "1 + ", "::x", "a:b:c" }) do
            assert.are.equal("", candidates(line))
        end
    end)

    it("is not misled by a concatenation", function()
        assert.are.equal("find format", candidates('"a"..string.f'))
        assert.are.equal("find format", candidates("a..string.f"))
    end)

    it("runs no metamethod", function()
        _G.luas_spec.trap = setmetatable({}, { __index = function() error("called") end })
        assert.are.equal("", candidates("luas_spec.trap.x"))
    end)

    it("inserts what the names share, then lists them", function()
        assert.are.equal("t", (complete.complete("print(luas_spec.tex", 80)))
        assert.are.same({ "e" }, { complete.complete("string.r", 80) })
        assert.are.same({ "", "rep      reverse" }, { complete.complete("string.re", 80) })
        assert.are.same({ "", "rep\nreverse" }, { complete.complete("string.re", 10) })
        assert.are.same({ "" }, { complete.complete("nosuch.x", 80) })
    end)

    it("indents an empty line", function()
        assert.are.equal("    ", (complete.complete("", 80)))
    end)
end)
