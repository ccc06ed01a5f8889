--- Heaps: the element that goes before all others is always at hand. Adding or removing
--- any element takes logarithmic time. A signal may end a call anywhere: the next one puts the heap
--- in order again.

---@class luas.heap
---@field before fun(a: table, b: table): boolean
---@field n integer  how many there are
---@field members table<table, true>
---@field moving boolean  a call is under way, or was ended
local Heap = {}
Heap.__index = Heap

--- An empty heap of tables. Each element keeps its place in its field `place`. Of two
--- elements at most one may go before the other.
---@param before fun(a: table, b: table): boolean  does a go before b?
---@return luas.heap
function Heap.new(before)
    return setmetatable({ before = before, n = 0, members = {}, moving = false }, Heap)
end

local function put(self, at, thing)
    self[at], thing.place = thing, at
end

-- Puts this into the free place `at`, or moves elements down and puts it further up.
local function rise(self, at, thing)
    while at > 1 and self.before(thing, self[at // 2]) do
        put(self, at, self[at // 2])
        at = at // 2
    end
    put(self, at, thing)
end

-- Of the two children of a place the one that goes before the other; nil without children.
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

local function insert(self, thing)
    self.n = self.n + 1
    rise(self, self.n, thing)
end

local function mend(self)
    for at = #self, 1, -1 do self[at] = nil end
    self.n = 0
    for thing in pairs(self.members) do insert(self, thing) end
    self.moving = false
end

--- The element that goes before all others; nil if the heap is empty.
---@return table?
function Heap:first()
    if self.moving then mend(self) end
    return self[1]
end

--- Is it in the heap?
---@param thing table
---@return boolean
function Heap:has(thing)
    return self.members[thing] ~= nil
end

--- All elements, in any order.
---@return table[]
function Heap:all()
    if self.moving then mend(self) end
    return table.move(self, 1, self.n, 1, {})
end

--- Puts it in, unless it is there.
---@param thing table
function Heap:add(thing)
    if self.moving then mend(self) end
    if self.members[thing] then return end
    self.moving = true
    self.members[thing] = true
    insert(self, thing)
    self.moving = false
end

--- Removes it, if it is in the heap.
---@param thing table
function Heap:remove(thing)
    if self.moving then mend(self) end
    if not self.members[thing] then return end
    self.moving = true
    self.members[thing] = nil
    local at, last = thing.place, self[self.n]
    self[self.n] = nil
    self.n = self.n - 1
    if thing ~= last then
        if at > 1 and self.before(last, self[at // 2]) then
            rise(self, at, last)
        else
            sink(self, at, last)
        end
    end
    self.moving = false
end

return Heap
