/* The host's end of a worker: opening, sending, taking back. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fd.h"

enum { FIRST_READ = 1 << 9, READ_SIZE = 1 << 16, READ_MOST = 4 << 20 };

uint64_t luas__worker_key(const luas__worker *w, enum luas__worker_event event)
{
    return (uint64_t)w->serial << 2 | event;
}

static luas__worker *make(const luas__spawn_request *birth)
{
    luas__worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->number = birth->number;
    w->serial = birth->serial;
    w->snapshot = birth->snapshot;
    w->inherited_definitions = birth->inherited_definitions;
    w->bulk = birth->bulk;
    w->slot = luas__bulk_take(w->bulk);
    w->child = (luas__child)LUAS__CHILD_INIT;
    w->link.request = w->link.request_reader = w->link.result = w->link.writer = -1;
    w->link.prints[0] = w->link.prints[1] = -1;
    w->output = (luas__output)LUAS__OUTPUT_INIT;
    w->tasks.next_seq = 1;
    return w;
}

/* The ends that are the child's alone. */
static void close_its_ends(luas__worker *w)
{
    luas__fd_close(&w->link.writer);
    luas__fd_close(&w->link.prints[0]);
    luas__fd_close(&w->link.prints[1]);
}

static void release(luas__worker *w)
{
    luas__fd_close(&w->link.request);
    luas__fd_close(&w->link.request_reader);
    luas__fd_close(&w->link.result);
    close_its_ends(w);
    luas__child_release(&w->child);
    luas__scoreboard_unmap(w->scoreboard);
    if (w->bulk != NULL)
        luas__bulk_free(w->bulk, w->slot);
    luas__buffer_release(&w->link.out);
    luas__buffer_release(&w->link.in);
    free(w->tasks.chunks);
    free(w->known.jobs);
    free(w->known.definitions);
    free(w);
}

/* In the order of their numbers, as far as that is known. */
void luas__worker_abandon(const luas__worker *w, bool is_self, luas__fd_closing *closing)
{
    if (!is_self)
        luas__fd_closing_add(closing, w->link.request_reader);
    luas__fd_closing_add(closing, w->link.request);
    luas__fd_closing_add(closing, w->link.result);
    if (!is_self)
        luas__fd_closing_add(closing, w->link.writer);
    luas__output_abandon(&w->output, closing);
    for (int i = 0; i < 2 && !is_self; i++)
        luas__fd_closing_add(closing, w->link.prints[i]);
    luas__fd_closing_add(closing, w->child.watch);
}

void luas__worker_close(luas__worker *w, luas__poller *poller)
{
    luas__poller_remove(poller, w->link.result);
    luas__poller_remove(poller, w->child.watch);
    if (w->link.wants_write)
        luas__poller_remove(poller, w->link.request);
    luas__output_close(&w->output, poller);
    release(w);
}

static int open_pipes(luas__worker *w)
{
    int requests[2], results[2];
    int rc = luas__fd_pipe(requests);
    if (rc < 0)
        return rc;
    w->link.request_reader = requests[0];
    w->link.request = requests[1];
    rc = luas__fd_pipe(results);
    if (rc < 0)
        return rc;
    w->link.result = results[0];
    w->link.writer = results[1];
    rc = luas__fd_set_nonblocking(w->link.request);
    return rc < 0 ? rc : luas__fd_set_nonblocking(w->link.result);
}

static int watch(luas__worker *w, luas__poller *poller)
{
    int rc = luas__poller_add(poller, w->link.result, 0, luas__worker_key(w, LUAS__ON_RESULT));
    for (int i = 0; i < 2 && rc == 0; i++)
        if (w->output.pipes[i] >= 0)
            rc = luas__poller_add(poller, w->output.pipes[i], 0,
                                  luas__worker_key(w, LUAS__ON_OUTPUT));
    return rc;
}

