/* What became of a task. Every task has exactly one outcome. */
#ifndef LUAS_OUTCOME_H
#define LUAS_OUTCOME_H

#include <stdint.h>

enum luas__kind {
    LUAS__KIND_VALUE, LUAS__KIND_ERROR, LUAS__KIND_TIMEOUT,
    LUAS__KIND_CRASH, LUAS__KIND_CANCELLED
};

/*
 * The payload is MessagePack. For a value it is the array of results; for an error it is
 * [value, message, traceback, seconds that the task took]. A timeout or a cancelled task has the
 * latter, too, if the task could be stopped by an error; so has whatever is `in_init`, without
 * the seconds. Otherwise the payload is empty.
 */
typedef struct luas__outcome {
    uint64_t index;     /* of the task, or of the first of `count` tasks that
                           ended together */
    uint64_t count;
    uint32_t len;       /* of the payload */
    uint32_t printed;   /* bytes behind the payload: what the task printed */
    uint32_t input;     /* bytes behind these: MessagePack of the arguments. Only for a task
                           without a value, in a job that names inputs; else 0 */
    uint8_t kind;
    uint8_t over_memory : 1;    /* a crash: killed for passing its memory limit */
    uint8_t hung : 1;   /* a crash: killed because it waited for ever for a lock (deadlock.h) */
    uint8_t input_is_cut : 1;   /* the input was large: it is text, of how it begins */
    uint8_t expired : 1;        /* it was cancelled at the job's deadline */
    uint8_t in_init : 1;        /* no worker could start that would have run it */
    uint8_t framed : 1; /* the payload is `count` VALUE frames (frame.h) */
    uint16_t attempts;  /* how often it was started */
    int32_t pid;        /* of the worker that had it; 0: none */
    int32_t worker;
    int32_t status;     /* a crash: as waitpid gives it, -1 when unknown */
    float took;         /* seconds that the task ran, where no payload says it */
} luas__outcome;

/* Of one that is `hung`. */
#define LUAS__HUNG_WORDS "it hung in a lock that another thread held when it was forked"

#endif
