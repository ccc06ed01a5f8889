/*
 * Error codes of the core. 0 or more is success, a negative number is a failure:
 * the negated errno of a system call (-ENFILE, -EAGAIN...), or a LUAS_E code, which
 * lies below all of those. luas_strerror (luas.h) has words for both.
 */
#ifndef LUAS_ERROR_H
#define LUAS_ERROR_H

#include <stdbool.h>

#include "luas.h"

#define LUAS__IS_ERRNO(rc) ((rc) < 0 && (rc) > LUAS_EFIRST)

/* Did it fail for want of processes, descriptors or memory? It may succeed later. */
bool luas__error_is_shortage(int rc);

#endif
