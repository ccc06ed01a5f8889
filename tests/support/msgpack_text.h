/*
 * Plain MessagePack as text, to be compared: [1, -2, 2.5, "text", <ff00>, nil,
 * true, {"x": [1]}]. A bin is hexadecimal, and so is what of a str is not printable ASCII.
 * Anything that is not one whole plain value fails the test.
 */
#ifndef LUAS_MSGPACK_TEXT_H
#define LUAS_MSGPACK_TEXT_H

#include <ctype.h>
#include <math.h>
#include <stdarg.h>

#include <luas.h>

#include "msgpack.h"
#include "testing.h"

static char text_of_value[1 << 16];
static size_t text_length;

static inline void add_text(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text_of_value + text_length, sizeof text_of_value - text_length, format,
                      arguments);
    va_end(arguments);
    CHECK(n >= 0 && text_length + (size_t)n < sizeof text_of_value);
    text_length += (size_t)n;
}

static inline void add_string(const char *bytes, size_t len)
{
    add_text("\"");
    for (size_t i = 0; i < len; i++)
        add_text(isprint((unsigned char)bytes[i]) ? "%c" : "\\%02x", (unsigned char)bytes[i]);
    add_text("\"");
}

static inline void add_bytes(const char *bytes, size_t len)
{
    add_text("<");
    for (size_t i = 0; i < len; i++)
        add_text("%02x", (unsigned char)bytes[i]);
    add_text(">");
}

/* A float shows that it is one. */
static inline void add_double(double number)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.14g", number);
    add_text(isfinite(number) && strspn(digits, "-0123456789") == strlen(digits) ? "%s.0" : "%s",
             isnan(number) ? "nan" : digits);
}

static inline void add_value(luas__mp_reader *in)
{
    luas__mp_token t;
    CHECK_INT(luas__mp_read(in, &t), 1);
    switch (t.type) {
    case MP_NIL: add_text("nil"); break;
    case MP_BOOL: add_text(t.as.i ? "true" : "false"); break;
    case MP_INT: add_text("%" PRId64, t.as.i); break;
    case MP_DOUBLE: add_double(t.as.d); break;
    case MP_STR: add_string(t.bytes, t.len); break;
    case MP_BIN: add_bytes(t.bytes, t.len); break;
    case MP_ARRAY: case MP_MAP:
        add_text(t.type == MP_ARRAY ? "[" : "{");
        for (uint32_t i = 0; i < t.len; i++) {
            add_text(i > 0 ? ", " : "");
            add_value(in);
            if (t.type == MP_MAP) {
                add_text(": ");
                add_value(in);
            }
        }
        add_text(t.type == MP_ARRAY ? "]" : "}");
        break;
    default: CHECK(!"plain MessagePack");
    }
}

/* Valid until the next call. */
static inline const char *msgpack_text(const char *bytes, size_t len)
{
    luas__mp_reader in = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    text_length = 0;
    add_value(&in);
    CHECK(in.at == in.end);
    return text_of_value;
}

/* A value as C has it: a string is as a str, whatever its bytes. */
static inline void add_luas_value(const luas_value *v)
{
    luas__mp_reader in = {(const unsigned char *)v->bytes, NULL};
    switch (v->type) {
    case LUAS_NIL: add_text("nil"); return;
    case LUAS_BOOLEAN: add_text(v->as.boolean ? "true" : "false"); return;
    case LUAS_INTEGER: add_text("%" PRId64, v->as.integer); return;
    case LUAS_NUMBER: add_double(v->as.number); return;
    case LUAS_STRING: add_string(v->bytes, v->len); break;
    case LUAS_OTHER:
        in.end = in.at + v->len;
        add_value(&in);
        CHECK((const char *)in.at == v->bytes + v->len);
        break;
    }
    CHECK_INT(v->bytes[v->len], '\0');
}

/* Those of `count` values, with slashes in between. */
static inline const char *values_text(const luas_value *values, int count)
{
    text_length = 0;
    text_of_value[0] = '\0';
    for (int i = 0; i < count; i++) {
        add_text(i > 0 ? " / " : "");
        add_luas_value(&values[i]);
    }
    return text_of_value;
}

/* Two texts; the first is what came, the second what should have. */
#define CHECK_TEXT(got, wanted) check_text_is(__FILE__, __LINE__, got, wanted)

static inline void check_text_is(const char *file, int line, const char *got, const char *wanted)
{
    if (strcmp(got, wanted) == 0)
        return;
    fprintf(stderr, "%s:%d: %s:\n  %s\nis not\n  %s\n", file, line, running_test, got, wanted);
    exit(1);
}

#endif
