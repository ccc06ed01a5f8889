#!/usr/bin/python3
"""Checks the codec against python3-msgpack, in both directions.

Usage: msgpack_peer.py PATH_OF_CODEC_TEST PATH_OF_LUA_RESULTS_TEST [SEED]

codec_test --frames prints frames that are known here: msgpack must read their
bodies as one object after the other.
codec_test --emit prints messages that are known here: they must mean the same
to msgpack. codec_test --echo decodes what msgpack packed, in every form that
the format has, and encodes it again: msgpack must get back what went in.
lua_results_test --emit prints what a C application is given of a script's tables,
and what that is in words: without knowing an extension type msgpack must see the same.
"""

import math
import random
import struct
import subprocess
import sys
import time

import msgpack

SHARED, REF = 1, 2

# What the samples of codec_cases.lua are, in order.
SAMPLES = [
    [None, True, False],
    [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1],
    [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**63)],
    [0.0, -0.0, 1.0, 0.1, 1e300, math.inf, -math.inf, math.nan],
    ["", "abc", "caf\u00e9", "x" * 40, "y" * 300, "z" * 70000],
    [b"\xff", b"\xfe" * 300, b"\xed\xa0\x80", b"\xc0\x80", b"\x80" * 70000],
    [[], [1, 2, 3], [[1], [2]], {"a": 1}, {1.5: True}, {-1: "x"}],
    [list(range(1, 70001)), {i * 2: [i] for i in range(1, 70001)}],
    msgpack.ExtType(SHARED, b"\x92\x90\xd4\x02\x00"),
]


