/* A chunk is given away once; blobs come whole, part by part. */
#define _GNU_SOURCE
#include "desk.h"

#include <endian.h>

#include "testing.h"

enum { RUN_OF = 9, OTHER_RUN = 8, A = 100, B = 200 };

static int ask(luas__desk *d, uint64_t agent, uint64_t token, const char *lua)
{
    char body[64] = "nonce-8.";
    int verdict = -1;
    luas__buffer out = LUAS__BUFFER_INIT;
    memcpy(body + 8, lua, strlen(lua));
    luas__sealed m = {.type = LUAS__SEAL_CLAIM, .run = RUN_OF, .agent = agent, .token = token, .body = body,
                      .len = 8 + strlen(lua)};
    int type = luas__desk_answer(d, &m, &out, &verdict);
    if (type == LUAS__SEAL_GRANT) {
        CHECK_BYTES(luas__buffer_bytes(&out), "nonce-8.", 8);
        CHECK_INT(luas__buffer_bytes(&out)[8], verdict);
    }
    luas__buffer_release(&out);
    return type == LUAS__SEAL_GRANT ? verdict : -1;
}

static luas__desk open_desk(void)
{
    luas__desk d;
    CHECK_INT(luas__desk_init(&d, "Lua X"), 0);
    d.run = RUN_OF;
    return d;
}

static void test_one_agent_gets_it(void)
{
    luas__desk d = open_desk();
    uint64_t one = luas__desk_offer(&d), two = luas__desk_offer(&d);
    CHECK(one > 0 && two == one + 1);
    CHECK_INT(ask(&d, A, one, "Lua X"), LUAS__DESK_YES);
    CHECK_INT(ask(&d, A, one, "Lua X"), LUAS__DESK_YES); /* the answer was lost */
    CHECK_INT(ask(&d, B, one, "Lua X"), LUAS__DESK_NO);
    CHECK_INT(ask(&d, B, two, "Lua Y"), LUAS__DESK_OTHER_LUA);
    CHECK_INT(ask(&d, B, two, "Lua X 1"), LUAS__DESK_OTHER_LUA);
    CHECK_INT(ask(&d, B, two, "Lua X"), LUAS__DESK_YES);
    CHECK_INT(ask(&d, B, two + 1, "Lua X"), LUAS__DESK_NO);
    CHECK_INT(ask(&d, B, 0, "Lua X"), LUAS__DESK_NO);
    CHECK_INT(ask(&d, 1, two, "Lua X"), -1); /* that would read as nobody */
    CHECK_INT(luas__desk_withdraw(&d, one), A);
    CHECK_INT(luas__desk_withdraw(&d, one), 0);
    CHECK_INT(ask(&d, A, one, "Lua X"), LUAS__DESK_NO); /* a replay */
    luas__desk_release(&d);
}

static void test_revoking(void)
{
    luas__desk d = open_desk();
    uint64_t one = luas__desk_offer(&d), two = luas__desk_offer(&d);
    CHECK_INT(ask(&d, A, one, "Lua X"), LUAS__DESK_YES);
    CHECK(!luas__desk_revoke(&d, one));
    CHECK(luas__desk_holder(&d, one) != 0 && luas__desk_holder(&d, two) == 0);
    CHECK(luas__desk_revoke(&d, two));
    CHECK(luas__desk_revoke(&d, two)); /* it is over already */
    CHECK(luas__desk_holder(&d, two) == 0);
    CHECK_INT(ask(&d, B, two, "Lua X"), LUAS__DESK_NO);
    CHECK_INT(luas__desk_withdraw(&d, one), A);
    luas__desk_release(&d);
}

/* Tokens that are over are forgotten, and stay over. */
static void test_many(void)
{
    luas__desk d = open_desk();
    for (int i = 1; i <= 10000; i++) {
        uint64_t token = luas__desk_offer(&d);
        CHECK_INT(token, i);
        CHECK_INT(ask(&d, A, token, "Lua X"), LUAS__DESK_YES);
        CHECK_INT(luas__desk_withdraw(&d, token), A);
        CHECK_INT(ask(&d, A, (uint64_t)i, "Lua X"), LUAS__DESK_NO);
    }
    CHECK(d.offers_cap < 1000);
    luas__desk_release(&d);
}

static int get(luas__desk *d, uint64_t run, uint64_t blob, uint64_t offset, luas__buffer *out)
{
    char body[16] = "nonce-8.";
    offset = htobe64(offset);
    memcpy(body + 8, &offset, 8);
    luas__sealed m = {.type = LUAS__SEAL_GET, .run = run, .agent = A, .token = blob, .body = body, .len = sizeof body};
    luas__buffer_truncate(out, 0);
    return luas__desk_answer(d, &m, out, NULL);
}

static void test_blobs(void)
{
    luas__desk d = open_desk();
    luas__buffer out = LUAS__BUFFER_INIT;
    d.part = 4;
    uint64_t first = luas__desk_keep(&d, "", 0), blob = luas__desk_keep(&d, "0123456789", 10);
    CHECK_INT(get(&d, RUN_OF, blob, 8, &out), LUAS__SEAL_PART);
    CHECK_INT(out.len, 16 + 2);
    CHECK_BYTES(luas__buffer_bytes(&out), "nonce-8.\0\0\0\0\0\0\0\x0a" "89", 18);
    CHECK_INT(get(&d, RUN_OF, blob, 0, &out), LUAS__SEAL_PART);
    CHECK_INT(out.len, 16 + 4);
    CHECK_INT(get(&d, RUN_OF, blob, 10, &out), LUAS__SEAL_PART);
    CHECK_INT(out.len, 16);
    CHECK_INT(get(&d, RUN_OF, first, 0, &out), LUAS__SEAL_PART);
    CHECK_INT(out.len, 16);
    CHECK_INT(get(&d, RUN_OF, blob, 11, &out), LUAS__SEAL_PART); /* there is nothing: only the nonce */
    CHECK_INT(out.len, 8);
    CHECK_INT(get(&d, RUN_OF, blob, UINT64_MAX, &out), LUAS__SEAL_PART);
    CHECK_INT(out.len, 8);
    CHECK_INT(get(&d, OTHER_RUN, blob, 0, &out), 0);
    luas__desk_drop(&d, first);
    luas__desk_drop(&d, first);
    luas__desk_drop(&d, 77);
    CHECK_INT(get(&d, RUN_OF, first, 0, &out), LUAS__SEAL_PART);
    CHECK_INT(out.len, 8);
    CHECK_INT(get(&d, RUN_OF, blob, 0, &out), LUAS__SEAL_PART);
    CHECK_INT(out.len, 20);
    luas__buffer_release(&out);
    luas__desk_release(&d);
}

/* Requests that make no sense are not answered. */
static void test_nonsense(void)
{
    luas__desk d = open_desk();
    luas__buffer out = LUAS__BUFFER_INIT;
    int verdict = -1;
    for (int type = LUAS__SEAL_TASK; type < LUAS__SEAL_TYPES; type++)
        for (size_t len = 0; len < 8; len++) {
            luas__sealed m = {.type = (enum luas__seal_type)type, .run = RUN_OF, .agent = A, .token = 1,
                              .body = "1234567", .len = len};
            CHECK_INT(luas__desk_answer(&d, &m, &out, &verdict), 0);
        }
    CHECK_INT(out.len, 0);
    CHECK_INT(verdict, -1);
    luas__buffer_release(&out);
    luas__desk_release(&d);
}

int main(void)
{
    RUN(test_one_agent_gets_it);
    RUN(test_revoking);
    RUN(test_many);
    RUN(test_blobs);
    RUN(test_nonsense);
}
