/* test_memory.c - remembering, changing, forgetting and looking back (quipu_memory.h), on three backends. */
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
#include <quipu_memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/scratch.h>

static quipu *q;
static char folder[128];
static const char *backend;
static quipu_error error;

static int open_store(void **state)
{
    char plugins[512], path[160];
    const char *build = getenv("BUILD");
    backend = *state;
    scratch_make(folder);
    snprintf(path, sizeof path, "%s/store", folder);
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    error = (quipu_error){ .struct_size = sizeof error };
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(path),
                        .backend = str_of(backend),
                        .backend_config = /* what is durable is tested elsewhere */
                        strcmp(backend, "git") == 0 ? str_of("{\"durability\":\"relaxed\"}") : (quipu_str){ NULL, 0 },
                        .plugin_path = str_of(plugins),
                        .author = str_of("tester") };
    if (quipu_open(&o, &q, &error) == QUIPU_OK)
        return 0;
    fprintf(stderr, "%s: %s\n", backend, error.message);
    return -1;
}

static int close_store(void **state)
{
    (void)state;
    int32_t code = quipu_close(q, NULL);
    scratch_remove(folder);
    return code;
}

/* ---- what is told ---- */

typedef struct told {
    unsigned count, same;
    uint32_t what[16];
    char id[16][64], before[16][64], after[16][64], author[16][32];
} told;

static void copy_text(char *out, size_t size, quipu_str text)
{
    snprintf(out, size, "%.*s", text.ptr ? (int)text.len : 0, text.ptr ? text.ptr : "");
}

static int32_t keep(void *context, const quipu_memory_event *event)
{
    told *t = context;
    unsigned i = t->count++;
    assert_int_equal(event->struct_size, sizeof *event);
    t->same += event->what == QUIPU_MEMORY_SAME;
    if (i >= 16)
        return 0;
    t->what[i] = event->what;
    copy_text(t->id[i], sizeof t->id[i], event->id);
    copy_text(t->author[i], sizeof t->author[i], event->author);
    if (event->before)
        copy_text(t->before[i], sizeof t->before[i], event->before->text);
    if (event->after)
        copy_text(t->after[i], sizeof t->after[i], event->after->text);
    return 0;
}

static int32_t stop_at_once(void *context, const quipu_memory_event *event)
{
    (void)event;
    (*(int *)context)++;
    return 1;
}

static quipu_message said(const char *role, const char *content)
{
    return (quipu_message){ .struct_size = sizeof(quipu_message), .role = str_of(role), .content = str_of(content) };
}

static quipu_remember what_for(const char *user, const quipu_message *messages, size_t count, uint32_t flags)
{
    return (quipu_remember){ .struct_size = sizeof(quipu_remember),
                             .flags = flags,
                             .user = str_of(user),
                             .messages = { messages, count, sizeof *messages },
                             .time = QUIPU_TIME_NONE };
}

static int32_t remember(const quipu_remember *what, told *t)
{
    *t = (told){ 0 };
    return quipu_remember_messages(q, what, keep, t, NULL, &error);
}

static int32_t count_hit(void *context, const quipu_hit *hit)
{
    (void)hit;
    ++*(uint64_t *)context;
    return 0;
}

static quipu_filter of_user(const char *user)
{
    return (quipu_filter){
        .struct_size = sizeof(quipu_filter), .flags = QUIPU_FILTER_EXPIRED, .user = str_of(user), .now = QUIPU_TIME_NONE
    };
}

static uint64_t count_of(const char *user)
{
    uint64_t count = 0;
    quipu_filter filter = of_user(user);
    quipu_scan scan = { .struct_size = sizeof scan, .filter = &filter };
    assert_int_equal(quipu_scan_records(q, &scan, count_hit, &count, NULL, &error), QUIPU_OK);
    return count;
}

/* ---- remembering ---- */

