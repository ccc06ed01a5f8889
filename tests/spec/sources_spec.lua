-- What a source gives is what the function gets: every verb over the same
-- sources, with and without workers, shipped and inherited.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

-- What tasks use they capture: the globals of a spec cannot be shipped.
local concat, error, open, pack, select, tostring, unpack =
    table.concat, error, io.open, table.pack, select, tostring, table.unpack

-- All that a call got, as text: how many values, and each of them.
local function call_text(...)
    local texts = { select("#", ...) .. ":" }
    for i = 1, select("#", ...) do texts[i + 1] = tostring((select(i, ...))) end
    return concat(texts, " ")
end

-- As with io.lines, it is an error to go on after the end.
local function giving(list)
    return function()
        local i = 0
        return function()
            i = i + 1
            if i > #list + 1 then error("the source was called after its end") end
            if list[i] then return unpack(list[i], 1, list[i].n) end
        end
    end
end

local function counting(n, give)
    local list = {}
    for i = 1, n do list[i] = pack(give(i)) end
    return list
end

-- Makers of sources by name, and the values that each gives, item by item.
local sources = {}

local function add(name, calls, make)
    sources[#sources + 1] = { name = name, calls = calls, make = make }
end

local function add_array(name, items)
    local calls = {}
    for i = 1, items.n or #items do calls[i] = { n = 1, items[i] } end
    add("an array " .. name, calls, function() return items end)
end

local function add_function(name, calls)
    add("a function that gives " .. name, calls, giving(calls))
end

add_array("of values", { "a", 2, false, 4.5 })
add_array("of nothing", {})
add_array("with n that ends in nils", { n = 4, "a", "b" })
add_array("with n that begins with one", { n = 3, nil, "b", "c" })
add_array("with n and a hole", { n = 3, 1, nil, 3 })
add_array("of more than go into a list", (function()
    local items = { n = 50 }
    for i = 1, 40, 3 do items[i] = i end
    return items
end)())
add_array("with n less than its length", { n = 2, 1, 2, 3 })
add_function("nothing", {})
add_function("one value", counting(5, function(i) return i end))
add_function("false", counting(3, function() return false end))
add_function("two values", counting(5, function(i) return i, i * 10 end))
add_function("a nil between others", counting(5, function(i) return i, nil, i end))
add_function("nils at the end", counting(5, function(i) return i, nil, nil end))
add_function("now more, now less", counting(9, function(i) return unpack({ i, nil, i, nil, i }, 1, 1 + i % 5) end))
add_function("more than go into a list", counting(450, function(i) return i, i + 1 end))
add("pool.iter(ipairs(t))", { pack(1, "a"), pack(2, "b") }, function() return pool.iter(ipairs { "a", "b" }) end)
add("pool.iter(pairs(t))", { pack("k", "v") }, function() return pool.iter(pairs { k = "v" }) end)
add("pool.iter of four values", { pack(1, nil, "x", nil), pack(2, nil, "x", nil) }, function()
    return pool.iter(function(n, i) if i < n then return i + 1, nil, "x", nil end end, 2, 0)
end)

-- The same as lists of arguments, for starmap.
local function as_lists(source)
    local given = source.make()
    if type(given) == "table" then
        local lists = { n = #source.calls }
        for i = 1, lists.n do lists[i] = source.calls[i] end
        return lists
    end
    local lists = {}
    for i, call in ipairs(source.calls) do lists[i] = pack(call) end
    return giving(lists)()
end

-- An `each` gives no results: its calls are read from a file.
local function each_texts(p, source, opts)
    local path = os.tmpname()
    p:each(function(...)
        local file <close> = open(path, "a")
        file:write(call_text(...), "\n")
    end, source.make(), opts)
    local texts = {}
    for line in io.lines(path) do texts[#texts + 1] = line end
    os.remove(path)
    table.sort(texts)
    return texts
end

local function first_of(results) return results end

local function collected(next_of, ...)
    local texts = {}
    for i, text in next_of, ... do texts[i] = text end
    return texts
end

local function each_call(source, call)
    local texts = {}
    for i, arguments in ipairs(source.calls) do
        texts[i] = call(unpack(arguments, 1, arguments.n))
    end
    return texts
end

local function joined(a, b) return a .. "\n" .. b end

local function split(text)
    local texts = {}
    for line in (text or ""):gmatch "[^\n]+" do texts[#texts + 1] = line end
    return texts
end

-- Each gives the texts of the calls in the order of their inputs.
local verbs = {
    map = function(p, s, o) return first_of(p:map(call_text, s.make(), o)) end,
    starmap = function(p, s, o) return first_of(p:starmap(call_text, as_lists(s), o)) end,
    map_async = function(p, s, o) return first_of(p:map_async(call_text, s.make(), o):get()) end,
    starmap_async = function(p, s, o) return first_of(p:starmap_async(call_text, as_lists(s), o):get()) end,
    imap = function(p, s, o) return collected(p:imap(call_text, s.make(), o)) end,
    imap_unordered = function(p, s, o) return collected(p:imap_unordered(call_text, s.make(), o)) end,
    reduce = function(p, s, o) return split(p:reduce(call_text, s.make(), joined, nil, o)) end,
    ["reduce with an init"] = function(p, s, o)
        return split(p:reduce(call_text, s.make(), joined, "", o))
    end,
    ["reduce of single items"] = function(p, s, o)
        return split(p:with { retries = 1 }:reduce(call_text, s.make(), joined, nil, o))
    end,
    ["reduce of lists of two"] = function(p, s, o)
        return split(p:with { chunk = 2 }:reduce(call_text, s.make(), joined, nil, o))
    end,
    apply = function(p, s, o)
        return each_call(s, function(...) return p:with(o):apply(call_text, ...) end)
    end,
    apply_async = function(p, s, o)
        return each_call(s, function(...) return p:with(o):apply_async(call_text, ...):get() end)
    end,
    broadcast = function(p, s, o)
        return each_call(s, function(...) return p:with(o):broadcast(call_text, ...)[1] end)
    end,
}

-- A fork for each call takes its time, so the verbs of single calls get a few.
local single = { apply = true, apply_async = true, broadcast = true }
local MOST <const> = 3

local function expected(source)
    return each_call(source, call_text)
end

describe("every verb passes on all that a source gives", function()
    for _, workers in ipairs { 0, 1, 2 } do
        for _, carry in ipairs { "ship", "inherit" } do
            local p
            local where = (" with %d workers, %s"):format(workers, carry)
            setup(function() p = pool.new(workers) end)
            teardown(function() p:terminate() end)

            for name, verb in pairs(verbs) do
                it(name .. where, function()
                    for _, source in ipairs(sources) do
                        if not (single[name] and #source.calls > MOST) then
                            assert.are.same(expected(source), verb(p, source, { carry = carry }),
                                name .. " over " .. source.name)
                        end
                    end
                end)
            end

            it("each" .. where, function()
                for _, source in ipairs(sources) do
                    local texts = expected(source)
                    table.sort(texts)
                    assert.are.same(texts, each_texts(p, source, { carry = carry }), source.name)
                end
            end)
        end
    end
end)

describe("a source that gives more than a list", function()
    it("passes what follows the list behind its arguments", function()
        for _, workers in ipairs { 0, 2 } do
            local p <close> = pool.new(workers)
            local lists = giving { pack({ 1, 2 }, "x", nil), pack({ n = 2, nil, nil }, 3), pack({}) }
            local texts = { "4: 1 2 x nil", "3: nil nil 3", "0:" }
            assert.are.same(texts, first_of(p:starmap(call_text, lists())))
            assert.are.same(texts, first_of(p:starmap_async(call_text, lists()):get()))
        end
    end)
end)

describe("a failing task of reduce", function()
    local function fail_at(bad)
        return function(x, ...)
            if x == bad then error("bad") end
            return x
        end
    end

    local function input_of(p, calls, opts)
        local ok, o = pcall(p.reduce, p, fail_at(3), giving(calls)(), math.max, 0, opts)
        assert.is_false(ok)
        assert.are.equal(3, o.index)
        return o.input
    end

    it("names all that its source gave", function()
        local p <close> = pool.new(2)
        assert.are.equal(3, input_of(p, counting(5, function(i) return i end)))
        assert.are.same({ n = 3, 3, nil, 30 }, input_of(p, counting(5, function(i) return i, nil, i * 10 end)))
        assert.are.same({ n = 2, 3, nil }, input_of(p, counting(5, function(i) return i, nil end)))
    end)

    for _, workers in ipairs { 2, 0 } do
        it("is named by the outcome of a failing task, with " .. workers .. " workers", function()
            local p <close> = pool.new { workers = workers, on_error = "collect" }
            local function three(give)
                local n = 0
                return function()
                    n = n + 1
                    if n <= 3 then return give(n) end
                end
            end
            local function fail() error "no" end
            local _, _, failures = p:map(fail, three(function(n) return "line " .. n end))
            assert.are.same({ "line 1", "line 3" }, { failures[1].input, failures[3].input })
            assert.is_truthy(tostring(failures[2]):find('task 2 (input "line 2")', 1, true))
            _, _, failures = p:starmap(fail, three(function(n) return { n, 2 * n } end))
            assert.are.same({ n = 2, 3, 6 }, failures[3].input)
            for i, _, o in p:imap(fail, three(function(n) return n, nil, { n } end)) do
                assert.are.same({ n = 3, i, nil, { i } }, o.input)
            end
            _, failures = p:each(function() os.exit(3) end, three(function(n) return n / 2 end))
            assert.are.equal(1.5, failures[3].input)
        end)
    end
end)
