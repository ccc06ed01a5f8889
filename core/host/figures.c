/* Makes a table of a tally's figures. */
#define _GNU_SOURCE
#include "figures.h"

#include <lauxlib.h>
#include <sys/wait.h>

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, double ns)
{
    set_number(L, name, ns / 1e9);
}

static void set_count(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (text == NULL)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_status(lua_State *L, int status)
{
    if (status != -1 && WIFSIGNALED(status))
        set_count(L, "signal", (uint64_t)WTERMSIG(status));
    else if (status != -1 && WIFEXITED(status))
        set_count(L, "exitcode", (uint64_t)WEXITSTATUS(status));
}

/* ---- times ---- */

static void push_times(lua_State *L, const luas__histogram *h)
{
    lua_createtable(L, 0, 5);
    if (h->count == 0)
        return;
    set_seconds(L, "min", (double)h->least);
    set_seconds(L, "mean", h->sum / (double)h->count);
    set_seconds(L, "median", luas__histogram_quantile(h, 0.5));
    set_seconds(L, "p95", luas__histogram_quantile(h, 0.95));
    set_seconds(L, "max", (double)h->most);
}

static void push_histogram(lua_State *L, const luas__histogram *h)
{
    lua_newtable(L);
    for (int i = 0, n = 0; i < LUAS__BUCKETS; i++) {
        if (h->counts[i] == 0)
            continue;
        lua_createtable(L, 0, 3);
        set_seconds(L, "from", luas__histogram_from(i));
        set_seconds(L, "to", luas__histogram_from(i + 1));
        set_count(L, "count", h->counts[i]);
        lua_rawseti(L, -2, ++n);
    }
}

/* ---- workers ---- */

/* How many bins have begun before `last`. */
static int used_bins(const luas__tally *t)
{
    if (t->timeline.width == 0 || t->last <= t->timeline.origin)
        return 0;
    int64_t n = (t->last - t->timeline.origin - 1) / t->timeline.width + 1;
    return n < LUAS__BINS ? (int)n : LUAS__BINS;
}

static void push_row(lua_State *L, const luas__tally *t, int row, double unit)
{
    int n = used_bins(t);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushnumber(L, (double)t->timeline.rows[row]->at[i] / unit);
        lua_rawseti(L, -2, i + 1);
    }
}

/* How much of a span is within the run. */
static int64_t within(const luas__tally *t, int64_t from, int64_t to)
{
    if (from < t->first)
        from = t->first;
    if (to == 0 || to > t->last)
        to = t->last;
    return to > from ? to - from : 0;
}

static int64_t alive(const luas__tally *t, const luas__lane *lane)
{
    return lane->alive + within(t, lane->forked_at, lane->died_at);
}

