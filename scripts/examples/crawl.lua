-- Fetches pages and follows their links within the same host, with luasocket:
--   luas crawl.lua URL [PAGES]
--
-- At most two fetches run at a time and ten start in a second; each has 10 s, and three tries.

local http = require "socket.http"
local start, most = arg[1], tonumber(arg[2]) or 100

local function fetch(url)
    local body, status = http.request(url)
    if status ~= 200 then error(status, 0) end
    local links = {}
    for link in body:gmatch 'href="([^"#?]+)"' do links[#links + 1] = link end
    return links, #body
end

local host, waiting, seen = start:match "^%w+://[^/]+", { start }, { [start] = true }

-- What is to be fetched next: links that pages had. Tasks that run may bring further ones.
local function absolute(link, base)
    if link:find "^%w+:" then return link end
    return link:sub(1, 1) == "/" and host .. link or base:match "^(.*/)" .. link
end

local options = { timeout = 10, retries = { n = 2, on = "any", delay = 0.2 }, limit = { n = 2, rate = 10 },
    on_error = "collect" }
local pages = 0
while #waiting > 0 and pages < most do
    local round = table.move(waiting, 1, math.min(#waiting, most - pages), 1, {})
    waiting = table.move(waiting, #round + 1, #waiting, 1, {})
    for i, links, size in pool.imap(fetch, round, options) do
        pages = pages + 1
        print(round[i], links and size or size.message)
        for _, link in ipairs(links or {}) do
            local url = absolute(link, round[i])
            if not seen[url] and url:sub(1, #host) == host then
                seen[url], waiting[#waiting + 1] = true, url
            end
        end
    end
end
