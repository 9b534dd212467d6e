/* test_canonical.c - a record in the canonical form is recognised at sight, and is what the parser makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sdk/codec/record_canonical.h>
#include <tests/support/decode_both.h>

#include <stdio.h>
#include <stdlib.h>

/* Sources of canonical texts: every field, every kind of value, every escape. */
static const char *const sources[] = {
    "{\"id\":\"r1\"}",
    "{\"id\":\"r1\",\"kind\":\"relation\",\"scope\":{\"user\":\"u\",\"agent\":\"a\",\"session\":\"s\",\"app\":\"p\","
    "\"other\":[1]},\"text\":\"t\\\"x\\n\\ty\\\\ \\b\\f\\r "
    "\\u0001\\u001f\\u007f\",\"value\":[1.0,null,{}],\"category\":"
    "\"c\",\"key\":\"k\",\"tags\":[\"b\",\"a\",\"a b\"],\"entity\":{\"type\":\"person\",\"id\":\"\"},\"actor\":\"Ann\","
    "\"role\":\"user\",\"seq\":7,\"links\":[{\"to\":\"x\",\"rel\":\"supersedes\",\"extra\":1},{\"to\":\"\\ny\",\"rel\":"
    "\"s\"}],\"head\":\"h\",\"relation\":\"r\",\"tail\":\"l\",\"importance\":0.50,\"created_at\":"
    "\"2024-02-29T01:00:00+02:00\",\"updated_at\":\"2024-02-29T00:00:00.1Z\",\"valid_from\":"
    "\"1969-12-31T23:59:59.000001Z\",\"valid_to\":\"9999-12-31T23:59:59Z\",\"expires_at\":\"2030-01-01T00:00:00Z\","
    "\"provenance\":{\"model\":\"m\"},\"metadata\":{\"n\":9007199254740993,\"e\":-1.5e-7,\"t\":true,\"f\":false,"
    "\"z\":null,\"l\":[],\"o\":{},\"deep\":[[[{\"a\":[\"\\u00e9\\u4e2d\\ud83d\\ude00\"]}]]]},\"zz\":\"unknown\"}",
    "{\"id\":\"a\",\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\","
    "\"15\",\"16\",\"17\",\"18\"],\"text\":\"eight bytes at a time, and then \\\"the quote\\\" after it\",\"value\":0}",
    "{\"id\":\"b\",\"value\":\"\\u0008 is \\\\b\",\"text\":\"\",\"importance\":0,\"seq\":0,\"scope\":{\"user\":\"u\"}}",
    "{\"id\":\"c\",\"value\":-0,\"importance\":-0.0,\"text\":\"\xc3\xa9t\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80\"}",
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

static record *canonical(size_t i)
{
    record *r = NULL;
    quipu_error error = { .struct_size = sizeof error };
    if (record_decode(str_of(sources[i]), NULL, &r, &error) != QUIPU_OK)
        fail_msg("%s: %s: %s", sources[i], error.field, error.message);
    return r;
}

/* In a block of just its size, so that the sanitizer sees what is read too much. */
static bool recognised(quipu_str text)
{
    quipu_record view;
    quipu_str *tags = NULL;
    buffer texts = { 0 };
    char *exact = malloc(text.len ? (size_t)text.len : 1);
    assert_non_null(exact);
    memcpy(exact, text.ptr, (size_t)text.len);
    bool good = record_read_canonical(str_make(exact, (size_t)text.len), &view, &tags, &texts);
    buffer_free(&texts);
    free(tags);
    free(exact);
    return good;
}

static void the_canonical_form_is_recognised(void **state)
{
    (void)state;
    for (size_t i = 0; i < SOURCES; i++) {
        record *r = canonical(i);
        quipu_str json = record_view(r)->json;
        if (!recognised(json))
            fail_msg("not recognised: %.*s", (int)json.len, json.ptr);
        assert_true(decodes_alike(json));
        for (size_t len = 0; len < json.len; len++)
            assert_false(recognised(str_make(json.ptr, len)));
        record_free(r);
    }
}

/* Members of a record, canonical but for one thing each. */
static const char *const others[] = {
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"id\": \"a\"",
    "  \"kind\": \"m\",\n  \"id\": \"a\"",
    "  \"id\": \"a\"",
    "  \"kind\": \"m\"",
    "  \"id\": \"\",\n  \"kind\": \"m\"",
    "  \"id\": \"a\",\n  \"kind\": \"\"",
    "  \"format\": 1,\n  \"id\": \"a\",\n  \"kind\": \"m\"",
    "  \"format\": 9,\n  \"id\": \"a\",\n  \"kind\": \"m\"",
    "  \"created_at\": \"2024-01-01T00:00:00+00:00\",\n  \"id\": \"a\",\n  \"kind\": \"m\"",
    "  \"created_at\": \"2024-01-01T00:00:00.100000Z\",\n  \"id\": \"a\",\n  \"kind\": \"m\"",
    "  \"created_at\": \"2024-01-01\",\n  \"id\": \"a\",\n  \"kind\": \"m\"",
    "  \"created_at\": null,\n  \"id\": \"a\",\n  \"kind\": \"m\"",
    "  \"id\": \"a\",\n  \"importance\": 1.5,\n  \"kind\": \"m\"",
    "  \"id\": \"a\",\n  \"importance\": \"1\",\n  \"kind\": \"m\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"links\": []",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"links\": [\n    {\n      \"rel\": \"a\"\n    }\n  ]",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"links\": [\n    {\n      \"rel\": \"\",\n      \"to\": 1\n    }\n  ]",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"metadata\": {}",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"metadata\": {\n    \"a\": 1e999\n  }",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"metadata\": {\n    \"b\": 1,\n    \"a\": 1\n  }",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"scope\": {\n    \"user\": \"\"\n  }",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"scope\": {\n    \"user\": null\n  }",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"scope\": {}",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"seq\": -1",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"seq\": 1.0",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"seq\": 01",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"tags\": []",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"tags\": [\n    \"b\",\n    \"a\"\n  ]",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"tags\": [\n    \"a\",\n    \"a\"\n  ]",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"tags\": [\n    \"a\"\n   ]",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"text\": \"\\/\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"text\": \"\\u000a\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"text\": \"\\u001F\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"text\": \"\\u0041\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"text\": \"\\u0000\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"text\": \"\xc3\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"text\": \"tab\tin it\"",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"\\ttext\": 1",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"value\": null",
    "  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"value\": [\n    1,\n  ]",
    "  \"id\": \"a\",\n  \"kind\":  \"m\"",
    "  \"id\": \"a\" ,\n  \"kind\": \"m\"",
    "  \"id\": \"a\",\r\n  \"kind\": \"m\"",
    " \"id\": \"a\",\n \"kind\": \"m\"",
};

static void what_is_otherwise_is_left_to_the_parser(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        buffer text = { 0 };
        buffer_printf(&text, "{\n%s\n}\n", others[i]);
        if (recognised(str_make(text.bytes, text.len)) || !decodes_alike(str_make(text.bytes, text.len)))
            fail_msg("%s", text.bytes);
        buffer_free(&text);
    }
    static const char backwards[] =
        "{\n  \"id\": \"a\",\n  \"kind\": \"m\",\n  \"valid_from\": \"2024-01-02T00:00:00Z\",\n"
        "  \"valid_to\": \"2024-01-01T00:00:00Z\"\n}\n";
    assert_true(!recognised(str_of(backwards)) && decodes_alike(str_of(backwards)));
    static const char *const ends[] = { "{\n  \"id\": \"a\",\n  \"kind\": \"m\"\n}",
                                        "{\n  \"id\": \"a\",\n  \"kind\": \"m\"\n}\n\n",
                                        "{}\n",
                                        "[]\n",
                                        "",
                                        "{\n  \"id\": \"a\",\n  \"kind\": \"m\"}\n" };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        assert_true(!recognised(str_of(ends[i])) && decodes_alike(str_of(ends[i])));
}

