--- The engine over many machines. It replaces a pool of luas.core where the option `cluster` is given, so
--- the verbs need not know. It is derived of the engine without processes (inline.lua), which knows what
--- becomes of tasks: queues, retries, limits, halt, callbacks. Here a task does not run but goes, with others
--- of its job, as a chunk into a stream of the server (cluster_names.lua), from which agents take.
---
--- A chunk has a token. An agent may start it only after the host has given it that token, once
--- (core/cluster/desk.h): so no chunk runs twice, whatever the server delivers or somebody replays. When a
--- machine is lost, the tasks that it had are crashes, or start again if `retries` allows; a chunk that
--- nobody had goes out again under a new token.

local core = require "luas.core"
local held = require "luas.held"
local inline = require("luas.inline", true)
local machines = require "luas.cluster_machines"
local names = require "luas.cluster_names"
local outcome = require "luas.outcome"
local retry = require "luas.retry"
local turns = require "luas.turns"

local check = require "luas.check"
local pack, unpack, min, max = table.pack, table.unpack, math.min, math.max

-- Seconds of work in a chunk, as far as is known; the most tasks and bytes in it.
local TARGET <const>, MOST_TASKS <const>, MOST_CHUNK <const> = 0.05, 4096, 256 << 10

-- Chunks that are out for each slot while the caller waits.
local AHEAD <const> = 2

-- Seconds: until a chunk that the server did not confirm goes out again; for the first agents to say that
-- they are there, and after each for the next; until people are told that none is.
local CONFIRM <const>, GREETING <const>, QUIET <const>, LONELY <const> = 2, 0.5, 0.05, 5

---@class luas.clusterpool: luas.inlinepool
local Pool = setmetatable({}, { __index = inline.Pool })
Pool.__index = Pool

local Job = setmetatable({}, { __index = inline.Job })
Job.__index = Job
Pool.Job = Job

local Task = setmetatable({}, { __index = inline.Task })
Task.__index = Task
Task.__close = inline.Task.__close
Pool.Task = Task

-- What a pool of workers of this machine could do, and this one cannot.
local own <const> = { "workers", "start", "keep_files", "idle", "exit", "max_tasks", "memory", "max_memory" }

local function refuse_options(given)
    for _, name in ipairs(own) do
        if given[name] ~= nil then
            check.fail(("pool.new: option '%s' is about workers of this machine: those of a cluster are their agents' (luas --agent)")
                :format(name))
        end
    end
end

-- ---- opening ----

local function greet(self)
    local body = self.tools.pack(nil, false, self.lost_after, self.tools.lua)
    self.link:send(self.prefix .. "c", nil, names.HELLO, self.run, 0, 0, body)
    self.greeted = core.now()
end

local function await_agents(self)
    local now = core.now()
    local deadline = now + GREETING
    while now < deadline do
        local before = self.agents.n
        self.link:wait(deadline - now)
        self:receive()
        now = core.now()
        if self.agents.n > before then deadline = min(deadline, now + QUIET) end
    end
end

-- What init needs of this machine goes with the first chunk.
local function keep_init(self, init)
    local bytes, why = self.tools.define(init)
    if not bytes then check.fail(("pool.new: cannot send init: %s"):format(why)) end
    self.init_blob = self.link:keep((self.tools.pack(nil, false, bytes)))
end

--- A pool with the methods of a pool of luas.core (core/host/core.h).
---@param given luas.pooloptions
---@param cluster { url: string, key: string?, ca: string?, nkey: string? }
---@return table
local function new(given, cluster)
    refuse_options(given)
    local link, prefix, stream = names.connect {
        url = cluster.url, key = cluster.key, ca = cluster.ca, nkey = cluster.nkey,
        name = "luas host " .. core.pid(),
    }
    if not link then check.fail(prefix) end
    local self = inline.new({ name = given.name }, Pool)
    self.tools, self.link, self.prefix, self.stream = core.cluster_tools(), link, prefix, stream
    self.url = cluster.url:gsub("//.*@", "//")
    self.lost_after = given.lost_after or names.LOST_AFTER
    self.output = given.output or core.run and core.run.output or "inherit"
    self.run, self.chunks, self.out, self.agents = self.tools.random(), {}, 0, machines.new(self)
    self.fetches, self.arrived, self.reconnects, self.opened = {}, {}, 0, core.now()
    self.subject = prefix .. "t." .. names.hex(self.run)
    link:serve(self.run)
    link:listen(link:inbox() .. ".>", "_")
    link:listen(prefix .. "h." .. names.hex(self.run), "h")
    link:listen(prefix .. "r." .. names.hex(self.run), "r")
    link:listen(prefix .. "a", "a")
    local ok, why = names.ensure(link, prefix, stream, self.lost_after)
    if not ok then
        link:close()
        check.fail(("%s: %s"):format(self.url, why))
    end
    if given.init then keep_init(self, given.init) end
    greet(self)
    await_agents(self)
    return self
