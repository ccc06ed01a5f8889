-- An HTTP server in cqueues' loop: GET /30 gives the 30th Fibonacci number, counted by a worker. The loop never waits.
--   luas http_cqueues.lua [port [requests]]      after so many requests it ends
local pool = pool or require "luas".pool
local condition, cqueues, socket = require "cqueues.condition", require "cqueues", require "cqueues.socket"

local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
local function work(n) return n == "crash" and os.exit(9) or fib(tonumber(n)) end

-- How a coroutine of this loop waits until the function that it sets is called.
local function wait(set)
    local done = condition.new()
    set(function() done:signal() end)
    done:wait()
end

local loop, left, over = cqueues.new(), math.tointeger(arg[2]) or math.huge, condition.new()
local server = socket.listen("127.0.0.1", tonumber(arg[1]) or 0)

local function serve(client)
    client:setmode("bf", "bf")
    local n = client:read("*l"):match "^GET /(%w+) "
    for line in client:lines "*l" do if line:find "^\r?$" then break end end
    local ok, result = pcall(function() return pool.apply_async(work, n):await(wait) end)
    local text = (ok and result or result.message) .. "\n"
    client:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(
        ok and "200 OK" or "500 Error", #text, text))
    client:flush()
    client:close()
    left = left - 1
    if left == 0 then over:signal() end
end

loop:wrap(function() for client in server:clients() do loop:wrap(serve, client) end end)
loop:wrap(function() while true do cqueues.poll { pollfd = pool.fileno(), events = "r" } pool.step(0) end end)
print("port " .. select(3, server:localname()))
io.stdout:flush()
local main = cqueues.new()
main:wrap(function() while left > 0 do cqueues.poll(loop, over) loop:step(0) end end)
assert(main:loop())
