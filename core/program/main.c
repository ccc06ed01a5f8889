/*
 * The program luas: what `lua` does with its command line, with the modules of
 * luas as globals, the options -j and -h, and a prompt of its own (prompt.h).
 * The library leaves signals alone; the program makes errors of them (signals.h).
 */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_huge.h"
#include "cluster.h"
#include "core.h"
#include "embed_program.h"
#include "embed_worker.h"
#include "fail.h"
#include "luas.h"
#include "modules.h"
#include "prompt.h"
#include "reports.h"
#include "selftest.h"
#include "shell.h"
#include "signals.h"
#include "traceback.h"
#include "usage.h"
#include "version.h"

#define EXIT_USAGE 2
#define MAX_WORKERS 4096

typedef struct command {
    const char *name; /* in front of each message */
    int argc;
    char **argv;
    int script; /* index in argv; argc when there is none */
    int workers; /* of -j; -1 when not given */
    bool ignore_environment, interactive, version, libraries, execute, help, topic;
    bool is_shell; /* an option of shell.h is there: files follow, and no script */
    bool selftest;
    bool is_rest; /* what follows is for that option */
    luas__reports reports;
    luas__cluster cluster;
} command;

/* ---- Running Lua ---------------------------------------------------------- */

static void complain(const command *cmd, const char *message)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", cmd->name, message);
    fflush(stderr);
}

/* Prints what the library reports (fail.h). */
static int tell(lua_State *L)
{
    complain(lua_touserdata(L, lua_upvalueindex(1)), luaL_checkstring(L, 1));
    return 0;
}

static bool is_stdout_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* Is it the outcome of a task that printed what nobody reads any more? The script itself
   would have ended by that signal. */
static bool is_broken_pipe(lua_State *L)
{
    if (!lua_istable(L, 1)) {
        return false;
    }
    lua_pushliteral(L, "signal");
    lua_rawget(L, 1);
    bool is = lua_tointeger(L, -1) == SIGPIPE && is_stdout_gone();
    lua_pop(L, 1);
    return is;
}

/* Is it about a journal that the command line names, or how? */
static bool is_refused(lua_State *L, const char *message)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__REFUSED_KEY);
    const char *refusal = lua_tostring(L, -1);
    bool is = refusal != NULL && strstr(message, refusal) != NULL;
    lua_pop(L, 1);
    return is;
}

/* The message handler: adds a traceback to text, except where it does not help. Gives
   false where nothing must be said. */
