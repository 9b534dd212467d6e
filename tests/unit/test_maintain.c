/* test_maintain.c - the extension maintain/1 of the git backend: what goes, what stays, what it reports, what it refuses. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

#define NOON INT64_C(1750000000000000) /* 2025-06-15T15:06:40Z, microseconds */
#define HOUR INT64_C(3600000000)

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];
static quipu_error error = { .struct_size = sizeof error };
static quipu_maintained report;

static int begin(void **state)
{
    (void)state;
    memories_time = NOON;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    memories_time = 0;
    scratch_remove(folder);
    return 0;
}

static int32_t try_maintain(quipu *q, const quipu_maintain *params, quipu_maintain_fn visit, void *context)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_MAINTAIN);
    quipu_lease lease = { .struct_size = sizeof lease };
    assert_int_equal(quipu_enter(q, &lease, &error), QUIPU_OK);
    const quipu_maintain_api *api = lease.api->get_extension(lease.self, &id);
    assert_non_null(api);
    report = (quipu_maintained){ .struct_size = sizeof report };
    int32_t code = api->maintain(lease.self, params, visit, context, &report, NULL, &error);
    quipu_leave(q, &lease);
    return code;
}

static void maintain(quipu *q, uint32_t flags)
{
    quipu_maintain params = { .struct_size = sizeof params, .flags = flags, .author = str_of("keeper") };
    if (try_maintain(q, &params, NULL, NULL) != QUIPU_OK)
        fail_msg("maintain: %s", error.message);
}

/* expires: RFC 3339, or NULL. */
static void put(quipu *q, const char *id, const char *expires)
{
    char json[300];
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"text of %s\"%s%s%s}", id, id,
             expires ? ",\"expires_at\":\"" : "", expires ? expires : "", expires ? "\"" : "");
    quipu_write step = { .struct_size = sizeof step, .op = QUIPU_CHANGE_PUT, .json = str_of(json) };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    assert_int_equal(memories_write(q, step, NULL, &receipt), QUIPU_OK);
}

static void assert_git_says(const char *arguments, const char *expected)
{
    char output[2000];
    assert_int_equal(scratch_git(store, output, sizeof output, "%s", arguments), 0);
    assert_string_equal(output, expected);
}

typedef struct wanted {
    const char *name;
    char text[300];
} wanted;

static int32_t see_figure(void *context, const quipu_stat *stat)
{
    wanted *w = context;
    if (quipu_str_equal(&stat->name, w->name, strlen(w->name)))
        snprintf(w->text, sizeof w->text, "%.*s", (int)stat->text.len, stat->text.ptr ? stat->text.ptr : "");
    return 0;
}

/* What stats says, until the next call. */
static const char *words_of(quipu *q, const char *name)
{
    static wanted w;
    w = (wanted){ .name = name };
    assert_int_equal(quipu_read_stats(q, see_figure, &w, NULL, &error), QUIPU_OK);
    return w.text;
}

/* Now and then. */
static const char *words_of_every(quipu *q, int i)
{
    return i % 512 == 511 ? words_of(q, "maintenance") : "";
}

/* A store that is written a lot packs itself, while it is written; what it did is told. */
static void a_busy_store_maintains_itself(void **state)
{
    char text[1800];
    quipu *q;
    (void)state;
    assert_int_equal(memories_try_open(store, "{\"durability\":\"relaxed\"}", 0, &q), QUIPU_OK);
    assert_string_equal(words_of(q, "maintained_at"), "never");
    unsigned chance = 1;
    for (int i = 0; i < 40000 && strcmp(words_of_every(q, i), "done") != 0; i++) {
        size_t len = 0;
        for (int j = 0; j < 180; j++) {
            chance = chance * 1103515245u + 12345u;
            len += (size_t)snprintf(text + len, sizeof text - len, "%x ", chance);
        }
        char id[40];
        snprintf(id, sizeof id, "r%d", i % 200);
        memories_put(q, id, text);
    }
    assert_string_equal(words_of(q, "maintenance"), "done");
    assert_string_equal(words_of(q, "maintained_at"), "2025-06-15T15:06:40Z");
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
    assert_int_equal(scratch_fsck(store), 0);
}

static void off_is_off(void **state)
{
    quipu *q;
    char text[200];
    (void)state;
    assert_int_equal(memories_try_open(store, "{\"maintain\":\"never\"}", 0, &q), QUIPU_E_INVALID);
    assert_string_equal(memories_error.field, "maintain");
    assert_int_equal(memories_try_open(store, "{\"durability\":\"relaxed\",\"maintain\":\"off\"}", 0, &q), QUIPU_OK);
    for (int i = 0; i < 600; i++) {
        snprintf(text, sizeof text, "text %d", i);
        memories_put(q, "a", text);
    }
    assert_string_equal(words_of(q, "maintained_at"), "never");
    maintain(q, QUIPU_MAINTAIN_REPACK);
    assert_string_equal(words_of(q, "maintenance"), "done");
    assert_int_equal(memories_figure(q, "index_behind") >= 0, 1);
    memories_close(q);
    q = memories_open(store);
    assert_int_equal(memories_figure(q, "index_behind"), 0);
    memories_close(q);
}

