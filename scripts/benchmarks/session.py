"""A program and everything that it starts, in a session of its own.

Runners put their workers into process groups of their own, and some forget
them: the session is what stays common to all, and so it is what is ended.
"""
import os
import select
import signal
import subprocess
import sys
import tempfile
import time


def end_on_signals():
    """Has SIGTERM and SIGHUP unwind as Ctrl-C does, so that sessions end."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))


class Session:
    """Use as a context manager: at its end no process of the session is left."""

    def __init__(self, command, environment=None):
        self.errors = tempfile.TemporaryFile()
        self.host = subprocess.Popen(
            command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.host.wait()
        self.host.stdout.close()
        self.errors.close()

    def pids(self):
        """The processes of the session that run, the host among them."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if self._belongs(pid)]

    def _belongs(self, pid):
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return int(fields[3]) == self.host.pid and fields[0] not in b"ZX"

    def kill(self):
        """Ends all of it, and what starts meanwhile."""
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)

    def lines(self, deadline):
        """Yields (when, line) until the host has ended; raises TimeoutError at
        the deadline. Times are those of time.perf_counter."""
        while True:
            over = self.host.poll() is not None
            ready, _, _ = select.select([self.host.stdout], [], [], 0 if over else 0.05)
            now = time.perf_counter()
            data = os.read(self.host.stdout.fileno(), 65536) if ready else b""
            *whole, self.rest = (self.rest + data).split(b"\n")
            for line in whole:
                yield now, line.decode(errors="replace")
            if over and not data:
                return
            if now > deadline:
                raise TimeoutError
            if ready and not data:
                time.sleep(0.01)  # at the end of its output, not yet at its own

    def complaint(self):
        """The last line that it wrote to stderr."""
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace").strip()
        return text.splitlines()[-1] if text else ""
