/* Compares and restores what is around a process. */
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
#include "surroundings_part.h"

extern char **environ;

#define ZONE "TZ"
#define ZONE_FILES "TZDIR"

enum { OTHERS = 4 };

static bool is_same(const char *a, const char *b)
{
    return luas__surroundings_part_same(a, b);
}

bool luas__surroundings_part_is_there(const luas__surroundings *a, const luas__surroundings *b)
{
    return a->device == b->device && a->inode == b->inode && is_same(a->directory, b->directory);
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

/* Copies the strings of `from` and the variables that are not NULL to `at`. */
static void copy_strings(luas__surroundings *s, const luas__surroundings *from, char *at,
                         char *const *variables, size_t count)
{
    s->directory = copy(&at, from->directory);
    s->locale = copy(&at, from->locale);
    s->zone = copy(&at, from->zone);
    for (size_t i = 0; i < count; i++)
        if (variables[i] != NULL)
            s->variables[s->count++] = copy(&at, variables[i]);
    for (size_t i = 0; i < s->changed; i++)
        s->changes[i].name = copy(&at, from->changes[i].name);
}

luas__surroundings *luas__surroundings_part_make(const luas__surroundings *from, char *const *variables,
                                size_t count)
{
    size_t lists = 2 * (count + 1) * sizeof *variables + from->changed * sizeof *from->changes;
    size_t size = sizeof *from + lists + size_of(from->directory) + size_of(from->locale)
        + size_of(from->zone);
    for (size_t i = 0; i < count; i++)
        size += size_of(variables[i]);
    for (size_t i = 0; i < from->changed; i++)
        size += size_of(from->changes[i].name);
    luas__surroundings *s = malloc(size);
    if (s == NULL)
        return NULL;
    *s = *from;
    s->users = 1;
    s->count = 0;
    s->changes = (luas__change *)(s + 1);
    if (from->changed > 0)
        memcpy(s->changes, from->changes, from->changed * sizeof *s->changes);
    s->variables = (char **)(s->changes + s->changed);
    s->entered = s->variables + count + 1;
    copy_strings(s, from, (char *)(s->entered + count + 1), variables, count);
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

/* ---- what has changed ---- */

size_t luas__surroundings_part_name(const char *variable)
{
    const char *end = strchr(variable, '=');
    return end != NULL ? (size_t)(end - variable) : 0;
}

size_t luas__surroundings_part_find(char *const *variables, size_t count, const char *name, size_t len)
{
    size_t i = 0;
    while (i < count && !(variables[i] != NULL && strncmp(variables[i], name, len) == 0
                          && variables[i][len] == '='))
        i++;
    return i;
}

/* Notes that this name, of so many bytes, has changed by the snapshot `s`, whose list has room. */
static void note_change(luas__surroundings *s, const char *name, size_t len, char **names)
{
    size_t i = 0;
    while (i < s->changed && !(strncmp(s->changes[i].name, name, len) == 0
                               && s->changes[i].name[len] == '\0'))
        i++;
    if (i == s->changed) {
        memcpy(*names, name, len);
        (*names)[len] = '\0';
        s->changes[s->changed++].name = *names;
        *names += len + 1;
    }
    s->changes[i].at = s->serial;
}

/* Notes the variables that `of` has and `other` has not, or otherwise. */
static void note_variables(luas__surroundings *s, const luas__surroundings *of,
                           const luas__surroundings *other, char **names)
{
    for (size_t i = 0; i < of->count; i++) {
        const char *v = of->variables[i];
        size_t len = luas__surroundings_part_name(v);
        size_t at = luas__surroundings_part_find(other->variables, other->count, v, len);
        if (len > 0 && (at == other->count || strcmp(other->variables[at], v) != 0))
            note_change(s, v, len, names);
    }
}

static void note_all(luas__surroundings *s, const luas__surroundings *known, char **names)
{
    if (!luas__surroundings_part_is_there(s, known))
        note_change(s, DIRECTORY, sizeof DIRECTORY - 1, names);
    if (!is_same(s->locale, known->locale))
        note_change(s, LOCALE, sizeof LOCALE - 1, names);
    if (!is_same(s->zone, known->zone))
        note_change(s, TIME_ZONE, sizeof TIME_ZONE - 1, names);
    if (s->mask != known->mask)
        note_change(s, MASK, sizeof MASK - 1, names);
    note_variables(s, s, known, names);
    note_variables(s, known, s, names);
}

/* Makes a snapshot of what is now, which is to follow that one. */
static luas__surroundings *make_after(luas__surroundings *now, const luas__surroundings *known)
{
    size_t most = known->changed + now->count + known->count + OTHERS, size = OTHERS * sizeof DIRECTORY;
    for (size_t i = 0; i < now->count; i++)
        size += luas__surroundings_part_name(now->variables[i]) + 1;
    for (size_t i = 0; i < known->count; i++)
        size += luas__surroundings_part_name(known->variables[i]) + 1;
    now->changes = malloc(most * sizeof *now->changes + size);
    if (now->changes == NULL)
        return NULL;
    char *names = (char *)(now->changes + most);
    now->serial = known->serial + 1;
    now->changed = known->changed;
    if (known->changed > 0)
        memcpy(now->changes, known->changes, known->changed * sizeof *known->changes);
    note_all(now, known, &names);
    luas__surroundings *s = luas__surroundings_part_make(now, now->variables, now->count);
    free(now->changes);
    return s;
}

bool luas__surroundings_part_changed(const luas__surroundings *a, const luas__surroundings *b, const char *name,
                        size_t len)
{
    const luas__surroundings *newer = a->serial > b->serial ? a : b, *older = newer == a ? b : a;
    for (size_t i = 0; i < newer->changed; i++)
        if (strncmp(newer->changes[i].name, name, len) == 0 && newer->changes[i].name[len] == '\0')
            return newer->changes[i].at > older->serial;
    return false;
}

static luas__clock look_at_clock(void)
{
    return (luas__clock){{tzname[0], tzname[1]}, timezone};
}

static bool is_same_clock(const luas__clock *a, const luas__clock *b)
{
    return a->west == b->west && is_same(a->names[0], b->names[0]) && is_same(a->names[1], b->names[1]);
}

/* Has the C library not looked at TZ at all? */
static bool is_first_clock(const luas__clock *c)
{
    return c->west == 0 && is_same(c->names[0], "GMT") && is_same(c->names[1], "GMT");
}

/* The zone that this process uses now. TZ may have been set since it was looked at. */
static const char *look_at_zone(const luas__surroundings *known, const luas__clock *clock)
{
    if (known != NULL && is_same_clock(clock, &known->clock) && !is_first_clock(clock))
        return known->zone;
    return getenv(ZONE);
}

static void look_at_directory(luas__surroundings *now, char *path, size_t size)
{
    struct stat st = {.st_dev = 0};
    now->directory = getcwd(path, size);
    if (stat(".", &st) == 0) {
        now->device = (int64_t)st.st_dev;
        now->inode = (int64_t)st.st_ino;
    }
}

luas__surroundings *luas__surroundings_now(luas__surroundings *known)
{
    char directory[PATH_MAX];
    luas__surroundings now = {
        .mask = known != NULL ? look_at_mask(known->mask) : read_mask(),
        .locale = setlocale(LC_ALL, NULL), .clock = look_at_clock(),
        .variables = environ, .count = count_variables()};
    now.zone = look_at_zone(known, &now.clock);
    look_at_directory(&now, directory, sizeof directory);
    if (known == NULL)
        return luas__surroundings_part_make(&now, environ, now.count);
    if (now.mask == known->mask && luas__surroundings_part_is_there(&now, known)
        && is_same(now.locale, known->locale) && is_same(now.zone, known->zone)
        && has_variables(known)) {
        known->clock = now.clock;
        return luas__surroundings_use(known);
    }
    return make_after(&now, known);
}

/* ---- entering ---- */

/* Nobody can go to a directory that was removed, but who is in it may stay. */
static int enter_directory(const luas__surroundings *s)
{
    struct stat st;
    if (stat(".", &st) == 0 && (int64_t)st.st_dev == s->device && (int64_t)st.st_ino == s->inode)
        return 0;
    if (s->directory == NULL)
        return -ENOENT;
    return chdir(s->directory) == 0 ? 0 : -errno;
}

/* Has the C library look at TZ as it was when the host's did. */
static void enter_zone(const luas__surroundings *s)
{
    size_t at = luas__surroundings_part_find(s->variables, s->count, ZONE_FILES, sizeof ZONE_FILES - 1), n = 0;
    char *alone[3] = {NULL}, *variable = NULL;
    char **all = environ;
    if (s->zone != NULL && asprintf(&variable, ZONE "=%s", s->zone) >= 0)
        alone[n++] = variable;
    if (at < s->count)
        alone[n] = s->variables[at];
    environ = alone;
    tzset();
    environ = all;
    free(variable);
}

/* May the C library use another zone than TZ names? Then it may have looked at that since. */
static bool is_other_zone(const luas__surroundings *s)
{
    const char *zone = getenv(ZONE);
    return !is_same(zone, s->zone);
}

void luas__surroundings_adopt(const luas__surroundings *s)
{
    memcpy(s->entered, s->variables, (s->count + 1) * sizeof *s->variables);
    environ = s->entered;
}

/* Compares pointers alone: the strings are ours, and setenv makes others. */
static void enter_environment(const luas__surroundings *s)
{
    size_t size = (s->count + 1) * sizeof *s->variables;
    bool is_there = environ == s->entered && memcmp(s->entered, s->variables, size) == 0;
    if (!is_there)
        luas__surroundings_adopt(s);
    if (!is_there || is_other_zone(s))
        enter_zone(s);
}

int luas__surroundings_enter(const luas__surroundings *s)
{
    if (s->locale != NULL && !is_same(setlocale(LC_ALL, NULL), s->locale))
        setlocale(LC_ALL, s->locale);
    umask(s->mask);
    enter_environment(s);
    return enter_directory(s);
}
