/* test_segment.c - what segment.h promises: merged is as built at once, terms find what filters match, damage is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sdk/search/record_index_inner.h> /* before cmocka, which has a macro `fail` */

#include <cmocka.h>

#include <base/buffer.h>
#include <sdk/filter.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORDS = 300 };

static unsigned long seed;

static unsigned random_below(unsigned most)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % most;
}

/* ---- records ---- */

/* A record with a little of everything, so that most filters let some pass. */
static record *make_record(int i)
{
    static const char *const values[] = { "\"red\"",
                                          "\"green \\\"x\\\"\"",
                                          "7",
                                          "7.0",
                                          "true",
                                          "null",
                                          "[\"red\",7,null]",
                                          "{\"deep\":\"red\"}",
                                          "9007199254740993",
                                          "[]" };
    buffer json = { 0 };
    record *r = NULL;
    buffer_printf(&json, "{\"id\":\"r%03d\",\"text\":\"fox %d and %d\",\"scope\":{\"user\":\"u%d\"}", i, i % 7, i % 11,
                  i % 5);
    if (i % 3)
        buffer_printf(&json, ",\"tags\":[\"t%d\",\"t%d\"],\"category\":\"c%d\"", i % 4, i % 6, i % 3);
    if (i % 4)
        buffer_printf(&json, ",\"created_at\":\"2020-01-%02dT00:00:00Z\",\"seq\":%d,\"importance\":0.%d", 1 + i % 28,
                      i % 9, i % 10);
    if (i % 10 == 0)
        buffer_append_text(&json, ",\"expires_at\":\"1970-01-01T00:00:01Z\"");
    if (i % 2) {
        buffer_append_text(&json, ",\"metadata\":{\"a\":");
        buffer_append_text(&json, values[random_below(10)]);
        buffer_append_text(&json, ",\"b\":");
        buffer_append_text(&json, values[random_below(10)]);
        buffer_append_text(&json, i % 50 == 1 ? ",\"a.deep\":\"red\"}" : "}");
    }
    buffer_append_char(&json, '}');
    assert_int_equal(record_decode(str_make(json.bytes, json.len), NULL, &r, NULL), QUIPU_OK);
    buffer_free(&json);
    return r;
}

static int begin(void **state)
{
    record **records = calloc(RECORDS, sizeof(*records));
    seed = 1;
    for (int i = 0; i < RECORDS; i++)
        records[i] = make_record(i);
    *state = records;
    return 0;
}

static int end(void **state)
{
    record **records = *state;
    for (int i = 0; i < RECORDS; i++)
        record_free(records[i]);
    free(records);
    return 0;
}

static segment *build(record *const *records, uint32_t count)
{
    buffer bytes = { 0 };
    segment *s = NULL;
    assert_int_equal(segment_build(records, count, TEXT_ENGLISH, &bytes, NULL), QUIPU_OK);
    assert_int_equal(segment_of_buffer(&bytes, &s, NULL), QUIPU_OK);
    return s;
}

/* ---- merging ---- */

static void merged_segments_equal_one_built_at_once(void **state)
{
    record **records = *state;
    enum { PARTS = 3 };
    record *dealt[PARTS][RECORDS];
    uint32_t counts[PARTS] = { 0 };
    segment_source sources[PARTS];
    buffer bytes = { 0 };
    bits *alive = NULL;
    for (int i = 0; i < RECORDS; i++) {
        unsigned part = random_below(PARTS);
        dealt[part][counts[part]++] = records[i];
    }
    for (int i = 0; i < PARTS; i++) {
        bits *all = bits_create(counts[i], true);
        sources[i] = (segment_source){ build(dealt[i], counts[i]), all, all };
    }
    assert_int_equal(segment_merge(sources, PARTS, &bytes, &alive, NULL), QUIPU_OK);
    segment *whole = build(records, RECORDS);
    assert_int_equal(bits_total(alive), RECORDS);
    assert_int_equal(bytes.len, segment_bytes(whole).len);
    assert_memory_equal(bytes.bytes, segment_bytes(whole).ptr, bytes.len);
    segment_free(whole);
    buffer_free(&bytes);
    bits_free(alive);
    for (int i = 0; i < PARTS; i++) {
        segment_free(sources[i].segment);
        bits_free((bits *)(uintptr_t)sources[i].keep);
    }
}

