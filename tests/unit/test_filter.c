/* test_filter.c - what filter.h promises: the grammar, the check of foreign filters, the matching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sdk/filter.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdio.h>

static const char sample[] =
    "{\"id\":\"m1\",\"kind\":\"message\",\"scope\":{\"user\":\"u1\",\"session\":\"s1\",\"team\":\"red\"},"
    "\"text\":\"I met Ann's Dog\",\"category\":\"pets\",\"key\":\"dog\",\"tags\":[\"animal\",\"Home\"],"
    "\"entity\":{\"type\":\"person\",\"id\":\"ann\"},\"actor\":\"Bob\",\"seq\":7,\"importance\":0.5,"
    "\"created_at\":\"2024-05-01T10:00:00Z\",\"valid_to\":\"2024-05-02T00:00:00Z\","
    "\"metadata\":{\"n\":5,\"f\":1.50,\"big\":9007199254740993,\"s\":\"5\",\"t\":true,\"x\":false,\"z\":null,\"e\":"
    "\"\","
    "\"l\":[1,\"two\",null,[3],true],\"o\":{\"p\":{\"q\":\"deep\"},\"k.m\":1},\"a.b\":\"dotted\",\"q\\\"t\":1,"
    "\"esc\":\"line\\nTwo \\u00e9\",\"kind\":\"meta\"}}";

static record *decode(const char *text)
{
    record *r = NULL;
    assert_int_equal(record_decode(str_of(text), NULL, &r, NULL), QUIPU_OK);
    return r;
}

static int32_t compile(const char *scope, const char *expression, filter **out, quipu_error *error)
{
    cJSON *s = NULL, *e = NULL;
    if (scope)
        assert_int_equal(json_parse(str_of(scope), &s, NULL), QUIPU_OK);
    if (expression)
        assert_int_equal(json_parse(str_of(expression), &e, NULL), QUIPU_OK);
    int32_t code = filter_compile(s, e, out, error);
    cJSON_Delete(s);
    cJSON_Delete(e); /* the filter must not need them */
    return code;
}

static int32_t match_text(const char *scope, const char *expression, const char *json, int64_t now)
{
    filter *f = NULL;
    quipu_error error = { .struct_size = sizeof error };
    record *r = decode(json);
    if (compile(scope, expression, &f, &error) != QUIPU_OK)
        fail_msg("%s: %s: %s", expression, error.field, error.message);
    assert_int_equal(filter_check(filter_view(f), NULL), QUIPU_OK);
    int32_t answer = filter_match(filter_view(f), record_view(r), now);
    filter_free(f);
    record_free(r);
    return answer;
}

static void matches(const char *expression, int32_t wanted)
{
    int32_t answer = match_text(NULL, expression, sample, QUIPU_TIME_NONE);
    if (answer != wanted)
        fail_msg("%s: %d", expression, answer);
}

typedef struct expectation {
    const char *expression;
    int32_t wanted;
} expectation;

static void all_match(const expectation *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        matches(cases[i].expression, cases[i].wanted);
}
#define ALL_MATCH(cases) all_match(cases, sizeof(cases) / sizeof(cases)[0])

