/*
 * test_postgres_search.c - filters as SQL, orders, pages and words: the server's answers against those of the sdk's index, over the same store.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "postgres_server.h"

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu.h>
#include <quipu/ext/verify.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

#define BY_SERVER "{\"search\":\"server\"}"
#define BY_INDEX "{\"search\":\"index\"}"

static char folder[128], store[160];
static bool have_server;

static int begin(void **state)
{
    (void)state;
    memories_backend = "postgres";
    if (!have_server)
        return 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (have_server)
        scratch_remove(folder);
    return 0;
}

#define NEED_SERVER()                                                                                                  \
    do {                                                                                                               \
        (void)state;                                                                                                   \
        if (!have_server)                                                                                              \
            skip();                                                                                                    \
    } while (0)

static quipu *open_as(const char *config)
{
    quipu *q = NULL;
    if (memories_try_open(store, config, 0, &q) != QUIPU_OK)
        fail_msg("open: %s", memories_error.message);
    return q;
}

/* ---- records of all kinds ---- */

static unsigned turn;
static bool alone; /* no two records in one session: none is beside another */

static unsigned draw(unsigned below)
{
    turn = turn * 1103515245u + 12345u;
    return (turn >> 16) % below;
}

static const char *one_of(const char *const *texts, unsigned count)
{
    return texts[draw(count)];
}

static void print_record(char *out, size_t size, int i)
{
    static const char *const users[] = { "\"ana\"", "\"bo\"", "\"An\\u00e4 \\\"x\\\"\"", "null" };
    static const char *const kinds[] = { "memory", "message", "summary" };
    static const char *const tags[] = { "[]", "[\"a\"]", "[\"a\",\"B\"]", "[\"b\",\"it's \\\"quoted\\\" \\\\ {x}\"]" };
    static const char *const numbers[] = {
        "1", "1.0", "2.5", "-0", "0", "9007199254740993", "9007199254740992", "1e3"
    };
    static const char *const values[] = { "\"red\"", "\"Red\"", "\"blue\"",         "null",           "true",
                                          "false",   "7",       "[\"red\",7,null]", "{\"x\":\"red\"}" };
    static const char *const words[] = {
        "harbour", "bakery", "the spare keys", "running trains", "\\u6771\\u4eac\\u306e\\u6e2f", "don't stop"
    };
    int n = snprintf(
        out, size,
        "{\"text\":\"%s and %s\",\"kind\":\"%s\",\"scope\":{\"user\":%s,\"session\":\"s%u\"},\"tags\":%s,\"seq\":%d,"
        "\"importance\":0.%u,\"created_at\":\"2026-01-%02uT00:00:00Z\",\"category\":\"c%u\"",
        one_of(words, 6), one_of(words, 6), one_of(kinds, 3), one_of(users, 4), alone ? (unsigned)i : draw(4),
        one_of(tags, 4), i, draw(10), 1 + draw(28), draw(3));
    if (draw(2))
        n += snprintf(out + n, size - (size_t)n, ",\"valid_from\":\"2025-12-%02uT10:00:00Z\",\"actor\":\"%s\"",
                      1 + draw(28), draw(2) ? "Ana" : "bo");
    if (draw(4))
        n += snprintf(out + n, size - (size_t)n, ",\"metadata\":{\"n\":%s,\"v\":%s,\"deep\":{\"v\":%s},\"a.b\":%s}",
                      one_of(numbers, 8), one_of(values, 9), one_of(values, 9), one_of(values, 9));
    if (draw(9) == 0)
        n += snprintf(out + n, size - (size_t)n, ",\"metadata.v\":\"red\"");
    if (draw(9) == 0)
        n += snprintf(out + n, size - (size_t)n, ",\"expires_at\":\"%d-01-01T00:00:00Z\"", draw(2) ? 2020 : 2120);
    snprintf(out + n, size - (size_t)n, "}");
}

