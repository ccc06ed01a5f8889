-- Which way a function and its values go, and that they arrive whole: sent
-- once, by name, inherited where they are large, packed as their class says.

local helpers = require("tests.support.helpers")

-- Before a script that asks for it: the bytes that a worker has read so far.
local READ = [[
    local function read()
        local file <close> = assert(io.open "/proc/self/io")
        return tonumber(file:read "a":match "rchar: (%d+)")
    end
]]

describe("a function that was shipped", function()
    it("is sent to a worker once, as is one that is equal to it", function()
        assert.are.equal("false false true\n", helpers.output(READ .. [[
            local p <close> = pool.new { workers = 1, carry = "ship" }
            local function make(letter)
                local text = letter:rep(100000)
                return function() return #text > 0 and read() end
            end
            local x, y = make "x", make "y"
            local bytes = {}
            for i, f in ipairs { x, x, make "x", y } do bytes[i] = p:map(f, { 1 })[1] end
            local function sent(i) return tostring(bytes[i] - bytes[i - 1] > 100000) end
            print(sent(2) .. " " .. sent(3) .. " " .. sent(4)) ]]))
    end)

    it("has the values of its call, whatever finalizers change as it is carried", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("0\n", helpers.output([[
                local p <close> = pool.new { workers = 1, carry = "ship" }
                local n, had, done, stale = 0, nil, false, 0
                local function f() return n end
                local function arm()
                    setmetatable({}, { __gc = function()
                        if done then return end
                        if math.random(20) == 1 then
                            n = n + 1
                            had[n] = true
                        end
                        arm()
                    end })
                end
                collectgarbage("incremental", 10, 1000, 1)
                for i = 1, 2000 do
                    had = { [n] = true }
                    if i == 1 then arm() end
                    if not had[p:apply(f)] then stale = stale + 1 end
                    if i % 10 == 0 then n = n + 1 end
                end
                done = true
                print(stale) ]], by))
        end)
    end)

    it("has the C functions of modules by their names", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("true true true true\n1 0\n", helpers.output([[
                local core, lfs = require "luas.core", require "lfs"
                local cpus, where = core.cpus, lfs.currentdir
                local p <close> = pool.new { workers = 1, carry = "ship" }
                local a, b, c, d = p:apply(function(from_lfs)
                    return cpus() == require "luas.core".cpus(), cpus == require "luas.core".cpus,
                        where == require "lfs".currentdir, from_lfs == where
                end, where)
                print(a, b, c, d)
                local carried = p:stats().carried
                print(carried.ship, carried.inherit) ]], by):gsub("\t", " ") .. "")
        end)
    end)
end)

