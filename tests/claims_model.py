#!/usr/bin/python3
"""Every order in which a worker's claims and its host's revocations can meet.

The rules of page.h and page.c again, a step for each access to shared memory, on
processors that keep a store to themselves for a while (Sewell et al., "x86-TSO",
2010). All states that can be reached are visited; in each that is the last, every
task has been claimed or revoked, and never both. That the search would find a
fault is shown by rules that lack something.
"""
import collections
import itertools
import sys

TASKS = 4

# begun: as the host sees it; stored: what the worker still keeps to itself, in order.
# word: (started, revoked), which decides; read: the worker's or the host's copy of it.
State = collections.namedtuple(
    "State", "at seq read begun stored recalled word host round seen claimed revoked")
START = State("store", 1, None, 0, (), 0, (0, 0), "idle", 0, None, (), ())


def next_task(s, claimed):
    return s._replace(at="store", seq=s.seq + 1, read=None,
                      claimed=s.claimed + (s.seq,) if claimed else s.claimed)


def worker_steps(s, fast):
    if s.stored:
        yield s._replace(begun=s.stored[0], stored=s.stored[1:])
    if s.at == "store" and s.seq <= TASKS:
        yield s._replace(at="look", stored=s.stored + (s.seq,))
    elif s.at == "look" and fast and s.seq > s.recalled:
        yield next_task(s, True)
    elif s.at == "look":
        yield s._replace(at="contend", read=s.word)
    elif s.at == "contend":
        started, revoked = s.read
        if started == s.seq or s.seq <= revoked:
            yield next_task(s, started == s.seq)
        elif not s.stored:  # an atomic exchange comes after all stores
            won = s.word == s.read
            yield (next_task(s._replace(word=(s.seq, s.seq - 1)), True) if won
                   else s._replace(read=s.word))


def decide(s, last, careful):
    """The host has read the word and what was begun."""
    word, begun = s.seen
    if s.word != word:
        return s._replace(seen=(s.word, begun))
    started = begun if begun > word[1] or not careful else word[0]
    back = range(max(started, max(s.revoked, default=0)) + 1, last + 1)
    return s._replace(host="idle", round=s.round + 1, seen=None, word=(started, last),
                      revoked=s.revoked + tuple(back))


def host_steps(s, lasts, fenced, careful):
    if s.host == "idle" and s.round < len(lasts):
        yield s._replace(host="barrier", recalled=lasts[s.round])
    elif s.host == "barrier" and not (s.stored and fenced):
        yield s._replace(host="word")
    elif s.host == "word":
        yield s._replace(host="begun", seen=s.word)
    elif s.host == "begun":
        yield s._replace(host="decide", seen=(s.seen, s.begun))
    elif s.host == "decide":
        yield decide(s, lasts[s.round], careful)


def is_right(s):
    return sorted(s.claimed + s.revoked) == list(range(1, TASKS + 1))


def faults(lasts, fast=True, fenced=True, careful=True):
    """The last states in which a task was lost or is somebody's twice."""
    visited, waiting, wrong = {START}, [START], []
    while waiting:
        s = waiting.pop()
        steps = list(itertools.chain(worker_steps(s, fast),
                                     host_steps(s, lasts, fenced, careful)))
        if not steps and not is_right(s):
            wrong.append(s)
        new = set(steps) - visited
        visited |= new
        waiting.extend(new)
    return wrong


def main():
    plans = [lasts for n in range(1, 4)
             for lasts in itertools.combinations_with_replacement(range(1, TASKS + 1), n)]
    for lasts in plans:
        for wrong in faults(lasts), faults(lasts, fast=False, fenced=False):
            if wrong:
                sys.exit(f"revoking up to {lasts}: {wrong[0]}")
    for lacking in {"fenced": False}, {"careful": False}:
        if not any(faults(lasts, **lacking) for lasts in plans):
            sys.exit(f"no fault was found with {lacking}")
    print(f"{len(plans)} plans, each task claimed or revoked")


if __name__ == "__main__":
    main()
