--- What the prompt says of a name after `help`: of all functions of pool, process and shared.

local concat, ipairs, pairs, sort, type = table.concat, ipairs, pairs, table.sort, type
local verbs = require "luas.verbs"

local M = {}

local texts = {
    ["pool.map"] = "pool.map(f, items [, opts]) --> results, n\nCalls f on every item, in worker processes; results in input order.",
    ["pool.starmap"] = "pool.starmap(f, arglists [, opts]) --> results, n\nAs map, but each item is a list of arguments.",
    ["pool.imap"] = "for i, result in pool.imap(f, source [, opts]) do\nAs map, one result after the other, while the source is read a window ahead.",
    ["pool.imap_unordered"] = "for i, result in pool.imap_unordered(f, source [, opts]) do\nAs imap, in the order in which tasks end.",
    ["pool.each"] = "pool.each(f, source [, opts]) --> n\nCalls f on every item for its effects; keeps no results.",
    ["pool.reduce"] = "pool.reduce(f, source, combine [, init [, opts]]) --> value\nCombines the results, in the workers first.",
    ["pool.apply"] = "pool.apply(f, ...) --> f's results\nOne call in a worker.",
    ["pool.apply_async"] = "pool.apply_async(f, ...) --> future\nAs apply, without waiting.",
    ["pool.map_async"] = "pool.map_async(f, items [, opts]) --> future\nAs map, without waiting.",
    ["pool.starmap_async"] = "pool.starmap_async(f, arglists [, opts]) --> future\nAs starmap, without waiting.",
    ["pool.broadcast"] = "pool.broadcast(f, ...) --> results, n\nOne call in each worker.",
    ["pool.with"] = "pool.with(opts) --> pool\nThe same pool with other job options: pool.with{timeout = 2}:apply(f, x)",
    ["pool.new"] = "pool.new([n | opts]) --> pool\nA pool of one's own, with the same verbs as methods; with cluster = \"nats://host:4222\" on other machines.",
    ["pool.stats"] = "pool.stats() --> table\nCounts of tasks, outcomes and forks; times where something listens.",
    ["pool.wait_all"] = "pool.wait_all(futures [, seconds]) --> boolean\nWaits until all have ended.",
    ["pool.wait_any"] = "pool.wait_any(futures [, seconds]) --> future, place\nWaits until one has ended.",
    ["pool.iter"] = "pool.iter(pairs(t)) --> source\nA source made of what a generic for takes.",
    ["pool.values"] = "pool.values(pool.imap(f, items)) --> source\nA source of what an imap gives, without its index.",
    ["pool.range"] = "pool.range(a, b [, step]) --> source\nA source of numbers, as for counts them.",
    ["pool.lines"] = "pool.lines(path | paths | file | source [, {block =, sep =, local_files =}]) --> source\nA source of lines, which workers read themselves.",
    ["pool.blocks"] = "pool.blocks(path | paths | file | source [, {block =, sep =, local_files =}]) --> source\nAs lines, many at a time.",
    ["pool.files"] = "pool.files(path [, pattern | {pattern =, follow =}]) --> source\nA source of the names of all files below a folder.",
    ["pool.trim"] = "p:trim() --> n\nEnds the workers that have nothing to do.",
    ["pool.configure"] = "pool.configure(n | opts)\nWhat the default pool is to be like; before its first use.",
    ["pool.task"] = "pool.task.index, .attempt, .worker, .progress(done, total [, note])\nIn a task: which it is, and how far; elsewhere nil.",
    ["pool.size"] = "p:size() --> n\nHow many workers it may have.",
    ["pool.resize"] = "p:resize(n)\nGives it n workers from now on; those too many end when idle.",
    ["pool.cpus"] = "pool.cpus() --> n\nHow many CPUs workers may use.",
    ["pool.close"] = "p:close()\nNo more jobs; what was submitted still gets done.",
    ["pool.join"] = "p:join([seconds]) --> boolean\nWaits until a closed pool is done and its workers have ended.",
    ["pool.terminate"] = "p:terminate()\nEnds all at once; unfinished tasks are cancelled.",
    ["pool.fileno"] = "p:fileno() --> descriptor\nReadable when p:step() has something to do: for a poll loop of one's own.",
    ["pool.step"] = "p:step([seconds]) --> boolean\nMoves what can be moved and runs callbacks; waits so long at most.",
    ["process.new"] = "process.new{target = f, args = {...}, name = \"x\", daemon = true} --> process\nThe same as spawn, but it starts by p:start().",
    ["process.pipe"] = "process.pipe() --> a, b\nWhat a:send(...) sends, b:recv() gives, also in other processes.",
    ["process.current"] = "process.current() --> process\nThe process that this code runs in.",
    ["process.parent"] = "process.parent() --> process\nThe one that started it, or nil.",
    ["process.children"] = "process.children() --> list\nThose that were started from here and have not ended.",
    ["shared.queue"] = "shared.queue([max [, {bytes =}]]) --> queue\nq:put(v) q:get([s]) q:count() q:close() q:done() q:join([s]) q:items()",
    ["shared.lock"] = "shared.lock([{recursive = true}]) --> lock\nl:acquire([s]) --> true [, died] | false, l:release(), local g <close> = l:hold()",
    ["shared.semaphore"] = "shared.semaphore(n) --> semaphore\ns:acquire([s]) s:release() s:count()",
    ["shared.event"] = "shared.event() --> event\ne:set() e:clear() e:is_set() e:wait([s])",
    ["shared.condition"] = "shared.condition([lock]) --> condition\nc:wait([s]) c:wait_for(f [, s]) c:notify([n]) c:notify_all()",
    ["shared.barrier"] = "shared.barrier(n) --> barrier\nb:wait([s]) --> place, b:reset()",
    ["shared.value"] = "shared.value(type [, v]) --> value\nv:get() v:set(x) v:add(n) v:swap(x) v:compare_exchange(old, new)",
    ["shared.array"] = "shared.array(type, n) --> array\na[i] a[i] = x #a a:add(i, n) a:slice(i, j) a:fill(x) a:bytes([i, j])",
    ["shared.table"] = "shared.table([{bytes =, file =}]) --> table\nt:get(k) t:set(k, v) t:add(k, n) t:update(k, f) t:pairs() t:count() t:clear() t:atomically(f) t:save(path)",
    ["process.spawn"] = "process.spawn(f, ...) --> process\nf(...) in a process that is a copy of this one.",
}

