-- Sums up a log of any size in constant memory:
--   luas [-j N] logsummary.lua [FILE]
--
-- A line is `date time LEVEL service milliseconds`. Without a file, a sample of
-- 200,000 lines is made and removed again.

local BLOCK = 64 * 1024  -- bytes a task, and then to the end of the line

-- What one block holds: lines of each level; calls, time and slowest call of
-- each service. `rest` is what the last line has beyond the block, or nil.
local function summarise(block, rest)
    local levels, services = {}, {}
    for level, name, ms in (block .. (rest or "") .. "\n"):gmatch("%S+ %S+ (%u+) (%S+) (%d+)\n") do
        ms = math.tointeger(ms)
        levels[level] = (levels[level] or 0) + 1
        local service = services[name] or {calls = 0, total = 0, slowest = 0}
        service.calls = service.calls + 1
        service.total = service.total + ms
        service.slowest = math.max(service.slowest, ms)
        services[name] = service
    end
    return levels, services
end

local function merge(levels, services, more_levels, more_services)
    for level, count in pairs(more_levels) do
        levels[level] = (levels[level] or 0) + count
    end
    for name, more in pairs(more_services) do
        local service = services[name] or {calls = 0, total = 0, slowest = 0}
        service.calls = service.calls + more.calls
        service.total = service.total + more.total
        service.slowest = math.max(service.slowest, more.slowest)
        services[name] = service
    end
end

local function write_sample(path)
    local file <close> = assert(io.open(path, "w"))
    local levels = {"INFO", "INFO", "INFO", "WARN", "ERROR"}
    local names = {"api", "db", "mail"}
    for i = 0, 199999 do
        file:write(("2026-01-01 %02d:%02d:%02d %s %s %d\n"):format(
            i // 3600 % 24, i // 60 % 60, i % 60, levels[i % 5 + 1], names[i % 3 + 1], i * 7919 % 1000))
    end
end

local function sorted(t)
    local keys = {}
    for key in pairs(t) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return ipairs(keys)
end

local path = arg[1] or os.tmpname()
if not arg[1] then
    write_sample(path)
end

-- imap takes blocks from the file only as fast as the results are used, so
-- that the whole log is never in memory.
local levels, services, peak = {}, {}, 0
for _, more_levels, more_services in pool.imap(summarise, (io.lines(path, BLOCK, "L"))) do
    merge(levels, services, more_levels, more_services)
    peak = math.max(peak, collectgarbage("count"))
end

for _, level in sorted(levels) do
    print(("%-8s %9d lines"):format(level, levels[level]))
end
for _, name in sorted(services) do
    local s = services[name]
    print(("%-8s %9d calls, mean %.1f ms, slowest %d ms"):format(
        name, s.calls, s.total / s.calls, s.slowest))
end
print(("at most %.1f MB of Lua values in this process"):format(peak / 1024))

if not arg[1] then
    os.remove(path)
end
