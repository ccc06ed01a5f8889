/*
 * The line at the bottom of a terminal, on stderr, that shows progress. Other text goes
 * above it in whole lines: its writer calls luas__line_lift before and luas__line_lower
 * after it. Several pools may share one line.
 */
#ifndef LUAS_LINE_H
#define LUAS_LINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct luas__line {
    _Atomic int users;
    pthread_mutex_t lock;
    char text[1024];        /* what is shown */
    size_t len;             /* 0: nothing is shown */
} luas__line;

/* Makes a line, with the caller as its first user; NULL without memory. The last user
   frees it. */
luas__line *luas__line_new(void);
void luas__line_use(luas__line *l);
void luas__line_drop(luas__line *l);

/* Replaces the text of the line. Without bytes the line disappears. */
void luas__line_draw(luas__line *l, const char *text, size_t len);

/* Call them before and after other text is written to the terminal. The line may be NULL. */
void luas__line_lift(luas__line *l);
void luas__line_lower(luas__line *l);

/* What a person types at a prompt is at the bottom, too. From then on lift and lower call these, on
   any thread. They are set once. */
typedef struct luas__line_typed {
    void (*lift)(void);
    void (*lower)(void);
} luas__line_typed;

void luas__line_set_typed(const luas__line_typed *typed);
bool luas__line_has_typed(void);

#endif