static void expired_records_go_as_a_commit_of_their_own(void **state)
{
    char before[64];
    (void)state;
    quipu *q = memories_open(store);
    put(q, "stays", NULL);
    put(q, "later", "2030-01-01T00:00:00Z");
    put(q, "soon", "2025-06-15T15:30:00Z");
    put(q, "sooner", "2025-06-15T15:20:00Z");
    assert_int_equal(scratch_git(store, before, sizeof before, "rev-parse HEAD"), 0);
    before[40] = '\0';
    memories_close(q);
    memories_time = NOON + HOUR;
    q = memories_open(store);
    maintain(q, QUIPU_MAINTAIN_PURGE);
    assert_int_equal(report.purged, 2);
    assert_int_equal(memories_figure(q, "records"), 2);
    assert_string_equal(memories_list(q, NULL), "later stays ");
    assert_git_says("log -1 '--format=%an:%(trailers:key=Quipu-Op,valueonly,separator=)'", "keeper:expire\n");
    assert_git_says("rev-list --count HEAD", "6\n"); /* one for the format, four puts, one purge */
    assert_string_equal(memories_text(q, "soon", NULL), "");
    assert_git_says("ls-tree -r --name-only HEAD~1 | grep -c soon", "2\n"); /* what was, can still be read */
    maintain(q, QUIPU_MAINTAIN_PURGE);
    assert_int_equal(report.purged, 0);
    assert_git_says("rev-list --count HEAD", "6\n");
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
    assert_int_equal(scratch_fsck(store), 0);
}

static int32_t ignore_hit(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

/* "soon" expires at 15:30. Before it is purged and after, each question as of then is judged by then. */
static void assert_past_is_judged_by_then(quipu *q, const char *before, const char *after)
{
    static const char *const good[] = { "2025-06-15T15:29:59Z", "2025-06-15T15:10:00Z" };
    static const char *const over[] = { "2025-06-15T15:31:00Z", "2025-06-15", "2029-01-01" };
    assert_string_equal(memories_text(q, "soon", before), "text of soon");
    assert_string_equal(memories_list(q, before), "soon stays ");
    assert_string_equal(memories_search(q, "soon", before), "soon ");
    assert_string_equal(memories_text(q, "soon", after), "");
    assert_string_equal(memories_list(q, after), "between stays ");
    assert_string_equal(memories_search(q, "soon", after), "");
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(memories_text(q, "soon", good[i]), "text of soon");
        assert_string_equal(memories_search(q, "soon", good[i]), "soon ");
    }
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(memories_text(q, "soon", over[i]), "");
        assert_string_equal(memories_search(q, "soon", over[i]), "");
    }
}

static void what_expired_later_is_shown_as_of_then(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    put(q, "stays", NULL);
    put(q, "soon", "2025-06-15T15:30:00Z");
    assert_string_equal(memories_text(q, "soon", "HEAD"), "text of soon");
    memories_close(q);
    memories_time = NOON + HOUR / 2;
    q = memories_open(store);
    put(q, "between", NULL);
    memories_close(q);
    memories_time = NOON + HOUR;
    q = memories_open(store);
    assert_past_is_judged_by_then(q, "HEAD~1", "HEAD");
    maintain(q, QUIPU_MAINTAIN_PURGE);
    assert_int_equal(report.purged, 1);
    put(q, "last", NULL);
    assert_past_is_judged_by_then(q, "HEAD~3", "HEAD~2");
    quipu_filter now = { .struct_size = sizeof now, .now = memories_time }; /* what the caller says goes first */
    quipu_get get = { .struct_size = sizeof get, .id = str_of("soon"), .as_of = str_of("HEAD~3"), .filter = &now };
    assert_int_equal(quipu_get_record(q, &get, ignore_hit, NULL, NULL, &error), QUIPU_E_NOT_FOUND);
    now.now = QUIPU_TIME_NONE;
    assert_int_equal(quipu_get_record(q, &get, ignore_hit, NULL, NULL, &error), QUIPU_OK);
    memories_close(q);
}

