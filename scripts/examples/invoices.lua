-- A run to look at. Most invoices take some milliseconds, some fail, one kills its
-- worker, and the last one is slow:
--   luas -j 4 --report run.html scripts/examples/invoices.lua
--
-- The page says how long each worker was busy, what failed, and who was waited for.

local function check(name)
    local n = tonumber(name:match "%d+")
    local seconds = (3 + n * 7919 % 11) / 1000
    if n == 400 then seconds = 0.6 end
    os.execute(("sleep %.3f"):format(seconds))
    if n % 97 == 5 then error("no customer " .. n * 31, 0) end
    if n == 111 then os.exit(1) end
    return seconds
end

local names = {}
for i = 1, 400 do names[i] = ("invoice-%04d.xml"):format(i) end

local _, n, failures = pool.map(check, names, { on_error = "collect" })
local failed = 0
for _ in pairs(failures) do failed = failed + 1 end
print(("%d invoices, %d failed"):format(n, failed))
