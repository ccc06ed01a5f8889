-- A result for each line of a file.
local function find(line) return line:find "ERROR" and 1 or 0 end

local total = 0
for _, found in pool.imap(find, pool.lines(arg[1])) do total = total + found end
print(total)
