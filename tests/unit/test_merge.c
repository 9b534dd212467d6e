/* test_merge.c - what merge.h promises: by example, and as laws over random records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sdk/json.h>
#include <sdk/merge.h>
#include <stdio.h>
#include <stdlib.h>

static quipu_error error = { .struct_size = sizeof error };

static record *decode(const char *text)
{
    record *r = NULL;
    if (text && record_decode(str_of(text), NULL, &r, &error) != QUIPU_OK)
        fail_msg("%s: %s: %s", text, error.field, error.message);
    return r;
}

static const quipu_record *view_of(const record *r)
{
    return r ? record_view(r) : NULL;
}

static bool same(const record *a, const record *b)
{
    return a && b ? str_same(record_view(a)->json, record_view(b)->json) : a == b;
}

/* Merges both ways, which must not differ. */
static merged_record merge(const record *base, const record *ours, const record *theirs)
{
    merged_record one, two;
    assert_int_equal(record_merge(view_of(base), view_of(ours), view_of(theirs), &one, &error), QUIPU_OK);
    assert_int_equal(record_merge(view_of(base), view_of(theirs), view_of(ours), &two, &error), QUIPU_OK);
    if (!same(one.result, two.result) || !same(one.conflict, two.conflict))
        fail_msg("the sides matter");
    merged_record_free(&two);
    return one;
}

static void expect(const char *base, const char *ours, const char *theirs, const char *result, const char *fields)
{
    record *b = decode(base), *o = decode(ours), *t = decode(theirs), *r = decode(result);
    merged_record m = merge(b, o, t);
    if (!same(m.result, r))
        fail_msg("%s", m.result ? record_view(m.result)->json.ptr : "gone");
    assert_int_equal(m.conflict != NULL, fields != NULL);
    if (fields) {
        cJSON *tree = NULL;
        buffer text = { 0 };
        assert_int_equal(json_parse(record_view(m.conflict)->json, &tree, &error), QUIPU_OK);
        const cJSON *value = cJSON_GetObjectItem(tree, "value");
        json_print_compact(cJSON_GetObjectItem(value, "fields"), &text);
        assert_string_equal(text.bytes, fields);
        assert_int_equal(cJSON_GetObjectItem(value, "base") != NULL, b != NULL);
        assert_non_null(cJSON_GetObjectItem(value, "ours"));
        assert_int_equal(cJSON_GetObjectItem(value, "theirs") != NULL, o && t);
        assert_string_equal(record_view(m.conflict)->kind.ptr, QUIPU_KIND_CONFLICT);
        buffer_free(&text);
        cJSON_Delete(tree);
    }
    merged_record_free(&m);
    record_free(b);
    record_free(o);
    record_free(t);
    record_free(r);
}

#define R(rest) "{\"id\":\"r\"" rest "}"

static void fields_that_one_side_changed_are_taken(void **state)
{
    (void)state;
    expect(R(",\"text\":\"a\",\"key\":\"k\""), R(",\"text\":\"b\",\"key\":\"k\""),
           R(",\"text\":\"a\",\"role\":\"user\""), R(",\"text\":\"b\",\"role\":\"user\""), NULL);
    expect(R(",\"text\":\"a\""), R(",\"text\":\"b\""), R(",\"text\":\"b\""), R(",\"text\":\"b\""), NULL);
}

static void created_takes_the_earlier_and_updated_the_later(void **state)
{
    (void)state;
    expect(R(",\"created_at\":\"2025-01-02T00:00:00Z\",\"updated_at\":\"2025-01-02T00:00:00Z\""),
           R(",\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-03T00:00:00Z\""),
           R(",\"created_at\":\"2025-01-02T00:00:00Z\",\"updated_at\":\"2025-01-04T00:00:00Z\""),
           R(",\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-04T00:00:00Z\""), NULL);
}