static int explain(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    bool whole = false;

    if (is_broken_pipe(L)) {
        lua_pushboolean(L, false);
        return 1;
    }

    if (message == NULL && luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) {
        message = lua_tostring(L, -1);
        whole = true;
    } else if (message == NULL) {
        message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
    const char *end = luas__signals_find(L, message);
    if (is_refused(L, message)) {
        lua_pushstring(L, message);
    } else if (end != NULL) {
        lua_pushlstring(L, message, (size_t)(end - message));
    } else if (!whole) {
        luas__traceback_push(L, message, 1, 0);
    }
    return 1;
}

/* Calls the function below nargs arguments. Signals can stop it. */
static int run(lua_State *L, int nargs, int nresults)
{
    int base = lua_gettop(L) - nargs;

    lua_pushcfunction(L, explain);
    lua_insert(L, base);
    int status = luas__signals_pcall(L, nargs, nresults, base);
    lua_remove(L, base);
    return status;
}

/* Pops a failure's message and prints it. Returns an exit status. */
static int report(lua_State *L, const command *cmd, int status)
{
    if (status == LUA_OK) {
        return EXIT_SUCCESS;
    }
    const char *message = lua_tostring(L, -1);
    if (lua_isboolean(L, -1)) {
        lua_pop(L, 1);
        return 128 + SIGPIPE;
    }
    if (message == NULL) {
        message = "(error message not a string)";
    }
    int code = luas__signals_find(L, message) != NULL ? luas__signals_status()
        : is_refused(L, message) ? EXIT_USAGE : EXIT_FAILURE;
    complain(cmd, message);
    lua_pop(L, 1);
    return code;
}

/* Runs what a luaL_load* function left, or reports why it could not. */
static int run_loaded(lua_State *L, const command *cmd, int status)
{
    return report(L, cmd, status == LUA_OK ? run(L, 0, 0) : status);
}

static int run_string(lua_State *L, const command *cmd, const char *code, const char *chunk)
{
    return run_loaded(L, cmd, luaL_loadbuffer(L, code, strlen(code), chunk));
}

/* Pushes the function that `run` calls for the prompt, and its argument. */
static void push_prompt(lua_State *L)
{
    lua_pushcfunction(L, luas__prompt);
    lua_pushcfunction(L, luas__signals_xpcall);
}

/* ---- The command line ----------------------------------------------------- */

/* Prints one line. Returns false, for the parser to return. */
static bool refuse(const command *cmd, const char *format, const char *detail)
{
    fprintf(stderr, "%s: ", cmd->name);
    fprintf(stderr, format, detail);
    fputs(" (luas -h shows the options)\n", stderr);
    return false;
}

static bool parse_workers(command *cmd, const char *text)
{
    char *end = NULL;

    errno = 0;
    long n = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    if (n < 0 || n > MAX_WORKERS || errno != 0 || *end != '\0') {
        return refuse(cmd, "-j takes a whole number of workers from 0 to 4096, not '%s'", text);
    }
    cmd->workers = (int)n;
    return true;
}

/*
 * The argument of the option at argv[*i]: what is attached to it, or the next
 * word, to which *i moves on. NULL where there is none.
 */
static const char *option_argument(const command *cmd, int *i)
{
    const char *attached = cmd->argv[*i] + 2;

    if (*attached != '\0') {
        return attached;
    }
    const char *next = cmd->argv[*i + 1];
    if (next == NULL || (next[0] == '-' && cmd->argv[*i][1] != 'j')) {
        return NULL;
    }
    (*i)++;
    return next;
}

static bool parse_option_with_argument(command *cmd, int *i)
{
    const char *option = cmd->argv[*i];
    const char *argument = option_argument(cmd, i);

    if (argument == NULL) {
        return refuse(cmd, "'%s' needs an argument", option);
    }
    if (option[1] == 'j') {
        return parse_workers(cmd, argument);
    }
    cmd->execute |= option[1] == 'e';
    return true;
}

static bool parse_option(command *cmd, int *i)
{
    const char *option = cmd->argv[*i];

    const char *why;
    if (option[1] == 'e' || option[1] == 'l' || option[1] == 'j') {
        return parse_option_with_argument(cmd, i);
    }
    int taken = luas__reports_parse(&cmd->reports, cmd->argv, i, &why);
    if (taken == 0) {
        taken = luas__shell_parse(&cmd->is_shell, cmd->argv, i, &why);
    }
    if (taken == 0) {
        taken = luas__cluster_parse(&cmd->cluster, cmd->argv, i, &why);
    }
    cmd->is_rest = taken == 2;
    if (taken != 0) {
        return taken > 0 || refuse(cmd, why, option);
    }
    if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0) {
        cmd->help = true;
        cmd->topic = option[1] == '-';
    } else if (strcmp(option, "--selftest") == 0) {
        cmd->selftest = true;
    } else if (strcmp(option, "-E") == 0) {
        cmd->ignore_environment = true;
    } else if (strcmp(option, "-i") == 0) {
        cmd->interactive = true;
    } else if (strcmp(option, "-v") == 0 || strcmp(option, "--version") == 0) {
        cmd->version = true;
        cmd->libraries = option[1] == '-';
    } else if (strcmp(option, "-W") != 0) {
        return refuse(cmd, "unrecognized option '%s'", option);
    }
    return true;
}

/* Returns false, with the reason printed, when nothing is to run. */
static bool parse(command *cmd)
{
    int i = 1;

    while (i < cmd->argc && cmd->argv[i][0] == '-' && !cmd->help) {
        if (strcmp(cmd->argv[i], "-") == 0) {
            break;
        }
        if (strcmp(cmd->argv[i], "--") == 0) {
            i++;
            break;
        }
        if (!parse_option(cmd, &i)) {
            return false;
        }
        i++;
        if (cmd->is_rest) {
            break;
        }
    }
    cmd->script = i < cmd->argc ? i : cmd->argc;
    if (cmd->selftest && !cmd->help && (i < cmd->argc || cmd->is_shell || cmd->interactive)) {
        return refuse(cmd, "'%s' runs nothing else", "--selftest");
    }
    const char *lonely = cmd->help ? NULL : luas__reports_misfit(&cmd->reports);
    return lonely == NULL || refuse(cmd, "'%s' needs --journal FILE", lonely);
}

/* ---- From start to end ---------------------------------------------------- */

/* The global `arg`: the script is at 0, what stands before it is negative. */
static void set_arg(lua_State *L, const command *cmd)
{
    int zero = cmd->script == cmd->argc ? 0 : cmd->script;

    lua_createtable(L, cmd->argc - zero, zero + 1);
    for (int i = 0; i < cmd->argc; i++) {
        lua_pushstring(L, cmd->argv[i]);
        lua_rawseti(L, -2, i - zero);
    }
    lua_setglobal(L, "arg");
}

