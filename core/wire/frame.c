/* Frames in and out of byte buffers. */
#include "frame.h"

#include "error.h"

/* Bytes of a run of values. During a longer one the other workers would wait. */
enum { MOST_RUN = 1 << 18, UINT_32 = 0xce };

static uint32_t load_size(const char *p)
{
    return luas__mp_get_4((const unsigned char *)p);
}

static char *store_size(char *p, uint32_t n)
{
    luas__mp_put_4((unsigned char *)p, n);
    return p + 4;
}

/* Room for all of it at once: the host does this for each chunk. */
int luas__frame_begin_with(luas__buffer *b, enum luas__message code, const int64_t *fields,
                           int count, size_t *mark)
{
    int rc = luas__buffer_reserve(b, LUAS__FRAME_HEAD + ((size_t)count + 1) * LUAS__MP_NUMBER);
    if (rc < 0)
        return rc;
    char *start = luas__buffer_end(b);
    unsigned char *p = (unsigned char *)store_size(start, 0);
    p = luas__mp_put_int(p, code);
    for (int i = 0; i < count; i++)
        p = luas__mp_put_int(p, fields[i]);
    *mark = b->len;
    b->len += (size_t)((char *)p - start);
    return 0;
}

int luas__frame_begin(luas__buffer *b, enum luas__message code, size_t *mark)
{
    return luas__frame_begin_with(b, code, NULL, 0, mark);
}

int luas__frame_end(luas__buffer *b, size_t mark)
{
    size_t size = b->len - mark - LUAS__FRAME_HEAD;
    if (size > LUAS__FRAME_MAX) {
        luas__buffer_truncate(b, mark);
        return LUAS_ETOOBIG;
    }
    store_size(luas__buffer_bytes(b) + mark, (uint32_t)size);
    return 0;
}

int luas__frame_write(luas__buffer *b, enum luas__message code,
                      const int64_t *fields, int count)
{
    size_t mark;
    int rc = luas__frame_begin_with(b, code, fields, count, &mark);
    return rc < 0 ? rc : luas__frame_end(b, mark);
}

int luas__frame_peek(const luas__buffer *b, luas__mp_reader *body)
{
    if (b->len < LUAS__FRAME_HEAD)
        return 0;
    const char *p = luas__buffer_bytes(b);
    uint32_t size = load_size(p);
    if (b->len - LUAS__FRAME_HEAD < size)
        return 0; /* not complete; a length above LUAS__FRAME_MAX never is */
    body->at = (const unsigned char *)p + LUAS__FRAME_HEAD;
    body->end = body->at + size;
    return 1;
}

void luas__frame_drop(luas__buffer *b)
{
    luas__buffer_consume(b, LUAS__FRAME_HEAD + (size_t)load_size(luas__buffer_bytes(b)));
}

char *luas__frame_put_outcome(char *p, enum luas__message code, uint32_t seq)
{
    *p++ = (char)code;
    *p++ = (char)UINT_32;
    return store_size(p, seq);
}

int luas__frame_begin_outcome(luas__buffer *b, enum luas__message code, uint32_t seq,
                              size_t *mark)
{
    int rc = luas__buffer_reserve(b, LUAS__OUTCOME_HEAD);
    if (rc < 0)
        return rc;
    *mark = b->len;
    luas__frame_put_outcome(store_size(luas__buffer_end(b), 0), code, seq);
    b->len += LUAS__OUTCOME_HEAD;
    return 0;
}

char *luas__frame_shorten(char *frame, size_t size)
{
    size_t n = size - LUAS__OUTCOME_HEAD;
    if (n == 0 || n > LUAS__SHORT || frame[LUAS__FRAME_HEAD] != LUAS__MSG_VALUE)
        return frame;
    uint32_t seq = load_size(frame + LUAS__OUTCOME_HEAD - 4);
    frame += LUAS__OUTCOME_HEAD - LUAS__SHORT_HEAD;
    luas__frame_put_short(frame, seq, n);
    return frame;
}

static size_t short_size(const char *p)
{
    return LUAS__SHORT_HEAD + ((size_t)*p & LUAS__SHORT);
}

bool luas__frame_has_short(const luas__buffer *b)
{
    const char *p = b->len > 0 ? luas__buffer_bytes(b) : NULL;
    return p != NULL && luas__frame_is_short(p) && b->len >= short_size(p);
}

/* Counts the values at p in short form, of the tasks from `seq` on, that all have the
   size of the first one. The values of one function mostly do. The size is only compared:
   if the loop took its next address from each value, the processor would have to wait for
   one load before it could begin the next. */
static uint32_t alike(const char *p, size_t left, uint32_t seq, uint32_t most, size_t *len)
{
    const char head = *p;
    size_t size = short_size(p), at = 0;
    uint32_t n = 0;
    if (size > LUAS__SHORT_HEAD)
        for (; n < most && size <= left - at && p[at] == head && p[at + 1] == (char)(seq + n); n++)
            at += size;
    *len = at;
    return n;
}

/* The bytes of the outcome frame at p, if it is complete and a value of that task; else 0. */
static size_t value_size(const char *p, size_t left, uint32_t seq)
{
    if (left < LUAS__OUTCOME_HEAD)
        return 0;
    size_t size = LUAS__FRAME_HEAD + (size_t)load_size(p);
    bool is_value = size >= LUAS__OUTCOME_HEAD && p[4] == LUAS__MSG_VALUE && p[5] == (char)UINT_32
        && load_size(p + 6) == seq;
    return is_value && size <= left ? size : 0;
}

/* Counts one value in long form, or several of one size in short form. */
static uint32_t next_values(const char *p, size_t left, size_t room, uint32_t seq, uint32_t most,
                            size_t *len)
{
    if (luas__frame_is_short(p))
        return alike(p, left < room ? left : room, seq, most, len);
    *len = value_size(p, left, seq);
    return *len > 0 && (*len <= room || room == MOST_RUN);
}

uint32_t luas__frame_values(const luas__buffer *b, uint32_t seq, uint32_t most, size_t *len)
{
    size_t at = 0, more;
    uint32_t total = 0, n;
    while (total < most && at < b->len && at < MOST_RUN) {
        const char *p = luas__buffer_bytes(b) + at;
        n = next_values(p, b->len - at, MOST_RUN - at, seq + total, most - total, &more);
        if (n == 0)
            break;
        total += n;
        at += more;
    }
    *len = at;
    return total;
}
