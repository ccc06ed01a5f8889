-- Converts the files of a folder, here to upper case, on all CPUs. Killed at any moment and run
-- again, it goes on where it was; files that have changed since, or are new, are done again.
--
--   luas convert.lua FROM TO

local from, to = arg[1], arg[2]
if not to then
    io.stderr:write "usage: luas convert.lua FROM TO\n"
    os.exit(2)
end

local function convert(path)
    local file <close> = assert(io.open(path))
    local text = file:read "a":upper()
    local target = to .. "/" .. path:match "[^/]+$"
    local result <close> = assert(io.open(target .. ".part", "w"))
    assert(result:write(text))
    assert(result:flush())
    assert(os.rename(target .. ".part", target)) -- whole, or not there
    return #text
end

-- What is done is known by its path, and by the size and the time of the file.
local p <close> = pool.new { journal = { path = to .. "/convert.db", depends = function(path) return { path } end } }

local bytes = p:reduce(convert, pool.files(from), function(a, b) return a + b end, 0)
local stats = p:stats()
print(("%d files, %d bytes (%d of them done before)"):format(stats.tasks + stats.resumed, bytes, stats.resumed))
