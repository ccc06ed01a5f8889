/* What an application in C shares with its scripts. */
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <unistd.h>

#include "luas.h"
#include "testing.h"

static char script[32];

static void write_script(const char *text)
{
    snprintf(script, sizeof script, "/tmp/luas-share-XXXXXX");
    int fd = mkstemp(script);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void await_call(luas_pool *pool)
{
    luas_outcome o;
    int rc;
    while ((rc = luas_next(pool, &o)) == 0)
        CHECK(luas_wait(pool, 5) >= 0);
    CHECK_INT(rc, 1);
    if (o.kind != LUAS_VALUE)
        fprintf(stderr, "%s\n", o.message);
    CHECK_INT(o.kind, LUAS_VALUE);
}

static void test_a_pool_and_its_application(void)
{
    luas_shared *s;
    luas_object *in, *out, *sum, *lock;
    luas_pool *pool;
    luas_value item;
    write_script("function work(into, out, sum, lock)\n"
                 "  for text in into:items() do out:put(#text) sum:add(#text) end\n"
                 "  out:put { 1 }\n"
                 "  out:close()\n"
                 "  lock:acquire()\n"
                 "end\n");
    CHECK_INT(luas_shared_open(&s, 0), 0);
    luas_options options = {.script = script, .workers = 2, .timeout = 20, .shared = s};
    CHECK_INT(luas_pool_open(&pool, &options), 0); /* the objects come later */
    CHECK_INT(luas_shared_queue(s, 0, 0, &in), 0);
    CHECK_INT(luas_shared_queue(s, 2, 1000, &out), 0);
    CHECK_INT(luas_shared_value(s, 100, &sum), 0);
    CHECK_INT(luas_shared_lock(s, &lock), 0);
    luas_value arguments[] = {luas_shared_argument(in), luas_shared_argument(out),
                              luas_shared_argument(sum), luas_shared_argument(lock)};
    CHECK_INT(luas_submit(pool, "work", 4, arguments, NULL), 0);
    CHECK_INT(luas_shared_get(out, &item, 0.01), 0);
    CHECK_INT(luas_shared_put(in, "four", 4, -1), 1);
    CHECK_INT(luas_shared_put(in, "", 0, 0), 1);
    CHECK_INT(luas_shared_finish(in), 0);
    CHECK_INT(luas_shared_get(out, &item, -1), 1);
    CHECK_INT(item.type, LUAS_INTEGER);
    CHECK_INT(item.as.integer, 4);
    CHECK_INT(luas_shared_get(out, &item, 10), 1);
    CHECK_INT(item.as.integer, 0);
    CHECK_INT(luas_shared_get(out, &item, 10), 1);
    CHECK_INT(item.type, LUAS_OTHER);
    CHECK_INT(luas_shared_get(out, &item, 10), LUAS_ECLOSED);
    CHECK_INT(luas_shared_put(in, "late", 4, 0), LUAS_ECLOSED);
    CHECK_INT(luas_shared_add(sum, 1), 105);
    await_call(pool);
    CHECK_INT(luas_shared_acquire(lock, 5), 2); /* its task left it behind */
    CHECK_INT(luas_shared_acquire(lock, 0), -EDEADLK);
    CHECK_INT(luas_shared_release(lock), 0);
    CHECK_INT(luas_shared_release(lock), -EPERM);
    CHECK_INT(luas_shared_acquire(lock, 0), 1);
    CHECK_INT(luas_shared_put(lock, "x", 1, 0), LUAS_EINVAL);
    CHECK_INT(luas_shared_add(lock, 1), 0); /* no number: left alone */
    CHECK_INT(luas_shared_release(lock), 0);
    CHECK_INT(luas_shared_get(out, &item, NAN), LUAS_ECLOSED);
    luas_pool_close(pool);
    luas_shared_drop(in);
    luas_shared_drop(out);
    luas_shared_drop(sum);
    luas_shared_drop(lock);
    luas_shared_close(s);
    unlink(script);
}

static void test_states_of_one_memory(void)
{
    luas_shared *s, *t;
    luas_object *q;
    luas_value item;
    CHECK_INT(luas_shared_open(&s, 1 << 20), 0);
    CHECK_INT(luas_shared_queue(s, 0, 100, &q), 0);
    CHECK_INT(luas_shared_join(&t, s), 0);
    lua_State *one = luaL_newstate(), *two = luaL_newstate(), *none = luaL_newstate();
    lua_State *states[] = {one, two, none};
    for (int i = 0; i < 3; i++) {
        luaL_openlibs(states[i]);
        luas_openlibs(states[i]);
        if (i < 2)
            CHECK_INT(luas_shared_use(states[i], s), 0);
        CHECK_INT(luas_shared_push(states[i], q), i < 2 ? 0 : LUAS_EFOREIGN);
        if (i < 2)
            lua_setglobal(states[i], "q");
    }
    CHECK_INT(luaL_dostring(one, "inner = shared.queue() inner:put 'inside' q:put(inner) q:put 'x'"), 0);
    CHECK_INT(luaL_dostring(two, "assert(q:get():get() == 'inside')"), 0);
    lua_close(one);
    CHECK_INT(luas_shared_get(q, &item, 0), 1);
    CHECK_INT(item.type, LUAS_STRING);
    CHECK_BYTES(item.bytes, "x", 2);
    CHECK_INT(luaL_dostring(two, "q:put(1.5) q:put(true)"), 0);
    CHECK_INT(luas_shared_get(q, &item, 0), 1);
    CHECK(item.type == LUAS_NUMBER && item.as.number == 1.5);
    CHECK_INT(luas_shared_get(q, &item, 0), 1);
    CHECK(item.type == LUAS_BOOLEAN && item.as.boolean);
    CHECK_INT(luas_shared_put(q, "", 200, 0), LUAS_ETOOBIG);
    lua_close(two);
    lua_close(none);
    luas_shared_close(t);
    luas_shared_drop(q);
    luas_shared_close(s);
    luas_shared_close(NULL);
    luas_shared_drop(NULL);
}

int main(void)
{
    RUN(test_a_pool_and_its_application);
    RUN(test_states_of_one_memory);
    return 0;
}