static void push_marks(lua_State *L, const luas__tally *t, const luas__lane *lane)
{
    lua_createtable(L, lane->nmarks, 0);
    for (int i = 0; i < lane->nmarks; i++) {
        lua_createtable(L, 0, 2);
        set_seconds(L, "at", (double)(lane->marks[i].at - t->first));
        set_status(L, lane->marks[i].status);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_lane(lua_State *L, const luas__tally *t, const luas__lane *lane)
{
    lua_createtable(L, 0, 13);
    set_count(L, "pool", (uint64_t)lane->pool);
    set_count(L, "worker", (uint64_t)lane->number);
    set_text(L, "name", lane->name);
    set_text(L, "machine", lane->machine > 0 ? lane->machine_name : NULL);
    set_count(L, "tasks", lane->tasks);
    set_count(L, "forks", lane->forks);
    set_count(L, "deaths", lane->deaths);
    set_count(L, "last_chunk", lane->last_chunk);
    set_seconds(L, "alive", (double)alive(t, lane));
    set_seconds(L, "busy", (double)lane->busy);
    set_seconds(L, "startup", (double)lane->startup);
    if (lane->forked_at > 0)
        set_seconds(L, "forked", (double)within(t, t->first, lane->forked_at));
    set_seconds(L, "ended", (double)within(t, t->first, lane->last_end));
    push_marks(L, t, lane);
    lua_setfield(L, -2, "marks");
    push_row(L, t, lane->row, (double)t->timeline.width);
    lua_setfield(L, -2, "bins");
}

/* Lanes of tasks that ran in the caller were never forked: they count as present all the time. */
static void push_lanes(lua_State *L, const luas__tally *t)
{
    int n = 0;
    lua_createtable(L, t->nlanes, 0);
    for (int i = 0; i < t->nlanes; i++)
        if (t->lanes[i].number > 0 || t->lanes[i].tasks > 0) {
            push_lane(L, t, &t->lanes[i]);
            lua_rawseti(L, -2, ++n);
        }
}

static void set_sums(lua_State *L, const luas__tally *t)
{
    double busy = 0, startup = 0, there = 0;
    uint64_t forks = 0, deaths = 0;
    for (int i = 0; i < t->nlanes; i++) {
        busy += (double)t->lanes[i].busy;
        startup += (double)t->lanes[i].startup;
        there += (double)alive(t, &t->lanes[i]);
        forks += t->lanes[i].forks;
        deaths += t->lanes[i].deaths;
    }
    double wall = (double)within(t, t->first, 0), wait = there - busy - startup;
    set_seconds(L, "wall", wall);
    set_seconds(L, "busy", busy);
    set_seconds(L, "startup", startup);
    set_seconds(L, "wait", wait > 0 ? wait : 0);
    set_seconds(L, "alive", there);
    set_number(L, "speedup", wall > 0 ? busy / wall : 0);
    set_number(L, "efficiency", there > 0 ? busy / there : 0);
    set_count(L, "forks", forks);
    set_count(L, "deaths", deaths);
}

/* ---- tasks ---- */

/* What the machine is called that had the task; NULL: this one. */
static const char *machine_of(const luas__tally *t, const luas__notable *n)
{
    for (int i = 0; i < t->nlanes && n->machine > 0; i++)
        if (t->lanes[i].pool == n->pool && t->lanes[i].machine == n->machine)
            return t->lanes[i].machine_name;
    return NULL;
}

static void push_notable(lua_State *L, const luas__tally *t, const luas__notable *n)
{
    static const char *const kinds[] = {"value", "error", "timeout", "crash", "cancelled"};
    lua_createtable(L, 0, 10);
    set_text(L, "kind", kinds[n->kind]);
    set_count(L, "index", n->index);
    set_count(L, "pool", (uint64_t)n->pool);
    set_count(L, "worker", (uint64_t)n->worker);
    set_text(L, "machine", machine_of(t, n));
    set_count(L, "attempts", (uint64_t)n->attempts);
    set_seconds(L, "at", (double)(n->start - t->first));
    set_seconds(L, "seconds", (double)n->took);
    set_text(L, "label", n->label);
    set_text(L, "input", n->input);
    set_text(L, "message", n->message);
    set_status(L, n->status);
}

static void push_notables(lua_State *L, const luas__tally *t, const luas__notable *list, int n)
{
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        push_notable(L, t, &list[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_counts(lua_State *L, const luas__tally *t)
{
    static const char *const names[] = {"values", "errors", "timeouts", "crashes", "cancelled"};
    uint64_t total = 0;
    for (int i = 0; i < 5; i++) {
        set_count(L, names[i], t->kinds[i]);
        total += t->kinds[i];
    }
    set_count(L, "tasks", total);
    set_count(L, "retries", t->retries);
    set_count(L, "chunks", t->chunks);
    set_count(L, "unlisted", t->unlisted);
}

void luas__figures_push(lua_State *L, const luas__tally *t)
{
    lua_createtable(L, 0, 32);
    set_counts(L, t);
    set_sums(L, t);
    set_seconds(L, "bin", (double)t->timeline.width);
    push_times(L, &t->times);
    lua_setfield(L, -2, "times");
    push_histogram(L, &t->times);
    lua_setfield(L, -2, "histogram");
    push_notables(L, t, t->slowest, t->nslowest);
    lua_setfield(L, -2, "slowest");
    push_notables(L, t, t->failures, t->nfailures);
    lua_setfield(L, -2, "failures");
    push_lanes(L, t);
    lua_setfield(L, -2, "lanes");
    push_row(L, t, t->ended_row, 1);
    lua_setfield(L, -2, "ended");
    push_row(L, t, t->failed_row, 1);
    lua_setfield(L, -2, "failed");
}
