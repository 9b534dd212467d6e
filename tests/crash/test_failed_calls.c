/* test_failed_calls.c - each single call of storage_git/os.h fails once, with EIO, ENOSPC, EINTR, or does half: what the backend then
 * answers is right or is an error; the same again succeeds; nothing is lost, and nothing is left over. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_call.h"
#include "trial.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { SAMPLE = 10, SAMPLE_LONG = 400 /* failures of a workload; the latter with QUIPU_LONG */, TOLD = 5, LIMIT = 120 };

static const char *const fault_names[CALL_FAULTS] = { "EIO", "ENOSPC", "EINTR", "half of it" };
static const char *const sort_names[CALL_SORTS] = { "none",  "open",   "make", "write",  "pread", "sync", "ftruncate",
                                                    "close", "rename", "link", "unlink", "mkdir", "lock", "unlock" };

/* What is done to a store. */
typedef enum deed { ONE_BY_ONE, TOGETHER, MAINTAINED, PULLED, PUSHED } deed;

typedef struct story {
    workload w;
    deed deed;
} story;

/* Shared with the child that tells it. */
typedef struct telling {
    uint8_t sorts[CALLS_MAX];
    bool happened;
    unsigned refused; /* calls of the backend that answered with an error */
} telling;

typedef struct attempt {
    const story *story;
    const char *store, *other;
    telling *shared;
    unsigned at; /* 0: nothing fails */
    call_fault fault;
} attempt;

/* ---- in the child ---- */

/* Does it, and again where it failed, once. */
#define TWICE(a, code, call)                                                                                           \
    do {                                                                                                               \
        (code) = (call);                                                                                               \
        if ((code) != QUIPU_OK) {                                                                                      \
            (a)->shared->refused++;                                                                                    \
            (code) = (call);                                                                                           \
        }                                                                                                              \
    } while (0)

static int32_t do_deed(const attempt *a, model_store *s, char why[TRIAL_WHY])
{
    const workload *w = &a->story->w;
    unsigned last = w->before + w->sets;
    char wrong[300];
    int32_t code = QUIPU_OK;
    if (a->story->deed == TOGETHER)
        TWICE(a, code, model_apply_together(s, w->before + 1, last));
    if (a->story->deed == PULLED)
        TWICE(a, code, model_exchange(s, a->other, false));
    for (unsigned n = w->before + 1; n <= last && code == QUIPU_OK && !why[0]; n++) {
        if (a->story->deed == TOGETHER || a->story->deed == PULLED)
            break;
        TWICE(a, code, model_apply(s, n, NULL));
        if (code == QUIPU_OK && w->reopen_after && (n - w->before) % w->reopen_after == 0) {
            a->shared->refused += model_close(s) != QUIPU_OK;
            TWICE(a, code, model_open(s, a->store, w->config, 0));
        }
    }
    if (a->story->deed == MAINTAINED && code == QUIPU_OK)
        TWICE(a, code, model_maintain(s));
    if (a->story->deed == PUSHED && code == QUIPU_OK)
        TWICE(a, code, model_exchange(s, a->other, true));
    if (code == QUIPU_OK && !why[0] && !model_answers_rightly(s, last, wrong))
        snprintf(why, TRIAL_WHY, "at the end: %s", wrong);
    return code;
}

static void tell(void *context, char why[TRIAL_WHY])
{
    const attempt *a = context;
    model_store s = { 0 };
    int32_t code;
    failing_call_install(a->at, a->fault, a->at ? NULL : a->shared->sorts, &a->shared->happened);
    TWICE(a, code, model_open(&s, a->store, a->story->w.config, 0));
    if (code == QUIPU_OK)
        code = do_deed(a, &s, why);
    if (code != QUIPU_OK && !why[0])
        snprintf(why, TRIAL_WHY, "the second time it answers %d: %s", code, model_error.message);
    if (s.self)
        a->shared->refused += model_close(&s) != QUIPU_OK;
}

/* ---- the series ---- */

static void try_call(const attempt *a, const char *base, const char *other_base, unsigned *failed, unsigned *untold)
{
    char why[TRIAL_WHY];
    call_sort sort = (call_sort)a->shared->sorts[a->at - 1];
    workload checked = a->story->w;
    const workload *w = &checked;
    checked.may_leave = sort == CALL_UNLINK;
    trial_copy(base, a->store);
    if (a->story->deed >= PULLED)
        trial_copy(other_base, a->other);
    a->shared->happened = false;
    a->shared->refused = 0;
    trial_child(tell, (void *)(uintptr_t)a, LIMIT, why);
    if (!why[0])
        workload_check(w, a->store, w->before + w->sets, why);
    if (!why[0] && a->story->deed == PUSHED)
        workload_check(w, a->other, w->before + w->sets, why);
    if (!why[0] && a->shared->refused && a->fault >= FAULT_EINTR &&
        (sort == CALL_WRITE || sort == CALL_PREAD || sort == CALL_SYNC))
        snprintf(why, TRIAL_WHY, "it was refused, though going on is all that was needed: %s", model_error.message);
    if (why[0] && (*failed)++ < TOLD)
        print_error("%s, call %u (%s) with %s: %s\n", w->name, a->at, sort_names[sort], fault_names[a->fault], why);
    *untold += !a->shared->happened;
    trial_remove(a->store);
    if (a->story->deed >= PULLED)
        trial_remove(a->other);
}

