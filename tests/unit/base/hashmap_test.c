/* A table from hashes to numbers keeps what was put there, however it grows. */
#include "hashmap.h"
#include "testing.h"

static luas__hash hash_of(uint64_t i)
{
    return (luas__hash){.low = i % 7, .high = i}; /* most collide */
}

static void test_grows(void)
{
    luas__hashmap m = {.slots = NULL};
    CHECK(luas__hashmap_find(&m, hash_of(1)) == NULL);
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t *number = luas__hashmap_add(&m, hash_of(i));
        CHECK(number != NULL && *number == 0);
        *number = i + 1;
    }
    for (uint32_t i = 0; i < 500; i++)
        CHECK(*luas__hashmap_find(&m, hash_of(i)) == i + 1 && *luas__hashmap_add(&m, hash_of(i)) == i + 1);
    CHECK(luas__hashmap_find(&m, hash_of(500)) == NULL);
    CHECK(m.count == 500);
    luas__hashmap_release(&m);
    CHECK(luas__hashmap_find(&m, hash_of(1)) == NULL);
}

int main(void)
{
    RUN(test_grows);
}
