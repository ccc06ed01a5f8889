-- A loop of your own: it waits for the pool's descriptor and for a clock, by luasocket's select.
-- scripts/embed has the same with luv, cqueues, libuv and GLib.

local socket = require "socket"
local p <close> = pool.new(2)

local function slow(x)
    os.execute "sleep 0.1"
    return x * x
end

local left = 0
for x = 1, 4 do
    left = left + 1
    p:apply_async(slow, x):on_done(function(future)
        left = left - 1
        print(x, future:get())
    end)
end

local descriptor = p:fileno()
local readable = { getfd = function() return descriptor end, dirty = function() return false end }
while left > 0 do
    socket.select({ readable }, nil, 1) -- and the sockets of your own
    p:step(0)
end
