"""What a journal costs a task, and what joblib.Memory takes to store and to find a result.

   scripts/bench --journal [ROUNDS]
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LUAS = os.environ["LUAS"]
TASKS, MANY, CACHED = 20_000, 1_000_000, 500


def luas(mode, file, n):
    """Seconds for n tiny tasks."""
    command = [LUAS, os.path.join(HERE, "runners", "journal.lua"), mode, file, str(n)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def stored_and_found(folder, n):
    """Microseconds a task: a map that stores, the same map again, the map without a journal."""
    file = os.path.join(folder, "run.db")
    for end in ("", "-wal", "-shm"):
        if os.path.exists(file + end):
            os.remove(file + end)
    return [1e6 / n * seconds for seconds in (luas("store", file, n), luas("hit", file, n), luas("plain", file, n))]


def joblib_times(folder):
    """Microseconds a call: stored, and found. None without joblib."""
    try:
        from joblib import Memory
    except ImportError:
        return None
    cache = os.path.join(folder, "cache")
    shutil.rmtree(cache, ignore_errors=True)

    def task(x):
        return x + 1

    cached = Memory(cache, verbose=0).cache(task)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        for i in range(CACHED):
            cached(i)
        times.append((time.perf_counter() - began) / CACHED * 1e6)
    return times


def show(what, figures, target=None):
    middle = statistics.median(figures)
    text = f"  {what:<58} {middle:10.3g}"
    if target is not None:
        text += f"  target: at most {target}, {'met' if middle <= target else 'MISSED'}"
    print(text, flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        tiny = [stored_and_found(folder, TASKS) for _ in range(rounds)]
        many = stored_and_found(folder, MANY)
        peers = [joblib_times(folder) for _ in range(min(rounds, 3))]
    print(f"{TASKS} tiny tasks, microseconds each, the middle of {rounds} rounds")
    show("with a journal", [t[0] for t in tiny])
    show("without one", [t[2] for t in tiny])
    show("what the journal adds", [t[0] - t[2] for t in tiny], 2)
    show("with a journal, times without", [t[0] / t[2] for t in tiny], 3)
    print(f"{MANY} tasks, all of them done before")
    show("microseconds each", [many[1]])
    show("times a map that does them", [many[1] / many[2]], 1.5)
    if peers[0] is None:
        print("joblib: not here (Debian: python3-joblib)")
        return
    print("joblib.Memory, microseconds each")
    show("to store", [t[0] for t in peers])
    show("to find", [t[1] for t in peers])
    store, hit = (statistics.median(t[i] for t in peers) for i in (0, 1))
    show("luas to store, times joblib", [t[0] / store for t in tiny], 0.01)
    show("luas to find, times joblib", [t[1] / hit for t in tiny], 0.05)


main()