static void every_key_finds_its_field(void **state)
{
    (void)state;
    static const expectation cases[] = {
        { "{}", 1 },
        { "{\"user_id\":\"u1\"}", 1 },
        { "{\"user_id\":\"u2\"}", 0 },
        { "{\"run_id\":\"s1\",\"session\":\"s1\"}", 1 },
        { "{\"agent_id\":\"*\"}", 0 },
        { "{\"user\":\"*\"}", 1 },
        { "{\"app_id\":\"x\"}", 0 },
        { "{\"scope.user\":\"u1\",\"scope.team\":\"red\"}", 1 },
        { "{\"scope\":{\"user\":\"u1\",\"app\":{\"ne\":\"x\"}}}", 1 },
        { "{\"id\":\"m1\"}", 1 },
        { "{\"memory_ids\":{\"in\":[\"m0\",\"m1\"]}}", 1 },
        { "{\"kind\":\"message\"}", 1 },
        { "{\"category\":\"pets\",\"key\":\"dog\",\"actor\":\"Bob\"}", 1 },
        { "{\"role\":\"*\"}", 0 },
        { "{\"categories\":{\"contains\":\"pets\"}}", 1 },
        { "{\"categories\":{\"contains\":\"pet\"}}", 0 },
        { "{\"category\":{\"contains\":\"pet\"}}", 1 },
        { "{\"entity_type\":\"person\",\"entity_id\":\"ann\",\"entity.id\":\"ann\",\"entity\":{\"type\":\"*\"}}", 1 },
        { "{\"seq\":7}", 1 },
        { "{\"importance\":{\"gte\":0.5,\"lt\":0.51}}", 1 },
        { "{\"timestamp\":\"2024-05-01T12:00:00+02:00\"}", 1 },
        { "{\"n\":5}", 1 },
        { "{\"metadata.kind\":\"meta\"}", 1 },
        { "{\"metadata\":{\"kind\":\"meta\"}}", 1 },
        { "{\"metadata\":\"*\"}", 1 },
        { "{\"o.p.q\":\"deep\"}", 1 },
        { "{\"metadata.o.k.m\":1}", 1 },
        { "{\"a.b\":\"dotted\"}", 1 },
        { "{\"q\\\"t\":1}", 1 },
        { "{\"head\":\"*\"}", 0 },
    };
    ALL_MATCH(cases);
}

static void operators_do_as_they_say(void **state)
{
    (void)state;
    static const expectation cases[] = {
        { "{\"n\":{\"eq\":5.0}}", 1 },
        { "{\"n\":\"5\"}", 0 },
        { "{\"s\":5}", 0 },
        { "{\"s\":\"5\"}", 1 },
        { "{\"f\":{\"gt\":1.4,\"lt\":1.6}}", 1 },
        { "{\"f\":1.5}", 1 },
        { "{\"n\":{\"gt\":5}}", 0 },
        { "{\"n\":{\"gte\":5}}", 1 },
        { "{\"n\":{\"lt\":5}}", 0 },
        { "{\"n\":{\"lte\":5}}", 1 },
        { "{\"n\":{\"gt\":\"4\"}}", 0 },
        { "{\"s\":{\"gt\":\"4\"}}", 1 },
        { "{\"s\":{\"gt\":4}}", 0 },
        { "{\"big\":9007199254740993}", 1 },
        { "{\"big\":9007199254740992}", 0 },
        { "{\"big\":{\"gt\":9007199254740992}}", 1 },
        { "{\"t\":true}", 1 },
        { "{\"t\":false}", 0 },
        { "{\"x\":false}", 1 },
        { "{\"t\":1}", 0 },
        { "{\"z\":null}", 1 },
        { "{\"z\":\"*\"}", 0 },
        { "{\"none\":null}", 1 },
        { "{\"n\":null}", 0 },
        { "{\"n\":{\"ne\":null}}", 1 },
        { "{\"e\":\"\"}", 1 },
        { "{\"e\":\"*\"}", 1 },
        { "{\"e\":{\"contains\":\"\"}}", 1 },
        { "{\"n\":{\"in\":[1,5]}}", 1 },
        { "{\"n\":{\"in\":[]}}", 0 },
        { "{\"n\":{\"nin\":[1,5]}}", 0 },
        { "{\"n\":{\"not_in\":[1,\"5\"]}}", 1 },
        { "{\"none\":{\"nin\":[1]}}", 1 },
        { "{\"none\":{\"ne\":1}}", 1 },
        { "{\"none\":{\"gt\":1}}", 0 },
        { "{\"none\":{\"lt\":1}}", 0 },
        { "{\"none\":{\"contains\":\"\"}}", 0 },
        { "{\"text\":{\"contains\":\"Ann's\"}}", 1 },
        { "{\"text\":{\"contains\":\"dog\"}}", 0 },
        { "{\"text\":{\"icontains\":\"dOG\"}}", 1 },
        { "{\"text\":{\"contains\":\"I met Ann's Dogs\"}}", 0 },
        { "{\"text\":\"I met Ann's Dog\"}", 1 },
        { "{\"esc\":\"line\\nTwo \xc3\xa9\"}", 1 },
        { "{\"esc\":{\"icontains\":\"\\ntwo\"}}", 1 },
        { "{\"n\":{\"contains\":\"5\"}}", 0 },
        { "{\"o\":\"*\"}", 1 },
        { "{\"o\":\"deep\"}", 0 },
        { "{\"user_id\":{\"eq\":\"*\"}}", 0 },
    };
    ALL_MATCH(cases);
}