describe("how a function travels is chosen by what it captures:", function()
    local function carried(entries)
        return helpers.output(([[
            local captured = {}
            for i = 1, %d do captured[i] = i end
            local p <close> = pool.new(2)
            local results = p:map(function(i) return captured[i] end, { 1, #captured })
            local carried = p:stats().carried
            print(results[1], results[2], "ship " .. carried.ship, "inherit " .. carried.inherit)]]):format(entries))
    end

    it("a small table is shipped", function()
        assert.are.equal("1\t100\tship 1\tinherit 0\n", carried(100))
    end)

    it("a large one is inherited", function()
        assert.are.equal("1\t1000000\tship 0\tinherit 1\n", carried(1000000))
    end)
end)

describe("a string of 100 MB with zeros in it", function()
    for _, carry in ipairs { "ship", "inherit" } do
        it("is argument and result alike, where the function travels by " .. carry, function()
            local output, status = helpers.run(([[
                local text = ("\0a\0\xff\0"):rep(20 << 20)
                local p <close> = pool.new { workers = 1, carry = %q }
                local back, n, zero = p:apply(function(s) return s .. "\0", #s, s:byte(-1) end, text)
                print(back == text .. "\0", n == #text, zero, p:stats().carried[%q]) ]]):format(carry, carry),
                { seconds = 120 })
            assert.are.same({ "true\ttrue\t0\t1\n", 0 }, { output, status })
        end)
    end
end)

describe("a string that is the one result of a task", function()
    -- Where the ring, the pieces it is copied in, and the worker's part of the area end.
    local LENGTHS = "{ 1, 127, 128, 8192, 8193, 32700, 32767, 32768, 32769, 32780, 65535, 65536, 1 << 20, "
        .. "(4 << 20) - 1, 4 << 20, (4 << 20) + 1, (8 << 20) - 1, 8 << 20, (8 << 20) + (256 << 10) - 12, "
        .. "(8 << 20) + (256 << 10), 9 << 20, 20 << 20 }"

    -- All of them in turn and at once, by two workers and by many, as text and not.
    for _, workers in ipairs { 2, 40 } do
        for name, filler in pairs { text = "x", bytes = "\\xff" } do
            it(("is what it was, by %d workers, as %s"):format(workers, name), function()
                local output, status = helpers.run(([[
                    local lengths, wrong <const> = %s, {}
                    local p <close> = pool.new(%d)
                    local function make(n) return ("%s"):rep(n - 1) .. n %% 10 end
                    for round = 1, 2 do
                        for i, s in p[round == 1 and "imap" or "imap_unordered"](p, make, lengths) do
                            local n = lengths[i]
                            if #s ~= n or s ~= make(n) then wrong[#wrong + 1] = n end
                        end
                    end
                    local twice = p:map(function(n) return make(n), n end, lengths)
                    for i, n in ipairs(lengths) do
                        if twice[i] ~= make(n) then wrong[#wrong + 1] = -n end
                    end
                    print("wrong", table.concat(wrong, " ")) ]]):format(LENGTHS, workers, filler), { seconds = 120 })
                assert.are.same({ "wrong\t\n", 0 }, { output, status })
            end)
        end
    end

    it("can be followed by others before the host has looked", function()
        local output, status = helpers.run([[
            local p <close> = pool.new(1)
            local future = p:map_async(function(i) return (i % 10 .. ""):rep(3 << 20) end, { 1, 2, 3, 4, 5, 6 })
            local till = os.clock() + 0.3
            while os.clock() < till do end
            local right = 0
            for i, s in ipairs((future:get())) do
                if s == (i % 10 .. ""):rep(3 << 20) then right = right + 1 end
            end
            print(right) ]], { seconds = 60 })
        assert.are.same({ "6\n", 0 }, { output, status })
    end)
end)

-- Classes with a field that cannot travel, so that objects must be packed. What
-- a task gets says how it came: as the object itself, or unpacked.
local CLASSES = {
    table = [[
        local Box = {}
        Box.__index = Box
        function Box.new(value, how)
            return setmetatable({ inside = value, how = how, thread = coroutine.create(print) }, Box)
        end
        function Box:value() return self.inside end
        function Box:made() return self.how end
    ]],
    userdata = [[
        local core = require "luas.core"
        local Box = {}
        Box.__index = Box
        function Box.new(value, how)
            local userdata = debug.setmetatable(core.watch({}, {}), Box)
            return debug.setuservalue(userdata, { value, how }, 1)
        end
        function Box:value() return debug.getuservalue(self, 1)[1] end
        function Box:made() return debug.getuservalue(self, 1)[2] end
    ]],
}

local PACKED = [[
    function Box.__luas_pack(box) return box:value(), nil, "packed" end
    function Box.__luas_unpack(value, none, how)
        assert(none == nil)
        return Box.new(value, how)
    end
    local function tell(box)
        assert(getmetatable(box) == Box)
        return box:value() .. " " .. box:made()
    end
]]

for kind, class in pairs(CLASSES) do
    describe("a " .. kind .. " whose class says how it travels", function()
        local function output(text)
            return helpers.output(class .. PACKED .. text)
        end

        it("is packed among inputs that are sent", function()
            assert.are.equal("1 packed, 2 packed, 3 packed, 4 packed\n", output [[
                local p <close> = pool.new { workers = 2, carry = "ship" }
                local told = p:map(tell, { Box.new(1, "here"), Box.new(2, "here") })
                local left = { Box.new(3, "here") }
                told[3] = p:map(tell, function() return table.remove(left) end)[1]
                told[4] = p:apply(tell, Box.new(4, "here"))
                print(table.concat(told, ", ")) ]])
        end)

        it("is the object itself among inputs that are inherited", function()
            assert.are.equal("1 here, 2 here\n", output [[
                local p <close> = pool.new { workers = 2, carry = "inherit" }
                print(table.concat(p:map(tell, { Box.new(1, "here"), Box.new(2, "here") }), ", ")) ]])
        end)

        it("is packed as an upvalue of what is shipped, and is itself in what is inherited", function()
            assert.are.equal("7 packed, 7 here\n", output [[
                local box = Box.new(7, "here")
                local p <close> = pool.new(1)
                local function f() return tell(box) end
                print(p:with { carry = "ship" }:apply(f) .. ", " .. p:with { carry = "inherit" }:apply(f)) ]])
        end)

        it("is packed as a result, and as what a task raises", function()
            assert.are.equal(("5 packed, 6 packed\n"):rep(2), output [[
                for _, carry in ipairs { "ship", "inherit" } do
                    local p <close> = pool.new { workers = 1, carry = carry }
                    local results = p:map(function(i) return { Box.new(i, "there") } end, { 5 })
                    local ok, raised = pcall(p.apply, p, function() error(Box.new(6, "there")) end)
                    assert(not ok and raised.kind == "error")
                    print(tell(results[1][1]) .. ", " .. tell(raised.value))
                end ]])
        end)
    end)
end
