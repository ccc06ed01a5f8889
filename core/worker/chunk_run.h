/* What is known of the chunk of tasks that a worker runs. */
#ifndef LUAS_CHUNK_RUN_H
#define LUAS_CHUNK_RUN_H

#include <stdbool.h>

#include "channel.h"
#include "records.h"
#include "ticks.h"

typedef struct luas__chunk_run {
    luas__channel *channel;
    luas__mp_reader body;       /* the tasks that are left */
    uint32_t seq, left;         /* seq of the next task; how many are left */
    int64_t index;              /* index of the task before the next one */
    int flags;                  /* LUAS__JOB_* */
    int room;                   /* bytes of results that fit in a short reply */
    int64_t seed;
    int64_t since;              /* ns when the chunk was begun */
    int64_t stamp;              /* stamped jobs: ns when the running task began */
    luas__ticks ticks;          /* the clock of stamped jobs */
    int64_t ended;              /* ns when the chunk ended; stamped jobs: its last task */
    uint32_t attempts;          /* how often its tasks were started before */
    uint32_t current;           /* seq of the task that runs */
    int64_t begun;              /* coarse ns when it was started */
    int64_t told_at;            /* coarse ns when a task last told its progress */
    bool inherited;             /* the inputs are inherited ones */
    bool is_text;               /* the inputs are records */
    luas__records records;      /* of the chunk, and what is kept for the next one */
    bool has_looked;            /* it has looked for modules that its first tasks loaded */
    const uint32_t *made;       /* how many globals tasks have made (made_globals.h) */
    uint32_t told;              /* of how many the host knows */
    int most;                   /* KB of Lua's heap above which the worker should be replaced */
} luas__chunk_run;

#endif
