/* test_power_cut.c - the power fails at each operation of a workload: what was synced is there, what was not may be gone, and every
 * acknowledged set is whole. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "power_cut.h"
#include "trial.h"

#include <fcntl.h>
#include <unistd.h>

enum { SAMPLE = 8 /* points of a workload, without QUIPU_LONG */, TOLD = 5 };

static const char *const how_names[POWER_CUT_MODELS] = { "only what was synced", "all names", "some of it" };

/* Runs the workload once, and reads back what it did. */
static power_cut *record_run(const workload *w, const char *base, const char *store)
{
    char journal[TRIAL_PATH];
    bool killed;
    fault_plan plan = fault_none;
    trial_path("journal", journal);
    plan.journal = open(journal, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    assert_true(plan.journal >= 0);
    trial_copy(base, store);
    unsigned acknowledged = workload_run(w, store, &plan, &killed);
    assert_false(killed);
    assert_int_equal(acknowledged, w->before + w->sets);
    trial_remove(store);
    close(plan.journal);
    return power_cut_read(base, store, journal);
}

/* "" or what is wrong after that cut. */
static void try_cut(const workload *w, const power_cut *p, unsigned done, power_cut_model how, unsigned seed,
                    const char *store, char why[TRIAL_WHY])
{
    unsigned acknowledged = w->before;
    assert_true(power_cut_build(p, done, how, seed, store, &acknowledged));
    workload_check(w, store, acknowledged, why);
    trial_remove(store);
}

static void try_cuts(const workload *w)
{
    char base[TRIAL_PATH], store[TRIAL_PATH], why[TRIAL_WHY];
    unsigned failed = 0, tried = 0, points = 0;
    trial_path("base", base);
    trial_path("store", store);
    workload_base(w, base);
    power_cut *p = record_run(w, base, store);
    assert_non_null(p);
    unsigned operations = power_cut_operations(p);
    unsigned all = (operations + 1) * POWER_CUT_MODELS;
    unsigned stride = trial_long() ? 1 : all / SAMPLE + 1;
    unsigned phase = trial_seed() % stride;
    for (unsigned done = 0; done <= operations; done++)
        for (unsigned how = 0; how < POWER_CUT_MODELS; how++) {
            if (points++ % stride != phase)
                continue;
            try_cut(w, p, done, (power_cut_model)how, trial_seed() * 2654435761u + points, store, why);
            if (why[0] && failed++ < TOLD)
                print_error("%s, power cut before operation %u, %s is there: %s\n", w->name, done + 1, how_names[how],
                            why);
            tried++;
        }
    power_cut_free(p);
    trial_remove(base);
    print_message("# %s: %u operations, %u cuts tried of %u\n", w->name, operations, tried, all);
    assert_int_equal(failed, 0);
}

#define WORKLOAD(test, ...)                                                                                            \
    static void test(void **state)                                                                                     \
    {                                                                                                                  \
        static const workload w = { .name = #test, __VA_ARGS__ };                                                      \
        (void)state;                                                                                                   \
        try_cuts(&w);                                                                                                  \
    }

WORKLOAD(a_store_that_is_being_made, .sets = 2)
WORKLOAD(sets_of_many_sizes, .before = 5, .sets = 9)
WORKLOAD(packs_that_are_merged, .before = 31, .sets = 4)
WORKLOAD(a_store_closed_and_opened, .before = 3, .sets = 6, .reopen_after = 3)
WORKLOAD(a_store_that_git_packed, .before = 12, .sets = 4, .prepare = "git gc -q && git pack-refs --all")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_is_being_made), cmocka_unit_test(sets_of_many_sizes),
        cmocka_unit_test(packs_that_are_merged),      cmocka_unit_test(a_store_closed_and_opened),
        cmocka_unit_test(a_store_that_git_packed),
    };
    return cmocka_run_group_tests(tests, trial_begin, trial_end);
}
