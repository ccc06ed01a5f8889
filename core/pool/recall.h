/* Tasks whose outcome a journal knows: they end as they are fed, and no worker sees them. */
#ifndef LUAS_RECALL_H
#define LUAS_RECALL_H

#include "state.h"

/* Call it when the last `count` tasks of the job were fed, with the pool's lock. Without memory
   some are done again. */
void luas__recall_tasks(luas__pool *p, luas__job *job, uint64_t count);

#endif
