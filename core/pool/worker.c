/* The host's end of a worker: starting it, sending, receiving. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "orphan.h"

/* How long the host waits for a worker to begin. A healthy one does at once; one that hangs is killed
   before. */
#define LONGEST_BEGIN (2 * LUAS__SECOND)

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
    if (birth->around != NULL) {
        w->around.forked = luas__surroundings_use(birth->around);
        w->around.told = luas__surroundings_use(birth->around);
    }
    w->bulk = birth->bulk;
    w->slot = luas__bulk_take(w->bulk);
    w->child = (luas__child)LUAS__CHILD_INIT;
    w->link.request = w->link.request_reader = w->link.result = w->link.writer = -1;
    w->link.prints[0] = w->link.prints[1] = -1;
    w->output = (luas__output)LUAS__OUTPUT_INIT;
    w->tasks.next_seq = 1;
    return w;
}

/* Closes, in the host, the ends that belong to the child. */
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
    luas__buffer_release(&w->start.why);
    luas__surroundings_release(w->around.forked);
    luas__surroundings_release(w->around.told);
    free(w->tasks.room);
    free(w->known.jobs);
    free(w->known.definitions);
    free(w);
}

/* Roughly in the order of their numbers: consecutive ones are closed by one call. */
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

/* Maps the scoreboard. Its descriptor is made only for a worker that is not forked, which does not
   inherit the mapping: `fd` is NULL otherwise. */
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

/* Unless `fd` is NULL, *fd gets the descriptor of the scoreboard. */
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
    w->output.sinks = birth->sinks;
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
    if (pid == 0 && (pid = luas__child_fork(forks)) == 0)
        return 0;
    luas__scoreboard_hide(w->scoreboard);
    return pid;
}

/* Waits until the worker has given up the descriptors of the host: what the host closes next is
   closed then. */
static bool await_begin(luas__worker *w)
{
    bool begun = false;
    int64_t end = luas__now() + LONGEST_BEGIN;
    while (!(begun = luas__scoreboard_await_begin(w->scoreboard, 5 * LUAS__MS))
           && luas__child_runs(&w->child) && luas__now() < end)
        continue;
    return begun;
}

/* Where somebody else reaps, nobody may know how it ended. */
static bool has_hung(int status)
{
    return status == -1 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

bool luas__worker_adopt(luas__worker *w, pid_t pid, bool waits)
{
    luas__child_adopt(&w->child, pid);
    w->pid = pid;
    if (!waits || await_begin(w) || !w->lock.may_hang)
        return true;
    if (!luas__child_reap(&w->child)) {
        luas__child_signal_group(&w->child, SIGKILL);
        luas__child_await(&w->child);
    } else if (!has_hung(w->child.status)) {
        return true;
    }
    luas__child_release(&w->child);
    w->child = (luas__child)LUAS__CHILD_INIT;
    w->pid = 0;
    return false;
}

/* Without pidfds (`watch`) the end of the worker is noticed by the end of its pipe. */
void luas__worker_begin(luas__worker *w, luas__poller *poller)
{
    close_its_ends(w);
    if (w->state == LUAS__WORKER_PREPARED)
        w->state = LUAS__WORKER_RUNNING;
    if (w->child.watch >= 0
        && luas__poller_add(poller, w->child.watch, 0, luas__worker_key(w, LUAS__ON_END)) < 0)
        luas__child_release(&w->child);
}

static void watch_host(const luas__channel *c)
{
    luas__orphan_watch(c->in, c->out, &c->scoreboard->closes);
}

void luas__worker_become(const luas__worker *w, luas__channel *channel)
{
    int prints[] = {w->link.prints[0], w->link.prints[1]};
    *channel = (luas__channel){.in = w->link.request_reader, .out = w->link.writer,
                               .worker = w->number, .scoreboard = w->scoreboard, .slot = w->slot};
    luas__output_become(prints);
    watch_host(channel);
}

int luas__worker_spawn(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth,
                       luas__worker_start *start, void *starter)
{
    int scoreboard = -1;
    int rc = prepare(worker, poller, birth, &scoreboard);
    luas__worker *w = *worker;
    pid_t pid = rc;
    if (rc == 0)
        pid = start(starter, &(luas__zygote_request){
            .number = w->number, .slot = w->slot, .in = w->link.request_reader, .out = w->link.writer,
            .scoreboard = scoreboard, .prints = {w->link.prints[0], w->link.prints[1]}});
    luas__fd_close(&scoreboard);
    if (pid > 0 && luas__worker_adopt(w, pid, false))
        luas__worker_begin(w, poller);
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
    if (channel->scoreboard == NULL)
        return LUAS_ENOMEM;
    watch_host(channel);
    return 0;
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

/* Skips bytes from the pipe that a peek has taken out of the ring before. */
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
            return 0; /* the pipe is empty, or the poller will report it again */
        most = most < READ_SIZE ? READ_SIZE : READ_MOST / 4;
    }
    return 0;
}

bool luas__worker_is_ahead(const luas__worker *w)
{
    return atomic_load(&w->scoreboard->ring.head) > w->link.received;
}

int luas__worker_peek(luas__worker *w)
{
    int64_t n = luas__ring_peek(&w->scoreboard->ring, w->link.received, &w->link.in);
    if (n < 0)
        return (int)n;
    w->link.received += (uint64_t)n;
    return 0;
}
