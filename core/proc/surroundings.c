/* Compares, sends and restores what is around a process. */
#define _GNU_SOURCE
#include "surroundings.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

extern char **environ;

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* ---- making one ---- */

static size_t size_of(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static char *copy(char **at, const char *text)
{
    size_t size = size_of(text);
    char *here = *at;
    if (size == 0)
        return NULL;
    memcpy(here, text, size);
    *at += size;
    return here;
}

/* Copies everything that `from` points to into one block; `variables` are those that are not
   NULL. */
static luas__surroundings *make(const luas__surroundings *from, char *const *variables,
                                size_t count)
{
    size_t size = sizeof *from + 2 * (count + 1) * sizeof *variables + size_of(from->directory)
        + size_of(from->locale);
    for (size_t i = 0; i < count; i++)
        size += size_of(variables[i]);
    luas__surroundings *s = malloc(size);
    if (s == NULL)
        return NULL;
    *s = (luas__surroundings){.users = 1, .mask = from->mask, .variables = (char **)(s + 1)};
    s->entered = s->variables + count + 1;
    char *at = (char *)(s->entered + count + 1);
    s->directory = copy(&at, from->directory);
    s->locale = copy(&at, from->locale);
    for (size_t i = 0; i < count; i++)
        if (variables[i] != NULL)
            s->variables[s->count++] = copy(&at, variables[i]);
    s->variables[s->count] = NULL;
    memcpy(s->entered, s->variables, (s->count + 1) * sizeof *variables);
    return s;
}

luas__surroundings *luas__surroundings_use(luas__surroundings *s)
{
    s->users++;
    return s;
}

void luas__surroundings_release(luas__surroundings *s)
{
    if (s != NULL && --s->users == 0)
        free(s);
}

/* ---- looking ---- */

static size_t count_variables(void)
{
    size_t n = 0;
    while (environ != NULL && environ[n] != NULL)
        n++;
    return n;
}

static bool has_variables(const luas__surroundings *s)
{
    size_t i = 0;
    while (environ != NULL && environ[i] != NULL && i < s->count
           && strcmp(environ[i], s->variables[i]) == 0)
        i++;
    return i == s->count && (environ == NULL || environ[i] == NULL);
}

/* For the first look, while other threads may create files: changes nothing. */
static mode_t read_mask(void)
{
    unsigned mask = 022;
    char line[256];
    bool found = false;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && !found && fgets(line, sizeof line, status) != NULL)
        found = sscanf(line, "Umask: %o", &mask) == 1;
    if (status != NULL)
        fclose(status);
    if (!found)
        umask(mask = umask(077));
    return (mode_t)mask;
}

/* The system tells the mask only to who sets it. So this sets the one that should be there: if
   it is, then nothing was changed, whatever other threads do. */
static mode_t look_at_mask(mode_t expected)
{
    mode_t mask = umask(expected);
    if (mask != expected)
        umask(mask);
    return mask;
}

luas__surroundings *luas__surroundings_now(luas__surroundings *known)
{
    char directory[PATH_MAX];
    luas__surroundings now = {
        .mask = known != NULL ? look_at_mask(known->mask) : read_mask(),
        .directory = getcwd(directory, sizeof directory), .locale = setlocale(LC_ALL, NULL)};
    if (known != NULL && now.mask == known->mask && is_same(now.directory, known->directory)
        && is_same(now.locale, known->locale) && has_variables(known))
        return luas__surroundings_use(known);
    return make(&now, environ, count_variables());
}

/* ---- on the way ---- */

/* The length of a variable's name; 0 if it has none. */
static size_t name_length(const char *variable)
{
    const char *end = strchr(variable, '=');
    return end != NULL ? (size_t)(end - variable) : 0;
}

/* Where the variable of this name is, or `count`. */
static size_t find(char *const *variables, size_t count, const char *name, size_t len)
{
    size_t i = 0;
    while (i < count && !(variables[i] != NULL && strncmp(variables[i], name, len) == 0
                          && variables[i][len] == '='))
        i++;
    return i;
}

/* Counts the variables that `to` sets, and writes them if `out` is not NULL. */
static int write_set(luas__buffer *out, const luas__surroundings *from,
                     const luas__surroundings *to, int rc)
{
    for (size_t i = 0; i < to->count && rc >= 0; i++) {
        const char *v = to->variables[i];
        size_t len = name_length(v), at = find(from->variables, from->count, v, len);
        if (len == 0 || (at < from->count && strcmp(from->variables[at], v) == 0))
            continue;
        int put = out == NULL ? 1 : luas__mp_write_string(out, v, strlen(v));
        rc = put < 0 ? put : rc + put;
    }
    return rc;
}

/* The same for those that it lacks. */
static int write_gone(luas__buffer *out, const luas__surroundings *from,
                      const luas__surroundings *to, int rc)
{
    for (size_t i = 0; i < from->count && rc >= 0; i++) {
        const char *v = from->variables[i];
        size_t len = name_length(v);
        if (len == 0 || find(to->variables, to->count, v, len) < to->count)
            continue;
        int put = out == NULL ? 1 : luas__mp_write_string(out, v, len);
        rc = put < 0 ? put : rc + put;
    }
    return rc;
}

static int write_text(luas__buffer *out, const char *from, const char *to)
{
    if (is_same(from, to))
        return luas__mp_write_nil(out);
    return to != NULL ? luas__mp_write_string(out, to, strlen(to)) : luas__mp_write_bool(out, 0);
}

