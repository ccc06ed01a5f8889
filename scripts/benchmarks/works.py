"""The rows of the benchmark: what is done, by whom, and what is aimed at."""
import dataclasses
import pathlib
import typing

RUNNERS = pathlib.Path(__file__).resolve().with_name("runners")

LUAS = "luas"
POOL = "multiprocessing.Pool"
EXECUTOR = "ProcessPoolExecutor"
JOBLIB = "joblib"
MCE = "Perl MCE"
PISCINA = "piscina (threads)"
PARALLEL = "GNU parallel"
XARGS = "xargs"
SERIAL = "serial Lua loop"
PIPE = "raw pipe"
FORK = "raw fork"
BARE = "bare fork, pipes and Lua"
GUARDED = "bare, with what guards workers"
SENDING = "guarded, the function sent"
IDEAL = "ideal"

LIMITS = {SERIAL, PIPE, FORK, BARE, GUARDED, SENDING, IDEAL, "raw pipe, kept"}


@dataclasses.dataclass
class Entry:
    """One column of a row. `share` is how much of the row's work it does, for
    the slow (below 1) and what is over too soon (above); times are of all."""
    label: str
    program: str
    work: str
    share: float = 1.0


@dataclasses.dataclass
class Target:
    text: str
    value: typing.Callable  # of a function that gives the median for a label
    goal: float
    at_least: bool


@dataclasses.dataclass
class Row:
    name: str
    text: str
    count: int
    result: typing.Callable  # what all programs must give, for a count
    entries: list
    targets: list
    reference: str = LUAS


def faster(peer, times, ours=LUAS):
    text = f"{times:g} times as fast as {peer}" if times != 1 else f"as fast as {peer}"
    if ours != LUAS:
        text = f"{ours}: {text}"
    return Target(text, lambda of: of(peer) / of(ours), times, True)


def within(limit, times):
    return Target(f"at most {times:g} times {limit}", lambda of: of(LUAS) / of(limit), times, False)


def seconds(n):
    """The lengths of the tasks of `cpu`, as every program computes them."""
    return [(1 + 49 * ((i * 7919 % 200) / 199) ** 3) / 1000 for i in range(1, n + 1)]


def triangle(n):
    return n * (n + 1) // 2


def peers(work, **shares):
    """An entry for each named peer, with its share of the work."""
    labels = {"pool": POOL, "executor": EXECUTOR, "joblib": JOBLIB, "mce": MCE,
              "piscina": PISCINA, "parallel": PARALLEL, "xargs": XARGS}
    return [Entry(labels[program], program, work, share) for program, share in shares.items()]


def luas(work, label=LUAS, share=1.0):
    return Entry(label, "luas", work, share)


def limit(label, work, share=1.0):
    return Entry(label, "limits", work, share)


def bare(work, label=BARE, share=1.0):
    return Entry(label, "bare", work, share)


MP = "Python's multiprocessing"


def shared(name, text, count, result, share, ratio):
    """A row of what processes share, in which Python does `share` of the work."""
    return Row(name, text, count, result,
               [Entry(LUAS, "luas_shared", name), Entry(MP, "shared", name, share)],
               [within(MP, ratio)])


SHIP, INHERIT = 'luas, carry = "ship"', 'luas, carry = "inherit"'


