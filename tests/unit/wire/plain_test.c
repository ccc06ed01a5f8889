/* Every row of the wire format as plain MessagePack, or the words why not; and the bounds. */
#include "plain.h"

#include "error.h"
#include "msgpack_text.h"
#include "wire_notation.h"

static luas__plain plain;
static luas__buffer message, out, words;

static const char *explained(const char *place)
{
    luas__buffer_truncate(&words, 0);
    CHECK_INT(luas__plain_explain(&plain, place, &words), 0);
    CHECK_INT(luas__buffer_append(&words, "", 1), 0);
    return luas__buffer_bytes(&words);
}

static void release(void)
{
    luas__plain_release(&plain);
    luas__buffer_release(&message);
    luas__buffer_release(&out);
    luas__buffer_release(&words);
}

/* All values of the message, one after the other in the output. */
static int convert(bool is_array)
{
    luas__buffer_truncate(&out, 0);
    int count = luas__plain_open(&plain, notation_bytes(&message), message.len, is_array);
    int rc = count < 0 ? count : 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = luas__plain_next(&plain, &out);
    return rc == 0 ? luas__plain_end(&plain) : rc;
}

static const char *output(void)
{
    return msgpack_text(luas__buffer_bytes(&out), out.len);
}

/* The message, which is an array of one value, gives this. */
static void gives(const char *text, const char *wanted)
{
    write_notation(&message, text);
    int rc = convert(true);
    if (rc < 0)
        fprintf(stderr, "%s\n", explained(text));
    CHECK_INT(rc, 0);
    CHECK_TEXT(output(), wanted);
}

static void refuses(const char *text, int code, const char *wanted)
{
    write_notation(&message, text);
    CHECK_INT(convert(true), code);
    CHECK_INT(out.len, 0);
    CHECK_TEXT(explained("result 1"), wanted);
}

static void refuses_message(const char *bytes, size_t len)
{
    luas__buffer_truncate(&message, 0);
    CHECK_INT(luas__buffer_append(&message, bytes, len), 0);
    CHECK_INT(convert(true), LUAS_EPROTO);
    CHECK(strstr(explained(""), "malformed message") != NULL);
}

/* ---- what is plain already ---- */

static void test_plain_values_stay_as_they_are(void)
{
    static const char values[] =
        "\x9f\xc0\xc2\xc3\x07\xe0\xcc\xff\xd3\x80\0\0\0\0\0\0\0\xcb\x7f\xf0\0\0\0\0\0\0"
        "\xca\x3f\xc0\0\0\xa2""ab\xd9\2cd\xc4\2\xff\0\x90\x80"
        "\x82\xa1x\x93\1\2\3\xcb\x3f\xf8\0\0\0\0\0\0\x81\x91\1\2";
    CHECK_INT(luas__buffer_append(&message, values, sizeof values - 1), 0);
    CHECK_INT(convert(true), 0);
    CHECK_INT(out.len, sizeof values - 2);
    CHECK_BYTES(luas__buffer_bytes(&out), values + 1, out.len);
    gives("[[1 -1 300 -300 70000 2.5 nil true \"x\" b\"y\" {1 {\"a\" []}}]]",
          "[1, -1, 300, -300, 70000, 2.5, nil, true, \"x\", <79>, {1: {\"a\": []}}]");
    release();
}

static void test_one_value_that_is_no_array(void)
{
    write_notation(&message, "[[]]");
    CHECK_INT(convert(false), 0);
    CHECK_TEXT(output(), "[[]]");
    write_notation(&message, "SHARED([[1] REF 1])"); /* here the outermost table is object 0 */
    CHECK_INT(convert(false), 0);
    CHECK_TEXT(output(), "[[1], [1]]");
    write_notation(&message, "7");
    CHECK_INT(convert(false), 0);
    CHECK_TEXT(output(), "7");
    release();
}

/* ---- references ---- */

static void test_what_stands_several_times_is_given_each_time(void)
{
    gives("SHARED([[[] REF 1]])", "[[], []]");
    gives("SHARED([[{\"x\" [1]} REF2 2 REF4 1 REF 2]])", "[{\"x\": [1]}, [1], {\"x\": [1]}, [1]]");
    gives("SHARED([{[1] [[2] REF 1]}])", "{[1]: [[2], [1]]}");
    gives("SHARED([{1 [1] REF 1 REF 1}])", "{1: [1], [1]: [1]}");
    gives("SHARED([[{\"a\" 1} {\"b\" REF 1} [REF 2 REF 1]]])",
          "[{\"a\": 1}, {\"b\": {\"a\": 1}}, [{\"b\": {\"a\": 1}}, {\"a\": 1}]]");
    release();
}

