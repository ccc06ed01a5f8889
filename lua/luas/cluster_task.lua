--- What a worker of an agent runs where the host's pool has an `init`, or sends modules: each task by a call of `run`, which sees
--- to it that the worker has run that before. The function travels in the words of the host's job
--- (core/host/cluster_pack.h), as a string; the worker keeps what it has read of it. Else an agent gives
--- the bytes of a chunk to its pool as they are (cluster_agent_pool.lua).

local core = require "luas.core"
local outcome = require "luas.outcome"

-- Functions that are sent to workers use these locals.
local error, xpcall, select = error, xpcall, select
local randomseed, unpack = math.randomseed, table.unpack

local M = {}

-- How many jobs' functions a worker keeps.
local KEPT <const> = 16

local opened, order = {}, {}
local tools

--- The function of a job.
---@param code { key: string, parts: string[], sources: table<string, string>? }
local function open(code)
    local known = opened[code.key]
    if known then return known end
    tools = tools or core.cluster_tools()
    if code.sources then require("luas.cluster_modules").install(code.sources) end
    local space, f = tools.open(unpack(code.parts))
    if not space then error(f, 0) end
    known = { space = space, f = f }
    opened[code.key] = known
    order[#order + 1] = code.key
    if #order > KEPT then opened[table.remove(order, 1)] = nil end
    return known
end

-- Once in each worker and run, before its first task. A worker whose init has failed does nothing for that
-- run: each task there fails in the same words.
local begun = {}

local function begin(init)
    local state = begun[init.key]
    if not state then
        state = {}
        begun[init.key] = state
        local ok, raised = core.try(open(init).f)
        if not ok then state.why = "init: " .. outcome.in_words(raised, (select(2, core.describe(raised)))) end
    end
    if state.why then error(state.why, 0) end
end

-- Everything in front of the call that can fail says so on its own.
local function prepare(code, init, bytes)
    if init then begin(init) end
    local job = open(code)
    return job, (function(n, ...)
        if not n then error(..., 0) end
        return table.pack(...)
    end)(tools.arguments(job.space, bytes, 0))
end

local function failure(raised, lines, since, space)
    if core.stopped(raised) then error(raised, 0) end
    local value, message = core.describe(raised)
    local bytes = value ~= nil and tools and tools.pack_plain(space, value) or nil
    return { raised = bytes, message = message, traceback = lines, took = core.now() - since,
        pid = core.pid(), worker = core.worker() }
end

local function call(job, arguments)
    return core.call(job.f, unpack(arguments, 1, arguments.n))
end

local function answer(job, discard, ok, ...)
    if not ok then return nil end
    if discard then return "" end
    local bytes, why = tools.pack_plain(job.space, ...)
    if bytes then return bytes end
    return { message = why, pid = core.pid(), worker = core.worker() }
end

--- Runs one task. Returns a string with its results, or a table: what it raised.
---@param code { key: string, parts: string[] }
---@param init { key: string, parts: string[] }?
---@param seed integer?
---@param discard boolean?
---@param index integer
---@param attempt integer
---@param bytes string  the arguments, with their size before them
---@return string|table
function M.run(code, init, seed, discard, index, attempt, bytes)
    local since, lines, raised, job = core.now(), nil, nil, nil
    local function note(value)
        lines, raised = core.traceback(nil, 2), value
        return value
    end
    local _, again = core.task()
    core.far = { index = index, attempt = attempt + (again or 1) - 1 }
    local arguments
    local ok = xpcall(function() job, arguments = prepare(code, init, bytes) end, note)
    local result = nil
    if ok then
        if seed then randomseed(seed, index) end
        result = answer(job, discard, xpcall(call, note, job, arguments))
    end
    core.far = nil
    return result or failure(raised, ok and lines or nil, since, job and job.space)
end

--- The function that the agent's pool is given for the chunks of a job.
---@param code { key: string, parts: string[] }
---@param init { key: string, parts: string[] }?
---@param seed integer?
---@param discard boolean?
---@return fun(index: integer, attempt: integer, bytes: string): string|table
function M.bind(code, init, seed, discard)
    local run = M.run
    return function(index, attempt, bytes)
        return (run(code, init, seed, discard, index, attempt, bytes))
    end
end

return M
