/* Keys, and the tasks of each. */
#define _GNU_SOURCE
#include "limit.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "clock.h"
#include "error.h"

luas__limit *luas__limit_new(const luas__limit_policy *policy)
{
    luas__limit *l = calloc(1, sizeof *l);
    if (l != NULL) {
        l->policy = *policy;
        l->first = 1;
    }
    return l;
}

void luas__limit_free(luas__limit *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->nkeys; i++) {
        luas__pending_release(&l->keys[i]->waiting);
        free(l->keys[i]);
    }
    free(l->keys);
    luas__buffer_release(&l->numbers);
    free(l);
}

/* ---- keys ---- */

static int add_key(luas__limit *l)
{
    int rc = luas__array_reserve(&l->keys, &l->cap_keys, l->nkeys + 1, sizeof *l->keys);
    luas__limit_key *key = rc == 0 ? calloc(1, sizeof *key) : NULL;
    if (key == NULL)
        return LUAS_ENOMEM;
    l->keys[l->nkeys++] = key;
    return 0;
}

static int reserve_keys(luas__limit *l, uint32_t number)
{
    int rc = 0;
    while (rc == 0 && l->nkeys < number)
        rc = add_key(l);
    return rc;
}

int luas__limit_add_keys(luas__limit *l, const uint32_t *numbers, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = reserve_keys(l, numbers[i]);
    if (rc == 0)
        rc = luas__buffer_append(&l->numbers, numbers, count * sizeof *numbers);
    for (size_t i = 0; i < count && rc == 0; i++)
        if (numbers[i] > 0)
            l->keys[numbers[i] - 1]->left++;
    return rc;
}

void luas__limit_forget(luas__limit *l, uint64_t first)
{
    if (first <= l->first || l->numbers.len == 0)
        return;
    size_t n = (size_t)(first - l->first), most = l->numbers.len / sizeof(uint32_t);
    n = n < most ? n : most;
    luas__buffer_consume(&l->numbers, n * sizeof(uint32_t));
    l->first += n;
}

static uint32_t number_of(const luas__limit *l, uint64_t index)
{
    uint32_t number;
    if (l->numbers.cap == 0)
        return 1;
    size_t at = (size_t)(index - l->first) * sizeof number;
    if (index < l->first || at >= l->numbers.len)
        return 0;
    memcpy(&number, luas__buffer_bytes(&l->numbers) + at, sizeof number);
    return number;
}

static luas__limit_key *key_of(const luas__limit *l, uint64_t index)
{
    uint32_t number = number_of(l, index);
    return number > 0 && number <= l->nkeys ? l->keys[number - 1] : NULL;
}

size_t luas__limit_spare(const luas__limit *l, uint32_t *numbers, size_t most)
{
    int64_t now = luas__now();
    size_t n = 0;
    for (size_t i = 0; i < l->nkeys && n < most; i++)
        if (l->keys[i]->left == 0 && l->keys[i]->next_at <= now)
            numbers[n++] = (uint32_t)i + 1;
    return n;
}

/* ---- tasks that wait ---- */

static int wait_one(luas__limit *l, luas__range one, luas__pending *pending, uint64_t *added)
{
    luas__limit_key *key = key_of(l, one.first);
    luas__pending *to = key != NULL ? &key->waiting : pending;
    *added += key == NULL;
    return one.attempts == 0 ? luas__pending_append(to, one.first, 1) : luas__pending_add(to, one);
}

/* The last one that was added to its range. */
static void take_back(luas__limit *l, uint64_t index, luas__pending *pending)
{
    luas__limit_key *key = key_of(l, index);
    luas__pending *from = key != NULL ? &key->waiting : pending;
    luas__pending_cut(from, luas__pending_from(from, index), index, 1);
}

int luas__limit_wait(luas__limit *l, luas__range range, luas__pending *pending, uint64_t *added)
{
    int rc = l->numbers.cap == 0 ? reserve_keys(l, 1) : 0;
    uint64_t past = range.first + range.count;
    luas__range one = range;
    one.count = 1;
    for (; one.first < past && rc == 0; one.first++)
        rc = wait_one(l, one, pending, added);
    if (rc < 0 && one.first > range.first)
        for (uint64_t i = one.first - 1; i > range.first; i--) /* the last one failed */
            take_back(l, i - 1, pending);
    return rc;
}

