-- One-liners: -p, -n, --where and the others, next to what perl, mawk and Python make of it.

local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local program = sh.quote(helpers.program)
local folder

setup(function() folder = sh.folder() end)
teardown(function() sh.run("rm -rf " .. folder) end)

local function luas(arguments)
    return sh.run(("cd %s && timeout -s KILL %g %s %s"):format(folder, helpers.within(20), program, arguments))
end

local function file(name, text)
    sh.write(folder .. "/" .. name, text)
    return name
end

local function rows(n)
    local all = {}
    for i = 1, n do
        all[i] = ("%d %s /path/%d %d.%d"):format(i, ({ "INFO", "ERROR", "WARN" })[i % 3 + 1], i % 7, i % 11, i % 4)
    end
    return table.concat(all, "\n")
end

local texts = {
    ["rows"] = rows(400) .. "\n",
    ["no last newline"] = rows(50),
    ["empty"] = "",
    ["one line"] = "1 ERROR /path 3\n",
    ["CRLF"] = rows(20):gsub("\n", "\r\n") .. "\r\n",
    ["blank lines"] = "\n\n  \n 1  ERROR\tx  4.5  \n\n",
    ["one endless line"] = ("7 ERROR /p 1 "):rep(20000),
}

-- The options, and what does the same.
local same = {
    { "-p _", [[perl -ne 'chomp; print "$_\n"']] },
    { [[-p '_:upper()']], [[perl -ne 'chomp; print uc, "\n"']] },
    { [[--where '_:find"ERROR"']], [[perl -ne 'chomp; print "$_\n" if /ERROR/']] },
    { [[-p '_:match"/(%w+)"']], [[perl -ne 'print "$1\n" if m{/(\w+)}']] },
    { [[-p 'F[2] or ""']], "mawk '{print $2}'" },
    { [[-p '#F > 0 and F[-1] or ""']], [[mawk '{print NF ? $NF : ""}']] },
    { [[-p '(F[1] or ""), F[3]']], [[mawk '{print $1 "\t" $3}']] },
    { [[-p '#F']], "mawk '{print NF}'" },
    { [[-p 'F[3]']], [[perl -lane 'print $F[2] if defined $F[2]']] },
    { [[-p ' F[ 1 ], F[-1],F[99]']], [[mawk '{print $1 "\t" (NF ? $NF : "") "\t" $99}']] },
    { [[--where 'F[2] == "WARN"']], [[perl -lane 'print if defined $F[1] and $F[1] eq "WARN"']] },
    { [[-n 'print(F[1] or "", #F)']], [[mawk '{print $1 "\t" NF}']] },
    { [[--sum 'F[4] and tonumber(F[1])' --count]], [[mawk 'NF > 3 {s += $1} END {print s + 0 "\t" NR}']] },
    { [[--by 'F[2]' --sum 'F[1]' --min 'F[1]']],
        [[mawk 'NF>1 {s[$2]+=$1; if (!($2 in m)) m[$2]=$1; if ($1+0<m[$2]+0) m[$2]=$1} END {for (k in s) print k "\t" s[k] "\t" m[k]}' | LC_ALL=C sort]] },
    { [[-F / -p 'F[2] or ""']], "mawk -F/ '{print $2}'" },
    { [[-p 'NR .. ":" .. #_']], [[mawk '{print NR ":" length($0)}']] },
    { [[--where 'NR % 5 == 0' -p 'FILE, NR']], [[mawk 'NR%5==0 {print FILENAME "\t" NR}']] },
    { [[--where 'F[2] == "ERROR"' -p 'F[3] or ""']], "mawk '$2==\"ERROR\" {print $3}'" },
    { [[-n 'print(_) print(#_)']], [[mawk '{print; print length($0)}']] },
    { [[-n 'for w in _:gmatch "%a+" do io.write(w, " ") end']], [[perl -ne 'print "$_ " for /[A-Za-z]+/g']] },
    { "--count", "mawk 'END {print NR}'" },
    { [[--where '_:find"ERROR"' --count]], "mawk '/ERROR/ {n++} END {print n+0}'" },
    { [[--sum 'tonumber(F[1])']], "mawk '{s+=$1} END {printf \"%d\\n\", s}'" },
    { [[--by 'F[2] or ""' --count]], [[mawk '{c[$2]++} END {for (k in c) print k "\t" c[k]}' | LC_ALL=C sort]] },
    { [[--by 'F[2]' --sum 'F[1]' --max '#_']],
        [[mawk 'NF>1 {s[$2]+=$1; if (length($0)>m[$2]) m[$2]=length($0)} END {for (k in s) print k "\t" s[k] "\t" m[k]}' | LC_ALL=C sort]] },
}

