/* test_swap.c - another backend in the place of the active one: between any two that are built, under load, without a loss. */
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

static void every_record_is_there_after_a_swap_between_any_two(void **state)
{
    (void)state;
    for (const char *const *from = swaps_backends(); *from; from++)
        for (const char *const *to = swaps_backends(); *to; to++) {
            char old[400], new[400];
            snprintf(old, sizeof old, "%s", swaps_path("%s-to-%s", *from, *to));
            snprintf(new, sizeof new, "%s", swaps_path("%s-from-%s", *to, *from));
            quipu *q = swaps_open(old, *from);
            swaps_fill(q, 130);
            swaps_digest before = swaps_digest_of(q);
            quipu_swap_report r = swaps_swap(q, *to, new, QUIPU_SWAP_DROP_HISTORY);
            swaps_assert_same(before, swaps_digest_of(q));
            assert_string_equal(r.digest, before.text);
            assert_int_equal(r.records, before.count);
            assert_int_equal(before.count, 130);
            assert_true(r.searches > 0);
            assert_string_equal(quipu_backend_name(q), *to);
            assert_string_equal(quipu_store_path(q), new);
            assert_int_equal(swaps_put(q, "after", "goes on"), QUIPU_OK);
            assert_string_equal(swaps_text(q, "after"), "goes on");
            swaps_close(q);
            if (!swaps_persistent(*to))
                continue;
            q = swaps_open(new, NULL); /* it is a store like any other */
            assert_string_equal(quipu_backend_name(q), *to);
            assert_int_equal(swaps_digest_of(q).count, 131);
            swaps_close(q);
        }
}

static void nothing_is_lost_under_load(void **state)
{
    (void)state;
    for (const char *const *from = swaps_backends(); *from; from++)
        for (const char *const *to = swaps_backends(); *to; to++) {
            if (!swaps_pair_wanted(from, to))
                continue;
            quipu *q = swaps_open(swaps_path("load-%s-to-%s", *from, *to), *from);
            swaps_fill(q, 300);
            swaps_load *load = swaps_load_start(q, 4);
            usleep(20000);
            swaps_swap(q, *to, swaps_path("load-%s-from-%s", *to, *from), QUIPU_SWAP_DROP_HISTORY);
            usleep(20000);
            assert_true(swaps_load_stop(load) > 20);
            assert_string_equal(quipu_backend_name(q), *to);
            swaps_close(q);
        }
}

/* ---- the history ---- */

static void history_comes_along_with_authors_and_times(void **state)
{
    char log[4000], again[4000];
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "git");
    swaps_put(q, "a", "first");
    swaps_put(q, "b", "other");
    swaps_put(q, "a", "second");
    swaps_delete(q, "b");
    swaps_put(q, "c", "third");
    quipu_swap_report r = swaps_swap(q, "git", swaps_path("new"), 0);
    assert_true(r.flags & QUIPU_SWAPPED_HISTORY);
    assert_true(r.flags & QUIPU_SWAPPED_FENCED);
    assert_int_equal(r.revisions, 5);
    assert_int_equal(r.written, 0);
    assert_string_equal(swaps_text(q, "a"), "second");
    swaps_close(q);
    static const char format[] = "log --reverse --format='%%an %%at %%ct %%s' --skip=%d main";
    assert_int_equal(scratch_git(swaps_path("old"), log, sizeof log, format, 1), 0);
    assert_int_equal(scratch_git(swaps_path("new"), again, sizeof again, format, 0), 0);
    char *line = strchr(log, '\n') + 1, *new_line = strchr(again, '\n') + 1; /* without "init" */
    assert_string_equal(line, new_line);
    assert_int_equal(scratch_fsck(swaps_path("new")), 0);
}

