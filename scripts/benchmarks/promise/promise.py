"""What luas and Python's pools do when tasks go wrong, side by side.

    scripts/bench --promise [--limit SECONDS]

The promise: every task ends in exactly one outcome, which names its input, and
no other task is disturbed. Each case has 40 tasks on two workers, runs under a
hard limit, and is ended with all that it started.
"""
import argparse
import os
import pathlib
import signal
import textwrap
import threading
import time

from session import Session, end_on_signals

HERE = pathlib.Path(__file__).resolve().parent
TASKS, BAD = 40, 3
GRACE = 1.0  # seconds that processes have to leave after their host

CASES = {
    "killed": "task 3 of 40 kills its worker with SIGKILL",
    "exit": "task 3 of 40 exits, with status 7",
    "initializer": "the function that prepares each worker raises an error",
    "timeout": "task 3 of 40 never ends; 0.5 s are allowed",
    "orphans": "the host is killed while two tasks run",
}


def runners():
    python = ["/usr/bin/python3", str(HERE / "mishaps.py")]
    return {
        "luas": [os.environ["LUAS"], "-j", "2", str(HERE / "mishaps.lua")],
        "multiprocessing.Pool": [*python, "pool"],
        "ProcessPoolExecutor": [*python, "executor"],
    }


class Watch:
    """Notes every process that it sees in a session, as long as it is on."""

    def __init__(self, session):
        self.session, self.seen, self.done = session, set(), threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.done.wait(0.02):
            self.seen.update(self.session.pids())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


class Story:
    """What one runner did in one case."""

    def __init__(self):
        self.values, self.failed = set(), {}
        self.raised, self.usable, self.hung = None, False, False
        self.seconds = 0.0
        self.seen = self.left = 0  # processes
        self.complaint, self.status = "", None

    def take(self, line):
        word, *rest = line.split("\t")
        if word == "value":
            self.values.add(int(rest[0]))
        elif word == "failed":
            self.failed[int(rest[0])] = rest[1]
        elif word == "raised":
            self.raised = rest[0]
        elif word == "usable":
            self.usable = True


def read(session, story, limit):
    """Takes what the host says to its end; kills it once it is `ready`."""
    try:
        for _, line in session.lines(time.perf_counter() + limit):
            story.take(line)
            if line == "ready":
                session.host.send_signal(signal.SIGKILL)
    except TimeoutError:
        story.hung = True


def left(session):
    """How many processes outlive the host by more than the grace."""
    deadline = time.perf_counter() + GRACE
    while (pids := session.pids()) and time.perf_counter() < deadline:
        time.sleep(0.02)
    return len(pids)


def tell(command, limit):
    story = Story()
    with Session(command) as session:
        begin = time.perf_counter()
        with Watch(session) as watch:
            read(session, story, limit)
        story.seconds, story.seen = time.perf_counter() - begin, len(watch.seen)
        if not story.hung:
            story.left, story.status = left(session), session.host.returncode
        story.complaint = session.complaint()
    return story


# ---- in words ----

def short(reason):
    return textwrap.shorten(reason, 90, placeholder="...")


def blame(story):
    if set(story.failed) == {BAD}:
        return f"names task {BAD} ({short(story.failed[BAD])})"
    if BAD in story.failed:
        return f"{len(story.failed)} tasks failed alike ({short(story.failed[BAD])})"
    if story.failed:
        return f"{len(story.failed)} other tasks failed"
    return ""


def tasks_in_words(story):
    lost = TASKS - len(story.values) - len(story.failed)
    return [f"{len(story.values)} values", blame(story),
            f"{lost} without an outcome" if lost else ""]


def ending_in_words(story):
    return [
        f"raised {short(story.raised)}" if story.raised else "",
        "the pool works on" if story.usable else "",
        f"HUNG, ended after {story.seconds:.0f} s" if story.hung else f"{story.seconds:.1f} s",
        f"at least {story.seen - 1} processes started" if story.seen > 8 else "",
        f"LEFT {story.left} processes" if story.left else "",
        f"exit status {story.status}: {story.complaint}" if story.status else "",
    ]


def in_words(case, story):
    if case == "orphans":
        return f"LEFT {story.left} processes" if story.left else "no process left after 1 s"
    return "; ".join(filter(None, tasks_in_words(story) + ending_in_words(story)))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench --promise")
    parser.add_argument("--limit", type=float, default=8, metavar="SECONDS",
                        help="for each case of each runner (default 8)")
    limit = parser.parse_args().limit
    end_on_signals()
    for case, text in CASES.items():
        print(f"\n{case}: {text}")
        for name, command in runners().items():
            print(f"  {name:22} {in_words(case, tell([*command, case], limit))}", flush=True)


if __name__ == "__main__":
    main()
