/* test_write.c - records written and asked for as JSON, on the memory backend. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <host_shim/core/uuid.h>
#include <pthread.h>
#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>

static char plugins[512];
static quipu *q;

static int begin(void **state)
{
    const char *build = getenv("BUILD");
    (void)state;
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    return 0;
}

static int open_store(void **state)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of("/tmp/quipu-write-test"), /* the memory backend makes no folder */
                        .backend = str_of("memory"),
                        .plugin_path = str_of(plugins),
                        .author = str_of("tester") };
    (void)state;
    if (quipu_open(&o, &q, &error) == QUIPU_OK)
        return 0;
    fprintf(stderr, "%s\n", error.message);
    return -1;
}

static int close_store(void **state)
{
    (void)state;
    return quipu_close(q, NULL);
}

static int32_t collect(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return QUIPU_OK;
}

typedef int32_t (*ask_fn)(quipu *, const quipu_str *, quipu_sink_fn, void *, const quipu_call *, quipu_error *);

/* The answer, parsed; for cJSON_Delete. */
static cJSON *ask(ask_fn function, const char *request)
{
    buffer out = { 0 };
    quipu_str text = str_of(request);
    quipu_error error = { .struct_size = sizeof error };
    if (function(q, &text, collect, &out, NULL, &error) != QUIPU_OK)
        fail_msg("%s: %s", request, error.message);
    assert_null(memchr(out.bytes, '\n', out.len));
    cJSON *tree = cJSON_Parse(out.bytes);
    assert_non_null(tree);
    buffer_free(&out);
    return tree;
}

static const char *member(const cJSON *tree, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(tree, name);
    return cJSON_IsString(found) ? found->valuestring : NULL;
}

static cJSON *get(const char *id)
{
    char request[400];
    snprintf(request, sizeof request, "{\"id\":\"%s\"}", id);
    return ask(quipu_get_json, request);
}

static void assert_ask_fails(ask_fn function, const char *request, int32_t code, const char *field)
{
    buffer out = { 0 };
    quipu_str text = str_of(request);
    quipu_error error = { .struct_size = sizeof error };
    int32_t answer = function(q, &text, collect, &out, NULL, &error);
    if (answer != code || (field && strcmp(error.field, field) != 0))
        fail_msg("%s: %d, field \"%s\": %s", request, answer, error.field, error.message);
    assert_int_equal(out.len, 0);
    buffer_free(&out);
}

static void put(const char *json, char id[QUIPU_ID_MAX + 1])
{
    quipu_str text = str_of(json);
    quipu_error error = { .struct_size = sizeof error };
    if (quipu_put_json(q, &text, NULL, id, NULL, &error) != QUIPU_OK)
        fail_msg("%s: %s", json, error.message);
}

static int32_t write_one(quipu_write step, const quipu_write_options *options, quipu_receipt *receipt,
                         quipu_error *error)
{
    step.struct_size = sizeof step;
    quipu_array writes = { &step, 1, sizeof step };
    return quipu_write_records(q, &writes, options, NULL, NULL, receipt, NULL, error);
}

static int32_t patch(const char *id, const char *json, quipu_error *error)
{
    return write_one((quipu_write){ .op = QUIPU_WRITE_PATCH, .id = str_of(id), .json = str_of(json) }, NULL, NULL,
                     error);
}

/* ---- writing ---- */

static void a_record_without_id_gets_one_and_its_times(void **state)
{
    char first[QUIPU_ID_MAX + 1], second[QUIPU_ID_MAX + 1];
    (void)state;
    put("{\"text\":\"one\"}", first);
    put("{\"text\":\"two\"}", second);
    assert_int_equal(strlen(first), UUID_TEXT);
    assert_int_equal(first[14], '7');
    assert_true(strcmp(first, second) < 0);
    cJSON *r = get(first);
    assert_string_equal(member(r, "text"), "one");
    assert_string_equal(member(r, "kind"), "memory");
    assert_string_equal(member(r, "created_at"), member(r, "updated_at"));
    assert_int_equal(strlen(member(r, "version")), QUIPU_VERSION_LEN);
    cJSON_Delete(r);
}

