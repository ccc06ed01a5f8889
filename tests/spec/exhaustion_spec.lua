-- Where descriptors, processes or room in files are short: calls wait for room, what nobody
-- has any more makes some, and no limit kills the host. Stacks that are full, and numbers
-- that are large, cost nothing special.

local helpers = require("tests.support.helpers")

helpers.each_interpreter(function(by)
    local function output(text, limits)
        local printed, status = helpers.run(text, { by = by, before = limits and limits .. ";", seconds = 40 })
        assert.are.equal(0, status, printed)
        return printed
    end

    describe("under " .. by .. ", with few descriptors", function()
        it("asynchronous calls that inherit wait for room", function()
            assert.are.equal("60\t3660\t10\n", output([[
                local file, futures, sum = io.tmpfile(), {}, 0
                local p <close> = pool.new(4)
                local function double(x) os.execute "sleep 0.02" return file and 2 * x end
                for i = 1, 60 do futures[i] = p:apply_async(double, i) end
                for _, f in ipairs(futures) do sum = sum + f:get() end
                print(#futures, sum, p:apply(double, 5))
            ]], "ulimit -n 64"))
        end)

        it("asynchronous maps that inherit wait for room", function()
            assert.are.equal("780\n", output([[
                local file, futures, sum = io.tmpfile(), {}, 0
                local p <close> = pool.new(2)
                for i = 1, 20 do
                    futures[i] = p:map_async(function(x) os.execute "sleep 0.02" return file and x end, { i, i + 9, i + 9 })
                end
                for _, f in ipairs(futures) do sum = sum + math.max(table.unpack(f:get())) + f:get()[1] end
                print(sum - 0 + 180)
            ]], "ulimit -n 40"))
        end)

        it("pipes and pools that nobody has any more make room", function()
            assert.are.equal("done\n", output([[
                for i = 1, 300 do process.pipe() end
                for i = 1, 100 do pool.new(1):apply(math.abs, i) end
                for i = 1, 300 do process.pipe() end
                for i = 1, 300 do pool.lines "/etc/passwd" () end
                print "done"
            ]], "ulimit -n 64"))
        end)

        it("processes that have ended, and nobody joined, make room", function()
            assert.are.equal("done\n", output([[
                local all = {}
                for i = 1, 80 do
                    all[i] = process.spawn(function() return i end)
                    if i % 8 == 0 then os.execute "sleep 0.05" end
                end
                for i, p in ipairs(all) do assert(p:result() == i) end
                print "done"
            ]], "ulimit -n 64"))
        end)

        it("what can never have room is one error", function()
            local printed, status = helpers.run([[
                local p = pool.new(1)
                local file = io.tmpfile()
                local ok, message = pcall(p.apply, p, function() return file end)
                print(ok, message)
            ]], { by = by, before = "ulimit -n 9;", seconds = 20 })
            assert.are.equal(0, status == 1 and 0 or status, printed)
            assert.is_nil(printed:find("stack overflow", 1, true))
        end)
    end)

    describe("under " .. by .. ", with files of a few kilobytes", function()
        it("workers are replaced, and nothing is killed", function()
            assert.are.equal("crash\t4\t2\t42\t7\n", output([[
                local file = io.tmpfile()
                local p <close> = pool.new(2)
                local function f(x)
                    if x == 1 then os.exit(3) end
                    os.execute "sleep 0.05"
                    return file and 2 * x
                end
                local results, _, failures = p:map_async(f, { 1, 2, 3, 4 }, { on_error = "collect" }):get()
                local again = p:apply_async(f, 1)
                pcall(again.get, again)
                local value = p:apply_async(function(x) return file and x end, 2):get()
                print(failures[1].kind, results[2], value,
                    process.spawn(function() return 42 end):result(), p:map(math.abs, { -7 })[1])
            ]], "ulimit -f 10"))
        end)
    end)

    describe("under " .. by .. ", a stack that is full", function()
        it("is told of in no more time in the caller than in a worker", function()
            assert.are.equal("true\ttrue\ttrue\n", output([[
                local core = require "luas.core"
                local function f() return 1 + f() end
                local function measure(size)
                    local began = core.now()
                    local _, _, failures = pool.new(size):map(f, { 1, 2 }, { on_error = "collect" })
                    return core.now() - began, failures[1]
                end
                local worker, there = measure(1)
                local caller, here = measure(0)
                print(caller < 5 * worker + 2, there.traceback:gsub("skipping %d+", "") == here.traceback:gsub("skipping %d+", ""),
                    here.traceback:find "skipping %d%d%d%d%d+ levels" ~= nil)
            ]]))
        end)

        it("is told of in a callback and in combine, too", function()
            assert.are.equal("true\n", output([[
                local core = require "luas.core"
                local function f() return 1 + f() end
                local began = core.now()
                local p = pool.new(1)
                p:apply_async(math.abs, 1):on_done(f)
                p:apply(math.abs, 1)
                pcall(p.reduce, p, math.abs, { 1, 2, 3 }, f)
                print(core.now() - began < 10)
            ]]):match "[^\n]*\n$")
        end)
    end)

    describe("under " .. by .. ", halt", function()
        it("may be as large as a number can be", function()
            assert.are.equal("5 5 5 5 5 5 5 5 \n", output([[
                for _, workers in ipairs { 0, 1 } do
                    for _, halt in ipairs { 1 << 32, (1 << 32) + 1, 1 << 40, math.maxinteger } do
                        local _, _, failures = pool.new(workers):map(error, { 1, 2, 3, 4, 5 }, { halt = halt, on_error = "collect" })
                        local n = 0
                        for _, o in pairs(failures) do n = n + (o.kind == "error" and 1 or 0) end
                        io.write(n, " ")
                    end
                end
                print()
            ]]))
        end)
    end)
end)
