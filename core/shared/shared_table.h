/*
 * A table from keys to values, both byte strings, that processes share. It is an LMDB database in a
 * file in memory, or in an ordinary file if it has a name.
 *
 * Each process opens the file itself. Processes that were forked before the table was made have not
 * inherited a descriptor of a file in memory. So each process that has it open records its
 * descriptor (fds[seat]), and others open it by way of /proc. All use of such a file is under
 * one robust lock. The state of LMDB is consistent at any moment: nothing has to be mended after a
 * death. An ordinary file has the locks of LMDB as well, for other programs.
 *
 * The caller: luas__shared_table_begin, any of the others, luas__shared_table_end.
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

/* The table is in memory if `path` is NULL. On failure *why has words for it, or is NULL. */
int luas__shared_table_new(luas__arena *a, uint64_t bytes, const char *path, luas__object *o,
                           const char **why);

/* Call it before a process drops its last reference. */
void luas__shared_table_close(const luas__object *o);

/* Is this process between begin and end? */
bool luas__shared_table_is_open(const luas__object *o);

/* Returns 0; LUAS_ETIMEDOUT: other processes use it; or another failure: *why has words for it,
   or is NULL. */
int luas__shared_table_begin(const luas__object *o, bool writes, int64_t ns, const char **why);

/* Commits the changes, or forgets them. Returns 0 or negative. */
int luas__shared_table_end(const luas__object *o, bool keeps, const char **why);

/* Returns 1 and the value, which is valid until the next change; or 0. */
int luas__shared_table_get(const luas__object *o, luas__bytes key, luas__bytes *value);

/* luas__shared_table_put: LUAS_ENOMEM when the table is full. The second removes a key; 1 if it
   was there. */
int luas__shared_table_put(const luas__object *o, luas__bytes key, luas__bytes value);
int luas__shared_table_delete(const luas__object *o, luas__bytes key);
int luas__shared_table_clear(const luas__object *o);
int64_t luas__shared_table_count(const luas__object *o);

/* Finds the first pair with this key or a later one; with `after`, only a later one. Returns 1,
   or 0. */
int luas__shared_table_find(const luas__object *o, luas__bytes key, bool after, luas__bytes *found,
                            luas__bytes *value);

/* Writes a copy to an ordinary file, which it replaces. Not between begin and end. */
int luas__shared_table_save(const luas__object *o, const char *path, const char **why);

uint64_t luas__shared_table_bytes(const luas__object *o);
bool luas__shared_table_has_file(const luas__object *o);

#endif
