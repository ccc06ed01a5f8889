/* The example no_lua.c as it was with the first header of 0.2, luas-0.2.0.h: it must run on. */
#include <luas.h>
#include <poll.h>
#include <stdio.h>

static void report(const luas_outcome *o)
{
    if (o->kind == LUAS_VALUE && o->count == 2)
        printf("call %d: %s, %d\n", (int)o->call, o->results[0].bytes, (int)o->results[1].as.integer);
    else
        printf("call %d: %s\n", (int)o->call, o->message);
}

int main(void)
{
    luas_pool *pool;
    luas_options options = {.script = "scripts/embed/no_lua.lua", .workers = 1, .timeout = 10};
    int rc = luas_pool_open(&pool, &options);
    for (int n = 10; n <= 13 && rc == 0; n++) {
        luas_value arguments[] = {luas_string("the number"), luas_integer(n)};
        rc = luas_submit(pool, "divisors", 2, arguments, NULL);
    }
    struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
    if (rc == 0)
        fds[1].fd = luas_pool_fd(pool);
    while (rc == 0 && luas_pending(pool) > 0 && poll(fds, 2, -1) >= 0) {
        luas_outcome outcome;
        while ((rc = luas_next(pool, &outcome)) > 0)
            report(&outcome);
        if (fds[0].revents != 0) /* here an application would read its input */
            fds[0].fd = -1;
    }
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", luas_strerror(rc), pool != NULL ? luas_pool_why(pool) : "");
    luas_pool_close(pool);
    return rc < 0;
}
