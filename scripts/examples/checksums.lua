-- Checksums of all files of a tree, and which files are the same:
--   luas checksums.lua [FOLDER]

local folder = arg[1] or "/usr/share/common-licenses"

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function checksum(path)
    local pipe <close> = io.popen("sha256sum <" .. quote(path))
    return pipe:read "a":match "^%x+", path
end

local paths, n = {}, 0
for _, sum, path in pool.imap(checksum, pool.files(folder)) do
    if sum and paths[sum] then print(path .. " is the same as " .. paths[sum]) end
    paths[sum or path] = paths[sum or path] or path
    n = n + 1
end
print(n .. " files")