static void tags_and_links_merge_as_sets(void **state)
{
    (void)state;
    expect(R(",\"tags\":[\"a\",\"b\",\"c\"]"), R(",\"tags\":[\"b\",\"c\",\"d\"]"), R(",\"tags\":[\"a\",\"b\",\"e\"]"),
           R(",\"tags\":[\"b\",\"d\",\"e\"]"), NULL);
    expect(R(""), R(",\"tags\":[\"a\"]"), R(",\"tags\":[\"b\"]"), R(",\"tags\":[\"a\",\"b\"]"), NULL);
    expect(R(",\"tags\":[\"a\"]"), R(""), R(",\"tags\":[\"a\",\"b\"]"), R(",\"tags\":[\"b\"]"), NULL);
    expect(R(",\"links\":[{\"rel\":\"x\",\"to\":\"1\"}]"), R(",\"links\":[{\"rel\":\"x\",\"to\":\"2\"}]"),
           R(",\"links\":[{\"rel\":\"x\",\"to\":\"1\"},{\"rel\":\"y\",\"to\":\"1\"}]"),
           R(",\"links\":[{\"rel\":\"x\",\"to\":\"2\"},{\"rel\":\"y\",\"to\":\"1\"}]"), NULL);
}

static void metadata_and_value_merge_by_key(void **state)
{
    (void)state;
    expect(R(",\"metadata\":{\"a\":1,\"b\":2}"), R(",\"metadata\":{\"a\":3,\"b\":2}"),
           R(",\"metadata\":{\"a\":1,\"c\":{}}"), R(",\"metadata\":{\"a\":3,\"c\":{}}"), NULL);
    expect(R(""), R(",\"metadata\":{\"a\":1}"), R(",\"metadata\":{\"b\":1}"), R(",\"metadata\":{\"a\":1,\"b\":1}"),
           NULL);
    expect(R(",\"value\":{\"x\":{\"p\":1,\"q\":1}}"), R(",\"value\":{\"x\":{\"p\":2,\"q\":1}}"),
           R(",\"value\":{\"x\":{\"p\":1,\"q\":2}}"), R(",\"value\":{\"x\":{\"p\":2,\"q\":2}}"), NULL);
}

static void what_both_changed_is_a_conflict_that_keeps_the_later(void **state)
{
    (void)state;
    expect(R(",\"text\":\"a\",\"updated_at\":\"2025-01-01T00:00:00Z\""),
           R(",\"text\":\"b\",\"updated_at\":\"2025-01-02T00:00:00Z\""),
           R(",\"text\":\"c\",\"updated_at\":\"2025-01-03T00:00:00Z\""),
           R(",\"text\":\"c\",\"updated_at\":\"2025-01-03T00:00:00Z\""), "[\"/text\"]");
    expect(R(",\"text\":\"a\""), R(",\"text\":\"b\""), R(",\"text\":\"c\""), R(",\"text\":\"c\""), "[\"/text\"]");
    expect(R(",\"value\":{\"a/b\":{\"~\":1}}"), R(",\"value\":{\"a/b\":{\"~\":2}}"),
           R(",\"value\":{\"a/b\":{\"~\":3}}"), R(",\"value\":{\"a/b\":{\"~\":3}}"), "[\"/value/a~1b/~0\"]");
    expect(NULL, R(",\"text\":\"b\""), R(",\"text\":\"c\""), R(",\"text\":\"c\""), "[\"/text\"]");
    expect(R(",\"value\":[1]"), R(",\"value\":[1,2]"), R(",\"value\":[1,3]"), R(",\"value\":[1,3]"), "[\"/value\"]");
}

static void a_deletion_wins_only_over_what_did_not_change(void **state)
{
    (void)state;
    expect(R(",\"text\":\"a\""), NULL, R(",\"text\":\"a\""), NULL, NULL);
    expect(R(",\"text\":\"a\",\"updated_at\":\"2025-01-01T00:00:00Z\""), NULL,
           R(",\"text\":\"a\",\"updated_at\":\"2025-01-02T00:00:00Z\""), NULL, NULL);
    expect(R(",\"text\":\"a\""), NULL, R(",\"text\":\"b\""), R(",\"text\":\"b\""), "[\"\"]");
    expect(NULL, NULL, R(",\"text\":\"b\""), R(",\"text\":\"b\""), NULL);
    expect(R(",\"text\":\"a\""), NULL, NULL, NULL, NULL);
}

