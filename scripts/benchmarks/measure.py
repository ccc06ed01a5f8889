"""Runs one program of the benchmark once, and takes its time.

Each program says `begin` and `end` around its work, so that all are timed by
one clock, without the start of their interpreters; then `result` and a number
that shows that the work was done, and perhaps `peak` and bytes of memory.
"""
import dataclasses
import time

from session import Session


@dataclasses.dataclass
class Run:
    seconds: float = 0.0
    peak: int | None = None  # bytes
    error: str | None = None


def read_marks(session, limit):
    marks = {}
    for when, line in session.lines(time.perf_counter() + limit):
        word, _, value = line.partition(" ")
        marks[word] = when if word in ("begin", "end") else value
    return marks


def check(marks, expected, session):
    """What is wrong with a run, or None."""
    status = session.host.returncode
    if status != 0:
        return f"exit status {status}: {session.complaint()}"
    if "begin" not in marks or "end" not in marks:
        return "says no begin and end"
    result = float(marks.get("result", "nan"))
    if abs(result - expected) > 1e-9 * expected:
        return f"gave {marks.get('result')} where {expected} is right"
    return None


def run(command, expected, environment, limit):
    """Runs the command for at most `limit` seconds."""
    with Session(command, environment) as session:
        try:
            marks = read_marks(session, limit)
        except TimeoutError:
            return Run(error=f"no end within {limit} s")
        error = check(marks, expected, session)
        if error:
            return Run(error=error)
        peak = int(marks["peak"]) if "peak" in marks else None
        return Run(marks["end"] - marks["begin"], peak)
