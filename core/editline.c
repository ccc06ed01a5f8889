#include "editline.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* Debian's name comes last: its reason is the one to be told. */
static void *open_library(void)
{
    static const char *const names[] = {"libedit.so.0", "libedit.dylib", "libedit.so.2"};
    void *library = NULL;

    for (size_t i = sizeof names / sizeof names[0]; library == NULL && i-- > 0;) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    return library != NULL ? library : dlopen(names[2], RTLD_NOW | RTLD_LOCAL);
}

const char *luas__editline_load(luas__editline *lib)
{
    void *library = open_library();

    if (library == NULL) {
        return dlerror();
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
