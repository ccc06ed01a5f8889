/* Loading libsodium. */
#include "libsodium.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "library.h"

/* Shared by all threads of the process. Never changed once it is filled. */
static luas__libsodium functions;
static char reason[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const names[] = {"libsodium.so.23", "libsodium.so.26", "libsodium.so", "libsodium.dylib"};

static void load(void)
{
    void *library = luas__library_open(names, sizeof names / sizeof *names), *address;
    if (library == NULL) {
        snprintf(reason, sizeof reason, "the key of a cluster needs the library libsodium, which cannot be "
                 "loaded (Debian's package is libsodium23: apt-get install libsodium23)");
        return;
    }
#define LOAD(result, name, arguments) \
    address = dlsym(library, #name); \
    if (address == NULL) { \
        snprintf(reason, sizeof reason, "this libsodium has no " #name); \
        return; \
    } \
    memcpy(&functions.name, &address, sizeof address);
    LUAS__SODIUM(LOAD)
#undef LOAD
    if (functions.sodium_init() < 0)
        snprintf(reason, sizeof reason, "libsodium does not start");
}

const luas__libsodium *luas__libsodium_load(const char **why)
{
    pthread_once(&once, load);
    *why = reason;
    return reason[0] == '\0' ? &functions : NULL;
}
