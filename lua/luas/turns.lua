--- The option `limit` in the engine without processes (inline.lua), as core/pool/limit.h has it.
--- Tasks of the same key form a lane. Those that may not start yet wait there; the others are
--- in the job's queue.

local core = require "luas.core"
local heap = require("luas.later").open "luas.heap"
local later = require "luas.later"
local held = later.open "luas.held"

local M = {}

local Lane = {}
Lane.__index = Lane

---@class luas.lane
---@field job table
---@field waiting luas.heap?  tasks, lowest index first
---@field ready integer      tasks in the queue
---@field left integer       tasks from when their key is said until they have an outcome
---@field at number          when the next may start
---@field due number?        the same, while it is waited for

local function goes_before(a, b) return a.index < b.index end

local function lane_of(job, number)
    if number == 0 then return nil end
    local lane = job.lanes[number]
    if not lane then
        lane = setmetatable({ job = job, ready = 0, left = 0, at = 0 }, Lane)
        job.lanes[number] = lane
    end
    return lane
end

--- Says the keys of the next tasks, as numbers; 0: none.
---@param job table
---@param list integer[]
function M.note(job, list)
    job.lane_of = job.lane_of or {}
    for i, number in ipairs(list) do
        local lane = lane_of(job, number)
        if lane then lane.left = lane.left + 1 end
        job.lane_of[job.fed + job.noted + i] = lane or false
    end
    job.noted = job.noted + #list
end

--- The numbers that have no task, and whose next task could start at once.
---@param job table
---@return integer[]
function M.spare(job)
    local numbers = {}
    for number, lane in pairs(job.lanes) do
        if lane.left == 0 and lane.at <= core.now() then numbers[#numbers + 1] = number end
    end
    for _, number in ipairs(numbers) do job.lanes[number] = nil end
    return numbers
end

local function count_running(lane)
    local n = 0
    for _, task in ipairs(lane.job.pool.running) do
        if task.lane == lane then n = n + 1 end
    end
    return n
end

local function has_room(lane)
    local policy = lane.job.policy
    if policy.limit_interval and lane.ready > 0 then return false end
    return not policy.limit_n or lane.ready + count_running(lane) < policy.limit_n
end

-- Puts tasks into the queue that may start. Call it also when one has run.
local function release(lane)
    local waiting = lane.waiting
    while waiting and waiting:first() and has_room(lane) and not lane.due do
        if lane.at > core.now() then return held.hold(lane, lane.at) end
        local task = waiting:first()
        waiting:remove(task)
        lane.ready = lane.ready + 1
        lane.job:enqueue(task)
    end
end

Lane.go_on = release

--- Puts a new task into its lane; without one, into the queue.
---@param task table
function M.add(task)
    local job = task.job
    local lanes = job.lane_of
    if lanes then
        task.lane, lanes[task.index] = lanes[task.index] or nil, nil
        job.noted = job.noted - 1
    else
        task.lane = lane_of(job, 1)
    end
    M.again(task)
end

--- Puts a task into its lane that is to be started again.
---@param task table
function M.again(task)
    local lane = task.lane
    if not lane then return task.job:enqueue(task) end
    lane.waiting = lane.waiting or heap.new(goes_before)
    lane.waiting:add(task)
    release(lane)
    if not lane.waiting:first() then lane.waiting = nil end
end

--- A task of the queue runs; has an outcome.
---@param task table
function M.started(task)
    local lane = task.lane
    if not lane then return end
    lane.ready = lane.ready - 1
    lane.at = core.now() + (lane.job.policy.limit_interval or 0)
    release(lane)
end

function M.settled(task)
    local lane = task.lane
    if lane then lane.left = lane.left - 1 end
end

--- The tasks that wait, from one index to another, do so no more: calls `f` with each.
---@param job table
---@param from integer
---@param to integer
---@param f fun(task: table)
function M.take(job, from, to, f)
    local tasks = {}
    for _, lane in pairs(job.lanes) do
        for _, task in ipairs(lane.waiting and lane.waiting:all() or {}) do
            if task.index >= from and task.index <= to then tasks[#tasks + 1] = task end
        end
    end
    table.sort(tasks, goes_before)
    for _, task in ipairs(tasks) do
        local lane = task.lane
        lane.waiting:remove(task)
        if lane.due and not lane.waiting:first() then held.drop(lane) end
        f(task)
    end
end

--- Some tasks were taken out of the queue: others may be there instead.
---@param job table
function M.refill(job)
    for _, lane in pairs(job.lanes) do lane.ready = 0 end
    for i = job.first, job.last do
        local lane = job.queue[i] and job.queue[i].lane
        if lane then lane.ready = lane.ready + 1 end
    end
    for _, lane in pairs(job.lanes) do release(lane) end
end

return M
