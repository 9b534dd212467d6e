/* test_fence.c - the groups "fence" and "hold" of migrate/1, in each backend that has them: who writes to a store that has moved is told where to. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <pthread.h>
#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>
#include <tests/swap/swaps.h>
#include <unistd.h>

#define PLACE "sqlite:/somewhere/else"

static char folder[128], store[160];
static const char *backend; /* of the test at hand */

static int begin(void **state)
{
    backend = *state;
    memories_time = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

/* Also a store that was left, for its backend is named. */
static quipu *open_store(void)
{
    return swaps_open(store, backend);
}

static void skip_where_it_is_not_built(void)
{
    const char *const *built = swaps_backends();
    while (*built && strcmp(*built, backend) != 0)
        built++;
    if (!*built)
        skip();
}

static const quipu_migrate_api *enter(quipu *q, quipu_lease *lease)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_MIGRATE);
    *lease = (quipu_lease){ .struct_size = sizeof *lease };
    assert_int_equal(quipu_enter(q, lease, &memories_error), QUIPU_OK);
    const quipu_migrate_api *api = lease->api->get_extension(lease->self, &id);
    assert_non_null(api);
    assert_true(QUIPU_HAS(api, fenced));
    return api;
}

static const char *position(quipu *q)
{
    static char text[QUIPU_POSITION_MAX + 1];
    quipu_lease lease;
    const quipu_migrate_api *api = enter(q, &lease);
    assert_int_equal(api->position(lease.self, text, NULL, &memories_error), QUIPU_OK);
    quipu_leave(q, &lease);
    return text;
}

static int32_t set_fence(quipu *q, const char *at, const char *place)
{
    quipu_lease lease;
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_str where = str_of(at), to = str_of(place);
    const quipu_migrate_api *api = enter(q, &lease);
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    int32_t code = api->fence(lease.self, &where, &to, &set, NULL, &memories_error);
    quipu_leave(q, &lease);
    return code;
}

static int32_t take_fence(quipu *q, const char *place, uint32_t scope)
{
    quipu_lease lease;
    quipu_str to = str_of(place);
    const quipu_migrate_api *api = enter(q, &lease);
    int32_t code = api->unfence(lease.self, &to, scope, NULL, &memories_error);
    quipu_leave(q, &lease);
    return code;
}

static int32_t append(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return 0;
}

static int32_t refuse(void *context, const void *bytes, uint64_t len)
{
    (void)context, (void)bytes, (void)len;
    return QUIPU_E_BUSY;
}

static void assert_place(quipu *q, const char *expected)
{
    buffer place = { 0 };
    quipu_lease lease;
    const quipu_migrate_api *api = enter(q, &lease);
    assert_int_equal(api->fenced(lease.self, append, &place, NULL, &memories_error), QUIPU_OK);
    quipu_leave(q, &lease);
    assert_string_equal(place.bytes ? place.bytes : "", expected);
    buffer_free(&place);
}

static int32_t put(quipu *q, const char *text)
{
    quipu_str json = str_of(text);
    return quipu_put_json(q, &json, NULL, NULL, NULL, &memories_error);
}

static void writers_are_told_the_new_place_and_readers_go_on(void **state)
{
    (void)state;
    skip_where_it_is_not_built();
    quipu *q = open_store(), *other = open_store();
    memories_put(q, "a", "one");
    assert_place(q, "");
    assert_int_equal(set_fence(q, position(q), PLACE), QUIPU_OK);
    assert_place(other, PLACE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put(i ? other : q, "{\"text\":\"late\"}"), QUIPU_E_MOVED);
        assert_non_null(strstr(memories_error.message, PLACE));
        assert_string_equal(memories_text(i ? other : q, "a", NULL), "one");
    }
    assert_int_equal(memories_count(q), 1);
    memories_close(other);
    memories_close(q);
    q = open_store(); /* it is on the disk */
    assert_int_equal(put(q, "{\"text\":\"late\"}"), QUIPU_E_MOVED);
    memories_close(q);
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_NOT_FOUND); /* who names no backend is led on */
    assert_non_null(strstr(memories_error.message, "/somewhere/else"));
}

