-- What chaos_host.c calls.

function quick(x) return 2 * x end

function large(x) return 2 * x, ("x"):rep(100000 * (x % 4)) end

function failing(x)
    if x % 7 == 3 then error { code = x } end
    return 2 * x
end

function leaving(x)
    if x % 11 == 5 then os.exit(3) end
    return 2 * x
end

function hanging(x)
    if x % 13 == 6 then while true do end end
    return 2 * x
end
