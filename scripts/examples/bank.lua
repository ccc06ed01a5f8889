-- A bank: tasks move money between accounts. A lock keeps two tasks from changing
-- an account at the same time; whoever dies with it, the next one is told and can
-- put things right.

local ACCOUNTS <const>, START <const> = 5, 100

local accounts, lock = shared.array("i64", ACCOUNTS), shared.lock()
local moved = shared.array("i64", 2) -- the account and the amount that is on its way
accounts:fill(START)

local function transfer(from, to, amount)
    local guard <close>, died = lock:hold()
    if died and moved[1] ~= 0 then -- it was taken there, and not given here
        accounts:add(moved[1], moved[2])
    end
    moved[2], moved[1] = amount, from
    accounts:add(from, -amount)
    if math.random(20) == 1 then os.exit(1) end -- now and then a worker dies
    moved[1] = 0
    accounts:add(to, amount)
end

local orders = {}
for i = 1, 200 do orders[i] = { i % ACCOUNTS + 1, i * 3 % ACCOUNTS + 1, i } end
local _, n, failures = pool.starmap(transfer, orders, { on_error = "collect", seed = 1, chunk = 1 })

local died = 0
for _ in pairs(failures) do died = died + 1 end
local _, last = lock:acquire()
if last and moved[1] ~= 0 then accounts:add(moved[1], moved[2]) end
local sum = 0
for i = 1, #accounts do sum = sum + accounts[i] end
print(("%d orders, %s died, the bank has %d"):format(n, died > 0 and "some" or "none", sum))
