"""The rows in Python: multiprocessing.Pool, ProcessPoolExecutor and joblib.

    python.py PEER ROW COUNT CPUS [FILE]

Says how many `seconds` the work took and a `result` that shows that it was done.
Each peer is used as its manual shows, and is warm before the clock starts.
"""
import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import sys
import time

CHUNK = 1000  # lines that travel together in `stream`, where the default is 1


@contextlib.contextmanager
def clock():
    begin = time.perf_counter()
    yield
    print(f"seconds {time.perf_counter() - begin:.9f}")


def same(x):
    return x


def square(x):
    return x * x


def raise_price(row):
    return {"id": row["id"], "name": row["name"], "price": row["price"] + 1}


def words(line):
    return len(line.split())


def block(_):
    return b"x" * (4 << 20)


def megabyte(_):
    return b"x" * (1 << 20)


def spin(seconds):
    """CPU time, so that a crowded machine cannot do the work for the runner."""
    stop = time.process_time() + seconds
    while time.process_time() < stop:
        pass
    return 1


captured = None


def look_up(i):
    return captured[i * 1000]


def look_up_in(table, i):
    return table[i * 1000]


def integers(n):
    return list(range(1, n + 1))


def price_list(n):
    return [{"id": i, "name": f"row {i % 100}", "price": i / 4} for i in integers(n)]


def lengths(n):
    return [(1 + 49 * ((i * 7919 % 200) / 199) ** 3) / 1000 for i in integers(n)]


def captured_table():
    return [i * 2 for i in range(1000001)]


def peak():
    """The most memory that this process has had, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


class Pool:
    """multiprocessing.Pool"""

    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers)

    def map(self, f, items, chunk=None):
        return self.pool.map(f, items, chunk)

    def apply(self, f, x):
        return self.pool.apply(f, (x,))

    def imap(self, f, source):
        return self.pool.imap(f, source, CHUNK)

    def close(self):
        self.pool.close()
        self.pool.join()


class Executor:
    """concurrent.futures.ProcessPoolExecutor"""

    def __init__(self, workers):
        self.pool = concurrent.futures.ProcessPoolExecutor(workers)

    def map(self, f, items, chunk=None):
        return list(self.pool.map(f, items, chunksize=chunk or 1))

    def apply(self, f, x):
        return self.pool.submit(f, x).result()

    def imap(self, f, source):
        return self.pool.map(f, source, chunksize=CHUNK)

    def close(self):
        self.pool.shutdown()


class Joblib:
    """joblib.Parallel, with the processes that it keeps between calls"""

    def __init__(self, workers):
        import joblib
        self.delayed = joblib.delayed
        self.pool = joblib.Parallel(n_jobs=workers)

    def map(self, f, items, chunk=None):
        return self.pool(self.delayed(f)(x) for x in items)

    def apply(self, f, x):
        return self.pool([self.delayed(f)(x)])[0]

    def close(self):
        from joblib.externals.loky import get_reusable_executor
        get_reusable_executor().shutdown(wait=True)


@contextlib.contextmanager
def opened(peer, workers):
    pool = peer(workers)
    yield pool
    pool.close()


def mapped(peer, cpus, f, items, chunk=None):
    with opened(peer, cpus) as pool:
        for _ in range(0 if "BENCH_COLD" in os.environ else 3):
            pool.map(f, items[:8], 1)
        with clock():
            return pool.map(f, items, chunk)


def tiny(peer, n, cpus):
    return sum(mapped(peer, cpus, same, integers(n), 1))


def cheap(peer, n, cpus):
    return sum(mapped(peer, cpus, square, integers(n)))


def rows(peer, n, cpus):
    results = mapped(peer, cpus, raise_price, price_list(n))
    assert [row["id"] for row in results] == integers(n)
    return int(4 * sum(row["price"] for row in results))


def blob(peer, n, cpus):
    return sum(len(b) for b in mapped(peer, cpus, block, integers(n)))


def mega(peer, n, cpus):
    return sum(len(b) for b in mapped(peer, cpus, megabyte, integers(n)))


def rtt(peer, n, cpus):
    with opened(peer, cpus) as pool:
        pool.map(same, integers(8), 1)
        with clock():
            return sum(pool.apply(same, i) == i for i in range(n))


def start(peer, n, _):
    done = 0
    with clock():
        for _ in range(n):
            with opened(peer, 8) as pool:
                done += len(pool.map(same, integers(8), 1))
    return done


def first(peer, _, cpus):
    with contextlib.ExitStack() as stack:
        with clock():
            return stack.enter_context(opened(peer, cpus)).apply(same, 1)


def again(peer, n, cpus):
    with opened(peer, cpus) as pool:
        pool.apply(same, 1)
    return first(peer, n, cpus)


def capture(peer, n, cpus):
    """Workers inherit a global: the pool is opened once that is there."""
    global captured
    captured = captured_table()
    items = integers(n)
    with clock():
        with opened(peer, cpus) as pool:
            results = pool.map(look_up, items, max(1, n // (4 * cpus)))
    return sum(results)


def capture_sent(peer, n, cpus):
    """The table travels with the function."""
    f = functools.partial(look_up_in, captured_table())
    items = integers(n)
    with clock():
        with opened(peer, cpus) as pool:
            results = pool.map(f, items)
    return sum(results)


def cpu(peer, n, cpus):
    with opened(peer, cpus) as pool:
        pool.map(spin, [0] * 8, 1)
        with clock():
            return sum(pool.map(spin, lengths(n), 1))


def stream(peer, _, cpus, path):
    with opened(peer, cpus) as pool, open(path, encoding="utf-8") as lines:
        pool.map(words, ["a"] * 8, 1)
        with clock():
            total = sum(pool.imap(words, lines))
        print(f"peak {peak()}")
    return total


PEERS = {"pool": Pool, "executor": Executor, "joblib": Joblib}
ROWS = {"tiny": tiny, "first": first, "again": again, "cheap": cheap, "rows": rows, "blob": blob, "mega": mega,
        "rtt": rtt, "start": start,
        "captured": capture, "captured_sent": capture_sent, "cpu": cpu, "stream": stream}


def main(peer, row, count, cpus, *rest):
    print(f"result {ROWS[row](PEERS[peer], int(count), int(cpus), *rest)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
