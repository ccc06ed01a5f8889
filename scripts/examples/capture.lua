-- What tasks print, kept apart: each task's own output comes with its result or its failure.

local p <close> = pool.new { output = "capture" }

local function compile(name)
    print("compiling " .. name)
    io.stderr:write("warning: " .. name .. " is old\n")
    if name == "b.c" then error("syntax error", 0) end
    return name:gsub("c$", "o")
end

local files = { "a.c", "b.c", "c.c" }
local objects, n, failures, printed = p:map(compile, files, { on_error = "collect" })
for i = 1, n do
    print(("%s: %s"):format(files[i], objects[i] or failures[i].message))
    for line in (printed[i] or failures[i].output):gmatch "[^\n]+" do print("  | " .. line) end
end
