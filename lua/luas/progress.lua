--- Progress: what people see while jobs run, and what a progress function is told.
---
--- A job that is watched has a meter. While its pool is driven the meter is read, at most ten
--- times a second. All visible meters share one line: on a terminal the bar, elsewhere a
--- plain line now and then.

local core = require "luas.core"

local max, min, floor = math.max, math.min, math.floor
local getenv = os and os.getenv or function() end

-- Seconds: between two readings; over which the rate is measured; between plain lines; after
-- which a running task is mentioned.
local EACH <const>, WINDOW <const>, PLAIN <const>, LONG <const> = 0.1, 10, 30, 10

local M = { EACH = EACH }

---@class luas.meter
local Meter = {}
Meter.__index = Meter

-- ---- numbers ----

local function duration(seconds)
    local s = floor(seconds + 0.5)
    if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
    return ("%d:%02d"):format(s // 60, s % 60)
end

local function per_second(rate)
    if rate >= 100 then return ("%.0f/s"):format(rate) end
    if rate >= 1 then return ("%.1f/s"):format(rate) end
    return ("%.1f/min"):format(rate * 60)
end

-- Workers start one after the other, and their first tasks are slower. So what came before each
-- had ended one is left out, once as many have ended again.
local function leave_out_start(samples, done, running)
    if samples.warm then return end
    for i = 2, #samples - 1 do
        if samples[i].done >= running and done - samples[i].done >= running then
            samples.warm = true
            table.move(samples, i, #samples + i - 1, 1)
            return
        end
    end
end

-- Tasks a second over the last seconds, and the moment for which that holds. It uses the times
-- at which tasks ended, not those of the readings, because many tasks may end together.
local function measure(samples, done, last, now, running)
    running = max(1, running)
    leave_out_start(samples, done, running)
    local from = samples[1]
    while #samples > 2 and last - samples[2].at > WINDOW do
        table.remove(samples, 1)
        from = samples[1]
    end
    local gained, span = done - from.done, last - from.at
    if gained <= 0 or span <= 0 then return nil end
    -- If nothing has ended for much longer than usual, measure up to now.
    if now - last > 3 * running * span / gained then span, last = now - from.at, now end
    return gained / span, last
end

local function note_sample(samples, done, last)
    local newest = samples[#samples]
    if newest.done == done then return end
    if #samples > 2 and last - samples[#samples - 1].at < WINDOW / 100 then
        newest.done, newest.at = done, last
    else
        samples[#samples + 1] = { done = done, at = last }
    end
end

-- ---- meters ----

--- Watches a job.
---@param job luas.job
---@param given true|fun(done: integer, total: integer?, info: table)|table
---@return luas.meter
function M.meter(job, given)
    if given == true then given = {} end
    if type(given) == "function" then given = { call = given } end
    local self = setmetatable({
        job = job, call = given.call, scale = given.scale or 1, most = given.total,
        every = given.every, quiet = given.quiet, begun = core.now(), next = 0, done = 0, failed = 0,
    }, Meter)
    if not self.call then M.bar(self) end
    return self
end

--- The option `progress` of a job whose tasks stand for several items each.
---@param given any
---@param scale integer
---@param total integer?
---@return any
function M.scaled(given, scale, total)
    if not given then return nil end
    local all = { scale = scale, total = total }
    if type(given) == "function" then all.call = given end
    for k, v in pairs(type(given) == "table" and given or {}) do all[k] = v end
    return all
end

local function items(self, tasks, total)
    local n = tasks * self.scale
    return total and min(n, total) or n
end

-- How much of the running tasks is done, counted in tasks, and the last note of one.
local function look_at_running(info, running)
    local share, note = 0, nil
    for _, task in ipairs(running) do
        if task.total then share = share + max(0, min(1, task.done / task.total)) end
        if task.note and task.note ~= "" then note = task.note end
        if (task.seconds or 0) > info.slowest then info.slowest = task.seconds end
        if (task.seconds or 0) > LONG then info.long = info.long + 1 end
    end
    info.running, info.tasks, info.note = #running, running, note
    return share
end

--- Reads the job: how many tasks are done, how many there are, and the info for people.
---@return integer done, integer? total, table info
function Meter:read()
    local job, now = self.job, core.now()
    local settled, cancelled, failed, first, last, slowest = job.handle:pace()
    local total = self.most or job.total and job.total * self.scale
    local done = items(self, settled, total)
    local info = { failed = failed, slowest = slowest or 0, long = 0, elapsed = now - self.begun }
    local share = look_at_running(info, job.handle:running()) * self.scale
    if share > 0 then last = now end
    if last then
        self.samples = self.samples or { { done = 0, at = first or self.begun } }
        note_sample(self.samples, done + share, last)
        info.rate, last = measure(self.samples, done + share, last, now, info.running)
    end
    info.fraction = total and total > 0 and min(1, (done + share) / total) or nil
    if total and info.rate and (now - self.begun >= 1 or done + share >= 3) then
        info.eta = max(0, (total - done - share) / info.rate - (now - last))
    end
    self.done, self.failed, self.total = items(self, settled - cancelled, total), failed, total
    return done, total, info
end

-- An error in the function ends the call that waits for the job.
local function call(self, done, total, info)
    self.calling = true
    local ok, message = pcall(self.call, done, total, info)
    core.called()
    self.calling = nil
    if ok then return end
    if core.stopped(message) then error(message, 0) end -- the job may be another's
    self.raised, self.failure = true, message
    if not self.job.pool.ended then self.job:cancel() end
end

--- Reads the meter, if it is time.
---@param now number
function Meter:tick(now)
    if now < self.next or self.calling or self.over or self.raised then return end
    self.next = now + EACH
    if self.call then
        call(self, self:read())
    else
        self.shown = { self:read() }
    end
end

--- Raises what the function raised.
function Meter:check()
    if self.raised then error(self.failure, 0) end
end

--- Reads it for the last time: all outcomes are there. Raises what the function
--- raised, now or before: then all tasks may have ended already.
function Meter:finish()
    self:check()
    if self.over then return end
    self.next = 0
    if self.call then
        call(self, self:read())
        self.over = true
        self:check()
    end
end

--- Call it when the job is closed.
function Meter:close()
    if not self.over and not self.call then core.try(self.read, self) end
    self.over = true
    if self.bar then self.bar:leave(self) end
end

--- Hides the line: the caller may print next.
function Meter:hide()
    if self.bar then self.bar:hide() end
end

-- ---- the line ----

---@class luas.bar
local Bar = {}
Bar.__index = Bar

local function is_dumb()
    return not core.isatty(2) or getenv "TERM" == "dumb"
end

-- A terminal is assumed to show UTF-8, unless the locale says otherwise.
local function is_utf8()
    local locale = getenv "LC_ALL" or ""
    if locale == "" then locale = getenv "LC_CTYPE" or "" end
    if locale == "" then locale = getenv "LANG" or "" end
    return locale == "" or locale:upper():find "UTF%-?8" ~= nil
end

local bar

--- The beginning of the line.
local function label()
    local arg = rawget(_G, "arg")
    local script = type(arg) == "table" and type(arg[0]) == "string" and arg[0] or nil
    return script and script:match "[^/]+$" or "luas"
end

local function the_bar()
    if not bar then
        bar = setmetatable({
            line = core.line(), meters = {}, order = {}, past = { done = 0, failed = 0, seconds = 0 },
            owner = core.pid(), label = label(), pools = setmetatable({}, { __mode = "k" }),
        }, Bar)
    end
    return bar
end

-- In a task the line belongs to the host: the meter reports as the task's own progress.
local function tell_host(meter)
    meter.call = function(done, total)
        local _, _, _, own = core.task()
        if own then core.tell(own, done, total or 0) end
    end
end

--- Shows a meter on the line.
---@param meter luas.meter
function M.bar(meter)
    if core.worker() then return tell_host(meter) end
    local self = the_bar()
    if next(self.meters) == nil then
        self.since, self.plain, self.dumb = core.now(), core.now(), is_dumb()
        self.utf8, self.colour = is_utf8(), not getenv "NO_COLOR" or getenv "NO_COLOR" == ""
    end
    self.meters[meter] = true
    meter.bar = self
    local engine = meter.job.pool.core
    if engine.line and not self.pools[engine] then
        self.pools[engine] = true
        engine:line(self.line)
    end
end

local function add_up(self)
    local sum = { done = self.past.done, failed = self.past.failed, total = self.past.done,
        rate = 0, long = 0, jobs = 0, share = self.past.done }
    for meter in pairs(self.meters) do
        local done, total, info = meter.done, meter.total, (meter.shown or {})[3] or {}
        sum.jobs = sum.jobs + 1
        sum.done, sum.failed = sum.done + done, sum.failed + meter.failed
        sum.total = sum.total and total and sum.total + total
        sum.share = sum.share + (info.fraction and total and info.fraction * total or done)
        sum.rate = sum.rate + (info.rate or 0)
        sum.long = sum.long + (info.long or 0)
        sum.eta = info.eta and max(sum.eta or 0, info.eta) or sum.eta
        sum.note = sum.note or info.note
        self.every = meter.every or self.every
    end
    return sum
end

local BLOCKS <const> = { [0] = "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local function draw_bar(self, fraction, width)
    if not self.utf8 then
        local n = floor(fraction * width)
        return ("#"):rep(n) .. (" "):rep(width - n)
    end
    local eighths = floor(fraction * width * 8 + 0.5)
    local whole, rest = eighths // 8, eighths % 8
    return ("█"):rep(whole) .. BLOCKS[rest] .. (" "):rep(width - whole - (rest > 0 and 1 or 0))
end

local function columns(text)
    return utf8.len(text) or #text
end

-- The parts of the line. Each has a number: the higher, the sooner it is left out.
local function parts_of(self, sum)
    local known = sum.total and sum.total > 0
    local fraction = known and min(1, sum.share / sum.total)
    local list = {}
    local function add(rank, text, colour)
        if text then list[#list + 1] = { rank = rank, text = text, colour = colour } end
    end
    add(7, self.label)
    add(1, fraction and ("%3d%%"):format(floor(fraction * 100)))
    add(known and 2 or 1, known and ("%d/%d"):format(sum.done, sum.total) or ("%d"):format(sum.done))
    add(4, sum.rate > 0 and per_second(sum.rate))
    add(3, sum.eta and duration(sum.eta) .. " left")
    add(5, sum.failed > 0 and ("%d failed"):format(sum.failed), "\27[31m")
    add(6, sum.long > 0 and ("%d running > %d s"):format(sum.long, LONG))
    add(8, sum.note)
    return list, fraction
end

local function width_of(parts)
    local n = -2
    for _, part in ipairs(parts) do n = n + columns(part.text) + 2 end
    return n
end

-- Leaves out parts until the rest fits.
local function fit(parts, room)
    while #parts > 1 and width_of(parts) > room do
        local worst = 1
        for i, part in ipairs(parts) do
            if part.rank > parts[worst].rank then worst = i end
        end
        table.remove(parts, worst)
    end
end

local function put_bar(self, parts, fraction, room)
    local width = min(40, room - width_of(parts) - 1)
    if not fraction or width < 5 then return end
    for _, part in ipairs(parts) do
        if part.rank == 1 then part.text = part.text .. " " .. draw_bar(self, fraction, width) end
    end
end

--- The text of the line for this many columns.
---@param sum table
---@param room integer
---@return string
function Bar:text(sum, room)
    local parts, fraction = parts_of(self, sum)
    fit(parts, room)
    put_bar(self, parts, fraction, room)
    local texts = {}
    for i, part in ipairs(parts) do
        texts[i] = part.colour and self.colour and part.colour .. part.text .. "\27[0m" or part.text
    end
    local line = table.concat(texts, "  ")
    return columns(line) <= room and line or #parts == 1 and line:sub(1, max(0, room)) or line
end

local function plain_text(self, sum)
    local parts = { ("%s: %d"):format(self.label, sum.done) }
    if sum.total and sum.total > 0 then
        parts[1] = ("%s of %d (%d%%)"):format(parts[1], sum.total, floor(100 * sum.share / sum.total))
    end
    if sum.rate > 0 then parts[#parts + 1] = per_second(sum.rate) end
    if sum.eta then parts[#parts + 1] = duration(sum.eta) .. " left" end
    if sum.failed > 0 then parts[#parts + 1] = ("%d failed"):format(sum.failed) end
    if sum.long > 0 then parts[#parts + 1] = ("%d running > %d s"):format(sum.long, LONG) end
    return table.concat(parts, ", ")
end

--- Shows the line, if it is time.
---@param now number
function Bar:show(now)
    if now < (self.next or 0) or core.pid() ~= self.owner then return end
    self.next = now + EACH
    local sum = add_up(self)
    if not self.dumb then
        self.drawn = true
        self.line:draw(self:text(sum, (core.columns(2) or 80) - 1))
    elseif now - self.plain >= (self.every or PLAIN) then
        self.plain = now
        self.line:say(plain_text(self, sum))
    end
end

--- Erases the line, until it is shown again.
function Bar:hide()
    if not self.drawn then return end
    self.drawn = false
    self.line:draw ""
end

local function summary(past)
    local failed = past.failed > 0 and (", %d failed"):format(past.failed) or ""
    return ("%d task%s in %.1f s%s"):format(past.done, past.done == 1 and "" or "s", past.seconds, failed)
end

--- Leaves one line behind, with the total.
function Bar:finish()
    self:hide()
    local past = self.past
    self.past = { done = 0, failed = 0, seconds = 0 }
    if past.done > 0 and core.pid() == self.owner then self.line:say(summary(past)) end
end

-- When the last meter leaves, the line ends, unless it is for the whole run.
function Bar:leave(meter)
    if not self.meters[meter] then return end
    local past = self.past
    self.meters[meter] = nil
    past.done, past.failed = past.done + meter.done, past.failed + meter.failed
    self.loud = self.loud or not meter.quiet
    if next(self.meters) ~= nil then return end
    past.seconds = past.seconds + core.now() - self.since
    self:hide()
    if self.loud then self:finish() end
    self.loud = nil
end

--- Reads the meters of a pool while it is driven.
---@param meters table<luas.meter, boolean>
function M.tick(meters)
    local now, shows, all = core.now(), false, {}
    for meter in pairs(meters) do all[#all + 1] = meter end -- a progress function may add some
    for _, meter in ipairs(all) do
        meter:tick(now)
        shows = shows or meter.bar ~= nil and not meter.over
    end
    if shows and bar then bar:show(now) end
end

--- Hides the line until the next reading: the caller may print.
function M.hide()
    if bar then bar:hide() end
end

--- Leaves one line for the whole run, at its end.
function M.finish()
    if bar then bar:finish() end
end

return M
