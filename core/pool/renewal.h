/* New workers for a pool, from another beginning. */
#ifndef LUAS_RENEWAL_H
#define LUAS_RENEWAL_H

#include "state.h"

/*
 * Has the pool make a new mother (luas__pool_options.bear), and tells its workers to end after the
 * tasks that they have begun. Those that they have not begun go to new workers. A pool that was
 * broken is so no longer. Takes the lock.
 * Returns 0 or LUAS_EFOREIGN.
 */
int luas__renewal_begin(luas__pool *p);

#endif
