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

    it("shows none of the library's frames, whatever was wrong with a call", function()
        for _, call in ipairs {
            "pool.map(1)", "pool.map(print, 5)", "pool.map(print, {1}, {tmeout = 1})", "pool.map(print, {1}, {timeout = 'x'})",
            "pool.starmap(print, {1})", "pool.imap(print)", "pool.imap_unordered(1)", "pool.each(1)", "pool.reduce(print, {1})",
            "pool.apply(1)", "pool.apply_async(1)", "pool.map_async(1)", "pool.starmap_async(1)", "pool.broadcast(1)", "pool.find(1)",
            "pool.any(1)", "pool.all(1)", "pool.filter(1)", "pool.map_pairs(1)", "pool.wait_any(1)", "pool.wait_all {1}",
            "pool.with {x = 1}", "pool.iter(1)", "pool.values(1)", "pool.range 'a'", "pool.lines '/no/such'", "pool.blocks({}, {block = -1})",
            "pool.files '/no/such'", "pool.zip(1)", "pool.product(1)", "pool.new(-1)", "pool.configure {x = 1}", "pool.resize 'x'",
            "pool.step 'x'", "pool:map()", "process.spawn(1)", "process.new {target = 1}", "shared.queue(-1)", "shared.lock(1)",
            "shared.semaphore 'x'", "shared.condition(1)", "shared.barrier(0)", "shared.value 'x'", "shared.array 'x'", "shared.table(1)",
            "pool.new(0):map(1)", "pool.map(math.abs, {1}, {progress = function() error 'cb' end})",
        } do
            local said = session(call)
            assert.is_truthy(said:find "^> [^\n]*\nstack traceback:\n\tstdin:1: in main chunk\n$", call .. "\n" .. said)
            if not said:find("/no/such", 1, true) then assert.matches("^> stdin:1: ", said) end
        end
    end)

    it("shows none of them below a source, a callback or a task either", function()
        local source = session("pool.map(print, function() pool.range 'a' end)")
        assert.matches("\nstack traceback:\n\tstdin:1: in function <stdin:1>\ncalled from stdin:1\n$", source)
        local callback = session("f = pool.apply_async(print)", "f:wait()",
            "f:on_done(function() xpcall(error, print, 'mine') pool.range 'a' end) nil") -- the prompt is the innermost caller
        assert.is_nil(callback:find("luas/", 1, true))
        for _, workers in ipairs { 0, 1 } do
            local task = session(("pool.new(%d):map(function(x) pool.range 'a' end, {1})"):format(workers))
            assert.matches("bad argument #1 to 'range'[^\n]*\n[^\n]*stack traceback:\n\tstdin:1: in function <stdin:1>\n", task)
            assert.is_nil(task:find("luas/", 1, true))
        end
    end)

    it("shows what error objects hold or say", function()
        assert.are.equal('> raised {1, code = "E5"}\n> mine\n> (error object is a nil value)\n', session("error{1, code = 'E5'}",
            "error(setmetatable({}, {__tostring = function() return 'mine' end}))", "error()"))
    end)

    it("keeps its globals from one statement to the next", function()
        assert.are.equal("> > 5\n", session("x = 5", "x"))
    end)

    it("keeps the locals of the top level, which functions and later lines share", function()
        assert.are.equal("> > {1, 4}\t2\n", session("local function sq(x) return x * x end", "pool.map(sq, {1, 2})"))
        assert.are.equal("> > > 2\n> > 6\n> 6\n", session("local n = 0; local function inc() n = n + 1 return n end", "inc() inc()",
            "n", "n = 5", "inc()", "n"))
        assert.are.equal("> > 1\t2\t3\n", session("local a <const>, b, c = 1, 2, 3", "a, b, c"))
        assert.are.equal("> > nil\n> > nil\tnil\n", session("local x = 1", "_G.x", "do local y = 2 end for z = 1, 2 do local w = z end", "y, w"))
        assert.are.equal("> > > 2\t1\n", session("local x = 1; local function first() return x end", "local x = 2", "x, first()"))
        assert.are.equal('> > "local b = 2"\t7\n', session("local s = 'local b = 2' --[[ local c ]] local d = 7 -- local e", "s, d, b, e"))
    end)

    it("closes what a local is to close at the end, or when the name is taken again", function()
        assert.are.equal('> > > 1\t"ok"\n> closed 1\n> \nclosed 2\n', session(
            "function T(i) return setmetatable({}, {__close = function() print('closed ' .. i) end}) end",
            "local t <close> = T(1)", "1, t and 'ok'", "local t <close> = T(2)"))
    end)

    it("says once that locals end with a text that returns", function()
        assert.are.equal("> 1\n> 2\n", session("local x = 1 return x", "local x = 2 return x"):gsub("luas: [^\n]*\n", "") .. "")
    end)

    it("has the last value in _", function()
        assert.are.equal("> 42\n> 43\n> > 43\n", session("6 * 7", "_ + 1", "x = 1", "_"))
        assert.are.equal("> nil\n", session("rawget(_G, '_')"))
    end)

    it("names verbs, and shows an iterator in a line and no nils at the end", function()
        assert.are.equal("> function pool.map\n", session("=pool.map"))
        assert.matches("^> iterator %(job: 0 of 2 tasks taken%)[^\n]*\n$", session("pool.imap(math.sqrt, {1, 4})"))
        assert.are.equal("> {1}\t1\t{}\n", session("pool.map(math.abs, {1}, {on_error = 'collect'})"))
        assert.matches("future: cancelled\n$", session("f = pool.apply_async(os.execute, 'sleep 20')", "f:cancel() f:wait()", "f"))
    end)

    it("takes its prompts from _PROMPT and _PROMPT2", function()
        assert.are.equal("> > a 1\na bb 2\na ", (session("_PROMPT2 = 'bb '", "_PROMPT = 'a '", "1", "(", "2)"):gsub("\n$", "")))
    end)

    it("says what a verb does", function()
        local said = session("help pool.map", "help nothing")
        assert.matches("^> pool%.map%(f, items %[, opts%]%) %-%-> results, n [^\n]*\nCalls f on every item, in worker processes", said)
        assert.matches("\n> no help on 'nothing'; help alone says on what there is\n$", said)
        for _, asked in ipairs { "help pool:map", "help(pool.map)", "?pool.map", "help('map')", 'help "map"', "help'pool.map'", "help(pool.new(0).map)" } do
            assert.are.equal(session("help map"), session(asked))
        end
        assert.are.equal(session("help 'no such'"), "> no help on 'no such'; help alone says on what there is\n")
        assert.are.equal(session("help(print)"), "> no help on 'print'; help alone says on what there is\n")
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
        await("^luas %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%), 3 workers; help lists the verbs; type Ctrl%-D to leave\n>$")
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

    it("completes options, modules, methods and locals, and nothing in a string", function()
        start()
        type_text("pool.map(f, {1}, { timeout = 1, on_e")
        keys("Tab")
        await("on_error$")
        keys("C-u")
        type_text("pool.new {wor")
        keys("Tab")
        await("> pool.new {workers$")
        keys("C-u")
        type_text("require 'utf")
        keys("Tab")
        await("> require 'utf8$")
        keys("C-u")
        enter("local hello = process.spawn(os.time)")
        await("%(os.time%)\n>$")
        type_text("hel")
        keys("Tab")
        await("> hello$")
        type_text(":resu")
        keys("Tab")
        await("> hello:result$")
        keys("C-u")
        type_text("x = 'pool.ma")
        keys("Tab")
        type_text("'")
        keys("Enter")
        enter("x")
        await('> x\n"pool.ma"\n>$')
    end)

    -- What a terminal sends for a paste.
    local function paste(text)
        shell.write(dir .. "/paste", text)
        tmux("load-buffer " .. dir .. "/paste")
        tmux("paste-buffer -p")
    end

    it("runs what is pasted as one text, which is one entry of the history", function()
        start()
        paste("local function sq(x)\n\treturn x * x\nend\n\nprint(sq(7))\n")
        await("\n49\n>$")
        paste("x = 5\nx\nx + 1\nfor i = 8, 9 do\n")
        await("\n5\n6\n>>$")
        enter("print(i) end")
        await("\n8\n9\n>$")
        paste("y = 1\nprint(y + 1")
        await("print%(y %+ 1$")
        enter(")")
        await("\n2\n>$")
        local entries = shell.read(history)
        assert.matches("^local function sq%(x%)\\n\treturn x %* x\\nend\\n\\nprint%(sq%(7%)%)\n", entries)
        assert.is_truthy(entries:find("\ny = 1\\nprint(y + 1)\n", 1, true))
    end)

    it("edits a line with a tab that was pasted", function()
        start()
        paste("#'a\tb'")
        await("b'$")
        keys("Enter")
        await("\n3\n>$")
    end)

    it("puts what the background prints above the line that is typed, which is drawn again", function()
        start(nil, "-j 2")
        enter("pool.configure {output = 'tag'}")
        enter("f = pool.apply_async(function() while not io.open('" .. dir .. "/go') do os.execute 'sleep 0.1' end print 'from behind' end)")
        await("/go.*>$")
        type_text("'typed " .. ("x"):rep(90) .. "'") -- it takes two rows
        await("x'$")
        shell.write(dir .. "/go", "")
        await("%] from behind\n> 'typed x+\nx+'$")
        keys("Enter")
        await("%] from behind\n> 'typed x+\nx+'\n\"typed x+\nx+\"\n>$")
        assert.are.equal(1, select(2, screen():gsub("from behind\n", "")))
        assert.are.equal(1, select(2, screen():gsub("> 'typed", "")))
        shell.must("rm " .. dir .. "/go")
    end)

    it("looks for lines that begin like the one that is typed", function()
        start()
        enter("first = 1")
        enter("second = 2")
        await("second = 2\n>$")
        type_text("fi")
        keys("PageUp")
        await("> first = 1$")
    end)

    it("says how long it took, if that was long", function()
        start()
        enter("os.execute 'sleep 1.1'")
        await("\ntrue +\"exit\" +0\n%d%.%d s\n>$")
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
        enter("pool.configure {output = 'tag'}")
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
        enter("pool.configure {output = 'tag'}")
        enter("print(#pool.map(function(x) return x end, {1, 2}), 'ready')")
        await("\n2 +ready\n>$")
        enter("pool.map(function(x) while x > 1 do end return x end, {1, 2, 3, 4})")
        os.execute("sleep 0.3")
        keys("C-c")
        await("interrupted!\n>")
        enter("pool.map(function(x) return -x end, {1, 2, 3})")
        await("\n{%-1, %-2, %-3}%s+3\n>$")
    end)

    -- What somebody may do in a quarter of an hour: a line, or something else, and how the screen then ends.
    local long_session = {
        { "1 + 1", "\n2\n>$" }, { "x = 6", "> x = 6\n>$" }, { "x * 7", "\n42\n>$" }, { "_ + 1", "\n43\n>$" },
        { "local function sq(v) return v * v end", "end\n>$" }, { "pool.map(sq, {1, 2, 3})", "\n{1, 4, 9} +3\n>$" },
        { "local base = 10", "10\n>$" }, { "pool.map(function(v) return v + base end, {1})", "\n{11} +1\n>$" },
        { "base = 20", "20\n>$" }, { "pool.apply(function() return base end)", "\n20\n>$" },
        { "for i = 1, 2 do", "\n>>$" }, { "print(i, base)", "\n>>$" }, { "end", "\n1 +20\n2 +20\n>$" },
        { "pool.map(function(v) error('no ' .. v) end, {5})", "task 1 %(input 5%).*no 5.*\n>$" },
        { "#pool.map(function(v) return v end, pool.range(1, 1000))", "\n1000\n>$" },
        { function() tmux "resize-window -x 50 -y 30" end, ">$" }, { "'narrow'", '\n"narrow"\n>$' },
        { function() type_text "a_line_that_is_dropped" keys "C-c" end, "dropped%^C\n>$" },
        { "y", "\nnil\n>$" }, { "y = {a = 1, b = {2, 3}}", "}\n>$" }, { "y", "\n{a = 1, b = {2, 3}}\n>$" },
        { function() paste "local function twice(v)\n\treturn 2 * v\nend\nprint(twice(21))\n" end, "\n42\n>$" },
        { "twice(4)", "\n8\n>$" }, { "x = = 1", "unexpected symbol near '='\n>$" },
        { "error {code = 7}", "code = 7.*\n>$" }, { "while true do end", "while true do end$" },
        { function() os.execute "sleep 0.3" keys "C-c" end, "interrupted!\n.*>$" }, { "x", "\n6\n>$" },
        { function() tmux "resize-window -x 110 -y 40" end, ">$" },
        { "pool.map(function(v) while true do end end, {1, 2})", "{1, 2}%)$" },
        { function() os.execute "sleep 0.3" keys "C-c" end, "interrupted!.*\n>$" },
        { "f = pool.apply_async(sq, 12)", "12%)\n>$" }, { "f:get()", "\n144\n>$" },
        { "q = shared.queue()", "queue%(%)\n>$" }, { "q:put('hello')", "\ntrue\n>$" },
        { "pool.apply(function() return q:get() end)", '\n"hello"\n>$' },
        { function() type_text(("z = 1 "):rep(30)) keys "C-c" end, "z = 1 %^C\n>$" },
        { "process.spawn(sq, 3):result()", "\n9\n>$" }, { "?pool.map", "pool.map.*\n>$" },
        { "pool.reduce(sq, {1, 2, 3}, function(a, b) return a + b end)", "\n14\n>$" },
        { function() keys("Up", "Enter") end, "\n14\n>$" }, { "select('#', pool.apply(function() end))", "\n0\n>$" },
    }

    it("holds a session of forty inputs, with pastes, resizes and Ctrl-C", function()
        start(nil, "-j 2")
        enter("pool.configure {output = 'tag'}")
        for i, step in ipairs(long_session) do
            tmux "clear-history"
            if type(step[1]) == "function" then step[1]() else enter(step[1]) end
            local ok, why = pcall(await, step[2])
            if not ok then error(("input %d, %s: %s"):format(i, step[1], why), 0) end
        end
        keys "C-d"
        await "status 0$"
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