static void lists_are_searched_for_an_element(void **state)
{
    (void)state;
    static const expectation cases[] = {
        { "{\"tags\":\"animal\"}", 1 },
        { "{\"tags\":\"anim\"}", 0 },
        { "{\"tags\":{\"contains\":\"anim\"}}", 0 },
        { "{\"tags\":{\"contains\":\"Home\"}}", 1 },
        { "{\"tags\":{\"icontains\":\"HOME\"}}", 1 },
        { "{\"tags\":{\"contains\":\"home\"}}", 0 },
        { "{\"tags\":{\"ne\":\"animal\"}}", 0 },
        { "{\"tags\":{\"in\":[\"x\",\"Home\"]}}", 1 },
        { "{\"tags\":{\"nin\":[\"x\",\"y\"]}}", 1 },
        { "{\"tags\":\"*\"}", 1 },
        { "{\"tags\":null}", 0 },
        { "{\"l\":1}", 1 },
        { "{\"l\":\"two\"}", 1 },
        { "{\"l\":null}", 1 },
        { "{\"l\":true}", 1 },
        { "{\"l\":3}", 0 },
        { "{\"l\":{\"contains\":\"two\"}}", 1 },
        { "{\"l\":{\"contains\":\"tw\"}}", 0 },
        { "{\"l\":{\"icontains\":\"TWO\"}}", 1 },
        { "{\"l\":{\"gt\":0}}", 0 },
        { "{\"l\":{\"ne\":2}}", 1 },
    };
    ALL_MATCH(cases);
    assert_int_equal(match_text(NULL, "{\"tags\":\"*\"}", "{\"id\":\"a\"}", 0), 0);
    assert_int_equal(match_text(NULL, "{\"tags\":null}", "{\"id\":\"a\"}", 0), 1);
}

static void and_or_not_nest_freely(void **state)
{
    (void)state;
    static const expectation cases[] = {
        { "{\"AND\":[{\"n\":5},{\"s\":\"5\"}]}", 1 },
        { "{\"AND\":[{\"n\":5},{\"s\":\"6\"}]}", 0 },
        { "{\"AND\":[]}", 1 },
        { "{\"AND\":[{}]}", 1 },
        { "{\"OR\":[{\"n\":6},{\"s\":\"5\"}]}", 1 },
        { "{\"OR\":[{\"n\":6},{\"s\":\"6\"}]}", 0 },
        { "{\"NOT\":[{\"n\":6},{\"s\":\"6\"}]}", 1 },
        { "{\"NOT\":[{\"n\":6},{\"s\":\"5\"}]}", 0 },
        { "{\"NOT\":[{\"n\":5},{\"s\":\"6\"}]}", 0 },
        { "{\"n\":5,\"OR\":[{\"AND\":[{\"n\":6},{\"n\":5}]},{\"NOT\":[{\"OR\":[{\"n\":1},{\"n\":2}]}]}]}", 1 },
        { "{\"n\":5,\"OR\":[{\"AND\":[{\"n\":5},{\"n\":6}]},{\"NOT\":[{\"OR\":[{\"n\":1},{\"n\":5}]}]}],\"s\":\"5\"}",
          0 },
        { "{\"OR\":[{\"user_id\":\"zz\",\"n\":5},{\"user_id\":\"u1\",\"n\":5}]}", 1 },
    };
    ALL_MATCH(cases);
}

