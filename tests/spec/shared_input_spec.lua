-- What the verbs of `shared` refuse, and how they say it: where the script called, what is wrong.

local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local WHY = [[
    local function why(...)
        local ok, message = pcall(...)
        print(ok and "accepted" or (tostring(message):gsub("^[^:]*:(%d+): ", "")))
    end
]]

local function each(name, text, wanted)
    helpers.each_interpreter(function(by)
        it(name .. ", under " .. by, function()
            local output, status = helpers.run(WHY .. text, { by = by })
            assert.are.equal(wanted, output)
            assert.are.equal(0, status)
        end)
    end)
end

describe("shared objects are made of", function()
    each("numbers in their range, and options of the right type", [[
        print(pcall(function() shared.semaphore(0) end))
        why(shared.semaphore)
        why(shared.semaphore, 1.5)
        why(shared.barrier, 4097)
        why(shared.array, "i8", "9")
        why(shared.value, 5)
        why(shared.condition, shared.queue())
        why(shared.lock, { recursive = 1 })
        why(shared.table, { file = 5 })
        why(shared.table, { file = "" })
        why(shared.table, { file = "/nonexistent/x.lmdb" })
        why(shared.table, { file = "/tmp" })
        local ok, message = pcall(shared.array, "f64", 1 << 50)
        print((message:gsub("^.-:%d+: ", ""):gsub("%d+", "N")))
    ]], [[
false	SCRIPT:5: bad argument #1 to 'semaphore' (a whole number of at least 1 expected, got 0)
bad argument #1 to 'semaphore' (a whole number of at least 1 expected, got no value)
bad argument #1 to 'semaphore' (a whole number of at least 1 expected, got 1.5)
bad argument #1 to 'barrier' (a whole number from 1 to 4096 expected, got 4097)
bad argument #2 to 'array' (a whole number of at least 1 expected, got string)
shared.value: no type 'number' (there are: i8, i16, i32, i64, u8, u16, u32, f32, f64, bool)
bad argument #1 to 'condition' (a shared lock expected)
shared.lock: option 'recursive' must be a boolean, got number
shared.table: option 'file' must be a path, got 5
shared.table: option 'file' must be a path, got 
cannot make a shared table of the file /nonexistent/x.lmdb: No such file or directory
cannot make a shared table of the file /tmp: Is a directory
no room for this in the shared memory (N MB of at most N are in use)
]])
end)

describe("shared numbers", function()
    each("are exchanged for what was read, whatever that is", [[
        local f = shared.value("f32", 0.1)
        print(f:compare_exchange(0.1, 0.3), f:compare_exchange(f:get(), 0.5), f:get())
        local nan = shared.value("f64", 0/0)
        print(nan:compare_exchange(nan:get(), 1), nan:get())
        why(f.add, f, "1")
        why(f.add, f)
    ]], [[
true	true	0.5
true	1.0
1 cannot be a shared f32
no value cannot be a shared f32
]])
end)

describe("a shared table", function()
    each("takes no function, wherever it is, but with a class", [[
        local t = shared.table()
        why(t.set, t, 1, print)
        why(t.set, t, 1, { [print] = true })
        why(t.set, t, 1, { a = { b = { function() end } } })
        local deep = {}
        local inner = deep
        for _ = 1, 300 do inner.x = {} inner = inner.x end
        inner.f = print
        why(function() t:set(1, deep) end)
        local packed = setmetatable({}, { __luas_pack = function() return print end, __luas_unpack = type })
        why(t.set, t, 1, packed)
        print(t:get(1))
        local Point = {}
        Point.__index = Point
        function Point.sum(p) return p.x + p.y end
        t:set("point", setmetatable({ x = 1, y = 2 }, Point))
        print(t:get "point":sum(), process.spawn(function() return t:get "point":sum() end):result())
    ]], [[
cannot set this: a function cannot be a value of a shared table
cannot set this: key: a function cannot be a value of a shared table
cannot set this: field "a".b[1]: a function cannot be a value of a shared table
cannot set this: field "x".x.x.x.x.x.x.x.x.x.x ....x.x.x.x.x.x.x.x.x.x.x.f: a function cannot be a value of a shared table
cannot set this: value of __luas_pack 1: a function cannot be a value of a shared table
nil
3	3
]])

    each("says at once what no function is, and which verbs an update has not", [[
        local t = shared.table()
        why(t.update, t, "k", 5)
        why(t.atomically, t)
        why(t.update, t, "k", function() return t:pairs() end)
        print(t:update("k", setmetatable({}, { __call = function(_, old) return (old or 0) + 1 end })), t:get "k")
        local c = shared.condition()
        why(c.wait_for, c, "f")
    ]], [[
bad argument #2 to 'update' (function expected, got number)
bad argument #1 to 'atomically' (function expected, got no value)
the function of 'update' cannot use the table itself
1	1
bad argument #1 to 'wait_for' (function expected, got string)
]])

    each("that gets full in 'atomically' says so at its end, too, and is as before", [[
        local t = shared.table { bytes = "1M" }
        t:set("k", "before")
        why(t.atomically, t, function(t)
            t:set("k", "after")
            for i = 1, 5000 do
                if not pcall(t.set, t, i, ("x"):rep(1000)) then break end
            end
        end)
        print(t:get "k", t:count())
    ]], "the shared table is full (1 MB): give it more bytes\nbefore\t1\n")

    it("is saved to where a link leads, and replaces ordinary files alone", function()
        local folder = sh.folder()
        local output = helpers.output(([[
            local folder = %q
            os.execute("cd " .. folder .. " && mkfifo pipe && echo old >file && ln -s file link")
            local t = shared.table()
            t:set(1, "saved")
            print(pcall(t.save, t, folder .. "/pipe"))
            t:save(folder .. "/link")
            print(shared.table { file = folder .. "/file" }:get(1))
            os.execute("cd " .. folder .. " && test -p pipe && test -L link && ls")
        ]]):format(folder), "luas")
        sh.must("rm -rf " .. sh.quote(folder))
        assert.are.equal("false\tSCRIPT:5: cannot save the table to 'FOLDER/pipe': it is no ordinary file\nsaved\n"
            .. "file\nfile-lock\nlink\npipe\n", (output:gsub(folder:gsub("%p", "%%%0"), "FOLDER"):gsub("/tmp/[^:/]*:5:", "SCRIPT:5:")))
    end)
end)
