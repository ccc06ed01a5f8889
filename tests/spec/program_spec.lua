-- The program's command line. What `lua` does is not described here but asked
-- of it: the same words go to both, and all that comes out must agree.

local LUAS = os.getenv("LUAS") or "build/luas"
local LUA = os.getenv("LUA") or "lua5.4"

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

local root = io.popen("pwd"):read()
local program = LUAS:find("^/") and LUAS or root .. "/" .. LUAS
local lua = sh.must("command -v " .. LUA):gsub("\n$", "")
local dir

-- Runs a shell command in the folder of the test's files. `$PROG` is the program.
local function shell(command, prog, input)
    sh.write(dir .. "/stdin", input or "")
    local line = ("cd %s && export PROG=%s && unset LUA_INIT LUA_INIT_5_4 && ( %s ) <stdin >stdout 2>stderr")
        :format(sh.quote(dir), sh.quote(prog or program), command)
    local _, kind, status = os.execute(line)
    local out, err = sh.read(dir .. "/stdout"), sh.read(dir .. "/stderr")
    return out, err, kind == "exit" and status or 128 + status
end

-- The name of the program stands in front of messages and in arg.
local function normal(text, prog)
    return (text:gsub(prog:gsub("%p", "%%%0"), "PROG"))
end

local function outcome(command, prog, input)
    local out, err, status = shell(command, prog, input)
    return ("%s\n--- stderr\n%s\n--- status %d"):format(normal(out, prog), normal(err, prog), status)
end

local function same(command, input)
    local expected = outcome(command, lua, input)
    assert.are.equal(expected, outcome(command, program, input))
    return expected
end

local SHOW_ARG = [[
local low = 0
while arg[low - 1] do low = low - 1 end
for i = low, #arg do io.write(i, "=", arg[i], " ") end
print(select("#", ...), ...)
]]

setup(function()
    dir = sh.folder()
    sh.write(dir .. "/arg.lua", SHOW_ARG)
    sh.write(dir .. "/mod.lua", "return { name = ..., 'mod' }\n")
    sh.write(dir .. "/mod-v2.lua", "return { name = ..., 'mod-v2' }\n")
    sh.write(dir .. "/print.lua", "print('printed', ...)\n")
    sh.write(dir .. "/raise.lua", "local function f() error('boom') end\nlocal function g() f() end\ng()\n")
    sh.write(dir .. "/syntax.lua", "local x = = 1\n")
    sh.write(dir .. "/noarg.lua", "arg = nil\n")
    sh.write(dir .. "/shebang.lua", "#!/usr/bin/env lua\nprint('after the first line')\n")
end)

teardown(function()
    sh.must("rm -rf " .. sh.quote(dir))
end)