static void fill(quipu *q, int count)
{
    enum { AT_ONCE = 50 };
    static char json[AT_ONCE][2000], ids[AT_ONCE][20];
    for (int i = 0; i < count; i += AT_ONCE) {
        quipu_write steps[AT_ONCE];
        for (int j = 0; j < AT_ONCE; j++) {
            print_record(json[j], sizeof json[j], i + j);
            snprintf(ids[j], sizeof ids[j], "r%03d", (i + j) * 7 % 1000);
            steps[j] = (quipu_write){
                .struct_size = sizeof steps[j], .op = QUIPU_CHANGE_PUT, .id = str_of(ids[j]), .json = str_of(json[j])
            };
        }
        quipu_array all = { steps, AT_ONCE, sizeof steps[0] };
        if (quipu_write_records(q, &all, NULL, NULL, NULL, NULL, NULL, &memories_error) != QUIPU_OK)
            fail_msg("write: %s: %s", memories_error.field, memories_error.message);
    }
}

/* ---- answers ---- */

typedef int32_t (*ask_fn)(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context, const quipu_call *call,
                          quipu_error *error);

static int32_t keep(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return 0;
}

static cJSON *ask(quipu *q, ask_fn fn, const char *request)
{
    buffer out = { 0 };
    quipu_str text = str_of(request);
    if (fn(q, &text, keep, &out, NULL, &memories_error) != QUIPU_OK)
        fail_msg("%s: %s", request, memories_error.message);
    cJSON *tree = cJSON_ParseWithLength(out.bytes, out.len);
    assert_non_null(tree);
    buffer_free(&out);
    return tree;
}

/* The ids of an answer, each with a blank behind it. */
static void print_ids(const cJSON *answer, buffer *out)
{
    const cJSON *hit;
    buffer_append_text(out, "");
    cJSON_ArrayForEach(hit, cJSON_GetObjectItem(answer, "results"))
        buffer_printf(out, "%s ", cJSON_GetStringValue(cJSON_GetObjectItem(hit, "id")));
}

/* All pages of a list. */
static char *list(quipu *q, const char *rest, int limit)
{
    buffer out = { 0 }, request = { 0 };
    char *cursor = NULL;
    do {
        buffer_clear(&request);
        buffer_printf(&request, "{\"limit\":%d%s%s", limit, *rest ? "," : "", rest);
        if (cursor) {
            cJSON *quoted = cJSON_CreateString(cursor);
            char *text = cJSON_PrintUnformatted(quoted);
            buffer_printf(&request, ",\"cursor\":%s", text);
            cJSON_free(text);
            cJSON_Delete(quoted);
        }
        buffer_append_char(&request, '}');
        cJSON *answer = ask(q, quipu_list_json, request.bytes);
        print_ids(answer, &out);
        free(cursor);
        const char *next = cJSON_GetStringValue(cJSON_GetObjectItem(answer, "cursor"));
        cursor = next ? strdup(next) : NULL;
        cJSON_Delete(answer);
    } while (cursor);
    buffer_free(&request);
    return out.bytes ? out.bytes : strdup("");
}

static void assert_same_list(quipu *a, quipu *b, const char *rest, int limit)
{
    char *by_server = list(a, rest, limit), *by_index = list(b, rest, limit);
    if (strcmp(by_server, by_index) != 0)
        fail_msg("%s: by the server: %s\nby the index:  %s", rest, by_server, by_index);
    free(by_server);
    free(by_index);
}

/* ---- filters ---- */

