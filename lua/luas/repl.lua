-- The prompt of the program: reads statements, runs them, prints their values. It does not
-- use the terminal itself. For that it is given an editor, an object with
--   readline(self, prompt, complete)  a line; nil at the end of input, false
--                                     when the user dropped the line (Ctrl-C)
--   remember(self, text)              the newest entry of the history
--   prepare(self, path)               makes a private file and its folders
-- Only readline is required. The prompt must work whatever the user does to the globals: so
-- everything that it uses is local.

local complete = require("luas.complete")
local help = require("luas.help")
local inspect = require("luas.inspect")
local toplevel = require("luas.toplevel")

local concat, pack, unpack = table.concat, table.pack, table.unpack
local find, format, gmatch, gsub, match, sub =
    string.find, string.format, string.gmatch, string.gsub, string.match, string.sub
local core = require "luas.core"
local now, traceback = core.now, core.traceback
local getenv, open, rename = os.getenv, io.open, os.rename
local getmetatable, ipairs, load, rawget, tostring, type, xpcall =
    debug.getmetatable, ipairs, load, rawget, tostring, type, xpcall
local globals, stdin, stdout, stderr = _G, io.stdin, io.stdout, io.stderr

local HISTORY = 1000
local LONG <const> = 1 -- seconds

local repl = {}

-- Without a terminal: reads plain lines, and writes prompts to stdout, like `lua -i`.
local plain = {}

function plain:readline(prompt)
    stdout:write(prompt)
    stdout:flush()
    return stdin:read()
end

---@param version string of luas
---@param release string of Lua
---@return string # the line that greets at the prompt
function repl.banner(version, release)
    local workers = require "luas.state".usual_size()
    local pool = workers == 0 and "no workers, tasks run here" or workers == 1 and "1 worker" or workers .. " workers"
    return format("luas %s (%s), %s; help lists the verbs; type Ctrl-D to leave", version, release, pool)
end

-- History: a file with an entry a line, the newest last -----------------------

local function history_path()
    local path = getenv("LUAS_HISTORY")
    if path then
        return path ~= "" and path or nil
    end
    local state, home = getenv("XDG_STATE_HOME"), getenv("HOME")
    if state and state ~= "" then
        return state .. "/luas/history"
    end
    return home and home ~= "" and home .. "/.local/state/luas/history" or nil
end

local ENCODED = { ["\\"] = "\\\\", ["\n"] = "\\n" }
local DECODED = { ["\\\\"] = "\\", ["\\n"] = "\n" }

