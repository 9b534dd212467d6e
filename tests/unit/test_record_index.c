/* test_record_index.c - what record_index.h promises: order, paging, search, scope, one state for each reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <math.h>
#include <pthread.h>
#include <quipu/plugin.h>
#include <sdk/filter.h>
#include <sdk/json.h>
#include <sdk/record_index.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/letters.h>

enum { DIMENSION = LETTERS_DIMENSION };

/* ---- helpers ---- */

static int set_up(void **state)
{
    record_index *ix = NULL;
    assert_int_equal(record_index_create(&plain_host, &ix, NULL), QUIPU_OK);
    *state = ix;
    return 0;
}

static int set_up_embed(void **state)
{
    record_index *ix = NULL;
    letters_reset();
    assert_int_equal(record_index_create(&letters_host, &ix, NULL), QUIPU_OK);
    *state = ix;
    return 0;
}

static int tear_down(void **state)
{
    record_index_free(*state);
    return 0;
}

static void put_json(record_index *ix, const char *json)
{
    record *r = NULL;
    assert_int_equal(record_decode(str_of(json), NULL, &r, NULL), QUIPU_OK);
    assert_int_equal(record_index_put(ix, r, NULL), QUIPU_OK);
    record_free(r);
}

static void put(record_index *ix, const char *id, const char *text)
{
    char json[512];
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"%s\"}", id, text);
    put_json(ix, json);
}

/* What a visitor sees, as "id id id"; the last hit's cursor; and the components of the first hit. */
typedef struct answer {
    char ids[4096];
    char cursor[600];
    char components[512];
    int count;
    int stop_after; /* 0: never */
    int32_t refuse; /* answer this */
    double last_score;
    record_index *ix; /* asked again from inside the visit, where given */
} answer;

static int32_t take(void *context, const quipu_hit *hit)
{
    answer *a = context;
    assert_int_equal(hit->struct_size, sizeof *hit);
    snprintf(a->ids + strlen(a->ids), sizeof a->ids - strlen(a->ids), "%s%.*s", a->count ? " " : "",
             (int)hit->record->id.len, hit->record->id.ptr);
    snprintf(a->cursor, sizeof a->cursor, "%.*s", (int)hit->cursor.len, hit->cursor.ptr ? hit->cursor.ptr : "");
    for (uint64_t i = 0; a->count == 0 && i < hit->components.count; i++) {
        const quipu_component *c = QUIPU_AT(quipu_component, &hit->components, i);
        snprintf(a->components + strlen(a->components), sizeof a->components - strlen(a->components), "%.*s=%.3f;",
                 (int)c->name.len, c->name.ptr, c->value);
    }
    a->count++;
    a->last_score = hit->score;
    if (a->ix) { /* a lock that is still held would hang here */
        put(a->ix, "fresh", "visit");
        record_index_remove(a->ix, str_of("fresh"));
    }
    return a->refuse ? a->refuse : a->stop_after && a->count >= a->stop_after;
}

static int32_t scan_page(record_index *ix, uint32_t order, uint64_t limit, const char *cursor, const quipu_filter *f,
                         answer *a, quipu_error *error)
{
    char after[600]; /* the cursor may be the answer's own */
    quipu_scan q = { .struct_size = sizeof q, .order = order, .limit = limit, .filter = f };
    if (cursor)
        q.cursor = str_make(after, (size_t)snprintf(after, sizeof after, "%s", cursor));
    *a = (answer){ .stop_after = a->stop_after, .refuse = a->refuse, .ix = a->ix };
    return record_index_scan(ix, &q, take, a, NULL, error);
}

