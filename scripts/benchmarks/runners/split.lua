-- Pieces of work for runners that start a program for each (xargs, parallel):
--
--   lua5.4 split.lua args LINE...    the words of each line, a number a line
--   lua5.4 split.lua lines           the same for the lines of the input
--   lua5.4 split.lua sum             the sum of the numbers in the input
--   lua5.4 split.lua spin SECONDS    uses that much CPU time, and says 1

local function words(line)
    return select(2, line:gsub("%S+", ""))
end

local modes = {}

function modes.args(...)
    for i = 1, select("#", ...) do print(words((select(i, ...)))) end
end

function modes.lines()
    for line in io.lines() do print(words(line)) end
end

function modes.sum()
    local total = 0
    for line in io.lines() do total = total + math.tointeger(line) end
    print(("%d"):format(total))
end

function modes.spin(seconds)
    local stop = os.clock() + tonumber(seconds)
    while os.clock() < stop do end
    print(1)
end

modes[arg[1]](table.unpack(arg, 2))
