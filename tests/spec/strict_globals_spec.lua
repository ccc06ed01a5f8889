-- Globals with a metatable, such as a strict mode: its functions see in a task what they see
-- in the script, the function that used the global right above them.

local helpers = require("tests.support.helpers")

-- What each kind of access says, from a function on line 3 or 4, in the script and in tasks.
local COMPARE = [[

local function reads() return missing end -- line 3
local function writes() missing = 1 end
local function message(f) return (select(2, pcall(f)):gsub("^task.-: ", "")) end
for _, f in ipairs { reads, writes } do
    local serial = message(f)
    assert(serial:find ":%d+: ", serial)
    for _, opts in ipairs { { workers = 0 }, { workers = 1, carry = "ship" }, { workers = 1, carry = "inherit" } } do
        local p <close> = pool.new(opts)
        local ok, o = pcall(p.apply, p, f)
        assert(not ok and o.message == serial, o.message .. " is not " .. serial)
    end
end
print "the same"]]

local modes = {
    ["that raises at level 2"] = [[setmetatable(_G, {
        __index = function(_, name) error("no " .. name, 2) end, __newindex = function(_, name) error("not " .. name, 2) end })]],
    ["that asks who called"] = [[setmetatable(_G, {
        __index = function(_, name) local i = debug.getinfo(2, "Sl") error(("x:%d: %s %s"):format(i.currentline, i.what, name), 0) end,
        __newindex = function(_, name) local i = debug.getinfo(2, "Sl") error(("x:%d: %s %s"):format(i.currentline, i.what, name), 0) end })]],
    ["behind other tables"] = [[setmetatable(_G, {
        __index = setmetatable({}, { __index = function(_, name) error("no " .. name, 2) end }),
        __newindex = setmetatable({}, { __newindex = function(_, name) error("not " .. name, 2) end }) })]],
}

helpers.each_interpreter(function(by)
    describe("a metatable of globals, under " .. by, function()
        for name, mode in pairs(modes) do
            it(name .. " is told the line", function()
                assert.are.equal("the same\n", helpers.output(mode:gsub("\n", " ") .. COMPARE, by))
            end)
        end

        it("gives and takes values as in the script", function()
            assert.are.equal("5\tnil\t7\n5\tnil\t7\n5\tnil\t7\n", helpers.output([[
                setmetatable(_G, { __index = setmetatable({}, { __index = { deep = 5 } }),
                    __newindex = function(t, name, value) rawset(t, name, value + 1) end })
                local function use() new = 6 return deep, none, new end
                for _, opts in ipairs { { workers = 1, carry = "ship" }, { workers = 1, carry = "inherit" }, { workers = 0 } } do
                    local p <close> = pool.new(opts)
                    print(p:apply(use))
                end]], by))
        end)

        it("that is called on misspelt names by its caller's kind notices them", function()
            assert.are.equal("false\nfalse\nfalse\n", helpers.output([[
                local function caller() local i = debug.getinfo(3, "S") return i and i.what or "C" end
                setmetatable(_G, { __index = function(t, name)
                    if caller() ~= "C" then error(name .. " is not declared", 2) end
                    return rawget(t, name)
                end })
                local function sum() return totl end
                print((pcall(sum)))
                print((pcall(pool.map, sum, { 1 }, { carry = "ship" })))
                print((pcall(pool.map, sum, { 1 }, { carry = "inherit" })))]], by))
        end)
    end)
end)
