/* The options for seeing a run. */
#include "reports.h"

#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Registry: the module, because a script may remove `require`. */
#define RUN "luas.run"

/* The state to finish when a script calls os.exit: an exit handler has no argument. */
static lua_State *ending;

static const struct option {
    const char *name, *value;   /* of an option that is short for another */
    size_t at;                  /* offset in luas__reports; 0: a flag */
} options[] = {
    {"--report", NULL, offsetof(luas__reports, report)},
    {"--trace", NULL, offsetof(luas__reports, trace)},
    {"--joblog", NULL, offsetof(luas__reports, joblog)},
    {"--output", NULL, offsetof(luas__reports, output)},
    {"--tag", "tag", offsetof(luas__reports, output)},
    {"--journal", NULL, offsetof(luas__reports, journal)},
    {"--resume", "all", offsetof(luas__reports, resume)},
    {"--resume-failed", "failed", offsetof(luas__reports, resume)},
    {"--on-change", NULL, offsetof(luas__reports, on_change)},
    {"--explain", "yes", offsetof(luas__reports, explain)},
    {"--bar", NULL, 0},
};

enum { OPTIONS = sizeof options / sizeof *options };

/* The text after `--name=`; "" for the name alone; NULL for another name. */
static const char *match(const char *word, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(word, name, len) != 0 || (word[len] != '=' && word[len] != '\0'))
        return NULL;
    return word[len] == '=' ? word + len + 1 : word + len;
}

static bool is_output_mode(const char *text)
{
    return strcmp(text, "inherit") == 0 || strcmp(text, "tag") == 0 || strcmp(text, "capture") == 0;
}

/* NULL, or what is wrong with the option's value. */
static const char *misfit(const char *name, const char *value)
{
    if (strcmp(name, "--output") == 0 && !is_output_mode(value))
        return "'%s': an output is inherit, tag or capture";
    if (strcmp(name, "--on-change") == 0 && strcmp(value, "error") != 0 && strcmp(value, "rerun") != 0
        && strcmp(value, "keep") != 0)
        return "'%s': what is done on a change is error, rerun or keep";
    return NULL;
}

static int take(luas__reports *r, const struct option *o, char **argv, int *i, const char **why)
{
    const char *word = argv[*i], *value = match(word, o->name);
    bool attached = strchr(word, '=') != NULL, wants = o->at > 0 && o->value == NULL;
    *why = attached ? "'%s': this option takes no argument" : "'%s' needs an argument";
    if (attached && !wants)
        return -1;
    if (wants && !attached && argv[*i + 1] != NULL)
        value = argv[++*i];
    if (wants && *value == '\0')
        return -1;
    if (wants && (*why = misfit(o->name, value)) != NULL)
        return -1;
    if (r == NULL)
        return 1;
    if (o->at == 0)
        r->bar = true;
    else
        *(const char **)(void *)((char *)r + o->at) = o->value != NULL ? o->value : value;
    return 1;
}

const char *luas__reports_misfit(const luas__reports *r)
{
    if (r->journal != NULL)
        return NULL;
    return r->resume != NULL ? "--resume" : r->on_change != NULL ? "--on-change" : r->explain != NULL ? "--explain" : NULL;
}

int luas__reports_parse(luas__reports *r, char **argv, int *i, const char **why)
{
    for (int k = 0; k < OPTIONS; k++)
        if (match(argv[*i], options[k].name) != NULL)
            return take(r, &options[k], argv, i, why);
    return 0;
}

static void set_string(lua_State *L, const char *name, const char *value)
{
    if (value == NULL)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* Calls a function of luas.run with the arguments at the top. */
static int call_run(lua_State *L, const char *name, int nargs)
{
    lua_getfield(L, LUA_REGISTRYINDEX, RUN);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_getglobal(L, "require");
        lua_pushliteral(L, "luas.run");
        lua_call(L, 1, 1);
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, RUN);
    }
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    lua_insert(L, -1 - nargs);
    lua_call(L, nargs, 0);
    return 0;
}

static int begin(lua_State *L)
{
    const luas__reports *r = lua_touserdata(L, 1);
    lua_createtable(L, 0, 6);
    set_flag(L, "bar", r->bar);
    set_flag(L, "prompt", lua_toboolean(L, 2));
    set_string(L, "report", r->report);
    set_string(L, "trace", r->trace);
    set_string(L, "joblog", r->joblog);
    set_string(L, "output", r->output);
    set_string(L, "journal", r->journal);
    set_string(L, "resume", r->resume);
    set_string(L, "on_change", r->on_change);
    set_string(L, "explain", r->explain);
    return call_run(L, "begin", 1);
}

static int end(lua_State *L)
{
    return call_run(L, "finish", 0);
}

/* Errors are ignored: it is too late to report them. */
void luas__reports_end(lua_State *L)
{
    if (ending == NULL || !lua_checkstack(L, LUA_MINSTACK))
        return;
    ending = NULL;
    lua_pushcfunction(L, end);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
        lua_pop(L, 1);
}

static void end_at_exit(void)
{
    if (ending != NULL)
        luas__reports_end(ending);
}

/* Runs when the state is closed. Younger objects were finalized before, so all pools have
   ended. */
static int end_at_close(lua_State *L)
{
    luas__reports_end(L);
    return 0;
}

static void notice_close(lua_State *L)
{
    lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, end_at_close);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, "luas.reports");
}

bool luas__reports_begin(lua_State *L, const luas__reports *r, bool prompt)
{
    bool any = r->bar || r->report != NULL || r->trace != NULL || r->joblog != NULL || r->output != NULL
        || r->journal != NULL;
    if (!any)
        return true;
    lua_pushcfunction(L, begin);
    lua_pushlightuserdata(L, (void *)r);
    lua_pushboolean(L, prompt);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        return false;
    notice_close(L);
    ending = L;
    return atexit(end_at_exit) == 0;
}
