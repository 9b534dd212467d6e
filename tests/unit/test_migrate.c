/* test_migrate.c - the bulk way in: migrate/1 of the git backend, and quipu_write_sets with and without it. */
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
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

enum { SETS_MOST = 40, CHANGES_MOST = 3 };

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];

static int begin(void **state)
{
    (void)state;
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

/* Some change sets in a row, and what they are made of. */
typedef struct row {
    quipu_change_set sets[SETS_MOST];
    quipu_change changes[SETS_MOST][CHANGES_MOST];
    record *records[SETS_MOST][CHANGES_MOST];
    quipu_receipt receipts[SETS_MOST];
    uint64_t count, done;
} row;

static quipu_change_set *add_set(row *r)
{
    quipu_change_set *set = &r->sets[r->count++];
    assert_true(r->count <= SETS_MOST);
    *set = (quipu_change_set){ .struct_size = sizeof *set,
                               .time = 1700000000000000,
                               .operation = str_of("import"),
                               .changes = { r->changes[r->count - 1], 0, sizeof(quipu_change) } };
    set->change_id[6] = 0x70; /* a UUIDv7 of 1970: the whole history is looked through */
    set->change_id[15] = (uint8_t)r->count;
    r->receipts[r->count - 1].struct_size = sizeof(quipu_receipt);
    return set;
}

/* Adds a put of a record with this text to the last set. */
static quipu_change *add_put(row *r, const char *id, const char *text)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_change_set *set = &r->sets[r->count - 1];
    quipu_change *change = &r->changes[r->count - 1][set->changes.count];
    record **made = &r->records[r->count - 1][set->changes.count++];
    char json[300];
    assert_true(set->changes.count <= CHANGES_MOST);
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"%s\"}", id, text);
    if (record_decode(str_of(json), NULL, made, &error) != QUIPU_OK)
        fail_msg("%s: %s", json, error.message);
    *change = (quipu_change){ .struct_size = sizeof *change,
                              .op = QUIPU_CHANGE_PUT,
                              .id = record_view(*made)->id,
                              .record = record_view(*made) };
    return change;
}

static void drop(row *r)
{
    for (size_t i = 0; i < SETS_MOST; i++)
        for (size_t j = 0; j < CHANGES_MOST; j++)
            record_free(r->records[i][j]);
    free(r);
}

static row *new_row(void)
{
    row *r = calloc(1, sizeof *r);
    assert_non_null(r);
    return r;
}

static int32_t write_row(quipu *q, row *r, const quipu_call *call)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_MIGRATE);
    quipu_array sets = { r->sets, r->count, sizeof r->sets[0] };
    quipu_lease lease = { .struct_size = sizeof lease };
    assert_int_equal(quipu_enter(q, &lease, &memories_error), QUIPU_OK);
    const quipu_migrate_api *api = lease.api->get_extension(lease.self, &id);
    assert_non_null(api);
    int32_t code = api->write(lease.self, &sets, r->receipts, &r->done, call, &memories_error);
    quipu_leave(q, &lease);
    return code;
}

static void assert_sound(quipu *q)
{
    assert_string_equal(memories_faults(q), "");
    assert_int_equal(scratch_fsck(store), 0);
}

static void assert_log(const char *format, const char *expected)
{
    char output[4000];
    assert_int_equal(scratch_git(store, output, sizeof output, "log --reverse --format=%s main", format), 0);
    assert_string_equal(output, expected);
}

static void sets_become_revisions_in_order(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    row *r = new_row();
    char expected[8000], first[4000];
    assert_int_equal(scratch_git(store, first, sizeof first, "log --format=%%s main"), 0);
    snprintf(expected, sizeof expected, "%s", first);
    for (int i = 0; i < SETS_MOST; i++) {
        char text[32];
        add_set(r);
        snprintf(text, sizeof text, "version %d", i);
        add_put(r, "the one", text); /* each sees what the one before did */
        size_t len = strlen(expected);
        snprintf(expected + len, sizeof expected - len, "import: %s\n", text);
    }
    assert_int_equal(write_row(q, r, NULL), QUIPU_OK);
    assert_int_equal(r->done, SETS_MOST);
    for (int i = 0; i < SETS_MOST; i++) {
        char text[32];
        snprintf(text, sizeof text, "version %d", i);
        assert_int_equal(r->receipts[i].changed, 1);
        assert_string_equal(memories_text(q, "the one", r->receipts[i].revision), text);
    }
    assert_log("%s", expected);
    assert_sound(q);
    drop(r);
    memories_close(q);
}

