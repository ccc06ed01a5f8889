-- The prompt: through a pipe, where only the logic shows, and on a terminal,
-- which tmux plays.

local sockets
local shell = require("tests.support.shell")

local root = shell.must("pwd"):gsub("\n$", "")
local LUAS = (os.getenv("LUAS") or "build/luas"):gsub("^[^/]", root .. "/%0")
local dir, server

setup(function()
    dir = shell.folder()
    server = "tmux -u -f /dev/null -S " .. shell.quote(dir .. "/tmux")
end)

teardown(function()
    shell.run(server .. " kill-server")
    shell.must("rm -rf " .. shell.quote(dir))
end)

describe("the prompt through a pipe", function()
    -- Returns what comes out, without the banner and the last prompt.
    local function session(...)
        shell.write(dir .. "/input", table.concat({ ... }, "\n") .. "\n")
        local output = shell.must(("%s -i <%s/input"):format(shell.quote(LUAS), dir))
        return (output:gsub("^[^\n]*\n", ""):gsub("> \n$", ""))
    end

    it("prints the values of expressions", function()
        assert.are.equal('> 2\n> 3\n> "a\\n"\n> nil\n> 1\tnil\t{1, 2}\n',
            session("1 + 1", "=1 + 2", "'a\\n'", "nil", "1, nil, {1, 2}"))
    end)

    it("prints nothing where there is no value", function()
        assert.are.equal("> > > > > ", session("x = 1", "(function() end)()", "", "-- comment", "local y = 2") .. "")
    end)

    it("gives long values lines of their own", function()
        assert.are.equal("> 1\n{\n  a = \"" .. ("x"):rep(80) .. '"\n}\n', session("1, {a = ('x'):rep(80)}"))
    end)

    it("waits for the end of a statement or an expression", function()
        assert.are.equal("> >> >> 1\n2\n", session("for i = 1, 2 do", "print(i)", "end"))
        assert.are.equal("> >> >> {1, 2}\n", session("{1,", "2", "}"))
        assert.are.equal('> >> "a\\nb"\n', session("[[a", "b]]"))
        assert.are.equal("> >> > 3\n", session("x =", "3", "x"))
    end)

    it("goes on after what does not compile", function()
        assert.are.equal("> stdin:1: unexpected symbol near '='\n> 1\n", session("x = = 1", "1"))
        assert.are.equal("> stdin:1: unfinished string near <eof>\n> 1\n", session('"a', "1"))
    end)

    it("lets a string go on where it says that it does", function()
        assert.are.equal('> >> "a\\nb"\n> >> "ab"\n', session('"a\\', 'b"', '"a\\z', ' b"'))
    end)

    it("shows errors with the traceback of the statement alone", function()
        assert.are.equal(table.concat({
            "> > stdin:1: oops", "stack traceback:", "\t[C]: in function 'error'", "\tstdin:1: in function 'f'",
            "\tstdin:1: in main chunk", "> 1", "",
        }, "\n"), session("function f() error('oops') end", "f() f()", "1"))
    end)

    it("shows what error objects hold or say", function()
        assert.are.equal('> raised {1, code = "E5"}\n> mine\n> (error object is a nil value)\n', session("error{1, code = 'E5'}",
            "error(setmetatable({}, {__tostring = function() return 'mine' end}))", "error()"))
    end)

    it("keeps its globals from one statement to the next, and no locals", function()
        assert.are.equal("> > > 5\tnil\n", session("x = 5", "local y = 6", "x, y"))
    end)

    it("takes its prompts from _PROMPT and _PROMPT2", function()
        assert.are.equal("> > a 1\na bb 2\na ", (session("_PROMPT2 = 'bb '", "_PROMPT = 'a '", "1", "(", "2)"):gsub("\n$", "")))
    end)

    it("says what a verb does", function()
        assert.are.equal([[> pool.map(f, items [, opts]) --> results, n
Calls f on every item, in worker processes; results in input order.
> no help on 'nothing'; help alone says on what there is
]], session("help pool.map", "help nothing"))
        assert.are.equal(session("help map"), session("help pool:map"))
        local verbs = session("help")
        for _, verb in ipairs { "imap_unordered", "reduce", "task", "with" } do
            assert.is_truthy(verbs:find("pool." .. verb, 1, true))
        end
        assert.are.equal("> > 3\n", session("help = 3", "help"))
    end)

    it("says what each function does that there is", function()
        assert.are.equal("> > 0\n", session('local helps = require "luas.help"; n = 0; for kind, verbs in pairs { pool = pool, '
            .. 'process = process, shared = shared } do for name in pairs(verbs) do '
            .. 'if helps.answer("help " .. kind .. "." .. name):find "^no help" then n = n + 1 end end end', "n"))
    end)

    it("survives the loss of its globals", function()
        assert.are.equal("> > {1}\n", session("string, table, print, require, io, debug = nil", "{1}"))
    end)

    it("maps a function typed a line before, and the new one once it is redefined", function()
        assert.are.equal("> > {1, 4, 9}\t3\n> > {2, 3, 4}\t3\n", session("function f(x) return x * x end",
            "pool.map(f, {1, 2, 3})", "function f(x) return x + 1 end", "pool.map(f, {1, 2, 3})"))
    end)
end)

