/* Frames in and out of byte buffers. */
#include "frame.h"

#include "error.h"

static uint32_t load_size(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void store_size(char *p, uint32_t n)
{
    p[0] = (char)(n >> 24);
    p[1] = (char)(n >> 16);
    p[2] = (char)(n >> 8);
    p[3] = (char)n;
}

int luas__frame_begin(luas__buffer *b, enum luas__message code, size_t *mark)
{
    *mark = b->len;
    int rc = luas__buffer_append(b, "\0\0\0\0", LUAS__FRAME_HEAD);
    if (rc == 0)
        rc = luas__mp_write_int(b, code);
    if (rc < 0)
        luas__buffer_truncate(b, *mark);
    return rc;
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
    int rc = luas__frame_begin(b, code, &mark);
    if (rc < 0)
        return rc;
    for (int i = 0; i < count && rc == 0; i++)
        rc = luas__mp_write_int(b, fields[i]);
    if (rc == 0)
        return luas__frame_end(b, mark);
    luas__buffer_truncate(b, mark);
    return rc;
}

int luas__frame_peek(const luas__buffer *b, luas__mp_reader *body)
{
    if (b->len < LUAS__FRAME_HEAD)
        return 0;
    const char *p = luas__buffer_bytes(b);
    uint32_t size = load_size(p);
    if (b->len - LUAS__FRAME_HEAD < size)
        return 0;
    body->at = (const unsigned char *)p + LUAS__FRAME_HEAD;
    body->end = body->at + size;
    return 1;
}

void luas__frame_drop(luas__buffer *b)
{
    luas__buffer_consume(b, LUAS__FRAME_HEAD + (size_t)load_size(luas__buffer_bytes(b)));
}
