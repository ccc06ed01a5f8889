/* MessagePack tokens: writers that pick the shortest form, a reader that checks every length. */
#include "msgpack.h"

#include "error.h"

/* Bytes that are checked and copied at a time. */
enum { BLOCK = 1 << 13 };

static unsigned char *put_sized(unsigned char *p, unsigned char lead, uint64_t value, int size)
{
    *p = lead;
    return luas__mp_put_bytes(p + 1, value, size);
}

unsigned char *luas__mp_put_wide(unsigned char *p, int64_t value)
{
    uint64_t v = (uint64_t)value;
    if (value < INT32_MIN || value > UINT32_MAX)
        return put_sized(p, value < 0 ? 0xd3 : 0xcf, v, 8);
    if (value < INT16_MIN || value > UINT16_MAX)
        return put_sized(p, value < 0 ? 0xd2 : 0xce, v, 4);
    if (value < INT8_MIN || value > UINT8_MAX)
        return put_sized(p, value < 0 ? 0xd1 : 0xcd, v, 2);
    return put_sized(p, value < 0 ? 0xd0 : 0xcc, v, 1);
}

static int write_byte(luas__buffer *b, unsigned char byte)
{
    return luas__buffer_append(b, &byte, 1);
}

int luas__mp_write_nil(luas__buffer *b)
{
    return write_byte(b, 0xc0);
}

int luas__mp_write_bool(luas__buffer *b, int value)
{
    return write_byte(b, value ? 0xc3 : 0xc2);
}

int luas__mp_write_int(luas__buffer *b, int64_t value)
{
    unsigned char bytes[LUAS__MP_NUMBER];
    return luas__buffer_append(b, bytes, (size_t)(luas__mp_put_int(bytes, value) - bytes));
}

int luas__mp_write_double(luas__buffer *b, double value)
{
    unsigned char bytes[LUAS__MP_NUMBER];
    return luas__buffer_append(b, bytes, (size_t)(luas__mp_put_double(bytes, value) - bytes));
}

/* Writes a head: the lead byte, and the length in `size` bytes. */
static unsigned char *put_head(unsigned char *p, unsigned char lead, uint32_t len, int size)
{
    *p = lead;
    return luas__mp_put_bytes(p + 1, len, size);
}

/* How many bytes follow this UTF-8 lead byte; 4 if it is no lead byte. */
static size_t following(unsigned char lead)
{
    if (lead >= 0xc2 && lead <= 0xdf)
        return 1;
    if ((lead & 0xf0) == 0xe0)
        return 2;
    return lead >= 0xf0 && lead <= 0xf4 ? 3 : 4;
}

/* The second byte tells overlong forms, surrogates, and numbers above U+10FFFF. */
static int fits_lead(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xe0: return second >= 0xa0;
    case 0xed: return second <= 0x9f;
    case 0xf0: return second >= 0x90;
    case 0xf4: return second <= 0x8f;
    default: return 1;
    }
}

