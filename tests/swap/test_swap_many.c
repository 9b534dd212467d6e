/* test_swap_many.c - many swaps one after the other under load, and the end of the handle in the middle of one. QUIPU_LONG=1: 1,000 of them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "swaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

/* ---- many of them ---- */

static void many_swaps_one_after_the_other_under_load(void **state)
{
    (void)state;
    int rounds = getenv("QUIPU_LONG") ? 1000 : swaps_sanitized() ? 6 : 30, n = 0;
    size_t kinds = 1; /* git is always built */
    const char *const *backends = swaps_backends();
    while (backends[kinds])
        kinds++;
    assert_true(kinds > 1);
    quipu *q = swaps_open(swaps_path("first"), "git");
    swaps_fill(q, 60);
    swaps_digest before = swaps_digest_of(q);
    swaps_load *load = swaps_load_start(q, 4);
    for (int i = 0; i < rounds; i++) {
        char place[400];
        snprintf(place, sizeof place, "%s", swaps_path("place-%d", i));
        swaps_swap(q, backends[(size_t)(i + 1) % kinds], place, QUIPU_SWAP_DROP_HISTORY);
        if (i >= 3)
            scratch_remove(swaps_path("place-%d", n++)); /* old ones are left behind on purpose; the disk is finite */
    }
    uint64_t calls = swaps_load_stop(load);
    assert_true(calls > (uint64_t)rounds);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < SWAPS_IDS; k++) {
            char id[40];
            snprintf(id, sizeof id, "load-%d-%d", i, k);
            swaps_delete(q, id);
        }
    swaps_assert_same(before, swaps_digest_of(q)); /* none lost, none doubled */
    swaps_close(q);
}

static void *close_soon(void *argument)
{
    usleep(30000);
    return quipu_close(argument, NULL) == QUIPU_OK ? NULL : argument;
}

static void closing_ends_a_swap(void **state)
{
    (void)state;
    pthread_t thread;
    void *failed;
    quipu *q = swaps_open(swaps_path("old"), "memory");
    swaps_fill(q, 3000);
    quipu_swap_options o = { .struct_size = sizeof o, .backend = str_of("git"), .store = str_of(swaps_path("new")) };
    assert_int_equal(pthread_create(&thread, NULL, close_soon, q), 0);
    int32_t code = quipu_swap(q, &o, NULL, NULL, NULL, NULL, NULL);
    assert_true(code == QUIPU_OK || code == QUIPU_E_CANCELLED);
    pthread_join(thread, &failed);
    assert_null(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_swaps_one_after_the_other_under_load, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(closing_ends_a_swap, swaps_begin, swaps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
