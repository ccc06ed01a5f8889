/* Keys of tasks, and what is known of them. */
#define _GNU_SOURCE
#include "journal_job.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "error.h"
#include "journal.h"

/* Payloads of up to so many bytes are loaded with their keys, while all take no more than that. */
enum { SHORT = 1024 };
#define MOST_LOADED ((size_t)1 << 30)

/* ---- users ---- */

luas__journal_group *luas__journal_job_group(luas__journal *journal, int64_t row)
{
    luas__journal_group *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    atomic_init(&g->users, 1);
    atomic_fetch_add(&journal->reader.users, 1);
    g->journal = journal;
    g->row = row;
    g->values = true;
    return g;
}

static void release_known(luas__journal_known *k)
{
    luas__hashmap_release(&k->keys);
    luas__buffer_release(&k->bytes);
    free(k->places);
}

void luas__journal_job_drop_group(luas__journal_group *g)
{
    if (g == NULL || atomic_fetch_sub(&g->users, 1) > 1)
        return;
    release_known(&g->own);
    release_known(&g->others);
    luas__hashmap_release(&g->met);
    luas__events_drop_reader(&g->journal->reader);
    free(g);
}

luas__journal_job *luas__journal_job_new(luas__journal_group *group)
{
    luas__journal_job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    atomic_init(&j->users, 1);
    atomic_fetch_add(&group->users, 1);
    j->group = group;
    j->journal = group->journal;
    j->row = group->row;
    j->values = group->values;
    return j;
}

luas__journal_job *luas__journal_job_use(luas__journal_job *j)
{
    atomic_fetch_add(&j->users, 1);
    return j;
}

void luas__journal_job_drop(luas__journal_job *j)
{
    if (j == NULL || atomic_fetch_sub(&j->users, 1) > 1)
        return;
    luas__journal_job_drop_group(j->group);
    luas__buffer_release(&j->staged.bytes);
    free(j->staged.tasks);
    free(j->keys);
    free(j);
}

/* ---- what is known ---- */

static uint8_t kind_of(const char *name)
{
    static const char *const kinds[] = {"value", "error", "timeout", "crash"};
    for (uint8_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i]) == 0)
            return i;
    return LUAS__KIND_ERROR;
}

enum { C_ID, C_KEY, C_KIND, C_TOOK, C_ATTEMPTS, C_STATUS, C_VALUE };

static const char loading[] =
    "SELECT id, key, kind, took, attempts, status, value FROM outcome WHERE job = ?"
    " AND id BETWEEN ? AND ? ORDER BY id";

static int load_payload(luas__journal *j, sqlite3_stmt *s, luas__journal_known *into, luas__journal_place *p)
{
    const luas__sqlite *api = j->api;
    p->has_value = api->column_type(s, C_VALUE) != SQLITE_NULL;
    if (api->column_bytes(s, C_VALUE) > SHORT || into->bytes.len > MOST_LOADED)
        return 0;
    size_t before = into->bytes.len;
    int rc = luas__journal_read(j, s, C_VALUE, &into->bytes);
    p->at = (int64_t)before;
    p->len = (uint32_t)(into->bytes.len - before);
    return rc;
}

/* The types come before the columns are read, which may change them. */
static int load_row(luas__journal *j, sqlite3_stmt *s, luas__journal_known *into, int64_t job)
{
    const luas__sqlite *api = j->api;
    luas__hash key;
    if (api->column_bytes(s, C_KEY) != sizeof key)
        return 0;
    memcpy(&key, api->column_blob(s, C_KEY), sizeof key);
    luas__journal_place p = {.row = api->column_int64(s, C_ID), .job = job, .at = -1, .status = -1};
    if (api->column_type(s, C_STATUS) != SQLITE_NULL)
        p.status = (int32_t)api->column_int64(s, C_STATUS);
    int rc = load_payload(j, s, into, &p);
    p.took = (float)api->column_double(s, C_TOOK);
    p.attempts = (int32_t)api->column_int64(s, C_ATTEMPTS);
    const char *kind = api->column_blob(s, C_KIND);
    char name[16] = "";
    int n = api->column_bytes(s, C_KIND);
    memcpy(name, kind != NULL ? kind : "", n < (int)sizeof name ? (size_t)n : 0);
    p.kind = kind_of(name);
    if (rc == 0)
        rc = luas__array_reserve(&into->places, &into->cap, into->count + 1, sizeof *into->places);
    uint32_t *place = rc == 0 ? luas__hashmap_add(&into->keys, key) : NULL;
    if (place == NULL)
        return LUAS_ENOMEM;
    into->places[into->count++] = p;
    *place = (uint32_t)into->count;
    return 0;
}

static int64_t load(luas__journal *j, luas__journal_known *into, int64_t job, int64_t first, int64_t last)
{
    const luas__sqlite *api = j->api;
    sqlite3_stmt *s;
    int64_t n = 0;
    int rc = 0, step = SQLITE_DONE;
    if (j->db == NULL || api->prepare_v2(j->db, loading, -1, &s, NULL) != SQLITE_OK)
        return LUAS_EPROTO;
    api->bind_int64(s, 1, job);
    api->bind_int64(s, 2, first);
    api->bind_int64(s, 3, last);
    while (rc == 0 && (step = api->step(s)) == SQLITE_ROW) {
        rc = load_row(j, s, into, job);
        n++;
    }
    api->finalize(s);
    return rc < 0 ? rc : step != SQLITE_DONE ? LUAS_EPROTO : n;
}