static void history_is_not_left_behind_without_consent(void **state)
{
    quipu_swap_report r;
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "git");
    swaps_put(q, "a", "first");
    assert_int_equal(swaps_try(q, "memory", swaps_path("new"), 0, &r), QUIPU_E_UNSUPPORTED);
    assert_string_equal(swaps_error.field, "history");
    assert_non_null(strstr(swaps_error.message, "2 revisions"));
    assert_int_not_equal(access(swaps_path("new"), F_OK), 0); /* nothing was begun */
    assert_string_equal(quipu_backend_name(q), "git");
    assert_int_equal(swaps_put(q, "b", "goes on"), QUIPU_OK);
    quipu_swap_options o = { .struct_size = sizeof o, .flags = QUIPU_SWAP_DROP_HISTORY, .backend = str_of("memory") };
    assert_int_equal(quipu_swap(q, &o, NULL, NULL, NULL, NULL, &swaps_error), QUIPU_E_UNSUPPORTED);
    assert_string_equal(swaps_error.field, "backend"); /* it keeps nothing */
    swaps_close(q);
}

static void records_that_differ_only_in_their_time_come_across(void **state)
{
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "memory");
    quipu_str json = str_of("{\"id\":\"a\",\"text\":\"x\",\"updated_at\":\"2020-01-01T00:00:00Z\"}");
    assert_int_equal(quipu_put_json(q, &json, NULL, NULL, NULL, NULL), QUIPU_OK);
    quipu_swap_report r = swaps_swap(q, "git", swaps_path("new"), QUIPU_SWAP_TRIAL);
    assert_true(r.flags & QUIPU_SWAPPED_TRIAL);
    assert_string_equal(quipu_backend_name(q), "memory");
    assert_int_equal(swaps_delete(q, "a"), QUIPU_OK); /* and comes back with another time, in another scope */
    json = str_of("{\"id\":\"a\",\"text\":\"x\",\"updated_at\":\"2021-01-01T00:00:00Z\"}");
    assert_int_equal(quipu_put_json(q, &json, NULL, NULL, NULL, NULL), QUIPU_OK);
    swaps_swap(q, "git", swaps_path("new"), QUIPU_SWAP_TRIAL);
    assert_int_equal(swaps_delete(q, "a"), QUIPU_OK);
    json = str_of("{\"id\":\"a\",\"text\":\"x\",\"scope\":{\"user\":\"ana\"}}");
    assert_int_equal(quipu_put_json(q, &json, NULL, NULL, NULL, NULL), QUIPU_OK);
    swaps_digest before = swaps_digest_of(q);
    r = swaps_swap(q, "git", swaps_path("new"), 0);
    assert_string_equal(r.digest, before.text);
    swaps_assert_same(before, swaps_digest_of(q));
    swaps_close(q);
}

/* ---- other processes: other handles of the same store, which the slot knows nothing of ---- */

enum { STRANGERS = 3 };

typedef struct stranger {
    quipu *q;
    int number;
    unsigned pause_us; /* between two writes */
    atomic_int acknowledged;
    atomic_int end;
    char message[256];
} stranger;

static atomic_bool strangers_stop;

static void *write_until_told(void *argument)
{
    stranger *s = argument;
    for (s->end = QUIPU_OK; s->end == QUIPU_OK && !atomic_load(&strangers_stop);) {
        char json[100];
        quipu_error error = { .struct_size = sizeof error };
        snprintf(json, sizeof json, "{\"id\":\"stranger-%d-%d\",\"text\":\"from outside\"}", s->number,
                 s->acknowledged);
        quipu_str given = str_of(json);
        s->end = quipu_put_json(s->q, &given, NULL, NULL, NULL, &error);
        s->acknowledged += s->end == QUIPU_OK;
        snprintf(s->message, sizeof s->message, "%s", error.message);
        if (s->pause_us)
            usleep(s->pause_us);
    }
    return NULL;
}

static void check_stranger(quipu *q, stranger *s)
{
    assert_int_equal(s->end, QUIPU_E_MOVED);
    assert_non_null(strstr(s->message, "/new"));
    assert_true(s->acknowledged > 0);
    for (int i = 0; i < s->acknowledged; i++) {
        char id[40];
        snprintf(id, sizeof id, "stranger-%d-%d", s->number, i);
        assert_string_equal(swaps_text(q, id), "from outside");
    }
    assert_string_equal(swaps_text(s->q, "seed-00007"), "word7 knot cord number 7"); /* it can go on reading */
    swaps_close(s->q);
}