/* `levels` lists within each other, as the value of a record: canonical. */
static void nested(unsigned levels, buffer *out)
{
    buffer source = { 0 };
    cJSON *tree = NULL;
    buffer_append_text(&source, "{\"id\":\"a\",\"kind\":\"m\",\"value\":");
    for (unsigned i = 0; i < levels; i++)
        buffer_append_char(&source, '[');
    for (unsigned i = 0; i < levels; i++)
        buffer_append_char(&source, ']');
    buffer_append_char(&source, '}');
    buffer_clear(out);
    if (levels + 1 <= QUIPU_DEPTH_MAX) {
        assert_int_equal(json_parse(str_make(source.bytes, source.len), &tree, NULL), QUIPU_OK);
        json_print_canonical(tree, out);
        cJSON_Delete(tree);
    } else { /* the parser refuses it: from the inside out, one list more */
        nested(levels - 1, out);
        const char *inner = strstr(out->bytes, "[]");
        assert_non_null(inner);
        size_t at = (size_t)(inner - out->bytes);
        buffer more = { 0 };
        buffer_printf(&more, "%.*s[\n%*s[]\n%*s]%s", (int)at, out->bytes, 2 * (int)(levels + 1), "", 2 * (int)levels,
                      "", inner + 2);
        buffer_free(out);
        *out = more;
    }
    buffer_free(&source);
}