static void dates_cover_their_day(void **state)
{
    (void)state;
    static const expectation cases[] = {
        { "{\"created_at\":\"2024-05-01\"}", 1 },
        { "{\"created_at\":\"2024-04-30\"}", 0 },
        { "{\"created_at\":{\"ne\":\"2024-05-01\"}}", 0 },
        { "{\"created_at\":{\"ne\":\"2024-05-02\"}}", 1 },
        { "{\"created_at\":{\"lte\":\"2024-05-01\"}}", 1 },
        { "{\"created_at\":{\"lte\":\"2024-04-30\"}}", 0 },
        { "{\"created_at\":{\"lt\":\"2024-05-01\"}}", 0 },
        { "{\"created_at\":{\"lt\":\"2024-05-02\"}}", 1 },
        { "{\"created_at\":{\"gt\":\"2024-05-01\"}}", 0 },
        { "{\"created_at\":{\"gt\":\"2024-04-30\"}}", 1 },
        { "{\"created_at\":{\"gte\":\"2024-05-01\",\"lte\":\"2024-05-01\"}}", 1 },
        { "{\"valid_to\":{\"lte\":\"2024-05-01\"}}", 0 },
        { "{\"valid_to\":{\"gt\":\"2024-05-01\"}}", 1 },
        { "{\"valid_to\":\"2024-05-02\"}", 1 },
        { "{\"created_at\":{\"in\":[\"2020-01-01\",\"2024-05-01\"]}}", 1 },
        { "{\"created_at\":{\"in\":[]}}", 0 },
        { "{\"created_at\":{\"nin\":[\"2020-01-01\",\"2024-05-01\"]}}", 0 },
        { "{\"created_at\":{\"nin\":[]}}", 1 },
        { "{\"created_at\":{\"gt\":\"2024-05-01T09:59:59.999999Z\"}}", 1 },
        { "{\"expires_at\":null}", 1 },
        { "{\"expiration_date\":{\"gte\":\"2020-01-01\"}}", 0 },
        { "{\"updated_at\":\"*\"}", 0 },
    };
    ALL_MATCH(cases);
}

static void a_day_ends_with_its_last_microsecond(void **state)
{
    (void)state;
    static const char last[] = "{\"id\":\"a\",\"created_at\":\"2024-05-01T23:59:59.999999Z\"}";
    assert_int_equal(match_text(NULL, "{\"created_at\":{\"lte\":\"2024-05-01\"}}", last, 0), 1);
    assert_int_equal(match_text(NULL, "{\"created_at\":\"2024-05-01\"}", last, 0), 1);
    assert_int_equal(match_text(NULL, "{\"created_at\":{\"gt\":\"2024-05-01\"}}", last, 0), 0);
}

static void a_scope_field_that_is_given_must_be_equal(void **state)
{
    (void)state;
    assert_int_equal(match_text("{}", NULL, sample, 0), 1);
    assert_int_equal(match_text("{\"user\":\"u1\"}", NULL, sample, 0), 1);
    assert_int_equal(match_text("{\"user\":\"u1\",\"session\":\"s1\",\"app\":null}", NULL, sample, 0), 1);
    assert_int_equal(match_text("{\"user\":\"u\"}", NULL, sample, 0), 0);
    assert_int_equal(match_text("{\"user\":\"u1\",\"app\":\"p\"}", NULL, sample, 0), 0);
    assert_int_equal(match_text("{\"agent\":\"u1\"}", NULL, sample, 0), 0);
    assert_int_equal(match_text("{\"user\":\"u2\"}", "{\"OR\":[{\"user_id\":\"u1\"}]}", sample, 0), 0);
}

static void expired_records_are_hidden_unless_asked_for(void **state)
{
    (void)state;
    record *r = decode("{\"id\":\"a\",\"expires_at\":\"1970-01-01T00:00:10Z\"}");
    const quipu_record *v = record_view(r);
    filter *f = NULL;
    assert_int_equal(compile(NULL, NULL, &f, NULL), QUIPU_OK);
    assert_int_equal(filter_match(NULL, v, 9999999), 1);
    assert_int_equal(filter_match(NULL, v, 10000000), 0);
    assert_int_equal(filter_match(filter_view(f), v, 10000000), 0);
    filter_view(f)->now = 5;
    assert_int_equal(filter_match(filter_view(f), v, 10000000), 1);
    filter_view(f)->now = 20000000;
    assert_int_equal(filter_match(filter_view(f), v, 0), 0);
    filter_view(f)->flags = QUIPU_FILTER_EXPIRED;
    assert_int_equal(filter_match(filter_view(f), v, 0), 1);
    filter_free(f);
    filter_free(NULL);
    record_free(r);
}

