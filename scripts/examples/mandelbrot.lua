-- The Mandelbrot set as a picture:  luas [-j N] mandelbrot.lua FILE.ppm [width]
--
-- Each task computes one row and returns its pixels as a string.

local path = arg[1]
local width = math.tointeger(tonumber(arg[2] or 600))
if not path or not width or width < 3 then
    io.stderr:write("usage: mandelbrot.lua FILE.ppm [width]\n")
    os.exit(2)
end
local height = width * 2 // 3
local LIMIT = 200  -- steps after which a point counts as inside

-- Steps until the point (a, b) has left the circle of radius 2.
local function escape(a, b)
    local x, y = 0.0, 0.0
    for step = 1, LIMIT do
        local xx, yy = x * x, y * y
        if xx + yy > 4 then
            return step
        end
        x, y = xx - yy + a, 2 * x * y + b
    end
    return nil
end

-- Black inside; outside from dark blue to white, the longer it takes.
local function colour(steps)
    if not steps then
        return "\0\0\0"
    end
    local light = (steps / LIMIT) ^ 0.4
    return string.char(
        math.floor(255 * light ^ 2), math.floor(255 * light), math.floor(80 + 175 * light))
end

-- The picture shows -2 to 1 on the real axis and -1 to 1 on the other.
local function row(y)
    local pixels = {}
    local b = 1 - 2 * (y - 0.5) / height
    for x = 1, width do
        pixels[x] = colour(escape(-2 + 3 * (x - 0.5) / width, b))
    end
    return table.concat(pixels)
end

local file <close> = assert(io.open(path, "wb"))
local ys = {}
for y = 1, height do
    ys[y] = y
end
file:write(("P6\n%d %d\n255\n"):format(width, height))
file:write(table.concat((pool.map(row, ys))))
print(("%s: %d x %d pixels"):format(path, width, height))
