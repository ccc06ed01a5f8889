/* luas_writer and luas_reader: tables there and back, wrong use, and bytes that are wrong. */
#define _GNU_SOURCE
#include <math.h>

#include "msgpack_text.h"
#include "walk_table.h"

static luas_value done(luas_writer *w)
{
    luas_value v;
    CHECK_INT(luas_writer_value(w, &v), 0);
    CHECK_INT(v.type, LUAS_OTHER);
    return v;
}

static void check_text(const luas_value *v, const char *wanted)
{
    const char *text = msgpack_text(v->bytes, v->len);
    if (strcmp(text, wanted) != 0)
        fprintf(stderr, "%s\n", text);
    CHECK(strcmp(text, wanted) == 0);
}

static void add_pair(luas_writer *w, const char *key, luas_value value)
{
    luas_writer_add(w, luas_string(key));
    luas_writer_add(w, value);
}

/* {id = 7, tags = {"a", {}, false}, [-1.5] = {[true] = nil}} */
static luas_value write_sample(luas_writer *w)
{
    luas_writer_map(w);
    add_pair(w, "id", luas_integer(7));
    luas_writer_add(w, luas_string("tags"));
    luas_writer_array(w);
    luas_writer_add(w, luas_string("a"));
    luas_writer_map(w);
    luas_writer_end(w);
    luas_writer_add(w, luas_boolean(0));
    luas_writer_end(w);
    luas_writer_add(w, luas_number(-1.5));
    luas_writer_map(w);
    luas_writer_add(w, luas_boolean(1));
    luas_writer_add(w, luas_nil());
    luas_writer_end(w);
    luas_writer_end(w);
    return done(w);
}

/* ---- writing ---- */

static void test_tables_are_messagepack(void)
{
    luas_writer *w = luas_writer_new();
    luas_value v = write_sample(w);
    check_text(&v, "{\"id\": 7, \"tags\": [\"a\", {}, false], -1.5: {true: nil}}");
    CHECK_INT(v.len, 1 + 3 + 1 + 5 + 1 + 2 + 1 + 1 + 9 + 1 + 2); /* the shortest form */
    luas_writer_free(w);
}

static void test_every_kind_of_value(void)
{
    luas_writer *w = luas_writer_new();
    luas_writer_array(w);
    luas_writer_add(w, luas_nil());
    luas_writer_add(w, luas_integer(INT64_MIN));
    luas_writer_add(w, luas_integer(INT64_MAX));
    luas_writer_add(w, luas_number(NAN));
    luas_writer_add(w, luas_number(-0.0));
    luas_writer_add(w, luas_bytes("a\0\xff", 3));
    luas_writer_add(w, luas_bytes(NULL, 0));
    luas_writer_end(w);
    luas_value v = done(w);
    check_text(&v, "[nil, -9223372036854775808, 9223372036854775807, nan, -0.0, <6100ff>, \"\"]");
    luas_writer_free(w);
}

static void test_values_stay_while_others_are_written(void)
{
    enum { MANY = 300 };
    luas_writer *w = luas_writer_new();
    luas_value values[MANY];
    for (int i = 0; i < MANY; i++) {
        luas_writer_array(w);
        for (int k = 0; k < i; k++)
            luas_writer_add(w, luas_integer(k));
        luas_writer_end(w);
        values[i] = done(w);
    }
    for (int i = 0; i < MANY; i++) {
        luas_reader *r;
        luas_value v;
        CHECK_INT(luas_reader_open(&r, &values[i]), 0);
        CHECK_INT(luas_reader_count(r), i);
        for (int k = 0; k < i; k++)
            CHECK(luas_reader_next(r, NULL, &v) == 1 && v.as.integer == k);
        CHECK_INT(luas_reader_next(r, NULL, &v), 0);
        luas_reader_close(r);
    }
    luas_writer_array(w); /* what was written goes into others */
    luas_writer_add(w, values[2]);
    luas_writer_add(w, values[0]);
    luas_writer_end(w);
    luas_value v = done(w);
    check_text(&v, "[[0, 1], []]");
    luas_writer_free(w);
}

static int failure(luas_writer *w)
{
    luas_value v = luas_integer(1);
    int rc = luas_writer_value(w, &v);
    CHECK_INT(v.type, LUAS_NIL);
    luas_writer_array(w); /* it works again */
    luas_writer_end(w);
    v = done(w);
    CHECK_BYTES(v.bytes, "\x90", 1);
    return rc;
}

static void write_wrong(luas_writer *w, luas_value value, bool as_key)
{
    luas_writer_map(w);
    luas_writer_add(w, as_key ? value : luas_integer(1));
    luas_writer_add(w, as_key ? luas_integer(1) : value);
    luas_writer_end(w);
}

