--- Journals: files that tell what became of the tasks of runs, so that a killed run goes on where it was.
---
--- A journal is a database of SQLite. This module has its schema, and all that is asked of it once a run
--- or a job; core/pool/journal.h writes what becomes of tasks. Many pools and jobs may share one.

local check = require "luas.check"
local core = require "luas.core"
local due = require "luas.due"
local later = require "luas.later"
local code = later.open "luas.journal_code"
local inspect = later.open "luas.inspect"

local fail = check.fail

local M = {}

-- Who reads the file otherwise: `PRAGMA application_id`, "luas", and the version of this schema.
local APPLICATION <const>, VERSION <const> = 0x6c756173, 1

local SCHEMA <const> = {
    -- A run: what was called where, and by which Lua. `ended` is NULL for one that was killed.
    "CREATE TABLE run(id INTEGER PRIMARY KEY, started REAL, ended REAL, host TEXT, boot TEXT, pid INTEGER, "
        .. "born TEXT, argv TEXT, lua TEXT, luas TEXT)",
    -- A job: a call of a verb, or all calls of `apply` of a function. `ordinal`: among those of a run that have
    -- the same code. `trusts`: outcomes of other code counted (on_change = "keep"). `refused`: they did not.
    "CREATE TABLE job(id INTEGER PRIMARY KEY, run INTEGER, pool TEXT, verb TEXT, ordinal INTEGER, name TEXT, "
        .. "code BLOB, trusts INTEGER, refused INTEGER, has_values INTEGER)",
    -- Of what code consists: functions, upvalues, globals, modules; each with its place.
    "CREATE TABLE code(code BLOB, name TEXT, path TEXT, hash BLOB)",
    -- What became of a task. `value`: its result, if that is one number or text, else MessagePack.
    "CREATE TABLE outcome(id INTEGER PRIMARY KEY, job INTEGER, key BLOB, idx INTEGER, kind TEXT, started REAL, "
        .. "took REAL, worker INTEGER, attempts INTEGER, input, value, message TEXT, status INTEGER)",
    ("PRAGMA application_id = %d"):format(APPLICATION),
    ("PRAGMA user_version = %d"):format(VERSION),
}

local tools

-- ---- the file ----

---@class luas.journal
---@field path string
---@field reader table       what listens to pools
---@field run integer        the number of this run
local Journal = {}
Journal.__index = Journal

-- The journals that are open in this state.
local opened = {}

local function raise(self, what)
    fail(tools.refusal(("journal %s: %s"):format(self.path, what)))
end

local function query(self, sql, ...)
    local rows, why = tools.query(self.reader, sql, ...)
    if not rows then raise(self, why) end
    return rows
end

-- What cannot be written is told once; the run goes on.
function Journal:complain(why)
    if self.complained then return end
    self.complained = true
    core.report(("journal %s: %s: what ends from now on may be missing there"):format(self.path, why))
end

local function put(self, sql, ...)
    local rows, why = tools.query(self.reader, sql, ...)
    if not rows then self:complain(why) end
    return rows
end

local function words_of(file)
    local handle <close> = io and io.open(file)
    return handle and handle:read "l" or ""
end

-- When the process began, in ticks of its machine: so a number that was given again is not taken for it.
local function born(pid)
    local line = words_of(("/proc/%d/stat"):format(pid)):match ".*%)%s+(.*)"
    local fields, n = {}, 0
    for word in (line or ""):gmatch "%S+" do
        n = n + 1
        fields[n] = word
    end
    return fields[20], fields[1]
end

local function machine()
    return words_of "/proc/sys/kernel/hostname", words_of "/proc/sys/kernel/random/boot_id"
end

local function is_alive(pid, since)
    local begun, state = born(pid)
    return begun ~= nil and begun == since and state ~= "Z" and state ~= "X"
end

-- Who else writes to it now: the number of the run, and the process.
local function living(self)
    local _, boot = machine()
    for _, row in ipairs(query(self, "SELECT id, pid, born FROM run WHERE ended IS NULL AND boot = ? ORDER BY id DESC", boot)) do
        local id, pid, since = table.unpack(row)
        if is_alive(pid, since) then return id, pid end
    end