static void open_state(lua_State *L, const command *cmd)
{
    luaL_checkversion(L);
    if (cmd->ignore_environment) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    if (cmd->workers >= 0) {
        lua_pushinteger(L, cmd->workers);
        lua_setfield(L, LUA_REGISTRYINDEX, "luas.workers");
    }
    luas__cluster_note(L, &cmd->cluster);
    lua_pushlightuserdata(L, (void *)cmd);
    lua_pushcclosure(L, tell, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__REPORT_KEY);
    luaL_openlibs(L);
    luas__signals_open(L);
#ifdef LUAS_HAS_LUA
    lua_pushlightuserdata(L, (void *)luas__compiled);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__COMPILED_BY);
#endif
    luas_openlibs(L);
    set_arg(L, cmd);
    lua_gc(L, LUA_GCGEN, 0, 0);
}

static int run_init(lua_State *L, const command *cmd)
{
    const char *name = "=LUA_INIT_5_4";
    const char *init = getenv(name + 1);

    if (init == NULL) {
        name = "=LUA_INIT";
        init = getenv(name + 1);
    }
    if (init == NULL) {
        return EXIT_SUCCESS;
    }
    if (init[0] == '@') {
        return run_loaded(L, cmd, luaL_loadfile(L, init + 1));
    }
    return run_string(L, cmd, init, name);
}

/* -l mod or -l global=mod */
static int run_require(lua_State *L, const command *cmd, const char *spec)
{
    const char *equals = strchr(spec, '=');

    lua_pushlstring(L, spec, equals == NULL ? strlen(spec) : (size_t)(equals - spec));
    lua_getglobal(L, "require");
    lua_pushstring(L, equals == NULL ? spec : equals + 1);
    int status = run(L, 1, 1);
    if (status == LUA_OK) {
        lua_pushglobaltable(L);
        lua_insert(L, -3);
        lua_settable(L, -3);
    }
    int code = report(L, cmd, status);
    lua_pop(L, 1);
    return code;
}

static int run_options(lua_State *L, const command *cmd)
{
    int code = EXIT_SUCCESS;

    for (int i = 1; i < cmd->script && code == EXIT_SUCCESS; i++) {
        char option = cmd->argv[i][1];
        const char *why;
        if (luas__reports_parse(NULL, cmd->argv, &i, &why) != 0
            || luas__shell_parse(NULL, cmd->argv, &i, &why) != 0
            || luas__cluster_parse(NULL, cmd->argv, &i, &why) != 0) {
            continue;
        }
        if (option == 'W') {
            lua_warning(L, "@on", 0);
        } else if (option == 'e') {
            code = run_string(L, cmd, option_argument(cmd, &i), "=(command line)");
        } else if (option == 'l') {
            code = run_require(L, cmd, option_argument(cmd, &i));
        } else if (option == 'j') {
            (void)option_argument(cmd, &i);
        }
    }
    return code;
}

/* Pushes arg[1], arg[2]... as the script's arguments. Protected, as `arg` may be anything. */
static int push_args(lua_State *L)
{
    if (lua_getglobal(L, "arg") != LUA_TTABLE) {
        return luaL_error(L, "'arg' is not a table");
    }
    int n = (int)luaL_len(L, 1);
    luaL_checkstack(L, n + 3, "too many arguments to script");
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
    }
    return n;
}

static int run_script(lua_State *L, const command *cmd)
{
    const char *name = cmd->argv[cmd->script];
    bool from_stdin = strcmp(name, "-") == 0 && strcmp(cmd->argv[cmd->script - 1], "--") != 0;
    int status = luaL_loadfile(L, from_stdin ? NULL : name);

    if (status == LUA_OK) {
        int base = lua_gettop(L);
        lua_pushcfunction(L, push_args);
        lua_call(L, 0, LUA_MULTRET);
        status = run(L, lua_gettop(L) - base, 0);
    }
    return report(L, cmd, status);
}

/* Runs the function below nargs arguments, which gives an exit status and a message or nil. */
static int run_tool(lua_State *L, const command *cmd, int nargs)
{
    int code = report(L, cmd, run(L, nargs, 2));

    if (code != EXIT_SUCCESS) {
        return code;
    }
    code = (int)lua_tointeger(L, -2);
    if (lua_isstring(L, -1)) {
        complain(cmd, lua_tostring(L, -1));
    }
    lua_pop(L, 2);
    return code;
}