static void lead_strangers_from(const char *backend, unsigned pause_us)
{
    static stranger strangers[STRANGERS];
    pthread_t threads[STRANGERS];
    quipu *q = swaps_open(swaps_path("old"), backend);
    swaps_fill(q, 200);
    for (int i = 0; i < STRANGERS; i++) {
        strangers[i] = (stranger){ .q = swaps_open(swaps_path("old"), backend), .number = i, .pause_us = pause_us };
        assert_int_equal(pthread_create(&threads[i], NULL, write_until_told, &strangers[i]), 0);
    }
    usleep(50000);
    swaps_swap(q, "git", swaps_path("new"), 0);
    for (int i = 0; i < STRANGERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < STRANGERS; i++)
        check_stranger(q, &strangers[i]);
    swaps_close(q);
    q = swaps_open(swaps_path("old"), NULL); /* who opens the old place is there */
    assert_string_equal(quipu_store_path(q), swaps_path("new"));
    assert_int_equal(swaps_put(q, "z", "new"), QUIPU_OK);
    swaps_close(q);
    q = swaps_open(swaps_path("old"), backend); /* who names its backend reads what it held */
    assert_string_equal(quipu_store_path(q), swaps_path("old"));
    assert_string_equal(swaps_text(q, "z"), "");
    assert_int_equal(swaps_put(q, "z", "late"), QUIPU_E_MOVED);
    swaps_close(q);
}

static void who_writes_to_the_old_store_is_led_to_the_new_one_and_has_lost_nothing(void **state)
{
    (void)state;
    lead_strangers_from("git", 0);
}

static bool is_built(const char *backend)
{
    const char *const *built = swaps_backends();
    while (*built && strcmp(*built, backend) != 0)
        built++;
    return *built != NULL;
}

static void so_is_who_writes_to_a_database(void **state)
{
    (void)state;
    if (!is_built("sqlite"))
        skip();
    lead_strangers_from(
        "sqlite", swaps_sanitized() ? 20000 : 0); /* SQLite itself is not slowed down by a sanitizer, the swap is */
}

static void store_that_nobody_wrote_to_comes_along(void **state)
{
    (void)state;
    for (const char *const *from = swaps_backends(); *from; from++) {
        quipu *q = swaps_open(swaps_path("empty-%s", *from), *from);
        swaps_swap(q, "memory", swaps_path("empty-from-%s", *from), QUIPU_SWAP_DROP_HISTORY);
        assert_int_equal(swaps_digest_of(q).count, 0);
        assert_int_equal(swaps_put(q, "a", "the first"), QUIPU_OK);
        swaps_close(q);
    }
}

/* Between copying and catching up each stranger is to write so many. */
enum { LATE = 30 };

static int32_t await_strangers(void *context, const quipu_swap_progress *p)
{
    stranger *strangers = context;
    for (int i = 0; str_same(p->phase, str_of("copying")) && i < STRANGERS; i++)
        for (int before = strangers[i].acknowledged;
             strangers[i].acknowledged < before + LATE && strangers[i].end == QUIPU_OK;)
            usleep(1000);
    return 0;
}