describe("the same command line gives what lua gives:", function()
    local lines = {
        "-e 'print(1)'", "-e'print(1)'", "-e 'print(1)' -e 'print(2)'", "-e 'print(...)' print.lua a b",
        "-e 'x = 7' -e 'print(x, #arg, arg[0], arg[1])' -- print.lua -v",
        "print.lua", "print.lua a 'b c' ''", "print.lua -e x", "-- print.lua a", "-e 'print(1)' --",
        "arg.lua", "arg.lua a b", "-e 'local a' -E arg.lua a -x", "-E -W -- arg.lua", "- a b", "-E - -x", "-- -",
        "-l mod -e 'print(mod.name, mod[1])'", "-lmod -e 'print(mod[1])'", "-l m=mod -e 'print(m.name, mod)'",
        "-lm=mod -e 'print(m[1])'", "-l mod-v2 -e 'print(mod, _G[\"mod-v2\"][1])'", "-l nosuchmodule", "-l raise",
        "-l syntax", "-l m=", "-e 'print(package.loaded.mod)' -l mod -e 'print(package.loaded.mod[1])'",
        "raise.lua", "syntax.lua", "nosuchfile.lua", "shebang.lua", ".", "-e 'local x ='",
        "-e 'error()'", "-e 'error(nil)'", "-e 'error({})'", "-e 'error(42)'",
        "-e 'error(\"with level 0\", 0)'", "-e 'error(setmetatable({}, {__tostring = function() return \"mine\" end}))'",
        "-e 'error(setmetatable({}, {__tostring = function() return 1 end}))'",
        "-e 'error(setmetatable({}, {__name = \"Mine\"}))'",
        "-e 'local function f() return f() + 1 end f()' 2>/dev/null", "-e 'string.rep()'", "-e '(\"x\"):bad()'",
        "-e 'warn(\"off\")'", "-W -e 'warn(\"on\")'", "-e 'warn(\"@on\")' -e 'warn(\"a\", \"b\")'",
        "-W -e 'setmetatable({}, {__gc = error})'", "-E -e 'print(package.path)'", "-e 'print(package.path)'",
        "-e 'print(package.cpath, package.config)'", "-e 'os.exit(3)'", "-e 'os.exit(true, true)'",
        "-e 'os.exit(false)'", "-e 'setmetatable({}, {__gc = function() print(\"closed\") end})'",
        "-e 'setmetatable({}, {__gc = function() print(\"closed\") end}) os.exit(5, true)'",
        "-e 'local x <close> = setmetatable({}, {__close = function() print(\"closed\") end}) error(\"late\")'",
        "-e 'print(collectgarbage(\"incremental\"))'", "-e 'print(arg == nil, #arg)' -e 'arg = 1' print.lua",
        "-l noarg print.lua a", "-e 'require = nil' -l mod", "-e 'print(debug.traceback(\"here\"))'",
        "-e 'coroutine.wrap(function() error(\"inside\") end)()'", "-e 'print(_VERSION)' -e 'io.write(\"no newline\")'",
        "-e 'print(string.upper(\"\\xc3\\xa9\") == \"\\xc3\\xa9\", os.setlocale())'",
        "-e 'arg = nil'", "-e '' nosuchfile.lua", "-e 'print(1)' -e 'error(\"x\")' -e 'print(2)' print.lua",
    }
    for _, words in ipairs(lines) do
        it("$PROG " .. words, function()
            same('"$PROG" ' .. words, "print('from stdin', ...) error('at its end')")
        end)
    end

    local environments = {
        "LUA_INIT='print(1)'", "LUA_INIT=@print.lua", "LUA_INIT=@nosuchfile.lua", "LUA_INIT='error(1)'",
        "LUA_INIT='local x ='", "LUA_INIT='print(1)' LUA_INIT_5_4='print(2)'", "LUA_INIT_5_4=@raise.lua",
        "LUA_INIT='print(arg[0], arg[-1])'", "LUA_INIT=''", "LUA_PATH='x/?.lua'", "LUA_PATH_5_4='y/?;;'",
        "LUA_CPATH='z/?.so'",
    }
    for _, environment in ipairs(environments) do
        it(environment, function()
            same(environment .. ' "$PROG" -e "print(package.path, package.cpath)" print.lua a')
            same(environment .. ' "$PROG" -E -e "print(package.path, package.cpath)" print.lua a')
        end)
    end

    it("a script from stdin", function()
        same('"$PROG"', "print(arg[0], ...)")
        same('"$PROG" -W --', "print(arg[0], arg[1], ...) warn('on')")
        same('"$PROG" -', "print(arg[0], ...) local x = = 1")
        same('"$PROG"', "#!shebang\nprint('hello')")
        same('"$PROG"', "")
        same('"$PROG" - a', string.dump(load("print('binary', ...)")))
    end)

    -- lua forgets that it failed, and ends with status 0.
    it("a script from stdin that fails, but for the status", function()
        for _, script in ipairs({ "print(1)\nerror('x')", "local x = = 1" }) do
            local expected = outcome('"$PROG"', lua, script):gsub("status 0$", "status 1")
            assert.are.equal(expected, outcome('"$PROG"', program, script))
        end
    end)
end)

