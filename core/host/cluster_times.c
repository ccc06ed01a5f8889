/* A reader that notes when tasks ran. */
#define _GNU_SOURCE
#include "cluster_times.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "luas.h"
#include "readers.h"

enum { BYTES = 28 };

typedef struct entry {
    int64_t job, start, took;
    uint64_t index;
    int32_t worker;
} entry;

typedef struct times {
    luas__reader reader;
    entry *entries;
    size_t n, cap;
} times;

/* Without memory it is not noted. */
static void hear(luas__reader *self, int tag, const luas__pool_event *e)
{
    times *t = (times *)self;
    (void)tag;
    if (e->took < 0 || e->retried || e->index == 0
        || luas__array_reserve(&t->entries, &t->cap, t->n + 1, sizeof *t->entries) < 0)
        return;
    t->entries[t->n++] = (entry){.job = e->job, .start = e->start, .took = e->took, .index = e->index, .worker = e->worker};
}

static void close_times(luas__reader *self)
{
    times *t = (times *)self;
    free(t->entries);
    free(t);
}

static int times_new(lua_State *L)
{
    luas__reader **slot = luas__readers_new(L, NULL);
    times *t = calloc(1, sizeof *t);
    if (t == NULL)
        return luas__fail(L, "luas: %s", luas_strerror(LUAS_ENOMEM));
    luas__events_init_reader(&t->reader, 1u << LUAS__EVENT_ENDED, hear, close_times);
    *slot = &t->reader;
    return 1;
}

static size_t count_of(times *t, int64_t job)
{
    size_t n = 0;
    pthread_mutex_lock(&t->reader.lock);
    for (size_t i = 0; i < t->n; i++)
        n += t->entries[i].job == job;
    pthread_mutex_unlock(&t->reader.lock);
    return n;
}

static unsigned char *put(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        to[i] = (unsigned char)value;
    return to + bytes;
}

static void write_entry(unsigned char *to, const entry *e, int64_t shift)
{
    to = put(to, e->index + (uint64_t)shift, 8);
    to = put(to, (uint32_t)e->worker, 4);
    to = put(to, (uint64_t)e->start, 8);
    put(to, (uint64_t)e->took, 8);
}

/* Moves up to `most` of the job's to `to`; the others stay in their order. */
static size_t take(times *t, int64_t job, int64_t shift, unsigned char *to, size_t most)
{
    size_t n = 0, kept = 0;
    pthread_mutex_lock(&t->reader.lock);
    for (size_t i = 0; i < t->n; i++)
        if (t->entries[i].job == job && n < most)
            write_entry(to + BYTES * n++, &t->entries[i], shift);
        else
            t->entries[kept++] = t->entries[i];
    t->n = kept;
    pthread_mutex_unlock(&t->reader.lock);
    return n;
}

static int times_timed(lua_State *L)
{
    luas__reader *r = luas__readers_check(L, 1);
    int64_t job = luaL_checkinteger(L, 2), shift = luaL_optinteger(L, 3, 0);
    luaL_argcheck(L, r->hear == hear, 1, "times expected");
    size_t n = count_of((times *)r, job);
    unsigned char *bytes = lua_newuserdatauv(L, BYTES * n + 1, 0);
    n = take((times *)r, job, shift, bytes, n);
    lua_pushlstring(L, (const char *)bytes, BYTES * n);
    return 1;
}

const luaL_Reg luas__cluster_times_functions[] = {{"times", times_new}, {"timed", times_timed}, {NULL, NULL}};