describe("the prompt on a terminal", function()
    local history

    local function tmux(command)
        return shell.must(server .. " " .. command)
    end

    local function screen()
        return (tmux("capture-pane -p"):gsub("%s+$", ""))
    end

    -- Waits until the pattern is on the screen; the slowest machine gets 20 s.
    local function await(pattern)
        for _ = 1, 400 do
            if screen():find(pattern) then
                return
            end
            os.execute("sleep 0.05")
        end
        error(("no '%s' on the screen:\n%s"):format(pattern, screen()), 2)
    end

    local function keys(...)
        tmux("send-keys " .. table.concat({ ... }, " "))
    end

    local function type_text(text)
        tmux("send-keys -l -- " .. shell.quote(text))
    end

    local function enter(text)
        type_text(text)
        keys("Enter")
    end

    -- The last server may still be on its way out.
    local function next_server()
        sockets = (sockets or 0) + 1
        server = "tmux -u -f /dev/null -S " .. shell.quote(dir .. "/tmux" .. sockets)
    end

    local function start(environment, options)
        next_server()
        local line = ("env -u TMUX -u NO_COLOR -u _PROMPT HOME=%s LUAS_HISTORY=%s %s %s %s; echo status $?; exec sleep 1000")
            :format(dir, history, environment or "", shell.quote(LUAS), options or "")
        tmux("new-session -d -x 80 -y 40 " .. shell.quote(line))
        await("type Ctrl%-D to leave\n.*>$")
    end

    before_each(function()
        next_server()
        history = dir .. "/state/luas/history"
    end)

    after_each(function()
        tmux("kill-session")
        shell.must("rm -rf " .. shell.quote(dir .. "/state"))
    end)

    it("greets, edits a line, prints its value and leaves at Ctrl-D", function()
        start(nil, "-j 3")
        await("^luas %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%), 3 workers; type Ctrl%-D to leave\n>$")
        type_text("1 + 2")
        keys("Left", "BSpace", "5", "Enter")
        await("\n> 1 %+52\n53\n>$")
        keys("C-d")
        await("status 0$")
    end)

    it("keeps history between runs, for its user only, a statement an entry", function()
        start()
        enter("for i = 7, 7 do")
        enter("print(i) end")
        await("\n7\n>$")
        enter("'a\\\\b'")
        await('\n"a\\\\b"\n>$')
        keys("C-d")
        await("status 0$")
        tmux("kill-session")
        assert.are.equal("-rw-------", shell.must("ls -l " .. history):match("^%S+"))
        start()
        keys("Up", "Up", "Enter")
        await("> for i = 7, 7 do\nprint%(i%) end\n7\n>$")
        keys("Up", "Up", "Enter")
        await("> 'a\\\\b'\n\"a\\\\b\"\n>$")
    end)

    it("keeps the last 1000 entries", function()
        local entries = {}
        for i = 1, 1200 do entries[i] = "x" .. i end
        shell.must("mkdir -p " .. dir .. "/state/luas")
        shell.write(history, table.concat(entries, "\n") .. "\n")
        start()
        local kept = shell.read(history)
        assert.are.equal("x201\n", kept:match("^[^\n]*\n"))
        assert.are.equal(1000, select(2, kept:gsub("\n", "")))
        keys("Up")
        await("> x1200$")
    end)

    it("works without a place for history, and says so", function()
        history = "/dev/null/history"
        start()
        await("no history is kept: /dev/null/history")
        enter("1 + 1")
        await("\n2\n>$")
    end)

    it("goes on where libedit cannot be loaded, and says what to install", function()
        shell.must("mkdir -p " .. dir .. "/broken")
        shell.write(dir .. "/broken/libedit.so.2", "no library\n")
        shell.write(dir .. "/broken/libedit.so.0", "no library\n")
        start("LD_LIBRARY_PATH=" .. dir .. "/broken")
        await("lines cannot be edited: .*/broken/libedit.so.2.*apt%-get install libedit2\n>$")
        enter("1 + 1")
        await("> 1 %+ 1\n2\n>$")
        keys("C-d")
        await("status 0$")
    end)

    it("completes names at Tab, and lists the choices", function()
        start()
        type_text("pool.imap_")
        keys("Tab")
        await("> pool.imap_unordered$")
        keys("C-u")
        type_text("string.r")
        keys("Tab", "Tab")
        await("> string.re\nrep      reverse\n> string.re$")
        keys("C-u")
        enter("s = 'x'")
        type_text("s:up")
        keys("Tab")
        enter("()")
        await('> s:upper%(%)\n"X"\n>$')
    end)

    it("shows characters that take more than a byte", function()
        start("LC_ALL=C.UTF-8")
        type_text("'hé€'")
        keys("Left", "Left", "BSpace", "Enter")
        await("> 'h€'\n\"h€\"\n>$")
    end)

    it("drops the line at Ctrl-C, and a statement of several lines as a whole", function()
        start()
        type_text("abc")
        keys("C-c")
        await("> abc^C\n>$")
        enter("for i = 1, 2 do")
        await(">>$")
        keys("C-c")
        await(">> ^C\n>$")
        enter("1 + 1")
        await("> 1 %+ 1\n2\n>$")
    end)

    it("stops a running statement at Ctrl-C, and goes on", function()
        start()
        enter("print('running') while true do end")
        await("\nrunning$")
        keys("C-c", "C-c")
        await("interrupted!\n")
        enter("6 * 7")
        await("\n42\n>$")
    end)

    for name, loop in pairs {
        ["a loop that catches errors"] = "while true do pcall(string.rep) end",
        ["one around a map"] = "while true do pcall(pool.map, function() while true do end end, {1, 2}) end",
        ["one in a task of the prompt's own"] = "pool.new(0):map(function() while true do pcall(function() while true do end end) end end, {1})",
        ["one with a handler"] = "while true do xpcall(function() while true do pcall(error) end end, debug.traceback) end",
    } do
        it("ends " .. name .. " at the second Ctrl-C, and keeps the session", function()
            start(nil, "-j 2")
            enter("a = 42 print('running') " .. loop)
            await("\nrunning$")
            keys("C-c")
            os.execute("sleep 0.2")
            keys("C-c")
            await("interrupted!\n.*>$")
            enter("a, #pool.map(math.abs, {1, 2})")
            await("\n42%s+2\n>$")
        end)
    end

    it("stops a map at Ctrl-C, and the pool maps on", function()
        start(nil, "-j 2")
        enter("print(#pool.map(function(x) return x end, {1, 2}), 'ready')")
        await("\n2 +ready\n>$")
        enter("pool.map(function(x) while x > 1 do end return x end, {1, 2, 3, 4})")
        os.execute("sleep 0.3")
        keys("C-c")
        await("interrupted!\n>")
        enter("pool.map(function(x) return -x end, {1, 2, 3})")
        await("\n{%-1, %-2, %-3}%s+3\n>$")
    end)

    it("ends at SIGTERM with status 143, the terminal as it was", function()
        start()
        enter("io.popen('echo $PPID'):read('n')")
        await("\n%d+\n>$")
        local pid = screen():match("\n(%d+)\n>$")
        type_text("abc")
        await("> abc$")
        shell.must("kill -TERM " .. pid)
        await(": terminated\nstatus 143$")
        type_text("echoed")
        await("echoed$")
    end)

    it("stops at Ctrl-Z, and comes back with its line", function()
        local line = ("env -u TMUX HOME=%s LUAS_HISTORY= PS1='$ ' bash --norc -i"):format(dir)
        tmux("new-session -d -x 80 -y 40 " .. shell.quote(line))
        await("%$$")
        enter(shell.quote(LUAS))
        await("type Ctrl%-D to leave\n>$")
        type_text("1 + ")
        await("> 1 %+$")
        keys("C-z")
        await("Stopped.*\n%$$")
        enter("fg")
        await("> 1 %+$")
        enter("1")
        await("\n2\n>$")
    end)

    it("uses no colour when it is asked not to", function()
        start("NO_COLOR=1")
        enter("error('x')")
        await("in main chunk\n>$")
        assert.not_matches("\27", tmux("capture-pane -p -e"))
    end)

    it("shows errors in red", function()
        start()
        enter("error('x')")
        await("in main chunk\n>$")
        assert.matches("\27%[31mstdin:1: x", tmux("capture-pane -p -e"))
    end)
end)
