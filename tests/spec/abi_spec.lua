-- Programs that were built with the kept header run with this library.

local shell = require "tests.support.shell"

local quote, must, run = shell.quote, shell.must, shell.run
local root = must("pwd"):gsub("\n$", "")
local program = (os.getenv("LUAS") or "build/luas"):gsub("^([^/])", root:gsub("%%", "%%%%") .. "/%1")
local library = program:match("^(.*)/") .. "/libluas.so"
local kept = "tests/support/abi/luas-0.2.abi"

local has_tools = select(2, run("command -v abidw abidiff")) == 0
local NEEDS <const> = "needs abidiff: apt-get install abigail-tools"

-- What abidiff may say of a change that no program notices: a struct has grown behind what it had. It
-- would not do where it had padding: its size says nothing of new fields there.
local function is_harmless(report)
    local size
    for line in report:gmatch("[^\n]+") do
        size = line:match("type size changed from (%d+) to %d+ %(in bits%)") or size
        local offset = line:match("^ +'.*', at offset (%d+) %(in bits%)")
        if offset and not (size and tonumber(offset) >= tonumber(size)) then return false end
        if not (offset or line:find "type size changed" or line:find "^ +%d+ data member insertion"
            or line:find "^'struct luas_%w+' changed:$" or line:find "^ *'struct luas_%w+ at .*' changed:$"
            or line:find "^Leaf changes summary" or line:find "^Changed leaf types summary"
            or line:find "summary: 0 Removed, 0 Changed, " or line:find "summary: 0 Removed, ") then
            return false
        end
    end
    return true
end

-- Can what was built with one dump run with the library of the other?
local function agree(older, newer)
    local report, status = run(("abidiff --leaf-changes-only --no-added-syms %s %s"):format(quote(older), quote(newer)))
    assert(status & 3 == 0, report)  -- its own errors
    return status == 0 or is_harmless(report), report
end

describe("the binary interface", function()
    local folder, now, text

    setup(function()
        if not has_tools then return end
        folder = shell.folder()
        now = folder .. "/now.abi"
        text = must(("tests/support/abi/dump %s core/luas.h"):format(quote(library)))
        shell.write(now, text)
    end)

    teardown(function() if folder then must("rm -rf " .. quote(folder)) end end)

    local function check(description, test)
        it(description, function()
            if not has_tools and os.getenv "LUAS_TEST_QUICK" then return pending(NEEDS) end
            assert(has_tools, NEEDS)
            test()
        end)
    end

    -- A dump that differs from the library's in this; `pattern` is there once.
    local function older(pattern, replacement)
        local changed, n = text:gsub(pattern, replacement)
        assert.equal(1, n, pattern)
        shell.write(folder .. "/older.abi", changed)
        return folder .. "/older.abi"
    end

    check("is what the kept header says", function()
        local ok, report = agree(kept, now)
        assert.is_true(ok, report)
    end)

    check("has what is public, and nothing else", function()
        assert.truthy(text:find("class%-decl name='luas_options' size%-in%-bits='%d+'"))
        assert.falsy(text:find "luas__")
    end)

    check("may not lose a function", function()
        local line = text:match "[^\n]*elf%-symbol name='luas_cancel'[^\n]*\n"
        assert.is_false(agree(older("([^\n]*elf%-symbol name='luas_cancel'[^\n]*\n)",
            function(l) return l .. line:gsub("luas_cancel", "luas_gone") end), now))
    end)

    check("may not change a number", function()
        assert.is_false(agree(older("LUAS_EVENT_DIED' value='5'", "LUAS_EVENT_DIED' value='8'"), now))
    end)

    -- Of a struct the last fields are taken away.
    local function without_last(fields, bits)
        return older("(<class%-decl name='luas_call' size%-in%-bits=')(%d+)(.-)(    </class%-decl>)",
            function(head, size, body, foot)
                for _ = 1, fields do
                    body = body:gsub("      <data%-member[^\n]*\n[^\n]*\n      </data%-member>\n$", "")
                end
                return head .. math.tointeger(size - bits) .. body .. foot
            end)
    end

    check("may grow at the end of a struct", function()
        local ok, report = agree(without_last(3, 128), now)
        assert.is_true(ok, report)
    end)

    check("may not grow where a struct had padding", function()
        assert.is_false(agree(without_last(1, 0), now))
    end)

    check("may not move fields", function()
        assert.is_false(agree(older("(name='luas_figures'.-name=')values(.-name=')errors", "%1errors%2values"), now))
    end)
end)
