"""Runs one program of the benchmark once, and takes what it says.

Each takes the time of its work itself, without the start of its interpreter
and with its peer warm: `seconds`. Then comes a `result`, a number that shows
that the work was done, and perhaps `peak`, bytes of memory.
"""
import dataclasses
import time

from session import Session


@dataclasses.dataclass
class Run:
    seconds: float = 0.0
    peak: int | None = None  # bytes
    error: str | None = None


def read_words(session, limit):
    said = {}
    for _, line in session.lines(time.perf_counter() + limit):
        word, _, value = line.partition(" ")
        said[word] = value
    return said


def check(said, expected, session):
    """What is wrong with a run, or None."""
    status = session.host.returncode
    if status != 0:
        return f"exit status {status}: {session.complaint()}"
    if "seconds" not in said:
        return "says no seconds"
    result = float(said.get("result", "nan"))
    if not abs(result - expected) <= 1e-9 * expected:
        return f"gave {said.get('result')} where {expected} is right"
    return None


def run(command, expected, environment, limit):
    """Runs the command for at most `limit` seconds."""
    with Session(command, environment) as session:
        try:
            said = read_words(session, limit)
        except TimeoutError:
            return Run(error=f"no end within {limit} s")
        error = check(said, expected, session)
        if error:
            return Run(error=error)
        return Run(float(said["seconds"]), int(said["peak"]) if "peak" in said else None)
