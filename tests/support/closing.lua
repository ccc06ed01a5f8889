-- What closing_test runs: a finalizer that tries all verbs as its state closes.
--
-- Its argument says when the finalizer's object is made: 0 before the library is opened,
-- 1 before there is a pool, 2 before anything else is used, 3 last. `openlibs()` opens the
-- library; `tell(right, what)` is given what each verb came to.

local order = ...
local verbs, meanings = {}, {
    v = "true",
    p = "pool is closed",
    j = "the job has been collected",
    e = "this end of the pipe is closed",
    c = "the Lua state is closing",
    g = "this shared.queue is gone",
    m = "the shared memory is gone",
}
local p, future, running, child, a, b, step, queue
local Class = { __index = {} }

local function same(...) return ... end

-- `wanted` has for each order the letter of what `f` gives or raises.
local function verb(name, wanted, f) verbs[#verbs + 1] = { name, wanted, f } end

verb("tostring", "vvvv", function() return #(tostring(p) .. tostring(future) .. tostring(child)) > 9 end)
verb("map", "ppvv", function() return p:map(function(x) return x + 1 end, { 1, 2, 3 })[3] == 4 end)
verb("map of tables", "ppvv", function() return p:map(same, { { { 1 } }, { { 2 } } })[2][1][1] == 2 end)
verb("apply", "ppvv", function() return p:apply(same, 1) == 1 end)
verb("class", "ppvv", function() return getmetatable(p:apply(same, setmetatable({}, Class))) == Class end)
verb("by name", "ppvv", function() return p:apply(same, { math.floor, { print } })[2][1] == print end)
verb("async", "ppvv", function() return p:apply_async(same, { { 5 } }):get()[1][1] == 5 end)
verb("inherit", "ppvv", function()
    return p:with { carry = "inherit" }:apply(function() return #verbs end) > 9
end)
verb("future", "ppjv", function() return future:get()[2][1] == 2 end)
verb("running", "ppjv", function() return getmetatable(running:get()) == Class end)
verb("ready", "vvvv", function() return future:ready() and running:ready() end)
verb("on_done", "vvvv", function()
    local n = 0
    future:on_done(function() n = n + 1 end)
    return n == 1
end)
verb("imap", "ppvv", function()
    for _, x in p:imap(same, { { { 1 } } }) do return x[1][1] == 1 end
end)
-- Its next result may have come together with the first: then it is given, whatever became of the pool.
verb("iterator", "vvvv", function()
    local ok, n, result = pcall(step)
    if ok then return result[1][1] == 1 end
    local why <const> = { [0] = meanings.p, meanings.p, meanings.j, "nothing" }
    return n:find(why[order], 1, true) ~= nil
end)
verb("reduce", "ppvv", function() return p:reduce(same, { 1, 2, 3 }, math.max) == 3 end)
verb("broadcast", "ppvv", function() return #p:broadcast(same, { { 1 } }) == 2 end)
verb("stats", "ppvv", function() return p:stats().tasks > 0 end)
verb("step", "ppvv", function() return p:step(0) ~= nil end)
verb("fileno", "ppvv", function() return p:fileno() > 2 end)
verb("pool.new", "cvvv", function() return pool.new(1):apply(same, { { print } })[1][1] == print end)
verb("no workers", "vvvv", function() return pool.new(0):apply(same, 1) == 1 end)
verb("default", "cvvv", function() return pool.map(same, { { { 1 } } })[1][1][1] == 1 end)
verb("report", "cvvv", function()
    local new = pool.new { workers = 1, report = "/dev/null", trace = "/dev/null" }
    return new:map(same, { 1, 2 })[2] == 2
end)
verb("spawn", "pppv", function() return process.spawn(same, { { 1 } }):result()[1][1] == 1 end)
verb("child", "pppv", function() return child:join(5) and not child:is_alive() end)
verb("children", "pppv", function() return #process.children() == 0 end)
verb("pipe", "cvvv", function()
    local c, d = process.pipe()
    c:send { { 1 } }
    return d:recv()[1][1] == 1
end)
verb("old pipe", "eeev", function()
    a:send { { 1 } }
    return b:recv()[1][1] == 1
end)
verb("queue", "gggv", function()
    queue:put { { 1 } }
    return queue:get()[1][1] == 1
end)
verb("new queue", "mvvv", function()
    local new, lock = shared.queue(), shared.lock()
    left = { new, lock, lock:hold(), select(2, pcall(shared.table)) }
    new:put { { 1 } }
    return new:get()[1][1] == 1
end)
verb("left open", "cvvv", function()
    left = { left, pool.new(1), process.pipe() }
    left[5] = left[2]:apply_async(function() while true do end end)
    left[2]:map_async(same, { { { 1 } }, { { 2 } } })
    return true
end)
verb("left process", "pppv", function()
    return process.spawn(function() while true do end end):is_alive()
end)
verb("close", "vvvv", function()
    p:close()
    return true
end)
verb("join", "ppvv", function() return p:join(20) end)
verb("terminate", "ppvv", function()
    p:terminate()
    return true
end)
verb("closed", "pppp", function() return p:apply(same, 1) end)

local function use_all()
    for _, v in ipairs(verbs) do
        local name, wanted, f = table.unpack(v)
        local _, result = pcall(f)
        local got = tostring(result):gsub("^.-:%d+: ", "")
        tell(got == meanings[wanted:sub(order + 1, order + 1)], ("%s: %s"):format(name, got))
    end
end

local function make(now)
    if now == order then kept = setmetatable({}, { __gc = use_all }) end
end

make(0)
openlibs()
make(1)
p = pool.new(2)
make(2)
assert(p:apply(same, { { 1 } })[1][1] == 1)
future = p:apply_async(function() return { 1, { 2 } } end)
running = p:apply_async(function()
    local over = os.clock() + 0.05
    while os.clock() < over do end
    return setmetatable({}, Class)
end)
a, b = process.pipe()
child = process.spawn(same, 1)
queue = shared.queue()
step = p:imap(same, function() return { { 1 } } end, { window = 1 })
step()
make(3)
