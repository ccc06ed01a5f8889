"""One-liners and sources of lines beside what people use for them.

    scripts/bench --lines [--rounds N] [--lines N] [--only ROW,ROW]

CPU seconds of each program and of all that it starts, by turns in one run, over a file of log lines:
the work is shared among cores, so on idle ones the time by the clock is a part of that. What all
programs of a row print must be the same.
"""
import argparse
import dataclasses
import hashlib
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

LUAS = os.environ["LUAS"]
RUNNERS = pathlib.Path(__file__).resolve().with_name("runners")
LEVELS = ["INFO", "ERROR", "WARN", "DEBUG"]
LIMIT = 300  # seconds for one program


@dataclasses.dataclass
class Row:
    text: str
    luas: str          # $L is luas, $F the file; each is a line of sh
    others: dict
    targets: dict      # of the time of these at most so much
    lines: float = 1   # the share of the lines that the row has
    same: bool = True  # the output says what was done


MCE = f"perl {RUNNERS / 'lines.pl'}"
POOL = f"/usr/bin/python3 {RUNNERS / 'lines.py'}"
SORT = "LC_ALL=C sort"

ROWS = {
    "count": Row("lines that have a word", """$L --where '_:find"ERROR"' --count $F""", {
        "MCE": f"{MCE} count $F", "mp.Pool": f"{POOL} count $F",
        "parallel --pipepart perl": "parallel --pipepart -a $F --block -2 "
                                    "'perl -ne \"\\$n++ if /ERROR/; END {print \\$n+0, qq(\\n)}\"'"
                                    " | awk '{n += $1} END {print n}'",
        "perl": "perl -ne '$n++ if /ERROR/; END {print $n+0, qq(\\n)}' $F",
        "mawk": "mawk '/ERROR/ {n++} END {print n+0}' $F",
    }, {"MCE": 0.7, "mp.Pool": 0.4, "parallel --pipepart perl": 0.7}),
    "imap": Row("a result for each line, back in the host", f"$L {RUNNERS / 'lines.lua'} $F", {
        "MCE": f"{MCE} each $F", "mp.Pool": f"{POOL} each $F",
    }, {"MCE": 1.0, "mp.Pool": 0.7}),
    "column": Row("the third field", "$L -p 'F[3]' $F", {
        "mawk": "mawk '{print $3}' $F", "cut": "cut -d ' ' -f 3 $F",
    }, {"mawk": 1.5}),
    "fields": Row("the number of fields", "$L -p '#F' $F", {"mawk": "mawk '{print NF}' $F"}, {"mawk": 1.5}),
    "sum": Row("a sum for each key", "$L --by 'F[2]' --sum 'F[-1]' $F", {
        "mawk": f"mawk '{{s[$2] += $NF}} END {{for (k in s) printf \"%s\\t%d\\n\", k, s[k]}}' $F | {SORT}",
    }, {"mawk": 1.5}),
    "stdin": Row("lines of stdin that have a word", """cat $F | $L --where '_:find"ERROR"' --count""", {
        "parallel --pipe perl": "cat $F | parallel --pipe --block 1M "
                                "'perl -ne \"\\$n++ if /ERROR/; END {print \\$n+0, qq(\\n)}\"'"
                                " | awk '{n += $1} END {print n}'",
    }, {"parallel --pipe perl": 0.5}),
    "run": Row("a command for each of 500 lines", "head -500 $F | $L --run 'true #'", {
        "parallel": "head -500 $F | parallel -k true '#'", "xargs": "head -500 $F | xargs -P 2 -d '\\n' -n 1 true",
    }, {"parallel": 0.3}, same=False),
}


def make_file(path, lines):
    chance = random.Random(1)
    with open(path, "w", encoding="ascii") as file:
        for i in range(lines):
            file.write(f"2026-12-{i % 28 + 1:02} {chance.choice(LEVELS)} user{chance.randrange(1000):05} "
                       f"/page/{chance.randrange(9999)} took {chance.randrange(10000)}\n")


def run(line, path):
    """CPU and wall seconds, and what the output's hash is."""
    command = line.replace("$L", LUAS).replace("$F", path)
    began = time.perf_counter()
    with subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        output = hashlib.md5()
        while data := process.stdout.read(1 << 16):
            output.update(data)
        complaint = process.stderr.read().decode(errors="replace").strip()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench: exit status {process.returncode}: {command}\n{complaint}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - began, output.hexdigest()


def measure(row, path, rounds):
    """The median CPU and wall seconds by program, luas first."""
    programs = {"luas": row.luas} | {name: line for name, line in row.others.items() if is_there(line)}
    figures = {name: [] for name in programs}
    for _ in range(rounds):
        outputs = set()
        for name, line in programs.items():
            cpu, wall, output = run(line, path)
            figures[name].append((cpu, wall))
            outputs.add(output)
        if row.same and len(outputs) > 1:
            sys.exit(f"bench: not all print the same: {row.text}")
    return {name: [statistics.median(column) for column in zip(*all_runs)] for name, all_runs in figures.items()}


def is_there(line):
    words = line.replace("cat $F |", "").replace("head -500 $F |", "").split()
    if words[0] == "perl" and "lines.pl" in line:
        return subprocess.run(["perl", "-MMCE", "-e", "1"], capture_output=True).returncode == 0
    return shutil.which(words[0]) is not None


def show(row, figures):
    ours = figures["luas"][0]
    print(f"{row.text}:")
    for name, (cpu, wall) in figures.items():
        ratio, goal = ours / cpu, row.targets.get(name)
        said = "" if name == "luas" else f"  luas takes {ratio:.2f} of it"
        if goal is not None:
            said += f", {'met' if ratio <= goal else 'missed'}: at most {goal:g}"
        print(f"  {name:26} {cpu:6.2f} s CPU {wall:6.2f} s wall{said}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench --lines")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1500000)
    parser.add_argument("--only", help="these rows: " + ", ".join(ROWS))
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(ROWS)
    for name in names:
        if name not in ROWS:
            parser.error(f"no row {name!r}; there are: {', '.join(ROWS)}")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/log"
        make_file(path, given.lines)
        for name in names:
            show(ROWS[name], measure(ROWS[name], path, given.rounds))


main()
