/* test_swap_refused.c - swaps that come to nothing: given up, without sense, to a target that fails or lies at any operation; the old backend stays. */
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

/* ---- giving up ---- */

typedef struct patience {
    const char *phase;
    int left;
    quipu *q;
    int32_t inner; /* what a second swap was told */
} patience;

static int32_t lose_patience(void *context, const quipu_swap_progress *p)
{
    patience *mine = context;
    return str_same(p->phase, str_of(mine->phase)) && mine->left-- <= 0;
}

static void swap_that_is_given_up_leaves_the_old_one(void **state)
{
    static const char *const phases[] = { "testing",   "opening",   "copying",  "catching up",
                                          "verifying", "searching", "switching" };
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "memory");
    swaps_fill(q, 80);
    swaps_digest before = swaps_digest_of(q);
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        patience mine = { .phase = phases[i] };
        quipu_swap_options o = { .struct_size = sizeof o,
                                 .backend = str_of("git"),
                                 .store = str_of(swaps_path("new")) };
        assert_int_equal(quipu_swap(q, &o, lose_patience, &mine, NULL, NULL, &swaps_error), QUIPU_E_CANCELLED);
        assert_true(mine.left < 0);
        assert_string_equal(quipu_backend_name(q), "memory");
        swaps_assert_same(before, swaps_digest_of(q));
        assert_int_equal(swaps_put(q, "seed-00001", "word1 knot cord number 1"), QUIPU_OK);
        before = swaps_digest_of(q);
    }
    swaps_swap(q, "git", swaps_path("new"), 0);
    swaps_assert_same(before, swaps_digest_of(q));
    swaps_close(q);
}

static int32_t swap_within(void *context, const quipu_swap_progress *p)
{
    patience *mine = context;
    quipu_swap_options o = { .struct_size = sizeof o, .backend = str_of("git") };
    (void)p;
    mine->inner = quipu_swap(mine->q, &o, NULL, NULL, NULL, NULL, NULL);
    return 0;
}

