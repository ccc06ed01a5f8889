-- What the codec's cases share. `codec`, a global of the host state, is described in codec_rig.h.

local codec = codec
local M = {
    cases = {}, -- {name, body}, in order
}

--- Adds a case, which fails by raising.
---@param name string
---@param body fun()
function M.case(name, body)
    M.cases[#M.cases + 1] = {name, body}
end

local function same_number(a, b)
    if math.type(a) ~= math.type(b) then
        return false
    end
    if a ~= a then
        return b ~= b
    end
    return a == b and (a ~= 0 or 1 / a == 1 / b)
end

--- Equal in every way that a program can tell, sharing included; tables and functions
--- as keys are told apart by what is in them.
local same

local function find_key(a, key, b, met)
    if type(key) ~= "table" and type(key) ~= "function" then
        return key
    end
    for other in pairs(b) do
        if type(other) == type(key) and (met[key] == other or met[key] == nil and same(key, other, met)) then
            return other
        end
    end
end

local function same_table(a, b, met)
    if met[a] or met[b] then
        return met[a] == b and met[b] == a
    end
    met[a], met[b] = b, a
    local count = 0
    for key, value in next, a do
        local other = find_key(a, key, b, met)
        if other == nil or not same(value, rawget(b, other), met) then
            return false
        end
        count = count + 1
    end
    for _ in next, b do
        count = count - 1
    end
    return count == 0 and same(getmetatable(a), getmetatable(b), met)
end

-- The same code, and upvalues that are equal and shared as those are.
local function same_function(a, b, met)
    if met[a] or met[b] then
        return met[a] == b and met[b] == a
    elseif a == b then
        return true
    end
    met[a], met[b] = b, a
    for i = 1, debug.getinfo(a, "u").nups do
        local from, to = debug.upvalueid(a, i), debug.upvalueid(b, i)
        if met[from] ~= to and (met[from] or met[to]) then
            return false
        end
        met[from], met[to] = to, from
        if not same(select(2, debug.getupvalue(a, i)), select(2, debug.getupvalue(b, i)), met) then
            return false
        end
    end
    return string.dump(a) == string.dump(b)
end

function same(a, b, met)
    if type(a) ~= type(b) then
        return false
    elseif type(a) == "number" then
        return same_number(a, b)
    elseif type(a) == "table" then
        return same_table(a, b, met or {})
    elseif type(a) == "function" then
        return same_function(a, b, met or {})
    end
    return a == b
end

--- The value after a way there and back; raises if it cannot travel.
local function trip(value)
    local back, message = codec.trip(value)
    assert(back ~= nil or value == nil, message)
    return back
end

--- Raises unless the value comes back the same.
function M.survives(value)
    assert(same(value, trip(value)))
end

--- Raises unless the values cannot travel, for this reason.
function M.refuses(message, ...)
    local bytes, why, code = codec.bytes(...)
    assert(bytes == nil and why == message and code == -10010, why or "it was encoded")
end

--- A job of f (codec_rig.h); raises if f cannot be carried.
function M.job(f)
    local j, message = codec.job(f)
    assert(j, message)
    return j
end

M.same, M.trip = same, trip

return M
