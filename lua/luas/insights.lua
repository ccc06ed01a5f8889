--- Explains the figures of a run in words: who waited for whom, what was slow, what failed.

local floor, max, min = math.floor, math.max, math.min

local M = {}

--- A span of time as people write it.
---@param s number?  seconds
---@return string
function M.seconds(s)
    if not s then return "?" end
    if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, floor(s % 60)) end
    if s >= 60 then return ("%d:%02d min"):format(s // 60, floor(s % 60)) end
    if s >= 0.9995 then return ("%.3g s"):format(s) end
    if s >= 0.0009995 then return ("%.3g ms"):format(s * 1e3) end
    return ("%.3g µs"):format(s * 1e6)
end

local seconds = M.seconds

local function percent(share)
    return ("%.0f%%"):format(100 * share)
end

local function is_busy(lane, i)
    return (lane.bins[i] or 0) > 0.02
end

-- The bin from which on only one worker was busy, and that worker.
local function find_tail(f)
    local n, last = #f.ended, nil
    for i = n, 1, -1 do
        local busy, who = 0, nil
        for _, lane in ipairs(f.lanes) do
            if is_busy(lane, i) then busy, who = busy + 1, lane end
        end
        if busy > 1 or (last and who and who ~= last) then return i + 1, last end
        last = last or who
    end
    return 1, last
end

-- The slowest task of that worker that was still running at this time.
local function slow_task_at(f, lane, at)
    for _, task in ipairs(f.slowest) do
        if task.worker == lane.worker and task.machine == lane.machine and task.pool == lane.pool and task.at + task.seconds > at + 0.5 * f.bin then
            return task
        end
    end
end

local function named(task)
    return task.input and task.input ~= "" and ("task %d (%s)"):format(task.index, task.input)
        or ("task %d"):format(task.index)
end

local function on_tail(f, say)
    if #f.lanes < 2 or #f.ended == 0 then return end
    local from, lane = find_tail(f)
    local at = (from - 1) * f.bin
    local share = (f.wall - at) / f.wall
    if not lane or share < 0.05 then return end
    local task = slow_task_at(f, lane, at)
    if task and task.seconds > 0.5 * (f.wall - at) then
        say("The last %s of the time one worker was busy: %s took %s. Slow tasks first would help.",
            percent(share), named(task), seconds(task.seconds))
    elseif lane.last_chunk > 1 then
        say("The last %s of the time one worker was busy, with a last chunk of %d tasks: a smaller `chunk` spreads them.",
            percent(share), lane.last_chunk)
    else
        say("The last %s of the time one worker was busy.", percent(share))
    end
end

local function on_waiting(f, say)
    local share = f.alive > 0 and f.wait / f.alive or 0
    if share < 0.25 or f.tasks == 0 then return end
    if f.tasks < 2 * #f.lanes then
        say("Workers waited %s of their time: there were %d tasks for %d workers.", percent(share), f.tasks, #f.lanes)
    elseif f.times.median and f.times.median < 50e-6 then
        say("Workers waited %s of their time: tasks are short (%s), so that sending them takes longer. More work a task would help.",
            percent(share), seconds(f.times.median))
    else
        say("Workers waited %s of their time: for inputs, for whoever takes the results, or at the end for one another.",
            percent(share))
    end
end

local function on_startup(f, say)
    local share = f.alive > 0 and f.startup / f.alive or 0
    if share < 0.1 then return end
    say("Starting workers took %s of their time (%d were started): a pool that lives longer, or fewer workers, would help.",
        percent(share), f.forks)
end

local function on_starved(f, say)
    if #f.lanes < 2 or f.busy == 0 then return end
    local mean, starved = f.busy / #f.lanes, {}
    for _, lane in ipairs(f.lanes) do
        if lane.busy < 0.2 * mean and lane.alive > 0.5 * f.wall then
            starved[#starved + 1] = lane.machine and lane.name or lane.worker
        end
    end
    if #starved == 0 or #starved > #f.lanes // 2 then return end
    say("%s had less than a fifth of the work of the others.", #starved == 1 and "Worker " .. starved[1]
        or "Workers " .. table.concat(starved, ", ", 1, min(#starved, 8)) .. (#starved > 8 and " …" or ""))
end

-- The message that most failures have in common, apart from numbers.
local function common_message(failures)
    local counts, best = {}, nil
    for _, failure in ipairs(failures) do
        local text = (failure.message or ""):gsub("%d+", "…")
        counts[text] = (counts[text] or 0) + 1
        if text ~= "" and counts[text] > (best and counts[best] or 1) then best = text end
    end
    return best, best and counts[best]
end

local function on_failures(f, say)
    local failed = f.errors + f.timeouts + f.crashes
    if failed == 0 then return end
    local parts = {}
    for _, kind in ipairs { { "errors", "error" }, { "timeouts", "timeout" }, { "crashes", "crash" } } do
        local n = f[kind[1]]
        if n > 0 then parts[#parts + 1] = ("%d %s"):format(n, n == 1 and kind[2] or kind[1]) end
    end
    say("%d of %d tasks failed: %s.", failed, f.tasks, table.concat(parts, ", "))
    local message, n = common_message(f.failures)
    if message then say("%d of them say: %s", n, message) end
end

local function plural(n, one, many)
    return ("%d %s"):format(n, n == 1 and one or many)
end

local function on_deaths(f, say)
    if f.deaths > 0 then say("%s and %s.", plural(f.deaths, "worker died", "workers died"),
        f.deaths == 1 and "was replaced" or "were replaced") end
    if f.retries > 0 then say("%s again after a crash or a timeout.", plural(f.retries, "task was started", "tasks were started")) end
    if f.cancelled > 0 then say("%s cancelled.", plural(f.cancelled, "task was", "tasks were")) end
end

--- Sentences about a run, what matters most first.
---@param f table  figures
---@return string[]
function M.of(f)
    local list = {}
    local function say(format, ...) list[#list + 1] = format:format(...) end
    for _, look in ipairs { on_failures, on_deaths, on_tail, on_waiting, on_starved, on_startup } do look(f, say) end
    if #list == 0 and f.tasks > 0 then
        say("Workers were busy %s of the time; nothing stands out.", percent(max(0, f.efficiency)))
    elseif f.tasks == 0 then
        say("No task ended.")
    end
    return list
end

return M