static void what_is_not_kept_is_gone_and_a_version_comes_once(void **state)
{
    record **records = *state;
    segment *a = build(records, 20), *b = build(records + 10, 20), *merged = NULL;
    bits *keep_a = bits_create(20, true), *keep_b = bits_create(20, true), *none = bits_create(20, false),
         *alive = NULL;
    buffer bytes = { 0 };
    bits_drop(keep_a, 3);
    const segment_source sources[] = { { a, keep_a, keep_a }, { b, keep_b, none } };
    assert_int_equal(segment_merge(sources, 2, &bytes, &alive, NULL), QUIPU_OK);
    assert_int_equal(segment_of_buffer(&bytes, &merged, NULL), QUIPU_OK);
    assert_int_equal(segment_documents(merged), 29);
    assert_int_equal(bits_total(alive), 19); /* those of b alone were dead */
    assert_int_equal(segment_find(merged, alive, str_of("r003")), BITS_NONE);
    uint32_t document = segment_find(merged, alive, str_of("r012"));
    assert_int_not_equal(document, BITS_NONE);
    assert_int_equal(segment_find_version(merged, segment_version(merged, document)), document);
    segment_free(a);
    segment_free(b);
    segment_free(merged);
    bits_free(keep_a);
    bits_free(keep_b);
    bits_free(none);
    bits_free(alive);
}

/* ---- filters ---- */

static const char *const filters[] = {
    "{\"category\":\"c1\"}",
    "{\"category\":{\"ne\":\"c1\"}}",
    "{\"category\":null}",
    "{\"category\":\"*\"}",
    "{\"category\":{\"gt\":\"c1\"}}",
    "{\"category\":{\"icontains\":\"C\"}}",
    "{\"tags\":\"t1\"}",
    "{\"tags\":{\"in\":[\"t1\",\"t5\"]}}",
    "{\"tags\":{\"nin\":[\"t1\",\"t5\"]}}",
    "{\"tags\":{\"contains\":\"t2\"}}",
    "{\"tags\":null}",
    "{\"id\":\"r007\"}",
    "{\"id\":{\"in\":[\"r001\",\"r200\",\"x\"]}}",
    "{\"id\":{\"gt\":\"r250\"}}",
    "{\"id\":\"*\"}",
    "{\"text\":\"fox 3 and 10\"}",
    "{\"text\":{\"contains\":\"x 5\"}}",
    "{\"text\":null}",
    "{\"seq\":3}",
    "{\"seq\":{\"gte\":3,\"lt\":6}}",
    "{\"seq\":null}",
    "{\"seq\":{\"in\":[1,2]}}",
    "{\"importance\":{\"gt\":0.5}}",
    "{\"created_at\":\"2020-01-05\"}",
    "{\"created_at\":{\"gt\":\"2020-01-05\",\"lte\":\"2020-01-20\"}}",
    "{\"created_at\":null}",
    "{\"created_at\":{\"ne\":\"2020-01-05T00:00:00Z\"}}",
    "{\"expires_at\":\"*\"}",
    "{\"a\":\"red\"}",
    "{\"a\":\"green \\\"x\\\"\"}",
    "{\"a\":7}",
    "{\"a\":true}",
    "{\"a\":false}",
    "{\"a\":null}",
    "{\"a\":\"*\"}",
    "{\"a\":{\"ne\":\"red\"}}",
    "{\"a\":{\"ne\":null}}",
    "{\"a\":9007199254740993}",
    "{\"a\":9007199254740992}",
    "{\"a\":{\"ne\":9007199254740992}}",
    "{\"a\":{\"gt\":5}}",
    "{\"a\":{\"contains\":\"re\"}}",

    "{\"metadata.a.deep\":\"red\"}",
    "{\"NOT\":[{\"metadata.a.deep\":\"red\"}]}",
    "{\"metadata.a.deep\":null}",
    "{\"NOT\":[{\"a\":{\"gt\":5}},{\"category\":\"c1\"}]}",
    "{\"OR\":[{\"a\":\"red\"},{\"b\":\"red\"},{\"seq\":2}]}",
    "{\"OR\":[{\"tags\":\"t1\"},{\"text\":{\"contains\":\"fox 1\"}}],\"NOT\":[{\"a\":7},{\"seq\":4}]}",
    "{\"NOT\":[{\"NOT\":[{\"a\":9007199254740993}]}]}",
};