static void scope_of_the_options_fills_what_a_record_leaves_out(void **state)
{
    quipu_write_options o = { .struct_size = sizeof o, .user = str_of("ann"), .agent = str_of("bot") };
    char id[QUIPU_ID_MAX + 1];
    quipu_str json = str_of("{\"text\":\"x\",\"scope\":{\"user\":\"bob\"}}");
    (void)state;
    assert_int_equal(quipu_put_json(q, &json, &o, id, NULL, NULL), QUIPU_OK);
    cJSON *r = get(id);
    const cJSON *scope = cJSON_GetObjectItemCaseSensitive(r, "scope");
    assert_string_equal(member(scope, "user"), "bob");
    assert_string_equal(member(scope, "agent"), "bot");
    cJSON_Delete(r);
}

static void writing_over_a_record_keeps_when_it_was_created(void **state)
{
    (void)state;
    put("{\"id\":\"r\",\"text\":\"old\",\"created_at\":\"2020-01-02T03:04:05Z\"}", NULL);
    put("{\"id\":\"r\",\"text\":\"new\"}", NULL);
    cJSON *r = get("r");
    assert_string_equal(member(r, "text"), "new");
    assert_string_equal(member(r, "created_at"), "2020-01-02T03:04:05Z");
    assert_string_not_equal(member(r, "updated_at"), "2020-01-02T03:04:05Z");
    cJSON_Delete(r);
}

static void an_upsert_finds_its_record_again(void **state)
{
    quipu_write_options o = { .struct_size = sizeof o, .flags = QUIPU_WRITE_UPSERT, .user = str_of("ann") };
    char first[QUIPU_ID_MAX + 1], second[QUIPU_ID_MAX + 1], other[QUIPU_ID_MAX + 1];
    quipu_str red = str_of("{\"key\":\"colour\",\"text\":\"red\"}"),
              blue = str_of("{\"key\":\"colour\",\"text\":\"blue\"}");
    quipu_str keyless = str_of("{\"text\":\"x\"}");
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    assert_int_equal(quipu_put_json(q, &red, &o, first, NULL, NULL), QUIPU_OK);
    assert_int_equal(quipu_put_json(q, &blue, &o, second, NULL, NULL), QUIPU_OK);
    assert_string_equal(first, second);
    o.user = str_of("bob");
    assert_int_equal(quipu_put_json(q, &red, &o, other, NULL, NULL), QUIPU_OK);
    assert_string_not_equal(first, other);
    cJSON *r = get(first);
    assert_string_equal(member(r, "text"), "blue");
    cJSON_Delete(r);
    assert_int_equal(quipu_put_json(q, &keyless, &o, NULL, NULL, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "key");
}

static void a_patch_changes_what_it_names(void **state)
{
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    put("{\"id\":\"p\",\"text\":\"a\",\"metadata\":{\"x\":1,\"y\":2}}", NULL);
    assert_int_equal(patch("p", "{\"metadata\":{\"x\":null,\"z\":3}}", &error), QUIPU_OK);
    cJSON *r = get("p");
    char *metadata = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(r, "metadata"));
    assert_string_equal(metadata, "{\"y\":2,\"z\":3}");
    assert_string_not_equal(member(r, "created_at"), member(r, "updated_at"));
    cJSON_free(metadata);
    cJSON_Delete(r);
    assert_int_equal(patch("nobody", "{\"text\":\"b\"}", &error), QUIPU_E_NOT_FOUND);
    assert_string_equal(error.id, "nobody");
    assert_int_equal(patch("p", "{\"id\":\"other\"}", &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "id");
    assert_int_equal(patch("p", "[]", &error), QUIPU_E_INVALID);
}

static void a_patch_of_an_expected_version_does_not_try_again(void **state)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_write step = { .op = QUIPU_WRITE_PATCH,
                         .expect = QUIPU_EXPECT_VERSION,
                         .id = str_of("v"),
                         .expected_version = str_of("0123456789012345678901234567890123456789"),
                         .json = str_of("{\"text\":\"b\"}") };
    (void)state;
    put("{\"id\":\"v\",\"text\":\"a\"}", NULL);
    cJSON *r = get("v");
    assert_int_equal(write_one(step, NULL, NULL, &error), QUIPU_E_CONFLICT);
    assert_string_equal(error.version, member(r, "version"));
    assert_string_equal(error.id, "v");
    step.expected_version = str_of(member(r, "version"));
    assert_int_equal(write_one(step, NULL, NULL, &error), QUIPU_OK);
    assert_int_equal(write_one(step, NULL, NULL, &error), QUIPU_E_CONFLICT);
    cJSON_Delete(r);
}