int64_t luas__journal_job_load(luas__journal_group *g, luas__journal_known *into, int64_t job, int64_t first, int64_t last)
{
    pthread_mutex_lock(&g->journal->reader.lock);
    int64_t n = load(g->journal, into, job, first, last);
    pthread_mutex_unlock(&g->journal->reader.lock);
    return n;
}

static const luas__journal_place *find(const luas__journal_known *k, luas__hash key)
{
    const uint32_t *place = luas__hashmap_find(&k->keys, key);
    return place != NULL ? &k->places[*place - 1] : NULL;
}

/* ---- staging ---- */

/* The k-th task with this input, or task k where that counts. */
static luas__hash vary(luas__hash key, uint64_t k)
{
    const uint64_t words[] = {key.low, key.high, k};
    return luas__xxh_of(words, sizeof words);
}

static int make_key(luas__journal_job *j, luas__hash input, luas__hash *key)
{
    luas__journal_group *g = j->group;
    uint32_t *times = luas__hashmap_add(&g->met, input);
    if (times == NULL)
        return LUAS_ENOMEM;
    uint32_t before = (*times)++;
    *key = g->seeded ? vary(vary(input, UINT64_MAX), j->index) : before > 0 ? vary(input, before) : input;
    return 0;
}

static enum luas__journal_verdict judge(luas__journal_job *j, luas__hash key)
{
    const luas__journal_group *g = j->group;
    const luas__journal_place *p = find(&g->own, key);
    bool is_other = p == NULL && (p = find(&g->others, key)) != NULL;
    j->seen = p;
    j->seen_other = is_other;
    if (p == NULL)
        return LUAS__JOURNAL_NEW;
    if (is_other && !g->trusts)
        return LUAS__JOURNAL_CODE;
    if (p->kind != LUAS__KIND_VALUE)
        return g->again ? LUAS__JOURNAL_AGAIN : LUAS__JOURNAL_FAILED;
    return p->has_value || g->discards ? LUAS__JOURNAL_DONE : LUAS__JOURNAL_LOST;
}

/* Copies the payload to where it waits for its task. */
static int copy_payload(luas__journal_job *j, luas__journal_staged *s)
{
    const luas__journal_group *g = j->group;
    const luas__journal_known *k = j->seen_other ? &g->others : &g->own;
    luas__buffer *to = &j->staged.bytes;
    s->place = *j->seen;
    s->is_known = true;
    s->place.at = (int64_t)to->len;
    if (j->seen->len == 0 && j->seen->at >= 0)
        return 0;
    if (j->seen->at >= 0)
        return luas__buffer_append(to, luas__buffer_bytes(&k->bytes) + j->seen->at, j->seen->len);
    int64_t len = luas__journal_payload(j->journal, j->seen->row, to);
    s->place.len = len > 0 ? (uint32_t)len : 0;
    return len < 0 ? (int)len : 0;
}

static void make_place(luas__journal_job *j)
{
    if (j->staged.first == j->staged.count) {
        j->staged.first = j->staged.count = 0;
        luas__buffer_truncate(&j->staged.bytes, 0);
    }
}

int luas__journal_job_stage(luas__journal_job *j, luas__hash input)
{
    luas__journal_staged s = {.is_known = false};
    make_place(j);
    int rc = luas__array_reserve(&j->staged.tasks, &j->staged.cap, j->staged.count + 1, sizeof *j->staged.tasks);
    j->index++;
    if (rc == 0)
        rc = make_key(j, input, &s.key);
    if (rc < 0)
        return rc;
    enum luas__journal_verdict verdict = judge(j, s.key);
    if (verdict == LUAS__JOURNAL_DONE || verdict == LUAS__JOURNAL_FAILED)
        rc = copy_payload(j, &s);
    if (rc < 0)
        return rc;
    j->staged.tasks[j->staged.count++] = s;
    return (int)verdict;
}

static luas__outcome outcome_of(const luas__journal_place *p)
{
    return (luas__outcome){.count = 1, .kind = p->kind, .attempts = (uint16_t)p->attempts, .len = p->len,
                           .status = p->status, .took = p->took};
}

int luas__journal_job_take(luas__journal_job *j, luas__outcome *o, const char **payload)
{
    if (j->staged.first == j->staged.count)
        return 0;
    int rc = luas__array_reserve(&j->keys, &j->cap, j->nkeys + 1, sizeof *j->keys);
    if (rc < 0)
        return rc;
    const luas__journal_staged *s = &j->staged.tasks[j->staged.first++];
    j->keys[j->nkeys++] = s->key;
    if (!s->is_known)
        return 0;
    *o = outcome_of(&s->place);
    *payload = s->place.len > 0 ? luas__buffer_bytes(&j->staged.bytes) + s->place.at : NULL;
    if (o->kind == LUAS__KIND_VALUE && s->place.len == 0) {
        *payload = "\x90"; /* no results */
        o->len = 1;
    }
    return 1;
}
