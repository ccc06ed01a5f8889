-- Tasks that print without end, and output that nobody reads: the clock goes on, the
-- host's memory is bounded, Ctrl-C ends it.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

-- What the scripts below have: the largest size that the host has had, in KB.
local PEAK <const> = [[
    local function peak()
        return tonumber(io.open "/proc/self/status":read "a":match "VmHWM:%s*(%d+)")
    end
]]

-- Tasks 1 to 4 print without end, the others do not.
local ENDLESS <const> = [[
    local long = ("y"):rep(200000)
    local function chatter(i)
        if i == 1 then os.execute "yes" end
        if i == 2 then os.execute "trap '' TERM INT; yes" end
        while i == 3 do print(long:sub(1, 99)) end
        while i == 4 do io.write(long) end
        return i
    end
]]

-- Runs a script whose stdout nobody reads; it has Ctrl-C after so many seconds, if
-- that is said: its stderr, and its status ("137" if it did not end in time).
local function unread(by, text, seconds)
    local path, shell = helpers.write_script(text), os.tmpname()
    sh.write(shell, ([[
        mkfifo %s.fifo
        sleep %g <%s.fifo & reader=$!
        timeout -s KILL %g %s %s 2>%s.err >%s.fifo & script=$!
        %s
        wait $script; echo $?
        kill $reader
    ]]):gsub("%%s.(%l)", path .. ".%1"):format(helpers.within(9), helpers.within(8),
        helpers.interpreters[by]:gsub("^LUA_CPATH", "env %0"), path,
        seconds and ("sleep %g; pkill -INT -P $script"):format(seconds) or ""))
    local lines = helpers.lines("sh " .. shell .. " 2>/dev/null")
    local errors = sh.read(path .. ".err")
    os.execute(("rm -f %s %s %s.err %s.fifo"):format(path, shell, path, path))
    return errors, lines[#lines]
end

helpers.each_interpreter(function(by)
    describe("under " .. by .. ", a task that prints without end", function()
        for _, carry in ipairs { "ship", "inherit" } do
            it(("is over in time, captured, where it travels by %s"):format(carry), function()
                local output = helpers.output(PEAK .. ENDLESS .. ([[
                    local core = require "luas.core"
                    local p <close> = pool.new { workers = 4, output = "capture", timeout = 0.2,
                        on_error = "collect", carry = %q }
                    local before, began = peak(), core.now()
                    local results, n, failures, texts = p:map(chatter, { 1, 2, 3, 4, 5, 6 })
                    for i = 1, 4 do
                        assert(failures[i].kind == "timeout" and failures[i].output == texts[i])
                        assert(#texts[i] <= 1 << 20 and texts[i]:find "\n%%[luas: %%d+ bytes left out%%]\n", #texts[i])
                    end
                    assert(results[5] == 5 and results[6] == 6 and n == 6)
                    assert(core.now() - began < %g, core.now() - began)
                    assert(peak() - before < 80000, peak())
                    print "end"
                ]]):format(carry, helpers.within(5)), by)
                assert.are.equal("end\n", output)
            end)
        end

        it("is over in time, tagged for a reader, whatever waits for it", function()
            local output = helpers.run(([[
                local core = require "luas.core"
                local p <close> = pool.new { workers = 2, output = "tag", timeout = 0.2, on_error = "collect" }
                local function f() while true do print "y" end end
                local began = core.now()
                local _, n, failures = p:map_async(f, { 1, 2 }):get()
                local kinds = { failures[1].kind, failures[2].kind }
                for _, _, o in p:imap(f, { 1 }) do kinds[3] = o.kind end
                local _, each = p:each(f, { 1 })
                io.stderr:write(table.concat(kinds, " "), " ", each[1].kind, " ", tostring(core.now() - began < %g))
            ]]):format(helpers.within(6)), { by = by, after = "2>&1 >/dev/null" })
            assert.are.equal("timeout timeout timeout timeout true", output)
        end)

        it("is over in time where nobody reads, and says so", function()
            for _, verb in ipairs { "p:map(f, { 1, 2 })", "p:map_async(f, { 1, 2 }):get()", 
                "p:each(f, { 1, 2, 3 }, { on_error = 'collect' }) error 'timed out'" } do
                local output, status = unread(by, ([[
                    local p = pool.new { workers = 2, output = "tag", timeout = 0.3 }
                    local function f() while true do print(("y"):rep(100)) end end
                    %s
                ]]):format(verb))
                assert.is_truthy(output:find "timed out", output)
                assert.are.equal("1", status)
            end
        end)

        it("where nobody reads is ended by one Ctrl-C", function()
            local verbs = { "p:map(f, { 1, 2 })", "for _ in p:imap(f, { 1, 2 }) do end", "p:map_async(f, { 1 }) p:close() p:join()" }
            -- Stock Lua does not say that a script failed, so what it submitted is waited for.
            if by ~= "luas" then verbs[3] = nil end
            for _, verb in ipairs(verbs) do
                local _, status = unread(by, ([[
                    local p = pool.new { workers = 2, output = "tag" }
                    local function f() while true do print(("y"):rep(100)) end end
                    %s
                ]]):format(verb), 0.4)
                assert.are.equal(by == "luas" and "130" or "1", status)
            end
        end)
    end)
end)

describe("output that is tagged", function()
    it("all comes, in whole lines, to a reader that is slow", function()
        local output = helpers.run([[
            local p <close> = pool.new { workers = 4, output = "tag", max_tasks = 2 }
            p:each(function(i) for k = 1, 2000 do print(i, k, ("x"):rep(30)) end end, pool.iter(pairs { 1, 2, 3, 4, 5, 6, 7, 8 }))
            print "end"
        ]], { after = "| (sleep 0.5; cat)" })
        local seen, n = {}, 0
        for i, k in output:gmatch "%[worker %d%] (%d)\t(%d+)\tx+\n" do
            assert.are.equal((seen[i] or 0) + 1, tonumber(k))
            seen[i], n = tonumber(k), n + 1
        end
        assert.are.equal(16000, n)
        assert.are.equal("end\n", output:sub(-4))
    end)

    it("does not make stdout another for those who have it, too", function()
        local output = helpers.run([[
            local p <close> = pool.new { workers = 1, output = "tag" }
            p:apply(print, "task")
            os.execute "grep flags /proc/self/fdinfo/1; ls /proc/$PPID/fd | wc -l"
            p:apply(print, "task")
            os.execute "ls /proc/$PPID/fd | wc -l"
        ]], { after = "| cat" })
        assert.is_truthy(output:find "flags:%s*0*1\n")
        local before, after = output:match "\n(%d+)\n.*\n(%d+)\n"
        assert.are.equal(before, after)
    end)
end)

describe("what is kept of a task's output", function()
    it("is its beginning and its end, where it is more than 1 MB", function()
        local p <close> = pool.new { workers = 1, output = "capture" }
        local _, _, _, texts = p:map(function(n)
            for i = 1, n do io.write(("%09d\n"):format(i)) end
        end, { 100000, 300000, 10 })
        assert.are.equal(1000000, #texts[1])
        local first, count, last = texts[2]:match "^(.*)\n%[luas: (%d+) bytes left out%]\n(.*)$"
        assert.are.equal(3000000, #first + count + #last)
        assert.is_true(#first + #last >= 512 << 10 and #texts[2] <= 1 << 20)
        assert.are.equal("000000001\n", first:sub(1, 10))
        assert.are.equal("000300000\n", last:sub(-10))
        assert.are.equal(100, #texts[3])
    end)

    it("begins anew with another attempt", function()
        local path = os.tmpname()
        local p <close> = pool.new { workers = 1, output = "capture", retries = 1 }
        local _, _, _, texts = p:map(function()
            local file <close> = assert(io.open(path, "a+"))
            if file:read(1) then return print "short" end
            file:write "x"
            file:close()
            print(("x"):rep(3 << 20))
            os.exit(1)
        end, { 1 })
        assert.are.equal("short\n", texts[1])
        os.remove(path)
    end)
end)
