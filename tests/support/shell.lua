-- Commands as a shell runs them, for specs that look at luas from outside.

local shell = {}

---The word as the shell reads it: quoted, whatever it holds.
---@param word string
---@return string
function shell.quote(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

---Runs a command with no input, its stderr in with its stdout.
---@param command string a line for sh
---@return string output
---@return integer status exit status; of a signal, 128 and its number
function shell.run(command)
    local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1 </dev/null"))
    local output = pipe:read("a")
    local _, how, code = pipe:close()
    return output, how == "signal" and 128 + code or code
end

---As run; raises, with the output, unless the exit status is 0.
---@param command string
---@return string output
function shell.must(command)
    local output, status = shell.run(command)
    if status ~= 0 then
        error(("exit status %d of: %s\n%s"):format(status, command, output), 2)
    end
    return output
end

---A new empty folder, which the caller removes.
---@return string path
function shell.folder()
    return (shell.must("mktemp -d"):gsub("\n$", ""))
end

---@param path string
---@param text string
function shell.write(path, text)
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(text))
end

---@param path string
---@return string
function shell.read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

return shell
