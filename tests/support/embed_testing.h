/*
 * Pools of the public C interface, with a script that the test writes, and
 * their outcomes by poll alone.
 */
#ifndef LUAS_EMBED_TESTING_H
#define LUAS_EMBED_TESTING_H

#include <luas.h>
#include <poll.h>
#include <unistd.h>

#include "testing.h"

static char script[64];

static inline void write_script(const char *text)
{
    snprintf(script, sizeof script, "/tmp/luas-embed-XXXXXX");
    int fd = mkstemp(script);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static inline luas_pool *open_pool(const luas_options *options)
{
    luas_pool *pool;
    CHECK_INT(luas_pool_open(&pool, options), 0);
    return pool;
}

static inline void close_pool(luas_pool *pool)
{
    luas_pool_close(pool);
    CHECK_INT(unlink(script), 0);
}

static inline uint64_t submit(luas_pool *pool, const char *name, luas_value argument)
{
    uint64_t call = 0;
    CHECK_INT(luas_submit(pool, name, 1, &argument, &call), 0);
    return call;
}

/* The next outcome, by poll alone, as an application's loop would have it. */
static inline void await(luas_pool *pool, luas_outcome *o)
{
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    int rc;
    errno = 0;
    while ((rc = luas_next(pool, o)) == 0)
        CHECK(poll(&p, 1, 20000) == 1 || errno == EINTR);
    CHECK_INT(rc, 1);
}

#endif
