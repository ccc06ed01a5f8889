#include "editline.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* Tries Debian's library first, then other names. The failure of Debian's is the one that is
   reported. */
static void *open_library(luas__editline *lib)
{
    static const char *const others[] = {"libedit.dylib", "libedit.so.0"};
    void *library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        snprintf(lib->why, sizeof lib->why, "%s", dlerror());
    }
    for (size_t i = 0; library == NULL && i < sizeof others / sizeof others[0]; i++) {
        library = dlopen(others[i], RTLD_NOW | RTLD_LOCAL);
    }
    return library;
}

const char *luas__editline_load(luas__editline *lib)
{
    void *library = open_library(lib);

    if (library == NULL) {
        return lib->why;
    }
#define LOAD(name) \
    void *name##_address = dlsym(library, #name); \
    if (name##_address == NULL) { \
        return dlerror(); \
    } \
    memcpy(&lib->name, &name##_address, sizeof lib->name);
    LUAS__EDITLINE(LOAD)
#undef LOAD
    return NULL;
}