static void test_values_share_with_one_another(void)
{
    write_notation(&message, "SHARED([[1] \"x\" REF 0])");
    CHECK_INT(luas__plain_open(&plain, notation_bytes(&message), message.len, true), 3);
    for (int i = 0; i < 3; i++) { /* the caller puts something of its own in between */
        size_t from = out.len;
        CHECK_INT(luas__plain_next(&plain, &out), 0);
        CHECK_TEXT(msgpack_text(luas__buffer_bytes(&out) + from, out.len - from),
                   i == 1 ? "\"x\"" : "[1]");
        CHECK_INT(luas__buffer_append(&out, "between", 7), 0);
    }
    CHECK_INT(luas__plain_end(&plain), 0);
    release();
}

static void test_what_refers_to_itself(void)
{
    refuses("SHARED([{\"self\" REF 0}])", LUAS_EUNSENT,
            "result 1, field \"self\": refers to itself");
    refuses("SHARED([{\"a\" [1 {\"b\" REF 1}]}])", LUAS_EUNSENT,
            "result 1, field \"a\"[2].b: refers to itself");
    refuses("SHARED([{REF 0 1}])", LUAS_EUNSENT, "result 1, key: refers to itself");
    refuses("SHARED([[{[1] REF 0}]])", LUAS_EUNSENT, "result 1, [1][table]: refers to itself");
    refuses("SHARED([[{1.5 {true {\"no name\" REF 0}}}]])", LUAS_EUNSENT,
            "result 1, [1][1.5][true][\"no name\"]: refers to itself");
    refuses("SHARED([OBJECT({\"self\" REF 0} nil)])", LUAS_EUNSENT,
            "result 1, field \"self\": refers to itself");
    refuses("SHARED([PACKED([1 REF 0] nil)])", LUAS_EUNSENT,
            "result 1, value of __luas_pack 2: refers to itself");
    release();
}

/* ---- classes ---- */

static void test_objects_are_their_tables(void)
{
    gives("[OBJECT({\"x\" 1} nil)]", "{\"x\": 1}");
    gives("[[OBJECT([1 2] {\"__index\" {}}) OBJECT({} STANDARD('(string)')) 3]]", "[[1, 2], {}, 3]");
    gives("[{OBJECT([1] nil) OBJECT([OBJECT([2] nil)] NAME(\"m\" \"C\"))}]", "{[1]: [[2]]}");
    gives("SHARED([[OBJECT([1] {}) [2] REF 3 REF 1]])", "[[1], [2], [2], [1]]");
    release();
}

static void test_packed_objects_are_what_they_packed(void)
{
    gives("[PACKED([7] nil)]", "7");
    gives("[PACKED([{\"x\" 1}] nil)]", "{\"x\": 1}");
    gives("[PACKED([PACKED([\"deep\"] nil)] nil)]", "\"deep\"");
    gives("[PACKED([1 nil \"x\"] nil)]", "[1, nil, \"x\"]");
    gives("[PACKED([] nil)]", "[]");
    gives("[[PACKED([1] {\"__name\" \"C\"}) 2 PACKED([[3]] nil)]]", "[1, 2, [3]]");
    /* The array of values has no number, but a table among them does. */
    gives("SHARED([[PACKED([[1] 2] {}) REF 2 REF 1]])", "[[[1], 2], [1], [[1], 2]]");
    gives("SHARED([[PACKED([\"s\"] nil) REF 1]])", "[\"s\", \"s\"]");
    release();
}

/* What first stood in a class was left out there. */
static void test_references_into_what_was_left_out(void)
{
    gives("SHARED([[OBJECT([1] {\"list\" [2 [3]]}) REF 3 REF 4]])", "[[1], [2, [3]], [3]]");
    gives("SHARED([[OBJECT([1] {\"list\" [2 [3]]}) REF 4 REF 3 REF 2]])",
          "[[1], [3], [2, [3]], {\"list\": [2, [3]]}]");
    gives("SHARED([[PACKED([1] {\"o\" OBJECT([2] nil) \"p\" PACKED([3] nil)}) REF 3 REF 4]])",
          "[1, [2], 3]");
    refuses("SHARED([[OBJECT([1] {\"o\" [{\"self\" REF 3}]}) 5 REF 2]])", LUAS_EUNSENT,
            "result 1, [3].o[1].self: refers to itself");
    refuses("SHARED([[OBJECT([1] {\"f\" FUNCTION(b\"code\" [2])}) REF 4 REF 3]])", LUAS_EUNSENT,
            "result 1, [3]: a function has no plain form");
    release();
}

