--- --run: a shell command for each line or argument.

local core = require "luas.core"

local M = {}

-- Words that mean nothing to a shell stay as they are: {} may stand in a calculation.
local function quote(text)
    if text:find "^[%w_./:@%%+,-]+$" then return text end
    return "'" .. text:gsub("'", [['\'']]) .. "'"
end

local function base(path)
    return path:match "([^/]*)/*$"
end

local function folder(path)
    return path:match "^(.*[^/])/+[^/]+/*$" or path:find "^/" and "/" or "."
end

-- A name that begins with a dot has no ending there.
local function bare(path)
    return path:match "^(.*[^/])%.[^./]*$" or path
end

-- What a placeholder stands for, as in GNU parallel.
local parts = {
    ["{}"] = function(item) return item end, ["{.}"] = bare, ["{/}"] = base, ["{//}"] = folder,
    ["{/.}"] = function(item) return bare(base(item)) end,
    ["{#}"] = function(_, index) return tostring(index) end,
}

local function has_placeholder(command)
    for word in command:gmatch "{[./#]*}" do
        if parts[word] then return true end
    end
    return false
end

-- Has each line of the output say what it is about.
local function tagged(item, output)
    return (output:gsub("[^\n]+\n?", function(line) return item .. "\t" .. line end))
end

local function ended(how, status)
    return how == "exit" and ("exited with status %d"):format(status) or ("was killed by signal %d"):format(status)
end

--- A function that runs the command for an item and gives its output. One that fails is an error,
--- and its output is printed at once.
---@param command string
---@param record fun(): integer?, string?, integer?  the last: the number of the item
---@param tag boolean   whether lines of the output begin with the item
---@return fun(item: string): string?
function M.runner(command, record, tag)
    if not has_placeholder(command) then command = command .. " {}" end
    return function(item)
        local _, _, index = record()
        local text = command:gsub("{[./#]*}", function(word)
            return parts[word] and quote(parts[word](item, index)) or word
        end)
        local pipe <close> = assert(io.popen("exec </dev/null\n" .. text, "r"))
        local output = pipe:read "a"
        local ok, how, status = pipe:close()
        if tag then output = tagged(item, output) end
        if ok then return output ~= "" and output or nil end
        io.stdout:write(output)
        error(("%s (%s)"):format(ended(how, status), text), 0)
    end
end

--- Do lines of output say what they are about?
---@return boolean
function M.is_tagged()
    return core.run ~= nil and core.run.output == "tag"
end

return M