#define WRITERS 4
#define PATCHES 25

static void *patch_often(void *context)
{
    for (int i = 0; i < PATCHES; i++) {
        char json[100];
        quipu_error error = { .struct_size = sizeof error };
        snprintf(json, sizeof json, "{\"metadata\":{\"w%d-%d\":1}}", *(int *)context, i);
        if (patch("shared", json, &error) != QUIPU_OK)
            return context;
    }
    return NULL;
}

static void patches_of_several_threads_all_arrive(void **state)
{
    pthread_t threads[WRITERS];
    int numbers[WRITERS];
    (void)state;
    put("{\"id\":\"shared\",\"text\":\"x\"}", NULL);
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, patch_often, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    cJSON *r = get("shared");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(r, "metadata")), WRITERS * PATCHES);
    cJSON_Delete(r);
}

static void the_same_change_id_writes_the_same_ids_once(void **state)
{
    quipu_write_options o = { .struct_size = sizeof o };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    char first[QUIPU_ID_MAX + 1], second[QUIPU_ID_MAX + 1];
    quipu_str json = str_of("{\"text\":\"once\"}");
    (void)state;
    assert_int_equal(uuid_make(o.change_id, NULL), QUIPU_OK);
    assert_int_equal(quipu_put_json(q, &json, &o, first, NULL, NULL), QUIPU_OK);
    assert_int_equal(quipu_put_json(q, &json, &o, second, NULL, NULL), QUIPU_OK);
    assert_string_equal(first, second);
    assert_int_equal(write_one((quipu_write){ .op = QUIPU_CHANGE_PUT, .json = json }, &o, &receipt, NULL), QUIPU_OK);
    assert_int_equal(receipt.flags & QUIPU_RECEIPT_DUPLICATE, QUIPU_RECEIPT_DUPLICATE);
    cJSON *list = ask(quipu_list_json, "{}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(list, "results")), 1);
    cJSON_Delete(list);
}

static void one_bad_write_stores_nothing_of_the_set(void **state)
{
    quipu_write steps[3] = { { .op = QUIPU_CHANGE_PUT, .json = str_of("{\"text\":\"a\"}") },
                             { .op = QUIPU_CHANGE_PUT, .json = str_of("{\"text\":\"b\",\"importance\":7}") },
                             { .op = QUIPU_CHANGE_PUT, .json = str_of("{\"text\":\"c\"}") } };
    quipu_array writes = { steps, 3, sizeof steps[0] };
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    for (int i = 0; i < 3; i++)
        steps[i].struct_size = sizeof steps[i];
    assert_int_equal(quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, &error), QUIPU_E_INVALID);
    assert_int_equal(error.index, 1);
    assert_string_equal(error.field, "importance");
    cJSON *list = ask(quipu_list_json, "{}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(list, "results")), 0);
    cJSON_Delete(list);
}

static void bad_writes_are_refused_by_name(void **state)
{
    static char long_id[QUIPU_ID_MAX + 1];
    memset(long_id, 'x', sizeof long_id);
    quipu_str a = str_of("{\"text\":\"a\"}"), version = str_of("0123456789012345678901234567890123456789");
    const struct {
        quipu_write step;
        const char *field;
    } rows[] = {
        { { .op = 9, .json = a }, "op" },
        { { .op = QUIPU_CHANGE_PUT, .expect = 9, .json = a }, "expect" },
        { { .op = QUIPU_CHANGE_DELETE, .expect = QUIPU_EXPECT_ABSENT, .id = str_of("a") }, "expect" },
        { { .op = QUIPU_CHANGE_PUT, .reserved = 1, .json = a }, "reserved" },
        { { .op = QUIPU_CHANGE_PUT }, "json" },
        { { .op = QUIPU_CHANGE_DELETE }, "id" },
        { { .op = QUIPU_CHANGE_DELETE, .id = { "a\0b", 3 } }, "id" },
        { { .op = QUIPU_CHANGE_DELETE, .id = { "\xff", 1 } }, "id" },
        { { .op = QUIPU_CHANGE_DELETE, .id = { long_id, sizeof long_id } }, "id" },
        { { .op = QUIPU_CHANGE_PUT, .id = { long_id, sizeof long_id }, .json = a }, "id" },
        { { .op = QUIPU_CHANGE_PUT, .id = { "", 0 }, .json = a }, "id" },
        { { .op = QUIPU_CHANGE_PUT, .id = str_of("a"), .json = str_of("{\"id\":\"b\"}") }, "id" },
        { { .op = QUIPU_CHANGE_PUT, .json = str_of("{\"id\":7}") }, "id" },
        { { .op = QUIPU_CHANGE_DELETE, .expect = QUIPU_EXPECT_VERSION, .id = str_of("a") }, "expected_version" },
        { { .op = QUIPU_CHANGE_DELETE,
            .expect = QUIPU_EXPECT_VERSION,
            .id = str_of("a"),
            .expected_version = { version.ptr, 39 } },
          "expected_version" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        quipu_error error = { .struct_size = sizeof error };
        int32_t code = write_one(rows[i].step, NULL, NULL, &error);
        if (code != QUIPU_E_INVALID || strcmp(error.field, rows[i].field) != 0)
            fail_msg("row %zu: %d, field \"%s\": %s", i, code, error.field, error.message);
    }
}

static void bad_options_are_refused_by_name(void **state)
{
    const struct {
        quipu_write_options options;
        const char *field;
    } rows[] = {
        { { .flags = 8 }, "flags" },
        { { .author = str_of("a\nb") }, "author" },
        { { .operation = str_of("Two words") }, "operation" },
        { { .note = { "\xff", 1 } }, "note" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        quipu_error error = { .struct_size = sizeof error };
        quipu_write_options o = rows[i].options;
        quipu_str json = str_of("{\"text\":\"a\"}");
        o.struct_size = sizeof o;
        assert_int_equal(quipu_put_json(q, &json, &o, NULL, NULL, &error), QUIPU_E_INVALID);
        assert_string_equal(error.field, rows[i].field);
    }
}

static void a_change_set_begins_with_the_handles_author(void **state)
{
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_write_options o = { .struct_size = sizeof o, .author = str_of("eve"), .operation = str_of("revert") };
    (void)state;
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    assert_true(str_same(set.author, str_of("tester")));
    assert_int_equal(set.change_id[6] >> 4, 7);
    assert_true(set.time > 1600000000000000);
    assert_int_equal(quipu_change_set_begin(q, &o, &set, NULL), QUIPU_OK);
    assert_true(str_same(set.author, str_of("eve")));
    assert_true(str_same(set.operation, str_of("revert")));
    set.struct_size = 0;
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_E_INVALID);
}

/* ---- asking ---- */

static void a_search_answers_with_score_and_version(void **state)
{
    (void)state;
    put("{\"id\":\"cat\",\"text\":\"the cat sleeps\",\"score\":\"own\",\"scope\":{\"user\":\"ann\"}}", NULL);
    put("{\"id\":\"dog\",\"text\":\"the dog barks\",\"scope\":{\"user\":\"bob\"}}", NULL);
    cJSON *a = ask(quipu_search_json, "{\"query\":\"cats\",\"k\":5,\"explain\":true,\"mode\":\"lexical\"}");
    const cJSON *results = cJSON_GetObjectItemCaseSensitive(a, "results");
    const cJSON *hit = cJSON_GetArrayItem(results, 0);
    assert_int_equal(cJSON_GetArraySize(results), 1);
    assert_string_equal(member(hit, "id"), "cat");
    assert_true(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(hit, "score")));
    assert_true(cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(hit, "components")));
    assert_int_equal(strlen(member(hit, "version")), QUIPU_VERSION_LEN);
    cJSON_Delete(a);
    a = ask(quipu_search_json, "{\"query\":\"cats\",\"scope\":{\"user\":\"bob\"}}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(a, "results")), 0);
    cJSON_Delete(a);
}

static void a_list_goes_on_where_its_cursor_says(void **state)
{
    int seen = 0, pages = 0;
    char request[1000] = "{\"limit\":2,\"order\":\"id\"}";
    (void)state;
    for (int i = 0; i < 6; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"id\":\"r%d\",\"text\":\"t\"}", i);
        put(json, NULL);
    }
    for (bool more = true; more; pages++) {
        cJSON *a = ask(quipu_list_json, request);
        const cJSON *hit, *results = cJSON_GetObjectItemCaseSensitive(a, "results");
        cJSON_ArrayForEach(hit, results) assert_int_equal(member(hit, "id")[1], '0' + seen++);
        const char *cursor = member(a, "cursor");
        more = cursor != NULL;
        cJSON *next = cJSON_CreateObject();
        cJSON_AddNumberToObject(next, "limit", 2);
        cJSON_AddStringToObject(next, "order", "id");
        cJSON_AddStringToObject(next, "cursor", cursor ? cursor : "");
        assert_true(cJSON_PrintPreallocated(next, request, sizeof request, 0));
        cJSON_Delete(next);
        cJSON_Delete(a);
    }
    assert_int_equal(seen, 6);
    assert_int_equal(pages, 3); /* a full last page has no cursor */
}