static size_t ascii_prefix(const unsigned char *s, size_t len)
{
    size_t i = 0;
    for (; len - i >= 32; i += 32) {
        uint64_t w[4];
        memcpy(w, s + i, sizeof w);
        if ((w[0] | w[1] | w[2] | w[3]) & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < len && s[i] < 0x80)
        i++;
    return i;
}

static int is_utf8(const unsigned char *s, size_t len)
{
    for (size_t i = ascii_prefix(s, len); i < len; i += ascii_prefix(s + i, len - i)) {
        size_t more = following(s[i]);
        if (more > len - i - 1 || more > 3 || !fits_lead(s[i], s[i + 1]))
            return 0;
        for (size_t k = 1; k <= more; k++)
            if ((s[i + k] & 0xc0) != 0x80)
                return 0;
        i += more + 1;
    }
    return 1;
}

static unsigned char *put_string_head(unsigned char *p, uint32_t len, int text)
{
    if (text && len < 32) {
        *p = (unsigned char)(0xa0 | len);
        return p + 1;
    }
    if (len <= UINT8_MAX)
        return put_head(p, text ? 0xd9 : 0xc4, len, 1);
    if (len <= UINT16_MAX)
        return put_head(p, text ? 0xda : 0xc5, len, 2);
    return put_head(p, text ? 0xdb : 0xc6, len, 4);
}

/* Copies the bytes, and checks each block while it is in the cache: was all ASCII? */
static int copy_ascii(unsigned char *to, const unsigned char *from, size_t len)
{
    int ascii = 1;
    for (size_t n; len > 0; to += n, from += n, len -= n) {
        n = len < BLOCK ? len : BLOCK;
        ascii = ascii && ascii_prefix(from, n) == n;
        memcpy(to, from, n);
    }
    return ascii;
}

/* Long strs and bins differ only in the lead byte of their head. */
static unsigned char *put_long_string(unsigned char *head, const char *bytes, size_t len)
{
    const unsigned char *from = (const unsigned char *)bytes;
    unsigned char *p = put_string_head(head, (uint32_t)len, 1);
    if (!copy_ascii(p, from, len))
        put_string_head(head, (uint32_t)len, is_utf8(from, len));
    return p + len;
}

unsigned char *luas__mp_put_string(unsigned char *p, const char *bytes, size_t len)
{
    if (len > BLOCK)
        return put_long_string(p, bytes, len);
    p = put_string_head(p, (uint32_t)len, is_utf8((const unsigned char *)bytes, len));
    memcpy(p, bytes, len);
    return p + len;
}

int luas__mp_write_string(luas__buffer *b, const char *bytes, size_t len)
{
    if (len > UINT32_MAX)
        return LUAS_ETOOBIG;
    if (luas__buffer_reserve(b, len + LUAS__MP_HEAD) < 0)
        return LUAS_ENOMEM;
    unsigned char *p = (unsigned char *)luas__buffer_end(b);
    b->len += (size_t)(luas__mp_put_string(p, bytes, len) - p);
    return 0;
}

int luas__mp_write_long_array(luas__buffer *b, uint32_t len)
{
    unsigned char head[LUAS__MP_HEAD], *end;
    if (len < 16)
        return write_byte(b, (unsigned char)(0x90 | len));
    end = len <= UINT16_MAX ? put_head(head, 0xdc, len, 2) : put_head(head, 0xdd, len, 4);
    return luas__buffer_append(b, head, (size_t)(end - head));
}

/* The lead byte of the fixext form for this length, or 0. */
static unsigned char fixed_ext(uint32_t len)
{
    switch (len) {
    case 1: return 0xd4;
    case 2: return 0xd5;
    case 4: return 0xd6;
    case 8: return 0xd7;
    case 16: return 0xd8;
    default: return 0;
    }
}

int luas__mp_write_ext(luas__buffer *b, int8_t type, uint32_t len)
{
    unsigned char head[LUAS__MP_HEAD], *end = head;
    unsigned char fixed = fixed_ext(len);
    if (fixed != 0)
        *end++ = fixed;
    else if (len <= UINT8_MAX)
        end = put_head(head, 0xc7, len, 1);
    else if (len <= UINT16_MAX)
        end = put_head(head, 0xc8, len, 2);
    else
        end = put_head(head, 0xc9, len, 4);
    *end++ = (unsigned char)type;
    return luas__buffer_append(b, head, (size_t)(end - head));
}

/* How many bytes of number or length follow each of the lead bytes 0xc4 to 0xdf. */
static const unsigned char field_size[] = {
    /* c4 bin, c7 ext, ca float, cc uint */ 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
    /* d0 int, d4 fixext, d9 str, dc array, de map */ 1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4,
};

/* Takes `len` bytes of payload from p on. Returns the new position, or NULL. */
static const unsigned char *take_payload(const luas__mp_reader *r, luas__mp_token *t,
                                         const unsigned char *p, uint64_t len)
{
    if (t->type == MP_EXT) {
        if (p == r->end)
            return NULL;
        t->ext = (int8_t)*p++;
    }
    if (len > (uint64_t)(r->end - p))
        return NULL;
    t->len = (uint32_t)len;
    t->bytes = (const char *)p;
    return p + len;
}

static double to_double(uint64_t bits, int size)
{
    float single;
    double full;
    uint32_t half = (uint32_t)bits;
    memcpy(&single, &half, sizeof single);
    memcpy(&full, &bits, sizeof full);
    return size == 4 ? (double)single : full;
}

static void set_uint(luas__mp_token *t, uint64_t value)
{
    t->type = value > INT64_MAX ? MP_UINT : MP_INT;
    t->as.u = value;
}

static int64_t sign_extend(uint64_t value, int size)
{
    uint64_t sign = UINT64_C(1) << (size * 8 - 1);
    return (int64_t)((value ^ sign) - sign);
}

/* The forms with lead bytes 0xc4 to 0xdf: `field` is the number that followed the lead. */
static const unsigned char *take_wide(const luas__mp_reader *r, luas__mp_token *t,
                                      unsigned char lead, uint64_t field, const unsigned char *p)
{
    int size = field_size[lead - 0xc4];
    if (lead <= 0xc6) {
        t->type = MP_BIN;
    } else if (lead <= 0xc9) {
        t->type = MP_EXT;
    } else if (lead <= 0xcb) {
        t->type = MP_DOUBLE;
        t->as.d = to_double(field, size);
        return p;
    } else if (lead <= 0xcf) {
        set_uint(t, field);
        return p;
    } else if (lead <= 0xd3) {
        t->type = MP_INT;
        t->as.i = sign_extend(field, size);
        return p;
    } else if (lead <= 0xd8) {
        t->type = MP_EXT;
        field = UINT64_C(1) << (lead - 0xd4);
    } else if (lead <= 0xdb) {
        t->type = MP_STR;
    } else {
        t->type = lead <= 0xdd ? MP_ARRAY : MP_MAP;
        t->len = (uint32_t)field;
        return p;
    }
    return take_payload(r, t, p, field);
}

/* The forms whose lead byte holds the value or the length. */
static const unsigned char *take_short(const luas__mp_reader *r, luas__mp_token *t,
                                       unsigned char lead, const unsigned char *p)
{
    if (lead <= 0x7f || lead >= 0xe0) {
        t->type = MP_INT;
        t->as.i = (int8_t)lead;
    } else if (lead <= 0x9f) {
        t->type = lead <= 0x8f ? MP_MAP : MP_ARRAY;
        t->len = lead & 0x0f;
    } else if (lead <= 0xbf) {
        t->type = MP_STR;
        return take_payload(r, t, p, lead & 0x1f);
    } else if (lead == 0xc0) {
        t->type = MP_NIL;
    } else {
        t->type = MP_BOOL;
        t->as.i = lead == 0xc3;
        return lead == 0xc1 ? NULL : p;
    }
    return p;
}

int luas__mp_read(luas__mp_reader *r, luas__mp_token *token)
{
    if (r->at == r->end)
        return 0;
    const unsigned char *p = r->at + 1;
    unsigned char lead = *r->at;
    if (lead >= 0xc4 && lead <= 0xdf) {
        size_t size = field_size[lead - 0xc4];
        if ((size_t)(r->end - p) < size)
            return LUAS_EPROTO;
        p = take_wide(r, token, lead, luas__mp_get_bytes(p, size), p + size);
    } else {
        p = take_short(r, token, lead, p);
    }
    if (p == NULL)
        return LUAS_EPROTO;
    r->at = p;
    return 1;
}

int luas__mp_read_wide(luas__mp_reader *r, int64_t *value)
{
    if (r->end - r->at > 4 && *r->at == 0xce) { /* uint 32: seq in outcomes, and sizes */
        *value = luas__mp_get_4(r->at + 1);
        r->at += 5;
        return 0;
    }
    luas__mp_reader ahead = *r;
    luas__mp_token token;
    if (luas__mp_read(&ahead, &token) != 1 || token.type != MP_INT)
        return LUAS_EPROTO;
    *r = ahead;
    *value = token.as.i;
    return 0;
}

int luas__mp_skip(luas__mp_reader *r)
{
    luas__mp_reader ahead = *r;
    luas__mp_token token;
    /* `left` cannot overflow: there are at most 2^63 bytes, and each token, of at least one
       byte, adds less than 2^33. */
    for (uint64_t left = 1; left > 0; left--) {
        if (luas__mp_read(&ahead, &token) != 1)
            return LUAS_EPROTO;
        if (token.type == MP_ARRAY)
            left += token.len;
        else if (token.type == MP_MAP)
            left += 2 * (uint64_t)token.len;
        if (left - 1 > (uint64_t)(ahead.end - ahead.at))
            return LUAS_EPROTO;
    }
    *r = ahead;
    return 0;
}
