/*
 * The line at the bottom of a terminal in which progress is shown, on stderr.
 * What else is written there meanwhile, by way of lift and lower, goes above it
 * in whole lines. Several pools may have one line.
 */
#ifndef LUAS_LINE_H
#define LUAS_LINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

typedef struct luas__line {
    _Atomic int users;
    pthread_mutex_t lock;
    char text[1024];        /* what is shown */
    size_t len;             /* 0: nothing is */
} luas__line;

/* The caller is its first user; NULL without memory. The last user frees it. */
luas__line *luas__line_new(void);
void luas__line_use(luas__line *l);
void luas__line_drop(luas__line *l);

/* Shows this in place of what is shown; with no bytes the line is gone. */
void luas__line_draw(luas__line *l, const char *text, size_t len);

/* Around what is written to the terminal by others: NULL is fine. */
void luas__line_lift(luas__line *l);
void luas__line_lower(luas__line *l);

#endif
