-- The squares again, without waiting for each: apply_async hands a call to the
-- pool and gives a future at once; get waits for the result.

local function square(x)
    return x * x
end

local p = pool.new(4)

local futures = {}
for x = 1, 5 do
    futures[x] = p:apply_async(square, x)
end

local squares = {}
for x, future in ipairs(futures) do
    squares[x] = future:get()
end
print("[" .. table.concat(squares, ", ") .. "]")

p:close()  -- no more calls
p:join()   -- and wait until the workers have gone
