/* test_change.c - what every backend refuses in a change set before it touches anything (plugins/sdk/change.h, abi_check.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <sdk/recent_ids.h>
#include <sdk/record.h>
#include <stdlib.h>

static quipu_error error;
static record *one; /* id "a", user "u" */

static record *make_record(const char *json)
{
    record *r = NULL;
    assert_int_equal(record_decode(str_of(json), NULL, &r, NULL), QUIPU_OK);
    return r;
}

static int setup(void **state)
{
    (void)state;
    error = (quipu_error){ .struct_size = sizeof error };
    one = make_record("{\"id\":\"a\",\"text\":\"one\",\"scope\":{\"user\":\"u\"}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    record_free(one);
    return 0;
}

static quipu_change put(const record *r)
{
    return (quipu_change){
        .struct_size = sizeof(quipu_change), .op = QUIPU_CHANGE_PUT, .id = record_view(r)->id, .record = record_view(r)
    };
}

static quipu_change_set set_of(const quipu_change *changes, size_t count)
{
    return (quipu_change_set){ .struct_size = sizeof(quipu_change_set),
                               .change_id = { 1 },
                               .time = 1,
                               .operation = QUIPU_STR_INIT("update"),
                               .changes = { changes, count, sizeof *changes } };
}

static void assert_refused(const quipu_change_set *set, const char *field)
{
    error = (quipu_error){ .struct_size = sizeof error };
    assert_int_equal(change_set_check(set, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, field);
    assert_int_equal(change_set_check(set, NULL), QUIPU_E_INVALID);
}

static void a_good_set_passes_and_leaves_the_error_alone(void **state)
{
    quipu_error before = error;
    const quipu_change change = put(one);
    const quipu_change_set set = set_of(&change, 1), empty = set_of(NULL, 0);
    (void)state;
    assert_int_equal(change_set_check(&set, &error), QUIPU_OK);
    assert_int_equal(change_set_check(&empty, &error), QUIPU_OK);
    assert_memory_equal(&before, &error, sizeof error);
}

static void the_head_of_a_set_is_checked(void **state)
{
    static const char *const bad[] = { "", "Add", "1st", "two words", "abcdefghijklmnopqrstuvwxyz0123456" };
    quipu_change_set set = set_of(NULL, 0);
    (void)state;
    assert_int_equal(change_set_check(NULL, &error), QUIPU_E_INVALID);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set.operation = str_of(bad[i]);
        assert_refused(&set, "operation");
    }
    set = set_of(NULL, 0);
    set.change_id[0] = 0;
    assert_refused(&set, "change_id");
    set = set_of(NULL, 0);
    set.time = QUIPU_TIME_NONE;
    assert_refused(&set, "time");
    set = set_of(NULL, 0);
    set.note = str_of("two\nlines");
    assert_refused(&set, "note");
    set.note = str_of(NULL);
    set.author = str_of("\xff");
    assert_refused(&set, "author");
    set = set_of(NULL, 0);
    set.changes.count = 1;
    assert_refused(&set, "changes");
    set = set_of(NULL, 0);
    set.flags = 4;
    assert_refused(&set, "quipu_change_set.flags");
    set.flags = 0;
    set.struct_size -= 8;
    assert_refused(&set, "quipu_change_set");
}

static void every_change_is_checked_and_named(void **state)
{
    record *other = make_record("{\"id\":\"b\",\"text\":\"two\"}");
    quipu_change changes[2] = { put(other), put(one) };
    const quipu_change_set set = set_of(changes, 2);
    (void)state;
    changes[1].op = 7;
    assert_refused(&set, "op");
    assert_int_equal(error.index, 1);
    assert_string_equal(error.id, "a");
    changes[1] = put(one);
    changes[1].expect = 4;
    assert_refused(&set, "expect");
    changes[1].expect = QUIPU_EXPECT_VERSION;
    changes[1].expected_version = str_of("ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD");
    assert_refused(&set, "expected_version");
    changes[1] = put(one);
    changes[1].expected_version = record_view(one)->version;
    assert_refused(&set, "expected_version");
    changes[1] = put(one);
    changes[1].record = NULL;
    assert_refused(&set, "quipu_record");
    changes[1].record = record_view(other);
    assert_refused(&set, "id");
    changes[1] = put(one);
    changes[1].op = QUIPU_CHANGE_DELETE;
    assert_refused(&set, "record");
    changes[1] = put(one);
    changes[0] = put(one);
    assert_refused(&set, "id");
    assert_int_equal(error.index, 1);
    record_free(other);
}

static void a_record_that_contradicts_itself_is_refused(void **state)
{
    quipu_record view = *record_view(one);
    quipu_change change = put(one);
    const quipu_change_set set = set_of(&change, 1);
    (void)state;
    change.record = &view;
    view.version = str_of("0123456789012345678901234567890123456789");
    assert_refused(&set, "version");
    view = *record_view(one);
    view.json = str_of(NULL);
    assert_refused(&set, "json");
    view = *record_view(one);
    view.importance = 1.5;
    assert_refused(&set, "importance");
    view = *record_view(one);
    view.user = str_of("\xc0\xaf");
    assert_refused(&set, "scope.user");
    view = *record_view(one);
    view.tags.count = 1;
    assert_refused(&set, "tags");
}

static void bad_ids_are_refused_and_do_not_get_into_the_error(void **state)
{
    char longest[QUIPU_ID_MAX + 1];
    const quipu_str ids[] = {
        { NULL, 0 }, { "", 0 }, { "a\0b", 3 }, { "\xed\xa0\x80", 3 }, { longest, sizeof longest }
    };
    quipu_change change = { .struct_size = sizeof change, .op = QUIPU_CHANGE_DELETE };
    const quipu_change_set set = set_of(&change, 1);
    (void)state;
    memset(longest, 'x', sizeof longest);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        change.id = ids[i];
        assert_refused(&set, "id");
        assert_string_equal(error.id, "");
        assert_int_equal(error.index, 0);
    }
    change.id.len = QUIPU_ID_MAX;
    assert_int_equal(change_set_check(&set, NULL), QUIPU_OK);
}