int luas__surroundings_write(luas__buffer *out, const luas__surroundings *from,
                             const luas__surroundings *to)
{
    int rc = luas__mp_write_array(out, 4);
    if (rc == 0)
        rc = write_text(out, from->directory, to->directory);
    if (rc == 0)
        rc = write_text(out, from->locale, to->locale);
    if (rc == 0)
        rc = from->mask == to->mask ? luas__mp_write_nil(out) : luas__mp_write_int(out, to->mask);
    if (rc == 0)
        rc = luas__mp_write_array(out, (uint32_t)write_gone(NULL, from, to, write_set(NULL, from, to, 0)));
    if (rc == 0)
        rc = write_gone(out, from, to, write_set(out, from, to, 0));
    return rc;
}

/* Makes *text a copy of the string that comes next, for the caller to free by *copy_of; or NULL,
   for false. Leaves it as it is for nil. */
static int read_text(luas__mp_reader *r, const char **text, char **copy_of)
{
    luas__mp_token t;
    if (luas__mp_read(r, &t) != 1)
        return LUAS_EPROTO;
    if (t.type == MP_NIL)
        return 0;
    *text = NULL;
    if (t.type == MP_BOOL)
        return 0;
    if (t.type != MP_STR && t.type != MP_BIN)
        return LUAS_EPROTO;
    *text = *copy_of = strndup(t.bytes, t.len);
    return *text != NULL ? 0 : LUAS_ENOMEM;
}

/* Changes the list, which has room for one more, as this string says. */
static void change(char **variables, size_t *count, char *as)
{
    size_t len = name_length(as), at;
    bool is_set = len > 0;
    at = find(variables, *count, as, is_set ? len : strlen(as));
    if (at == *count && is_set)
        ++*count;
    if (at < *count)
        variables[at] = is_set ? as : NULL;
}

/* `copies` gets what the caller frees. */
static int read_variables(luas__mp_reader *r, uint32_t changes, char **variables, size_t *count,
                          char **copies)
{
    int rc = 0;
    for (uint32_t i = 0; i < changes && rc == 0; i++) {
        const char *text = NULL;
        rc = read_text(r, &text, &copies[i]);
        if (rc == 0 && text == NULL)
            rc = LUAS_EPROTO;
        if (rc == 0)
            change(variables, count, copies[i]);
    }
    return rc;
}

static int read_mask_of(luas__mp_reader *r, mode_t *mask)
{
    luas__mp_token t;
    if (luas__mp_read(r, &t) != 1 || (t.type != MP_NIL && t.type != MP_INT))
        return LUAS_EPROTO;
    if (t.type == MP_INT)
        *mask = (mode_t)t.as.i & 0777;
    return 0;
}

static int read_count(luas__mp_reader *r, uint32_t *count)
{
    luas__mp_token t;
    if (luas__mp_read(r, &t) != 1 || t.type != MP_ARRAY || t.len > (size_t)(r->end - r->at) + 1)
        return LUAS_EPROTO;
    *count = t.len;
    return 0;
}

/* Reads the variables, and makes the result of them and of `s`. */
static int read_rest(luas__surroundings **to, const luas__surroundings *s, luas__mp_reader *r)
{
    uint32_t changes;
    int rc = read_count(r, &changes);
    if (rc < 0)
        return rc;
    size_t count = s->count, most = count + changes + 1;
    char **variables = calloc(most + changes, sizeof *variables), **copies = variables + most;
    if (variables == NULL)
        return LUAS_ENOMEM;
    memcpy(variables, s->variables, count * sizeof *variables);
    rc = read_variables(r, changes, variables, &count, copies);
    if (rc == 0 && (*to = make(s, variables, count)) == NULL)
        rc = LUAS_ENOMEM;
    for (uint32_t i = 0; i < changes; i++)
        free(copies[i]);
    free(variables);
    return rc;
}

int luas__surroundings_read(luas__surroundings **to, const luas__surroundings *from,
                            luas__mp_reader *changes)
{
    luas__surroundings s = *from;
    char *directory = NULL, *locale = NULL;
    uint32_t fields;
    *to = NULL;
    int rc = read_count(changes, &fields);
    if (rc == 0)
        rc = fields == 4 ? read_text(changes, &s.directory, &directory) : LUAS_EPROTO;
    if (rc == 0)
        rc = read_text(changes, &s.locale, &locale);
    if (rc == 0)
        rc = read_mask_of(changes, &s.mask);
    if (rc == 0)
        rc = read_rest(to, &s, changes);
    free(directory);
    free(locale);
    return rc;
}

/* ---- entering ---- */

/* Somebody who is in a directory that was removed cannot go there, and need not. */
static int enter_directory(const char *directory)
{
    char here[PATH_MAX];
    const char *at = getcwd(here, sizeof here);
    bool removed = at == NULL && errno == ENOENT;
    if (directory == NULL || is_same(at, directory) || chdir(directory) == 0)
        return 0;
    return removed && errno == ENOENT ? 0 : -errno;
}

/* Compares pointers alone: the strings are ours, and setenv makes others. */
static void enter_environment(const luas__surroundings *s)
{
    size_t size = (s->count + 1) * sizeof *s->variables;
    if (environ == s->entered && memcmp(s->entered, s->variables, size) == 0)
        return;
    memcpy(s->entered, s->variables, size);
    environ = s->entered;
    tzset();
}

int luas__surroundings_enter(const luas__surroundings *s)
{
    if (s->locale != NULL && !is_same(setlocale(LC_ALL, NULL), s->locale))
        setlocale(LC_ALL, s->locale);
    umask(s->mask);
    enter_environment(s);
    return enter_directory(s->directory);
}