static void expect_scan(record_index *ix, uint32_t order, const char *ids)
{
    answer a = { .count = 0 };
    assert_int_equal(scan_page(ix, order, 0, NULL, NULL, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, ids);
}

static int32_t ask(record_index *ix, const char *text, uint32_t mode, uint64_t k, const quipu_filter *f, answer *a,
                   quipu_error *error)
{
    quipu_search q = {
        .struct_size = sizeof q, .flags = QUIPU_SEARCH_EXPLAIN, .text = str_of(text), .mode = mode, .k = k, .filter = f
    };
    *a = (answer){ .stop_after = a->stop_after, .refuse = a->refuse, .ix = a->ix };
    return record_index_search(ix, &q, take, a, NULL, error);
}

static void expect_found(record_index *ix, const char *text, uint32_t mode, const char *ids)
{
    answer a = { .count = 0 };
    assert_int_equal(ask(ix, text, mode, 10, NULL, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, ids);
}

/* ---- by id ---- */

static void put_replaces_and_remove_forgets(void **state)
{
    record_index *ix = *state;
    put(ix, "a", "one");
    put(ix, "b", "two");
    put(ix, "a", "three");
    assert_int_equal(record_index_count(ix), 2);
    record *r = record_index_find(ix, str_of("a"));
    assert_true(str_same(record_view(r)->text, str_of("three")));
    record_index_remove(ix, str_of("a"));
    record_index_remove(ix, str_of("a"));
    record_index_remove(ix, str_of("never"));
    assert_null(record_index_find(ix, str_of("a")));
    assert_null(record_index_find(ix, (quipu_str){ NULL, 0 }));
    assert_true(str_same(record_view(r)->text, str_of("three"))); /* lives on by reference */
    record_free(r);
    assert_int_equal(record_index_count(ix), 1);
}

static void get_shows_only_what_the_filter_lets_through(void **state)
{
    record_index *ix = *state;
    quipu_filter f = { .struct_size = sizeof f, .user = str_of("u1"), .now = QUIPU_TIME_NONE };
    quipu_get q = { .struct_size = sizeof q, .id = str_of("a") };
    quipu_error error = { .struct_size = sizeof error };
    answer a = { .count = 0 };
    put_json(ix, "{\"id\":\"a\",\"text\":\"x\",\"scope\":{\"user\":\"u1\"}}");
    put_json(ix, "{\"id\":\"old\",\"text\":\"x\",\"expires_at\":\"1970-01-01T00:00:00Z\"}");
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, NULL), QUIPU_OK);
    q.filter = &f;
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "a a");
    f.user = str_of("u2");
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, &error), QUIPU_E_NOT_FOUND);
    assert_string_equal(error.id, "a");
    q = (quipu_get){ .struct_size = sizeof q, .id = str_of("old") };
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, NULL), QUIPU_E_NOT_FOUND);
    q.id = str_of("none");
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, NULL), QUIPU_E_NOT_FOUND);
    q.as_of = str_of("HEAD");
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, &error), QUIPU_E_UNSUPPORTED);
    assert_string_equal(error.field, "as_of");
    q = (quipu_get){ .struct_size = sizeof q, .id = str_of("a") };
    a.refuse = QUIPU_E_IO;
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, NULL), QUIPU_E_IO);
    q.struct_size = 8;
    assert_int_equal(record_index_get(ix, &q, take, &a, NULL, NULL), QUIPU_E_INVALID);
}

/* ---- scans ---- */

static void put_at(record_index *ix, const char *id, const char *created)
{
    char json[256];
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"t\",\"created_at\":\"%s\"}", id, created);
    put_json(ix, json);
}

static void scans_come_in_the_order_asked_for(void **state)
{
    record_index *ix = *state;
    expect_scan(ix, QUIPU_ORDER_ID, "");
    put_at(ix, "b", "2020-01-01T00:00:00Z");
    put_at(ix, "d", "1960-01-01T00:00:00Z"); /* before 1970: a negative number */
    put_at(ix, "a", "2020-01-01T00:00:00Z");
    put(ix, "c", "no time");
    put(ix, "e", "no time");
    expect_scan(ix, QUIPU_ORDER_ID, "a b c d e");
    expect_scan(ix, QUIPU_ORDER_OLDEST, "c e d a b");
    expect_scan(ix, QUIPU_ORDER_NEWEST, "b a d e c");
    put_at(ix, "b", "1950-01-01T00:00:00Z"); /* an order that is built follows the writes */
    record_index_remove(ix, str_of("c"));
    put_at(ix, "aa", "2021-01-01T00:00:00Z");
    expect_scan(ix, QUIPU_ORDER_ID, "a aa b d e");
    expect_scan(ix, QUIPU_ORDER_OLDEST, "e b d a aa");
    expect_scan(ix, QUIPU_ORDER_NEWEST, "aa a d b e");
}

