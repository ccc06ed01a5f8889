/* Workers and the application count in the same memory. Build: cc shared_counter.c $(pkg-config --cflags --libs luas) */
#include <luas.h>
#include <stdio.h>

static const char script[] = "function count(counter, n) for _ = 1, n do counter:add(1) end end";

int main(void)
{
    luas_shared *shared;
    luas_object *counter;
    luas_pool *pool;
    luas_outcome o;
    if (luas_shared_open(&shared, 1 << 20) < 0 || luas_shared_value(shared, 0, &counter) < 0)
        return 1;
    luas_options options = {.source = script, .script = "=count", .workers = 3, .shared = shared};
    if (luas_pool_open(&pool, &options) < 0)
        return 1;
    for (int i = 0; i < 10; i++) {
        luas_value arguments[] = {luas_shared_argument(counter), luas_integer(1000)};
        luas_submit(pool, "count", 2, arguments, NULL);
    }
    luas_shared_add(counter, 5);
    while (luas_pending(pool) > 0 && luas_wait(pool, 10) == 1)
        while (luas_next(pool, &o) == 1)
            if (o.kind != LUAS_VALUE)
                printf("%s\n", o.message);
    printf("%d\n", (int)luas_shared_add(counter, 0));
    luas_pool_close(pool);
    luas_shared_drop(counter);
    luas_shared_close(shared);
    return 0;
}
