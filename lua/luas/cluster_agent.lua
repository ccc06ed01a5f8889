--- An agent: takes chunks of other machines' jobs from the server of a cluster, and runs them in a pool of
--- its own (luas --agent). It never reads what tasks are given and give: its workers do (cluster_task.lua),
--- and so nothing that a task does can harm it.
---
--- A chunk that came is asked for at its host, which says yes once. Then its code is fetched, if it is new,
--- and it runs. Its outcomes are sent until the host says that it has them.

local core = require "luas.core"
local codes = require "luas.cluster_agent_codes"
local names = require "luas.cluster_names"
local pools = require "luas.pool"
local running = require "luas.cluster_agent_pool"

local min, max = math.min, math.max

-- Seconds: for which a pull stays at the server; between questions that are not answered; until a host that
-- nobody finds is given up: with the time until the first question, and the last one, within a minute.
local PULL <const>, AGAIN <const>, GIVE_UP <const> = 5, 1, 48

-- Seconds for which results are kept for a host that does not answer, though its connection is there.
local FORGET <const> = 3600

-- Seconds for which a chunk waits here for a slot; chunks are taken ahead where they take no longer.
local LONGEST_HOLD <const> = 0.25

-- Seconds between questions whether the host of what runs is still there, and wants it.
local LOOK <const> = 5

local Agent = {}
Agent.__index = Agent

---@class luas.agentoptions
---@field url string      of the server, with the name of the pool as its path
---@field workers integer?
---@field key string?     a file
---@field ca string?
---@field nkey string?
---@field name string?    what hosts call it

local function host_name()
    local file = io.open "/proc/sys/kernel/hostname"
    local name = file and file:read "l"
    if file then file:close() end
    return name or os.getenv "HOSTNAME" or "agent"
end

-- The pool, and the zygote of its workers, come first: a process with a connection has threads.
local function new(given)
    local workers = given.workers or core.workers() or core.cpus()
    if workers == 0 then return nil, "an agent needs workers: -j 0 has none" end
    local name = given.name or host_name()
    local pool = pools.new { workers = workers, start = "zygote", output = "capture",
        init = function() require("luas.core").cluster_tools().keep_shared() end }
    pool:map(function() end, { 1 }) -- it can fork
    local link, prefix, stream = names.connect {
        url = given.url, key = given.key, ca = given.ca, nkey = given.nkey, name = "luas agent " .. name,
    }
    if not link then
        pool:terminate()
        return nil, prefix
    end
    local tools = core.cluster_tools()
    local self = setmetatable({
        pool = pool, link = link, prefix = prefix, stream = stream, tools = tools, name = name, slots = workers,
        id = tools.random(), count = 0, pulls = 0, pulled = 0, chunks = {}, active = 0, held = {}, asked = {},
        codes = {}, codes_n = 0, hosts = {}, lonely = {}, since = os.time(), lost_after = names.LOST_AFTER,
        reconnects = 0, next_pull = 0, next_beat = 0, next_watch = 0, done = 0, run = nil,
    }, Agent)
    link:listen(link:inbox() .. ".>", "_")
    link:listen(prefix .. "c", "c")
    link:listen(prefix .. "d." .. names.hex(self.id), "d")
    return self
end

-- ---- signs of life ----

function Agent:say(leaves, run, asked)
    self.count = self.count + 1
    local body = self.tools.pack(nil, false, {
        name = self.name, slots = self.slots, free = max(0, self.slots - self.active), lua = self.tools.lua,
        pid = core.pid(), since = self.since, done = self.done, running = self.active, leaves = leaves,
        clock = core.now(), run = run, asked = asked,
    })
    self.link:send(self.prefix .. "a", nil, names.PRESENCE, 0, self.id, self.count, body)
end

-- Hosts that were heard of lately say after how long a machine is lost: the shortest time counts.
local LATELY <const> = 20

function Agent:follow(run, lost_after)
    local now, shortest = core.now(), nil
    self.hosts[run] = { lost_after = lost_after, at = now }
    for other, host in pairs(self.hosts) do
        if now - host.at > LATELY then
            self.hosts[other] = nil
        else
            shortest = min(shortest or host.lost_after, host.lost_after)
        end
    end
    self.lost_after = shortest or names.LOST_AFTER
    self.next_beat = min(self.next_beat, now + self.lost_after / 4)
