-- What luas does when things go wrong: one case of promise.py.
--
--   luas -j 2 mishaps.lua CASE
--
-- Says `value I` or `failed I REASON` for each task that has come to an end,
-- `raised REASON` when the job as a whole fails, and `usable` when the pool
-- still does another job afterwards.

local TASKS <const> = 40
local BAD <const> = 3

io.stdout:setvbuf "line"

local function tasks(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
end

local function one_line(text)
    return (tostring(text):gsub("%s*\n.*", ""))
end

-- Every case maps over the tasks like this; only the function differs.
local function run(f, options)
    options.workers = 2
    local p <close> = pool.new(options)
    local ok, reason = pcall(function()
        for i, result, failure in p:imap_unordered(f, tasks(TASKS), { on_error = "collect" }) do
            if failure then
                print("failed", i, one_line(failure))
            else
                print("value", i, result)
            end
        end
    end)
    if not ok then print("raised", one_line(reason)) end
    local again, count = pcall(p.map, p, function(x) return x end, tasks(4))
    if again and #count == 4 then print "usable" end
end

local function linger()
    local stop = os.clock() + 0.02
    while os.clock() < stop do end
end

local cases = {}

function cases.killed()
    run(function(i)
        linger()
        if i == BAD then os.execute "kill -9 $PPID" end
        return i
    end, {})
end

function cases.exit()
    run(function(i)
        linger()
        if i == BAD then os.exit(7) end
        return i
    end, {})
end

function cases.initializer()
    run(function(i) return i end, { init = function() error "no database" end })
end

function cases.timeout()
    run(function(i)
        while i == BAD do end
        return i
    end, { timeout = 0.5 })
end

function cases.orphans()
    local p = pool.new(2)
    p:map_async(function() while true do end end, { 1, 2 })
    os.execute "sleep 0.5"
    print "ready"
    p:close()
    p:join()
end

cases[arg[1]]()
