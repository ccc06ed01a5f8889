/* Frames arrive whole or not at all, however the bytes were cut. */
#include "frame.h"

#include "error.h"
#include "testing.h"

static void write_text(luas__buffer *b, enum luas__message code, const char *text, size_t len)
{
    size_t mark;
    CHECK_INT(luas__frame_begin(b, code, &mark), 0);
    CHECK_INT(luas__mp_write_string(b, text, len), 0);
    CHECK_INT(luas__frame_end(b, mark), 0);
}

/* Three frames of different kinds, one with an empty string. */
static void write_three(luas__buffer *b)
{
    CHECK_INT(luas__frame_write(b, LUAS__MSG_JOB, (int64_t[]){7, -1, INT64_MIN}, 3), 0);
    write_text(b, LUAS__MSG_FAILED, "", 0);
    CHECK_INT(luas__frame_write(b, LUAS__MSG_READY, NULL, 0), 0);
}

static int64_t read_int(luas__mp_reader *body)
{
    int64_t value = -1;
    CHECK_INT(luas__mp_read_int(body, &value), 0);
    return value;
}

static void check_job(luas__mp_reader *body)
{
    CHECK_INT(read_int(body), LUAS__MSG_JOB);
    CHECK_INT(read_int(body), 7);
    CHECK_INT(read_int(body), -1);
    CHECK_INT(read_int(body), INT64_MIN);
    CHECK(body->at == body->end);
}

static void check_failed(luas__mp_reader *body)
{
    luas__mp_token token;
    CHECK_INT(read_int(body), LUAS__MSG_FAILED);
    CHECK_INT(luas__mp_read(body, &token), 1);
    CHECK_INT(token.type, MP_STR);
    CHECK_INT(token.len, 0);
    CHECK(body->at == body->end);
}

static void check_ready(luas__mp_reader *body)
{
    CHECK_INT(read_int(body), LUAS__MSG_READY);
    CHECK(body->at == body->end);
}

static void take_three(luas__buffer *b, int *taken)
{
    static void (*const checks[])(luas__mp_reader *) = {check_job, check_failed, check_ready};
    luas__mp_reader body;
    while (luas__frame_peek(b, &body)) {
        CHECK(*taken < 3);
        checks[(*taken)++](&body);
        luas__frame_drop(b);
    }
}

static void test_split_at_every_byte(void)
{
    luas__buffer all = LUAS__BUFFER_INIT;
    write_three(&all);
    for (size_t cut = 0; cut <= all.len; cut++) {
        luas__buffer b = LUAS__BUFFER_INIT;
        int taken = 0;
        CHECK_INT(luas__buffer_append(&b, luas__buffer_bytes(&all), cut), 0);
        take_three(&b, &taken);
        CHECK_INT(luas__buffer_append(&b, luas__buffer_bytes(&all) + cut, all.len - cut), 0);
        take_three(&b, &taken);
        CHECK_INT(taken, 3);
        CHECK_INT(b.len, 0);
        luas__buffer_release(&b);
    }
    luas__buffer_release(&all);
}

static void test_byte_by_byte(void)
{
    luas__buffer all = LUAS__BUFFER_INIT, b = LUAS__BUFFER_INIT;
    int taken = 0;
    write_three(&all);
    for (size_t i = 0; i < all.len; i++) {
        CHECK_INT(luas__buffer_append(&b, luas__buffer_bytes(&all) + i, 1), 0);
        take_three(&b, &taken);
    }
    CHECK_INT(taken, 3);
    luas__buffer_release(&all);
    luas__buffer_release(&b);
}

/* Writing at the end while the front is read does not disturb either. */
static void test_written_while_read(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__mp_reader body;
    char text[300];
    memset(text, 'x', sizeof text);
    for (int64_t written = 0, read = 0; read < 2000;) {
        while (written < read + 7 && written < 2000) {
            CHECK_INT(luas__frame_write(&b, LUAS__MSG_FORGET, &written, 1), 0);
            write_text(&b, LUAS__MSG_FAILED, text, (size_t)(written++ % 300));
        }
        CHECK_INT(luas__frame_peek(&b, &body), 1);
        CHECK_INT(read_int(&body), LUAS__MSG_FORGET);
        CHECK_INT(read_int(&body), read);
        luas__frame_drop(&b);
        CHECK_INT(luas__frame_peek(&b, &body), 1);
        CHECK_INT(read_int(&body), LUAS__MSG_FAILED);
        luas__frame_drop(&b);
        read++;
    }
    CHECK_INT(b.len, 0);
    luas__buffer_release(&b);
}

