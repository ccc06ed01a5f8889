-- Counts words into one table that all tasks share:
--   luas [-j N] tablecount.lua [FILE ...]
--
-- Each task counts its lines on its own and adds its counts in one transaction.

local counts = shared.table()

local function count(...)
    local mine = {}
    for _, line in ipairs { ... } do
        for word in line:lower():gmatch "%a+" do mine[word] = (mine[word] or 0) + 1 end
    end
    counts:atomically(function(counts)
        for word, n in pairs(mine) do counts:add(word, n) end
    end)
end

-- A source that gives some lines at a time.
local function lines_of(path)
    local file = assert(io.open(path))
    return function()
        local some = {}
        while #some < 100 do
            local line = file:read()
            if not line then break end
            some[#some + 1] = line
        end
        if #some > 0 then return table.unpack(some) end
    end
end

for _, path in ipairs(#arg > 0 and arg or { "/usr/share/common-licenses/GPL-3" }) do
    pool.each(count, lines_of(path))
end

local words = {}
for word, n in counts:pairs() do words[#words + 1] = { word = word, n = n } end
table.sort(words, function(a, b) return a.n > b.n or a.n == b.n and a.word < b.word end)
for i = 1, math.min(20, #words) do print(("%10d  %s"):format(words[i].n, words[i].word)) end
