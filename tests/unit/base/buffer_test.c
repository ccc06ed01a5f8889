/* Buffers keep their bytes, whatever is appended, consumed and moved. */
#include "buffer.h"

#include "error.h"
#include "testing.h"

static void test_empty_buffer_is_usable(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    CHECK_INT(luas__buffer_append(&b, NULL, 0), 0);
    CHECK_INT(luas__buffer_reserve(&b, 0), 0);
    CHECK(b.data == NULL);
    luas__buffer_consume(&b, 0);
    luas__buffer_release(&b);
    CHECK_INT(luas__buffer_append(&b, "x", 1), 0);
    CHECK_INT(*luas__buffer_bytes(&b), 'x');
    luas__buffer_release(&b);
}

static void test_grows_without_losing_bytes(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    for (uint32_t i = 0; i < 100000; i++)
        CHECK_INT(luas__buffer_append(&b, &i, sizeof i), 0);
    CHECK_INT(b.len, 400000);
    for (uint32_t i = 0, n; i < 100000; i++) {
        memcpy(&n, luas__buffer_bytes(&b) + 4 * i, sizeof n);
        CHECK_INT(n, i);
    }
    CHECK(b.cap < 4 * b.len);
    luas__buffer_release(&b);
}

static void test_slides_instead_of_growing(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    char block[100];
    memset(block, 'a', sizeof block);
    CHECK_INT(luas__buffer_append(&b, block, sizeof block), 0);
    size_t cap = b.cap;
    for (int i = 0; i < 1000; i++) { /* a queue that never holds more than 200 */
        memset(block, 'a' + i % 26, sizeof block);
        CHECK_INT(luas__buffer_append(&b, block, sizeof block), 0);
        luas__buffer_consume(&b, sizeof block);
        CHECK_INT(b.len, sizeof block);
        CHECK_BYTES(luas__buffer_bytes(&b), block, sizeof block);
    }
    CHECK(b.cap <= 4 * cap);
    luas__buffer_release(&b);
}

static void test_drained_buffer_starts_over(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    CHECK_INT(luas__buffer_append(&b, "hello", 5), 0);
    luas__buffer_consume(&b, 5);
    CHECK_INT(b.start, 0);
    CHECK_INT(b.len, 0);
    luas__buffer_release(&b);
}

/* The bytes may come from the buffer itself once room has been reserved. */
static void test_appends_own_bytes_after_reserve(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    CHECK_INT(luas__buffer_append(&b, "abcd", 4), 0);
    for (int i = 0; i < 12; i++) {
        size_t len = b.len;
        CHECK_INT(luas__buffer_reserve(&b, len), 0);
        CHECK_INT(luas__buffer_append(&b, luas__buffer_bytes(&b), len), 0);
    }
    CHECK_INT(b.len, 4 << 12);
    for (size_t i = 0; i < b.len; i += 4)
        CHECK_BYTES(luas__buffer_bytes(&b) + i, "abcd", 4);
    luas__buffer_release(&b);
}

static void test_impossible_sizes_leave_it_unchanged(void)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    CHECK_INT(luas__buffer_append(&b, "abc", 3), 0);
    luas__buffer_consume(&b, 1);
    luas__buffer before = b;
    for (size_t size = SIZE_MAX; size > SIZE_MAX / 1024; size /= 2) {
        CHECK_INT(luas__buffer_reserve(&b, size), LUAS_ENOMEM);
        CHECK(b.data == before.data && b.len == 2 && b.cap == before.cap && b.start == 1);
    }
    CHECK_BYTES(luas__buffer_bytes(&b), "bc", 2);
    luas__buffer_release(&b);
}

/* Against a plain array as the model. */
static void test_random_operations(void)
{
    static unsigned char model[1 << 16];
    size_t start = 0, end = 0;
    uint64_t random = 42;
    luas__buffer b = LUAS__BUFFER_INIT;
    while (end < sizeof model - 512) {
        uint32_t n = draw(&random, 512);
        if (draw(&random, 3) == 0 && n <= b.len) {
            luas__buffer_consume(&b, n);
            start += n;
        } else {
            for (uint32_t i = 0; i < n; i++)
                model[end + i] = (unsigned char)draw(&random, 256);
            CHECK_INT(luas__buffer_append(&b, model + end, n), 0);
            end += n;
        }
        if (draw(&random, 8) == 0) {
            end -= (end - start) / 2;
            luas__buffer_truncate(&b, end - start);
        }
        if (draw(&random, 8) == 0) {
            luas__buffer_trim(&b);
            CHECK_INT(luas__buffer_room(&b), 0);
        }
        CHECK_INT(b.len, end - start);
        CHECK(b.len == 0 || memcmp(luas__buffer_bytes(&b), model + start, b.len) == 0);
    }
    luas__buffer_release(&b);
}

int main(void)
{
    RUN(test_empty_buffer_is_usable);
    RUN(test_grows_without_losing_bytes);
    RUN(test_slides_instead_of_growing);
    RUN(test_drained_buffer_starts_over);
    RUN(test_appends_own_bytes_after_reserve);
    RUN(test_impossible_sizes_leave_it_unchanged);
    RUN(test_random_operations);
}
