/* The words for a place, for messages. */
#include "place.h"

#include <stdio.h>

enum { NAME_MAX_SHOWN = 100, STEP_MAX = 200 };

void luas__place_open(luas__place *p, luas__buffer *text)
{
    *p = (luas__place){.text = text, .start = text->len};
}

static void add(luas__place *p, const char *text)
{
    if (p->rc == 0)
        p->rc = luas__buffer_append(p->text, text, strlen(text));
}

static void add_name(luas__place *p, const char *before, const char *name, size_t len,
                     const char *after)
{
    char step[STEP_MAX];
    int shown = len < NAME_MAX_SHOWN ? (int)len : NAME_MAX_SHOWN;
    if (snprintf(step, sizeof step, "%s%.*s%s", before, shown, name, after) > 0)
        add(p, step);
}

static void begin(luas__place *p)
{
    if (p->text->len > p->start)
        add(p, ", ");
    p->in_field = false;
}

void luas__place_step(luas__place *p, const char *words)
{
    begin(p);
    add(p, words);
}

void luas__place_named(luas__place *p, const char *before, const char *name, const char *after)
{
    begin(p);
    add_name(p, before, name, strlen(name), after);
}

void luas__place_count(luas__place *p, const char *what, uint32_t count)
{
    char step[48];
    snprintf(step, sizeof step, "%s %lu", what, (unsigned long)count);
    luas__place_step(p, step);
}

static bool is_identifier(const char *s, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    for (size_t i = 0; i < len; i++)
        if (s[i] == '\0' || strchr(letters, s[i]) == NULL)
            return false;
    return len > 0 && !(s[0] >= '0' && s[0] <= '9');
}

void luas__place_field(luas__place *p, const char *name, size_t len)
{
    if (!p->in_field) {
        begin(p);
        add_name(p, "field \"", name, len, "\"");
    } else if (is_identifier(name, len)) {
        add_name(p, ".", name, len, "");
    } else {
        add_name(p, "[\"", name, len, "\"]");
    }
    p->in_field = true;
}

void luas__place_key(luas__place *p, const char *words)
{
    if (!p->in_field)
        begin(p);
    add(p, words);
    p->in_field = true;
}

void luas__place_integer(luas__place *p, int64_t key)
{
    char words[32];
    snprintf(words, sizeof words, "[%lld]", (long long)key);
    luas__place_key(p, words);
}

void luas__place_float(luas__place *p, double key)
{
    char words[32];
    snprintf(words, sizeof words, "[%.14g]", key);
    luas__place_key(p, words);
}

void luas__place_gap(luas__place *p)
{
    add(p, " ...");
}