/* Of the scoreboard only a worker that does not inherit it needs the descriptor. */
static int map_page(luas__worker *w, int *fd)
{
    if (fd != NULL)
        *fd = luas__scoreboard_share(&w->scoreboard);
    else
        w->scoreboard = luas__scoreboard_map();
    if (w->scoreboard == NULL)
        return fd != NULL ? *fd : LUAS_ENOMEM;
    luas__scoreboard_hide(w->scoreboard);
    return 0;
}

/* With *fd the scoreboard's, unless it is NULL. */
static int prepare(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth, int *fd)
{
    luas__worker *w = *worker = make(birth);
    if (w == NULL)
        return LUAS_ENOMEM;
    int rc = map_page(w, fd);
    if (rc == 0)
        rc = open_pipes(w);
    if (rc == 0)
        rc = luas__output_open(&w->output, birth->output, birth->label, birth->number, w->link.prints);
    if (rc == 0)
        rc = watch(w, poller);
    if (rc < 0)
        luas__worker_close(w, poller);
    return rc;
}

int luas__worker_prepare(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth)
{
    return prepare(worker, poller, birth, NULL);
}

pid_t luas__worker_fork(const luas__worker *w, const luas__child_forks *forks)
{
    pid_t pid = luas__scoreboard_show(w->scoreboard);
    if (pid == 0)
        pid = luas__bulk_show(w->slot);
    if (pid == 0 && (pid = luas__child_fork(forks)) == 0)
        return 0;
    luas__scoreboard_hide(w->scoreboard);
    luas__bulk_hide(w->slot);
    return pid;
}

/* Without `watch` its end is noticed where its pipe ends. */
void luas__worker_begin(luas__worker *w, pid_t pid, luas__poller *poller)
{
    close_its_ends(w);
    luas__child_adopt(&w->child, pid);
    w->pid = pid;
    if (w->state == LUAS__WORKER_PREPARED)
        w->state = LUAS__WORKER_RUNNING;
    if (w->child.watch >= 0
        && luas__poller_add(poller, w->child.watch, 0, luas__worker_key(w, LUAS__ON_END)) < 0)
        luas__child_release(&w->child);
}

void luas__worker_become(const luas__worker *w, luas__channel *channel)
{
    int prints[] = {w->link.prints[0], w->link.prints[1]};
    *channel = (luas__channel){.in = w->link.request_reader, .out = w->link.writer,
                               .worker = w->number, .scoreboard = w->scoreboard, .slot = w->slot};
    luas__output_become(prints);
}

int luas__worker_spawn(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth,
                      luas__zygote *zygote)
{
    int scoreboard = -1;
    int rc = prepare(worker, poller, birth, &scoreboard);
    luas__worker *w = *worker;
    pid_t pid = rc;
    if (rc == 0)
        pid = luas__zygote_spawn(zygote, &(luas__zygote_request){
            .number = w->number, .slot = w->slot, .in = w->link.request_reader, .out = w->link.writer,
            .scoreboard = scoreboard, .prints = {w->link.prints[0], w->link.prints[1]}});
    luas__fd_close(&scoreboard);
    if (pid > 0)
        luas__worker_begin(w, pid, poller);
    else if (rc == 0)
        luas__worker_close(w, poller);
    return pid > 0 ? 0 : pid;
}

int luas__worker_wake(luas__channel *channel, luas__zygote_request *d)
{
    *channel = (luas__channel){.in = d->in, .out = d->out, .worker = d->number,
                               .scoreboard = luas__scoreboard_attach(d->scoreboard), .slot = d->slot};
    luas__fd_close(&d->scoreboard);
    luas__output_become(d->prints);
    return channel->scoreboard == NULL ? LUAS_ENOMEM : 0;
}

static int watch_writable(luas__worker *w, luas__poller *poller, bool wanted)
{
    int rc = 0;
    if (wanted && !w->link.wants_write)
        rc = luas__poller_add(poller, w->link.request, 1, luas__worker_key(w, LUAS__ON_REQUEST));
    else if (!wanted && w->link.wants_write)
        luas__poller_remove(poller, w->link.request);
    if (rc == 0)
        w->link.wants_write = wanted;
    return rc;
}

