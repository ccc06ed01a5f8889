-- A limit of memory for each worker: a task that wants too much fails, and says so. The others go on.

local p <close> = pool.new { memory = "64M" }

local function build(megabytes)
    local parts = {}
    for i = 1, megabytes do parts[i] = ("x"):rep(1 << 20) .. i end
    return #parts
end

local sizes, n, failures = p:map(build, { 1, 10, 500, 20 }, { on_error = "collect" })
for i = 1, n do print(sizes[i] or failures[i].message) end