def carried(name, entries, shipped):
    """A row of who carries a captured table best, in which shipping does `shipped` of the work."""
    return Row(f"carry_{name}", "100 maps of 8 tasks, each as long as their median, over a captured "
               f"table of {entries} entries", 100,
               lambda n: n * 72 * (int(entries.replace(" ", "")) // 8),
               [luas(f"carry_{name}_auto"), luas(f"carry_{name}_ship", SHIP, shipped),
                luas(f"carry_{name}_inherit", INHERIT)],
               [Target("at most 1.3 times the better of both ways",
                       lambda of: of(LUAS) / min(of(SHIP), of(INHERIT)), 1.3, False)])


LUAS_DEFAULT = "luas, default options"
LUAS_C = "luas, from C"
LUAS_WARM = "luas, pool already open"
LUAS_TENTH = "luas, a tenth of the lines"
TWO = "2 workers"

ROWS = [
    Row("tiny", "20 000 tasks that return their argument, dealt one by one (joblib in batches)",
        20000, triangle,
        [luas("tiny"), luas("tiny_default", LUAS_DEFAULT), luas("tiny_serial", SERIAL),
         *peers("tiny", pool=1, executor=0.2, joblib=1, mce=1, piscina=1)],
        [faster(POOL, 12), faster(JOBLIB, 1, LUAS_DEFAULT)]),
    Row("cheap", "the squares of 1 000 000 integers, default options",
        1000000, lambda n: n * (n + 1) * (2 * n + 1) // 6,
        [luas("cheap"), luas("cheap_serial", SERIAL), bare("cheap"),
         *peers("cheap", pool=1, executor=0.005, joblib=0.1, mce=1, piscina=0.02)],
        [faster(POOL, 3.5), within(SERIAL, 2)]),
    Row("rows", "100 000 tables of three fields in, 100 000 out, default options",
        100000, lambda n: triangle(n) + 4 * n,
        [luas("rows"), luas("rows_serial", SERIAL), bare("rows"),
         *peers("rows", pool=1, executor=0.05, joblib=0.2, mce=1, piscina=0.1)],
        [faster(POOL, 3)]),
    Row("blob", "64 results of 4 MB",
        64, lambda n: n * (4 << 20),
        [luas("blob"), limit(PIPE, "blob"), limit("raw pipe, kept", "kept"),
         *peers("blob", pool=1, executor=1, joblib=1, mce=1, piscina=1)],
        [faster(POOL, 3), within(PIPE, 2)]),
    Row("mega", "256 results of 1 MB",
        256, lambda n: n << 20,
        [luas("mega"), *peers("mega", pool=1, executor=1, mce=1)],
        [faster(POOL, 2)]),
    Row("rtt", "5000 calls, one after the other",
        5000, lambda n: n,
        [luas("rtt"), limit(PIPE, "rtt"),
         *peers("rtt", pool=1, executor=1, joblib=0.01, piscina=1)],
        [within(PIPE, 1.5)]),
    Row("start", "open 8 workers, 8 tasks, close and wait",
        1, lambda n: 8 * n,
        [luas("start", share=20), Entry(LUAS_C, "app", "start", 20), limit(FORK, "start", share=200),
         bare("start", share=20), bare("guarded", GUARDED, share=20),
         bare("sending", SENDING, share=20),
         *peers("start", pool=10, executor=10, joblib=1, mce=3, piscina=1, parallel=2)],
        [within(FORK, 2),
         Target(f"{LUAS_C}: at most 1.5 times {LUAS}",
                lambda of: of(LUAS_C) / of(LUAS), 1.5, False)]),
    Row("captured", "1000 tasks over a captured table of 1 000 000 entries; opening and closing "
        "the pool counts",
        1000, lambda n: 1000 * n * (n + 1),
        [luas("captured"), luas("captured_warm", LUAS_WARM),
         *peers("captured", pool=1, executor=1, mce=1, piscina=1),
         Entry("multiprocessing.Pool, table sent", "pool", "captured_sent")],
        [faster(POOL, 5)]),
    carried("10k", "10 000", 1), carried("30k", "30 000", 1), carried("1m", "1 000 000", 0.1),
    Row("sandbox", "3000 calls, one after the other, of a function in an environment of its own",
        3000, triangle,
        [luas("sandbox"), luas("sandbox_none", "luas, the same in _G")],
        [within("luas, the same in _G", 1.5)]),
    Row("cpu", "200 tasks of 1 to 50 ms of CPU time",
        200, lambda n: n,
        [luas("cpu"), Entry(IDEAL, "ideal", "cpu"),
         *peers("cpu", pool=1, executor=1, joblib=1, mce=1, piscina=1, parallel=0.25)],
        [within(IDEAL, 1.03)]),
    Row("stream", "the words of each of 1 000 000 lines of a file, results back in the host",
        1000000, lambda n: 8 * n,
        [luas("stream"), luas("stream", LUAS_TENTH, 0.1), luas("stream_serial", SERIAL),
         *peers("stream", pool=1, mce=1, xargs=1, parallel=0.25)],
        [faster(XARGS, 1),
         Target("peak memory at most 1.5 times that for a tenth of the lines",
                lambda of: of(LUAS, "peak") / of(LUAS_TENTH, "peak"), 1.5, False)]),
    Row("many", "100 000 tasks that return their argument, as workers grow",
        100000, triangle,
        [luas(f"many_{n}", f"{n} worker{'s' if n > 1 else ''}") for n in (1, 2, 8, 64)]
        + [luas(f"many_ones_{n}", f"{n} workers, one by one") for n in (2, 8, 64)],
        [Target("64 workers: at most 1.5 times 2 workers",
                lambda of: of("64 workers") / of(TWO), 1.5, False),
         Target("64 workers, dealt one by one: at most 1.5 times 2 workers",
                lambda of: of("64 workers, one by one") / of("2 workers, one by one"), 1.5, False)],
        reference=TWO),
    shared("queue_16", "300 000 strings of 16 bytes through a queue", 300000,
           lambda n: 16 * n, 0.2, 0.1),
    shared("queue_1k", "200 000 strings of 1 KB through a queue", 200000,
           lambda n: n << 10, 0.2, 0.1),
    shared("queue_64k", "10 000 strings of 64 KB through a queue", 10000,
           lambda n: n << 16, 0.5, 0.25),
    shared("queue_1m", "500 strings of 1 MB through a queue", 500, lambda n: n << 20, 1, 0.5),
    shared("queue_rtt", "50 000 numbers there and back through two queues", 50000,
           triangle, 0.2, 0.15),
    shared("value", "1 000 000 additions to a shared number", 1000000, lambda n: n, 0.2, 0.15),
    shared("lock", "a lock taken 500 000 times", 500000, lambda n: n, 1, 1.2),
    shared("table", "50 000 times set and get of 100 bytes in a shared table", 50000,
           lambda n: 100 * n, 0.1, 0.05),
    Row("warm", "2000 warm maps of a function that captures a queue", 2000,
        lambda n: 2 * triangle(n),
        [Entry(LUAS, "luas_shared", "warm"),
         Entry("luas, capturing nothing", "luas_shared", "warm_none")],
        [within("luas, capturing nothing", 1.3)]),
]


class Programs:
    """The command line of each entry."""

    def __init__(self, luas_path, built, cpus, lines):
        self.luas_path, self.built, self.cpus, self.lines = luas_path, built, cpus, lines
        self.app = str(pathlib.Path(luas_path).parent / "benchmarks/app")

    def command(self, entry, count):
        rest = [str(count), str(self.cpus)]
        if entry.work.startswith("stream"):
            rest.append(self.lines(count))
        return [*self._program(entry), entry.work, *rest]

    def _program(self, entry):
        name = entry.program
        if name == "luas":
            return [self.luas_path, "-j", str(self.cpus), str(RUNNERS / "luas.lua")]
        if name == "app":
            return [self.app, str(RUNNERS / "app.lua")]
        if name == "luas_shared":
            return [self.luas_path, str(RUNNERS / "luas_shared.lua")]
        if name == "shared":
            return ["/usr/bin/python3", str(RUNNERS / "python_shared.py")]
        if name in ("limits", "bare"):
            return [f"{self.built}/{name}"]
        if name == "mce":
            return ["perl", str(RUNNERS / "mce.pl")]
        if name == "piscina":
            return ["node", str(RUNNERS / "piscina.js")]
        if name in ("parallel", "xargs"):
            return ["sh", str(RUNNERS / "split.sh"), name]
        return ["/usr/bin/python3", str(RUNNERS / "python.py"), name]
