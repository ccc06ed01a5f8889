-- The reference and the code say the same: each function, method, option and field is in both.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

package.path = "scripts/reference/?.lua;" .. package.path
local annotations = require "annotations"
local functions, classes = annotations.read "scripts/reference/luas.lua"

-- The words, one a line, that a script prints, sorted.
local function words(text, by)
    local list = {}
    for word in helpers.output(text, by):gmatch "%S+" do list[#list + 1] = word end
    table.sort(list)
    return list
end

local function names_of(prefix)
    local list = {}
    for _, entry in ipairs(functions) do
        if entry.name:sub(1, #prefix) == prefix then list[#list + 1] = entry.name:sub(#prefix + 1) end
    end
    table.sort(list)
    return list
end

local function fields_of(class, parent)
    local list, seen = {}, {}
    for _, name in ipairs { class, parent } do
        for _, field in ipairs(classes[name].fields) do
            if not seen[field.name] then list[#list + 1], seen[field.name] = field.name, true end
        end
    end
    table.sort(list)
    return list
end

describe("the reference", function()
    it("is as its sources say", function()
        local output, status = shell.run "lua5.4 scripts/reference/generate --check"
        assert.are.equal("", output)
        assert.are.equal(0, status)
    end)

    for _, module in ipairs { "pool", "process", "shared" } do
        it("has all functions of " .. module, function()
            assert.are.same(words(("for name in pairs(%s) do print(name) end"):format(module)), names_of(module .. "."))
        end)
    end

    it("has all options", function()
        local print_names = 'pool.cpus() for name in pairs(require "luas.options".%s) do print(name) end'
        assert.are.same(words(print_names:format "job"), fields_of "luas.joboptions")
        assert.are.same(words(print_names:format "pool"), fields_of("luas.pooloptions", "luas.joboptions"))
    end)

    it("has the fields of options that are tables", function()
        local values = { n = "1", on = '"any"', delay = "1", factor = "2", max = "3", rate = "1", key = "print", now = "true",
            path = '"x"', resume = "true", on_change = '"keep"', values = "true", depends = "print", ignore = "{}",
            explain = "true" }
        for option, class in pairs { retries = "luas.retries", limit = "luas.limit", halt = "luas.halt" } do
            for _, field in ipairs(classes[class].fields) do
                local with_n = field.name == "n" and "" or "n = 1, "
                helpers.output(("pool.with { %s = { %s%s = %s } }"):format(option, with_n, field.name, values[field.name]))
            end
            assert.matches("must be", helpers.run(("pool.with { %s = { n = 1, nothing = 1 } }"):format(option)))
        end
        local output = helpers.run 'pool.with { journal = { path = "x", nothing = 1 } }'
        for _, field in ipairs(classes["luas.journaloption"].fields) do
            assert.truthy(output:find(field.name .. " = ", 1, true), field.name .. " in " .. output)
        end
    end)

    -- An expression for an object, by the prefix of its methods.
    local objects = { ["pool."] = "pool.new(0)", ["future:"] = "pool.apply_async(math.abs, 1)", ["p:"] = "process.spawn(math.abs, 1)",
        ["pipe:"] = "(process.pipe())", ["q:"] = "shared.queue()", ["l:"] = "shared.lock()", ["s:"] = "shared.semaphore(1)",
        ["e:"] = "shared.event()", ["c:"] = "shared.condition()", ["b:"] = "shared.barrier(1)", ["v:"] = 'shared.value "i8"',
        ["a:"] = 'shared.array("i8", 1)', ["t:"] = "shared.table()" }

    for prefix, object in pairs(objects) do
        it("has all methods of " .. object, function()
            local there = {}
            for name in helpers.output(([[
                local object = %s
                local index = getmetatable(object).__index
                if type(index) == "table" then
                    for name, method in pairs(index) do
                        if type(method) == "function" and not name:find "^_" then print(name) end
                    end
                end
                for name in ("%s"):gmatch "%%S+" do if not object[name] then print("no " .. name) end end
            ]]):format(object, prefix == "pool." and "map" or table.concat(names_of(prefix), " "))):gmatch "[^\n]+" do
                there[#there + 1] = name
            end
            local documented = {}
            for _, name in ipairs(names_of(prefix)) do documented[name] = true end
            for _, name in ipairs(there) do assert.truthy(documented[name], name) end
        end)
    end

    it("has all fields of outcomes", function()
        local seen = words [[
            local function see(o) for name in pairs(o) do print(name) end end
            local function fail(x) if x == 2 then os.exit(3) elseif x == 3 then while true do end end error { code = x } end
            local p = pool.new { workers = 2, output = "capture", memory = "64M", name = "calc" }
            local _, _, failures = p:map(fail, { 1, 2, 3, 4 }, { on_error = "collect", timeout = 0.5, halt = 3 })
            for _, o in pairs(failures) do see(o) end
            see(select(2, pcall(p.apply, p, function() os.execute "kill -9 $PPID" end)))
            see(select(2, pcall(p.map, p, print, function() error "source" end)))
            see(select(2, pcall(p.reduce, p, math.abs, function() error "source" end, math.max)))
            local slow = pool.apply_async(os.execute, "sleep 0.5")
            see(select(2, pcall(slow.get, slow, 0.01)))
            see(select(2, pcall(function() process.spawn(error, "x"):result() end)))
            local q = pool.new { workers = 1, init = function() error "no" end }
            see(select(2, pcall(q.apply, q, print)))
            local path = os.tmpname() io.open(path, "w"):write("a\n"):close()
            see(select(2, pcall(p.map, p, error, pool.lines(path))))
            see(select(2, pcall(p.map, p, error, pool.blocks(path))))
            os.remove(path)
        ]]
        local documented = {}
        for _, name in ipairs(fields_of "luas.outcome") do documented[name] = true end
        for _, name in ipairs(seen) do assert.truthy(documented[name] or name == "", name) end
    end)

    it("has no field of an outcome that the code does not know", function()
        local code = shell.must "cat lua/luas/*.lua core/host/*.c core/worker/*.c"
        code = code:gsub(shell.read "lua/luas/help_texts.lua":gsub("%p", "%%%0"), "")
        for _, name in ipairs(fields_of "luas.outcome") do
            assert.truthy(code:find('"' .. name .. '"', 1, true) or code:find("%." .. name .. " = ")
                or code:find("[{, ]" .. name .. " = "), name)
        end
    end)

    for _, entry in ipairs(functions) do
        if entry.example then
            it("has an example of " .. entry.name .. " that does what it says", function()
                local expected = {}
                for line in entry.example:gmatch "%-%-> ?([^\n]*)\n" do expected[#expected + 1] = line .. "\n" end
                local folder = shell.folder()
                assert.are.equal(table.concat(expected), helpers.run(entry.example, { before = "cd " .. folder .. "; " }))
                shell.must("rm -r " .. folder)
            end)
        end
    end

    it("has an example of each verb", function()
        for _, entry in ipairs(functions) do
            local takes_function = entry.name:find "^pool%." and entry.params[1] and entry.params[1].name == "f"
            if takes_function then assert.truthy(entry.example, entry.name) end
        end
    end)
end)

describe("luas --help NAME", function()
    local program = shell.quote(helpers.program)

    it("says what the reference has on functions, methods and options", function()
        for name, text in pairs { map = "pool.map(f, items [, opts])", ["pool.map"] = "pool.map(f, items", timeout = "an option of a job",
            workers = "an option of a pool", ["future:get"] = "future:get([seconds])", shared = "shared.queue" } do
            local output, status = shell.run(program .. " --help " .. name)
            assert.truthy(output:find(text, 1, true), output)
            assert.are.equal(0, status)
        end
    end)

    it("says what the fields of an option are", function()
        local output = shell.run(program .. " --help retries")
        for _, field in ipairs(classes["luas.retries"].fields) do assert.matches("\n  " .. field.name .. " %(", output) end
        assert.not_matches("see below", output)
    end)

    it("says that there is nothing on a name", function()
        local output, status = shell.run(program .. " --help nothing")
        assert.matches("no help on 'nothing'", output)
        assert.are.equal(2, status)
    end)
end)
