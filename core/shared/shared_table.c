/* LMDB under a robust lock. */
#define _GNU_SOURCE
#include "shared_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"
#include "lmdb.h"

enum { MOST_PATH = 3000 };

typedef struct table {
    char owners[LUAS__BLOCK_HEAD];
    luas__robust lock;
    uint64_t bytes;
    uint64_t device, file;          /* of the file in memory */
    char path[MOST_PATH];           /* "": it is in memory */
    luas__seat_word fds[LUAS__SEATS];   /* descriptors, plus one */
} table;

/* A table that this process has opened. One that it has inherited is not used: LMDB forbids it.
   */
typedef struct luas__opened {
    struct luas__opened *next;
    uint64_t id;
    uint32_t seat, generation;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    bool writes;
    bool is_full;           /* the transaction cannot be completed: there was no room in it */
} opened;

static table *table_of(const luas__object *o)
{
    return (table *)(void *)o->at;
}

uint64_t luas__shared_table_bytes(const luas__object *o)
{
    return table_of(o)->bytes;
}

bool luas__shared_table_has_file(const luas__object *o)
{
    return table_of(o)->path[0] != '\0';
}

/* Turns a code of LMDB, which is below all of ours, into one of ours, where there is one. */
static int failure(const luas__lmdb *m, int rc, const char **why)
{
    if (rc == MDB_MAP_FULL || rc == MDB_TXN_FULL)
        return LUAS_ENOMEM;
    if (rc > 0)
        return -rc;
    *why = m->strerror(rc);
    return LUAS_EINVAL;
}

/* ---- opening ---- */

static opened **find(const luas__object *o)
{
    opened **at = &o->arena->tables;
    while (*at != NULL && (*at)->id != o->id)
        at = &(*at)->next;
    return at;
}

static bool is_own(const luas__object *o, const opened *t)
{
    return t->seat == o->arena->seat && t->generation == o->arena->generation;
}

static bool is_that_file(const table *t, const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && (uint64_t)s.st_dev == t->device
        && (uint64_t)s.st_ino == t->file;
}

/* Finds a path to the file: by a living process that has it open, or by an inherited
   descriptor. */
static int find_path(const luas__object *o, const opened *old, char *path, size_t size)
{
    const char *why;
    const luas__lmdb *m = luas__lmdb_load(&why);
    table *t = table_of(o);
    int fd;
    if (old != NULL && m->env_get_fd(old->env, &fd) == 0) {
        snprintf(path, size, "/proc/self/fd/%d", fd);
        if (is_that_file(t, path))
            return 0;
    }
    luas__seat *seats = luas__arena_seats(o->arena);
    uint32_t count = luas__arena_seat_count(o->arena);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = atomic_load(&t->fds[i]);
        if (word == 0 || !luas__seat_lives(&seats[i], (uint32_t)(word >> 32)))
            continue;
        snprintf(path, size, "/proc/%d/fd/%d", (int)atomic_load(&seats[i].pid),
                 (int)(uint32_t)word - 1);
        if (is_that_file(t, path))
            return 0;
    }
    return LUAS_ECLOSED;
}

static int open_env(const luas__lmdb *m, const char *path, uint64_t bytes, bool in_memory,
                    MDB_env **env)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS;
    if (in_memory)
        flags |= MDB_NOLOCK | MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMEMINIT;
    int rc = m->env_create(env), dead;
    if (rc != 0)
        return rc;
    rc = m->env_set_mapsize(*env, bytes);
    if (rc == 0)
        rc = m->env_open(*env, path, flags, 0666);
    if (rc == 0 && !in_memory)
        m->reader_check(*env, &dead);
    if (rc != 0)
        m->env_close(*env);
    return rc;
}

