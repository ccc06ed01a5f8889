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
        assert.truthy(page:find("invoice-0400.xml", 1, true))
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

    -- ---- one job each ----

    it("thumbnails: makes what the program makes, and names what it cannot", function()
        local bin, from, to = folder .. "/bin", folder .. "/photos", folder .. "/it's small"
        shell.must(("mkdir -p %s %s/deep"):format(bin, from))
        shell.write(bin .. "/convert", '#!/bin/sh\ngrep -q bad "$1" && exit 1\ncp "$1" "$4"\n')
        shell.must("chmod +x " .. bin .. "/convert")
        for name, text in pairs { ["a.png"] = "1", ["deep/b c.jpg"] = "2", ["d.gif"] = "bad" } do
            shell.write(from .. "/" .. name, text)
        end
        local output = shell.must(("PATH=%s:$PATH %s scripts/examples/thumbnails.lua %s %s"):format(bin, luas, from, shell.quote(to)))
        assert.equal(from .. "/d.gif: error\n3 pictures\n", output)
        assert.equal("a.jpg\nb c.jpg\n", shell.must("ls " .. shell.quote(to)))
    end)

    it("checksums: names files that are the same", function()
        local tree = folder .. "/tree"
        shell.must(("mkdir -p %s/b"):format(tree))
        for name, text in pairs { ["a"] = "x", ["b/it's"] = "x", ["c"] = "y" } do shell.write(tree .. "/" .. name, text) end
        assert.equal(("%s/b/it's is the same as %s/a\n3 files\n"):format(tree, tree), example("checksums", tree))
    end)

    it("jsonlines: adds up by a field", function()
        local path = folder .. "/orders.jsonl"
        shell.write(path, ('{"who":"ann","net":5}\n{"who":"bob","net":7}\n'):rep(1000))
        assert.equal("ann\t5000.0\nbob\t7000.0\n", example("jsonlines", path .. " who net"))
    end)

    it("csv_to_sqlite: quotes, commas and empty fields are kept", function()
        local csv, db = folder .. "/rows.csv", folder .. "/rows.db"
        shell.write(csv, 'name,"say ""it"""\nx,1\r\n"y, z","a ""b"" c"\n"",\n')
        assert.equal("3 rows\n", example("csv_to_sqlite", csv .. " " .. db))
        assert.equal('x|1\ny, z|a "b" c\n|\n', shell.must("sqlite3 " .. db .. " 'SELECT * FROM rows'"))
        assert.equal('say "it"\n', shell.must("sqlite3 " .. db .. [[ "SELECT name FROM pragma_table_info('rows') WHERE cid = 1"]]))
    end)

    it("crawl: follows links of its host, and names what is not there", function()
        local www = folder .. "/www"
        shell.must("mkdir " .. www)
        shell.write(www .. "/index.html", '<a href="b.html"><a href="/none.html"><a href="http://other.host/">')
        shell.write(www .. "/b.html", '<a href="index.html"><a href="b.html#x">')
        local output = shell.must(([[cd %s && { python3 -m http.server --bind 127.0.0.1 8645 >/dev/null 2>&1 & server=$!
            for i in $(seq 200); do curl -s -o /dev/null http://127.0.0.1:8645/ && break; sleep 0.1; done
            %s %s/scripts/examples/crawl.lua http://127.0.0.1:8645/index.html; kill $server; }]]):format(www, luas, root))
        local host = "http://127.0.0.1:8645"
        assert.equal(("%s/index.html\t%d\n%s/b.html\t%d\n%s/none.html\t404\n"):format(host,
            #shell.read(www .. "/index.html"), host, #shell.read(www .. "/b.html"), host), output)
    end)

    it("grammar: counts requests by status", function()
        local log = folder .. "/access.log"
        local line = '1.2.3.4 - - [01/Dec/2026:00:00:00 +0000] "GET /%s HTTP/1.1" %d 12\n'
        shell.write(log, line:format("a", 200):rep(300) .. "nonsense\n" .. line:format("b", 404):rep(2))
        assert.equal("200\t300\n404\t2\nunreadable\t1\n", example("grammar", log))
    end)

    it("sweep: a table that is the same for every number of workers", function()
        local two = example("sweep", "", "-j 2")
        assert.matches("^drift 0.50 [ %-.%d]+\ndrift 0.55 [ %-.%d]+\ndrift 0.60 [ %-.%d]+\n$", two)
        assert.equal(two, example("sweep", "", "-j 0"))
    end)

    it("search: finds the first number, and stops", function()
        assert.equal("383950\t00008a4b487e1dd8\n", example("search", "4", "-j 2"))
        assert.equal("383950\t00008a4b487e1dd8\n", example("search", "4", "-j 1"))
    end)

    it("genetic: gets better, and is the same for every number of workers", function()
        local two = example("genetic", "", "-j 2")
        local first, last = two:match "generation 5: (%d+)\n.*generation 20: (%d+)\n$"
        assert.is_true(tonumber(last) < tonumber(first), two)
        assert.equal(two, example("genetic", "", "-j 0"))
    end)

    it("by_key: the longest word for each letter", function()
        local text = folder .. "/words.txt"
        shell.write(text, ("Apple apricots bee\nbeech, ant: bees\n"):rep(500))
        assert.equal("a\tapricots\nb\tbeech\n", example("by_key", text, "-j 2"))
    end)

    it("progress: says how far it is", function()
        assert.equal("0 of 20\n5 of 20\n10 of 20\n15 of 20\n20 of 20\n",
            (example("progress", "", "-j 2"):gsub("^(%d+ of 20\n)", function(first) return first == "0 of 20\n" and first or "0 of 20\n" .. first end)))
    end)

    it("capture: what a task prints comes with its result or failure", function()
        assert.equal([[
a.c: a.o
  | compiling a.c
  | warning: a.c is old
b.c: syntax error
  | compiling b.c
  | warning: b.c is old
c.c: c.o
  | compiling c.c
  | warning: c.c is old
]], example("capture"))
    end)

    it("memory: a task that wants too much fails alone", function()
        assert.equal("1\n10\nnot enough memory\n20\n", example("memory"))
    end)

    it("eventloop: squares come when they are ready", function()
        local lines = {}
        for line in example("eventloop"):gmatch "[^\n]+" do lines[#lines + 1] = line end
        table.sort(lines)
        assert.same({ "1\t1", "2\t4", "3\t9", "4\t16" }, lines)
    end)

    it("session: the prompt answers so", function()
        local documents = require "tests.support.documents"
        local command = documents.console(shell.read "scripts/examples/session.txt")[1]
        shell.write(folder .. "/input", command.input)
        local output = shell.must(("LUAS_HISTORY= NO_COLOR=1 %s -i <%s/input"):format(luas, folder))
        assert.equal(command.output .. "> \n", (output:gsub("^[^\n]*\n", "")))
    end)

    it("are all in the list of the folder, and the list has no others", function()
        local list = shell.read "scripts/examples/README.md"
        for name in shell.must("ls scripts/examples"):gmatch "[^\n]+" do
            if name:find "%.lua$" or name:find "%.txt$" then
                assert.truthy(list:find("(" .. name .. ")", 1, true), name)
            end
        end
    end)
end)