/* All that match are let through; where it is said to be exact, no others are. */
static void check_filter(const index_part *part, record *const *records, const char *scope, const char *text)
{
    filter *f = NULL;
    cJSON *tree = NULL, *scope_tree = NULL;
    admitted which;
    assert_int_equal(json_parse(str_of(text), &tree, NULL), QUIPU_OK);
    if (scope)
        assert_int_equal(json_parse(str_of(scope), &scope_tree, NULL), QUIPU_OK);
    if (filter_compile(scope_tree, tree, &f, NULL) != QUIPU_OK)
        fail_msg("%s is refused", text);
    assert_int_equal(index_admit(part, filter_view(f), 2000000, &which, NULL), QUIPU_OK);
    for (uint32_t d = 0; d < RECORDS; d++) {
        bool let = which.set ? bits_has(which.set, d) : bits_has(part->alive, d);
        bool match = bits_has(part->alive, d) && filter_match(filter_view(f), record_view(records[d]), 2000000) == 1;
        if (match != let && (which.exact || match))
            fail_msg("%s: record %u %s", text, d, match ? "is left out" : "is let through");
    }
    bits_free(which.set);
    filter_free(f);
    cJSON_Delete(tree);
    cJSON_Delete(scope_tree);
}

static void filters_are_what_looking_at_each_record_gives(void **state)
{
    record **records = *state;
    index_part part = { .segment = build(records, RECORDS), .alive = bits_create(RECORDS, true) };
    bits_drop(part.alive, 17);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        check_filter(&part, records, NULL, filters[i]);
        check_filter(&part, records, "{\"user\":\"u2\"}", filters[i]);
        check_filter(&part, records, "{\"user\":\"nobody\"}", filters[i]);
    }
    segment_free(part.segment);
    bits_free(part.alive);
}

static void equality_needs_no_look_at_records(void **state)
{
    static const char *const sure[] = { "{\"category\":\"c1\"}",
                                        "{\"tags\":\"t1\"}",
                                        "{\"id\":\"r007\"}",
                                        "{\"seq\":3}",
                                        "{\"created_at\":{\"gt\":\"2020-01-05\"}}",
                                        "{\"NOT\":[{\"a\":7},{\"tags\":\"t1\"}]}" };
    record **records = *state;
    segment *s = build(records + 2, 10); /* none with an odd key */
    index_part part = { .segment = s, .alive = bits_create(10, true) };
    for (size_t i = 0; i < sizeof sure / sizeof sure[0]; i++) {
        filter *f = NULL;
        cJSON *tree = NULL;
        admitted which;
        assert_int_equal(json_parse(str_of(sure[i]), &tree, NULL), QUIPU_OK);
        assert_int_equal(filter_compile(NULL, tree, &f, NULL), QUIPU_OK);
        assert_int_equal(index_admit(&part, filter_view(f), 0, &which, NULL), QUIPU_OK);
        assert_true(which.exact);
        bits_free(which.set);
        filter_free(f);
        cJSON_Delete(tree);
    }
    segment_free(s);
    bits_free(part.alive);
}

