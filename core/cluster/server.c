/* URLs and nkeys. */
#define _GNU_SOURCE
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luas.h"
#include "libsodium.h"

enum { SEED_BYTES = 36, SEED_TEXT = 58, PUBLIC_BYTES = 35, USER_SEED = 18 << 3, USER = 20 << 3 };

static int refuse(char *why, const char *reason)
{
    snprintf(why, LUAS__KEY_WHY, "%s", reason);
    return LUAS_EINVAL;
}

/* ---- nkeys: base32 of a prefix, 32 bytes and a checksum ---- */

static uint16_t checksum(const unsigned char *bytes, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint16_t)(bytes[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool decode(const char *text, size_t len, unsigned char *out)
{
    uint32_t bits = 0, n = 0;
    for (size_t i = 0; i < len; i++) {
        const char *at = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;
        if (at == NULL)
            return false;
        bits = bits << 5 | (uint32_t)(at - alphabet);
        n += 5;
        if (n >= 8) {
            n -= 8;
            *out++ = (unsigned char)(bits >> n);
        }
    }
    return true;
}

static void encode(const unsigned char *bytes, size_t len, char *out)
{
    uint32_t bits = 0, n = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (n += 8; n >= 5; n -= 5)
            *out++ = alphabet[bits >> (n - 5) & 31];
    }
    if (n > 0)
        *out++ = alphabet[bits << (5 - n) & 31];
    *out = '\0';
}

/* Reads the seed of a user from text: S, U, 32 bytes. */
static bool read_seed(const char *text, unsigned char seed[32])
{
    unsigned char bytes[SEED_BYTES];
    if (!decode(text, SEED_TEXT, bytes))
        return false;
    uint16_t crc = (uint16_t)(bytes[34] | bytes[35] << 8);
    unsigned kind = (unsigned)(bytes[0] & 7) << 5 | (unsigned)bytes[1] >> 3;
    bool ok = crc == checksum(bytes, 34) && (bytes[0] & 0xf8) == USER_SEED && kind == USER;
    memcpy(seed, bytes + 2, 32);
    explicit_bzero(bytes, sizeof bytes);
    return ok;
}

static bool write_public(const unsigned char *seed, char *text)
{
    const char *why;
    unsigned char public_bytes[PUBLIC_BYTES] = {USER}, secret[64];
    const luas__libsodium *sodium = luas__libsodium_load(&why);
    if (sodium == NULL)
        return false;
    sodium->crypto_sign_seed_keypair(public_bytes + 1, secret, seed);
    explicit_bzero(secret, sizeof secret);
    uint16_t crc = checksum(public_bytes, 33);
    public_bytes[33] = (unsigned char)crc;
    public_bytes[34] = (unsigned char)(crc >> 8);
    encode(public_bytes, sizeof public_bytes, text);
    return true;
}

static int read_nkey(luas__server *s, const char *path, char *why)
{
    char text[SEED_TEXT + 1] = "";
    unsigned char seed[32];
    struct stat status;
    const char *reason = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        reason = strerror(errno);
    else if (fstat(fd, &status) < 0 || status.st_mode & 077)
        reason = "others may read or write it (chmod 600 makes it yours alone)";
    else if (read(fd, text, SEED_TEXT) != SEED_TEXT || !read_seed(text, seed))
        reason = "it is no seed of a user's nkey (SU...)";
    else if (!write_public(seed, s->public_key))
        (void)luas__libsodium_load(&reason);
    if (fd >= 0)
        close(fd);
    explicit_bzero(text, sizeof text);
    explicit_bzero(seed, sizeof seed);
    if (reason == NULL)
        return 0;
    snprintf(why, LUAS__KEY_WHY, "nkey file %.120s: %.120s", path, reason);
    return LUAS_EINVAL;
}

static void write_seed(const unsigned char *seed, char *text)
{
    unsigned char bytes[SEED_BYTES] = {USER_SEED | USER >> 5, (USER & 31) << 3};
    memcpy(bytes + 2, seed, 32);
    uint16_t crc = checksum(bytes, 34);
    bytes[34] = (unsigned char)crc;
    bytes[35] = (unsigned char)(crc >> 8);
    encode(bytes, sizeof bytes, text);
    explicit_bzero(bytes, sizeof bytes);
}

int luas__server_make_nkey(const char *path, char public_key[LUAS__SERVER_PUBLIC], char why[LUAS__KEY_WHY])
{
    unsigned char seed[32];
    char text[SEED_TEXT + 2];
    const char *reason;
    if (luas__libsodium_load(&reason) == NULL)
        return refuse(why, reason);
    if (getentropy(seed, sizeof seed) < 0)
        return refuse(why, strerror(errno));
    write_seed(seed, text);
    text[SEED_TEXT] = '\n';
    int rc = luas__key_write(path, text, SEED_TEXT + 1, why);
    if (rc == 0)
        (void)write_public(seed, public_key); /* the library is there */
    explicit_bzero(seed, sizeof seed);
    explicit_bzero(text, sizeof text);
    return rc;
}

/* ---- URLs ---- */

/* Does the host, as it stands in a URL, mean this machine? */
static bool is_local(const char *host, size_t len)
{
    char name[64];
    struct in_addr address;
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (strcmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* The length of the host at the beginning of the text: "host:port". */
static size_t host_length(const char *at)
{
    const char *end = at[0] == '[' ? strchr(at, ']') : NULL;
    return end != NULL ? (size_t)(end - at) + 1 : strcspn(at, ":");
}

int luas__server_read(luas__server *s, const char *url, bool has_key, const char *nkey, char why[LUAS__KEY_WHY])
{
    *s = (luas__server){.is_tls = strncmp(url, "tls://", 6) == 0};
    if (!s->is_tls && strncmp(url, "nats://", 7) != 0)
        return refuse(why, "a cluster is named nats://host:port or tls://host:port");
    const char *rest = strstr(url, "://") + 3, *at = strrchr(rest, '@');
    const char *host = at != NULL ? at + 1 : rest;
    size_t len = host_length(host);
    if (strlen(url) >= sizeof s->url || len == 0 || strpbrk(rest, "/ ,\t\n") != NULL)
        return refuse(why, "the URL of a cluster has a host, and no path: nats://host:port");
    s->is_local = is_local(host, len);
    s->is_tls |= !s->is_local;
    snprintf(s->url, sizeof s->url, "%s", url);
    snprintf(s->shown, sizeof s->shown, "%s://%s", s->is_tls ? "tls" : "nats", host);
    if (!has_key && !s->is_local)
        return refuse(why, "a server on another machine needs a key: key = FILE, --key FILE (luas --make-key FILE makes one)");
    return nkey != NULL ? read_nkey(s, nkey, why) : 0;
}
