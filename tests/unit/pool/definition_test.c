/* Definitions are kept by content, and the unused ones not for ever. */
#include "definition.h"

#include "testing.h"

static void test_same_bytes_are_one_blob(void)
{
    luas__definitions all = {0};
    luas__definition *a = luas__definition_take(&all, "function", 8);
    luas__definition *b = luas__definition_take(&all, "other", 5);
    luas__definition *again = luas__definition_take(&all, "function", 8);
    CHECK(a != NULL && a == again && a != b);
    CHECK_INT(a->users, 2);
    CHECK_INT(b->users, 1);
    CHECK_INT(all.count, 2);
    CHECK_INT(all.bytes, 13);
    CHECK(a->id > 0 && b->id > 0 && a->id != b->id);
    CHECK_BYTES(a->bytes, "function", 8);
    luas__definition_release_all(&all);
    CHECK(all.buckets == NULL);
    CHECK_INT(all.count, 0);
}

static void test_every_length_and_byte_counts(void)
{
    enum { LENGTHS = 40 };
    luas__definitions all = {0};
    char bytes[LENGTHS];
    memset(bytes, 0, sizeof bytes);
    luas__definition *definitions[LENGTHS];
    for (size_t len = 0; len < LENGTHS; len++)
        CHECK((definitions[len] = luas__definition_take(&all, bytes, len)) != NULL);
    CHECK_INT(all.count, LENGTHS);
    for (size_t i = 0; i < LENGTHS; i++) {
        bytes[i] = 1;
        CHECK(luas__definition_take(&all, bytes, LENGTHS - 1) != definitions[LENGTHS - 1] || i == LENGTHS - 1);
        bytes[i] = 0;
    }
    CHECK(luas__definition_take(&all, bytes, LENGTHS - 1) == definitions[LENGTHS - 1]);
    luas__definition_release_all(&all);
}

static luas__definition *take_number(luas__definitions *all, int number)
{
    luas__definition *definition = luas__definition_take(all, (const char *)&number, sizeof number);
    CHECK(definition != NULL);
    return definition;
}

static int number_of(const luas__definition *definition)
{
    int number;
    memcpy(&number, definition->bytes, sizeof number);
    return number;
}

static void test_evicts_the_least_recently_used(void)
{
    luas__definitions all = {0};
    luas__definition *used = take_number(&all, -1);
    for (int i = 0; i < 200; i++)
        luas__definition_drop(&all, take_number(&all, i));
    luas__definition_drop(&all, take_number(&all, 0)); /* the oldest, now the youngest */
    luas__definition *definition;
    int expected = 1;
    while ((definition = luas__definition_evict(&all)) != NULL) {
        CHECK_INT(number_of(definition), expected++);
        free(definition);
    }
    CHECK(expected > 1);
    CHECK(all.count > 0 && all.count < 200);
    CHECK(take_number(&all, -1) == used);
    CHECK_INT(take_number(&all, 0)->users, 1);
    luas__definition_release_all(&all);
}

static void test_used_blobs_are_never_evicted(void)
{
    enum { MANY = 20, FEW = 5 };
    luas__definitions all = {0};
    luas__definition *definitions[MANY];
    size_t len = 1 << 20;
    char *big = calloc(1, len);
    CHECK(big != NULL);
    for (int i = 0; i < MANY; i++) {
        big[0] = (char)i;
        CHECK((definitions[i] = luas__definition_take(&all, big, len)) != NULL);
    }
    CHECK(luas__definition_evict(&all) == NULL);
    for (int i = 0; i < FEW; i++)
        luas__definition_drop(&all, definitions[i]);
    luas__definition *evicted = luas__definition_evict(&all);
    CHECK(evicted == definitions[0]);
    CHECK_INT(all.count, MANY - 1);
    CHECK_INT(all.bytes, (MANY - 1) * len);
    CHECK(luas__definition_evict(&all) == NULL);
    free(evicted);
    free(big);
    luas__definition_release_all(&all);
}

/* However many are used, the unused are kept as long as they are few. */
static void test_many_users_leave_the_unused_alone(void)
{
    enum { MANY = 5000 };
    luas__definitions all = {0};
    luas__definition *definitions[MANY];
    for (int i = 0; i < MANY; i++)
        definitions[i] = take_number(&all, i);
    for (int i = 1; i < 10; i++)
        luas__definition_drop(&all, definitions[i]);
    CHECK(luas__definition_evict(&all) == NULL);
    for (int i = 0; i < MANY; i++)
        CHECK(take_number(&all, i) == definitions[i]);
    CHECK_INT(all.unused, 0);
    for (int i = 0; i < MANY; i++)
        CHECK_INT(definitions[i]->users, i > 0 && i < 10 ? 1 : 2);
    luas__definition_release_all(&all);
}

static void test_an_unused_blob_can_be_taken_from_any_place(void)
{
    luas__definitions all = {0};
    luas__definition *definitions[3];
    for (int taken = 0; taken < 3; taken++) {
        for (int i = 0; i < 3; i++)
            definitions[i] = take_number(&all, i);
        for (int i = 0; i < 3; i++)
            luas__definition_drop(&all, definitions[i]);
        CHECK(take_number(&all, taken) == definitions[taken]);
        luas__definition_drop(&all, definitions[taken]); /* now the youngest */
        CHECK_INT(all.unused, 3);
        CHECK(all.youngest == &definitions[taken]->younger && *all.youngest == NULL);
    }
    luas__definition_release_all(&all);
}

/* A definition that was evicted comes back under another number, so that a worker
   cannot take it for the one that it was told to forget. */
static void test_numbers_are_not_used_again(void)
{
    luas__definitions all = {0};
    luas__definition *definition;
    luas__definition *zero = take_number(&all, 0);
    int64_t first = zero->id;
    luas__definition_drop(&all, zero);
    for (int i = 1; i < 100; i++)
        luas__definition_drop(&all, take_number(&all, i));
    while ((definition = luas__definition_evict(&all)) != NULL)
        free(definition);
    CHECK(take_number(&all, 0)->id != first);
    luas__definition_release_all(&all);
}

int main(void)
{
    RUN(test_same_bytes_are_one_blob);
    RUN(test_every_length_and_byte_counts);
    RUN(test_evicts_the_least_recently_used);
    RUN(test_used_blobs_are_never_evicted);
    RUN(test_many_users_leave_the_unused_alone);
    RUN(test_an_unused_blob_can_be_taken_from_any_place);
    RUN(test_numbers_are_not_used_again);
}
