/*
 * Messages of the wire format, written down as text, which names what it has:
 *
 *   1 -2 2.5 nil true "text" b"bin"  [a b c]  {k v k v}   MessagePack
 *   OBJECT({"x" 1} nil)              an extension type of values.h, with content
 *   REF 3  CELL 0  SPACE 1           those whose content is a number, of one byte,
 *   REF2 3  REF4 3                   or of more
 *   STANDARD('print')                bytes as they are, in quotes
 */
#ifndef LUAS_WIRE_NOTATION_H
#define LUAS_WIRE_NOTATION_H

#include <ctype.h>

#include "msgpack.h"
#include "testing.h"
#include "value_format.h"

static inline void notation_value(const char **at, luas__buffer *b);

static inline void notation_space(const char **at)
{
    while (isspace((unsigned char)**at))
        ++*at;
}

/* Appends the values up to the closing mark: how many. */
static inline uint32_t notation_values(const char **at, char closing, luas__buffer *b)
{
    uint32_t count = 0;
    for (notation_space(at); **at != closing; notation_space(at), count++)
        notation_value(at, b);
    *at += closing != '\0';
    return count;
}

static inline void notation_append(luas__buffer *b, const void *bytes, size_t len)
{
    CHECK_INT(luas__buffer_append(b, bytes, len), 0);
}

static inline const char *notation_bytes(const luas__buffer *b)
{
    return b->data != NULL ? luas__buffer_bytes(b) : "";
}

static inline void notation_table(const char **at, luas__buffer *b)
{
    luas__buffer content = LUAS__BUFFER_INIT;
    bool is_array = *(*at)++ == '[';
    uint32_t count = notation_values(at, is_array ? ']' : '}', &content);
    unsigned char head[] = {(unsigned char)(is_array ? 0xdd : 0xdf), 0, 0, 0, 0};
    luas__mp_put_4(head + 1, is_array ? count : count / 2);
    notation_append(b, head, sizeof head);
    notation_append(b, notation_bytes(&content), content.len);
    luas__buffer_release(&content);
}

/* The bytes up to the quote. */
static inline void notation_string(const char **at, luas__buffer *b, char quote, unsigned char head)
{
    const char *end = strchr(*at, quote);
    CHECK(end != NULL && end - *at < 256);
    unsigned char lead[] = {head, (unsigned char)(end - *at)};
    notation_append(b, lead, head == 0 ? 0 : sizeof lead);
    notation_append(b, *at, (size_t)(end - *at));
    *at = end + 1;
}

static inline void notation_number(const char **at, luas__buffer *b)
{
    char *end;
    double number = strtod(*at, &end);
    CHECK(end > *at);
    CHECK_INT(memchr(*at, '.', (size_t)(end - *at)) != NULL
                  ? luas__mp_write_double(b, number) : luas__mp_write_int(b, (int64_t)number), 0);
    *at = end;
}

static inline int notation_type(const char *name, size_t len)
{
#define NOTATION_TYPE(type, value) \
    if (strlen(#type) == len && memcmp(#type, name, len) == 0) \
        return value;
    WIRE_EXTENSIONS(NOTATION_TYPE)
#undef NOTATION_TYPE
    return 99; /* UNKNOWN, say */
}

/* A number's bytes, as many as the digit behind the name says, or one. */
static inline void notation_reference(const char **at, luas__buffer *content)
{
    unsigned char bytes[8];
    int size = isdigit((unsigned char)**at) ? *(*at)++ - '0' : 1;
    char *end;
    unsigned long number = strtoul(*at, &end, 10);
    CHECK(end > *at);
    *at = end;
    luas__mp_put_8(bytes, number);
    notation_append(content, bytes + sizeof bytes - size, (size_t)size);
}

static inline void notation_ext(const char **at, luas__buffer *b)
{
    luas__buffer content = LUAS__BUFFER_INIT;
    size_t len = strspn(*at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    int type = notation_type(*at, len);
    *at += len;
    if (**at == '(') {
        ++*at;
        notation_values(at, ')', &content);
    } else {
        notation_reference(at, &content);
    }
    CHECK_INT(luas__mp_write_ext(b, (int8_t)type, (uint32_t)content.len), 0);
    notation_append(b, notation_bytes(&content), content.len);
    luas__buffer_release(&content);
}

static inline void notation_value(const char **at, luas__buffer *b)
{
    notation_space(at);
    const char *p = *at;
    if (*p == '[' || *p == '{') {
        notation_table(at, b);
    } else if (*p == '"' || *p == '\'') {
        ++*at;
        notation_string(at, b, *p, *p == '"' ? 0xd9 : 0);
    } else if (strncmp(p, "b\"", 2) == 0) {
        *at += 2;
        notation_string(at, b, '"', 0xc4);
    } else if (strncmp(p, "nil", 3) == 0) {
        *at += 3;
        CHECK_INT(luas__mp_write_nil(b), 0);
    } else if (strncmp(p, "true", 4) == 0) {
        *at += 4;
        CHECK_INT(luas__mp_write_bool(b, 1), 0);
    } else if (isupper((unsigned char)*p)) {
        notation_ext(at, b);
    } else {
        notation_number(at, b);
    }
}

/* Writes the values of the text, instead of what is in the buffer. */
static inline void write_notation(luas__buffer *b, const char *text)
{
    luas__buffer_truncate(b, 0);
    notation_values(&text, '\0', b);
}

#endif