static const char *const filters[] = {
    "{}",
    "{\"kind\":\"memory\"}",
    "{\"kind\":{\"in\":[\"memory\",\"summary\",\"x\",\"y\",\"z\"]}}",
    "{\"kind\":{\"nin\":[\"memory\"]}}",
    "{\"kind\":{\"ne\":\"message\"}}",
    "{\"kind\":{\"gt\":\"memory\"}}",
    "{\"kind\":{\"contains\":\"mm\"}}",
    "{\"kind\":{\"icontains\":\"MEM\"}}",
    "{\"user\":\"ana\"}",
    "{\"user\":null}",
    "{\"user\":{\"ne\":\"ana\"}}",
    "{\"user\":{\"in\":[\"ana\",\"bo\"]}}",
    "{\"user\":\"*\"}",
    "{\"user\":{\"icontains\":\"\\u00c4\"}}",
    "{\"user\":{\"contains\":\"\\\"x\"}}",
    "{\"tags\":\"a\"}",
    "{\"tags\":{\"contains\":\"B\"}}",
    "{\"tags\":{\"icontains\":\"b\"}}",
    "{\"tags\":{\"ne\":\"a\"}}",
    "{\"tags\":\"*\"}",
    "{\"tags\":null}",
    "{\"tags\":{\"in\":[\"B\",\"it's \\\"quoted\\\" \\\\ {x}\"]}}",
    "{\"seq\":17}",
    "{\"seq\":{\"gt\":20,\"lte\":90}}",
    "{\"seq\":{\"gt\":20.5}}",
    "{\"seq\":{\"lt\":1e2}}",
    "{\"seq\":{\"in\":[1,2.0,3]}}",
    "{\"seq\":{\"ne\":1e1}}",
    "{\"importance\":{\"gte\":0.5}}",
    "{\"importance\":0.3}",
    "{\"importance\":{\"lt\":0}}",
    "{\"created_at\":{\"gte\":\"2026-01-10\",\"lt\":\"2026-01-20T00:00:00Z\"}}",
    "{\"created_at\":\"2026-01-12\"}",
    "{\"valid_from\":null}",
    "{\"valid_from\":{\"lte\":\"2025-12-14\"}}",
    "{\"expires_at\":\"*\"}",
    "{\"actor\":\"Ana\"}",
    "{\"actor\":{\"contains\":\"\"}}",
    "{\"text\":{\"contains\":\"harbour\"}}",
    "{\"text\":{\"icontains\":\"BAKERY\"}}",
    "{\"NOT\":[{\"text\":{\"contains\":\"harbour\"}}]}",
    "{\"metadata.n\":1}",
    "{\"metadata.n\":{\"in\":[1.0,2.5]}}",
    "{\"metadata.n\":{\"ne\":1}}",
    "{\"metadata.n\":0}",
    "{\"metadata.n\":1000}",
    "{\"metadata.n\":9007199254740993}",
    "{\"metadata.n\":{\"gt\":1}}",
    "{\"metadata.v\":\"red\"}",
    "{\"v\":\"red\"}",
    "{\"metadata.v\":{\"ne\":\"red\"}}",
    "{\"metadata.v\":null}",
    "{\"metadata.v\":true}",
    "{\"metadata.v\":7}",
    "{\"metadata.v\":\"*\"}",
    "{\"metadata.v\":{\"contains\":\"e\"}}",
    "{\"metadata.v\":{\"icontains\":\"RED\"}}",
    "{\"metadata.v.x\":\"red\"}",
    "{\"metadata.deep.v\":\"blue\"}",
    "{\"metadata.deep\":\"*\"}",
    "{\"metadata.a.b\":\"red\"}",
    "{\"metadata.nothing\":\"*\"}",
    "{\"NOT\":[{\"metadata.v\":\"red\"},{\"kind\":\"memory\"}]}",
    "{\"NOT\":[{\"kind\":\"memory\"},{\"tags\":\"a\"}]}",
    "{\"OR\":[{\"kind\":\"summary\"},{\"metadata.v\":\"blue\"}]}",
    "{\"OR\":[{\"user\":\"ana\"},{\"AND\":[{\"tags\":\"B\"},{\"NOT\":[{\"seq\":{\"lt\":50}}]}]}]}",
    "{\"AND\":[{\"kind\":\"memory\"},{\"OR\":[{\"tags\":\"a\"},{\"tags\":\"b\"}]},{\"metadata.n\":{\"lt\":3}}]}",
    "{\"id\":{\"in\":[\"r007\",\"r014\",\"r021\",\"r028\",\"r035\",\"none\"]}}",
    "{\"session\":\"s1\",\"category\":{\"ne\":\"c1\"}}",
};

enum { RECORDS = 300 };

