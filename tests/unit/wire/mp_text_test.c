/* Values as text: readable, printable, cut where they are long. */
#include "mp_text.h"

#include "testing.h"

#define CHECK_STR(got, wanted) CHECK(strcmp(got, wanted) == 0)

static const char *text_of(const char *bytes, size_t len, size_t size)
{
    static char out[256];
    size_t n = luas__mp_text(bytes, len, out, size);
    CHECK(n < size);
    CHECK_INT(strlen(out), n);
    return out;
}

#define TEXT(bytes) text_of(bytes, sizeof bytes - 1, 200)

static void test_scalars(void)
{
    CHECK_STR(TEXT("\x91\x05"), "5");
    CHECK_STR(TEXT("\x93\xc0\xc3\xc2"), "nil, true, false");
    CHECK_STR(TEXT("\x91\xcb\x3f\xf8\0\0\0\0\0\0"), "1.5");
    CHECK_STR(TEXT("\x90"), "");
    CHECK_STR(TEXT(""), "");
}

static void test_a_string_alone_has_no_quotes(void)
{
    CHECK_STR(TEXT("\x91\xa3" "a.b"), "a.b");
    CHECK_STR(TEXT("\x92\xa1" "a" "\xa1" "b"), "\"a\", \"b\"");
}

static void test_tables(void)
{
    CHECK_STR(TEXT("\x91\x93\x01\x02\x03"), "{1, 2, 3}");
    CHECK_STR(TEXT("\x91\x81\xa4" "file" "\xa3" "x.c"), "{file=\"x.c\"}");
    CHECK_STR(TEXT("\x91\x81\x07\x08"), "{[7]=8}");
    CHECK_STR(TEXT("\x91\x91\x91\x91\x91\x91\x91\x01"), "{{{{{\xe2\x80\xa6");
}

static void test_what_no_terminal_should_get_is_escaped(void)
{
    CHECK_STR(TEXT("\x91\xa6" "a\n\t\x1b[m"), "a\\n\\t\\x1b[m");
    CHECK_STR(TEXT("\x91\xc4\x02\xff\x80"), "\\xff\\x80");
    CHECK_STR(TEXT("\x91\xc4\x03\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* a surrogate */
    CHECK_STR(TEXT("\x91\xa2\xc2\x9b"), "\\xc2\\x9b");                /* CSI */
    CHECK_STR(TEXT("\x91\xa2\xc3\xa9"), "\xc3\xa9");
}

static void test_long_text_is_cut_between_characters(void)
{
    static const char e[] = "\x91\xa8\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9";
    CHECK_STR(text_of(e, sizeof e - 1, 9), "\xc3\xa9\xc3\xa9\xe2\x80\xa6");
    CHECK_STR(text_of(e, sizeof e - 1, 4), "\xe2\x80\xa6");
}

static void test_a_broken_message_gives_what_there_is(void)
{
    CHECK_STR(TEXT("\x92\x01"), "1, \xe2\x80\xa6");
    CHECK_STR(TEXT("\x91\xd9\xff" "x"), "\xe2\x80\xa6");
}

static void test_json(void)
{
    char out[64];
    CHECK_INT(luas__mp_text_json("a\"b\\\x01", out, sizeof out), 12);
    CHECK_STR(out, "a\\\"b\\\\\\u0001");
    luas__mp_text_json("\xc3\xa9\xc3\xa9\xc3\xa9", out, 8);
    CHECK_STR(out, "\xc3\xa9\xe2\x80\xa6");
}

int main(void)
{
    RUN(test_scalars);
    RUN(test_a_string_alone_has_no_quotes);
    RUN(test_tables);
    RUN(test_what_no_terminal_should_get_is_escaped);
    RUN(test_long_text_is_cut_between_characters);
    RUN(test_a_broken_message_gives_what_there_is);
    RUN(test_json);
    return 0;
}
