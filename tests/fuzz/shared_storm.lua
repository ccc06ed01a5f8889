-- Processes that share something are killed about every millisecond: nothing may
-- be damaged, come twice, or hang.
--
--   luas tests/fuzz/shared_storm.lua [SECONDS [SEED [KIND...]]]
--
-- For so long in all, over these kinds, one after another; each with processes that
-- are spawned, with workers of a pool, and with those that a zygote forks, which got
-- objects made after their fork. Says what it saw, and exits with 1 if that is bad.
-- PAUSE in the environment is the longest time (seconds) without progress.

local core = require "luas.core"
local seconds, seed = tonumber(arg[1]) or 30, tonumber(arg[2]) or os.time()
local most_pause = tonumber(os.getenv "PAUSE") or 0.5
math.randomseed(seed)

local PARTIES <const> = 6
local bad = false

local function complain(...)
    bad = true
    print("BAD", string.format(...))
end

-- ---- the kinds: what a party does for ever, and what is looked at in the end ----

local kinds = {}

-- Words that only the holder changes: all the same, and nobody else inside.
function kinds.lock(faults, progress)
    local l, a = shared.lock(), shared.array("i64", 4)
    local function act()
        while true do
            local _, died = l:acquire()
            if died then
                if died.pid == core.pid() then faults:add(1) end
                a[4] = 0
                a[2], a[3] = a[1], a[1]
            end
            if a:add(4, 1) ~= 1 then faults:add(1) end
            if a[1] ~= a[2] or a[2] ~= a[3] then faults:add(1) end
            for i = 1, 3 do a[i] = a[i] + 1 end
            a:add(4, -1)
            progress:add(1)
            l:release()
        end
    end
    return act, function() return ("%d turns"):format(a[1]) end
end

local IDS <const> = 4000000

-- Each item has a number of its own. Who has put it says so, and who got it.
function kinds.queue(faults, progress)
    local q = shared.queue(nil, { bytes = 200 << 10 })
    local ids, put, got = shared.value("i64"), shared.array("u8", IDS), shared.array("u8", IDS)
    local function check(item)
        local id, text = item[1], item[2]
        if text ~= string.char(id % 256):rep(id % 3000) then faults:add(1) end
        if got:add(id, 1) ~= 1 then faults:add(1) end
        progress:add(1)
    end
    local function act(party)
        while ids:get() < IDS - 100 do
            if party % 2 == 0 then
                local id = ids:add(1)
                q:put { id, string.char(id % 256):rep(id % 3000) }
                put[id] = 1
            else
                local item = q:get(1)
                if item then check(item) end
            end
        end
    end
    return act, function(kills)
        for item in function() return q:get(0) end do check(item) end
        local missing, n = 0, ids:get()
        for i = 1, n do
            if put[i] == 1 and got[i] == 0 then missing = missing + 1 end
        end
        if missing > kills then complain("queue: %d items are missing", missing) end
        return ("%d items, %d missing"):format(n, missing)
    end
end

function kinds.semaphore(_, progress)
    local s = shared.semaphore(2)
    local function act()
        while true do
            s:acquire()
            progress:add(1)
            s:release()
        end
    end
    return act, function()
        local over = core.now() + 1 -- those who were killed just now are about to end
        while s:count() < 2 and core.now() < over do end
        if s:count() ~= 2 then complain("semaphore: %d of 2 permits", s:count()) end
        return ("%d of 2 permits"):format(s:count())
    end
end

function kinds.event(_, progress)
    local e = shared.event()
    local function act(party)
        while true do
            if party % 2 == 0 then
                e:set()
            elseif e:wait(1) then
                e:clear()
                progress:add(1)
            end
        end
    end
    return act, function() return "" end
end

function kinds.condition(faults, progress)
    local l, n = shared.lock(), shared.value("i64")
    local c = shared.condition(l)
    local function act(party)
        while true do
            l:acquire()
            if party % 2 == 0 then
                n:add(1)
                c:notify()
            elseif c:wait_for(function() return n:get() > 0 end, 1) then
                if n:add(-1) < 0 then faults:add(1) end
                progress:add(1)
            end
            l:release()
        end
    end
    return act, function() return "" end
end

-- Whoever is told that it is broken mends it.
function kinds.barrier(faults, progress)
    local b = shared.barrier(3)
    local function act()
        while true do
            local ok, place = pcall(b.wait, b, 1)
            if ok then
                if place < 1 or place > 3 then faults:add(1) end
                progress:add(1)
            elseif type(place) == "table" and place.broken then
                b:reset()
            else
                error(place)
            end
        end
    end
    return act, function() return "" end
end

-- Each adds to the sum and to a number of its own: they differ by what the killed were about to add.
function kinds.number(faults, progress)
    local sum, own, float = shared.value "i64", shared.array("i32", PARTIES), shared.value "f64"
    local function act(party)
        local mine = party % PARTIES + 1
        while true do
            local before = sum:get()
            if sum:add(1) <= before then faults:add(1) end
            own:add(mine, 1)
            float:add(0.5)
            progress:add(1)
        end
    end
    return act, function(kills)
        local all = 0
        for i = 1, PARTIES do all = all + own[i] end
        for _, n in ipairs { all, math.tointeger(float:get() * 2) } do
            if sum:get() < n or sum:get() - n > kills + PARTIES then complain("number: %d and %d", sum:get(), n) end
        end
        return ("%d in all, %d of them told"):format(sum:get(), all)
    end
