-- Graphs that change themselves while they are encoded and decoded: what arrives is
-- a right copy of a state that there was, or there is an error that says where.
--
-- Each change of a table gives it a revision, a number that no other state of any
-- table has. What arrives says by that which state it is a copy of; an object that
-- packed itself, by the number of the call. States are noted with names in place of
-- objects, for these have to be collected as soon as the graph has lost them.
--
-- What changes things is in this module, which both ends have: so it goes by name,
-- and what it knows of the graph does not travel.

local codec = codec
local random = math.random
local getclass, setclass = debug.getmetatable, debug.setmetatable

local M = {}

local HELD <const> = 10

-- What the other end gives for an object that nobody noted.
local UNKNOWN <const> = -1

local here          -- this module, under the name by which it travels
local nodes, classes, functions
local names         -- object -> its name; weak
local revision      -- the last
local states        -- revision -> {name =, class =, fields =}
local packings      -- number of a call -> {name =, values =}
local histories     -- name of a function -> for each upvalue the set of what it has been
local root, packing -- what is sent, and the object that is packing itself
local budget        -- changes that are left in this round
local pending       -- changes by finalizers, while another one is made; or nil
local spoiled       -- did a change fail half-way?
local nasty         -- does unpacking harm what it gets?
local kept          -- by such