static void a_commit_purges_no_more_than_a_thousand(void **state)
{
    (void)state;
    enum { RECORDS = 1500 };
    static char texts[RECORDS][100];
    static quipu_write writes[RECORDS];
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu *q = memories_open(store);
    for (int i = 0; i < RECORDS; i++) {
        snprintf(texts[i], sizeof texts[i], "{\"id\":\"r%d\",\"text\":\"x\",\"expires_at\":\"2025-06-15T15:30:00Z\"}",
                 i);
        writes[i] =
            (quipu_write){ .struct_size = sizeof(quipu_write), .op = QUIPU_CHANGE_PUT, .json = str_of(texts[i]) };
    }
    quipu_array all = { writes, RECORDS, sizeof(quipu_write) };
    assert_int_equal(quipu_write_records(q, &all, NULL, NULL, NULL, &receipt, NULL, &error), QUIPU_OK);
    put(q, "stays", NULL);
    memories_close(q);
    memories_time = NOON + HOUR;
    q = memories_open(store);
    maintain(q, 0);
    assert_int_equal(report.purged, RECORDS);
    assert_int_equal(report.packs_after, 1);
    assert_true(report.packs_before >= 2);
    assert_int_equal(memories_figure(q, "records"), 1);
    assert_git_says("rev-list --count HEAD", "5\n"); /* format, two of puts, two of purges */
    memories_close(q);
    assert_int_equal(scratch_fsck(store), 0);
}

static void what_is_stored_is_the_same_and_smaller_afterwards(void **state)
{
    char id[16], digest[100], again[100];
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "r%d", i % 25);
        put(q, id, i % 2 ? "2030-01-01T00:00:00Z" : NULL);
    }
    assert_int_equal(scratch_git(store, digest, sizeof digest, "rev-list --objects --all | sort | sha1sum"), 0);
    maintain(q, QUIPU_MAINTAIN_REPACK);
    assert_int_equal(report.flags, 0);
    assert_int_equal(report.packs_after, 1);
    assert_true(report.bytes_after < report.bytes_before);
    assert_string_equal(memories_text(q, "r7", NULL), "text of r7"); /* with the handle that was open all the time */
    assert_int_equal(scratch_git(store, again, sizeof again, "rev-list --objects --all | sort | sha1sum"), 0);
    assert_string_equal(again, digest);
    maintain(q, QUIPU_MAINTAIN_REPACK);
    assert_int_equal(report.flags, QUIPU_MAINTAINED_UNNEEDED);
    put(q, "new", NULL);
    assert_string_equal(memories_text(q, "new", NULL), "text of new");
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
    assert_int_equal(scratch_fsck(store), 0);
}

static int32_t stop_at_once(void *context, const quipu_str *phase, uint64_t done, uint64_t total)
{
    (void)phase, (void)done, (void)total;
    return *(int32_t *)context;
}

static void a_visitor_or_a_limit_ends_it_and_nothing_is_changed(void **state)
{
    int32_t answer = 1;
    char id[16];
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "r%d", i);
        put(q, id, NULL);
    }
    int64_t packs = memories_figure(q, "packs");
    quipu_maintain params = { .struct_size = sizeof params, .flags = QUIPU_MAINTAIN_REPACK };
    assert_int_equal(try_maintain(q, &params, stop_at_once, &answer), QUIPU_OK);
    assert_int_equal(report.flags, QUIPU_MAINTAINED_NO_TIME);
    answer = QUIPU_E_CANCELLED;
    assert_int_equal(try_maintain(q, &params, stop_at_once, &answer), QUIPU_E_CANCELLED);
    params.memory_limit = 1;
    assert_int_equal(try_maintain(q, &params, NULL, NULL), QUIPU_OK);
    assert_int_equal(report.flags, QUIPU_MAINTAINED_NO_ROOM);
    assert_int_equal(report.packs_after, packs);
    assert_int_equal(memories_figure(q, "packs"), packs);
    memories_close(q);
    assert_int_equal(scratch_fsck(store), 0);
}

static void bad_parameters_are_refused(void **state)
{
    quipu_maintain params = { .struct_size = sizeof params };
    (void)state;
    quipu *q = memories_open(store);
    assert_int_equal(try_maintain(q, NULL, NULL, NULL), QUIPU_E_INVALID);
    params.flags = 64;
    assert_int_equal(try_maintain(q, &params, NULL, NULL), QUIPU_E_INVALID);
    assert_string_equal(error.field, "flags");
    params.flags = 0;
    params.author = str_of("two\nlines");
    assert_int_equal(try_maintain(q, &params, NULL, NULL), QUIPU_E_INVALID);
    assert_string_equal(error.field, "author");
    params.struct_size = 8;
    assert_int_equal(try_maintain(q, &params, NULL, NULL), QUIPU_E_INVALID);
    memories_close(q);
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_OK);
    params = (quipu_maintain){ .struct_size = sizeof params };
    assert_int_equal(try_maintain(q, &params, NULL, NULL), QUIPU_E_READ_ONLY);
    memories_close(q);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(expired_records_go_as_a_commit_of_their_own),
        TEST(what_expired_later_is_shown_as_of_then),
        TEST(a_busy_store_maintains_itself),
        TEST(off_is_off),
        TEST(a_commit_purges_no_more_than_a_thousand),
        TEST(what_is_stored_is_the_same_and_smaller_afterwards),
        TEST(a_visitor_or_a_limit_ends_it_and_nothing_is_changed),
        TEST(bad_parameters_are_refused),
    };
    return cmocka_run_group_tests_name("maintain", tests, NULL, NULL);
}