local function read_entries(path)
    local entries, file = {}, open(path)
    if file then
        for line in file:lines() do
            entries[#entries + 1] = gsub(line, "\\[\\n]", DECODED)
        end
        file:close()
    end
    return entries
end

local function write_entries(path, mode, entries)
    local file, reason = open(path, mode)
    if not file then
        return false, reason
    end
    local lines = {}
    for i, entry in ipairs(entries) do
        lines[i] = gsub(entry, "[\\\n]", ENCODED) .. "\n"
    end
    local written, why = file:write(concat(lines))
    local closed, fault = file:close()
    return written and closed, why or fault
end

-- Writes a second file and renames it, so that a crash leaves a complete file.
local function shorten(editor, path, entries)
    local fresh = path .. ".new"
    local ok, reason = editor:prepare(fresh)
    if ok then
        ok, reason = write_entries(fresh, "w", { unpack(entries, #entries - HISTORY + 1) })
    end
    if ok then
        ok, reason = rename(fresh, path)
    end
    return ok, reason
end

local function forgo(reason)
    stderr:write("luas: no history is kept: ", reason, "\n")
end

-- Returns the path to append to and its newest entry; nil where none can be kept.
local function load_history(editor)
    local path = editor.prepare and history_path()
    if not path then
        return nil
    end
    local ok, reason = editor:prepare(path)
    local entries = ok and read_entries(path) or {}
    for _, entry in ipairs(entries) do
        editor:remember(entry)
    end
    if #entries > HISTORY then
        ok, reason = shorten(editor, path, entries)
    end
    if not ok then
        return forgo(reason)
    end
    return path, entries[#entries]
end

-- Writes each entry at once. So nothing is lost when the terminal is closed, and several
-- sessions keep each other's entries.
local function remember(session, text)
    if find(text, "%S") and text ~= session.newest and session.editor.remember then
        session.editor:remember(text)
        session.newest = text
        local ok, reason = true, nil
        if session.history then
            ok, reason = write_entries(session.history, "a", { text })
        end
        if not ok then
            session.history = forgo(reason)
        end
    end
end

-- Reading ---------------------------------------------------------------------

local function prompt(session, name, default, painted)
    local value = rawget(globals, name)
    if value == nil then
        return session.colour and painted or default
    end
    return type(value) == "string" and value or tostring(value)
end

-- A string cannot go on in the next line, unless its line ends in a backslash.
local function unfinished(message, text)
    if message and find(message, "unfinished string near <eof>$") then
        return find(text, "\\z?%s*$")
    end
    return message and find(message, "<eof>$")
end

-- `help(x)`, where the user has nothing of this name.
local function help_call(session, text)
    local argument = match(text, "^%s*help%s*(%b())%s*$")
    local chunk = argument and load("return " .. argument, "=stdin", "t")
    return chunk and function()
        local value = session.top:load("return " .. argument, "=stdin")()
        stdout:write(help.about(value, sub(argument, 2, -2)), "\n")
    end
end

local function ask_for_help(session, text)
    if rawget(globals, "help") ~= nil or session.top:get("help") ~= nil then return nil end
    local answer = help.answer(text)
    return answer and function() stdout:write(answer, "\n") end or help_call(session, text)
end

-- The same text, with the locals of earlier ones.
local function with_locals(session, chunk, text)
    local known, forgets = session.top:load(text, "=stdin")
    if forgets and not session.hinted then
        session.hinted = true
        stderr:write("luas: the locals of a text that ends with 'return' end with it\n")
    end
    return known or chunk
end

-- A nil comes before the values: else the expression would be a tail call, and what it raises could not
-- name its line. `run_statement` drops that nil.
local function compile_expression(session, chunk, expression)
    local text = "return nil, " .. expression
    local called = load(text, "=stdin", "t")
    if not called then return chunk end -- there is no value: a comment, or nothing
    session.behind_nil = with_locals(session, called, text)
    return session.behind_nil
end

-- Returns the chunk; or nil, the message, and whether further lines could complete it.
local function compile(session, text)
    local asked = ask_for_help(session, text)
    if asked then return asked end
    local expression = match(text, "^=(.*)$") or text
    local chunk, reason = load("return " .. expression, "=stdin", "t")
    if chunk then return compile_expression(session, chunk, expression) end
    if expression ~= text then return nil, reason, unfinished(reason, text) end
    local statement, message = load(text, "=stdin", "t")
    if statement then return with_locals(session, statement, text) end
    return nil, message, unfinished(message, text) or unfinished(reason, text)
end

-- Returns what readline returned if that is no text; otherwise the text, the results of compile, and
-- whether its end was pasted with lines before it. `begun` is what there is of the text already.
local function read_statement(session, begun)
    local editor = session.editor
    local text = begun or editor:readline(prompt(session, "_PROMPT", "> ", "\1\27[1m\1>\1\27[0m\1 "), session.complete)
    local pasted = text and not begun and find(text, "\n", 1, true)
    while text do
        local chunk, message, more = compile(session, text)
        local line = more and not pasted and editor:readline(prompt(session, "_PROMPT2", ">> "), session.complete)
        if line then
            text, pasted = text .. "\n" .. line, find(line, "\n", 1, true)
        elseif more and line == false and not pasted then
            return false
        else
            return text, chunk, message, pasted
        end
    end
    return text
end

-- Running ---------------------------------------------------------------------

local function object_text(err)
    local meta = getmetatable(err)
    if type(meta) == "table" and rawget(meta, "__tostring") then
        return tostring(err)
    elseif type(err) == "table" then
        return "raised " .. inspect(err)
    end
    return format("(error object is a %s value)", type(err))
end

-- Removes the frames below the statement: they belong to the program.
local function without_program(text, from)
    local own = find(text, "\n\t%[C%]: in %?$", from)
    return own and without_program(sub(text, 1, own - 1), from) or text
end

-- The message of Ctrl-C needs no traceback. In an inline task it comes with that of the task.
local function interruption(text)
    return find(match(text, "^[^\n]*"), "interrupted!$") and "interrupted!"
end

local function explain(err)
    if type(err) ~= "string" and type(err) ~= "number" then
        local text = object_text(err)
        return interruption(text) or text
    end
    return interruption(err) or without_program(traceback(tostring(err), 2), #tostring(err))
end

-- What imap gives, typed alone, and what says how it can be used.
local function iterator_text(values)
    local job = values[4]
    local meta = values.n == 4 and type(values[1]) == "function" and getmetatable(job)
    if type(meta) == "table" and rawget(meta, "__close") and rawget(meta, "__tostring") then
        return format("iterator (%s): for i, result in ... do ... end", tostring(job))
    end
end

local function text_of(value)
    local verb = help.name(value)
    return verb and type(value) == "function" and "function " .. verb or inspect(value)
end

-- Verbs give more values than most people want to see: no nils at their end.
local function show(values)
    local texts, glue, last = {}, "\t", values.n
    while last > 2 and values[last] == nil do last = last - 1 end
    for i = 1, last do
        texts[i] = text_of(values[i])
        glue = find(texts[i], "\n", 1, true) and "\n" or glue
    end
    if last > 0 then
        stdout:write(iterator_text(values) or concat(texts, glue), "\n")
    end
end

-- Says how long a statement took, where somebody may have wondered.
local function show_time(session, began)
    local took = now() - began
    if took >= LONG and session.editor.terminal then
        stdout:write(format(session.colour and "\27[2m%.1f s\27[0m\n" or "%.1f s\n", took))
    end
end

local function complain(session, message)
    stdout:flush()
    if type(message) ~= "string" then
        message = format("(error object is a %s value)", type(message))
    end
    stderr:write(session.colour and "\27[31m" .. message .. "\27[0m\n" or message .. "\n")
end

local function run_statement(session, chunk)
    local began = now()
    local first = chunk == session.behind_nil and 3 or 2
    local results = pack(session.call(chunk, explain))
    if results[1] then
        if results[first] ~= nil then session.top:set("_", results[first]) end
        local values = { n = results.n - first + 1, unpack(results, first, results.n) }
        results = pack(session.call(function() show(values) end, explain))
    end
    if not results[1] then
        complain(session, results[2])
    end
    show_time(session, began)
end

-- What the user has not closed is closed, the newest first.
local function finish(session)
    local ok, message
    repeat
        ok, message = session.call(function() session.top:close() end, explain)
        if not ok then complain(session, message) end
    until ok
end

-- Runs what was pasted as if it had been typed, where it is no statement as a whole: expressions on
-- lines of their own. Returns what is still unfinished.
local function run_pieces(session, text)
    local piece
    for line in gmatch(text, "[^\n]+") do
        piece = piece and piece .. "\n" .. line or line
        local chunk, message, more = compile(session, piece)
        if chunk then
            run_statement(session, chunk)
            piece = nil
        elseif not more then
            return complain(session, message)
        end
    end
    return piece
end

-- Reads and runs one text. Returns false at the end of input; or what is still unfinished.
local function turn(session, begun)
    local text, chunk, message, pasted = read_statement(session, begun)
    if not text then
        if text == nil then return false end
        return nil -- it was dropped
    end
    remember(session, text)
    if chunk then
        run_statement(session, chunk)
    elseif pasted then
        return run_pieces(session, text)
    else
        complain(session, message)
    end
end

---Reads and runs statements until the end of input. What a statement raises is
---written to stderr.
---@param editor? table described atop this file; plain lines of stdin by default
---@param call? fun(f: function, handler: function): boolean, ... as xpcall, which is the default
function repl.run(editor, call)
    local no_colour = getenv("NO_COLOR")
    local session = { editor = editor or plain, call = call or xpcall, top = toplevel.new() }
    session.top:set("_", nil)
    function session.complete(line, width) return complete.complete(line, width, session.top) end
    session.colour = editor and editor.terminal and (no_colour or "") == "" and getenv("TERM") ~= "dumb"
    session.history, session.newest = load_history(session.editor)
    local begun
    repeat begun = turn(session, begun) until begun == false
    stdout:write("\n")
    finish(session)
    stdout:flush()
end

return repl
