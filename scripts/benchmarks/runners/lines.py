"""Python's pool over the lines of a file: lines.py count|each FILE."""
import multiprocessing
import sys


def find(line):
    return "ERROR" in line


if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool, open(sys.argv[2], encoding="ascii") as file:
        print(sum(pool.imap(find, file, chunksize=10000)))
