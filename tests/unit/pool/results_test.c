/*
 * Outcomes as a C application gets them: each value with its type, what cannot be
 * given as an error that says so, any bytes without a crash, and memory that runs out.
 */
#include "results.h"

#include <dirent.h>

#include "error.h"
#include "failing_malloc.h"
#include "msgpack_text.h"
#include "wire_notation.h"

static luas__results results;
static luas__buffer payload;

static void release(void)
{
    luas__results_release(&results);
    luas__buffer_release(&payload);
}

static int read_payload(int kind)
{
    return luas__results_read(&results, kind, notation_bytes(&payload), payload.len);
}

/* There is a message, and it is the value too. */
static void check_message(const char *message)
{
    CHECK_TEXT(results.message, message);
    CHECK_TEXT(results.traceback, "");
    CHECK_INT(results.count, 1);
    CHECK_INT(results.values[0].type, LUAS_STRING);
    CHECK_INT(results.values[0].len, strlen(message));
    CHECK_TEXT(results.values[0].bytes, message);
}

static void reads(int kind, const char *notation, int as, const char *values, const char *message,
                  const char *traceback)
{
    write_notation(&payload, notation);
    CHECK_INT(read_payload(kind), as);
    CHECK_TEXT(values_text(results.values, results.count), values);
    CHECK_TEXT(results.message, message);
    CHECK_TEXT(results.traceback, traceback);
}

static void gives(const char *notation, const char *values)
{
    reads(LUAS__KIND_VALUE, notation, LUAS__KIND_VALUE, values, "", "");
}

/* The results cannot be given. */
static void refuses(const char *notation, const char *message)
{
    write_notation(&payload, notation);
    CHECK_INT(read_payload(LUAS__KIND_VALUE), LUAS__KIND_ERROR);
    check_message(message);
}

static void raises(const char *notation, const char *values, const char *message,
                   const char *traceback)
{
    reads(LUAS__KIND_ERROR, notation, LUAS__KIND_ERROR, values, message, traceback);
}

/* ---- results ---- */

static void test_each_type(void)
{
    gives("[]", "");
    gives("[nil true 7 -7 2.5 \"text\" b\"bin\" \"\" [1] {\"x\" 1} []]",
          "nil / true / 7 / -7 / 2.5 / \"text\" / \"bin\" / \"\" / [1] / {\"x\": 1} / []");
    CHECK_INT(results.values[6].type, LUAS_STRING);
    CHECK_INT(results.values[6].len, 3);
    gives("[OBJECT([1] nil) 5 PACKED([7] nil) PACKED([\"s\"] nil) PACKED([nil] nil) PACKED([1 2] nil)]",
          "[1] / 5 / 7 / \"s\" / nil / [1, 2]");
    CHECK_INT(results.values[2].type, LUAS_INTEGER);
    CHECK_INT(results.values[3].type, LUAS_STRING);
    CHECK_INT(results.values[4].type, LUAS_NIL);
    gives("SHARED([[1] REF 0 \"x\" [REF 0]])", "[1] / [1] / \"x\" / [[1]]");
    release();
}

static void test_results_that_cannot_be_given(void)
{
    refuses("SHARED([1 {\"self\" REF 0}])", "result 2, field \"self\": refers to itself");
    refuses("[[1] FUNCTION(b\"code\") 5]", "result 2: a function has no plain form");
    gives("[3]", "3");
    release();
}

/* What was too large does not stay allocated. */
static void test_results_that_are_too_large(void)
{
    char text[1024] = "SHARED([[[]";
    for (int i = 1; i < 40; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " [REF %d REF %d]", i, i);
    CHECK(strlen(text) < sizeof text - 4);
    strcat(text, "]])");
    write_notation(&payload, text);
    CHECK_INT(read_payload(LUAS__KIND_VALUE), LUAS__KIND_ERROR);
    CHECK(strstr(results.message, "result 1, [") == results.message);
    CHECK(strstr(results.message, ": too large, as a table") != NULL);
    CHECK(results.text.cap < 4096);
    release();
}

/* ---- errors ---- */

static void test_what_was_raised(void)
{
    raises("[{\"code\" 5} \"words\" \"where\"]", "{\"code\": 5}", "words", "where");
    raises("[7 \"words\" \"where\" 0.25]", "7", "words", "where");
    raises("[\"no luck\" \"no luck\" nil]", "\"no luck\"", "no luck", "");
    raises("[nil \"\" \"\"]", "nil", "", "");
    raises("[SHARED([[1] REF 1]) \"m\" \"t\"]", "[[1], [1]]", "m", "t");
    raises("[SHARED([{\"self\" REF 0}]) \"m\" \"t\"]", "nil",
           "m, whose value is lost: [1].self: refers to itself", "t");
    raises("[GLOBALS() \"m\" \"t\"]", "nil", "m, whose value is lost: the globals have no plain form",
           "t");
    release();
}

