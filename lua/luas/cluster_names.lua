--- What hosts and agents of a cluster call things, and what they ask of the server.
---
--- A pool P of the cluster has one stream of JetStream's, LP_P, and in it one consumer, `agents`, from
--- which all agents take. Its subjects:
---
---     lp.P.t.RUN      host: a chunk, into the stream
---     lp.P.r.RUN      agent: its outcomes, what runs there
---     lp.P.h.RUN      agent: may it start a chunk? a part of a blob?
---     lp.P.a          agents: that they are there
---     lp.P.c          host, to all agents: that it is there, what is cancelled
---     lp.P.d.AGENT    host, to one agent: is it there? a part of a blob? a chunk for this agent alone
---
--- RUN and AGENT are random. What the messages are: core/cluster/seal.h.

local core = require "luas.core"

local M = {}

--- The types of messages.
M.TASK, M.CLAIM, M.GRANT, M.RESULT, M.PRESENCE, M.HELLO, M.CANCEL, M.GET, M.PART, M.DONE, M.RUNNING =
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

--- Verdicts of a claim.
M.NO, M.YES, M.OTHER_LUA = 0, 1, 2

--- Seconds without a sign of life after which a machine is lost.
M.LOST_AFTER = 10

--- Seconds for an answer of the server's.
local PATIENCE <const> = 5

-- The most bytes that wait in the stream, for how many seconds, and for how many agents.
local MOST_BYTES <const>, MOST_AGE <const>, MOST_AGENTS <const> = 1 << 30, 24 * 3600, 32768

--- Splits the URL of a cluster: the server's, and the name of the pool, which may follow as a path.
---@param url string
---@return string server
---@return string? pool  nil: it is no name
function M.split(url)
    local server, pool = url:match "^(%w+://[^/]*)/?(.*)$"
    if not server then return url, "luas" end
    if pool == "" then return server, "luas" end
    return server, pool:match "^[%w_-]+$"
end

--- A number as part of a subject.
---@param n integer
---@return string
function M.hex(n) return ("%016x"):format(n) end

--- Opens a connection: nil, and why not.
---@param given { url: string, key: string?, ca: string?, nkey: string?, name: string? }
---@return userdata? link
---@return string prefix  of subjects, "lp.P."; or why not
---@return string? stream
function M.connect(given)
    local tools = core.cluster_tools()
    local server, pool = M.split(given.url)
    if not pool then return nil, "the name of a pool has letters, digits, - and _ only" end
    local ok, link = pcall(tools.link,
        { url = server, key = given.key, ca = given.ca, nkey = given.nkey, name = given.name })
    if not ok then
        if core.stopped(link) then error(link, 0) end
        return nil, (tostring(link):gsub("^[^:]*:%d+: ", ""))
    end
    return link, ("lp.%s."):format(pool), "LP_" .. pool
end

local function failed(answer) return answer:match '"error":{.-"description":"([^"]*)"' end

local function create_stream(link, prefix, stream)
    local config = ([[{"name":"%s","subjects":["%st.>"],"retention":"workqueue","storage":"file","discard":"new",]]
        .. [["max_bytes":%d,"max_age":%d,"max_msgs":-1,"num_replicas":1,"duplicate_window":120000000000}]])
    local answer, why
    for _, bytes in ipairs { MOST_BYTES, MOST_BYTES // 16, MOST_BYTES // 256 } do -- as the server has room
        answer, why = link:ask("$JS.API.STREAM.CREATE." .. stream,
            config:format(stream, prefix, bytes, MOST_AGE * 1000000000), PATIENCE)
        if not answer then return nil, why end
        why = failed(answer)
        if not why then return true end
    end
    return nil, why
end

--- Sees that the stream and its consumer exist: nil, and why not.
---@param link userdata
---@param prefix string
---@param stream string
---@param lost_after number
---@return boolean?
---@return string? why
function M.ensure(link, prefix, stream, lost_after)
    local answer, why = link:ask("$JS.API.STREAM.INFO." .. stream, "", PATIENCE)
    if not answer then return nil, why end
    if failed(answer) then
        local made
        made, why = create_stream(link, prefix, stream)
        if not made then return nil, why end
    end
    answer, why = link:ask(("$JS.API.CONSUMER.DURABLE.CREATE.%s.agents"):format(stream),
        ([[{"stream_name":"%s","config":{"durable_name":"agents","ack_policy":"explicit","ack_wait":%d,]]
            .. [["max_ack_pending":%d,"max_waiting":%d,"max_deliver":-1,"deliver_policy":"all","replay_policy":"instant"}}]])
            :format(stream, math.floor(lost_after * 1e9), 4 * MOST_AGENTS, 2 * MOST_AGENTS), PATIENCE)
    if answer and failed(answer) then
        why = failed(answer)
        answer = link:ask(("$JS.API.CONSUMER.INFO.%s.agents"):format(stream), "", PATIENCE)
        if answer and failed(answer) then answer = nil end
    end
    if not answer then return nil, why end
    return true
end

--- Asks for one chunk; the answer comes to the inbox.
---@param link userdata
---@param stream string
---@param seconds number  after which the server says that there is none
function M.pull(link, stream, seconds)
    link:post(("$JS.API.CONSUMER.MSG.NEXT.%s.agents"):format(stream), link:inbox() .. ".T",
        ('{"batch":1,"expires":%d}'):format(math.floor(seconds * 1e9)))
end

--- Removes what a run has left in the stream.
---@param link userdata
---@param stream string
---@param subject string
function M.purge(link, stream, subject)
    link:post("$JS.API.STREAM.PURGE." .. stream, nil, ('{"filter":"%s"}'):format(subject))
end

-- ---- what is larger than a message: fetched part by part ----

--- Asks for the part of a blob at this offset.
---@param link userdata
---@param subject string
---@param want { run: integer, me: integer, blob: integer, nonce: integer, parts: string[], got: integer, asked: number? }
function M.get(link, subject, want)
    want.asked = core.now()
    link:send(subject, ("%s.B.%d"):format(link:inbox(), want.nonce), M.GET, want.run, want.me, want.blob,
        (">i8I8"):pack(want.nonce, want.got))
end

--- Takes a part that has come. Returns all bytes when they are there; false if the other end does not
--- have it any more; nil if there is more to ask for.
---@param want table
---@param body string
---@return string|false|nil
function M.part(want, body)
    if #body < 16 then return false end
    local all, at = (">I8"):unpack(body, 9)
    if #body - at + 1 + want.got > all then return false end
    want.parts[#want.parts + 1] = body:sub(at)
    want.got = want.got + #body - at + 1
    if want.got < all then return nil end
    return table.concat(want.parts)
end

--- The nonce of an answer.
---@param body string
---@return integer?
function M.nonce(body) return #body >= 8 and (">i8"):unpack(body) or nil end

return M
