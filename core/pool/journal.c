/* Writes outcomes to a journal. */
#define _GNU_SOURCE
#include "journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "journal_job.h"
#include "mp_text.h"
#include "value_format.h"

/* On a network file system each transaction waits for the other machine. */
#define USUAL (50 * LUAS__MS)
#define REMOTE LUAS__SECOND

/* After a failure to write. */
#define PAUSE LUAS__SECOND

/* MOST_TEXT: of an input that is no single value. */
enum { MUCH = 4 << 20, MOST_TEXT = 1000, PATIENCE_MS = 2000 };

/* An outcome that waits. Its input, value and message follow, padded to 8 bytes. */
typedef struct row {
    int64_t job;
    luas__hash key;
    uint64_t index;
    int64_t start, took;
    int32_t kind, attempts, worker, status;
    uint32_t input, message;
    int64_t value;          /* -1: none */
} row;

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* ---- what a task gave ---- */

/* Is the value the same elsewhere? Not if it refers to objects of its job, or of this process. */
static bool is_portable(const char *bytes, size_t len)
{
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    luas__mp_token t;
    int rc;
    while ((rc = luas__mp_read(&r, &t)) == 1) {
        if (t.type != MP_EXT)
            continue;
        if (t.ext == WIRE_SPACE || t.ext == WIRE_UPVALUE || t.ext == WIRE_KEPT
            || (t.ext == WIRE_LIGHT && t.len > 0))
            return false;
        if (t.ext == WIRE_SHARED || t.ext == WIRE_OBJECT || t.ext == WIRE_PACKED || t.ext == WIRE_FUNCTION)
            r.at = (const unsigned char *)t.bytes; /* what is in it are values, too */
    }
    return rc == 0;
}

/* Where the second element of an array begins; NULL if there is none. */
static const char *second(const char *bytes, size_t len)
{
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    luas__mp_token t;
    if (luas__mp_read(&r, &t) != 1 || t.type != MP_ARRAY || t.len < 2 || luas__mp_skip(&r) < 0)
        return NULL;
    return (const char *)r.at;
}

/* What was raised, with a nil for what cannot be kept. */
static int put_raised(luas__buffer *out, const luas__pool_event *e, int64_t *len)
{
    size_t before = out->len;
    const char *rest = second(e->raised, e->raised_len);
    if (rest == NULL || is_portable(e->raised, e->raised_len)) {
        *len = (int64_t)e->raised_len;
        return luas__buffer_append(out, e->raised, e->raised_len);
    }
    int rc = luas__buffer_append(out, e->raised, 1);
    if (rc == 0)
        rc = luas__mp_write_nil(out);
    if (rc == 0)
        rc = luas__buffer_append(out, rest, (size_t)(e->raised + e->raised_len - rest));
    *len = (int64_t)(out->len - before);
    return rc;
}

static int put_value(luas__buffer *out, const luas__pool_event *e, int64_t *len)
{
    *len = -1;
    if (e->raised != NULL && e->raised_len > 0)
        return put_raised(out, e, len);
    if (e->kind != LUAS__KIND_VALUE || e->result == NULL || !e->journal->values
        || !is_portable(e->result, e->size))
        return 0;
    *len = e->size;
    return luas__buffer_append(out, e->result, e->size);
}

static int put_status(luas__buffer *out, const luas__pool_event *e)
{
    char text[40];
    int n = 0;
    if (e->kind == LUAS__KIND_TIMEOUT)
        n = snprintf(text, sizeof text, "timed out");
    else if (e->status != -1 && WIFSIGNALED(e->status))
        n = snprintf(text, sizeof text, "signal %d", WTERMSIG(e->status));
    else if (e->status != -1 && WIFEXITED(e->status))
        n = snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(e->status));
    return luas__buffer_append(out, text, n > 0 ? (size_t)n : 0);
}

static int put_message(luas__buffer *out, const luas__pool_event *e)
{
    luas__mp_token t;
    if (e->kind == LUAS__KIND_VALUE)
        return 0;
    const char *rest = e->raised != NULL && e->kind == LUAS__KIND_ERROR ? second(e->raised, e->raised_len) : NULL;
    if (rest == NULL)
        return put_status(out, e);
    luas__mp_reader r = {(const unsigned char *)rest, (const unsigned char *)e->raised + e->raised_len};
    if (luas__mp_read(&r, &t) != 1 || (t.type != MP_STR && t.type != MP_BIN))
        return 0;
    return luas__buffer_append(out, t.bytes, t.len);
}

/* ---- columns ---- */