static int32_t expect(uint32_t expectation, quipu_str version, const record *stored)
{
    quipu_change change = put(one);
    change.expect = expectation;
    change.expected_version = version;
    error = (quipu_error){ .struct_size = sizeof error };
    return change_check_expectation(&change, stored ? record_view(stored) : NULL, 5, &error);
}

static void expectations_tell_what_is_there(void **state)
{
    const quipu_str none = { NULL, 0 }, version = record_view(one)->version;
    record *changed = make_record("{\"id\":\"a\",\"text\":\"two\",\"scope\":{\"user\":\"u\"}}");
    (void)state;
    assert_int_equal(expect(QUIPU_EXPECT_ANY, none, NULL), QUIPU_OK);
    assert_int_equal(expect(QUIPU_EXPECT_ANY, none, changed), QUIPU_OK);
    assert_int_equal(expect(QUIPU_EXPECT_ABSENT, none, NULL), QUIPU_OK);
    assert_int_equal(expect(QUIPU_EXPECT_ABSENT, none, changed), QUIPU_E_EXISTS);
    assert_int_equal(expect(QUIPU_EXPECT_PRESENT, none, changed), QUIPU_OK);
    assert_int_equal(expect(QUIPU_EXPECT_PRESENT, none, NULL), QUIPU_E_NOT_FOUND);
    assert_int_equal(expect(QUIPU_EXPECT_VERSION, version, one), QUIPU_OK);
    assert_int_equal(expect(QUIPU_EXPECT_VERSION, version, NULL), QUIPU_E_CONFLICT);
    assert_string_equal(error.version, "");
    assert_int_equal(expect(QUIPU_EXPECT_VERSION, version, changed), QUIPU_E_CONFLICT);
    assert_memory_equal(error.version, record_view(changed)->version.ptr, QUIPU_VERSION_LEN);
    assert_int_equal(error.index, 5);
    assert_string_equal(error.id, "a");
    record_free(changed);
}

