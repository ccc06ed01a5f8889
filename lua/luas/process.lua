--- Processes: each runs one function.

local channel = require "luas.channel"
local check = require "luas.check"
local core = require "luas.core"
local ending = require "luas.ending"
local Job = require "luas.job"
local outcome = require "luas.outcome"
local State = require "luas.state"

local pack, unpack = table.pack, table.unpack

---@class luas.process
---@field name string
---@field pid integer?       once started
---@field daemon boolean?    a script that ends kills it, and does not wait for it
---@field exitcode integer?  once ended: 0, 1 if it raised, or what it exited with
---@field signal integer?    once ended by one
local Process = {}

---@class luas.processmodule
local M = {}

-- The pool behind all processes that this one starts. A worker of it ends with its task.
local state

---@class luas.processes: luas.poolstate
---@field running table<luas.process, boolean>
---@field started integer
---@field past table<luas.process, integer>  those that have an outcome, and when they were started
local Processes = {}
setmetatable(Processes, { __index = State })
Processes.__index = Processes

local function own_state()
    if not state or state.owner ~= core.pid() then
        state = setmetatable(State.over(core.pool { workers = 0 }, 1), Processes)
        state.running, state.started = {}, 0
        state.past = setmetatable({}, { __mode = "k" })
    end
    return state
end

-- The object for this process itself. The parent sets it just before the fork.
local current

-- Is there something that nobody was told? What it meant by os.exit its status says: 0 is no
-- failure, and another one is known to who waited for its end.
local function described(self)
    local o = self.outcome
    if not o or self.asked or o.kind == "cancelled" then return false end
    local left = o.kind == "crash" and o.exitcode
    return not left or (left ~= 0 and not self.joined)
end

-- Only the process that started it is told when it ends.
local function is_elsewhere(self)
    return self.owner ~= nil and self.owner ~= core.pid()
end

-- Takes in its results or its outcome, once these are known here. A copy of the host knows
-- what the host was told before the fork.
local function settle(self)
    if self.ended then return true end
    if not self.job then return false end -- a copy made while it was started
    local _, gone, code, signal = self.job.handle:process()
    if not gone then return false end
    self.results = pack(self.job:take())
    self.outcome = self.results[2]
    self.code, self.by_signal, self.ended = code, signal, true
    local own = self.job.pool
    own.running[self] = nil
    if self.outcome then
        self.outcome.called_from = self.called_from
        own.past[self] = self.number
    end
    self.job:close()
    self.job, self.target, self.args = nil, nil, nil
    return true
end

