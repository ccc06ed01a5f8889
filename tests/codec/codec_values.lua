-- Cases: values, what cannot travel, and malformed messages.

local codec = codec
local support = require "codec_support"
local case, same, trip = support.case, support.same, support.trip
local survives, refuses = support.survives, support.refuses

-- Values.

case("scalars keep value and type", function()
    for _, value in ipairs {
        true, false, 0, 1, -1, 31, -32, -33, 127, 128, -128, -129, 255, 256, 32767, -32768, -32769, 65535,
        65536, 2 ^ 31 | 0, -2 ^ 31 | 0, 2 ^ 32 | 0, math.maxinteger, math.mininteger, 0.0, -0.0, 1.0, 1e300,
        2 ^ 53, 2 ^ 63, 5e-324, 0.1, 1 / 0, -1 / 0, 0 / 0, "", "a", "caf\xc3\xa9", "\xff\0\xfe", "a\0b",
        ("x"):rep(31), ("x"):rep(32), ("x"):rep(255), ("x"):rep(256), ("x"):rep(65535), ("x"):rep(65536),
    } do
        survives(value)
    end
    for size = 0, 70 do
        survives(("\xe2\x82\xac"):rep(size):sub(1, size))
        survives(("z"):rep(size) .. "\x80")
    end
end)