static int tell_to_stop(luas__worker *w)
{
    int64_t field = w->exit_status;
    int rc = luas__frame_write(&w->link.out, LUAS__MSG_STOP, &field, 1);
    w->link.stop_unsent = rc < 0;
    return rc;
}

int luas__worker_stop(luas__worker *w, int status)
{
    w->told_to_stop = true;
    if (w->state < LUAS__WORKER_STOPPING)
        w->state = LUAS__WORKER_STOPPING;
    w->exit_status = status;
    return tell_to_stop(w);
}

int luas__worker_flush(luas__worker *w, luas__poller *poller)
{
    int rc = w->link.stop_unsent ? tell_to_stop(w) : 0;
    if (rc < 0)
        return rc;
    bool is_news = w->link.out.len > 0;
    rc = luas__fd_write_some(w->link.request, &w->link.out);
    if (rc == 0)
        w->link.sent_at = luas__now_coarse();
    if (rc == 0 && is_news)
        atomic_fetch_add(&w->scoreboard->sent, 1);
    if (rc == 0 || rc == -EAGAIN)
        return watch_writable(w, poller, rc != 0);
    return rc;
}

/* What a peek took from the ring comes again through the pipe. */
static void pass_over_peeked(luas__worker *w, size_t n)
{
    uint64_t again = w->link.received - w->link.piped;
    if (again > n)
        again = n;
    if (again > 0) {
        char *fresh = luas__buffer_end(&w->link.in) - n;
        memmove(fresh, fresh + again, n - (size_t)again);
        w->link.in.len -= (size_t)again;
    }
    w->link.piped += n;
    w->link.received += n - again;
}

int luas__worker_receive(luas__worker *w, luas__poller *poller)
{
    size_t most = w->link.in.cap > FIRST_READ ? READ_SIZE : FIRST_READ;
    for (size_t total = 0; w->link.result >= 0 && total < READ_MOST;) {
        ssize_t n = luas__fd_read_some(w->link.result, &w->link.in, most);
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        if (n == 0) {
            luas__poller_remove(poller, w->link.result);
            luas__fd_close(&w->link.result);
            return 0;
        }
        pass_over_peeked(w, (size_t)n);
        total += (size_t)n;
        if ((size_t)n < most)
            return 0; /* empty now, or soon reported again */
        most = most < READ_SIZE ? READ_SIZE : READ_MOST / 4;
    }
    return 0;
}

bool luas__worker_is_ahead(const luas__worker *w)
{
    return atomic_load(&w->scoreboard->head) > w->link.received;
}

int luas__worker_peek(luas__worker *w)
{
    int64_t n = luas__ring_peek(w->scoreboard, w->link.received, &w->link.in);
    if (n < 0)
        return (int)n;
    w->link.received += (uint64_t)n;
    return 0;
}

static int grow(void **items, int *cap, size_t size)
{
    int wanted = *cap > 0 ? 2 * *cap : 8;
    void *more = realloc(*items, (size_t)wanted * size);
    if (more == NULL)
        return LUAS_ENOMEM;
    *items = more;
    *cap = wanted;
    return 0;
}

static luas__known_job *find_job(const luas__worker *w, const luas__job *job)
{
    for (int i = w->known.njobs; i-- > 0;)
        if (w->known.jobs[i].id == job->id)
            return &w->known.jobs[i];
    return NULL;
}

bool luas__worker_had(const luas__worker *w, const luas__job *job)
{
    const luas__known_job *known = find_job(w, job);
    return known != NULL && known->tasks > 0;
}