static void test_wrong_use_is_told_at_the_end(void)
{
    luas_writer *w = luas_writer_new();
    CHECK_INT(failure(w), LUAS_EINVAL); /* nothing */
    luas_writer_end(w);
    CHECK_INT(failure(w), LUAS_EINVAL);
    luas_writer_array(w);
    CHECK_INT(failure(w), LUAS_EINVAL); /* open */
    luas_writer_add(w, luas_integer(1));
    luas_writer_add(w, luas_integer(2));
    CHECK_INT(failure(w), LUAS_EINVAL); /* two */
    luas_writer_map(w);
    luas_writer_add(w, luas_string("key"));
    luas_writer_end(w);
    CHECK_INT(failure(w), LUAS_EINVAL); /* without its value */
    write_wrong(w, luas_nil(), true);
    CHECK_INT(failure(w), LUAS_EINVAL);
    write_wrong(w, luas_number(NAN), true);
    CHECK_INT(failure(w), LUAS_EINVAL);
    write_wrong(w, luas_bytes(NULL, 3), false);
    CHECK_INT(failure(w), LUAS_EINVAL);
    write_wrong(w, (luas_value){.type = (luas_type)9}, false);
    CHECK_INT(failure(w), LUAS_EINVAL);
    static const char *const none[] = {"", "\x92\1", "\1\1", "\xc1", "\xdd\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        write_wrong(w, (luas_value){.type = LUAS_OTHER, .bytes = none[i], .len = strlen(none[i])}, i % 2);
        CHECK_INT(failure(w), LUAS_EINVAL);
    }
    for (int i = 0; i < 1001; i++)
        luas_writer_array(w);
    CHECK_INT(failure(w), LUAS_EDEEP);
    luas_writer_free(w);
    luas_writer_free(NULL);
}

/* What luas_writer_new gives then. */
static void test_a_writer_without_memory(void)
{
    luas_value v;
    luas_writer_map(NULL);
    luas_writer_array(NULL);
    luas_writer_add(NULL, luas_nil());
    luas_writer_end(NULL);
    CHECK_INT(luas_writer_value(NULL, &v), LUAS_ENOMEM);
    CHECK_INT(v.type, LUAS_NIL);
}

/* ---- reading ---- */

static void check_string(const luas_value *v, const char *wanted)
{
    CHECK_INT(v->type, LUAS_STRING);
    CHECK_INT(v->len, strlen(wanted));
    CHECK(strcmp(v->bytes, wanted) == 0);
}

static void test_reading_in_order(void)
{
    luas_writer *w = luas_writer_new();
    luas_value sample = write_sample(w), key, v, first;
    luas_reader *r;
    CHECK_INT(luas_reader_open(&r, &sample), 0);
    CHECK_INT(luas_reader_count(r), 3);
    CHECK_INT(luas_reader_enter(r), LUAS_EINVAL);
    CHECK_INT(luas_reader_leave(r), LUAS_EINVAL);
    CHECK_INT(luas_reader_next(r, &first, &v), 1);
    CHECK(v.type == LUAS_INTEGER && v.as.integer == 7);
    CHECK_INT(luas_reader_enter(r), LUAS_EINVAL);
    CHECK_INT(luas_reader_next(r, &key, &v), 1);
    check_string(&key, "tags");
    CHECK_INT(luas_reader_enter(r), 0);
    CHECK_INT(luas_reader_count(r), 3);
    CHECK_INT(luas_reader_next(r, &key, &v), 1);
    CHECK(key.type == LUAS_INTEGER && key.as.integer == 1);
    check_string(&v, "a");
    CHECK_INT(luas_reader_leave(r), 0); /* before the end */
    CHECK_INT(luas_reader_enter(r), LUAS_EINVAL);
    CHECK_INT(luas_reader_next(r, &key, &v), 1);
    CHECK(key.type == LUAS_NUMBER && key.as.number == -1.5);
    CHECK_INT(luas_reader_enter(r), 0);
    CHECK_INT(luas_reader_next(r, &key, &v), 1);
    CHECK(key.type == LUAS_BOOLEAN && key.as.boolean == 1 && v.type == LUAS_NIL);
    CHECK_INT(luas_reader_next(r, &key, &v), 0);
    CHECK_INT(luas_reader_next(r, &key, &v), 0);
    CHECK_INT(luas_reader_leave(r), 0);
    CHECK_INT(luas_reader_next(r, &key, &v), 0);
    check_string(&first, "id"); /* until the reader is closed */
    luas_reader_close(r);
    luas_writer_free(w);
}

static void test_finding_fields(void)
{
    luas_writer *w = luas_writer_new();
    luas_value sample = write_sample(w), v;
    luas_reader *r;
    CHECK_INT(luas_reader_open(&r, &sample), 0);
    CHECK_INT(luas_reader_find(r, "tags", &v), 1);
    CHECK_INT(luas_reader_enter(r), 0);
    CHECK_INT(luas_reader_find(r, "a", &v), 0); /* no field: an array */
    CHECK_INT(luas_reader_leave(r), 0);
    CHECK_INT(luas_reader_find(r, "id", &v), 1);
    CHECK_INT(v.as.integer, 7);
    CHECK_INT(luas_reader_find(r, "i", &v), 0);
    CHECK_INT(v.type, LUAS_NIL);
    CHECK_INT(luas_reader_enter(r), LUAS_EINVAL);
    CHECK_INT(luas_reader_next(r, NULL, &v), 1);
    CHECK_INT(v.as.integer, 7);
    luas_reader_close(r);
    luas_writer_free(w);
}

