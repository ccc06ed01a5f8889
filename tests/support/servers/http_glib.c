/*
 * A server in GLib's main loop whose requests are answered by workers: as http_microhttpd.c, beside it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <glib-unix.h>
#include <luas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char script[] =
    "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end\n"
    "function work(n) return n == 'crash' and os.exit(9) or tostring(fib(tonumber(n))) end";

static luas_pool *pool;
static GMainLoop *loop;

typedef struct client {
    int fd, outcomes;
    size_t len;
    char in[4096];
} client;

static void drop(client *c)
{
    close(c->fd);
    free(c);
}

static void on_outcome(void *data, const luas_outcome *o)
{
    client *c = data;
    char out[400];
    const char *text = o->kind == LUAS_VALUE ? o->results[0].bytes : o->message;
    int n = snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                     o->kind == LUAS_VALUE ? "200 OK" : "500 Error", strlen(text) + 1, text);
    if (++c->outcomes > 1)
        abort(); /* each has one */
    if (write(c->fd, out, (size_t)n) != n) /* so little always has room */
        fprintf(stderr, "an answer was cut\n");
    drop(c);
}

static gboolean on_client(gint fd, GIOCondition condition, gpointer data)
{
    client *c = data;
    char what[20] = "";
    (void)condition;
    ssize_t n = read(fd, c->in + c->len, sizeof c->in - 1 - c->len);
    if (n <= 0) {
        drop(c);
        return G_SOURCE_REMOVE;
    }
    c->len += (size_t)n;
    if (strstr(c->in, "\r\n\r\n") == NULL)
        return G_SOURCE_CONTINUE;
    sscanf(c->in, "GET /%19[a-z0-9] ", what);
    luas_value argument = luas_string(what);
    luas_call call = {.name = "work", .count = 1, .arguments = &argument, .data = c, .on_outcome = on_outcome};
    if (luas_submit_call(pool, &call, NULL) < 0)
        drop(c);
    return G_SOURCE_REMOVE;
}

static gboolean on_connection(gint fd, GIOCondition condition, gpointer data)
{
    (void)condition, (void)data;
    client *c = calloc(1, sizeof *c);
    if (c == NULL || (c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
        free(c);
    else
        g_unix_fd_add(c->fd, G_IO_IN, on_client, c);
    return G_SOURCE_CONTINUE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    luas_outcome o;
    (void)fd, (void)condition, (void)data;
    if (luas_next(pool, &o) < 0)
        abort();
    return G_SOURCE_CONTINUE;
}

static gboolean on_input(gint fd, GIOCondition condition, gpointer data)
{
    char rest[16];
    (void)condition, (void)data;
    if (read(fd, rest, sizeof rest) <= 0)
        g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

static int listen_anywhere(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, len) < 0 || listen(fd, 64) < 0
        || getsockname(fd, (struct sockaddr *)&any, &len) < 0)
        exit(1);
    printf("port %d\n", ntohs(any.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    luas_options options = {.source = script, .script = "=work", .workers = 2};
    if (luas_prepare() < 0 || luas_pool_open(&pool, &options) < 0)
        return 1;
    int fd = listen_anywhere();
    loop = g_main_loop_new(NULL, FALSE);
    g_unix_fd_add(fd, G_IO_IN, on_connection, NULL);
    g_unix_fd_add(0, G_IO_IN | G_IO_HUP, on_input, NULL);
    g_unix_fd_add(luas_pool_fd(pool), G_IO_IN, on_readable, NULL);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    close(fd);
    luas_pool_close(pool);
    return 0;
}
