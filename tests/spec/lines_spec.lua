-- Lines and blocks of files and streams as sources.

local luas = require("luas")
local pool = luas.pool

local function with_file(text, use)
    local path = os.tmpname()
    local f = assert(io.open(path, "wb"))
    f:write(text)
    f:close()
    local ok, message = pcall(use, path)
    os.remove(path)
    if not ok then error(message, 0) end
end

local function same(line) return line end

-- What Lua itself reads.
local function lines_of(text)
    local all = {}
    for line in (text:sub(-1) == "\n" and text or text == "" and "" or text .. "\n"):gmatch "([^\n]*)\n" do
        all[#all + 1] = line
    end
    return all
end

local function numbers(n)
    local all = {}
    for i = 1, n do all[i] = ("line %d%s\n"):format(i, ("x"):rep(i % 50)) end
    return table.concat(all)
end

local texts = {
    ["an empty file"] = "",
    ["one line without an end"] = "abc",
    ["a newline"] = "\n",
    ["empty lines"] = "\n\n\na\n\n",
    ["no last newline"] = "a\nbb\nccc",
    ["CRLF"] = "a\r\nb\r\n\r\nc",
    ["NUL bytes"] = "a\0b\n\0\nc\0\0\n",
    ["bytes that are no text"] = "\xff\xfe\n\x80\n",
    ["one endless line"] = ("endless "):rep(60000),
    ["3000 lines"] = numbers(3000),
    ["a long line among short ones"] = "a\n" .. ("y"):rep(300000) .. "\nb\n",
}

for _, how in ipairs { { workers = 0 }, { workers = 1 }, { workers = 3 }, { workers = 2, carry = "inherit" } } do
    describe(("with %d workers, %s,"):format(how.workers, how.carry or "as usual"), function()
        local p
        setup(function() p = pool.new(how) end)
        teardown(function() p:terminate() end)

        for name, text in pairs(texts) do
            it("lines are what io.lines gives: " .. name, function()
                local expected = lines_of(text)
                with_file(text, function(path)
                    for _, block in ipairs { 1, 7, 4096, "8M" } do
                        if not (block == 1 and #expected > 500) then
                            local results, n = p:map(same, pool.lines(path, { block = block }))
                            assert.are.equal(#expected, n)
                            assert.are.same(expected, results)
                        end
                    end
                end)
            end)

            it("blocks are whole lines, and all there is: " .. name, function()
                with_file(text, function(path)
                    for _, block in ipairs { 10, 5000, "8M" } do
                        local results, n = p:map(same, pool.blocks(path, { block = block }))
                        assert.are.equal(text, table.concat(results))
                        for i = 1, n - 1 do assert.are.equal("\n", results[i]:sub(-1)) end
                    end
                end)
            end)

            it("a pipe has the same: " .. name, function()
                with_file(text, function(path)
                    local cat <close> = io.popen("cat " .. path)
                    assert.are.same(lines_of(text), (p:map(same, pool.lines(cat))))
                end)
            end)
        end

        it("every verb takes them", function()
            with_file(numbers(1000), function(path)
                local function all() return pool.lines(path, { block = 3000 }) end
                local expected, sum = lines_of(numbers(1000)), 0
                for _, line in ipairs(expected) do sum = sum + #line end
                assert.are.equal(1000, p:each(same, all()))
                assert.are.equal(sum, p:reduce(string.len, all(), function(a, b) return a + b end))
                local count = 0
                for i, line in p:imap(same, all()) do
                    count = count + 1
                    assert.are.equal(expected[i], line)
                end
                for i, line in p:imap_unordered(same, all()) do
                    count = count + 1
                    assert.are.equal(expected[i], line)
                end
                assert.are.equal(2000, count)
                assert.are.same(expected, (p:map_async(same, all()):get()))
            end)
        end)

        it("several files are one after the other, and failures say where", function()
            with_file("a\nb\nbad", function(one)
                with_file("", function(two)
                    with_file("c\nd\nbad\n", function(three)
                        local results, n, failures = p:map(function(line)
                            if line == "bad" then error("that is bad", 0) end
                            return line
                        end, pool.lines { one, two, three }, { on_error = "collect" })
                        assert.are.equal(6, n)
                        assert.are.same({ "a", "b", nil, "c", "d" }, results)
                        assert.are.equal(one, failures[3].file)
                        assert.are.equal(3, failures[3].line)
                        assert.are.equal("bad", failures[3].input)
                        assert.are.equal(three, failures[6].file)
                        assert.are.equal(3, failures[6].line)
                        assert.is_truthy(tostring(failures[6]):find(three .. ":3 (input \"bad\"): that is bad", 1, true),
                            tostring(failures[6]))
                    end)
                end)
            end)
        end)

        it("the first lines may be read before", function()
            with_file("name value\na 1\nb 2\n", function(path)
                local rows = pool.lines(path)
                assert.are.equal("name value", rows())
                local results, _, failures = p:map(function(line)
                    return line:match "%d" == "2" and error "two" or line
                end, rows, { on_error = "collect" })
                assert.are.same({ "a 1" }, results)
                assert.are.equal(3, failures[2].line)
            end)
        end)

        it("an open file goes on where it is", function()
            with_file("a\nb\nc\nd\n", function(path)
                local f <close> = io.open(path)
                assert.are.equal("a", f:read())
                assert.are.same({ "b", "c", "d" }, (p:map(same, pool.lines(f))))
            end)
        end)

        it("any text may end a line", function()
            with_file("a\0b\0\0c", function(path)
                assert.are.same({ "a", "b", "", "c" }, (p:map(same, pool.lines(path, { sep = "\0" }))))
            end)
            with_file("one--two---three--", function(path)
                for _, block in ipairs { 1, 4, 1000 } do
                    assert.are.same({ "one", "two", "-three" },
                        (p:map(same, pool.lines(path, { sep = "--", block = block }))))
                end
            end)
        end)

        it("compressed files are unpacked", function()
            with_file(numbers(500), function(path)
                assert(os.execute("gzip -c " .. path .. " >" .. path .. ".gz"))
                local results = p:map(same, pool.lines(path .. ".gz"))
                os.remove(path .. ".gz")
                assert.are.same(lines_of(numbers(500)), results)
            end)
            with_file("this was never compressed", function(path)
                assert(os.rename(path, path .. ".gz"))
                local ok, o = pcall(p.map, p, same, pool.lines(path .. ".gz"))
                os.remove(path .. ".gz")
                assert.is_false(ok)
                assert.is_truthy(tostring(o):find("gzip cannot unpack it", 1, true), tostring(o))
            end)
        end)
    end)
end

describe("with workers", function()
    local p
    setup(function() p = pool.new(2) end)
    teardown(function() p:terminate() end)

    it("a line that kills its worker is named, and all others have results", function()
        with_file(numbers(2000), function(path)
            local results, n, failures = p:map(function(line)
                if line:find "^line 777x*$" then os.exit(3) end
                return #line
            end, pool.lines(path), { on_error = "collect" })
            assert.are.equal(2000, n)
            for i = 1, n do assert.are.equal(i == 777, results[i] == nil) end
            assert.are.equal("crash", failures[777].kind)
            assert.are.equal(777, failures[777].line)
            assert.is_truthy(failures[777].input:find "^line 777x")
        end)
    end)

    it("a line may time out, and may be tried again", function()
        with_file("a\nslow\nb\n", function(path)
            local results, _, failures = p:map(function(line)
                while line == "slow" do end
                return line
            end, pool.lines(path), { on_error = "collect", timeout = 0.2 })
            assert.are.same({ "a", nil, "b" }, results)
            assert.are.equal("timeout", failures[2].kind)
            assert.are.equal(2, failures[2].line)
            local tries = luas.shared.value("i64")
            assert.are.same({ "a", "slow", "b" }, (p:map(function(line)
                if line == "slow" and tries:add(1) < 3 then os.exit(1) end
                return line
            end, pool.lines(path), { retries = 3 })))
        end)
    end)

    it("no line is done twice, whatever dies", function()
        with_file(numbers(3000), function(path)
            local times = luas.shared.array("i32", 3000)
            p:map(function(line)
                local i = tonumber(line:match "%d+")
                times:add(i, 1)
                if i % 500 == 0 then os.exit(1) end
            end, pool.lines(path), { on_error = "collect" })
            for i = 1, 3000 do assert.are.equal(1, times[i]) end
        end)
    end)

    it("a file that is made shorter meanwhile has outcomes for what is lost", function()
        with_file(numbers(2000), function(path)
            local lines = pool.lines(path, { block = 100 })
            local results, n, failures = p:map(function(line)
                if line:find "^line 1x" then assert(os.execute("truncate -s 1000 " .. path)) end
                return line
            end, lines, { on_error = "collect" })
            local expected = lines_of(numbers(2000))
            for i = 1, n do
                if results[i] then assert.are.equal(expected[i], results[i]) end
                assert.are_not.equal(results[i] == nil, failures[i] == nil)
            end
        end)
    end)

    it("a file that is removed or replaced meanwhile is read to its end", function()
        with_file(numbers(3000), function(path)
            local lines = pool.lines(path, { block = 1000 })
            os.remove(path)
            local f = io.open(path, "w")
            f:write("something else\n")
            f:close()
            assert.are.same(lines_of(numbers(3000)), (p:map(same, lines)))
        end)
    end)

    it("a file that grows is read as far as it was", function()
        with_file("a\nb\n", function(path)
            local lines = pool.lines(path)
            local f = io.open(path, "a")
            f:write("c\n")
            f:close()
            assert.are.same({ "a", "b" }, (p:map(same, lines)))
        end)
    end)

    it("a slow stream has each result as it comes", function()
        local slow <close> = io.popen("echo a; sleep 0.2; echo b; sleep 0.2; echo c", "r")
        local now = require "luas.core".now
        local times = {}
        for i in p:imap(same, pool.lines(slow)) do times[i] = now() end
        assert.are.equal(3, #times)
        assert.is_true(times[2] - times[1] > 0.1 and times[3] - times[2] > 0.1)
    end)

    it("a stream that waits does not keep results back", function()
        local fifo, count = os.tmpname(), 0
        assert(os.execute(("rm %s && mkfifo %s"):format(fifo, fifo)))
        local slow = io.popen("echo a; echo b; exec cat " .. fifo, "r")
        for _ in p:imap(function(line) os.execute "sleep 0.05" return line end, pool.lines(slow)) do
            count = count + 1
            if count == 2 then break end
        end
        assert.are.equal(2, count)
        io.open(fifo, "w"):close() -- only now the stream ends
        slow:close()
        os.remove(fifo)
    end)

    it("what cannot be read is said", function()
        local function message_of(...) return select(2, pcall(...)) end
        assert.is_truthy(message_of(pool.lines, "/no/such/file"):find("/no/such/file: No such file", 1, true))
        assert.is_truthy(message_of(pool.lines, "/"):find("/: Is a directory", 1, true))
        assert.is_truthy(message_of(pool.lines, "/etc/passwd", { sep = "" }):find("1 to 255 bytes", 1, true))
        assert.is_truthy(message_of(pool.lines, "/etc/passwd", { blok = 1 }):find("unknown option \"blok\" (there are: block, local_files, sep)", 1, true))
        assert.is_truthy(message_of(pool.lines, "/etc/passwd", { local_files = 1 }):find("'local_files' must be a boolean, got 1", 1, true))
        assert.is_truthy(message_of(pool.blocks, { "/etc/passwd", io.stdin }, { local_files = true }):find(
            "pool.blocks: local_files is about files that have a path", 1, true))
        assert.are.same((p:map(same, pool.lines("/etc/passwd"))), (p:map(same, pool.lines("/etc/passwd", { local_files = true }))))
        assert.is_truthy(message_of(pool.lines, "/etc/passwd\0x"):find("bad argument #1 to 'lines' (item 1 is no file's name)", 1, true))
        assert.is_truthy(message_of(pool.lines, { log = "/etc/passwd" }):find("bad argument #1 to 'lines'", 1, true))
        assert.is_truthy(message_of(pool.lines, { "/etc/passwd", nil, "/etc/group" }):find("item 2 is no file's name", 1, true))
        assert.is_truthy(message_of(pool.lines, 12):find("bad argument #1 to 'lines' (string, table or function expected, got number)", 1, true))
        with_file("a\n", function(path)
            local ok, o = pcall(p.map, p, same, pool.lines { path, "/no/such/file" })
            assert.is_false(ok)
            assert.is_truthy(tostring(o):find("/no/such/file: No such file", 1, true), tostring(o))
            assert.are.same({ "a" }, o.results)
        end)
    end)

    it("reduce names the line that fails, and the lines of a worker that died", function()
        local function plus(a, b) return a + b end
        with_file(numbers(100), function(one)
            with_file(numbers(3000), function(two)
                local lines = pool.lines { one, two }
                lines()
                assert.are.equal(3099, p:reduce(function() return 1 end, lines, plus))
                local function reduced(bad)
                    local rows = pool.lines({ one, two }, { block = 2000 })
                    rows()
                    local ok, o = pcall(p.reduce, p, function(line)
                        if line:find "^line 777x" then bad() end
                        return 1
                    end, rows, plus)
                    assert.is_false(ok)
                    return o
                end
                local o = reduced(function() error "no" end)
                assert.are.same({ 876, two, 777, 1, "error" }, { o.index, o.file, o.line, o.count, o.kind })
                assert.is_truthy(o.input:find "^line 777x")
                assert.is_nil(o.traceback:find("luas", 1, true))
                o = reduced(function() os.exit(3) end)
                assert.are.equal("crash", o.kind)
                assert.is_true(o.line <= 777 and o.line + o.count > 777 and o.count < 200)
                assert.are.equal(o.line + 99, o.index)
                assert.is_truthy(tostring(o):find(("one of lines %d to %d of %s"):format(o.line, o.line + o.count - 1, two), 1, true))
                local _, failures = p:reduce(function(line) return line:find "^line 777x" and error "no" or 1 end,
                    pool.lines(two), plus, 0, { on_error = "collect" })
                assert.are.equal(777, failures[777].line)
            end)
        end)
    end)

    it("reduce over blocks has one at a time", function()
        with_file(numbers(3000), function(path)
            local most = 0
            local n = p:reduce(function(block) return #block end, pool.blocks(path, { block = 5000 }), function(a, b)
                most = math.max(most, b)
                return a + b
            end, 0)
            assert.are.equal(#numbers(3000), n)
            assert.is_true(most < 6000)
        end)
    end)

    it("many lines need little memory", function()
        with_file(("x\n"):rep(400000), function(path)
            local before = collectgarbage "count"
            assert.are.equal(400000, p:each(same, pool.lines(path)))
            assert.is_true(collectgarbage "count" - before < 2000)
        end)
    end)
end)
