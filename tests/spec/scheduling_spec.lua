-- How workers are scheduled, whatever the host has: not in real time, and otherwise as it.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

-- Prints what a shipped task, an inherited one, a process and one in a snapshot see: policy and
-- nice value.
local SCRIPT = [[
    local function look()
        local f <close> = io.open "/proc/self/stat"
        local fields = {}
        for word in f:read "a":gsub("^.*%) ", ""):gmatch "%S+" do fields[#fields + 1] = word end
        return fields[39] .. "/" .. fields[17] -- of what follows the name
    end
    local file = io.tmpfile()
    local function look_inherited() return io.type(file) and look() end
    local p <close> = pool.new(1)
    local later = p:map_async(look_inherited, { 1 })
    print(p:apply(look), p:apply(look_inherited), later:get()[1], (process.spawn(look):result()))
]]

local function seen(by, before)
    return (helpers.run(SCRIPT, { by = by, before = before }))
end

local allowed = select(2, sh.run "chrt -f 1 true") == 0

helpers.each_interpreter(function(by)
    describe("under " .. by .. ", workers", function()
        it("of a host in real time are not so", function()
            if not allowed then pending "real time is not allowed here" return end
            assert.are.equal("0/0\t0/0\t0/0\t0/0\n", seen(by, "chrt -f -p 1 $$;"))
            assert.are.equal("0/0\t0/0\t0/0\t0/0\n", seen(by, "chrt -r -p 5 $$;"))
        end)

        it("of a batch host are so, too, and as nice", function()
            assert.are.equal("3/5\t3/5\t3/5\t3/5\n",
                seen(by, "chrt -b -p 0 $$; renice -n 5 $$ >/dev/null;"))
        end)
    end)
end)