static void test_empty_and_endless_bodies(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__mp_reader body;
    CHECK_INT(luas__buffer_append(&b, "\0\0\0\0", 4), 0);
    CHECK_INT(luas__frame_peek(&b, &body), 1);
    CHECK(body.at == body.end);
    luas__frame_drop(&b);
    CHECK_INT(b.len, 0);
    CHECK_INT(luas__buffer_append(&b, "\xff\xff\xff\xff rest", 9), 0);
    CHECK_INT(luas__frame_peek(&b, &body), 0);
    CHECK(b.cap < 4096); /* nothing is set aside for what was only announced */
    luas__buffer_release(&b);
}

/* As if 4 GiB had been appended: only lengths are looked at. */
static void test_oversize_is_refused_and_gone(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    size_t mark;
    CHECK_INT(luas__frame_write(&b, LUAS__MSG_READY, NULL, 0), 0);
    size_t before = b.len;
    CHECK_INT(luas__frame_begin(&b, LUAS__MSG_DEFINITION, &mark), 0);
    CHECK_INT(mark, before);
    b.len = mark + LUAS__FRAME_HEAD + (size_t)LUAS__FRAME_MAX + 1;
    CHECK_INT(luas__frame_end(&b, mark), LUAS_ETOOBIG);
    CHECK_INT(b.len, before);
    luas__buffer_release(&b);
}

static void write_outcome(luas__buffer *b, enum luas__message code, uint32_t seq,
                          const char *text)
{
    size_t mark;
    CHECK_INT(luas__frame_begin_outcome(b, code, seq, &mark), 0);
    CHECK_INT(luas__buffer_append(b, text, strlen(text)), 0);
    CHECK_INT(luas__frame_end(b, mark), 0);
}

/* What outcomes begin with is read by the ordinary reader, too. */
static void test_outcomes_are_frames(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__mp_reader body;
    write_outcome(&b, LUAS__MSG_ERROR, UINT32_MAX, "x");
    CHECK_INT(luas__frame_peek(&b, &body), 1);
    CHECK_INT(read_int(&body), LUAS__MSG_ERROR);
    CHECK_INT(read_int(&body), UINT32_MAX);
    CHECK_INT(body.end - body.at, 1);
    luas__buffer_release(&b);
}

/* Values 7 and 8, an error, value 10. */
static void write_outcomes(luas__buffer *b)
{
    write_outcome(b, LUAS__MSG_VALUE, 7, "seven");
    write_outcome(b, LUAS__MSG_VALUE, 8, "");
    write_outcome(b, LUAS__MSG_ERROR, 9, "nine");
    write_outcome(b, LUAS__MSG_VALUE, 10, "ten");
}

static void test_a_run_of_values_ends_where_it_must(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    size_t len;
    uint32_t size;
    write_outcomes(&b);
    CHECK_INT(luas__frame_values(&b, 7, 100, &len), 2);
    CHECK_INT(len, 2 * LUAS__OUTCOME_HEAD + 5);
    CHECK_INT(luas__frame_values(&b, 7, 1, &len), 1);
    CHECK_INT(luas__frame_values(&b, 8, 100, &len), 0);
    CHECK_INT(luas__frame_values(&b, 7, 0, &len), 0);
    CHECK_INT(len, 0);
    const char *at = luas__buffer_bytes(&b);
    const char *seven = luas__frame_next_value(&at, &size);
    CHECK(size == 5 && memcmp(seven, "seven", 5) == 0);
    luas__frame_next_value(&at, &size);
    CHECK_INT(size, 0);
    luas__buffer_consume(&b, (size_t)(at - luas__buffer_bytes(&b)));
    CHECK_INT(luas__frame_values(&b, 9, 100, &len), 0);
    luas__frame_drop(&b);
    CHECK_INT(luas__frame_values(&b, 10, 100, &len), 1);
    luas__buffer_release(&b);
}