case("several values keep their number and their nils", function()
    assert(select("#", codec.trip()) == 0)
    assert(select("#", codec.trip(nil)) == 1)
    local t = table.pack(codec.trip(nil, 1, nil, {2}, nil, nil))
    assert(t.n == 6 and t[2] == 1 and t[4][1] == 2 and t[6] == nil)
    t = table.pack(codec.trip(table.unpack({}, 1, 70000)))
    assert(t.n == 70000)
    t = table.pack(codec.trip({}, table.unpack({[300] = "end"}, 1, 300)))
    assert(t.n == 301 and t[301] == "end" and #t[1] == 0)
end)

case("tables of every shape", function()
    for _, value in ipairs {
        {}, {1}, {1, 2, 3}, {1, nil, 3}, {nil, 2}, {[2] = 2}, {x = 1}, {1, x = 2}, {{}, {{}}}, {[1.5] = 1},
        {[true] = 1, [false] = 0}, {[-1] = 1, [0] = 2, 3}, {["1"] = "a", "b"}, {[{}] = {}}, {[{1}] = 2},
        {[{1}] = {2}, [3] = {4}},
        {[math.mininteger] = 1, [math.maxinteger] = 2}, {["\xff"] = 1}, {{x = {1, {y = {2}}}}, {3}},
        {{1}, nil, {2}}, {{1}, x = {2}}, {1, 2, 3, {4}, nil, 6},
    } do
        survives(value)
    end
    for _, size in ipairs {14, 15, 16, 17, 255, 256, 65535, 65536, codec.slow and 300 or 70000} do
        local array, map = {}, {}
        for i = 1, size do
            array[i], map["k" .. i] = i, i
        end
        survives(array)
        survives(map)
    end
end)

-- Small tables of scalars are written without much ado, whatever stands beside them.
case("several tables keep their order and what they share", function()
    local row, list = {id = 1, name = "a"}, {1, 2.5, "x"}
    local wide, long = {}, {}
    for i = 1, 40 do
        wide["k" .. i], long[i] = i, ("x"):rep(50)
    end
    local kinds = {
        1, row, list, {}, wide, long, {row}, {a = 1, b = row, c = 2}, {1, 2, list, 3}, {[list] = row},
        setmetatable({1}, {__index = row}), string, {x = wide, wide}, {[2] = 1}, {1, nil, 3},
    }
    for a = 1, #kinds do
        for b = 1, #kinds do
            for c = 1, codec.slow and 2 or #kinds do
                local sent = {n = 3, kinds[a], kinds[b], kinds[c]}
                assert(same(sent, table.pack(codec.trip(table.unpack(sent)))))
            end
        end
    end
    assert(codec.bytes(row, {1}) == codec.bytes({id = 1, name = "a"}, {1}))
end)

case("a small table has the same bytes alone as within another", function()
    local function alone(t)
        assert(codec.bytes({t}) == "\x91" .. codec.bytes(t))
        assert(codec.bytes(7, {t}) == codec.bytes(7, t):sub(1, 2) .. "\x91" .. codec.bytes(7, t):sub(3))
    end
    for size = 0, 400 do
        local map, floats, array, mixed = {}, {}, {}, {n = size}
        for i = 1, size do
            map["k" .. i], floats[i + 0.5], array[i], mixed[i] = i * i, i / 3, i * i, i % 2 == 0
        end
        for _, t in ipairs {map, floats, array, mixed, {text = ("x"):rep(3 * size), last = 1},
                            {("\xe2\x82\xac"):rep(size)}, {[("\xff"):rep(size)] = ("y"):rep(size)}} do
            alone(t)
        end
    end
    alone {1, nil, 3}
    alone {nil, 2}
    alone {1, 2, 3, x = true}
    alone {1, 2, {3}, 4}
end)

case("array keys that lie in the hash in any order", function()
    for first = 1, 6 do
        for second = 1, 6 do
            local t = {x = 0}
            t[first], t[second] = {first}, second
            for i = 6, 1, -1 do
                t[i] = t[i] or i
            end
            survives(t)
            t.x = nil
            survives(t)
        end
    end
end)

case("nested holes cost no more than their size", function()
    local t = {1, nil, 3}
    for _ = 1, 2000 do
        t = {t, nil, {}, x = 1}
    end
    local r, depth = trip(t), 0
    while r.x do
        r, depth = r[1], depth + 1
    end
    assert(depth == 2000 and r[3] == 3)
end)

case("sharing and cycles", function()
    local shared, t = {1}, {}
    t.a, t.b, t.self, t[shared] = shared, shared, t, t
    survives(t)
    local r = trip(t)
    assert(r.a == r.b and r.self == r)
    local x, y = codec.trip(t, shared)
    assert(x.a == y)
    local list = {}
    for i = 1, 70000 do
        list[i] = {i}
    end
    list[70001] = list[70000]
    list[70002] = list[200]
    r = trip(list)
    assert(r[70001] == r[70000] and r[70002] == r[200] and r[1] ~= r[2])
end)

case("deep nesting arrives or is refused in words", function()
    local t = {}
    local innermost = t
    for _ = 1, 100000 do
        innermost[1] = {}
        innermost = innermost[1]
    end
    local r, depth = trip(t), 0
    while r[1] do
        r, depth = r[1], depth + 1
    end
    assert(depth == 100000)
    for _ = 1, 150000 do
        innermost.x = {}
        innermost = innermost.x
    end
    local bytes, message, code = codec.bytes(t)
    assert(bytes == nil and message == "value nested too deeply" and code == -10009)
    local map = {}
    for _ = 1, 20000 do
        map = setmetatable({next = map, [{}] = 1}, {})
    end
    r, depth = trip(map), 0
    while r.next do
        r, depth = r.next, depth + 1
    end
    assert(depth == 20000)
    bytes, message = codec.decode("\x91" .. ("\x91"):rep(250000) .. "\xc0")
    assert(bytes == nil and message == "value nested too deeply")
end)

case("a string of 100 MB", function()
    local big = ("0123456789"):rep((codec.slow and 1 or 10) * 1024 * 1024)
    local back = codec.decode(codec.bytes(big))
    assert(back == big)
end)

case("what is plain is plain MessagePack", function()
    local function hex(...)
        return (codec.bytes(...):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
    end
    assert(hex() == "90")
    assert(hex(nil, true, false) == "93c0c3c2")
    assert(hex(1, 1.0) == "9201cb3ff0000000000000")
    assert(hex("a\xff", "a") == "92c402" .. "61ff" .. "a161")
    assert(hex({1, {}}, {a = -1}) == "92" .. "920190" .. "81a161ff")
    local t = {}
    assert(hex(t, t) == "c90000000501" .. "9290d40200")
end)

-- What cannot travel.

case("what cannot travel is named with its path", function()
    local file <close> = assert(io.tmpfile())
    local thread = coroutine.create(print)
    refuses("userdata (FILE*) cannot be sent", file)
    refuses('field "conn": userdata (FILE*) cannot be sent', {conn = file})
    refuses("[3].x: a coroutine cannot be sent", {1, 2, {x = thread}})
    refuses('field "a"["b c"][1.5][true]: a coroutine cannot be sent', {a = {["b c"] = {[1.5] = {[true] = thread}}}})
    refuses("[2][-1]: a coroutine cannot be sent", {1, {[-1] = thread}})
    refuses("value 3, [1]: a coroutine cannot be sent", 1, {}, {thread})
    refuses("key: a coroutine cannot be sent", {[thread] = 1})
    refuses('field "t", key, [1]: a coroutine cannot be sent', {t = {[{thread}] = 1}})
    refuses("[1]: a C function that no loaded module has cannot be sent", {string.gmatch("", "")})
    local function uses() return file end
    local line = debug.getinfo(uses, "S").linedefined
    local where = ("<%s:%d>"):format(debug.getinfo(uses, "S").short_src, line)
    refuses("upvalue 'file' of function " .. where .. ": userdata (FILE*) cannot be sent", uses)
    refuses('field "f", upvalue \'file\' of function ' .. where .. ": userdata (FILE*) cannot be sent", {f = uses})
    refuses('metatable, field "__index"[1]: a coroutine cannot be sent', setmetatable({}, {__index = {thread}}))
    refuses('metatable, field "x": a coroutine cannot be sent', setmetatable({}, {x = thread}))
end)

case("the path of a deep place shows its ends", function()
    local t = {coroutine.create(print)}
    for _ = 1, 1000 do
        t = {t}
    end
    local _, message = codec.bytes({a = t})
    assert(message:find('^field "a"%[1%]') and message:find("%.%.%.") and message:find("%]: a coroutine cannot be sent$"))
    assert(#message < 200)
end)

case("a failure leaves the encoder as good as before", function()
    local bad = {{{coroutine.create(print)}}}
    for _ = 1, 3 do
        assert(codec.bytes(bad) == nil)
        survives({1, {2}})
    end
end)

-- Hostile messages.

local function malformed(bytes, why, space)
    local result, message, code = codec.decode(bytes, space)
    assert(result == nil and code == -10002, ("accepted: %q"):format(bytes))
    assert(message:find(why, 1, true), message)
end

case("malformed messages are refused with a reason", function()
    malformed("", "not an array")
    malformed("\xc0", "not an array")
    malformed("\x91", "more elements than bytes")
    malformed("\x90\xc0", "bytes left over")
    malformed("\x91\xc0\xc0", "bytes left over")
    malformed("\x91\xc1", "no MessagePack")
    malformed("\x91\x92\x01", "more elements than bytes")
    malformed("\x91\x81\x01", "more elements than bytes")
    malformed("\x91\x81\xc0\x01", "nil or NaN as a key")
    malformed("\x91\x81\xcb\x7f\xf8\0\0\0\0\0\0\x01", "nil or NaN as a key")
    malformed("\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "integer above 2^63 - 1")
    malformed("\x91\xd4\x7f\0", "unknown extension type")
    malformed("\x91\xd4\xff\0", "unknown extension type")
    malformed("\x91\xd4\x02\0", "reference outside a shared message")
    malformed("\xc7\x04\x01\x91\xd4\x02\x05", "reference to what is not there")
    malformed("\xc7\x05\x01\x91\xd8\x02\0\0", "no MessagePack")
    malformed("\x91\xd4\x08\0", "reference to a space, but there is none")
    malformed("\x91\xc7\x03\x02\0\0\0", "number of another size")
    malformed("\x91\xd4\x03\x90", "ends too early")
    malformed("\x91\xc7\x02\x03\xc0\xc0", "object that is no table")
    malformed("\x91\xc7\x02\x03\x90\xc0", "metatable that is no table")
    malformed("\x91\xc7\x03\x03\x90\x90\xc0", "extension of another length")
    malformed("\x91\xc7\x02\x04\xc0\x90", "packed object without an array")
    malformed("\x91\xc7\x03\x05\x01\x02\x03", "function without bytecode")
    malformed("\x91\xc7\x03\x05\xc4\x01\x1b", "bytecode that this Lua did not write")
    malformed("\x91\xd4\x06\0", "unknown extension type")
    malformed("\x91\xc7\x01\x09\x01", "malformed name")
    malformed("\x91\xdf\xff\xff\xff\xff", "more elements than bytes")
    malformed("\x91\xdd\xff\xff\xff\xff", "more elements than bytes")
    malformed("\xdd\xff\xff\xff\xff", "more elements than bytes")
    malformed("\x91\xdb\xff\xff\xff\xff", "no MessagePack")
    assert(same(table.pack(codec.decode("\x92\xca\x3f\xc0\0\0\xd3\0\0\0\0\0\0\0\1")), {1.5, 1, n = 2}))
end)

case("a function's upvalue is shared only with a function that has it", function()
    local x, t = 1, {}
    local bytes = codec.bytes(load("local x = 300 return function() return x end", "=f")())
    assert(bytes:sub(-3) == "\xcd\x01\x2c")
    local function join(place) return bytes:sub(1, -4) .. "\xd4\x0b" .. string.char(place) end
    malformed(join(1), "reference to a space, but there is none")
    local space = support.job(function() x = t return x end)[1]
    assert(codec.decode(join(1), space)() == 1)
    for _, place in ipairs {0, 4, 255} do
        malformed(join(place), "upvalue that is not there", space)
    end
    malformed(bytes:sub(1, -4):gsub("\xc7.", function(head)
        return "\xc7" .. string.char(head:byte(2) + 1)
    end, 1) .. "\xd5\x0b\1\1", "upvalue that is not there", space)
end)

case("without trust there is no code and no name", function()
    for _, value in ipairs {function() end, print, _G, {string}} do
        local bytes = codec.bytes(value)
        local result, message = codec.decode(bytes, nil, true)
        assert(result == nil and message:find("not trusted", 1, true), message)
    end
    assert(same(codec.decode(codec.bytes({1, {x = 2}}), nil, true), {1, {x = 2}}))
end)

case("bytecode of another Lua is refused", function()
    local bytes = codec.bytes(function() return 1 end)
    local at = bytes:find("\27Lua", 1, true)
    for i = 5, 31 do
        local changed = bytes:byte(at + i - 1) ~ 1
        malformed(bytes:sub(1, at + i - 2) .. string.char(changed) .. bytes:sub(at + i),
                  "this Lua did not write")
    end
end)

case("light userdata is the same pointer where it holds, and refused elsewhere", function()
    local value = 1
    local id = debug.upvalueid(function() return value end, 1)
    local back, key = codec.trip({id, {id}}, {[id] = id})
    assert(back[1] == id and back[2][1] == id and key[id] == id)
    assert(support.job(function(x) return x == id and x end)(id) == id)
    local bytes = codec.bytes(id)
    local at = bytes:find("\12", 1, true)
    local other = bytes:sub(1, at) .. ("\1"):rep(8) .. bytes:sub(at + 9)
    local _, message = codec.decode(other)
    assert(message == "light userdata of another program", message)
    _, message = codec.decode(bytes, nil, true)
    assert(message:find("a pointer from one who is not trusted", 1, true), message)
    assert(codec.decode("\x91\xc7\0\12") ~= nil)
    _, message = codec.decode("\x91\xc7\1\12x")
    assert(message:find("light userdata of another size", 1, true), message)
    _, message = codec.decode("\x91\xc7\23\12" .. bytes:sub(at + 1, at + 8) .. ("\0"):rep(8) .. "nowhere")
    assert(message == "light userdata of a library that is not loaded here: nowhere", message)
end)

case("light userdata that a module has goes by its name", function()
    local value = 1
    local id = debug.upvalueid(function() return value end, 1)
    package.loaded.light_case = {null = id, deep = {null = id}}
    codec.far("package.loaded.light_case = {null = 'theirs'}")
    local f = support.job(function(x, y) return x, y == x end)
    local x, same = f(id, id)
    assert(x == "theirs" and same)
    x = support.job(function() return id end)()
    assert(x == "theirs")
    package.loaded.light_case = nil
end)