static void turns_are_kept_word_for_word(void **state)
{
    told t;
    const quipu_message messages[] = { said("system", "be kind"), said("user", "rye"), said("assistant", "bread"),
                                       said("tool", "42"),        said("user", ""),    said(NULL, "no role") };
    quipu_remember what = what_for("ana", messages, 6, 0);
    (void)state;
    what.fields = str_of("{\"tags\":[\"t\"],\"metadata\":{\"a\":1}}");
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    assert_int_equal(t.count, 3);
    assert_string_equal(t.after[0], "rye");
    assert_string_equal(t.after[2], "no role");
    what.flags = QUIPU_REMEMBER_TOOL;
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    assert_int_equal(t.count, 4);
    assert_int_equal(count_of("ana"), 7); /* the same again, for nobody asked for less */
    assert_int_equal(count_of("ben"), 0);
}

static void once_is_once_within_a_scope(void **state)
{
    told t;
    const quipu_message messages[] = { said("user", "rye"), said("user", "wheat"), said("user", "rye") };
    quipu_remember ana = what_for("ana", messages, 3, QUIPU_REMEMBER_ONCE), ben = ana;
    (void)state;
    ben.user = str_of("ben");
    assert_int_equal(remember(&ana, &t), QUIPU_OK);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.same, 1);
    assert_string_equal(t.id[0], t.id[2]);
    assert_int_equal(remember(&ana, &t), QUIPU_OK);
    assert_int_equal(t.same, 3);
    assert_int_equal(remember(&ben, &t), QUIPU_OK);
    assert_int_equal(t.same, 1);
    assert_int_equal(count_of("ana"), 2);
    assert_int_equal(count_of("ben"), 2);
}

/* The id of a text may be taken by what it was changed to since. */
static void a_text_that_was_changed_away_is_new(void **state)
{
    told t, changed = { 0 };
    const quipu_message message = said("user", "rye");
    quipu_remember what = what_for("ana", &message, 1, QUIPU_REMEMBER_ONCE);
    quipu_str id, patch = str_of("{\"text\":\"wheat\"}");
    (void)state;
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    id = str_of(t.id[0]);
    assert_int_equal(quipu_memory_update(q, &id, NULL, &patch, NULL, keep, &changed, NULL, &error), QUIPU_OK);
    told again;
    assert_int_equal(remember(&what, &again), QUIPU_OK);
    assert_int_equal(again.same, 0);
    assert_string_not_equal(again.id[0], t.id[0]);
    assert_int_equal(count_of("ana"), 2);
}

static void *remember_the_same(void *context)
{
    const quipu_message message = said("user", "rye");
    quipu_remember what = what_for("ana", &message, 1, QUIPU_REMEMBER_ONCE);
    for (int i = 0; i < 3; i++)
        if (quipu_remember_messages(q, &what, NULL, NULL, NULL, NULL) != QUIPU_OK)
            return context;
    return NULL;
}

static void many_at_once_keep_one(void **state)
{
    pthread_t threads[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, remember_the_same, threads), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(count_of("ana"), 1);
}

static void bad_turns_store_nothing(void **state)
{
    told t;
    quipu_message messages[] = { said("user", "good"), said("user", "bad\xff") };
    quipu_remember what = what_for("ana", messages, 2, 0);
    (void)state;
    assert_int_equal(remember(&what, &t), QUIPU_E_INVALID);
    assert_string_equal(error.field, "content");
    assert_int_equal(error.index, 1);
    messages[1] = said("user", "fine");
    what.fields = str_of("[]");
    assert_int_equal(remember(&what, &t), QUIPU_E_INVALID);
    assert_string_equal(error.field, "fields");
    what.fields = str_of("{\"importance\":7}");
    assert_int_equal(remember(&what, &t), QUIPU_E_INVALID);
    assert_string_equal(error.field, "importance");
    what.fields = (quipu_str){ NULL, 0 };
    what.flags = 1024;
    assert_int_equal(remember(&what, &t), QUIPU_E_INVALID);
    assert_string_equal(error.field, "flags");
    what.flags = 0;
    what.messages.count = 10001;
    assert_int_equal(remember(&what, &t), QUIPU_E_TOO_LARGE);
    what.messages = (quipu_array){ NULL, 0, 0 };
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    assert_int_equal(t.count, 0);
    assert_int_equal(count_of("ana"), 0);
}

