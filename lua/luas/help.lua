--- What the prompt says of a name after `help`.

local concat, pairs, sort = table.concat, pairs, table.sort

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
    ["pool.new"] = "pool.new([n | opts]) --> pool\nA pool of one's own, with the same verbs as methods.",
    ["pool.stats"] = "pool.stats() --> table\nCounts of tasks, outcomes and forks; times where something listens.",
    ["pool.wait_all"] = "pool.wait_all(futures [, seconds]) --> boolean\nWaits until all have ended.",
    ["pool.wait_any"] = "pool.wait_any(futures [, seconds]) --> future, place\nWaits until one has ended.",
    ["pool.iter"] = "pool.iter(pairs(t)) --> source\nA source made of what a generic for takes.",
    ["pool.values"] = "pool.values(pool.imap(f, items)) --> source\nA source of what an imap gives, without its index.",
    ["pool.range"] = "pool.range(a, b [, step]) --> source\nA source of numbers, as for counts them.",
    ["pool.configure"] = "pool.configure(n | opts)\nWhat the default pool is to be like; before its first use.",
    ["pool.task"] = "pool.task.index, .attempt, .worker, .progress(done, total [, note])\nIn a task: which it is, and how far; elsewhere nil.",
    ["process.spawn"] = "process.spawn(f, ...) --> process\nf(...) in a process that is a copy of this one.",
}

local function list()
    local names = {}
    for name in pairs(texts) do names[#names + 1] = name end
    sort(names)
    return "help NAME says what one of these does:\n" .. (concat(names, " "):gsub("(" .. ("."):rep(60) .. "%S*) ", "%1\n"))
        .. "\nlua/README.md has all of it."
end

--- What a line asks, if it asks for help: the text to show.
---@param line string
---@return string?
function M.answer(line)
    local name = line:match "^%s*help%s*$" and "" or line:match "^%s*help%s+([%a_][%w_.:]*)%s*$"
    if not name then return nil end
    if name == "" then return list() end
    name = name:gsub(":", ".")
    return texts[name] or texts["pool." .. name] or ("no help on '%s'; help alone says on what there is"):format(name)
end

return M
