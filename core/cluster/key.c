/* Key files: "luas-key-1 " and 64 hexadecimal digits. */
#define _GNU_SOURCE
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "luas.h"

#define MAGIC "luas-key-1 "
enum { MAGIC_LENGTH = sizeof MAGIC - 1, LINE = MAGIC_LENGTH + 2 * LUAS__KEY_BYTES + 1 };

static int refuse(int rc, char *why, const char *path, const char *reason)
{
    snprintf(why, LUAS__KEY_WHY, "key file %.150s: %s", path, reason);
    return rc;
}

static void write_line(char line[LINE + 1], const unsigned char *key)
{
    static const char digits[] = "0123456789abcdef";
    memcpy(line, MAGIC, MAGIC_LENGTH);
    for (int i = 0; i < LUAS__KEY_BYTES; i++) {
        line[MAGIC_LENGTH + 2 * i] = digits[key[i] >> 4];
        line[MAGIC_LENGTH + 2 * i + 1] = digits[key[i] & 15];
    }
    line[LINE - 1] = '\n';
    line[LINE] = '\0';
}

int luas__key_write(const char *path, const char *text, size_t len, char why[LUAS__KEY_WHY])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return refuse(-errno, why, path, errno == EEXIST ? "it exists already; it was not changed" : strerror(errno));
    ssize_t n = fchmod(fd, 0600) < 0 ? -1 : write(fd, text, len);
    int error = n < 0 ? errno : ENOSPC;
    bool is_closed = close(fd) == 0;
    if (n == (ssize_t)len && is_closed)
        return 0;
    unlink(path);
    return refuse(-error, why, path, strerror(error));
}

int luas__key_make(const char *path, char why[LUAS__KEY_WHY])
{
    unsigned char key[LUAS__KEY_BYTES];
    char line[LINE + 1];
    if (getentropy(key, sizeof key) < 0)
        return refuse(-errno, why, path, strerror(errno));
    write_line(line, key);
    int rc = luas__key_write(path, line, LINE, why);
    explicit_bzero(key, sizeof key);
    explicit_bzero(line, sizeof line);
    return rc;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_line(const char *line, ssize_t n, unsigned char *key)
{
    if (n < LINE - 1 || n > LINE || memcmp(line, MAGIC, MAGIC_LENGTH) != 0
        || (n == LINE && line[LINE - 1] != '\n'))
        return false;
    for (int i = 0; i < LUAS__KEY_BYTES; i++) {
        int high = digit(line[MAGIC_LENGTH + 2 * i]), low = digit(line[MAGIC_LENGTH + 2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Why a file with these properties is no key of this user's; NULL if it may be one. */
static const char *why_not(const struct stat *s)
{
    if (!S_ISREG(s->st_mode))
        return "it is no file";
    if (s->st_mode & 077)
        return "others may read or write it (chmod 600 makes it yours alone)";
    if (s->st_uid != geteuid() && s->st_uid != 0)
        return "it belongs to another user";
    return NULL;
}

int luas__key_read(const char *path, unsigned char key[LUAS__KEY_BYTES], char why[LUAS__KEY_WHY])
{
    struct stat s;
    char line[LINE + 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &s) < 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return refuse(-error, why, path, strerror(error));
    }
    const char *reason = why_not(&s);
    ssize_t n = reason == NULL ? read(fd, line, sizeof line) : 0;
    close(fd);
    if (reason != NULL)
        return refuse(-EPERM, why, path, reason);
    bool is_key = read_line(line, n, key);
    explicit_bzero(line, sizeof line);
    return is_key ? 0 : refuse(LUAS_EINVAL, why, path, "it is no key (luas --make-key FILE makes one)");
}