-- Those that a script waits for at its end.
local function awaited(self)
    local list = {}
    for process in pairs(self.running) do
        if not process.daemon and not settle(process) then list[#list + 1] = process end
    end
    return list
end

function Processes:is_busy()
    return #awaited(self) > 0
end

function Processes:unfinished()
    local names = {}
    for i, process in ipairs(awaited(self)) do names[i] = process.name end
    table.sort(names)
    return ("process%s %s"):format(#names == 1 and "" or "es", table.concat(names, ", "))
end

-- Kills the others.
function Processes:end_all()
    for process in pairs(self.running) do
        process.asked = true
        process.job.handle:signal(9)
    end
    while next(self.running) do
        self:drive(1)
        for process in pairs(self.running) do settle(process) end
    end
    self:terminate()
end

local function started(self, what)
    if self.ours then
        check.fail(("'%s': not a process that was started from here"):format(what))
    elseif not self.owner then
        check.fail(("'%s': the process has not been started"):format(what))
    elseif is_elsewhere(self) and not settle(self) then
        check.fail(("'%s': the process belongs to another process"):format(what))
    end
end

-- Raises if only another process knows. Processes that were not started from here have only
-- a pid.
local function is_alive(self, what)
    local here = core.pid()
    if self.ours and (self.known_pid == here or self.known_pid == core.parent()) then return true end
    if not self.ours and not self.owner then return false end
    started(self, what)
    if settle(self) then return false end
    self.job.pool:step(0)
    return not settle(self)
end

local fields = {}

function fields.pid(self)
    return self.known_pid
end

-- Who looks how it ended knows that it crashed; what it raised only `result` says.
local function note_look(self)
    self.joined = self.ended
    if self.outcome and self.outcome.kind == "crash" then self.asked = true end
end

function fields.exitcode(self)
    is_alive(self, "exitcode")
    note_look(self)
    return self.code
end

function fields.signal(self)
    is_alive(self, "signal")
    note_look(self)
    return self.by_signal
end

local meta = {
    __name = "luas.process",
    __index = function(self, name)
        local get = fields[name]
        if get then return get(self) end
        return Process[name]
    end,
}

-- Does not raise, even if checking the process fails.
local function describe(self)
    if self.ours then return "running" end
    if not self.owner then return "not started" end
    if is_elsewhere(self) and not settle(self) then return "of another process" end
    local ok, alive = core.try(is_alive, self)
    if not ok or alive then return "running" end
    return self.by_signal and "signal " .. self.by_signal or "exit status " .. tostring(self.code)
end

function meta:__tostring()
    return ("process %s (pid %s, %s)"):format(self.name or "?", self.known_pid or "?", describe(self))
end

-- Once only.
local function tell(self)
    if not described(self) or is_elsewhere(self) then return end
    self.asked = true
    core.report(("nobody asked for the result of %s"):format(outcome.uncaught(self.outcome)))
end
meta.__gc = tell

--- Tells of all that have ended, as nobody will ask for them any more.
function Processes:tell()
    while next(self.running) and self:step(0) do end
    for process in pairs(self.running) do settle(process) end -- daemons, too
    local list = {}
    for process in pairs(self.past) do list[#list + 1] = process end
    table.sort(list, function(a, b) return a.number < b.number end)
    for _, process in ipairs(list) do tell(process) end
    self.past = setmetatable({}, { __mode = "k" })
end

-- The options of M.new.
local types = { target = "function", args = "table", name = "string", daemon = "boolean",
    keep_files = "boolean" }

--- Makes a process without starting it. With `keep_files` it keeps the pipes and sockets that the
--- script has open, and not only those that its function captures.
---@param given {target: function, args: any[]?, name: string?, daemon: boolean?, keep_files: boolean?}
---@return luas.process
function M.new(given)
    check.argument(given, 1, "new", "table")
    for name, value in pairs(given) do
        local expected = types[name]
        if not expected then
            check.fail(("process.new: unknown option '%s' (there are: args, daemon, keep_files, name, target)")
                :format(tostring(name)))
        elseif type(value) ~= expected and not (name == "target" and check.is_callable(value)) then
            check.fail(("process.new: option '%s' must be a %s, got %s"):format(
                name, expected, type(value)))
        end
    end
    if not given.target then check.fail("process.new: option 'target' is missing") end
    local args = given.args or {}
    local n, problem = core.length(args)
    if not n then check.fail("process.new: option 'args': " .. problem) end
    return setmetatable({
        target = given.target, name = given.name, daemon = given.daemon, args = pack(unpack(args, 1, n)),
        keep_files = given.keep_files,
    }, meta)
end

--- Starts f(...) in a new process that is a copy of this one.
---@param f function
---@param ... any
---@return luas.process
function M.spawn(f, ...)
    check.callable(f, "spawn")
    return M.new { target = f, args = pack(...) }:start()
end

--- Starts it: once only.
---@return luas.process self
function Process:start()
    if self.ours then check.fail("'start': this process was started long ago") end
    if self.owner then check.fail("the process has been started already") end
    local own = own_state()
    own.started = own.started + 1
    self.name, self.owner, self.number = self.name or "process-" .. own.started, own.owner, own.started
    local before = current
    current = setmetatable({ name = self.name, parent = M.current().name, ours = true }, meta)
    local ok, job = pcall(Job.start, own, self.target, { items = { self.args }, n = 1 },
        { carry = "inherit", keep_files = self.keep_files }, { star = true, process = true, arguments = self.args, name = self.name })
    current = before
    if not ok then
        self.owner = nil
        error(job, 0)
    end
    self.job, self.called_from = job, outcome.place_of_call()
    self.known_pid = job.handle:process()
    own.running[self] = true
    job:set_aside()
    ending.submitted(own)
    job:step(0)
    job:pump()
    return self
end

--- Is it running?
---@return boolean
function Process:is_alive()
    return is_alive(self, "is_alive")
end

-- Tells that this process waits for that one and does nothing else. If that one waits for room
-- in a queue from which only this one could take, it gets an error instead of waiting for
-- ever.
local Joining = { __close = function() core.joining() end }

local function say_joining(self)
    core.joining(self.known_pid)
    return setmetatable({}, Joining)
end

--- Waits until it has ended, at most `timeout` seconds: false if it has not.
---@param timeout number?
---@return boolean
function Process:join(timeout)
    started(self, "join")
    timeout = check.timeout(timeout, 1, "join")
    local deadline = timeout and core.now() + timeout
    local told <close> = not deadline and say_joining(self) or nil
    while is_alive(self, "join") do
        local left = deadline and deadline - core.now()
        if left and left <= 0 then return false end
        self.job.pool:step(left)
    end
    self.joined = true
    return true
end

--- Waits for its end. Returns the function's results, or raises its outcome.
---@return any ...
function Process:result()
    started(self, "result")
    self:join()
    self.asked = true
    if self.outcome then outcome.raise(self.outcome) end
    return unpack(self.results, 3, self.results.n)
end

local function send_signal(self, what, number)
    started(self, what)
    if not settle(self) then self.job.handle:signal(number) end
    self.asked = true
end

--- Sends SIGTERM to it and what it started.
function Process:terminate() send_signal(self, "terminate", 15) end

--- Sends SIGKILL to it and what it started.
function Process:kill() send_signal(self, "kill", 9) end

--- The process that this code runs in.
---@return luas.process
function M.current()
    local worker, spawned, name = core.worker()
    if current and spawned then
        current.known_pid = core.pid()
        return current
    end
    return setmetatable({ name = worker and (name or "worker " .. worker) or "main",
        ours = true, known_pid = core.pid() }, meta)
end

--- The process that started this one, or nil in the first.
---@return luas.process?
function M.parent()
    if not core.worker() then return nil end
    local _, spawned = core.worker()
    local name = not current and "main" or spawned and current.parent or current.name -- the fork copied it
    return setmetatable({ name = name, ours = true, known_pid = core.parent() }, meta)
end

--- The processes that this one started and that have not ended.
---@return luas.process[]
function M.children()
    local list, own = {}, own_state()
    if next(own.running) then own:step(0) end
    for process in pairs(own.running) do
        if not settle(process) then list[#list + 1] = process end
    end
    table.sort(list, function(a, b) return a.known_pid < b.known_pid end)
    return list
end

---@class luas.pipe
local Pipe = { __name = "luas.pipe" }
Pipe.__index = Pipe

-- A signal ends a wait in C. Coming back here lets its hook run; then the wait goes on.
local function again(pipe, method, deadline, first, ...)
    if first ~= "signal" then return first, ... end
    local left = deadline and math.max(0, deadline - core.now())
    return again(pipe, method, deadline, method(pipe.channel, left))
end

--- Sends values to the other end; waits while that has much to read.
---@param ... any
function Pipe:send(...)
    again(self, self.channel.flush, nil, self.channel:send(...))
end

--- Waits for the next values, at most `timeout` seconds; gives nothing but
--- nil and "timeout" or "closed" when there are none.
---@param timeout number?
---@return any ...
function Pipe:recv(timeout)
    timeout = check.timeout(timeout, 1, "recv")
    local deadline = timeout and core.now() + timeout
    local function give(there, ...)
        if there then return ... end
        return nil, there == false and "timeout" or "closed"
    end
    return give(again(self, self.channel.recv, deadline, self.channel:recv(timeout)))
end

--- Closes this end in this process.
function Pipe:close() self.channel:close() end
Pipe.__close = Pipe.close

function Pipe:__tostring()
    return ("pipe (%s)"):format(self.channel:is_open() and "open" or "closed")
end

--- Its descriptor, for a poll loop.
---@return integer
function Pipe:fileno() return self.channel:fileno() end

--- Two ends: what one sends the other receives. Give one to a process.
---@return luas.pipe, luas.pipe
function M.pipe()
    local a, b = channel.pair()
    return setmetatable({ channel = a }, Pipe), setmetatable({ channel = b }, Pipe)
end

-- For the prompt, which completes names: it calls no functions.
meta.__members = {}
for _, there in ipairs { fields, Process } do
    for name, f in pairs(there) do meta.__members[name] = f end
end

check.methods(Process, meta, "p")
check.methods(Pipe, Pipe, "pipe")

return M
