-- Further starts of tasks that failed, and deadlines.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local open, execute = io.open, os.execute -- so that what uses them is shipped

-- A task that does this until its third start; each start is a byte in a file.
local function flaky(path, act)
    return function(i)
        local file = open(path .. i, "a+")
        file:write("x")
        file:flush()
        file:seek("set")
        local starts = #file:read("a")
        file:close()
        return starts < 3 and act() or starts
    end
end

local failures = {
    error = function() error("503 Service Unavailable", 0) end,
    crash = function() os.exit(7) end,
}

local function clock() return tonumber(open("/proc/uptime"):read("n")) end

for _, workers in ipairs { 0, 2 } do
    for _, carry in ipairs { "auto", "inherit" } do
        describe(("retries (%d workers, %s)"):format(workers, carry), function()
            local p, path

            before_each(function() p, path = pool.new(workers), os.tmpname() end)
            after_each(function()
                p:terminate()
                execute("rm -f " .. path .. "*")
            end)

            local function try(kind, retries, n)
                return p:map(flaky(path, failures[kind]), range(n or 3),
                    { retries = retries, carry = carry, on_error = "collect" })
            end

            it("are for crashes alone where they are a number", function()
                local _, _, failed = try("error", 5)
                assert.are.same({ "error", 1 }, { failed[1].kind, failed[1].attempts })
                assert.are.same({ 3, 3, 3 }, (try("crash", 5)))
            end)

            it("are for what the table says", function()
                assert.are.same({ 3, 3, 3 }, (try("error", { on = "error" })))
                os.remove(path .. 1)
                local _, _, failed = try("crash", { on = "error" }, 1)
                assert.are.same({ "crash", 7, 1 }, { failed[1].kind, failed[1].exitcode, failed[1].attempts })
                os.remove(path .. 1)
                assert.are.same({ 3 }, (try("error", { on = "any" }, 1)))
            end)

            it("end after n of them", function()
                local _, _, failed = try("error", { n = 1, on = "any" })
                assert.are.equal(2, failed[1].attempts)
            end)

            it("are for what a function says, which has the outcome", function()
                local seen = {}
                local results, n, failed = try("error", { n = 9, on = function(o)
                    seen[#seen + 1] = ("%s %d %d %s"):format(o.kind, o.index, o.input, o.message)
                    return o.index ~= 2
                end })
                assert.are.equal(3, n)
                assert.are.same({ 3, nil, 3 }, results)
                assert.are.same({ "error", 1 }, { failed[2].kind, failed[2].attempts })
                table.sort(seen)
                assert.are.same({ "error 1 1 503 Service Unavailable", "error 1 1 503 Service Unavailable",
                    "error 2 2 503 Service Unavailable", "error 3 3 503 Service Unavailable",
                    "error 3 3 503 Service Unavailable" }, seen)
            end)

            it("leave each task one outcome where a function says no and the job halts", function()
                for round = 1, 8 do
                    local i = 0
                    local function source()
                        i = i + 1
                        if i <= 6 then return i end
                    end
                    local _, n, failed = p:map(failures.error, round % 2 == 0 and source or range(6), {
                        halt = 2, chunk = 1, on_error = "collect", carry = carry,
                        retries = { n = 1, on = function() return false end },
                    })
                    assert.is_true(n >= 2)
                    for index = 1, n do
                        assert.are.same({ index, index }, { failed[index].index, failed[index].input })
                    end
                end
            end)

            it("come after pauses that grow", function()
                local before = clock()
                assert.are.same({ 3, 3, 3 }, (try("error", { on = "error", delay = 0.1 })))
                assert.is_true(clock() - before >= 0.29)
                assert.is_true(clock() - before < helpers.within(2))
            end)

            it("hold up no other task", function()
                local order = {}
                local f = flaky(path, failures.error)
                for _, i in p:imap_unordered(function(i)
                    if i == 1 then f(i) end
                    return i
                end, range(4), { retries = { on = "error", delay = 0.05 }, carry = carry }) do
                    order[#order + 1] = i
                end
                assert.are.equal(1, order[4])
            end)

            it("are of futures and single calls, too", function()
                local f = flaky(path, failures.error)
                local with = p:with { retries = { on = function() return true end, delay = 0.01 }, carry = carry }
                assert.are.equal(3, with:apply(f, 1))
                assert.are.equal(3, with:apply_async(f, 2):get())
                local future = with:map_async(f, { 3, 4 })
                assert.are.same({ 3, 3 }, (future:get()))
            end)

            it("end at the job's deadline, as all that is left", function()
                local before = clock()
                local results, n, failed = p:map(function(i)
                    if i == 1 then return "done" end
                    if i == 2 then error("again", 0) end
                    while true do end
                end, range(6), { retries = { n = 100, on = "error", delay = 1 }, deadline = 0.3,
                    on_error = "collect", carry = carry })
                assert.are.same({ "done", 6, "cancelled" }, { results[1], n, failed[2].kind })
                assert.are.equal("cancelled at the deadline of 0.3 s", failed[3].message)
                assert.are.equal(6, failed[6].input)
                assert.is_true(clock() - before < helpers.within(3))
            end)

            it("a deadline ends what a source would still give, and is raised", function()
                local given = 0
                local ok, o = pcall(p.map, p, function() execute "sleep 0.02" end, function()
                    given = given + 1
                    return given
                end, { deadline = 0.2, carry = carry, window = 8 })
                assert.are.same({ false, "cancelled" }, { ok, o.kind })
                assert.is_true(given < 200)
            end)
        end)
    end
end

describe("the option retries", function()
    it("is checked", function()
        for _, wrong in ipairs { -1, { n = -1 }, { on = "never" }, { delay = -1 }, { delay = math.huge },
            { factor = 0.5 }, { max = -1 }, { times = 3 }, "3" } do
            local ok, message = pcall(pool.map, math.sqrt, {}, { retries = wrong })
            assert.is_false(ok)
            assert.matches("option 'retries' must be a whole number from 0 to 1000, or a table {n = 3", message)
        end
        pool.map(math.sqrt, {}, { retries = { n = 0, on = print, delay = 0, factor = 1, max = math.huge } })
    end)

    it("asks a function that may end or cancel what it is asked about, outside of any task", function()
        for _, workers in ipairs { 0, 1 } do
            for _, what in ipairs { "p:terminate()", "f:cancel() p:step(0)", "p:apply(math.abs, 1)" } do
                local output = helpers.output(([[
                    local p, f = pool.new(%d), nil
                    local function on(o)
                        io.write(o.kind, " ", tostring(pool.task), " ")
                        if f then %s end
                        return false
                    end
                    f = p:map_async(function(x) error("no", 0) end, { 1 }, { retries = { on = on } })
                    f:wait()
                    print(pcall(f.get, f))
                ]]):format(workers, what))
                assert.matches("^error nil ", output)
                assert.is_nil(output:find "attempt to")
            end
        end
    end)

    it("reports what its function raises, which means no", function()
        local output = helpers.output([[
            local _, _, failed = pool.map(error, { "x" }, { on_error = "collect",
                retries = { on = function() error "deciding" end } })
            print(failed[1].attempts)]])
        assert.matches("deciding", output)
        assert.matches("\n1\n$", output)
    end)
end)

helpers.each_interpreter(function(by)
    it("a service that is away for a moment costs a script nothing (" .. by .. ")", function()
        assert.are.equal("ok\n", helpers.output([[
            local path = os.tmpname()
            local function ask()
                local file = io.open(path, "a+")
                file:write "x"
                file:flush()
                file:seek "set"
                local n = #file:read "a"
                file:close()
                if n < 3 then error "503" end
                return "ok"
            end
            print(pool.map(ask, { 1 }, { retries = { n = 5, on = "error", delay = 0.01 } })[1])
            os.remove(path)
        ]], by))
    end)
end)