static luas__known_job *know_job(luas__worker *w, const luas__job *job, int *rc)
{
    luas__known_job *known = find_job(w, job);
    if (known != NULL)
        return known;
    if (w->known.njobs == w->known.cap_jobs
        && (*rc = grow((void **)&w->known.jobs, &w->known.cap_jobs, sizeof *w->known.jobs)) < 0)
        return NULL;
    *rc = luas__frame_write(&w->link.out, LUAS__MSG_JOB,
                            (int64_t[]){job->id, job->policy.flags, job->policy.seed}, 3);
    if (*rc < 0)
        return NULL;
    bool is_of_snapshot = (job->policy.flags & LUAS__JOB_INHERIT) && job->snapshot.id == w->snapshot;
    w->known.jobs[w->known.njobs] = (luas__known_job){.id = job->id, .is_inherited = is_of_snapshot,
                                          .defined = is_of_snapshot ? w->inherited_definitions : 0};
    return &w->known.jobs[w->known.njobs++];
}

static bool knows_definition(const luas__worker *w, int64_t id)
{
    for (int i = w->known.ndefinitions; i-- > 0;)
        if (w->known.definitions[i] == id)
            return true;
    return false;
}

static int send_definition(luas__worker *w, const luas__definition *definition)
{
    if (w->known.ndefinitions == w->known.cap_definitions) {
        int rc = grow((void **)&w->known.definitions, &w->known.cap_definitions, sizeof *w->known.definitions);
        if (rc < 0)
            return rc;
    }
    size_t mark;
    int rc = luas__frame_begin(&w->link.out, LUAS__MSG_DEFINITION, &mark);
    if (rc < 0)
        return rc;
    rc = luas__mp_write_int(&w->link.out, definition->id);
    if (rc == 0)
        rc = luas__buffer_append(&w->link.out, definition->bytes, definition->len);
    if (rc == 0)
        rc = luas__frame_end(&w->link.out, mark);
    if (rc < 0)
        luas__buffer_truncate(&w->link.out, mark);
    else
        w->known.definitions[w->known.ndefinitions++] = definition->id;
    return rc;
}

