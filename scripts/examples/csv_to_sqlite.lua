-- Puts the rows of a CSV file into a table of SQLite, with lua-sql-sqlite3:
--   luas csv_to_sqlite.lua FILE.csv FILE.db
--
-- Workers take the rows apart. The script itself writes, since SQLite has one writer at a time.

local from, to = arg[1], arg[2]

-- The fields of "a,""b"" c",2: quotes may stand around a field, and twice inside it.
local function fields(line)
    local row, at = {}, 1
    line = line:gsub("\r$", "") .. ","
    while at <= #line do
        local quoted, after = line:match('^"(.-)"()%f[,]', at)
        while quoted and select(2, quoted:gsub('"', "")) % 2 == 1 do
            quoted, after = line:match('^"(.-)"()%f[,]', at + #quoted + 2)
        end
        local text = quoted and line:sub(at + 1, after - 2):gsub('""', '"')
        if not text then text, after = line:match("([^,]*)()", at) end
        row[#row + 1], at = text, after + 1
    end
    return row
end

local db = assert(require "luasql.sqlite3".sqlite3():connect(to))
local rows = pool.lines(from)
local head = fields(rows())
for i, name in ipairs(head) do head[i] = '"' .. name:gsub('"', '""') .. '"' end
assert(db:execute(("CREATE TABLE rows (%s)"):format(table.concat(head, ", "))))
db:setautocommit(false)
local n = 0
for _, row in pool.imap(fields, rows) do
    for i, value in ipairs(row) do row[i] = "'" .. db:escape(value) .. "'" end
    assert(db:execute(("INSERT INTO rows VALUES (%s)"):format(table.concat(row, ", "))))
    n = n + 1
end
assert(db:commit())
print(n .. " rows")
