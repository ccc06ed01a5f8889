-- What tasks print: whole lines, once, before the call that waited for the
-- tasks returns, however many workers print at the same time.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")
local range = helpers.range

-- A task prints lines that can be recognised: its index, the line's number,
-- and as many letters as the two say.
local PRINTER = [[
    local function width(i, k) return (i * 37 + k * 11) % %d end
    local function talk(i)
        for k = 1, 25 do print(i, k, ("x"):rep(width(i, k))) end
        return i
    end
]]

-- The script with its options in an interpreter, its stdout a pipe or a file:
-- its lines.
local function printed(by, widest, options, into)
    local text = (PRINTER:gsub("%%d", tostring(widest))) .. ([[
        local items = {}
        for i = 1, 200 do items[i] = i end
        local p <close> = pool.new { workers = 4, name = "crew", %s }
        assert(#p:map(talk, items, { chunk = 3 }) == 200)
        print "end"
    ]]):format(options)
    local lines, path = {}, os.tmpname()
    local after = into == "pipe" and "| cat >" or ">"
    local message, status = helpers.run(text, { by = by, after = after .. path })
    assert.are.equal(0, status, message)
    local output = sh.read(path)
    os.remove(path)
    for line in output:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
    return lines
end

local function check_lines(lines, widest, prefix)
    local seen, count = {}, 0
    assert.are.equal("end", table.remove(lines))
    for _, line in ipairs(lines) do
        local i, k, letters = line:match("^" .. prefix .. "(%d+)\t(%d+)\t(x*)$")
        assert.is_not_nil(i, line:sub(1, 200))
        local name = i .. " " .. k
        assert.is_nil(seen[name], name)
        seen[name] = true
        count = count + 1
        assert.are.equal((i * 37 + k * 11) % widest, #letters)
    end
    assert.are.equal(200 * 25, count)
end

local TAG <const> = "%[crew [1-4]%] "

helpers.each_interpreter(function(by)
    describe("under " .. by .. ", what tasks print", function()
        it("arrives as whole lines, in a pipe", function()
            check_lines(printed(by, 3000, "", "pipe"), 3000, "")
        end)

        it("arrives as whole lines, in a file", function()
            check_lines(printed(by, 3000, "", "file"), 3000, "")
        end)

        it("is tagged with its worker, line by line, long ones too", function()
            check_lines(printed(by, 30000, 'output = "tag"', "pipe"), 30000, TAG)
        end)

        it("and what the host prints keep their order", function()
            for _, output in ipairs { "inherit", "tag" } do
                local text = ([[
                    local p <close> = pool.new { workers = 1, output = "%s" }
                    for i = 1, 5 do
                        print("host", i)
                        p:apply(print, "task", i)
                    end
                ]]):format(output)
                local lines = helpers.run(text, { by = by, after = "| cat" }):gsub("%[worker 1%] ", "")
                local wanted = {}
                for i = 1, 5 do wanted[i] = ("host\t%d\ntask\t%d\n"):format(i, i) end
                assert.are.equal(table.concat(wanted), lines)
            end
        end)
    end)
end)

describe("output = 'tag'", function()
    it("keeps what goes to stdout and stderr apart", function()
        local text = [[
            local p <close> = pool.new { workers = 1, output = "tag", name = "crew" }
            p:apply(function()
                print "to stdout"
                io.stderr:write "to stderr\n"
                os.execute "echo from a shell; echo with an error >&2"
            end)
        ]]
        assert.are.equal("[crew 1] to stdout\n[crew 1] from a shell\n",
            (helpers.run(text, { after = "2>/dev/null" })))
        assert.are.equal("[crew 1] to stderr\n[crew 1] with an error\n",
            (helpers.run(text, { after = "2>&1 >/dev/null" })))
    end)

    it("ends a last line that its worker did not end, when that does", function()
        local output = helpers.output [[
            local p = pool.new { workers = 1, output = "tag", name = "crew" }
            p:map(function(i) io.write("part ", i, " ") end, { 1, 2 })
            p:close()
            p:join()
            print "end"
        ]]
        assert.are.equal("[crew 1] part 1 part 2 \nend\n", output)
    end)

    it("passes on what a worker printed before it died", function()
        local output = helpers.output [[
            local p <close> = pool.new { workers = 1, output = "tag", name = "crew" }
            p:map(function()
                print "last words"
                os.execute("kill -9 " .. io.open("/proc/self/stat"):read("n"))
            end, { 1 }, { on_error = "collect" })
            print "end"
        ]]
        assert.are.equal("[crew 1] last words\nend\n", output)
    end)

    it("that nobody reads holds up the library's thread, but no fork for long", function()
        local path, begun = os.tmpname(), os.tmpname()
        local output, status = helpers.run(([[
            local path, begun = %q, %q
            local function write(name, text)
                local file <close> = io.open(name, "w")
                file:write(text)
            end
            local p <close> = pool.new { workers = 1, output = "tag" }
            local future = p:map_async(function()
                while io.lines(begun)() ~= "begun" do os.execute "sleep 0.01" end
                print(("y"):rep(1000000))
            end, { 1 })
            write(begun, "begun")
            os.execute "sleep 0.2" -- and the thread prints, and waits
            write(path, process.spawn(function() return 42 end):result())
            future:get() ]]):format(path, begun),
            { after = ("| (while [ ! -s %s ]; do sleep 0.02; done; cat %s; cat >/dev/null)"):format(path, path) })
        os.remove(path)
        os.remove(begun)
        assert.are.same({ "42", 0 }, { output, status })
    end)
end)

describe("output = 'capture'", function()
    local function talk(i)
        if i % 3 == 0 then return i end
        print("line of", i)
        io.write("and no newline")
        io.stderr:write("!\n")
        if i % 5 == 0 then error("no " .. i, 0) end
        if i % 7 == 0 then os.exit(i) end
        return i
    end

    it("gives each task what it printed, failures too, and prints nothing", function()
        local p <close> = pool.new { workers = 3, output = "capture" }
        local results, n, failures, texts = p:map(talk, range(60), { on_error = "collect" })
        assert.are.equal(60, n)
        for i = 1, 60 do
            local fails = i % 3 ~= 0 and (i % 5 == 0 or i % 7 == 0)
            assert.are.equal(not fails and i or nil, results[i])
            if i % 3 == 0 then
                assert.is_nil(texts[i])
            else
                -- stderr goes out at once, what stdout holds back when the task is over
                local text = texts[i]
                assert.is_truthy(text:find("line of\t" .. i .. "\n", 1, true), text)
                assert.is_truthy(text:find("and no newline", 1, true), text)
                assert.is_truthy(text:find("!\n", 1, true), text)
                assert.are.equal(#("line of\t" .. i .. "\nand no newline!\n"), #text)
            end
            if fails then assert.are.equal(texts[i], failures[i].output) end
        end
    end)

    it("gives a future what it gives a map", function()
        local p <close> = pool.new { workers = 1, output = "capture" }
        local _, n, _, texts = p:map_async(print, { "a", "b" }):get()
        assert.are.same({ 2, "a\n", "b\n" }, { n, texts[1], texts[2] })
    end)

    it("holds more than a pipe does", function()
        local p <close> = pool.new { workers = 2, output = "capture" }
        local _, n, _, texts = p:map(function(i)
            for _ = 1, 50 do print(("x"):rep(9999)) end
            return i
        end, range(6))
        assert.are.equal(6, n)
        for i = 1, 6 do assert.are.equal(500000, #texts[i]) end
    end)

    it("gives a retried task what its last attempt printed", function()
        local path = os.tmpname()
        local p <close> = pool.new { workers = 2, output = "capture", retries = 2 }
        local results, _, _, texts = p:map(function(i)
            local file <close> = assert(io.open(path, "a+"))
            local attempt = #file:read("a") + 1
            file:write("x")
            file:close()
            print("attempt " .. attempt)
            if attempt < 3 then os.exit(1) end
            return i
        end, { 7 })
        assert.are.equal(7, results[1])
        assert.are.equal("attempt 3\n", texts[1])
        os.remove(path)
    end)

    it("leaves the host's own output alone", function()
        local output = helpers.output [[
            local p <close> = pool.new { workers = 2, output = "capture" }
            print "before"
            p:map(print, { 1, 2, 3 })
            print "after"
        ]]
        assert.are.equal("before\nafter\n", output)
    end)
end)