static void a_conflict_between_scopes_shows_neither_to_the_other(void **state)
{
    (void)state;
    record *ana = decode(R(",\"text\":\"of ana\",\"scope\":{\"user\":\"ana\"}")),
           *ben = decode(R(",\"text\":\"from ben\",\"scope\":{\"user\":\"ben\"}"));
    merged_record m = merge(NULL, ana, ben);
    assert_non_null(m.conflict);
    const quipu_record *kept = record_view(m.result), *open = record_view(m.conflict);
    assert_false(str_same(kept->user, open->user));
    const char *other = str_same(kept->user, str_of("ana")) ? "of ana" : "from ben";
    assert_null(strstr(open->json.ptr, other));
    merged_record_free(&m);
    record_free(ana);
    record_free(ben);
}

static void a_conflict_record_never_makes_another(void **state)
{
    (void)state;
    expect(R(",\"kind\":\"conflict\",\"text\":\"a\""), R(",\"kind\":\"conflict\",\"text\":\"b\""),
           R(",\"kind\":\"conflict\",\"text\":\"c\""), R(",\"kind\":\"conflict\",\"text\":\"c\""), NULL);
}

static void a_state_that_is_nested_too_deep_is_kept_as_text(void **state)
{
    (void)state;
    char text[3][400];
    for (int i = 0; i < 3; i++) {
        char open_[63] = "", close_[63] = "";
        memset(open_, '[', 62);
        memset(close_, ']', 62);
        snprintf(text[i], sizeof text[i], "{\"id\":\"r\",\"value\":%s%d%s}", open_, i, close_);
    }
    record *b = decode(text[0]), *o = decode(text[1]), *t = decode(text[2]);
    merged_record m = merge(b, o, t);
    assert_non_null(m.conflict);
    assert_non_null(strstr(record_view(m.conflict)->json.ptr, "\"ours\": \"{\\n"));
    merged_record_free(&m);
    record_free(b);
    record_free(o);
    record_free(t);
}

/* Unknown members and the source text of numbers. */
static void what_is_not_known_survives(void **state)
{
    (void)state;
    expect(R(",\"new\":1.0,\"metadata\":{\"n\":9007199254740993}"),
           R(",\"new\":1.0,\"text\":\"x\",\"metadata\":{\"n\":9007199254740993}"),
           R(",\"new\":1e2,\"metadata\":{\"n\":9007199254740993}"),
           R(",\"new\":1e2,\"text\":\"x\",\"metadata\":{\"n\":9007199254740993}"), NULL);
}

/* ---- laws ---- */

static unsigned seed;

static unsigned pick(unsigned most)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % most;
}

static void append_random(buffer *b)
{
    static const char *const texts[] = { "", ",\"text\":\"a\"", ",\"text\":\"b\"", ",\"text\":\"c\"" };
    static const char *const keys[] = { "", ",\"key\":\"k\"", ",\"key\":\"l\"" };
    static const char *const values[] = { "",
                                          ",\"value\":1",
                                          ",\"value\":{\"a\":1,\"b\":{\"c\":1}}",
                                          ",\"value\":{\"a\":2,\"b\":{\"c\":1,\"d\":1}}",
                                          ",\"value\":{\"b\":{\"c\":2}}",
                                          ",\"value\":null" };
    static const char *const times[] = {
        "", ",\"updated_at\":\"2025-01-01T00:00:00Z\"",
        ",\"updated_at\":\"2025-01-02T00:00:00Z\",\"created_at\":\"2024-01-01T00:00:00Z\""
    };
    const char *between = "";
    buffer_append_text(b, "{\"id\":\"r\"");
    buffer_append_text(b, texts[pick(4)]);
    buffer_append_text(b, keys[pick(3)]);
    buffer_append_text(b, values[pick(6)]);
    buffer_append_text(b, times[pick(3)]);
    buffer_append_text(b, ",\"tags\":[");
    for (int tag = 'a'; tag < 'f'; tag++)
        if (pick(2)) {
            buffer_printf(b, "%s\"%c\"", between, tag);
            between = ",";
        }
    buffer_append_text(b, "],\"metadata\":{");
    between = "";
    for (int key = 'a'; key < 'e'; key++)
        if (pick(2)) {
            buffer_printf(b, "%s\"%c\":%u", between, key, pick(3));
            between = ",";
        }
    buffer_append_text(b, "}}");
}

