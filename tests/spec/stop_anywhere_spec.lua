-- What stops a script comes at any moment. Here it is raised at one after the other of all
-- calls that a verb makes, by a hook, and under stock Lua, where the message alone tells what it
-- is. It is never swallowed, and the script's end waits for nothing that was half begun.

local helpers = require "tests.support.helpers"

-- Without workers each of them is tried; else one of so many.
local STEP <const> = 13

local VERBS <const> = {
    apply = "p:apply(one, 1)",
    map = "p:map(one, { 1, 2, 3 })",
    ["map of a source"] = "p:map(one, pool.range(1, 3))",
    ["map that inherits"] = "p:map(function(x) return co and x end, { 1, 2, 3 })",
    imap = "for _ in p:imap(one, { 1, 2, 3 }) do end",
    each = "p:each(one, { 1, 2, 3 })",
    reduce = "p:reduce(one, { 1, 2, 3 }, math.max)",
    broadcast = "p:broadcast(one, 1)",
    apply_async = "p:apply_async(one, 1):get()",
    map_async = "p:map_async(one, { 1, 2, 3 }):get()",
}

local SCRIPT <const> = [[
    local here, there = process.pipe()
    local co, one = coroutine.create(print), function(x) return x end
    local p, pools = nil, {}
    local function run() %s end
    local at, count, listens = %d
    local function stop()
        if listens then count = count + 1 end
        if count == at then
            debug.sethook()
            error("interrupted!", 0)
        end
    end
    repeat
        p = pool.new { workers = %d, init = function() kept = there end }
        pools[#pools + 1] = p
        count, listens = 0, true
        debug.sethook(stop, "c")
        local ok, raised = pcall(run)
        listens = false
        debug.sethook()
        assert(not ok == (count >= at), at)
        assert(ok or tostring(raised):find "interrupted!", raised)
        at = at + %d
        if p:size() > 0 then p:terminate() end
    until ok
    print "end"
]]

describe("what stops a script", function()
    for name, verb in pairs(VERBS) do
        it("is not swallowed at any call of " .. name, function()
            for workers = 0, 1 do
                local step = workers == 0 and 1 or STEP
                local first = math.random(2, step + 1)
                local output = helpers.output(SCRIPT:format(verb, first, workers, step), "lua5.4")
                assert.are.equal("end\n", output, ("%d workers, first call %d"):format(workers, first))
            end
        end)
    end
end)
