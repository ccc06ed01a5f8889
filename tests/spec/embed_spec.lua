-- The embedding examples, run as applications would run them.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

local quote, must = shell.quote, shell.must
local root = must("pwd"):gsub("\n$", "")
local program = (os.getenv("LUAS") or "build/luas"):gsub("^([^/])", root:gsub("%%", "%%%%") .. "/%1")
local examples = program:match("^(.*)/") .. "/embed/"

-- Runs an example in a folder where its script is another.
local function with_script(example, text)
    local folder = shell.folder()
    must("mkdir -p " .. quote(folder .. "/scripts/embed"))
    if text then
        shell.write(folder .. "/scripts/embed/" .. example .. ".lua", text)
    end
    local output, status = shell.run(("cd %s && timeout " .. helpers.within(60) .. " %s"):format(
        quote(folder), quote(examples .. example)))
    must("rm -rf " .. quote(folder))
    return output, status
end

-- The output when the function that no_lua calls has this body.
local function with_body(body)
    return with_script("no_lua", "function divisors(what, n)\n" .. body .. "\nend\n")
end

describe("an application with a Lua state", function()
    it("gives its scripts the pool, and workers its C functions", function()
        local output = must(quote(examples .. "own_state"))
        assert.equal("alpha\t41910\nbeta\t13156\ngamma\t59840\ndelta\t38418\n", output)
    end)

    it("gets what its script raises", function()
        local output, status = with_script("own_state",
            "pool.map(function(x) error('no ' .. x, 0) end, {'luck'})")
        assert.equal(1, status)
        assert.truthy(output:find("no luck", 1, true), output)
    end)

    it("has the modules as globals and by require", function()
        local output = with_script("own_state", [[
            assert(require "luas".pool == pool and require "luas".process == process)
            assert(process.spawn(function() return 42 end):result() == 42)
            print(pool.apply(function() return checksum "x" end))]])
        assert.equal("120\n", output)
    end)

    it("leaves no worker behind when its state is closed", function()
        local output = with_script("own_state", [[
            for _, pid in ipairs(pool.map(function()
                local stat <close> = io.open "/proc/self/stat"
                return stat:read "n"
            end, {1, 2, 3, 4})) do print(pid) end]])
        local pids = 0
        for pid in output:gmatch("%d+") do
            pids = pids + 1
            assert.is_nil(io.open("/proc/" .. pid .. "/stat"))
        end
        assert.equal(4, pids)
    end)
end)

describe("an application without Lua", function()
    it("takes outcomes from its own loop", function()
        assert.equal([[
call 1: the number 10, 4
call 2: the number 11, 2
call 3: the number 12, 6
call 4: unlucky: 13
]], must(quote(examples .. "no_lua")))
    end)

    it("hears that its script is not there", function()
        local output, status = with_script("no_lua", nil)
        assert.equal(1, status)
        assert.truthy(output:find("No such file or directory: .*no_lua%.lua"), output)
    end)

    it("hears that its script does not compile", function()
        local output, status = with_script("no_lua", "function divisors( end")
        assert.equal(1, status)
        assert.truthy(output:find("the script does not compile: .*no_lua%.lua:1: .*near 'end'"), output)
    end)

    it("hears that its script raises", function()
        local output, status = with_script("no_lua", "error 'no database'")
        assert.equal(1, status)
        assert.truthy(output:find("workers cannot start: .*no_lua%.lua:1: no database"), output)
    end)

    it("hears of crashes, and the other calls go on", function()
        local output = with_body("if n == 11 then os.exit(3) end return what, n")
        assert.truthy(output:find("call 1: the number, 10\n", 1, true), output)
        assert.truthy(output:find("call 2: its worker exited with status 3\n", 1, true), output)
        assert.truthy(output:find("call 4: the number, 13\n", 1, true), output)
    end)

    it("is told when a function is missing", function()
        local output = with_script("no_lua", "function other() end")
        assert.truthy(output:find("call 1: .*divisors"), output)
    end)
end)

describe("the library", function()
    it("prints nothing of its own", function()
        local output = with_body("if n == 11 then os.exit(3) end if n == 12 then error 'x' end return what, n")
        local lines = 0
        for line in output:gmatch("[^\n]+") do
            lines = lines + 1
            assert.truthy(line:find("^call %d: "), output)
        end
        assert.equal(4, lines)
    end)
end)
