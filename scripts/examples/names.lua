-- Four processes, each printing its own name and a number of its own.

local function introduce(number)
    print(process.current().name .. ": " .. number)
end

local processes = {}
for i, name in ipairs {"anna", "brian", "clara", "dermot"} do
    local p = process.new {target = introduce, args = {i * 11}, name = name}
    p:start()
    processes[i] = p
end

-- They print in whichever order they come to it.
for _, p in ipairs(processes) do
    p:join()
end
