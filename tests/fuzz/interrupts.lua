--- Ctrl-C at random moments: whatever a script does then, it ends.
---
---   lua5.4 tests/fuzz/interrupts.lua [RUNS [SEED [PROGRAM...]]]
---
--- Each run is a script that does one thing without end, and gets one SIGINT. It
--- must end by what that raised, within some seconds, and its processes with it. A PROGRAM
--- (default: $LUAS or build/luas, then lua5.4) runs scripts that say require "luas". The
--- seed is printed; it fixes what is run, not the moments of the scheduler.

local runs = tonumber(arg[1]) or 1000
local seed = math.tointeger(arg[2]) or os.time()
local programs = table.move(arg, 3, #arg, 1, {})
if #programs == 0 then programs = { os.getenv "LUAS" or "build/luas", "lua5.4" } end
print(("interrupts: %d runs, seed %d"):format(runs, seed))
math.randomseed(seed)

-- At a time; and how long each may go on after the signal, in tenths of a second.
local TOGETHER <const>, PATIENCE <const> = 4, 100

local PRELUDE <const> = [[
local luas = require "luas"
local pool, process, shared = luas.pool, luas.process, luas.shared
local function busy(k) local n = 0 for i = 1, k do n = n + i end return n end
local function nested() local t = {} for i = 1, 2000 do t[i] = { i, { i } } end return t end
local function small() local t = {} for i = 1, 100 do t[i] = { x = { y = { i } } } end return t end
local Slow = { __luas_pack = function() busy(3000) return 1 end, __luas_unpack = function() busy(3000) return {} end,
    __tostring = function() busy(3000) return "slow" end }
local slow, file = setmetatable({}, Slow), io.tmpfile()
local function one() return 1 end
]]

local FORMS <const> = {
    ["arguments"] = "local t, p = nested(), pool.new(1) while true do p:apply(one, t) end",
    ["packing"] = "local p = pool.new(1) while true do p:apply(one, slow) end",
    ["packing items"] = "local p, t = pool.new(2), { slow, slow, 1, slow } while true do p:map(one, t) end",
    ["packing a source's"] = "local p = pool.new(1) while true do p:map(one, function() return slow end, { window = 10 }) end",
    ["packing upvalues"] = "local p = pool.new(1) while true do p:apply(function() return slow ~= nil end) end",
    ["shipping"] = "local t, p = nested(), pool.new(1) while true do t[1] = {} p:apply(function() return #t end) end",
    ["results"] = "local p = pool.new(1) while true do p:apply(nested) end",
    ["unpacking"] = "local p = pool.new(1) while true do p:apply(function() return slow end) end",
    ["unpacking what is raised"] = "local p = pool.new(1) while true do p:map(function() error(slow) end, { 1, 2 }, { on_error = 'collect' }) end",
    ["futures"] = "local p = pool.new(1) while true do p:apply_async(one):get() end",
    ["reading futures"] = "local p = pool.new(1) while true do p:map_async(function() return slow end, { 1, 2, 3 }):get() end",
    ["showing futures"] = "local p = pool.new(1) while true do tostring(p:apply_async(function() return slow end)) end",
    ["callbacks"] = "local p = pool.new(1) while true do local f = p:apply_async(one) f:on_done(function() busy(1e5) end) f:wait() end",
    ["callbacks that fail"] = "local p = pool.new(1) while true do local f = p:apply_async(one) f:on_done(function() busy(1e4) error(slow) end) f:wait() end",
    ["progress"] = "local p = pool.new(1) while true do p:map(one, { 1, 2, 3 }, { progress = function() busy(1e5) end }) end",
    ["another's progress"] = "local p = pool.new(1) while true do local f = p:map_async(one, { 1, 2, 3 }, { progress = function() busy(1e5) end }) p:map(one, { 1, 2, 3 }) f:wait() end",
    ["a source"] = "local p = pool.new(1) while true do p:map(one, function() return busy(1e5) end, { window = 10 }) end",
    ["imap"] = "local p = pool.new(2) while true do for _ in p:imap(one, { 1, 2, 3, { 4 } }) do end end",
    ["inline"] = "local p = pool.new(0) while true do p:map(function() return busy(1000) end, { 1, 2, { 4 } }) end",
    ["inline, timed"] = "local p = pool.new(0) while true do p:map(function() return busy(10) end, { 1, 2, { 4 } }, { timeout = 9 }) end",
    ["inline failures"] = "local p = pool.new(0) while true do p:map(function() busy(1000) error(slow) end, { 1, 2 }, { on_error = 'collect' }) end",
    ["inline reduce"] = "local p = pool.new(0) while true do p:reduce(one, { 1, 2, 3 }, function(a, b) return busy(1000) end, nil, { chunk = 3 }) end",
    ["finalizers"] = "local p = pool.new(1) while true do setmetatable({}, { __gc = function() busy(1000) end }) p:apply(one) end",
    ["opening"] = "while true do local p <close> = pool.new(2) p:apply(one) end",
    ["processes"] = "while true do process.spawn(one):result() end",
    ["showing processes"] = "while true do local p = process.spawn(one) tostring(p) p:join() end",
    ["reduce"] = "while true do pool.reduce(one, { 1, 2, 3, 4, 5, 6 }, function(a, b) return busy(1e4) end) end",
    ["small results"] = "local p = pool.new(1) while true do p:map(small, { 1, 2, 3, 4, 5 }) end",
    ["inheriting"] = "local p = pool.new(1) while true do p:apply(function() return file ~= nil end) end",
    ["showing outcomes"] = "local _, _, f = pool.map(function() error(slow) end, { slow }, { on_error = 'collect' }) while true do tostring(f[1]) end",
    ["pipes"] = "local a, b = process.pipe() while true do a:send(slow) b:recv() end",
    ["queues"] = "local q = shared.queue() while true do q:put(slow) q:get() end",
    ["tables"] = "local t = shared.table() t:set('n', 0) while true do t:update('n', function(n) busy(1000) return n + 1 end) end",
    ["broadcast"] = "local p = pool.new(2) while true do p:broadcast(function() return slow end) end",
    ["failures"] = "local p = pool.new(1) while true do pcall(error) p:map(error, { 'x', 'y' }, { on_error = 'collect' }) end",
}

local names = {}
for name in pairs(FORMS) do names[#names + 1] = name end
table.sort(names)

local folder = io.popen "mktemp -d":read()

local function write(name, text)
    local path = folder .. "/" .. name
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    return path
end

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

-- Prints a number, the exit status or "swallowed", in how many lines the message is, and
-- what was printed first.
local RUN <const> = [[
run() { # number, seconds, program, script
    env --default-signal=INT LUA_CPATH="${LUA_CPATH:-build/?.so;;}" $3 $4 >$4.$1.out 2>&1 & pid=$!
    # Until then it ignores the signal, as all do that a shell has put into the background.
    until case $(readlink /proc/$pid/exe) in *lua*) ;; *) false ;; esac; do
        kill -0 $pid || break
    done
    sleep $2
    kill -INT $pid
    left=%d
    while kill -0 $pid 2>/dev/null && [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
    [ $left -gt 0 ] || kill -KILL $pid
    wait $pid
    status=$?
    [ $left -gt 0 ] || status=swallowed
    said=$(grep -c 'interrupted!' $4.$1.out)
    echo "$1 $status $said $(head -c 300 $4.$1.out | tr '\n' ' ')"
}
]]

for i, name in ipairs(names) do write(i .. ".lua", PRELUDE .. FORMS[name]) end

local failed, started = 0, os.time()
for first = 1, runs, TOGETHER do
    local lines, what = { RUN:format(PATIENCE) }, {}
    for k = first, math.min(runs, first + TOGETHER - 1) do
        local form = (k + seed) % #names + 1
        what[k] = { programs[(k // #names + k) % #programs + 1], names[form] }
        lines[#lines + 1] = ("run %d %.3f %s %s/%d.lua &"):format(k, 0.03 + math.random() * 0.15,
            quote(what[k][1]), folder, form)
    end
    lines[#lines + 1] = "wait"
    for line in io.popen("sh " .. write("batch.sh", table.concat(lines, "\n")) .. " 2>/dev/null"):lines() do
        local k, status, count, text = line:match "^(%d+) (%S+) (%d+) (.*)"
        local said = count ~= "0" or text == "" -- it had not begun
        if not (said and (status == "130" or status == "1")) then
            failed = failed + 1
            print(("%s, %s: %s: %s"):format(what[tonumber(k)][1], what[tonumber(k)][2], status, text))
        end
    end
end
os.execute("rm -rf " .. folder)
print(("interrupts: %d of %d were swallowed (seed %d, %d s)"):format(failed, runs, seed, os.time() - started))
os.exit(failed == 0)
