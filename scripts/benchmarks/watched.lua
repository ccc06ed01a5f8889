-- What it costs to watch a run:
--
--   luas watched.lua [ROUNDS]
--
-- The same tasks are mapped in turn by a pool with a report and by one without, ROUNDS times
-- each (101 by default). The figures are time of the CPU, of the host and its workers, because
-- wall time is others', too, on a busy machine. Then it says how far off the time left was after
-- a tenth of 200 equal tasks, and how much more memory the host has with a report.

local core = require "luas.core"
local rounds = tonumber(arg[1]) or 101

-- Nanoseconds of CPU time that a process has had.
local function spent(pid)
    local file <close> = assert(io.open(("/proc/%d/schedstat"):format(pid)))
    return file:read "n"
end

local report = os.tmpname()

local function open(watched)
    return pool.new { workers = 2, report = watched and report or nil }
end

local function pids_of(p)
    local pids = p:broadcast(function() return (require "luas.core".pid()) end)
    pids[#pids + 1] = core.pid()
    return pids
end

-- The CPU time of one map, in ns.
local function measure(p, pids, f, items, options)
    local before = 0
    collectgarbage()
    for _, pid in ipairs(pids) do before = before + spent(pid) end
    p:map(f, items, options)
    local after = 0
    for _, pid in ipairs(pids) do after = after + spent(pid) end
    return after - before
end

local function compare(name, n, turns, f, options)
    local items, pools, pids, times = {}, { open(false), open(true) }, {}, { {}, {} }
    for i = 1, n do items[i] = i end
    for k, p in ipairs(pools) do
        p:map(f, items, options)
        pids[k] = pids_of(p)
    end
    for i = 1, turns do
        for j = 0, 1 do
            local k = (i + j) % 2 + 1 -- each is first as often
            table.insert(times[k], measure(pools[k], pids[k], f, items, options))
        end
    end
    for k, p in ipairs(pools) do
        table.sort(times[k])
        p:close()
        p:join()
    end
    local least, median = times[2][1] / times[1][1] - 1, (turns + 1) // 2
    print(("%-28s %9.0f ns a task, with a report %9.0f: %+.1f%% (least %+.1f%%)"):format(name,
        times[1][median] / n, times[2][median] / n, 100 * (times[2][median] / times[1][median] - 1), 100 * least))
end

-- Of CPU time, so that nobody else can have it.
local function a_ms()
    local stop = os.clock() + 0.001
    while os.clock() < stop do end
end

compare("20 000 tasks, one by one", 20000, rounds, function(x) return x end, { chunk = 1 })
compare("20 000 tasks, default chunks", 20000, rounds, function(x) return x end)
compare("200 tasks of 1 ms", 200, rounds // 5 + 1, a_ms)

-- ---- the time left ----

local function off(workers, seconds)
    local p <close> = pool.new(workers)
    local never, items, at, said = shared.event(), {}, nil, nil
    for i = 1, 200 do items[i] = seconds end
    p:map(function(s) never:wait(s) end, items, { progress = function(done, _, info)
        if not at and done >= 20 then at, said = core.now(), info.eta end
    end })
    return said / (core.now() - at) - 1
end

for workers, seconds in pairs { [2] = 0.03, [8] = 0.1 } do
    local all = {}
    for i = 1, 4 do all[i] = ("%+.1f%%"):format(100 * off(workers, seconds)) end
    print(("time left, %d workers: %s off"):format(workers, table.concat(all, ", ")))
end

-- ---- memory ----

local function private_kb(watched)
    local code = ([[
        local p = pool.new { workers = 64, report = %s }
        p:each(function(x) for _ = 1, 300 do x = x + 1 end end, pool.range(1, 1000000), { chunk = 100 })
        for line in io.lines "/proc/self/smaps_rollup" do
            local kb = line:match "^Anonymous:%%s+(%%d+)"
            if kb then print(kb) end
        end
    ]]):format(watched and ("%q"):format(report) or "nil")
    local run <close> = io.popen(("%s -e '%s'"):format(arg[-1], code))
    return run:read "n"
end

local without, with = private_kb(false), private_kb(true)
print(("memory, 10^6 tasks on 64 workers: %d KB, with a report %d KB"):format(without, with))
os.remove(report)
