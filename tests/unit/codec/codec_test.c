/*
 * Values and functions between two states: what arrives is what was sent.
 *
 *   codec_test             runs all cases
 *   codec_test --emit      prints samples, one message a line in hexadecimal
 *   codec_test --echo      decodes such lines from stdin and encodes them again
 *   codec_test --frames    prints frames, one a line in hexadecimal
 */
#include <ctype.h>
#include <time.h>

#include "codec_rig.h"
#include "frame.h"
#include "testing.h"

/* The host's stack: what codec_cases.lua returned. */
enum { CASES_FILE = 1 };

static int failures;

/* Calls the function at the top with the `count` arguments above it. */
static void run_case(const char *name, int count)
{
    if (lua_pcall(rig_host, count, 0, 0) == LUA_OK)
        return;
    fprintf(stderr, "FAILED %s: %s\n", name, lua_tostring(rig_host, -1));
    lua_pop(rig_host, 1);
    failures++;
}

static void must(int status)
{
    if (status != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(rig_host, -1));
        exit(EXIT_FAILURE);
    }
}

/* The cases are Lua files, in tests/codec. */
static void load_cases(void)
{
    const char *slash = strrchr(__FILE__, '/');
    lua_getglobal(rig_host, "package");
    lua_pushlstring(rig_host, __FILE__, slash == NULL ? 0 : (size_t)(slash - __FILE__) + 1);
    lua_pushliteral(rig_host, "../../codec/?.lua");
    lua_concat(rig_host, 2);
    lua_setfield(rig_host, -2, "path");
    must(luaL_dostring(rig_host, "return (require 'codec_cases')"));
    lua_replace(rig_host, CASES_FILE);
    lua_settop(rig_host, CASES_FILE);
}

static int run_cases(void)
{
    lua_getfield(rig_host, CASES_FILE, "cases");
    int cases = lua_gettop(rig_host), count = (int)lua_rawlen(rig_host, cases);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(rig_host, cases, i);
        lua_rawgeti(rig_host, -1, 1);
        lua_rawgeti(rig_host, -2, 2);
        run_case(lua_tostring(rig_host, -2), 0);
        lua_settop(rig_host, cases);
    }
    return count;
}

/* A hundred thousand random values; the seed can be given to see one run again. */
static void run_properties(lua_Integer seed)
{
    lua_getfield(rig_host, CASES_FILE, "properties");
    lua_pushinteger(rig_host, seed);
    lua_pushinteger(rig_host, rig_is_slow() ? 1000 : 100000);
    run_case("random values", 2);
}

static int run_all(lua_Integer seed)
{
    int count = run_cases() + 1;
    run_properties(seed);
    printf("codec: %d cases, %d failed\n", count, failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_hex(const luas__buffer *b)
{
    for (size_t i = 0; i < b->len; i++)
        printf("%02x", (unsigned char)luas__buffer_bytes(b)[i]);
    printf("\n");
}

static void print_message(int count)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__encode_options o = {0};
    if (luas__encode(rig_host, lua_gettop(rig_host) - count + 1, count, &b, &o) < 0)
        printf("%s\n", lua_tostring(rig_host, -1));
    else
        print_hex(&b);
    luas__buffer_release(&b);
    lua_settop(rig_host, CASES_FILE);
}

static int emit(void)
{
    lua_getfield(rig_host, CASES_FILE, "samples");
    lua_Integer count = (lua_Integer)lua_rawlen(rig_host, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_getfield(rig_host, CASES_FILE, "samples");
        int samples = lua_gettop(rig_host);
        lua_rawgeti(rig_host, samples, i);
        must(lua_pcall(rig_host, 0, LUA_MULTRET, 0));
        print_message(lua_gettop(rig_host) - samples);
    }
    return EXIT_SUCCESS;
}

/* Ends the frame at the end of the buffer, prints it and takes it out. */
static void print_frame(luas__buffer *b, size_t mark)
{
    CHECK_INT(luas__frame_end(b, mark), 0);
    print_hex(b);
    luas__buffer_truncate(b, 0);
}

/* Appends the values that the Lua text returns. */
static void append_values(luas__buffer *b, const char *text)
{
    luas__encode_options o = {0};
    must(luaL_dostring(rig_host, text));
    int count = lua_gettop(rig_host) - CASES_FILE;
    CHECK_INT(luas__encode(rig_host, CASES_FILE + 1, count, b, &o), 0);
    lua_settop(rig_host, CASES_FILE);
}

static void append_task(luas__buffer *b, const char *text)
{
    luas__buffer arguments = LUAS__BUFFER_INIT;
    append_values(&arguments, text);
    CHECK_INT(luas__mp_write_int(b, (int64_t)arguments.len), 0);
    CHECK_INT(luas__buffer_append(b, luas__buffer_bytes(&arguments), arguments.len), 0);
    luas__buffer_release(&arguments);
}

/* tests/codec/msgpack_peer.py knows what these are. */
static int print_frames(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    size_t mark;
    const int64_t head[] = {3, 1 << 20, 70000, 2}; /* job, seq, index, count */
    CHECK_INT(luas__frame_begin(&b, LUAS__MSG_RUN, &mark), 0);
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        CHECK_INT(luas__mp_write_int(&b, head[i]), 0);
    append_task(&b, "return 1, 'two', {3.5, x = false}");
    append_task(&b, "return ('z'):rep(300), nil");
    print_frame(&b, mark);
    CHECK_INT(luas__frame_begin_outcome(&b, LUAS__MSG_VALUE, 7, &mark), 0);
    append_values(&b, "return {1, {a = 1}}, -1, '\\xff'");
    print_frame(&b, mark);
    CHECK_INT(luas__frame_begin_outcome(&b, LUAS__MSG_ERROR, 1 << 20, &mark), 0);
    append_values(&b, "return {code = 5}, 'message', 'traceback'");
    print_frame(&b, mark);
    luas__buffer_release(&b);
    return EXIT_SUCCESS;
}

static size_t from_hex(char *line)
{
    size_t len = 0;
    for (char *p = line; isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]); p += 2) {
        char digits[] = {p[0], p[1], '\0'};
        line[len++] = (char)strtol(digits, NULL, 16);
    }
    return len;
}

static int echo(void)
{
    static char line[1 << 22];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t len = from_hex(line);
        int count = luas__decode(rig_host, line, len, 0, 0);
        if (count < 0)
            printf("%s\n", lua_tostring(rig_host, -1));
        else
            print_message(count);
        lua_settop(rig_host, CASES_FILE);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    int status;
    rig_open();
    load_cases();
    if (argc > 1 && strcmp(argv[1], "--emit") == 0)
        status = emit();
    else if (argc > 1 && strcmp(argv[1], "--echo") == 0)
        status = echo();
    else if (argc > 1 && strcmp(argv[1], "--frames") == 0)
        status = print_frames();
    else
        status = run_all(argc > 1 ? (lua_Integer)strtoll(argv[1], NULL, 10) : (lua_Integer)time(NULL));
    rig_close();
    return status;
}