static void another_scopes_record_is_neither_overwritten_nor_told_of(void **state)
{
    record *other = make_record("{\"id\":\"a\",\"text\":\"secret\",\"scope\":{\"user\":\"v\"}}");
    const quipu_str version = record_view(one)->version, none = { NULL, 0 };
    (void)state;
    assert_int_equal(expect(QUIPU_EXPECT_ANY, none, other), QUIPU_E_SCOPE);
    assert_int_equal(expect(QUIPU_EXPECT_VERSION, version, other), QUIPU_E_SCOPE);
    assert_string_equal(error.version, "");
    record_free(other);
}

static void what_changes_nothing_is_known(void **state)
{
    record *later = make_record(
        "{\"id\":\"a\",\"text\":\"one\",\"scope\":{\"user\":\"u\"},\"updated_at\":\"2030-01-01T00:00:00Z\"}");
    quipu_change change = put(later);
    (void)state;
    assert_false(change_alters(&change, record_view(one)));
    assert_true(change_alters(&change, NULL));
    change.op = QUIPU_CHANGE_DELETE;
    assert_false(change_alters(&change, NULL));
    assert_true(change_alters(&change, record_view(one)));
    record_free(later);
}

static void a_receipt_is_filled_no_further_than_its_version(void **state)
{
    struct {
        quipu_receipt receipt;
        char guard[8];
    } lent;
    (void)state;
    memset(&lent, 'g', sizeof lent);
    lent.receipt.struct_size = sizeof lent;
    assert_int_equal(receipt_check(&lent.receipt, &error), QUIPU_OK);
    receipt_fill(&lent.receipt, QUIPU_RECEIPT_UNCHANGED, 3, "abc");
    assert_int_equal(lent.receipt.changed, 3);
    assert_string_equal(lent.receipt.revision, "abc");
    assert_memory_equal(lent.guard, "gggggggg", 8);
    receipt_fill(NULL, 0, 0, NULL);
    assert_int_equal(receipt_check(NULL, &error), QUIPU_OK);
    lent.receipt.struct_size = 8;
    assert_int_equal(receipt_check(&lent.receipt, &error), QUIPU_E_INVALID);
}

static void a_longer_struct_passes_only_with_zeros(void **state)
{
    struct {
        quipu_call call;
        char more[8];
    } longer = { .call = { .struct_size = sizeof longer } };
    (void)state;
    assert_int_equal(abi_check_call(&longer.call, &error), QUIPU_OK);
    longer.more[7] = 1;
    assert_int_equal(abi_check_call(&longer.call, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "quipu_call");
}

static void the_last_change_ids_are_remembered_and_memory_is_bounded(void **state)
{
    recent_ids ids;
    uint8_t id[16] = { 0 };
    (void)state;
    recent_ids_begin(&ids, 42);
    for (uint32_t i = 1; i <= 5 * RECENT_IDS / 2; i++) {
        memcpy(id, &i, sizeof i);
        assert_false(recent_ids_has(&ids, id));
        assert_true(recent_ids_reserve(&ids));
        recent_ids_add(&ids, id);
    }
    for (uint32_t i = 5 * RECENT_IDS / 2; i > 3 * RECENT_IDS / 2; i--) {
        memcpy(id, &i, sizeof i);
        assert_true(recent_ids_has(&ids, id));
    }
    assert_true(ids.young.count + ids.old.count <= 2 * RECENT_IDS);
    assert_true(ids.young.capacity <= 4 * RECENT_IDS);
    memcpy(id, &(uint32_t){ 1 }, 4);
    assert_false(recent_ids_has(&ids, id));
    recent_ids_free(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_set_passes_and_leaves_the_error_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_head_of_a_set_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(every_change_is_checked_and_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_that_contradicts_itself_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_ids_are_refused_and_do_not_get_into_the_error, setup, teardown),
        cmocka_unit_test_setup_teardown(expectations_tell_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(another_scopes_record_is_neither_overwritten_nor_told_of, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changes_nothing_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_receipt_is_filled_no_further_than_its_version, setup, teardown),
        cmocka_unit_test_setup_teardown(a_longer_struct_passes_only_with_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_change_ids_are_remembered_and_memory_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
