-- Says hello from a new process:  luas hello.lua [name]

local function hello(name)
    print("hello " .. name)
end

local p = process.spawn(hello, arg[1] or "bob")
p:join()
