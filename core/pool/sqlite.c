/* Loading SQLite. */
#include "sqlite.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "library.h"

/* Shared by all threads of the process. Never changed once it is filled. */
static luas__sqlite functions;
static char reason[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const names[] = {"libsqlite3.so.0", "libsqlite3.so", "libsqlite3.dylib"};

static void load(void)
{
    void *library = luas__library_open(names, sizeof names / sizeof *names), *address;
    if (library == NULL) {
        snprintf(reason, sizeof reason, "a journal needs the library SQLite, which cannot be loaded "
                 "(Debian's package is libsqlite3-0)");
        return;
    }
#define LOAD(result, name, arguments) \
    address = dlsym(library, "sqlite3_" #name); \
    if (address == NULL) { \
        snprintf(reason, sizeof reason, "this SQLite has no sqlite3_" #name); \
        return; \
    } \
    memcpy(&functions.name, &address, sizeof address);
    LUAS__SQLITE(LOAD)
#undef LOAD
}

const luas__sqlite *luas__sqlite_load(const char **why)
{
    pthread_once(&once, load);
    *why = reason;
    return reason[0] == '\0' ? &functions : NULL;
}
