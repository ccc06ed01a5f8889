-- A journal: what was done is not done again, and what has changed is noticed. Each run is a
-- process of its own; tasks tell a file that they ran.

require "luas"
local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local folder, db, log

before_each(function()
    folder = sh.folder()
    db, log = folder .. "/run.db", folder .. "/log"
end)

after_each(function() sh.must("rm -rf " .. sh.quote(folder)) end)

-- What tasks call: a line of the log for each start.
local PRELUDE <const> = [[
local journal = "run.db"
function ran(x)
    local file <close> = io.open("log", "a")
    file:write(tostring(x), "\n")
end
local function show(t, n)
    local texts = {}
    for i = 1, n do texts[i] = tostring(t[i]) end
    print(table.concat(texts, " "))
end
]]

-- Runs a script in the folder: its output, status, and which tasks ran, sorted.
local function go(text, how)
    how = how or {}
    sh.write(log, "")
    local output, status = helpers.run(PRELUDE .. text, { by = how.by, before = ("cd %s; %s"):format(folder, how.before or ""),
        after = how.after, seconds = 30 })
    local runs = {}
    for line in sh.read(log):gmatch "[^\n]+" do runs[#runs + 1] = line end
    table.sort(runs)
    return output, status, table.concat(runs, " ")
end

local function expect(output, runs, text, how)
    local got, status, ran = go(text, how)
    assert.are.equal(output .. "\n", got)
    assert.are.equal(0, status)
    assert.are.equal(runs, ran)
end

local function refused(pattern, text, how)
    local got, status, ran = go(text, how)
    assert.is_truthy(got:find(pattern, 1, true), got)
    assert.are_not.equal(0, status)
    assert.are.equal("", ran)
end

local tools = require("luas.core").journal()

local function sql(query)
    local file, lines = assert(tools.open(db)), {}
    for i, row in ipairs(assert(tools.query(file, query))) do lines[i] = table.concat(row, "|") end
    tools.close(file)
    return table.concat(lines, "\n")
end

-- A map of f over items; `before` comes before f.
local function map(items, f, options, before)
    return ("%s\nlocal f = %s\nlocal p <close> = pool.new { workers = 2 }\nshow(p:map(f, %s, { journal = %s }))"):format(
        before or "", f or "function(x) ran(x) return 2 * x end", items, options or "journal")
end

describe("a journal", function()
    for name in pairs(helpers.interpreters) do
        it("gives again what is done: " .. name, function()
            expect("2 4 6", "1 2 3", map "{ 1, 2, 3 }", { by = name })
            expect("2 4 6", "", map "{ 1, 2, 3 }", { by = name })
            assert.are.equal("ok", sql "PRAGMA integrity_check")
        end)
    end

    it("is about inputs, whatever their order and number", function()
        go(map "{ 1, 2, 3 }")
        expect("6 2 4", "", map "{ 3, 1, 2 }")
        expect("8 6 2", "4", map "{ 4, 3, 1 }")
        expect("4", "", map "{ 2 }")
        expect("2 10 4", "5", map "{ 1, 5, 2 }")
    end)

    it("has an outcome for each of equal inputs", function()
        expect("14 14 2", "1 7 7", map "{ 7, 7, 1 }")
        expect("14 14 14", "7", map "{ 7, 7, 7 }")
        expect("14 14 14", "", map "{ 7, 7, 7 }")
    end)

    it("keeps what values keep", function()
        local text = [[
            local function f(i)
                ran(i)
                local t = { 1, nil, 3, s = "\0\255", deep = { { i } }, nan = 0/0, zero = -0.0, big = math.mininteger }
                t.self = t
                if i == 2 then return nil, false, "a\nb" end
                if i == 3 then return end
                if i == 4 then return ("x"):rep(3000000) end
                return t, i + 0.0, math.huge
            end
            local p <close> = pool.new { workers = 2 }
            for i, t, a, b in p:imap(f, { 1, 2, 3, 4 }, { journal = journal }) do
                if i == 1 then
                    print(t[3], t.s == "\0\255", t.deep[1][1], t.nan ~= t.nan, 1 / t.zero, t.big, t.self == t, a, b)
                elseif i == 4 then
                    print(#t)
                else
                    print(t, a, b)
                end
            end]]
        local first, _, ran = go(text)
        assert.are.equal("1 2 3 4", ran)
        expect(first:gsub("\n$", ""), "", text)
    end)

    it("is for all verbs that have results or effects", function()
        local text = [[
            local p <close> = pool.new { workers = 2, journal = journal }
            local function f(x, y) ran(x) return x * (y or 10) end
            local function add(a, b) return a + b end
            show(p:map(f, { 1, 2 }))
            show(p:starmap(f, { { 3, 2 }, { 4, 2, n = 2 } }))
            for i, v in p:imap(f, pool.range(5, 6)) do io.write(i, "=", v, " ") end
            local sum = 0
            for _, v in p:imap_unordered(f, { 7, 8 }) do sum = sum + v end
            print(sum, p:reduce(f, { 9, 10 }, add, 0), p:each(f, { 11, 12 }))
            print(p:apply(f, 13, 2), p:apply_async(f, 14):get(), p:map_async(f, { 15, 16 }):get()[2],
                p:starmap_async(f, { { 17, 1 } }):get()[1])
            print(p:stats().resumed)]]
        local first, status, ran = go(text)
        assert.are.equal(0, status, first)
        assert.are.equal(17, select(2, ran:gsub("%d+", "")))
        expect(first:gsub("0\n$", "17"), "", text)
    end)

    it("is the same without workers", function()
        local text = [[
            local p <close> = pool.new { workers = %d, journal = journal }
            local function f(x) ran(x) if x == 3 then error("three", 0) end return x * 2, "b" end
            local r, n, failures = p:map(f, { 1, 2, 3 }, { on_error = "collect" })
            print(r[1], r[2], n, failures[3].kind, failures[3].value, failures[3].input)
            print(p:apply(f, 4))
            for _, a, b in p:imap(f, pool.range(5, 6)) do io.write(a, b, " ") end]]
        local first, _, ran = go(text:format(0))
        assert.are.equal("1 2 3 4 5 6", ran)
        assert.are.equal(first, (go(text:format(0))))
        assert.are.equal("", select(3, go(text:format(2))))
    end)

    it("fails again as it failed, and runs that again where it is asked to", function()
        local f = "function(x) ran(x) if x == 2 and not os.getenv 'MENDED' then error 'two' end return x end"
        local text = [[
            local p <close> = pool.new { workers = 2 }
            local _, n, failures = p:map(%s, { 1, 2, 3 }, { on_error = "collect", journal = %s })
            local o = failures[2]
            print(n, o and o.kind, o and o.input, o and o.value:match "two", o and o.recorded)]]
        expect("3\terror\t2\ttwo\tnil", "1 2 3", text:format(f, "journal"))
        expect("3\terror\t2\ttwo\ttrue", "", text:format(f, "journal"))
        expect("3\terror\t2\ttwo\tnil", "2", text:format(f, "{ path = journal, resume = 'failed' }"))
        expect("3\tnil\tnil\tnil\tnil", "2", text:format(f, "{ path = journal, resume = 'failed' }"), { before = "export MENDED=1;" })
        expect("3\tnil\tnil\tnil\tnil", "", text:format(f, "journal"))
    end)

    it("says of a recorded failure what runs it again", function()
        local text = map("{ 1, 2 }", "function(x) if x == 2 then os.exit(3) end return x end")
        go(text)
        local output = go(text)
        assert.is_truthy(output:find 'task 2 %(input 2%): its worker exited with status 3 .*resume = "failed" runs it again', output)
    end)

    it("is not misled by a pool that a key ends", function()
        local output = go [[
            local p = pool.new { workers = 1 }
            local options = { journal = { path = journal, key = function(x) p:terminate() return x end } }
            print(pcall(p.map, p, function() end, { 1 }, options))]]
        assert.are.equal("false\tthe pool was terminated\n", output)
    end)

    it("does not record what was cancelled", function()
        local text = map("{ 1, 2, 3, 4, 5, 6 }", "function(x) ran(x) if x == 1 then error 'one' end return x end", "journal")
        go((text:gsub("workers = 2", "workers = 1, chunk = 1")))
        assert.are.equal("1|error", sql "SELECT idx, kind FROM outcome WHERE idx < 3 AND kind <> 'value'")
        assert.are.equal("0", sql "SELECT count(*) FROM outcome WHERE kind = 'cancelled'")
    end)

    it("counts the index where there is a seed, and has the same numbers", function()
        local text = [[
            local p <close> = pool.new { workers = 2, journal = journal, seed = 7 }
            show(p:map(function(x) ran(x) return math.random(1 << 40) end, %s))]]
        local first = go(text:format "{ 1, 1, 2 }")
        assert.are_not.equal(first:match "%d+", first:match "%d+ (%d+)")
        expect(first:gsub("\n$", ""), "", text:format "{ 1, 1, 2 }")
        local _, _, ran = go(text:format "{ 2, 1, 1 }")
        assert.are.equal("1 2", ran)
        local more = go(text:format "{ 1, 1, 2, 3 }")
        assert.are.equal(first:gsub("\n", ""), more:match("^" .. ("%d+ "):rep(3)):gsub(" $", ""))
    end)

    it("takes jobs of equal code in their order", function()
        local text = [[
            local p <close> = pool.new { workers = 2, journal = journal }
            local function f(x) ran(x) return x end
            for round = 1, 3 do show(p:map(f, { round, 9 })) end]]
        expect("1 9\n2 9\n3 9", "1 2 3 9 9 9", text)
        expect("1 9\n2 9\n3 9", "", text)
    end)

    it("has no values where none are wanted", function()
        local function text(verb)
            return ([[
                local p <close> = pool.new { workers = 2 }
                print(p:%s(function(x) ran(x) return x end, { 1, 2 }, { journal = { path = journal, values = false } }) ~= nil)]]):format(verb)
        end
        expect("true", "1 2", text "each")
        expect("true", "", text "each")
        assert.are.equal(0, (select(2, go(text "map"))))
        refused("it has no values of run 3 (values = false), which map would need", text "map")
    end)

    it("reads sources as they come, and inherits what cannot be sent", function()
        local text = [[
            local p <close> = pool.new { workers = 2 }
            local file = io.tmpfile()
            local options = { journal = { path = journal, ignore = { "file" } } }
            local i = 0
            local function source() i = i + 1 if i <= %d then return i, { i } end end
            local sum = 0
            for _, v in p:imap(function(x, t) ran(x) return file and x + t[1] end, source, options) do sum = sum + v end
            print(sum)]]
        expect("12", "1 2 3", text:format(3))
        expect("20", "4", text:format(4))
    end)

    it("records tasks as wholes, not what they call", function()
        local text = [[
            local p <close> = pool.new { workers = 2, journal = journal }
            print(p:map(function(x)
                return p:map(function(y) ran(y) return y end, { x, 2 * x })[2]
            end, { 1, 2 })[2])]]
        expect("4", "1 2 2 4", text)
        expect("4", "", text)
        assert.are.equal("2", sql "SELECT count(*) FROM outcome")
    end)
end)

describe("the code of a journal", function()
    local F <const> = "function(x) ran(x) return helper(x) * rate end"
    local BEFORE <const> = "local rate = 2\nlocal function twice(x) return x + x end\nfunction helper(x) return twice(x) end"

    before_each(function() go(map("{ 1, 2 }", F, nil, BEFORE)) end)

    local same = {
        ["moved lines"] = { F, "\n\n" .. BEFORE },
        comments = { "function(x) --[[ well ]]\n ran(x) -- so\n return helper(x) * rate end", BEFORE },
        ["white space"] = { "function ( x )\n\n  ran( x )\n  return  helper(x)*rate   end", BEFORE },
        ["names of locals"] = { "function(input) ran(input) return helper(input) * factor end", BEFORE:gsub("rate", "factor") },
        ["another global"] = { F, BEFORE .. "\nunused = 7" },
    }
    for name, case in pairs(same) do
        it("does not care for " .. name, function() expect("4 8", "", map("{ 1, 2 }", case[1], nil, case[2])) end)
    end

    local other = {
        ["a constant"] = { "function(x) ran(x) return helper(x) * rate + 1 end", BEFORE, "the function" },
        ["an operator"] = { "function(x) ran(x) return helper(x) + rate end", BEFORE, "the function" },
        ["a string"] = { "function(x) ran(x, 'b') return helper(x) * rate end", BEFORE, "the function" },
        ["a helper"] = { F, BEFORE:gsub("return twice%(x%)", "return 2 * x"), "global 'helper'" },
        ["a helper's helper"] = { F, BEFORE:gsub("x %+ x", "3 * x"), "upvalue 'twice' of global 'helper'" },
        ["an upvalue"] = { F, BEFORE:gsub("rate = 2", "rate = 3"), "upvalue 'rate' of the function" },
        ["the type of an upvalue"] = { F, BEFORE:gsub("rate = 2", "rate = 2.0"), "upvalue 'rate' of the function" },
    }
    for name, case in pairs(other) do
        it("notices " .. name, function()
            refused(case[3] .. " changed since run 1 (", map("{ 1, 2 }", case[1], nil, case[2]))
            refused('; on_change = "rerun" runs all 2 again, on_change = "keep" trusts them',
                map("{ 2 }", case[1], nil, case[2]))
            expect("4 8", "", map("{ 1, 2 }", F, nil, BEFORE)) -- as it was
            local _, _, ran = go(map("{ 1, 2 }", case[1], "{ path = journal, on_change = 'rerun' }", case[2]))
            assert.are.equal("1 2", ran)
            local _, status, again = go(map("{ 1, 2 }", case[1], nil, case[2]))
            assert.are.equal(0, status)
            assert.are.equal("", again)
        end)
    end

    it("may be trusted, from then on", function()
        local changed = BEFORE:gsub("rate = 2", "rate = 3")
        expect("4 8 18", "3", map("{ 1, 2, 3 }", F, "{ path = journal, on_change = 'keep' }", changed))
        expect("4 8 18 24", "4", map("{ 1, 2, 3, 4 }", F, nil, changed))
    end)

    it("is refused only where old outcomes are at stake", function()
        expect("30", "10", map("{ 10 }", "function(x) ran(x) return 3 * x end", nil, BEFORE))
    end)

    it("has the version of Lua", function()
        sql "UPDATE run SET lua = 'Lua 5.4.0'"
        refused("Lua changed since run 1 (Lua 5.4.0 then, Lua 5.4.", map("{ 1, 2 }", F, nil, BEFORE))
    end)
end)

describe("modules", function()
    local text <const> = map("{ 1 }", "function(x) ran(x) return tax.of(x) end", nil,
        "package.path = './?.lua;' .. package.path; local tax = require 'tax'")

    local function write(factor, rest)
        sh.write(folder .. "/rates.lua", ("return { factor = %d }"):format(factor))
        sh.write(folder .. "/tax.lua", "local rates = require 'rates'\nreturn { of = function(x) return rates.factor * x end }" .. rest)
    end

    it("count by the content of their files, and so do those that they require", function()
        write(2, "")
        expect("2", "1", text)
        expect("2", "", text)
        write(2, "\n-- changed")
        refused("module 'tax' changed since run 1 (./tax.lua)", text)
        write(3, "")
        refused("module 'rates' changed since run 1 (./rates.lua)", text)
        write(2, "")
        expect("2", "", text)
    end)

    it("may have an object together, whichever is met first in a run", function()
        local own = map("{ 1 }", "function(x) ran(x) return first(x) and pool and 2 * x end", nil, [[package.path = './?.lua;' .. package.path
            local first
            for i = 1, 12 do first = require('m' .. i).of end]])
        sh.write(folder .. "/one.lua", "return function(x) return x end")
        for i = 1, 12 do sh.write(("%s/m%d.lua"):format(folder, i), "local one = require 'one' return { a = one, of = one }") end
        expect("2", "1", own)
        for _ = 1, 4 do expect("2", "", own) end
    end)

    it("count where the function requires them itself", function()
        local own = map("{ 1 }", "function(x) ran(x) return require 'tax'.of(x) end", nil, "package.path = './?.lua;' .. package.path")
        write(2, "")
        expect("2", "1", own)
        write(4, " ")
        refused("module 'tax' changed", own)
    end)
end)

describe("the input of a journal", function()
    it("does not care in which order tables were filled", function()
        local f = "function(t) ran(t.a) return t.a + t.b.c end"
        expect("3", "1", map("{ { a = 1, b = { c = 2, d = { 1, 2 } } } }", f))
        expect("3", "", map("{ (function() local t = { b = { d = { 1, 2 } } } t.b.c = 2 t.a = 1 return t end)() }", f))
        expect("4", "1", map("{ { a = 1, b = { c = 3, d = { 1, 2 } } } }", f))
    end)

    it("tells numbers of two types apart, and knows NaN", function()
        expect("2 2.0", "1 1.0", map "{ 1, 1.0 }")
        expect("nan", "nan", (map "{ 0/0 }":gsub("%f[%w]2 %* x", "'nan'"):gsub("ran%(x%)", "ran('nan')")))
        expect("nan", "", (map "{ -(0/0) }":gsub("%f[%w]2 %* x", "'nan'"):gsub("ran%(x%)", "ran('nan')")))
    end)

    it("may have cycles and shared tables", function()
        local items = "(function() local t, deep = { 1 }, {} t.self = t for i = 1, 30000 do deep = { deep } end return { t, deep } end)()"
        local f = "function(t) ran(#t) return #t end"
        expect("1 1", "1 1", map(items, f))
        expect("1 1", "", map(items, f))
    end)

    it("is refused where it has no stable bytes, with its path and what helps", function()
        refused("item 2, field 'a': a table as a key has no stable bytes: ignore = {\"a\"} leaves it out, or key = function(x)",
            map "{ { 1 }, { a = { [{}] = 1 } } }")
        refused("item 1, field 'file': userdata (FILE*) has no stable bytes", map "{ { file = io.tmpfile() } }")
        refused("upvalue 'conn' of the function (SCRIPT:", map("{ 1 }", "function(x) return conn end", nil, "local conn = io.tmpfile()"))
        refused("global 'lines': a coroutine has", (map("{ 1 }", "function(x) return lines end", nil, "lines = coroutine.create(print)")))
        assert.are.equal("0", sql "SELECT count(*) FROM outcome")
    end)

    it("is what `key` says, and leaves out what is ignored", function()
        local options = "{ path = journal, key = function(t) return t.id end }"
        local f = "function(t) ran(t.id) return t.id end"
        expect("1", "1", map("{ { id = 1, [{}] = 2 } }", f, options))
        expect("1 2", "2", map("{ { id = 1, other = 2 }, { id = 2 } }", f, options))
        local ignoring = "{ path = journal, ignore = { 'time' } }"
        expect("5", "5", map("{ { id = 5, time = 1 } }", f, ignoring))
        expect("5", "", map("{ { id = 5, time = 2 } }", f, ignoring))
    end)

    it("has the files that it depends on, by size and time", function()
        local options = "{ path = journal, depends = function(x) return { x } end }"
        local f = "function(x) ran(x) local file <close> = io.open(x) return file:read 'a' end"
        sh.write(folder .. "/a", "A")
        expect("A", "a", map("{ 'a' }", f, options))
        expect("A", "", map("{ 'a' }", f, options))
        sh.write(folder .. "/a", "AA")
        expect("AA", "a", map("{ 'a' }", f, options))
    end)
end)
