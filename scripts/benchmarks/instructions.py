#!/usr/bin/python3
"""Instructions that a task takes in the host and in its worker.

    instructions.py LUAS

Times are noise on a busy machine; instructions are the same again, so what a
change adds to every task shows here. Valgrind counts them, for two lengths of
each work: the difference is what a task takes, with the script's own making of
its input. Fails where that is more than the limit: what was counted when it was
set, and MORE of it, for other compilers and processors, and for a host that looks
for results more often. Who makes a task cheaper sets it anew.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).resolve().with_name("instructions.lua")
FEW, MANY = 2000, 8000
# Where a worker's own work begins: before that it is a copy of its host.
SERVE = "luas__serve"
MORE = 0.25

# Of a task, in the host and in the worker.
LIMITS = {
    "integers": (628, 516),
    "ones": (2850, 2100),
    "inherited": (400, 514),
    "strings": (4290, 1920),
    "tables": (9100, 6850),
}


def total(profile):
    return int(re.search(r"^totals: (\d+)", profile, re.MULTILINE)[1])


def inclusive(profile, function):
    """What a function that was called once took, with all that it called; or None."""
    name = re.search(rf"^c?fn=\((\d+)\) {function}$", profile, re.MULTILINE)
    if name is None:
        return None
    number = name[1]
    call = rf"^cfn=\({number}\).*\ncalls=1 .*\n\S+ (\d+)$"
    return int(re.search(call, profile, re.MULTILINE)[1])


def profiles(luas, row, count):
    """Callgrind's of the host and of its worker, in any order."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p",
                   luas, "-j", "1", str(SCRIPT), row, str(count)]
        try:
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  timeout=60, check=False, text=True)
        except subprocess.TimeoutExpired:
            sys.exit(f"instructions: {row}: no end within 60 s")
        files = list(pathlib.Path(folder).iterdir())
        if done.returncode != 0 or len(files) != 2:
            sys.exit(f"instructions: {row}: {done.stderr}")
        return [file.read_text() for file in files]


def taken(luas, row, count):
    one, other = profiles(luas, row, count)
    if inclusive(one, SERVE) is not None:
        one, other = other, one
    return total(one), inclusive(other, SERVE)


def check(luas, row, limits):
    few, many = taken(luas, row, FEW), taken(luas, row, MANY)
    host, worker = [(b - a) / (MANY - FEW) for a, b in zip(few, many)]
    good = all(n <= (1 + MORE) * limit for n, limit in zip((host, worker), limits))
    print(f"{row:10} host {host:6.0f} (of {limits[0]:4})  worker {worker:6.0f} "
          f"(of {limits[1]:4})  {'ok' if good else 'MORE THAN BEFORE'}")
    return good


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: instructions.py LUAS")
    print("instructions a task, by valgrind; in brackets, when the limit was set")
    good = [check(sys.argv[1], row, limits) for row, limits in LIMITS.items()]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