end

-- Two keys that are written together are always the same.
local function of_table(t, faults, progress)
    local function act()
        while true do
            t:atomically(function(t)
                if t:get("a") ~= t:get("b") then faults:add(1) end
                local n = (t:get("a") or 0) + 1
                t:set("a", n)
                t:set("b", n)
                t:set(n % 1000, { n })
            end)
            progress:add(1)
        end
    end
    return act, function()
        if t:get("a") ~= t:get("b") then complain("table: halves differ") end
        return ("%d keys"):format(t:count())
    end
end

function kinds.table(faults, progress) return of_table(shared.table(), faults, progress) end

-- An ordinary file, with the locks of LMDB.
function kinds.file(faults, progress)
    local path = os.tmpname()
    os.remove(path)
    local act, look = of_table(shared.table { file = path }, faults, progress)
    return act, function()
        local said = look()
        os.remove(path)
        os.remove(path .. "-lock")
        return said
    end
end

-- Objects are made, handed on in a queue and dropped: what the killed had goes, too.
function kinds.objects(faults, progress)
    local q = shared.queue(20)
    local function act()
        while true do
            local inner = math.random(2) == 1 and shared.queue() or shared.array("i64", 2000)
            if inner.put then inner:put("inside") else inner[2000] = 7 end
            q:put({ inner }, 0)
            local item = q:get(0)
            local other = item and item[1]
            if other and other.get then
                if other:get(0) ~= "inside" then faults:add(1) end
            elseif other and other[2000] ~= 7 then
                faults:add(1)
            end
            progress:add(1)
        end
    end
    return act, function() return "" end
end

-- ---- those who are killed ----

local shell = assert(io.popen("exec sh 2>/dev/null", "w"))
shell:setvbuf("no")

local starts = {}

function starts.spawned(act)
    local parties = {}
    for i = 1, PARTIES do parties[i] = process.spawn(act, i) end
    return function()
        local i = math.random(PARTIES)
        parties[i]:kill()
        parties[i]:join()
        if parties[i].signal ~= 9 then
            complain("a party ended: %s", select(2, pcall(parties[i].result, parties[i])))
        end
        parties[i] = process.spawn(act, i)
    end, function()
        for i = 1, PARTIES do parties[i]:kill() parties[i]:join() end
    end
end

-- Tasks without an end; each says which process it is.
local function in_pool(act, carry)
    local pids = shared.array("i64", 100000)
    local p = pool.new { workers = PARTIES, carry = carry, on_error = "collect", chunk = 1 }
    p:map(function(x) return x end, { 1, 2, 3, 4, 5, 6 }, { carry = "ship" })
    local kept = io.tmpfile() -- what has this cannot be shipped
    local function task(i)
        pids[i] = core.pid()
        if carry == "inherit" and not kept then return end
        act(i)
    end
    if carry == "ship" then
        local inner = act
        task = function(i) pids[i] = require "luas.core".pid() inner(i) end
    end
    local next = 0
    local future = p:map_async(task, setmetatable({}, { __index = function(_, i) return i end,
        __len = function() return 100000 end }))
    local first = 1
    return function()
        next = math.max(next, 0)
        local running = {}
        for i = first, first + 10 * PARTIES do
            if pids[i] > 0 then running[#running + 1] = i elseif pids[i] == 0 then break end
        end
        if #running == 0 then return core.report and nil end
        local i = running[math.random(#running)]
        shell:write("kill -9 ", pids[i], "\n")
        pids[i] = -1
        while pids[first] == -1 do first = first + 1 end
        return true
    end, function()
        p:terminate()
        future:wait(10)
        kept:close()
    end
end

function starts.workers(act) return in_pool(act, "ship") end
function starts.born_of_zygotes(act) return in_pool(act, "inherit") end

-- ---- a storm ----

local function storm(kind, start, time)
    local faults, progress = shared.value("i64"), shared.value("i64")
    local act, look = kinds[kind](faults, progress)
    local kill, stop = starts[start](act)
    local kills, pause, seen, since, now = 0, 0, 0, core.now(), core.now()
    local over = now + time
    while now < over do
        if kill() ~= nil or start == "spawned" then kills = kills + 1 end
        progress:get()
        local wait = shared.event()
        wait:wait(math.random() * 0.002)
        local before = now
        now = core.now()
        local n = progress:get()
        if n ~= seen or now - before > 0.1 then seen, since = n, now end -- it was not let run itself
        pause = math.max(pause, now - since)
    end
    stop()
    local said = look(kills)
    if faults:get() > 0 then complain("%s, %s: %d faults", kind, start, faults:get()) end
    if pause > most_pause then complain("%s, %s: nothing happened for %.2f s", kind, start, pause) end
    if progress:get() == 0 then complain("%s, %s: nothing happened", kind, start) end
    print(("%-10s %-16s %5d kills, %8d times, longest pause %.2f s %s"):format(
        kind, start, kills, progress:get(), pause, said))
end

local names = { table.unpack(arg, 3) }
if #names == 0 then
    for kind in pairs(kinds) do
        if kind ~= "table" or shared.table then names[#names + 1] = kind end
    end
    table.sort(names)
end
print("seed", seed)
for _, kind in ipairs(names) do
    for _, start in ipairs { "spawned", "workers", "born_of_zygotes" } do
        storm(kind, start, seconds / #names / 3)
        collectgarbage()
    end
end
os.exit(not bad, true)
