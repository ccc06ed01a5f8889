-- What is made of the annotations: parts of lua/README.md, the texts of `help`, methods of
-- pools for the language server, and luas(3lua).

local annotations = require "annotations"

local pages = {}

-- ---- Markdown ----

local function row(...) return "| " .. table.concat({ ... }, " | ") .. " |\n" end

local function options(class)
    local where = class.name == "luas.joboptions" and "call, `with`, pool"
        or class.name == "luas.pooloptions" and "pool" or nil
    local lines = { row("option", "type", "default", where and "where" or "meaning", where and "meaning" or nil) }
    lines[2] = where and "|---|---|---|---|---|\n" or "|---|---|---|---|\n"
    for _, field in ipairs(class.fields) do
        local default = field.default ~= "" and field.default or "must be given"
        lines[#lines + 1] = row("`" .. field.name .. "`", field.values, default, where or field.text, where and field.text)
    end
    return table.concat(lines)
end

local function words_of(type)
    return "`" .. type:gsub("luas%.", "") .. "`"
end

local function fields(class)
    local lines = { row("field", "type", "meaning"), "|---|---|---|\n" }
    for _, field in ipairs(class.fields) do
        lines[#lines + 1] = row("`" .. field.name .. "`", words_of(field.type):gsub("|", "\\|") .. (field.optional and "?" or ""), field.text)
    end
    return table.concat(lines)
end

local function of_prefix(functions, prefix)
    local found = {}
    for _, entry in ipairs(functions) do
        if entry.name:sub(1, #prefix) == prefix then found[#found + 1] = entry end
    end
    return found
end

local function calls(functions)
    local lines = { row("call", "gives", "does"), "|---|---|---|\n" }
    for _, entry in ipairs(functions) do
        local gives = annotations.gives(entry)
        lines[#lines + 1] = row("`" .. annotations.call(entry) .. "`",
            gives ~= "" and "`" .. gives .. "`" or "", (entry.line:gsub("%.$", "")))
    end
    return table.concat(lines)
end

-- So long a line of a document is at most.
local WIDTH <const> = 120

local function wrapped(text, width, indent)
    local lines, line = {}, ""
    for word in text:gmatch "%S+" do
        if line ~= "" and #line + #word >= width then
            lines[#lines + 1], line = line, ""
        end
        line = line == "" and word or line .. " " .. word
    end
    lines[#lines + 1] = line
    return (indent or "") .. table.concat(lines, "\n" .. (indent or ""))
end

local function signature(entry)
    local gives = annotations.gives(entry)
    return annotations.call(entry) .. (gives ~= "" and " --> " .. gives or "")
end

local function verb(entry)
    local parts = { ("#### %s\n\n`%s`\n"):format(entry.name, signature(entry)), wrapped(entry.line, WIDTH) .. "\n" }
    for _, paragraph in ipairs(entry.text) do parts[#parts + 1] = wrapped(paragraph, WIDTH) .. "\n" end
    if entry.example then parts[#parts + 1] = "```lua\n" .. entry.example .. "```\n" end
    return table.concat(parts, "\n") .. "\n"
end

local function verbs(functions)
    local parts = {}
    for _, entry in ipairs(functions) do parts[#parts + 1] = verb(entry) end
    return (table.concat(parts):gsub("\n$", ""))
end

-- The functions of a list of names, `pool.map pool.imap`, or all that begin with `future:`.
local function chosen(functions, names)
    local found = {}
    for name in names:gmatch "%S+" do
        for _, entry in ipairs(name:find "[:.]$" and of_prefix(functions, name) or functions) do
            if name:find "[:.]$" or entry.name == name then found[#found + 1] = entry end
        end
    end
    assert(#found > 0, "the reference has nothing of " .. names)
    return found
end

---A document with its parts made anew: what stands between `<!-- reference: KIND NAMES -->`
---and `<!-- end -->`.
---@param text string
---@param functions reference.entry[]
---@param classes table<string, reference.entry>
---@return string
function pages.document(text, functions, classes)
    return (text:gsub("(<!%-%- reference: (%w+) (.-) %-%->\n).-(<!%-%- end %-%->\n)", function(head, kind, names, foot)
        local part
        if kind == "options" then part = options(assert(classes[names], names))
        elseif kind == "fields" then part = fields(assert(classes[names], names))
        elseif kind == "calls" then part = calls(chosen(functions, names))
        elseif kind == "verbs" then part = verbs(chosen(functions, names))
        else error("unknown part: " .. kind) end
        return head .. part .. foot
    end))
end

-- ---- help at the prompt ----

local function plain(text)
    return (text:gsub("%[([^]]*)%]%(#[^)]*%)", "%1"):gsub("`", ""))
end

local function help_text(entry)
    local parts = { signature(entry), wrapped(plain(entry.line), 78) }
    for _, paragraph in ipairs(entry.text) do parts[#parts + 1] = wrapped(plain(paragraph), 78) end
    if entry.example then parts[#parts + 1] = "  " .. entry.example:gsub("\n$", ""):gsub("\n", "\n  ") end
    return table.concat(parts, "\n")
end

local function default_of(field) return field.default ~= "" and "; default " .. field.default or "" end

-- An option whose value may be a table has its fields behind it.
local function option_text(field, of, classes)
    local text = field.text:gsub(": see .*$", "")
    local parts = { wrapped(plain(("%s, an option of a %s (%s%s): %s"):format(field.name, of, field.values, default_of(field), text)), 78) }
    local class = classes["luas." .. field.name] or classes["luas." .. field.name .. "option"]
    for _, f in ipairs(class and class.fields or {}) do
        parts[#parts + 1] = wrapped(plain(("%s (%s%s): %s"):format(f.name, f.values, default_of(f), f.text)), 74, "  ")
    end
    return table.concat(parts, "\n")
end

---The module `luas.help_texts`.
function pages.help(functions, classes)
    local lines = { "-- Made by scripts/reference/generate of scripts/reference/luas.lua.\nreturn {\n    names = {\n" }
    local function add(name, text) lines[#lines + 1] = ("        [%q] = %s,\n"):format(name, ("%q"):format(text):gsub("\\\n", "\\n")) end
    for _, entry in ipairs(functions) do add(entry.name:gsub(":", "."), help_text(entry)) end
    local task = {}
    for _, field in ipairs(classes["luas.task"].fields) do task[#task + 1] = ("%s: %s"):format(field.name, plain(field.text)) end
    add("pool.task", "pool.task, in a task; elsewhere nil\n" .. table.concat(task, "\n"))
    lines[#lines + 1] = "    },\n    options = {\n"
    for _, field in ipairs(classes["luas.joboptions"].fields) do add(field.name, option_text(field, "job", classes)) end
    for _, field in ipairs(classes["luas.pooloptions"].fields) do
        if field.name ~= "report" then add(field.name, option_text(field, "pool", classes)) end
    end
    lines[#lines + 1] = "    },\n}\n"
    return table.concat(lines)
end

-- ---- methods of a pool ----

local no_methods = { new = true, configure = true, cpus = true, wait_any = true, wait_all = true, iter = true,
    values = true, range = true, zip = true, product = true, lines = true, blocks = true, files = true }

local function method(entry)
    local params, returns = { "self: luas.pool" }, {}
    for _, param in ipairs(entry.params) do
        params[#params + 1] = ("%s%s: %s"):format(param.name, param.optional and "?" or "", param.type)
    end
    for _, result in ipairs(entry.returns) do returns[#returns + 1] = (result.type:gsub("^T$", "any")) end
    return ("---@field %s fun(%s)%s\n"):format(entry.name:match "%.(.*)", table.concat(params, ", "),
        #returns > 0 and ": " .. table.concat(returns, ", ") or "")
end

---The annotations themselves, with the class of pools made anew.
---@param text string
---@param functions reference.entry[]
---@return string
function pages.methods(text, functions)
    local lines = { "---@class luas.pool\n" }
    for _, entry in ipairs(of_prefix(functions, "pool.")) do
        if not no_methods[entry.name:match "%.(.*)"] then lines[#lines + 1] = method(entry) end
    end
    local made = table.concat(lines)
    return (text:gsub("(%-%- generated: the methods of a pool\n).-(%-%- end\n)", function(head, foot) return head .. made .. foot end))
end

return pages