static void bad_filters_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *scope, *expression, *field;
    } cases[] = {
        { NULL, "[]", "filter" },
        { NULL, "null", "filter" },
        { NULL, "{\"n\":{\"like\":1}}", "n" },
        { NULL, "{\"metadata\":{\"n\":{\"$gt\":1}}}", "n" },
        { NULL, "{\"n\":{\"gt\":1,\"zz\":2}}", "n" },
        { NULL, "{\"n\":{}}", "n" },
        { NULL, "{\"n\":[1]}", "n" },
        { NULL, "{\"n\":{\"eq\":{}}}", "n" },
        { NULL, "{\"n\":{\"in\":5}}", "n" },
        { NULL, "{\"n\":{\"nin\":\"5\"}}", "n" },
        { NULL, "{\"n\":{\"in\":[[1]]}}", "n" },
        { NULL, "{\"n\":{\"gt\":null}}", "n" },
        { NULL, "{\"n\":{\"lte\":true}}", "n" },
        { NULL, "{\"n\":{\"contains\":5}}", "n" },
        { NULL, "{\"n\":{\"icontains\":null}}", "n" },
        { NULL, "{\"OR\":[]}", "OR" },
        { NULL, "{\"NOT\":[]}", "NOT" },
        { NULL, "{\"NOT\":{\"n\":1}}", "NOT" },
        { NULL, "{\"AND\":5}", "AND" },
        { NULL, "{\"OR\":[5]}", "OR" },
        { NULL, "{\"metadata\":5}", "metadata" },
        { NULL, "{\"created_at\":\"yesterday\"}", "created_at" },
        { NULL, "{\"timestamp\":5}", "timestamp" },
        { NULL, "{\"created_at\":{\"contains\":\"2024\"}}", "created_at" },
        { NULL, "{\"created_at\":{\"in\":[\"2024-13-01\"]}}", "created_at" },
        { NULL, "{\"user_id\":5}", "user_id" },
        { NULL, "{\"tags\":true}", "tags" },
        { NULL, "{\"seq\":\"7\"}", "seq" },
        { "[]", NULL, "scope" },
        { "{\"user\":5}", NULL, "user" },
        { "{\"user\":\"\"}", NULL, "user" },
        { "{\"user_id\":\"u\"}", NULL, "user_id" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        filter *f = NULL;
        quipu_error error = { .struct_size = sizeof error };
        int32_t code = compile(cases[i].scope, cases[i].expression, &f, &error);
        if (code != QUIPU_E_INVALID || f || strcmp(error.field, cases[i].field) != 0 || !error.message[0])
            fail_msg("%s: %d, field \"%s\", message \"%s\"", cases[i].expression, code, error.field, error.message);
    }
}

static void too_much_is_refused(void **state)
{
    (void)state;
    filter *f = NULL;
    for (int count = 999; count <= 1000; count++) { /* and one node for the OR */
        buffer text = { 0 };
        buffer_append_text(&text, "{\"OR\":[");
        for (int i = 0; i < count; i++)
            buffer_printf(&text, "%s{\"n\":%d}", i ? "," : "", i);
        buffer_append_text(&text, "]}");
        assert_int_equal(compile(NULL, text.bytes, &f, NULL), count == 999 ? QUIPU_OK : QUIPU_E_TOO_LARGE);
        filter_free(f);
        buffer_free(&text);
    }
    for (int count = 10000; count <= 10001; count++) {
        buffer text = { 0 };
        buffer_append_text(&text, "{\"n\":{\"in\":[0");
        for (int i = 1; i < count; i++)
            buffer_printf(&text, ",%d", i);
        buffer_append_text(&text, "]}}");
        assert_int_equal(compile(NULL, text.bytes, &f, NULL), count == 10000 ? QUIPU_OK : QUIPU_E_TOO_LARGE);
        filter_free(f);
        buffer_free(&text);
    }
    buffer key = { 0 };
    buffer_append_text(&key, "{\"");
    for (int i = 0; i < 5000; i++)
        buffer_append_char(&key, 'k');
    buffer_append_text(&key, "\":1}");
    assert_int_equal(compile(NULL, key.bytes, &f, NULL), QUIPU_E_TOO_LARGE);
    buffer_free(&key);
}

