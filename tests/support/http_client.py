"""Sends many requests at once to a server on 127.0.0.1, and prints what came: http_client.py PORT [SECONDS]

A request is /20, /22 or /crash, at which the server's worker dies. Each has to get one answer. With
seconds it goes on for so long.
"""
import collections
import http.client
import sys
import threading
import time

port, until = int(sys.argv[1]), time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else 0)
answers, lock = collections.Counter(), threading.Lock()


def ask(what):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/{what}")
    response = connection.getresponse()
    body = response.read().decode().strip()
    connection.close()
    return f"{what}: {response.status} {body.split(' (')[0]}"


def run(what):
    while True:
        try:
            answer = ask(what)
        except (OSError, http.client.HTTPException) as error:
            answer = f"{what}: {error!r}"
        with lock:
            answers[answer] += 1
        if time.monotonic() >= until:
            return


threads = [threading.Thread(target=run, args=(what,)) for what in ("20", "22", "crash", "20") * 4]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for answer, count in sorted(answers.items()):
    print(answer, "" if len(sys.argv) > 2 else count)
