-- A cluster on this machine: a server and agents, for specs. Everything is in a folder of its own.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

local quote = shell.quote

---@class cluster
---@field folder string
---@field url string
---@field key string     a file
---@field agents table<string, integer>   their pids, by name
local Cluster = {}
Cluster.__index = Cluster

local M = {}

---Is there what a cluster needs? Else why not.
---@return boolean
function M.is_possible()
    return select(2, shell.run "command -v nats-server && ls /usr/lib/*/libnats.so* /usr/lib/*/libsodium.so*") == 0
end

local function spawn(self, command, log)
    return tonumber(shell.must(("cd %s && exec 3>&- && %s >%s 2>&1 </dev/null & echo $!"):format(
        quote(self.folder), command, quote(self.folder .. "/" .. log))))
end

local function port_of(self)
    local text = shell.run("cat " .. quote(self.folder) .. "/nats-server_*.ports 2>/dev/null")
    return text:match "nats://127%.0%.0%.1:(%d+)"
end

---Starts a server with a configuration, whose variables are in the environment.
---@param config string      a file
---@param variables string   as a shell takes them before a command
---@param scheme string
function Cluster:serve_by(config, variables, scheme)
    shell.write(self.folder .. "/server.conf", (shell.read(config):gsub("0%.0%.0%.0:4222", "127.0.0.1:-1")))
    self.server = spawn(self, ("exec env %s nats-server -c server.conf --ports_file_dir ."):format(variables), "server.log")
    self.port = assert(helpers.eventually(helpers.within(5), function()
        return shell.run("cat " .. quote(self.folder) .. "/nats-server_*.ports 2>/dev/null"):match "://127%.0%.0%.1:(%d+)"
    end), "no server: " .. shell.read(self.folder .. "/server.log"))
    self.url = ("%s://127.0.0.1:%s"):format(scheme, self.port)
end

---Starts the server, or starts it again on the same port.
---@param memory boolean?   forget what it had stored
function Cluster:serve(memory)
    if memory then shell.must("rm -rf " .. quote(self.folder .. "/js")) end
    shell.run(("rm -f %s/nats-server_*.ports"):format(quote(self.folder)))
    self.server = spawn(self, ("exec nats-server -a 127.0.0.1 -p %s -js -sd js --ports_file_dir . %s"):format(
        self.port or -1, self.options or ""), "server.log")
    self.port = assert(helpers.eventually(helpers.within(5), function() return port_of(self) end), "no server")
    self.url = ("nats://127.0.0.1:%s"):format(self.port)
end

---@param pid integer
---@param signal string
function M.kill(pid, signal)
    shell.run(("kill -%s %d"):format(signal, pid))
end

---Starts an agent and waits until it is there.
---@param name string
---@param workers integer
---@param how { key: string?, url: string?, more: string?, before: string? }?  before: a command that starts it
---@return integer pid
function Cluster:agent(name, workers, how)
    how = how or {}
    local key = how.key or self.key
    local log = name .. ".log"
    local pid = spawn(self, ("exec %s %s --agent %s -j %d --name %s %s %s"):format(how.before or "", quote(helpers.program),
        how.url or self.url, workers, name, key and "--key " .. quote(key) or "", how.more or ""), log)
    self.agents[name], self.pids[#self.pids + 1] = pid, pid
    assert(helpers.eventually(helpers.within(10), function()
        return shell.read(self.folder .. "/" .. log):find("agent " .. name, 1, true)
    end), "no agent: " .. shell.read(self.folder .. "/" .. log))
    return pid
end

---What an agent, or the server, has printed.
---@param name string
---@return string
function Cluster:log(name) return shell.read(self.folder .. "/" .. name .. ".log") end

---Runs a script whose global `cluster` has the url, the key and the folder.
---@param text string
---@param how table?    as helpers.run
---@return string output
---@return integer status
function Cluster:run(text, how)
    local prelude = ("cluster = { url = %q, key = %s, folder = %q } "):format(self.url,
        self.key and ("%q"):format(self.key) or "nil", self.folder)
    return helpers.run(prelude .. text, how)
end

---The same; it must succeed.
function Cluster:output(text, how)
    local output, status = self:run(text, how)
    if status ~= 0 then error(("exit status %d, output:\n%s"):format(status, output), 2) end
    return output
end

---Ends everything.
function Cluster:close()
    for _, pid in ipairs(self.pids) do M.kill(pid, "CONT") M.kill(pid, "KILL") end
    if self.server then M.kill(self.server, "KILL") end
    helpers.survivors(self.pids, 5)
    shell.run("rm -rf " .. quote(self.folder))
end

---A server without agents.
---@param how { key: boolean?, options: string?, idle: boolean? }?  idle: no server yet
---@return cluster
function M.open(how)
    how = how or {}
    local self = setmetatable({ folder = shell.folder(), agents = {}, pids = {}, options = how.options }, Cluster)
    if how.key then
        self.key = self.folder .. "/key"
        shell.must(("%s --make-key %s"):format(quote(helpers.program), quote(self.key)))
    end
    if not how.idle then self:serve() end
    return self
end

return M
