--- What the program does with --agent, --agents and --make-key.

local core = require "luas.core"
local later = require "luas.later"
local agent = later.open "luas.cluster_agent"
local names = later.open "luas.cluster_names"

local M = {}

local stdout = io.stdout

local function say(format, ...)
    stdout:write(format:format(...), "\n")
    stdout:flush()
end

-- Without user and password.
local function shown(url) return (url:gsub("//.*@", "//")) end

local function make_key(path)
    local ok, why = core.cluster_tools().make_key(path)
    if not ok then return 1, why end
    say("%s has a new key: copy it, as it is yours alone, to each machine of the cluster", path)
    return 0
end

local function make_nkey(path)
    local public, why = core.cluster_tools().make_nkey(path)
    if not public then return 1, why end
    say("%s", public)
    return 0
end

local function run_agent(given)
    local _, why = agent.run({ url = given.agent, key = given.key, ca = given.ca, nkey = given.nkey, name = given.name },
        function(self)
            say("agent %s: %d worker%s for %s", self.name, self.slots, self.slots == 1 and "" or "s", shown(given.agent))
        end)
    return 1, why
end

-- ---- who is there ----

-- Seconds for them to say so: until this long nothing new has come.
local QUIET <const>, LONGEST <const> = 0.4, 3

local function ask_all(link, prefix, tools)
    local found, list, last, deadline = {}, {}, core.now(), core.now() + LONGEST
    link:listen(prefix .. "a", "a")
    link:send(prefix .. "c", nil, names.HELLO, tools.random(), 0, 0, (tools.pack(nil, false, 0, tools.lua)))
    while core.now() < math.min(deadline, last + QUIET) do
        link:wait(QUIET)
        for kind, type_, _, id, _, body in function() return link:next() end do
            local n, said = tools.unpack(nil, false, body)
            if kind == "a" and type_ == names.PRESENCE and n == 1 and type(said) == "table" and not found[id] then
                found[id], last = true, core.now()
                list[#list + 1] = said
            end
        end
    end
    table.sort(list, function(a, b) return tostring(a.name) < tostring(b.name) end)
    return list, link:look().refused
end

local function list_agents(given)
    local link, prefix = names.connect { url = given.agents, key = given.key, ca = given.ca, nkey = given.nkey,
        name = "luas --agents" }
    if not link then return 1, prefix end
    local tools = core.cluster_tools()
    local list, refused = ask_all(link, prefix, tools)
    link:close()
    if refused > 0 then core.report(("%d messages there are not sealed with this key"):format(refused)) end
    if #list == 0 then return 1, "no agent is at " .. shown(given.agents) end
    say("%-20s %5s %7s %9s  %-19s  %s", "NAME", "SLOTS", "RUNNING", "DONE", "SINCE", "LUA")
    for _, a in ipairs(list) do
        say("%-20s %5s %7s %9s  %-19s  %s", a.name, a.slots, a.running, a.done,
            os.date("%Y-%m-%d %H:%M:%S", a.since), a.lua == tools.lua and a.lua:match "^[^,]*" or a.lua .. " (not used from here)")
    end
    return 0
end

--- Does what the command line says: an exit status, and a message.
---@param given table
---@return integer status
---@return string? message
function M.main(given)
    if given["make-key"] then return make_key(given["make-key"]) end
    if given["make-nkey"] then return make_nkey(given["make-nkey"]) end
    if given.agents then return list_agents(given) end
    return run_agent(given)
end

return M
