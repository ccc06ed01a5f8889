-- What a script leaves behind (by break, an error, Ctrl-C) is stopped within its grace time,
-- with the programs that it started, though nobody calls the pool.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

local PRELUDE <const> = [[
        local me = process.current().pid
        local function idle(seconds) os.execute("sleep " .. seconds) end
        -- Tasks from the second on do not end by themselves; a program that they start neither.
        local tasks = {
            program = function(i) if i > 1 then os.execute("sleep " .. marker) end return i end,
            loop = function(i)
                if i > 1 then
                    os.execute("sleep " .. marker .. " &")
                    while true do pcall(function() while true do end end) end
                end
                return i
            end,
            waiter = function(i) while i > 1 do pcall(os.execute, "sleep " .. marker) end return i end,
        }
        ]]

local ways = {
    ["by break"] = "for _ in p:imap_unordered(task, { 1, 2, 3 }, opts) do break end",
    ["by break of imap"] = "for _ in p:imap(task, { 1, 2, 3 }, opts) do break end",
    ["by an error in the body"] = [[
        pcall(function() for _ in p:imap_unordered(task, { 1, 2, 3 }, opts) do error "so" end end)]],
    ["by Ctrl-C in map"] = [[
        os.execute("(sleep 0.3; kill -INT " .. me .. ") &")
        pcall(p.map, p, task, { 2, 3 }, opts)]],
    ["by Ctrl-C in apply"] = [[
        os.execute("(sleep 0.3; kill -INT " .. me .. ") &")
        pcall(p.apply, p, task, 2)]],
    ["by a callback that raises in progress"] = [[
        pcall(p.map, p, task, { 1, 2, 3 }, { chunk = 1, carry = opts.carry, progress = function() idle(0.2) error "so" end })]],
    ["by cancel"] = [[
        local f = p:map_async(task, { 2, 3 }, opts)
        idle(0.2)
        f:cancel()]],
}

-- One after the other; a second Ctrl-C would kill the program.
local texts = { ["in each way"] = "" }
for way, text in pairs(ways) do
    text = ("do -- %s\n local p = pool.new(2) kept[#kept + 1] = p %s end\n"):format(way, text)
    if way:find "Ctrl" then texts[way] = text else texts["in each way"] = texts["in each way"] .. text end
end

for way, text in pairs(texts) do
    describe("what was left " .. way, function()
        local cases = way:find "Ctrl" and { { "waiter", "ship" } } or { { "program", "ship" }, { "loop", "inherit" } }
        for _, case in ipairs(cases) do
            local task <const>, carry <const> = case[1], case[2]
            it(("is stopped: %s, %s"):format(task, carry), function()
                helpers.each_interpreter(function(by)
                    local marker, pattern = helpers.sleep_marker()
                    local output = helpers.output(("local marker <const> = %q "):format(marker) .. PRELUDE
                        .. ("local kept, task, opts = {}, tasks.%s, { chunk = 1, carry = %q }\n"):format(task, carry)
                        .. text .. ([[
                        for _ = 1, 60 do
                            local f <close> = io.popen "pgrep -fc '%s'"
                            if f:read "n" == 0 then print "gone" break end
                            idle(0.05)
                        end
                        for _, p in ipairs(kept) do assert(p:apply(math.abs, -1) == 1) end
                        ]]):format(pattern), by)
                    assert.are.equal("gone\n", output)
                end)
            end)
        end
    end)
end

describe("the option grace", function()
    it("is how long a task has from when it is told to stop", function()
        for _, case in ipairs { { 0, 0, 0.4 }, { 1.2, 1.1, 6 } } do -- it is 0.5 where nobody says it
            local took = tonumber(helpers.output(([[
                local core = require "luas.core"
                local p = pool.new { workers = 1, grace = %g }
                local f = p:apply_async(function() while true do pcall(function() while true do end end) end end)
                os.execute "sleep 0.1"
                local began = core.now()
                f:cancel()
                f:wait()
                print(core.now() - began) ]]):format(case[1])))
            assert.is_true(took >= case[2] and took < case[3], took)
        end
    end)

    it("is of a call, too, and is checked", function()
        local output = helpers.output [[
            print(pool.map(math.abs, { -1 }, { grace = 0 })[1])
            for _, v in ipairs { -1, "1" } do print((pcall(pool.map, math.abs, {}, { grace = v }))) end ]]
        assert.are.equal("1\nfalse\nfalse\n", output)
    end)
end)

describe("at the prompt what Ctrl-C has left", function()
    it("is stopped, with the programs that it started", function()
        local marker, pattern = helpers.sleep_marker()
        local path = os.tmpname()
        sh.write(path, ('pool.map(os.execute, { "sleep %s", "sleep %s" })\n'):format(marker, marker))
        local output = sh.run(([[
            { cat %s; sleep %g; } | %s -i >/dev/null 2>&1 &
            for i in $(seq 100); do [ $(pgrep -fc '%s') -ge 2 ] && echo run && break; sleep 0.05; done
            kill -INT $!
            for i in $(seq 40); do [ $(pgrep -fc '%s') = 0 ] && kill -0 $! && echo gone && break; sleep 0.05; done
            kill -KILL $!
            ]]):format(path, helpers.within(3), helpers.interpreters.luas, pattern, pattern))
        os.remove(path)
        assert.are.equal("run\ngone\n", output)
    end)
end)

describe("what was left of a pool that a poll loop drives", function()
    it("is stopped by that loop", function()
        local marker, pattern = helpers.sleep_marker()
        local output = helpers.output(("local marker <const> = %q "):format(marker) .. PRELUDE .. ([[
            local p = pool.new(2)
            p:fileno()
            for _ in p:imap_unordered(tasks.program, { 1, 2, 3 }, { chunk = 1 }) do break end
            for _ = 1, 60 do
                p:step(0.05)
                local f <close> = io.popen "pgrep -fc '%s'"
                if f:read "n" == 0 then print "gone" break end
            end ]]):format(pattern))
        assert.are.equal("gone\n", output)
    end)
end)