/* Reads all pages of `limit`, with changes between them: what was there all the time comes exactly once. */
static void page_through(record_index *ix, uint32_t order, uint64_t limit)
{
    char seen[200] = { 0 }, id[16];
    answer a = { .count = 0 };
    char cursor[600] = "";
    for (int page = 0; page < 300; page++) {
        assert_int_equal(scan_page(ix, order, limit, page ? cursor : NULL, NULL, &a, NULL), QUIPU_OK);
        if (a.count == 0)
            break;
        assert_true((uint64_t)a.count <= limit);
        snprintf(cursor, sizeof cursor, "%s", a.cursor);
        for (char *at = strtok(a.ids, " "); at; at = strtok(NULL, " "))
            seen[atoi(at + 1)]++;
        snprintf(id, sizeof id, "k%03d", page % 50 * 2); /* even ones come and go, also the one that the cursor names */
        record_index_remove(ix, str_of(id));
        snprintf(id, sizeof id, "k%03d", (page + 25) % 50 * 2);
        put_at(ix, id, "2020-01-01T00:00:07Z");
    }
    for (int i = 1; i < 100; i += 2)
        assert_int_equal(seen[i], 1);
}

static void pages_show_everything_once_while_records_come_and_go(void **state)
{
    record_index *ix = *state;
    for (uint32_t order = QUIPU_ORDER_ID; order <= QUIPU_ORDER_OLDEST; order++) {
        for (int i = 0; i < 100; i++) {
            char id[16], time[32];
            snprintf(id, sizeof id, "k%03d", i);
            snprintf(time, sizeof time, "2020-01-01T00:00:%02dZ", i * 7 % 20);
            put_at(ix, id, time);
        }
        page_through(ix, order, 1);
        page_through(ix, order, 7);
    }
}

static void bad_cursors_are_refused(void **state)
{
    record_index *ix = *state;
    const char *bad[] = { "", "i", "x", "na", "n000000000000000", "n0000000000000000", "n000000000000000Ga", "oa" };
    answer a = { .count = 0 };
    put_at(ix, "a", "2020-01-01T00:00:00Z");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        quipu_error error = { .struct_size = sizeof error };
        assert_int_equal(scan_page(ix, QUIPU_ORDER_NEWEST, 1, bad[i], NULL, &a, &error), QUIPU_E_INVALID);
        assert_string_equal(error.field, "cursor");
    }
    assert_int_equal(scan_page(ix, QUIPU_ORDER_NEWEST, 1, NULL, NULL, &a, NULL), QUIPU_OK);
    char cursor[600];
    memcpy(cursor, a.cursor, sizeof cursor);
    assert_int_equal(scan_page(ix, QUIPU_ORDER_OLDEST, 1, cursor, NULL, &a, NULL), QUIPU_E_INVALID);
    assert_int_equal(scan_page(ix, QUIPU_ORDER_NEWEST, 1, cursor, NULL, &a, NULL), QUIPU_OK);
    assert_int_equal(a.count, 0);
}

static void visitor_may_stop_fail_and_call_back(void **state)
{
    record_index *ix = *state;
    answer a = { .stop_after = 2 };
    put(ix, "a", "word");
    put(ix, "b", "word");
    put(ix, "c", "word");
    assert_int_equal(scan_page(ix, QUIPU_ORDER_ID, 0, NULL, NULL, &a, NULL), QUIPU_OK);
    assert_int_equal(a.count, 2);
    assert_int_equal(ask(ix, "word", QUIPU_SEARCH_LEXICAL, 9, NULL, &a, NULL), QUIPU_OK);
    assert_int_equal(a.count, 2);
    a = (answer){ .refuse = QUIPU_E_FULL };
    assert_int_equal(scan_page(ix, QUIPU_ORDER_ID, 0, NULL, NULL, &a, NULL), QUIPU_E_FULL);
    assert_int_equal(ask(ix, "word", QUIPU_SEARCH_LEXICAL, 9, NULL, &a, NULL), QUIPU_E_FULL);
    a = (answer){ .ix = ix };
    assert_int_equal(scan_page(ix, QUIPU_ORDER_ID, 0, NULL, NULL, &a, NULL), QUIPU_OK);
    assert_int_equal(ask(ix, "word", QUIPU_SEARCH_LEXICAL, 9, NULL, &a, NULL), QUIPU_OK);
    assert_int_equal(a.count, 3);
}

