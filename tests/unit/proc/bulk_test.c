/*
 * The memory for large results: each piece is there whole until its room is
 * returned, and nobody reaches what is another's. A thread stands for the
 * worker, so that a race detector can watch as well.
 */
#define _GNU_SOURCE
#include "bulk.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testing.h"

static void fill(char *bytes, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)((seed + i) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static int is_filled(const char *bytes, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != (char)((seed + i) * UINT64_C(0x9e3779b97f4a7c15) >> 56))
            return 0;
    return 1;
}

/* ---- one slot ---- */

enum { SIZE = 1000 };

static void test_each_piece_is_whole(void)
{
    char memory[SIZE], bytes[SIZE];
    luas__slot slot = {.bytes = memory, .size = SIZE};
    luas__scoreboard *scoreboard = luas__scoreboard_map();
    luas__bulk_end end = {0, 0};
    CHECK(scoreboard != NULL);
    fill(bytes, sizeof bytes, 0);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 400), 0);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes + 1, 400), 400);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 300), -1);
    CHECK_INT(end.next, 800);
    CHECK(is_filled(luas__bulk_got(&slot, 400, 400), 400, 1));
    luas__bulk_return(scoreboard, 0, 400);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes + 2, 300), 1000); /* from the front */
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 101), -1);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes + 3, 100), 1300);
    CHECK(is_filled(luas__bulk_got(&slot, 1000, 300), 300, 2));
    CHECK(is_filled(luas__bulk_got(&slot, 1300, 100), 100, 3));
    luas__scoreboard_unmap(scoreboard);
}

static void test_nothing_comes_from_elsewhere(void)
{
    char memory[SIZE], byte = 0;
    luas__slot slot = {.bytes = memory, .size = SIZE}, none = {.bytes = NULL};
    luas__scoreboard *scoreboard = luas__scoreboard_map();
    luas__bulk_end end = {0, 0};
    CHECK(scoreboard != NULL);
    CHECK(luas__bulk_got(&slot, 0, SIZE) == memory);
    CHECK(luas__bulk_got(&slot, 2500, 500) == memory + 500);
    CHECK(luas__bulk_got(&slot, 0, SIZE + 1) == NULL);
    CHECK(luas__bulk_got(&slot, 2500, 501) == NULL);
    CHECK(luas__bulk_got(&slot, -1, 1) == NULL);
    CHECK(luas__bulk_got(&slot, 1, -1) == NULL);
    CHECK(luas__bulk_got(&slot, INT64_MAX, INT64_MAX) == NULL);
    CHECK(luas__bulk_got(&none, 0, 1) == NULL);
    CHECK_INT(luas__bulk_put(&none, scoreboard, &end, &byte, 1), -1);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, &byte, SIZE + 1), -1);
    luas__scoreboard_unmap(scoreboard);
}

enum { PIECES = 20000, PIECE = 1 << 10, RING = 3 * PIECE + 77 };

typedef struct pieces {
    luas__scoreboard *scoreboard;
    char ring[RING];
    _Atomic int64_t at[PIECES];     /* position + 1; 0: not put yet */
} pieces;

static size_t piece_size(int i)
{
    return (size_t)i * 7919 % PIECE + 1;
}

static void *put_pieces(void *arg)
{
    pieces *s = arg;
    char bytes[PIECE];
    luas__bulk_end end = {0, 0};
    luas__slot slot = {.bytes = s->ring, .size = RING};
    for (int i = 0; i < PIECES;) {
        fill(bytes, piece_size(i), (uint64_t)i);
        int64_t at = luas__bulk_put(&slot, s->scoreboard, &end, bytes, piece_size(i));
        if (at >= 0)
            atomic_store_explicit(&s->at[i++], at + 1, memory_order_release);
        else
            sched_yield();
    }
    return NULL;
}

static void test_room_is_not_used_before_it_is_returned(void)
{
    pieces *s = calloc(1, sizeof *s);
    pthread_t worker;
    CHECK(s != NULL && (s->scoreboard = luas__scoreboard_map()) != NULL);
    luas__slot slot = {.bytes = s->ring, .size = RING};
    CHECK_INT(pthread_create(&worker, NULL, put_pieces, s), 0);
    for (int i = 0; i < PIECES; i++) {
        int64_t at;
        while ((at = atomic_load_explicit(&s->at[i], memory_order_acquire) - 1) < 0)
            sched_yield();
        int64_t len = (int64_t)piece_size(i);
        const char *bytes = luas__bulk_got(&slot, at, len);
        CHECK(bytes != NULL && is_filled(bytes, (size_t)len, (uint64_t)i));
        luas__bulk_return(s->scoreboard, at, len);
    }
    CHECK_INT(pthread_join(worker, NULL), 0);
    luas__scoreboard_unmap(s->scoreboard);
    free(s);
}

/* ---- all of them ---- */

static void test_slots_are_taken_and_freed(void)
{
    luas__bulk a;
    luas__bulk_open(&a, 9, false);
    luas__slot first = luas__bulk_take(&a), second = luas__bulk_take(&a);
    CHECK(first.bytes != NULL && second.bytes >= first.bytes + first.size);
    CHECK(first.size < (9 << 20) && 9 * first.size < (70 << 20));
    for (int i = 2; i < 9; i++)
        CHECK(luas__bulk_take(&a).bytes != NULL);
    CHECK(luas__bulk_take(&a).bytes == NULL);
    luas__bulk_free(&a, second);
    CHECK(luas__bulk_take(&a).bytes == second.bytes);
    luas__bulk_free(&a, (luas__slot){.bytes = NULL});
    luas__bulk_close(&a);
}