/* One-liners over the lines of files. */
static int run_shell(lua_State *L, const command *cmd)
{
    return run_tool(L, cmd, luas__shell_push(L, cmd->argv, cmd->script));
}

/* When there is nothing else to run: the prompt on a terminal, otherwise stdin as a script. */
static int run_stdin(lua_State *L, const command *cmd)
{
    if (!isatty(STDIN_FILENO)) {
        return run_loaded(L, cmd, luaL_loadfile(L, NULL));
    }
    luas__prompt_banner(L);
    push_prompt(L);
    return report(L, cmd, run(L, 1, 0));
}

static int run_command(lua_State *L, const command *cmd)
{
    if (cmd->help) {
        return run_tool(L, cmd, luas__usage_push(L, cmd->argv[cmd->script]));
    }
    if (cmd->interactive) {
        luas__prompt_banner(L);
        push_prompt(L);
    }
    int code = cmd->ignore_environment ? EXIT_SUCCESS : run_init(L, cmd);
    if (code == EXIT_SUCCESS) {
        code = run_options(L, cmd);
    }
    if (code == EXIT_SUCCESS && luas__cluster_is_command(&cmd->cluster)) {
        return run_tool(L, cmd, luas__cluster_push(L, &cmd->cluster));
    }
    if (code == EXIT_SUCCESS && cmd->selftest) {
        return run_tool(L, cmd, luas__selftest_push(L));
    }
    if (code == EXIT_SUCCESS && cmd->is_shell) {
        return run_shell(L, cmd);
    }
    if (code == EXIT_SUCCESS && cmd->script < cmd->argc) {
        code = run_script(L, cmd);
        code = cmd->interactive ? EXIT_SUCCESS : code; /* one that failed is what -i is for */
    }
    if (code != EXIT_SUCCESS) {
        return code;
    }
    if (cmd->interactive) {
        return report(L, cmd, run(L, 1, 0));
    }
    bool idle = cmd->script == cmd->argc && !cmd->execute && !cmd->version;
    return idle ? run_stdin(L, cmd) : EXIT_SUCCESS;
}

/* A script that ended well: what it has submitted and started is waited for. */
static int run_ending(lua_State *L, const command *cmd)
{
    if (lua_getfield(L, LUA_REGISTRYINDEX, LUAS__AT_END_KEY) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        return EXIT_SUCCESS;
    }
    return report(L, cmd, run(L, 0, 0));
}

/* Does all the work, in protected mode. Takes the command, returns the exit status. */
static int protected_main(lua_State *L)
{
    const command *cmd = lua_touserdata(L, 1);

    open_state(L, cmd);
    bool asks = cmd->interactive || cmd->script == cmd->argc;
    if (!luas__reports_begin(L, &cmd->reports, asks)) {
        lua_pushinteger(L, report(L, cmd, LUA_ERRRUN));
        return 1;
    }
    int code = run_command(L, cmd);
    if (code == EXIT_SUCCESS) {
        code = run_ending(L, cmd);
    }
    lua_pushinteger(L, code);
    luas__reports_end(L);
    return 1;
}

static int run_state(const command *cmd)
{
    lua_State *L = luas__alloc_huge_state();

    if (L == NULL) {
        complain(cmd, "cannot create state: not enough memory");
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, protected_main);
    lua_pushlightuserdata(L, (void *)cmd);
    int status = lua_pcall(L, 1, 1, 0);
    int code = status == LUA_OK ? (int)lua_tointeger(L, -1) : report(L, cmd, status);
    lua_close(L);
    return code;
}

/* `luas --worker`: started by a pool whose workers are fresh programs. */
static int run_worker(const char *name)
{
    int code = luas__embed_worker_program();

    if (code < 0) {
        fprintf(stderr, "%s: '--worker' is for luas itself (see start = \"exec\" in lua/README.md)\n", name);
    }
    return code < 0 ? EXIT_USAGE : code;
}

int main(int argc, char **argv)
{
    command cmd = {.name = "luas", .argc = argc, .argv = argv, .workers = -1};

    luas__embed_program_is_luas();
    if (argc == 2 && strcmp(argv[1], "--worker") == 0) {
        return run_worker(argv[0]);
    }
    if (argc > 0 && argv[0][0] != '\0') {
        cmd.name = argv[0];
    }
    if (!parse(&cmd)) {
        return EXIT_USAGE;
    }
    if (cmd.help && !(cmd.topic && cmd.script < argc)) {
        luas__usage_print();
        return EXIT_SUCCESS;
    }
    if (cmd.version && !cmd.interactive) {
        luas__version_print(cmd.libraries);
    }
    return run_state(&cmd);
}
