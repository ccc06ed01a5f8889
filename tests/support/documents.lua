-- The code blocks of documents, and what these say that comes of them.
--
-- In Markdown a block is a fence with its language. A comment on the line before it,
-- `<!-- example: MARK -->`, says what is special about it; a reader does not see that.
-- In a man page blocks are the literal displays of the section EXAMPLES, and the comment
-- is `.\" example: MARK`. The marks:
--
--   file NAME    the block is the file of that name, which a later block uses
--   by lua5.4    a script for the stock interpreter
--   with a server  http://127.0.0.1:8642/ gives the files of the folder meanwhile
--   fragment     only a part: its syntax is checked
--   picture      no code

local shell = require "tests.support.shell"

local documents = {}

---@class documents.block
---@field place string      document and line
---@field language string   as the fence says
---@field mark string?
---@field text string

-- ---- Markdown ----

local function add_indented(blocks, place, line)
    local last = blocks[#blocks]
    if last and last.open then
        last.text = last.text .. line .. "\n"
    else
        blocks[#blocks + 1] = { place = place, language = "indented", text = line .. "\n", open = true }
    end
end

-- A line outside of fences. Returns the block that it opens, and the mark for the next.
local function read_line(blocks, line, before, mark, place)
    local language = line:match "^%s*```(.*)$"
    if language then return { place = place, language = language, mark = mark, text = "" } end
    local last = blocks[#blocks]
    if line:find "^    " and (before == "" or last and last.open) then
        add_indented(blocks, place, line)
    elseif last then
        last.open = nil
    end
    return nil, line:match "^<!%-%- example: (.-) %-%->$"
end

---The blocks of a Markdown file; one that is only indented has the language "indented".
---@param path string
---@return documents.block[]
function documents.markdown(path)
    local blocks, block, mark, before, n = {}, nil, nil, "", 0
    for line in io.lines(path) do
        n = n + 1
        if not block then
            block, mark = read_line(blocks, line, before, mark, path .. ":" .. n)
        elseif line:find "^%s*```$" then
            blocks[#blocks + 1], block = block, nil
        else
            block.text = block.text .. line .. "\n"
        end
        before = line
    end
    assert(not block, path .. ": a fence that does not end")
    return blocks
end

-- ---- man pages ----

-- The marks of the literal displays, in order: false where there is none.
local function man_marks(source)
    local marks, mark, section = {}, false, nil
    for line in (source .. "\n"):gmatch "(.-)\n" do
        section = line:match "^%.Sh (.*)" or section
        mark = line:match '^%.\\" example: (.*)' or mark
        if line:find "^%.Bd %-literal" or line:find "^%.D[l1] " then
            assert(section == "EXAMPLES", "code outside of the section EXAMPLES: " .. line)
            marks[#marks + 1], mark = mark, false
        end
    end
    return marks
end

-- What a renderer shows of the section EXAMPLES, without the strokes of bold type.
local function rendered_examples(renderer, path)
    local page = shell.must(renderer .. " " .. shell.quote(path))
    page = page:gsub("\27%[[%d;]*m", ""):gsub("[^\128-\191][\128-\191]*\b", "")
    return assert(page:match "\nEXAMPLES\n(.-\n)%u")
end

---The blocks of a man page, as the renderer, a command, shows them.
---@param path string
---@param renderer string
---@return documents.block[]
function documents.man(path, renderer)
    local examples, texts, text = rendered_examples(renderer, path), {}, nil
    local margin = #examples:match "^\n* +" -- of a paragraph
    for line in examples:gmatch "(.-)\n" do
        local indent = #line:match "^ *"
        if indent > margin then
            text = (text or "") .. line:sub(margin + 1) .. "\n"
        elseif line ~= "" and text then
            texts[#texts + 1], text = text, nil
        end
    end
    texts[#texts + 1] = text
    local blocks, marks = {}, man_marks(shell.read(path))
    assert(#texts == #marks, ("%s: %d blocks, of %d in its source"):format(renderer, #texts, #marks))
    for i, mark in ipairs(marks) do
        local indent = texts[i]:match "^ *"
        blocks[i] = {
            place = ("%s, example %d by %s"):format(path, i, renderer:match "%S+"), mark = mark or nil,
            language = texts[i]:find "^ *%$ " and "console" or "lua",
            text = ("\n" .. texts[i]):gsub("\n" .. indent, "\n"):sub(2),
        }
    end
    return blocks
end

-- ---- what a block shows ----

---What a Lua block prints, as its comments say: `-->` and a line.
---@param text string
---@return string
function documents.comments(text)
    local lines = {}
    for line in text:gmatch "%-%-> ?([^\n]*)\n" do lines[#lines + 1] = line .. "\n" end
    return table.concat(lines)
end

---@class documents.command
---@field line string      what is typed, after the `$`
---@field input string?    what is typed into it, where it prompts
---@field output string    what follows; prompts without what is typed after them

local function add_typed(command, prompt, typed)
    command.input = (command.input or "") .. typed .. "\n"
    command.output = command.output .. prompt
end

---The commands of a console block, with what they print.
---@param text string
---@return documents.command[]
function documents.console(text)
    local commands = {}
    for line in text:gmatch "(.-)\n" do
        local last, prompt, typed = commands[#commands], line:match "^(>>? )(.*)"
        if line:find "^%$ " then
            commands[#commands + 1] = { line = line:sub(3), output = "" }
        elseif prompt and last.line:find "^luas[^%w]*$" then
            add_typed(last, prompt, typed)
        else
            last.output = last.output .. line .. "\n"
        end
    end
    return commands
end

---Without what differs from run to run: numbers of processes and workers.
---@param text string
---@return string
function documents.masked(text)
    return (text:gsub("%f[%a]pid %d+", "pid N"):gsub("%f[%a]worker %d+", "worker N"))
end

-- ---- links ----

local function anchor(heading)
    return (heading:lower():gsub("`", ""):gsub("[^%w%s_-]", ""):gsub(" ", "-"))
end

local function has_heading(path, wanted)
    for line in io.lines(path) do
        local heading = line:match "^#+ (.*)"
        if heading and anchor(heading) == wanted then return true end
    end
    return false
end

---The links of a Markdown file to other files and headings that lead nowhere.
---@param path string
---@return string[]
function documents.broken_links(path)
    local broken, folder = {}, path:match "^(.*/)" or ""
    for link in shell.read(path):gmatch "%]%(([^)%s]+)%)" do
        local file, heading = link:match "^([^#]*)#?(.*)$"
        local target = file == "" and path or folder .. file
        local there = link:find "^https?:" or io.open(target)
        if io.type(there) == "file" then there:close() end
        if not there or heading ~= "" and not link:find "^http" and not has_heading(target, heading) then
            broken[#broken + 1] = link
        end
    end
    return broken
end

return documents
