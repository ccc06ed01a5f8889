/*
 * Error codes of the core: 0 or more is success, these negatives are failures.
 * A failed system call is its own negated errno (-ENFILE, -EAGAIN...); the
 * LUAS_E codes lie below all of those. luas_strerror (luas.h) names both.
 */
#ifndef LUAS_ERROR_H
#define LUAS_ERROR_H

#include <stdbool.h>

#include "luas.h"

#define LUAS__IS_ERRNO(rc) ((rc) < 0 && (rc) > LUAS_EFIRST)

/* Was there not enough of something that there may be enough of later: processes,
   descriptors, memory? */
bool luas__error_is_shortage(int rc);

#endif
