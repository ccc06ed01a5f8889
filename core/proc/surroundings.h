/*
 * What code finds around it in its process, and can change: the working directory, the locale, the
 * umask, the environment and the time zone. A task should find them as they were where it was submitted, though
 * its worker was forked earlier; and it should not find what other tasks have changed.
 *
 * The host: luas__surroundings_now() when a worker is forked, and when something is submitted. If
 * these two differ luas__surroundings_message_write() (surroundings_message.h) says how. The worker: luas__surroundings_now() when
 * it has made itself ready and luas__surroundings_adopt(), luas__surroundings_message_read() for what it is
 * told, and luas__surroundings_enter() before tasks.
 *
 * What others see of such a snapshot never changes. Each has a count of its users, which is not atomic.
 */
#ifndef LUAS_SURROUNDINGS_H
#define LUAS_SURROUNDINGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The time zone that the C library uses, as it tells it: it looks at TZ when it is told to. */
typedef struct luas__clock {
    const char *names[2];
    long west;
} luas__clock;

/* A variable, or one of the others, that differed from what was there before. */
typedef struct luas__change {
    const char *name;
    int64_t at;             /* the serial of the snapshot that was the first without it */
} luas__change;

typedef struct luas__surroundings {
    int users;
    mode_t mask;
    int64_t device, inode;  /* of the directory */
    const char *directory;  /* NULL: not known, for example because it was removed */
    const char *locale;     /* as setlocale gives and takes it; or NULL */
    const char *zone;       /* TZ, when the C library looked at it last; or NULL */
    luas__clock clock;      /* when somebody looked last */
    int64_t serial;         /* higher than that of the one that it was made after */
    luas__change *changes;  /* since the first of those: `changed`, each name once */
    size_t changed;
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

/* This process has these surroundings, and changes to others by luas__surroundings_enter. */
void luas__surroundings_adopt(const luas__surroundings *s);

/* Sees to it that this process has these surroundings: so `s` must stay until it has entered
   others. Returns 0, or -errno if the directory cannot be entered: -ENOENT if it was removed and this
   process is not in it. */
int luas__surroundings_enter(const luas__surroundings *s);

#endif
