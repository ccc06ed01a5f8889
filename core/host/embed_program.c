/* Finding the program luas. */
#define _GNU_SOURCE
#include "embed_program.h"

#include <dlfcn.h>
#include <errno.h>
#include <lua.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fresh.h"
#include "luas.h"
#include "scoreboard.h"

#define SELF "/proc/self/exe"

/* So many folders above the library's may have a bin with the program. */
enum { MOST_ABOVE = 5, MOST_PATH = 4096 };

static bool is_luas;

void luas__embed_program_is_luas(void)
{
    is_luas = access(SELF, X_OK) == 0;
}

/* Structs go from one to the other as they are. */
const char *luas__embed_program_tag(void)
{
    static char tag[LUAS__FRESH_TAG];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (*tag == '\0')
        snprintf(tag, sizeof tag, "luas %s with %s (build %zu)", LUAS_VERSION, LUA_RELEASE,
                 sizeof(luas__scoreboard) + sizeof(luas__fresh_request));
    pthread_mutex_unlock(&lock);
    return tag;
}

/* ---- where it is ---- */

static bool is_program(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode) && access(path, X_OK) == 0;
}

/* Is it in this folder? */
static bool is_in(const char *folder, const char *name, char *path, size_t size)
{
    int n = snprintf(path, size, "%s/%s", folder, name);
    return n > 0 && (size_t)n < size && is_program(path);
}

/* The library's folder; "" if that is not known. */
static void find_library(char *folder, size_t size)
{
    Dl_info info;
    static const char here;
    *folder = '\0';
    if (dladdr(&here, &info) == 0 || info.dli_fname == NULL)
        return;
    char *whole = realpath(info.dli_fname, NULL);
    if (whole != NULL)
        snprintf(folder, size, "%.*s", (int)(strrchr(whole, '/') - whole), whole);
    free(whole);
}

/* Beside the library (a folder of a build), or as `make install` has it: PREFIX/bin and PREFIX/lib/... */
static bool is_near(const char *library, char *path, size_t size)
{
    char folder[MOST_PATH];
    snprintf(folder, sizeof folder, "%s", library);
    if (*folder == '\0')
        return false;
    bool found = is_in(folder, "luas", path, size);
    for (int i = 0; i < MOST_ABOVE && !found && *folder != '\0'; i++) {
        *strrchr(folder, '/') = '\0';
        found = is_in(folder, "bin/luas", path, size);
    }
    return found;
}

static bool is_in_path(char *path, size_t size)
{
    const char *at = getenv("PATH");
    char folder[MOST_PATH];
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ":");
        snprintf(folder, sizeof folder, "%.*s", (int)(len > 0 ? len : 1), len > 0 ? at : ".");
        if (is_in(folder, "luas", path, size))
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

static bool look_for(char *path, size_t size, luas__buffer *why)
{
    char library[MOST_PATH], words[2 * MOST_PATH];
    find_library(library, sizeof library);
    if (is_near(library, path, size) || is_in_path(path, size))
        return true;
    snprintf(words, sizeof words, "there is no program 'luas' near %s or in PATH: install it "
             "(cmake --install build), or say where it is by the option 'program'",
             *library != '\0' ? library : "the library");
    (void)luas__buffer_append(why, words, strlen(words) + 1);
    return false;
}

/* ---- what it is ---- */

static int refuse(luas__buffer *why, int rc, const char *path, const char *found)
{
    char words[2 * MOST_PATH];
    if (rc != LUAS_EPROTO)
        snprintf(words, sizeof words, "cannot run %s", path);
    else if (*found == '\0')
        snprintf(words, sizeof words, "%s does not say that it is %s", path, luas__embed_program_tag());
    else
        snprintf(words, sizeof words, "%s is %s, but this is %s", path, found, luas__embed_program_tag());
    (void)luas__buffer_append(why, words, strlen(words) + 1);
    return rc;
}

/* The program that was asked last. A file that was replaced is another one. */
static struct {
    pthread_mutex_t lock;
    struct stat file;
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_known(const struct stat *s)
{
    pthread_mutex_lock(&known.lock);
    bool is = s->st_dev == known.file.st_dev && s->st_ino == known.file.st_ino
        && s->st_size == known.file.st_size && s->st_mtim.tv_sec == known.file.st_mtim.tv_sec
        && s->st_mtim.tv_nsec == known.file.st_mtim.tv_nsec;
    pthread_mutex_unlock(&known.lock);
    return is;
}

static int check(const char *path, luas__buffer *why)
{
    struct stat s;
    char found[LUAS__FRESH_TAG] = "";
    int rc = stat(path, &s) < 0 ? -errno : is_known(&s) ? 0
        : luas__fresh_probe(path, luas__embed_program_tag(), found);
    if (rc < 0)
        return refuse(why, rc, path, found);
    pthread_mutex_lock(&known.lock);
    known.file = s;
    pthread_mutex_unlock(&known.lock);
    return 0;
}

/* A relative path is one from here: workers may be started elsewhere. */
static int take(luas__buffer *path, const char *found)
{
    char *whole = realpath(found, NULL);
    int rc = luas__buffer_append(path, whole != NULL ? whole : found, strlen(whole != NULL ? whole : found) + 1);
    free(whole);
    return rc;
}

int luas__embed_program_find(const char *given, luas__buffer *path, luas__buffer *why)
{
    char found[MOST_PATH];
    if (given == NULL && is_luas)
        return luas__buffer_append(path, SELF, sizeof SELF);
    if (given == NULL && !look_for(found, sizeof found, why))
        return -ENOENT;
    int rc = check(given != NULL ? given : found, why);
    return rc < 0 ? rc : take(path, given != NULL ? given : found);
}
