-- pool.new{start = "zygote"}: workers are forked from a process that keeps the script as it was.

local pool = require "luas".pool

local shell = require "tests.support.shell"

local function zygote(more)
    local options = { workers = 1, start = "zygote" }
    for name, value in pairs(more or {}) do options[name] = value end
    return pool.new(options)
end

local function parent_of_worker()
    local stat <close> = io.open "/proc/self/stat"
    return tonumber(stat:read("a"):match "%) . (%d+)")
end

local function host()
    local stat <close> = io.open "/proc/self/stat"
    return stat:read "n"
end

describe("a pool with a zygote", function()
    it("has workers that are children of the script", function()
        local p <close> = zygote { workers = 2 }
        assert.same({ 1, 4, 9 }, p:map(function(x) return x * x end, { 1, 2, 3 }))
        assert.equal(host(), p:apply(parent_of_worker))
    end)

    it("forks workers as the script was when it was opened, also later ones", function()
        _G.zygote_test = "before"
        local p <close> = zygote()
        _G.zygote_test = "after"
        local function look() return load "return zygote_test" () end
        assert.equal("before", p:apply(look))
        assert.has_error(function() p:apply(function() os.exit(3) end) end)
        assert.equal("before", p:apply(look))
        _G.zygote_test = nil
    end)

    it("sends tasks what they refer to as it is at the call", function()
        local p <close> = zygote()
        local t = { n = 1 }
        local f = function() return t.n end
        assert.equal(1, p:apply(f))
        t.n = 2
        assert.equal(2, p:apply(f))
        local many = {}
        for i = 1, 20000 do many[i] = i end
        assert.equal(20000, #p:map(function(x) return x end, many))
    end)

    it("runs init and exit in each worker", function()
        local file = os.tmpname()
        local p = zygote { init = function() _G.made = 5 end, exit = function()
            local f <close> = io.open(file, "a")
            f:write "x"
        end }
        assert.equal(5, p:apply(function() return load "return made" () end))
        p:close()
        p:join()
        local f <close> = io.open(file)
        assert.equal("x", f:read "a")
        os.remove(file)
    end)

    it("refuses what only a fork could take along, by its name", function()
        local p <close> = zygote()
        local thread = coroutine.create(print)
        for _, verb in ipairs { "apply", "map", "apply_async", "imap" } do
            local ok, message = pcall(p[verb], p, function() return thread end, verb:find "map" and { 1 } or nil)
            assert.falsy(ok)
            assert.truthy(message:find("cannot ship the function: .*thread"), message)
        end
        assert.has_error(function() p:map(function(x) return x end, { thread }) end)
        local ok, message = pcall(p.map, p, function(x) return x end, { 1 }, { carry = "inherit" })
        assert.falsy(ok)
        assert.truthy(message:find('inherit nothing', 1, true), message)
        assert.equal(7, p:apply(function() return 7 end))
    end)

    it("goes on when the zygote is killed", function()
        local p <close> = zygote { workers = 1 }
        local me = host()
        assert.equal(1, p:apply(function() return 1 end))
        for pid in io.popen("cd /proc && echo [0-9]*"):read("a"):gmatch "%d+" do
            local f = io.open("/proc/" .. pid .. "/stat")
            local line = f and f:read "a" or ""
            if f then f:close() end
            if tonumber(line:match "%) . (%d+)") == me then os.execute("kill -9 " .. pid .. " 2>/dev/null") end
        end
        local ok = pcall(p.apply, p, function() return 1 end)
        assert.equal(2, p:apply(function() return 2 end))
        assert.equal(3, p:apply(function() return ok and 3 or 3 end))
    end)

    it("is no other without workers", function()
        local p <close> = zygote { workers = 0 }
        local thread = coroutine.create(print)
        assert.equal("thread", p:apply(function() return type(thread) end))
    end)
end)

it("a zygote leaves nothing behind", function()
    local output = shell.must(([[%s -e '
        local p = pool.new{workers = 2, start = "zygote"}
        print(p:apply(function() return 1 end))']]):format(os.getenv "LUAS" or "build/luas"))
    assert.equal("1\n", output)
end)
