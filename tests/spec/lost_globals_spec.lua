-- Each worker calls init first and exit last, however its job gets there. A global that only another
-- worker has, because a task or its init has set it, is missed where an inherited job reads it.

local helpers = require "tests.support.helpers"

local PRELUDE = [[
    local co = coroutine.create(print) -- cannot be sent
    local function inherited(f) return function(...) return co and f(...) end end
    local function message(ok, o) return ok and "no error, " .. tostring(o) or o.message end
]]

local function script(text) return PRELUDE .. text end

local MISSED = "^SCRIPT:%d+: global 'db' is missing: .* carry = \"ship\" .*\n"

helpers.each_interpreter(function(by)
    describe("under " .. by, function()
        it("all verbs and both ways call init first and exit last", function()
            assert.are.equal("ship: 11 ok, true\ninherit: 11 ok, true\n", helpers.output([[
                local co = coroutine.create(print)
                for _, carry in ipairs { "ship", "inherit" } do
                    local inits, exits = shared.value "i64", shared.value "i64"
                    local p = pool.new { workers = 2, carry = carry,
                        init = function() tag = "t" inits:add(1) end, exit = function() exits:add(1) end }
                    local f = function() return tag end
                    if carry == "inherit" then f = function() return co and tag end end
                    local function values(what) local t = {} for _, v in what do t[#t + 1] = v end return t end
                    local seen = { p:map(f, { 1, 2 })[2], p:starmap(f, { {} })[1], values(p:imap(f, { 1 }))[1],
                        values(p:imap_unordered(f, { 1 }))[1], p:reduce(f, { 1 }, f), p:apply(f), p:broadcast(f)[1],
                        p:apply_async(f):get(), p:map_async(f, { 1 }):get()[1], p:starmap_async(f, { {} }):get()[1],
                        p:each(function() assert(f() == "t") end, { 1 }) == 1 and "t" }
                    local n = 0
                    for i = 1, 11 do if seen[i] == "t" then n = n + 1 end end
                    p:close()
                    p:join()
                    print(("%s: %d ok, %s"):format(carry, n, inits:get() > 0 and inits:get() == exits:get()))
                end]], by))
        end)

        it("what a shipped task has set is missed by an inherited job, which says what to do", function()
            assert.matches(MISSED .. "nil\n$", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(function() db = { open = true } end)
                print(message(pcall(p.apply, p, inherited(function() return db.open end))))
                print(p:apply(function() return other end))]], by))
        end)

        it("so is what broadcast has set, in a map", function()
            assert.matches(MISSED, helpers.output(script [[
                local p <close> = pool.new(2)
                p:broadcast(function() db = { open = true } end)
                local _, _, failures = p:map(inherited(function() return db end), { 1, 2 }, { on_error = "collect" })
                print(failures[1].message)
                assert(failures[2])]], by))
        end)

        it("so is what a task has set that raised later", function()
            assert.matches(MISSED, helpers.output(script [[
                local p <close> = pool.new(1)
                pcall(p.apply, p, function() db = 1 error "later" end)
                print(message(pcall(p.apply, p, inherited(function() return db end))))]], by))
        end)

        it("so is what the init of another worker has set", function()
            assert.matches(MISSED, helpers.output(script [[
                local first = shared.value("i64")
                local p <close> = pool.new { workers = 1, init = function() if first:add(1) == 1 then db = 1 end end }
                assert(p:apply(function() return db end) == 1)
                print(message(pcall(p.apply, p, inherited(function() return db end))))]], by))
        end)

        it("so is what a task of another inherited job has set", function()
            assert.matches(MISSED, helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(inherited(function() _G.db = 1 end))
                print(message(pcall(p.apply, p, inherited(function() return db end))))]], by))
        end)

        it("carry = ship finds it", function()
            assert.are.equal("1\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(function() db = 1 end)
                print(p:with { carry = "ship" }:apply(function() return db end))]], by))
        end)

        it("what init sets in every worker is there", function()
            assert.are.equal("1\n", helpers.output(script [[
                local p <close> = pool.new { workers = 1, init = function() db = 1 end }
                p:apply(function() db = 1 end)
                print(p:apply(inherited(function() return db end)))]], by))
        end)

        it("what the script has set since is the script's", function()
            assert.are.equal("2\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(function() db = 1 end)
                db = 2
                print(p:apply(inherited(function() return db end)))]], by))
        end)

        it("a job that sets it itself where it is nil may read it", function()
            assert.are.equal("1\n1\n", helpers.output(script [[
                local p <close> = pool.new(1)
                local function use() if not db then db = 1 end return db end
                print(p:apply(use))
                print(p:apply(inherited(use)))]], by))
        end)

        it("other names are nil, and a metatable of the script's decides itself", function()
            assert.are.equal("nil\tfrom the script\n", helpers.output(script [[
                local p <close> = pool.new(1)
                p:apply(function() db = 1 end)
                local none = p:apply(inherited(function() return tostring(other) end))
                setmetatable(_G, { __index = function(_, name) return name == "db" and "from the script" or nil end })
                print(none, (p:apply(inherited(function() return db end))))]], by))
        end)
    end)
end)