end

function Pool:job(policy)
    if policy.each then
        check.fail "over a cluster there is no 'broadcast', as agents come and go: what each worker is to do first is 'init'"
    end
    return inline.Pool.job(self, policy)
end

--- How many tasks can run at a time: at least one, so that there is something to wait for.
function Pool:slots() return max(1, self.agents:slots()) end

function Pool:live() return self.closed and 0 or self.stopped and 0 or self.agents:slots() end

function Pool:stuck() return false end

function Pool:fileno() return self.link:fileno() end

function Pool:wake() end

function Pool:unwritten() return 0, 0 end

function Pool:stop() self.stopped = true end

function Pool:resize() check.fail "a pool over a cluster has as many workers as its agents: it cannot be resized" end

function Pool:terminate()
    if self.closed then return end
    inline.Pool.terminate(self)
    self.link:send(self.prefix .. "c", nil, names.CANCEL, self.run, 0, 0)
end

function Pool:close()
    self:terminate()
    if self.gone then return end
    self.gone = true
    names.purge(self.link, self.stream, self.subject)
    self.link:close()
end

function Pool:stats()
    local all = inline.Pool.stats(self)
    all.machines = self.agents:counts()
    return all
end

-- ---- the function, and the arguments ----

local REMEDY <const> = "; over a cluster nothing is inherited: make it in init, or in the task"

function Job:carry(f)
    self.f, self.forced = f, true
    local bytes, space = self.pool.tools.define(f)
    if not bytes then return nil, space .. REMEDY end
    self.space, self.parts = space, { bytes }
    return true, {}
end

function Job:inherit() check.fail "over a cluster nothing is inherited" end

