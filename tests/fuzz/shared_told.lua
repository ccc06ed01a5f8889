-- Whoever waits for a lock is told soon when its holder ends, however that ends.
--
--   luas tests/fuzz/shared_told.lua [ROUNDS [SEED [WAY...]]]
--
-- So many rounds of each way. Says the median and the longest time from the holder's end
-- until the next one has the lock and knows who died, and exits with 1 if that is bad.
-- PAUSE in the environment is the longest time (seconds; 0.1).

local core = require "luas.core"
local rounds, seed = tonumber(arg[1]) or 1000, tonumber(arg[2]) or os.time()
local most = tonumber(os.getenv "PAUSE") or 0.1
math.randomseed(seed)

local lock, held, never, told = shared.lock(), shared.event(), shared.event(), shared.queue()
local ended = shared.value "f64"    -- when the holder did
local workers = pool.new(2)

local function hold()
    lock:acquire()
    held:set()
end

-- A holder that ends after `pause` seconds, in its way.
local ways = {}

function ways.kill(pause)
    local p = process.spawn(function()
        hold()
        never:wait()
    end)
    held:wait()
    never:wait(pause)
    ended:set(core.now())
    p:kill()
    p:join()
end

-- The same in a worker; with `is_late` the task has 0.02 s more, and is then out of time.
local function in_a_task(f, is_late)
    return function(pause)
        local p = workers:with { timeout = is_late and pause + 0.02 or 60 }
        local ok = pcall(p.apply, p, f, pause)
        assert(not ok, "the task did not end as it should")
    end
end

ways.exit = in_a_task(function(pause)
    hold()
    never:wait(pause)
    ended:set(core.now())
    os.exit(3)
end)

ways.error = in_a_task(function(pause)
    hold()
    never:wait(pause)
    ended:set(core.now())
    error "it ends here"
end)

ways.timeout = in_a_task(function(pause)
    ended:set(core.now() + pause + 0.02)
    hold()
    while true do end
end, true)

ways.timeout_waiting = in_a_task(function(pause)
    ended:set(core.now() + pause + 0.02)
    hold()
    never:wait()
end, true)

-- Waits for the lock in each round, and says when it had it and whether it was told.
local next_one = process.spawn(function()
    while true do
        held:wait()
        local _, died = lock:acquire()
        local now = core.now()
        held:clear()
        lock:release()
        told:put { now - ended:get(), died ~= nil }
    end
end)

local bad = false

local function try(way)
    local times = {}
    for i = 1, rounds do
        ways[way](math.random() * 0.06)
        local seen = told:get(10)
        if not seen or not seen[2] then
            bad = true
            print("BAD", ("%s: round %d: %s"):format(way, i, seen and "not told" or "it waits still"))
            if not seen then return end
        end
        times[i] = seen[1]
    end
    table.sort(times)
    local worst = times[#times]
    bad = bad or worst >= most
    print(("%-4s %-16s %d rounds: median %.1f ms, 99%% %.1f ms, longest %.1f ms"):format(
        worst >= most and "BAD" or "", way, rounds, times[(#times + 1) // 2] * 1e3,
        times[math.ceil(#times * 0.99)] * 1e3, worst * 1e3))
end

local chosen = table.move(arg, 3, #arg, 1, {})
if #chosen == 0 then chosen = { "kill", "exit", "error", "timeout", "timeout_waiting" } end
print(("seed %d"):format(seed))
for _, way in ipairs(chosen) do try(way) end
next_one:kill()
next_one:join()
workers:terminate()
os.exit(bad and 1 or 0, true)
