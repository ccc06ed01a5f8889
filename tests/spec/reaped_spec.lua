-- What became of a worker is known also where the system reaps all children.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

-- Prints the status of a worker that ends, of one that is killed, of one that has inherited its
-- job, and of a process.
local SCRIPT = [[
    local p <close> = pool.new(1)
    local file = io.tmpfile()
    local function status(f)
        local _, failure = pcall(p.apply, p, f)
        return failure.signal and "signal " .. failure.signal or "exit " .. tostring(failure.exitcode)
    end
    local function kill() os.execute "kill -9 $PPID" end
    local own = process.spawn(function() os.exit(5) end)
    own:join()
    print(status(function() os.exit(3) end), status(kill),
        status(function() return io.type(file) and os.exit(4) end), own.outcome.exitcode)
]]

-- The status is kept since Linux 6.15.
local major, minor = sh.run "uname -r":match "^(%d+)%.(%d+)"
local kept = tonumber(major) * 1000 + tonumber(minor) >= 6015

helpers.each_interpreter(function(by)
    it("under " .. by .. " a crash has a status where SIGCHLD is ignored", function()
        if not kept then pending "not on this kernel" return end
        local output, status = helpers.run(SCRIPT, { by = by, before = "trap '' CHLD;" })
        assert.are.equal(0, status)
        assert.are.equal("exit 3\tsignal 9\texit 4\t5\n", output)
    end)
end)
