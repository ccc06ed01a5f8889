/*
 * What a worker sends is any bytes, in any pieces, and then it dies: each task
 * has one outcome or goes back to be dealt again, and never both.
 *
 * The worker is no process: its pipes are closed, and the bytes are put where
 * they would have been read to.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "job_inputs.h"
#include "job_outcomes.h"
#include "pool.h"
#include "reap.h"
#include "receive.h"

enum { TASKS = 12, CHUNK = 4, SLOT = 64 };

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char slot[SLOT];

static luas__worker *add_worker(luas__pool *p)
{
    luas__worker *w = calloc(1, sizeof *w);
    p->workers = calloc(1, sizeof(luas__worker *));
    MUST(w != NULL && p->workers != NULL);
    *w = (luas__worker){.number = 1, .serial = 1, .child = LUAS__CHILD_INIT, .pid = 1,
                        .link = {.request = -1, .request_reader = -1, .result = -1},
                        .tasks.next_seq = 1,
                        .output = LUAS__OUTPUT_INIT, .slot = {.bytes = slot, .size = SLOT},
                        .scoreboard = luas__scoreboard_map()};
    MUST(w->scoreboard != NULL);
    p->workers[0] = w;
    p->nworkers = p->cap_workers = 1;
    return w;
}

static luas__job *add_job(luas__pool *p, luas__worker *w, int retries)
{
    luas__job *job = luas__job_new(&(luas__policy){.retries = retries});
    luas__range range;
    luas__batch *batch;
    MUST(job != NULL && luas__pool_start(p, job) == 0);
    MUST(luas__pool_feed_inherited(p, job, TASKS) == 0);
    while (luas__job_inputs_take(job, w->serial, CHUNK, &range, &batch))
        MUST(luas__worker_tasks_give(w, job, range, batch) == 0);
    return job;
}

/* Pieces as long as the bytes themselves say; `framed`: each is the body of a
   frame, so that the codes and fields in there are easily met. */
static void receive(luas__pool *p, luas__worker *w, const uint8_t *data, size_t size, bool framed)
{
    while (size > 1) {
        size_t piece = (size_t)*data++ % 31 + 1;
        piece = piece < --size ? piece : size;
        const char head[] = {0, 0, 0, (char)piece};
        MUST(!framed || luas__buffer_append(&w->link.in, head, sizeof head) == 0);
        MUST(luas__buffer_append(&w->link.in, data, piece) == 0);
        MUST(luas__receive_from(p, w) == 0);
        data += piece;
        size -= piece;
    }
}

static void die(luas__pool *p, luas__worker *w)
{
    MUST(luas__reap_worker(p, w) == 0);
    MUST(w->state == LUAS__WORKER_ENDED && w->tasks.unanswered == 0 && w->tasks.nchunks == 0);
    luas__reap_free(p);
    MUST(p->nworkers == 0);
}

static void check_outcomes(luas__pool *p, luas__job *job)
{
    bool seen[TASKS + 1] = {false};
    uint64_t outcomes = 0;
    const luas__outcome *o;
    const char *payload;
    if (luas__pool_take(p, job))
        while ((o = luas__job_outcomes_next(job, &payload)) != NULL) {
            MUST(o->count == 1 && o->index >= 1 && o->index <= TASKS && !seen[o->index]);
            seen[o->index] = true;
            outcomes++;
        }
    MUST(job->dealt == 0 && outcomes == job->output.settled && outcomes + job->input.waiting == TASKS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    luas__pool *p;
    if (size < 2)
        return 0;
    MUST(luas__pool_open(&p, &(luas__pool_options){.workers = 1}) == 0);
    luas__worker *w = add_worker(p);
    luas__job *job = add_job(p, w, data[0] >> 7);
    for (uint32_t seq = 1; seq <= data[0] % (TASKS + 1u); seq++)
        luas__scoreboard_claim(w->scoreboard, seq);
    memcpy(slot, data, size < SLOT ? size : SLOT);
    receive(p, w, data + 1, size - 1, data[0] & 64);
    die(p, w);
    check_outcomes(p, job);
    luas__pool_close(p);
    return 0;
}
