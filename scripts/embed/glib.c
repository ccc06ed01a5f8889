/* A pool in GLib's main loop. Build: cc glib.c $(pkg-config --cflags --libs luas glib-2.0) */
#include <glib-unix.h>
#include <luas.h>
#include <stdio.h>

static const char script[] = "function length(s) return #s, s:upper() end";
static GMainLoop *loop;

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    luas_outcome o;
    int rc;
    (void)fd, (void)condition;
    while ((rc = luas_next(data, &o)) > 0)
        printf("call %d: %d, %s\n", (int)o.call, (int)o.results[0].as.integer, o.results[1].bytes);
    if (rc == 0 && luas_pending(data) > 0)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

int main(void)
{
    luas_pool *pool;
    luas_options options = {.source = script, .script = "=lengths", .workers = 1};
    luas_value words[] = {luas_string("a"), luas_string("few"), luas_string("words")};
    if (luas_prepare() < 0 || luas_pool_open(&pool, &options) < 0)
        return 1;
    loop = g_main_loop_new(NULL, FALSE);
    luas_map(pool, &(luas_call){.name = "length"}, 3, words, NULL);
    g_unix_fd_add(luas_pool_fd(pool), G_IO_IN, on_readable, pool);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    luas_pool_close(pool);
    return 0;
}
