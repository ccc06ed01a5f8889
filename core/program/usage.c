/* The help text. */
#include "usage.h"

#include <lauxlib.h>
#include <stdio.h>

#include "module.h"

static const char scripts[] =
    "usage: luas [options] [script [args]]\n"
    "       luas [options] [files]           a one-liner, over files or stdin\n"
    "\n"
    "Run a Lua script, with the modules pool, process and shared as globals.\n"
    "  -e stat        execute string 'stat'\n"
    "  -i             enter interactive mode after executing 'script'\n"
    "  -j N           workers of a pool that says no number; 0 runs every task in the script itself\n"
    "  -l mod         require library 'mod' into global 'mod'\n"
    "  -l g=mod       require library 'mod' into global 'g'\n"
    "  -v             show version information (also --version)\n"
    "  -E             ignore environment variables\n"
    "  -W             turn warnings on\n"
    "  -h             show this help (also --help); --help NAME says what pool.map does, or an option\n"
    "  --selftest     ten seconds: does luas keep its promise on this machine, and how fast is it?\n"
    "  --             stop handling options\n"
    "  -              stop handling options and execute stdin\n"
    "    luas -e 'print(pool.reduce(math.abs, {-7, 5}, math.max))'\n"
    "\n"
    "See a run.\n"
    "  --bar          show progress\n"
    "  --report FILE  write a page about it, .html or .json; --trace FILE  Chrome trace events;\n"
    "  --joblog FILE  a line for each task, as GNU parallel has it\n"
    "  --output MODE  what tasks print: inherit, capture, or tag: lines say whose they are; --tag is short\n"
    "    luas --bar --report run.html script.lua\n"
    "\n";

static const char journals[] =
    "Go on where a run was killed. A task is known by its input and its code.\n"
    "  --journal FILE record what each task, or line, comes to\n"
    "  --resume       go on with what the journal has; --resume-failed  and run again what has failed\n"
    "  --on-change X  error, rerun or keep: where the code is not that of the journal\n"
    "  --explain      say of each input what is known\n"
    "  --results FILE print what a journal has; --failed  only failures; --format tsv, csv or jsonl\n"
    "    luas --journal run.db --resume script.lua\n"
    "\n";

static const char lines[] =
    "Do something with each line. `_` is the line, F[i] its fields, NR its number, FILE its file's name.\n"
    "  -p EXPR        print the values\n"
    "  -n CODE        run it; what it prints comes out in the lines' order\n"
    "  --where EXPR   only those lines\n"
    "  --map FILE     a Lua file that returns a function of a line, to print what it gives\n"
    "  --begin CODE   once in each worker, first; --end CODE once afterwards\n"
    "  --unordered    print results as they come\n"
    "    luas --where '_:find\"ERROR\"' -p 'NR, F[2]' app.log\n"
    "\n"
    "Reduce lines, all of them or those of each key, sorted.\n"
    "  --count, --sum EXPR, --min EXPR, --max EXPR, --mean EXPR\n"
    "  --by EXPR      the key\n"
    "    luas --by 'F[3]' --count --sum 'F[5]' access.log\n"
    "\n"
    "Say what lines and fields are.\n"
    "  -F SEP         what is between fields (else spaces)\n"
    "  --csv, --tsv   records of CSV, which may hold newlines in quotes; TABs between fields\n"
    "  --header       the first line has names: F.name\n"
    "  --json         `_` is the value of a line of JSON\n"
    "  --record SEP   what ends a line (else a newline); -0 a NUL byte\n"
    "  --block SIZE   how much of a file is looked at together (256K)\n"
    "    luas --csv --header --where 'F.age + 0 > 18' -p 'F.name' people.csv\n"
    "\n";

static const char commands[] =
    "Run a shell command for each line.\n"
    "  --run CMD      {} is the line; {.} {/} {//} {/.} {#} as in GNU parallel\n"
    "  --args A B...  these instead of lines, with --run or any other option\n"
    "    luas -j 4 --tag --run 'convert {} {.}.png' --args *.jpg\n"
    "\n"
    "Go on, or stop, when lines fail.\n"
    "  --timeout S    seconds for a line\n"
    "  --retries N    how often it is tried again\n"
    "  --halt N|N%    begin no more after so many failures, or so many of all; now,fail=N stops what runs\n"
    "    luas --timeout 60 --retries 2 --halt 10% --run './fetch {}' urls\n"
    "\n";

static const char machines[] =
    "Use many machines, by a NATS server with JetStream.\n"
    "  --cluster URL  pools that say no number of workers use the agents there\n"
    "  --agent URL    be one of these, with -j N workers; --name NAME  what it is called\n"
    "  --agents URL   list them\n"
    "  --make-key FILE, --key FILE    who has not this key is not let in\n"
    "  --ca FILE      certificates that the server is known by\n"
    "  --make-nkey FILE, --nkey FILE  what a user of the server is known by\n"
    "    luas --cluster nats://127.0.0.1:4222 script.lua\n";

void luas__usage_print(void)
{
    fputs(scripts, stdout);
    fputs(journals, stdout);
    fputs(lines, stdout);
    fputs(commands, stdout);
    fputs(machines, stdout);
}

int luas__usage_push(lua_State *L, const char *topic)
{
    luas__module_push(L, "luas.help", "tell");
    lua_pushstring(L, topic);
    return 1;
}
