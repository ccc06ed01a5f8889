/* Texts, and how the bytes of a file are read. */
#define _GNU_SOURCE
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"

luas__text *luas__text_new(const char *name, const char *sep, size_t nsep)
{
    luas__text *t = calloc(1, sizeof *t);
    if (t == NULL || (t->name = strdup(name)) == NULL) {
        free(t);
        return NULL;
    }
    atomic_init(&t->uses, 1);
    t->fd = -1;
    t->nsep = (unsigned char)nsep;
    memcpy(t->sep, sep, nsep);
    return t;
}

luas__text *luas__text_use(luas__text *t)
{
    atomic_fetch_add(&t->uses, 1);
    return t;
}

void luas__text_release(luas__text *t)
{
    if (t == NULL || atomic_fetch_sub(&t->uses, 1) > 1)
        return;
    luas__fd_close(&t->fd);
    free(t->name);
    free(t);
}

/* A file may be open here and yet not be there to be opened, for want of rights. */
void luas__text_share(luas__text *t, int fd)
{
    struct stat file;
    if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode))
        return;
    t->device = (uint64_t)file.st_dev;
    t->inode = (uint64_t)file.st_ino;
    t->fd = luas__text_open(getpid(), fd, t->name, t->device, t->inode);
    if (t->fd < 0)
        t->fd = -1;
}

/* A quote within is doubled. One at the very end may be the first of two. */
const char *luas__text_quoted_end(const char *from, const char *end)
{
    const char *quote = from + 1;
    while (quote < end && (quote = memchr(quote, '"', (size_t)(end - quote))) != NULL) {
        if (quote + 1 == end || quote[1] != '"')
            return quote + 1;
        quote += 2;
    }
    return NULL;
}

/* A quote is one only where a field begins. Most records have none. */
static const char *find_outside_quotes(const luas__text *t, const char *from, const char *end)
{
    const char *newline = memchr(from, '\n', (size_t)(end - from));
    if (newline == NULL || memchr(from, '"', (size_t)(newline - from)) == NULL)
        return newline;
    for (const char *p = from; p < end; p++) {
        if (*p == '"' && (p = luas__text_quoted_end(p, end)) == NULL)
            return NULL;
        while (p < end && *p != t->delimiter && *p != '\n')
            p++;
        if (p < end && *p == '\n')
            return p;
    }
    return NULL;
}

const char *luas__text_find(const luas__text *t, const char *from, const char *end)
{
    size_t len = (size_t)(end - from);
    if (t->delimiter != 0)
        return find_outside_quotes(t, from, end);
    return t->nsep == 1 ? memchr(from, t->sep[0], len) : memmem(from, len, t->sep, t->nsep);
}

size_t luas__text_bare(const luas__text *t, const char *record, size_t len)
{
    bool has = len >= t->nsep && memcmp(record + len - t->nsep, t->sep, t->nsep) == 0;
    return has ? len - t->nsep : len;
}

bool luas__text_is(int fd, uint64_t device, uint64_t inode)
{
    struct stat file;
    return fstat(fd, &file) == 0 && (uint64_t)file.st_dev == device && (uint64_t)file.st_ino == inode;
}

static int open_same(const char *path, uint64_t device, uint64_t inode)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (!luas__text_is(fd, device, inode)) {
        close(fd);
        return -ESTALE;
    }
    int rc = luas__fd_lift(&fd);
    return rc < 0 ? rc : fd;
}

int luas__text_open(pid_t pid, int fd, const char *name, uint64_t device, uint64_t inode)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)pid, fd);
    int found = open_same(path, device, inode);
    return found >= 0 ? found : open_same(name, device, inode);
}

int luas__text_read(int fd, uint64_t from, size_t len, luas__buffer *b)
{
    int rc = luas__buffer_reserve(b, len);
    if (rc < 0)
        return rc;
    while (len > 0) {
        ssize_t n = pread(fd, luas__buffer_end(b), len, (off_t)from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        b->len += (size_t)n;
        from += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}
