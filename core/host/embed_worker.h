/*
 * The workers of a pool of luas.h. Each has a Lua state of its own with the application's
 * script. The state is prepared in the pool's zygote, and each worker goes on in a copy of it;
 * where there is no zygote each prepares its own, and so does one that is a fresh program.
 */
#ifndef LUAS_EMBED_WORKER_H
#define LUAS_EMBED_WORKER_H

#include "channel.h"
#include "embed_kit.h"
#include "state.h"

/* What a worker runs that the host has forked. Returns the exit status. */
int luas__embed_worker_main(const luas__embed_kit *k, luas__channel *channel);

/* Forks the quiet process, if there is none: until the process ends, or until _drop. */
int luas__embed_worker_prepare(void);
int luas__embed_worker_hold(void);

/* As luas__pool_bear: `bearer` is the luas__embed_kit. */
int luas__embed_worker_bear(void *bearer, luas__zygote *z, const luas__surroundings *around,
                            const luas__bulk *bulk);

/* Of the program that embed_launch.h starts, in main: this process is the worker, and ends as one. Returns an exit status if it
   is not needed; or negative, if no host has started it. */
int luas__embed_worker_program(void);

#endif
