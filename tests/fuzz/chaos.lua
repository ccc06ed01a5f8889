--- Chaos: jobs of mixed kinds while workers are killed and stopped at random.
---
---   luas tests/fuzz/chaos.lua [SECONDS [SEED]]
---
--- Whatever happens, each task must end in exactly one outcome, no task may
--- start twice unless retries were asked for, values must be right, and at the
--- end no child, descriptor or file may be left. Sources raise, loops are left,
--- workers fail to start, scripts end with work under way, and beside all that
--- an application without Lua has the same done to its workers (chaos_host.c).
--- The seed is printed; it fixes the jobs and what is done to the workers, not
--- the moments of the scheduler.

local seconds = tonumber(arg[1]) or 60
local seed = math.tointeger(arg[2]) or os.time()
local core = require "luas.core"
print(("chaos: %g seconds, seed %d"):format(seconds, seed))
math.randomseed(seed)

local host = core.pid()
local starts_path = os.tmpname()

local function fail(...)
    io.stderr:write("chaos: FAILED (seed ", seed, "): ", string.format(...), "\n")
    os.exit(1)
end

local function check(ok, ...)
    if not ok then fail(...) end
end

local function read_file(path)
    local file = io.open(path)
    if not file then return "" end
    local text = file:read("a")
    file:close()
    return text
end