static void nesting_ends_where_the_parser_ends_it(void **state)
{
    (void)state;
    buffer text = { 0 };
    for (unsigned levels = 1; levels < QUIPU_DEPTH_MAX + 2; levels++) {
        nested(levels, &text);
        assert_int_equal(recognised(str_make(text.bytes, text.len)), levels + 1 <= QUIPU_DEPTH_MAX);
        assert_true(decodes_alike(str_make(text.bytes, text.len)));
    }
    buffer_free(&text);
}

static void the_limit_of_a_record_holds_for_it_too(void **state)
{
    (void)state;
    record *r = canonical(1), *again = NULL;
    quipu_str json = record_view(r)->json;
    record_defaults limit = { .created_at = QUIPU_TIME_NONE, .updated_at = QUIPU_TIME_NONE, .max_bytes = json.len };
    assert_int_equal(record_decode(json, &limit, &again, NULL), QUIPU_OK);
    record_free(again);
    limit.max_bytes--;
    assert_int_equal(record_decode(json, &limit, &again, NULL), QUIPU_E_TOO_LARGE);
    record_free(r);
}

static void defaults_are_filled_in_all_the_same(void **state)
{
    (void)state;
    record *r = canonical(0), *again = NULL;
    record_defaults fill = { .user = str_of("ana"), .created_at = 0, .updated_at = QUIPU_TIME_NONE };
    assert_int_equal(record_decode(record_view(r)->json, &fill, &again, NULL), QUIPU_OK);
    assert_true(str_same(record_view(again)->user, str_of("ana")));
    assert_int_equal(record_view(again)->created_at, 0);
    record_free(again);
    record_free(r);
}

/* ---- edits ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Where a line begins and ends, of about as many as there are. */
static void some_line(const buffer *text, uint32_t *seed, size_t *begin, size_t *end)
{
    size_t at = next_random(seed) % text->len;
    for (*begin = at; *begin > 0 && text->bytes[*begin - 1] != '\n';)
        --*begin;
    for (*end = at; *end < text->len && text->bytes[*end] != '\n';)
        ++*end;
    *end += *end < text->len;
}

static void edit(buffer *text, uint32_t *seed)
{
    static const char bytes[] = "\"\\{}[],: \n\t01-.eEuntf/aZT\x01\x7f\x80\xc3\xa9\xe4\xff";
    buffer now = { 0 };
    size_t begin, end, at = next_random(seed) % text->len;
    char c = bytes[next_random(seed) % (sizeof bytes - 1)];
    switch (next_random(seed) % 4) {
    case 0:
        text->bytes[at] = c;
        return;
    case 1: /* one byte more */
        buffer_append(&now, text->bytes, at);
        buffer_append_char(&now, c);
        buffer_append(&now, text->bytes + at, text->len - at);
        break;
    case 2: /* one byte less */
        buffer_append(&now, text->bytes, at);
        buffer_append(&now, text->bytes + at + 1, text->len - at - 1);
        break;
    default: /* a line once more somewhere else */
        some_line(text, seed, &begin, &end);
        buffer_append(&now, text->bytes, at);
        buffer_append(&now, text->bytes + begin, end - begin);
        buffer_append(&now, text->bytes + at, text->len - at);
        break;
    }
    buffer_free(text);
    *text = now;
}

static void edited_texts_are_read_as_the_parser_reads_them(void **state)
{
    (void)state;
    uint32_t seed = 1;
    size_t both = 0;
    for (unsigned round = 0; round < 60000; round++) {
        record *r = canonical(round % SOURCES);
        buffer text = { 0 };
        buffer_append_str(&text, record_view(r)->json);
        for (unsigned edits = next_random(&seed) % 3; text.len > 0 && edits < 3; edits++)
            edit(&text, &seed);
        if (!decodes_alike(str_make(text.bytes, text.len)))
            fail_msg("round %u: %s", round, text.bytes);
        both += text.len > 0 && recognised(str_make(text.bytes, text.len));
        buffer_free(&text);
        record_free(r);
    }
    assert_true(both > 1000); /* or nothing was compared */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canonical_form_is_recognised),
        cmocka_unit_test(what_is_otherwise_is_left_to_the_parser),
        cmocka_unit_test(nesting_ends_where_the_parser_ends_it),
        cmocka_unit_test(the_limit_of_a_record_holds_for_it_too),
        cmocka_unit_test(defaults_are_filled_in_all_the_same),
        cmocka_unit_test(edited_texts_are_read_as_the_parser_reads_them),
    };
    return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}
