/* A pool in the loop of libuv. Build: cc libuv.c $(pkg-config --cflags --libs luas libuv) */
#include <luas.h>
#include <stdio.h>
#include <uv.h>
static const char script[] = "function square(n) if n == 3 then os.exit(9) end return n .. ' squared is ' .. n * n end";

static void report(void *data, const luas_outcome *o)
{
    (void)data;
    printf("%s: %s\n", o->label, o->kind == LUAS_VALUE ? o->results[0].bytes : o->message);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    luas_outcome outcome; /* luas_next gives all of them to report */
    (void)events;
    if (status < 0 || luas_next(handle->data, &outcome) < 0 || luas_pending(handle->data) == 0)
        uv_poll_stop(handle);
}

int main(void)
{
    luas_pool *pool;
    uv_poll_t handle;
    luas_options options = {.source = script, .script = "=squares", .workers = 1};
    const char *labels[] = {"one", "two", "three", "four"};
    if (luas_prepare() < 0 || luas_pool_open(&pool, &options) < 0)
        return 1;
    for (int n = 1; n <= 4; n++) {
        luas_value argument = luas_integer(n);
        luas_call call = {.name = "square", .count = 1, .arguments = &argument, .label = labels[n - 1], .on_outcome = report};
        luas_submit_call(pool, &call, NULL);
    }
    handle.data = pool;
    uv_poll_init(uv_default_loop(), &handle, luas_pool_fd(pool));
    uv_poll_start(&handle, UV_READABLE, on_readable);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    luas_pool_close(pool);
    return 0;
}
