-- What a journal costs: for journal.py.
--
--   luas journal.lua plain|store|hit FILE N     prints seconds for N tiny tasks

local core = require "luas.core"

local mode, file, n = arg[1], arg[2], tonumber(arg[3])

local function task(x) return x + 1 end

local p <close> = pool.new { workers = 2 }
p:map(task, { 1, 2 }) -- its workers are there

local options = mode ~= "plain" and { journal = file } or nil
local began = core.now()
local results = p:map(task, pool.range(1, n), options)
local took = core.now() - began
assert(#results == n and results[n] == n + 1)
print(took)
