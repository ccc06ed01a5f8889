"""What Python's pools do when things go wrong: one case of promise.py.

    mishaps.py pool|executor CASE

Says `value I` or `failed I REASON` for each task that has come to an end,
`raised REASON` when the job as a whole fails, and `usable` when the pool still
does another job afterwards. Each is used as its manual advises for the case.
"""
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import time

TASKS = range(1, 41)
BAD = 3
SECONDS = 0.5  # to wait for a task, in the case `timeout`


def say(*words):
    print(*words, sep="\t", flush=True)


def reason(error):
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def same(i):
    return i


def killed(i):
    time.sleep(0.02)
    if i == BAD:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def leaves(i):
    time.sleep(0.02)
    if i == BAD:
        os._exit(7)
    return i


def endless(i):
    while i == BAD:
        pass
    return i


def forever(_):
    while True:
        pass


def no_database():
    raise RuntimeError("no database")


def settle(i, get):
    try:
        say("value", i, get())
    except Exception as error:
        say("failed", i, reason(error))


def settle_all(tasks, ready, get):
    """Each as it ends, so that one which never does hides no other."""
    while tasks:
        for i, task in [(i, task) for i, task in tasks.items() if ready(task)]:
            settle(i, lambda: get(tasks.pop(i)))
        time.sleep(0.01)


def settle_in_time(tasks, get):
    for i, task in tasks.items():
        settle(i, lambda: get(task, SECONDS))


def use(again):
    if list(again(same, range(4))) == [0, 1, 2, 3]:
        say("usable")


def run_pool(f, initializer=None, in_time=False):
    with multiprocessing.Pool(2, initializer) as pool:
        tasks = {i: pool.apply_async(f, (i,)) for i in TASKS}
        if in_time:
            settle_in_time(tasks, lambda task, seconds: task.get(seconds))
        else:
            settle_all(tasks, lambda task: task.ready(), lambda task: task.get())
        use(pool.map)
        pool.close()
        pool.join()


def run_executor(f, initializer=None, in_time=False):
    with concurrent.futures.ProcessPoolExecutor(2, initializer=initializer) as pool:
        tasks = {i: pool.submit(f, i) for i in TASKS}
        if in_time:
            settle_in_time(tasks, lambda task, seconds: task.result(seconds))
        else:
            settle_all(tasks, lambda task: task.done(), lambda task: task.result())
        use(pool.map)


def hold_pool():
    with multiprocessing.Pool(2) as pool:
        pool.map_async(forever, [1, 2], 1)
        time.sleep(0.5)
        say("ready")
        pool.close()
        pool.join()


def hold_executor():
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        pool.submit(forever, 1)
        pool.submit(forever, 2)
        time.sleep(0.5)
        say("ready")


RUN = {"pool": run_pool, "executor": run_executor}
HOLD = {"pool": hold_pool, "executor": hold_executor}


def main(runner, case):
    run = RUN[runner]
    cases = {
        "killed": lambda: run(killed),
        "exit": lambda: run(leaves),
        "initializer": lambda: run(same, initializer=no_database),
        "timeout": lambda: run(endless, in_time=True),
        "orphans": HOLD[runner],
    }
    try:
        cases[case]()
    except Exception as error:
        say("raised", reason(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