static void test_what_is_no_table(void)
{
    luas_value rows[] = {
        luas_nil(), luas_integer(1), luas_string("\x91\1"), {.type = LUAS_OTHER},
        {.type = LUAS_OTHER, .bytes = "\1", .len = 1}, {.type = LUAS_OTHER, .bytes = "\xd4\1\1", .len = 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        luas_reader *r = (luas_reader *)&rows;
        CHECK_INT(luas_reader_open(&r, &rows[i]), LUAS_EINVAL);
        CHECK(r == NULL);
        luas_reader_close(r);
    }
}

/* Integers beyond int64_t and extension types have no form for C, but they are there. */
static void test_foreign_values(void)
{
    static const char bytes[] = "\x94\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xd4\1\1\xca\x3f\xc0\0\0\xc4\1x";
    luas_value v = {.type = LUAS_OTHER, .bytes = bytes, .len = sizeof bytes - 1}, key;
    luas_reader *r;
    CHECK_INT(luas_reader_open(&r, &v), 0);
    CHECK(luas_reader_next(r, &key, &v) == 1 && v.type == LUAS_OTHER && v.len == 9);
    CHECK_INT(luas_reader_enter(r), LUAS_EINVAL);
    CHECK(luas_reader_next(r, &key, &v) == 1 && v.type == LUAS_OTHER && v.len == 3);
    CHECK(luas_reader_next(r, &key, &v) == 1 && v.type == LUAS_NUMBER && v.as.number == 1.5);
    CHECK(luas_reader_next(r, &key, &v) == 1);
    check_string(&v, "x");
    CHECK_INT(luas_reader_next(r, &key, &v), 0);
    luas_reader_close(r);
}

/* ---- hostile bytes ---- */

/* Memory of just that size: a checker sees each byte too far. */
static walk walk_copy(const char *bytes, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, len);
    walk w = walk_bytes(copy, len);
    CHECK(w.failure <= 0 && w.values <= 2 * (uint64_t)len);
    free(copy);
    return w;
}

static void test_every_prefix(void)
{
    luas_writer *w = luas_writer_new();
    luas_value v = write_sample(w);
    for (size_t len = 0; len < v.len; len++)
        CHECK(walk_copy(v.bytes, len).failure < 0);
    CHECK_INT(walk_copy(v.bytes, v.len).failure, 0);
    CHECK_INT(walk_copy(v.bytes, v.len).values, 2 * (3 + 3 + 1) + 1);
    luas_writer_free(w);
}

static void test_changed_bytes(void)
{
    luas_writer *w = luas_writer_new();
    luas_value v = write_sample(w);
    uint64_t seed = 1;
    char bytes[64];
    for (int i = 0; i < (under_valgrind() ? 2000 : 50000); i++) {
        memcpy(bytes, v.bytes, v.len);
        for (uint32_t k = draw(&seed, 4); k > 0; k--)
            bytes[draw(&seed, (uint32_t)v.len)] = (char)draw(&seed, 256);
        walk_copy(bytes, v.len - draw(&seed, 3));
    }
    luas_writer_free(w);
}

static void test_heads_that_promise_much(void)
{
    static const char *const heads[] = {"\xdd\xff\xff\xff\xff\1", "\xdf\xff\xff\xff\xff\1\1",
        "\x91\xdb\xff\xff\xff\xff", "\x91\xc6\x7f\xff\xff\xff", "\x91\xc9\xff\xff\xff\xff\1", "\x91\xdd\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        CHECK_INT(walk_copy(heads[i], strlen(heads[i])).failure, LUAS_EPROTO);
}

static void test_too_deep(void)
{
    char bytes[5000];
    luas_value v = {.type = LUAS_OTHER, .bytes = bytes, .len = sizeof bytes}, inner;
    luas_reader *r;
    memset(bytes, 0x91, sizeof bytes - 1);
    bytes[sizeof bytes - 1] = 1;
    CHECK_INT(luas_reader_open(&r, &v), 0);
    int depth = 1, rc = 0;
    for (; rc == 0; depth++) {
        CHECK_INT(luas_reader_next(r, NULL, &inner), 1);
        rc = luas_reader_enter(r);
    }
    CHECK_INT(rc, LUAS_EDEEP);
    CHECK_INT(depth, 1001);
    luas_reader_close(r);
}

int main(void)
{
    RUN(test_tables_are_messagepack);
    RUN(test_every_kind_of_value);
    RUN(test_values_stay_while_others_are_written);
    RUN(test_wrong_use_is_told_at_the_end);
    RUN(test_a_writer_without_memory);
    RUN(test_reading_in_order);
    RUN(test_finding_fields);
    RUN(test_what_is_no_table);
    RUN(test_foreign_values);
    RUN(test_every_prefix);
    RUN(test_changed_bytes);
    RUN(test_heads_that_promise_much);
    RUN(test_too_deep);
}
