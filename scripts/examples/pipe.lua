-- Two processes talk through a pipe: what one end sends the other receives, in
-- both directions. Any value that a task may return can be sent.

local function teacher(pipe)
    for _, question in ipairs {{6, 7}, {12, 12}, {99, 101}} do
        pipe:send(question)
        print(("%d times %d is %d"):format(question[1], question[2], pipe:recv()))
    end
    pipe:send("the end")
end

local function pupil(pipe)
    local question = pipe:recv()
    while question ~= "the end" do
        pipe:send(question[1] * question[2])
        question = pipe:recv()
    end
end

local a, b = process.pipe()
local first = process.spawn(teacher, a)
local second = process.spawn(pupil, b)
first:join()
second:join()
