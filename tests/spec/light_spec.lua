-- Light userdata, which libraries use as marks: it arrives as the same pointer wherever that is one.

local helpers = require("tests.support.helpers")
local shell = require("tests.support.shell")

local folder

-- Before each script. `each(body)` calls body with light userdata of each kind and its name.
local BEFORE = [[
    package.cpath = "FOLDER/?.so;" .. package.cpath
    pool.apply(function() end) -- so the workers are older than the library
    local light = require "light"
    local function each(body)
        for name, v in pairs { null = light.null, mark = light.mark, hidden = light.hidden(),
                               one = light.number(1), cell = debug.upvalueid(each_kind, 1) } do
            local ok, message = pcall(body, v, name)
            if not ok then print(name, message) end
        end
    end
]]

local function output(text, by)
    text = "local light; local function each_kind() return light end " .. BEFORE .. text
    return helpers.output((text:gsub("FOLDER", folder)), by)
end

describe("light userdata", function()
    setup(function()
        folder = shell.folder()
        shell.must(("cc -shared -fPIC -o %s/light.so tests/support/light.c $(pkg-config --cflags lua5.4)")
            :format(folder))
        for _, name in ipairs { "second", "third" } do
            shell.must(("cp %s/light.so %s/%s.so"):format(folder, folder, name))
        end
    end)

    teardown(function() shell.must("rm -r " .. folder) end)

    it("comes to tasks and back, by every way", function()
        helpers.each_interpreter(function(by)
            assert.are.equal("done\n", output([[
                each(function(v)
                    local function id(x) return x end
                    assert(pool.apply(id, v) == v and pool.map(id, { 1, v })[2] == v, "argument")
                    assert(pool.apply(function(x) return x == v and v end, v) == v, "upvalue")
                    local n = 0
                    local function source() n = n + 1 return n < 3 and v or nil end
                    assert(pool.map(id, source)[2] == v, "source")
                    local t = pool.apply(function(t) assert(t[v][1] == v) return { [v] = { t[v][1], v } } end, { [v] = { v } })
                    assert(t[v][1] == v and t[v][2] == v, "key")
                    local _, o = pcall(pool.apply, function() error(v) end)
                    assert(o.value == v, "raised")
                    assert(pool.with { carry = "inherit" }:apply(id, v) == v, "inherited")
                end)
                print "done" ]], by))
        end)
    end)

    it("comes through queues, tables and pipes", function()
        assert.are.equal("done\n", output [[
            each(function(v)
                local q, t, a, b = shared.queue(), shared.table(), process.pipe()
                q:put { v, [v] = v }
                local item = q:get()
                t:set("key", v)
                a:send(v, { v })
                local one, list = b:recv()
                assert(item[1] == v and item[v] == v and t:get "key" == v and one == v and list[1] == v)
                local p = process.spawn(function() return q:get(), t:get "key", a:send(v) end)
                q:put(v)
                assert(b:recv() == v)
                local from_queue, from_table = p:result()
                assert(from_queue == v and from_table == v)
            end)
            print "done" ]])
    end)

    it("is shipped to workers that have its library, and no others", function()
        assert.are.equal("true false 1 0\n", output [[
            local p <close> = pool.new(1)
            local function second() return package.loadlib("FOLDER/second.so", "luaopen_light")() end
            local function third() return package.loadlib("FOLDER/third.so", "luaopen_light")() end
            local f = function(x) return tostring(x == third().hidden()) .. " " .. tostring(x == second().hidden()) end
            p:apply(function() second() third() end)
            local before = p:stats().forks
            third() -- where it lies at another address than in the worker
            local v = third().hidden()
            local answer = p:apply(f, v)
            print(answer .. " " .. p:stats().forks - before .. " " .. p:stats().carried.inherit) ]])
    end)

    it("of a library that only a worker has is refused with its place, unless a module has it", function()
        assert.are.equal("result 1, field \"x\"[2]: light userdata of a library that only this worker has\ntrue\n", output [[
            local _, o = pcall(pool.apply, function()
                return { x = { 1, package.loadlib("FOLDER/second.so", "luaopen_light")().hidden() } }
            end)
            print((tostring(o.message):match "(.*) cannot be sent"))
            package.preload.second = package.loadlib("FOLDER/second.so", "luaopen_light")
            local mark = pool.apply(function() return require "second".mark end)
            print(mark == require "second".mark) ]])
    end)

    it("goes into files by name, or not at all", function()
        local path = os.tmpname()
        os.remove(path)
        local refused = "[2].x: light userdata that no loaded module has cannot be sent to other programs"
        assert.are.equal("cell " .. refused .. "\nhidden " .. refused .. "\none " .. refused .. "\n", output((([[
            local t, lines = shared.table { file = "PATH" }, {}
            local saved = shared.table()
            each(function(v, name)
                saved:set(name, v)
                local ok, why = pcall(t.set, t, name, { 1, { x = v } })
                if not ok then lines[#lines + 1] = name .. " " .. why:match "this: (.*)" end
            end)
            saved:save "PATH.saved"
            table.sort(lines)
            for _, line in ipairs(lines) do print(line) end ]]):gsub("PATH", path))))
        local script = [[
            local t, saved = shared.table { file = "PATH" }, shared.table { file = "PATH.saved" }
            print(t:get("null")[2].x == light.null, t:get("mark")[2].x == light.mark, saved:get "mark" == light.mark,
                  saved:get "null" == light.null, pcall(saved.get, saved, "one")) ]]
        assert.matches("^true\ttrue\ttrue\ttrue\tfalse\t.*light userdata of another program\n$",
            output((script:gsub("PATH", path))))
        os.remove(path)
        os.remove(path .. ".saved")
    end)
end)
