-- Ctrl-C is never taken for something else: wherever the library catches errors for
-- reasons of its own, what a signal raised goes on. A second Ctrl-C ends what catches it.

local helpers = require("tests.support.helpers")
local sh = require("tests.support.shell")

-- `hit` has Ctrl-C come while it runs; it ends by nothing else.
local HIT <const> = [[
    local function hit()
        os.execute "(sleep 0.05; kill -INT $PPID) &"
        while true do end
    end
    local function one() return 1 end
    local Packs = { __luas_pack = function() hit() end, __luas_unpack = one }
    local host = require "luas.core".pid()
    local Unpacks = { __luas_pack = one }
    local hits = 0 -- what else was read by then is given with what is raised
    function Unpacks.__luas_unpack()
        if require "luas.core".pid() == host then
            hits = hits + 1
            if hits == 1 then hit() end
        end
        return setmetatable({}, Unpacks)
    end
    local Says = { __tostring = function() hit() end }
    local packs, unpacks = setmetatable({}, Packs), setmetatable({}, Unpacks)
    local says = setmetatable({}, Says)
    local p = pool.new(%d)
]]

local PLACES <const> = {
    ["__luas_pack of an argument"] = "p:apply(one, packs)",
    ["__luas_pack of an item"] = "p:map(one, { 1, packs })",
    ["__luas_pack of what a source gives"] = "p:map(one, (function() return packs end), { window = 4 })",
    ["__luas_pack of an upvalue"] = "p:apply(function() return packs end)",
    ["__luas_pack of a message"] = "local a = process.pipe() a:send(packs)",
    ["__luas_pack of a shared item"] = "shared.queue():put(packs)",
    ["__luas_unpack of a result"] = "p:apply(function() return unpacks end)",
    ["__luas_unpack of results"] = "p:map(function() return unpacks end, { 1, 2 }, { on_error = 'collect' })",
    ["__luas_unpack of what was raised"] = "p:map(function() error(unpacks) end, { 1 }, { on_error = 'collect' })",
    ["__luas_unpack of a future's"] = "p:apply_async(function() return unpacks end):wait()",
    ["tostring of a future"] = "local f = p:apply_async(function() return unpacks end) while not tostring(f):find 'zz' do os.execute 'sleep 0.1' pool.new(1):apply(one) p:step() end",
    ["a callback"] = "local f = p:apply_async(one) f:on_done(hit) f:wait()",
    ["progress"] = "p:map(one, { 1 }, { progress = hit })",
    ["progress of another job"] = "local f = p:map_async(one, { 1 }, { progress = hit }) p:map(one, { 1, 2 }) f:wait()",
    ["progress of a future"] = "local f = p:map_async(one, { 1, 2 }, { progress = hit }) f:wait()",
    ["a verb in a callback"] = "local f = p:apply_async(one) f:on_done(function() p:map(one, hit) end) f:wait()",
    ["a source"] = "p:map(one, hit)",
    ["combine"] = "p:reduce(one, { 1, 2, 3 }, hit)",
    ["__tostring within an outcome"] = "local _, _, f = p:map(function() error 'x' end, { says }, { on_error = 'collect' }) print(f[1])",
}

-- What the script does where everything is in the caller.
local INLINE <const> = {
    ["a task"] = "p:map(hit, { 1 }, { on_error = 'collect' })",
    ["a task that is timed"] = "p:map(hit, { 1 }, { on_error = 'collect', timeout = 60 })",
    ["a callback"] = "local f = p:apply_async(one) f:on_done(hit) f:wait()",
    ["combine"] = "p:reduce(one, { 1, 2, 3 }, function() hit() end, nil, { chunk = 3, on_error = 'collect' })",
    ["__luas_pack of a result"] = "p:map(function() return packs end, { 1 }, { on_error = 'collect' })",
    ["__tostring of what is raised"] = "p:map(function() error(says) end, { 1 }, { on_error = 'collect' })",
    ["init"] = "pool.new { workers = 0, init = hit }:map(one, { 1 }, { on_error = 'collect' })",
}

helpers.each_interpreter(function(by)
    local function check(places, workers)
        for name, text in pairs(places) do
            local output, status = helpers.run(HIT:format(workers) .. text .. " print 'swallowed'",
                { by = by, seconds = 10 })
            assert.is_truthy(output:find("interrupted!", 1, true), name .. ": " .. output)
            assert.is_nil(output:find("swallowed", 1, true), name .. ": " .. output)
            -- Under stock Lua what the end waits for may hit once more: that kills.
            assert.is_true(status == 130 or by ~= "luas" and status == 1, name .. ": " .. output)
        end
    end

    describe("under " .. by .. ", Ctrl-C", function()
        it("within what a script has the library call ends the script", function()
            check(PLACES, 1)
        end)

        it("within what runs in the caller ends the script", function()
            check(INLINE, 0)
        end)

        it("that is caught is an error, and has nothing inherited", function()
            local output = helpers.output(HIT:format(1) .. [[
                local ok, message = pcall(p.apply, p, one, packs)
                print(ok, message:match "interrupted!$", p:stats().carried.inherit, p:apply(one))
            ]], by)
            assert.are.equal("false\tinterrupted!\t0\t1\n", output)
        end)

        it("when it comes twice ends a loop that catches errors", function()
            for _, loop in ipairs {
                "while true do pcall(error) end",
                "while true do pcall(pool.map, function() while true do end end, { 1, 2 }) end",
                "while true do pcall(pool.map, one, { 1, 2 }) end",
                "pool.new(0):map(function() while true do pcall(error) end end, { 1 })",
                "pool.new(0):map(function() while true do pcall(pool.map, one, { 1 }) end end, { 1 }, { timeout = 60 })",
                "while true do local f = pool.apply_async(one) f:on_done(function() pcall(error) end) pcall(f.wait, f) end",
                "while true do xpcall(function() while true do end end, debug.traceback) end",
            } do
                local _, status = helpers.run([[
                    local function one() return 1 end
                    os.execute "(sleep 0.1; kill -INT $PPID; sleep 0.1; kill -INT $PPID) &"
                ]] .. loop, { by = by, seconds = 10 })
                assert.is_true(status ~= 137 and status ~= 0, loop .. ": " .. status)
            end
        end)
    end)
end)

-- It sends signals to programs that a plain interpreter can start.
if not helpers.sanitized then
    describe("Ctrl-C at a random moment", function()
        it("is not swallowed", function()
            local by = helpers.interpreters["lua5.4"]
            local output, status = sh.run(("LUAS=%s %s tests/fuzz/interrupts.lua 36"):format(sh.quote(helpers.program), by))
            assert.are.equal(0, status, output)
        end)
    end)
end
