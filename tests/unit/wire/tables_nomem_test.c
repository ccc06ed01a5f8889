/* luas_writer and luas_reader without memory: each allocation fails once. They say so, lose nothing, and go on. */
#define _GNU_SOURCE
#include "failing_malloc.h"
#include "walk_table.h"
#include "testing.h"

enum { DEPTH = 20, WIDTH = 40 };

static int write_table(luas_writer *w, luas_value *v)
{
    for (int i = 0; i < DEPTH; i++)
        luas_writer_array(w);
    for (int i = 0; i < WIDTH; i++)
        luas_writer_add(w, luas_string("a text of some length, for the buffer to grow"));
    for (int i = 0; i < DEPTH; i++)
        luas_writer_end(w);
    return luas_writer_value(w, v);
}

static void test_writing(void)
{
    long n = 0;
    do {
        luas_value v;
        until_failure = n++;
        failures_left = 1;
        failed = false;
        luas_writer *w = luas_writer_new();
        int rc = write_table(w, &v);
        CHECK_INT(rc, failed ? LUAS_ENOMEM : 0);
        CHECK_INT(v.type, failed ? LUAS_NIL : LUAS_OTHER);
        until_failure = -1;
        if (w != NULL)
            CHECK_INT(write_table(w, &v), 0); /* with memory it works again */
        luas_writer_free(w);
        CHECK_INT(live, 0);
    } while (failed);
    CHECK(n > 5);
}

/* Goes on after each failure, from where it was. */
static uint64_t read_all(luas_reader *r)
{
    walk w = {0, 0, 0};
    walk_table(&w, r);
    if (w.failure != LUAS_ENOMEM)
        return w.values;
    uint64_t before = w.values;
    w.failure = 0;
    w.values = 0;
    walk_table(&w, r);
    return before + w.values;
}

static void test_reading(void)
{
    luas_writer *writer = luas_writer_new();
    luas_value v;
    CHECK_INT(write_table(writer, &v), 0);
    long before = live, n = 0;
    do {
        luas_reader *r;
        until_failure = n++;
        failures_left = 1;
        failed = false;
        int rc = luas_reader_open(&r, &v);
        CHECK(rc == (failed ? LUAS_ENOMEM : 0) && (r == NULL) == failed);
        bool is_open = rc == 0;
        uint64_t values = is_open ? read_all(r) : 0;
        CHECK(!is_open || failed || values == 2 * (DEPTH - 1 + WIDTH));
        until_failure = -1;
        luas_reader_close(r);
        CHECK_INT(live, before);
    } while (failed);
    CHECK(n > 3);
    luas_writer_free(writer);
    CHECK_INT(live, 0);
}

int main(void)
{
    RUN(test_writing);
    RUN(test_reading);
}