/* Each record costs the target more time than the strangers need for one: they have to be slowed down. */
static void others_that_write_faster_than_the_target_do_not_keep_a_swap_for_ever(void **state)
{
    static stranger strangers[STRANGERS];
    pthread_t threads[STRANGERS];
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "git");
    quipu_swap_report r = { .struct_size = sizeof r };
    quipu_swap_options o = { .struct_size = sizeof o,
                             .flags = QUIPU_SWAP_VOLATILE | QUIPU_SWAP_DROP_HISTORY | QUIPU_SWAP_TRIAL,
                             .backend = str_of("faulty"),
                             .backend_config = str_of("{\"fault\":\"slow\",\"ms\":3,\"run\":-1}"),
                             .store = str_of(swaps_path("nowhere")) };
    swaps_fill(q, 40);
    for (int i = 0; i < STRANGERS; i++) {
        strangers[i] = (stranger){ .q = swaps_open(swaps_path("old"), "git"), .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, write_until_told, &strangers[i]), 0);
    }
    int32_t code = quipu_swap(q, &o, await_strangers, strangers, &r, NULL, &swaps_error);
    atomic_store(&strangers_stop, true);
    for (int i = 0; i < STRANGERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(strangers[i].end, QUIPU_OK);
        assert_true(strangers[i].acknowledged > 0);
        swaps_close(strangers[i].q);
    }
    atomic_store(&strangers_stop, false);
    if (code != QUIPU_OK)
        fail_msg("%s", swaps_error.message);
    assert_true(r.late >= (uint64_t)STRANGERS * LATE);
    swaps_close(q);
}

static void there_is_a_way_back(void **state)
{
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "git");
    swaps_fill(q, 60);
    swaps_swap(q, "git", swaps_path("new"), 0);
    swaps_put(q, "seed-00003", "changed over there");
    swaps_delete(q, "seed-00004");
    swaps_put(q, "more", "written over there");
    swaps_digest there = swaps_digest_of(q);
    quipu_swap_report r = swaps_swap(q, "git", swaps_path("old"), 0);
    assert_true(r.flags & QUIPU_SWAPPED_RETURNED);
    assert_int_equal(r.written, 3);
    swaps_assert_same(there, swaps_digest_of(q));
    assert_int_equal(swaps_put(q, "home", "again"), QUIPU_OK);
    swaps_close(q);
    for (int i = 0; i < 2; i++) { /* both places lead home */
        q = swaps_open(swaps_path(i ? "new" : "old"), NULL);
        assert_string_equal(quipu_store_path(q), swaps_path("old"));
        assert_string_equal(swaps_text(q, "home"), "again");
        assert_int_equal(swaps_put(q, "home", "again"), QUIPU_OK);
        swaps_close(q);
    }
    assert_int_equal(scratch_fsck(swaps_path("old")), 0);
}

static void default_place_is_beside_the_old_one(void **state)
{
    (void)state;
    quipu *q = swaps_open(swaps_path("store"), "memory");
    swaps_fill(q, 30);
    swaps_swap(q, "git", NULL, 0);
    assert_string_equal(quipu_store_path(q), swaps_path("store.git"));
    swaps_close(q);
}

static void place_that_holds_something_is_left_alone(void **state)
{
    quipu_swap_report r;
    (void)state;
    quipu *other = swaps_open(swaps_path("taken"), "git");
    swaps_put(other, "mine", "not yours");
    swaps_close(other);
    quipu *q = swaps_open(swaps_path("old"), "git");
    swaps_put(q, "a", "one");
    assert_int_equal(swaps_try(q, "git", swaps_path("taken"), 0, &r), QUIPU_E_EXISTS);
    assert_string_equal(swaps_error.field, "store");
    assert_int_equal(unlink(swaps_path("taken/quipu-store.json")), 0); /* also where nothing says whose it is */
    assert_int_equal(swaps_try(q, "git", swaps_path("taken"), 0, &r), QUIPU_E_EXISTS);
    assert_int_equal(swaps_try(q, "git", swaps_path("old"), 0, &r), QUIPU_E_INVALID);
    assert_int_equal(swaps_try(q, "nobody", swaps_path("x"), 0, &r), QUIPU_E_NOT_FOUND);
    assert_int_equal(swaps_put(q, "b", "goes on"), QUIPU_OK);
    swaps_close(q);
    other = swaps_open(swaps_path("taken"), "git");
    assert_string_equal(swaps_text(other, "mine"), "not yours");
    assert_int_equal(swaps_digest_of(other).count, 1);
    swaps_close(other);
}

