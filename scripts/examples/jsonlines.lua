-- Adds up a file of JSON lines, by a field, with lua-cjson:
--   luas jsonlines.lua FILE FIELD AMOUNT
--
-- The workers read the file themselves, some thousand lines at a time.

local json = require "cjson"
local path, field, amount = arg[1], arg[2], arg[3]

local function totals(block)
    local sums = {}
    for line in block:gmatch "[^\n]+" do
        local record = json.decode(line)
        sums[record[field]] = (sums[record[field]] or 0) + record[amount]
    end
    return sums
end

local function add(a, b)
    for key, sum in pairs(b) do a[key] = (a[key] or 0) + sum end
    return a
end

local keys, sums = {}, pool.reduce(totals, pool.blocks(path), add, {})
for key in pairs(sums) do keys[#keys + 1] = key end
table.sort(keys)
for _, key in ipairs(keys) do print(key, sums[key]) end
