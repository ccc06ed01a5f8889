/* The stack of open containers, and the heads that are completed when one is closed. */
#include "array.h"
#include "clock.h"
#include "encoder.h"
#include "value_format.h"

/* SLOTS: how many values a frame may push. SMALL: up to this many bytes of content are moved to
   give them a short head. */
enum { SLOTS = 20, EXT_HEAD = 6, MAP_HEAD = 5, SMALL = 255 };

/* STEP: bytes from one look at the clock to the next; a message as short as that is not timed.
   LEAST: ns that a scalar takes, about. */
enum { STEP = 8 << 10, LEAST = 28 };

int luas__container_pause(luas__encoder *e)
{
    size_t len = e->out->len;
    if (len > e->most)
        return LUAS_ETOOBIG;
    int64_t now = luas__now_spent();
    if (e->timed.at == 0) {
        e->timed.at = now;
        e->timed.len = len;
    } else if ((double)(now - e->timed.at) / (double)(len - e->timed.len) * (double)(len - e->start)
               > (double)e->budget) {
        return LUAS_ETOOBIG;
    }
    e->pause = len + STEP < e->most ? len + STEP : e->most;
    return 0;
}

int luas__container_is_long(const luas__encoder *e, uint64_t n)
{
    return e->budget > 0 && n > STEP && n * LEAST > (uint64_t)e->budget;
}

int luas__container_push(luas__encoder *e, const luas__container *f)
{
    luas__scratch *s = e->scratch;
    int rc = e->out->len > e->pause ? luas__container_pause(e) : 0;
    if (rc < 0)
        return rc;
    if (s->depth >= WIRE_DEPTH || !lua_checkstack(e->L, SLOTS))
        return LUAS_EDEEP;
    rc = s->depth < s->capacity ? 0
        : luas__array_reserve(&s->frames, &s->capacity, s->capacity + 1, sizeof *f);
    if (rc == 0)
        s->frames[s->depth++] = *f;
    return rc;
}

int luas__container_open(luas__encoder *e, luas__container_kind kind, int base)
{
    luas__container f = {.kind = (unsigned char)kind, .base = base, .head = e->out->len};
    return luas__container_push(e, &f);
}

void luas__container_close(luas__encoder *e)
{
    lua_settop(e->L, luas__encoder_top(e)->base - 1);
    e->scratch->depth--;
}

/* Heads. */

int luas__container_put_number(luas__encoder *e, int type, uint32_t number)
{
    unsigned char bytes[6];
    int power = number <= UINT8_MAX ? 0 : number <= UINT16_MAX ? 1 : 2;
    bytes[0] = (unsigned char)(0xd4 + power);
    bytes[1] = (unsigned char)type;
    unsigned char *end = luas__mp_put_bytes(bytes + 2, number, 1 << power);
    return luas__buffer_append(e->out, bytes, (size_t)(end - bytes));
}

static int reserve_head(luas__encoder *e, size_t size, size_t *head)
{
    int rc = luas__buffer_reserve(e->out, size);
    if (rc < 0)
        return rc;
    *head = e->out->len;
    e->out->len += size;
    return 0;
}

int luas__container_ext_open(luas__encoder *e, int type, size_t *head)
{
    int rc = reserve_head(e, EXT_HEAD, head);
    if (rc == 0)
        luas__buffer_bytes(e->out)[*head + EXT_HEAD - 1] = (char)type;
    return rc;
}

void luas__container_ext_close(luas__encoder *e, size_t head)
{
    unsigned char *p = (unsigned char *)luas__buffer_bytes(e->out) + head;
    size_t len = e->out->len - head - EXT_HEAD;
    if (len > SMALL) {
        *p = 0xc9;
        luas__mp_put_bytes(p + 1, len, 4);
        return;
    }
    p[0] = 0xc7;
    p[1] = (unsigned char)len;
    p[2] = p[EXT_HEAD - 1];
    memmove(p + 3, p + EXT_HEAD, len);
    e->out->len -= EXT_HEAD - 3;
}

int luas__container_map_open(luas__encoder *e, size_t *head)
{
    return reserve_head(e, MAP_HEAD, head);
}

void luas__container_map_close(luas__encoder *e, size_t head, uint32_t pairs)
{
    unsigned char *p = (unsigned char *)luas__buffer_bytes(e->out) + head;
    size_t len = e->out->len - head - MAP_HEAD;
    if (pairs > 15 || len > SMALL) {
        *p = 0xdf;
        luas__mp_put_bytes(p + 1, pairs, 4);
        return;
    }
    *p = (unsigned char)(0x80 | pairs);
    memmove(p + 1, p + MAP_HEAD, len);
    e->out->len -= MAP_HEAD - 1;
}