local function list(prefix)
    local all = {}
    for name in pairs(texts) do
        if name:sub(1, #(prefix or "")) == (prefix or "") then all[#all + 1] = name end
    end
    sort(all)
    return "help NAME says what one of these does:\n" .. (concat(all, " "):gsub("(" .. ("."):rep(60) .. "%S*) ", "%1\n"))
        .. "\nlua/README.md has all of it."
end

local names -- of the functions of pool, process and shared

--- The name of a function of pool, process or shared, as a script writes it.
---@param f any
---@return string?
function M.name(f)
    if not names then
        names = {}
        for _, module in ipairs { "pool", "process", "shared" } do
            names[verbs[module]] = module
            for name, verb in pairs(verbs[module]) do names[verb] = module .. "." .. name end
        end
    end
    return f ~= nil and names[f] or nil
end

--- What there is to say on a name: that of a function or of a module. Without one, on what there is.
---@param name string
---@return string
function M.on(name)
    name = name:gsub(":", ".")
    if name == "" then return list() end
    if verbs[name] then return list(name .. ".") end
    return texts[name] or texts["pool." .. name] or texts["process." .. name] or texts["shared." .. name]
        or ("no help on '%s'; help alone says on what there is"):format(name)
end

--- What a line asks, if it asks for help: the text to show. `help`, `help pool.map`, `?pool.map`.
---@param line string
---@return string?
function M.answer(line)
    local name = line:match "^%s*help%s*$" and "" or line:match "^%s*help%s+([%a_][%w_.:]*)%s*$"
        or line:match "^%s*%?%s*([%w_.:]*)%s*$"
    return name and M.on(name)
end

--- The same for `help(pool.map)`: of the argument's value and its text.
---@param value any
---@param text string
---@return string
function M.about(value, text)
    local name = type(value) == "string" and value or M.name(value)
    return M.on(name or text:match "[%a_][%w_.:]*$" and text:match "([%a_][%w_]*)$" or text)
end

return M
