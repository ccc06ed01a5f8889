#!/usr/bin/python3
"""Runs a command on a terminal of its own, and says what a person saw.

    terminal.py COLUMNS [--resize SECONDS COLUMNS] [--key SECONDS HEX] COMMAND...

Prints each state of the last line that was shown for a moment as `line: ...`, then
the screen as it was left as `screen: ...`, a line each, and `status: N`. What wraps
at the right edge says so as `wrapped: ...`. `cursor: N` is where the cursor was left.
"""
import codecs
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Screen:
    """As much of a terminal as progress needs."""

    def __init__(self, columns):
        self.columns = columns
        self.lines = [""]
        self.at = 0
        self.shown = []
        self.wrapped = []
        self.colours = 0

    def put(self, char):
        line = self.lines[-1]
        if self.at >= self.columns:
            self.wrapped.append(line)
            self.lines.append("")
            line, self.at = "", 0
        self.lines[-1] = line[:self.at].ljust(self.at) + char + line[self.at + 1:]
        self.at += 1

    def control(self, arguments, kind):
        if kind == "K":
            self.lines[-1] = self.lines[-1][:self.at]
        elif kind == "m":
            self.colours += 1

    def feed(self, text):
        while text:
            sequence = SEQUENCE.match(text)
            if sequence:
                self.control(*sequence.groups())
                text = text[sequence.end():]
                continue
            char, text = text[0], text[1:]
            if char == "\r":
                self.at = 0
            elif char == "\n":
                self.lines.append("")
            else:
                self.put(char)
        if self.lines[-1] and self.lines[-1] not in self.shown[-1:]:
            self.shown.append(self.lines[-1])


def resize(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def main():
    arguments = sys.argv[1:]
    columns = int(arguments.pop(0))
    actions = []
    while arguments[0] in ("--resize", "--key"):
        what, at, value = arguments[:3]
        del arguments[:3]
        actions.append((float(at), what, value))
    actions.sort()
    pid, fd = pty.fork()
    if pid == 0:
        time.sleep(0.05)  # until the size is set
        os.execvp(arguments[0], arguments)
    resize(fd, columns)
    screen, began = Screen(columns), time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while time.monotonic() - began < 30:
        if actions and time.monotonic() - began >= actions[0][0]:
            _, what, value = actions.pop(0)
            if what == "--key":
                os.write(fd, bytes.fromhex(value))
            else:
                screen.columns = int(value)
                resize(fd, screen.columns)
        ready, _, _ = select.select([fd], [], [], 0.02)
        if not ready:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        screen.feed(decoder.decode(data))
    _, status = os.waitpid(pid, 0)
    for line in screen.shown:
        print("line:", line)
    for line in screen.wrapped:
        print("wrapped:", line)
    for line in screen.lines:
        print("screen:", line)
    print("colours:", screen.colours)
    print("cursor:", screen.at)
    print("status:", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
