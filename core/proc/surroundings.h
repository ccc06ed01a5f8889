/*
 * What code finds around it in its process, and can change: the working directory, the locale, the
 * umask and the environment. A task should find them as they were where it was submitted, though
 * its worker was forked earlier; and it should not find what other tasks have changed.
 *
 * The host: luas__surroundings_now() when a worker is forked, and when something is submitted. If
 * these two differ luas__surroundings_write() says how. The worker: luas__surroundings_now() when
 * it has made itself ready, luas__surroundings_read() for what it is told, and
 * luas__surroundings_enter() before tasks.
 *
 * Such a snapshot never changes. Each has a count of its users, which is not atomic.
 */
#ifndef LUAS_SURROUNDINGS_H
#define LUAS_SURROUNDINGS_H

#include <stddef.h>
#include <sys/types.h>

#include "buffer.h"
#include "msgpack.h"

typedef struct luas__surroundings {
    int users;
    mode_t mask;
    const char *directory;  /* NULL: not known, for example because it was removed */
    const char *locale;     /* as setlocale gives and takes it; or NULL */
    char **variables;       /* `count` strings NAME=VALUE, and NULL */
    char **entered;         /* what environ is after luas__surroundings_enter: a copy of these */
    size_t count;
} luas__surroundings;

/* What is around this process now, for the caller to release: `known` (or NULL) with one user
   more, if nothing differs from it. NULL without memory. */
luas__surroundings *luas__surroundings_now(luas__surroundings *known);

luas__surroundings *luas__surroundings_use(luas__surroundings *s);

/* Takes NULL, too. */
void luas__surroundings_release(luas__surroundings *s);

/* Appends what `to` has that `from` does not, as an array: of the directory (nil: the same one,
   false: not known), the locale, the mask (nil: the same one), and an array of
   variables, NAME=VALUE or just NAME for those that are gone. */
int luas__surroundings_write(luas__buffer *out, const luas__surroundings *from,
                             const luas__surroundings *to);

/* Makes of `from` what another process has written. Returns 0, or negative with *to NULL. */
int luas__surroundings_read(luas__surroundings **to, const luas__surroundings *from,
                            luas__mp_reader *changes);

/* Sees to it that this process has these surroundings: so `s` must stay until it has entered
   others. Returns 0, or -errno if the directory cannot be entered. */
int luas__surroundings_enter(const luas__surroundings *s);

#endif
