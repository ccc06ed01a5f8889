-- What codec_test runs in its host state.
--
--   cases        {name, function} in order
--   properties   a function (seed, count) that sends random values
--   samples      functions that return the values of one message each

local support = require "codec_support"
require "codec_values"
require "codec_functions"
require "codec_classes"
require "codec_packing"

local M = {cases = support.cases, properties = require("codec_random").properties}

-- Samples that tests/codec/msgpack_peer.py knows: chunks that return the values of one message.
M.samples = {
    function() return nil, true, false end,
    function() return 0, 1, 127, 128, 255, 256, 65535, 65536, 2 ^ 32 - 1 | 0, 2 ^ 32 | 0, math.maxinteger end,
    function()
        return -1, -32, -33, -128, -129, -32768, -32769, -2 ^ 31 | 0, -2 ^ 31 - 1 | 0, math.mininteger
    end,
    function() return 0.0, -0.0, 1.0, 0.1, 1e300, 1 / 0, -1 / 0, 0 / 0 end,
    function() return "", "abc", "caf\xc3\xa9", ("x"):rep(40), ("y"):rep(300), ("z"):rep(70000) end,
    function() return "\xff", ("\xfe"):rep(300), "\xed\xa0\x80", "\xc0\x80", ("\x80"):rep(70000) end,
    function() return {}, {1, 2, 3}, {{1}, {2}}, {a = 1}, {[1.5] = true}, {[-1] = "x"} end,
    function()
        local list, map = {}, {}
        for i = 1, 70000 do
            list[i], map[i * 2] = i, {i}
        end
        return list, map
    end,
    function() local t = {} return t, t end,
}

return M
