/* What all files of the pool ask of its state. */
#define _GNU_SOURCE
#include "state.h"

#include <string.h>

#include "cpus.h"

/* Bytes. */
enum { MOST_NOTES = 1 << 16 };

void luas__state_break(luas__pool *p, int code, const char *words, size_t len)
{
    if (p->health.broken != 0)
        return;
    p->health.broken = code;
    if (luas__buffer_append(&p->health.why, words, len) < 0
        || luas__buffer_append(&p->health.why, "", 1) < 0)
        luas__buffer_truncate(&p->health.why, 0); /* no memory: just the code */
    p->progress++;
}

void luas__state_note(luas__pool *p, const char *what, const char *words, size_t len)
{
    luas__buffer *notes = &p->health.notes;
    size_t before = notes->len, more = strlen(what) + len + 1;
    if (before + more > MOST_NOTES || luas__buffer_append(notes, what, strlen(what)) < 0
        || luas__buffer_append(notes, words, len) < 0 || luas__buffer_append(notes, "", 1) < 0)
        luas__buffer_truncate(notes, before);
    p->progress++;
}

bool luas__state_weighs(const luas__pool *p)
{
    return p->options.memory > 0 || p->options.max_memory > 0;
}

int luas__state_active(const luas__pool *p)
{
    int n = 0;
    for (int i = 0; i < p->nworkers; i++)
        n += p->workers[i]->state < LUAS__WORKER_STOPPING;
    return n;
}

int luas__state_cpus(luas__pool *p)
{
    if (p->cpus == 0)
        p->cpus = luas__cpus_count();
    return p->cpus;
}
