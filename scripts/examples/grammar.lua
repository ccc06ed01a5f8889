-- Takes apart a web server's log with an LPeg grammar, and counts requests by status:
--   luas grammar.lua ACCESS.LOG
--
-- A grammar cannot be sent between processes. So each worker makes its own, in init.

local function make_grammar()
    local lpeg = require "lpeg"
    local P, C, S, R = lpeg.P, lpeg.C, lpeg.S, lpeg.R
    local word, space = (1 - S " \n") ^ 1, P " "
    request = C(word) * space * word * space * word * space * P "[" * (1 - P "]") ^ 0 * P "] "
        * P '"' * C((1 - P '"') ^ 0) * P '" ' * C(R "09" ^ 1) * space * C(R "09" ^ 1)
end

local function count(block)
    local counts = {}
    for line in block:gmatch "[^\n]+" do
        local _, _, status = request:match(line)
        status = status or "unreadable"
        counts[status] = (counts[status] or 0) + 1
    end
    return counts
end

local function add(a, b)
    for key, n in pairs(b) do a[key] = (a[key] or 0) + n end
    return a
end

local p <close> = pool.new { init = make_grammar }
local statuses, counts = {}, p:reduce(count, pool.blocks(arg[1]), add, {})
for status in pairs(counts) do statuses[#statuses + 1] = status end
table.sort(statuses)
for _, status in ipairs(statuses) do print(status, counts[status]) end
