/* Turns events of the engine into those of the application. */
#define _GNU_SOURCE
#include "embed_events.h"

#include "embed.h"

#include <stdlib.h>
#include <sys/wait.h>

typedef struct listener {
    luas__reader reader;
    luas_listener *hear;
    void *data;
} listener;

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static luas_event_type type_of(const luas__pool_event *e)
{
    switch (e->type) {
    case LUAS__EVENT_DEALT: return LUAS_EVENT_DEALT;
    case LUAS__EVENT_STARTED: return LUAS_EVENT_STARTED;
    case LUAS__EVENT_ENDED: return LUAS_EVENT_ENDED;
    case LUAS__EVENT_FORKED: return LUAS_EVENT_FORKED;
    case LUAS__EVENT_REPLACED: return LUAS_EVENT_REPLACED;
    case LUAS__EVENT_MOTHER: return LUAS_EVENT_ZYGOTE;
    case LUAS__EVENT_DIED: case LUAS__EVENT_TICK: break;
    }
    return LUAS_EVENT_DIED;
}

static void on_event(luas__reader *self, int tag, const luas__pool_event *e)
{
    const listener *l = (listener *)self;
    (void)tag;
    luas_event event = {
        .size = sizeof event, .type = type_of(e), 
        .call = e->index > 0 ? luas__embed_number(e->job, e->index) : 0, .count = e->count,
        .time = seconds(e->at), .worker = e->worker, .pid = e->pid,
        .start = seconds(e->start), .took = e->took < 0 ? -1 : seconds(e->took),
        .kind = (luas_kind)e->kind, .attempts = e->attempts, .retried = e->retried, .exitcode = -1};
    if (e->status != -1 && WIFEXITED(e->status))
        event.exitcode = WEXITSTATUS(e->status);
    else if (e->status != -1 && WIFSIGNALED(e->status))
        event.signal = WTERMSIG(e->status);
    l->hear(l->data, &event);
}

static void free_listener(luas__reader *self)
{
    free(self);
}

luas__reader *luas__embed_events_new(luas_listener *hear, void *data)
{
    listener *l = malloc(sizeof *l);
    if (l == NULL)
        return NULL;
    l->hear = hear;
    l->data = data;
    luas__events_init_reader(&l->reader, ~(1u << LUAS__EVENT_TICK), on_event, free_listener);
    return &l->reader;
}
