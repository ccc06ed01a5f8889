/*
 * The library LMDB (Debian: liblmdb0). It is loaded when the first table is made. The
 * declarations are those of its lmdb.h; its ABI has not changed since 0.9.10.
 */
#ifndef LUAS_LMDB_H
#define LUAS_LMDB_H

#include <stddef.h>
#include <sys/types.h>

typedef struct MDB_env MDB_env;
typedef struct MDB_txn MDB_txn;
typedef struct MDB_cursor MDB_cursor;
typedef unsigned int MDB_dbi;

typedef struct MDB_val {
    size_t mv_size;
    void *mv_data;
} MDB_val;

typedef struct MDB_stat {
    unsigned int ms_psize, ms_depth;
    size_t ms_branch_pages, ms_leaf_pages, ms_overflow_pages, ms_entries;
} MDB_stat;

enum {
    MDB_NOSUBDIR = 0x4000, MDB_NOSYNC = 0x10000, MDB_RDONLY = 0x20000, MDB_WRITEMAP = 0x80000,
    MDB_NOTLS = 0x200000, MDB_NOLOCK = 0x400000, MDB_NOMEMINIT = 0x1000000,
    MDB_FIRST = 0, MDB_NEXT = 8, MDB_SET_RANGE = 17,
    MDB_NOTFOUND = -30798, MDB_MAP_FULL = -30792, MDB_TXN_FULL = -30788, MDB_FIRST_ERROR = -30799,
    MDB_LAST_ERROR = -30779
};

#define LUAS__LMDB(X) \
    X(int, env_create, (MDB_env **)) \
    X(int, env_set_mapsize, (MDB_env *, size_t)) \
    X(int, env_open, (MDB_env *, const char *, unsigned int, mode_t)) \
    X(int, env_copy, (MDB_env *, const char *)) \
    X(void, env_close, (MDB_env *)) \
    X(int, env_get_fd, (MDB_env *, int *)) \
    X(int, reader_check, (MDB_env *, int *)) \
    X(int, txn_begin, (MDB_env *, MDB_txn *, unsigned int, MDB_txn **)) \
    X(int, txn_commit, (MDB_txn *)) \
    X(void, txn_abort, (MDB_txn *)) \
    X(int, dbi_open, (MDB_txn *, const char *, unsigned int, MDB_dbi *)) \
    X(int, stat, (MDB_txn *, MDB_dbi, MDB_stat *)) \
    X(int, get, (MDB_txn *, MDB_dbi, MDB_val *, MDB_val *)) \
    X(int, put, (MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned int)) \
    X(int, del, (MDB_txn *, MDB_dbi, MDB_val *, MDB_val *)) \
    X(int, drop, (MDB_txn *, MDB_dbi, int)) \
    X(int, cursor_open, (MDB_txn *, MDB_dbi, MDB_cursor **)) \
    X(int, cursor_get, (MDB_cursor *, MDB_val *, MDB_val *, int)) \
    X(void, cursor_close, (MDB_cursor *)) \
    X(char *, strerror, (int))

typedef struct luas__lmdb {
#define LUAS__LMDB_FIELD(result, name, arguments) result (*name) arguments;
    LUAS__LMDB(LUAS__LMDB_FIELD)
#undef LUAS__LMDB_FIELD
} luas__lmdb;

/* The library's functions; NULL, and why, where it cannot be loaded. */
const luas__lmdb *luas__lmdb_load(const char **why);

#endif
