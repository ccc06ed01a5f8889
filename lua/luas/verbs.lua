--- The modules `pool`, `process` and `shared` as scripts see them: tables of functions. The
--- first call of one of them opens the modules that do the work. So a script that calls
--- none of them, or a worker that only serves, does not pay for these. The field
--- `pool.task` exists while a task runs.

-- Opens all at once. Otherwise workers that are forked in between would lack a module.
local function open(called)
    local modules = { pool = require "luas.pool", process = require "luas.process",
        shared = require "luas.core".shared }
    return modules[called]
end

local function verbs(called, names)
    local module, functions = {}, nil
    for i = 1, #names do
        local name = names[i]
        module[name] = function(first, ...)
            functions = functions or open(called)
            if rawequal(first, module) then require "luas.check".ask_for_dot(called, name) end
            return functions[name](first, ...)
        end
    end
    return module
end

local function field(_, name)
    if name ~= "task" then return nil end
    open "pool"
    return require("luas.task", true)()
end

local modules = {
    pool = verbs("pool", { "all", "any", "apply", "apply_async", "blocks", "broadcast", "close", "configure",
        "cpus", "each", "fileno", "files", "filter", "find", "imap", "imap_unordered", "iter", "join", "lines",
        "map", "map_async", "map_pairs", "new", "product", "range", "reduce", "resize", "size", "starmap",
        "starmap_async", "stats", "step", "terminate", "trim", "values", "wait_all", "wait_any", "with",
        "zip" }),
    process = verbs("process", { "children", "current", "new", "parent", "pipe", "spawn" }),
    shared = verbs("shared", { "array", "barrier", "condition", "event", "lock", "queue", "semaphore", "table", "value" }),
}
setmetatable(modules.pool, { __index = field })
return modules
