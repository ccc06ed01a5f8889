-- An HTTP server in luv's loop: GET /30 gives the 30th Fibonacci number, counted by a worker. The loop never waits.
--   luas http_luv.lua [port [requests]]      after so many requests it ends
local pool = pool or require "luas".pool
local uv = require "luv"

local function answer(status, text)
    return ("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(status, #text, text)
end

local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
local function work(n) return n == "crash" and os.exit(9) or fib(tonumber(n)) end

local left, server, poll = math.tointeger(arg[2]) or math.huge, uv.new_tcp(), uv.new_poll(pool.fileno())
poll:start("r", function() pool.step(0) end) -- a future that has ended resumes the coroutine that awaits it

local function serve(client, request)
    local n = request:match "^GET /(%w+) "
    local ok, result = pcall(function() return pool.apply_async(work, n):await() end)
    local text = ok and answer("200 OK", result .. "\n") or answer("500 Error", result.message .. "\n")
    client:write(text, function()
        client:close()
        left = left - 1
        if left == 0 then server:close() poll:close() end
    end)
end

assert(server:bind("127.0.0.1", tonumber(arg[1]) or 0))
assert(server:listen(64, function()
    local client = uv.new_tcp()
    server:accept(client)
    client:read_start(function(_, request)
        client:read_stop()
        if request then coroutine.wrap(serve)(client, request) else client:close() end
    end)
end))
print("port " .. server:getsockname().port)
io.stdout:flush()
uv.run()
