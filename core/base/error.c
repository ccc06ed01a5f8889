/* Error codes in words, and the version of the library. */
#include "error.h"

#include <errno.h>
#include <string.h>

const char *luas_strerror(int code)
{
    switch (code) {
#define CASE(name, value, text) case name: return text;
    LUAS_CODES(CASE)
#undef CASE
    }
    if (code >= 0)
        return "no error";
    return LUAS__IS_ERRNO(code) ? strerror(-code) : "unknown error";
}

int luas_version(void)
{
    return LUAS_VERSION_NUM;
}

const char *luas_version_string(void)
{
    return LUAS_VERSION;
}

bool luas__error_is_shortage(int rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN || rc == -ENOMEM || rc == LUAS_ENOMEM;
}
