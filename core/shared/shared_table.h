/*
 * A table from keys to values, both byte strings, that processes share: LMDB, in a
 * file in memory or, where it has a name, in an ordinary one.
 *
 * Each process opens the file for itself; who has it in memory says in the block
 * where (fds[seat]), as those who were forked before cannot inherit it. All use of
 * such a file is under one robust lock; LMDB's own state is consistent at any moment,
 * so that a death leaves nothing to mend. An ordinary file has LMDB's locks, too,
 * for other programs.
 *
 * A caller: luas__shared_table_begin, any of the others, luas__shared_table_end.
 */
#ifndef LUAS_SHARED_TABLE_H
#define LUAS_SHARED_TABLE_H

#include "arena.h"

#define LUAS__TABLE_BYTES (UINT64_C(64) << 20)

typedef struct luas__bytes {
    const char *at;
    size_t len;
} luas__bytes;

enum { LUAS__MOST_KEY = 511 };

/* In memory where `path` is NULL. On failure *why says more, or is NULL. */
int luas__shared_table_new(luas__arena *a, uint64_t bytes, const char *path, luas__object *o,
                           const char **why);

/* Before a process drops its last hold on it. */
void luas__shared_table_close(const luas__object *o);

/* Is this process between begin and end? */
bool luas__shared_table_is_open(const luas__object *o);

/* 0; LUAS_ETIMEDOUT: others use it; another failure: *why says more, or is NULL. */
int luas__shared_table_begin(const luas__object *o, bool writes, int64_t ns, const char **why);

/* Keeps or forgets what was written: 0 or negative. */
int luas__shared_table_end(const luas__object *o, bool keeps, const char **why);

/* 1, and the value, valid until the next change; or 0. */
int luas__shared_table_get(const luas__object *o, luas__bytes key, luas__bytes *value);

/* LUAS_ENOMEM: it is full. The second: 1 if it was there. */
int luas__shared_table_put(const luas__object *o, luas__bytes key, luas__bytes value);
int luas__shared_table_delete(const luas__object *o, luas__bytes key);
int luas__shared_table_clear(const luas__object *o);
int64_t luas__shared_table_count(const luas__object *o);

/* The first pair whose key is not before `key`, or after it: 1, or 0. */
int luas__shared_table_find(const luas__object *o, luas__bytes key, bool after, luas__bytes *found,
                            luas__bytes *value);

/* A copy in an ordinary file, which it replaces. Not between begin and end. */
int luas__shared_table_save(const luas__object *o, const char *path, const char **why);

uint64_t luas__shared_table_bytes(const luas__object *o);
bool luas__shared_table_has_file(const luas__object *o);

#endif
