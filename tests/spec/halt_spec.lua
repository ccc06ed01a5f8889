-- The option halt: how many failures end a job, and what becomes of the rest.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

local range = helpers.range

-- How many tasks ended in each way.
local function kinds(n, failures)
    local count = { value = 0, error = 0, cancelled = 0 }
    for i = 1, n do
        local kind = failures[i] and failures[i].kind or "value"
        count[kind] = count[kind] + 1
    end
    return count
end

-- It takes so long that the host hears of failures meanwhile.
local function odd(x)
    local from = os.clock()
    repeat until os.clock() - from > 0.001
    if tonumber(x) % 2 == 1 then error "odd" end
    return x
end

local function source(n)
    local i = 0
    return function()
        i = i + 1
        return i <= n and i or nil
    end
end

local function lines(n)
    local path = os.tmpname()
    sh.write(path, table.concat(range(n), "\n"))
    local all = pool.lines(path)
    os.remove(path)
    return all
end

for _, how in ipairs { { workers = 0 }, { workers = 2 }, { workers = 2, carry = "inherit" } } do
    describe(("with %d workers, %s, halt"):format(how.workers, how.carry or "as usual"), function()
        local p
        before_each(function() p = pool.new(how) end)
        after_each(function() p:terminate() end)

        for name, input in pairs { ["an array"] = range, ["a source"] = source, ["lines"] = lines } do
            it("counts a part of all tasks of " .. name, function()
                for halt, least in pairs { ["2.5%"] = 8, [{ n = "5%" }] = 15, [{ n = 12, now = true }] = 12 } do
                    local _, n, failures = p:map(odd, input(300), { halt = halt, on_error = "collect", chunk = 1 })
                    local count = kinds(n, failures)
                    assert.is_true(count.error >= least and count.error < 150, count.error)
                    assert.equal(n, count.error + count.cancelled + count.value)
                end
            end)

            it("does nothing while fewer fail, of " .. name, function()
                for _, halt in ipairs { "51%", "100%", { n = "50.1%", now = true }, 101 } do
                    local _, n, failures = p:map(function(x) return assert(x % 2 == 0 and x) end, input(200),
                        { halt = halt, on_error = "collect" })
                    assert.same({ value = 100, error = 100, cancelled = 0 }, kinds(n, failures))
                end
            end)
        end

        it("works with every verb, and retries count once", function()
            local options = { halt = "10%", on_error = "collect", chunk = 1, retries = { n = 1, on = "error" } }
            local n, failures = p:each(error, range(1000), options)
            local count = kinds(n, failures)
            assert.is_true(count.error >= 100 and count.error < 600, count.error)
            for _, verb in ipairs { "imap", "imap_unordered" } do
                local all = {}
                for i, _, o in p[verb](p, error, range(1000), options) do all[i] = o end
                count = kinds(1000, all)
                assert.is_true(count.error >= 100 and count.error < 600, count.error)
            end
            count = kinds(1000, select(2, p:reduce(error, range(1000), math.max, 0, options)))
            assert.is_true(count.error >= 100 and count.error < 600, count.error)
            local _, _, late = p:map_async(error, range(1000), options):get()
            count = kinds(1000, late)
            assert.is_true(count.error >= 100 and count.error < 600, count.error)
        end)
    end)
end

describe("halt = {now = true}", function()
    local function slow(x)
        if x == 2 then error "no" end
        os.execute "sleep 600"
    end
    local options = { halt = { n = 1, now = true }, on_error = "collect", chunk = 1 }

    it("stops what runs; it is cancelled, and no deadline is named", function()
        local p <close> = pool.new(2)
        local before = os.time()
        local _, n, failures = p:map(slow, { 1, 2, 3 }, options)
        assert.is_true(os.time() - before < helpers.within(20))
        assert.same({ value = 0, error = 1, cancelled = 2 }, kinds(n, failures))
        assert.is_nil(failures[1].message:find "deadline")
        assert.equal(1, failures[1].input)
        assert.same({ 4 }, (p:map(function(x) return x end, { 4 })))
    end)

    it("does so though no call drives the pool", function()
        local p <close> = pool.new(2)
        local future = p:map_async(slow, { 1, 2, 3 }, options)
        os.execute "sleep 1.5"
        assert.is_true(future:wait(helpers.within(10)))
    end)

    it("lets others run", function()
        local p <close> = pool.new(2)
        local other = p:apply_async(function()
            os.execute "sleep 0.3"
            return "done"
        end)
        p:map(slow, { 2, 2 }, options)
        assert.equal("done", other:get())
    end)
end)

describe("--halt", function()
    local program, folder = sh.quote(helpers.program), nil
    setup(function()
        folder = sh.folder()
        sh.write(folder .. "/in", table.concat(range(400), "\n") .. "\n")
    end)
    teardown(function() sh.must("rm -r " .. folder) end)

    local function failed(arguments)
        local output, status = sh.run(("cd %s && timeout -s KILL %g %s %s"):format(folder, helpers.within(60), program, arguments))
        assert.equal(1, status)
        return tonumber(output:match "luas: (%d+) failed")
    end

    for _, how in ipairs { "-j 0", "-j 1", "-j 3" } do
        it("ends every kind of one-liner, " .. how, function()
            for halt, least in pairs { ["--halt 5%"] = 20, ["--halt=now,fail=20"] = 20 } do
                for _, does in ipairs { "-p 'error()'", "-n 'error()'", "--sum '{}'", "--by 'F[1]' --count --where 'error()'",
                    "--map fails.lua" } do
                    sh.write(folder .. "/fails.lua", "return function() for _ = 1, 1e4 do end error 'no' end")
                    local n = failed(table.concat({ how, "--block 30", halt, does, "in" }, " "))
                    assert.is_true(n >= least and (n < 400 or how ~= "-j 0"), how .. halt .. does .. n)
                end
            end
            assert.equal(400, failed(how .. " --halt never -p 'error()' in"))
            assert.equal(200, failed(how .. " --halt 51% --where 'NR % 2 == 0' -p 'error()' in"))
        end)

        it("ends commands, " .. how, function()
            local n = failed(how .. " --halt 50% --run 'sleep 0.0{}; false' --args 1 2 3 4 5 6 7 8")
            assert.is_true(n >= 4 and n < 8, n)
            n = failed(how .. " --halt now,fail=1 --run 'test {} = 1 && exit 1; sleep 20' --args 1 2 3")
            assert.equal(1, n)
        end)
    end

    it("refuses what is none", function()
        for _, word in ipairs { "0", "-1", "x", "0%", "101%", "%", "now", "now,fail=0", "late,fail=1", "now,success=1", "''", "1.5", "1e400" } do
            local output, status = sh.run(program .. " --halt " .. word .. " -p _ </dev/null")
            assert.equal(2, status, word)
            assert.is_truthy(output:find("--halt takes failures (3) or a part of all lines (10%)", 1, true), output)
        end
    end)
end)
