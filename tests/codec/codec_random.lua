-- Random values, there and back.

local codec = codec
local same = require("codec_support").same

local M = {}

local function random_string()
    local kind, size = math.random(4), math.random(0, 40)
    if kind == 1 then
        return ("x"):rep(size)
    elseif kind == 2 then
        return utf8.char(math.random(0x10ffff & 0xd7ff), math.random(0x10000, 0x10ffff))
    end
    local bytes = {}
    for i = 1, size do
        bytes[i] = string.char(math.random(0, 255))
    end
    return table.concat(bytes)
end

local function random_number()
    local kind = math.random(6)
    if kind == 1 then
        return math.random(-200, 200)
    elseif kind == 2 then
        return math.random(0) >> math.random(0, 63)
    elseif kind == 3 then
        return -(math.random(0) >> math.random(0, 63))
    elseif kind == 4 then
        return string.unpack("d", string.pack("j", math.random(0)))
    elseif kind == 5 then
        return (math.random(-5, 5) + 0.0) / 2
    end
    return ({0.0, -0.0, 1 / 0, -1 / 0, 0 / 0, math.mininteger, math.maxinteger, 1.0, 2 ^ 53})[math.random(9)]
end

local random_value

local function random_key(made, depth)
    local kind = math.random(10)
    if kind <= 4 then
        return "k" .. math.random(20)
    elseif kind <= 6 then
        return math.random(-2, 10)
    elseif kind == 7 then
        return math.random(2) == 1
    elseif kind == 8 then
        return random_string()
    elseif kind == 9 and depth < 2 and not made.keyed then
        made.keyed = true
        return random_value(made, 4)
    end
    local number = random_number()
    return number == number and number or 0
end

local function random_table(made, depth)
    local t, size = {}, math.random(0, depth < 3 and 6 or 2)
    made[#made + 1] = t
    for i = 1, math.random(2) == 1 and size or 0 do
        t[i] = random_value(made, depth + 1)
    end
    for _ = 1, math.random(3) == 1 and size or 0 do
        local key = random_key(made, depth)
        t[key == nil and 1 or key ~= key and 2 or key] = random_value(made, depth + 1)
    end
    if math.random(20) == 1 then
        setmetatable(t, {class = #made, __newindex = made[math.random(#made)]})
    end
    return t
end

-- One of two that share an upvalue; they may hold each other.
local function random_function(made, depth)
    local shared, own
    local function get(...)
        return shared, own, ...
    end
    local function set(value)
        shared = value
    end
    made[#made + 1], made[#made + 2] = get, set
    shared, own = random_value(made, depth + 1), random_value(made, depth + 1)
    return math.random(2) == 1 and get or set
end

function random_value(made, depth)
    local kind = math.random(depth > 5 and 8 or 15)
    if kind <= 2 then
        return random_number()
    elseif kind <= 4 then
        return random_string()
    elseif kind == 5 then
        return math.random(2) == 1
    elseif kind == 6 then
        return nil
    elseif kind <= 8 and #made > 0 then
        return made[math.random(#made)]
    elseif kind == 9 then
        return math.random(4) == 1 and string.rep or random_function(made, depth)
    end
    return random_table(made, depth)
end

--- Sends `count` random values there and back.
---@param seed integer
---@param count integer
function M.properties(seed, count)
    math.randomseed(seed)
    for i = 1, count do
        local value = random_value({}, 0)
        local back, message = codec.trip(value)
        if back == nil and value ~= nil or not same(value, back) then
            error(("value %d of seed %d is not the same: %s"):format(i, seed, message), 0)
        end
    end
end

return M