/* Under a sanitizer everything takes ten times as long: then one in four. */
static size_t stride(void)
{
    const char *name = getenv("SAN");
    return name && *name ? 4 : 1;
}

static void filters_in_sql_let_through_what_the_sdk_does(void **state)
{
    NEED_SERVER();
    quipu *a = open_as(BY_SERVER), *b = open_as(BY_INDEX);
    turn = 7;
    fill(a, RECORDS);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i += stride()) {
        char rest[700];
        snprintf(rest, sizeof rest, "\"filter\":%s", filters[i]);
        assert_same_list(a, b, rest, 1000);
        snprintf(rest, sizeof rest, "\"filter\":%s,\"include_expired\":true,\"order\":\"id\"", filters[i]);
        assert_same_list(a, b, rest, 1000);
        snprintf(rest, sizeof rest, "\"filter\":%s,\"scope\":{\"user\":\"ana\"}", filters[i]);
        assert_same_list(a, b, rest, 1000);
    }
    memories_close(a);
    memories_close(b);
}

static void pages_add_up_in_every_order(void **state)
{
    static const char *const orders[] = { "\"order\":\"newest\"", "\"order\":\"oldest\"", "\"order\":\"id\"",
                                          "\"order\":\"newest\",\"filter\":{\"metadata.n\":{\"lt\":5}}",
                                          "\"order\":\"id\",\"filter\":{\"kind\":\"memory\"}" };
    NEED_SERVER();
    quipu *a = open_as(BY_SERVER), *b = open_as(BY_INDEX);
    turn = 8;
    fill(a, RECORDS);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        assert_same_list(a, b, orders[i], 7);
        assert_same_list(a, b, orders[i], 1000);
    }
    memories_close(a);
    memories_close(b);
}

/* A value that would be SQL if it were pasted in. */
static void values_are_never_a_part_of_sql(void **state)
{
    static const char *const filter[] = {
        "\"filter\":{\"kind\":\"x' OR '1'='1\"}",           "\"filter\":{\"tags\":\"x'; DROP TABLE records; --\"}",
        "\"filter\":{\"metadata.v\":\"red') OR true --\"}", "\"filter\":{\"metadata.x') OR true --\":\"red\"}",
        "\"scope\":{\"user\":\"ana' OR true --\"}",
    };
    NEED_SERVER();
    quipu *q = open_as(BY_SERVER);
    turn = 9;
    fill(q, 50);
    for (size_t i = 0; i < sizeof filter / sizeof filter[0]; i++) {
        char *ids = list(q, filter[i], 100);
        assert_string_equal(ids, "");
        free(ids);
    }
    memories_put(q, "o'dd", "it's a ' quote \\\\ and a | pipe & more <-> than !that :*");
    assert_string_equal(memories_search(q, "quote' | pipe:* & !more", NULL), "o'dd ");
    memories_close(q);
}

/* ---- words ---- */

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The ids that a search shows, in the order of ids. */
static char *found(quipu *q, const char *words)
{
    char request[400], *ids[1000];
    buffer out = { 0 };
    size_t n = 0;
    snprintf(request, sizeof request, "{\"query\":\"%s\",\"k\":1000,\"mode\":\"lexical\"}", words);
    cJSON *answer = ask(q, quipu_search_json, request), *hit;
    cJSON_ArrayForEach(hit, cJSON_GetObjectItem(answer, "results")) ids[n++] =
        cJSON_GetStringValue(cJSON_GetObjectItem(hit, "id"));
    qsort(ids, n, sizeof ids[0], compare_ids);
    for (size_t i = 0; i < n; i++)
        buffer_printf(&out, "%s ", ids[i]);
    cJSON_Delete(answer);
    return out.bytes ? out.bytes : strdup("");
}

