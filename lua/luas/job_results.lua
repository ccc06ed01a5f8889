--- What a job gives: its values go where the caller wants them, and all else becomes an outcome.
--- These are methods of a job (job.lua), which keeps none of it.

local outcome = require "luas.outcome"

---@class luas.job
local Job = {}

--- Makes the outcome of the fields that the engine gave: it names its input, and its worker.
---@param o table
---@return luas.outcome
function Job:describe(o)
    if o.index and o.count == 1 then
        o.output = self:printed()[o.index]
        if self.arguments then
            o.input = outcome.input(self.arguments)
        elseif self.items then
            o.input = self.items[o.index]
        end
    end
    o.name = self.name
    if self.journal and not o.pid then o.recorded = o.kind ~= "cancelled" and not o.init or nil end
    if self.texts and o.index then o.file, o.line, o.byte = self.texts:place(self.before + o.index) end
    if o.kind == "timeout" and not o.init then o.limit = self.options.timeout end
    if o.expired then o.limit, o.expired = self.options.deadline, nil end
    if o.worker and o.worker > 0 then o.worker_name = self.name or outcome.worker_name(self.pool.name, o) end
    o.traceback = o.traceback and outcome.own_lines(o.traceback)
    return outcome.new(o)
end

-- Stops reading the source after too many failures, and when no worker can start.
local function note_failure(self, o)
    if o.kind == "cancelled" then return end
    self.failed = self.failed + 1
    if o.init or self.policy.halt and self.failed >= self.policy.halt then self:finish() end
end

-- What an outcome of several tasks says of one of them.
local function of_one(self, o, index)
    local fields = {}
    for name, value in pairs(o) do fields[name] = value end
    fields.index, fields.count = index, 1
    return self:describe(fields)
end

--- Puts one outcome for each task that `o` stands for into a table, by index.
---@param o luas.outcome  of one task, or of several that ended together
---@param into table<integer, luas.outcome>
function Job:spread(o, into)
    into[o.index] = o
    if o.count == 1 then return end
    for i = o.index, o.index + o.count - 1 do
        into[i] = of_one(self, o, i)
    end
end

--- Moves the values that have come into `results`, up to the first outcome that is no
--- value, which it returns.
---@param results table
---@return luas.outcome?
function Job:collect(results)
    local n
    n, self.failure = self.handle:collect(results)
    self.taken = self.taken + n
    local fields = self.failure
    if fields then note_failure(self, fields) end
    return fields and self:describe(fields)
end

--- Prints the results that have come, up to the first outcome that is no value, which it returns
--- after the number of those that are over (printer.h).
---@param tools table     core.text_tools()
---@param printer userdata
---@return integer n, luas.outcome?
function Job:print(tools, printer)
    local n, fields = tools.print(self.handle, printer)
    self.taken = self.taken + n
    if fields then note_failure(self, fields) end
    return n, fields and self:describe(fields)
end

--- What `collect` has returned, again, in case that a signal came before the caller had it.
---@return luas.outcome?
function Job:last_failure()
    local fields = self.failure
    return fields and (outcome.is(fields) and fields or self:describe(fields))
end

--- The outcome of the first task that this one is about.
---@param o luas.outcome
---@return luas.outcome
function Job:first(o)
    return o.count == 1 and o or of_one(self, o, o.index)
end

local function describe_taken(self, index, fields, ...)
    if fields == nil then return index, nil, ... end
    return index, self:describe(fields)
end

--- Takes one outcome: returns its index, then nil and the results, or the outcome if it is
--- no value. Returns nothing when there is none. The caller counts it in `taken`.
function Job:take()
    return describe_taken(self, self.handle:next())
end

--- Moves the outcomes that have come into two tables, by index. `values` gets the results of
--- tasks that have exactly one, not nil. `others` gets for each other task a list with its
--- length in `n`: nil and the results, or the outcome that is no value. The indices are
--- appended to `order`, if given, as tasks ended. The caller counts them in `taken`.
--- Returns false when there was nothing.
---@param values table<integer, any>
---@param others table<integer, table>
---@param order integer[]?
---@return boolean
function Job:gather(values, others, order)
    local n, fields = self.handle:gather(values, others, order)
    if fields then
        local failures = {}
        note_failure(self, fields)
        self:spread(self:describe(fields), failures)
        for i = fields.index, fields.index + fields.count - 1 do
            others[i] = { n = 1, failures[i] }
            if order and i > fields.index then order[#order + 1] = i end
        end
    end
    return n > 0
end

--- What tasks printed, by index, in a pool that captures it.
---@return table<integer, string>
function Job:printed()
    return self.handle:printed()
end

return Job
