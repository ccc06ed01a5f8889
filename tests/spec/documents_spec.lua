-- What the documents show is true: each code block runs, as a user pastes it, and gives
-- what stands there.

local documents = require "tests.support.documents"
local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

local must, quote = shell.must, shell.quote
local root = must("pwd"):gsub("\n$", "")
local program = (os.getenv("LUAS") or "build/luas"):gsub("^([^/])", root:gsub("%%", "%%%%") .. "/%1")

local MAN <const> = "scripts/luas.1"

local folder, environment

-- luas is installed, as it is for who reads; blocks share an empty folder.
setup(function()
    folder = shell.folder()
    local there = folder .. "/luas"
    must(("cmake --install %s --prefix %s"):format(quote(program:match "^(.*)/"), quote(there)))
    must("mkdir " .. quote(folder .. "/work"))
    environment = ([[cd %s && export PATH=%s/bin:"$PATH" LUA_CPATH="%s/lib/lua/5.4/?.so;;" NO_COLOR=1 \
        PKG_CONFIG_PATH=%s/lib/pkgconfig LD_LIBRARY_PATH=%s/lib LUAS_HISTORY= ; ]])
        :format(quote(folder .. "/work"), there, there, there, there)
end)

teardown(function() must("rm -rf " .. quote(folder)) end)

-- Runs a line of sh where luas is installed.
local function run(line)
    return shell.run(("timeout -s KILL " .. helpers.within(60) .. " sh -c %s"):format(quote(environment .. line)))
end

-- While f runs, a web server gives the files of the folder.
local function with_server(f)
    local server = assert(io.popen(([[cd %s && python3 -m http.server --bind 127.0.0.1 8642 >/dev/null 2>&1 & echo $!
        for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8642/ && break; sleep 0.1; done]])
        :format(quote(folder .. "/work"))))
    local pid = server:read()
    server:close()
    local ok, why = pcall(f)
    must("kill " .. pid)
    assert(ok, why)
end

local function gives(expected, line)
    local output, status = run(line)
    assert.equal(documents.masked(expected), documents.masked(output))
    assert.equal(0, status)
end

local function put(name, text)
    shell.write(folder .. "/work/" .. name, text)
    return name
end

-- ---- kinds of blocks ----

local function compiles(block)
    assert.is_truthy(load(block.text, "=" .. block.place))
end

local check = {}

function check.lua(block)
    local by = block.mark == "by lua5.4" and "lua5.4" or "luas"
    gives(documents.comments(block.text), by .. " " .. put("example.lua", block.text))
end

function check.sh(block)
    gives("", "sh -e " .. put("example.sh", block.text))
end

function check.c(block)
    put("example.c", block.text)
    gives("", "cc -Wall -Wextra -Werror example.c $(pkg-config --cflags --libs luas) -o example && ./example")
end

function check.console(block)
    for _, command in ipairs(documents.console(block.text)) do
        if command.input then
            put("input", command.input)
            local output, status = run(command.line .. " -i <input")
            assert.equal(command.output .. "> \n", (output:gsub("^[^\n]*\n", "")))
            assert.equal(0, status)
        else
            gives(command.output, command.line)
        end
    end
end

-- Only syntax; of sh also whether there is what is called, seen from the tree's root.
local fragment = { lua = compiles }

function fragment.sh(block)
    must("sh -n " .. quote(folder .. "/work/" .. put("example.sh", block.text)))
    for line in block.text:gmatch "[^\n]+" do
        must("command -v " .. quote(line:match "^%S+"))
    end
end

local function is_used(name, blocks, from)
    for i = from, #blocks do
        if blocks[i].text:find(name, 1, true) then return true end
    end
    return false
end

local function define(block, name, blocks, i)
    if name then
        assert.is_true(is_used(name, blocks, i + 1), name .. " is used by no later block")
        put(name, block.text)
        if block.language == "lua" then compiles(block) end
    elseif block.mark == "fragment" then
        assert.is_truthy(fragment[block.language], "no way to check a fragment of " .. block.language)
        fragment[block.language](block)
    elseif block.mark == "picture" then
        assert.equal("text", block.language)
    else
        assert.is_truthy(check[block.language], ("no way to run a block of '%s'"):format(block.language))
        local served = block.mark == "with a server"
        assert.is_truthy(not block.mark or block.mark == "by lua5.4" or served, "unknown mark: " .. tostring(block.mark))
        if served then with_server(function() check[block.language](block) end) else check[block.language](block) end
    end
end

local function define_all(blocks)
    for i, block in ipairs(blocks) do
        local name = block.mark and block.mark:match "^file (%S+)$"
        it(("%s (%s) %s"):format(block.place, block.language, name or "runs as it stands"), function()
            define(block, name, blocks, i)
        end)
    end
end

-- ---- the documents ----

for path in must("find . -name '*.md' -not -path './build*' -not -path './.*/*' | sort"):gmatch "%./([^\n]+)" do
    describe(path, function()
        define_all(documents.markdown(path))

        it("has links that lead somewhere", function()
            assert.same({}, documents.broken_links(path))
        end)
    end)
end

for _, renderer in ipairs { "mandoc -T utf8", "groff -mandoc -T utf8" } do
    if select(2, shell.run("command -v " .. renderer:match "%S+")) == 0 then
        describe("the man page", function() define_all(documents.man(MAN, renderer)) end)
    end
end

describe("the words of documents and code", function()
    -- Names of mdoc's, and "to and fro".
    local KNOWN <const> = "nd,fro,nin,nnumber,ndoes"

    it("have no mistake that codespell knows", function()
        local output, status = shell.run("codespell -q 3 -L " .. KNOWN .. " README.md core lua scripts --skip '*.png,*.svg'")
        assert.equal("", output)
        assert.equal(0, status)
    end)
end)

describe("the extractor", function()
    local path
    before_each(function() path = os.tmpname() end)
    after_each(function() os.remove(path) end)

    it("finds every block, with its mark", function()
        shell.write(path, "# A\n\n    code\n    more\n\n<!-- example: file x.lua -->\n```lua\nx = 1\n```\n"
            .. "- a list\n    goes on\n\n```\nbare\n```\n")
        local blocks = documents.markdown(path)
        assert.equal(3, #blocks)
        assert.same({ "indented", "lua", "" }, { blocks[1].language, blocks[2].language, blocks[3].language })
        assert.equal("file x.lua", blocks[2].mark)
        assert.equal("x = 1\n", blocks[2].text)
    end)

    it("tells what is typed from what is printed", function()
        local commands = documents.console("$ echo a\na\n$ luas\n> 1,\n>> 2\n1\t2\n> x = 1\n")
        assert.same({ line = "echo a", output = "a\n" }, commands[1])
        assert.same({ line = "luas", input = "1,\n2\nx = 1\n", output = "> >> 1\t2\n> " }, commands[2])
    end)

    it("finds links that lead nowhere", function()
        shell.write(path, "# A `b` c\n[x](#a-b-c) [y](#b) [z](/no/such/file.md) [w](https://example.org/)\n")
        assert.same({ "#b", "/no/such/file.md" }, documents.broken_links(path))
    end)
end)
