"""Measures luas beside its peers; see scripts/bench, which prepares all.

The environment names what was prepared: LUAS (the program) and BENCH (the
folder of what was built for this). A peer that is not there is left out, with
a note.
"""
import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import chart
import conditions
import measure
import report
import session
import works

LIMIT = 60  # seconds for one program
AGENTS = ["curl/7.88", "Mozilla/5.0", "luas", "bot"]


def options():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures luas beside its peers.")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help="runs of each program, in turn (default 5)")
    parser.add_argument("--only", metavar="ROW,ROW", help="these rows: "
                        + ", ".join(row.name for row in works.ROWS))
    unfair = parser.add_mutually_exclusive_group()
    unfair.add_argument("--busy", nargs="?", const="one", choices=("one", "all"),
                        help="a foreign process on one CPU, or on all")
    unfair.add_argument("--cold", action="store_true",
                        help="no warm-up; freed memory goes back to the machine before each program")
    unfair.add_argument("--first", action="store_true", help="the first call, its pool opened for it")
    parser.add_argument("--quick", action="store_true",
                        help="one round of a tenth of the work: to see that it runs")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", metavar="FILE.svg", help="draw the ratios there")
    given = parser.parse_args()
    given.condition = conditions.pick(given)
    given.rows = pick_rows(parser, given.condition.rows, given.only)
    given.rounds = given.condition.rounds if given.rounds is None else given.rounds
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    if given.quick:
        given.rounds = 1
    return given


def pick_rows(parser, rows, only):
    if only is None:
        return rows
    names = only.split(",")
    known = [row.name for row in rows]
    for name in names:
        if name not in known:
            parser.error(f"no row {name!r}; there are: {', '.join(known)}")
    return [row for row in rows if row.name in names]


# ---- the machine and who is there ----

VERSIONS = {
    "pool": ["/usr/bin/python3", "-V"],
    "joblib": ["/usr/bin/python3", "-c", "import joblib; print(joblib.__version__)"],
    "mce": ["perl", "-MMCE", "-e", "print MCE->VERSION"],
    "piscina": ["node", "-p", "'piscina ' + require('piscina').version + ', node ' "
                "+ process.version"],
    "parallel": ["parallel", "--version"],
    "xargs": ["xargs", "--version"],
}


def version(command, environment):
    """The first line that the command prints, or None."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().partition("\n")[0] if done.returncode == 0 else None


def versions(programs, environment):
    commands = VERSIONS | {"luas": [programs.luas_path, "-v"], "app": [programs.app, "-v"]}
    return {name: version(command, environment) for name, command in commands.items()}


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def machine(cpus):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (f"{cpus} CPUs of {processor()}, {memory:.0f} GiB, "
            f"Linux {platform.release()}")


# ---- the work ----

class Files:
    """The files that `stream` reads, made when they are asked for."""

    def __init__(self, folder):
        self.folder = folder

    def lines(self, count):
        path = f"{self.folder}/lines-{count}"
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.writelines(map(self.line, range(count)))
        return path

    @staticmethod
    def line(i):
        return (f"2026-01-02 10:{i // 60 % 60:02}:{i % 60:02} host-{i % 17} GET "
                f"/page/{i * 7919 % 1000} 200 {i * 31 % 65536} {AGENTS[i % 4]}\n")


def environment_for(folder):
    """Whatever a peer keeps in files goes where it is removed at the end."""
    built = os.environ["BENCH"]
    return os.environ | {
        "TMPDIR": folder, "JOBLIB_TEMP_FOLDER": folder, "PARALLEL_HOME": folder,
        "PYTHONDONTWRITEBYTECODE": "1", "NODE_PATH": f"{built}/node_modules", "LC_ALL": "C.UTF-8",
    }


class Bench:
    def __init__(self, given, folder, foreign):
        self.given, self.foreign = given, foreign
        self.environment = environment_for(folder) | given.condition.environment()
        self.luas = os.environ["LUAS"]
        self.cpus = self.ask_for_cpus()
        self.left = self.cpus  # what foreign processes have left of them in the last run of luas
        self.programs = works.Programs(
            self.luas, os.environ["BENCH"], self.cpus, Files(folder).lines)
        self.versions = versions(self.programs, self.environment)
        self.measured = [(row, self.figures(row)) for row in given.rows]

    def ask_for_cpus(self):
        """What luas counts, quotas too; every runner gets as many workers."""
        cpus = version([self.luas, "-e", "print(pool.cpus())"], self.environment)
        if cpus is None:
            sys.exit(f"bench: {self.luas} does not run")
        return int(cpus)

    def count(self, row, entry):
        part = 0.1 if self.given.quick else 1
        return max(1, round(row.count * entry.share * part))

    def figures(self, row):
        all_figures = []
        for entry in row.entries:
            figures = report.Figures(entry, self.count(row, entry) / row.count)
            if self.versions.get(entry.program, "") is None:
                figures.error = f"no {entry.program} here"
            all_figures.append(figures)
        return all_figures

    def run(self, row, entry):
        count = self.count(row, entry)
        if entry.program == "ideal":
            return measure.Run(sum(works.seconds(count)) / self.left)
        self.given.condition.prepare()
        began, taken = time.perf_counter(), self.foreign.taken()
        run = measure.run(self.programs.command(entry, count), row.result(count),
                          self.environment, LIMIT)
        if entry.label == works.LUAS:
            taken = self.foreign.taken() - taken
            self.left = self.cpus - taken / (time.perf_counter() - began)
        return run

    def round(self):
        """Each program once, in turn, those that failed before left out."""
        for row, all_figures in self.measured:
            print(f" {row.name}", end="", file=sys.stderr, flush=True)
            for entry, figures in zip(row.entries, all_figures):
                if figures.error is None:
                    figures.add(self.run(row, entry))
        print(file=sys.stderr)

    def rounds(self):
        for n in range(1, self.given.rounds + 1):
            print(f"round {n} of {self.given.rounds}:", end="", file=sys.stderr)
            self.round()

    def facts(self):
        return {"machine": machine(self.cpus), "cpus": self.cpus, "rounds": self.given.rounds,
                "condition": self.given.condition.text, "load": os.getloadavg()[0],
                "quick": self.given.quick, "versions": self.versions}

    def show(self):
        print(f"{machine(self.cpus)}; load {os.getloadavg()[0]:.1f}")
        if self.given.condition.text:
            print(self.given.condition.text)
        print("quick: a tenth of the work, once; these figures compare nothing"
              if self.given.quick else
              f"medians of {self.given.rounds} runs; half of their spread; the least; ratio to the row's "
              "reference")
        print("; ".join(f"{name}: {text or 'not here'}" for name, text in self.versions.items()))
        for row, figures in self.measured:
            report.show(row, figures)
        report.summary(self.measured)


def main():
    given = options()
    session.end_on_signals()
    folder = tempfile.mkdtemp(prefix="luas-bench-")
    try:
        with conditions.Foreign(given.condition.busy) as foreign:
            bench = Bench(given, folder, foreign)
            bench.rounds()
        bench.show()
        if given.json:
            report.write_json(given.json, bench.facts(), bench.measured)
        if given.plot:
            chart.write(given.plot, machine(bench.cpus), bench.measured)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
