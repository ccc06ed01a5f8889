--- The chunks of a host: tasks of a job go out together, under a token, and come back with what has become
--- of them. A chunk is a row of tasks with indices that follow each other, and the same code. Where all of
--- them end with a value there is never a Lua object for each: their arguments and results stay strings
--- (core/host/cluster_chunk.h). Else `tasks_of` makes the objects.

local core = require "luas.core"
local each = require "luas.cluster_each"
local names = require "luas.cluster_names"
local times = require "luas.cluster_times"
local turns = require "luas.turns"

local min, max, concat = math.min, math.max, table.concat

-- Seconds of work in a chunk, as far as is known; the most tasks and bytes in it.
local TARGET <const>, MOST_TASKS <const>, MOST_CHUNK <const> = 0.05, 1 << 15, 256 << 10

-- Chunks that are out for each slot while the caller waits: one runs, one waits at the agent, one at the server.
local AHEAD <const> = 3

-- So many chunks for each slot share the last tasks of a job, so that all slots end together.
local LAST <const> = 2

-- So many machines may be lost with a task. After the second loss it goes out alone: others may not be at fault.
local MOST_LOSSES <const>, SUSPECT <const> = 5, 2

local M = {}

-- ---- they go out ----

-- How many tasks the next chunk has, as those before took.
local function chunk_size(job)
    if job.lanes then return 1 end
    if job.policy.each then return MOST_TASKS end
    if job.policy.chunk then return job.policy.chunk end
    local by_time = job.mean and max(1, TARGET // max(job.mean, 1e-6)) or 1
    local share = job:count_waiting() // (job.pool:slots() * (job.sealed and LAST or 1))
    return math.tointeger(max(1, min(by_time, share, MOST_TASKS), min(job.least or 1, MOST_TASKS)))
end

-- The first tasks of a span.
local function cut(job, span, most)
    local at, n = job.pool.tools.cut(span.bytes, span.at, most, MOST_CHUNK)
    local chunk = { job = job, first = span.index, n = n, starts = 0, code = span.code,
        bytes = n == span.n and span.at == 0 and span.bytes or span.bytes:sub(span.at + 1, at) }
    span.index, span.n, span.at = span.index + n, span.n - n, at
    job.spread = job.spread - n
    if span.n == 0 then
        job:take_first()
        job.spread = job.spread + 1
    end
    return chunk
end

local function is_suspect(task) return task.lost and #task.lost >= SUSPECT end

local function follows(task, last)
    return task and not is_suspect(task) and not is_suspect(last) and not task.n and task.index == last.index + 1 and task.code == last.code
        and task.attempts == last.attempts and task.home == last.home
end

-- Tasks that go together.
local function gather(job)
    local most, tasks, bytes, size = chunk_size(job), {}, {}, 0
    while job.first <= job.last and not job.queue[job.first] do job:take_first() end
    local task = job.queue[job.first]
    if not task then return nil end
    if task.n then return cut(job, task, most) end
    repeat
        job:take_first()
        if task.lane then turns.started(task) end
        tasks[#tasks + 1], bytes[#bytes + 1] = task, task.bytes
        size = size + #task.bytes
        local next_one = job.queue[job.first]
        local goes_on = #tasks < most and (size < MOST_CHUNK or task.home) and follows(next_one, task)
        task = next_one
    until not goes_on
    return { job = job, tasks = tasks, first = tasks[1].index, n = #tasks, starts = tasks[1].attempts,
        code = tasks[1].code, home = tasks[1].home, bytes = tasks[1].home and tasks[1].bytes or concat(bytes) }
end

local function seconds_left(job)
    local policy = job.policy
    if not job.ends then return policy.timeout end
    return max(0.001, min(policy.timeout or math.huge, job.ends - core.now()))
end

-- Does somebody look at its tasks while they run, or at when they did?
local function is_watched(job) return (job.policy.stamped or job.pool.readers) and true end

-- What an agent has to know of a chunk.
local function body_of(chunk)
    local job = chunk.job
    local policy = job.policy
    return (job.pool.tools.pack(nil, false, {
        code = chunk.code, init = job.pool.init_blob, timeout = seconds_left(job), grace = policy.grace,
        seed = policy.seed, discard = policy.discard, lost_after = job.pool.lost_after,
        first = chunk.first, n = chunk.n, starts = chunk.starts, tasks = chunk.bytes, capture = job.pool.output == "capture",
        watch = is_watched(job), each = chunk.home ~= nil, retries = chunk.home and each.retries(policy),
    }))
end

-- Sends a chunk under its token. What is too large for a message is fetched.
local function send(self, chunk)
    local body = chunk.body
    if #body > self.link:look().most and not chunk.blob then
        chunk.blob = self.link:keep(body)
        body = (self.tools.pack(nil, false, { blob = chunk.blob, lost_after = self.lost_after }))
        chunk.body = body
    end
    chunk.sent, chunk.stored = core.now(), false
    local subject = chunk.home and self.prefix .. "d." .. names.hex(chunk.home.id) or self.subject
    self.link:send(subject, ("%s.P.%d"):format(self.link:inbox(), chunk.token),
        names.TASK, self.run, 0, chunk.token, body)
end

--- Sends a chunk of the job's.
function M.dispatch(self, job)
    local chunk = gather(job)
    if not chunk then return end
    chunk.token = self.link:offer()
    chunk.body = body_of(chunk)
    self.chunks[chunk.token] = chunk
    self.out = self.out + 1
    self:count("chunks", 1)
    local agent = chunk.home and self.agents:get(chunk.home.id)
    if agent and agent.slots == 0 then return M.crash(self, chunk, agent, agent.lost_why or "has left") end
    send(self, chunk)
end

--- Sends as many as there is work for while the caller waits.
function M.dispatch_all(self)
    local most = AHEAD * self:slots() + 1
    while self.out < most do
        local job = self.waiting:first()
        if not job then return end
        if not job:expire() then M.dispatch(self, job) end
    end
end

--- Forgets a chunk. Who may have it is told.
function M.retire(self, chunk)
    if self.chunks[chunk.token] ~= chunk then return end
    self.chunks[chunk.token] = nil
    self.out = self.out - 1
    self.link:withdraw(chunk.token)
    if chunk.blob then self.link:drop(chunk.blob) end
end

--- A chunk that nobody has goes out again, under a new token.
function M.resend(self, chunk)
    if not self.link:revoke(chunk.token) then return end
    self.chunks[chunk.token] = nil
    chunk.token = self.link:offer()
    self.chunks[chunk.token] = chunk
    send(self, chunk)
end

--- The chunks for which `is_one` holds, the oldest first.
function M.list(self, is_one)
    local list = {}
    for _, chunk in pairs(self.chunks) do
        if is_one(chunk) then list[#list + 1] = chunk end
    end
    table.sort(list, function(a, b) return a.token < b.token end)
    return list
end

-- ---- an object for each task, where one is needed ----

--- The tasks of a chunk.
---@return table[]
function M.tasks_of(chunk)
    if not chunk.tasks then
        chunk.tasks = chunk.job:tasks_in(chunk, 0)
        for _, task in ipairs(chunk.tasks) do
            if chunk.agent then task.attempts, task.begun = 1, chunk.begun end
        end
    end
    return chunk.tasks
end

-- ---- they come back ----

--- An agent has begun it.
function M.begin(chunk, agent)
    if chunk.agent then return end
    chunk.agent, chunk.begun = agent, core.now()
    for _, task in ipairs(chunk.tasks or {}) do
        if not task.settled then
            task.attempts = task.attempts + 1
            task.begun, task.timed = chunk.begun, nil
            local readers = chunk.job.pool.readers
            if chunk.job.policy.stamped or readers then task.start = task.begun end
        end
    end
end

--- The results, in words of this state. Reading them may call the user's code.
function M.read(job, bytes)
    local tools = job.pool.tools
    return pcall(function()
        return (function(n, ...)
            if not n then return { why = ... } end
            return table.pack(...)
        end)(tools.unpack(job.space, true, bytes))
    end)
end

-- The fields of an outcome, as the agent has sent them.
local function describe(job, agent, o)
    local value = o.value
    if o.raised then
        local ok, read_values = M.read(job, o.raised)
        value = ok and read_values[1] or nil
    end
    return {
        kind = o.kind, value = value, message = o.message, traceback = o.traceback, exitcode = o.exitcode,
        signal = o.signal, pid = o.pid, worker = o.worker, machine = agent.name, machine_lost = o.machine_lost,
        hung = o.hung, over_memory = o.over_memory,
        worker_name = ("%s %s"):format(agent.name, o.worker or "?"),
    }
end

local function print_of(self, task, agent, text)
    if self.output == "capture" then
        task.job.prints = task.job.prints or {}
        task.job.prints[task.index] = (task.job.prints[task.index] or "") .. text
        return
    end
    if self.output == "tag" then text = text:gsub("([^\n]*\n?)", function(line)
        return line ~= "" and ("%s: %s"):format(agent.name, line) or ""
    end) end
    io.stdout:write(text)
    io.stdout:flush()
end

local kinds <const> = { value = true, error = true, timeout = true, crash = true, cancelled = true }

--- May it have no other machine, whatever `retries` allows?
---@param task table
---@return boolean
function M.is_lost_for_good(task) return task.lost ~= nil and #task.lost > MOST_LOSSES end

-- Its machine was lost, or could not run it. One loss too many says where it was.
local function count_loss(task, agent, o)
    task.lost = task.lost or {}
    task.lost[#task.lost + 1] = agent.name
    if not M.is_lost_for_good(task) then return o end
    return { kind = o.kind, machine_lost = ("%s, after %d others with the same task: %s"):format(o.machine_lost,
        #task.lost - 1, concat(task.lost, ", ", 1, #task.lost - 1)) }
end

-- An outcome is a string, the results, or a table.
local function settle_one(self, task, agent, o)
    if type(o) == "string" then o = { kind = "value", bytes = o } end
    if type(o) ~= "table" or not kinds[o.kind] then
        o = { kind = "crash", machine_lost = "sent no outcome" }
    end
    if o.machine_lost then o = count_loss(task, agent, o) end
    agent:count(o.kind, 1)
    if o.printed then print_of(self, task, agent, o.printed) end
    if task.start and not task.timed then times.guess(task, agent, o.worker) end
    if task.home and o.attempts then task.attempts = o.attempts end
    if o.kind == "value" then return task:value(o.bytes) end
    task:finish(o.kind, describe(task.job, agent, o))
end

-- What the agent has sent, as a list; or true, if all are values that need not be looked at now.
local function open_results(self, chunk)
    local results = chunk.results
    if type(results) == "table" and results.why then
        local why, list = { kind = "crash", machine_lost = tostring(results.why) }, {}
        for i = 1, chunk.n do list[i] = why end
        return list
    elseif type(results) ~= "string" then
        return results
    end
    return self.tools.outcomes(chunk.job.space, results, chunk.first, chunk.n, chunk.tasks ~= nil) or {}
end

-- What has become of a chunk. User code may raise in the midst of it: then the rest comes with the next step.
local function settle(self, chunk)
    if not chunk.at then
        local list = open_results(self, chunk)
        if list == true then
            chunk.from:count("value", chunk.n)
            chunk.job:post_values(chunk)
            return M.retire(self, chunk)
        end
        chunk.results, chunk.at = list, 1
    end
    local tasks = M.tasks_of(chunk)
    if chunk.times then times.read(chunk) end
    while chunk.at <= #tasks do
        local i = chunk.at
        chunk.at = i + 1
        if not tasks[i].settled then settle_one(self, tasks[i], chunk.from, chunk.results[i]) end
    end
    M.retire(self, chunk)
end

--- Settles those that have come.
function M.settle_all(self)
    while self.arrived[1] do
        local chunk = self.arrived[1]
        if self.chunks[chunk.token] == chunk then settle(self, chunk) end
        if self.arrived[1] == chunk then table.remove(self.arrived, 1) end -- user code may have taken a step
    end
end

--- Its machine is lost.
function M.crash(self, chunk, agent, why)
    local crash, crashes = { kind = "crash", machine_lost = why }, {}
    for i = 1, chunk.n do crashes[i] = crash end
    self.link:withdraw(chunk.token)
    M.arrive(self, chunk, agent, crashes)
end

--- Its outcomes are there: a string, or a list.
function M.arrive(self, chunk, agent, results, when)
    chunk.results, chunk.from, chunk.times = results, agent, when
    self.arrived[#self.arrived + 1] = chunk
end

--- Chunks are made as large as tasks allow: the last ones count most, and those of many tasks.
function M.learn(job, seconds, n)
    job.seconds, job.measured = (job.seconds or 0) / 2 + seconds, (job.measured or 0) / 2 + max(1, n)
    job.mean = job.seconds / job.measured
end

return M