end

-- The server is told of a chunk that came from its stream.
local function answer(self, chunk, text)
    if chunk.ack ~= "" then self.link:post(chunk.ack, nil, text) end
end

-- The server is told of all chunks that it must not give to others, and hosts that the agent lives.
function Agent:beat(now)
    if now < self.next_beat then return end
    self.next_beat = now + max(0.05, self.lost_after / 4)
    self:say()
    for _, chunk in pairs(self.chunks) do answer(self, chunk, "+WPI") end
end

-- ---- chunks come ----

local function key_of(run, token) return names.hex(run) .. names.hex(token) end

-- Asks the host whether the agent may start a chunk; or, while it runs, whether it is still wanted.
local function ask(self, chunk, how)
    chunk.asked = core.now()
    self.link:send(chunk.desk, ("%s.%s.%d"):format(self.link:inbox(), how or "G", chunk.nonce), names.CLAIM, chunk.run,
        self.id, chunk.token, (">i8"):pack(chunk.nonce) .. self.tools.lua)
end

local function claim(self, chunk)
    chunk.state = "asked"
    self.active = self.active + 1
    ask(self, chunk)
end

-- Where a slot is free, chunks that wait here are asked for.
local function claim_held(self)
    while self.active < self.slots and self.held[1] do claim(self, table.remove(self.held, 1)) end
end

-- It takes no slot any more.
local function leave_slot(self, chunk)
    if chunk.state == "held" then
        for i, other in ipairs(self.held) do
            if other == chunk then table.remove(self.held, i) break end
        end
    elseif chunk.state ~= "done" then
        self.active = self.active - 1
    end
end

-- It has no place here any more.
local function forget(self, chunk)
    if self.chunks[chunk.key] ~= chunk then return end
    self.chunks[chunk.key] = nil
    self.asked[chunk.nonce] = nil
    if chunk.want then self.asked[chunk.want.nonce] = nil end -- what comes of it now would start the chunk
    leave_slot(self, chunk)
    if chunk.job then chunk.job:drop() end
    if chunk.blob then self.link:drop(chunk.blob) end
    claim_held(self)
end

local function give_back(self, chunk, seconds)
    answer(self, chunk, ('-NAK {"delay":%d}'):format(math.floor(seconds * 1e9)))
    forget(self, chunk)
end

local function refuse(self, chunk)
    answer(self, chunk, "+TERM")
    forget(self, chunk)
end

-- A chunk: nil if it is here already, or is none.
local function new_chunk(self, run, token, body, ack)
    local key = key_of(run, token)
    local chunk = self.chunks[key]
    if chunk then -- the server has given it twice
        chunk.ack = ack
        return answer(self, chunk, "+WPI")
    end
    local n, info = self.tools.unpack(nil, false, body)
    if n ~= 1 or type(info) ~= "table" then return answer(self, { ack = ack }, "+TERM") end
    chunk = { key = key, run = run, token = token, ack = ack, info = info, nonce = self.tools.random(),
        desk = self.prefix .. "h." .. names.hex(run), state = "held", since = core.now() }
    if type(info.lost_after) == "number" then self:follow(run, info.lost_after) end
    self.chunks[key], self.asked[chunk.nonce] = chunk, chunk
    return chunk
end