/* The one database that a file has. */
static int open_database(const luas__lmdb *m, opened *t)
{
    MDB_txn *txn;
    int rc = m->txn_begin(t->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        rc = m->dbi_open(txn, NULL, 0, &t->dbi);
    if (rc == 0)
        rc = m->txn_commit(txn);
    return rc;
}

static void say_where(const luas__object *o, const luas__lmdb *m, const opened *t)
{
    int fd;
    if (!luas__shared_table_has_file(o) && m->env_get_fd(t->env, &fd) == 0)
        atomic_store(&table_of(o)->fds[o->arena->seat],
                     luas__seat_make(o->arena->generation, (uint32_t)fd + 1));
}

/* The lock is held, because this reads the head of the file. */
static int open_table(const luas__object *o, const char *path, opened **made, const char **why)
{
    const luas__lmdb *m = luas__lmdb_load(why);
    opened *t = calloc(1, sizeof *t);
    if (t == NULL)
        return LUAS_ENOMEM;
    bool in_memory = !luas__shared_table_has_file(o);
    int rc = open_env(m, in_memory ? path : table_of(o)->path, table_of(o)->bytes, in_memory,
                      &t->env);
    if (rc == 0 && (rc = open_database(m, t)) != 0)
        m->env_close(t->env);
    if (rc != 0) {
        free(t);
        return failure(m, rc, why);
    }
    t->id = o->id;
    t->seat = o->arena->seat;
    t->generation = o->arena->generation;
    t->next = o->arena->tables;
    o->arena->tables = t;
    say_where(o, m, t);
    *made = t;
    return 0;
}

/* Closes a table in this process. An ordinary file that was inherited is not closed: that would
   release the file locks of the parent. */
static void forget(const luas__object *o, opened **at, bool is_inherited)
{
    const char *why;
    const luas__lmdb *m = luas__lmdb_load(&why);
    opened *t = *at;
    *at = t->next;
    if (!is_inherited || !luas__shared_table_has_file(o))
        m->env_close(t->env);
    free(t);
}

static int use(const luas__object *o, opened **used, const char **why)
{
    char path[64] = "";
    opened **at = find(o), *old = *at;
    *why = NULL;
    *used = old;
    if (old != NULL && is_own(o, old))
        return 0;
    if (luas__lmdb_load(why) == NULL)
        return LUAS_EINVAL;
    *why = NULL;
    int rc = luas__shared_table_has_file(o) ? 0 : find_path(o, old, path, sizeof path);
    if (rc == LUAS_ECLOSED)
        *why = "no process has the table any more";
    if (rc == 0)
        rc = open_table(o, path, used, why);
    if (rc == 0 && old != NULL) {
        at = find(o);
        while (*at != old)
            at = &(*at)->next;
        forget(o, at, true);
    }
    return rc;
}

void luas__shared_table_close(const luas__object *o)
{
    opened **at = find(o);
    if (*at == NULL)
        return;
    bool is_inherited = !is_own(o, *at);
    if (!is_inherited)
        atomic_store(&table_of(o)->fds[o->arena->seat], 0);
    forget(o, at, is_inherited);
}

/* ---- making ---- */

/* Is it longer than this process may write? SIGXFSZ would kill it. */
static bool is_too_long(uint64_t bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes;
}

static int create_file(const luas__object *o, opened **made, const char **why)
{
    char path[64];
    struct stat s;
    table *t = table_of(o);
#ifdef MFD_CLOEXEC
    int fd = memfd_create("luas-table", MFD_CLOEXEC);
#else
    int fd = -1;
    errno = ENOSYS;
#endif
    if (fd < 0 || fstat(fd, &s) < 0) {
        int error = errno;
        luas__fd_close(&fd);
        return -error;
    }
    t->device = (uint64_t)s.st_dev;
    t->file = (uint64_t)s.st_ino;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = open_table(o, path, made, why);
    luas__fd_close(&fd);
    return rc;
}

/* Makes the path absolute, so that it is valid in any working directory. */
static int set_path(table *t, const char *path)
{
    char folder[PATH_MAX] = "";
    if (path[0] != '/' && getcwd(folder, sizeof folder) == NULL)
        return -errno;
    int n = snprintf(t->path, sizeof t->path, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", path);
    return n < MOST_PATH ? 0 : -ENAMETOOLONG;
}

int luas__shared_table_new(luas__arena *a, uint64_t bytes, const char *path, luas__object *o,
                           const char **why)
{
    luas__object made = {.at = NULL};
    opened *t;
    if (luas__lmdb_load(why) == NULL)
        return LUAS_EINVAL;
    *why = NULL;
    if (is_too_long(bytes))
        return -EFBIG;
    int rc = luas__arena_new(a, LUAS__SHARED_TABLE, sizeof(table), 2 * 4096, &made);
    if (rc < 0)
        return rc;
    bytes = (bytes + 4095) & ~UINT64_C(4095);
    table_of(&made)->bytes = bytes > 64 << 10 ? bytes : 64 << 10;
    rc = luas__robust_init(&table_of(&made)->lock);
    if (rc == 0 && path != NULL)
        rc = set_path(table_of(&made), path);
    if (rc == 0)
        rc = path != NULL ? open_table(&made, NULL, &t, why) : create_file(&made, &t, why);
    if (rc < 0)
        luas__arena_drop(&made);
    else
        *o = made;
    return rc;
}

/* ---- transactions ---- */

bool luas__shared_table_is_open(const luas__object *o)
{
    opened *t = *find(o);
    return t != NULL && is_own(o, t) && t->txn != NULL;
}

int luas__shared_table_begin(const luas__object *o, bool writes, int64_t ns, const char **why)
{
    opened *t;
    *why = NULL;
    int rc = luas__robust_lock(&table_of(o)->lock, ns);
    if (rc < 0)
        return rc;
    rc = use(o, &t, why);
    if (rc == 0) {
        const luas__lmdb *m = luas__lmdb_load(why);
        *why = NULL;
        rc = m->txn_begin(t->env, NULL, writes ? 0 : MDB_RDONLY, &t->txn);
        if (rc != 0) {
            t->txn = NULL;
            rc = failure(m, rc, why);
        }
        t->writes = writes;
        t->is_full = false;
    }
    if (rc < 0)
        luas__robust_unlock(&table_of(o)->lock);
    return rc;
}

/* What the verbs use between begin and end. */
typedef struct inside {
    const luas__lmdb *m;
    opened *t;
} inside;

static inside enter(const luas__object *o)
{
    const char *why;
    return (inside){luas__lmdb_load(&why), *find(o)};
}

int luas__shared_table_end(const luas__object *o, bool keeps, const char **why)
{
    inside in = enter(o);
    int rc = 0;
    *why = NULL;
    if (keeps && in.t->writes)
        rc = in.m->txn_commit(in.t->txn);
    else
        in.m->txn_abort(in.t->txn);
    in.t->txn = NULL;
    luas__robust_unlock(&table_of(o)->lock);
    return rc == 0 ? 0 : in.t->is_full ? LUAS_ENOMEM : failure(in.m, rc, why);
}

static MDB_val to_val(luas__bytes b)
{
    return (MDB_val){.mv_size = b.len, .mv_data = (void *)(uintptr_t)b.at};
}

static luas__bytes from_val(MDB_val v)
{
    return (luas__bytes){.at = v.mv_data, .len = v.mv_size};
}

static int found(const luas__lmdb *m, int rc)
{
    const char *why;
    return rc == 0 ? 1 : rc == MDB_NOTFOUND ? 0 : failure(m, rc, &why);
}

/* For a change: 0, or a failure. One for want of room ends the transaction, whoever hides it. */
static int changed(inside *in, int rc)
{
    int result = found(in->m, rc);
    in->t->is_full |= result == LUAS_ENOMEM;
    return result < 0 ? result : 0;
}

int luas__shared_table_get(const luas__object *o, luas__bytes key, luas__bytes *value)
{
    inside in = enter(o);
    MDB_val k = to_val(key), v = {0, NULL};
    int rc = found(in.m, in.m->get(in.t->txn, in.t->dbi, &k, &v));
    *value = from_val(v);
    return rc;
}

int luas__shared_table_put(const luas__object *o, luas__bytes key, luas__bytes value)
{
    inside in = enter(o);
    MDB_val k = to_val(key), v = to_val(value);
    return changed(&in, in.m->put(in.t->txn, in.t->dbi, &k, &v, 0));
}

int luas__shared_table_delete(const luas__object *o, luas__bytes key)
{
    inside in = enter(o);
    MDB_val k = to_val(key);
    return changed(&in, in.m->del(in.t->txn, in.t->dbi, &k, NULL));
}

int luas__shared_table_clear(const luas__object *o)
{
    inside in = enter(o);
    return changed(&in, in.m->drop(in.t->txn, in.t->dbi, 0));
}

int64_t luas__shared_table_count(const luas__object *o)
{
    inside in = enter(o);
    MDB_stat s;
    int rc = found(in.m, in.m->stat(in.t->txn, in.t->dbi, &s));
    return rc < 0 ? rc : (int64_t)s.ms_entries;
}

static bool is_same(MDB_val v, luas__bytes b)
{
    return v.mv_size == b.len && memcmp(v.mv_data, b.at, b.len) == 0;
}

int luas__shared_table_find(const luas__object *o, luas__bytes key, bool after, luas__bytes *at,
                            luas__bytes *value)
{
    inside in = enter(o);
    MDB_cursor *c;
    MDB_val k = to_val(key), v = {0, NULL};
    int rc = in.m->cursor_open(in.t->txn, in.t->dbi, &c);
    if (rc != 0)
        return found(in.m, rc);
    rc = in.m->cursor_get(c, &k, &v, key.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && after && is_same(k, key))
        rc = in.m->cursor_get(c, &k, &v, MDB_NEXT);
    in.m->cursor_close(c);
    *at = from_val(k);
    *value = from_val(v);
    return found(in.m, rc);
}

/* ---- saving ---- */

/* The path that the copy gets in the end: of a link, what it leads to. What is there may be replaced
   if it is an ordinary file. */
static int find_target(const char *path, char *target, const char **why)
{
    struct stat s;
    if (stat(path, &s) == 0 && !S_ISREG(s.st_mode)) {
        *why = S_ISDIR(s.st_mode) ? "Is a directory" : "it is no ordinary file";
        return LUAS_EINVAL;
    }
    if (realpath(path, target) != NULL)
        return 0;
    if (errno != ENOENT || strlen(path) >= PATH_MAX)
        return -errno;
    strcpy(target, path);
    return 0;
}

int luas__shared_table_save(const luas__object *o, const char *path, const char **why)
{
    char target[PATH_MAX], beside[PATH_MAX];
    *why = NULL;
    int rc = find_target(path, target, why);
    if (rc < 0)
        return rc;
    int n = snprintf(beside, sizeof beside, "%s.%d", target, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof beside)
        return -ENAMETOOLONG;
    rc = luas__shared_table_begin(o, false, LUAS__SLICE, why);
    if (rc < 0)
        return rc;
    inside in = enter(o);
    unlink(beside);
    rc = in.m->env_copy(in.t->env, beside);
    const char *unused;
    luas__shared_table_end(o, false, &unused);
    if (rc != 0)
        rc = failure(in.m, rc, why);
    else if (rename(beside, target) < 0)
        rc = -errno;
    if (rc < 0)
        unlink(beside);
    return rc;
}
