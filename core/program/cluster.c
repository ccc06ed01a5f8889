/* The options for many machines. */
#include "cluster.h"

#include <stddef.h>
#include <string.h>

#include "module.h"

static const struct option {
    const char *name;
    size_t at;  /* offset in luas__cluster */
} options[] = {
    {"cluster", offsetof(luas__cluster, cluster)}, {"key", offsetof(luas__cluster, key)},
    {"ca", offsetof(luas__cluster, ca)}, {"nkey", offsetof(luas__cluster, nkey)},
    {"name", offsetof(luas__cluster, name)}, {"agent", offsetof(luas__cluster, agent)},
    {"agents", offsetof(luas__cluster, agents)}, {"make-key", offsetof(luas__cluster, make_key)},
    {"make-nkey", offsetof(luas__cluster, make_nkey)},
};

enum { OPTIONS = sizeof options / sizeof *options };

/* The text after `--name=`; "" for the name alone; NULL for another name. */
static const char *match(const char *word, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, len) != 0)
        return NULL;
    word += 2 + len;
    return *word == '=' ? word + 1 : *word == '\0' ? word : NULL;
}

static int take(luas__cluster *c, const struct option *o, const char *value, char **argv, int *i, const char **why)
{
    if (argv[*i][2 + strlen(o->name)] == '\0' && argv[*i + 1] != NULL)
        value = argv[++*i];
    if (*value == '\0') {
        *why = "'%s' needs an argument";
        return -1;
    }
    if (c != NULL)
        *(const char **)(void *)((char *)c + o->at) = value;
    return 1;
}

int luas__cluster_parse(luas__cluster *c, char **argv, int *i, const char **why)
{
    for (int k = 0; k < OPTIONS; k++) {
        const char *value = match(argv[*i], options[k].name);
        if (value != NULL)
            return take(c, &options[k], value, argv, i, why);
    }
    return 0;
}

bool luas__cluster_is_command(const luas__cluster *c)
{
    return c->agent != NULL || c->agents != NULL || c->make_key != NULL || c->make_nkey != NULL;
}

static void push_options(lua_State *L, const luas__cluster *c)
{
    lua_createtable(L, 0, OPTIONS);
    for (int k = 0; k < OPTIONS; k++) {
        lua_pushstring(L, *(const char *const *)(const void *)((const char *)c + options[k].at));
        lua_setfield(L, -2, options[k].name);
    }
}

void luas__cluster_note(lua_State *L, const luas__cluster *c)
{
    if (c->cluster == NULL && c->key == NULL)
        return;
    push_options(L, c);
    lua_setfield(L, LUA_REGISTRYINDEX, "luas.cluster");
}

int luas__cluster_push(lua_State *L, const luas__cluster *c)
{
    luas__module_push(L, "luas.cluster_run", "main");
    push_options(L, c);
    return 1;
}
