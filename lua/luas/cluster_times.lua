--- When tasks ran on other machines, by the clock of this one. Clocks of machines have nothing in common. Where a
--- host asks an agent what time it is, the agent's answer was given somewhere between question and answer: so
--- the quickest exchanges say it best, and the middle is at most half of such a round trip off.

local core = require "luas.core"

local unpack = string.unpack

local M = {}

-- Seconds by which two clocks may drift apart in one; half a round trip that is assumed where nobody had asked.
local DRIFT <const>, UNASKED <const> = 1e-4, 1

--- Takes in what an agent has said of its clock.
---@param machine table
---@param said { clock: number?, run: integer?, asked: number? }
---@param run integer  this host's
function M.note(machine, said, run)
    if math.type(said.clock) ~= "float" then return end
    local now, asked = core.now(), said.run == run and math.type(said.asked) == "float" and said.asked or nil
    if asked and asked > now then return end
    local off = asked and (now - asked) / 2 or UNASKED
    if machine.offset and off > machine.off + DRIFT * (now - machine.measured) then return end
    machine.offset, machine.off, machine.measured = said.clock - (asked and now - off or now), off, now
end

-- Bytes of one entry (core/host/cluster_times.h).
local ENTRY <const> = 28

--- Notes at the tasks of a chunk when they ran.
---@param chunk table
function M.read(chunk)
    local when, machine = chunk.times, chunk.from
    chunk.times = nil
    if not machine.offset then return end
    for at = 1, #when - ENTRY + 1, ENTRY do
        local index, worker, start, took = unpack(">i8I4i8i8", when, at)
        local task = chunk.tasks[index - chunk.first + 1]
        if task then
            task.timed = { start = start / 1e9 - machine.offset, took = took / 1e9, worker = worker,
                number = chunk.job.pool.agents:number(machine), name = machine.name }
        end
    end
end

--- Nobody has said when it ran: the machine was lost, or its clock is not known.
---@param task table
---@param machine table
---@param worker integer?
function M.guess(task, machine, worker)
    task.timed = { start = task.start, took = core.now() - task.start, worker = worker or 0,
        number = task.job.pool.agents:number(machine), name = machine.name }
end

return M
