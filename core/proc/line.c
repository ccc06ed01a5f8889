/* A line of progress, and what is written above it. */
#define _GNU_SOURCE
#include "line.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

#define ERASE "\r\33[K"

luas__line *luas__line_new(void)
{
    luas__line *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    atomic_init(&l->users, 1);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void luas__line_use(luas__line *l)
{
    atomic_fetch_add(&l->users, 1);
}

void luas__line_drop(luas__line *l)
{
    if (l == NULL || atomic_fetch_sub(&l->users, 1) > 1)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Errors are ignored: a terminal that is gone, or stopped, shows nothing. */
static void show(const char *text, size_t len)
{
    luas__fd_show(STDERR_FILENO, text, len);
}

static void erase(const luas__line *l)
{
    if (l->len > 0)
        show(ERASE, sizeof ERASE - 1);
}

/* Writes the line in one piece, and erases the rest of an older, longer line. */
void luas__line_draw(luas__line *l, const char *text, size_t len)
{
    char piece[sizeof l->text + 16] = "\r";
    if (len > sizeof l->text)
        len = sizeof l->text;
    pthread_mutex_lock(&l->lock);
    memcpy(piece + 1, text, len);
    memcpy(piece + 1 + len, "\33[K", 3);
    if (len > 0)
        show(piece, len + 4);
    else
        erase(l);
    memcpy(l->text, text, len);
    l->len = len;
    pthread_mutex_unlock(&l->lock);
}

static const luas__line_typed *_Atomic typed;

void luas__line_set_typed(const luas__line_typed *t)
{
    atomic_store(&typed, t);
}

bool luas__line_has_typed(void)
{
    return atomic_load(&typed) != NULL;
}

void luas__line_lift(luas__line *l)
{
    const luas__line_typed *t = atomic_load(&typed);
    if (t != NULL)
        t->lift();
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    erase(l);
}

void luas__line_lower(luas__line *l)
{
    const luas__line_typed *t = atomic_load(&typed);
    if (l != NULL && l->len > 0)
        show(l->text, l->len);
    if (l != NULL)
        pthread_mutex_unlock(&l->lock);
    if (t != NULL)
        t->lower();
}