static void fence_is_left_in_the_history(void **state)
{
    char output[400];
    (void)state;
    skip_where_it_is_not_built();
    quipu *q = open_store();
    memories_put(q, "a", "one");
    assert_int_equal(set_fence(q, position(q), PLACE), QUIPU_OK);
    memories_close(q);
    assert_int_equal(scratch_git(store, output, sizeof output, "log -1 --format=%%s main"), 0);
    assert_string_equal(output, "move: to " PLACE "\n");
    assert_int_equal(scratch_fsck(store), 0);
}

static void store_that_changed_meanwhile_is_not_fenced(void **state)
{
    char before[QUIPU_POSITION_MAX + 1];
    (void)state;
    skip_where_it_is_not_built();
    quipu *q = open_store(), *other = open_store();
    memories_put(q, "a", "one");
    snprintf(before, sizeof before, "%s", position(q));
    memories_put(other, "b", "in between");
    assert_string_not_equal(position(q), before);
    assert_int_equal(set_fence(q, before, PLACE), QUIPU_E_CONFLICT);
    assert_place(q, "");
    memories_put(q, "c", "goes on");
    assert_int_equal(set_fence(q, position(q), PLACE), QUIPU_OK);
    assert_int_equal(set_fence(q, position(q), PLACE), QUIPU_E_MOVED);
    memories_close(other);
    memories_close(q);
}

static void branches_and_merges_are_fenced_too(void **state)
{
    static const quipu_str branches = QUIPU_STR_INIT(QUIPU_EXT_BRANCHES), name = QUIPU_STR_INIT("side");
    (void)state;
    skip_where_it_is_not_built();
    quipu *q = open_store();
    quipu_lease lease = { .struct_size = sizeof lease };
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_merge_report report = { .struct_size = sizeof report };
    memories_put(q, "a", "one");
    assert_int_equal(quipu_enter(q, &lease, NULL), QUIPU_OK);
    const quipu_branches_api *api = lease.api->get_extension(lease.self, &branches);
    assert_int_equal(api->create(lease.self, &name, NULL, NULL, NULL), QUIPU_OK);
    assert_int_equal(set_fence(q, position(q), PLACE), QUIPU_OK);
    assert_int_equal(api->switch_to(lease.self, &name, NULL, NULL), QUIPU_E_MOVED);
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    assert_int_equal(api->merge(lease.self, &name, &set, &report, NULL, NULL), QUIPU_E_MOVED);
    quipu_leave(q, &lease);
    memories_close(q);
}

static void way_back_is_first_for_one_alone(void **state)
{
    (void)state;
    skip_where_it_is_not_built();
    quipu *q = open_store(), *other = open_store();
    memories_put(q, "a", "one");
    assert_int_equal(take_fence(q, PLACE, QUIPU_UNFENCE_ALL), QUIPU_OK); /* none is there */
    assert_int_equal(set_fence(q, position(q), PLACE), QUIPU_OK);
    assert_int_equal(take_fence(q, "git:/elsewhere", QUIPU_UNFENCE_SELF), QUIPU_E_CONFLICT);
    assert_int_equal(take_fence(q, PLACE, 7), QUIPU_E_INVALID);
    assert_int_equal(take_fence(q, PLACE, QUIPU_UNFENCE_SELF), QUIPU_OK);
    memories_put(q, "b", "filled again");
    assert_int_equal(put(other, "{\"text\":\"not yet\"}"), QUIPU_E_MOVED);
    assert_int_equal(take_fence(q, PLACE, QUIPU_UNFENCE_ALL), QUIPU_OK);
    assert_place(q, "");
    memories_put(other, "c", "now");
    memories_close(other);
    memories_close(q);
}

static void *put_and_note(void *argument)
{
    quipu *q = swaps_open(store, backend);
    int32_t code = swaps_put(q, "waits", "its turn");
    *(int32_t *)argument = code;
    swaps_close(q);
    return NULL;
}

