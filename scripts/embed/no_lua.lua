-- Loaded once by each worker of no_lua.c, which calls the global functions by name.

function divisors(what, n)
    if n > 12 then error("unlucky: " .. n, 0) end
    local count = 0
    for i = 1, n do
        if n % i == 0 then count = count + 1 end
    end
    return what .. " " .. n, count
end