local ways = { "-j 0", "-j 1 --block 7", "-j 2 --block 300", "-j 8", "-j 3 --block 8M" }
local turn = 0

describe("a one-liner gives what other programs give:", function()
    for name, text in pairs(texts) do
        it(name, function()
            file("in", text)
            for _, case in ipairs(same) do
                local expected = sh.run(("cd %s && { %s ; }"):format(folder, case[2]:gsub("^([^|]*)", "%1 in ", 1)))
                for _ = 1, 2 do -- each case in two ways, each way for some texts
                    turn = turn % #ways + 1
                    local got, status = luas(ways[turn] .. " " .. case[1] .. " in")
                    assert.are.equal(expected, got, ways[turn] .. " " .. case[1])
                    assert.are.equal(0, status)
                end
            end
        end)
    end
end)

describe("a one-liner", function()
    it("reads stdin, several files, and both", function()
        file("one", "a\nb")
        file("two", "c\n")
        assert.are.equal("a\nb\nc\n", (luas "-p _ one two"))
        assert.are.equal("x\ny\n", (luas("-p _ < /dev/null; printf 'x\\ny' | " .. program .. " -p _")))
        assert.are.equal("c\nx\na\nb\n", (sh.run(("cd %s; echo x | %s -p _ two - one"):format(folder, program))))
        assert.are.equal("one\t1\none\t2\ntwo\t1\n", (luas "-p FILE,NR one two"))
        assert.are.equal("3\n", (luas "--count one two"))
    end)

    it("passes NUL bytes and bytes that are no text through", function()
        file("bytes", "a\0b\n\xff\xfe\n\0\n")
        assert.are.equal("a\0b\n\xff\xfe\n\0\n", (luas "-p _ bytes"))
        assert.are.equal("3\n1\n4\n", (luas([[-0 -p '#_' nuls]], file("nuls", "abc\0d\0\n\n\n\n"))))
        assert.are.equal("a\nb c\n", (luas([[--record '|\n' -p _ bars]], file("bars", "a|\nb c|\n"))))
    end)

    it("prints what values there are: nil and false nothing, true the line", function()
        file("in", "1\n2\n3\n4\n")
        assert.are.equal("2\n4\n", (luas [[-p '_ % 2 == 0' in]]))
        assert.are.equal("1\t\tx\n2\t\tx\n3\t\tx\n4\t\tx\n", (luas [[-p '_, nil, "x"' in]]))
        assert.are.equal("", (luas "-p nil in"))
        assert.are.equal("1.5\n3.0\n4.5\n6.0\n", (luas "-p '_ * 1.5 -- a comment' in"))
    end)

    it("has begin in each worker, end once, and what -l and -e set up", function()
        file("in", "1\n2\n3\n")
        assert.are.equal("5\n6\n7\nover\n", (luas [[--begin 'add = 4' --end 'print "over"' -p '_ + add | 0' in]]))
        assert.are.equal("1\n2\n3\nover 3\n", (luas [[-j 0 --begin 'n = 0' -n 'n = n + 1 print(_)' --end 'print("over " .. n)' in]]))
        assert.are.equal("3\n4\n5\n", (luas [[-e 'local two = 2 function up(x) return x + two end' -p 'up(_) | 0' in]]))
        assert.are.equal("1\n4\n9\n", (luas([[--map f.lua in]], file("f.lua", "return function(x) return (x * x) | 0 end"))))
        assert.are.equal("6\n", (luas [[-e 'total = shared.value "i64"' -n 'total:add(tonumber(_))' --end 'print(total:get())' in]]))
    end)

    it("reduces: sums whose order makes no difference, least, greatest and mean", function()
        file("in", "a 0.1\nb 3\na 0.2\nb 5\na 0.3\nc x\n")
        for _, how in ipairs { "-j 0", "-j 1", "-j 2 --block 1", "-j 8" } do
            local got, status = luas(how .. [[ --where 'F[1] ~= "c"' --by 'F[1]' --count --sum 'F[2]' --min 'F[2]' --max 'F[2]' --mean 'F[2]' in]])
            assert.are.equal("a\t3\t0.6\t0.1\t0.3\t0.2\nb\t2\t8\t3\t5\t4.0\n", got)
            assert.are.equal(0, status)
        end
        assert.are.equal("0\t0\t\t\n", (luas "--count --sum F[1] --min F[1] --mean F[1] /dev/null"))
        file("big", "9223372036854775807\n1\n")
        assert.are.equal("9.2233720368548e+18\n", (luas "--sum _ big"))
        file("keys", "10 1\n9 1\nx 1\n9 1\n")
        assert.are.equal("9\t2\n10\t1\nx\t1\n", (luas "--by 'F[1]' --sum 'F[2]' keys"))
    end)

    it("knows fields with quotes, and others, where no code sees the line", function()
        file("csv", 'a,"b, ""c""\nd",3\n"x",,"4"\n')
        for _, how in ipairs { "-j 0", "-j 1", "-j 2 --block 1" } do
            assert.are.equal('b, "c"\nd\n\n', (luas(how .. " --csv -p 'F[2]' csv")))
            assert.are.equal('3\ta\n4\tx\n', (luas(how .. " --csv -p 'F[-1], F[1]' csv")))
            assert.are.equal('a\t3\nx\t4\n', (luas(how .. " --csv --by 'F[1]' --sum 'F[3]' csv")))
            assert.are.equal("a\nb\n", (sh.run(("printf 'a 1\\nb 2' | %s %s -p 'F[1]'"):format(program, how))))
            local got, status = luas(how .. " --csv --sum 'F[2]' csv")
            assert.are.equal(1, status)
            assert.is_truthy(got:find("csv:1: (command line):1: a number expected, got 'b, \"c\"\nd'", 1, true), got)
        end
    end)

    it("finds the line that kills its worker, where no code sees the line", function()
        file("in", rows(600) .. "\n")
        for _, how in ipairs { "-j 1", "-j 2 --block 1000", "-j 2" } do
            for does, expected in pairs {
                ["--where 'F[1] ~= \"123\" or os.exit(7)' --sum 'F[1]'"] = ("%d\n"):format(600 * 601 // 2 - 123),
                ["--where 'F[1] ~= \"123\" or os.exit(7)' -p 'F[1]'"] = sh.run "seq 122; seq 124 600",
            } do
                local got, status = luas(how .. " " .. does .. " in 2>err")
                assert.are.equal(1, status)
                assert.are.equal(expected, got)
                assert.is_truthy(sh.read(folder .. "/err"):find("in:123: its worker exited with status 7", 1, true))
            end
        end
    end)

    it("names a line that fails, does the others, and exits with 1", function()
        file("in", "1\n2\nx\n4\n")
        for _, how in ipairs { "-j 0", "-j 1", "-j 2 --block 1" } do
            local got, status = luas(how .. [[ -p '(_ + 1) | 0' in]])
            assert.are.equal(1, status)
            assert.is_truthy(got:find("in:3: (command line):1: attempt to add a 'string' with a 'number'", 1, true), got)
            for _, n in ipairs { 2, 3, 5 } do assert.is_truthy(("\n" .. got):find("\n" .. n .. "\n", 1, true), got) end
            assert.is_truthy(got:find("luas: 1 failed\n", 1, true))
            got, status = luas(how .. [[ --sum _ in]])
            assert.are.equal(1, status)
            assert.is_truthy(got:find("in:3: ", 1, true) and got:find("a number expected, got 'x'", 1, true), got)
            assert.is_truthy(got:find("7\n", 1, true), got)
        end
    end)

    it("goes on when a line kills its worker", function()
        file("in", rows(3000) .. "\n")
        local got, status = luas [[-j 2 -p 'NR == 1234 and os.exit(9) or NR' in 2>err]]
        assert.are.equal(1, status)
        assert.are.equal(sh.run "seq 1233; seq 1235 3000", got)
        assert.is_truthy(sh.read(folder .. "/err"):find("in:1234: its worker exited with status 9", 1, true))
        for _, block in ipairs { "1000", "1M" } do
            got, status = luas([[-j 2 --block ]] .. block .. [[ --where 'NR == 1234 and os.exit(9) or true' --count --sum NR in 2>err]])
            assert.are.equal(1, status)
            assert.are.equal(("2999\t%d\n"):format(3000 * 3001 // 2 - 1234), got)
            assert.is_truthy(sh.read(folder .. "/err"):find("in:1234: its worker exited with status 9", 1, true))
        end
        got, status = luas [[-j 2 --timeout 0.2 -p 'NR == 7 and (function() while true do end end)() or nil' in]]
        assert.are.equal(1, status)
        assert.is_truthy(got:find("in:7: timed out after 0.2 s", 1, true), got)
    end)

    it("tries again, and stops after so many failures", function()
        file("in", "1\n2\n3\n")
        local got, status = luas [[-e 'n = shared.value "i64"' --retries 2 -p '_ == "2" and n:add(1) < 3 and os.exit(1) or _' in]]
        assert.are.equal("1\n2\n3\n", got)
        assert.are.equal(0, status)
        file("many", rows(2000))
        got, status = luas [[--halt 1 -n 'os.execute "sleep 0.01" error "no"' many]]
        assert.are.equal(1, status)
        assert.is_true(tonumber(got:match "luas: (%d+) failed") < 100, got)
    end)

    it("refuses what it cannot do, with 2", function()
        for arguments, message in pairs {
            ["-p 'F['"] = "-p:1: unexpected symbol near <eof>",
            ["-n 'for'"] = "-n:1: <name> expected near <eof>",
            ["-p"] = "'-p' needs an argument",
            ["--count=3"] = "'--count=3': this option takes no argument",
            ["-p _ -n x"] = "only one of -p, -n, --map",
            ["--by _"] = "what is to be done?",
            ["--by _ -p _"] = "--by needs one of --count",
            ["-p _ /no/such"] = "/no/such: No such file or directory",
            ["-p _ /"] = "/: Is a directory",
            ["--block x --count"] = "--block takes a size such as 256K, not 'x'",
            ["--timeout 0 -p _"] = "--timeout takes a number above 0",
            ["--retries -1 -p _"] = "--retries takes a whole number",
            ["-p _ -p _"] = "-p is given twice",
            ["--csv --json -p _"] = "only one of --csv, --tsv and --json",
            ["--csvs -p _"] = "unrecognized option '--csvs'",
            ["--map /dev/null"] = "returns no function",
        } do
            local got, status = luas(arguments)
            assert.are.equal(2, status, arguments .. ": " .. got)
            assert.is_truthy(got:find(message, 1, true), got)
        end
    end)

    it("says that its output cannot be written, and exits with 1", function()
        file("in", rows(3000) .. "\n")
        for _, how in ipairs { "-j 0", "-j 2" } do
            for _, does in ipairs { "-p _", "-n 'print(_)'", "--count", "--run 'echo' --args a b" } do
                local got, status = luas(("%s %s in >/dev/full"):format(how, does):gsub(" %-%-args a b in", " --args a b"))
                assert.are.equal(1, status, how .. does)
                assert.are.equal("luas: stdout: No space left on device\n", (got:gsub("^%S*luas:", "luas:")))
                assert.are.equal(1, (select(2, luas(("%s %s in >&-"):format(how, does):gsub(" %-%-args a b in", " --args a b")))))
            end
        end
    end)

    it("ends quietly when nobody reads", function()
        local got = sh.run(("cd %s; seq 3000000 | timeout %g bash -c '%s -p _; echo $? >status' | head -2"):format(
            folder, helpers.within(5), program))
        assert.are.equal("1\n2\n", got)
        assert.are.equal("141\n", sh.read(folder .. "/status"))
    end)

    it("has each result of a slow stream as it comes", function()
        local pause = 0.6 * (tonumber(os.getenv "LUAS_TEST_SLOWNESS") or 1) -- the program has to start meanwhile
        local out = io.popen(("(echo a; sleep %g; echo b) | %s -p _ | while read x; do date +%%s%%N; done"):format(pause, program))
        local first, second = tonumber(out:read()), tonumber(out:read())
        out:close()
        assert.is_true(second - first > 0.3e9)
    end)
end)

describe("records:", function()
    local records = [[name,age,"the ""note"""
"Smith, J",3,x
"a ""q"" b",4,"two
lines, and
a comma"
,,
plain"quote,5,"open"tail
"last",6,
]]

    it("CSV is what Python's csv reads", function()
        file("c.csv", records:rep(20))
        local python = sh.must(([[cd %s && python3 -c '
import csv
for row in csv.reader(open("c.csv", newline="")):
    print(len(row), *["<" + f.replace("\n", "~") + ">" for f in row])']]):format(folder))
        for _, how in ipairs { "-j 0", "-j 1 --block 1", "-j 2 --block 50", "-j 3" } do
            local got = luas(how .. [[ --csv -n 'local t = {} for i = 1, #F do t[i] = " <" .. F[i]:gsub("\n", "~") .. ">" end print(#F .. table.concat(t))' c.csv]])
            assert.are.equal(python, got)
            got = luas(how .. [[ --csv --where '#F == 3' --count c.csv]])
            assert.are.equal("120\n", got)
        end
    end)

    it("fields have names by the first line of each file", function()
        file("c.csv", records)
        file("d.csv", "name,age,\"the \"\"note\"\"\"\nDoe,7,\n")
        file("e.csv", "age,name\n7,Doe\n")
        for _, how in ipairs { "-j 0", "-j 2 --block 1", "-j 2" } do
            assert.are.equal("25\n", (luas(how .. [[ --csv --header --sum 'F.age' c.csv d.csv]])))
            assert.are.equal("Smith, J\t3\nlast\t6\n", (luas(how .. [[ --csv --header --where 'F.name:find "[hs]"' -p 'F.name, F.age' c.csv | grep -v plain]])))
        end
        local got, status = luas [[--csv --header --sum 'F.age' d.csv e.csv]]
        assert.are.equal("luas: e.csv: its first line is not that of the first file\n7\nluas: 1 failed\n", got)
        assert.are.equal(1, status)
        got, status = luas [[--csv --header -p 'F.nme' c.csv]]
        assert.are.equal(1, status)
        assert.is_truthy(got:find("there is no field 'nme'", 1, true), got)
        assert.are.equal("x\ty\n", (luas([[--tsv --header -p 'F.a, F["b c"]' t]], file("t", "a\tb c\nx\ty\n"))))
        assert.are.equal("b\n", (luas([[--csv -F ';' -p 'F[2]' s]], file("s", "a;b\n"))))
    end)

    it("JSON lines are tables, by the module cjson", function()
        file("j", "{\"a\":1}\n{\"a\":2,\"b\":\"x\"}\n")
        file("cjson.lua", "return { decode = function(s) return load('return ' .. s:gsub('\"(%a)\":', '%1='))() end }")
        local with = "--json "
        assert.are.equal("3\n", (sh.run(("cd %s; LUA_PATH='./?.lua' %s --json --sum _.a j"):format(folder, program))))
        assert.are.equal("{\"a\":2,\"b\":\"x\"}\n", (sh.run(("cd %s; LUA_PATH='./?.lua' %s --json --where _.b j"):format(folder, program))))
        sh.run("rm " .. folder .. "/cjson.lua")
        local got, status = sh.run(("cd %s; LUA_PATH=x LUA_CPATH=x %s %s -p _.a j"):format(folder, program, with))
        assert.are.equal(2, status)
        assert.is_truthy(got:find("--json needs the module cjson (Debian: lua-cjson)", 1, true), got)
    end)
end)

describe("the options of lua", function()
    it("mean what they did", function()
        assert.are.equal("-p\t-n\n", (luas([[s.lua -p -n]], file("s.lua", "print(arg[1], arg[2])"))))
        assert.are.equal("x\n", (luas [[-e 'print "x"']]))
        assert.are.equal("--where\n", (sh.run(("echo 'print(...)' | %s - --where"):format(program))))
        assert.are.equal("s.lua\t-p\n", (luas([[-- s.lua -p]], file("s.lua", "print(arg[0], arg[1])"))))
    end)
end)
