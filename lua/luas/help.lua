--- What the prompt says of a name after `help`, and `luas --help NAME`: of all functions, methods and
--- options. The texts are made of the reference, scripts/reference/luas.lua.

local concat, ipairs, pairs, sort, type = table.concat, ipairs, pairs, table.sort, type
local verbs = require "luas.verbs"

local M = {}

local texts = require "luas.help_texts"

local function list(prefix)
    local all = {}
    for name in pairs(texts.names) do
        if name:sub(1, #(prefix or "")) == (prefix or "") then all[#all + 1] = name end
    end
    sort(all)
    return "help NAME says what one of these does, or an option of them:\n" .. (concat(all, " "):gsub("(" .. ("."):rep(60) .. "%S*) ", "%1\n"))
        .. "\nluas(3lua) and lua/README.md have all of it."
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
    local all = texts.names
    return all[name] or all["pool." .. name] or all["process." .. name] or all["shared." .. name] or texts.options[name]
        or ("no help on '%s'; help alone says on what there is"):format(name)
end

--- What a line asks, if it asks for help: the text to show. `help`, `help pool.map`, `help "timeout"`, `?pool.map`.
---@param line string
---@return string?
function M.answer(line)
    local name = line:match "^%s*help%s*$" and "" or line:match "^%s*help%s+([%a_][%w_.:]*)%s*$"
        or line:match "^%s*%?%s*([%w_.:]*)%s*$" or select(2, line:match "^%s*help%s*([\"'])(.-)%1%s*$")
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

--- Prints what there is to say on a name: an exit status, and a message if there is nothing.
---@param name string
---@return integer status, string? message
function M.tell(name)
    local text = M.on(name)
    if text:find "^no help on" then return 2, (text:gsub("help alone says", "luas --help pool, process or shared says")) end
    io.stdout:write(text, "\n")
    return 0
end

return M
