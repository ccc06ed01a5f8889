#include "paste.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MARK = sizeof LUAS__PASTE_END - 1, FIRST_ROOM = 4096, MOST = 1 << 24 };

typedef struct text {
    char *bytes;
    size_t len, room;
    bool failed;
} text;

/* What finds no room takes the place of what came before: so the mark at the end is seen. */
static void add(text *t, char byte)
{
    if (t->len == t->room && t->room < MOST) {
        size_t room = t->room == 0 ? FIRST_ROOM : 2 * t->room;
        char *bytes = realloc(t->bytes, room);
        t->bytes = bytes == NULL ? t->bytes : bytes;
        t->room = bytes == NULL ? t->room : room;
    }
    if (t->len == t->room && t->room > 0) {
        t->failed = true;
        t->len = t->room < MARK ? 0 : MARK;
        memmove(t->bytes, t->bytes + t->room - t->len, t->len);
    }
    if (t->len < t->room) {
        t->bytes[t->len++] = byte;
    }
}

static bool has_mark(const text *t)
{
    return t->len >= MARK && memcmp(t->bytes + t->len - MARK, LUAS__PASTE_END, MARK) == 0;
}

static bool is_kept(char byte)
{
    unsigned char c = (unsigned char)byte;

    return c >= 0x20 ? c != 0x7f : c == '\n' || c == '\t';
}

/* Makes ends of lines newlines and leaves control characters out, in place. */
static void clean(text *t)
{
    size_t len = 0;

    for (size_t i = 0; i < t->len; i++) {
        char byte = t->bytes[i];
        if (byte == '\r') {
            i += i + 1 < t->len && t->bytes[i + 1] == '\n';
            byte = '\n';
        }
        if (is_kept(byte)) {
            t->bytes[len++] = byte;
        }
    }
    t->len = len;
}

char *luas__paste_read(int (*next)(void *context, char *byte), void *context)
{
    text t = {.room = 0};
    char byte;

    while (!has_mark(&t) && next(context, &byte) > 0) {
        add(&t, byte);
    }
    if (has_mark(&t)) {
        t.len -= MARK;
    }
    clean(&t);
    add(&t, '\0');
    if (t.failed || t.bytes == NULL) {
        free(t.bytes);
        return NULL;
    }
    return t.bytes;
}