static void bad_queries_name_the_field(void **state)
{
    record_index *ix = *state;
    quipu_error error = { .struct_size = sizeof error };
    quipu_search good = { .struct_size = sizeof good, .text = str_of("x"), .k = 1 }, q;
    quipu_scan scan = { .struct_size = sizeof scan, .as_of = str_of("HEAD") };
    answer a = { .count = 0 };
#define REFUSED(change, code_, field_)                                                                                 \
    q = good;                                                                                                          \
    change;                                                                                                            \
    assert_int_equal(record_index_search(ix, &q, take, &a, NULL, &error), code_);                                      \
    assert_string_equal(error.field, field_)
    float nan_vector[2] = { 1, NAN };
    REFUSED(q.k = 0, QUIPU_E_INVALID, "k");
    REFUSED(q.k = QUIPU_SEARCH_K_MAX + 1, QUIPU_E_INVALID, "k");
    REFUSED(q.mode = 9, QUIPU_E_INVALID, "mode");
    REFUSED(q.text = str_of("\xff"), QUIPU_E_INVALID, "text");
    REFUSED(q.text = str_of(NULL), QUIPU_E_INVALID, "text");
    REFUSED(q.as_of = str_of("HEAD"), QUIPU_E_UNSUPPORTED, "as_of");
    REFUSED(q.mode = QUIPU_SEARCH_HYBRID, QUIPU_E_UNSUPPORTED, "mode");
    REFUSED(q.mode = QUIPU_SEARCH_VECTOR, QUIPU_E_UNSUPPORTED, "mode");
    REFUSED((q.vector = nan_vector, q.dimension = 2), QUIPU_E_INVALID, "vector");
    REFUSED(q.recency = -0.1, QUIPU_E_INVALID, "recency");
    REFUSED(q.recency = (double)NAN, QUIPU_E_INVALID, "recency");
    REFUSED(q.importance = 100.5, QUIPU_E_INVALID, "importance");
    REFUSED(q.half_life = -1, QUIPU_E_INVALID, "half_life");
    REFUSED((q.vector = nan_vector, q.dimension = 1, q.text = str_of(NULL), q.mode = QUIPU_SEARCH_LEXICAL),
            QUIPU_E_INVALID, "text");
#undef REFUSED
    assert_int_equal(record_index_scan(ix, &scan, take, &a, NULL, &error), QUIPU_E_UNSUPPORTED);
    assert_string_equal(error.field, "as_of");
    assert_int_equal(a.count, 0);
}

static void cancelled_calls_stop(void **state)
{
    record_index *ix = *state;
    quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 1 };
    quipu_call call = { .struct_size = sizeof call, .cancel = &token };
    quipu_search search = { .struct_size = sizeof search, .text = str_of("x"), .k = 1 };
    quipu_scan scan = { .struct_size = sizeof scan };
    quipu_get get = { .struct_size = sizeof get, .id = str_of("a") };
    answer a = { .count = 0 };
    put(ix, "a", "x");
    assert_int_equal(record_index_search(ix, &search, take, &a, &call, NULL), QUIPU_E_CANCELLED);
    assert_int_equal(record_index_scan(ix, &scan, take, &a, &call, NULL), QUIPU_E_CANCELLED);
    assert_int_equal(record_index_get(ix, &get, take, &a, &call, NULL), QUIPU_E_CANCELLED);
    assert_int_equal(a.count, 0);
}

/* ---- search by words ---- */

static void search_finds_words_best_first_and_ties_by_id(void **state)
{
    record_index *ix = *state;
    expect_found(ix, "fox", QUIPU_SEARCH_AUTO, "");
    put(ix, "d", "a fox");
    put(ix, "b", "a fox");
    put(ix, "c", "foxes and another fox");
    put(ix, "a", "nothing here");
    expect_found(ix, "Where is the fox?", QUIPU_SEARCH_AUTO, "c b d");
    put(ix, "c", "changed");
    record_index_remove(ix, str_of("d"));
    put(ix, "e", "the quick fox");
    expect_found(ix, "foxes", QUIPU_SEARCH_LEXICAL, "b e");
    expect_found(ix, "", QUIPU_SEARCH_LEXICAL, "");
    answer a = { .count = 0 };
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_LEXICAL, 1, NULL, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "b");
}

