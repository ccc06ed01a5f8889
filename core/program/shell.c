/* The options for one-liners. */
#include "shell.h"

#include <stddef.h>
#include <string.h>

#include "module.h"

static const struct option {
    const char *name;
    bool wants;         /* it has an argument */
} options[] = {
    {"-p", true}, {"-n", true}, {"-F", true}, {"-0", false},
    {"--where", true}, {"--by", true}, {"--count", false}, {"--sum", true}, {"--min", true}, {"--max", true},
    {"--mean", true}, {"--begin", true}, {"--end", true}, {"--map", true}, {"--run", true}, {"--args", false},
    {"--csv", false}, {"--tsv", false}, {"--header", false}, {"--json", false},
    {"--unordered", false}, {"--block", true}, {"--record", true},
    {"--halt", true}, {"--retries", true}, {"--timeout", true},
    {"--results", true}, {"--failed", false}, {"--format", true},
};

enum { OPTIONS = sizeof options / sizeof *options };

/* What is attached to the name: "" if nothing is; NULL for another name. */
static const char *attached(const char *word, const char *name)
{
    size_t len = strlen(name);
    bool is_long = name[1] == '-';
    if (strncmp(word, name, len) != 0 || (is_long && word[len] != '=' && word[len] != '\0'))
        return NULL;
    return is_long && word[len] == '=' ? word + len + 1 : word + len;
}

static const struct option *find(const char *word, const char **value)
{
    for (int k = 0; k < OPTIONS; k++) {
        *value = attached(word, options[k].name);
        if (*value != NULL)
            return &options[k];
    }
    return NULL;
}

/* The option at argv[*i], and its argument, to which *i moves on if it is the next word; NULL for
   another option. An argument that is missing is NULL, one that is too much is not. */
static const struct option *take(char **argv, int *i, const char **value)
{
    const char *word = argv[*i];
    const struct option *o = find(word, value);
    if (o == NULL)
        return NULL;
    bool has = **value != '\0' || (o->name[1] == '-' && strchr(word, '=') != NULL);
    if (!has)
        *value = NULL;
    if (o->wants && !has && argv[*i + 1] != NULL)
        *value = argv[++*i];
    return o;
}

int luas__shell_parse(bool *is_given, char **argv, int *i, const char **why)
{
    const char *value;
    const struct option *o = take(argv, i, &value);
    if (o == NULL)
        return 0;
    *why = o->wants ? "'%s' needs an argument" : "'%s': this option takes no argument";
    if ((value != NULL) != o->wants)
        return -1;
    if (is_given != NULL)
        *is_given = true;
    return strcmp(o->name, "--args") == 0 ? 2 : 1;
}

/* Pushes the list of options before `end`: of each its name, and its argument. */
static void push_options(lua_State *L, char **argv, int end)
{
    lua_newtable(L);
    lua_Integer n = 0;
    for (int i = 1; i < end; i++) {
        const char *value;
        const struct option *o = take(argv, &i, &value);
        if (o == NULL)
            continue;
        lua_createtable(L, 2, 0);
        lua_pushstring(L, o->name);
        lua_rawseti(L, -2, 1);
        lua_pushstring(L, value);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, ++n);
    }
}

int luas__shell_push(lua_State *L, char **argv, int first_file)
{
    luas__module_push(L, "luas.shell", "main");
    push_options(L, argv, first_file);
    lua_newtable(L);
    for (int i = first_file; argv[i] != NULL; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - first_file + 1);
    }
    return 2;
}
