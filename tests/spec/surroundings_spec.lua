-- Tasks find around them what the script has: directory, environment, locale, umask.

local helpers = require "tests.support.helpers"
local shell = require "tests.support.shell"

describe("around a task", function()
    local folder

    setup(function()
        folder = shell.folder()
        shell.must(("cc -shared -fPIC -o %s/around.so tests/support/around.c $(pkg-config --cflags lua5.4)")
            :format(shell.quote(folder)))
    end)

    teardown(function() shell.must("rm -rf " .. shell.quote(folder)) end)

    local function output(text, by)
        return helpers.output(([[
            package.cpath = %q .. package.cpath
            local around = require "around"
            local folder = %q
            local function look()
                return table.concat({ around.cwd() or "nowhere", os.getenv "LUAS_A" or "-", os.getenv "LUAS_B" or "-",
                    around.mask(), os.setlocale() }, " ")
            end
            local function change(to, a, b, mask, locale)
                around.chdir(to) around.setenv("LUAS_A", a) around.setenv("LUAS_B", b)
                around.umask(mask) os.setlocale(locale)
            end
            change("/", "first", nil, 18, "C")
        ]]):format(folder .. "/?.so;", folder) .. text, by)
    end

    helpers.each_interpreter(function(by)
        it("is what the script has set since the workers began, in " .. by, function()
            assert.equal(("/usr - b 63 C.UTF-8\n"):rep(4) .. "2\n", output([[
                local p = pool.new(1)
                p:apply(look)
                change("/usr", nil, "b", 63, "C.UTF-8")
                print(p:apply(look))
                print(p:map(look, { 1 })[1])
                print(p:map(look, { 1 }, { carry = "inherit" })[1])
                print(process.spawn(look):result())
                print(p:stats().forks) ]], by))
        end)

        it("is what it was at the submission, in " .. by, function()
            assert.equal("/usr a - 18 C\n/ a - 18 C\n/var b - 18 C\n", output([[
                local p = pool.new(1)
                change("/usr", "a", nil, 18, "C")
                local one = p:apply_async(look)
                change("/", "a", nil, 18, "C")
                local other = p:map_async(look, { 1 })
                change("/var", "b", nil, 18, "C")
                print(one:get()) print(other:get()[1]) print(p:apply(look)) ]], by))
        end)

        it("is not what a task of another job has left, in " .. by, function()
            assert.equal(("/ first - 18 C\n"):rep(3), output([[
                local p = pool.new(1)
                local function leave() change("/usr", nil, "b", 63, "C.UTF-8") end
                p:apply(leave) print(p:apply(look))
                p:map(leave, { 1, 2 }) print(p:map(look, { 1 })[1])
                pcall(p.apply, p, function() leave() error "no" end) print(p:apply(look)) ]], by))
        end)

        it("keeps what init has set, but for what the script changes, in " .. by, function()
            assert.equal("/usr first init 18 C\n/usr later init 18 C\n/var later init 18 C\n", output([[
                local p = pool.new { workers = 1, init = function() change("/usr", "first", "init", 18, "C") end }
                print(p:apply(look))
                around.setenv("LUAS_A", "later")
                p:apply(change, "/tmp", nil, nil, 0, "C.UTF-8")
                print(p:apply(look))
                around.chdir "/var"
                print(p:apply(look)) ]], by))
        end)

        it("is the same in a worker that replaces another, in " .. by, function()
            assert.equal(("/usr first - 18 C\n"):rep(3), output([[
                local p = pool.new { workers = 1, max_tasks = 1 }
                change("/usr", "first", nil, 18, "C")
                local all = p:map_async(look, { 1, 2, 3 }, { chunk = 1 })
                change("/", nil, nil, 0, "C.UTF-8")
                for _, seen in ipairs(all:get()) do print(seen) end ]], by))
        end)

        it("is what the script goes back to, whatever init has set, in " .. by, function()
            assert.equal(("/tmp - - 27 C true\n"):rep(2), output([[
                change("/tmp", nil, nil, 27, "C")
                local p = pool.new { workers = 1, init = function() change("/usr", "init", "init", 63, "C.UTF-8") end }
                assert(p:apply(look) == "/usr init init 63 C.UTF-8")
                change("/var", "other", "other", 0, "C.UTF-8")
                local before = p:apply_async(look)
                change("/tmp", nil, nil, 27, "C")
                for _ = 1, 2 do print(p:apply(look) .. " " .. tostring(before:get() == "/var other other 0 C.UTF-8")) end
            ]], by))
        end)

        it("is no directory that was removed, unless its worker is there, in " .. by, function()
            assert.equal(("removed removed nowhere /\n"):rep(2), output([[
                local there = folder .. "/left"
                local function remove()
                    around.chdir "/"
                    os.execute("mkdir " .. there)
                    around.chdir(there) os.remove(there)
                end
                local function failure(p)
                    local ok, o = pcall(p.apply, p, around.cwd)
                    return not ok and o.message:match "removed"
                end
                for _, start in ipairs { "fork", "zygote" } do
                    around.chdir "/"
                    local p = pool.new { workers = 1, start = start }
                    p:apply(math.abs, 1)
                    remove()
                    local first = failure(p)
                    remove() -- another one
                    local second = failure(p)
                    around.chdir "/"
                    os.execute("mkdir " .. there)
                    around.chdir(there)
                    p:apply(math.abs, 1)
                    os.remove(there)
                    local third = p:apply(look):match "%S+"
                    around.chdir "/"
                    print(("%s %s %s %s"):format(first, second, third, p:apply(around.cwd)))
                end ]], by))
        end)

        it("is the time zone that the script has, if TZ has another one, too, in " .. by, function()
            assert.equal("01 01 01 09 09 00\n", output([[
                local function hour() return os.date("%H", 0) end
                local function both(p) -- what tasks change is undone
                    local seen = p:apply(hour)
                    assert(seen == p:with { carry = "inherit" }:apply(hour))
                    assert("03" == p:apply(function()
                        around.setenv("TZ", "XXX-3") around.tzset()
                        return hour()
                    end))
                    assert(p:apply(hour) == seen)
                    return seen
                end
                local function set(zone) around.setenv("TZ", zone) around.tzset() end
                set "AAA-1"
                local p = pool.new(1)
                local seen = { both(p) }
                around.setenv("TZ", "JST-9")
                seen[2], seen[3] = both(p), hour()
                around.tzset()
                seen[4], seen[5] = both(p), hour()
                set "UTC0"
                seen[6] = both(p)
                print(table.concat(seen, " ")) ]], by))
        end)

        it("says which directory is no more, and goes on in " .. by, function()
            assert.equal("cannot enter\n/ first - 18 C\nnowhere first - 18 C\n", output([[
                local there = folder .. "/there"
                local p = pool.new(1)
                p:apply(look)
                os.execute("mkdir " .. there)
                local hold = p:apply_async(function() while io.open(there) do end end)
                around.chdir(there)
                local late = p:apply_async(look)
                around.chdir "/"
                os.remove(there)
                print(select(2, pcall(late.get, late)).message:match "^cannot enter")
                print(p:apply(look))
                os.execute("mkdir " .. there)
                around.chdir(there) os.remove(there)
                local q = pool.new(1)
                print(q:apply(look)) ]], by))
        end)
    end)
end)
