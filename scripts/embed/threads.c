/* Each thread has a pool of its own. Build: cc threads.c $(pkg-config --cflags --libs luas) -pthread */
#include <luas.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 3, CALLS = 100 };
static const char script[] = "function add(a, b) return a + b end";

static void *run(void *argument)
{
    luas_pool *pool;
    luas_outcome o;
    long *sum = argument;
    luas_value inputs[CALLS], more = luas_integer(*sum);
    luas_options options = {.source = script, .script = "=add", .workers = 1};
    if (luas_pool_open(&pool, &options) < 0)
        return NULL;
    for (int i = 0; i < CALLS; i++)
        inputs[i] = luas_integer(i);
    *sum = 0;
    luas_map(pool, &(luas_call){.name = "add", .count = 1, .arguments = &more}, CALLS, inputs, NULL);
    while (luas_pending(pool) > 0 && luas_wait(pool, 10) == 1)
        while (luas_next(pool, &o) == 1)
            *sum += (long)o.results[0].as.integer;
    luas_pool_close(pool);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    long sums[THREADS] = {1, 2, 3};
    luas_prepare(); /* before there are threads */
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run, &sums[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return printf("%ld %ld %ld\n", sums[0], sums[1], sums[2]) < 0;
}
