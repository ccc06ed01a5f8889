-- How many workers there are where nobody says it, and what the default pool is like.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")

local SIZES = "print(pool.size(), pool.new():size(), pool.new { timeout = 1 }:size(), pool.new(1):size())"

helpers.each_interpreter(function(by)
    local function run(text, before)
        local output, status = helpers.run(text, { by = by, before = before })
        assert.are.equal(0, status, output)
        return output
    end

    describe("the workers of a pool without a number, under " .. by, function()
        it("are what LUAS_JOBS says", function()
            assert.are.equal("3\t3\t3\t1\n", run(SIZES, "LUAS_JOBS=3"))
            assert.are.equal("0\t0\t0\t1\n", run(SIZES, "LUAS_JOBS=0"))
        end)

        it("are one for each CPU without it", function()
            local n = pool.cpus()
            assert.are.equal(("%d\t%d\t%d\t1\n"):format(n, n, n), run(SIZES, "LUAS_JOBS="))
        end)

        it("cannot be anything else, and a pool that says its number does not ask", function()
            for _, wrong in ipairs { "x", "-1", "1.5", "4097", "0x3", "3 " } do
                local output, status = helpers.run("pool.map(print, {})", { by = by, before = ("LUAS_JOBS='%s'"):format(wrong) })
                assert.are.equal(1, status)
                assert.is_truthy(output:find(("SCRIPT:1: LUAS_JOBS must be a whole number of workers from 0 to 4096, not '%s'")
                    :format(wrong), 1, true), output)
            end
            assert.are.equal("2\n", run("print(pool.new(2):size())", "LUAS_JOBS=x"))
        end)

        it("are the same in a spawned process", function()
            assert.are.equal("3\n", run("print(process.spawn(function() return pool.size() end):result())", "LUAS_JOBS=3"))
        end)
    end)

    describe("pool.configure, under " .. by, function()
        it("says what the default pool is like", function()
            assert.are.equal("2\n2\t1\ttimeout\n", run [[
                pool.configure { workers = 2, on_error = "collect" }
                pool.configure { timeout = 0.1 }
                print(pool.size())
                local _, n, failures = pool.map(function(x) while x == 1 do end end, { 1, 2 })
                print(n, next(failures), failures[1].kind)]])
            assert.are.equal("5\n", run "pool.configure(5) print(pool.size())")
            assert.are.equal("set up\n", run [[
                pool.configure { workers = 1, init = function() what = "set up" end }
                print(pool.apply(function() return what end))]])
        end)

        it("raises after the first use, and leaves what there is", function()
            for _, use in ipairs { "pool.map(print, {})", "pool.size()", "pool.apply(type, 1)", "pool.apply_async(type, 1)" } do
                local output = run(use .. "\nprint(pcall(pool.configure, 7))\nprint(pool.size())", "LUAS_JOBS=2")
                assert.matches("^false\tSCRIPT:2: pool.configure: the default pool is in use already.*\n2\n$", output)
            end
        end)

        it("is for the next one when that was closed, and for nobody's own pool", function()
            assert.are.equal("2\n4\n3\n", run([[
                print(pool.size())
                pool.terminate()
                pool.configure(4)
                pool.map(print, {})
                print(pool.size())
                print(pool.new(3):size())]], "LUAS_JOBS=2"))
        end)

        it("checks what it is given", function()
            for wrong, words in pairs { ["{ worker = 1 }"] = "pool.configure: unknown option \"worker\"",
                ['"4"'] = "bad argument #1 to 'configure' (a number of workers", ["-1"] = "option 'workers' must be" } do
                local output = run("print(pcall(pool.configure, " .. wrong .. "))")
                assert.is_truthy(output:find(words, 1, true), output)
            end
        end)
    end)
end)

it("-j goes before LUAS_JOBS", function()
    local sh = require("tests.support.shell")
    local program = sh.quote(helpers.program)
    assert.are.equal("2\t2\n", (sh.run("LUAS_JOBS=3 " .. program .. " -j 2 -e 'print(pool.size(), pool.new():size())'")))
    assert.are.equal("0\t0\n", (sh.run("LUAS_JOBS=3 " .. program .. " -j0 -e 'print(pool.size(), pool.new():size())'")))
    assert.are.equal("3\t3\n", (sh.run("LUAS_JOBS=3 " .. program .. " -e 'print(pool.size(), pool.new():size())'")))
    assert.matches("3 workers;", (sh.run("echo | LUAS_JOBS=3 LUAS_HISTORY= " .. program .. " -i")))
end)

describe("an option of a pool among those of a job", function()
    local values = { output = "capture", init = print, exit = print, memory = "2M", max_memory = "2M", workers = 2,
        name = "x", max_tasks = 3, stats = true, trace = "x", joblog = "x", start = "fork" }
    for name, value in pairs(values) do
        it("is told where it belongs: " .. name, function()
            local p <close> = pool.new(0)
            local opts = { [name] = value }
            for _, call in ipairs {
                function() p:map(print, {}, opts) end, function() p:imap(print, {}, opts) end,
                function() p:reduce(print, {}, print, nil, opts) end, function() p:with(opts) end,
            } do
                local ok, message = pcall(call)
                assert.is_false(ok)
                assert.is_truthy(message:find(('unknown option "%s" of a job: it is one of a pool'):format(name), 1, true), message)
                assert.is_truthy(message:find("pool.new", 1, true) and message:find("pool.configure", 1, true), message)
            end
        end)
    end
end)