/* A single number, or a single short text, is one in the file, too. Returns 1 if it is. */
static int bind_plain(const luas__sqlite *api, sqlite3_stmt *s, int column, const char *bytes, size_t len)
{
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    luas__mp_token t;
    if (len < 2 || (unsigned char)bytes[0] != LUAS__MP_ALONE)
        return 0;
    r.at++;
    if (luas__mp_read(&r, &t) != 1 || r.at != r.end)
        return 0;
    if (t.type == MP_INT)
        return api->bind_int64(s, column, t.as.i) == SQLITE_OK;
    if (t.type == MP_DOUBLE && t.as.d - t.as.d == 0 && t.as.d != 0) /* not infinite, NaN or -0.0 */
        return api->bind_double(s, column, t.as.d) == SQLITE_OK;
    if (t.type == MP_STR && memchr(t.bytes, '\0', t.len) == NULL)
        return api->bind_text(s, column, t.bytes, (int)t.len, NULL) == SQLITE_OK;
    return 0;
}

static void bind_value(const luas__sqlite *api, sqlite3_stmt *s, int column, const char *bytes, int64_t len)
{
    if (len < 0)
        api->bind_null(s, column);
    else if (!bind_plain(api, s, column, bytes, (size_t)len))
        api->bind_blob(s, column, bytes, (int)len, NULL);
}

static void bind_input(const luas__sqlite *api, sqlite3_stmt *s, int column, const char *bytes, size_t len)
{
    char text[MOST_TEXT];
    if (len == 0) {
        api->bind_null(s, column);
        return;
    }
    if (len < MOST_TEXT && bind_plain(api, s, column, bytes, len))
        return;
    size_t n = luas__mp_text(bytes, len, text, sizeof text);
    api->bind_text(s, column, text, (int)n, (void (*)(void *))-1); /* it is copied */
}

int luas__journal_read(luas__journal *j, sqlite3_stmt *s, int column, luas__buffer *out)
{
    const luas__sqlite *api = j->api;
    const char *bytes = api->column_blob(s, column);
    size_t len = (size_t)api->column_bytes(s, column);
    int type = api->column_type(s, column);
    if (type == SQLITE_BLOB || type == SQLITE_NULL)
        return len > 0 ? luas__buffer_append(out, bytes, len) : 0;
    int rc = luas__mp_write_array(out, 1);
    if (rc < 0)
        return rc;
    return type == SQLITE_INTEGER ? luas__mp_write_int(out, api->column_int64(s, column))
        : type == SQLITE_FLOAT ? luas__mp_write_double(out, api->column_double(s, column))
        : luas__mp_write_string(out, bytes != NULL ? bytes : "", len);
}

/* ---- writing ---- */

static void note_failure(luas__journal *j)
{
    if (!j->failed)
        snprintf(j->why, sizeof j->why, "%s", j->api->errmsg(j->db));
    j->failed = true;
}

#define INTO "INSERT INTO outcome(job, key, idx, kind, started, took, worker, attempts, input, value, message, status) VALUES"
#define ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define FOUR_ROWS ROW "," ROW "," ROW "," ROW

/* Several rows by one statement take a third less. */
enum { COLUMNS = 12, TOGETHER = 16 };

static const char *const kinds[] = {"value", "error", "timeout", "crash", "cancelled"};

/* Binds the columns of a row, from this one on. */
static void bind_row(luas__journal *j, sqlite3_stmt *s, int c, const row *r)
{
    const luas__sqlite *api = j->api;
    const char *input = (const char *)(r + 1), *value = input + r->input;
    const char *message = value + (r->value > 0 ? r->value : 0);
    api->bind_int64(s, c, r->job);
    api->bind_blob(s, c + 1, &r->key, sizeof r->key, NULL);
    api->bind_int64(s, c + 2, (int64_t)r->index);
    api->bind_text(s, c + 3, kinds[r->kind], -1, NULL);
    api->bind_double(s, c + 4, j->epoch + (double)r->start / 1e9);
    api->bind_double(s, c + 5, (double)r->took / 1e9);
    api->bind_int64(s, c + 6, r->worker);
    api->bind_int64(s, c + 7, r->attempts);
    bind_input(api, s, c + 8, input, r->input);
    bind_value(api, s, c + 9, value, r->value);
    if (r->kind == LUAS__KIND_VALUE)
        api->bind_null(s, c + 10);
    else
        api->bind_text(s, c + 10, message, (int)r->message, NULL);
    r->status == -1 ? api->bind_null(s, c + 11) : api->bind_int64(s, c + 11, r->status);
}

static size_t size_of(const row *r)
{
    return sizeof *r + padded((size_t)r->input + (size_t)(r->value > 0 ? r->value : 0) + r->message);
}

