/* Tokens and blobs. */
#include "desk.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "error.h"
#include "luas.h"

enum { GONE = 0, OFFERED = 1, NONCE = 8 };

int luas__desk_init(luas__desk *d, const char *lua)
{
    *d = (luas__desk){.first_offer = 1, .first_blob = 1, .part = 1 << 18};
    snprintf(d->lua, sizeof d->lua, "%s", lua);
    return -pthread_mutex_init(&d->lock, NULL);
}

void luas__desk_release(luas__desk *d)
{
    for (uint64_t i = 0; i < d->blobs_n; i++)
        free(d->blobs[i].bytes);
    free(d->blobs);
    free(d->offers);
    pthread_mutex_destroy(&d->lock);
}

static uint64_t add_offer(luas__desk *d)
{
    if (luas__array_reserve(&d->offers, &d->offers_cap, d->offers_n + 1, sizeof *d->offers) < 0)
        return 0;
    d->offers[d->offers_n++] = OFFERED;
    return d->first_offer + d->offers_n - 1;
}

uint64_t luas__desk_offer(luas__desk *d)
{
    pthread_mutex_lock(&d->lock);
    uint64_t token = add_offer(d);
    pthread_mutex_unlock(&d->lock);
    return token;
}

/* Where a token has its word; NULL if it is over, or was never given. */
static uint64_t *find_offer(luas__desk *d, uint64_t token)
{
    bool is_there = token >= d->first_offer && token - d->first_offer < d->offers_n;
    return is_there ? &d->offers[token - d->first_offer] : NULL;
}

/* Forgets the tokens at the front that are gone, when these are half of all. */
static void trim_offers(luas__desk *d)
{
    uint64_t n = 0;
    while (n < d->offers_n && d->offers[n] == GONE)
        n++;
    if (n < 64 || n < d->offers_n / 2)
        return;
    memmove(d->offers, d->offers + n, (d->offers_n - n) * sizeof *d->offers);
    d->first_offer += n;
    d->offers_n -= n;
}

bool luas__desk_revoke(luas__desk *d, uint64_t token)
{
    pthread_mutex_lock(&d->lock);
    uint64_t *offer = find_offer(d, token);
    bool is_free = offer == NULL || *offer <= OFFERED;
    if (is_free && offer != NULL) {
        *offer = GONE;
        trim_offers(d);
    }
    pthread_mutex_unlock(&d->lock);
    return is_free;
}

uint64_t luas__desk_holder(luas__desk *d, uint64_t token)
{
    pthread_mutex_lock(&d->lock);
    const uint64_t *offer = find_offer(d, token);
    uint64_t who = offer != NULL && *offer > OFFERED ? *offer : GONE;
    pthread_mutex_unlock(&d->lock);
    return who;
}

uint64_t luas__desk_withdraw(luas__desk *d, uint64_t token)
{
    pthread_mutex_lock(&d->lock);
    uint64_t *offer = find_offer(d, token), who = GONE;
    if (offer != NULL) {
        who = *offer;
        *offer = GONE;
        trim_offers(d);
    }
    pthread_mutex_unlock(&d->lock);
    return who == OFFERED ? GONE : who;
}

static uint64_t add_blob(luas__desk *d, const char *bytes, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL || luas__array_reserve(&d->blobs, &d->blobs_cap, d->blobs_n + 1, sizeof *d->blobs) < 0) {
        free(copy);
        return 0;
    }
    memcpy(copy, bytes, len);
    d->blobs[d->blobs_n++] = (luas__desk_blob){.bytes = copy, .len = len};
    return d->first_blob + d->blobs_n - 1;
}

uint64_t luas__desk_keep(luas__desk *d, const char *bytes, size_t len)
{
    pthread_mutex_lock(&d->lock);
    uint64_t blob = add_blob(d, bytes, len);
    pthread_mutex_unlock(&d->lock);
    return blob;
}

static luas__desk_blob *find_blob(luas__desk *d, uint64_t blob)
{
    bool is_there = blob >= d->first_blob && blob - d->first_blob < d->blobs_n;
    return is_there ? &d->blobs[blob - d->first_blob] : NULL;
}

static void trim_blobs(luas__desk *d)
{
    uint64_t n = 0;
    while (n < d->blobs_n && d->blobs[n].bytes == NULL)
        n++;
    memmove(d->blobs, d->blobs + n, (d->blobs_n - n) * sizeof *d->blobs);
    d->first_blob += n;
    d->blobs_n -= n;
}

void luas__desk_drop(luas__desk *d, uint64_t number)
{
    pthread_mutex_lock(&d->lock);
    luas__desk_blob *blob = find_blob(d, number);
    if (blob != NULL) {
        free(blob->bytes);
        blob->bytes = NULL;
        trim_blobs(d);
    }
    pthread_mutex_unlock(&d->lock);
}

static int judge(luas__desk *d, const luas__sealed *m)
{
    size_t len = m->len - NONCE;
    if (len != strlen(d->lua) || memcmp(m->body + NONCE, d->lua, len) != 0)
        return LUAS__DESK_OTHER_LUA;
    uint64_t *offer = find_offer(d, m->token);
    if (offer == NULL || (*offer != OFFERED && *offer != m->agent))
        return LUAS__DESK_NO;
    *offer = m->agent;
    return LUAS__DESK_YES;
}

static int answer_claim(luas__desk *d, const luas__sealed *m, luas__buffer *out, int *verdict)
{
    if (m->len < NONCE || m->agent <= OFFERED)
        return 0;
    *verdict = judge(d, m);
    char code = (char)*verdict;
    bool ok = luas__buffer_append(out, m->body, NONCE) == 0 && luas__buffer_append(out, &code, 1) == 0
        && luas__buffer_append(out, d->lua, strlen(d->lua)) == 0;
    return ok ? LUAS__SEAL_GRANT : 0;
}

/* A blob that is not there any more has no part: the body ends after the nonce. */
static int answer_get(luas__desk *d, const luas__sealed *m, luas__buffer *out)
{
    uint64_t offset, all;
    if (m->len != 2 * NONCE)
        return 0;
    memcpy(&offset, m->body + NONCE, sizeof offset);
    offset = be64toh(offset);
    const luas__desk_blob *blob = find_blob(d, m->token);
    if (luas__buffer_append(out, m->body, NONCE) < 0)
        return 0;
    if (blob == NULL || blob->bytes == NULL || offset > blob->len)
        return LUAS__SEAL_PART;
    size_t n = blob->len - offset < d->part ? blob->len - offset : d->part;
    all = htobe64(blob->len);
    bool ok = luas__buffer_append(out, &all, sizeof all) == 0
        && luas__buffer_append(out, blob->bytes + offset, n) == 0;
    return ok ? LUAS__SEAL_PART : 0;
}

int luas__desk_answer(luas__desk *d, const luas__sealed *m, luas__buffer *out, int *verdict)
{
    if (d->run != 0 && d->run != m->run)
        return 0;
    pthread_mutex_lock(&d->lock);
    int type = m->type == LUAS__SEAL_CLAIM ? answer_claim(d, m, out, verdict)
        : m->type == LUAS__SEAL_GET ? answer_get(d, m, out) : 0;
    pthread_mutex_unlock(&d->lock);
    return type;
}