static void words_find_what_the_index_finds(void **state)
{
    static const char *const questions[] = {
        "harbour", "bakeries",  "spare key",           "run train", "\\u6771\\u4eac",
        "\\u6e2f", "dont stop", "nothing of the kind", "Ana",       "harbour bakery"
    };
    NEED_SERVER();
    quipu *a = open_as(BY_SERVER), *b = open_as(BY_INDEX);
    turn = 10;
    alone = true;
    fill(a, RECORDS);
    alone = false;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        char *by_server = found(a, questions[i]), *by_index = found(b, questions[i]);
        if (strcmp(by_server, by_index) != 0)
            fail_msg("%s: by the server: %s\nby the index:  %s", questions[i], by_server, by_index);
        free(by_server);
        free(by_index);
    }
    memories_close(a);
    memories_close(b);
}

static void a_filter_that_sql_cannot_say_leaves_k_results(void **state)
{
    NEED_SERVER();
    quipu *q = open_as(BY_SERVER);
    enum { MANY = 1500 };
    quipu_write *steps = calloc(MANY, sizeof *steps);
    char(*texts)[120] = calloc(MANY, sizeof *texts), (*ids)[16] = calloc(MANY, sizeof *ids);
    for (int i = 0; i < MANY;
         i++) { /* the last are the best by the server's ranking, and the filter lets only the first through */
        snprintf(ids[i], sizeof ids[i], "m%04d", i);
        snprintf(texts[i], sizeof texts[i], "{\"text\":\"an apple%s\",\"metadata\":{\"n\":%d}}",
                 i < 20 ? " that lies under the tree" : "", i);
        steps[i] = (quipu_write){
            .struct_size = sizeof *steps, .op = QUIPU_CHANGE_PUT, .id = str_of(ids[i]), .json = str_of(texts[i])
        };
    }
    quipu_array all = { steps, MANY, sizeof *steps };
    assert_int_equal(quipu_write_records(q, &all, NULL, NULL, NULL, NULL, NULL, &memories_error), QUIPU_OK);
    cJSON *answer = ask(q, quipu_search_json, "{\"query\":\"apple\",\"k\":10,\"filter\":{\"metadata.n\":{\"lt\":15}}}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(answer, "results")), 10);
    cJSON_Delete(answer);
    free(steps);
    free(texts);
    free(ids);
    memories_close(q);
}

static void the_table_is_made_of_an_older_store_and_kept_from_then_on(void **state)
{
    NEED_SERVER();
    quipu *q = open_as(BY_INDEX);
    memories_put(q, "a", "the harbour");
    memories_put(q, "b", "the bakery");
    memories_delete(q, "b");
    memories_close(q);
    q = open_as(BY_SERVER);
    assert_string_equal(memories_list(q, NULL), "a ");
    assert_string_equal(memories_search(q, "harbour", NULL), "a ");
    quipu *other = open_as(BY_INDEX); /* writes it as well */
    memories_put(other, "c", "the station");
    memories_delete(other, "a");
    memories_close(other);
    assert_string_equal(memories_list(q, NULL), "c ");
    assert_string_equal(memories_list(q, "HEAD~1"), "a c ");
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
    q = open_as(NULL); /* it is there: the server is asked */
    assert_string_equal(memories_search(q, "station", NULL), "c ");
    memories_close(q);
}

static int32_t ignore_finding(void *context, const quipu_finding *f)
{
    (void)context, (void)f;
    return 0;
}

static void a_table_that_somebody_wrote_into_is_found_and_made_again(void **state)
{
    quipu_lease lease = { .struct_size = sizeof lease };
    NEED_SERVER();
    quipu *q = open_as(BY_SERVER);
    memories_put(q, "a", "the harbour");
    memories_put(q, "b", "the bakery");
    char schema[80];
    snprintf(schema, sizeof schema, "%s",
             postgres_sql("SELECT nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid"
                          " WHERE relname = 'records' ORDER BY n.oid DESC LIMIT 1"));
    postgres_sql("DELETE FROM %s.records WHERE id = 'a'; UPDATE %s.records SET state = 77 WHERE id = 'b'", schema,
                 schema);
    assert_string_equal(memories_faults(q), "search a\nsearch b\n");
    quipu_str verify = str_of(QUIPU_EXT_VERIFY);
    assert_int_equal(quipu_enter(q, &lease, &memories_error), QUIPU_OK);
    const quipu_verify_api *api = lease.api->get_extension(lease.self, &verify);
    assert_int_equal(api->verify(lease.self, QUIPU_VERIFY_REPAIR, ignore_finding, NULL, NULL, &memories_error),
                     QUIPU_OK);
    quipu_leave(q, &lease);
    assert_string_equal(memories_faults(q), "");
    assert_string_equal(memories_list(q, NULL), "a b ");
    memories_close(q);
}

/* ---- vectors ---- */

static void hear_nothing(void *context, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    (void)context, (void)level, (void)component, (void)message;
}

/* With the embedder "hash". */
static quipu *open_embedding(const char *path, const char *config)
{
    char plugins[512];
    quipu *q = NULL;
    snprintf(plugins, sizeof plugins, "%s/plugins", getenv("BUILD"));
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(path),
                        .backend = str_of("postgres"),
                        .backend_config = str_of(config),
                        .embedder = str_of("hash"),
                        .plugin_path = str_of(plugins),
                        .author = str_of("tester"),
                        .log = hear_nothing };
    if (quipu_open(&o, &q, &memories_error) != QUIPU_OK)
        fail_msg("open: %s", memories_error.message);
    return q;
}