static void one_swap_at_a_time_and_only_with_sense(void **state)
{
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "memory"), *reader = NULL;
    quipu_swap_report report = { .struct_size = sizeof report };
    quipu_call late = { .struct_size = sizeof late, .deadline_ns = 1 };
    patience mine = { .q = q };
    quipu_swap_options o = { .struct_size = sizeof o, .backend = str_of("git"), .store = str_of(swaps_path("new")) };
    assert_int_equal(quipu_swap(q, &o, NULL, NULL, NULL, &late, &swaps_error), QUIPU_E_TIMEOUT);
    assert_int_equal(quipu_swap(NULL, &o, NULL, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_swap(q, NULL, NULL, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_digest(q, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
    quipu_swap_options bad[5] = { o, o, o, o, o };
    static const char *const fields[] = { "flags", "backend", "samples", "drain_ms", "backend_config" };
    bad[0].flags = 64;
    bad[1].backend = (quipu_str){ NULL, 0 };
    bad[2].samples = 1001;
    bad[3].drain_ms = UINT64_MAX;
    bad[4].backend_config = str_of("[1]");
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(quipu_swap(q, &bad[i], NULL, NULL, &report, NULL, &swaps_error), QUIPU_E_INVALID);
        assert_string_equal(swaps_error.field, fields[i]);
    }
    assert_int_equal(quipu_swap(q, &o, swap_within, &mine, &report, NULL, &swaps_error), QUIPU_OK);
    assert_int_equal(mine.inner, QUIPU_E_BUSY);
    swaps_close(q);
    quipu_options options = { .struct_size = sizeof options,
                              .flags = QUIPU_OPEN_READ_ONLY,
                              .store = str_of(swaps_path("new")),
                              .plugin_path = str_of(swaps_plugins()) };
    assert_int_equal(quipu_open(&options, &reader, &swaps_error), QUIPU_OK);
    assert_int_equal(quipu_swap(reader, &o, NULL, NULL, NULL, NULL, &swaps_error), QUIPU_E_READ_ONLY);
    swaps_close(reader);
}

static void lease_that_is_held_prevents_the_switch_and_nothing_else(void **state)
{
    quipu_swap_report r;
    quipu_lease lease = { .struct_size = sizeof lease };
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "memory");
    swaps_fill(q, 20);
    quipu_call soon = { .struct_size = sizeof soon };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    soon.deadline_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + 300000000;
    quipu_swap_options o = { .struct_size = sizeof o, .backend = str_of("git"), .store = str_of(swaps_path("new")) };
    assert_int_equal(quipu_enter(q, &lease, NULL), QUIPU_OK);
    assert_int_equal(quipu_swap(q, &o, NULL, NULL, NULL, &soon, &swaps_error), QUIPU_E_TIMEOUT);
    assert_int_equal(swaps_put(q, "x", "goes on"), QUIPU_OK);
    quipu_leave(q, &lease);
    assert_int_equal(swaps_try(q, "git", swaps_path("new"), 0, &r), QUIPU_OK);
    assert_string_equal(swaps_text(q, "x"), "goes on");
    swaps_close(q);
}

/* ---- a target that goes wrong ---- */

static int32_t swap_to_faulty(quipu *q, const char *fault, int at, quipu_swap_report *report)
{
    static int run;
    char config[100];
    snprintf(config, sizeof config, "{\"fault\":\"%s\",\"at\":%d,\"run\":%d}", fault, at, ++run);
    quipu_swap_options o = { .struct_size = sizeof o,
                             .flags = QUIPU_SWAP_VOLATILE | QUIPU_SWAP_DROP_HISTORY,
                             .backend = str_of("faulty"),
                             .backend_config = str_of(config),
                             .store = str_of(swaps_path("nowhere")) };
    *report = (quipu_swap_report){ .struct_size = sizeof *report };
    swaps_error = (quipu_error){ .struct_size = sizeof swaps_error };
    return quipu_swap(q, &o, NULL, NULL, report, NULL, &swaps_error);
}

/* Lets every operation of the target go wrong in turn, until a swap is through without coming to it. */
static int try_every_operation(const char *fault, int32_t may_succeed)
{
    int failures = 0;
    for (int k = 1; k < 2000; k++) {
        quipu_swap_report r;
        quipu *q = swaps_open(swaps_path("plain"), "memory");
        swaps_fill(q, 40);
        swaps_digest before = swaps_digest_of(q);
        int32_t code = swap_to_faulty(q, fault, k, &r);
        swaps_digest after = { .count = 0 };
        bool passed = quipu_digest(q, after.text, &after.count, NULL, NULL) != QUIPU_OK; /* this was the operation */
        swaps_assert_same(before, passed ? swaps_digest_of(q) : after);                  /* whoever is active now */
        assert_string_equal(quipu_backend_name(q), code == QUIPU_OK ? "faulty" : "memory");
        if (code != QUIPU_OK) {
            assert_true(swaps_error.message[0] != '\0');
            assert_int_equal(swaps_put(q, "after", "goes on"), QUIPU_OK);
            failures++;
        } else {
            assert_string_equal(r.digest, before.text);
        }
        swaps_close(q);
        if (passed || (code == QUIPU_OK && may_succeed && k > 150))
            break;
    }
    return failures;
}

static void target_that_fails_at_any_operation_leaves_the_old_one(void **state)
{
    (void)state;
    assert_true(try_every_operation("fail", 0) > 20);
}

static void write_that_the_target_lost_is_seen(void **state)
{
    (void)state;
    try_every_operation("drop", 1);
}

static void target_that_lies_is_refused(void **state)
{
    static const char *const faults[] = { "drop", "hide", "double", "blind" };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        quipu_swap_report r;
        quipu *q = swaps_open(swaps_path("plain"), "memory");
        swaps_fill(q, 40);
        swaps_digest before = swaps_digest_of(q);
        int32_t code = swap_to_faulty(q, faults[i], 0, &r);
        if (code == QUIPU_OK)
            fail_msg("a target with the fault \"%s\" took over", faults[i]);
        assert_string_equal(quipu_backend_name(q), "memory");
        swaps_assert_same(before, swaps_digest_of(q));
        swaps_close(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(swap_that_is_given_up_leaves_the_old_one, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(one_swap_at_a_time_and_only_with_sense, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(lease_that_is_held_prevents_the_switch_and_nothing_else, swaps_begin,
                                        swaps_end),
        cmocka_unit_test_setup_teardown(target_that_fails_at_any_operation_leaves_the_old_one, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(write_that_the_target_lost_is_seen, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(target_that_lies_is_refused, swaps_begin, swaps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
