-- pool.files: the files below a folder as a source.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

local folder

setup(function()
    folder = sh.folder()
    sh.must(([[cd %s && mkdir -p t/a/c t/e "t/ b" && cd t &&
        touch a.b a/x a/c/y.txt a0 A z.txt a/.hidden " b/it's \"one\"" ./-f "$(printf 'new\nline')" "$(printf '\377')" '*' &&
        ln -s ../a a/c/up && ln -s z.txt link && ln -s . e/me && mkfifo e/pipe]]):format(folder))
end)
teardown(function() sh.must("rm -r " .. folder) end)

local function found(what)
    local all = {}
    for name in (sh.must(("cd %s && find %s -print0"):format(folder, what)) .. ""):gmatch "([^\0]*)\0" do
        all[#all + 1] = folder .. "/" .. name
    end
    table.sort(all)
    return all
end

local function all_of(source)
    local all = {}
    for name in source do all[#all + 1] = name end
    return all
end

local function same(path) return path end

-- What others have left to the collector does not count.
local function descriptors()
    collectgarbage()
    collectgarbage()
    return tonumber((sh.must(("ls /proc/%d/fd | wc -l"):format(luas.process.current().pid))))
end

describe("files of a tree", function()
    it("are those that find finds, in the order of their bytes", function()
        assert.same(found "t -type f", all_of(pool.files(folder .. "/t")))
        assert.same(found "t -type f", all_of(pool.files(folder .. "/t/")))
        assert.same({}, all_of(pool.files(folder .. "/t/e")))
        assert.same({ folder .. "/t/A" }, all_of(pool.files(folder .. "/t/A")))
    end)

    it("have a pattern on request", function()
        assert.same({ folder .. "/t/a/c/y.txt", folder .. "/t/z.txt" }, all_of(pool.files(folder .. "/t", "%.txt$")))
        assert.same({ folder .. "/t/a/c/y.txt" }, all_of(pool.files(folder .. "/t", { pattern = "/c/" })))
        assert.same({}, all_of(pool.files(folder .. "/t", "none")))
        assert.same(found "t -type f", all_of(pool.files(folder .. "/t", "")))
    end)

    it("come through links on request, and of several folders", function()
        local names = all_of(pool.files(folder .. "/t", { follow = true }))
        assert.same(#found "t -type f" + 1, #names) -- the link to a file; all others lead back
        assert.same(found "t -type f", all_of(pool.files { folder .. "/t" }))
        assert.same({ folder .. "/t/A", folder .. "/t/a0", folder .. "/t/a/.hidden" },
            all_of(pool.files({ folder .. "/t/A", folder .. "/t/a0", folder .. "/t/a" }, "[A0n]$")))
        assert.same({}, all_of(pool.files {}))
    end)

    for _, how in ipairs { { workers = 0 }, { workers = 2 }, { workers = 2, carry = "inherit" } } do
        it(("are a source of every verb, with %d workers, %s"):format(how.workers, how.carry or "as usual"), function()
            local p <close> = pool.new(how)
            local expected = found "t -type f"
            local function files() return pool.files(folder .. "/t") end
            assert.same(expected, (p:map(same, files())))
            assert.same(expected, (p:map_async(same, files()):get()))
            assert.equal(#expected, p:each(same, files()))
            local names = {}
            for i, name in p:imap(same, files()) do names[i] = name end
            assert.same(expected, names)
            names = {}
            for i, name in p:imap_unordered(same, files(), { window = 2 }) do names[i] = name end
            assert.same(expected, names)
            assert.equal(#expected, p:reduce(function() return 1 end, files(), function(a, b) return a + b end))
        end)
    end

    it("have outcomes that name them", function()
        local _, n, failures = pool.map(function(path) return assert(not path:find "z%.txt$", "no") and 1 end,
            pool.files(folder .. "/t"), { on_error = "collect" })
        assert.equal(#found "t -type f", n)
        assert.equal(folder .. "/t/z.txt", failures[n - 1].input)
    end)

    it("give the lines of all of them", function()
        local there = folder .. "/lines"
        sh.must(("mkdir -p %s/b && cd %s && printf '1\\n2' >a.log && printf '3\\n' >b/c.log && echo 4 >d.txt"):format(there, there))
        local lines, _, failures = pool.map(function(line) return line ~= "3" and line or error "three" end,
            pool.lines(pool.files(there, "%.log$")), { on_error = "collect" })
        assert.same({ "1", "2" }, lines)
        assert.equal(there .. "/b/c.log", failures[3].file)
        assert.equal(1, failures[3].line)
        assert.equal("1\n2|3\n|", table.concat((pool.map(function(b) return b .. "|" end, pool.blocks(pool.files(there, "%.log$"))))))
        local ok, o = pcall(pool.lines, function() return 7 end)
        assert.is_false(ok)
        assert.is_truthy(tostring(o):find("no file's name", 1, true))
        local names = { there .. "/a.log", there .. "/none" }
        ok, o = pcall(pool.map, same, pool.lines(function() return table.remove(names, 1) end))
        assert.is_false(ok)
        assert.same({ "1", "2" }, o.results)
        assert.is_truthy(o.message:find("none: No such file or directory", 1, true))
    end)

    it("leave nothing open, however the walk ends", function()
        local before = descriptors()
        for _ = 1, 20 do
            for _ in pool.imap(same, pool.files(folder .. "/t")) do break end
            pool.files(folder .. "/t")()
            all_of(pool.files(folder .. "/t"))
        end
        assert.is_true(descriptors() < before + 20) -- workers come and go
    end)
end)

describe("a folder that cannot be read", function()
    -- All descriptors are in use while the walk comes to some folders.
    local script <const> = [[
        local source, files, failed = pool.files(arg[1]), {}, 0
        print(source())
        local held = {}
        repeat held[#held + 1] = io.open "/dev/null" until #held > 300 or not io.open "/dev/null"
        local name = source()
        for _, f in ipairs(held) do f:close() end
        print(name)
        for path in source do print(path) end
    ]]

    it("is named after all others were walked through", function()
        local there = folder .. "/full"
        sh.must(("mkdir -p %s/a %s/b %s/d && touch %s/a/1 %s/b/2 %s/c %s/d/3"):gsub("%%s", there))
        sh.write(folder .. "/full.lua", script)
        local output, status = sh.run(("cd %s && ulimit -n 40 && timeout " .. helpers.within(20) .. " %s full.lua full"):format(folder, sh.quote(helpers.program)))
        assert.equal(1, status)
        assert.equal("full/a/1\nfull/c\nfull/d/3\n", output:match "^(.-)[^\n]*luas: ")
        assert.is_truthy(output:find("full/b/: Too many open files", 1, true), output)
    end)

    it("raises at once if it is the first, as all that is no folder does", function()
        for what, message in pairs {
            [folder .. "/none"] = "/none: No such file or directory", [""] = "No such file or directory",
            ["/dev/null"] = "/dev/null: neither a file nor a folder", [folder .. "/t/A/x"] = "Not a directory",
        } do
            local ok, raised = pcall(pool.files, what)
            assert.is_false(ok)
            assert.is_truthy(raised:find(message, 1, true), raised)
        end
        local ok, o = pcall(pool.map, same, pool.files { folder .. "/t", folder .. "/none" })
        assert.is_false(ok)
        assert.same(found "t -type f", o.results)
        assert.is_truthy(o.message:find("/none: No such file or directory", 1, true), o.message)
    end)

    it("is refused with what is no folder's name, and with patterns of the shell", function()
        for _, case in ipairs {
            { { }, "string or table expected, got no value" }, { { 12 }, "string or table expected, got number" },
            { { "a\0b" }, "no file's name" }, { { { "a", 1 } }, "item 2 is no file's name" }, { { { x = 1 } }, "item 1" },
            { { "/", 5 }, "options must be a table, got number" }, { { "/", { patern = "x" } }, "unknown option \"patern\"" },
            { { "/", { pattern = 5 } }, "'pattern' must be a text, got 5" }, { { "/", { follow = 1 } }, "'follow' must be a boolean" },
            { { "/", "[" }, "malformed pattern" }, { { "/", "*.c" }, [["*.c" is a pattern of the shell's; in Lua it is "%.c$"]] },
        } do
            local ok, raised = pcall(pool.files, table.unpack(case[1]))
            assert.is_false(ok)
            assert.is_truthy(raised:find(case[2], 1, true), raised)
        end
    end)
end)
