-- A worker does not outlive its host, nor a host that executes another program, whatever its task does.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

-- What tasks do for ever, once each has written a line with its name and its pid.
local WORKERS = [[
    package.cpath = FOLDER .. "/?.so;" .. package.cpath
    local deaf = require "deaf"
    local function note(name, pid)
        local file <close> = io.open(PATH, "a")
        file:write(name, " ", pid or deaf.pid(), "\n")
    end
    local function sleep() while true do os.execute "sleep 20" end end
    local modes = {
        loops = function() while true do end end,
        ["spins in C"] = deaf.spin,
        ["waits for a shell"] = sleep,
        ["blocks signals"] = function() deaf.block() deaf.spin() end,
        ["ignores signals"] = function() deaf.ignore() sleep() end,
        ["handles signals"] = function() deaf.handle() deaf.spin() end,
        ["asks for no signal"] = function() deaf.forget() deaf.block() deaf.spin() end,
        ["joined the host's group"] = function() deaf.join() deaf.block() deaf.spin() end,
        ["has stopped"] = function() deaf.block() deaf.ignore() deaf.join() deaf.stop() deaf.spin() end,
        ["leaves a child"] = function()
            if deaf.fork() == 0 then note("the child of a task") deaf.block() deaf.spin() end
            while true do end
        end,
    }
    local function be(name) note(name) modes[name]() end
    local names = {}
    for name in pairs(modes) do names[#names + 1] = name end
    local p = pool.new(#names)
    p:map_async(be, names)
    process.spawn(function() note "a process" deaf.block() deaf.spin() end)
    pool.new(1):apply_async(function()
        note "a worker with a pool"
        deaf.block()
        pool.new(2):map(function() note "its worker" deaf.block() deaf.spin() end, { 1, 2 })
    end)
    -- An inherited job goes on while the host does: a process keeps what it was.
    local inherits = pool.new(2)
    inherits:map_async(function() note "an inherited one" deaf.block() deaf.spin() end, { 1, 2 }, { carry = "inherit" })
]]

local WAITS = "while true do os.execute 'sleep 0.3' end"

-- So many lines are written.
local COUNT = 10 + 1 + 1 + 1 + 2 + 2

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        local folder, path

        setup(function()
            folder = shell.folder()
            shell.must(("cc -shared -fPIC -o %s/deaf.so tests/support/deaf.c $(pkg-config --cflags lua5.4)")
                :format(shell.quote(folder)))
        end)

        teardown(function() shell.must("rm -rf " .. shell.quote(folder)) end)

        before_each(function() path = os.tmpname() end)
        after_each(function() os.remove(path) end)

        -- The names of all that wrote, by their pids.
        local function all_there(more)
            local names, n = {}, 0
            for line in io.lines(path) do
                local name, pid = line:match "^(.*) (%d+)$"
                if name then names[tonumber(pid)], n = name, n + 1 end
            end
            return n >= COUNT + more and names
        end

        local function start(ending, more)
            local text = WORKERS:gsub("PATH", ("%q"):format(path)):gsub("FOLDER", ("%q"):format(folder))
            local script = helpers.write_script(text .. ending)
            local pid = tonumber((shell.must(("%s %s >/dev/null 2>&1 & echo $!"):format(
                helpers.interpreters[by], script))))
            local names = helpers.eventually(helpers.within(10), function() return all_there(more or 0) end)
            os.remove(script)
            return pid, names
        end

        local function left_of(names)
            local pids, left = {}, {}
            for pid in pairs(names) do pids[#pids + 1] = pid end
            for _, pid in ipairs(helpers.survivors(pids, helpers.within(1.5))) do
                left[#left + 1] = names[pid]
                os.execute("kill -9 " .. pid)
            end
            return left
        end

        it("none outlives a host that is killed", function()
            local host, names = start(WAITS)
            os.execute("kill -9 " .. host)
            assert.are.same({}, left_of(names))
        end)

        it("none outlives a host that executes another program", function()
            local host, names = start(("deaf.execute 'until test -e %s.go; do sleep 0.05; done; exec sleep 20'")
                :format(path))
            shell.write(path .. ".go", "")
            assert.are.same({}, left_of(names))
            assert.is_true(helpers.alive(host))
            os.execute("kill -9 " .. host)
            os.remove(path .. ".go")
        end)

        it("a child of the application does not keep them, though it has all that was open", function()
            local host, names = start("if deaf.fork() == 0 then note 'a child' end " .. WAITS, 1)
            local child
            for pid, name in pairs(names) do child = name == "a child" and pid or child end
            os.execute("kill -9 " .. host)
            names[child] = nil
            assert.are.same({}, left_of(names))
            assert.is_true(helpers.alive(child))
            os.execute("kill -9 " .. child)
        end)
    end)
end)
