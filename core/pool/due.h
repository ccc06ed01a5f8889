/*
 * Does what is due: tasks that were held until now become pending, and of a job whose deadline
 * has come all that is left is cancelled.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_DUE_H
#define LUAS_DUE_H

#include "state.h"

/* Returns 0 or LUAS_ENOMEM: then the rest stays due. */
int luas__due_run(luas__pool *p);

#endif
