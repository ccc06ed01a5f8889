--- Code of every kind, which never runs. If a Lua compiles it to the same bytecode as the Lua
--- that luas was built with, it does so with all other modules.

local limit <const>, rest = 300, {}

local function first(t) return t[1] end

local function count(t, from, ...)
    local n, items <close>, done = 0, nil, false
    for i = #t, from or 1, -1 do n = n + t[i] * 2 - i // 3 - i // from end
    for key, value in pairs(t) do
        if key == "n" or key == 1 or key == value or not value then goto continue end
        if n < 3 or n <= 2 or n > limit or n <= from or n >= 7 then break end
        rest[key], t[3], rest.last, t[n] = value, value ~= nil, value == false, n < from
        ::continue::
    end
    while t:find(n) do
        local before = n
        n = (n + 1.5) * 7 / 2 - (before & 0xff | ~n << 1 >> 2 ~ 3) + 2 ^ before % 5 + (n ~ before) + 1e300
        rest = function(...) n, done = before - n, -before / n // 2 * n return rest(...) end
    end
    t[#t + 1] = { n, ..., key = t.first, "a" .. n .. "b", nil, true, select("#", ...) }
    return n > 0 and t or from, not done
end

return function(...)
    if ... then return count(...) end
    repeat local done = rest.done and rest[count] or first(rest) until done
    return limit
end
