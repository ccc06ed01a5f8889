-- What people see of tasks that run on other machines: progress, reports, traces.

local clusters = require "tests.support.cluster"
local helpers = require "tests.support.helpers"

if not clusters.is_possible() then
    pending("the cluster: nats-server, libnats or libsodium is missing (scripts/setup test)")
    return
end

local cluster

setup(function()
    cluster = clusters.open { key = true }
    cluster:agent("alpha", 2)
    cluster:agent("beta", 1)
end)

teardown(function() if cluster then cluster:close() end end)

local OPEN <const> = [[
    local core = require "luas.core"
    local p <close> = pool.new{cluster = cluster.url, key = cluster.key}
    local with_init <close> = pool.new{cluster = cluster.url, key = cluster.key, init = function() ready = true end}
]]

helpers.each_interpreter(function(by)
    describe("of tasks on agents, under " .. by, function()
        local function prints(expected, text)
            local output, status = cluster:run(OPEN .. text, { by = by, seconds = 40 })
            assert.equal(expected, output)
            assert.equal(0, status)
        end

        it("progress tells what runs where, since when, and what tasks say of themselves", function()
            prints(("true\ttrue\ttrue\ttrue\n3\t3\t1\t0\n"):rep(2), [[
                local function slow(x)
                    local own = require "luas.core"
                    for i = 1, 4 do
                        own.sleep(0.4)
                        pool.task.progress(i, 4, "part " .. i)
                    end
                    if x == 2 then error "no" end
                end
                for _, q in ipairs{p, with_init} do
                    local most, between, notes, well, final = 0, 0, {}, true, nil
                    q:map(slow, {1, 2, 3}, {chunk = 1, on_error = "collect", progress = function(done, total, info)
                        most = math.max(most, info.running)
                        if info.fraction > 0 and info.fraction < 1 then between = between + 1 end
                        if info.note then notes[info.note] = true end
                        for _, task in ipairs(info.tasks) do
                            well = well and (task.machine == "alpha" or task.machine == "beta") and task.index >= 1 and task.index <= 3
                                and task.worker >= 1 and task.seconds >= 0 and task.seconds <= info.elapsed + 1
                                and (not task.done or task.total == 4)
                        end
                        final = {done, total, info.failed, info.running}
                        assert(info.slowest <= info.elapsed + 1)
                    end})
                    print(most >= 1 and most <= 3, between >= 2, notes["part 2"] or notes["part 3"], well)
                    print(table.unpack(final))
                end]])
        end)

        it("each task knows its index, its start and its worker", function()
            prints(("true\t3\n"):rep(2), [[
                local function about(i)
                    if i == 2 and pool.task.attempt < 3 then os.exit(1) end
                    return {pool.task.index, pool.task.attempt, pool.task.worker}
                end
                for _, q in ipairs{p, with_init} do
                    local seen, well = q:map(about, pool.range(1, 12), {retries = 2}), true
                    for i = 1, 12 do
                        well = well and seen[i][1] == i and (i == 2 or seen[i][2] == 1) and math.type(seen[i][3]) == "integer" and seen[i][3] >= 1
                    end
                    print(well, seen[2][2])
                end]])
        end)
    end)
end)