static void a_set_that_fails_stops_the_run_and_leaves_nothing(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    row *r = new_row();
    memories_put(q, "there", "already");
    for (int i = 0; i < 5; i++) {
        char id[8];
        add_set(r);
        snprintf(id, sizeof id, "a%d", i);
        add_put(r, id, "first of two");
        id[0] = 'b';
        add_put(r, i == 3 ? "there" : id, "second of two")->expect = QUIPU_EXPECT_ABSENT;
    }
    assert_int_equal(write_row(q, r, NULL), QUIPU_E_EXISTS);
    assert_string_equal(memories_error.id, "there");
    assert_int_equal(memories_error.index, 1);
    assert_int_equal(r->done, 3);
    assert_string_equal(memories_text(q, "b2", NULL), "second of two");
    assert_string_equal(memories_text(q, "a3", NULL), ""); /* no half */
    assert_string_equal(memories_text(q, "a4", NULL), ""); /* nothing behind it */
    assert_string_equal(memories_text(q, "there", NULL), "already");
    assert_int_equal(memories_count(q), 7);
    assert_sound(q);
    drop(r);
    memories_close(q);
}

static void a_malformed_set_keeps_those_before_it(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    row *r = new_row();
    for (int i = 0; i < 3; i++) {
        char id[8];
        add_set(r);
        snprintf(id, sizeof id, "m%d", i);
        add_put(r, id, "text");
    }
    r->sets[2].flags = 4;
    assert_int_equal(write_row(q, r, NULL), QUIPU_E_INVALID);
    assert_int_equal(r->done, 2);
    assert_int_equal(memories_count(q), 2);
    assert_sound(q);
    drop(r);
    memories_close(q);
}

static void a_change_id_counts_once_within_and_across_calls(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    row *r = new_row();
    for (int i = 0; i < 3; i++) {
        char id[8];
        add_set(r);
        snprintf(id, sizeof id, "d%d", i);
        add_put(r, id, "text");
    }
    memcpy(r->sets[2].change_id, r->sets[0].change_id, 16);
    assert_int_equal(write_row(q, r, NULL), QUIPU_OK);
    assert_int_equal(r->done, 3);
    assert_int_equal(r->receipts[1].flags, 0);
    assert_int_equal(r->receipts[2].flags, QUIPU_RECEIPT_DUPLICATE);
    assert_int_equal(memories_count(q), 2);
    memories_close(q);

    q = memories_open(store); /* another process would find them in the history */
    assert_int_equal(write_row(q, r, NULL), QUIPU_OK);
    assert_int_equal(r->done, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r->receipts[i].flags, QUIPU_RECEIPT_DUPLICATE);
    assert_int_equal(memories_count(q), 2);
    assert_sound(q);
    drop(r);
    memories_close(q);
}

static void a_cancelled_run_does_nothing(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 1 };
    quipu_call call = { .struct_size = sizeof call, .cancel = &token };
    row *r = new_row();
    add_set(r);
    add_put(r, "c", "text");
    r->done = 9;
    assert_int_equal(write_row(q, r, &call), QUIPU_E_CANCELLED);
    assert_int_equal(r->done, 0);
    token.flag = 0;
    assert_int_equal(write_row(q, r, &call), QUIPU_OK);
    assert_int_equal(r->done, 1);
    assert_string_equal(memories_text(q, "c", NULL), "text");
    drop(r);
    memories_close(q);
}

static void an_empty_run_and_wrong_arrays(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    row *r = new_row();
    assert_int_equal(write_row(q, r, NULL), QUIPU_OK);
    assert_int_equal(r->done, 0);
    add_set(r);
    add_put(r, "x", "text");
    r->receipts[0].struct_size = 8;
    assert_int_equal(write_row(q, r, NULL), QUIPU_E_INVALID);
    assert_int_equal(r->done, 0);
    assert_int_equal(memories_count(q), 0);
    drop(r);
    memories_close(q);
}

static void a_store_for_reading_takes_nothing(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    row *r = new_row();
    memories_close(q);
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_OK);
    add_set(r);
    add_put(r, "x", "text");
    assert_int_equal(write_row(q, r, NULL), QUIPU_E_READ_ONLY);
    assert_int_equal(r->done, 0);
    drop(r);
    memories_close(q);
}

/* ---- beside other writers ---- */

static void *put_some(void *context)
{
    for (int i = 0; i < 30; i++) {
        char id[16];
        snprintf(id, sizeof id, "single%d", i);
        memories_put(context, id, "text");
    }
    return NULL;
}

