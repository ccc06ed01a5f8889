-- `luas --selftest`: what it says of this machine, and what its exit status says.

local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local program = sh.quote(helpers.program)

-- What a command prints, stderr too, and its exit status.
local function run(options)
    local text = sh.run(("%s %s 2>&1; echo \"status $?\""):format(program, options))
    local out, status = text:match "^(.*)status (%d+)\n$"
    return out, tonumber(status)
end

describe("luas --selftest", function()
    it("brings about each outcome once, and shows three figures", function()
        local out, status = run "--selftest"
        assert.equal(0, status, out)
        for _, kind in ipairs { "value", "error", "timeout", "crash", "cancelled" } do
            assert.equal(1, select(2, out:gsub("\n  " .. kind .. " +a task ", "")), kind .. "\n" .. out)
        end
        assert.is_nil(out:find("FAILED", 1, true))
        for _, what in ipairs { "calls a second", "tasks a second", "MB a second come back" } do
            local figure = out:match("\n +([%d ]-%d) " .. what)
            assert.is_truthy(figure and math.tointeger(tonumber((figure:gsub(" ", "")))) > 0, what .. "\n" .. out)
        end
        assert.equal("All is well.\n", out:match "[^\n]*\n$")
    end)

    it("ends with status 1 if an outcome is not what it must be, and names it", function()
        -- A pool whose maps call another function.
        local out, status = run [[-e '
            local new = pool.new
            function pool.new(n)
                local p = new(n)
                local broken = { map_async = function(_, _, ...) return p:map_async(math.abs, ...) end }
                return setmetatable(broken, {
                    __index = function(_, name) return function(_, ...) return p[name](p, ...) end end,
                    __close = function() p:close() end,
                })
            end' --selftest]]
        assert.equal(1, status, out)
        assert.is_truthy(out:find("\n  error      FAILED: ", 1, true), out)
        assert.is_truthy(out:find("\n  crash      FAILED: ", 1, true), out)
        assert.is_truthy(out:find("it gave 2\n", 1, true), out)
        assert.is_truthy(out:find("\n  cancelled  a task that ", 1, true), out)
        assert.is_truthy(out:find("3 of 5 outcomes are not what they must be", 1, true), out)
        assert.is_nil(out:find("a second", 1, true))
    end)

    it("runs nothing else beside it", function()
        for _, rest in ipairs { "x.lua", "-p _", "-i" } do
            local out, status = run("--selftest " .. rest)
            assert.equal(2, status, rest)
            assert.is_truthy(out:find("'--selftest' runs nothing else", 1, true), out)
        end
    end)

    it("is ended by Ctrl-C, and leaves nobody behind", function()
        local out = sh.run(([[%s --selftest >/dev/null 2>&1 & host=$!; sleep 1; kill -INT $host; wait $host; echo status $?
            sleep 1; ps -o pid= --ppid $host | wc -l]]):format("env --default-signal=INT " .. program))
        assert.equal("status 130\n0\n", out)
    end)
end)
