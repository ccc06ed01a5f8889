-- What the specs of the Lua interface share: scripts run by either
-- interpreter, and counts of what a process has open.

local sh = require("tests.support.shell")

local helpers = {}

local root = io.popen("pwd"):read()

local function absolute(path)
    return path:find("^/") and path or root .. "/" .. path
end

helpers.program = absolute(os.getenv("LUAS") or "build/luas")
local cpath = absolute(os.getenv("LUAS_CPATH") or "build/?.so")

---Is it a sanitizer's build? Its module does not load into a plain
---interpreter, and it keeps freed memory for a while.
helpers.sanitized = sh.read((cpath:gsub("%?", "luas"))):find("__asan_init", 1, true) ~= nil

---The command lines that run a script: the program, and lua5.4 with the module.
---@type table<string, string>
helpers.interpreters = { luas = sh.quote(helpers.program) }
if not helpers.sanitized then
    helpers.interpreters["lua5.4"] = "LUA_CPATH=" .. sh.quote(cpath .. ";;") .. " lua5.4"
end

---How many times longer than on an idle machine things take, as scripts/test measured.
helpers.slowness = tonumber(os.getenv "LUAS_TEST_SLOWNESS") or 1

---A limit of time that holds on a busy machine.
---@param seconds number  on an idle one
---@return number
function helpers.within(seconds)
    return seconds * helpers.slowness
end

local PRELUDE = 'local luas = require "luas" '
    .. 'local pool, process, shared = luas.pool, luas.process, luas.shared '

---Writes a script that has the locals luas, pool, process and shared.
---@param text string
---@return string path
function helpers.write_script(text)
    local path = os.tmpname()
    sh.write(path, PRELUDE .. text)
    return path
end

---Runs a script; it is killed, and the status 137, when it takes too long.
---@param text string
---@param how { by: string?, seconds: number?, before: string?, after: string? }?  interpreter
---     (default luas), time, and what the shell does around it
---@return string output  stdout and stderr
---@return integer status
function helpers.run(text, how)
    how = how or {}
    local path = helpers.write_script(text)
    local command = ("%s exec env %s %s %s"):format(how.before or "",
        helpers.interpreters[how.by or "luas"], path, how.after or "")
    local output, status = sh.run(("timeout -s KILL %g sh -c %s"):format(
        helpers.within(how.seconds or 120), sh.quote(command)))
    os.remove(path)
    return (output:gsub(path:gsub("%p", "%%%0"), "SCRIPT")), status
end

---Runs a script that must succeed, and gives what it printed.
---@param text string
---@param by string?
---@return string output
function helpers.output(text, by)
    local output, status = helpers.run(text, { by = by })
    if status ~= 0 then
        error(("exit status %d, output:\n%s"):format(status, output), 2)
    end
    return output
end

---Calls `body(name)` for each interpreter that can run scripts.
---@param body fun(name: string)
function helpers.each_interpreter(body)
    for name in pairs(helpers.interpreters) do body(name) end
end

local function lines(command)
    local list = {}
    for line in sh.run(command):gmatch "[^\n]+" do list[#list + 1] = line end
    return list
end

---Does a process run? One that only waits to be reaped does not.
---@param pid integer
---@return boolean
function helpers.alive(pid)
    local file <close> = io.open(("/proc/%d/stat"):format(pid), "r")
    local state = file and (file:read("a") or ""):match "^.*%) (%a)"
    return state ~= nil and state ~= "Z" and state ~= "X"
end

---Waits until no process of a list runs: those that still do when the time is over.
---@param pids integer[]
---@param seconds number
---@return integer[]
function helpers.survivors(pids, seconds)
    local left
    for _ = 1, seconds * 20 do
        left = {}
        for _, pid in ipairs(pids) do
            if helpers.alive(pid) then left[#left + 1] = pid end
        end
        if #left == 0 then break end
        helpers.sleep(0.05)
    end
    return left
end

---The integers from 1 to n.
---@param n integer
---@return integer[]
function helpers.range(n)
    local t = {}
    for i = 1, n do t[i] = i end
    return t
end

--- Seconds that no other process sleeps for, as text, and a pattern for pgrep that finds who
--- does, but not itself.
---@return string, string
function helpers.sleep_marker()
    local number = tonumber(sh.must "date +%s%N") % 1000000
    return ("77.%06d"):format(number), ("sleep 7[7].%06d"):format(number)
end

---@param seconds number
function helpers.sleep(seconds)
    os.execute(("sleep %g"):format(seconds))
end

---Waits until `test` gives something true, and gives that.
---@param seconds number
---@param test fun(): any
---@return any
function helpers.eventually(seconds, test)
    for _ = 1, seconds * 20 do
        local result = test()
        if result then return result end
        helpers.sleep(0.05)
    end
    return test()
end

---A Lua text that defines descriptors(), children() and segments(): how many
---of each the process that runs it has.
helpers.counters = [[
    -- By way of a file, for a pipe would be among what is counted.
    local function count(command, pattern)
        local path, n = os.tmpname(), 0
        os.execute(command .. " >" .. path)
        for line in io.lines(path) do
            if line:find(pattern) then n = n + 1 end
        end
        os.remove(path)
        return n
    end
    local file = io.open("/proc/self/stat")
    local own = file:read("n")
    file:close()
    local function descriptors() return count("ls /proc/" .. own .. "/fd", ".") end
    local function children() return count("ps -o comm= --ppid " .. own, "^lua") end
    local function segments() return count("cat /proc/" .. own .. "/maps", "rw%-s") end
]]

---The same as fields of a table, for the process that calls them.
---@return { descriptors: (fun(): integer), children: (fun(): integer), segments: (fun(): integer) }
function helpers.own_counters()
    local text = helpers.counters .. "return { descriptors = descriptors, children = children, segments = segments }"
    return assert(load(text))()
end

---The lines that a command prints.
helpers.lines = lines

return helpers