static void test_what_no_worker_sends(void)
{
    static const char *const texts[] = {
        "", "7", "[]", "[1 \"m\"]", "[1 \"m\" \"t\" 2]", "[1 2 \"t\"]", "[1 \"m\" 3]", "['\xc1']",
        "[1 \"m\" \"t\"] 5",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        raises(texts[i], "\"malformed message\"", "malformed message", "");
    refuses("", "malformed message");
    refuses("7", "malformed message");
    refuses("[1] 2", "result 1: malformed message");
    release();
}

/* What a call raised when it was stopped is not why it ended. */
static void test_calls_that_were_stopped(void)
{
    static const int kinds[] = {LUAS__KIND_TIMEOUT, LUAS__KIND_CRASH, LUAS__KIND_CANCELLED};
    for (int i = 0; i < 3; i++) {
        reads(kinds[i], "[\"stopped\" \"stopped\" \"where\"]", kinds[i], "", "", "where");
        reads(kinds[i], "[SHARED([{\"self\" REF 0}]) \"m\" \"where\"]", kinds[i], "", "", "where");
        reads(kinds[i], "", kinds[i], "", "", "");
        reads(kinds[i], "7", kinds[i], "", "", "");
    }
    release();
}

/* ---- any bytes ---- */

/* As an outcome of each kind, also cut short and with single bits wrong. */
static void read_anything(uint64_t *random)
{
    size_t len = payload.len;
    for (int i = 0; i < 200; i++) {
        for (int kind = LUAS__KIND_VALUE; kind <= LUAS__KIND_CANCELLED; kind++) {
            int rc = read_payload(kind);
            CHECK(rc == kind || rc == LUAS__KIND_ERROR);
            CHECK(rc != LUAS__KIND_ERROR || results.count == 1);
            (void)values_text(results.values, results.count); /* all of it is plain */
        }
        payload.len = draw(random, 2) ? len : draw(random, (uint32_t)len + 1);
        if (payload.len > 0)
            luas__buffer_bytes(&payload)[draw(random, (uint32_t)payload.len)] ^=
                (char)(1 << draw(random, 8));
    }
}

static void read_file(const char *path)
{
    char bytes[4096];
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    luas__buffer_truncate(&payload, 0);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
        notation_append(&payload, bytes, n);
    fclose(file);
}

/* What the codec's fuzzer starts from, which lies beside this file. */
static void test_the_fuzzers_corpus(void)
{
    char path[1024];
    const char *slash = strrchr(__FILE__, '/');
    uint64_t random = 88172645463325252;
    int files = 0;
    snprintf(path, sizeof path, "%.*s/../../fuzz/codec_fuzz_corpus", (int)(slash - __FILE__), __FILE__);
    size_t folder = strlen(path);
    DIR *corpus = opendir(path);
    CHECK(corpus != NULL);
    for (const struct dirent *file; (file = readdir(corpus)) != NULL;) {
        if (file->d_name[0] == '.')
            continue;
        snprintf(path + folder, sizeof path - folder, "/%s", file->d_name);
        read_file(path);
        read_anything(&random);
        files++;
    }
    closedir(corpus);
    CHECK(files >= 14);
    release();
}

/* ---- memory ---- */

/* Fails at each allocation in turn; once there is memory the same is read. */
static void read_without_memory(int kind, const char *notation, int as, const char *values)
{
    long before = live;
    for (long n = 0; failed || n == 0; n++) {
        write_notation(&payload, notation);
        failed = false;
        failures_left = 1;
        until_failure = n;
        int rc = read_payload(kind);
        until_failure = -1;
        CHECK_INT(rc, failed ? LUAS_ENOMEM : as);
        CHECK_INT(read_payload(kind), as);
        CHECK_TEXT(values_text(results.values, results.count), values);
        release();
        CHECK_INT(live, before);
    }
}

static void test_memory_that_runs_out(void)
{
    failed = false;
    read_without_memory(LUAS__KIND_VALUE, "SHARED([[1] REF 0 \"x\" OBJECT([[REF 0]] nil)])",
                        LUAS__KIND_VALUE, "[1] / [1] / \"x\" / [[[1]]]");
    read_without_memory(LUAS__KIND_VALUE, "SHARED([[{\"self\" REF 1}]])", LUAS__KIND_ERROR,
                        "\"result 1, [1].self: refers to itself\"");
    read_without_memory(LUAS__KIND_VALUE, "7", LUAS__KIND_ERROR,
                        "\"malformed message\"");
    read_without_memory(LUAS__KIND_ERROR, "[SHARED([{\"self\" REF 0}]) \"m\" \"t\"]", LUAS__KIND_ERROR,
                        "nil");
    read_without_memory(LUAS__KIND_ERROR, "7", LUAS__KIND_ERROR,
                        "\"malformed message\"");
    read_without_memory(LUAS__KIND_TIMEOUT, "[1 \"m\" \"t\"]", LUAS__KIND_TIMEOUT, "");
}

int main(void)
{
    RUN(test_each_type);
    RUN(test_results_that_cannot_be_given);
    RUN(test_results_that_are_too_large);
    RUN(test_what_was_raised);
    RUN(test_what_no_worker_sends);
    RUN(test_calls_that_were_stopped);
    RUN(test_the_fuzzers_corpus);
    RUN(test_memory_that_runs_out);
}