static void other_writers_get_in_between(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    row *r = new_row();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, put_some, q), 0);
    for (int i = 0; i < SETS_MOST; i++) {
        char id[16];
        add_set(r);
        snprintf(id, sizeof id, "many%d", i);
        add_put(r, id, "text");
    }
    assert_int_equal(write_row(q, r, NULL), QUIPU_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(r->done, SETS_MOST);
    assert_int_equal(memories_count(q), SETS_MOST + 30);
    assert_sound(q);
    drop(r);
    memories_close(q);
}

/* ---- quipu_write_sets ---- */

static const char *const lines[] = { "{\"id\":\"one\",\"text\":\"1\"}", "{\"id\":\"two\",\"text\":\"2\"}",
                                     "{\"id\":\"three\",\"text\":\"3\"}", "{\"id\":\"four\",\"tags\":\"no\"}",
                                     "{\"id\":\"five\",\"text\":\"5\"}" };

/* Each line a set of its own, on a backend. */
static int32_t write_lines(quipu *q, uint64_t count, uint32_t op, const quipu_write_options *options,
                           quipu_receipt *receipts, uint64_t *done)
{
    quipu_write writes[5];
    quipu_array groups[5];
    quipu_array all = { groups, count, sizeof groups[0] };
    for (size_t i = 0; i < 5; i++) {
        writes[i] = (quipu_write){ .struct_size = sizeof writes[i], .op = op, .json = str_of(lines[i]) };
        groups[i] = (quipu_array){ &writes[i], 1, sizeof writes[i] };
    }
    if (op == QUIPU_WRITE_PATCH)
        writes[1].id = str_of("two"), writes[0].op = QUIPU_CHANGE_PUT;
    return quipu_write_sets(q, &all, options, receipts, done, NULL, &memories_error);
}

static void check_lines(quipu *q)
{
    uint64_t done = 9;
    quipu_receipt receipts[5];
    quipu_write_options options = { .struct_size = sizeof options, .change_id = { 1, 2, 3, 4, 5, 6, 0x70 } };
    for (size_t i = 0; i < 5; i++)
        receipts[i] = (quipu_receipt){ .struct_size = sizeof receipts[i] };
    assert_int_equal(write_lines(q, 5, QUIPU_CHANGE_PUT, &options, receipts, &done), QUIPU_E_INVALID);
    assert_int_equal(done, 3);
    assert_int_equal(memories_error.index, 0);
    assert_string_equal(memories_text(q, "three", NULL), "3");
    assert_string_equal(memories_text(q, "five", NULL), "");
    assert_int_equal(receipts[2].changed, 1);
    assert_int_equal(write_lines(q, 3, QUIPU_CHANGE_PUT, &options, receipts, &done), QUIPU_OK); /* sent again */
    assert_int_equal(done, 3);
    assert_int_equal(receipts[2].flags, QUIPU_RECEIPT_DUPLICATE);
    assert_int_equal(write_lines(q, 2, QUIPU_WRITE_PATCH, NULL, NULL, &done), QUIPU_E_INVALID);
    assert_string_equal(memories_error.field, "op");
    assert_int_equal(done, 1);
    receipts[1].struct_size = 16;
    assert_int_equal(write_lines(q, 3, QUIPU_CHANGE_PUT, NULL, receipts, &done), QUIPU_E_INVALID);
    assert_int_equal(done, 0);
    assert_int_equal(quipu_write_sets(q, NULL, NULL, NULL, NULL, NULL, &memories_error), QUIPU_E_INVALID);
    assert_string_equal(memories_error.field, "groups");
}

static void many_sets_through_libquipu(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    check_lines(q);
    assert_sound(q);
    memories_close(q);
}

static void many_sets_where_the_backend_has_no_bulk_way(void **state)
{
    (void)state;
    char plugins[512];
    quipu *q = NULL;
    snprintf(plugins, sizeof plugins, "%s/plugins", getenv("BUILD"));
    quipu_options o = {
        .struct_size = sizeof o, .store = str_of(store), .backend = str_of("memory"), .plugin_path = str_of(plugins)
    };
    assert_int_equal(quipu_open(&o, &q, &memories_error), QUIPU_OK);
    check_lines(q);
    memories_close(q);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sets_become_revisions_in_order),
        TEST(a_set_that_fails_stops_the_run_and_leaves_nothing),
        TEST(a_malformed_set_keeps_those_before_it),
        TEST(a_change_id_counts_once_within_and_across_calls),
        TEST(a_cancelled_run_does_nothing),
        TEST(an_empty_run_and_wrong_arrays),
        TEST(a_store_for_reading_takes_nothing),
        TEST(other_writers_get_in_between),
        TEST(many_sets_through_libquipu),
        TEST(many_sets_where_the_backend_has_no_bulk_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