static void writers_wait_while_they_are_held(void **state)
{
    pthread_t thread;
    int32_t answer = 7;
    quipu_lease lease;
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_str place = str_of(PLACE);
    char at[QUIPU_POSITION_MAX + 1];
    (void)state;
    skip_where_it_is_not_built();
    quipu *q = open_store(), *other = open_store();
    memories_put(q, "a", "one");
    const quipu_migrate_api *api = enter(q, &lease);
    assert_int_equal(api->hold(lease.self, NULL, &memories_error), QUIPU_OK);
    assert_int_equal(api->hold(lease.self, NULL, &memories_error), QUIPU_E_STATE);
    assert_int_equal(api->position(lease.self, at, NULL, NULL), QUIPU_OK);
    assert_string_equal(memories_text(q, "a", NULL), "one"); /* readers do not */
    assert_int_equal(pthread_create(&thread, NULL, put_and_note, &answer), 0);
    usleep(50000);
    assert_string_equal(memories_text(q, "waits", NULL), "");
    api->release(lease.self);
    pthread_join(thread, NULL);
    assert_int_equal(answer, QUIPU_OK);
    assert_string_equal(memories_text(q, "waits", NULL), "its turn");

    assert_int_equal(api->hold(lease.self, NULL, NULL), QUIPU_OK);
    quipu_call late = { .struct_size = sizeof late, .deadline_ns = 1 };
    quipu_lease theirs;
    assert_int_equal(enter(other, &theirs)->hold(theirs.self, &late, NULL), QUIPU_E_TIMEOUT);
    assert_int_equal(api->position(lease.self, at, NULL, NULL), QUIPU_OK);
    quipu_str position_text = str_of(at);
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    assert_int_equal(api->fence(lease.self, &position_text, &place, &set, NULL, NULL), QUIPU_OK);
    assert_int_equal(api->hold(lease.self, NULL, NULL), QUIPU_E_MOVED); /* and the lock is free again */
    assert_int_equal(swaps_put(other, "late", "late"), QUIPU_E_MOVED);
    quipu_leave(other, &theirs);
    quipu_leave(q, &lease);
    memories_close(other);
    memories_close(q);
}

static void store_that_is_only_read_keeps_its_fence(void **state)
{
    quipu *read_only = NULL;
    (void)state;
    skip_where_it_is_not_built();
    memories_close(open_store());
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &read_only), QUIPU_OK);
    assert_int_equal(take_fence(read_only, PLACE, QUIPU_UNFENCE_ALL), QUIPU_E_READ_ONLY);
    assert_int_equal(set_fence(read_only, position(read_only), PLACE), QUIPU_E_READ_ONLY);
    memories_close(read_only);
}

static void bad_arguments_are_refused_by_name(void **state)
{
    char huge[QUIPU_PLACE_MAX + 2];
    (void)state;
    skip_where_it_is_not_built();
    quipu *q = open_store();
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    const char *const places[] = { "", "two\nlines", "\xff", huge };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(set_fence(q, position(q), places[i]), QUIPU_E_INVALID);
        assert_string_equal(memories_error.field, "place");
    }
    quipu_lease lease;
    const quipu_migrate_api *api = enter(q, &lease);
    assert_int_equal(api->position(lease.self, NULL, NULL, NULL), QUIPU_E_INVALID);
    quipu_leave(q, &lease);
    assert_int_equal(set_fence(q, position(q), PLACE), QUIPU_OK);
    api = enter(q, &lease);
    assert_int_equal(api->fenced(lease.self, refuse, NULL, NULL, NULL), QUIPU_E_BUSY);
    quipu_leave(q, &lease);
    memories_close(q);
}

#define IN(name, test)                                                                                                 \
    {                                                                                                                  \
        name ": " #test, test, begin, end, (void *)(name)                                                              \
    }
#define IN_GIT(test) IN("git", test)
#define IN_EACH(test) IN("git", test), IN("sqlite", test), IN("json", test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EACH(writers_are_told_the_new_place_and_readers_go_on),
        IN_GIT(fence_is_left_in_the_history),
        IN_EACH(store_that_changed_meanwhile_is_not_fenced),
        IN_GIT(branches_and_merges_are_fenced_too),
        IN_EACH(way_back_is_first_for_one_alone),
        IN_EACH(writers_wait_while_they_are_held),
        IN_EACH(store_that_is_only_read_keeps_its_fence),
        IN_EACH(bad_arguments_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
