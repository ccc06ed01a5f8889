/*
 * The library SQLite (Debian: libsqlite3-0). It is loaded when the first journal is opened. The
 * declarations are those of its sqlite3.h, whose ABI is stable.
 */
#ifndef LUAS_SQLITE_H
#define LUAS_SQLITE_H

#include <stdint.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

enum {
    SQLITE_OK = 0, SQLITE_ROW = 100, SQLITE_DONE = 101,
    SQLITE_OPEN_READONLY = 1, SQLITE_OPEN_READWRITE = 2, SQLITE_OPEN_CREATE = 4,
    SQLITE_OPEN_NOMUTEX = 0x8000,
    SQLITE_INTEGER = 1, SQLITE_FLOAT = 2, SQLITE_TEXT = 3, SQLITE_BLOB = 4, SQLITE_NULL = 5
};

/* A destructor of NULL: the bytes stay where they are until the statement is reset. */
#define LUAS__SQLITE(X) \
    X(int, open_v2, (const char *, sqlite3 **, int, const char *)) \
    X(int, close_v2, (sqlite3 *)) \
    X(int, busy_timeout, (sqlite3 *, int)) \
    X(int, exec, (sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **)) \
    X(int, prepare_v2, (sqlite3 *, const char *, int, sqlite3_stmt **, const char **)) \
    X(int, step, (sqlite3_stmt *)) \
    X(int, reset, (sqlite3_stmt *)) \
    X(int, finalize, (sqlite3_stmt *)) \
    X(int, get_autocommit, (sqlite3 *)) \
    X(int, bind_int64, (sqlite3_stmt *, int, int64_t)) \
    X(int, bind_double, (sqlite3_stmt *, int, double)) \
    X(int, bind_text, (sqlite3_stmt *, int, const char *, int, void (*)(void *))) \
    X(int, bind_blob, (sqlite3_stmt *, int, const void *, int, void (*)(void *))) \
    X(int, bind_null, (sqlite3_stmt *, int)) \
    X(int, column_count, (sqlite3_stmt *)) \
    X(int, column_type, (sqlite3_stmt *, int)) \
    X(int64_t, column_int64, (sqlite3_stmt *, int)) \
    X(double, column_double, (sqlite3_stmt *, int)) \
    X(const void *, column_blob, (sqlite3_stmt *, int)) \
    X(int, column_bytes, (sqlite3_stmt *, int)) \
    X(const char *, errmsg, (sqlite3 *)) \
    X(const char *, errstr, (int))

typedef struct luas__sqlite {
#define LUAS__SQLITE_FIELD(result, name, arguments) result (*name) arguments;
    LUAS__SQLITE(LUAS__SQLITE_FIELD)
#undef LUAS__SQLITE_FIELD
} luas__sqlite;

/* The library's functions; NULL, and why, where it cannot be loaded. */
const luas__sqlite *luas__sqlite_load(const char **why);

#endif
