--- How a job's function gets to workers. It is shipped to workers that exist, or
--- inherited by workers that are forked for the job. Workers are also forked if they do
--- not have the modules that the function refers to as the host has them now.

local core = require "luas.core"
local due = require "luas.due"
local fail = require("luas.check").fail
local fresh = require "luas.later".open "luas.fresh"
local watched = require "luas.modules"

local min, max, huge = math.min, math.max, math.huge
local collect = collectgarbage

-- How many inheriting jobs may be under way at a time, for each worker.
local IMAGES <const> = 8

local M = {}

--- How the job's function may get to workers: its option. Where workers are forked from a
--- zygote they can only be sent something.
---@param job luas.job
---@return "auto"|"ship"|"inherit"|nil
function M.how(job)
    local how = job.options.carry
    if not job.pool.ships_only then return how end
    if how == "inherit" then
        fail(('carry = "inherit": the workers of this pool (%s) inherit nothing'):format(
            job.pool.remote and "cluster" or job.pool.fresh and 'start = "exec"' or 'start = "zygote"'))
    end
    return "ship"
end

-- An inheriting job has workers of its own. A loop that submits such jobs must not fork
-- without end. So a new one waits while too many are under way. Lazy jobs do not count:
-- they wait for their consumer, and that may be the caller here.
local function await_room(job)
    local pool, images = job.pool, job.pool.images
    local most = IMAGES * max(1, pool.size)
    while #images >= most do
        for i = #images, 1, -1 do
            if images[i]:done() then table.remove(images, i) end
        end
        if #images >= most then pool:step() end
    end
    job:check_pool()
    if not job.lazy then images[#images + 1] = job.handle end
end

-- Seconds for workers that are told to end to do so, where nothing else can make room.
local PATIENCE <const> = 5

-- Do jobs with workers of their own run in the pool, that nobody has to read first?
local function others_run(job)
    for _, image in ipairs(job.pool.images) do
        if image ~= job.handle and not image:done() then return true end
    end
    return false
end

-- Calls `fork(waits)` until it gives something. It gives nil where there is no room for
-- workers (descriptors, processes): then some are collected that nobody has any more, and
-- others are waited for until they end. Raises what it raises where none can.
local function when_possible(job, fork)
    local pool, forked = job.pool, fork(true)
    if forked ~= nil then return forked end
    collect()
    local deadline = core.now() + PATIENCE
    while forked == nil do
        pool:step(0.02)
        job:check_pool()
        if others_run(job) then deadline = core.now() + PATIENCE end
        forked = fork(core.now() < deadline and pool.core:live(true) > 0)
    end
    return forked
end

-- A source may change modules with each item. The items before the change are done by the
-- workers that exist, as far as the consumer takes results. This waits for them; otherwise
-- each change would leave workers behind.
local function await_fed(job)
    while not job.handle:rests() do job.pool:step() end
    job:check_pool()
end

-- May the host change while the job runs? A host that waits for the tasks of an array does
-- nothing else, except in callbacks.
local function goes_on(job)
    return job.lazy or job.async or job.source ~= nil or job.meter ~= nil and job.meter.call
        or job.pool.listeners > 0 or due.any()
end

--- Forks workers for the job; they have its function and these inputs. As many as there is
--- room for, at most `most`.
---@param job luas.job
---@param items table?
---@param most integer|number
function M.inherit(job, items, most)
    local pool = job.pool
    local shares = not job.policy.process -- to what a process has nothing is sent later
    if shares and pool.size > 0 then await_room(job) end
    if shares and pool.core:live(true) == 0 then watched.note(pool) end
    local workers, continues = max(1, min(pool.size, most)), goes_on(job)
    when_possible(job, function(waits)
        return job.handle:inherit(job.f, items, workers, continues, waits,
            job.options.keep_files, pool.core:made())
    end)
    if shares then watched.compare(pool) end
    pool.carried.inherit = pool.carried.inherit + 1
    job.carried = "inherit"
end

-- Starts the job anew, without the definitions that it had.
local function restart(job)
    job.handle:drop()
    job.handle = job.pool.core:job(job.policy)
    job:introduce()
end

-- Sends the job's tasks what lies behind the fields of these modules, and in the state, if it has
-- changed since workers were forked. That may refer to more modules.
local function settle(job, modules, changed)
    local all, sent, known, anyway = {}, 0, true, M.how(job) == "ship"
    for name in pairs(modules) do all[name] = true end
    while changed and (known or anyway) and #changed > sent do -- none where all workers have ended
        local ok, met = job.handle:settle(changed, anyway, all)
        if not ok then return false end
        sent = #changed
        for name in pairs(met) do all[name] = true end
        known, changed = watched.are_known(job.pool, all, anyway)
    end
    return known
end

--- Are these modules in the workers as they are in the host now? Or will they be for the job's
--- tasks?
---@param job luas.job
---@param modules table<string, boolean>
---@return boolean
function M.is_current(job, modules)
    local anyway = M.how(job) == "ship"
    local known, changed = watched.are_known(job.pool, modules, anyway)
    if changed and (known or anyway) then known = settle(job, modules, changed) and known end
    return known or anyway
end

-- Forks workers for this job now: all of them, if the others have nothing to do.
local function renew(job)
    local pool = job.pool
    if job.renewed ~= job.handle then await_room(job) end
    await_fed(job)
    job.renewed = job.handle
    local known = watched.know_all()
    local n = job.alone and pool.size or max(1, min(pool.size, job.total or huge))
    local continues = goes_on(job)
    if when_possible(job, function(waits) return job.handle:renew(n, continues, waits) end) then
        watched.note(pool, known)
    end
    watched.compare(pool)
end

-- Raises if workers that are fresh programs cannot load one of these modules.
local function check_fresh(job, modules)
    local name = job.pool.fresh and fresh.unknown_module(modules)
    if name then fail(("cannot ship what is in module '%s': no file is found for it"):format(name)) end
end

--- Ships the function. Returns false, with the job unchanged, when the function must be
--- inherited, or when a single call needs more than the engine.
---@param job luas.job
---@return boolean
function M.ship(job)
    local forced = M.how(job) == "ship"
    local workers = job.single and 1 or min(job.pool.size, job.total or huge)
    local ok, modules = job.handle:carry(job.f, forced, workers)
    if not ok and forced then fail(("cannot ship the function: %s"):format(modules)) end
    if ok then check_fresh(job, modules) end
    local current = ok and M.is_current(job, modules)
    if ok and not current and not job.single then
        job.pool.core:forget() -- a name in it may mean something else now
        restart(job)
        ok = job.handle:carry(job.f, false, workers)
    end
    if not ok or (job.single and not current) then
        restart(job)
        return false
    end
    if not current then renew(job) end
    job.pool.carried.ship = job.pool.carried.ship + 1
    job.carried = "ship"
    return true
end

--- Undoes `ship`, because inputs cannot be sent.
---@param job luas.job
function M.unship(job)
    job.pool.carried.ship = job.pool.carried.ship - 1
    restart(job)
end

--- Feeds the inputs that were encoded, after a check of the modules that they refer to.
---@param job luas.job
---@param modules table<string, boolean>?  the names; nil: it was fed already
function M.submit(job, modules)
    if not modules then return end
    check_fresh(job, modules)
    if job.carried == "ship" and not M.is_current(job, modules) then renew(job) end
    job.handle:submit()
end

return M
