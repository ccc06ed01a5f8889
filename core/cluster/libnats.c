/* Loading libnats. */
#include "libnats.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "library.h"

/* Shared by all threads of the process. Never changed once it is filled. */
static luas__libnats functions;
static char reason[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const names[] = {"libnats.so.3.4", "libnats.so", "libnats.dylib"};

static void load(void)
{
    void *library = luas__library_open(names, sizeof names / sizeof *names), *address;
    if (library == NULL) {
        snprintf(reason, sizeof reason, "a cluster needs the library libnats, which cannot be loaded "
                 "(Debian's package is libnats3.4: apt-get install libnats3.4)");
        return;
    }
#define LOAD(result, name, arguments) \
    address = dlsym(library, #name); \
    if (address == NULL) { \
        snprintf(reason, sizeof reason, "this libnats has no " #name); \
        return; \
    } \
    memcpy(&functions.name, &address, sizeof address);
    LUAS__NATS(LOAD)
#undef LOAD
}

const luas__libnats *luas__libnats_load(const char **why)
{
    pthread_once(&once, load);
    *why = reason;
    return reason[0] == '\0' ? &functions : NULL;
}
