-- What luas is given away as. The packages take minutes to build; the archive that they are built
-- of is looked at here, and LUAS_TEST_PACKAGES=1 builds all of them.

local shell = require "tests.support.shell"

local must, quote = shell.must, shell.quote
local has_git = select(2, shell.run "git rev-parse HEAD") == 0

describe("scripts/package", function()
    local folder
    setup(function() folder = shell.folder() end)
    teardown(function() must("rm -rf " .. quote(folder)) end)

    local function version() return shell.read "core/luas.h":match '#define LUAS_VERSION "([%d.]+)"' end

    if has_git then
        it("makes a source archive that has the tree and names its commit", function()
            must("scripts/package source " .. quote(folder))
            local name = "luas-" .. version()
            must(("cd %s && tar -xzf %s.tar.gz"):format(quote(folder), name))
            local commit = shell.read(("%s/%s/scripts/packaging/commit"):format(folder, name)):gsub("\n", "")
            assert.matches("^%x+$", commit)
            assert.equal(commit, must "git rev-parse HEAD":sub(1, #commit))
            assert.equal("", (must(("cd %s/%s && ls -A"):format(quote(folder), name))
                :gsub("[^\n]+\n", function(entry) return select(2, shell.run("test -e " .. quote(entry:sub(1, -2)))) == 0 and "" or entry end)))
        end)
    end

    it("has a changelog of the version that there is, which Debian can read", function()
        assert.equal(version() .. "\n", must "dpkg-parsechangelog -l scripts/packaging/changelog -S Version")
    end)

    if os.getenv "LUAS_TEST_PACKAGES" and has_git then
        it("makes packages that lintian has nothing against, and a rock that installs", function()
            must("scripts/package all " .. quote(folder))
            local output = shell.run(("cd %s && lintian --allow-root --suppress-tags %s *.changes"):format(quote(folder),
                "bogus-mail-host,bogus-mail-host-in-debian-changelog")) -- there is no address yet
            assert.equal("", output)
            must(("luarocks --lua-version 5.4 install --tree %s/rocks %s/*.src.rock"):format(quote(folder), quote(folder)))
            assert.equal("1\n", must(("LUA_CPATH=%s/rocks/lib/lua/5.4/?.so lua5.4 -e 'print(require \"luas\".pool.apply(math.abs, -1))'")
                :format(folder)))
        end)

        local can_visit = select(2, shell.run "test $(id -u) = 0 && command -v debootstrap") == 0
        it("does in a bare Debian what the README says", function()
            if not can_visit then return pending "it takes root and debootstrap" end
            local seconds = 120 * (tonumber(os.getenv "LUAS_TEST_SLOWNESS") or 1)
            local said = must(("CLEAN_ROOT_SECONDS=%d scripts/packaging/clean_root 2>&1"):format(seconds))
            for _, who in ipairs { "root", "guest" } do
                assert.is_truthy(said:find(who .. ": all commands of the README work", 1, true), said)
            end
        end)
    end
end)
