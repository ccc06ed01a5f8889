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