static void test_null_is_nil(void)
{
    gives("[LIGHT()]", "nil");
    gives("[[1 LIGHT() {\"x\" LIGHT() \"y\" LIGHT()}]]", "[1, nil, {\"x\": nil, \"y\": nil}]");
    gives("SHARED([[[LIGHT()] LIGHT() REF 1]])", "[[nil], nil, [nil]]");
    release();
}

/* ---- what has no plain form ---- */

static void test_what_has_no_plain_form(void)
{
    refuses("[FUNCTION(b\"code\")]", LUAS_EUNSENT, "result 1: a function has no plain form");
    refuses("[{\"f\" FUNCTION(b\"code\" 1 CELL 0 UPVALUE 257)}]", LUAS_EUNSENT,
            "result 1, field \"f\": a function has no plain form");
    refuses("[[GLOBALS()]]", LUAS_EUNSENT, "result 1, [1]: the globals have no plain form");
    refuses("[STANDARD('print')]", LUAS_EUNSENT,
            "result 1: what is known by its name has no plain form");
    refuses("[NAME(\"m\" \"f\")]", LUAS_EUNSENT,
            "result 1: what is known by its name has no plain form");
    refuses("[SPACE 3]", LUAS_EUNSENT, "result 1: what is known by its name has no plain form");
    refuses("[{\"x\" LIGHT(1)}]", LUAS_EUNSENT, "result 1, field \"x\": light userdata has no plain form");
    refuses("[{LIGHT() 1}]", LUAS_EUNSENT, "result 1, key: light userdata has no plain form");
    refuses("[[1 [OBJECT([1 GLOBALS()] nil)]]]", LUAS_EUNSENT,
            "result 1, [2][1][2]: the globals have no plain form");
    release();
}

static void test_what_no_worker_sends(void)
{
    static const char *const texts[] = {
        "7", "{}", "nil", "[1] 2", "[REF 0]", "SHARED([[REF 1]])", "SHARED([[REF 2 []]])",
        "SHARED([[[] REF3 1]])", "SHARED([[[] REF(1 1 1)]])", "SHARED([[[] REF8 1]])", "[CELL 0]",
        "[UPVALUE 1]", "[UNKNOWN 1]", "[[SHARED([1])]]", "SHARED(SHARED([1]))", "SHARED()",
        "[OBJECT(1 nil)]", "[OBJECT()]", "[OBJECT(OBJECT([1] nil) nil)]", "[PACKED({} nil)]",
        "[PACKED()]", "[PACKED(PACKED([1] nil) nil)]", "SHARED([1]) 2", "SHARED([1] 2)",
        "[OBJECT('\x92\1') 2]", "[PACKED('\x93\1') 2 3]", "['\xc1']", "['\xa5xy']", "['\xdd\xff\xff\xff\xff']", "['\xdf\xff\xff\xff\xff']", "['\x92\1']",
        "'\xdd\xff\xff\xff\xff' 1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_notation(&message, texts[i]);
        CHECK_INT(convert(true), LUAS_EPROTO);
        CHECK(strstr(explained(""), "malformed message") != NULL);
    }
    refuses_message("", 0);
    refuses_message("\xcf\x80\0\0\0\0\0\0\0", 9);
    refuses_message("\x91\xcf\x80\0\0\0\0\0\0\0", 10);
    refuses_message("\x91\x92\1\xcf\x80\0\0\0\0\0\0\0", 12);
    release();
}

/* Whatever a message is cut to, it is refused or plain. */
static void test_messages_cut_short(void)
{
    static const char text[] = "SHARED([[OBJECT({\"x\" [1]} {\"__index\" {}}) PACKED([REF 2 2.5] nil)"
                               " {REF 1 REF 3}] b\"x\"])";
    luas__buffer whole = LUAS__BUFFER_INIT;
    write_notation(&whole, text);
    for (size_t len = 0; len < whole.len; len++)
        for (size_t from = 0; from <= 6; from += 6) { /* with references, and as if without */
            luas__buffer_truncate(&message, 0);
            if (from < len)
                CHECK_INT(luas__buffer_append(&message, luas__buffer_bytes(&whole) + from,
                                              len - from), 0);
            CHECK(convert(true) < 0);
        }
    luas__buffer_release(&whole);
    release();
}

/* ---- bounds ---- */

/* Tables within each other, `depth` of them. */
static void write_deep(int depth)
{
    write_notation(&message, "[0]");
    message.len--;
    for (int i = 0; i < depth; i++)
        CHECK_INT(luas__buffer_append(&message, "\x91", 1), 0);
    CHECK_INT(luas__buffer_append(&message, "\xc0", 1), 0);
}

