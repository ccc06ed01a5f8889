-- Tasks that say how far they are. On a terminal `progress = true` draws a bar; here a function is
-- told, and prints a line whenever another quarter of all is done.

local function work(n)
    for i = 1, 10 do
        os.execute "sleep 0.01"
        pool.task.progress(i, 10, "step " .. i) -- what `info.tasks` has of this task
    end
    return n
end

local shown = -1
local function show(done, total)
    local quarter = done * 4 // total
    if quarter > shown then
        shown = quarter
        print(("%d of %d"):format(quarter * total // 4, total))
    end
end

local numbers = {}
for i = 1, 20 do numbers[i] = i end
pool.each(work, numbers, { progress = show })