static int define(luas__worker *w, const luas__job *job, luas__known_job *known)
{
    for (; known->defined < job->ndefinitions; known->defined++) {
        const luas__definition *definition = job->definitions[known->defined];
        int rc = knows_definition(w, definition->id) ? 0 : send_definition(w, definition);
        if (rc == 0)
            rc = luas__frame_write(&w->link.out, LUAS__MSG_DEFINE, (int64_t[]){job->id, definition->id}, 2);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int send_chunk(luas__worker *w, const luas__chunk *c, const luas__batch *batch)
{
    size_t mark, len;
    int rc = luas__frame_begin(&w->link.out, batch != NULL ? LUAS__MSG_RUN : LUAS__MSG_RANGE, &mark);
    if (rc < 0)
        return rc;
    const int64_t fields[] = {c->job->id, c->seq, (int64_t)c->index, c->count};
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = luas__mp_write_int(&w->link.out, fields[i]);
    if (rc == 0 && batch != NULL) {
        const char *bytes = luas__batch_bytes(batch, c->index, c->count, &len);
        rc = luas__buffer_append(&w->link.out, bytes, len);
    }
    if (rc == 0)
        rc = luas__frame_end(&w->link.out, mark);
    if (rc < 0)
        luas__buffer_truncate(&w->link.out, mark);
    return rc;
}

int luas__worker_give(luas__worker *w, luas__job *job, luas__range range, luas__batch *batch)
{
    int rc = 0;
    luas__known_job *known = know_job(w, job, &rc);
    if (known == NULL || (rc = define(w, job, known)) < 0)
        return rc;
    if (w->tasks.nchunks == w->tasks.cap_chunks
        && (rc = grow((void **)&w->tasks.chunks, &w->tasks.cap_chunks, sizeof *w->tasks.chunks)) < 0)
        return rc;
    luas__chunk c = {.job = job, .index = range.first, .count = (uint32_t)range.count,
                     .size = (uint32_t)range.count, .seq = w->tasks.next_seq,
                     .attempts = range.attempts};
    rc = send_chunk(w, &c, batch);
    if (rc < 0)
        return rc;
    w->tasks.chunks[w->tasks.nchunks++] = c;
    w->tasks.next_seq += c.count;
    w->tasks.unanswered += c.count;
    known->tasks += c.count;
    job->dealt += c.count;
    return 0;
}

int luas__worker_forget(luas__worker *w, int64_t job)
{
    for (int i = 0; i < w->known.njobs; i++)
        if (w->known.jobs[i].id == job) {
            /* What an inherited function changed it changed for good. */
            w->retiring |= w->known.jobs[i].is_inherited && w->known.jobs[i].tasks > 0;
            w->known.jobs[i] = w->known.jobs[--w->known.njobs];
            return luas__frame_write(&w->link.out, LUAS__MSG_FORGET, &job, 1);
        }
    return 0;
}

int luas__worker_drop(luas__worker *w, int64_t definition)
{
    for (int i = 0; i < w->known.ndefinitions; i++)
        if (w->known.definitions[i] == definition) {
            w->known.definitions[i] = w->known.definitions[--w->known.ndefinitions];
            return luas__frame_write(&w->link.out, LUAS__MSG_DROP, &definition, 1);
        }
    return 0;
}

/* How many of a chunk's tasks come after `started`; sequence numbers wrap. */
static uint32_t after(const luas__chunk *c, uint32_t started)
{
    int32_t begun = (int32_t)(started - c->seq) + 1;
    if (begun <= 0)
        return c->count;
    return (uint32_t)begun < c->count ? c->count - (uint32_t)begun : 0;
}

uint32_t luas__worker_unstarted(const luas__worker *w)
{
    uint32_t started = luas__scoreboard_started(w->scoreboard), unstarted = 0;
    for (int i = w->tasks.nchunks; i-- > 0;) {
        uint32_t n = after(&w->tasks.chunks[i], started);
        unstarted += n;
        if (n < w->tasks.chunks[i].count)
            break;
    }
    return unstarted;
}

luas__chunk *luas__worker_running(const luas__worker *w)
{
    return w->tasks.nchunks > 0
        && (int32_t)(luas__scoreboard_started(w->scoreboard) - w->tasks.chunks[0].seq) >= 0 ? &w->tasks.chunks[0] : NULL;
}

/* Returns the tasks of the last chunk that come after `started`. */
static void return_last(luas__worker *w, uint32_t started)
{
    luas__chunk *c = &w->tasks.chunks[w->tasks.nchunks - 1];
    uint32_t back = after(c, started), kept = c->count - back;
    luas__job_return(c->job, (luas__range){.first = c->index + kept, .count = back,
                                           .attempts = c->attempts});
    luas__known_job *known = find_job(w, c->job);
    if (known != NULL)
        known->tasks -= back;
    c->count = kept;
    c->job->dealt -= back;
    w->tasks.unanswered -= back;
    if (kept == 0)
        w->tasks.nchunks--;
}

int luas__worker_revoke(luas__worker *w)
{
    for (int i = 0; i < w->tasks.nchunks; i++) {
        int rc = luas__job_reserve(w->tasks.chunks[i].job, (size_t)w->tasks.nchunks);
        if (rc < 0)
            return rc; /* nothing is revoked yet */
    }
    if (w->tasks.unanswered == 0)
        return 0;
    uint32_t started = luas__scoreboard_revoke(w->scoreboard, w->tasks.next_seq - 1);
    if (after(&w->tasks.chunks[w->tasks.nchunks - 1], started) > 0)
        w->tasks.revoked_seq = w->tasks.next_seq - 1;
    while (w->tasks.nchunks > 0 && after(&w->tasks.chunks[w->tasks.nchunks - 1], started) > 0)
        return_last(w, started);
    return 0;
}

void luas__worker_answered(luas__worker *w, uint32_t n)
{
    luas__chunk *c = &w->tasks.chunks[0];
    c->index += n;
    c->seq += n;
    c->count -= n;
    c->job->dealt -= n;
    w->tasks.unanswered -= n;
    w->tasks.served += n;
    if (c->count == 0)
        memmove(c, c + 1, (size_t)--w->tasks.nchunks * sizeof *c);
}