static void the_deepest_filter_that_json_allows_is_answered_or_refused(void **state)
{
    (void)state;
    for (int levels = 1; levels <= 31; levels++) {
        buffer text = { 0 };
        filter *f = NULL;
        for (int i = 0; i < levels; i++)
            buffer_append_text(&text, "{\"a\":null,\"NOT\":[");
        buffer_append_text(&text, "{\"created_at\":{\"ne\":\"2024-05-01\"}}");
        for (int i = 0; i < levels; i++)
            buffer_append_text(&text, "]}");
        int32_t code = compile(NULL, text.bytes, &f, NULL);
        assert_true(code == QUIPU_OK || (levels > 30 && code == QUIPU_E_INVALID));
        filter_free(f);
        buffer_free(&text);
    }
}

/* ---- filters that crossed the ABI ---- */

typedef struct foreign {
    quipu_value values[2];
    quipu_filter_node nodes[3];
    quipu_filter filter;
} foreign;

/* AND of (kind = "message") and (n = 5). */
static foreign *fresh(foreign *x)
{
    quipu_value *v = x->values;
    v[0] = (quipu_value){ .struct_size = sizeof *v, .type = QUIPU_VALUE_STRING, .text = str_of("message") };
    v[1] = (quipu_value){ .struct_size = sizeof *v, .type = QUIPU_VALUE_NUMBER, .number = 5, .text = str_of("5") };
    x->nodes[0] = (quipu_filter_node){ .struct_size = sizeof x->nodes[0], .op = QUIPU_OP_AND, .children = 2 };
    for (size_t i = 1; i < 3; i++)
        x->nodes[i] = (quipu_filter_node){ .struct_size = sizeof x->nodes[0],
                                           .op = QUIPU_OP_EQ,
                                           .field = str_of(i == 1 ? "kind" : "metadata.n"),
                                           .values = { &v[i - 1], 1, sizeof *v } };
    x->filter = (quipu_filter){ .struct_size = sizeof x->filter,
                                .now = QUIPU_TIME_NONE,
                                .nodes = { x->nodes, 3, sizeof x->nodes[0] } };
    return x;
}

static void refused(const foreign *x)
{
    quipu_error error = { .struct_size = sizeof error };
    int32_t code = filter_check(&x->filter, &error);
    assert_true(code == QUIPU_E_INVALID || code == QUIPU_E_TOO_LARGE);
    assert_int_equal(code, error.code);
    assert_true(error.field[0] && error.message[0]);
}

static void a_good_foreign_filter_passes(void **state)
{
    (void)state;
    foreign x;
    record *r = decode(sample);
    assert_int_equal(filter_check(NULL, NULL), QUIPU_OK);
    assert_int_equal(filter_check(&fresh(&x)->filter, NULL), QUIPU_OK);
    assert_int_equal(filter_match(&x.filter, record_view(r), 0), 1);
    x.nodes[2].op = QUIPU_OP_IN;
    x.nodes[2].values = (quipu_array){ 0 };
    assert_int_equal(filter_check(&x.filter, NULL), QUIPU_OK);
    assert_int_equal(filter_match(&x.filter, record_view(r), 0), 0);
    fresh(&x)->nodes[0].op = QUIPU_OP_OR;
    x.nodes[0].children = 0;
    x.filter.nodes.count = 1;
    assert_int_equal(filter_check(&x.filter, NULL), QUIPU_OK);
    assert_int_equal(filter_match(&x.filter, record_view(r), 0), 0);
    x.filter.nodes = (quipu_array){ 0 };
    assert_int_equal(filter_check(&x.filter, NULL), QUIPU_OK);
    assert_int_equal(filter_match(&x.filter, record_view(r), 0), 1);
    record_free(r);
}

static void nodes_and_values_may_be_longer_structs(void **state)
{
    (void)state;
    struct {
        quipu_filter_node node;
        uint64_t more;
    } nodes[1];
    struct {
        quipu_value value;
        uint64_t more;
    } values[1];
    foreign x;
    fresh(&x);
    nodes[0].node = x.nodes[1];
    nodes[0].node.struct_size = sizeof nodes[0];
    nodes[0].node.values = (quipu_array){ values, 1, sizeof values[0] };
    nodes[0].more = values[0].more = 0;
    values[0].value = x.values[0];
    values[0].value.struct_size = sizeof values[0];
    x.filter.nodes = (quipu_array){ nodes, 1, sizeof nodes[0] };
    assert_int_equal(filter_check(&x.filter, NULL), QUIPU_OK);
    values[0].more = 1;
    refused(&x);
    values[0].more = 0;
    nodes[0].more = 1;
    refused(&x);
    nodes[0].more = 0;
    nodes[0].node.values.stride = sizeof(quipu_value);
    refused(&x);
}

