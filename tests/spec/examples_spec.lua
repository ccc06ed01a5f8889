-- The examples do what they say, whoever runs them.

local shell = require "tests.support.shell"

local root = shell.quote((shell.must("pwd"):gsub("\n$", "")))
local luas = shell.quote(os.getenv("LUAS") or "build/luas"):gsub("^'([^/])", root .. "'/%1")

-- Runs an example with options before and arguments after its name.
local function example(name, args, options)
    return shell.must(("%s %s %s/scripts/examples/%s.lua %s"):format(
        luas, options or "", root, name, args or ""))
end

-- The counting of wordcount, done by other tools.
local function peer_counts(files)
    local lines = shell.must("cat " .. files .. [[ | LC_ALL=C tr -cs A-Za-z '\n' |
    LC_ALL=C tr A-Z a-z | LC_ALL=C grep . | LC_ALL=C sort | uniq -c |
    LC_ALL=C sort -k1,1nr -k2 | head -n 20]])
    return (lines:gsub(" +(%d+) (%a+)\n", function(n, word)
        return ("%10d  %s\n"):format(n, word)
    end))
end

local function top_words(output)
    local words = {}
    for line in output:gmatch("[^\n]+\n") do
        if line:find("^ +%d+  %a+\n$") then
            words[#words + 1] = line
        end
    end
    return table.concat(words), #words
end

describe("examples", function()
    local folder

    setup(function() folder = shell.folder() end)
    teardown(function() shell.must("rm -rf " .. shell.quote(folder)) end)

    it("hello: a new process says hello", function()
        assert.equal("hello bob\n", example("hello"))
        assert.equal("hello Mary Ann\n", example("hello", "'Mary Ann'"))
    end)

    it("squares: a pool of four maps in order", function()
        assert.equal("[1, 4, 9, 16, 25]\n", example("squares"))
    end)

    it("squares_async: futures give the same", function()
        assert.equal("[1, 4, 9, 16, 25]\n", example("squares_async"))
    end)

    it("starmap: items are lists of arguments", function()
        assert.equal("[12, 30, 56]\n", example("starmap"))
    end)

    it("names: four processes print their names and different numbers", function()
        local lines = {}
        for line in example("names"):gmatch("[^\n]+") do
            lines[#lines + 1] = line
        end
        table.sort(lines)
        assert.same({"anna: 11", "brian: 22", "clara: 33", "dermot: 44"}, lines)
    end)

    it("pipe: two processes ask and answer", function()
        assert.equal("6 times 7 is 42\n12 times 12 is 144\n99 times 101 is 9999\n", example("pipe"))
    end)

    it("producers: two put and two take, and nothing is lost", function()
        assert.equal("1000 numbers, their sum is 500500\n", example("producers"))
    end)

    it("histogram: the same for every number of workers", function()
        local two = example("histogram", "", "-j 2")
        assert.truthy(two:find("\n20000 throws\n$"))
        assert.equal(two, example("histogram", "", "-j 0"))
    end)

    it("bank: no money is lost when workers die", function()
        assert.equal("200 orders, some died, the bank has 500\n", example("bank", "", "-j 2"))
    end)

    it("tablecount: counts as other tools do", function()
        local text = folder .. "/text"
        shell.write(text, ("The quick brown fox. The lazy dog!\n"):rep(250) .. "the end\n")
        local words, n = top_words(example("tablecount", text, "-j 2"))
        assert.equal(7, n)
        assert.equal(peer_counts(text), words)
    end)

    it("stages: three processes in a row", function()
        assert.equal("the sum of the first 20 squares is 2870\n", example("stages"))
    end)

    it("invoices: a run to look at, with failures and a long tail", function()
        local report = folder .. "/run.html"
        assert.equal("400 invoices, 6 failed\n", example("invoices", "", "-j 4 --report " .. shell.quote(report)))
        local page = shell.read(report)
        assert.truthy(page:find("6 of 400 tasks failed: 5 errors, 1 crash.", 1, true))
        assert.truthy(page:find("one worker was busy: task 400 (invoice-0400.xml) took", 1, true))
    end)

    it("pi: near, and the same for every number of workers", function()
        local two = example("pi", "20", "-j 2")
        assert.near(math.pi, tonumber(two:match("about ([%d.]+)")), 0.01)
        assert.equal(two, example("pi", "20", "-j 1"))
        assert.equal(two, example("pi", "20", "-j 0"))
    end)

    it("mandelbrot: a picture, the same for every number of workers", function()
        local two, one = folder .. "/two.ppm", folder .. "/one.ppm"
        assert.equal(two .. ": 90 x 60 pixels\n", example("mandelbrot", two .. " 90", "-j 2"))
        example("mandelbrot", one .. " 90", "-j 1")
        local picture = shell.read(two)
        local head = "P6\n90 60\n255\n"
        assert.equal(head, picture:sub(1, #head))
        assert.equal(#head + 90 * 60 * 3, #picture)
        -- The point -0.5 is inside, and the left corner is not.
        local inside = #head + (30 * 90 + 45) * 3
        assert.equal("\0\0\0", picture:sub(inside + 1, inside + 3))
        assert.not_equal("\0\0\0", picture:sub(#head + 1, #head + 3))
        assert.is_true(picture == shell.read(one))
    end)

    it("mandelbrot: without a file it says how it is used", function()
        local output, status = shell.run(luas .. " scripts/examples/mandelbrot.lua")
        assert.equal("usage: mandelbrot.lua FILE.ppm [width]\n", output)
        assert.equal(2, status)
    end)

    it("logsummary: counts the lines of its sample", function()
        local output = example("logsummary")
        assert.truthy(output:find("ERROR        40000 lines\n", 1, true))
        assert.truthy(output:find("INFO        120000 lines\n", 1, true))
        assert.truthy(output:find("mail         66666 calls, mean 499.5 ms, slowest 999 ms\n", 1, true))
    end)

    it("logsummary: memory does not grow with the log", function()
        local log = folder .. "/large.log"
        local lines = ("2026-01-01 00:00:00 INFO api 10\n2026-01-01 00:00:01 WARN db 20\n"):rep(4000)
        local file <close> = assert(io.open(log, "w"))
        for _ = 1, 160 do
            file:write(lines)
        end
        file:write("2026-01-01 00:00:02 ERROR db 50")  -- the last line, without its end
        file:close()
        local output = example("logsummary", shell.quote(log), "-j 2")
        assert.truthy(output:find("ERROR            1 lines\n", 1, true))
        assert.truthy(output:find("INFO        640000 lines\n", 1, true))
        assert.truthy(output:find("db          640001 calls, mean 20.0 ms, slowest 50 ms\n", 1, true))
        local peak = tonumber(output:match("at most ([%d.]+) MB"))
        assert.is_true(peak < 10, output)  -- of 39 MB
    end)

    it("wordcount: by itself it reads what every Debian machine has", function()
        local words, n = top_words(example("wordcount", "", "-j 2"))
        assert.equal(20, n)
        assert.equal(peer_counts("$(find /usr/share/common-licenses -type f)"), words)
    end)

    it("wordcount: cuts a large file between words", function()
        local text = folder .. "/large.txt"
        shell.must(("for i in $(seq 12); do cat /usr/share/common-licenses/*; done >%s"):format(
            shell.quote(text)))
        local expected = peer_counts(shell.quote(text))
        for _, options in ipairs {"-j 3", "-j 1"} do
            assert.equal(expected, (top_words(example("wordcount", shell.quote(text), options))))
        end
    end)

    it("wordcount: takes files and folders of any name", function()
        local odd = folder .. "/it's a\nfolder"
        shell.must("mkdir -p " .. shell.quote(odd .. "/deeper"))
        shell.write(odd .. "/one two.txt", "Alpha beta, ALPHA!")
        shell.write(odd .. "/deeper/$(x)", "beta alpha gamma")
        shell.write(odd .. "/empty", "")
        shell.write(folder .. "/-dash", "alpha")
        local output = shell.must(("cd %s && %s %s/scripts/examples/wordcount.lua %s -dash"):format(
            shell.quote(folder), luas, root, shell.quote(odd)))
        local words = top_words(output)
        assert.equal("         4  alpha\n         2  beta\n         1  gamma\n", words)
        assert.truthy(output:find("7 words, 3 of them different, in 0.0 MB, 4 files\n", 1, true))
    end)

    it("wordcount: the times of the job and of one worker stand side by side", function()
        local output = example("wordcount", "", "-j 2")
        assert.truthy(output:find("\nthe same %d+ times over:\n2 workers: [%d.]+ s\n1 worker: [%d.]+ s, so 2 are [%d.]+ times as fast\n$")
            or output:find("\n2 workers: [%d.]+ s\n1 worker: 0%.[01]%d s, too short to compare\n$"), output)
        assert.truthy(example("wordcount", "", "-j 1"):find("\n1 worker: [%d.]+ s\n$"))
    end)

    it("wordcount: a file that is not there is one line and status 1", function()
        local output, status = shell.run(luas .. " scripts/examples/wordcount.lua /no/such/file")
        assert.equal("wordcount: cannot read /no/such/file: No such file or directory\n", output)
        assert.equal(1, status)
    end)

    it("wordcount: what is no file is one line and status 1", function()
        local output, status = shell.run(luas .. " scripts/examples/wordcount.lua /dev/null")
        assert.equal("wordcount: cannot read /dev/null: neither a file nor a folder\n", output)
        assert.equal(1, status)
    end)

    it("convert: killed and run again it goes on where it was", function()
        local from, to = folder .. "/from", folder .. "/to"
        shell.must(("mkdir %s %s"):format(from, to))
        local n, bytes = 60, 0
        for i = 1, n do
            local text = ("line %d\n"):format(i):rep(20000)
            shell.write(("%s/%d"):format(from, i), text)
            bytes = bytes + #text
        end
        local command = ("%s -j 2 %s/scripts/examples/convert.lua %s %s"):format(luas, root, from, to)
        shell.run(([[%s & host=$!
            while [ ! -e %s/20 ] && kill -0 $host 2>/dev/null; do sleep 0.005; done; sleep 0.06; kill -9 $host; wait $host]])
            :format(command, to))
        local total, all, before = shell.must(command):match "(%d+) files, (%d+) bytes %((%d+) of them done before%)"
        assert.equal(n, tonumber(total))
        assert.equal(bytes, tonumber(all))
        assert.is_true(tonumber(before) > 0, "nothing was known")
        assert.equal(("LINE 7\n"):rep(20000), shell.read(to .. "/7"))
        shell.write(from .. "/7", "changed\n")
        assert.is_truthy(shell.must(command):find(("%d of them done before"):format(n - 1)))
        assert.equal("CHANGED\n", shell.read(to .. "/7"))
    end)
end)
