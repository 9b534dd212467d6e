/* test_shadow.c - shadow mode: the same calls to a second backend, which never shows, and what is told of it. */
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
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int32_t shadow(quipu *q, const char *backend, const char *config)
{
    quipu_swap_options o = { .struct_size = sizeof o,
                             .flags = QUIPU_SWAP_DROP_HISTORY | QUIPU_SWAP_VOLATILE,
                             .backend = str_of(backend),
                             .backend_config = str_of(config),
                             .store = str_of(swaps_path("second-%s", backend)) };
    swaps_error = (quipu_error){ .struct_size = sizeof swaps_error };
    return quipu_shadow_begin(q, &o, NULL, NULL, NULL, NULL, &swaps_error);
}

static quipu_shadow_report end_shadow(quipu *q)
{
    quipu_shadow_report r = { .struct_size = sizeof r };
    if (quipu_shadow_end(q, &r, &swaps_error) != QUIPU_OK)
        fail_msg("end: %s", swaps_error.message);
    return r;
}

static int32_t take(void *context, const quipu_hit *hit)
{
    (void)hit;
    return ++*(int *)context == 3; /* has enough after three */
}

static void read_some(quipu *q)
{
    int seen = 0;
    quipu_scan scan = { .struct_size = sizeof scan, .order = QUIPU_ORDER_NEWEST };
    quipu_search search = { .struct_size = sizeof search, .text = str_of("knot number"), .k = 10 };
    assert_int_equal(quipu_scan_records(q, &scan, take, &seen, NULL, NULL), QUIPU_OK);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_int_equal(quipu_search_records(q, &search, take, &seen, NULL, NULL), QUIPU_OK);
    assert_string_equal(swaps_text(q, "seed-00003"), "word3 knot cord number 3");
    assert_string_equal(swaps_text(q, "nobody"), "");
}

static void both_backends_agree_under_load(void **state)
{
    (void)state;
    for (const char *const *from = swaps_backends(); *from; from++)
        for (const char *const *to = swaps_backends(); *to; to++) {
            if (!swaps_pair_wanted(from, to))
                continue;
            quipu *q = swaps_open(swaps_path("%s-before-%s", *from, *to), *from);
            swaps_fill(q, 60);
            swaps_load *load = swaps_load_start(q, 3);
            if (shadow(q, *to, NULL) != QUIPU_OK)
                fail_msg("%s to %s: %s", *from, *to, swaps_error.message);
            assert_int_equal(shadow(q, *to, NULL), QUIPU_E_BUSY);
            usleep(60000);
            read_some(q);
            quipu_shadow_report r = { .struct_size = sizeof r };
            assert_int_equal(quipu_shadow_read(q, &r, NULL), QUIPU_OK);
            swaps_load_stop(load);
            read_some(q); /* nobody writes: these can be compared */
            r = end_shadow(q);
            if (r.apart)
                fail_msg("%s to %s: %s", *from, *to, r.first);
            assert_true(r.writes > 0 && r.gets > 0 && r.scans > 0 && r.searches > 0);
            assert_true(r.unsure < r.gets + r.scans + r.searches);
            assert_true(r.agreement > 300);
            assert_true(r.read_p50_ns > 0 && r.read_p99_ns >= r.read_p50_ns &&
                        r.shadow_read_p99_ns >= r.shadow_read_p50_ns);
            assert_true(r.shadow_write_p50_ns > 0);
            assert_string_equal(quipu_backend_name(q), *from);
            assert_int_equal(quipu_shadow_end(q, NULL, NULL), QUIPU_E_STATE);
            assert_int_equal(swaps_put(q, "after", "goes on"), QUIPU_OK);
            swaps_close(q);
            char kept[400];
            snprintf(kept, sizeof kept, "rm -rf '%s'", swaps_path("second-%s", *to));
            assert_int_equal(system(kept), 0);
        }
}

static void what_was_filled_is_used_by_the_swap(void **state)
{
    (void)state;
    quipu *q = swaps_open(swaps_path("first"), "git");
    swaps_fill(q, 200);
    assert_int_equal(shadow(q, "git", NULL), QUIPU_OK);
    swaps_put(q, "both", "written to both");
    end_shadow(q);
    swaps_put(q, "one", "written to one");
    swaps_digest before = swaps_digest_of(q);
    quipu_swap_report r = swaps_swap(q, "git", swaps_path("second-git"), 0);
    assert_string_equal(r.digest, before.text);
    assert_true(r.written < 3);
    swaps_close(q);
}

static void second_backend_that_goes_wrong_is_told_of_and_never_shows(void **state)
{
    static const char *const faults[] = { "drop", "hide", "blind", "fail" };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char config[100];
        quipu *q = swaps_open(swaps_path("plain"), "memory");
        swaps_fill(q, 40);
        /* the fault begins after what the filling takes */
        snprintf(config, sizeof config, "{\"fault\":\"%s\",\"from\":%d,\"run\":%zu}", faults[i], 200, 100000 + i);
        if (shadow(q, "faulty", config) != QUIPU_OK)
            fail_msg("%s", swaps_error.message);
        for (int k = 0; k < 60; k++) {
            char id[20];
            snprintf(id, sizeof id, "new-%d", k);
            assert_int_equal(swaps_put(q, id, "knot"), QUIPU_OK);
            assert_string_equal(swaps_text(q, id), "knot");
            read_some(q);
        }
        quipu_shadow_report r = end_shadow(q);
        assert_true(r.apart > 0);
        assert_true(r.first[0] != '\0');
        assert_int_equal(swaps_digest_of(q).count, 100);
        swaps_close(q);
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    quipu_shadow_report r = { .struct_size = sizeof r };
    (void)state;
    quipu *q = swaps_open(swaps_path("first"), "git");
    quipu_swap_options o = { .struct_size = sizeof o, .flags = QUIPU_SWAP_TRIAL, .backend = str_of("git") };
    assert_int_equal(quipu_shadow_begin(q, &o, NULL, NULL, NULL, NULL, &swaps_error), QUIPU_E_INVALID);
    o.flags = 0; /* the same store twice */
    assert_int_equal(quipu_shadow_begin(q, &o, NULL, NULL, NULL, NULL, &swaps_error), QUIPU_E_INVALID);
    assert_string_equal(swaps_error.field, "store");
    assert_int_equal(quipu_shadow_read(q, &r, NULL), QUIPU_E_STATE);
    assert_int_equal(quipu_shadow_read(q, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_shadow_begin(NULL, &o, NULL, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(shadow(q, "memory", NULL), QUIPU_OK);
    quipu_swap_report swapped;
    assert_int_equal(swaps_try(q, "git", swaps_path("x"), 0, &swapped), QUIPU_E_BUSY);
    swaps_close(q); /* which ends it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_backends_agree_under_load, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(what_was_filled_is_used_by_the_swap, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(second_backend_that_goes_wrong_is_told_of_and_never_shows, swaps_begin,
                                        swaps_end),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused, swaps_begin, swaps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
