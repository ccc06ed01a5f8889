-- Run by own_state.c: `pool` is luas, `checksum` is a C function of the application.

local words = { "alpha", "beta", "gamma", "delta" }
local sums = pool.map(function(word) return checksum(word:rep(1000)) end, words)
for i, word in ipairs(words) do print(word, sums[i]) end