static void speaker_relation_and_metadata_are_searched_too(void **state)
{
    record_index *ix = *state;
    put_json(
        ix,
        "{\"id\":\"a\",\"text\":\"look\",\"metadata\":{\"caption\":\"a \\\"red\\\" barn\\nin snow\",\"deep\":{\"x\":"
        "\"hidden\"},\"list\":[\"hidden\"],\"n\":5,\"z\":\"last\"},\"provenance\":{\"source\":\"hidden\"}}");
    put_json(ix, "{\"id\":\"b\",\"kind\":\"relation\",\"head\":\"Ann\",\"relation\":\"lives in\",\"tail\":\"Oslo\"}");
    put_json(ix, "{\"id\":\"c\",\"text\":\"hello\",\"actor\":\"Caroline\"}");
    put_json(ix, "{\"id\":\"d\",\"text\":\"  \\\"metadata\\\": {\\n    \\\"a\\\": \\\"decoy\\\"\"}");
    expect_found(ix, "barn", QUIPU_SEARCH_LEXICAL, "a");
    expect_found(ix, "red", QUIPU_SEARCH_LEXICAL, "a");
    expect_found(ix, "snow", QUIPU_SEARCH_LEXICAL, "a");
    expect_found(ix, "last", QUIPU_SEARCH_LEXICAL, "a");
    expect_found(ix, "hidden", QUIPU_SEARCH_LEXICAL, "");
    expect_found(ix, "caption", QUIPU_SEARCH_LEXICAL, "");
    expect_found(ix, "Oslo", QUIPU_SEARCH_LEXICAL, "b");
    expect_found(ix, "Caroline's", QUIPU_SEARCH_LEXICAL, "c");
    record_index_remove(ix, str_of("a")); /* and all of its words go with it */
    expect_found(ix, "barn red snow last", QUIPU_SEARCH_LEXICAL, "");
}

