--- The engine over many machines. It replaces a pool of luas.core where the option `cluster` is given, so
--- the verbs need not know. It is derived of the engine without processes (inline.lua), which knows what
--- becomes of tasks: queues, retries, limits, halt, callbacks. Here a task does not run but goes, with others
--- of its job, as a chunk into a stream of the server (cluster_names.lua), from which agents take.
---
--- A chunk has a token. An agent may start it only after the host has given it that token, once
--- (core/cluster/desk.h): so no chunk runs twice, whatever the server delivers or somebody replays. When a
--- machine is lost, the tasks that it had are crashes, or start again if `retries` allows; a chunk that
--- nobody had goes out again under a new token.

local check = require "luas.check"
local chunks = require "luas.cluster_chunks"
local core = require "luas.core"
local each = require "luas.cluster_each"
local held = require "luas.held"
local inline = require("luas.inline", true)
local jobs = require "luas.cluster_job"
local machines = require "luas.cluster_machines"
local modules = require "luas.cluster_modules"
local names = require "luas.cluster_names"

local min, max = math.min, math.max

-- Seconds: until a chunk that the server did not confirm goes out again; for the first agents to say that
-- they are there, and after each for the next; until people are told that none is.
local CONFIRM <const>, GREETING <const>, QUIET <const>, LONELY <const> = 2, 0.5, 0.05, 5

---@class luas.clusterpool: luas.inlinepool
local Pool = setmetatable({}, { __index = inline.Pool })
Pool.__index = Pool
Pool.Job, Pool.Task = jobs.Job, jobs.Task

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
    local body = self.tools.pack(nil, false, self.lost_after, self.tools.lua, core.now())
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
    local bytes, why, found = self.tools.define(init)
    if not bytes then check.fail(("pool.new: cannot send init: %s"):format(why)) end
    self.init_blob = self.link:keep((self.tools.pack(nil, false, modules.needed(self, found) or false, bytes)))
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
    self.modules = given.modules or "send"
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

--- How many tasks can run at a time: at least one, so that there is something to wait for.
function Pool:slots() return max(1, self.agents:slots()) end

--- Where the tasks of a broadcast belong.
Pool.places = each.places

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

-- ---- what comes back ----

-- Results count once. In any case the agent and the server are told that they have come.
local function on_result(self, agent_id, token, body)
    local n, ack, results, seconds, when = self.tools.unpack(nil, false, body)
    if (n ~= 3 and n ~= 4) or type(ack) ~= "string" or type(seconds) ~= "number" then return false end
    if type(results) ~= "table" and type(results) ~= "string" then return false end
    local agent, chunk = self.agents:get(agent_id), self.chunks[token]
    if chunk and type(results) == "table" and results.blob then return self:fetch(agent, token, results.blob) end
    self.link:send(self.prefix .. "d." .. names.hex(agent_id), nil, names.DONE, self.run, agent_id, token)
    if chunk and self.link:holder(token) ~= agent_id then return false end -- it was not given the chunk
    if ack ~= "" then self.link:post(ack, nil, "+ACK") end
    if not chunk then return false end
    self.link:withdraw(token)
    chunks.begin(chunk, agent_id)
    chunks.learn(chunk.job, seconds, chunk.n)
    chunks.arrive(self, chunk, agent, results, type(when) == "string" and when or nil)
    chunks.settle_all(self)
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
    if verdict == names.YES and chunk then chunks.begin(chunk, agent) end
end

local numbers <const> = { "index", "worker" }
local maybe <const> = { seconds = "number", done = "number", total = "number", note = "string" }

local function is_task(task)
    if type(task) ~= "table" then return false end
    for _, name in ipairs(numbers) do
        if math.type(task[name]) ~= "integer" then return false end
    end
    for name, kind in pairs(maybe) do
        if task[name] ~= nil and type(task[name]) ~= kind then return false end
    end
    return true
end

-- What runs of a chunk, for people who watch.
local function on_running(self, agent, token, body)
    local chunk, n, list = self.chunks[token], self.tools.unpack(nil, false, body)
    if not chunk or chunk.agent ~= agent or n ~= 1 or type(list) ~= "table" then return end
    for _, task in ipairs(list) do
        if not is_task(task) then return end
    end
    chunk.running, chunk.told = list, core.now()
end

--- Takes in what has come: did any outcome?
---@return boolean
function Pool:receive()
    local news = false
    chunks.settle_all(self)
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
        elseif run == self.run and type_ == names.RUNNING then
            on_running(self, agent, token, body)
        elseif run == self.run and type_ == names.PART then
            news = on_part(self, body) or news
        end
    end
end

-- ---- what must be seen to ----

--- Everything that a lost machine had begun has crashed there, and so has what was for it alone.
---@param agent table
---@param why string
function Pool:lose(agent, why)
    agent.lost_why = why
    local lost = chunks.list(self, function(chunk)
        return not chunk.results and (chunk.agent or chunk.home and chunk.home.id) == agent.id
    end)
    for _, chunk in ipairs(lost) do chunks.crash(self, chunk, agent, why) end
    chunks.settle_all(self)
end

-- Chunks that the server did not confirm, or that nobody takes although there is room.
local function look_for_lost(self, now)
    local idle = self.agents:has_room()
    local again = chunks.list(self, function(chunk)
        return not chunk.agent and (not chunk.stored and now - chunk.sent > CONFIRM
            or idle and not chunk.home and now - chunk.sent > 3 * self.lost_after)
    end)
    for _, chunk in ipairs(again) do chunks.resend(self, chunk) end
    local ended = {}
    for key, want in pairs(self.fetches) do
        if not self.chunks[want.token] then
            ended[want] = true
        elseif key == want.key and now - want.asked > CONFIRM then
            names.get(self.link, want.subject, want)
        end
    end
    for want in pairs(ended) do end_fetch(self, want) end
end

-- After a break nobody knows what the server still has: what no agent has goes out again.
local function mend(self, state)
    if state.reconnects == self.reconnects or not state.connected then return end
    if not names.ensure(self.link, self.prefix, self.stream, self.lost_after) then return end
    self.reconnects = state.reconnects
    greet(self)
    local unowned = chunks.list(self, function(chunk) return not chunk.agent end)
    for _, chunk in ipairs(unowned) do chunks.resend(self, chunk) end
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
    if self.agents.n == 0 and not self.is_lonely and now - self.opened > LONELY and (self.awaits or self:busy()) then
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
    chunks.dispatch_all(self)
    if self.state then self.state.size = self:slots() end
    if (self.counts.tasks or 0) > before then return true end
    if timeout == 0 then return false end
    local first = self.later and self.later:first()
    local wait = min(timeout or 1, 0.25, self.lost_after / 4)
    if first then wait = min(wait, max(0, first.due - core.now())) end
    self.link:wait(wait)
    self:receive()
    chunks.dispatch_all(self)
    return (self.counts.tasks or 0) > before
end

return { new = new }