/* The scores of the best, rounded: equal ones may come in any order. */
static char *scores(quipu *q, const char *request)
{
    buffer out = { 0 };
    cJSON *answer = ask(q, quipu_search_json, request), *hit;
    cJSON_ArrayForEach(hit, cJSON_GetObjectItem(answer, "results"))
        buffer_printf(&out, "%.4f ", cJSON_GetNumberValue(cJSON_GetObjectItem(hit, "score")) + 1e-9);
    cJSON_Delete(answer);
    return out.bytes ? out.bytes : strdup("");
}

static void assert_same_scores(quipu *a, quipu *b, const char *request)
{
    char *x = scores(a, request), *y = scores(b, request);
    if (strcmp(x, y) != 0)
        fail_msg("%s: by the server: %s\nby the index:  %s", request, x, y);
    free(x);
    free(y);
}

static bool has_pgvector(void)
{
    return strcmp(postgres_sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"), "1") == 0;
}

static const char *stat_of(quipu *q, const char *name)
{
    static char text[100];
    buffer out = { 0 };
    assert_int_equal(quipu_stats_json(q, keep, &out, NULL, &memories_error), QUIPU_OK);
    cJSON *tree = cJSON_ParseWithLength(out.bytes, out.len);
    const cJSON *item = cJSON_GetObjectItem(tree, name);
    const char *value = cJSON_GetStringValue(item);
    snprintf(text, sizeof text, "%s", value ? value : "");
    if (!value)
        snprintf(text, sizeof text, "%d", item ? item->valueint : -1);
    cJSON_Delete(tree);
    buffer_free(&out);
    return text;
}

static void the_nearest_by_pgvector_are_those_of_the_index(void **state)
{
    static const char *const requests[] = {
        "{\"query\":\"a harbour with trains\",\"k\":10,\"mode\":\"vector\"}",
        "{\"query\":\"keys\",\"k\":25,\"mode\":\"vector\",\"filter\":{\"kind\":\"memory\"}}",
        "{\"query\":\"keys\",\"k\":25,\"mode\":\"vector\",\"filter\":{\"metadata.n\":{\"lt\":2}}}",
        "{\"query\":\"bakery\",\"k\":5,\"mode\":\"vector\",\"scope\":{\"user\":\"ana\"}}",
    };
    NEED_SERVER();
    if (!has_pgvector())
        skip();
    quipu *a = open_embedding(store, BY_SERVER), *b = open_embedding(store, BY_INDEX);
    turn = 11;
    alone = true;
    fill(a, RECORDS);
    alone = false;
    assert_string_equal(stat_of(a, "vectors_by"), "server");
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        assert_same_scores(a, b, requests[i]);
    memories_put(a, "fresh", "zebra crossing"); /* is embedded by the search that needs it */
    char *ids = scores(a, "{\"query\":\"zebra crossing\",\"k\":1,\"mode\":\"vector\"}");
    assert_string_equal(ids, "1.0000 ");
    free(ids);
    assert_string_equal(memories_search(a, "zebra", NULL), "fresh ");
    assert_string_equal(stat_of(a, "vectors_pending"), "0");
    memories_close(a);
    memories_close(b);
}

/* The server has the vectors: a machine that comes anew embeds nothing but its question. */
static void vectors_are_made_once_for_all_machines(void **state)
{
    char other[200], before[100];
    NEED_SERVER();
    if (!has_pgvector())
        skip();
    quipu *a = open_embedding(store, "{\"search\":\"server\",\"schema\":\"shared_vectors\"}");
    turn = 12;
    fill(a, 100);
    free(scores(a, "{\"query\":\"harbour\",\"k\":3,\"mode\":\"hybrid\"}"));
    snprintf(before, sizeof before, "%s",
             postgres_sql("SELECT count(*) || ' ' || max(xmin::text::bigint) FROM shared_vectors.vectors"));
    snprintf(other, sizeof other, "%s/other", folder);
    quipu *b = open_embedding(other, "{\"schema\":\"shared_vectors\"}");
    assert_same_scores(a, b, "{\"query\":\"harbour\",\"k\":10,\"mode\":\"hybrid\"}");
    assert_string_equal(postgres_sql("SELECT count(*) || ' ' || max(xmin::text::bigint) FROM shared_vectors.vectors"),
                        before);
    assert_string_equal(
        postgres_sql(
            "SELECT (complete_to = (SELECT max(state) FROM shared_vectors.states))::text FROM shared_vectors.models"),
        "true");
    memories_close(a);
    memories_close(b);
    postgres_sql("DROP SCHEMA shared_vectors CASCADE");
}

/* A user who may make nothing but tables in a schema that was made for them. */
static void without_pgvector_the_index_has_the_vectors(void **state)
{
    char config[300];
    NEED_SERVER();
    postgres_sql("CREATE ROLE plain LOGIN");
    postgres_sql("CREATE DATABASE plain");
    snprintf(config, sizeof config, "psql -q -d '%s' -c 'CREATE SCHEMA mine AUTHORIZATION plain' 2>/dev/null",
             postgres_server_url());
    char *database = strstr(config, "dbname=postgres");
    assert_non_null(database);
    memcpy(database, "dbname=plain   ", 15);
    assert_int_equal(system(config), 0);
    quipu *q = open_embedding(store, "{\"url\":\"user=plain dbname=plain\",\"schema\":\"mine\",\"search\":\"server\"}");
    assert_string_equal(stat_of(q, "vectors_by"), "index");
    memories_put(q, "a", "zebra crossing");
    memories_put(q, "b", "the harbour");
    char *ids = scores(q, "{\"query\":\"zebra crossing\",\"k\":1,\"mode\":\"vector\"}");
    assert_string_equal(ids, "1.0000 ");
    free(ids);
    assert_string_equal(memories_list(q, NULL), "a b ");
    memories_close(q);
}

static int start_server(void **state)
{
    static char why_not[1000];
    (void)state;
    have_server = postgres_server_start(why_not, sizeof why_not);
    if (!have_server)
        fprintf(stderr, "postgres: %s\n", why_not);
    return 0;
}

static int end_server(void **state)
{
    (void)state;
    postgres_server_end();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(filters_in_sql_let_through_what_the_sdk_does),
        TEST(pages_add_up_in_every_order),
        TEST(values_are_never_a_part_of_sql),
        TEST(words_find_what_the_index_finds),
        TEST(a_filter_that_sql_cannot_say_leaves_k_results),
        TEST(a_table_that_somebody_wrote_into_is_found_and_made_again),
        TEST(the_nearest_by_pgvector_are_those_of_the_index),
        TEST(vectors_are_made_once_for_all_machines),
        TEST(without_pgvector_the_index_has_the_vectors),
        TEST(the_table_is_made_of_an_older_store_and_kept_from_then_on),
    };
    return cmocka_run_group_tests(tests, start_server, end_server);
}