static void foreign_structs_are_checked(void **state)
{
    (void)state;
    foreign x;
    fresh(&x)->filter.struct_size -= 8;
    refused(&x);
    fresh(&x)->filter.flags = 2;
    refused(&x);
    fresh(&x)->filter.user = str_of("\xff");
    refused(&x);
    fresh(&x)->filter.app.len = 3;
    refused(&x);
    fresh(&x)->filter.nodes.ptr = NULL;
    refused(&x);
    fresh(&x)->filter.nodes.stride = sizeof(quipu_filter_node) - 8;
    refused(&x);
    fresh(&x)->filter.nodes.count = UINT64_MAX;
    refused(&x);
    fresh(&x)->filter.nodes.ptr = (const char *)x.nodes + 1;
    refused(&x);
    fresh(&x)->nodes[1].struct_size = 8;
    refused(&x);
    fresh(&x)->nodes[1].values.stride = 8;
    refused(&x);
    fresh(&x)->nodes[1].values.ptr = NULL;
    refused(&x);
    fresh(&x)->nodes[1].values.ptr = (const char *)x.values + 4;
    refused(&x);
    fresh(&x)->nodes[1].op = QUIPU_OP_IN;
    x.nodes[1].values.count = UINT64_MAX / 48;
    refused(&x);
    x.nodes[1].values.count = 10001;
    refused(&x);
    fresh(&x)->values[0].struct_size = 8;
    refused(&x);
}

static void foreign_shapes_are_checked(void **state)
{
    (void)state;
    foreign x;
    fresh(&x)->nodes[0].children = 3;
    refused(&x);
    fresh(&x)->nodes[0].children = 1;
    refused(&x);
    fresh(&x)->nodes[0].children = UINT64_MAX;
    refused(&x);
    fresh(&x)->nodes[0].children = 0;
    refused(&x);
    fresh(&x)->nodes[1].children = 1;
    refused(&x);
    fresh(&x)->nodes[0].children = 1; /* the shape adds up, but a leaf has a child */
    x.nodes[1].children = 1;
    refused(&x);
    fresh(&x)->nodes[0].op = 0;
    refused(&x);
    fresh(&x)->nodes[0].op = 15;
    refused(&x);
    fresh(&x)->nodes[0].field = str_of("kind");
    refused(&x);
    fresh(&x)->nodes[0].values = x.nodes[1].values;
    refused(&x);
    quipu_filter_node deep[70];
    for (size_t levels = 64; levels <= 65; levels++) {
        fresh(&x);
        for (size_t i = 0; i < levels; i++)
            deep[i] = (quipu_filter_node){ .struct_size = sizeof deep[0], .op = QUIPU_OP_NOT, .children = 1 };
        deep[levels] = x.nodes[1];
        x.filter.nodes = (quipu_array){ deep, levels + 1, sizeof deep[0] };
        if (levels == 64)
            assert_int_equal(filter_check(&x.filter, NULL), QUIPU_OK);
        else
            refused(&x);
    }
}

