--- Heaps: of all that was put in, what goes before the rest is at hand; anything
--- comes and goes at the cost of the logarithm of how many there are.

---@class luas.heap
---@field before fun(a: table, b: table): boolean
---@field n integer  how many there are
local Heap = {}
Heap.__index = Heap

--- An empty heap of tables, which have their place in it in a field `place`. Of no
--- two may each go before the other.
---@param before fun(a: table, b: table): boolean  does a go before b?
---@return luas.heap
function Heap.new(before)
    return setmetatable({ before = before, n = 0 }, Heap)
end

--- What goes before all others; nil if there is nothing.
---@return table?
function Heap:first()
    return self[1]
end

local function put(self, at, thing)
    self[at], thing.place = thing, at
end

-- The place at `at` is free: what goes there is this, or what it has to change with.
local function rise(self, at, thing)
    while at > 1 and self.before(thing, self[at // 2]) do
        put(self, at, self[at // 2])
        at = at // 2
    end
    put(self, at, thing)
end

-- The child at a place that goes before the other; nil if there is none.
local function child(self, at)
    local low, high = 2 * at, 2 * at + 1
    if low > self.n then return nil end
    return high <= self.n and self.before(self[high], self[low]) and high or low
end

local function sink(self, at, thing)
    local below = child(self, at)
    while below and self.before(self[below], thing) do
        put(self, at, self[below])
        at, below = below, child(self, below)
    end
    put(self, at, thing)
end

--- Puts it in.
---@param thing table
function Heap:add(thing)
    self.n = self.n + 1
    rise(self, self.n, thing)
end

--- Takes it out, if it is in.
---@param thing table
function Heap:remove(thing)
    local at, last = thing.place, self[self.n]
    if not at then return end
    self[self.n], thing.place = nil, nil
    self.n = self.n - 1
    if thing == last then return end
    if at > 1 and self.before(last, self[at // 2]) then
        rise(self, at, last)
    else
        sink(self, at, last)
    end
end

return Heap
