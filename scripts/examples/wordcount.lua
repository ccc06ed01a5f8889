-- Counts words in files and folders:
--   luas [-j N] wordcount.lua [FILE or FOLDER ...]
--
-- Prints the 20 most frequent words, and the time that the job took beside the
-- time that one worker takes. Without arguments it reads the licence texts
-- that every Debian machine has.

local DEFAULT = "/usr/share/common-licenses"
local SMALLEST, LARGEST = 64 * 1024, 16 * 1024 * 1024  -- bytes a task

local function fail(message)
    io.stderr:write("wordcount: ", message, "\n")
    os.exit(1)
end

-- The task: counts the words of some pieces of files. A word is a run of
-- letters, in lower case.
local function count(pieces)
    local counts = {}
    for _, piece in ipairs(pieces) do
        local file <close> = assert(io.open(piece.path, "rb"))
        file:seek("set", piece.from)
        local text = file:read(piece.to - piece.from) or ""
        for word in text:lower():gmatch("%a+") do
            counts[word] = (counts[word] or 0) + 1
        end
    end
    return counts
end

-- The files in a folder and below it, or the file itself.
local function list(path)
    local quoted = "'" .. path:gsub("^%-", "./-"):gsub("'", "'\\''") .. "'"
    local find = assert(io.popen("find -H " .. quoted .. " -type f -print0 2>&1"))
    local output = find:read("a")
    if not find:close() then
        fail("cannot read all of " .. path .. ": " .. (output:match("find: ([^\n]*)") or "find failed"))
    end
    local files = {}
    for file in output:gmatch("%Z+") do
        files[#files + 1] = file
    end
    table.sort(files)
    return files
end

local function list_all(paths)
    local files, total = {}, 0
    for _, path in ipairs(paths) do
        local probe, problem = io.open(path, "rb")
        if not probe then
            fail("cannot read " .. problem)
        end
        probe:close()
        for _, name in ipairs(list(path)) do
            local file <close> = assert(io.open(name, "rb"))
            local size = file:seek("end")
            files[#files + 1] = {path = name, size = size}
            total = total + size
        end
    end
    return files, total
end

-- The first white space at or after a position, so that no word is cut in two.
local function next_space(file, position, size)
    file:seek("set", position)
    while position < size do
        local block = file:read(4096)
        local at = block and block:find("%s")
        if at then
            return position + at - 1
        end
        position = position + 4096
    end
    return size
end

-- Deals the files out into tasks of about `target` bytes: many small files
-- make one task, a large file makes many.
local function split(files, target)
    local tasks, pieces, room = {}, {}, target
    for _, entry in ipairs(files) do
        local file <close> = assert(io.open(entry.path, "rb"))
        local from = 0
        while from < entry.size do
            local to = next_space(file, math.min(from + room, entry.size), entry.size)
            pieces[#pieces + 1] = {path = entry.path, from = from, to = to}
            room = room - (to - from)
            from = to
            if room <= 0 then
                tasks[#tasks + 1] = pieces
                pieces, room = {}, target
            end
        end
    end
    if #pieces > 0 then
        tasks[#tasks + 1] = pieces
    end
    return tasks
end

local function merge(parts)
    local counts = {}
    for _, part in ipairs(parts) do
        for word, n in pairs(part) do
            counts[word] = (counts[word] or 0) + n
        end
    end
    return counts
end

-- Wall-clock seconds; Lua itself knows only whole ones.
local function now()
    local date <close> = assert(io.popen("date +%s.%N"))
    return date:read("n")
end

-- The counts, by `workers` workers, and the seconds that it took.
local function run(files, total, workers)
    local target = math.max(SMALLEST, math.min(LARGEST, total // (16 * workers)))
    local started = now()
    local p <close> = pool.new(workers)
    local counts = merge((p:map(count, split(files, target))))
    return counts, now() - started
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

local files, total = list_all(#arg > 0 and arg or {DEFAULT})
local workers = pool.size()
local counts, seconds = run(files, total, workers)

local words, all = most_frequent(counts)
for i = 1, math.min(20, #words) do
    print(("%10d  %s"):format(counts[words[i]], words[i]))
end
print(("%d words, %d of them different, in %.1f MB, %d files"):format(
    all, #words, total / 1e6, #files))

print(("%d worker%s: %.2f s"):format(workers, workers == 1 and "" or "s", seconds))
if workers > 1 then
    local _, alone = run(files, total, 1)
    print(("1 worker: %.2f s, so %d are %.2f times as fast"):format(alone, workers, alone / seconds))
end
