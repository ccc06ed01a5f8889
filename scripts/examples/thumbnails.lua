-- Makes small pictures of all pictures in a folder, with ImageMagick:
--   luas thumbnails.lua FOLDER TARGET
--
-- A picture that takes longer than a minute, or that is damaged, is named; the others are made.

local from, to = arg[1], arg[2]
if not to then
    io.stderr:write "usage: luas thumbnails.lua FOLDER TARGET\n"
    os.exit(2)
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function shrink(path)
    local target = to .. "/" .. path:match "[^/]+$":gsub("%.%w+$", "") .. ".jpg"
    assert(os.execute(("convert %s -thumbnail 160x160 %s"):format(quote(path), quote(target))))
end

os.execute("mkdir -p " .. quote(to))
local n, failures = pool.each(shrink, pool.files(from, "%.%a+$"), { timeout = 60, on_error = "collect" })
for _, failure in pairs(failures) do print(failure.input .. ": " .. failure.kind) end
print(n .. " pictures")
