/*
 * A server of libmicrohttpd whose requests are answered by workers: GET /20 gives the 20th Fibonacci
 * number, and at /crash a worker dies. One thread polls both. It ends when its stdin does.
 *
 *   http_microhttpd     prints "port N"
 */
#define _GNU_SOURCE
#include <luas.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char script[] =
    "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end\n"
    "function work(n) return n == 'crash' and os.exit(9) or tostring(fib(tonumber(n))) end";

static luas_pool *pool;

/* A request that waits for its outcome, and then for its thread of control. */
typedef struct request {
    struct MHD_Connection *connection;
    unsigned status;
    char text[200];
    int outcomes;
} request;

static void on_outcome(void *data, const luas_outcome *o)
{
    request *r = data;
    r->status = o->kind == LUAS_VALUE ? 200 : 500;
    snprintf(r->text, sizeof r->text, "%s\n", o->kind == LUAS_VALUE ? o->results[0].bytes : o->message);
    if (++r->outcomes > 1)
        abort(); /* each has one */
    MHD_resume_connection(r->connection);
}

static enum MHD_Result reply(const request *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(r->text), (void *)(uintptr_t)r->text,
                                                                    MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc = MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result submit(request *r, const char *url)
{
    luas_value what = luas_string(url + 1);
    luas_call call = {.name = "work", .count = 1, .arguments = &what, .data = r, .on_outcome = on_outcome};
    MHD_suspend_connection(r->connection);
    if (luas_submit_call(pool, &call, NULL) == 0)
        return MHD_YES;
    MHD_resume_connection(r->connection);
    return MHD_NO;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *size, void **own)
{
    (void)data, (void)method, (void)version, (void)upload, (void)size;
    request *r = *own;
    if (r != NULL)
        return r->status != 0 ? reply(r) : MHD_YES;
    r = *own = calloc(1, sizeof *r);
    if (r == NULL)
        return MHD_NO;
    r->connection = connection;
    return submit(r, url);
}

static void on_end(void *data, struct MHD_Connection *connection, void **own, enum MHD_RequestTerminationCode code)
{
    (void)data, (void)connection, (void)code;
    free(*own);
}

static int serve(struct MHD_Daemon *daemon)
{
    luas_outcome o;
    struct pollfd fds[] = {
        {.fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .events = POLLIN},
        {.fd = luas_pool_fd(pool), .events = POLLIN}, {.fd = 0, .events = POLLIN},
    };
    while (fds[2].revents == 0) {
        MHD_UNSIGNED_LONG_LONG left;
        int timeout = MHD_get_timeout(daemon, &left) == MHD_YES ? (int)left : 1000;
        if (poll(fds, 3, timeout) < 0 || MHD_run(daemon) != MHD_YES)
            return 1;
        if (luas_next(pool, &o) < 0)
            return 1;
    }
    return 0;
}

int main(void)
{
    luas_options options = {.source = script, .script = "=work", .workers = 2};
    if (luas_prepare() < 0 || luas_pool_open(&pool, &options) < 0)
        return 1;
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, NULL,
                                                 MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
    if (daemon == NULL)
        return 1;
    printf("port %d\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    int rc = serve(daemon);
    MHD_stop_daemon(daemon);
    luas_pool_close(pool);
    return rc;
}