static void test_depth(void)
{
    write_deep(LUAS__PLAIN_DEPTH);
    CHECK_INT(convert(true), 0);
    CHECK_INT(out.len, LUAS__PLAIN_DEPTH + 1);
    for (int depth = LUAS__PLAIN_DEPTH + 1; depth < 1 << 20; depth *= 8) {
        write_deep(depth);
        CHECK_INT(convert(true), LUAS_EDEEP);
        const char *text = explained("result 1");
        CHECK(strstr(text, "result 1, [1][1]") == text && strlen(text) < 200);
        CHECK(strstr(text, "[1] ...[1]") != NULL && strstr(text, ": value nested too deeply") != NULL);
    }
    release();
}

/* The message is these bytes, with references. Releases them. */
static void write_shared(luas__buffer *content)
{
    luas__buffer_truncate(&message, 0);
    CHECK_INT(luas__mp_write_ext(&message, WIRE_SHARED, (uint32_t)content->len), 0);
    notation_append(&message, luas__buffer_bytes(content), content->len);
    luas__buffer_release(content);
}

/* [[1], [REF to the one before], [REF to that] ...]: each is one deeper. */
static void test_depth_by_references(void)
{
    for (int n = LUAS__PLAIN_DEPTH - 1; n <= LUAS__PLAIN_DEPTH; n++) {
        luas__buffer list = LUAS__BUFFER_INIT;
        CHECK_INT(luas__mp_write_array(&list, 1), 0);
        CHECK_INT(luas__mp_write_array(&list, (uint32_t)n), 0);
        notation_append(&list, "\x91\1", 2);
        for (int i = 1; i < n; i++) {
            unsigned char item[] = {0x91, 0xd5, WIRE_REF, (unsigned char)(i >> 8), (unsigned char)i};
            notation_append(&list, item, sizeof item);
        }
        write_shared(&list);
        CHECK_INT(convert(true), n < LUAS__PLAIN_DEPTH ? 0 : LUAS_EDEEP);
    }
    release();
}

/* Each table has the one before twice: 2^n, were there no bound. */
static void write_doubling(int n)
{
    luas__buffer list = LUAS__BUFFER_INIT;
    CHECK_INT(luas__mp_write_array(&list, 1), 0);
    CHECK_INT(luas__mp_write_long_array(&list, (uint32_t)n), 0);
    notation_append(&list, "\x90", 1);
    for (int i = 1; i < n; i++) {
        unsigned char item[] = {0x92, 0xd4, WIRE_REF, (unsigned char)i, 0xd4, WIRE_REF,
                                (unsigned char)i};
        notation_append(&list, item, sizeof item);
    }
    write_shared(&list);
}

static void test_size(void)
{
    write_doubling(16);
    CHECK_INT(convert(true), 0);
    CHECK_INT(out.len, 3 + (1 << 17) - 2 - 16);
    write_doubling(200);
    CHECK_INT(convert(true), LUAS_ETOOBIG);
    CHECK(strstr(explained("result 1"), ": too large, as a table that stands in it several times "
                                        "is given each time") != NULL);
    CHECK(out.cap <= 4 * (size_t)LUAS__PLAIN_MORE);
    release();
}

/* What is within each other in a class, referred to from the inside out: each is given with all
   that is in it. */
static void test_size_of_what_was_left_out(void)
{
    enum { DEPTH = 150 };
    luas__buffer text = LUAS__BUFFER_INIT;
    char reference[16];
    notation_append(&text, "SHARED([[OBJECT([] ", 19);
    for (int i = 0; i < DEPTH; i++)
        notation_append(&text, "[", 1);
    for (int i = 0; i < DEPTH; i++)
        notation_append(&text, "]", 1);
    notation_append(&text, ")", 1);
    for (int i = DEPTH; i > 0; i--)
        notation_append(&text, reference, (size_t)snprintf(reference, sizeof reference, " REF %d", i + 1));
    notation_append(&text, "]])", 4);
    write_notation(&message, luas__buffer_bytes(&text));
    luas__buffer_release(&text);
    CHECK_INT(convert(true), 0);
    CHECK_INT(out.len, 5 + 5 + 5 * DEPTH * (DEPTH + 1) / 2);
    release();
}

int main(void)
{
    RUN(test_plain_values_stay_as_they_are);
    RUN(test_one_value_that_is_no_array);
    RUN(test_what_stands_several_times_is_given_each_time);
    RUN(test_values_share_with_one_another);
    RUN(test_what_refers_to_itself);
    RUN(test_objects_are_their_tables);
    RUN(test_packed_objects_are_what_they_packed);
    RUN(test_references_into_what_was_left_out);
    RUN(test_null_is_nil);
    RUN(test_what_has_no_plain_form);
    RUN(test_what_no_worker_sends);
    RUN(test_messages_cut_short);
    RUN(test_depth);
    RUN(test_depth_by_references);
    RUN(test_size);
    RUN(test_size_of_what_was_left_out);
}