/* What has not arrived whole does not count, wherever it is cut. */
static void test_a_run_of_values_is_whole(void)
{
    luas__buffer all = LUAS__BUFFER_INIT;
    size_t len, first = LUAS__OUTCOME_HEAD + 5;
    write_outcomes(&all);
    for (size_t cut = 0; cut < 2 * LUAS__OUTCOME_HEAD + 5; cut++) {
        luas__buffer b = LUAS__BUFFER_INIT;
        CHECK_INT(luas__buffer_append(&b, luas__buffer_bytes(&all), cut), 0);
        CHECK_INT(luas__frame_values(&b, 7, 100, &len), cut >= first);
        CHECK_INT(len, cut >= first ? first : 0);
        luas__buffer_release(&b);
    }
    luas__buffer_release(&all);
}

static void append_short(luas__buffer *b, uint32_t seq, const char *text)
{
    char head[LUAS__SHORT_HEAD];
    luas__frame_put_short(head, seq, strlen(text));
    CHECK_INT(luas__buffer_append(b, head, sizeof head), 0);
    CHECK_INT(luas__buffer_append(b, text, strlen(text)), 0);
}

/* A run has both forms, and ends with a short one that is not of the next task. */
static void test_short_values_are_in_the_run(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    size_t len;
    uint32_t size;
    append_short(&b, 255, "x");
    write_outcome(&b, LUAS__MSG_VALUE, 256, "long");
    append_short(&b, 257, "y");
    append_short(&b, 257, "again");
    CHECK_INT(luas__frame_values(&b, 255, 100, &len), 3);
    const char *at = luas__buffer_bytes(&b), *from = at;
    CHECK(*luas__frame_next_value(&at, &size) == 'x' && size == 1);
    CHECK(*luas__frame_next_value(&at, &size) == 'l' && size == 4);
    CHECK(*luas__frame_next_value(&at, &size) == 'y' && size == 1);
    CHECK_INT((size_t)(at - from), len);
    luas__buffer_consume(&b, len);
    CHECK_INT(luas__frame_values(&b, 258, 100, &len), 0);
    CHECK(luas__frame_has_short(&b));
    luas__buffer_release(&b);
}

static uint32_t count_values(luas__buffer *b, uint32_t first, uint32_t most, size_t *longest)
{
    uint32_t total = 0, n;
    size_t len;
    for (*longest = 0; (n = luas__frame_values(b, first + total, most, &len)) > 0; total += n) {
        *longest = len > *longest ? len : *longest;
        CHECK(n <= most);
        luas__buffer_consume(b, len);
    }
    return total;
}

/* However their sizes and forms follow one another, none is passed over or taken
   twice, and no run is longer than what may be taken at a time. */
static void test_long_runs_of_any_sizes(void)
{
    static const char text[] = "0123456789";
    enum { VALUES = 200000, LIMIT = 1 << 18 };
    const uint32_t first = UINT32_MAX - 1000, most[] = {VALUES, 7, 1};
    char longer[300];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    for (size_t round = 0; round < sizeof most / sizeof *most; round++) {
        luas__buffer b = LUAS__BUFFER_INIT;
        size_t longest;
        for (uint32_t i = 0; i < VALUES; i++) {
            uint32_t seq = first + i;
            if (i % 1000 == 999)
                write_outcome(&b, LUAS__MSG_VALUE, seq, longer);
            else
                append_short(&b, seq, text + (i / 50 % 3 == 0 ? i % 10 : 5));
        }
        CHECK_INT(count_values(&b, first, most[round], &longest), VALUES);
        CHECK_INT(b.len, 0);
        CHECK(longest <= LIMIT);
        luas__buffer_release(&b);
    }
}

/* Cut anywhere it is neither a value nor anything else yet; one without results is
   nonsense from its head on. */
static void test_a_short_value_is_whole(void)
{
    luas__buffer all = LUAS__BUFFER_INIT;
    luas__mp_reader body;
    size_t len;
    CHECK(!luas__frame_has_short(&all));
    append_short(&all, 9, "nine");
    for (size_t cut = 0; cut <= all.len; cut++) {
        luas__buffer b = LUAS__BUFFER_INIT;
        CHECK_INT(luas__buffer_append(&b, luas__buffer_bytes(&all), cut), 0);
        CHECK_INT(luas__frame_values(&b, 9, 100, &len), cut == all.len);
        CHECK_INT(luas__frame_has_short(&b), cut == all.len);
        CHECK_INT(luas__frame_peek(&b, &body), 0);
        luas__buffer_release(&b);
    }
    luas__buffer_truncate(&all, 0);
    append_short(&all, 9, "");
    CHECK_INT(luas__frame_values(&all, 9, 100, &len), 0);
    CHECK(luas__frame_has_short(&all));
    luas__buffer_release(&all);
}