local function pick(list)
    return list[random(#list)]
end

-- ---- what is noted ----

local function name_of(value)
    return names[value] or value
end

-- Of what there is only some is held: most is left to the collector once the graph has lost it.
local function add(list, value, kind)
    revision = revision + 1
    names[value] = kind .. " " .. revision
    list[#list < HELD and #list + 1 or random(#list)] = value
    return value
end

local function note(t)
    revision = revision + 1
    rawset(t, rawget(t, "rev") and "rev" or 1, revision)
    local fields = {}
    for key, value in next, t do fields[name_of(key)] = name_of(value) end
    states[revision] = { name = names[t], class = name_of(getclass(t)), fields = fields }
end

local function note_upvalues()
    for f, name in next, names do
        for i = 1, type(f) == "function" and 2 or 0 do
            local _, value = debug.getupvalue(f, i)
            histories[name][i][name_of(value)] = true
        end
    end
end

-- ---- the graph ----

local function new_node()
    local t = random(2) == 1 and { 0 } or { rev = 0 }
    for i = 1, random(0, 4) do t[t.rev and "k" .. i or i + 1] = i end
    add(nodes, t, "node")
    setclass(t, random(3) == 1 and pick(classes) or nil)
    note(t)
    return t
end

local function random_value()
    local kind = random(8)
    if kind == 1 then return new_node() end
    if kind <= 5 then return pick(nodes) end
    if kind == 6 and #functions > 0 then return pick(functions) end
    return random(1000)
end

local function random_key(t)
    local kind = random(6)
    if kind <= 2 then return "k" .. random(6) end
    if kind <= 4 then return random(2, 8) end
    if kind == 5 then return rawlen(t) + 2 end
    return random(10) == 1 and pick(nodes) or "long key " .. random(100)
end

local function new_function()
    local a, b, name = random_value(), random_value(), nil
    local function f() return a, b, name end
    name = names[add(functions, f, "function")]
    histories[name] = { { [name_of(a)] = true }, { [name_of(b)] = true } }
    return f
end

local function new_class()
    local class = add(classes, {}, "class")
    class.id = names[class]
    if random(3) > 1 then class.__luas_pack, class.__luas_unpack = here.pack, here.unpack end
    return class
end

-- ---- changes ----

local changes = {}

function changes.set(t)
    rawset(t, random_key(t), random_value())
end

function changes.remove(t)
    local key
    for _ = 1, random(4) do key = next(t, key) end
    if key ~= nil and key ~= "rev" then rawset(t, key, nil) end
end

function changes.clear(t)
    for key in next, t do
        if key ~= "rev" then rawset(t, key, nil) end
    end
    for i = 1, random(0, 40) do rawset(t, "new " .. i, i) end
end

function changes.append(t)
    for _ = 1, random(40) do rawset(t, rawlen(t) + 1, random_value()) end
end

function changes.shorten(t)
    for i = rawlen(t), 2, -1 do rawset(t, i, nil) end
end

function changes.shift(t)
    for i = 2, rawlen(t) do rawset(t, i, rawget(t, i + 1)) end
end

function changes.class(t)
    setclass(t, random(2) == 1 and pick(classes) or nil)
end

local class_changes = {
    function(class) class.__luas_pack = nil end,
    function(class) class.__luas_unpack = nil end,
    function(class) class.__luas_pack, class.__luas_unpack = here.pack, here.unpack end,
    function(class) class["field " .. random(30)] = random(9) end,
    function(class) class.other = pick(classes) end,
    function(class) setclass(class, random(3) == 1 and pick(classes) or nil) end,
}

local function change_class()
    pick(class_changes)(pick(classes))
end

local function change_function()
    if #functions < 3 then return new_function() end
    local f, g, i, k = pick(functions), pick(functions), random(2), random(2)
    if random(4) == 1 then
        debug.upvaluejoin(f, i, g, k)
        for value in next, histories[names[g]][k] do histories[names[f]][i][value] = true end
    else
        debug.setupvalue(f, i, (random_value()))
    end
    note_upvalues()
end

-- Preferably what is being written: on the way from the root to the object that packs itself.
local function pick_target()
    local t, kind = root, random(6)
    if kind <= 2 then return pick(nodes) end
    if kind == 3 and names[packing] then return packing end
    for _ = 1, random(0, 4) do
        for _, value in next, t do
            if names[value] and type(value) == "table" and random(3) == 1 then t = value end
        end
    end
    return t
end

local function change_node()
    local t = pick_target()
    pick({ changes.set, changes.set, changes.set, changes.remove, changes.clear, changes.append,
        changes.shorten, changes.shift, changes.class, changes.class })(t)
    note(t)
end

-- Other things that a class may do meanwhile.
local asides = {
    function() for _ = 1, random(10) do new_node() end end,
    function()
        setmetatable({}, { __gc = function()
            if pending then pending = pending + 1 else M.change(random(3)) end
        end })
    end,
    function() collectgarbage() end,
    function() collectgarbage("step", random(0, 100)) end,
    function() collectgarbage(random(2) == 1 and "generational" or "incremental") end,
    function() collectgarbage(random(2) == 1 and "stop" or "restart") end,
    function()
        local bytes = codec.bytes(pick(nodes), pick(nodes))
        if bytes and random(2) == 1 then codec.decode(bytes) end
    end,
    function()
        package.loaded["mutating " .. random(10)] = random(4) > 1 and { here.pack } or nil
    end,
    function() if M.job and random(3) == 1 then M.job(pick(nodes)) end end,
}

--- Changes something, so many times, as far as the round lets it.
---@param times integer
function M.change(times)
    for _ = 1, times do
        if budget <= 0 then return end
        budget = budget - 1
        local kind = random(20)
        if kind <= 4 then
            pick(asides)()
        else
            pending = 0 -- what a finalizer did now nobody could tell from this change
            local ok = pcall(kind == 5 and change_class or kind <= 7 and change_function or change_node)
            spoiled = spoiled or not ok -- "C stack overflow", say
            times, pending = pending, nil
            M.change(times)
        end
    end
end

-- ---- packing and unpacking ----

local failures = {
    function() error("on purpose", 0) end,
    function() error(setmetatable({}, { __tostring = function() error({}) end })) end,
    function() error(setmetatable({}, { __tostring = function() return {} end })) end,
    function() error(setmetatable({}, { __name = {} })) end,
    function() error() end,
    function() coroutine.yield() end,
    function() local function deeper() return deeper() + 1 end return deeper() end,
    function() return ("x"):rep(1 << 40) end,
}

local function packed_values(self)
    local kind = random(60)
    if kind == 1 then return self end
    if kind == 2 then return { self } end
    if kind <= 4 then return end
    if kind <= 6 then return table.unpack({}, 1, random(3000)) end
    if kind == 7 then pick(failures)() end
    local values = {}
    if kind <= 20 then -- what takes the place of what was freed
        collectgarbage()
        for i = 1, 20 do values[i] = new_node() end
        return table.unpack(values)
    end
    for i = 1, random(0, 4) do values[i] = random_value() end
    return table.unpack(values)
end

local function with_number(self, ...)
    local values = table.pack(...)
    for i = 1, values.n do values[i] = name_of(values[i]) end
    revision = revision + 1
    packings[revision] = { name = names[self], values = values }
    return revision, ...
end

--- A class's __luas_pack.
function M.pack(self)
    if not budget then return UNKNOWN end
    packing = self
    M.change(random(0, 5))
    return with_number(self, packed_values(self))
end

local harms = {
    function(victim) for key in next, victim do rawset(victim, key, nil) end end,
    function(victim) for i = 1, 100 do rawset(victim, i, i) end end,
    function(victim) setclass(victim, { __gc = function(t) rawset(t, 1, 1) end }) end,
    function(victim) setclass(victim, { __luas_pack = here.pack, __luas_unpack = here.unpack }) end,
    function(victim) setclass(victim, nil) end,
    function(victim) codec.bytes(victim) end,
    function(victim) rawset(victim, random(9), victim) end,
    function() kept = {} collectgarbage() end,
}

local function unpack_badly(...)
    local values = table.pack(...)
    local victim = values[random(values.n)]
    kept[random(20)] = values
    if type(victim) == "table" then
        pick(harms)(victim)
    elseif type(victim) == "function" then
        pcall(victim)
        debug.setupvalue(victim, random(2), kept)
    end
    local kind = random(20)
    if kind == 1 then return nil end
    if kind == 2 then return victim end
    if kind == 3 then return setmetatable({}, { __gc = function() end }) end
    if kind == 4 then return random(2) == 1 and 17 or tostring end
    if kind == 5 then pick(failures)() end
    return values
end

--- A class's __luas_unpack: `number` is that of the call of pack.
function M.unpack(number, ...)
    if nasty then return unpack_badly(number, ...) end
    return { unpacked = number, n = select("#", ...), ... }
end

-- ---- what arrived ----

local function wrong(where, format, ...)
    error(("%s: %s"):format(where, format:format(...)), 0)
end

local match

-- Raises unless the value is, or is a copy of, what has this name.
local function match_value(value, name, met, where)
    local is = value
    if type(value) == "table" or type(value) == "function" then is = match(value, met, where) end
    if is ~= UNKNOWN and (is ~= name or math.type(is) ~= math.type(name)) then
        wrong(where, "%s arrived as %s", name, is)
    end
end

local function match_fields(t, fields, met, where)
    local n = 0
    for key, value in next, t do
        local name = type(key) == "table" and match(key, met, where .. ", key") or key
        if name ~= UNKNOWN then
            if fields[name] == nil then wrong(where, "field %s is one too many", name) end
            match_value(value, fields[name], met, ("%s[%s]"):format(where, name))
        end
        n = n + 1
    end
    for _ in next, fields do n = n - 1 end
    if n ~= 0 then wrong(where, "%d fields more than there were", n) end
end

local function match_class(t, name, where)
    local class = getclass(t)
    local packing = class and packings[rawget(class, "unpacked")]
    local is = packing and packing.name or class and rawget(class, "id")
    if is ~= name and (class and class.unpacked) ~= UNKNOWN then
        wrong(where, "class %s arrived as %s", name, is)
    end
end

local function match_packed(t, packing, met, where)
    if t.n ~= packing.values.n then wrong(where, "%d packed values, not %d", t.n, packing.values.n) end
    for i = 1, t.n do match_value(t[i], packing.values[i], met, ("%s, packed %d"):format(where, i)) end
end

local function match_function(f, met, where)
    local _, name = debug.getupvalue(f, 3)
    met[f] = name
    for i = 1, 2 do
        local _, value = debug.getupvalue(f, i)
        local is = value
        if type(value) == "table" or type(value) == "function" then
            is = match(value, met, ("%s, upvalue %d"):format(where, i))
        end
        if is ~= UNKNOWN and not histories[name][i][is] then
            wrong(where, "upvalue %d was never %s", i, is)
        end
    end
    return name
end

-- The name of what the table or function is a copy of; raises unless it is a right one.
function match(value, met, where)
    if met[value] then return met[value] end
    if type(value) == "function" then return match_function(value, met, where) end
    if rawget(value, "unpacked") == UNKNOWN then return UNKNOWN end
    local packing = packings[rawget(value, "unpacked")]
    local state = packing or states[rawget(value, "rev") or rawget(value, 1)]
    if not state then wrong(where, "a copy of nothing arrived") end
    if met[state.name] then wrong(where, "%s arrived twice", state.name) end
    met[value], met[state.name] = state.name, true
    if packing then
        match_packed(value, packing, met, where)
    else
        match_class(value, state.class, where)
        match_fields(value, state.fields, met, where)
    end
    return state.name
end

local expected = {
    "__luas_pack: ", "__luas_unpack: ", "its class has __luas_pack but no __luas_unpack",
    "refers to an object that is still being packed", "a class has no __luas_unpack here",
    "__luas_unpack returned nil", "nil or NaN as a key", "nested too deeply",
    "changed while it was encoded", "is being packed for this job",
}

-- A failure says what went wrong, in words that we know.
local function check_failure(message, is_encoding)
    if type(message) ~= "string" then error("a failure without a message", 0) end
    for _, words in ipairs(expected) do
        local at = message:find(words, 1, true)
        if at and not (is_encoding and words == "nil or NaN as a key") then return end
    end
    error("an unexpected failure: " .. message, 0)
end

-- ---- rounds ----

local function new_graph()
    revision, states, packings, histories = 1000000, {}, {}, {}
    nodes, classes, functions = {}, {}, {}
    names = setmetatable({}, { __mode = "k" })
    budget, pending, spoiled, kept, M.job = random(0, 200), nil, false, {}, nil
    for _ = 1, random(1, 4) do new_class() end
    for _ = 1, random(2, 20) do new_node() end
    for _ = 1, random(0, 3) do new_function() end
    root = new_node()
    for _ = 1, random(80) do
        local t = pick_target()
        changes.set(t)
        note(t)
    end
end

local function check(first, message)
    budget = 0
    if first == nil then return check_failure(message) end
    if not nasty and not spoiled then match(first, {}, "value") end
end

-- How it travels: in one state, ...
local function by_bytes(value)
    local bytes, message = codec.bytes(value)
    if not bytes then return nil, message end
    return codec.decode(bytes)
end

-- ... to a worker and back as an argument, ...
local function by_argument(value)
    M.job = codec.job(function(x) return x end)
    local first, message = M.job(value)
    if first ~= nil and budget > 0 then return M.job(value) end
    return first, message
end

-- ... as what a job's function captured, ...
local function by_function(value)
    local job, message = codec.job(function() return value end)
    if not job then return nil, message end
    return job()
end

-- ... and to a fork that inherits.
local function by_inheritance(value)
    return codec.inherit(function() return value end)(value)
end

local ways = { by_bytes, by_bytes, by_argument, by_argument, by_function, by_inheritance }

--- One round: raises what was wrong.
---@param seed integer
function M.round(seed)
    math.randomseed(seed)
    for i = 1, 10 do package.loaded["mutating " .. i] = nil end
    collectgarbage("incremental")
    collectgarbage()
    nasty = random(4) == 1
    new_graph()
    local way = nasty and (random(2) == 1 and by_bytes or by_inheritance) or pick(ways)
    check(way(root))
    kept = {}
    collectgarbage("restart")
end

--- Rounds until `seconds` are over.
---@param seed integer
---@param seconds number
---@return integer
function M.run(seed, seconds)
    local start, n = os.time(), 0
    while os.time() - start < seconds do
        local ok, message = xpcall(M.round, debug.traceback, seed + n)
        budget = 0
        if not ok then error(("round %d: %s"):format(seed + n, message), 0) end
        n = n + 1
    end
    return n
end

package.loaded.codec_mutating = M
here = M

return M
