/*
 * The command line options for many machines: --cluster URL, --key FILE, --ca FILE, --nkey FILE say which
 * one pools use; --agent URL [--name NAME], --agents URL, --make-key FILE and --make-nkey FILE do something else than run a
 * script (lua/luas/cluster_run.lua).
 */
#ifndef LUAS_CLUSTER_H
#define LUAS_CLUSTER_H

#include <lua.h>
#include <stdbool.h>

typedef struct luas__cluster {
    const char *cluster, *key, *ca, *nkey, *name;   /* NULL: not given */
    const char *agent, *agents, *make_key, *make_nkey;
} luas__cluster;

/* As luas__reports_parse. */
int luas__cluster_parse(luas__cluster *c, char **argv, int *i, const char **why);

/* Is one of those options given that run no script? */
bool luas__cluster_is_command(const luas__cluster *c);

/* Makes the options known to the library. */
void luas__cluster_note(lua_State *L, const luas__cluster *c);

/* Pushes the function that does such an option's work, and its argument; returns how many these are. It
   returns an exit status, and a message or nil. */
int luas__cluster_push(lua_State *L, const luas__cluster *c);

#endif
