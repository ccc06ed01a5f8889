/*
 * The workers of a pool of luas.h. Each has a Lua state of its own with the application's
 * script. The state is prepared in the pool's zygote, and each worker goes on in a copy of it;
 * where there is no zygote each prepares its own.
 */
#ifndef LUAS_EMBED_WORKER_H
#define LUAS_EMBED_WORKER_H

#include "channel.h"
#include "embed_script.h"
#include "luas.h"
#include "state.h"

typedef struct luas__embed_worker {
    luas__script script;
    luas_setup *setup;          /* or NULL */
    void *setup_data;
    size_t setup_size;          /* if that is to be copied; or 0 */
    const luas_shared *shared;  /* or NULL */
} luas__embed_worker;

/* What a worker runs that the host has forked. Returns the exit status. */
int luas__embed_worker_main(const luas__embed_worker *w, luas__channel *channel);

/* Forks the quiet process, if there is none: until the process ends, or until _drop. */
int luas__embed_worker_prepare(void);
int luas__embed_worker_hold(void);

/* As luas__pool_bear: `bearer` is the luas__embed_worker. */
int luas__embed_worker_bear(void *bearer, luas__zygote *z, const luas__surroundings *around,
                            const luas__bulk *bulk);

#endif