static void expired_records_are_shown_when_asked_for(void **state)
{
    (void)state;
    put("{\"id\":\"e\",\"text\":\"gone\",\"expires_at\":\"2001-01-01T00:00:00Z\"}", NULL);
    assert_ask_fails(quipu_get_json, "{\"id\":\"e\"}", QUIPU_E_NOT_FOUND, NULL);
    cJSON_Delete(ask(quipu_get_json, "{\"id\":\"e\",\"include_expired\":true}"));
}

static void bad_requests_are_refused_by_name(void **state)
{
    (void)state;
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"limit\":3}", QUIPU_E_INVALID, "limit");
    assert_ask_fails(quipu_search_json, "{}", QUIPU_E_INVALID, "query");
    assert_ask_fails(quipu_search_json, "{\"query\":7}", QUIPU_E_INVALID, "query");
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"k\":0}", QUIPU_E_INVALID, "k");
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"k\":10001}", QUIPU_E_INVALID, "k");
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"k\":1.5}", QUIPU_E_INVALID, "k");
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"mode\":\"magic\"}", QUIPU_E_INVALID, "mode");
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"explain\":1}", QUIPU_E_INVALID, "explain");
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"filter\":[]}", QUIPU_E_INVALID, "filter");
    assert_ask_fails(quipu_search_json, "{\"query\":\"a\",\"filter\":{\"text\":{\"near\":1}}}", QUIPU_E_INVALID, NULL);
    assert_ask_fails(quipu_list_json, "{\"order\":\"up\"}", QUIPU_E_INVALID, "order");
    assert_ask_fails(quipu_list_json, "{\"query\":\"a\"}", QUIPU_E_INVALID, "query");
    assert_ask_fails(quipu_list_json, "[]", QUIPU_E_INVALID, "request");
    assert_ask_fails(quipu_list_json, "{", QUIPU_E_INVALID, NULL);
    assert_ask_fails(quipu_get_json, "{}", QUIPU_E_INVALID, "id");
    assert_ask_fails(quipu_get_json, "{\"id\":\"nobody\"}", QUIPU_E_NOT_FOUND, NULL);
    assert_int_equal(quipu_get_json(q, NULL, collect, NULL, NULL, NULL), QUIPU_E_INVALID);
}

