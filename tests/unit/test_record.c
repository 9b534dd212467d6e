/* test_record.c - what record.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/hash.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>

static const record_defaults nothing = { .created_at = QUIPU_TIME_NONE, .updated_at = QUIPU_TIME_NONE };

static record *decode(const char *text)
{
    record *r = NULL;
    quipu_error error = { .struct_size = sizeof error };
    if (record_decode(str_of(text), NULL, &r, &error) != QUIPU_OK)
        fail_msg("%s: %s: %s", text, error.field, error.message);
    return r;
}

static void text_is(quipu_str s, const char *text)
{
    if (!str_same(s, str_of(text)))
        fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.ptr ? s.ptr : "", text ? text : "(absent)");
}

static void canonical_is(const char *text, const char *canonical)
{
    record *r = decode(text);
    text_is(record_view(r)->json, canonical);
    record_free(r);
}

static void refused(const char *text, int32_t code, const char *field)
{
    record *r = NULL;
    quipu_error error = { .struct_size = sizeof error };
    int32_t got = record_decode(str_of(text), NULL, &r, &error);
    if (got != code || error.code != code || strcmp(error.field, field) != 0 || !error.message[0] || r)
        fail_msg("%s: %d, field \"%s\", message \"%s\"", text, got, error.field, error.message);
}

static const char full[] =
    "{\"id\":\"r1\",\"kind\":\"relation\",\"scope\":{\"user\":\"u\",\"agent\":\"a\",\"session\":\"s\",\"app\":\"p\"},"
    "\"text\":\"t\\\"x\",\"value\":[1.0],\"category\":\"c\",\"key\":\"k\",\"tags\":[\"b\",\"a\",\"b\"],"
    "\"entity\":{\"type\":\"person\",\"id\":\"e1\"},\"actor\":\"Ann\",\"role\":\"user\",\"seq\":0,"
    "\"links\":[{\"to\":\"x\",\"rel\":\"supersedes\",\"extra\":1}],\"head\":\"h\",\"relation\":\"r\",\"tail\":\"l\","
    "\"importance\":0.50,\"created_at\":\"2024-02-29T01:00:00+02:00\",\"updated_at\":\"2024-02-29t00:00:00.1z\","
    "\"valid_from\":\"1969-12-31T23:59:59.000001Z\",\"valid_to\":\"9999-12-31T23:59:59Z\","
    "\"expires_at\":\"2030-01-01T00:00:00-00:30\",\"provenance\":{\"model\":\"m\"},\"metadata\":{\"n\":"
    "9007199254740993},"
    "\"format\":1}";

static void every_field_is_shown_by_the_view(void **state)
{
    (void)state;
    record *r = decode(full);
    const quipu_record *v = record_view(r);
    assert_int_equal(v->struct_size, sizeof *v);
    assert_int_equal(v->flags, 0);
    text_is(v->id, "r1");
    text_is(v->kind, "relation");
    text_is(v->user, "u");
    text_is(v->agent, "a");
    text_is(v->session, "s");
    text_is(v->app, "p");
    text_is(v->text, "t\"x");
    text_is(v->category, "c");
    text_is(v->key, "k");
    text_is(v->entity_type, "person");
    text_is(v->entity_id, "e1");
    text_is(v->actor, "Ann");
    text_is(v->role, "user");
    text_is(v->head, "h");
    text_is(v->relation, "r");
    text_is(v->tail, "l");
    assert_int_equal(v->tags.count, 2);
    text_is(*QUIPU_AT(quipu_str, &v->tags, 0), "a");
    text_is(*QUIPU_AT(quipu_str, &v->tags, 1), "b");
    assert_true(v->seq == 0 && v->importance > 0.49 && v->importance < 0.51);
    assert_true(v->created_at == INT64_C(1709161200) * 1000000);
    assert_true(v->updated_at == INT64_C(1709164800) * 1000000 + 100000);
    assert_true(v->valid_from == -999999);
    assert_true(v->expires_at == INT64_C(1893457800) * 1000000);
    record_free(r);
}

static void the_canonical_form_is_as_documented(void **state)
{
    (void)state;
    canonical_is(
        full, "{\n  \"actor\": \"Ann\",\n  \"category\": \"c\",\n  \"created_at\": \"2024-02-28T23:00:00Z\",\n"
              "  \"entity\": {\n    \"id\": \"e1\",\n    \"type\": \"person\"\n  },\n"
              "  \"expires_at\": \"2030-01-01T00:30:00Z\",\n  \"head\": \"h\",\n  \"id\": \"r1\",\n"
              "  \"importance\": 0.50,\n  \"key\": \"k\",\n  \"kind\": \"relation\",\n  \"links\": [\n    {\n"
              "      \"extra\": 1,\n      \"rel\": \"supersedes\",\n      \"to\": \"x\"\n    }\n  ],\n"
              "  \"metadata\": {\n    \"n\": 9007199254740993\n  },\n  \"provenance\": {\n    \"model\": \"m\"\n  },\n"
              "  \"relation\": \"r\",\n  \"role\": \"user\",\n  \"scope\": {\n    \"agent\": \"a\",\n"
              "    \"app\": \"p\",\n    \"session\": \"s\",\n    \"user\": \"u\"\n  },\n  \"seq\": 0,\n"
              "  \"tags\": [\n    \"a\",\n    \"b\"\n  ],\n  \"tail\": \"l\",\n  \"text\": \"t\\\"x\",\n"
              "  \"updated_at\": \"2024-02-29T00:00:00.100Z\",\n"
              "  \"valid_from\": \"1969-12-31T23:59:59.000001Z\",\n  \"valid_to\": \"9999-12-31T23:59:59Z\",\n"
              "  \"value\": [\n    1.0\n  ]\n}\n");
}

static void empty_and_null_fields_are_left_out(void **state)
{
    (void)state;
    canonical_is("{\"id\":\"a\",\"kind\":null,\"scope\":{\"user\":null},\"tags\":[],\"links\":[],\"metadata\":{},"
                 "\"provenance\":{},\"entity\":{},\"value\":null,\"seq\":null,\"importance\":null,\"created_at\":null,"
                 "\"format\":null,\"text\":\"\"}",
                 "{\n  \"id\": \"a\",\n  \"kind\": \"memory\",\n  \"text\": \"\"\n}\n");
    record *r = decode("{\"id\":\"a\"}");
    const quipu_record *v = record_view(r);
    text_is(v->kind, "memory");
    assert_null(v->text.ptr);
    assert_null(v->user.ptr);
    assert_int_equal(v->tags.count, 0);
    assert_true(v->seq == QUIPU_INT_NONE && v->created_at == QUIPU_TIME_NONE && v->importance < 0);
    record_free(r);
}

static void unknown_fields_survive_at_every_level(void **state)
{
    (void)state;
    canonical_is(
        "{\"id\":\"a\",\"new\":{\"b\":null,\"a\":[]},\"none\":null,\"scope\":{\"team\":null},\"entity\":{\"x\":{}},"
        "\"scope.user\":5,\"metadata\":{\"n\":null,\"e\":{}}}",
        "{\n  \"entity\": {\n    \"x\": {}\n  },\n  \"id\": \"a\",\n  \"kind\": \"memory\",\n  \"metadata\": {\n"
        "    \"e\": {},\n    \"n\": null\n  },\n  \"new\": {\n    \"a\": [],\n    \"b\": null\n  },\n"
        "  \"none\": null,\n  \"scope\": {\n    \"team\": null\n  },\n  \"scope.user\": 5\n}\n");
}

static void bad_fields_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *field;
    } cases[] = {
        { "[]", "" },
        { "5", "" },
        { "{}", "id" },
        { "{\"id\":null}", "id" },
        { "{\"id\":\"\"}", "id" },
        { "{\"id\":5}", "id" },
        { "{\"id\":\"a\\u0000\"}", "id" },
        { "{\"id\":\"a\",\"kind\":\"\"}", "kind" },
        { "{\"id\":\"a\",\"kind\":1}", "kind" },
        { "{\"id\":\"a\",\"text\":1}", "text" },
        { "{\"id\":\"a\",\"text\":\"\xff\"}", "text" },
        { "{\"id\":\"a\",\"category\":[]}", "category" },
        { "{\"id\":\"a\",\"key\":{}}", "key" },
        { "{\"id\":\"a\",\"actor\":true}", "actor" },
        { "{\"id\":\"a\",\"role\":1}", "role" },
        { "{\"id\":\"a\",\"head\":1}", "head" },
        { "{\"id\":\"a\",\"relation\":1}", "relation" },
        { "{\"id\":\"a\",\"tail\":1}", "tail" },
        { "{\"id\":\"a\",\"scope\":[]}", "scope" },
        { "{\"id\":\"a\",\"scope\":{\"user\":1}}", "scope.user" },
        { "{\"id\":\"a\",\"scope\":{\"session\":\"\"}}", "scope.session" },
        { "{\"id\":\"a\",\"entity\":\"x\"}", "entity" },
        { "{\"id\":\"a\",\"entity\":{\"type\":1}}", "entity.type" },
        { "{\"id\":\"a\",\"tags\":\"x\"}", "tags" },
        { "{\"id\":\"a\",\"tags\":[\"a\",\"b\",3]}", "tags[2]" },
        { "{\"id\":\"a\",\"links\":{}}", "links" },
        { "{\"id\":\"a\",\"links\":[\"x\"]}", "links[0]" },
        { "{\"id\":\"a\",\"links\":[{\"rel\":\"r\",\"to\":\"x\"},{\"rel\":\"r\"}]}", "links[1].to" },
        { "{\"id\":\"a\",\"links\":[{\"rel\":1,\"to\":\"x\"}]}", "links[0].rel" },
        { "{\"id\":\"a\",\"seq\":1.5}", "seq" },
        { "{\"id\":\"a\",\"seq\":-1}", "seq" },
        { "{\"id\":\"a\",\"seq\":\"1\"}", "seq" },
        { "{\"id\":\"a\",\"importance\":1.01}", "importance" },
        { "{\"id\":\"a\",\"importance\":-0.1}", "importance" },
        { "{\"id\":\"a\",\"importance\":\"0.5\"}", "importance" },
        { "{\"id\":\"a\",\"metadata\":[]}", "metadata" },
        { "{\"id\":\"a\",\"metadata\":{\"a\":1e400}}", "metadata.a" },
        { "{\"id\":\"a\",\"provenance\":1}", "provenance" },
        { "{\"id\":\"a\",\"created_at\":1}", "created_at" },
        { "{\"id\":\"a\",\"updated_at\":\"now\"}", "updated_at" },
        { "{\"id\":\"a\",\"expires_at\":\"2024-01-01\"}", "expires_at" },
        { "{\"id\":\"a\",\"valid_from\":\"2024-01-02T00:00:00Z\",\"valid_to\":\"2024-01-01T23:59:59Z\"}", "valid_to" },
        { "{\"id\":\"a\",\"format\":0}", "format" },
        { "{\"id\":\"a\",\"format\":\"1\"}", "format" },
        { "{\"id\":\"a\",\"id\":\"b\"}", "id" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(cases[i].text, QUIPU_E_INVALID, cases[i].field);
    refused("{\"id\":\"a\",\"format\":2}", QUIPU_E_FORMAT, "format");
}

static void an_id_has_at_most_255_bytes(void **state)
{
    (void)state;
    char text[300];
    for (int len = 255; len <= 256; len++) {
        int size = snprintf(text, sizeof text, "{\"id\":\"%0*d\"}", len, 0);
        assert_in_range(size, len, sizeof text - 1);
        if (len == 255)
            record_free(decode(text));
        else
            refused(text, QUIPU_E_INVALID, "id");
    }
}

static void a_record_over_the_limit_is_too_large(void **state)
{
    (void)state;
    record *r = NULL;
    record_defaults d = nothing;
    quipu_error error = { .struct_size = sizeof error };
    d.max_bytes = 38; /* what the two lines of id and kind take */
    assert_int_equal(record_decode(str_of("{\"id\":\"abc\"}"), &d, &r, &error), QUIPU_OK);
    assert_int_equal(record_view(r)->json.len, 38);
    record_free(r);
    d.max_bytes = 37;
    assert_int_equal(record_decode(str_of("{\"id\":\"abc\"}"), &d, &r, &error), QUIPU_E_TOO_LARGE);
    assert_string_equal(error.id, "abc");
    buffer big = { 0 };
    buffer_append_text(&big, "{\"id\":\"a\",\"text\":\"");
    memset(buffer_reserve(&big, QUIPU_RECORD_MAX), 'x', QUIPU_RECORD_MAX);
    big.len += QUIPU_RECORD_MAX;
    buffer_append_text(&big, "\"}");
    assert_int_equal(record_decode(str_make(big.bytes, big.len), NULL, &r, &error), QUIPU_E_TOO_LARGE);
    buffer_free(&big);
}

