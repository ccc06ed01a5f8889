-- Manual pages: luas(3lua) of the annotations, luas(3) of luas.h.

local annotations = require "annotations"

local man = {}

local function escaped(text)
    return (text:gsub("\\", "\\e"):gsub("^([.'])", "\\&%1"):gsub("\n([.'])", "\n\\&%1"))
end

local function prose(text)
    text = escaped(text:gsub("%[([^]]*)%]%(#[^)]*%)", "%1"):gsub("%*%*", ""))
    text = text:gsub("([.:]) +(%u)", "%1\n%2")
    return (text:gsub("`([^`]*)`", "\\fB%1\\fR"):gsub("%-%->", "\\-\\->"):gsub("^([.'])", "\\&%1"))
end

local function literal(code)
    return ".Bd -literal -offset indent\n" .. escaped(code):gsub("%-", "\\-") .. ".Ed\n"
end

local function heading(text) return (escaped(text):gsub('"', '\\(dq'):gsub("%-", "\\-")) end

local function call(entry)
    local parts = { ('.It "%s"\n'):format(heading(annotations.call(entry))) }
    local gives = annotations.gives(entry)
    if gives ~= "" then parts[#parts + 1] = "Gives " .. prose("`" .. gives .. "`") .. ".\n.br\n" end
    parts[#parts + 1] = prose(entry.line or "") .. "\n"
    for _, paragraph in ipairs(entry.text) do parts[#parts + 1] = ".Pp\n" .. prose(paragraph) .. "\n" end
    if entry.example then parts[#parts + 1] = literal(entry.example) end
    return table.concat(parts)
end

local function field(f)
    local parts = { ('.It "%s"\n'):format(heading(f.name)) }
    if f.values then
        parts[#parts + 1] = prose(f.values) .. (f.default ~= "" and "; default: " .. prose(f.default) or "") .. ".\n.br\n"
    end
    return table.concat(parts) .. prose(f.text) .. ".\n"
end

local function list(title, items, show)
    local parts = { (".Sh %s\n.Bl -tag -width Ds\n"):format(title) }
    for _, item in ipairs(items) do parts[#parts + 1] = show(item) end
    return table.concat(parts) .. ".El\n"
end

local HEAD <const> = [[
.\" Made by scripts/reference/generate.
.Dd December 1, 2026
.Dt LUAS %s
.Os
.Sh NAME
.Nm luas
.Nd %s
]]

local sections = {
    { "FUNCTIONS OF POOLS", "pool." }, { "FUTURES", "future:" }, { "FUNCTIONS OF PROCESSES", "process." },
    { "PROCESSES", "p:" }, { "PIPES", "pipe:" }, { "WHAT PROCESSES SHARE", "shared." }, { "QUEUES", "q:" }, { "LOCKS", "l:" },
    { "SEMAPHORES", "s:" }, { "EVENTS", "e:" }, { "CONDITIONS", "c:" }, { "BARRIERS", "b:" }, { "NUMBERS", "v:" },
    { "ARRAYS OF NUMBERS", "a:" }, { "TABLES", "t:" },
}

local tables = {
    { "OPTIONS OF A JOB", "luas.joboptions" }, { "OPTIONS OF A POOL", "luas.pooloptions" }, { "RETRIES", "luas.retries" },
    { "LIMIT", "luas.limit" }, { "HALT", "luas.halt" }, { "JOURNAL", "luas.journaloption" }, { "OPTIONS OF LINES", "luas.lineoptions" },
    { "OPTIONS OF FILES", "luas.fileoptions" }, { "OPTIONS OF A PROCESS", "luas.processoptions" },
    { "FIELDS OF AN OUTCOME", "luas.outcome" }, { "IN A TASK", "luas.task" },
}

---The page luas(3lua).
function man.lua(functions, classes)
    local parts = { HEAD:format("3lua", "run Lua functions in parallel, in worker processes"), [[
.Sh SYNOPSIS
.Bd -literal
local luas = require "luas"
local pool, process, shared = luas.pool, luas.process, luas.shared
.Ed
.Sh DESCRIPTION
In the program
.Xr luas 1
the three modules are globals.
The functions of
.Va pool
work on a default pool, and are methods of what
.Fn pool.new
gives.
Every task ends in exactly one of value, error, timeout, crash, cancelled.
The last four are outcomes, which functions raise, or collect with
.Li on_error = Qq collect .
]] }
    for _, section in ipairs(sections) do
        local found = {}
        for _, entry in ipairs(functions) do
            if entry.name:sub(1, #section[2]) == section[2] then found[#found + 1] = entry end
        end
        parts[#parts + 1] = list(section[1], found, call)
    end
    for _, t in ipairs(tables) do parts[#parts + 1] = list(t[1], classes[t[2]].fields, field) end
    return table.concat(parts) .. ".Sh SEE ALSO\n.Xr lua 1 ,\n.Xr luas 1 ,\n.Xr luas 3\n"
end

-- ---- luas.h ----

local function comment_text(comment)
    local text = comment:gsub("^/%*+", ""):gsub("%*/%s*$", ""):gsub("\n%s*%* ?", "\n"):gsub("^%s+", ""):gsub("%s+$", "")
    text = text:gsub("\n[ \t]+", "\n")
    return prose(text):gsub("\n\n+", "\n.Pp\n")
end

-- Declarations, without what only the compiler needs.
local function code_text(code)
    local lines = {}
    for line in (code:gsub("LUAS_API ", "") .. "\n"):gmatch "(.-)\n" do
        local skipped = line:find "^#if" or line:find "^#e" or line:find '^extern "C"' or line == "}" or line:find "^#undef"
            or line:find "LUAS_API" or line:find "^#define LUAS_H$"
        if not skipped then lines[#lines + 1] = line end
    end
    local text = table.concat(lines, "\n"):gsub("^%s*\n", ""):gsub("\n\n+", "\n\n"):gsub("%s+$", "")
    return text ~= "" and literal(text .. "\n") or ""
end

---The page luas(3): comments of the header that begin a line are text, all else is code.
---@param header string
function man.c(header)
    local parts = { HEAD:format("3", "run Lua functions in parallel, from C"),
        ".Sh LIBRARY\nlibluas\n.Sh SYNOPSIS\n.In luas.h\n.Sh DESCRIPTION\n" }
    local at = 1
    while true do
        local first, last = header:find("\n/%*.-%*/\n", at)
        parts[#parts + 1] = code_text(header:sub(at, first or #header))
        if not first then break end
        local comment = header:sub(first + 1, last - 1)
        local title = comment:match "^/%* %-%-%-%- (.-) %-%-%-%- %*/$"
        parts[#parts + 1] = title and (".Ss %s\n"):format(heading(title:sub(1, 1):upper() .. title:sub(2)))
            or ".Pp\n" .. comment_text(comment) .. "\n"
        at = last
    end
    return table.concat(parts) .. ".Sh SEE ALSO\n.Xr luas 1 ,\n.Xr luas 3lua\n"
end

return man
