-- Map and reduce by key: the longest word for each first letter, in files of text:
--   luas by_key.lua [FILE ...]
--
-- Each worker sends one table for a block of lines, not a value for each word.

local files = #arg > 0 and arg or { "/usr/share/common-licenses/GPL-3" }

local function longer(a, b)
    return (not a or #b > #a or #b == #a and b < a) and b or a
end

local function longest(block)
    local words = {}
    for word in block:lower():gmatch "%a+" do
        local letter = word:sub(1, 1)
        words[letter] = longer(words[letter], word)
    end
    return words
end

local function combine(a, b)
    for letter, word in pairs(b) do a[letter] = longer(a[letter], word) end
    return a
end

local words = pool.reduce(longest, pool.blocks(files), combine, {})
for letter in ("abcdefghijklmnopqrstuvwxyz"):gmatch "." do
    if words[letter] then print(letter, words[letter]) end
end