end

local function argv()
    local all, words = rawget(_G, "arg"), {}
    if type(all) ~= "table" then return "" end
    local first = 0
    while all[first - 1] ~= nil do first = first - 1 end
    for i = first, #all do words[#words + 1] = tostring(all[i]) end
    return table.concat(words, " ")
end

local function check_kind(self)
    local id = query(self, "PRAGMA application_id")[1][1]
    local tables = query(self, "SELECT count(*) FROM sqlite_master")[1][1]
    if tables == 0 then return false end
    if id ~= APPLICATION then raise(self, "this file is another program's database") end
    local version = query(self, "PRAGMA user_version")[1][1]
    if version ~= VERSION then
        raise(self, ("it has version %d of the schema, and this luas has %d"):format(version, VERSION))
    end
    return true
end

local function refuse_living(self, id, pid)
    raise(self, pid == core.pid() and ("run %d, in this process, uses it"):format(id)
        or ("run %d is alive, and uses it (pid %d)"):format(id, pid))
end

local function refuse_old(self, given)
    local last = query(self, "SELECT id, datetime(started, 'unixepoch', 'localtime') FROM run ORDER BY id DESC LIMIT 1")[1]
    raise(self, ("it exists already%s: %s"):format(last and (", of run %d (%s)"):format(last[1], last[2]) or "",
        given.program and "--resume goes on with it" or "resume = true goes on with it"))
end