static void defaults_fill_only_what_is_absent(void **state)
{
    (void)state;
    record *r = NULL;
    record_defaults d = { str_of("id0"), str_of("U"), str_of("A"), { 0 }, str_of("P"), 1000000, 2500000, 0 };
    assert_int_equal(record_decode(str_of("{\"scope\":{\"user\":\"own\"},\"created_at\":null}"), &d, &r, NULL),
                     QUIPU_OK);
    text_is(record_view(r)->json,
            "{\n  \"created_at\": \"1970-01-01T00:00:01Z\",\n  \"id\": \"id0\",\n"
            "  \"kind\": \"memory\",\n  \"scope\": {\n    \"agent\": \"A\",\n    \"app\": \"P\",\n"
            "    \"user\": \"own\"\n  },\n  \"updated_at\": \"1970-01-01T00:00:02.500Z\"\n}\n");
    text_is(record_view(r)->app, "P");
    assert_true(record_view(r)->created_at == 1000000 && record_view(r)->updated_at == 2500000);
    record_free(r);
    assert_int_equal(record_decode(str_of("{\"id\":\"x\",\"updated_at\":\"2024-01-01T00:00:00Z\"}"), &d, &r, NULL), 0);
    text_is(record_view(r)->id, "x");
    assert_true(record_view(r)->updated_at == INT64_C(1704067200000000));
    record_free(r);
}