static void foreign_leaves_are_checked(void **state)
{
    (void)state;
    foreign x;
    fresh(&x)->nodes[1].field = (quipu_str){ 0 };
    refused(&x);
    fresh(&x)->nodes[1].field = str_of("");
    refused(&x);
    fresh(&x)->nodes[1].field = str_of("\xc3");
    refused(&x);
    fresh(&x)->nodes[1].field.len = 1u << 20;
    refused(&x);
    fresh(&x)->nodes[1].values.count = 2;
    refused(&x);
    fresh(&x)->nodes[1].values.count = 0;
    refused(&x);
    fresh(&x)->nodes[1].op = QUIPU_OP_EXISTS;
    refused(&x);
    fresh(&x)->nodes[2].op = QUIPU_OP_CONTAINS;
    refused(&x);
    fresh(&x)->nodes[1].field = str_of("created_at");
    refused(&x);
    fresh(&x)->values[0].type = QUIPU_VALUE_TIME;
    refused(&x);
    fresh(&x)->values[0].type = 5;
    refused(&x);
    fresh(&x)->values[0].text = str_of("\xff");
    refused(&x);
    fresh(&x)->values[0].text = (quipu_str){ 0 };
    refused(&x);
    fresh(&x)->values[0].text.ptr = NULL;
    refused(&x);
    fresh(&x)->values[1].number = NAN;
    refused(&x);
    fresh(&x)->values[1].number = INFINITY;
    refused(&x);
    fresh(&x)->values[1].type = QUIPU_VALUE_BOOL;
    x.values[1].integer = 2;
    refused(&x);
    fresh(&x)->nodes[2].op = QUIPU_OP_GT;
    x.values[1].type = QUIPU_VALUE_NULL;
    refused(&x);
}

/* ---- against a plain reading of the grammar ---- */

static uint64_t seed = 4242;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % sides;
}

/* Writes a random expression about a, b, c and returns what it must answer for `values` (-1: absent). */
static bool any_expression(buffer *out, const int values[3], int depth)
{
    static const char *const names[] = { "AND", "OR", "NOT" };
    uint32_t kind = dice(depth > 3 ? 1 : 4), key = dice(3);
    if (kind == 0) {
        static const char *const ops[] = { "eq", "ne", "gt", "gte", "lt", "lte" };
        uint32_t op = dice(6);
        int wanted = (int)dice(4), has = values[key];
        buffer_printf(out, "{\"%c\":{\"%s\":%d}}", "abc"[key], ops[op], wanted);
        const bool answers[] = {
            has == wanted, has != wanted, has > wanted, has >= wanted, has < wanted, has <= wanted
        };
        return has < 0 ? op == 1 : answers[op];
    }
    uint32_t count = 1 + dice(3);
    bool all = true, any = false;
    buffer_printf(out, "{\"%s\":[", names[kind - 1]);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        bool one = any_expression(out, values, depth + 1);
        all = all && one;
        any = any || one;
    }
    buffer_append_text(out, "]}");
    return kind == 1 ? all : kind == 2 ? any : !any;
}

static void random_expressions_answer_as_the_grammar_says(void **state)
{
    (void)state;
    buffer text = { 0 };
    for (int i = 0; i < 3000; i++) {
        int values[3];
        char json[128], *at = json;
        at += snprintf(json, sizeof json, "{\"id\":\"a\",\"metadata\":{\"q\":0");
        for (size_t k = 0; k < 3; k++) {
            values[k] = (int)dice(5) - 1;
            if (values[k] >= 0)
                at += snprintf(at, sizeof json - (size_t)(at - json), ",\"%c\":%d", "abc"[k], values[k]);
        }
        snprintf(at, sizeof json - (size_t)(at - json), "}}");
        buffer_clear(&text);
        bool wanted = any_expression(&text, values, 0);
        if (match_text(NULL, text.bytes, json, 0) != wanted)
            fail_msg("%s on %s is not %d", text.bytes, json, wanted);
    }
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_finds_its_field),
        cmocka_unit_test(operators_do_as_they_say),
        cmocka_unit_test(lists_are_searched_for_an_element),
        cmocka_unit_test(and_or_not_nest_freely),
        cmocka_unit_test(dates_cover_their_day),
        cmocka_unit_test(a_day_ends_with_its_last_microsecond),
        cmocka_unit_test(a_scope_field_that_is_given_must_be_equal),
        cmocka_unit_test(expired_records_are_hidden_unless_asked_for),
        cmocka_unit_test(bad_filters_are_refused_by_name),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(the_deepest_filter_that_json_allows_is_answered_or_refused),
        cmocka_unit_test(a_good_foreign_filter_passes),
        cmocka_unit_test(nodes_and_values_may_be_longer_structs),
        cmocka_unit_test(foreign_structs_are_checked),
        cmocka_unit_test(foreign_shapes_are_checked),
        cmocka_unit_test(foreign_leaves_are_checked),
        cmocka_unit_test(random_expressions_answer_as_the_grammar_says),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
