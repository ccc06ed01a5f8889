/* What is queued comes in order, whoever comes and leaves in between. */
#include "queue.h"

#include <stdlib.h>

#include "testing.h"

enum { MANY = 2000 };

static luas__queue_node *make_nodes(int n)
{
    luas__queue_node *nodes = calloc((size_t)n, sizeof *nodes);
    CHECK(nodes != NULL);
    return nodes;
}

static void test_priority_goes_before_age(void)
{
    luas__queue_node nodes[] = {{.priority = 0, .age = 1}, {.priority = -5, .age = 2},
                                {.priority = 7, .age = 3}, {.priority = 0, .age = 4},
                                {.priority = 7, .age = 5}};
    const int expected[] = {2, 4, 0, 3, 1};
    luas__queue q = {0};
    CHECK(luas__queue_first(&q) == NULL && luas__queue_last(&q) == NULL);
    for (int i = 0; i < 5; i++)
        luas__queue_add(&q, &nodes[i]);
    CHECK(luas__queue_last(&q) == &nodes[1]);
    const luas__queue_node *n = luas__queue_first(&q);
    for (int i = 0; i < 5; i++, n = luas__queue_next(&q, n))
        CHECK(n == &nodes[expected[i]]);
    CHECK(n == NULL);
}

static void test_who_left_still_says_who_is_next(void)
{
    luas__queue_node nodes[] = {{.age = 1}, {.age = 2}, {.age = 3}};
    luas__queue q = {0};
    for (int i = 0; i < 3; i++)
        luas__queue_add(&q, &nodes[i]);
    luas__queue_remove(&q, &nodes[1]);
    CHECK(luas__queue_next(&q, &nodes[0]) == &nodes[2]);
    CHECK(luas__queue_next(&q, &nodes[1]) == &nodes[2]);
    luas__queue_remove(&q, &nodes[2]);
    luas__queue_remove(&q, &nodes[0]);
    CHECK(luas__queue_first(&q) == NULL);
    CHECK(luas__queue_next(&q, &nodes[1]) == NULL);
}

/* What is in the queue is just what `in` says, in order. */
static void check_against(const luas__queue *q, const luas__queue_node *nodes, const char *in)
{
    int count = 0, expected = 0;
    const luas__queue_node *before = NULL;
    for (const luas__queue_node *n = luas__queue_first(q); n != NULL;
         before = n, n = luas__queue_next(q, n), count++) {
        CHECK(in[n - nodes]);
        CHECK(before == NULL || luas__queue_is_before(before, n));
    }
    for (int i = 0; i < MANY; i++)
        expected += in[i];
    CHECK_INT(count, expected);
}

static void test_any_come_and_leave(void)
{
    luas__queue_node *nodes = make_nodes(MANY);
    char in[MANY] = {0};
    luas__queue q = {0};
    srand(1);
    for (int i = 0; i < MANY; i++)
        nodes[i] = (luas__queue_node){.priority = rand() % 5 - 2, .age = i + 1};
    for (int round = 0; round < 10; round++) {
        for (int k = 0; k < MANY; k++) {
            int i = rand() % MANY;
            in[i] ? luas__queue_remove(&q, &nodes[i]) : luas__queue_add(&q, &nodes[i]);
            in[i] = !in[i];
        }
        check_against(&q, nodes, in);
    }
    free(nodes);
}

static int depth(const luas__queue_node *n)
{
    if (n == NULL)
        return 0;
    int before = depth(n->before), behind = depth(n->behind);
    return 1 + (before > behind ? before : behind);
}

/* Whatever the order in which they come; 11 would be the least. */
static void test_many_are_not_deep(void)
{
    luas__queue_node *nodes = make_nodes(MANY);
    for (int order = -1; order <= 1; order++) {
        luas__queue q = {0};
        for (int i = 0; i < MANY; i++) {
            nodes[i] = (luas__queue_node){.priority = order * i, .age = i + 1};
            luas__queue_add(&q, &nodes[i]);
        }
        CHECK(depth(q.root) < 44);
    }
    free(nodes);
}

int main(void)
{
    RUN(test_priority_goes_before_age);
    RUN(test_who_left_still_says_who_is_next);
    RUN(test_any_come_and_leave);
    RUN(test_many_are_not_deep);
}
