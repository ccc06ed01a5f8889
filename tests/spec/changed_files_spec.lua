-- Files that change while they are read: what is lost has an outcome, and nothing waits for ever.

local luas = require("luas")
local pool = luas.pool
local helpers = require "tests.support.helpers"
local sh = require "tests.support.shell"

local LINES <const> = 6000

local function text(n)
    local all = {}
    for i = 1, n do all[i] = ("%06d %s"):format(i, ("x"):rep(60)) end
    return table.concat(all, "\n") .. "\n"
end

-- The file, and what becomes of it while it is read, as a command of sh: `f` is its name.
local changes = {
    ["is truncated to nothing"] = { ": >$f", lost = true },
    ["loses its second half"] = { "truncate -s 200000 $f", lost = true },
    ["loses half a line"] = { "truncate -s -30 $f", lost = true },
    ["is deleted"] = { "rm $f" },
    ["is replaced by another"] = { "echo other >$f.new; mv $f.new $f" },
    ["is replaced by a folder"] = { "rm $f; mkdir $f" },
    ["grows"] = { "echo more >>$f; seq 900001 901000 >>$f" },
    ["may not be read any more"] = { "chmod 0 $f" },
}

for name, change in pairs(changes) do
    describe("a file that " .. name, function()
        local path
        before_each(function()
            path = os.tmpname()
            sh.write(path, text(LINES))
        end)
        after_each(function() sh.run(("rm -rf %s %s.new"):format(path, path)) end)

        local function alter() sh.must("f=" .. path .. "; " .. change[1]) end

        for _, workers in ipairs { 0, 2 } do
            it(("has an outcome for each line that it had, with %d workers"):format(workers), function()
                local p <close> = pool.new(workers)
                local source = pool.lines(path, { block = 4096 })
                local values, failures, last = 0, 0, 0
                local ok, raised = pcall(function()
                    local options = { on_error = "collect", window = 100, timeout = 20 }
                    for i, line, o in p:imap(function(line) return line end, source, options) do
                        if i == 300 then alter() end
                        last = i
                        if o then
                            failures = failures + 1
                            assert.equal("error", o.kind)
                            assert.equal(i, o.line)
                            assert.is_truthy(o.message:find("its text is not there any more", 1, true), o.message)
                        else
                            values = values + 1
                            assert.equal(("%06d %s"):format(i, ("x"):rep(60)), line)
                        end
                    end
                end)
                assert.equal(last, values + failures)
                assert.is_true(last >= 300)
                if ok then
                    assert.equal(LINES, last) -- each line has its outcome
                    assert.is_true(change.lost or failures == 0)
                else -- so far it was read
                    assert.is_truthy(change.lost, tostring(raised))
                    assert.is_truthy(raised.message and raised.message:find("it has become shorter while it was read", 1, true), tostring(raised))
                end
            end)
        end

        it("keeps what was done, at the command line", function()
            local script = ("f=%s; timeout -s KILL %g %s -j 2 --block 4096 -p 'F[1]' --begin 'os.execute \"sleep 0.1\"' $f & sleep 0.05; %s; wait $!"):format(
                path, helpers.within(30), sh.quote(helpers.program), change[1])
            local output, status = sh.run("exec 2>&1; " .. script)
            assert.is_true(status == 0 or status == 1 or status == 2, status)
            local last = 0
            for n in output:gmatch "([^\n]*)\n" do
                if n:find "^%d+$" and tonumber(n) < 900000 then
                    assert.is_true(tonumber(n) > last)
                    last = tonumber(n)
                end
            end
        end)
    end)
end