static void filter_narrows_first_and_nothing_leaks(void **state)
{
    record_index *ix = *state;
    for (int i = 0; i < 300; i++) {
        char json[256];
        snprintf(json, sizeof json, "{\"id\":\"r%03d\",\"text\":\"fox %s\",\"scope\":{\"user\":\"u%d\"}}", i,
                 i % 100 ? "fox" : "", i % 100 ? 1 : 2);
        put_json(ix, json);
    }
    quipu_filter f = { .struct_size = sizeof f, .user = str_of("u2"), .now = QUIPU_TIME_NONE };
    answer a = { .count = 0 };
    /* The three of u2 are the worst matches of all 300. */
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_LEXICAL, 3, &f, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "r000 r100 r200");
    f.user = str_of("u3");
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_LEXICAL, 3, &f, &a, NULL), QUIPU_OK);
    assert_int_equal(a.count, 0);
    f.user = str_of("u2");
    assert_int_equal(scan_page(ix, QUIPU_ORDER_ID, 2, NULL, &f, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "r000 r100");
    assert_int_equal(scan_page(ix, QUIPU_ORDER_ID, 2, a.cursor, &f, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "r200");
}

static void expired_records_are_hidden(void **state)
{
    record_index *ix = *state;
    quipu_filter f = { .struct_size = sizeof f, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    answer a = { .count = 0 };
    put_json(ix,
             "{\"id\":\"a\",\"text\":\"fox\",\"expires_at\":\"1970-01-01T00:00:02Z\"}"); /* the clock is at second 1 */
    put_json(ix, "{\"id\":\"b\",\"text\":\"fox\",\"expires_at\":\"1970-01-01T00:00:00Z\"}");
    expect_found(ix, "fox", QUIPU_SEARCH_LEXICAL, "a");
    expect_scan(ix, QUIPU_ORDER_ID, "a");
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_LEXICAL, 5, &f, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "a b");
}

static void explanation_adds_up(void **state)
{
    record_index *ix = *state;
    answer a = { .count = 0 };
    double whole, sum = 0, value;
    put(ix, "a", "foxes jumping");
    put(ix, "b", "nothing");
    assert_int_equal(ask(ix, "the fox jumps high", QUIPU_SEARCH_LEXICAL, 1, NULL, &a, NULL), QUIPU_OK);
    assert_int_equal(sscanf(a.components, "bm25=%lf;", &whole), 1);
    assert_non_null(strstr(a.components, "bm25:fox="));
    assert_non_null(strstr(a.components, "bm25:jump="));
    for (const char *at = strchr(a.components, ';') + 1; *at; at = strchr(at, ';') + 1) {
        assert_int_equal(sscanf(strchr(at, '='), "=%lf;", &value), 1);
        sum += value;
    }
    assert_true(fabs(whole - sum) < 0.004 && fabs(whole - a.last_score) < 0.002);
}

/* ---- vectors ---- */

static void texts_are_embedded_once(void **state)
{
    record_index *ix = *state;
    char id[16], text[16];
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "r%02d", i);
        snprintf(text, sizeof text, "%c%c", 'a' + i % 5, 'a' + i % 5);
        put(ix, id, text);
    }
    put_json(ix, "{\"id\":\"none\",\"kind\":\"relation\",\"head\":\"x\",\"relation\":\"y\",\"tail\":\"z\"}");
    expect_found(ix, "bb", QUIPU_SEARCH_VECTOR, "r01 r06 r11 r16 r00 r02 r03 r04 r05 r07");
    assert_int_equal(the_letters.passages, 5);
    put(ix, "r01", "aa");
    put(ix, "r01", "bb"); /* and back */
    record_index_remove(ix, str_of("r06"));
    put(ix, "zz", "bb");
    expect_found(ix, "bb", QUIPU_SEARCH_VECTOR, "r01 r11 r16 zz r00 r02 r03 r04 r05 r07");
    assert_int_equal(the_letters.passages, 5);
    put(ix, "r11", "gg");
    expect_found(ix, "gg", QUIPU_SEARCH_VECTOR, "r11 r00 r01 r02 r03 r04 r05 r07 r08 r09");
    assert_int_equal(the_letters.passages, 6);
    the_letters.model_id = "letters:8b"; /* another model: nothing of the old one is used */
    expect_found(ix, "gg", QUIPU_SEARCH_VECTOR, "r11 r00 r01 r02 r03 r04 r05 r07 r08 r09");
    assert_int_equal(the_letters.passages, 12);
}

static void hybrid_weighs_both_and_auto_is_hybrid(void **state)
{
    record_index *ix = *state;
    answer a = { .count = 0 };
    put(ix, "word", "fox hh");
    put(ix, "near", "dead beef");
    put(ix, "far", "zzz");
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_HYBRID, 2, NULL, &a, NULL), QUIPU_OK);
    assert_true(strncmp(a.ids, "word ", 5) == 0);
    assert_non_null(strstr(a.components, "bm25:fox="));
    assert_non_null(strstr(a.components, "cosine="));
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_HYBRID, 1, NULL, &a, NULL), QUIPU_OK);
    assert_non_null(strstr(a.components, "likeness=")); /* of all that matches by words the nearest */
    double whole = 0, bm25 = 0, like = 0;
    assert_int_equal(sscanf(a.components, "hybrid=%lf;bm25:fox=%lf;likeness=%lf;", &whole, &bm25, &like), 3);
    assert_true(like > 0 && like <= 0.45 * bm25 + 0.001 && fabs(whole - bm25 - like) < 0.002);
    assert_true(fabs(a.last_score - whole) < 0.001);
    assert_int_equal(ask(ix, "ebbed", QUIPU_SEARCH_AUTO, 2, NULL, &a, NULL), QUIPU_OK); /* no word in common */
    assert_true(strncmp(a.ids, "near ", 5) == 0);
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_LEXICAL, 2, NULL, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "word");
    assert_null(strstr(a.components, "cosine="));
}

