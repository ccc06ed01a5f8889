-- A shell command for each line or argument: --run and --args.

local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local program = sh.quote(helpers.program)
local folder

setup(function() folder = sh.folder() end)
teardown(function() sh.run("rm -rf " .. folder) end)

local function luas(arguments, before)
    return sh.run(("cd %s && %s timeout -s KILL %g %s %s"):format(folder, before or "", helpers.within(20), program,
        arguments))
end

for _, how in ipairs { "-j 0", "-j 1", "-j 3" } do
    describe(how .. ": a command", function()
        it("has the line, quoted, in its places", function()
            local names = "a b.txt\nc/d.tar.gz\nit's\n/x/.y/\n$HOME `id` \"q\"\n"
            sh.write(folder .. "/names", names)
            assert.are.equal(names, (luas(how .. " --run 'printf \"%s\\n\" {}' names")))
            assert.are.equal(names, (luas(how .. " --run 'printf \"%s\\n\"' names")))
            assert.are.equal("1 a b|a b.txt|.|a b\n2 c/d.tar|d.tar.gz|c|d.tar\n", (luas(how
                .. " --run 'echo {#} {.}\"|\"{/}\"|\"{//}\"|\"{/.}' names | head -2")))
            assert.are.equal("{x} a\n", (luas(how .. " --run 'echo {x}' --args a")))
        end)

        it("gives its output in order, and reads nothing of what the lines come from", function()
            assert.are.equal("1\n2\n3\n", (luas(how .. " --run 'sleep 0.0$((4 - {})); echo {}; cat'", "seq 3 |")))
            assert.are.equal("a\nb c\n", (luas(how .. " --run 'echo {}' --args a 'b c'")))
            assert.are.equal("no newline", (luas(how .. " --run 'printf {}' --args 'no newline'")))
            assert.are.equal("a:1\nb:2\n", (luas(how .. " --run 'echo {}:{#}' -0", "printf 'a\\0b' |")))
        end)

        it("that fails is named; the others are done", function()
            local got, status = luas(how .. " --run 'echo out {}; test {} != b' --args a b c 2>err | sort")
            assert.are.equal("out a\nout b\nout c\n", got)
            assert.are.equal("luas: b: exited with status 1 (echo out b; test b != b)\nluas: 1 failed\n",
                sh.read(folder .. "/err"))
            got, status = luas(how .. " --run 'exit {}' names", "seq 0 1 >names;")
            assert.are.equal("luas: names:2: exited with status 1 (exit 1)\nluas: 1 failed\n", got)
            assert.are.equal(1, status)
            got = luas(how .. " --run 'kill -9 $$' --args a")
            assert.is_truthy(got:find("was killed by signal 9", 1, true), got)
        end)

        it("says with --tag whose a line is", function()
            assert.are.equal("a\t1\na\t2\nb\t1\nb\t2\n", (luas("--tag " .. how .. " --run 'seq 2 #' --args a b")))
        end)

        it("is not needed for arguments", function()
            assert.are.equal("A\t1\nB\t2\n", (luas(how .. " -p '_:upper(), NR' --args a b")))
            assert.are.equal("2\n", (luas(how .. " --count --args a -p")))
            assert.are.equal("b\n", (luas(how .. " --where '_ > \"a\"' --args a b")))
        end)
    end)
end

describe("a command", function()
    it("may be tried again, and has only so much time", function()
        assert.are.equal("ok a\n", (luas "--retries 5 --run 'echo >>tries; test $(wc -l <tries) -gt 3 && echo ok {}' --args a"))
        local long = ("30.%d"):format(os.time()) .. os.tmpname():byte(-1) -- nobody else sleeps as long
        local got, status = luas("--timeout 0.3 --run 'sleep {}' --args " .. long .. " 0")
        assert.are.equal("luas: " .. long .. ": timed out after 0.3 s\nluas: 1 failed\n", got)
        assert.are.equal(1, status)
        assert.are.equal("", sh.run("pgrep -x -f 'sleep " .. long .. "'"))
    end)
end)
