#!/usr/bin/python3
"""Is the house as core/README.md draws it?

    structure.py BUILD      the folder of a build, made with the C compiler

Says each place that is not, and then its exit status is 1:

  - a floor of core/ uses what a floor above it defines, or would compile if it
    included a header of one, or one of Lua below codec;
  - an include names a folder, which would reach any floor;
  - a struct has a pointer to functions that is not listed below: through such
    a pointer a floor calls up;
  - a name that other files see is not its file's: luas__FILE_verb, but for what
    luas.h declares and for what is listed below;
  - a function is longer than it may be, or half of them are, or a tenth.
"""
import glob
import json
import os
import re
import shlex
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Each floor, lowest first, with the floors that it is built on.
FLOORS = {
    "base": [],
    "wire": ["base"],
    "proc": ["wire", "base"],
    "shared": ["proc", "wire", "base"],
    "pool": ["proc", "wire", "base"],
    "cluster": ["base"],
    "codec": ["wire", "base"],
    "worker": ["codec", "shared", "proc", "wire", "base"],
    "host": ["cluster", "worker", "codec", "pool", "shared", "proc", "wire", "base"],
    "program": ["host", "cluster", "worker", "codec", "pool", "shared", "proc", "wire", "base"],
}

# The pointers to functions in structs, and who is called.
CALLS_UP = {
    ("core/pool/events.h", "hear"): "a reader of events, from whichever floor",
    ("core/pool/events.h", "hear_run"): "the same",
    ("core/pool/events.h", "close"): "the same",
    ("core/host/readers.c", "finish"): "pool/trace.c, joblog.c or journal.c: completes its file",
    ("core/pool/state.h", "main"): "worker/, by way of host/: what a forked worker runs",
    ("core/proc/stack.c", "body"): "pool/spawner.c: what goes on in another stack",
    ("core/pool/state.h", "bear"): "host/: has the quiet process fork a zygote",
    ("core/pool/state.h", "launch"): "host/: starts a fresh program",
    ("core/pool/state.h", "hear"): "an application: what workers print",
    ("core/proc/sink.h", "hear"): "the same",
    ("core/pool/quiet.c", "main"): "host/: what such a zygote runs",
    ("core/pool/state.h", "keeps"): "host/: what a forked worker keeps of the descriptors",
    ("core/pool/pump.c", "drive"): "pool/drive.c: what the thread does with the lock",
    ("core/host/share_wait.h", "hook"): "nobody: it is compared",
    ("core/worker/kept_hook.h", "f"): "nobody: it is given back to Lua",
    ("core/proc/line.h", "lift"): "program/keyboard.c: clears the line that is typed",
    ("core/proc/line.h", "lower"): "program/keyboard.c: draws it again",
    ("core/host/inline_hook.h", "f"): "nobody: it is given back to Lua",
    ("core/codec/bytecode.c", "sink"): "codec/encode_function.c: takes a name that bytecode has",
}


# Other prefixes than luas__FILE_, and names without one.
PREFIXES = {"msgpack": "luas__mp_"}
NAMES = {"main", "luaopen_luas", "luas__now", "luas__now_coarse", "luas__now_spent", "luas__seconds"}

# Lines of a function, with its head: the most, what half of all may have, and nine of ten.
MOST, MEDIAN, NINE_OF_TEN = 40, 10, 20


def sources(pattern="*/*.[ch]"):
    return sorted(glob.glob(os.path.join(ROOT, "core", pattern)))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def symbols(object_file):
    """What an object file defines for others, and what it needs."""
    defined, needed = set(), set()
    out = subprocess.run(["nm", object_file], capture_output=True, text=True, check=True).stdout
    for fields in map(str.split, out.splitlines()):
        if fields[-2] in "TDBRV":
            defined.add(fields[-1])
        elif fields[-2] == "U":
            needed.add(fields[-1])
    return defined, needed


def objects(build):
    """(floor, file) -> what it defines and needs."""
    found = {}
    for floor in FLOORS:
        for path in glob.glob(f"{build}/CMakeFiles/luas_{floor}.dir/core/{floor}/*.o"):
            name = os.path.basename(path).split(".")[0]
            if os.path.exists(f"{ROOT}/core/{floor}/{name}.c"): # not of an earlier build
                found[floor, name] = symbols(path)
    return found


def graph(found):
    """(floor, file) -> the files whose symbols it needs."""
    owner = {name: file for file, (defined, _) in found.items() for name in defined}
    return {file: {owner[name] for name in needed if name in owner} - {file}
            for file, (_, needed) in found.items()}


def reaches(edges, start, end):
    seen, todo = set(), [start]
    while todo:
        for file in edges[todo.pop()] - seen:
            if file == end:
                return True
            seen.add(file)
            todo.append(file)
    return False


def calls_up(edges):
    for file, uses in sorted(edges.items()):
        for other in sorted(uses):
            if other[0] != file[0] and other[0] not in FLOORS[file[0]]:
                yield f"core/{'/'.join(file)}.c uses core/{'/'.join(other)}.c, which is not below it"


def circles(edges):
    for floor in FLOORS:
        inside = {file: {other for other in uses if other[0] == floor}
                  for file, uses in edges.items() if file[0] == floor}
        circle = [file for _, file in sorted(f for f in inside if reaches(inside, f, f))]
        if circle:
            yield f"core/{floor}: a circle of {' '.join(circle)}"