/* ---- damage ---- */

/* Everything that can be asked of a segment. */
static void use(segment *s)
{
    uint32_t n = segment_documents(s);
    bits *out = bits_create(n, false);
    index_part part = { .segment = s, .alive = bits_create(n, true) };
    const words *w = NULL;
    for (uint32_t d = 0; d < n; d++) {
        record *r = NULL;
        quipu_str id = segment_id(s, d);
        segment_at_time(s, d);
        segment_find_version(s, segment_version(s, d));
        if (id.ptr)
            segment_find(s, part.alive, id);
        if (segment_record(s, d, &r, NULL) == QUIPU_OK)
            assert_true(record_view(r)->json.len > 0);
        record_free(r);
    }
    quipu_str hashes = segment_section_bytes(s, SEGMENT_TERM_HASHES);
    for (uint64_t i = 0; i + 8 <= hashes.len; i += 8) {
        uint64_t hash;
        memcpy(&hash, hashes.ptr + i, sizeof hash);
        segment_term(s, hash, out);
    }
    segment_words(s, &w, NULL);
    const segment_source sources[] = { { s, part.alive, part.alive } };
    buffer merged = { 0 };
    bits *alive = NULL;
    segment_merge(sources, 1, &merged, &alive, NULL);
    buffer_free(&merged);
    bits_free(alive);
    bits_free(out);
    bits_free(part.alive);
}

static void damage_anywhere_is_survived(void **state)
{
    record **records = *state;
    segment *good = build(records, 40);
    quipu_str bytes = segment_bytes(good);
    for (uint64_t at = 0; at < bytes.len; at += at < 300 ? 1 : 37) {
        segment *s = NULL;
        char *copy = malloc(bytes.len);
        memcpy(copy, bytes.ptr, bytes.len);
        copy[at] ^= (char)(1 << at % 8);
        if (segment_open((quipu_str){ copy, bytes.len }, free, copy, &s, NULL) != QUIPU_OK) {
            free(copy);
            continue;
        }
        use(s);
        segment_free(s);
    }
    for (uint64_t len = 0; len < bytes.len; len += 61) { /* cut */
        segment *s = NULL;
        char *copy = malloc(len + 1);
        memcpy(copy, bytes.ptr, len);
        if (segment_open((quipu_str){ copy, len }, free, copy, &s, NULL) != QUIPU_OK)
            free(copy);
        else
            use(s);
        segment_free(s);
    }
    segment_free(good);
}

static void a_record_that_is_not_its_version_is_refused(void **state)
{
    record **records = *state;
    segment *good = build(records, 5), *s = NULL;
    quipu_str bytes = segment_bytes(good);
    char *copy = malloc(bytes.len);
    record *r = NULL;
    memcpy(copy, bytes.ptr, bytes.len);
    copy[segment_checked_bytes(good) + 10] ^= 1;
    assert_int_equal(segment_open((quipu_str){ copy, bytes.len }, free, copy, &s, NULL), QUIPU_OK);
    assert_int_equal(segment_record(s, 0, &r, NULL), QUIPU_E_CORRUPT);
    assert_null(r);
    assert_int_equal(segment_record(s, 5, &r, NULL), QUIPU_E_CORRUPT);
    assert_int_equal(segment_record(s, 1, &r, NULL), QUIPU_OK);
    record_free(r);
    segment_free(s);
    segment_free(good);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(merged_segments_equal_one_built_at_once),
        TEST(what_is_not_kept_is_gone_and_a_version_comes_once),
        TEST(filters_are_what_looking_at_each_record_gives),
        TEST(equality_needs_no_look_at_records),
        TEST(damage_anywhere_is_survived),
        TEST(a_record_that_is_not_its_version_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
