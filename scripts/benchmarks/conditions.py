"""Conditions that are not fair: foreign processes on CPUs, cold memory, a first call.

Each has rows of its own, made of those of works.py, and targets of its own. A row's ratios are
of programs that ran in turn under the same condition.
"""
import dataclasses
import os
import subprocess
import sys
import time

from works import (EXECUTOR, FORK, IDEAL, LUAS, LUAS_C, MCE, PIPE, PISCINA, POOL, ROWS, Entry, Row,
                   Target, limit, luas, peers, within)

FOREIGN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
bench = os.getppid()
while os.getppid() == bench:
    for _ in range(1000000):
        pass
"""

SETTLE = 2.5  # seconds after which a machine has handed on what memory was freed


def part(peer, share):
    return Target(f"at most {share:g} of {peer}", lambda of: of(LUAS) / of(peer), share, False)


def part_of_best(share):
    names = (POOL, EXECUTOR, MCE)

    def value(of):
        return of(LUAS) / min(of(name) for name in names)

    return Target(f"at most {share:g} of the best of {', '.join(names)}", value, share, False)


def row(name, *targets, leave_out=()):
    """A row of works.py with other targets."""
    made = next(row for row in ROWS if row.name == name)
    entries = [entry for entry in made.entries if entry.label not in leave_out]
    return dataclasses.replace(made, entries=entries, targets=list(targets))


def busy_rows():
    return [row("rtt", within(PIPE, 3), leave_out=("joblib",)),
            row("tiny", part(POOL, 0.03), leave_out=("luas, default options", "joblib")),
            row("cheap", part(POOL, 0.2), leave_out=("joblib", EXECUTOR, PISCINA)),
            row("rows", part(POOL, 0.3), leave_out=("joblib", EXECUTOR, PISCINA)),
            row("blob", part_of_best(0.7), leave_out=("joblib",)),
            row("mega", part_of_best(0.7)),
            row("start", within(FORK, 2.5), leave_out=("joblib", "GNU parallel")),
            row("cpu", within(IDEAL, 1.05), leave_out=("joblib", "GNU parallel")),
            row("many")]


def cold_rows():
    return [row("cheap", part(POOL, 0.3), leave_out=("joblib", EXECUTOR, PISCINA)),
            row("rows", part(POOL, 0.3), leave_out=("joblib", EXECUTOR, PISCINA)),
            row("blob", part_of_best(0.8), leave_out=("joblib",)),
            row("mega", part_of_best(0.8))]


VERBS = ("map", "imap", "each", "reduce", "apply_async", "map_async", "broadcast")

FORKED = "raw fork, a byte there and back"


def first_rows():
    return [Row("first", "open a pool of as many workers as CPUs, one call: the first of its process",
                1, lambda n: n,
                [luas("first_apply"), *(luas(f"first_{verb}", f"luas, {verb}") for verb in VERBS),
                 Entry(LUAS_C, "app", "first"), limit(FORKED, "first"),
                 *peers("first", pool=1, executor=1, piscina=1)],
                [within(FORKED, 3)]),
            Row("again", "the same once more, in a process that has had a pool",
                1, lambda n: n,
                [luas("again_apply"), limit(FORKED, "first"),
                 *peers("again", pool=1, executor=1, piscina=1)],
                [within(FORKED, 3)])]


class Foreign:
    """Processes that keep the first `count` CPUs busy; use as a context manager."""

    def __init__(self, count):
        cpus = sorted(os.sched_getaffinity(0))[:count]
        self.processes = [subprocess.Popen([sys.executable, "-c", FOREIGN, str(cpu)]) for cpu in cpus]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def taken(self):
        """CPU seconds that they have had."""
        return sum(self._taken(process.pid) for process in self.processes)

    @staticmethod
    def _taken(pid):
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9


@dataclasses.dataclass
class Condition:
    text: str
    rows: list
    busy: int = 0        # CPUs that have a foreign process
    cold: bool = False   # no warm-up, and memory is given back before each program
    rounds: int = 5

    def environment(self):
        return {"BENCH_COLD": "1"} if self.cold else {}

    def prepare(self):
        if self.cold:
            time.sleep(SETTLE)


def pick(given):
    """The condition that the options ask for."""
    every = len(os.sched_getaffinity(0))
    if given.busy:
        busy = 1 if given.busy == "one" else every
        return Condition(f"a foreign process on {'one CPU' if busy == 1 else 'each CPU'}", busy_rows(),
                         busy=busy)
    if given.cold:
        return Condition("fresh processes, memory given back before", cold_rows(), cold=True)
    if given.first:
        return Condition("the first call", first_rows(), rounds=15)
    return Condition("", ROWS)