static bool execute(luas__journal *j, const char *sql)
{
    if (j->api->exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    note_failure(j);
    return false;
}

static bool step(luas__journal *j, sqlite3_stmt *s)
{
    bool done = j->api->step(s) == SQLITE_DONE;
    if (!done)
        note_failure(j);
    j->api->reset(s);
    return done;
}

/* Writes `n` rows, which begin at *at, and moves it on. */
static bool write_some(luas__journal *j, sqlite3_stmt *s, const char **at, int n)
{
    for (int i = 0; i < n; i++) {
        const row *r = (const row *)(const void *)*at;
        bind_row(j, s, 1 + i * COLUMNS, r);
        *at += size_of(r);
    }
    return step(j, s);
}

static bool prepare(luas__journal *j)
{
    if (j->insert == NULL)
        j->api->prepare_v2(j->db, INTO ROW, -1, &j->insert, NULL);
    if (j->insert != NULL && j->insert_many == NULL)
        j->api->prepare_v2(j->db, INTO FOUR_ROWS "," FOUR_ROWS "," FOUR_ROWS "," FOUR_ROWS, -1, &j->insert_many, NULL);
    if (j->insert_many == NULL)
        note_failure(j);
    return j->insert_many != NULL;
}

static bool write_rows(luas__journal *j)
{
    if (!prepare(j) || !execute(j, "BEGIN"))
        return false;
    const char *at = luas__buffer_bytes(&j->rows);
    bool written = true;
    uint32_t left = j->nrows;
    for (; written && left >= TOGETHER; left -= TOGETHER)
        written = write_some(j, j->insert_many, &at, TOGETHER);
    for (; written && left > 0; left--)
        written = write_some(j, j->insert, &at, 1);
    if (written && execute(j, "COMMIT"))
        return true;
    if (!j->api->get_autocommit(j->db))
        j->api->exec(j->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static void forget_rows(luas__journal *j)
{
    luas__buffer_truncate(&j->rows, 0);
    if (j->rows.cap > MUCH)
        luas__buffer_release(&j->rows);
    j->nrows = 0;
}

/* Called with the lock. */
static void flush(luas__journal *j)
{
    atomic_store(&j->reader.due, 0);
    if (j->nrows == 0 || j->db == NULL)
        return;
    bool written = write_rows(j);
    j->written_at = luas__now();
    j->retry_at = written ? 0 : j->written_at + PAUSE;
    if (!written && j->rows.len > LUAS__JOURNAL_KEPT)
        j->lost += j->nrows;
    if (written || j->rows.len > LUAS__JOURNAL_KEPT)
        forget_rows(j);
}

static bool is_here(const luas__journal *j)
{
    return luas__fork_detect_is_here(&j->fork_detect);
}

bool luas__journal_flush(luas__journal *j)
{
    if (!is_here(j))
        return true;
    pthread_mutex_lock(&j->reader.lock);
    flush(j);
    bool failed = j->failed;
    pthread_mutex_unlock(&j->reader.lock);
    return !failed;
}

/* ---- listening ---- */

static int put_row(luas__journal *j, const luas__pool_event *e)
{
    static const char zeros[8];
    size_t at = j->rows.len, input_len = 0;
    row r = {.job = e->journal->row, .key = luas__journal_job_key(e->journal, e->index), .index = e->index,
             .start = e->start, .took = e->took, .kind = (int32_t)e->kind, .attempts = e->attempts,
             .worker = e->worker, .status = e->kind == LUAS__KIND_CRASH ? e->status : -1};
    const char *input = luas__events_input(e, &input_len);
    r.input = input != NULL && input_len < UINT32_MAX ? (uint32_t)input_len : 0;
    int rc = luas__buffer_append(&j->rows, &r, sizeof r);
    if (rc == 0)
        rc = luas__buffer_append(&j->rows, input, r.input);
    if (rc == 0)
        rc = put_value(&j->rows, e, &r.value);
    size_t before = j->rows.len;
    if (rc == 0)
        rc = put_message(&j->rows, e);
    r.message = (uint32_t)(j->rows.len - before);
    if (rc == 0)
        rc = luas__buffer_append(&j->rows, zeros, padded(j->rows.len - at) - (j->rows.len - at));
    if (rc == 0)
        memcpy(luas__buffer_bytes(&j->rows) + at, &r, sizeof r);
    else
        luas__buffer_truncate(&j->rows, at);
    return rc;
}

static bool is_recorded(const luas__journal *j, const luas__pool_event *e)
{
    return j->db != NULL && e->type == LUAS__EVENT_ENDED && e->journal != NULL && e->journal->journal == j && !e->retried
        && e->kind != LUAS__KIND_CANCELLED && e->count == 1 && e->index > 0
        && luas__journal_job_has(e->journal, e->index);
}

static void hear(luas__reader *self, int tag, const luas__pool_event *e)
{
    luas__journal *j = (luas__journal *)self;
    (void)tag;
    if (is_recorded(j, e) && is_here(j)) {
        if (put_row(j, e) == 0)
            j->nrows++;
        else
            j->lost++;
    }
    if (j->nrows == 0)
        return;
    int64_t now = luas__now(), due = j->written_at + j->interval;
    if (now < j->retry_at)
        due = j->retry_at;
    else if (now >= due || j->nrows >= LUAS__JOURNAL_ROWS || j->rows.len > MUCH)
        flush(j);
    if (j->nrows > 0)
        atomic_store(&j->reader.due, now >= due ? now + j->interval : due);
}

/* ---- opening and closing ---- */

void luas__journal_close(luas__journal *j)
{
    if (j->db == NULL || !is_here(j))
        return; /* a forked child leaves its copy alone */
    pthread_mutex_lock(&j->reader.lock);
    flush(j);
    j->api->finalize(j->insert);
    j->api->finalize(j->insert_many);
    j->api->finalize(j->select);
    j->api->close_v2(j->db);
    j->db = NULL;
    pthread_mutex_unlock(&j->reader.lock);
}

/* The reader has no lock any more. */
static void free_journal(luas__reader *self)
{
    luas__journal *j = (luas__journal *)self;
    if (j->db != NULL && is_here(j)) {
        flush(j);
        j->api->finalize(j->insert);
        j->api->finalize(j->insert_many);
        j->api->finalize(j->select);
        j->api->close_v2(j->db);
    }
    luas__fork_detect_close(&j->fork_detect);
    luas__buffer_release(&j->rows);
    free(j);
}

static bool is_remote(const char *path)
{
    static const unsigned long remote[] = {0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997,
        0x5346414f, 0x00c36400, 0x47504653, 0x0bd00bd0};
    struct statfs fs;
    if (statfs(path, &fs) != 0)
        return false;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if (((unsigned long)fs.f_type & 0xffffffff) == remote[i])
            return true;
    return false;
}

static double find_epoch(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9 - (double)luas__now() / 1e9;
}

/* Says how it is written, where that is possible: readers are never kept waiting. */
static bool set_up(luas__journal *j, const char *path, bool is_read)
{
    bool far = is_remote(path);
    j->interval = far ? REMOTE : USUAL;
    j->api->busy_timeout(j->db, PATIENCE_MS);
    if (!execute(j, "PRAGMA schema_version")) /* is it a database? */
        return false;
    return is_read || execute(j, far ? "PRAGMA journal_mode=PERSIST; PRAGMA synchronous=NORMAL"
                                     : "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
}

luas__journal *luas__journal_open(const char *path, bool is_read, char *why, size_t size)
{
    const char *reason;
    const luas__sqlite *api = luas__sqlite_load(&reason);
    luas__journal *j = api != NULL && luas__xxh_load(&reason) ? calloc(1, sizeof *j) : NULL;
    if (j == NULL) {
        snprintf(why, size, "%s", reason[0] != '\0' ? reason : luas_strerror(LUAS_ENOMEM));
        return NULL;
    }
    j->api = api;
    j->epoch = find_epoch();
    luas__events_init_reader(&j->reader, 1u << LUAS__EVENT_ENDED | 1u << LUAS__EVENT_TICK, hear, free_journal);
    luas__fork_detect_open(&j->fork_detect);
    int flags = SQLITE_OPEN_NOMUTEX | (is_read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (api->open_v2(path, &j->db, flags, NULL) == SQLITE_OK && set_up(j, path, is_read))
        return j;
    snprintf(why, size, "%s", j->db != NULL ? api->errmsg(j->db) : luas_strerror(LUAS_ENOMEM));
    luas__events_drop_reader(&j->reader);
    return NULL;
}

static int64_t read_payload(luas__journal *j, int64_t id, luas__buffer *out)
{
    size_t before = out->len;
    int rc = 0;
    if (j->select == NULL && j->api->prepare_v2(j->db, "SELECT value FROM outcome WHERE id = ?", -1,
                                                &j->select, NULL) != SQLITE_OK)
        return 0;
    j->api->bind_int64(j->select, 1, id);
    if (j->api->step(j->select) == SQLITE_ROW)
        rc = luas__journal_read(j, j->select, 0, out);
    j->api->reset(j->select);
    return rc < 0 ? rc : (int64_t)(out->len - before);
}

int64_t luas__journal_payload(luas__journal *j, int64_t id, luas__buffer *out)
{
    pthread_mutex_lock(&j->reader.lock);
    int64_t len = j->db != NULL ? read_payload(j, id, out) : 0;
    pthread_mutex_unlock(&j->reader.lock);
    return len;
}