local function children(pid)
    local list = {}
    for child in read_file(("/proc/%d/task/%d/children"):format(pid, pid)):gmatch "%d+" do
        list[#list + 1] = child
    end
    return list
end

local function descriptors()
    local pipe <close> = io.popen("ls /proc/" .. host .. "/fd | wc -l")
    return pipe:read("n")
end

-- ---- what is done to the workers: by a process of its own ----

local function torment(victims_of, own_seed, stop_at)
    math.randomseed(own_seed)
    local me = tostring(core.pid())
    local function name(pid) return read_file("/proc/" .. pid .. "/comm") end
    local ours = name(me) -- a shell and what it runs are left alone
    local kills, stops = 0, 0
    while core.now() < stop_at do
        os.execute(("sleep %.3f"):format(math.random() * 0.08))
        local list = children(victims_of)
        local victim = list[math.random(math.max(1, #list))]
        if victim and victim ~= me and name(victim) == ours then
            if math.random() < 0.7 then
                os.execute("kill -9 " .. victim .. " 2>/dev/null")
                kills = kills + 1
            else
                os.execute(("kill -STOP %s 2>/dev/null; sleep %.3f; kill -CONT %s 2>/dev/null")
                    :format(victim, math.random() * 0.15, victim))
                stops = stops + 1
            end
        end
    end
    return kills, stops
end

-- ---- the tasks ----

local function note_start(id)
    local file = io.open(starts_path, "a")
    file:write(id, "\n")
    file:close()
end

local kinds = {}

function kinds.quick(x) return x * 2 end

function kinds.slow(x)
    local stop = core.now() + 0.002 * (x % 5)
    while core.now() < stop do end
    return x * 2
end

function kinds.large(x) return x * 2, ("x"):rep(100000 * (x % 4)) end

function kinds.failing(x)
    if x % 7 == 3 then error { code = x } end
    return x * 2
end

function kinds.leaving(x)
    if x % 11 == 5 then os.exit(3) end
    return x * 2
end

function kinds.hanging(x)
    if x % 13 == 6 then while true do end end
    return x * 2
end

local expected = {
    quick = {}, slow = {}, large = {},
    failing = { error = true }, leaving = {}, hanging = { timeout = true },
}

local names = { "quick", "slow", "large", "failing", "leaving", "hanging" }

-- ---- the jobs ----

local serial, tally = 0, { value = 0 }

local function items(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
end

local function judge(kind, i, value, failure, retries)
    if failure then
        tally[failure.kind] = (tally[failure.kind] or 0) + 1
        check(failure.index == i, "%s: outcome of task %d says %s", kind, i, failure.index)
        check(failure.kind == "crash" or failure.kind == "timeout" or expected[kind][failure.kind],
            "%s: task %d ended as %s: %s", kind, i, failure.kind, tostring(failure))
        check(failure.attempts <= retries + 1, "%s: task %d had %d attempts", kind, i, failure.attempts)
        if failure.kind == "error" then
            check(failure.value.code == i, "%s: task %d raised another's error", kind, i)
        end
    else
        tally.value = tally.value + 1
        check(value == 2 * i, "%s: task %d gave %s", kind, i, tostring(value))
    end
end

local function options()
    local given = { on_error = "collect", timeout = 0.4 }
    if math.random() < 0.4 then given.chunk = math.random(1, 40) end
    if math.random() < 0.3 then given.retries = math.random(1, 2) end
    if math.random() < 0.2 then given.carry = "inherit" end
    return given
end

local function wrap(kind, job)
    local f = kinds[kind]
    return function(x)
        note_start(job .. " " .. x)
        return f(x)
    end
end

local function run_map(p, kind, n, given, f)
    local results, count, failures = p:map(f, items(n), given)
    check(count == n, "map of %d counted %d", n, count)
    for i = 1, n do judge(kind, i, results[i], failures[i], given.retries or 0) end
    for i in pairs(failures) do
        check(results[i] == nil and i >= 1 and i <= n, "task %s has two outcomes", i)
    end
end

-- A loop that may be left, by a return or an error.
local function loop(p, kind, source, given, f, seen, leave_at)
    local verb = math.random() < 0.5 and p.imap or p.imap_unordered
    local raises = math.random() < 0.5
    for i, value, failure in verb(p, f, source, given) do
        check(not seen[i], "task %d came twice", i)
        seen[i] = true
        if value then failure = nil end -- a second result
        judge(kind, i, value, failure, given.retries or 0)
        if i == leave_at and raises then error("left", 0) end
        if i == leave_at then return true end
    end
end

local function run_imap(p, kind, n, given, f)
    local seen, leave_at = {}, math.random() < 0.3 and math.random(n) or nil
    local ok, left = pcall(loop, p, kind, items(n), given, f, seen, leave_at)
    check(ok or left == "left", "the loop raised %s", tostring(left))
    for i = 1, (ok and not left) and n or 0 do
        check(seen[i], "%s: task %d of %d never came", kind, i, n)
    end
end

-- Gives n tasks, and raises.
local function faulty(n)
    local i = 0
    return function()
        i = i + 1
        if i > n then error { no_more = n } end
        return i
    end
end

local function check_cut(ok, o, n)
    check(not ok and type(o) == "table" and type(o.value) == "table" and o.value.no_more == n,
        "a source that raised: %s", tostring(o))
    check(o.n == n, "a source raised after %d tasks, and %s are told of", n, o.n)
end

local function run_faulty_map(p, kind, n, given, f)
    local ok, o = pcall(p.map, p, f, faulty(n), given)
    check_cut(ok, o, n)
    for i = 1, n do judge(kind, i, o.results[i], o.failures[i], given.retries or 0) end
end

local function run_faulty_loop(p, kind, n, given, f)
    local seen = {}
    local ok, o = pcall(loop, p, kind, faulty(n), given, f, seen)
    check_cut(ok, o, n)
    for i = 1, n do check(seen[i], "%s: task %d of %d never came before the error", kind, i, n) end
end

local function run_async(p, kind, n, given, f)
    local with, futures = p:with { timeout = given.timeout, retries = given.retries }, {}
    for i = 1, math.min(n, 30) do futures[i] = with:apply_async(f, i) end
    for i, future in ipairs(futures) do
        if math.random() < 0.1 then future:cancel() end
        local ok, value = pcall(future.get, future)
        if ok then
            judge(kind, i, value, nil, given.retries or 0)
        elseif type(value) ~= "table" then
            fail("%s: task %d raised %s", kind, i, tostring(value))
        elseif value.kind ~= "cancelled" then
            value.index = i
            judge(kind, i, nil, value, given.retries or 0)
        end
    end
end

local runs = { run_map, run_map, run_imap, run_imap, run_async, run_faulty_map, run_faulty_loop }

local function one_job(p)
    serial = serial + 1
    local kind = names[math.random(#names)]
    local given = options()
    runs[math.random(#runs)](p, kind, math.random(200), given, wrap(kind, serial))
    if not given.retries then return { [serial] = true } end
end

-- ---- the run ----

local function check_starts(once)
    local seen = {}
    for line in read_file(starts_path):gmatch "[^\n]+" do
        local job = math.tointeger(tonumber(line:match "^%d+"))
        check(not (seen[line] and once[job]), "task %s started twice", line)
        seen[line] = true
    end
end

-- ---- workers that cannot start, now and then ----

-- A task has a right value, or its outcome says why not; so does each call that a broken pool refuses.
local function run_unable(kind, n, given, f)
    local share = math.random()
    local p <close> = pool.new { workers = math.random(1, 3), max_tasks = math.random(5, 50), init = function()
        if math.random() < share then error("not now", 0) end
    end }
    given.timeout, given.retries = nil, nil
    local ok, results, count, failures = pcall(p.map, p, f, items(n), given)
    if not ok then return check(tostring(results):find "not now", "a broken pool: %s", tostring(results)) end
    check(count == n, "map of %d counted %d", n, count)
    for i = 1, n do
        local o = failures[i]
        check((results[i] == nil) == (o ~= nil), "task %d has a value and an outcome, or none", i)
        if not o or not tostring(o.message):find "not now" then judge(kind, i, results[i], o, 0) end
    end
end

-- ---- scripts that end with work under way ----

local SCRIPT <const> = [[
local pool = pool or require "luas".pool
local n, path = tonumber(arg[1]), arg[2]
local p = pool.new { workers = 3, exit = function() if log then log:write "exit\n" end end }
local function task(x)
    log = log or io.open(path, "a")
    if x % 7 == 3 then error "three" end
    log:write(x, "\n")
end
for i = 1, n, 2 do p:apply_async(task, i) end
local rest = {}
for i = 2, n, 2 do rest[#rest + 1] = i end
p:map_async(task, rest, { on_error = "collect" })
]]

local function run_script_end()
    local script, log, n = os.tmpname(), os.tmpname(), math.random(60)
    local file <close> = assert(io.open(script, "w"))
    file:write(SCRIPT)
    file:close()
    local ok, how, code = os.execute(("%s %s %d %s 2>/dev/null"):format(arg[-1], script, n, log))
    if how == "signal" then return end -- what was to become the shell was hit
    check(ok, "a script that ends failed: %s %s", how, code)
    local seen = {}
    for line in io.lines(log) do
        check(line == "exit" or not seen[line], "%s was written twice at the end of a script", line)
        seen[line] = true
    end
    for i = 1, n do
        check(seen[tostring(i)] == (i % 7 ~= 3 or nil), "line %d of %d at the end of a script: %s", i, n, tostring(seen[tostring(i)]))
    end
    check(seen.exit, "no exit function ran at the end of a script")
    os.remove(script)
    os.remove(log)
end

-- ---- an application without Lua ----

local function start_application()
    local folder = arg[0]:match "^(.*/)" or "./"
    local program = (arg[-1]:match "^(.*/)" or "./") .. "hosts/chaos_host"
    local there <close> = io.open(program)
    return there and io.popen(("exec %s %g %d %schaos_host.lua"):format(program, seconds, seed, folder))
end

local function end_application(application)
    if not application then return end
    local said = application:read "a"
    io.write(said)
    check(application:close(), "the application failed: %s", said)
end

local before = descriptors()
local application = start_application()
local stop_at = core.now() + seconds
local once = {}
do
    local tormentor = process.spawn(torment, host, seed + 1, stop_at)
    while core.now() < stop_at do
        local p <close> = pool.new(math.random(1, 5))
        for _ = 1, math.random(1, 12) do
            for job in pairs(one_job(p) or {}) do once[job] = true end
        end
        if math.random() < 0.3 then run_script_end() end
        if math.random() < 0.3 then run_unable("quick", math.random(60), { on_error = "collect" }, kinds.quick) end
    end
    tormentor:join()
    local ok, kills, stops = pcall(tormentor.result, tormentor)
    print(("%s kills, %s stops"):format(ok and kills or "?", ok and stops or "?"))
end
end_application(application)
check_starts(once)
os.remove(starts_path)
collectgarbage()
collectgarbage()
check(#children(host) == 0, "children are left: %s", table.concat(children(host), " "))
check(descriptors() <= before + 8, "descriptors: %d before, %d after", before, descriptors())

local parts = {}
for kind, n in pairs(tally) do parts[#parts + 1] = n .. " " .. kind end
table.sort(parts)
print(("%d jobs: %s"):format(serial, table.concat(parts, ", ")))
print("chaos: every task ended exactly once")
