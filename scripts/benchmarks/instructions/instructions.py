#!/usr/bin/python3
"""Instructions that a task takes in the host and in its worker, and a start.

    instructions.py LUAS

Times are noise on a busy machine; instructions are the same again, so what a
change adds to every task shows here. Valgrind counts them, for two lengths of
each work: the difference is what a task takes, with the script's own making of
its input. Fails where that is more than the limit: what was counted when it was
set, and MORE of it, for other compilers and processors. On a busy machine the host
wakes for fewer results at a time, which costs it up to a fifth more (one program gave
575 to 714 for a task with an integer, in turn with the one before it, and at least 662
in eight counts on another day): so what is over its limit is counted again, TRIES times
in all, and the least is taken. Who makes a task cheaper sets the limit anew.

Two costs come without tasks: a start, with nothing but the interpreter and with
the library opened by a first verb; and, where each task has a worker of its own,
the share of the host's work that goes into comparing modules. (How often the host
looks for results in the seconds that valgrind takes for a fork is chance: only
the share is not.)
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
MORE = 0.1
TRIES = 8

# Of a task, in the host and in the worker.
LIMITS = {
    "integers": (660, 535),
    "ones": (2650, 2120),
    "inherited": (410, 525),
    "strings": (4250, 1950),
    "tables": (9800, 7200),
    "futures": (96500, 5900),
}

# Of a start, without what the dynamic linker does.
STARTS = {
    "x=1": 870000,
    "pool.cpus()": 5900000,
}

# Of all that the host does for so many tasks, each with a worker of its own.
RENEWED, SHARE = 40, 0.05
COMPARE = "luas__table_watch_same"


def total(profile):
    return int(re.search(r"^totals: (\d+)", profile, re.MULTILINE)[1])


def inclusive(profile, function):
    """What a function that does not call itself took, with all that it called; or None."""
    name = re.search(rf"^c?fn=\((\d+)\) {function}$", profile, re.MULTILINE)
    if name is None:
        return None
    call = rf"^cfn=\({name[1]}\).*\ncalls=\d+ .*\n\S+ (\d+)$"
    return sum(map(int, re.findall(call, profile, re.MULTILINE)))


def run(what, *command):
    """The profiles that callgrind makes of the command: the host's, and those of others."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p"]
        with subprocess.Popen([*valgrind, *command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as host:
            try:
                said = host.communicate(timeout=300)[1]
            except subprocess.TimeoutExpired:
                host.kill()
                sys.exit(f"instructions: {what}: no end within 300 s")
        files = {int(file.name): file.read_text() for file in pathlib.Path(folder).iterdir()}
        if host.returncode != 0 or host.pid not in files:
            sys.exit(f"instructions: {what}: {said}")
        return files.pop(host.pid), list(files.values())


def taken(luas, row, count):
    host, others = run(row, luas, "-j", "1", str(SCRIPT), row, str(count))
    if len(others) != 1:
        sys.exit(f"instructions: {row}: {len(others)} workers")
    return total(host), inclusive(others[0], SERVE)


def verdict(good):
    return "ok" if good else "MORE THAN BEFORE"


def a_task(luas, row):
    few, many = taken(luas, row, FEW), taken(luas, row, MANY)
    return [(b - a) / (MANY - FEW) for a, b in zip(few, many)]


def within(counts, limits):
    return all(n <= (1 + MORE) * limit for n, limit in zip(counts, limits))


def check_task(luas, row, limits):
    counts = a_task(luas, row)
    for _ in range(TRIES - 1):
        if not within(counts, limits):
            counts = [min(pair) for pair in zip(counts, a_task(luas, row))]
    good, (host, worker) = within(counts, limits), counts
    print(f"{row:10} host {host:6.0f} (of {limits[0]:4})  worker {worker:6.0f} "
          f"(of {limits[1]:4})  {verdict(good)}")
    return good


def check_start(luas, code, limit):
    taken_by_main = inclusive(run(code, luas, "-e", code)[0], "main")
    good = taken_by_main <= (1 + MORE) * limit
    print(f"-e {code:12} {taken_by_main:8} (of {limit})  {verdict(good)}")
    return good


def check_renewed(luas):
    host, _ = run("renewed", luas, "-j", "2", str(SCRIPT), "renewed", str(RENEWED))
    compared = inclusive(host, COMPARE)
    if not compared:
        sys.exit(f"instructions: renewed: no call of {COMPARE}")
    share = compared / total(host)
    good = share <= SHARE
    print(f"renewed    comparing modules: {share:.2%} of the host (of {SHARE:.0%})  {verdict(good)}")
    return good


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: instructions.py LUAS")
    print("instructions a task and a start, by valgrind; in brackets, when the limit was set")
    luas = sys.argv[1]
    good = [check_task(luas, row, limits) for row, limits in LIMITS.items()]
    good += [check_start(luas, code, limit) for code, limit in STARTS.items()]
    good.append(check_renewed(luas))
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