void luas__limit_dealt(luas__limit *l, uint64_t index)
{
    luas__limit_key *key = key_of(l, index);
    if (key == NULL)
        return;
    key->ready--;
    key->running++;
    key->next_at = luas__now() + l->policy.interval;
}

void luas__limit_returned(luas__limit *l, uint64_t index)
{
    luas__limit_key *key = key_of(l, index);
    if (key == NULL)
        return;
    key->ready++;
    key->running--;
}

void luas__limit_dropped(luas__limit *l, uint64_t index)
{
    luas__limit_key *key = key_of(l, index);
    if (key != NULL)
        key->ready--;
}

void luas__limit_ended(luas__limit *l, uint64_t index)
{
    luas__limit_key *key = key_of(l, index);
    if (key != NULL)
        key->running--;
}

void luas__limit_settled(luas__limit *l, uint64_t index)
{
    luas__limit_key *key = key_of(l, index);
    if (key != NULL && key->left > 0) /* without a function for keys nobody counts */
        key->left--;
}

/* ---- and may start ---- */

static void stop_waiting(luas__limit *l, luas__limit_key *key)
{
    if (key->is_timed)
        luas__queue_remove(&l->timed, &key->place);
    key->is_timed = false;
}

static void wait_until(luas__limit *l, luas__limit_key *key, int64_t at, uint64_t index)
{
    stop_waiting(l, key);
    key->place.priority = -at;
    key->place.age = (int64_t)index; /* of its first task: no other key has that */
    key->is_timed = true;
    luas__queue_add(&l->timed, &key->place);
}

static bool has_room(const luas__limit *l, const luas__limit_key *key)
{
    if (l->policy.interval > 0 && key->ready > 0)
        return false;
    return l->policy.n == 0 || key->ready + key->running < l->policy.n;
}

/* Without memory: again in 20 ms. */
static bool release_one(luas__limit *l, luas__limit_key *key, const luas__range *next, luas__pending *pending)
{
    luas__range one = *next;
    one.count = 1;
    if (luas__pending_add(pending, one) < 0) {
        wait_until(l, key, luas__now() + 20 * LUAS__MS, one.first);
        return false;
    }
    luas__pending_take(&key->waiting, next, 1);
    key->ready++;
    return true;
}

static uint64_t release(luas__limit *l, luas__limit_key *key, luas__pending *pending)
{
    uint64_t n = 0;
    const luas__range *next;
    stop_waiting(l, key);
    while (has_room(l, key) && (next = luas__pending_first(&key->waiting)) != NULL) {
        if (l->policy.interval > 0 && luas__now() < key->next_at) {
            wait_until(l, key, key->next_at, next->first);
            break;
        }
        if (!release_one(l, key, next, pending))
            break;
        n++;
    }
    if (key->waiting.count == 0)
        luas__pending_release(&key->waiting); /* there may be many keys */
    return n;
}

uint64_t luas__limit_release(luas__limit *l, uint64_t index, luas__pending *pending)
{
    luas__limit_key *key = key_of(l, index);
    return key != NULL ? release(l, key, pending) : 0;
}

uint64_t luas__limit_release_due(luas__limit *l, luas__pending *pending)
{
    int64_t now = luas__now();
    uint64_t n = 0;
    luas__queue_node *first;
    while ((first = luas__queue_first(&l->timed)) != NULL && -first->priority <= now)
        n += release(l, (luas__limit_key *)(void *)first, pending);
    return n;
}

int64_t luas__limit_next(const luas__limit *l)
{
    const luas__queue_node *first = luas__queue_first(&l->timed);
    return first != NULL ? -first->priority : INT64_MAX;
}

luas__pending *luas__limit_waiting(luas__limit *l, size_t *at)
{
    while (*at < l->nkeys && l->keys[*at]->waiting.count == 0)
        ++*at;
    return *at < l->nkeys ? &l->keys[*at]->waiting : NULL;
}