local function on_task(self, run, token, body, ack)
    self.pulls = max(0, self.pulls - 1)
    local chunk = new_chunk(self, run, token, body, ack)
    if not chunk then return end
    self.held[#self.held + 1] = chunk
    claim_held(self)
end

-- A chunk for this agent alone, by a host that has all of its workers do something: it waits in the pool.
local function on_own_task(self, run, token, body)
    local chunk = new_chunk(self, run, token, body, "")
    if chunk then claim(self, chunk) end
end

-- Chunks that wait for a slot may be started by another agent meanwhile, if this one's take long.
local function give_back_held(self, now)
    for i = #self.held, 1, -1 do
        local chunk = self.held[i]
        if now - chunk.since > LONGEST_HOLD then
            self.pace = LONGEST_HOLD
            give_back(self, chunk, 0)
        end
    end
end

-- Nobody answers for the run of a chunk: its host is connecting again, or has ended.
local function on_nobody(self, chunk)
    if chunk.state ~= "asked" then return end
    local now = core.now()
    local since = self.lonely[chunk.run] or now
    self.lonely[chunk.run] = since
    if now - since > GIVE_UP then return refuse(self, chunk) end
    give_back(self, chunk, min(2, self.lost_after))
end

-- ---- what they need ----

local function fetch(self, chunk, blob)
    local want = { run = chunk.run, me = self.id, blob = blob, nonce = self.tools.random(), parts = {}, got = 0 }
    chunk.want = want
    self.asked[want.nonce] = chunk
    names.get(self.link, chunk.desk, want)
end

-- A chunk whose host ends meanwhile is of no use to anybody.
local function prepare(self, chunk)
    chunk.want = nil
    if chunk.info.blob then return fetch(self, chunk, chunk.info.blob) end
    local blob, why = codes.missing(self, chunk)
    if why then return self:fail(chunk, why) end
    if blob then return fetch(self, chunk, blob) end
    self:start(chunk)
end

-- Everything of a blob is there: it is the chunk's own body, or code.
local function take_blob(self, chunk, bytes)
    local blob, values = chunk.want.blob, nil
    if chunk.info.blob == blob then
        local n, info = self.tools.unpack(nil, false, bytes)
        if n ~= 1 or type(info) ~= "table" or info.blob then return self:fail(chunk, "sent no tasks") end
        chunk.info = info
    else
        values = table.pack(self.tools.unpack(nil, false, bytes))
        if not values[1] then return self:fail(chunk, "sent no code") end
        codes.keep(self, codes.key(chunk, blob), values[2], table.move(values, 3, values.n, 1, {}))
    end
    prepare(self, chunk)
end

local function on_part(self, body)
    local nonce = names.nonce(body)
    local chunk = self.asked[nonce]
    local want = chunk and chunk.want
    if not want or want.nonce ~= nonce then return end
    local bytes = names.part(want, body)
    if bytes == nil then return names.get(self.link, chunk.desk, want) end
    self.asked[nonce] = nil
    if bytes == false then return self:fail(chunk, "has no code or tasks for it any more") end
    take_blob(self, chunk, bytes)
end

local function on_grant(self, body)
    local chunk = self.asked[names.nonce(body)]
    if not chunk or chunk.state ~= "asked" or #body < 9 then return end
    self.lonely[chunk.run] = nil
    local verdict = body:byte(9)
    if verdict == names.OTHER_LUA then
        self:tell_other_lua(body:sub(10))
        return give_back(self, chunk, AGAIN)
    elseif verdict ~= names.YES then
        return refuse(self, chunk)
    end
    chunk.state = "given"
    prepare(self, chunk)
end

function Agent:tell_other_lua(lua)
    if self.told_lua == lua then return end
    self.told_lua = lua
    core.report(("a host has %s, and this agent %s: nothing of it is run"):format(lua, self.tools.lua))
end

-- ---- running them ----

--- What a host says that knows the key, but means something else, is no reason to end.
function Agent:start(chunk)
    running.renew_workers(self, chunk.run)
    chunk.state, chunk.begun = "runs", core.now()
    chunk.beside, self.has_new = self.active, true
    local ok, raised = pcall(running.submit, self, chunk)
    if ok then return end
    if core.stopped(raised) then error(raised, 0) end
    core.report("a chunk that cannot be run: " .. tostring(raised))
    self:fail(chunk, "cannot run it: " .. tostring(raised))
end

-- Sends the outcomes. What is too large for a message is kept for the host to fetch.
local function send(self, chunk)
    local body = chunk.body
    if #body > self.link:look().most then
        chunk.blob = chunk.blob or self.link:keep(body)
        body = (self.tools.pack(nil, false, chunk.ack, { blob = chunk.blob }, chunk.seconds))
    end
    chunk.sent, chunk.pause = core.now(), min(30, 2 * (chunk.pause or AGAIN / 2))
    -- A host that has it says so in answer; of a blob it has not got all by that.
    self.link:send(self.prefix .. "r." .. names.hex(chunk.run), ("%s.%s.%d"):format(self.link:inbox(),
        chunk.blob and "N" or "R", chunk.nonce), names.RESULT, chunk.run, self.id, chunk.token, body)
end

-- The host is told what has become of a chunk: outcomes, or why there are none.
local function conclude(self, chunk, results, seconds, when)
    chunk.seconds = seconds
    chunk.body = (self.tools.pack(nil, false, chunk.ack, results, seconds, when))
    leave_slot(self, chunk)
    if chunk.job then chunk.job:drop() end
    chunk.state, chunk.future, chunk.job, chunk.info, chunk.want = "done", nil, nil, nil, nil
    chunk.finished = core.now()
    self.asked[chunk.nonce] = chunk
    claim_held(self)
    send(self, chunk)
end

--- It was given to this agent, and cannot be run.
function Agent:fail(chunk, why)
    conclude(self, chunk, { why = why }, 0)
end

local function finish(self, chunk)
    local wall = core.now() - chunk.begun
    self.pace = self.pace and (self.pace + wall) / 2 or wall
    local results, when = running.results_of(self, chunk), running.times_of(self, chunk)
    conclude(self, chunk, results, wall * max(1, self.slots / max(1, chunk.beside)), when)
    self.done = self.done + chunk.n
end

-- ---- what a host says ----

local function on_cancel(self, run, token)
    local all = {}
    for _, chunk in pairs(self.chunks) do all[#all + 1] = chunk end
    for _, chunk in ipairs(all) do
        if chunk.run == run and (token == 0 or chunk.token == token) then
            if chunk.state == "runs" then running.cancel(chunk) else refuse(self, chunk) end
        end
    end
end

local function on_hello(self, run, body)
    local n, lost_after, lua, asked = self.tools.unpack(nil, false, body)
    if (n ~= 2 and n ~= 3) or type(lost_after) ~= "number" or lost_after < 0 then return end
    if lua ~= self.tools.lua then self:tell_other_lua(tostring(lua)) end
    if not self.hosts[run] then self.pulls = 0 end -- a server without the stream has not answered them
    if lost_after > 0 then self:follow(run, lost_after) end
    self.lonely[run] = nil
    self.next_pull = min(self.next_pull, core.now())
    self:say(nil, run, asked)
end

-- The status of a pull: the server has nothing, or no stream yet.
local function on_status(self, status)
    self.pulls = max(0, self.pulls - 1)
    if status ~= 404 and status ~= 408 then self.next_pull = core.now() + 0.25 end
end

local function on_done(self, run, token)
    local chunk = self.chunks[key_of(run, token)]
    if chunk and chunk.state == "done" then forget(self, chunk) end
end

local function asked_by(self, subject)
    return self.asked[math.tointeger(tonumber(subject:match "(%-?%d+)$"))]
end

-- The host has gone: its results are nobody's.
local function on_nobody_for(self, kind, subject)
    local chunk = asked_by(self, subject)
    if not chunk then return end
    if kind == "G" then return on_nobody(self, chunk) end
    chunk.lonely = chunk.lonely or core.now()
    if core.now() - chunk.lonely <= GIVE_UP then return end
    if chunk.state == "runs" then running.cancel(chunk) else refuse(self, chunk) end
end

-- The host of what runs is there: but it may have taken the chunk back, and what it said of that was lost.
local function on_still(self, subject, body)
    local chunk = asked_by(self, subject)
    if not chunk or chunk.state ~= "runs" then return end
    chunk.lonely = nil
    if body:byte(9) == names.NO then running.cancel(chunk) end
end

function Agent:receive()
    while true do
        local kind, type_, run, _, token, body, reply, status, _, subject = self.link:next()
        if not kind then return end
        if kind == "T" and status > 0 then
            on_status(self, status)
        elseif status == 503 then
            on_nobody_for(self, kind, subject)
        elseif type_ == names.TASK and kind == "_" then
            on_task(self, run, token, body, reply)
        elseif type_ == names.TASK then
            on_own_task(self, run, token, body)
        elseif kind == "_" then -- not sealed with the key, or no chunk
            self.pulls = max(0, self.pulls - 1)
            self.link:post(reply, nil, "+TERM")
        elseif type_ == names.GRANT and kind == "L" then
            on_still(self, subject, body)
        elseif type_ == names.GRANT then
            on_grant(self, body)
        elseif type_ == names.PART then
            on_part(self, body)
        elseif type_ == names.DONE then -- by N: it is about to fetch it
            if kind ~= "N" then on_done(self, run, token) end
        elseif type_ == names.CANCEL then
            on_cancel(self, run, token)
        elseif type_ == names.HELLO then
            on_hello(self, run, body)
        end
    end
end

-- ---- the loop ----

local function pull(self, now)
    if now < self.next_pull then return end
    if self.pulls > 0 and now - self.pulled > PULL + AGAIN then self.pulls = 0 end -- an answer was lost
    local ahead = self.pace and self.pace < LONGEST_HOLD and self.slots or 0
    while self.pulls < self.slots + ahead - self.active - #self.held do
        names.pull(self.link, self.stream, PULL)
        self.pulls, self.pulled = self.pulls + 1, now
    end
end

local function ask_again(self, now)
    local wait, all = max(0.2, min(AGAIN, self.lost_after / 2)), {}
    for _, chunk in pairs(self.chunks) do all[#all + 1] = chunk end
    for _, chunk in ipairs(all) do
        if chunk.state == "asked" and now - chunk.asked > wait then
            if now - chunk.since > GIVE_UP then refuse(self, chunk) else ask(self, chunk) end
        elseif chunk.want and now - chunk.want.asked > wait then
            names.get(self.link, chunk.desk, chunk.want)
        elseif chunk.state == "runs" and now - chunk.asked > min(LOOK, 2 * self.lost_after) then
            ask(self, chunk, "L")
        elseif chunk.state == "done" and now - chunk.sent > chunk.pause then
            if now - chunk.finished > FORGET then refuse(self, chunk) else send(self, chunk) end
        end
    end
    give_back_held(self, now)
end

local function take_in(self)
    local over = {}
    for _, chunk in pairs(self.chunks) do
        if chunk.state == "runs" and running.is_over(chunk) then over[#over + 1] = chunk end
    end
    for _, chunk in ipairs(over) do
        if chunk.is_cancelled then refuse(self, chunk) else finish(self, chunk) end
    end
end

-- Seconds between two looks at what runs of a chunk whose host has somebody who watches.
local WATCH <const> = 0.2

local function tell_running(self, now)
    if now < self.next_watch then return end
    self.next_watch = now + WATCH
    for _, chunk in pairs(self.chunks) do
        local list = chunk.state == "runs" and chunk.info.watch and running.running(chunk)
        if list then
            self.link:send(self.prefix .. "r." .. names.hex(chunk.run), nil, names.RUNNING, chunk.run, self.id, chunk.token,
                (self.tools.pack(nil, false, list)))
        end
    end
end

-- After a break the server has forgotten what was asked of it.
local function mend(self)
    local state = self.link:look()
    if state.closed then error("the connection has ended: " .. state.error, 0) end
    if state.reconnects ~= self.reconnects and state.connected then
        self.reconnects, self.pulls = state.reconnects, 0
        self.next_beat, self.lonely = 0, {}
        for _, chunk in pairs(self.chunks) do chunk.pause = min(chunk.pause or 0, AGAIN / 2) end -- results were lost
    end
end

function Agent:step()
    local now = core.now()
    mend(self)
    self:receive()
    self:beat(now)
    ask_again(self, now)
    pull(self, now)
    tell_running(self, now)
    while self.has_new do -- workers have it before the agent sleeps
        self.has_new = false
        self.pool.state.core:step(0)
        take_in(self)
    end
    self.link:wait(max(0, min(self.next_beat - now, WATCH)), self.pool:fileno())
    self.pool:step(0)
    take_in(self)
end

function Agent:close()
    pcall(self.say, self, true)
    self.pool:terminate()
    self.link:close()
end

--- Runs an agent until something stops it: nil, and why it could not begin.
---@param given luas.agentoptions
---@param ready fun(agent: table)?  called when it is connected
---@return nil
---@return string why
local function run(given, ready)
    local self, why = new(given)
    if not self then return nil, why end
    if ready then ready(self) end
    local ok, raised = pcall(function()
        while true do self:step() end
    end)
    self:close()
    if not ok then error(raised, 0) end
    return nil, "ended"
end

return { run = run, new = new }
