/*
 * A lock that processes share. Whoever takes it leaves word of who he is, so that
 * the next one can be told when he dies with it, or his task ends with it.
 *
 * Who writes what: all of it is written by the process that has the robust lock.
 */
#ifndef LUAS_SHARED_LOCK_H
#define LUAS_SHARED_LOCK_H

#include "arena.h"

/* An input that takes more bytes is not told of. */
enum { LUAS__MOST_INPUT = 2048 };

typedef struct luas__death {
    int pid, worker;        /* 0: unknown, none */
    int64_t task;           /* 0: it was in no task */
    size_t len;             /* of its encoded input; 0: unknown */
    char input[LUAS__MOST_INPUT];
} luas__death;

int luas__shared_lock_new(luas__arena *a, bool recursive, luas__object *o);

/*
 * 0; LUAS__DIED, *death filled: it is the caller's, and who had it died or left it
 * behind; LUAS_ETIMEDOUT after so many ns; -EDEADLK: the caller has it, and it is not
 * recursive; LUAS_ETOOBIG: the process holds too many.
 */
int luas__shared_lock_take(const luas__object *o, int64_t ns, luas__death *death);

/* 0, or -EPERM: the caller does not have it. */
int luas__shared_lock_release(const luas__object *o);

bool luas__shared_lock_is_own(const luas__object *o);

/* How often the caller has taken it, 0: he has not; gives it up all at once; takes it so
   often again, and else as luas__shared_lock_take. */
uint32_t luas__shared_lock_depth(const luas__object *o);
void luas__shared_lock_leave(const luas__object *o);
int luas__shared_lock_retake(const luas__object *o, uint32_t depth, int64_t ns,
                             luas__death *death);

/* The task of who has it has ended: the next one is told. */
void luas__shared_lock_abandon(const luas__object *o);

#endif
