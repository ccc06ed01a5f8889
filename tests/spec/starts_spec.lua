-- Workers that fail at init, or cannot be forked.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local range = helpers.range

local execute, exit, open = os.execute, os.exit, io.open -- so that what uses them is shipped

local function identity(x) return x end

local function kill_itself() execute "kill -9 $PPID" end

local function be_slow()
    execute "sleep 0.6"
    return "slow"
end

-- What init does while a file is there.
local function while_there(path, act)
    return function()
        local file = open(path)
        if not file then return end
        file:close()
        act()
    end
end

local failures = {
    raises = { function() error("cannot connect", 0) end, "error", "cannot connect" },
    ["raises a table"] = { function() error { code = 5 } end, "error", "raised {code = 5}" },
    ["is killed"] = { function() os.execute "kill -9 $PPID" end, "crash", "it was killed by signal 9" },
    exits = { function() os.exit(3) end, "crash", "it exited with status 3" },
    ["hangs in Lua"] = { function() while true do end end, "timeout", "timed out after 0.5 s", 0.5 },
    ["hangs in C"] = { function() os.execute "sleep 1000" end, "timeout", "timed out after 0.5 s", 0.5 },
}

for name, case in pairs(failures) do
    describe("an init that " .. name, function()
        local path, p

        before_each(function()
            path = os.tmpname()
            p = pool.new { workers = 2, name = "calc", init_timeout = case[4], init = while_there(path, case[1]) }
        end)
        after_each(function()
            p:terminate()
            os.remove(path)
        end)

        it("is an outcome of each task, and then the pool is broken", function()
            local _, n, failed = p:map(identity, range(100), { on_error = "collect" })
            assert.are.equal(100, n)
            for i = 1, 100 do
                assert.are.equal(case[2], failed[i].kind)
                assert.are.same({ i, i }, { failed[i].index, failed[i].input })
                assert.matches("^init, worker calc [12]: ", failed[i].message)
                assert.are.equal(case[3], failed[i].message:match ": (.*)")
            end
            local ok, message = pcall(p.map, p, identity, { 1 })
            assert.is_false(ok)
            assert.is_truthy(tostring(message):find(case[3], 1, true))
        end)

        it("is the one of a single call and of a source's items, too", function()
            local future = p:apply_async(identity, 1)
            local ok, o = pcall(future.get, future)
            assert.are.same({ false, case[2] }, { ok, o.kind })
            assert.is_truthy(tostring(o):find(case[3], 1, true))
            local q <close> = pool.new { workers = 1, init_timeout = case[4], init = case[1] }
            local i = 0
            local _, n, failed = q:map(identity, function()
                i = i + 1
                return i <= 1e6 and i or nil
            end, { on_error = "collect" })
            assert.is_true(n < 1e6)
            assert.matches("^init, worker 1: ", failed[1].message)
            assert.are.equal(n, failed[n].input)
        end)

        it("of a worker that takes another one's place takes nothing with it", function()
            os.remove(path)
            assert.are.equal(2, #p:broadcast(identity, 1))
            io.open(path, "w"):close()
            local killed = p:apply_async(kill_itself)
            local slow = p:apply_async(be_slow)
            local quick = p:map_async(identity, range(20))
            assert.are.equal("slow", slow:get())
            assert.are.equal(20, #quick:get())
            assert.are.equal("crash", select(2, pcall(killed.get, killed)).kind)
            os.remove(path)
            assert.are.equal(20, #p:map(identity, range(20)))
        end)
    end)
end

describe("an init that fails for a while", function()
    it("holds up jobs that inherit, and is no end of theirs", function()
        local path = os.tmpname()
        os.remove(path)
        local p <close> = pool.new { workers = 2, init = while_there(path, function() error "no" end) }
        p:map(identity, { 1, 2 })
        io.open(path, "w"):close()
        local future = p:map_async(identity, range(10), { carry = "inherit" })
        assert.is_false(future:wait(0.2))
        os.remove(path)
        assert.are.equal(10, #future:get())
    end)
end)

describe("a task's timeout", function()
    it("does not count what init takes", function()
        local p <close> = pool.new { workers = 1, timeout = 0.1, init = function() os.execute "sleep 0.4" end }
        assert.are.equal(2, p:apply(math.sqrt, 4))
    end)
end)

describe("init without an end", function()
    it("is allowed, and holds up neither waits with an end nor terminate", function()
        local p = pool.new { workers = 1, timeout = 0.1, init_timeout = math.huge,
            init = function() while true do end end }
        local future = p:map_async(identity, { 1, 2 })
        assert.is_false(future:wait(0.3))
        p:terminate()
        assert.are.equal("cancelled", select(2, pcall(future.get, future)).kind)
    end)
end)

describe("no room for a worker", function()
    helpers.each_interpreter(function(by)
        for what, code in pairs {
            map = "pool.map(math.sqrt, { 4 })", apply = "pool.apply(math.sqrt, 4)",
            inherit = "pool.map(math.sqrt, { 4 }, { carry = 'inherit' })",
        } do
            it("is said in one line, with the place (" .. what .. ", " .. by .. ")", function()
                local output = helpers.run("print(pcall(function() " .. code .. " end))",
                    { by = by, before = "ulimit -n 8;" })
                assert.are.equal("false\tSCRIPT:1: a worker could not be forked: Too many open files\n", output)
            end)
        end
    end)
end)

helpers.each_interpreter(function(by)
    it("a database that is away for a while costs a script nothing (" .. by .. ")", function()
        assert.are.equal("2 2 2\n", helpers.output([[
            local path = os.tmpname()
            os.remove(path)
            local p = pool.new { workers = 1, init = function()
                if io.open(path) then error "cannot connect" end
            end }
            local a = p:apply(math.sqrt, 4)
            io.open(path, "w"):close()
            pcall(p.apply, p, os.exit, 1)
            local future = p:apply_async(math.sqrt, 4)
            assert(not future:wait(0.4))
            os.remove(path)
            print(("%d %d %d"):format(a, future:get(), p:apply(math.sqrt, 4)))
        ]], by))
    end)
end)

helpers.each_interpreter(function(by)
    it("a worker that is told to end in its init is not said to have raised in exit (" .. by .. ")", function()
        assert.are.equal("cancelled\njoined\n", helpers.output([[
            local p = pool.new { workers = 1, init = function() os.execute "sleep 0.2" error "not now" end }
            local future = p:apply_async(print)
            p:step(0.05)
            future:cancel()
            print(select(2, pcall(future.get, future)).kind)
            p:close()
            p:join()
            print "joined"
        ]], by))
    end)
end)
