-- What does the work is opened when a verb is called first; nobody need know.

local helpers = require "tests.support.helpers"

-- Runs a script of which nothing has been opened yet.
local function check(text, by)
    assert.are.equal("fine\n", helpers.output(text .. "\nprint 'fine'", by))
end

helpers.each_interpreter(function(by)
    describe("the modules under " .. by, function()
        it("are opened by the first call, and then all of them", function()
            check([[
                assert(not package.loaded["luas.core"] and not package.loaded["luas.pool"])
                assert(luas.version:find "^%d+%.%d+")
                pool.cpus()
                assert(package.loaded["luas.core"] and package.loaded["luas.pool"])
                local before = package.loaded["luas.process"]
                assert(before and process.current())
                assert(package.loaded["luas.process"] == before) ]], by)
        end)

        it("are plain tables of functions, before and after", function()
            check([[
                local function look()
                    for _, module in ipairs { pool, process, shared } do
                        assert(type(module) == "table")
                        assert(getmetatable(module) == nil or module == pool) -- for pool.task
                        assert(type(next(module)) == "string")
                        for name, verb in pairs(module) do
                            assert(type(name) == "string" and type(verb) == "function")
                        end
                    end
                    assert(rawget(pool, "map") and rawget(process, "spawn") and pool.nothing == nil)
                    return pool.map, pool.apply, process.spawn
                end
                local map, apply, spawn = look()
                assert(apply(math.abs, -1) == 1)
                local map_after, apply_after, spawn_after = look()
                assert(map == map_after and apply == apply_after and spawn == spawn_after)
                assert(require "luas" == luas and luas.pool == pool and luas.process == process) ]], by)
        end)

        it("have the verbs that there are, and no others", function()
            check([[
                pool.cpus()
                local behind_all = { pool = require "luas.pool", process = require "luas.process",
                    shared = require "luas.core".shared }
                for called, behind in pairs(behind_all) do
                    local module = luas[called]
                    for name in pairs(behind) do assert(module[name], called .. " lacks " .. name) end
                    for name in pairs(module) do assert(behind[name], name .. " in " .. called) end
                end ]], by)
        end)

        it("have a field for the task that runs, also where none was called before", function()
            check([[
                assert(pool.task == nil and rawget(pool, "task") == nil)
                local function here() return pool.task and pool.task.index, pool.task and pool.task.worker end
                local index, worker = pool.apply(here)
                assert(index == 1 and worker == 1)
                assert(pool.task == nil)
                index, worker = pool.new { workers = 0 }:apply(here)
                assert(index == 1 and worker == 0 and pool.task == nil)
                assert(process.spawn(function() return pool.task == nil end):result())
                for name in pairs(pool) do assert(name ~= "task") end ]], by)
        end)

        it("say that they want a dot, at the first call, too", function()
            check([[
                local function refusal(f) return select(2, pcall(f)):match ": (.*)" end
                local why = " is a function of the module: write "
                assert(refusal(function() pool:map(print, {}) end)
                    == "'map'" .. why .. "pool.map(...) with a dot")
                assert(refusal(function() process:spawn(print) end)
                    == "'spawn'" .. why .. "process.spawn(...) with a dot")
                assert(refusal(function() luas.shared:queue() end)
                    == "'queue'" .. why .. "shared.queue(...) with a dot") ]], by)
        end)

        it("name the line that called, at the first call, too", function()
            assert.are.equal("SCRIPT:2: bad argument #2 to 'map' (table or function expected, got no value)\n",
                helpers.output("\nprint(select(2, pcall(function() pool.map(print) end)))", by))
        end)

        it("open where a program has all globals declared", function()
            check([[
                setmetatable(_G, {
                    __index = function(_, name) error("undeclared " .. name, 2) end,
                    __newindex = function(_, name) error("undeclared " .. name, 2) end })
                assert(pool.map(function(x) return x * x end, { 3 })[1] == 9)
                assert(process.spawn(math.abs, -3):result() == 3) ]], by)
        end)

        it("open whatever scripts have done to the standard library", function()
            check([[
                local assert, pairs, print, rawset = assert, pairs, print, rawset
                local libraries = { package.loaded, package.preload, package.searchers, io, os,
                    debug, coroutine, utf8, math, table }
                for _, library in pairs(libraries) do
                    for name in pairs(library) do rawset(library, name, nil) end
                end
                local globals = _G
                for name in pairs(globals) do rawset(globals, name, nil) end
                globals.print = print
                assert(pool.map(function(x) return x * x end, { 3 })[1] == 9)
                assert(pool.reduce(function(x) return x end, { 1, 2, 3 }, function(a, b) return a + b end) == 6)
                assert(process.spawn(function(x) return x + 1 end, 2):result() == 3)
                local queue = luas.shared.queue(2)
                pool.each(function(x) queue:put(x) end, { 7 })
                assert(queue:get() == 7) ]], by)
        end)

        it("know what is standard though scripts have replaced it before", function()
            check([[
                local original = print
                function print(...) original("mine", ...) end
                math.max = function() return "mine" end
                local min = math.min
                math.min = nil
                local same, here, gone = pool.apply(function(f) return f, math.max(1, 2), min(4, 5) end, original)
                assert(same == original and here == "mine" and gone == 4)
                print = original ]], by)
        end)

        it("open again after an error on the way", function()
            check([[
                local failures = 0
                for count = 20, 40000, 997 do
                    debug.sethook(function() debug.sethook() error("stopped", 0) end, "", count)
                    local ok, message = pcall(pool.map, math.abs, { -1 })
                    debug.sethook()
                    assert(ok or message == "stopped", message)
                    failures = failures + (ok and 0 or 1)
                end
                assert(failures > 0)
                assert(pool.map(math.abs, { -1 })[1] == 1)
                assert(process.spawn(math.abs, -1):result() == 1) ]], by)
        end)

        it("open in a coroutine", function()
            check([[
                local co = coroutine.wrap(function()
                    coroutine.yield(pool.apply(math.abs, -1))
                    for i, x in pool.imap(math.abs, { -2, -3 }) do coroutine.yield(x) end
                end)
                assert(co() == 1 and co() == 2 and co() == 3) ]], by)
        end)

        it("have functions that travel by name", function()
            check([[
                local map, pipe = pool.map, process.pipe
                local results = table.pack(pool.apply(function(...) return map, pipe, pool, process, ... end, map, pool))
                assert(results[1] == map and results[2] == pipe and results[3] == pool)
                assert(results[4] == process and results[5] == map and results[6] == pool)
                assert(pool.stats().carried.ship == 1)
                assert(pool.apply(function() return map(math.abs, { -7 })[1] end) == 7) ]], by)
        end)

        it("do not make workers anew when the other one is used first", function()
            check([[
                local p = pool.new(1)
                p:map(math.abs, { 1 })
                assert(process.spawn(math.abs, -1):result() == 1)
                local named = p:apply(function() return require "luas".process.current().name end)
                assert(named:find "^worker", named)
                assert(p:stats().forks == 1, p:stats().forks) ]], by)
        end)
    end)
end)

-- A module's globals are a table of its own, which would go with the function.
it("what reduce sends to workers has no globals", function()
    check([[
        local reduce = require "luas.reduce"
        local function search(f)
            for i = 1, debug.getinfo(f, "u").nups do
                local name, value = debug.getupvalue(f, i)
                assert(name ~= "_ENV")
                if type(value) == "function" and value ~= debug.traceback and debug.getinfo(value, "S").what ~= "C" then
                    search(value)
                end
            end
        end
        for size = 1, 2 do search(reduce.task(math.abs, math.max, size)) end ]])
end)

describe("the prompt", function()
    it("completes the verbs before one was called", function()
        assert.are.equal("map map_async map_pairs\nspawn\nfalse\n", (helpers.output([[
            local complete = require "luas.complete"
            _G.pool, _G.process = pool, process
            print(table.concat(complete.candidates("pool.ma"), " "))
            print(table.concat(complete.candidates("process.sp"), " "))
            print(package.loaded["luas.pool"] ~= nil) ]])))
    end)
end)