static int32_t give_up(void *context, const void *bytes, uint64_t len)
{
    (void)context, (void)bytes, (void)len;
    return QUIPU_E_IO;
}

static void a_sink_that_gives_up_ends_the_call(void **state)
{
    quipu_str request = str_of("{}");
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    assert_int_equal(quipu_list_json(q, &request, give_up, NULL, NULL, &error), QUIPU_E_IO);
    assert_int_equal(quipu_list_json(q, &request, NULL, NULL, NULL, &error), QUIPU_E_INVALID);
}

static void filters_are_parsed_for_hosts_that_ask_in_structs(void **state)
{
    quipu_parsed_filter *f;
    quipu_str scope = str_of("{\"user\":\"ann\"}"), expression = str_of("{\"kind\":\"message\"}"), bad = str_of("[]");
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    assert_int_equal(quipu_filter_parse(&scope, &expression, &f, &error), QUIPU_OK);
    assert_true(str_same(quipu_filter_get(f)->user, str_of("ann")));
    assert_true(quipu_filter_get(f)->nodes.count > 0);
    quipu_filter_free(f);
    assert_int_equal(quipu_filter_parse(NULL, NULL, &f, &error), QUIPU_OK);
    quipu_filter_free(f);
    assert_int_equal(quipu_filter_parse(NULL, &bad, &f, &error), QUIPU_E_INVALID);
    assert_null(f);
    quipu_filter_free(NULL);
}

