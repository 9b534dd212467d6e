/* test_kill_points.c - kill -9 before, and for writes in the middle of, each operation of a workload: every acknowledged set is there,
 * and whole sets only. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trial.h"

#include <string.h>
#include <sys/mman.h>

enum { SAMPLE = 6 /* points of a workload, without QUIPU_LONG */, TOLD = 5 /* failures that are told in full */ };

typedef struct series {
    const workload *w;
    char base[TRIAL_PATH];
    char store[TRIAL_PATH];
    uint8_t *sorts; /* of the operations of a whole run, as fault_os.h says */
    unsigned operations;
    unsigned points;
    unsigned failed;
} series;

static void count_operations(series *s)
{
    bool killed;
    fault_plan plan = fault_none;
    plan.sorts = s->sorts;
    trial_copy(s->base, s->store);
    unsigned acknowledged = workload_run(s->w, s->store, &plan, &killed);
    assert_false(killed);
    assert_int_equal(acknowledged, s->w->before + s->w->sets);
    trial_remove(s->store);
    while (s->operations < FAULT_POINTS_MAX && s->sorts[s->operations] != FAULT_SORT_NONE)
        s->operations++;
}

/* Kills one run at one point, and looks at what is left. */
static void try_point(series *s, unsigned at, bool half)
{
    char why[TRIAL_WHY];
    bool killed;
    fault_plan plan = fault_none;
    plan.kill_at = at;
    plan.half = half;
    trial_copy(s->base, s->store);
    unsigned acknowledged = workload_run(s->w, s->store, &plan, &killed);
    workload_check(s->w, s->store, acknowledged, why);
    if (!killed)
        strcpy(why, "the run came to its end");
    if (why[0] && s->failed++ < TOLD)
        print_error("%s, killed %s operation %u: %s\n", s->w->name, half ? "in" : "before", at, why);
    trial_remove(s->store);
    s->points++;
}

static void try_points(const workload *w)
{
    series s = { .w = w };
    unsigned points = 0, all = 0;
    s.sorts = mmap(NULL, FAULT_POINTS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s.sorts != MAP_FAILED);
    trial_path("base", s.base);
    trial_path("store", s.store);
    workload_base(w, s.base);
    count_operations(&s);
    for (unsigned i = 0; i < s.operations; i++)
        all += s.sorts[i]; /* two for a write */
    unsigned stride = trial_long() ? 1 : all / SAMPLE + 1;
    unsigned phase = trial_seed() % stride;
    for (unsigned i = 0; i < s.operations; i++)
        for (int half = 0; half < s.sorts[i]; half++)
            if (points++ % stride == phase)
                try_point(&s, i + 1, half);
    munmap(s.sorts, FAULT_POINTS_MAX);
    trial_remove(s.base);
    print_message("# %s: %u operations, %u points tried of %u\n", w->name, s.operations, s.points, all);
    assert_int_equal(s.failed, 0);
}

#define WORKLOAD(test, ...)                                                                                            \
    static void test(void **state)                                                                                     \
    {                                                                                                                  \
        static const workload w = { .name = #test, __VA_ARGS__ };                                                      \
        (void)state;                                                                                                   \
        try_points(&w);                                                                                                \
    }

WORKLOAD(a_store_that_is_being_made, .sets = 2)
WORKLOAD(sets_of_many_sizes, .before = 5, .sets = 12)
WORKLOAD(packs_that_are_merged, .before = 31, .sets = 4)
WORKLOAD(packs_that_are_merged_again, .before = 60, .sets = 8)
WORKLOAD(relaxed_durability, .before = 30, .sets = 6, .config = "{\"durability\":\"relaxed\"}")
WORKLOAD(a_store_closed_and_opened, .before = 3, .sets = 9, .reopen_after = 3)
WORKLOAD(a_store_that_git_packed, .before = 12, .sets = 5, .prepare = "git gc -q && git pack-refs --all")
WORKLOAD(a_crash_while_a_pack_is_cleared, .before = 4, .sets = 2, .crash_at = 10)
WORKLOAD(a_crash_while_a_lock_is_cleared, .before = 31, .sets = 3, .crash_at = 22)

static int begin(void **state)
{
    fault_stop_clock();
    return trial_begin(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_is_being_made),
        cmocka_unit_test(sets_of_many_sizes),
        cmocka_unit_test(packs_that_are_merged),
        cmocka_unit_test(packs_that_are_merged_again),
        cmocka_unit_test(relaxed_durability),
        cmocka_unit_test(a_store_closed_and_opened),
        cmocka_unit_test(a_store_that_git_packed),
        cmocka_unit_test(a_crash_while_a_pack_is_cleared),
        cmocka_unit_test(a_crash_while_a_lock_is_cleared),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