static void bad_defaults_are_refused_by_name(void **state)
{
    (void)state;
    record *r = NULL;
    quipu_error error = { .struct_size = sizeof error };
    record_defaults d = nothing;
    d.user = str_of("\xff");
    assert_int_equal(record_decode(str_of("{\"id\":\"a\"}"), &d, &r, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "scope.user");
    d = nothing;
    d.id = str_make("a\0b", 3);
    assert_int_equal(record_decode(str_of("{}"), &d, &r, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "id");
    d = nothing;
    d.agent = str_of("");
    assert_int_equal(record_decode(str_of("{\"id\":\"a\"}"), &d, &r, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "scope.agent");
    d = nothing;
    d.created_at = INT64_MAX;
    assert_int_equal(record_decode(str_of("{\"id\":\"a\"}"), &d, &r, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "created_at");
}

static void times_are_read_as_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        { "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z" },
        { "2000-02-29T23:59:59.999999999z", "2000-02-29T23:59:59.999999Z" },
        { "2024-01-01t00:00:00+14:00", "2023-12-31T10:00:00Z" },
        { "0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z" },
        { "0000-03-01T00:00:00Z", "0000-03-01T00:00:00Z" },
        { "1900-03-01T00:00:00.000000Z", "1900-03-01T00:00:00Z" },
        { "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z" },
        { "2024-06-30T12:00:00.120000-23:59", "2024-07-01T11:59:00.120Z" },
        { "2024-06-30T12:00:00.0000009Z", "2024-06-30T12:00:00Z" },
        { "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z" },
        { "2024-02-30T00:00:00Z", NULL },
        { "2023-02-29T00:00:00Z", NULL },
        { "1900-02-29T00:00:00Z", NULL },
        { "2024-13-01T00:00:00Z", NULL },
        { "2024-00-01T00:00:00Z", NULL },
        { "2024-01-00T00:00:00Z", NULL },
        { "2024-01-01T24:00:00Z", NULL },
        { "2024-01-01T00:60:00Z", NULL },
        { "2016-12-31T23:59:60Z", NULL },
        { "2024-01-01T00:00:00", NULL },
        { "2024-01-01 00:00:00Z", NULL },
        { "2024-01-01T00:00:00.Z", NULL },
        { "2024-01-01T00:00:00.1234567890Z", NULL },
        { "2024-01-01T00:00:00+24:00", NULL },
        { "2024-01-01T00:00:00+0200", NULL },
        { "2024-01-01T00:00:00Zx", NULL },
        { "2024-1-1T00:00:00Z", NULL },
        { "24-01-01T00:00:00Z", NULL },
        { "0000-01-01T00:00:00+00:01", NULL },
        { "9999-12-31T23:59:59-00:01", NULL },
        { "2024-01-01", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t time = 0;
        buffer out = { 0 };
        quipu_error error = { .struct_size = sizeof error };
        int32_t code = time_parse(str_of(cases[i].text), "f", NULL, &time, &error);
        if ((code == QUIPU_OK) != (cases[i].canonical != NULL))
            fail_msg("%s: %d", cases[i].text, code);
        if (code == QUIPU_OK) {
            time_print(time, &out);
            assert_string_equal(out.bytes, cases[i].canonical);
        } else {
            assert_string_equal(error.field, "f");
        }
        buffer_free(&out);
    }
}

static void a_date_is_a_time_only_where_asked_for(void **state)
{
    (void)state;
    bool date = false;
    int64_t time = 0;
    assert_int_equal(time_parse(str_of("2024-05-01"), "f", &date, &time, NULL), QUIPU_OK);
    assert_true(date && time == INT64_C(1714521600000000));
    assert_int_equal(time_parse(str_of("2024-05-01T00:00:00Z"), "f", &date, &time, NULL), QUIPU_OK);
    assert_false(date);
    assert_int_equal(time_parse((quipu_str){ 0 }, "f", &date, &time, NULL), QUIPU_E_INVALID);
}

static void every_day_of_many_years_goes_there_and_back(void **state)
{
    (void)state;
    buffer out = { 0 };
    for (int64_t day = -719528; day < 2932896; day += 13) {
        int64_t time = day * 86400 * 1000000 + day % 1000, back = 0;
        if (time < -62167219200000000)
            continue;
        buffer_clear(&out);
        time_print(time, &out);
        assert_int_equal(time_parse(str_make(out.bytes, out.len), "f", NULL, &back, NULL), QUIPU_OK);
        assert_true(back == time);
    }
    buffer_free(&out);
}

static void the_version_is_the_git_blob_id(void **state)
{
    (void)state;
    char version[QUIPU_VERSION_LEN];
    record_version(str_of("hello\n"), version); /* echo hello | git hash-object --stdin */
    assert_memory_equal(version, "ce013625030ba8dba906f756967f9e9ca394464a", sizeof version);
    record *r = decode(full);
    record_version(record_view(r)->json, version);
    assert_int_equal(record_view(r)->version.len, sizeof version);
    assert_memory_equal(record_view(r)->version.ptr, version, sizeof version);
    record_free(r);
}

/* ---- generated records ---- */

static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % sides;
}

static void any_string(buffer *out)
{
    static const char *const parts[] = { "a",    "Z",          "\\n",      "\\\"",
                                         "\\\\", "\\u00e9",    "\xc3\xa9", "\\ud83d\\ude00",
                                         " ",    "\\/",        "\\u0001",  "\xe2\x82\xac",
                                         "\x7f", "updated_at", ",",        "{" };
    buffer_append_char(out, '"');
    for (uint32_t n = dice(6); n > 0; n--)
        buffer_append_text(out, parts[dice(sizeof parts / sizeof parts[0])]);
    buffer_append_char(out, '"');
}

static void any_value(buffer *out, int depth)
{
    static const char *const scalars[] = {
        "null", "true", "false", "0", "-0.0", "1e2", "9007199254740993", "1.10", "-7"
    };
    uint32_t kind = dice(depth > 4 ? 2 : 4), count = dice(4);
    if (kind == 0) {
        any_string(out);
    } else if (kind == 1) {
        buffer_append_text(out, scalars[dice(sizeof scalars / sizeof scalars[0])]);
    } else {
        buffer_append_char(out, kind == 2 ? '[' : '{');
        for (uint32_t i = 0; i < count; i++) {
            if (i > 0)
                buffer_append_char(out, ',');
            if (kind == 3)
                buffer_printf(out, "\"%c%u\":", (char)('a' + dice(26)), count - i);
            any_value(out, depth + 1);
        }
        buffer_append_char(out, kind == 2 ? ']' : '}');
    }
}

static void any_record(buffer *out)
{
    buffer_printf(out, "{\"id\":\"i%u\"", dice(1000));
    if (dice(2))
        buffer_printf(out, ",\"updated_at\":\"20%02u-0%u-1%uT1%u:00:0%u.%u+0%u:30\"", dice(100), 1 + dice(9), dice(10),
                      dice(10), dice(10), dice(100000), dice(10));
    static const char *const texts[] = { "text", "category", "key", "actor", "tail" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (dice(2)) {
            buffer_printf(out, ",\"%s\":", texts[i]);
            any_string(out);
        }
    }
    if (dice(2)) {
        buffer_append_text(out, ",\"tags\":[\"x\"");
        for (uint32_t n = dice(5); n > 0; n--) {
            buffer_append_char(out, ',');
            any_string(out);
        }
        buffer_append_char(out, ']');
    }
    static const char *const values[] = { "value", "zz", "aa" };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (dice(2)) {
            buffer_printf(out, ",\"%s\":", values[i]);
            any_value(out, 0);
        }
    }
    buffer_append_text(out, ",\"metadata\":{\"m\":");
    any_value(out, 0);
    buffer_append_text(out, "}}");
}

static void same_view(const quipu_record *a, const quipu_record *b)
{
    assert_true(str_same(a->json, b->json) && str_same(a->version, b->version) && str_same(a->id, b->id));
    assert_true(str_same(a->text, b->text) && str_same(a->category, b->category) && str_same(a->key, b->key));
    assert_true(str_same(a->actor, b->actor) && str_same(a->tail, b->tail) && a->updated_at == b->updated_at);
    assert_int_equal(a->tags.count, b->tags.count);
    for (uint64_t i = 0; i < a->tags.count; i++)
        assert_true(str_same(*QUIPU_AT(quipu_str, &a->tags, i), *QUIPU_AT(quipu_str, &b->tags, i)));
}

static void the_canonical_form_is_its_own_canonical_form(void **state)
{
    (void)state;
    buffer text = { 0 };
    seed = 20240501;
    for (int i = 0; i < 4000; i++) {
        record *a = NULL, *b = NULL, *c = NULL;
        cJSON *tree = NULL;
        buffer compact = { 0 };
        buffer_clear(&text);
        any_record(&text);
        a = decode(text.bytes);
        assert_int_equal(record_decode(record_view(a)->json, NULL, &b, NULL), QUIPU_OK);
        same_view(record_view(a), record_view(b));
        assert_int_equal(json_parse(record_view(a)->json, &tree, NULL), QUIPU_OK);
        json_print_compact(tree, &compact);
        assert_int_equal(record_decode(str_make(compact.bytes, compact.len), NULL, &c, NULL), QUIPU_OK);
        same_view(record_view(a), record_view(c));
        cJSON_Delete(tree);
        buffer_free(&compact);
        record_free(a);
        record_free(b);
        record_free(c);
    }
    buffer_free(&text);
}

static void a_broken_byte_never_breaks_the_codec(void **state)
{
    (void)state;
    buffer text = { 0 };
    seed = 77;
    for (int i = 0; i < 4000; i++) {
        record *r = NULL;
        buffer_clear(&text);
        any_record(&text);
        for (uint32_t n = 1 + dice(3); n > 0; n--)
            text.bytes[dice((uint32_t)text.len)] = (char)dice(256);
        size_t len = text.len - dice(3);
        if (record_decode(str_make(text.bytes, len), NULL, &r, NULL) == QUIPU_OK) {
            record *again = NULL;
            assert_int_equal(record_decode(record_view(r)->json, NULL, &again, NULL), QUIPU_OK);
            same_view(record_view(r), record_view(again));
            record_free(again);
        }
        record_free(r);
    }
    buffer_free(&text);
}

/* ---- views ---- */

static void a_view_is_copied_or_decoded_again(void **state)
{
    (void)state;
    for (int check = 0; check < 2; check++) {
        record *a = decode(full), *b = NULL;
        assert_int_equal(record_from_view(record_view(a), check, &b, NULL), QUIPU_OK);
        same_view(record_view(a), record_view(b));
        assert_true(record_view(a)->json.ptr != record_view(b)->json.ptr);
        record_free(a);
        text_is(record_view(b)->text, "t\"x");
        text_is(*QUIPU_AT(quipu_str, &record_view(b)->tags, 1), "b");
        record_free(b);
    }
}

static int32_t view_code(const quipu_record *v, bool check, const char *field)
{
    record *r = NULL;
    quipu_error error = { .struct_size = sizeof error };
    int32_t code = record_from_view(v, check, &r, &error);
    assert_null(r);
    assert_string_equal(error.field, field);
    return code;
}

static void hostile_views_are_refused(void **state)
{
    (void)state;
    record *r = decode(full);
    struct {
        quipu_record view;
        uint64_t more;
    } longer = { *record_view(r), 0 };
    for (int check = 0; check < 2; check++) {
        quipu_record v = *record_view(r);
        assert_int_equal(view_code(NULL, check, ""), QUIPU_E_INVALID);
        v.struct_size--;
        assert_int_equal(view_code(&v, check, "struct_size"), QUIPU_E_INVALID);
        v = *record_view(r);
        v.flags = 1;
        assert_int_equal(view_code(&v, check, "flags"), QUIPU_E_INVALID);
        v = *record_view(r);
        v.id = str_of("");
        assert_int_equal(view_code(&v, check, "id"), QUIPU_E_INVALID);
        v = *record_view(r);
        v.json = (quipu_str){ 0 };
        assert_int_equal(view_code(&v, check, "json"), QUIPU_E_INVALID);
        v = *record_view(r);
        v.text.ptr = NULL;
        v.text.len = 5;
        assert_int_equal(view_code(&v, check, ""), QUIPU_E_INVALID);
        v = *record_view(r);
        v.text.len = UINT64_MAX;
        assert_int_equal(view_code(&v, check, ""), QUIPU_E_INVALID);
        v = *record_view(r);
        v.tags.stride = 8;
        assert_int_equal(view_code(&v, check, "tags"), QUIPU_E_INVALID);
        v = *record_view(r);
        v.tags.ptr = NULL;
        assert_int_equal(view_code(&v, check, "tags"), QUIPU_E_INVALID);
        v = *record_view(r);
        v.tags.count = UINT64_MAX / 16 + 1;
        assert_int_equal(view_code(&v, check, "tags"), QUIPU_E_INVALID);
        longer.view.struct_size = sizeof longer.view + 8;
        longer.more = 1;
        assert_int_equal(view_code(&longer.view, check, "struct_size"), QUIPU_E_INVALID);
    }
    quipu_record v = *record_view(r);
    v.id = str_of("another");
    assert_int_equal(view_code(&v, true, "id"), QUIPU_E_INVALID);
    v = *record_view(r);
    v.json = str_of("{\"id\":\"r1\",\"kind\":1}");
    assert_int_equal(view_code(&v, true, "kind"), QUIPU_E_INVALID);
    v = *record_view(r);
    v.version.len = 39;
    assert_int_equal(view_code(&v, false, "version"), QUIPU_E_INVALID);
    longer.more = 0;
    record *copy = NULL;
    assert_int_equal(record_from_view(&longer.view, false, &copy, NULL), QUIPU_OK);
    assert_int_equal(record_view(copy)->struct_size, sizeof(quipu_record));
    record_free(copy);
    record_free(r);
}

static void a_shared_record_lives_until_the_last_reference(void **state)
{
    (void)state;
    record *r = decode(full);
    record *second = record_share(r);
    record_free(r);
    text_is(record_view(second)->id, "r1");
    record_free(second);
    record_free(NULL);
}

/* ---- comparisons, patches, upsert ---- */

static void only_updated_at_may_differ(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{\"id\":\"a\",\"text\":\"x\"%s}",
        "{\"id\":\"a\",\"value\":1%s}",
        "{\"id\":\"a\",\"zz\":[]%s}",
        "{\"id\":\"a\",\"text\":\"\\n  \\\"updated_at\\\": \\\"x\\\"\"%s}",
        "{\"id\":\"a\",\"m\":{\"updated_at\":\"q\"}%s}",
    };
    static const char *const times[] = { "", ",\"updated_at\":\"2024-01-01T00:00:00Z\"",
                                         ",\"updated_at\":\"2025-01-01T00:00:00.123456Z\"" };
    enum { FORMS = sizeof same / sizeof same[0] };
    record *all[FORMS][3];
    char text[200];
    for (size_t i = 0; i < FORMS; i++)
        for (size_t j = 0; j < 3; j++) {
            const char *hole = strstr(same[i], "%s");
            snprintf(text, sizeof text, "%.*s%s}", (int)(hole - same[i]), same[i], times[j]);
            all[i][j] = decode(text);
        }
    for (size_t i = 0; i < FORMS * 3; i++)
        for (size_t j = 0; j < FORMS * 3; j++)
            assert_int_equal(record_same_but_updated(record_view(all[i / 3][i % 3]), record_view(all[j / 3][j % 3])),
                             i / 3 == j / 3);
    for (size_t i = 0; i < FORMS * 3; i++)
        record_free(all[i / 3][i % 3]);
}

static void scopes_are_compared_whole(void **state)
{
    (void)state;
    record *a = decode("{\"id\":\"a\",\"scope\":{\"user\":\"u\"}}"),
           *b = decode("{\"id\":\"b\",\"scope\":{\"user\":\"u\"}}");
    record *c = decode("{\"id\":\"a\",\"scope\":{\"user\":\"u\",\"app\":\"x\"}}"), *d = decode("{\"id\":\"a\"}");
    assert_true(record_same_scope(record_view(a), record_view(b)));
    assert_false(record_same_scope(record_view(a), record_view(c)));
    assert_false(record_same_scope(record_view(a), record_view(d)));
    record_free(a);
    record_free(b);
    record_free(c);
    record_free(d);
}

static void patched(const char *base, const char *patch, const char *wanted)
{
    record *r = decode(base), *to = decode(wanted), *out = NULL;
    cJSON *tree = NULL;
    quipu_error error = { .struct_size = sizeof error };
    assert_int_equal(json_parse(str_of(patch), &tree, NULL), QUIPU_OK);
    if (record_patch(record_view(r), tree, NULL, &out, &error) != QUIPU_OK)
        fail_msg("%s: %s", patch, error.message);
    text_is(record_view(out)->json, record_view(to)->json.ptr);
    cJSON_Delete(tree);
    record_free(r);
    record_free(to);
    record_free(out);
}

static void a_patch_merges_as_rfc_7396_says(void **state)
{
    (void)state;
    patched("{\"id\":\"a\",\"text\":\"x\",\"key\":\"k\"}",
            "{\"text\":\"y\",\"key\":null,\"actor\":\"b\",\"role\":null}",
            "{\"id\":\"a\",\"text\":\"y\",\"actor\":\"b\"}");
    patched("{\"id\":\"a\",\"metadata\":{\"x\":1.0,\"y\":2,\"z\":{\"q\":1}}}",
            "{\"metadata\":{\"y\":null,\"a\":{\"n\":null,\"m\":{}},\"z\":{\"r\":2}}}",
            "{\"id\":\"a\",\"metadata\":{\"x\":1.0,\"a\":{\"m\":{}},\"z\":{\"q\":1,\"r\":2}}}");
    patched("{\"id\":\"a\",\"value\":[1,2]}", "{\"value\":{\"a\":[null],\"b\":null}}",
            "{\"id\":\"a\",\"value\":{\"a\":[null]}}");
    patched("{\"id\":\"a\",\"value\":{\"a\":1}}", "{\"value\":[3]}", "{\"id\":\"a\",\"value\":[3]}");
    patched("{\"id\":\"a\",\"metadata\":{\"x\":1}}", "{\"metadata\":null}", "{\"id\":\"a\"}");
    patched("{\"id\":\"a\"}", "{}", "{\"id\":\"a\"}");
}

static void a_bad_patch_is_refused_by_name(void **state)
{
    (void)state;
    record *r = decode("{\"id\":\"a\"}"), *out = NULL;
    quipu_error error = { .struct_size = sizeof error };
    cJSON *list = cJSON_CreateArray(), *patch = cJSON_CreateObject();
    assert_int_equal(record_patch(record_view(r), list, NULL, &out, &error), QUIPU_E_INVALID);
    cJSON_AddItemToObject(patch, "text", cJSON_CreateString("\xff"));
    assert_int_equal(record_patch(record_view(r), patch, NULL, &out, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "text");
    cJSON_ReplaceItemInObjectCaseSensitive(patch, "text", cJSON_CreateTrue());
    assert_int_equal(record_patch(record_view(r), patch, NULL, &out, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "text");
    assert_true(cJSON_IsTrue(patch->child)); /* the caller's patch is as it was */
    cJSON_Delete(list);
    cJSON_Delete(patch);
    record_free(r);
}

static void a_tree_of_the_callers_is_checked_too(void **state)
{
    (void)state;
    record *r = NULL;
    quipu_error error = { .struct_size = sizeof error };
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddItemToObject(tree, "id", cJSON_CreateString("a"));
    cJSON_AddItemToObject(tree, "seq", cJSON_CreateNumber(3));
    assert_int_equal(record_from_tree(tree, NULL, &r, &error), QUIPU_OK);
    assert_true(record_view(r)->seq == 3);
    record_free(r);
    cJSON_AddItemToObject(tree, "actor", cJSON_CreateString("\xc3"));
    assert_int_equal(record_from_tree(tree, NULL, &r, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "actor");
    cJSON_Delete(tree);
}

static void upsert_ids_depend_on_scope_category_and_key_alone(void **state)
{
    (void)state;
    static const char *const texts[] = { "{\"id\":\"a\",\"category\":\"c\",\"key\":\"k\"}",
                                         "{\"id\":\"a\",\"category\":\"ck\",\"key\":\"\"}",
                                         "{\"id\":\"a\",\"category\":\"ck\"}",
                                         "{\"id\":\"a\",\"scope\":{\"user\":\"u\"},\"category\":\"c\",\"key\":\"k\"}",
                                         "{\"id\":\"a\",\"scope\":{\"app\":\"u\"},\"category\":\"c\",\"key\":\"k\"}" };
    buffer ids[5] = { 0 };
    for (size_t i = 0; i < 5; i++) {
        record *r = decode(texts[i]);
        record_upsert_id(record_view(r), &ids[i]);
        assert_int_equal(ids[i].len, 34);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i].bytes, ids[j].bytes);
        record_free(r);
    }
    /* printf -- '----1:c1:k' | sha256sum: fixed for ever, since stores hold such ids */
    uint8_t hash[32];
    char digits[32];
    hash_sha256("----1:c1:k", 10, hash);
    hex_encode(hash, 16, digits);
    assert_memory_equal(ids[0].bytes, "k-", 2);
    assert_memory_equal(ids[0].bytes + 2, digits, 32);
    buffer again = { 0 };
    record *r = decode("{\"id\":\"other\",\"category\":\"c\",\"key\":\"k\",\"text\":\"t\",\"kind\":\"x\"}");
    record_upsert_id(record_view(r), &again);
    assert_string_equal(again.bytes, ids[0].bytes);
    record_free(r);
    buffer_free(&again);
    for (size_t i = 0; i < 5; i++)
        buffer_free(&ids[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_shown_by_the_view),
        cmocka_unit_test(the_canonical_form_is_as_documented),
        cmocka_unit_test(empty_and_null_fields_are_left_out),
        cmocka_unit_test(unknown_fields_survive_at_every_level),
        cmocka_unit_test(bad_fields_are_refused_by_name),
        cmocka_unit_test(an_id_has_at_most_255_bytes),
        cmocka_unit_test(a_record_over_the_limit_is_too_large),
        cmocka_unit_test(defaults_fill_only_what_is_absent),
        cmocka_unit_test(bad_defaults_are_refused_by_name),
        cmocka_unit_test(times_are_read_as_rfc_3339),
        cmocka_unit_test(a_date_is_a_time_only_where_asked_for),
        cmocka_unit_test(every_day_of_many_years_goes_there_and_back),
        cmocka_unit_test(the_version_is_the_git_blob_id),
        cmocka_unit_test(the_canonical_form_is_its_own_canonical_form),
        cmocka_unit_test(a_broken_byte_never_breaks_the_codec),
        cmocka_unit_test(a_view_is_copied_or_decoded_again),
        cmocka_unit_test(hostile_views_are_refused),
        cmocka_unit_test(a_shared_record_lives_until_the_last_reference),
        cmocka_unit_test(only_updated_at_may_differ),
        cmocka_unit_test(scopes_are_compared_whole),
        cmocka_unit_test(a_patch_merges_as_rfc_7396_says),
        cmocka_unit_test(a_bad_patch_is_refused_by_name),
        cmocka_unit_test(a_tree_of_the_callers_is_checked_too),
        cmocka_unit_test(upsert_ids_depend_on_scope_category_and_key_alone),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