static void an_answer_is_like_what_it_answers(void **state)
{
    record_index *ix = *state;
    answer a = { .count = 0 };
    double whole = 0, bm25 = 0, like = 0;
    put_json(ix, "{\"id\":\"asks\",\"text\":\"abc caab\",\"seq\":1,\"scope\":{\"session\":\"s\"}}");
    put_json(ix, "{\"id\":\"answers\",\"text\":\"cab\",\"seq\":2,\"scope\":{\"session\":\"s\"}}");
    put_json(ix, "{\"id\":\"other\",\"text\":\"hhh\",\"seq\":9,\"scope\":{\"session\":\"t\"}}");
    assert_int_equal(ask(ix, "cab", QUIPU_SEARCH_HYBRID, 3, NULL, &a, NULL), QUIPU_OK);
    assert_true(strncmp(a.ids, "answers ", 8) == 0);
    assert_int_equal(sscanf(a.components, "hybrid=%lf;bm25:cab=%lf;likeness=%lf;", &whole, &bm25, &like), 3);
    assert_true(like > 0.5 * bm25 && like < 0.6 * bm25); /* its own 0.45, and some of the turn before */
}

static void vectors_do_not_leak_across_the_scope(void **state)
{
    record_index *ix = *state;
    quipu_filter f = { .struct_size = sizeof f, .user = str_of("u2"), .now = QUIPU_TIME_NONE };
    answer a = { .count = 0 }, alone = { .count = 0 };
    put_json(ix, "{\"id\":\"x\",\"text\":\"fab\",\"scope\":{\"user\":\"u2\"}}");
    put_json(ix, "{\"id\":\"y\",\"text\":\"gab cab\",\"scope\":{\"user\":\"u2\"}}");
    assert_int_equal(ask(ix, "cab", QUIPU_SEARCH_HYBRID, 5, &f, &alone, NULL), QUIPU_OK);
    put_json(ix, "{\"id\":\"z\",\"text\":\"cab cab cab\",\"scope\":{\"user\":\"u1\"}}");
    assert_int_equal(ask(ix, "cab", QUIPU_SEARCH_HYBRID, 5, &f, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "y x");
    assert_true(fabs(a.last_score - alone.last_score) < 1e-6); /* not even the scale */
    assert_int_equal(ask(ix, "cab", QUIPU_SEARCH_VECTOR, 5, &f, &a, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "y x");
}

static void question_may_be_a_vector(void **state)
{
    record_index *ix = *state;
    float vector[DIMENSION + 1] = { 0, 0, 3 };
    quipu_error error = { .struct_size = sizeof error };
    quipu_search q = { .struct_size = sizeof q, .vector = vector, .dimension = DIMENSION, .k = 1 };
    answer a = { .count = 0 };
    put(ix, "b", "bb");
    put(ix, "c", "cc");
    assert_int_equal(record_index_search(ix, &q, take, &a, NULL, NULL), QUIPU_OK);
    assert_string_equal(a.ids, "c");
    assert_true(fabs(a.last_score - 1) < 1e-6); /* a cosine, however long the vector was */
    q.dimension = DIMENSION + 1;
    assert_int_equal(record_index_search(ix, &q, take, &a, NULL, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "vector");
    q.dimension = DIMENSION;
    vector[1] = INFINITY;
    assert_int_equal(record_index_search(ix, &q, take, &a, NULL, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "vector");
}

static void failing_embedder_is_survived(void **state)
{
    record_index *ix = *state;
    quipu_error error = { .struct_size = sizeof error };
    answer a = { .count = 0 };
    put(ix, "a", "fox");
    put(ix, "b", "bed");
    the_letters.answer = QUIPU_E_NETWORK;
    expect_found(ix, "fox", QUIPU_SEARCH_AUTO, "a"); /* by words only */
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_HYBRID, 1, NULL, &a, &error), QUIPU_E_NETWORK);
    the_letters.answer = QUIPU_E_CANCELLED;
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_AUTO, 1, NULL, &a, &error), QUIPU_E_CANCELLED);
    the_letters.answer = QUIPU_OK;
    the_letters.nan = true;
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_VECTOR, 1, NULL, &a, &error), QUIPU_E_PLUGIN);
    assert_int_equal(error.code, QUIPU_E_PLUGIN);
    the_letters.nan = false;
    the_letters.too_few = true;
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_VECTOR, 1, NULL, &a, &error), QUIPU_E_PLUGIN);
    the_letters.too_few = false;
    the_letters.no_passages = true;
    quipu_search patient = { .struct_size = sizeof patient, .flags = QUIPU_SEARCH_WAIT, .text = str_of("fox"), .k = 1 };
    assert_int_equal(record_index_search(ix, &patient, take, &a, NULL, &error), QUIPU_E_NETWORK);
    assert_int_equal(ask(ix, "fox", QUIPU_SEARCH_VECTOR, 1, NULL, &a, &error),
                     QUIPU_OK); /* those that there are: none */
    assert_int_equal(a.count, 0);
    expect_found(ix, "fox", QUIPU_SEARCH_HYBRID, "a");
    the_letters.no_passages = false; /* what failed is tried again */
    expect_found(ix, "bed", QUIPU_SEARCH_VECTOR, "b a");
}

