-- A worker has copies of the locks that other threads of the host held when it was forked. It hangs when
-- it takes one: it is replaced, and nobody waits for ever.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

-- Calls that take locks of the C library, and what the threads do that hold them.
local BUSY = {
    times = "os.date '%H:%M'",
    locale = "os.setlocale 'C.UTF-8'",
    environment = "holder.setenv '2'",
}

local HUNG = "crash true it hung in a lock that another thread held when it was forked"

-- All hang at the same time.
local TASKS = [[
    holder.start "hold"
    local p = pool.new(12)
    local function lock() holder.lock() end
    local hang = {
        p:map_async(lock, { "shipped" }),
        p:map_async(lock, { "inherited" }, { carry = "inherit" }),
        p:map_async(function() holder.read_lock() end, { "reads" }),
        p:map_async(function() holder.write_lock() end, { "writes" }),
        p:map_async(lock, { "tried again" }, { retries = 1 }),
        pool.new { workers = 1, init = lock }:map_async(math.abs, { "in init" }),
    }
    local process = process.spawn(lock, "a process")
    local results, n, failures = p:map(function(x) if x == 3 then lock() end return x end, { 1, 2, 3, 4, 5 },
        { on_error = "collect" })
    print(results[1], results[2], results[3], results[4], results[5], n)
    say(failures[3])
    for _, future in ipairs(hang) do say(failure(future.get, future)) end
    say(failure(process.result, process))
]]

local HUNG = "it hung in a lock that another thread held when it was forked"

local FOUND = table.concat({
    "1\t2\tnil\t4\t5\t5", "3 crash 1 " .. HUNG, "shipped crash 1 " .. HUNG, "inherited crash 1 " .. HUNG,
    "reads crash 1 " .. HUNG, "writes crash 1 " .. HUNG, "tried again crash 2 " .. HUNG, "in init crash 0 " .. HUNG,
    "a process crash 1 " .. HUNG, "" }, "\n")

-- Other ways to hang, and no hang.
local OTHERS = {
    ["an exit function that hangs is ended"] = { [[
        local q = pool.new { workers = 1, exit = function() holder.lock() end, exit_timeout = 300 }
        io.write(q:apply(math.abs, -7), " ")
        q:close()
        q:join()
        io.write "over"
    ]], "7 over", "hold" },
    ["who waits for a thread of its own is left alone"] = { [[
        io.write(pool.new(1):apply(function() holder.own() return "done" end))
    ]], "done", "hold" },
    ["a wait is a wait where the host has no threads"] = { [[
        local o = failure(pool.map, function() holder.lock() holder.lock() end, { 1 }, { timeout = 0.8 })
        io.write(o.kind)
    ]], "timeout" },
}

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        local folder

        setup(function()
            folder = shell.folder()
            -- Its threads run on when the state that has loaded it is closed.
            shell.must(("cc -shared -fPIC -Wl,-z,nodelete -o %s/holder.so tests/support/holder.c -pthread"
                .. " $(pkg-config --cflags lua5.4)"):format(shell.quote(folder)))
        end)

        teardown(function() shell.must("rm -rf " .. shell.quote(folder)) end)

        local function output(text)
            return helpers.output(([[
                package.cpath = %q .. package.cpath
                local holder = require "holder"
                local function failure(f, ...)
                    local ok, e = pcall(f, ...)
                    assert(not ok, "no failure")
                    return e
                end
                local function say(o)
                    local words = tostring(o):match "hung in a lock[^(]*forked"
                    print(o.input, o.kind, o.attempts, words and "it " .. words)
                end
            ]]):format(folder .. "/?.so;") .. text, by)
        end

        for busy, call in pairs(BUSY) do
            it("tasks succeed while a thread is busy with " .. busy, function()
                assert.equal("24", output(([[
                    holder.start %q
                    local n = 0
                    for _ = 1, 4 do
                        local q <close> = pool.new(3)
                        for _, carry in ipairs { "ship", "inherit" } do
                            local values = q:map(function() return %s end, { 1, 2, 3 }, { carry = carry })
                            for i = 1, 3 do n = n + (values[i] and 1 or 0) end
                        end
                    end
                    io.write(n)
                ]]):format(busy, call)))
            end)
        end

        it("tasks that hang are found out, and why they ended is said", function()
            assert.equal(FOUND, (output(TASKS):gsub("\tcrash\t(%d)\t", " crash %1 ")))
        end)

        for what, case in pairs(OTHERS) do
            it(what, function()
                assert.equal(case[2], output((case[3] and "holder.start 'hold' " or "") .. case[1]))
            end)
        end
    end)
end)
