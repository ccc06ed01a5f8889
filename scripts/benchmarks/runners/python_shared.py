"""The rows of what processes share, in Python's multiprocessing.

    python_shared.py ROW COUNT CPUS

Two processes do the work at once. Says how many `seconds` it took and a `result`
that shows that it was done.
"""
import multiprocessing
import sys
import time


def run(gate, ready, results, work):
    ready.release()
    gate.wait()
    results.put(work() or 0)


def timed(first, second=None):
    """From the moment when both are let go until both have ended."""
    gate, ready, results = (multiprocessing.Event(), multiprocessing.Semaphore(0),
                            multiprocessing.Queue())
    both = [multiprocessing.Process(target=run, args=(gate, ready, results, work))
            for work in (first, second or first)]
    for process in both:
        process.start()
    for _ in both:
        ready.acquire()
    begin = time.perf_counter()
    gate.set()
    total = sum(results.get() for _ in both)
    for process in both:
        process.join()
    print(f"seconds {time.perf_counter() - begin:.9f}")
    return total


def through_queue(size):
    def row(n):
        queue, item = multiprocessing.Queue(), b"x" * size

        def put():
            for _ in range(n):
                queue.put(item)

        return timed(put, lambda: sum(len(queue.get()) for _ in range(n)))
    return row


def queue_rtt(n):
    there, back = multiprocessing.Queue(), multiprocessing.Queue()

    def ask():
        for i in range(1, n + 1):
            there.put(i)
            back.get()

    def answer():
        total = 0
        for _ in range(n):
            i = there.get()
            total += i
            back.put(i)
        return total

    return timed(ask, answer)


def value(n):
    v = multiprocessing.Value("q", 0)

    def add():
        for _ in range(n // 2):
            with v.get_lock():
                v.value += 1

    timed(add)
    return v.value


def lock(n):
    mutex, v = multiprocessing.Lock(), multiprocessing.Value("q", 0)

    def take():
        for _ in range(n // 2):
            mutex.acquire()
            mutex.release()
        with v.get_lock():
            v.value += n // 2

    timed(take)
    return v.value


def table(n):
    with multiprocessing.Manager() as manager:
        t, text = manager.dict(), "x" * 100

        def use():
            total = 0
            for i in range(1, n // 2 + 1):
                t[i % 1000] = text
                total += len(t[i % 1000])
            return total

        return timed(use)


ROWS = {"queue_16": through_queue(16), "queue_1k": through_queue(1 << 10),
        "queue_64k": through_queue(64 << 10), "queue_1m": through_queue(1 << 20),
        "queue_rtt": queue_rtt, "value": value, "lock": lock, "table": table}


def main(row, count, _):
    print(f"result {ROWS[row](int(count))}")


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    main(*sys.argv[1:])
