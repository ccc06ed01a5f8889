/*
 * A server in libuv's loop whose requests are answered by workers: as http_microhttpd.c, beside it.
 */
#define _GNU_SOURCE
#include <luas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static const char script[] =
    "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end\n"
    "function work(n) return n == 'crash' and os.exit(9) or tostring(fib(tonumber(n))) end";

static luas_pool *pool;
static uv_poll_t watch;
static uv_tcp_t server;
static uv_pipe_t input;

typedef struct client {
    uv_tcp_t tcp;
    uv_write_t write;
    char in[4096], out[400];
    size_t len;
    int outcomes;
} client;

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    client *c = write->data;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_outcome(void *data, const luas_outcome *o)
{
    client *c = data;
    const char *text = o->kind == LUAS_VALUE ? o->results[0].bytes : o->message;
    int n = snprintf(c->out, sizeof c->out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                     o->kind == LUAS_VALUE ? "200 OK" : "500 Error", strlen(text) + 1, text);
    if (++c->outcomes > 1)
        abort(); /* each has one */
    uv_buf_t buf = uv_buf_init(c->out, (unsigned)n);
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) < 0)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void submit(client *c)
{
    char what[20] = "";
    sscanf(c->in, "GET /%19[a-z0-9] ", what);
    luas_value argument = luas_string(what);
    luas_call call = {.name = "work", .count = 1, .arguments = &argument, .data = c, .on_outcome = on_outcome};
    uv_read_stop((uv_stream_t *)&c->tcp);
    if (luas_submit_call(pool, &call, NULL) < 0)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    (void)wanted;
    client *c = handle->data;
    *buf = uv_buf_init(c->in + c->len, (unsigned)(sizeof c->in - 1 - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    client *c = stream->data;
    if (n < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    c->len += (size_t)n;
    if (strstr(c->in, "\r\n\r\n") != NULL)
        submit(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
    client *c = status < 0 ? NULL : calloc(1, sizeof *c);
    if (c == NULL)
        return;
    uv_tcp_init(stream->loop, &c->tcp);
    c->tcp.data = c;
    if (uv_accept(stream, (uv_stream_t *)&c->tcp) < 0 || uv_read_start((uv_stream_t *)&c->tcp, give_room, on_read) < 0)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    luas_outcome o;
    (void)handle, (void)events;
    if (status < 0 || luas_next(pool, &o) < 0)
        abort();
}

static void give_little(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    static char rest[16];
    (void)handle, (void)wanted;
    *buf = uv_buf_init(rest, sizeof rest);
}

static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)stream, (void)buf;
    if (n >= 0)
        return;
    uv_close((uv_handle_t *)&input, NULL);
    uv_close((uv_handle_t *)&server, NULL);
    uv_close((uv_handle_t *)&watch, NULL);
}

static int listen_on(uv_loop_t *loop)
{
    struct sockaddr_in any;
    int len = sizeof any;
    uv_ip4_addr("127.0.0.1", 0, &any);
    uv_tcp_init(loop, &server);
    if (uv_tcp_bind(&server, (struct sockaddr *)&any, 0) < 0 || uv_listen((uv_stream_t *)&server, 64, on_connection) < 0
        || uv_tcp_getsockname(&server, (struct sockaddr *)&any, &len) < 0)
        return -1;
    printf("port %d\n", (any.sin_port & 255) << 8 | any.sin_port >> 8);
    return fflush(stdout);
}

int main(void)
{
    uv_loop_t *loop = uv_default_loop();
    luas_options options = {.source = script, .script = "=work", .workers = 2};
    if (luas_prepare() < 0 || luas_pool_open(&pool, &options) < 0 || listen_on(loop) < 0)
        return 1;
    uv_pipe_init(loop, &input, 0);
    uv_pipe_open(&input, 0);
    uv_read_start((uv_stream_t *)&input, give_little, on_input);
    uv_poll_init(loop, &watch, luas_pool_fd(pool));
    uv_poll_start(&watch, UV_READABLE, on_readable);
    int rc = uv_run(loop, UV_RUN_DEFAULT);
    luas_pool_close(pool);
    return uv_loop_close(loop) < 0 || rc != 0;
}
