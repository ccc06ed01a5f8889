/* Sealing messages, and opening them. */
#define _GNU_SOURCE
#include "seal.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "luas.h"
#include "libsodium.h"

enum { MARK = 3 };

static const luas__libsodium *sodium(void)
{
    const char *why;
    return luas__libsodium_load(&why);
}

int luas__seal_init(luas__seal *s, const char *path, char why[LUAS__KEY_WHY])
{
    const char *reason;
    *s = (luas__seal){.has_key = false};
    if (path == NULL)
        return 0;
    if (luas__libsodium_load(&reason) == NULL) {
        snprintf(why, LUAS__KEY_WHY, "%s", reason);
        return LUAS_EINVAL;
    }
    int rc = luas__key_read(path, s->key, why);
    s->has_key = rc == 0;
    return rc;
}

void luas__seal_release(luas__seal *s)
{
    explicit_bzero(s, sizeof *s);
}

static void put_8(char *at, uint64_t v)
{
    v = htobe64(v);
    memcpy(at, &v, sizeof v);
}

static uint64_t get_8(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return be64toh(v);
}

static int append_text(const luas__sealed *m, luas__buffer *out)
{
    char head[LUAS__SEAL_HEAD];
    int rc = luas__buffer_reserve(out, LUAS__SEAL_HEAD + m->len);
    if (rc < 0)
        return rc;
    head[0] = (char)m->type;
    put_8(head + 1, m->run);
    put_8(head + 9, m->agent);
    put_8(head + 17, m->token);
    (void)luas__buffer_append(out, head, sizeof head); /* there is room */
    return luas__buffer_append(out, m->body, m->len);
}

/* Seals the text in place of itself, behind mark and nonce. */
static int append_sealed(const luas__seal *s, const luas__buffer *text, luas__buffer *out)
{
    unsigned char nonce[LUAS__SODIUM_NONCE];
    if (getentropy(nonce, sizeof nonce) < 0)
        return -errno;
    int rc = luas__buffer_reserve(out, MARK + sizeof nonce + LUAS__SODIUM_MAC + text->len);
    if (rc < 0)
        return rc;
    (void)luas__buffer_append(out, "LP1", MARK);
    (void)luas__buffer_append(out, nonce, sizeof nonce);
    sodium()->crypto_secretbox_easy((unsigned char *)luas__buffer_end(out),
                                    (const unsigned char *)luas__buffer_bytes(text), text->len, nonce, s->key);
    out->len += LUAS__SODIUM_MAC + text->len;
    return 0;
}

int luas__seal_write(const luas__seal *s, const luas__sealed *m, luas__buffer *out)
{
    size_t before = out->len;
    int rc;
    if (s->has_key) {
        luas__buffer text = LUAS__BUFFER_INIT;
        rc = append_text(m, &text);
        if (rc == 0)
            rc = append_sealed(s, &text, out);
        luas__buffer_release(&text);
    } else {
        rc = luas__buffer_append(out, "LP0", MARK);
        if (rc == 0)
            rc = append_text(m, out);
    }
    if (rc < 0)
        luas__buffer_truncate(out, before);
    return rc;
}

static int open_sealed(const luas__seal *s, const char *bytes, size_t len, luas__buffer *text)
{
    const unsigned char *nonce = (const unsigned char *)bytes, *box = nonce + LUAS__SODIUM_NONCE;
    if (len < LUAS__SODIUM_NONCE + LUAS__SODIUM_MAC)
        return LUAS_EPROTO;
    len -= LUAS__SODIUM_NONCE;
    int rc = luas__buffer_reserve(text, len);
    if (rc < 0)
        return rc;
    if (sodium()->crypto_secretbox_open_easy((unsigned char *)luas__buffer_end(text), box, len, nonce, s->key) != 0)
        return LUAS_EPROTO;
    text->len += len - LUAS__SODIUM_MAC;
    return 0;
}

static int read_text(const luas__buffer *text, luas__sealed *m)
{
    const char *at = luas__buffer_bytes(text);
    if (text->len < LUAS__SEAL_HEAD || at[0] < LUAS__SEAL_TASK || at[0] >= LUAS__SEAL_TYPES)
        return LUAS_EPROTO;
    *m = (luas__sealed){
        .type = (enum luas__seal_type)at[0], .run = get_8(at + 1), .agent = get_8(at + 9), .token = get_8(at + 17),
        .body = at + LUAS__SEAL_HEAD, .len = text->len - LUAS__SEAL_HEAD,
    };
    return 0;
}

int luas__seal_open(const luas__seal *s, const char *bytes, size_t len, luas__buffer *text, luas__sealed *m)
{
    luas__buffer_truncate(text, 0);
    if (len < MARK || memcmp(bytes, s->has_key ? "LP1" : "LP0", MARK) != 0)
        return LUAS_EPROTO;
    int rc = s->has_key ? open_sealed(s, bytes + MARK, len - MARK, text)
                        : luas__buffer_append(text, bytes + MARK, len - MARK);
    return rc < 0 ? rc : read_text(text, m);
}
