#include "version.h"

#include <dlfcn.h>
#include <lua.h>
#include <stdio.h>

#include "luas.h"

#ifndef LUAS_COMMIT
#define LUAS_COMMIT "unknown"
#endif

/* What each is for. Their modules try the same names. */
static const struct {
    const char *file, *use;
} libraries[] = {
    {"libedit.so.2", "the prompt"},       {"liblmdb.so.0", "shared.table"},
    {"libsqlite3.so.0", "journals"},      {"libxxhash.so.0", "journals"},
    {"libnats.so.3.4", "many machines"},  {"libsodium.so.23", "keys of many machines"},
};

static void print_library(const char *file, const char *use)
{
    void *library = dlopen(file, RTLD_LAZY | RTLD_LOCAL);

    printf("  %-16s %s (%s)\n", file, library != NULL ? "found  " : "missing", use);
    if (library != NULL) {
        dlclose(library);
    }
}

void luas__version_print(bool all)
{
    puts("luas " LUAS_VERSION "  (" LUA_COPYRIGHT ")");
    if (!all) {
        return;
    }
    puts("commit " LUAS_COMMIT);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        print_library(libraries[i].file, libraries[i].use);
    }
}
