/*
 * What one end of a cluster answers while its Lua does something else: a thread of libnats calls
 * luas__desk_answer with each request. So jobs go on while the host is busy.
 *
 * Tokens: the host offers each try of a chunk under a new one. One agent gets it, once: whoever asks
 * later, with an honest redelivery or a replay, is refused. An agent that asks again, because the
 * answer was lost, is told the same.
 *
 * Blobs: bytes that do not go with a message: code, and what is too large for the server. The other
 * end asks for them part by part.
 */
#ifndef LUAS_DESK_H
#define LUAS_DESK_H

#include <pthread.h>

#include "seal.h"

typedef struct luas__desk_blob {
    char *bytes;            /* NULL once dropped */
    size_t len;
} luas__desk_blob;

typedef struct luas__desk {
    pthread_mutex_t lock;
    uint64_t *offers;       /* by token, from `first_offer` on: 0, OFFERED, or the agent that has it */
    uint64_t first_offer, offers_n;
    size_t offers_cap;
    luas__desk_blob *blobs; /* by number, from `first_blob` on */
    uint64_t first_blob, blobs_n;
    size_t blobs_cap;
    size_t part;            /* bytes of a blob in one message */
    uint64_t run;           /* only requests of this run are answered; 0: of any */
    char lua[64];           /* the Lua of this end: others are refused */
} luas__desk;

/* The verdict of a claim. */
enum { LUAS__DESK_NO, LUAS__DESK_YES, LUAS__DESK_OTHER_LUA };

int luas__desk_init(luas__desk *d, const char *lua);
void luas__desk_release(luas__desk *d);

/* A new token, above 0; or 0 without memory. */
uint64_t luas__desk_offer(luas__desk *d);

/* Nobody gets it any more. Returns the agent that had it, or 0. */
uint64_t luas__desk_withdraw(luas__desk *d, uint64_t token);

/* The agent that has it, or 0. */
uint64_t luas__desk_holder(luas__desk *d, uint64_t token);

/* As withdraw, unless an agent has it: then false. True as well if it was over before. */
bool luas__desk_revoke(luas__desk *d, uint64_t token);

/* Keeps a copy of the bytes: its number, above 0; or 0 without memory. */
uint64_t luas__desk_keep(luas__desk *d, const char *bytes, size_t len);
void luas__desk_drop(luas__desk *d, uint64_t blob);

/* Writes the body of the answer to a CLAIM or a GET. Returns the type of the answer; or 0 if there is
   none, because the request makes no sense or there is no memory. A verdict is also left in *verdict. */
int luas__desk_answer(luas__desk *d, const luas__sealed *m, luas__buffer *out, int *verdict);

#endif