-- Code is kept for agents, once it is needed, and anew when arguments have brought classes.
local function code_of(self)
    if not self.code then
        local tools = self.pool.tools
        self.codes = self.codes or {}
        self.code = self.pool.link:keep((tools.pack(nil, false, unpack(self.parts))))
        self.codes[#self.codes + 1] = self.code
    end
    return self.code
end

--- Encodes the arguments: why that cannot be done, or nil.
function Job:refusal(arguments)
    local bytes, more = self.pool.tools.pack(self.space, self.fresh or false, unpack(arguments, 1, arguments.n))
    if not bytes then return more .. REMEDY end
    if more ~= "" then
        self.parts[#self.parts + 1], self.code = more, nil
    end
    self.encoded = bytes
    return nil
end

function Job:push(arguments)
    local bytes = self.encoded
    inline.Job.push(self, arguments)
    local task = self.open[self.fed]
    if task then task.bytes, task.code = bytes, code_of(self) end
end

-- No code of the user's runs between the function and an array: so what both have goes by number.
function Job:feed(...)
    self.fresh = true
    local ok, why = inline.Job.feed(self, ...)
    self.fresh = nil
    return ok, why
end

function Job:call(...)
    self.fresh = true
    local ok, why = inline.Job.call(self, ...)
    self.fresh = nil
    return ok, why
end

function Job:settle() return true, {} end

function Job:submit() end

-- ---- chunks go out ----

-- How many tasks the next chunk has, as those before took.
local function chunk_size(job)
    if job.lanes then return 1 end
    if job.policy.chunk then return job.policy.chunk end
    local by_time = job.mean and max(1, math.floor(TARGET / max(job.mean, 1e-6))) or 1
    local share = (job.last - job.first + 1) // (AHEAD * job.pool:slots())
    return max(1, min(by_time, share, MOST_TASKS), min(job.least or 1, MOST_TASKS))
end

local function take(job)
    local task = job.queue[job.first]
    job.queue[job.first] = nil
    job.first = job.first + 1
    if job.first > job.last then job.pool.waiting:remove(job) end
    return task
end

-- Tasks that go together have the same code.
local function gather(job)
    local tasks, bytes, most = {}, 0, chunk_size(job)
    while #tasks < most and job.first <= job.last and bytes < MOST_CHUNK do
        local next_one = job.queue[job.first]
        if next_one and tasks[1] and next_one.code ~= tasks[1].code then break end
        local task = take(job)
        if task then
            if task.lane then turns.started(task) end
            tasks[#tasks + 1] = task
            bytes = bytes + #task.bytes
        end
    end
    return tasks
end

local function seconds_left(job)
    local policy = job.policy
    if not job.ends then return policy.timeout end
    return max(0.001, min(policy.timeout or math.huge, job.ends - core.now()))
end

-- What an agent has to know of a chunk.
local function body_of(chunk)
    local job, indices, attempts, arguments = chunk.job, {}, {}, {}
    for i, task in ipairs(chunk.tasks) do
        indices[i], attempts[i], arguments[i] = task.index, task.attempts + 1, task.bytes
    end
    local policy = job.policy
    return (job.pool.tools.pack(nil, false, {
        code = chunk.tasks[1].code, init = job.pool.init_blob, timeout = seconds_left(job), grace = policy.grace,
        seed = policy.seed, discard = policy.discard, lost_after = job.pool.lost_after,
        indices = indices, attempts = attempts, arguments = arguments,
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
    self.link:send(self.subject, ("%s.P.%d"):format(self.link:inbox(), chunk.token),
        names.TASK, self.run, 0, chunk.token, body)
end

local function dispatch(self, job)
    local tasks = gather(job)
    if #tasks == 0 then return end
    local chunk = { job = job, tasks = tasks, token = self.link:offer() }
    chunk.body = body_of(chunk)
    self.chunks[chunk.token] = chunk
    self.out = self.out + 1
    self:count("chunks", 1)
    for _, task in ipairs(tasks) do task.chunk = chunk end
    send(self, chunk)
end

local function dispatch_all(self)
    local most = AHEAD * self:slots() + 1
    while self.out < most do
        local job = self.waiting:first()
        if not job then return end
        if not job:expire() then dispatch(self, job) end
    end
end

-- Forgets a chunk. Who may have it is told.
local function retire(self, chunk)
    if self.chunks[chunk.token] ~= chunk then return end
    self.chunks[chunk.token] = nil
    self.out = self.out - 1
    self.link:withdraw(chunk.token)
    if chunk.blob then self.link:drop(chunk.blob) end
    for _, task in ipairs(chunk.tasks) do
        if task.chunk == chunk then task.chunk = nil end
    end
end

-- A job that has failed too often may stop what runs, too.
function Job:look_at_failures()
    inline.Job.look_at_failures(self)
    if self.halted and self.policy.halt_now and not self.stopping then
        self.stopping = true
        self:cancel()
    end
end

--- A chunk that nobody has goes out again, under a new token.
local function resend(self, chunk)
    if not self.link:revoke(chunk.token) then return end
    self.chunks[chunk.token] = nil
    chunk.token = self.link:offer()
    self.chunks[chunk.token] = chunk
    send(self, chunk)
end

-- In so many chunks, about, goes out what a host leaves to itself.
local EAGER <const> = 1000

--- For a host that goes on: all that is fed goes out.
function Job:pump()
    self.least = (self.last - self.first + 1) // EAGER
    while self.first <= self.last and not self:expire() do dispatch(self.pool, self) end
end

Job.detach = Job.pump

-- ---- what comes back ----

local function begin(chunk, agent)
    if chunk.agent then return end
    chunk.agent, chunk.begun = agent, core.now()
    for _, task in ipairs(chunk.tasks) do
        if not task.settled then
            task.attempts = task.attempts + 1
            task.begun = chunk.begun
            local readers = chunk.job.pool.readers
            if chunk.job.policy.stamped or readers then task.start = task.begun end
        end
    end
end

-- The results, in words of this state. Reading them may call the user's code.
local function read(job, bytes)
    local tools = job.pool.tools
    return pcall(function()
        return (function(n, ...)
            if not n then return { why = ... } end
            return table.pack(...)
        end)(tools.unpack(job.space, true, bytes))
    end)
end

function Task:value(bytes)
    local job = self.job
    if job.policy.discard then return self:finish("value") end
    local ok, results = read(job, bytes)
    if ok and not results.why then return self:finish("value", nil, results) end
    self:finish("error", { message = ok and results.why or tostring(results) })
    if not ok and core.stopped(results) then error(results, 0) end
end

-- The user's function decides. Where a stop interrupts it, the task has its outcome all the same.
local function ask(self, fields)
    local ok, again = pcall(self.job.policy.decide, self:complete(fields))
    if ok then return again end
    if not self.settled then self:cancel() end
    error(again, 0)
end

-- Seconds until it is started again; nil: it is not.
function Task:pause_after(kind, fields)
    local policy = self.job.policy
    if kind == "value" or (policy.retries or 0) == 0 or self.job.pool.closed then return nil end
    local again = retry.wanted(policy, kind, self.attempts)
    if again == nil then again = ask(self, fields) end
    if not again then return nil end
    local seed = policy.seed or math.floor(core.now() * 1e9)
    return retry.pause(policy, self.attempts, retry.draw(seed, self.index, self.attempts))
end

--- What has become of it: it has its outcome, or starts again.
---@param kind string
---@param fields table?    of an outcome that is no value
---@param results table?
function Task:finish(kind, fields, results)
    if kind == "timeout" and self.job:expire() and not self.settled then return self:cancel() end
    if self.settled then return end
    if fields then fields.kind = kind end
    local pause = self:pause_after(kind, fields)
    if self.settled then return end -- the function that decided has cancelled it
    if self.start then self:tell(pause ~= nil, kind, nil, fields and fields.message) end
    if pause then
        self.job.pool:count("retries", 1)
        if pause > 0 then return held.hold(self, core.now() + pause) end
        return self:go_on()
    elseif kind == "value" then
        return self:post { results = results or pack() }
    end
    self:fail(fields)
    if kind ~= "cancelled" then self.job:count_failure() end
end

function Task:complete(fields)
    local pid, worker = fields.pid, fields.worker
    inline.Task.complete(self, fields)
    fields.pid, fields.worker = pid, worker
    return fields
end

-- The fields of an outcome, as the agent has sent them.
local function describe(job, agent, o)
    local value = nil
    if o.value then
        local ok, read_values = read(job, o.value)
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

function Job:printed() return self.prints or {} end

local kinds <const> = { value = true, error = true, timeout = true, crash = true, cancelled = true }

-- An outcome is a string, the results, or a table.
local function settle_one(self, task, agent, o)
    if type(o) == "string" then o = { kind = "value", bytes = o } end
    if type(o) ~= "table" or not kinds[o.kind] then
        o = { kind = "crash", machine_lost = "sent no outcome" }
    end
    agent:count(o.kind)
    if o.printed then print_of(self, task, agent, o.printed) end
    if o.kind == "value" then return task:value(o.bytes) end
    task:finish(o.kind, describe(task.job, agent, o))
end

-- What has become of a chunk. User code may raise in the midst of it: then the rest comes with the next step.
local function settle(self, chunk)
    while chunk.at <= #chunk.tasks do
        local i = chunk.at
        chunk.at = i + 1
        if not chunk.tasks[i].settled then settle_one(self, chunk.tasks[i], chunk.from, chunk.results[i]) end
    end
    retire(self, chunk)
end

local function settle_all(self)
    while self.arrived[1] do
        local chunk = self.arrived[1]
        settle(self, chunk)
        if self.arrived[1] == chunk then table.remove(self.arrived, 1) end -- user code may have taken a step
    end
end

local function arrive(self, chunk, agent, results)
    chunk.results, chunk.from, chunk.at = results, agent, 1
    self.arrived[#self.arrived + 1] = chunk
end

local function learn(job, seconds, n)
    local mean = seconds / max(1, n)
    job.mean = job.mean and (job.mean + mean) / 2 or mean
end

-- Results count once. In any case the agent and the server are told that they have come.
local function on_result(self, agent_id, token, body)
    local n, ack, results, seconds = self.tools.unpack(nil, false, body)
    if n ~= 3 or type(ack) ~= "string" or type(results) ~= "table" or type(seconds) ~= "number" then return false end
    local agent, chunk = self.agents:get(agent_id), self.chunks[token]
    if results.blob and chunk then return self:fetch(agent, token, results.blob) end
    if ack ~= "" then self.link:post(ack, nil, "+ACK") end
    self.link:send(self.prefix .. "d." .. names.hex(agent_id), nil, names.DONE, self.run, agent_id, token)
    local owner = self.link:withdraw(token)
    if not chunk or owner ~= agent_id then return false end
    begin(chunk, agent_id)
    learn(chunk.job, seconds, #chunk.tasks)
    arrive(self, chunk, agent, results)
    settle_all(self)
    return true
end

--- Results that are larger than a message are fetched from the agent.
function Pool:fetch(agent, token, blob)
    local key = ("%d %d"):format(agent.id, token)
    if self.fetches[key] then return false end
    local want = { run = self.run, me = agent.id, blob = blob, nonce = self.tools.random(), parts = {}, got = 0,
        token = token, subject = self.prefix .. "d." .. names.hex(agent.id), key = key }
    self.fetches[key], self.fetches[want.nonce] = want, want
    names.get(self.link, want.subject, want)
    return false
end

local function end_fetch(self, want)
    self.fetches[want.key], self.fetches[want.nonce] = nil, nil
end

local function on_part(self, body)
    local want = self.fetches[names.nonce(body)]
    if not want then return false end
    local bytes = names.part(want, body)
    if bytes == nil then
        names.get(self.link, want.subject, want)
        return false
    end
    end_fetch(self, want)
    return bytes and on_result(self, want.me, want.token, bytes) or false
end

-- The server says whether it has stored a chunk.
local function on_stored(self, subject, status, text)
    local chunk = self.chunks[tonumber(subject:match "(%d+)$")]
    if not chunk then return end
    if status == 0 and not text:find('"error"', 1, true) then
        chunk.stored = true
    else
        chunk.sent = core.now() - CONFIRM + 0.25
    end
end

local function on_claim(self, token, agent, verdict)
    if verdict == names.OTHER_LUA then return self.agents:refuse(agent) end
    local chunk = self.chunks[token]
    if verdict == names.YES and chunk then begin(chunk, agent) end
end

--- Takes in what has come: did any outcome?
---@return boolean
function Pool:receive()
    local news = false
    settle_all(self)
    while true do
        local kind, type_, run, agent, token, body, _, status, verdict, subject = self.link:next()
        if not kind then return news end
        if kind == "P" then
            on_stored(self, subject, status, body)
        elseif kind == "H" and status == 503 then
            self.agents:missing(subject)
        elseif type_ == names.PRESENCE then
            self.agents:present(agent, token, body)
        elseif run == self.run and type_ == names.CLAIM then
            on_claim(self, token, agent, verdict)
        elseif run == self.run and type_ == names.RESULT and kind == "r" then
            self.agents:seen(agent)
            news = on_result(self, agent, token, body) or news
        elseif run == self.run and type_ == names.PART then
            news = on_part(self, body) or news
        end
    end
end

-- ---- what must be seen to ----

--- Everything that a lost machine had begun has crashed there.
---@param agent table
---@param why string
function Pool:lose(agent, why)
    local lost = {}
    for _, chunk in pairs(self.chunks) do
        if chunk.agent == agent.id and not chunk.results then lost[#lost + 1] = chunk end
    end
    table.sort(lost, function(a, b) return a.token < b.token end)
    for _, chunk in ipairs(lost) do
        local crashes = {}
        for i = 1, #chunk.tasks do crashes[i] = { kind = "crash", machine_lost = why } end
        self.link:withdraw(chunk.token)
        arrive(self, chunk, agent, crashes)
    end
    settle_all(self)
end

-- Chunks that the server did not confirm, or that nobody takes although there is room.
local function look_for_lost(self, now)
    local idle = self.agents:has_room()
    for _, chunk in pairs(self.chunks) do
        if not chunk.agent and (not chunk.stored and now - chunk.sent > CONFIRM
            or idle and now - chunk.sent > 3 * self.lost_after) then
            self.again = self.again or {}
            self.again[#self.again + 1] = chunk
        end
    end
    for _, chunk in ipairs(self.again or {}) do resend(self, chunk) end
    self.again = nil
    for key, want in pairs(self.fetches) do
        if key == want.key and now - want.asked > CONFIRM then names.get(self.link, want.subject, want) end
    end
end

-- After a break nobody knows what the server still has: what no agent has goes out again.
local function mend(self, state)
    if state.reconnects == self.reconnects or not state.connected then return end
    if not names.ensure(self.link, self.prefix, self.stream, self.lost_after) then return end
    self.reconnects = state.reconnects
    greet(self)
    local all = {}
    for _, chunk in pairs(self.chunks) do
        if not chunk.agent then all[#all + 1] = chunk end
    end
    table.sort(all, function(a, b) return a.token < b.token end)
    for _, chunk in ipairs(all) do resend(self, chunk) end
end

local function watch(self)
    local now = core.now()
    if now < (self.next_watch or 0) then return end
    self.next_watch = now + min(0.25, self.lost_after / 8)
    local state = self.link:look()
    if state.closed then self.link_error = state.error end
    mend(self, state)
    if now - self.greeted > 5 then greet(self) end
    self.agents:watch(now, state.connected)
    look_for_lost(self, now)
    if self.agents.n == 0 and not self.is_lonely and now - self.opened > LONELY and self:busy() then
        self.is_lonely = true
        core.report(("no agent has come to %s yet: luas --agent %s starts one"):format(self.url, self.url))
    end
end

local function expire_all(self)
    for job in pairs(self.jobs) do
        if job.ends then job:expire() end
    end
end

function Pool:step(timeout)
    if self.gone then return false end
    if self.later then held.release(self) end
    expire_all(self)
    local before = self.counts.tasks or 0
    self:receive()
    watch(self)
    dispatch_all(self)
    if self.state then self.state.size = self:slots() end
    if (self.counts.tasks or 0) > before then return true end
    if timeout == 0 then return false end
    local first = self.later and self.later:first()
    local wait = min(timeout or 1, 0.25, self.lost_after / 4)
    if first then wait = min(wait, max(0, first.due - core.now())) end
    self.link:wait(wait)
    self:receive()
    dispatch_all(self)
    return (self.counts.tasks or 0) > before
end

-- ---- cancelling ----

-- A chunk of which nobody waits for anything is taken back.
local function drop_if_over(self, chunk)
    for _, task in ipairs(chunk.tasks) do
        if not task.settled then return end
    end
    retire(self, chunk)
    self.link:send(self.prefix .. "c", nil, names.CANCEL, self.run, 0, chunk.token)
end

-- The chunks of a job that are out, the oldest first.
local function chunks_of(job)
    local list = {}
    for _, chunk in pairs(job.pool.chunks) do
        if chunk.job == job then list[#list + 1] = chunk end
    end
    table.sort(list, function(a, b) return a.token < b.token end)
    return list
end

--- All that no agent has begun.
function Job:cancel_queued(from, to)
    local pool = self.pool
    for _, chunk in ipairs(chunks_of(self)) do
        if not chunk.agent and pool.link:revoke(chunk.token) then
            retire(pool, chunk)
            for i = #chunk.tasks, 1, -1 do
                if not chunk.tasks[i].settled then self:enqueue(chunk.tasks[i]) end
            end
        end
    end
    inline.Job.cancel_queued(self, from, to)
end

function Job:cancel(from, to)
    if self.pool.gone then return end
    self:cancel_queued(from, to)
    for _, chunk in ipairs(chunks_of(self)) do
        for _, task in ipairs(chunk.tasks) do
            if not task.settled and task.index >= (from or 0) and task.index <= (to or math.maxinteger) then
                task:cancel()
            end
        end
        drop_if_over(self.pool, chunk)
    end
end

function Job:expire()
    if not self.ends or core.now() < self.ends then return false end
    self.expired = true
    self:cancel()
    return true
end

function Job:drop()
    if not self.dropped and not self.pool.gone then
        self:cancel()
        for _, blob in ipairs(self.codes or {}) do self.pool.link:drop(blob) end
    end
    self.dropped = true
    self:leave_if_done()
end

return { new = new }
