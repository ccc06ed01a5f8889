-- An agent that does what a spec says, in the process of the host: it stops in whatever state a chunk can be.
-- It runs no code: `honest` ones answer each task with twice its argument.

local core = require "luas.core"
local names = require "luas.cluster_names"

---@class spec.agent
local Agent = {}
Agent.__index = Agent

---@param url string
---@param key string?
---@param name string
---@return spec.agent
local function new(url, key, name)
    local link, prefix, stream
    for _ = 1, 100 do -- the server may be starting
        link, prefix, stream = names.connect { url = url, key = key, name = name }
        if link then break end
        core.sleep(0.1)
    end
    local self = setmetatable({ link = assert(link, prefix), prefix = prefix, stream = stream, name = name,
        tools = core.cluster_tools(), count = 0, next_beat = 0, pulls = 0 }, Agent)
    self.id = self.tools.random()
    link:listen(link:inbox() .. ".>", "_")
    link:listen(prefix .. "d." .. names.hex(self.id), "d")
    return self
end

---Says that it is there, or that it leaves.
function Agent:say(leaves)
    self.count = self.count + 1
    self.link:send(self.prefix .. "a", nil, names.PRESENCE, 0, self.id, self.count, (self.tools.pack(nil, false,
        { name = self.name, slots = 1, free = 1, lua = self.tools.lua, leaves = leaves })))
end

function Agent:pull()
    names.pull(self.link, self.stream, 1)
    self.pulled, self.is_pulling = core.now(), true
end

---Asks whether it may start the chunk that it has.
function Agent:ask()
    local c = self.chunk
    self.link:send(self.prefix .. "h." .. names.hex(c.run), self.link:inbox() .. ".G.1", names.CLAIM, c.run, self.id,
        c.token, (">i8"):pack(1) .. self.tools.lua)
end

---Sends outcomes of its chunk.
function Agent:send(outcomes)
    local c = self.chunk
    self.link:send(self.prefix .. "r." .. names.hex(c.run), nil, names.RESULT, c.run, self.id, c.token,
        (self.tools.pack(nil, false, c.ack, outcomes, 0.001)))
end

---What an honest one sends.
function Agent:answers()
    local tools, info, list, at = self.tools, self.chunk.info, {}, 0
    while at < #info.tasks do
        local _, x = tools.arguments(nil, info.tasks, at)
        list[#list + 1] = (tools.pack(nil, false, 2 * x))
        at = tools.cut(info.tasks, at, 1, math.maxinteger)
    end
    return list
end

local function take(self, type_, run, token, body, reply)
    if type_ == names.TASK then
        self.is_pulling = false
        self.chunk, self.granted = { run = run, token = token, ack = reply, info = select(2, self.tools.unpack(nil, false, body)) }, nil
        if self.honest then self:ask() end
    elseif type_ == names.GRANT then
        self.granted = body:byte(9) == names.YES
        if self.honest and self.granted then self:send(self:answers()) end
    elseif type_ == names.HELLO and self.alive then
        self:say()
    end
end

---Takes in what has come, and lives on if it is `alive`.
function Agent:step()
    for kind, type_, run, _, token, body, reply, status in function() return self.link:next() end do
        if kind == "T" and status > 0 then self.is_pulling = false end
        if status == 0 then take(self, type_, run, token, body, reply) end
    end
    local now = core.now()
    if self.alive and now >= self.next_beat then
        self.next_beat = now + 0.1
        self:say()
        if self.chunk and self.chunk.ack ~= "" then self.link:post(self.chunk.ack, nil, "+WPI") end
    end
    local is_idle = not self.is_pulling and (not self.chunk or self.granted ~= nil)
    if self.honest and (is_idle or now - self.pulled > 3) then self:pull() end
end

return { new = new }
