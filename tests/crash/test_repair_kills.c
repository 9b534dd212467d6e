/* test_repair_kills.c - kill -9 before each operation of a repair, and in the middle of each write: it can be taken up again, everything is
 * there afterwards, and nothing was deleted. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <tests/support/scratch.h>

enum { SETS = 6, SAMPLE = 10 /* points of a repair, without QUIPU_LONG */, TOLD = 8, LIMIT = 60 };

static char base[TRIAL_PATH], store[TRIAL_PATH];

/* ---- a repair that is killed ---- */

static void repair_under(void *context, char why[TRIAL_WHY])
{
    fault_install(context);
    int damage = model_repair(store);
    if (damage)
        snprintf(why, TRIAL_WHY, "repair: %d: %s", damage, damage < 0 ? model_error.message : "damage remains");
}

static void check_store(void *context, char why[TRIAL_WHY])
{
    model_store s;
    char wrong[300];
    unsigned sets = *(unsigned *)context;
    int damage = model_repair(store);
    if (damage != 0)
        snprintf(why, TRIAL_WHY, "repaired again: %d: %s", damage, damage < 0 ? model_error.message : "damage remains");
    else if (model_open(&s, store, NULL, 0) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "it cannot be opened: %s", model_error.message);
    if (why[0])
        return;
    if (model_compare(&s, sets, sets, true, wrong) < 0)
        snprintf(why, TRIAL_WHY, "%s", wrong);
    else if (model_apply(&s, sets + 1, NULL) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "it cannot be written: %s", model_error.message);
    else if (model_damage(&s) != 0)
        snprintf(why, TRIAL_WHY, "verify finds damage");
    if (model_close(&s) != QUIPU_OK && !why[0])
        snprintf(why, TRIAL_WHY, "it cannot be closed");
}

static void try_point(unsigned at, bool half, unsigned sets, char why[TRIAL_WHY])
{
    char output[300];
    fault_plan plan = fault_none;
    plan.kill_at = at;
    plan.half = half;
    trial_copy(base, store);
    trial_child(repair_under, &plan, LIMIT, why);
    if (strcmp(why, strsignal(SIGKILL)) != 0) {
        snprintf(why, TRIAL_WHY, "the repair was not killed");
        return;
    }
    trial_child(check_store, &sets, LIMIT, why);
    if (!why[0] && scratch_git(store, output, sizeof output, "fsck --strict --no-dangling --no-progress") != 0)
        snprintf(why, TRIAL_WHY, "git fsck: %s", output);
}

/* What was in the damaged store is somewhere: but for the branch, which a check moves on. */
static void check_deleted(char why[TRIAL_WHY])
{
    if (!why[0])
        trial_find_deleted(base, store, why);
    if (strstr(why, "/refs/heads/main") && !strchr(why, '\n')[1])
        why[0] = '\0';
}

/* damage: a command that is run in a store of so many sets; all of them can be saved. */
static void try_damage(const char *damage)
{
    workload w = { .name = "filling", .before = SETS };
    char command[800], why[TRIAL_WHY];
    unsigned operations = 0, all = 0, points = 0, tried = 0, failed = 0;
    fault_plan plan = fault_none;
    trial_path("base", base);
    trial_path("store", store);
    workload_base(&w, base);
    snprintf(command, sizeof command, "cd '%s' && { %s; } >/dev/null", base, damage);
    assert_int_equal(system(command), 0);
    plan.sorts = mmap(NULL, FAULT_POINTS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(plan.sorts != MAP_FAILED);
    trial_copy(base, store);
    trial_child(repair_under, &plan, LIMIT, why);
    assert_string_equal(why, "");
    trial_remove(store);
    while (operations < FAULT_POINTS_MAX && plan.sorts[operations] != FAULT_SORT_NONE)
        all += plan.sorts[operations++];
    assert_true(operations > 5);
    unsigned stride = trial_long() ? 1 : all / SAMPLE + 1, phase = trial_seed() % stride;
    for (unsigned i = 0; i < operations; i++)
        for (int half = 0; half < plan.sorts[i]; half++) {
            if (points++ % stride != phase)
                continue;
            try_point(i + 1, half, SETS, why);
            check_deleted(why);
            if (why[0] && failed++ < TOLD)
                print_error("killed %s operation %u: %s\n", half ? "in" : "before", i + 1, why);
            trial_remove(store);
            tried++;
        }
    munmap(plan.sorts, FAULT_POINTS_MAX);
    trial_remove(base);
    print_message("# %u operations, %u points tried of %u\n", operations, tried, all);
    assert_int_equal(failed, 0);
}

#define DAMAGE(test, command)                                                                                          \
    static void test(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        try_damage(command);                                                                                           \
    }

#define FLIP                                                                                                           \
    "b=$(od -An -t u1 -j 100 -N 1 $f) && printf '%b' \"\\\\0$(printf %03o $((b ^ 16)))\" | dd of=$f bs=1 seek=100 "    \
    "conv=notrunc 2>/dev/null"

DAMAGE(a_lost_branch, "rm refs/heads/main")
DAMAGE(a_branch_of_garbage, "echo garbage > refs/heads/main")
DAMAGE(a_head_of_garbage, "echo garbage > HEAD")
DAMAGE(a_missing_index, "rm $(ls objects/pack/*.idx | head -n 1)")
DAMAGE(a_damaged_index, "f=$(ls objects/pack/*.idx | head -n 1) && chmod u+w $f && " FLIP)
DAMAGE(a_flipped_bit_in_a_pack, "f=$(ls objects/pack/*.pack | head -n 1) && chmod u+w $f && " FLIP)
DAMAGE(a_pack_without_its_end, "f=$(ls objects/pack/*.pack | head -n 1) && chmod u+w $f && truncate -s -20 $f && "
                               "truncate -s +20 $f && rm ${f%.pack}.idx")
DAMAGE(several_at_once,
       "rm refs/heads/main && echo garbage > HEAD && echo '[[' > config && f=$(ls objects/pack/*.pack | head -n 1) && "
       "chmod u+w $f && " FLIP " && touch -d '1 hour ago' HEAD.lock && rm -f $(ls objects/pack/*.idx | tail -n 1)")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_branch),          cmocka_unit_test(a_branch_of_garbage),
        cmocka_unit_test(a_head_of_garbage),      cmocka_unit_test(a_missing_index),
        cmocka_unit_test(a_damaged_index),        cmocka_unit_test(a_flipped_bit_in_a_pack),
        cmocka_unit_test(a_pack_without_its_end), cmocka_unit_test(several_at_once),
    };
    return cmocka_run_group_tests(tests, trial_begin, trial_end);
}