/* Of a frame only what is a value of 1 to 127 bytes, and it ends where it did. */
static void test_frames_are_shortened(void)
{
    static const struct { enum luas__message code; size_t n; int shortened; } cases[] = {
        {LUAS__MSG_VALUE, 0, 0}, {LUAS__MSG_VALUE, 1, 1}, {LUAS__MSG_VALUE, 127, 1}, {LUAS__MSG_VALUE, 128, 0},
        {LUAS__MSG_ERROR, 5, 0}};
    char text[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        luas__buffer b = LUAS__BUFFER_INIT;
        size_t len, whole;
        memset(text, 'x', sizeof text);
        text[cases[i].n] = '\0';
        write_outcome(&b, cases[i].code, 0x1234, text);
        whole = b.len;
        char *frame = luas__frame_shorten(luas__buffer_bytes(&b), whole);
        luas__buffer_consume(&b, (size_t)(frame - luas__buffer_bytes(&b)));
        CHECK_INT(luas__frame_has_short(&b), cases[i].shortened);
        CHECK_INT(b.len, cases[i].shortened ? cases[i].n + LUAS__SHORT_HEAD : whole);
        CHECK_INT(luas__frame_values(&b, 0x1234, 1, &len), cases[i].code == LUAS__MSG_VALUE);
        CHECK_INT(luas__frame_values(&b, 0x1235, 1, &len), 0);
        luas__buffer_release(&b);
    }
}

/* ---- strings, which frames are full of ---- */

/* The type that they are written as; all of them come back. */
static int type_of(const char *bytes, size_t len)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__mp_token token;
    CHECK_INT(luas__mp_write_string(&b, bytes, len), 0);
    luas__mp_reader r = {(unsigned char *)luas__buffer_bytes(&b),
                         (unsigned char *)luas__buffer_end(&b)};
    CHECK_INT(luas__mp_read(&r, &token), 1);
    CHECK(r.at == r.end && token.len == len && memcmp(token.bytes, bytes, len) == 0);
    luas__buffer_release(&b);
    return token.type;
}

/* One character of two bytes, and then its first half alone, at each place where
   strings of that length are looked at and copied in pieces. */
static void check_length(char *bytes, size_t len)
{
    const size_t places[] = {0, 1, 31, 8190, 8191, 8192, 8193, 16383, 16384, 65535, len - 2, len - 1};
    CHECK_INT(type_of(bytes, len), MP_STR);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (places[i] >= len)
            continue;
        char *at = bytes + places[i];
        *at = (char)0xc3;
        CHECK_INT(type_of(bytes, len), MP_BIN);
        if (places[i] + 1 < len) {
            at[1] = (char)0xa9;
            CHECK_INT(type_of(bytes, len), MP_STR);
            at[1] = 'x';
        }
        *at = 'x';
    }
}

static void test_strings_of_any_length_are_text_or_bytes(void)
{
    static const size_t lengths[] = {0, 1, 2, 31, 32, 255, 256, 8191, 8192, 8193, 8194, 16384, 16385,
                                     65535, 65536, 70000};
    char *bytes = malloc(70000);
    CHECK(bytes != NULL);
    memset(bytes, 'x', 70000);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_length(bytes, lengths[i]);
    free(bytes);
}

int main(void)
{
    RUN(test_strings_of_any_length_are_text_or_bytes);
    RUN(test_short_values_are_in_the_run);
    RUN(test_long_runs_of_any_sizes);
    RUN(test_a_short_value_is_whole);
    RUN(test_frames_are_shortened);
    RUN(test_outcomes_are_frames);
    RUN(test_a_run_of_values_ends_where_it_must);
    RUN(test_a_run_of_values_is_whole);
    RUN(test_split_at_every_byte);
    RUN(test_byte_by_byte);
    RUN(test_written_while_read);
    RUN(test_empty_and_endless_bodies);
    RUN(test_oversize_is_refused_and_gone);
}