/* ---- changing and forgetting ---- */

static void another_scopes_records_are_not_there(void **state)
{
    told t, none = { 0 };
    const quipu_message message = said("user", "rye");
    quipu_remember what = what_for("ana", &message, 1, 0);
    quipu_filter ben = of_user("ben"), ana = of_user("ana");
    quipu_str patch = str_of("{\"text\":\"x\"}");
    (void)state;
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    quipu_str id = str_of(t.id[0]);
    assert_int_equal(quipu_memory_update(q, &id, &ben, &patch, NULL, keep, &none, NULL, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(quipu_memory_delete(q, &id, &ben, NULL, keep, &none, NULL, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(quipu_memory_history(q, &id, &ben, keep, &none, NULL, &error), QUIPU_OK);
    assert_int_equal(none.count, 0);
    assert_int_equal(quipu_memory_update(q, &id, &ana, &patch, NULL, keep, &none, NULL, &error), QUIPU_OK);
    assert_string_equal(none.before[0], "rye");
    assert_string_equal(none.after[0], "x");
    quipu_str broken = str_of("{"), missing = str_of("nothing");
    assert_int_equal(quipu_memory_update(q, &id, &ana, &broken, NULL, NULL, NULL, NULL, &error), QUIPU_E_INVALID);
    assert_int_equal(quipu_memory_update(q, &id, &ana, NULL, NULL, NULL, NULL, NULL, &error), QUIPU_E_INVALID);
    assert_int_equal(quipu_memory_delete(q, NULL, &ana, NULL, NULL, NULL, NULL, &error), QUIPU_E_INVALID);
    assert_int_equal(quipu_memory_delete(q, &missing, NULL, NULL, NULL, NULL, NULL, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(quipu_memory_delete(q, &id, &ana, NULL, NULL, NULL, NULL, &error), QUIPU_OK);
    assert_int_equal(count_of("ana"), 0);
}

static void all_of_a_scope_goes_and_nothing_else(void **state)
{
    enum { MANY = 2300 }; /* three batches */
    quipu_message *messages = calloc(MANY, sizeof *messages);
    told t;
    uint64_t count = 0;
    quipu_filter ana = of_user("ana");
    (void)state;
    assert_non_null(messages);
    for (int i = 0; i < MANY; i++)
        messages[i] = said("user", "x");
    quipu_remember what = what_for("ana", messages, MANY, 0);
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    what = what_for("ben", messages, 3, 0);
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    assert_int_equal(quipu_memory_delete_all(q, NULL, NULL, NULL, NULL, &count, NULL, &error), QUIPU_E_INVALID);
    t = (told){ 0 };
    assert_int_equal(quipu_memory_delete_all(q, &ana, NULL, keep, &t, &count, NULL, &error), QUIPU_OK);
    assert_int_equal(count, MANY);
    assert_int_equal(t.count, MANY);
    assert_int_equal(count_of("ana"), 0);
    assert_int_equal(count_of("ben"), 3);
    free(messages);
}

static void *append_letter(void *context)
{
    const quipu_str *id = context;
    for (int i = 0; i < 6; i++) {
        char patch[64];
        snprintf(patch, sizeof patch, "{\"metadata\":{\"t%d_%zx\":1}}", i, (size_t)(uintptr_t)pthread_self());
        quipu_str json = str_of(patch);
        if (quipu_memory_update(q, id, NULL, &json, NULL, NULL, NULL, NULL, NULL) != QUIPU_OK)
            return context;
    }
    return NULL;
}

static int32_t count_ones(void *context, const quipu_hit *hit)
{
    unsigned *count = context;
    for (uint64_t i = 0; i + 3 < hit->record->json.len; i++)
        *count += memcmp(hit->record->json.ptr + i, "\"t", 2) == 0 && hit->record->json.ptr[i + 3] == '_';
    return 0;
}

static void no_update_is_lost(void **state)
{
    told t;
    pthread_t threads[3];
    unsigned ones = 0;
    const quipu_message message = said("user", "rye");
    quipu_remember what = what_for("ana", &message, 1, 0);
    (void)state;
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    quipu_str id = str_of(t.id[0]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_letter, &id), 0);
    for (int i = 0; i < 3; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    quipu_get get = { .struct_size = sizeof get, .id = id };
    assert_int_equal(quipu_get_record(q, &get, count_ones, &ones, NULL, &error), QUIPU_OK);
    assert_int_equal(ones, 18);
}

/* ---- looking back ---- */

static void the_past_is_told_oldest_first(void **state)
{
    told t;
    const quipu_message message = said("user", "rye");
    quipu_remember what = what_for("ana", &message, 1, 0);
    quipu_str patch = str_of("{\"text\":\"wheat\",\"expires_at\":\"2001-01-01T00:00:00Z\"}"), eve = str_of("eve");
    quipu_filter ana = of_user("ana");
    int stopped = 0;
    (void)state;
    what.author = eve;
    assert_int_equal(remember(&what, &t), QUIPU_OK);
    char name[64];
    snprintf(name, sizeof name, "%s", t.id[0]);
    quipu_str id = str_of(name), nothing = str_of("nothing");
    assert_int_equal(quipu_memory_update(q, &id, NULL, &patch, NULL, NULL, NULL, NULL, &error), QUIPU_OK);
    t = (told){ 0 };
    assert_int_equal(quipu_memory_history(q, &id, &ana, keep, &t, NULL, &error), QUIPU_OK);
    assert_int_equal(quipu_memory_history(q, &nothing, NULL, keep, &t, NULL, &error), QUIPU_OK);
    if (strcmp(backend, "memory") == 0) { /* it keeps no history: the present */
        assert_int_equal(t.count, 1);
        assert_int_equal(t.what[0], QUIPU_MEMORY_ADDED);
        assert_string_equal(t.after[0], "wheat");
        return;
    }
    assert_int_equal(t.count, 2);
    assert_string_equal(t.after[0], "rye");
    assert_string_equal(t.author[0], "eve");
    assert_string_equal(t.before[1], "rye");
    assert_string_equal(t.after[1], "wheat");
    assert_string_equal(t.author[1], "tester");
    assert_int_equal(quipu_memory_delete(q, &id, NULL, NULL, NULL, NULL, NULL, &error), QUIPU_OK);
    t = (told){ 0 };
    assert_int_equal(quipu_memory_history(q, &id, &ana, keep, &t, NULL, &error), QUIPU_OK);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.what[2], QUIPU_MEMORY_DELETED);
    assert_string_equal(t.before[2], "wheat");
    assert_int_equal(quipu_memory_history(q, &id, NULL, stop_at_once, &stopped, NULL, &error), QUIPU_OK);
    assert_int_equal(stopped, 1);
    assert_int_equal(quipu_memory_history(q, &id, NULL, NULL, NULL, NULL, &error), QUIPU_E_INVALID);
}

#define ON(name, test)                                                                                                 \
    cmocka_unit_test_prestate_setup_teardown(test, open_store, close_store, (void *)(uintptr_t)(name))
#define ALL_ON(name)                                                                                                   \
    ON(name, turns_are_kept_word_for_word), ON(name, once_is_once_within_a_scope),                                     \
        ON(name, a_text_that_was_changed_away_is_new), ON(name, many_at_once_keep_one),                                \
        ON(name, bad_turns_store_nothing), ON(name, another_scopes_records_are_not_there),                             \
        ON(name, all_of_a_scope_goes_and_nothing_else), ON(name, no_update_is_lost),                                   \
        ON(name, the_past_is_told_oldest_first)

int main(void)
{
    const struct CMUnitTest tests[] = { ALL_ON("memory"), ALL_ON("git"), ALL_ON("sqlite") };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