static record *random_record(bool or_none)
{
    buffer b = { 0 };
    if (or_none && pick(8) == 0)
        return NULL;
    append_random(&b);
    record *r = decode(b.bytes);
    buffer_free(&b);
    return r;
}

static void merging_is_symmetric_and_knows_what_did_not_change(void **state)
{
    (void)state;
    for (seed = 1; seed < 3000; seed += 7) {
        record *base = random_record(true), *a = random_record(true), *b = random_record(true);
        merged_record m = merge(base, a, b), equal = merge(base, a, a), still = merge(base, base, a);
        assert_true(same(equal.result, a) && !equal.conflict);
        assert_null(still.conflict);
        merged_record_free(&m);
        merged_record_free(&equal);
        merged_record_free(&still);
        record_free(base);
        record_free(a);
        record_free(b);
    }
}

/* Every value of either side is in the result or in the conflict record, or was in the base and taken away by the other. */
static void no_field_is_lost(void **state)
{
    (void)state;
    for (seed = 5; seed < 3000; seed += 11) {
        record *base = random_record(false), *a = random_record(false), *b = random_record(false);
        merged_record m = merge(base, a, b);
        const quipu_record *r = record_view(m.result), *sides[] = { record_view(a), record_view(b) };
        for (int i = 0; i < 2; i++) {
            bool kept = str_same(sides[i]->text, r->text), old = str_same(sides[i]->text, record_view(base)->text);
            assert_true(kept || old || m.conflict);
            if (m.conflict && !kept && !old)
                assert_non_null(strstr(record_view(m.conflict)->json.ptr, "\"/text\""));
            kept = str_same(sides[i]->key, r->key);
            old = str_same(sides[i]->key, record_view(base)->key);
            assert_true(kept || old || m.conflict);
        }
        merged_record_free(&m);
        record_free(base);
        record_free(a);
        record_free(b);
    }
}

/* Of one base: tags, links and single-handed changes come out equal in whatever order three sides meet. */
static void the_order_of_three_sides_does_not_matter_for_sets(void **state)
{
    (void)state;
    for (seed = 9; seed < 3000; seed += 13) {
        record *sides[4];
        for (int i = 0; i < 4; i++) {
            buffer b = { 0 };
            const char *between = "";
            buffer_append_text(&b, "{\"id\":\"r\",\"tags\":[");
            for (int tag = 'a'; tag < 'g'; tag++)
                if (pick(2)) {
                    buffer_printf(&b, "%s\"%c\"", between, tag);
                    between = ",";
                }
            buffer_append_text(&b, "]}");
            sides[i] = decode(b.bytes);
            buffer_free(&b);
        }
        merged_record ab = merge(sides[0], sides[1], sides[2]), bc = merge(sides[0], sides[2], sides[3]);
        merged_record left = merge(sides[0], ab.result, sides[3]), right = merge(sides[0], sides[1], bc.result);
        assert_true(same(left.result, right.result));
        merged_record_free(&ab);
        merged_record_free(&bc);
        merged_record_free(&left);
        merged_record_free(&right);
        for (int i = 0; i < 4; i++)
            record_free(sides[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_one_side_changed_are_taken),
        cmocka_unit_test(created_takes_the_earlier_and_updated_the_later),
        cmocka_unit_test(tags_and_links_merge_as_sets),
        cmocka_unit_test(metadata_and_value_merge_by_key),
        cmocka_unit_test(what_both_changed_is_a_conflict_that_keeps_the_later),
        cmocka_unit_test(a_deletion_wins_only_over_what_did_not_change),
        cmocka_unit_test(a_conflict_between_scopes_shows_neither_to_the_other),
        cmocka_unit_test(a_conflict_record_never_makes_another),
        cmocka_unit_test(a_state_that_is_nested_too_deep_is_kept_as_text),
        cmocka_unit_test(what_is_not_known_survives),
        cmocka_unit_test(merging_is_symmetric_and_knows_what_did_not_change),
        cmocka_unit_test(no_field_is_lost),
        cmocka_unit_test(the_order_of_three_sides_does_not_matter_for_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