def compilers(build):
    """floor -> the words of the command that compiles its files, without the file."""
    found = {}
    for entry in json.loads(read(f"{build}/compile_commands.json")):
        floor = os.path.relpath(entry["file"], f"{ROOT}/core").split("/")[0]
        words = shlex.split(entry["command"])
        if floor in FLOORS and f"luas_{floor}.dir" in entry["command"]:
            found[floor] = entry["directory"], words[:words.index("-o")]
    return found


def compiles(compiler, header):
    folder, words = compiler
    return subprocess.run([*words, "-fsyntax-only", "-x", "c", "-"], cwd=folder, text=True,
                          input=f'#include "{header}"\nint luas__intruder;\n',
                          capture_output=True, check=False).returncode == 0


def includes_up(build):
    for floor, compiler in compilers(build).items():
        seen = [floor, *FLOORS[floor]]
        hidden = [path for path in sources("*/*.h") if path.split("/")[-2] not in seen]
        names = [os.path.basename(path) for path in hidden] + ["lua.h"] * ("codec" not in seen)
        for name in names:
            if compiles(compiler, name):
                yield f"core/{floor} can include {name}, which is not below it"
        for below in FLOORS[floor]:
            name = os.path.basename(sources(f"{below}/*.h")[0])
            if not compiles(compiler, name):
                yield f"core/{floor} cannot include {name}, which is below it"


def folders_in_includes():
    for path in sources():
        for name in re.findall(r'#\s*include\s*"([^"]*/[^"]*)"', read(path)):
            yield f"{os.path.relpath(path, ROOT)}: an include that names a folder: {name}"


def code(path):
    return re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)


def function_types():
    """A pattern of the names of types that are functions or pointers to them."""
    names = [name for path in sources()
             for pair in re.findall(r"typedef [^;{}]*?(?:\(\*(\w+)\)|\b(\w+))\([^;{}]*\);", code(path))
             for name in pair if name]
    return "|".join(names + ["lua_CFunction", "lua_KFunction", "lua_Hook"])


def pointers(path, types):
    """The fields of structs in a file that are pointers to functions."""
    text = code(path)
    for body in re.findall(r"struct \w*\s*\{(.*?)\n\}", text, flags=re.S):
        yield from re.findall(r"\(\*(?:const )?(\w+)\)\(", body)
        yield from re.findall(rf"\b(?:{types}) \*?(\w+);", body)


def unlisted_pointers():
    types = function_types()
    met = {(os.path.relpath(path, ROOT), field)
           for path in sources() for field in pointers(path, types)}
    for path, field in sorted(met - set(CALLS_UP)):
        yield f"{path}: the function pointer {field} is not listed in tests/structure.py"
    for path, field in sorted(set(CALLS_UP) - met):
        yield f"{path}: no function pointer {field}, which tests/structure.py lists"


def inline_functions(path):
    return re.findall(r"\binline\b[^;{}()]*?\b(luas_\w+)\(", code(path))


def names_seen(found):
    """(floor, file), name: the symbols of object files, and the functions in headers."""
    for file, (defined, _) in found.items():
        yield from ((file, name) for name in defined)
    for path in sources("*/*.h"):
        floor, name = path[:-2].split("/")[-2:]
        yield from (((floor, name), function) for function in inline_functions(path))


def foreign_names(found):
    public = set(re.findall(r"\b(luas_\w+)\(", code(os.path.join(ROOT, "core/luas.h"))))
    for (floor, file), name in sorted(set(names_seen(found))):
        prefix = PREFIXES.get(file, f"luas__{file}_")
        if not f"{name}_".startswith(prefix) and name not in NAMES | public:
            yield f"core/{floor}/{file}: {name} is not named after its file ({prefix}...)"


def functions(path):
    """(lines, head) of each function: from the line that begins its head to its last brace."""
    head = None
    for number, line in enumerate(read(path).splitlines()):
        if re.match(r"\w(?!\w*:)", line): # no label
            head = number, line
        elif line == "}" and "(" in head[1]:
            yield number - head[0] + 1, head[1]


def long_functions():
    lengths = [(lines, path, head) for path in sources() for lines, head in functions(path)]
    for lines, path, head in lengths:
        if lines > MOST:
            yield f"{os.path.relpath(path, ROOT)}: {lines} lines, {MOST} are the most: {head}"
    median, *_, tenth = statistics.quantiles([lines for lines, _, _ in lengths], n=10)[4:]
    if median > MEDIAN or tenth > NINE_OF_TEN:
        yield (f"functions: {median:g} lines in the median, {tenth:g} for nine of ten; "
               f"{MEDIAN} and {NINE_OF_TEN} are the most")


def main(build):
    found = objects(build)
    without = [floor for floor in FLOORS if floor not in {file[0] for file in found}]
    if without:
        sys.exit(f"structure: no object files in {build} of: {' '.join(without)}")
    edges = graph(found)
    faults = [*calls_up(edges), *circles(edges), *includes_up(build),
              *folders_in_includes(), *unlisted_pointers(), *foreign_names(found),
              *long_functions()]
    if faults:
        print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: structure.py BUILD")
    sys.exit(main(sys.argv[1]))
