-- Counts words in files and folders:
--   luas [-j N] wordcount.lua [FILE or FOLDER ...]
--
-- Prints the 20 most frequent words. Then it does the same once more over a text that takes a while,
-- the files again and again if need be, and prints the time beside the time that one worker takes.
-- Without arguments it reads the licence texts that every Debian machine has.

local DEFAULT = "/usr/share/common-licenses"
local ENOUGH = 16 * 1024 * 1024  -- bytes of text that take a while
local SHORTEST = 0.2             -- seconds of which a ratio says something

local function fail(message)
    io.stderr:write("wordcount: ", message, "\n")
    os.exit(1)
end

-- The task: counts the words of a block of lines. A word is a run of letters,
-- in lower case.
local function count(block)
    local counts = {}
    for word in block:lower():gmatch("%a+") do
        counts[word] = (counts[word] or 0) + 1
    end
    return counts
end

local function merge(counts, more)
    for word, n in pairs(more) do
        counts[word] = (counts[word] or 0) + n
    end
    return counts
end

local function list_all(paths)
    local files, total = {}, 0
    for name in pool.files(paths) do
        local file <close> = assert(io.open(name, "rb"))
        files[#files + 1] = name
        total = total + file:seek("end")
    end
    return files, total
end

local function check(ok, ...)
    if not ok then
        fail("cannot read " .. tostring((...)):gsub("^[^ ]+:%d+: ", ""))
    end
    return ...
end

-- Wall-clock seconds; Lua itself knows only whole ones.
local function now()
    local date <close> = assert(io.popen("date +%s.%N"))
    return date:read("n")
end

-- The counts, by `workers` workers, and the seconds that it took.
local function run(files, workers)
    local p <close> = pool.new(workers)
    p:broadcast(count, "")  -- they have started
    local started = now()
    local counts = p:reduce(count, pool.blocks(files), merge, {})
    return counts, now() - started
end

-- Writes the files into another one, so often that it is large enough. Returns
-- how often.
local function repeat_all(files, total, path)
    local times = total > 0 and (ENOUGH + total - 1) // total or 1
    local texts = {}
    for i, name in ipairs(files) do
        local file <close> = assert(io.open(name, "rb"))
        texts[i] = file:read("a")
    end
    local text = table.concat(texts, "\n") .. "\n"
    local out <close> = assert(io.open(path, "wb"))
    for _ = 1, times do
        assert(out:write(text))
    end
    return times
end

local function most_frequent(counts)
    local words, all = {}, 0
    for word, n in pairs(counts) do
        words[#words + 1] = word
        all = all + n
    end
    table.sort(words, function(a, b)
        if counts[a] ~= counts[b] then
            return counts[a] > counts[b]
        end
        return a < b
    end)
    return words, all
end

local function show(counts, files, total)
    local words, all = most_frequent(counts)
    for i = 1, math.min(20, #words) do
        print(("%10d  %s"):format(counts[words[i]], words[i]))
    end
    print(("%d words, %d of them different, in %.1f MB, %d files"):format(
        all, #words, total / 1e6, #files))
end

-- The files are in the cache by now.
local function compare(files, workers)
    local _, seconds = run(files, workers)
    print(("%d worker%s: %.2f s"):format(workers, workers == 1 and "" or "s", seconds))
    if workers == 1 then
        return
    end
    local _, alone = run(files, 1)
    print(("1 worker: %.2f s, %s"):format(alone, alone < SHORTEST and "too short to compare"
        or ("so %d are %.2f times as fast"):format(workers, alone / seconds)))
end

local files, total = check(pcall(list_all, #arg > 0 and arg or {DEFAULT}))
local workers = pool.size()
show(run(files, workers), files, total)
if total >= ENOUGH then
    return compare(files, workers)
end
local path <const> = os.tmpname()
local done <close> = setmetatable({}, {__close = function() os.remove(path) end})
print(("the same %d times over:"):format(repeat_all(files, total, path)))
compare({path}, workers)
