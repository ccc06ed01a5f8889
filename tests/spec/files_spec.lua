-- What tasks write to files that they keep open is there, however their worker ends.

local luas = require("luas")
local pool = luas.pool
local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

-- The lines of all files in a folder.
local function count(folder)
    return select(2, sh.must("cat " .. folder .. "/* 2>/dev/null || true"):gsub("\n", ""))
end

-- Runs a script that has `dir`, a folder, and `write`, a task that writes a line to a file which
-- its worker keeps open: how many lines there are in the end, and the status.
local function lines(text, by)
    local dir <const> = sh.folder()
    local output, status = helpers.run(([[
        local dir = %q
        local function write(i)
            log = log or io.open(dir .. "/" .. pool.task.worker, "a")
            log:write(i, "\n")
            return i
        end
        local me = process.current().pid
        ]]):format(dir) .. text, { by = by, seconds = 20 })
    for _ = 1, helpers.within(100) do -- who was killed cannot wait for its workers
        if count(dir) >= 8 then break end
        helpers.sleep(0.02)
    end
    local n = count(dir)
    sh.must("rm -r " .. dir)
    return n, status, output
end

local EIGHT <const> = "local p = pool.new(2) p:map(write, { 1, 2, 3, 4, 5, 6, 7, 8 }) "

local ends = {
    ["with an end of the script"] = { EIGHT, 0 },
    ["with an error"] = { EIGHT .. "error 'so'", 1 },
    ["with os.exit"] = { EIGHT .. "os.exit(3)", 3 },
    ["with os.exit that closes"] = { EIGHT .. "os.exit(3, true)", 3 },
    ["with a host that is killed"] = { EIGHT .. "os.execute('kill -9 ' .. me) os.execute 'sleep 5'", 137 },
    ["with a pool that was forgotten"] = { EIGHT .. "p = nil collectgarbage() collectgarbage() os.exit(0)", 0 },
    ["with a pool of used up workers"] = { [[
        local p = pool.new { workers = 2, max_tasks = 2 }
        p:map(write, { 1, 2, 3, 4, 5, 6, 7, 8 }, { chunk = 1 })
        os.exit(0)]], 0 },
    ["with a pool of large workers"] = { [[
        local p = pool.new { workers = 1, max_memory = "1M" }
        for i = 1, 8 do
            p:apply(function() write(i) kept = ("x"):rep(4 << 20) end)
        end
        os.exit(0)]], 0 },
    ["with a smaller pool"] = { EIGHT .. "p:resize(1) p:step(0.05) os.exit(0)", 0 },
    ["with a job that is inherited"] = { [[
        local held = io.stdin:lines()
        local p = pool.new(2)
        p:map(function(i) return held and write(i) end, { 1, 2, 3, 4, 5, 6, 7, 8 }, { carry = "inherit" })
        p:map(function(i) return i end, { 1, 2 })
        os.exit(0)]], 0 },
    ["with a call that raises while others run"] = { EIGHT .. [[
        p:map(function(i)
            log = log or io.open(dir .. "/" .. pool.task.worker, "a")
            if i == 1 then error "so" end
            while true do end
        end, { 1, 2 }, { chunk = 1 })]], 1 },
}

for name, how in pairs(ends) do
    describe("what successful tasks wrote to files " .. name, function()
        helpers.each_interpreter(function(by)
            it("is there under " .. by, function()
                local n, status, output = lines(how[1], by)
                assert.are.same({ 8, how[2] }, { n, status }, output)
            end)
        end)
    end)
end

describe("a log of the script's that tasks write to", function()
    for _, carry in ipairs { "apply", "map", "each" } do
        it("has all of it when " .. carry .. " returns", function()
            local path = os.tmpname()
            local log <close> = assert(io.open(path, "a"))
            local p <close> = pool.new(2)
            local function write(i) log:write(i, "\n") end
            if carry == "apply" then
                for i = 1, 6 do p:apply(write, i) end
            else
                p[carry](p, write, { 1, 2, 3, 4, 5, 6 }, { chunk = 1 })
            end
            assert.are.equal(6, select(2, sh.read(path):gsub("\n", "")))
            os.remove(path)
        end)
    end
end)

describe("a task that runs as the host is gone", function()
    it("ends, with what it has started, and what was written is there", function()
        local marker, pattern = helpers.sleep_marker()
        local n, status = lines(EIGHT .. ([[
            p:map_async(function() pcall(os.execute, "sleep %s") while true do pcall(error) end end, { 1, 2 })
            os.execute "sleep 0.1"
            os.execute("kill -9 " .. me)
            os.execute "sleep 5" ]]):format(marker))
        -- They are killed after half a second, in which a sanitized worker may not come to an end.
        assert.are.same({ helpers.sanitized and n or 8, 137 }, { n, status })
        for _ = 1, helpers.within(100) do
            if select(2, sh.run(("pgrep -f '%s'"):format(pattern))) == 1 then break end
            helpers.sleep(0.02)
        end
        assert.are.equal("", (sh.run(("pgrep -f '%s'"):format(pattern))))
    end)
end)
