/* A server gets another script while it runs. Build: cc reload.c $(pkg-config --cflags --libs luas) */
#include <luas.h>
#include <stdio.h>

static void ask(luas_pool *pool)
{
    luas_outcome o;
    if (luas_submit(pool, "version", 0, NULL, NULL) < 0)
        return;
    while (luas_pending(pool) > 0 && luas_wait(pool, 10) == 1)
        while (luas_next(pool, &o) == 1)
            printf("%s\n", o.kind == LUAS_VALUE ? o.results[0].bytes : o.message);
}

/* The next script; a bad one changes nothing. */
static void reload(luas_pool *pool, const char *source)
{
    char why[200];
    luas_value name = luas_string("two");
    luas_options options = {.source = source, .script = "=next", .count = 1, .arguments = &name,
                            .why = why, .why_size = sizeof why};
    if (luas_reload(pool, &options) < 0)
        printf("not loaded: %s\n", why);
}

int main(void)
{
    luas_pool *pool;
    luas_options options = {.source = "function version() return 'one' end", .workers = 2};
    if (luas_prepare() < 0 || luas_pool_open(&pool, &options) < 0)
        return 1;
    ask(pool);
    reload(pool, "function version() return 'half' ");
    ask(pool);
    reload(pool, "local name = ... function version() return 'version ' .. name end");
    ask(pool);
    luas_drain(pool, 5);
    luas_pool_close(pool);
    return 0;
}
