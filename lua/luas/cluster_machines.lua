--- The agents of a cluster, as a host sees them: who is there, with how many slots, and who is lost.

local core = require "luas.core"
local names = require "luas.cluster_names"
local times = require "luas.cluster_times"

local Machines = {}
Machines.__index = Machines

local Machine = {}
Machine.__index = Machine

-- Seconds that nobody listens where a machine was, until it is lost: it may be connecting again.
local ABSENT <const> = 3

-- Seconds until a lost one is forgotten: until then an old message of its own says nothing.
local FORGET <const> = 600

---@param pool table  the engine: cluster.lua
local function new(pool)
    return setmetatable({ pool = pool, all = {}, n = 0, by_name = {}, numbers = {}, numbers_n = 0 }, Machines)
end

--- Counts outcomes that it has sent.
---@param kind string
---@param n integer
function Machine:count(kind, n)
    self.counts.tasks = self.counts.tasks + n
    local name = kind == "crash" and "crashes" or kind == "cancelled" and kind or kind .. "s"
    self.counts[name] = (self.counts[name] or 0) + n
end

--- The machine with that number; one that has not said yet what it is called is made.
---@param id integer
---@return table
function Machines:get(id)
    local machine = self.all[id]
    if not machine then
        machine = setmetatable({
            id = id, name = "agent " .. names.hex(id):sub(1, 8), slots = 0, free = 0, seen = core.now(), last = 0,
            counts = { tasks = 0 },
        }, Machine)
        self.all[id] = machine
    end
    return machine
end

--- What reports and traces know it by: an agent that starts again under its name goes on in its lanes.
---@param machine table
---@return integer
function Machines:number(machine)
    if not self.numbers[machine.name] then
        self.numbers_n = self.numbers_n + 1
        self.numbers[machine.name] = self.numbers_n
    end
    return self.numbers[machine.name]
end

--- There was a sign of life.
---@param id integer
function Machines:seen(id)
    local machine = self:get(id)
    machine.seen, machine.absent = core.now(), nil
end

local function recount(self)
    self.n = 0
    for _, machine in pairs(self.all) do
        if machine.slots > 0 and not machine.lost then self.n = self.n + 1 end
    end
end

local function counts_of(self, name)
    self.by_name[name] = self.by_name[name] or { tasks = 0 }
    return self.by_name[name]
end

local function tell_refused(self, machine, lua)
    if machine.refused then return end
    machine.refused = true
    core.report(("agent %s is not used: it has %s, and this host %s"):format(machine.name, lua, self.pool.tools.lua))
end

--- A machine has said that it is there. An old message, that somebody plays again, says nothing.
---@param id integer
---@param count integer
---@param body string
function Machines:present(id, count, body)
    local n, said = self.pool.tools.unpack(nil, false, body)
    if n ~= 1 or type(said) ~= "table" or math.type(said.slots) ~= "integer" or type(said.name) ~= "string" then
        return
    end
    local machine = self:get(id)
    if count <= machine.last then return end
    machine.last, machine.name = count, said.name
    machine.counts = counts_of(self, said.name)
    times.note(machine, said, self.pool.run)
    if said.lua ~= self.pool.tools.lua then return tell_refused(self, machine, tostring(said.lua)) end
    machine.slots, machine.free = math.max(0, said.slots), said.free or 0
    machine.lost = nil
    self:seen(id)
    if said.leaves then return self:lose(machine, "has left") end
    recount(self)
end

--- An agent with another Lua has asked for something.
---@param id integer
function Machines:refuse(id)
    tell_refused(self, self:get(id), "another Lua")
end

--- Nobody listens where a machine was.
---@param subject string  that of the answer, which ends with its number
function Machines:missing(subject)
    local machine = self.all[tonumber(subject:match "(%-?%d+)$")]
    if machine then machine.absent = machine.absent or core.now() end
end

--- It is lost: what it had begun has crashed there.
---@param machine table
---@param why string
function Machines:lose(machine, why)
    machine.slots, machine.free, machine.lost, machine.absent = 0, 0, true, nil
    recount(self)
    self.pool:lose(machine, why)
end

local function has_chunks(self, machine)
    for _, chunk in pairs(self.pool.chunks) do
        if chunk.agent == machine.id then return true end
    end
    return false
end

local function watch_one(self, machine, now, lost_after)
    local silent = now - machine.seen
    if silent > lost_after then
        return self:lose(machine, ("was lost: nothing came from it for %.3g s"):format(silent))
    elseif machine.absent and now - machine.absent > math.min(ABSENT, lost_after) then
        return self:lose(machine, "was lost: its connection has ended")
    end
    if silent > lost_after / 3 then -- is somebody there? The server says at once if not
        local link = self.pool.link
        link:send(self.pool.prefix .. "d." .. names.hex(machine.id), ("%s.H.%d"):format(link:inbox(), machine.id),
            names.HELLO, self.pool.run, machine.id, 0, (self.pool.tools.pack(nil, false, lost_after, self.pool.tools.lua, core.now())))
    end
end

--- Looks for machines that are lost. While there is no connection nothing can come from any.
---@param now number
---@param connected boolean
function Machines:watch(now, connected)
    for id, machine in pairs(self.all) do
        if not connected then
            machine.seen, machine.absent = now, nil
        elseif not machine.lost or has_chunks(self, machine) then
            watch_one(self, machine, now, self.pool.lost_after)
        elseif now - machine.seen > FORGET then
            self.all[id] = nil
        end
    end
end

function Machines:slots()
    local n = 0
    for _, machine in pairs(self.all) do n = n + machine.slots end
    return n
end

--- Could a chunk start at once?
---@return boolean
function Machines:has_room()
    for _, machine in pairs(self.all) do
        if machine.free > 0 then return true end
    end
    return false
end

--- What came from each machine, by its name.
---@return table<string, table>
function Machines:counts()
    local all = {}
    for name, counts in pairs(self.by_name) do
        local copy = {}
        for k, v in pairs(counts) do copy[k] = v end
        all[name] = copy
    end
    for _, machine in pairs(self.all) do
        if all[machine.name] then all[machine.name].slots = (all[machine.name].slots or 0) + machine.slots end
    end
    return all
end

return { new = new }