describe("-v", function()
    it("prints the versions of luas and Lua, and runs nothing of stdin", function()
        local out, err, status = shell('"$PROG" -v', nil, "print('stdin')")
        assert.are.equal("", err)
        assert.are.equal(0, status)
        assert.matches("^luas %d+%.%d+%.%d+  %(Lua 5%.4%.%d+  Copyright %(C%) 1994%-%d+ Lua%.org, PUC%-Rio%)\n$", out)
    end)

    it("is the first line of --version, which names the commit and the libraries that are there", function()
        local out = shell('"$PROG" --version')
        local line = shell('"$PROG" -v')
        assert.are.equal(line, out:sub(1, #line))
        assert.matches("\ncommit %S+\n", out)
        for _, library in ipairs { "libedit", "liblmdb", "libsqlite3", "libxxhash", "libnats", "libsodium" } do
            assert.matches("\n  " .. library .. "%.so%.[%d.]+ +[fm]%a+ +%(", out)
        end
    end)

    it("stands in front of what the script prints", function()
        assert.matches("^luas [^\n]*\nprinted\ta\n$", (shell('"$PROG" -v print.lua a')))
    end)
end)

describe("-i", function()
    it("reads statements after the script, with its globals", function()
        local out, err, status = shell('"$PROG" -e "x = 20" -i print.lua a', nil, "x + 1\n")
        assert.matches("^luas [^\n]*; help lists the verbs; type Ctrl%-D to leave\nprinted\ta\n> 21\n> \n$", out)
        assert.are.equal("", err)
        assert.are.equal(0, status)
    end)

    it("is reached when the script fails, too, to see why", function()
        local out, err, status = shell('"$PROG" -i raise.lua', nil, "print('reached')\n")
        assert.matches("> reached\n", out, 1, true)
        assert.matches("raise.lua:", err, 1, true)
        assert.are.equal(0, status)
    end)

    it("works after a script that spoiled the globals", function()
        local out = shell([["$PROG" -i -e "require, string, print, package = nil"]], nil, "1 + 1\n")
        assert.matches("\n> 2\n", out)
    end)
end)

describe("help", function()
    for _, option in ipairs({ "-h", "--help", "-E -h" }) do
        it(option .. " goes to stdout, and nothing runs", function()
            local out, err, status = shell('"$PROG" -e "print(12345)" ' .. option .. (option == "--help" and "" or " print.lua"))
            assert.matches("^usage: luas %[options%] %[script %[args%]%]\n", out)
            for letter in ("eijlvEWh"):gmatch(".") do
                assert.matches("\n  %-" .. letter .. " ", out)
            end
            assert.not_matches("12345", out)
            assert.are.equal("", err)
            assert.are.equal(0, status)
        end)
    end
end)

describe("a bad command line gives one line on stderr and status 2, and nothing runs:", function()
    local bad = {
        ["-x"] = "unrecognized option '%-x'", ["-iv"] = "unrecognized option '%-iv'",
        ["-E1"] = "unrecognized option '%-E1'", ["--versions"] = "unrecognized option '%-%-versions'",
        ["-Wx"] = "unrecognized option '%-Wx'", ["-j"] = "'%-j' needs an argument", ["-l"] = "'%-l' needs an argument",
        ["-e -i"] = "'%-e' needs an argument", ["-j x"] = "from 0 to 4096, not 'x'",
        ["-j -1"] = "from 0 to 4096, not '%-1'", ["-j 4097"] = "not '4097'", ["-j 1.5"] = "not '1.5'",
        ["-j ''"] = "not ''", ["-j 0x4"] = "not '0x4'", ["-j4k"] = "not '4k'", ["-j ' 4'"] = "not ' 4'",
        ["-j 99999999999999999999"] = "not '99999999999999999999'", ["-j -e"] = "not '%-e'",
    }
    for words, message in pairs(bad) do
        it(words, function()
            local out, err, status = shell('"$PROG" -e "print(1)" ' .. words)
            assert.are.equal("", out)
            assert.matches("^" .. program:gsub("%p", "%%%0") .. ": [^\n]*" .. message .. "[^\n]*\n$", err)
            assert.are.equal(2, status)
        end)
    end
end)

describe("-j", function()
    for _, words in ipairs({ "-j 3", "-j3", "-j 1 -j 3" }) do
        it(words .. " is told to the modules before they open", function()
            local out = shell('"$PROG" ' .. words .. [[ -e "print(debug.getregistry()['luas.workers'])" print.lua a]])
            assert.are.equal("3\nprinted\ta\n", out)
        end)
    end

    it("is not set when it is not given", function()
        assert.are.equal("nil\n", (shell([["$PROG" -e "print(debug.getregistry()['luas.workers'])"]])))
    end)
end)

describe("a signal while a script runs", function()
    -- Waits for the script's file `ready`, sends the signals, gives the status.
    local function interrupt(code, ...)
        local kills = {}
        for _, signal in ipairs({ ... }) do
            kills[#kills + 1] = "kill -" .. signal .. " $pid; sleep 0.3"
        end
        sh.write(dir .. "/job.lua", code)
        return shell([[rm -f ready; "$PROG" job.lua & pid=$!; n=0
            until [ -e ready ] || [ $n -gt 500 ]; do sleep 0.02; n=$((n + 1)); done; ]]
            .. table.concat(kills, "; ") .. "; wait $pid")
    end
    local READY = "io.open('ready', 'w'):close() "

    it("INT unwinds it, with one line and status 130", function()
        local out, err, status = interrupt(
            "local t <close> = setmetatable({}, { __close = function() print('closed') end })\n"
            .. READY .. "while true do end", "INT")
        assert.are.equal("closed\n", out)
        assert.matches("^[^\n]*: job.lua:2: interrupted!\n$", err)
        assert.are.equal(130, status)
    end)

    for _, workers in ipairs({ 0, 2 }) do
        it("INT stops a map with " .. workers .. " workers, and names the line of the script", function()
            local _, err, status = interrupt("local p <close> = pool.new(" .. workers .. ")\n"
                .. "p:map(function() " .. READY .. "while true do end end,\n{ 1 })", "INT")
            assert.matches("^[^\n]*: job.lua:[23]: interrupted!\n$", err)
            assert.are.equal(130, status)
        end)
    end

    for name, join in pairs({
        join = "p:close() p:join()",
        ["the close of a pool"] = "do local q <close> = p end",
        ["the exit function of a worker"] = "p:close() p:join()",
    }) do
        it("INT interrupts " .. name .. ", and leaves no worker", function()
            local out, err, status = interrupt("local p = pool.new { workers = 1, exit = function() "
                .. READY .. "os.execute 'sleep 20' end }\nprint(p:apply(function() "
                .. "return io.open('/proc/self/stat'):read('n') end)) io.stdout:flush()\n"
                .. (name:find "exit" and "" or "p:apply_async(function() " .. READY
                    .. "while true do end end)\n") .. join, "INT")
            assert.matches("^[^\n]*: job.lua:[34]: interrupted!\n$", err)
            assert.are.equal(130, status)
            assert.is_nil(io.open("/proc/" .. out:match "%d+" .. "/cmdline"))
        end)
    end

    it("TERM unwinds it, with one line and status 143", function()
        local out, err, status = interrupt(
            "local t <close> = setmetatable({}, { __close = function() print('closed') end })\n"
            .. READY .. "while true do end", "TERM")
        assert.are.equal("closed\n", out)
        assert.matches("^[^\n]*: terminated\n$", err)
        assert.are.equal(143, status)
    end)

    it("TERM ends it through every pcall, and closes on the way", function()
        local out, err, status = interrupt([[
            local function closing(name)
                return setmetatable({}, { __close = function()
                    for i = 1, 1000 do pcall(error, i) end
                    print("closed " .. name)
                end })
            end
            local function work()
                local inner <close> = closing("inner")
                pool.map(function() while true do end end, { 1, 2, 3 })
            end
            local outer <close> = closing("outer")
            local function forever()
                while true do
                    local last
                    print(xpcall(function() while true do last = pcall(work) end end, debug.traceback))
                end
            end
            ]] .. READY .. [[ while true do pcall(pcall, forever) end ]], "TERM")
        assert.are.equal("closed inner\nclosed outer\n", out)
        assert.matches("^[^\n]*: terminated\n$", err)
        assert.are.equal(143, status)
    end)

    it("TERM in a pcall closes a pool and leaves no worker", function()
        local out, _, status = interrupt([[
            while true do
                pcall(function()
                    local p <close> = pool.new(2)
                    p:map(function(i)
                        local file <close> = io.open("worker" .. i, "w")
                        file:write(process.current().pid)
                        file:close()
                        local other = io.open("worker" .. 3 - i)
                        if other and other:read "n" then io.open("ready", "w"):close() end
                        while true do end
                    end, { 1, 2 }, { chunk = 1 })
                end)
                print("swallowed")
            end ]], "TERM")
        assert.are.equal("", out)
        assert.are.equal(143, status)
        for i = 1, 2 do
            local pid = sh.read(dir .. "/worker" .. i)
            assert.is_truthy(tonumber(pid), "worker " .. i .. " did not start")
            assert.is_false(helpers.alive(tonumber(pid)))
        end
    end)

    it("runs the finalizers of the state", function()
        local out = interrupt("x = setmetatable({}, { __gc = function() print('collected') end })"
            .. READY .. "while true do end", "TERM")
        assert.are.equal("collected\n", out)
    end)

    it("can be caught, and then an error is an error", function()
        local _, err, status = interrupt(
            "local ok, e = pcall(function() " .. READY .. "while true do end end)\nprint(e)\nerror('later')", "INT")
        assert.matches("job.lua:3: later\nstack traceback:", err)
        assert.are.equal(1, status)
    end)

    it("shows the script's frames of an error, and none of the library's", function()
        sh.write(dir .. "/wrong.lua", "local function f() pool.map(print, 5) end\nf()\n")
        local _, err = shell "$PROG wrong.lua"
        assert.matches("wrong.lua:1: bad argument #2 to 'map' [^\n]*\nstack traceback:\n\twrong.lua:1: in local 'f'\n"
            .. "\twrong.lua:2: in main chunk\n\t%[C%]: in %?\n$", err)
    end)

    it("is known by its status when the script adds to the message", function()
        local _, err, status = interrupt(
            "local ok, e = pcall(function() " .. READY .. "while true do end end)\nerror('mapping: ' .. e, 0)", "INT")
        assert.matches("^[^\n]*: mapping: job.lua:1: interrupted!\n$", err)
        assert.are.equal(130, status)
    end)

    for signal, status in pairs({ INT = 130, TERM = 143 }) do
        it("kills at once when it is the second " .. signal, function()
            local code = "coroutine.wrap(function() " .. READY .. "while true do end end)()"
            local out, _, got = interrupt(code, signal, signal)
            assert.are.equal("", out)
            assert.are.equal(status, got)
        end)
    end

    it("sent to a child process ends it as if nobody handled it", function()
        local out, err, status = shell([["$PROG" -e "local p = process.spawn(function() while true do end end)
            p:terminate() p:join() print(p.signal)"]])
        assert.are.equal("15\n", out)
        assert.are.equal("", err)
        assert.are.equal(0, status)
    end)
end)

describe("the manual page", function()
    it("has no fault that mandoc knows", function()
        local _, err, status = shell("mandoc -Tlint -Wwarning " .. sh.quote(root .. "/scripts/luas.1") .. " >&2")
        assert.are.equal("", err)
        assert.are.equal(0, status)
    end)
end)