static void prepare(const story *t, const char *base, const char *other)
{
    bool killed;
    workload_base(&t->w, base);
    if (t->deed >= PULLED)
        trial_copy(base, other);
    if (t->deed == PULLED)
        workload_run(&t->w, other, &fault_none, &killed);
}

static void count_calls(attempt *a, const char *base, const char *other_base)
{
    char why[TRIAL_WHY];
    trial_copy(base, a->store);
    if (a->story->deed >= PULLED)
        trial_copy(other_base, a->other);
    trial_child(tell, a, LIMIT, why);
    assert_string_equal(why, "");
    assert_int_equal(a->shared->refused, 0);
    trial_remove(a->store);
    if (a->story->deed >= PULLED)
        trial_remove(a->other);
}

static void try_calls(const story *t)
{
    char base[TRIAL_PATH], other_base[TRIAL_PATH], store[TRIAL_PATH], other[TRIAL_PATH];
    unsigned calls = 0, all = 0, points = 0, tried = 0, failed = 0, untold = 0;
    telling *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    trial_path("base", base);
    trial_path("other-base", other_base);
    trial_path("store", store);
    trial_path("other", other);
    attempt a = { t, store, other, shared, 0, FAULT_EIO };
    prepare(t, base, other_base);
    count_calls(&a, base, other_base);
    for (; calls < CALLS_MAX && shared->sorts[calls] != CALL_NONE; calls++)
        for (unsigned f = 0; f < CALL_FAULTS; f++)
            all += failing_call_can((call_sort)shared->sorts[calls], (call_fault)f);
    unsigned stride = all / (trial_long() ? SAMPLE_LONG : SAMPLE) + 1, phase = trial_seed() % stride;
    for (unsigned i = 0; i < calls; i++)
        for (unsigned f = 0; f < CALL_FAULTS; f++) {
            if (!failing_call_can((call_sort)shared->sorts[i], (call_fault)f) || points++ % stride != phase)
                continue;
            a.at = i + 1;
            a.fault = (call_fault)f;
            try_call(&a, base, other_base, &failed, &untold);
            tried++;
        }
    trial_remove(base);
    trial_remove(other_base);
    munmap(shared, sizeof *shared);
    print_message("# %s: %u calls, %u failures tried of %u, %u did not come to pass\n", t->w.name, calls, tried, all,
                  untold);
    assert_int_equal(failed, 0);
}

#define STORY(test, what, ...)                                                                                         \
    static void test(void **state)                                                                                     \
    {                                                                                                                  \
        static const story t = { { .name = #test, __VA_ARGS__ }, what };                                               \
        (void)state;                                                                                                   \
        try_calls(&t);                                                                                                 \
    }

STORY(a_store_that_is_being_made, ONE_BY_ONE, .sets = 2)
STORY(sets_of_many_sizes, ONE_BY_ONE, .before = 5, .sets = 4)
STORY(packs_that_are_merged, ONE_BY_ONE, .before = 31, .sets = 3)
STORY(relaxed_durability, ONE_BY_ONE, .before = 4, .sets = 3, .config = "{\"durability\":\"relaxed\"}")
STORY(derived_state_that_is_saved, ONE_BY_ONE, .before = 3, .sets = 4, .reopen_after = 2)
STORY(many_sets_together, TOGETHER, .before = 3, .sets = 12)
STORY(maintenance, MAINTAINED, .before = 8, .sets = 1)
STORY(a_pull, PULLED, .before = 4, .sets = 4)
STORY(a_push, PUSHED, .before = 4, .sets = 2)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_is_being_made),
        cmocka_unit_test(sets_of_many_sizes),
        cmocka_unit_test(packs_that_are_merged),
        cmocka_unit_test(relaxed_durability),
        cmocka_unit_test(derived_state_that_is_saved),
        cmocka_unit_test(many_sets_together),
        cmocka_unit_test(maintenance),
        cmocka_unit_test(a_pull),
        cmocka_unit_test(a_push),
    };
    return cmocka_run_group_tests(tests, trial_begin, trial_end);
}
