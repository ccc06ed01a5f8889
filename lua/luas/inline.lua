--- The engine without processes: tasks run in the caller, one at a time, with
--- the same results and the same errors. It stands in for luas.core's pools
--- where there are no workers (`workers = 0`, or inside a task), so that the
--- verbs need not know. What a task changes stays changed here.

local core = require "luas.core"

local pack, unpack = table.pack, table.unpack

---@class luas.inlinepool
local Pool = {}
Pool.__index = Pool

local Job = {}
Job.__index = Job

--- A pool with the methods of luas.core's (core/lua_pool.h).
---@return table
local function new()
    return setmetatable({ jobs = {}, counts = { tasks = 0 } }, Pool)
end

function Pool:job(policy)
    local job = setmetatable({
        pool = self, policy = policy, queue = {}, first = 1, last = 0,
        outcomes = {}, taken = 0, posted = 0, fed = 0, failures = 0,
    }, Job)
    table.insert(self.jobs, job)
    return job
end

function Pool:live() return 0 end

function Pool:busy()
    for _, job in ipairs(self.jobs) do
        if not job:done() then return true end
    end
    return false
end

function Pool:stop() self.closing = true end

function Pool:terminate()
    for _, job in ipairs(self.jobs) do job:cancel() end
end

Pool.close = Pool.terminate

function Pool:resize() end

function Pool:foreign() return false end

function Pool:stats()
    local all = { forks = 0 }
    for _, name in ipairs { "tasks", "values", "errors", "timeouts", "crashes", "cancelled" } do
        all[name] = self.counts[name] or 0
    end
    return all
end

function Pool:count(kind, n)
    local name = kind .. (kind == "crash" and "es" or kind == "cancelled" and "" or "s")
    self.counts[name] = (self.counts[name] or 0) + n
    self.counts.tasks = self.counts.tasks + n
end

--- Runs one task: false when there is none.
function Pool:step()
    for i = 1, #self.jobs do
        local job = self.jobs[i]
        if job.first <= job.last then
            job:run()
            return true
        end
    end
    return false
end

function Job:carry(f)
    self.f = f
    return true, {}
end

function Job:inherit(f, items)
    self.f, self.items = f, items
end

local function unpack_item(list, index)
    if type(list) ~= "table" then
        error(("item %d: a table of arguments expected, got %s"):format(index, type(list)), 0)
    end
    return pack(unpack(list, 1, list.n or #list))
end

local function push(self, arguments)
    self.last, self.fed = self.last + 1, self.fed + 1
    self.queue[self.last] = { index = self.fed, arguments = arguments }
end

function Job:feed(items, first, last, star)
    for i = first, last do
        push(self, star and unpack_item(items[i], i) or pack(items[i]))
    end
    return true
end

function Job:feed_inherited(n)
    self:feed(self.items, 1, n, self.policy.star)
end

function Job:call(...)
    push(self, pack(...))
    return true
end

local function check_item(index, arguments)
    local message = core.check(unpack(arguments, 1, arguments.n))
    if message then
        error(("item %d%s%s"):format(index, message:find(": ", 1, true) and ", " or ": ", message), 0)
    end
end

function Job:pull(source, most, before, star)
    for n = 1, most do
        local arguments = pack(source())
        if arguments[1] == nil then return n - 1, false end
        if star then arguments = unpack_item(arguments[1], before + n) end
        check_item(before + n, arguments)
        push(self, arguments)
    end
    return most, true
end

function Job:seal() self.sealed = true end

function Job:pump() end

function Job:post(o, n)
    self.posted = self.posted + 1
    self.outcomes[self.posted] = o
    self.settled_count = (self.settled_count or 0) + n
    self.pool:count(o.fields and o.fields.kind or "value", n)
end

local function on_raise(value)
    local kind, meta = type(value), getmetatable(value)
    local describes = kind == "string" or kind == "number"
        or (type(meta) == "table" and meta.__tostring)
    return {
        value = value, traceback = debug.traceback(nil, 2),
        message = describes and tostring(value) or ("(error object is a %s value)"):format(kind),
    }
end

local function call(f, task, policy)
    if policy.seed then math.randomseed(policy.seed, task.index) end
    local results = pack(f(unpack(task.arguments, 1, task.arguments.n)))
    if policy.discard then return pack() end
    local message = core.check(unpack(results, 1, results.n))
    if message then
        error(("result%s%s"):format(message:find(": ", 1, true) and ", " or ": ", message), 0)
    end
    return results
end

function Job:run()
    local task = self.queue[self.first]
    self.queue[self.first] = nil
    self.first = self.first + 1
    local ok, results = xpcall(call, on_raise, self.f, task, self.policy)
    if ok then
        return self:post({ index = task.index, results = results }, 1)
    end
    local pid = core.pid()
    results.kind, results.index, results.count = "error", task.index, 1
    results.attempts, results.pid, results.worker = 1, pid, 0
    self.failures = self.failures + 1
    self:post({ index = task.index, fields = results }, 1)
    if self.policy.halt and self.failures >= self.policy.halt then self:cancel() end
end

function Job:cancel(from, to)
    local kept, last = self.first, self.last
    for i = self.first, last do
        local task = self.queue[i]
        self.queue[i] = nil
        if task.index >= (from or 0) and task.index <= (to or math.maxinteger) then
            self:post({ index = task.index, fields = {
                kind = "cancelled", index = task.index, count = 1, attempts = 0 } }, 1)
        else
            self.queue[kept] = task
            kept = kept + 1
        end
    end
    self.last = kept - 1
end

local function shift(self)
    if self.taken == self.posted then return nil end
    self.taken = self.taken + 1
    local o = self.outcomes[self.taken]
    self.outcomes[self.taken] = nil
    return o
end

function Job:collect(results)
    local n = 0
    for o in shift, self do
        if o.fields then return n + o.fields.count, o.fields end
        results[o.index], n = o.results[1], n + 1
    end
    return n
end

function Job:next()
    local o = shift(self)
    if o == nil then return end
    if o.fields then return o.index, o.fields end
    return o.index, nil, unpack(o.results, 1, o.results.n)
end

function Job:printed() return {} end

function Job:settled() return self.settled_count or 0 end

function Job:done()
    return self.dropped or (self.sealed and self:settled() == self.fed)
end

function Job:drop()
    self.dropped, self.last = true, self.first - 1
    for i, job in ipairs(self.pool.jobs) do
        if job == self then return table.remove(self.pool.jobs, i) end
    end
end

return { new = new }
