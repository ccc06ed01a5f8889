/* Tables of an application: as arguments, as inputs of a map, and as results. */
#define _GNU_SOURCE
#include "embed_testing.h"

static luas_pool *open_script(int workers, const char *text)
{
    write_script(text);
    return open_pool(&(luas_options){.script = script, .workers = workers});
}

static luas_value write_point(luas_writer *w, int x, const char *name)
{
    luas_value v;
    luas_writer_map(w);
    luas_writer_add(w, luas_string("x"));
    luas_writer_add(w, luas_integer(x));
    luas_writer_add(w, luas_string("name"));
    luas_writer_add(w, luas_string(name));
    luas_writer_end(w);
    CHECK_INT(luas_writer_value(w, &v), 0);
    return v;
}

static luas_value field(const luas_value *table, luas_reader **r, const char *name)
{
    luas_value v;
    CHECK_INT(luas_reader_open(r, table), 0);
    CHECK_INT(luas_reader_find(*r, name, &v), 1);
    return v;
}

static void test_there_and_back(void)
{
    luas_pool *pool = open_script(1,
        "function twice(p, list) return {x = 2 * p.x, name = p.name .. '!', sum = list[1] + #list, deep = {{{}}}} end");
    luas_writer *w = luas_writer_new();
    luas_value arguments[] = {write_point(w, 21, "it"), luas_nil()};
    luas_writer_array(w);
    for (int i = 0; i < 1000; i++)
        luas_writer_add(w, luas_number(0.5));
    luas_writer_end(w);
    CHECK_INT(luas_writer_value(w, &arguments[1]), 0);
    CHECK_INT(luas_submit(pool, "twice", 2, arguments, NULL), 0);
    luas_writer_free(w);
    luas_outcome o;
    luas_reader *r;
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(field(&o.results[0], &r, "x").as.integer, 42);
    luas_reader_close(r);
    luas_value name = field(&o.results[0], &r, "name");
    CHECK(strcmp(name.bytes, "it!") == 0);
    luas_reader_close(r);
    CHECK(field(&o.results[0], &r, "sum").as.number == 1000.5);
    CHECK_INT(luas_reader_count(r), 4);
    luas_reader_close(r);
    close_pool(pool);
}

static void test_as_inputs_of_a_map(void)
{
    enum { MANY = 500 };
    luas_pool *pool = open_script(2, "function half(p, by) return {p.x / by, p.name} end");
    luas_writer *w = luas_writer_new();
    luas_value inputs[MANY], by = luas_integer(2), v;
    for (int i = 0; i < MANY; i++)
        inputs[i] = write_point(w, i, "n");
    luas_call call = {.name = "half", .count = 1, .arguments = &by};
    CHECK_INT(luas_map(pool, &call, MANY, inputs, NULL), 0);
    luas_writer_free(w);
    for (int i = 0; i < MANY; i++) {
        luas_outcome o;
        luas_reader *r;
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_VALUE);
        CHECK_INT(luas_reader_open(&r, &o.results[0]), 0);
        CHECK_INT(luas_reader_next(r, NULL, &v), 1);
        CHECK(v.as.number == (double)o.position / 2);
        luas_reader_close(r);
    }
    close_pool(pool);
}

/* What was raised is read, and goes out again, as results do. */
static void test_what_a_call_raises(void)
{
    luas_pool *pool = open_script(1,
        "function fail(code) error{code = code} end function code(e) return e.code end");
    luas_outcome o;
    submit(pool, "fail", luas_integer(5));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_ERROR);
    luas_reader *r;
    CHECK_INT(field(&o.results[0], &r, "code").as.integer, 5);
    luas_reader_close(r);
    submit(pool, "code", o.results[0]);
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.results[0].as.integer, 5);
    close_pool(pool);
}

int main(void)
{
    RUN(test_there_and_back);
    RUN(test_as_inputs_of_a_map);
    RUN(test_what_a_call_raises);
}