/* ---- several threads ---- */

static atomic_bool over;

/* Every batch holds both of a pair or neither, with equal texts: a reader that sees one of them sees a torn batch. */
static void *write_pairs(void *context)
{
    record_index *ix = context;
    for (int i = 0; i < 400; i++) {
        char left[16], right[16], text[32];
        snprintf(left, sizeof left, "l%d", i % 7);
        snprintf(right, sizeof right, "r%d", i % 7);
        snprintf(text, sizeof text, "pair %c%c", 'a' + i % 8, 'a' + i / 8 % 8);
        record_index_begin(ix);
        if (i % 3 == 2) {
            record_index_remove(ix, str_of(left));
            record *there = record_index_find(ix, str_of(right)); /* the writer itself may look */
            record_free(there);
            record_index_remove(ix, str_of(right));
        } else {
            put(ix, left, text);
            put(ix, right, text);
        }
        record_index_end(ix);
    }
    over = true;
    return NULL;
}

static void *read_pairs(void *context)
{
    record_index *ix = context;
    for (int i = 0; !over || i < 20; i++) {
        answer a = { .count = 0 };
        if (scan_page(ix, (uint32_t)i % 3, 0, NULL, NULL, &a, NULL) != QUIPU_OK || a.count % 2 != 0)
            return "a scan saw half of a batch";
        uint32_t mode = i % 4 == 0 ? QUIPU_SEARCH_AUTO : QUIPU_SEARCH_LEXICAL;
        if (ask(ix, "pair", mode, 100, NULL, &a, NULL) != QUIPU_OK || a.count % 2 != 0)
            return "a search saw half of a batch";
        if (record_index_count(ix) % 2 != 0)
            return "the count saw half of a batch";
    }
    return NULL;
}

static void readers_see_whole_batches(void **state)
{
    record_index *ix = *state;
    pthread_t writer, readers[3];
    void *fault[3] = { NULL };
    over = false;
    assert_int_equal(pthread_create(&writer, NULL, write_pairs, ix), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_pairs, ix), 0);
    pthread_join(writer, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], &fault[i]);
    for (int i = 0; i < 3; i++)
        assert_null(fault[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_EMBED(name) cmocka_unit_test_setup_teardown(name, set_up_embed, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(put_replaces_and_remove_forgets),
        TEST(get_shows_only_what_the_filter_lets_through),
        TEST(scans_come_in_the_order_asked_for),
        TEST(pages_show_everything_once_while_records_come_and_go),
        TEST(bad_cursors_are_refused),
        TEST(visitor_may_stop_fail_and_call_back),
        TEST(bad_queries_name_the_field),
        TEST(cancelled_calls_stop),
        TEST(search_finds_words_best_first_and_ties_by_id),
        TEST(speaker_relation_and_metadata_are_searched_too),
        TEST(filter_narrows_first_and_nothing_leaks),
        TEST(expired_records_are_hidden),
        TEST(explanation_adds_up),
        TEST_EMBED(texts_are_embedded_once),
        TEST_EMBED(hybrid_weighs_both_and_auto_is_hybrid),
        TEST_EMBED(an_answer_is_like_what_it_answers),
        TEST_EMBED(vectors_do_not_leak_across_the_scope),
        TEST_EMBED(question_may_be_a_vector),
        TEST_EMBED(failing_embedder_is_survived),
        TEST_EMBED(readers_see_whole_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