static void half_a_copy_is_not_taken_for_a_store(void **state)
{
    quipu *half = NULL;
    (void)state;
    quipu *q = swaps_open(swaps_path("old"), "git");
    swaps_fill(q, 50);
    swaps_swap(q, "git", swaps_path("new"), QUIPU_SWAP_TRIAL);
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(swaps_path("new")),
                        .plugin_path = str_of(swaps_plugins()) };
    assert_int_equal(quipu_open(&o, &half, &swaps_error), QUIPU_E_STATE);
    assert_non_null(strstr(swaps_error.message, "unfinished copy"));
    assert_int_equal(swaps_put(q, "more", "since then"), QUIPU_OK);
    quipu_swap_report r = swaps_swap(q, "git", swaps_path("new"), 0);
    assert_int_equal(r.records, 51);
    swaps_close(q);
    char output[100];
    assert_int_equal(scratch_git(swaps_path("new"), output, sizeof output, "rev-list --count main"), 0);
    assert_string_equal(output, "4\n"); /* init, two of the filling, one more: nothing came twice */
}

/* ---- a new build of the same plugin ---- */

static void copy_plugin(const char *from, const char *folder)
{
    char command[1500];
    const char *build = getenv("BUILD");
    snprintf(command, sizeof command,
             "mkdir -p '%s' && chmod 700 '%s' && cp '%s/plugins/%s.so' '%s/fresh' && mv '%s/fresh' '%s/%s.so'", folder,
             folder, build ? build : "build", from, folder, folder, folder, from);
    assert_int_equal(system(command), 0);
}

static int mapped_copies(void)
{
    char line[1000];
    int copies = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        copies += strstr(line, "memfd:quipu-plugin") && strstr(line, "r-xp");
    fclose(maps);
    return copies;
}

static void newer_build_takes_over_the_same_store(void **state)
{
    (void)state;
    char plugins[400];
    snprintf(plugins, sizeof plugins, "%s", swaps_path("plugins"));
    copy_plugin("git", plugins);
    int before = mapped_copies();
    quipu *q = swaps_open_with(swaps_path("store"), "git", plugins);
    swaps_fill(q, 60);
    swaps_digest digest = swaps_digest_of(q);
    swaps_load *load = swaps_load_start(q, 3);
    quipu_swap_report r = swaps_swap(q, "git", NULL, 0); /* the same file */
    assert_true(r.flags & QUIPU_SWAPPED_RELOADED);
    assert_int_equal(mapped_copies(), before);
    for (int i = 1; i <= 2; i++) {
        copy_plugin("git", plugins); /* another file under its name */
        r = swaps_swap(q, "git", NULL, 0);
        assert_true(r.flags & QUIPU_SWAPPED_RELOADED);
        assert_false(r.flags & (QUIPU_SWAPPED_LINGERS | QUIPU_SWAPPED_FENCED));
        assert_int_equal(mapped_copies(), before + i);
    }
    swaps_load_stop(load);
    assert_string_equal(quipu_store_path(q), swaps_path("store"));
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < SWAPS_IDS; k++) {
            char id[40];
            snprintf(id, sizeof id, "load-%d-%d", i, k);
            swaps_delete(q, id);
        }
    swaps_assert_same(digest, swaps_digest_of(q));
    swaps_close(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_record_is_there_after_a_swap_between_any_two, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(nothing_is_lost_under_load, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(history_comes_along_with_authors_and_times, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(history_is_not_left_behind_without_consent, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(records_that_differ_only_in_their_time_come_across, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(who_writes_to_the_old_store_is_led_to_the_new_one_and_has_lost_nothing,
                                        swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(others_that_write_faster_than_the_target_do_not_keep_a_swap_for_ever,
                                        swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(so_is_who_writes_to_a_database, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(store_that_nobody_wrote_to_comes_along, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(there_is_a_way_back, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(default_place_is_beside_the_old_one, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(place_that_holds_something_is_left_alone, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(half_a_copy_is_not_taken_for_a_store, swaps_begin, swaps_end),
        cmocka_unit_test_setup_teardown(newer_build_takes_over_the_same_store, swaps_begin, swaps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
