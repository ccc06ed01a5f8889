/* Loading LMDB. */
#include "lmdb.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "library.h"

/* Shared by all threads of the process. Never changed once it is filled. */
static luas__lmdb functions;
static char reason[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const names[] = {"liblmdb.so.0", "liblmdb.so", "liblmdb.dylib"};

static void load(void)
{
    void *library = luas__library_open(names, sizeof names / sizeof *names), *address;
    if (library == NULL) {
        snprintf(reason, sizeof reason, "a shared table needs the library LMDB, which cannot be "
                 "loaded (Debian's package is liblmdb0)");
        return;
    }
#define LOAD(result, name, arguments) \
    address = dlsym(library, "mdb_" #name); \
    if (address == NULL) { \
        snprintf(reason, sizeof reason, "this LMDB has no mdb_" #name); \
        return; \
    } \
    memcpy(&functions.name, &address, sizeof address);
    LUAS__LMDB(LOAD)
#undef LOAD
}

const luas__lmdb *luas__lmdb_load(const char **why)
{
    pthread_once(&once, load);
    *why = reason[0] == '\0' ? NULL : reason;
    return reason[0] == '\0' ? &functions : NULL;
}