static void ids_never_go_back(void **state)
{
    _Atomic uint64_t last = 0;
    uint8_t before[16], next[16];
    (void)state;
    uint64_t first = uuid_moment(&last, 5000000000);
    assert_int_equal(first, 5000u << 12);
    assert_int_equal(uuid_moment(&last, 5000000000), first + 1); /* the clock stands still */
    assert_int_equal(uuid_moment(&last, 4000000000), first + 2); /* and goes back */
    assert_int_equal(uuid_moment(&last, 5000500000), first + 2048);
    uuid_make(before, NULL);
    uuid_make(next, NULL);
    assert_true(memcmp(before, next, 8) < 0);
}

static void what_has_expired_can_be_patched_and_written_over(void **state)
{
    quipu_str json = str_of("{\"id\":\"old\",\"text\":\"x\",\"created_at\":\"2001-01-01T00:00:00Z\",\"expires_at\":"
                            "\"2001-01-02T00:00:00Z\"}");
    quipu_error error = { .struct_size = sizeof error };
    quipu_write step = { .struct_size = sizeof step,
                         .op = QUIPU_WRITE_PATCH,
                         .id = str_of("old"),
                         .json = str_of("{\"expires_at\":null}") };
    quipu_array writes = { &step, 1, sizeof step };
    (void)state;
    assert_int_equal(quipu_put_json(q, &json, NULL, NULL, NULL, &error), QUIPU_OK);
    assert_int_equal(quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, &error), QUIPU_OK);
    cJSON *got = ask(quipu_get_json, "{\"id\":\"old\"}");
    assert_string_equal(member(got, "created_at"), "2001-01-01T00:00:00Z");
    cJSON_Delete(got);
    assert_int_equal(quipu_put_json(q, &json, NULL, NULL, NULL, &error), QUIPU_OK);
    json = str_of("{\"id\":\"old\",\"text\":\"y\"}");
    assert_int_equal(quipu_put_json(q, &json, NULL, NULL, NULL, &error), QUIPU_OK);
    got = ask(quipu_get_json, "{\"id\":\"old\"}");
    assert_string_equal(member(got, "created_at"), "2001-01-01T00:00:00Z");
    cJSON_Delete(got);
}

#define LOCAL(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL(a_record_without_id_gets_one_and_its_times),
        LOCAL(scope_of_the_options_fills_what_a_record_leaves_out),
        LOCAL(writing_over_a_record_keeps_when_it_was_created),
        LOCAL(an_upsert_finds_its_record_again),
        LOCAL(a_patch_changes_what_it_names),
        LOCAL(a_patch_of_an_expected_version_does_not_try_again),
        LOCAL(patches_of_several_threads_all_arrive),
        LOCAL(the_same_change_id_writes_the_same_ids_once),
        LOCAL(one_bad_write_stores_nothing_of_the_set),
        LOCAL(bad_writes_are_refused_by_name),
        LOCAL(bad_options_are_refused_by_name),
        LOCAL(a_change_set_begins_with_the_handles_author),
        LOCAL(a_search_answers_with_score_and_version),
        LOCAL(a_list_goes_on_where_its_cursor_says),
        LOCAL(expired_records_are_shown_when_asked_for),
        LOCAL(bad_requests_are_refused_by_name),
        LOCAL(a_sink_that_gives_up_ends_the_call),
        LOCAL(filters_are_parsed_for_hosts_that_ask_in_structs),
        LOCAL(what_has_expired_can_be_patched_and_written_over),
        cmocka_unit_test(ids_never_go_back),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
