/* MessagePack to text. */
#define _GNU_SOURCE
#include "mp_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "value_format.h"

#define ELLIPSIS "\xe2\x80\xa6"
enum { ELLIPSIS_SIZE = 3, DEEPEST = 4, MOST_ELEMENTS = 32 };

/* Text that is being written; `full` once something did not fit. */
typedef struct line {
    char *at, *end;     /* the end leaves room for an ellipsis and a zero */
    bool full;
} line;

static line begin(char *out, size_t size)
{
    size_t room = size > ELLIPSIS_SIZE ? size - ELLIPSIS_SIZE - 1 : 0;
    return (line){.at = out, .end = out + room};
}

static size_t finish(line *l, const char *out)
{
    if (l->full) {
        memcpy(l->at, ELLIPSIS, ELLIPSIS_SIZE);
        l->at += ELLIPSIS_SIZE;
    }
    *l->at = '\0';
    return (size_t)(l->at - out);
}

/* Writes all of it or nothing: so no escape and no character is cut in two. */
static void put(line *l, const char *bytes, size_t n)
{
    if (l->full || (size_t)(l->end - l->at) < n) {
        l->full = true;
        return;
    }
    memcpy(l->at, bytes, n);
    l->at += n;
}

static void put_text(line *l, const char *text)
{
    put(l, text, strlen(text));
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the UTF-8 character at s, 0 if there is none. Overlong forms and
   surrogates count as none: a strict reader refuses a file that has them. */
static size_t character(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3
        : s[0] < 0xf5 ? 4 : 0;
    if (n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if (!is_continuation(s[i]))
            return 0;
    bool is_odd = (s[0] == 0xe0 && n == 3 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)
        || (s[0] == 0xf0 && n == 4 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90);
    return is_odd ? 0 : n;
}

static void put_escaped(line *l, unsigned char c)
{
    char escaped[8];
    if (c == '\n')
        put_text(l, "\\n");
    else if (c == '\t')
        put_text(l, "\\t");
    else if (c == '\r')
        put_text(l, "\\r");
    else
        put(l, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\x%02x", c));
}

/* C1 controls can move a terminal's cursor, too. */
static bool is_control(const unsigned char *s, size_t n)
{
    return s[0] < 0x20 || s[0] == 0x7f || (n == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

static void put_string(line *l, const char *string, size_t len)
{
    const unsigned char *s = (const unsigned char *)string, *end = s + len;
    while (s < end && !l->full) {
        size_t n = character(s, (size_t)(end - s));
        if (n > 0 && !is_control(s, n)) {
            put(l, (const char *)s, n);
        } else {
            put_escaped(l, *s);
            n = 1;
        }
        s += n;
    }
}

static void put_double(line *l, double value)
{
    char text[40];
    if (isfinite(value))
        put(l, text, (size_t)snprintf(text, sizeof text, "%.14g", value));
    else
        put_text(l, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

static void put_value(line *l, luas__mp_reader *r, int depth);

static void put_key(line *l, luas__mp_reader *r, int depth)
{
    luas__mp_reader ahead = *r;
    luas__mp_token t;
    if (luas__mp_read(&ahead, &t) == 1 && t.type == MP_STR) {
        put_string(l, t.bytes, t.len);
        *r = ahead;
    } else {
        put_text(l, "[");
        put_value(l, r, depth);
        put_text(l, "]");
    }
    put_text(l, "=");
}

/* Shows only the beginning of a table that is long or too deep. */
static void put_table(line *l, luas__mp_reader *r, const luas__mp_token *t, int depth)
{
    put_text(l, "{");
    for (uint32_t i = 0; i < t->len && !l->full; i++) {
        if (i > 0)
            put_text(l, ", ");
        if (i == MOST_ELEMENTS || depth == DEEPEST) {
            l->full = true;
            return;
        }
        if (t->type == MP_MAP)
            put_key(l, r, depth + 1);
        put_value(l, r, depth + 1);
    }
    put_text(l, "}");
}

static void put_ext(line *l, const luas__mp_token *t, int depth)
{
    luas__mp_reader inner = {(const unsigned char *)t->bytes,
                             (const unsigned char *)t->bytes + t->len};
    if (t->ext == WIRE_OBJECT || t->ext == WIRE_SHARED || t->ext == WIRE_PACKED)
        put_value(l, &inner, depth + 1);
    else if (t->ext == WIRE_STANDARD || t->ext == WIRE_NAME)
        put_value(l, &inner, depth + 1);
    else
        put_text(l, t->ext == WIRE_FUNCTION ? "(function)"
                    : t->ext == WIRE_LIGHT ? "(light userdata)" : "(shared)");
}

static void put_value(line *l, luas__mp_reader *r, int depth)
{
    luas__mp_token t;
    char text[24];
    if (l->full || depth > DEEPEST + 2 || luas__mp_read(r, &t) != 1) {
        l->full = true;
        return;
    }
    switch (t.type) {
    case MP_NIL: put_text(l, "nil"); break;
    case MP_BOOL: put_text(l, t.as.i ? "true" : "false"); break;
    case MP_INT: put(l, text, (size_t)snprintf(text, sizeof text, "%" PRId64, t.as.i)); break;
    case MP_UINT: put(l, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, t.as.u)); break;
    case MP_DOUBLE: put_double(l, t.as.d); break;
    case MP_STR: case MP_BIN:
        put_text(l, depth > 0 ? "\"" : "");
        put_string(l, t.bytes, t.len);
        put_text(l, depth > 0 ? "\"" : "");
        break;
    case MP_EXT: put_ext(l, &t, depth); break;
    case MP_ARRAY: case MP_MAP: put_table(l, r, &t, depth); break;
    }
}

/* Opens the array of arguments. If it has references it is inside an ext. */
static bool open_array(luas__mp_reader *r, luas__mp_token *t)
{
    if (luas__mp_read(r, t) == 1 && t->type == MP_EXT && t->ext == WIRE_SHARED) {
        *r = (luas__mp_reader){(const unsigned char *)t->bytes,
                               (const unsigned char *)t->bytes + t->len};
        if (luas__mp_read(r, t) != 1)
            return false;
    }
    return t->type == MP_ARRAY;
}

size_t luas__mp_text(const char *bytes, size_t len, char *out, size_t size)
{
    line l = begin(out, size);
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    luas__mp_token t = {.type = MP_NIL};
    if (len > 0 && open_array(&r, &t))
        for (uint32_t i = 0; i < t.len && !l.full; i++) {
            put_text(&l, i > 0 ? ", " : "");
            put_value(&l, &r, t.len > 1);
        }
    return finish(&l, out);
}

size_t luas__mp_text_line(const char *string, size_t len, char *out, size_t size)
{
    line l = begin(out, size);
    put_string(&l, string, len);
    return finish(&l, out);
}

size_t luas__mp_text_json(const char *text, char *out, size_t size)
{
    line l = begin(out, size);
    for (; *text != '\0' && !l.full; text++) {
        char escaped[8];
        if (*text == '"' || *text == '\\')
            put(&l, (char[]){'\\', *text}, 2);
        else if ((unsigned char)*text < 0x20)
            put(&l, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *text));
        else
            put(&l, text, 1);
    }
    while (l.full && l.at > out && is_continuation((unsigned char)l.at[-1]))
        l.at--; /* the character that did not fit whole */
    if (l.full && l.at > out && (unsigned char)l.at[-1] >= 0xc0)
        l.at--;
    return finish(&l, out);
}