def same(a, b):
    """Equal, with the types of numbers and strings, the sign of zero, and NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b) or (a != a and b != b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(k in b and same(v, b[k]) for k, v in a.items())
    return a == b


def unpack(line):
    return msgpack.unpackb(bytes.fromhex(line), strict_map_key=False, raw=False)


def check_samples(program):
    lines = subprocess.run([program, "--emit"], capture_output=True, text=True, check=True)
    lines = lines.stdout.split()
    assert len(lines) == len(SAMPLES), f"{len(lines)} samples, not {len(SAMPLES)}"
    for number, (line, expected) in enumerate(zip(lines, SAMPLES), 1):
        assert same(unpack(line), expected), f"sample {number} is {line[:80]}"


# The codes of frame.h, and what is in the frames that codec_test prints. The
# size in front of a task's arguments is theirs in bytes.
RUN, VALUE, ERROR = 5, 16, 17
FRAMES = [
    [RUN, 3, 2**20, 70000, 2, len(b"\x93\x01\xa3two\x82\x01\xcb\0\0\0\0\0\0\0\0\xa1x\xc2"),
     [1, "two", {1: 3.5, "x": False}], len(b"\x92\xda\x01\x2c\xc0") + 300, ["z" * 300, None]],
    [VALUE, 7, [[1, {"a": 1}], -1, b"\xff"]],
    [ERROR, 2**20, [{"code": 5}, "message", "traceback"]],
]


def check_frames(program):
    run = subprocess.run([program, "--frames"], capture_output=True, text=True, check=True)
    frames = [bytes.fromhex(line) for line in run.stdout.split()]
    assert len(frames) == len(FRAMES), f"{len(frames)} frames, not {len(FRAMES)}"
    for number, (frame, expected) in enumerate(zip(frames, FRAMES), 1):
        body = frame[4:]
        assert struct.unpack(">I", frame[:4])[0] == len(body), f"frame {number} has another length"
        unpacker = msgpack.Unpacker(strict_map_key=False, raw=False)
        unpacker.feed(body)
        objects = list(unpacker)
        assert unpacker.tell() == len(body), f"frame {number} ends within an object"
        assert same(objects, expected), f"frame {number} is {objects}"


def random_text(rng):
    size = rng.choice([0, 1, 5, 31, 32, 40, 255, 256, 70000 if rng.random() < 0.01 else 3])
    return "".join(chr(rng.choice([65, 233, 0x20AC, 0x1F600])) for _ in range(size))


def random_bytes(rng):
    """Bytes that are not UTF-8, so that they come back as bytes."""
    size = rng.choice([0, 1, 7, 254, 255, 70000 if rng.random() < 0.01 else 3])
    return b"\xff" + bytes(rng.randrange(256) for _ in range(size))


def random_int(rng):
    return rng.choice([1, -1]) * (rng.getrandbits(63) >> rng.randrange(64))


def random_float(rng):
    return rng.choice([rng.uniform(-1e9, 1e9), 0.0, -0.0, math.inf, 1e-310, float(rng.randrange(9))])


def random_scalar(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice([True, False])
    return [random_int, random_float, random_text, random_bytes, random_int][kind - 1](rng)


def random_key(rng):
    return rng.choice([f"k{rng.randrange(9)}", rng.randrange(-9, 0), rng.random() + 0.25, b"\xff" + bytes([rng.randrange(9)])])


def random_value(rng, depth=0):
    """No map that Lua would call an array, and no nil that Lua would not store."""
    kind = rng.randrange(8)
    if depth > 1 + (rng.random() < 0.2) or kind < 4:
        return random_scalar(rng)
    size = rng.choice([1, 2, 5, 15, 16, 17, 300 if rng.random() < 0.02 else 3])
    if kind < 6:
        return [random_value(rng, depth + 1) for _ in range(size)]
    return {random_key(rng): random_value(rng, depth + 1) for _ in range(size)}


# Forms that are longer than they need be, and mean the same.
LONGER = [
    (b"\x91\xcf" + struct.pack(">Q", 5), [5]),
    (b"\x91\xd3" + struct.pack(">q", -5), [-5]),
    (b"\x91\xd1" + struct.pack(">h", 5), [5]),
    (b"\x91\xca" + struct.pack(">f", 1.5), [1.5]),
    (b"\x91\xdb" + struct.pack(">I", 2) + b"ab", ["ab"]),
    (b"\x91\xc6" + struct.pack(">I", 2) + b"ab", ["ab"]),
    (b"\xdd" + struct.pack(">I", 1) + b"\xdc\x00\x01\xc0", [[]]),
    (b"\x91\xdf" + struct.pack(">I", 1) + b"\x01\x02", [[2]]),
]


def check_echo(program, rng):
    values = [[random_value(rng) for _ in range(rng.randrange(4))] for _ in range(1000)]
    cases = LONGER + [(msgpack.packb(value), value) for value in values]
    lines = "".join(packed.hex() + "\n" for packed, _ in cases)
    run = subprocess.run([program, "--echo"], input=lines, capture_output=True, text=True, check=True)
    echoes = run.stdout.split("\n")[:-1]
    assert len(echoes) == len(cases), f"{len(echoes)} echoes, not {len(cases)}"
    for (packed, value), line in zip(cases, echoes):
        assert same(unpack(line), value), f"{packed.hex()[:200]} came back as {line[:200]}"


def number_in_words(value):
    text = "nan" if value != value else f"{value:.14g}"
    return text + ".0" if text.strip("-0123456789") == "" else text


def string_in_words(value):
    return "".join(chr(b) if 32 <= b < 127 else f"\\{b:02x}" for b in value.encode())


def in_words(value):
    """As tests/msgpack_text.h has it; a map is a tuple of pairs, for its keys may be tables."""
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number_in_words(value)
    if isinstance(value, str):
        return f'"{string_in_words(value)}"'
    if isinstance(value, bytes):
        return f"<{value.hex()}>"
    if isinstance(value, list):
        return f"[{', '.join(map(in_words, value))}]"
    if isinstance(value, tuple):
        return "{" + ", ".join(f"{in_words(k)}: {in_words(v)}" for k, v in value) + "}"
    raise AssertionError(f"not plain MessagePack: {value}")


def check_results(program):
    sys.setrecursionlimit(10000)  # of in_words; msgpack has a limit of its own
    run = subprocess.run([program, "--emit"], capture_output=True, text=True, check=True)
    lines = run.stdout.split("\n")[:-1]
    assert len(lines) > 30, f"{len(lines)} results"
    for line in lines:
        packed, expected = line.split("\t")
        value = msgpack.unpackb(bytes.fromhex(packed), strict_map_key=False, raw=False,
                                object_pairs_hook=tuple)
        assert in_words(value) == expected, f"{packed[:200]} is {in_words(value)[:200]}"


def main():
    program, results = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
    print(f"msgpack peer: seed {seed}")
    check_frames(program)
    check_samples(program)
    check_results(results)
    check_echo(program, random.Random(seed))
    print("msgpack peer: the same both ways")


if __name__ == "__main__":
    main()
