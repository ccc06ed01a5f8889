-- What a shell offers for the rest of a command line.

local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local program = sh.quote(helpers.program)
local BASH <const>, ZSH <const> = "scripts/completion/luas.bash", "scripts/completion/_luas"
local root = sh.must("pwd"):gsub("\n$", "")
local folder

setup(function()
    folder = sh.folder()
    sh.must(("cd %s && touch a.log 'b c.lua' -- -x.log && mkdir sub"):format(folder))
end)
teardown(function() sh.must("rm -r " .. folder) end)

-- What bash offers for the last of these words, sorted.
local function offers(...)
    local words = { "luas", ... }
    local quoted = {}
    for i, word in ipairs(words) do quoted[i] = sh.quote(word) end
    local text = ("cd %s; source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _luas; ((${#COMPREPLY[@]})) && printf '%%s\\n' \"${COMPREPLY[@]}\" | LC_ALL=C sort -u; true")
        :format(folder, root .. "/" .. BASH, table.concat(quoted, " "), #words - 1)
    local all = {}
    for line in sh.must("bash --norc --noprofile -c " .. sh.quote(text)):gmatch "[^\n]+" do all[#all + 1] = line end
    return all
end

-- All options that stand in the help, sorted.
local function options()
    local found, all = {}, {}
    for word in (" " .. sh.must(program .. " --help")):gmatch "[%s,;|(](%-%-?%w[%w-]*)" do found[word] = true end
    for word in pairs(found) do all[#all + 1] = word end
    table.sort(all)
    return all
end

describe("bash", function()
    it("knows all options of the help, and no others", function()
        local all = options()
        assert.is_true(#all > 35)
        assert.same(all, offers "-")
        for _, option in ipairs(all) do
            assert.is_nil(sh.run(program .. " " .. option):find("unrecognized", 1, true), option)
        end
    end)

    it("offers options by their beginning", function()
        assert.same({ "--header", "--help" }, offers "--he")
        assert.same({ "--make-key", "--make-nkey", "--map", "--max", "--mean", "--min" }, offers("-p", "_", "--m"))
        assert.same({ "--joblog", "--journal" }, offers("-j", "2", "--jo"))
        assert.same({ "--sum" }, offers("--where", "_", "--report=x", "--su"))
    end)

    it("offers what an option takes", function()
        assert.same({ "capture", "inherit", "tag" }, offers("--output", ""))
        assert.same({ "tag" }, offers("--output", "=", "t"))
        assert.same({ "capture", "inherit", "tag" }, offers("--output", "="))
        assert.same({ "never", "now,fail=1" }, offers("--halt", "n"))
        assert.same({ "256K" }, offers("--count", "--block", "2"))
        assert.same({}, offers("-p", ""))
        assert.same({}, offers("--where", "a"))
    end)

    it("offers files elsewhere", function()
        assert.same({ "-x.log", "a.log", "b c.lua", "sub" }, offers "")
        assert.same({ "b c.lua" }, offers("--map", "b"))
        assert.same({ "a.log" }, offers("--report", "=", "a"))
        assert.same({ "a.log" }, offers("-p", "F[1]", "a"))
        assert.same({ "-x.log" }, offers("--run", "cat", "--args", "-"))
        assert.same({ "-x.log" }, offers("b c.lua", "-"))
        assert.same({ "-x.log" }, offers("-e", "x=1", "--", "-"))
    end)
end)

describe("zsh", function()
    it("knows the same options", function()
        local found, all = {}, {}
        for word in sh.read(ZSH):gmatch "%-%-?%w[%w-]*" do found[word] = true end
        for word in pairs(found) do all[#all + 1] = word end
        table.sort(all)
        for _, option in ipairs(options()) do assert.is_true(found[option], option) end
        found["-s"], found["-S"], found["-g"] = nil, nil, nil
        for option in pairs(found) do
            assert.is_nil(sh.run(program .. " " .. option):find("unrecognized", 1, true), option)
        end
    end)

    if select(2, sh.run "command -v zsh") == 0 then
        it("can read the file", function()
            assert.equal("", sh.must("zsh -n " .. ZSH))
        end)
    end
end)

describe("the files", function()
    it("are installed where the shells look for them", function()
        local there = folder .. "/there"
        sh.must(("cmake --install %s --prefix %s"):format(sh.quote(helpers.program:match "^(.*)/"), there))
        assert.equal(sh.read(BASH), sh.read(there .. "/share/bash-completion/completions/luas"))
        assert.equal(sh.read(ZSH), sh.read(there .. "/share/zsh/site-functions/_luas"))
    end)
end)