static void test_there_are_slots_for_any_number_of_workers(void)
{
    static const int workers[] = {0, 1, 64, 256, 257, 100000};
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        luas__bulk a;
        luas__bulk_open(&a, workers[i], false);
        luas__slot slot = luas__bulk_take(&a);
        CHECK(slot.bytes != NULL && slot.size >= 256 << 10);
        memset(slot.bytes, 1, slot.size);
        luas__bulk_close(&a);
    }
}

/* The status of a child that keeps so much, and writes at the address. */
static int write_in_child(const luas__bulk *a, luas__slot own, char *address)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        luas__bulk_keep(a, own);
        *(volatile char *)address = 7;
        _exit(0);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_a_child_keeps_its_own_slot_only(void)
{
    luas__bulk a;
    luas__bulk_open(&a, 3, false);
    luas__slot slots[3], none = {.bytes = NULL};
    for (int i = 0; i < 3; i++)
        slots[i] = luas__bulk_take(&a);
    for (int own = 0; own < 3; own++)
        for (int other = 0; other < 3; other++) {
            char *last = slots[other].bytes + slots[other].size - 1;
            *last = 0;
            CHECK_INT(write_in_child(&a, slots[own], last) == 0, own == other);
            CHECK_INT(*last, own == other ? 7 : 0);
        }
    CHECK(write_in_child(&a, none, slots[0].bytes) != 0);
    luas__bulk_close(&a);
}

/* What is made in place is where what is copied would have been. */
static void test_results_are_made_in_place(void)
{
    luas__scoreboard *scoreboard = luas__scoreboard_map();
    char bytes[1000];
    luas__slot slot = {.bytes = bytes, .size = sizeof bytes}, none = {.bytes = NULL};
    luas__bulk_end end = {0, 0};
    CHECK(scoreboard != NULL);
    CHECK(luas__bulk_room(&slot, scoreboard, &end, 700) == bytes && end.next == 0);
    CHECK(luas__bulk_room(&slot, scoreboard, &end, 1001) == NULL && end.next == 0);
    CHECK(luas__bulk_room(&none, scoreboard, &end, 1) == NULL);
    end.next += 600; /* as many as there were in the end */
    CHECK(luas__bulk_room(&slot, scoreboard, &end, 500) == NULL && end.next == 600);
    CHECK(luas__bulk_room(&slot, scoreboard, &end, 400) == bytes + 600 && end.next == 600);
    luas__bulk_return(scoreboard, 0, 500);
    CHECK(luas__bulk_room(&slot, scoreboard, &end, 450) == bytes && end.next == 1000);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, "x", 1), 1000);
    CHECK(bytes[0] == 'x' && end.next == 1001);
    luas__scoreboard_unmap(scoreboard);
}

/* Pages that nobody has touched cost more than the copy. */
static void test_a_slot_that_is_free_begins_at_the_front(void)
{
    char memory[SIZE], bytes[SIZE] = "";
    luas__slot slot = {.bytes = memory, .size = SIZE};
    luas__scoreboard *scoreboard = luas__scoreboard_map();
    luas__bulk_end end = {0, 0};
    CHECK(scoreboard != NULL);
    for (int64_t i = 0; i < 3; i++) {
        CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 400), i * SIZE);
        luas__bulk_return(scoreboard, i * SIZE, 400);
    }
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 400), 3 * SIZE);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 600), 3 * SIZE + 400); /* all of it is there */
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 1), -1);
    luas__bulk_return(scoreboard, 3 * SIZE, 400);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 400), 4 * SIZE);
    CHECK_INT(luas__bulk_put(&slot, scoreboard, &end, bytes, 1), -1);
    luas__scoreboard_unmap(scoreboard);
}

/* With what comes before them. */
static void test_the_largest_slot_has_two_results_of_4_MB(void)
{
    luas__bulk a;
    luas__scoreboard *scoreboard = luas__scoreboard_map();
    luas__bulk_end end = {0, 0};
    luas__bulk_open(&a, 8, false);
    luas__slot slot = luas__bulk_take(&a);
    for (int i = 0; i < 2; i++) {
        CHECK(luas__bulk_room(&slot, scoreboard, &end, (4 << 20) + 64) != NULL);
        end.next += (4 << 20) + 64;
    }
    luas__scoreboard_unmap(scoreboard);
    luas__bulk_close(&a);
}

int main(void)
{
    RUN(test_results_are_made_in_place);
    RUN(test_a_slot_that_is_free_begins_at_the_front);
    RUN(test_the_largest_slot_has_two_results_of_4_MB);
    RUN(test_each_piece_is_whole);
    RUN(test_nothing_comes_from_elsewhere);
    RUN(test_room_is_not_used_before_it_is_returned);
    RUN(test_slots_are_taken_and_freed);
    RUN(test_there_are_slots_for_any_number_of_workers);
    RUN(test_a_child_keeps_its_own_slot_only);
}