-- In a transaction, so that of two runs that begin at once one sees the other.
local function begin_run(self, given)
    local is_old = check_kind(self)
    if is_old then
        local id, pid = living(self)
        if id then return id, pid end
        if not given.resume then refuse_old(self, given) end
    else
        for _, sql in ipairs(SCHEMA) do query(self, sql) end
    end
    local host, boot = machine()
    query(self, "INSERT INTO run(started, host, boot, pid, born, argv, lua, luas) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        os.time(), host, boot, core.pid(), (born(core.pid())), argv(), tools.release, core.version)
    self.run = query(self, "SELECT last_insert_rowid()")[1][1]
end

local function in_transaction(self, given)
    query(self, "BEGIN IMMEDIATE")
    local ok, id, pid = pcall(begin_run, self, given)
    if not ok or id then
        tools.query(self.reader, "ROLLBACK")
        if not ok then error(id, 0) end
        return id, pid
    end
    query(self, "COMMIT")
end

-- Where the outcomes of earlier jobs are. Mostly those of a job are together: there is no index while runs
-- write. Where many lie between those of others one is made.
local function find_rows(self)
    local rows, span = 0, 0
    for _, row in ipairs(query(self, "SELECT job, min(id), max(id), count(*) FROM outcome GROUP BY job")) do
        local old = self.old[row[1]]
        if old then old.first, old.last, old.count = row[2], row[3], row[4] end
        rows, span = rows + row[4], span + row[3] - row[2] + 1
    end
    if span > 8 * rows then query(self, "CREATE INDEX IF NOT EXISTS outcome_by_job ON outcome(job)") end
end

-- The jobs of earlier runs, by what they are: their pool, verb and ordinal.
local function read_jobs(self)
    self.old = {}
    for _, row in ipairs(query(self, [[SELECT job.id, job.run, pool, verb, ordinal, code, trusts, refused, has_values, lua
        FROM job JOIN run ON run.id = job.run WHERE job.run < ? ORDER BY job.id]], self.run)) do
        local id, run, pool, verb, ordinal, hash, trusts, refused, has_values, lua = table.unpack(row)
        local what = ("%s\0%s\0%d"):format(pool, verb, ordinal)
        local list = self.old[what] or {}
        self.old[what] = list
        list[#list + 1] = { id = id, run = run, code = hash, trusts = trusts == 1, refused = refused == 1, has_values = has_values == 1, lua = lua }
        self.old[id] = list[#list]
    end
    find_rows(self)
end

-- The journal of this state that has this run.
local function same(run)
    for _, other in pairs(opened) do
        if other.run == run and not other.closed then return other end
    end
end

local function open(given)
    tools = tools or core.journal()
    local reader, why = tools.open(given.path)
    if not reader then fail(tools.refusal(("cannot open the journal %s: %s"):format(given.path, why))) end
    local self = setmetatable({ path = given.path, reader = reader, owner = core.pid(), groups = {}, ordinals = {}, used = {} },
        Journal) -- it is finalized before its reader
    local ok, run, pid = pcall(in_transaction, self, given)
    if ok and not run then
        read_jobs(self)
        return self
    end
    tools.close(reader)
    if not ok then error(run, 0) end
    local other = pid == core.pid() and same(run)
    if other then return other end
    refuse_living(self, run, pid)
end

--- Opens the journal that an option says, once for all that use it.
---@param given luas.journaloption
---@return luas.journal
function M.open(given)
    local self = opened[given.path]
    if not self or self.closed or self.owner ~= core.pid() then
        self = open(given)
        opened[given.path] = self
    end
    return self
end

--- Call it when nothing more is recorded there.
function Journal:close()
    if self.closed or self.owner ~= core.pid() then return end
    self.closed = true
    self:flush()
    tools.query(self.reader, "UPDATE run SET ended = ? WHERE id = ?", os.time(), self.run)
    tools.close(self.reader)
end
Journal.__gc = Journal.close

--- Writes what has been collected.
function Journal:flush()
    local written, why = tools.flush(self.reader)
    if not written then self:complain(why) end
end

--- Completes all that are open.
function M.finish()
    for _, self in pairs(opened) do self:close() end
end

-- ---- options ----

local fields = {
    path = function(v) return type(v) == "string" and v ~= "" end,
    resume = function(v) return type(v) == "boolean" or v == "failed" end,
    on_change = function(v) return v == "error" or v == "rerun" or v == "keep" end,
    values = function(v) return type(v) == "boolean" end,
    explain = function(v) return type(v) == "boolean" end,
    key = check.is_callable, depends = check.is_callable,
    ignore = function(v)
        if type(v) ~= "table" then return false end
        for _, name in ipairs(v) do
            if type(name) ~= "string" then return false end
        end
        return true
    end,
}

--- Is this a journal, as an option has it? Returns false and the wrong field, if it has one.
---@param v any
---@return boolean, string?
function M.is_valid(v)
    if type(v) == "string" then return v ~= "" end
    if type(v) ~= "table" then return v == false end
    for name, value in pairs(v) do
        if name ~= "program" and (not fields[name] or not fields[name](value)) then return false, name end
    end
    return v.path ~= nil
end

local normal = setmetatable({}, { __mode = "k" })

local function normalize(given)
    if type(given) == "string" then return { path = given, resume = true, values = true, on_change = "error" } end
    if not normal[given] then
        local all = { resume = true, values = true, on_change = "error" }
        for name, value in pairs(given) do all[name] = value end
        if given.ignore then
            all.ignore = {}
            for _, name in ipairs(given.ignore) do all.ignore[name] = true end
        end
        normal[given] = all
    end
    return normal[given]
end

--- Opens what a pool's option says.
---@param given luas.journaloption|string
function M.begin(given)
    M.open(normalize(given))
end

-- ---- jobs ----

-- A task is recorded as a whole, with what it calls. A process has a journal of its own.
local function is_in_task()
    local worker, process = core.worker()
    return worker ~= nil and not process or due.level() > 0
end

local function name_of(f)
    local info = type(f) == "function" and debug.getinfo(f, "S")
    return info and ("%s:%d"):format(info.short_src, info.linedefined) or "(callable)"
end

-- How often this run has had such a job; calls of `apply` are all of one.
local function next_ordinal(self, what, is_call)
    if is_call then return 1 end
    self.ordinals[what] = (self.ordinals[what] or 0) + 1
    return self.ordinals[what]
end

-- The old jobs with this code, and those with another one that this run has not had so far; whether a run
-- has gone on with this code, and whether one has trusted others.
local function split(self, what, ordinal, hash, mine)
    local own, others, known, trusts = {}, {}, false, false
    for _, old in ipairs(self.old[("%s\0%d"):format(what, ordinal)] or {}) do
        if old.code == hash and old.lua == tools.release then
            own[#own + 1] = old
            known, trusts = known or not old.refused, trusts or old.trusts
        elseif not mine[old.code] or old.code == hash then
            others[#others + 1] = old
        end
    end
    return own, others, known, trusts
end

local function insert_job(self, made)
    if not put(self, [[INSERT INTO job(run, pool, verb, ordinal, name, code, trusts, has_values)
        VALUES(?, ?, ?, ?, ?, ?, ?, ?)]], self.run, made.pool, made.verb, made.ordinal, made.name, true, made.code,
        made.trusts and 1 or 0, made.values and 1 or 0) then return nil end
    local row = put(self, "SELECT max(id) FROM job") -- meanwhile outcomes may have come, which are rows, too
    return row and row[1][1]
end

-- How many rows a statement may have, as SQLite limits its parameters.
local MOST_ROWS <const> = 200

-- Not within a transaction: another thread may write outcomes over the same connection.
local function insert_code(self, made)
    local there = put(self, "SELECT 1 FROM code WHERE code = ? LIMIT 1", true, made.code)
    if not there or #there > 0 then return end
    for first = 1, #made.parts, MOST_ROWS do
        local last, values = math.min(first + MOST_ROWS - 1, #made.parts), { n = 0 }
        for i = first, last do
            local part = made.parts[i]
            table.move({ true, made.code, part[1], part[2], true, part[3] }, 1, 6, values.n + 1, values)
            values.n = values.n + 6
        end
        put(self, "INSERT INTO code(code, name, path, hash) VALUES(?, ?, ?, ?)" .. (", (?, ?, ?, ?)"):rep(last - first),
            table.unpack(values, 1, values.n))
    end
end

local function load_job(made, old, is_other)
    return old.first and tools.load(made.group, old.id, old.first, old.last, is_other, old.count) or 0
end

-- What earlier runs have come to.
local function load(self, made, own, others)
    local n = 0
    for _, old in ipairs(own) do
        n = load_job(made, old)
        if n > 0 and not old.has_values and made.verb ~= "each" then
            raise(self, ("it has no values of run %d (values = false), which %s would need"):format(old.run, made.verb))
        end
    end
    made.others = 0
    for _, old in ipairs(others) do made.others = made.others + load_job(made, old, true) end
end

-- What is known of a job of this run.
local function make_group(self, made, given, what)
    local mine = self.used[what] or {}
    self.used[what] = mine
    local own, others, known, trusts = split(self, what, made.ordinal, made.code, mine)
    mine[made.code] = true
    made.trusts = trusts or given.on_change == "keep"
    if known and not made.trusts then others = {} end
    if given.on_change == "rerun" and not given.explain then others = {} end
    made.id = insert_job(self, made)
    if not made.id then return nil end
    insert_code(self, made)
    made.group = tools.group(self.reader, made.id, { values = made.values, discards = made.verb == "each",
        seeded = made.seeded, again = given.resume == "failed", trusts = made.trusts })
    load(self, made, own, others)
    return made
end

-- What is another one than in an old job: its name and place.
local function find_change(self, made, old)
    if old.lua ~= tools.release then return "Lua", ("%s then, %s now"):format(old.lua, tools.release) end
    local hashes = {}
    for _, row in ipairs(query(self, "SELECT name, hash FROM code WHERE code = ?", true, old.code)) do
        hashes[row[1]] = row[2]
    end
    local first
    for _, part in ipairs(made.parts) do
        if hashes[part[1]] and hashes[part[1]] ~= part[3] then return part[1], part[2] end
        first = first or not hashes[part[1]] and part
    end
    first = first or made.parts[1]
    if first then return first[1], first[2] end
    return made.verb == "lines" and "the command" or "the function", made.name
end

local function refuse_change(self, made, given, job)
    local old = self.old[job]
    put(self, "UPDATE job SET refused = 1 WHERE id = ?", made.id)
    local name, place = find_change(self, made, old)
    if place == "" then place = made.name end
    local how = given.program and { "--on-change=rerun", "--on-change=keep" }
        or { 'on_change = "rerun"', 'on_change = "keep"' }
    raise(self, ("%s changed since run %d (%s); %s runs all %d again, %s trusts them"):format(
        name, old.run, place, how[1], made.others, how[2]))
end

local words = {
    new = "new", done = "done", failed = "failed", again = "failed, runs again", lost = "done, but its value is not recorded",
    code = "code",
}

local function explain(self, made, verdict, index, job, ...)
    local text = words[verdict]
    if verdict == "code" then
        local name, place = find_change(self, made, self.old[job])
        text = ("code (%s changed since run %d, %s)"):format(name, self.old[job].run, place)
    elseif job ~= 0 then
        text = ("%s (run %d)"):format(text, self.old[job].run)
    end
    local inputs = {}
    for i = 1, select("#", ...) do inputs[i] = inspect.inspect((select(i, ...)), { depth = 1 }):gsub("%s+", " ") end
    local input = table.concat(inputs, ", ")
    if #input > 60 then input = input:sub(1, 57) .. "..." end
    core.report(("%s %s, task %d (%s): %s"):format(made.verb, made.name, index, input, text))
end

-- What is called for tasks of which something is to be decided.
local function teller(self, made, given)
    return function(verdict, index, job, ...)
        if given.explain then explain(self, made, verdict, index, job, ...) end
        if verdict == "code" and given.on_change == "error" and not made.trusts then
            refuse_change(self, made, given, job)
        end
    end
end

local function listen(self, pool)
    pool.journals = pool.journals or {}
    if type(pool.core) == "table" or pool.journals[self] then return end
    pool.journals[self] = true
    pool.core:listen(self.reader, 0, false)
end

--- What makes the keys of a job's tasks; nil if it is not recorded.
---@param job luas.job
---@param how { verb: string, code: any, name: string?, is_call: boolean?, numbered: boolean? }
---@return table?
function M.part(job, how)
    local pool, given = job.pool, normalize(job.options.journal)
    if is_in_task() or given.program and core.run.owner ~= core.pid() then return nil end
    local self = M.open(given)
    local hash, parts = code.of(how.code or job.f, given.ignore, tools)
    local what = ("%s\0%s"):format(pool.name or "", how.verb)
    local ordinal = next_ordinal(self, what .. "\0" .. hash, how.is_call)
    local place = ("%s\0%d\0%s"):format(what, ordinal, hash)
    local made = self.groups[place]
    if not made then
        made = make_group(self, { pool = pool.name or "", verb = how.verb, ordinal = ordinal, name = how.name or name_of(how.code or job.f),
            code = hash, parts = parts, values = given.values, seeded = job.options.seed ~= nil }, given, what)
        if not made then return nil end
        if how.is_call then self.groups[place] = made end
    end
    listen(self, pool)
    return tools.part(made.group, { key = given.key, depends = given.depends, ignore = given.ignore, modules = code.files,
        numbered = how.numbered, explains = given.explain, tell = teller(self, made, given) })
end

--- Has the job's tasks recorded. One that is started again as another job is known already.
---@param job luas.job
---@param how table
function M.join(job, how)
    job.journal, job.staged = how.journal or M.part(job, how), how.journal ~= nil
end

--- Call it for each new handle of the job.
---@param job luas.job
function M.attach(job)
    if type(job.handle) == "table" then job.handle.journal = job.journal else job.journal:attach(job.handle) end
end

--- Call it when the job is over: then all is in the file. Those of single calls are written together.
---@param job luas.job
function M.leave(job)
    if not job.single and not job.is_call then M.open(normalize(job.options.journal)):flush() end
end

return M
