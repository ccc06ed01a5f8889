/*
 * The messages of a cluster, as they lie in the server: sealed with the pool's key, or open where
 * there is none (on loopback). What is refused was not written by somebody who has the key, or was
 * changed since. That it comes twice is seen by those who know its token (desk.h, cluster.lua).
 *
 *   "LP1", a nonce, and crypto_secretbox of: the head, the body
 *   "LP0", the head, the body
 *
 * The head says what it is about, so that nothing can be taken for the message of another run,
 * chunk or agent. Numbers are big-endian.
 */
#ifndef LUAS_SEAL_H
#define LUAS_SEAL_H

#include <stdbool.h>

#include "buffer.h"
#include "key.h"

/* The types of messages, with what their token is and what their body holds. */
enum luas__seal_type {
    LUAS__SEAL_TASK = 1,    /* host: a chunk; token: its own */
    LUAS__SEAL_CLAIM,       /* agent: may it start that chunk? u64 nonce, text: its Lua */
    LUAS__SEAL_GRANT,       /* host: u64 nonce, u8 verdict, text: the host's Lua */
    LUAS__SEAL_RESULT,      /* agent: the outcomes of a chunk */
    LUAS__SEAL_PRESENCE,    /* agent: that it is there; token: counts up */
    LUAS__SEAL_HELLO,       /* host: that it is there; asks for the presence of agents */
    LUAS__SEAL_CANCEL,      /* host: token: a chunk, or 0 for all of the run */
    LUAS__SEAL_GET,         /* token: a blob; u64 nonce, u64 offset */
    LUAS__SEAL_PART,        /* token: a blob; u64 nonce, u64 size of all, bytes */
    LUAS__SEAL_DONE,        /* host: token: a chunk whose result it has */
    LUAS__SEAL_RUNNING,     /* agent: what runs of a chunk */
    LUAS__SEAL_TYPES
};

typedef struct luas__seal {
    bool has_key;
    unsigned char key[LUAS__KEY_BYTES];
} luas__seal;

typedef struct luas__sealed {
    enum luas__seal_type type;
    uint64_t run;           /* of the host's pool */
    uint64_t agent;         /* whose it is, or 0 */
    uint64_t token;
    const char *body;       /* in what luas__seal_open has written */
    size_t len;
} luas__sealed;

/* So much longer than its body a message is at most. */
enum { LUAS__SEAL_HEAD = 25, LUAS__SEAL_MOST = 3 + 24 + 16 + LUAS__SEAL_HEAD };

/* Reads the key of that file; without a path there is none. Returns 0, or negative with the reason:
   libsodium may be missing. */
int luas__seal_init(luas__seal *s, const char *path, char why[LUAS__KEY_WHY]);
void luas__seal_release(luas__seal *s);

/* Appends the message to `out`. Returns 0 or negative, with `out` unchanged. */
int luas__seal_write(const luas__seal *s, const luas__sealed *m, luas__buffer *out);

/* Reads a message into `text`, which is replaced, and to which `m` points. LUAS_EPROTO: refused. */
int luas__seal_open(const luas__seal *s, const char *bytes, size_t len, luas__buffer *text, luas__sealed *m);

#endif
