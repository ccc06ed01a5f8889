/* Loading xxHash. */
#include "xxh.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "library.h"

/* Shared by all threads of the process. Never changed once it is filled. */
static luas__hash (*hash)(const void *, size_t);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    static const char *const names[] = {"libxxhash.so.0", "libxxhash.so", "libxxhash.dylib"};
    void *library = luas__library_open(names, sizeof names / sizeof *names);
    void *address = library != NULL ? dlsym(library, "XXH3_128bits") : NULL;
    memcpy(&hash, &address, sizeof address);
}

bool luas__xxh_load(const char **why)
{
    pthread_once(&once, load);
    *why = "a journal needs the library xxHash 0.8, which cannot be loaded (Debian's package is libxxhash0)";
    return hash != NULL;
}

luas__hash luas__xxh_of(const void *bytes, size_t len)
{
    return hash(bytes, len);
}
