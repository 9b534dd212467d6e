/* test_json.c - what json.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <sdk/json.h>
#include <sdk/codec/json_find.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t parse(const char *bytes, size_t len, quipu_error *error)
{
    cJSON *tree = NULL;
    *error = (quipu_error){ .struct_size = sizeof *error };
    int32_t code = json_parse(str_make(bytes, len), &tree, error);
    assert_int_equal(code, error->code);
    assert_true((code == QUIPU_OK) == (tree != NULL));
    cJSON_Delete(tree);
    return code;
}

/* The text is refused, the field is `field`, and the message names `part`. */
static void refused(const char *text, const char *field, const char *part)
{
    quipu_error error;
    if (parse(text, strlen(text), &error) != QUIPU_E_INVALID)
        fail_msg("not refused: %s", text);
    if (strcmp(error.field, field) != 0 || !strstr(error.message, part))
        fail_msg("%s: field \"%s\", message \"%s\"", text, error.field, error.message);
}

static void printed(const char *text, const char *canonical, const char *compact)
{
    cJSON *tree = NULL;
    buffer out = { 0 };
    assert_int_equal(json_parse(str_of(text), &tree, NULL), QUIPU_OK);
    json_print_compact(tree, &out);
    assert_string_equal(out.bytes, compact);
    buffer_clear(&out);
    json_print_canonical(tree, &out);
    assert_string_equal(out.bytes, canonical);
    cJSON_Delete(tree);
    buffer_free(&out);
}

static void only_the_grammar_of_rfc_8259_is_read(void **state)
{
    (void)state;
    static const char *const bad[] = { "",           " ",         "01",
                                       "-",          "+1",        ".5",
                                       "1.",         "1e",        "1e+",
                                       "-01",        "NaN",       "nul",
                                       "True",       "'a'",       "[1,]",
                                       "[1",         "[",         "{",
                                       "{\"a\"",     "{a:1}",     "{,}",
                                       "{\"a\":1,}", "[1 2]",     "\"a",
                                       "\"\\x\"",    "\"\t\"",    "1 2",
                                       "[]]",        "\"\\u12\"", "/**/1",
                                       "Infinity",   "-Infinity", "\xef\xbb\xbf{}",
                                       "0x10",       "\"\\",      "\"\\\"",
                                       "{\"a\":}",   "[,1]",      "\v1",
                                       "1.e5" };
    quipu_error error;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i], strlen(bad[i]), &error) != QUIPU_E_INVALID)
            fail_msg("not refused: %s", bad[i]);
        assert_non_null(strstr(error.message, "at byte "));
    }
    static const char *const good[] = {
        "0",        "-0",     "1",  "1.0",  "1E5",           "1e-5",
        "\"\"",     "[]",     "{}", "null", " \t\r\n true ", "\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
        "\"\x7f\"", "[[],{}]"
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(parse(good[i], strlen(good[i]), &error), QUIPU_OK);
    refused("{\"a\":{\"b\":[1,2,x]}}", "a.b[2]", "at byte 15");
}

static void numbers_keep_their_source_text(void **state)
{
    (void)state;
    printed("[9007199254740993,1.0,1e2,-0.0,-0,1E+2,0.10,12345678901234567890123456789]",
            "[\n  9007199254740993,\n  1.0,\n  1e2,\n  -0.0,\n  -0,\n  1E+2,\n  0.10,\n  "
            "12345678901234567890123456789\n]\n",
            "[9007199254740993,1.0,1e2,-0.0,-0,1E+2,0.10,12345678901234567890123456789]");
    char longer[300];
    memset(longer, '3', sizeof longer);
    longer[1] = '.';
    longer[sizeof longer - 1] = '\0';
    cJSON *tree = NULL;
    double value;
    assert_int_equal(json_parse(str_of(longer), &tree, NULL), QUIPU_OK);
    assert_string_equal(tree->valuestring, longer);
    assert_true(json_is_number(tree, &value) && value > 3.3 && value < 3.4);
    cJSON_Delete(tree);
}

static void numbers_past_a_double_are_refused(void **state)
{
    (void)state;
    refused("{\"metadata\":{\"a\":[1,1e400]}}", "metadata.a[1]", "too large");
    refused("-1e309", "", "too large");
    quipu_error error;
    assert_int_equal(parse("1e-400", 6, &error), QUIPU_OK);
    assert_int_equal(parse("1.7976931348623157e308", 22, &error), QUIPU_OK);
}

static void the_host_locale_changes_no_number(void **state)
{
    (void)state;
    char *before = strdup(setlocale(LC_ALL, NULL));
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        print_message("no locale with a decimal comma here; only the C locale was tried\n");
    double value = 0;
    char text[32];
    assert_true(json_number_value(str_of("1.5"), &value) && value > 1.4 && value < 1.6);
    assert_true(json_double_text(0.1, text));
    assert_string_equal(text, "0.1");
    setlocale(LC_ALL, before);
    free(before);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "\xff",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xe0\x80\x80",
                                       "\xed\xa0\x80",
                                       "\xf0\x80\x80\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xf8\x88\x80\x80\x80",
                                       "\xe2\x82",
                                       "\x80",
                                       "\xc3(" };
    char text[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "{\"text\":\"a%s\"}", bad[i]);
        refused(text, "text", "not UTF-8 at byte 10");
        assert_int_equal(utf8_first_bad(bad[i], strlen(bad[i])), 0);
    }
    refused("{\"\xff\":1}", "", "not UTF-8");
    assert_int_equal(utf8_first_bad("ab\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 15), -1);
    assert_int_equal(utf8_first_bad("ab\xc3", 3), 2);
}

static void nul_and_half_surrogates_are_refused(void **state)
{
    (void)state;
    refused("{\"a\":\"x\\u0000\"}", "a", "\\u0000");
    refused("{\"a\\u0000\":1}", "", "\\u0000");
    refused("\"\\ud83d\"", "", "surrogate");
    refused("\"\\ud83dx\"", "", "surrogate");
    refused("\"\\ude00\"", "", "surrogate");
    refused("\"\\ud83d\\ud83d\"", "", "surrogate");
    refused("\"\\ud83d\\u0041\"", "", "surrogate");
    quipu_error error;
    assert_int_equal(parse("\"a\0b\"", 5, &error), QUIPU_E_INVALID);
    assert_non_null(strstr(error.message, "control character"));
}

static void escapes_become_the_shortest_form(void **state)
{
    (void)state;
    printed("\"\\u00e9\\ud83d\\ude00\\u20ac\\u0041\\/\\u001f\\u000a\\\"\\\\\\b\\f\\r\\t\x7f\"",
            "\"\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac"
            "A/\\u001f\\n\\\"\\\\\\b\\f\\r\\t\x7f\"\n",
            "\"\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac"
            "A/\\u001f\\n\\\"\\\\\\b\\f\\r\\t\x7f\"");
}

static void a_key_twice_is_refused_even_when_written_differently(void **state)
{
    (void)state;
    refused("{\"a\":1,\"b\":2,\"a\":3}", "a", "twice in one object at byte 13");
    refused("{\"m\":{\"a\":1,\"\\u0061\":2}}", "m.a", "twice");
    refused("{\"l\":[{},{\"x\":1,\"x\":1}]}", "l[1].x", "twice");
    quipu_error error;
    assert_int_equal(parse("{\"a\":{\"a\":{\"a\":1}},\"A\":1}", 25, &error), QUIPU_OK);
}

static void many_keys_are_checked_in_little_time(void **state)
{
    (void)state;
    buffer text = { 0 };
    quipu_error error;
    buffer_append_char(&text, '{');
    for (int i = 0; i < 100000; i++)
        buffer_printf(&text, "\"key-with-a-long-common-beginning-%d\":%d,", (i * 7919) % 100000, i);
    buffer_append_text(&text, "\"z\":1}");
    assert_int_equal(parse(text.bytes, text.len, &error), QUIPU_OK);
    text.len -= 6;
    buffer_append_text(&text, "\"key-with-a-long-common-beginning-777\":1}");
    assert_int_equal(parse(text.bytes, text.len, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "key-with-a-long-common-beginning-777");
    char offset[64];
    snprintf(offset, sizeof offset, "byte %zu", text.len - strlen("\"key-with-a-long-common-beginning-777\":1}"));
    assert_non_null(strstr(error.message, offset));
    buffer_free(&text);
}

static void sixty_four_levels_are_read_and_no_more(void **state)
{
    (void)state;
    char text[400] = "";
    quipu_error error;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    assert_int_equal(parse(text, 128, &error), QUIPU_OK);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_int_equal(parse(text, 130, &error), QUIPU_E_INVALID);
    assert_non_null(strstr(error.message, "deeper than 64 levels at byte 64"));
    memset(text, '[', sizeof text);
    assert_int_equal(parse(text, sizeof text, &error), QUIPU_E_INVALID);
}

static void a_text_over_the_limit_is_too_large(void **state)
{
    (void)state;
    cJSON *tree;
    quipu_error error = { .struct_size = sizeof error };
    assert_int_equal(json_parse(str_make("1", (size_t)JSON_TEXT_MAX + 1), &tree, &error), QUIPU_E_TOO_LARGE);
    assert_int_equal(json_parse((quipu_str){ 0 }, &tree, &error), QUIPU_E_INVALID);
}

static void keys_are_sorted_by_their_bytes(void **state)
{
    (void)state;
    printed("{\"b\":[],\"a\":{},\"B\":[{\"y\":1,\"x\":[null,true,false]}],\"\xc3\xa9\":1,\"\":2,\"ab\":\"s\"}",
            "{\n  \"\": 2,\n  \"B\": [\n    {\n      \"x\": [\n        null,\n        true,\n        false\n      ],\n"
            "      \"y\": 1\n    }\n  ],\n  \"a\": {},\n  \"ab\": \"s\",\n  \"b\": [],\n  \"\xc3\xa9\": 1\n}\n",
            "{\"b\":[],\"a\":{},\"B\":[{\"y\":1,\"x\":[null,true,false]}],\"\xc3\xa9\":1,\"\":2,\"ab\":\"s\"}");
}

static void a_sorted_object_is_still_a_good_tree(void **state)
{
    (void)state;
    char key[16];
    cJSON *object = cJSON_CreateObject();
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%03d", (i * 617) % 1000);
        cJSON_AddItemToObject(object, key, json_number_int(i));
    }
    json_sort_object(object);
    cJSON_AddItemToObject(object, "zzz", cJSON_CreateNull()); /* goes by the last one's pointer */
    int count = 0;
    for (const cJSON *m = object->child; m; m = m->next, count++) {
        snprintf(key, sizeof key, "%03d", count);
        assert_string_equal(m->string, count < 1000 ? key : "zzz");
        assert_true(!m->next || m->next->prev == m);
    }
    assert_int_equal(count, 1001);
    cJSON_Delete(object);
}

static void a_tree_made_by_hand_obeys_the_same_rules(void **state)
{
    (void)state;
    quipu_error error = { .struct_size = sizeof error };
    cJSON *tree = cJSON_CreateObject();
    cJSON *inner = cJSON_AddObjectToObject(tree, "metadata");
    cJSON_AddItemToObject(inner, "n", cJSON_CreateNumber(1));
    assert_int_equal(json_check_tree(tree, &error), QUIPU_OK);
    cJSON_AddItemToObject(inner, "bad", cJSON_CreateString("\xff"));
    assert_int_equal(json_check_tree(tree, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "metadata.bad");
    cJSON_DeleteItemFromObjectCaseSensitive(inner, "bad");
    cJSON_AddItemToObject(inner, "n", cJSON_CreateTrue());
    assert_int_equal(json_check_tree(tree, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "metadata.n");
    cJSON_DeleteItemFromObjectCaseSensitive(inner, "n");
    cJSON_AddItemToObject(inner, "x", cJSON_CreateRaw("{broken"));
    assert_int_equal(json_check_tree(tree, &error), QUIPU_E_INVALID);
    cJSON_DeleteItemFromObjectCaseSensitive(inner, "x");
    cJSON_AddItemToObject(inner, "x", cJSON_CreateNumber(INFINITY));
    assert_int_equal(json_check_tree(tree, &error), QUIPU_E_INVALID);
    cJSON_DeleteItemFromObjectCaseSensitive(inner, "x");
    cJSON_AddItemToObject(inner, "\xc3", cJSON_CreateNull());
    assert_int_equal(json_check_tree(tree, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "metadata");
    cJSON_DeleteItemFromObjectCaseSensitive(inner, "\xc3");
    for (int i = 0; i < 63; i++)
        inner = cJSON_AddObjectToObject(inner, "x");
    assert_int_equal(json_check_tree(tree, &error), QUIPU_E_INVALID);
    assert_non_null(strstr(error.message, "deeper"));
    cJSON_Delete(tree);
}

static void number_nodes_give_their_value(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } cases[] = { { "0", true, 0 },
                  { "-0", true, 0 },
                  { "1.0", true, 1 },
                  { "1e2", true, 100 },
                  { "1.5", false, 0 },
                  { "9007199254740993", true, 9007199254740993 },
                  { "1e300", false, 0 },
                  { "9223372036854775807", true, INT64_MAX },
                  { "-9223372036854775808", true, INT64_MIN },
                  { "9223372036854775808", false, 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;
        cJSON *node = json_number_text(cases[i].text);
        assert_true(json_is_int(node, &value) == cases[i].whole);
        if (cases[i].whole)
            assert_true(value == cases[i].value);
        cJSON_Delete(node);
    }
    int64_t value = 0;
    cJSON *text = cJSON_CreateString("1");
    assert_false(json_is_int(text, &value));
    assert_false(json_is_int(NULL, &value));
    cJSON_Delete(text);
}

static void a_double_prints_the_shortest_text_that_reads_back(void **state)
{
    (void)state;
    static const double values[] = { 0.1, 1.0 / 3, 1e300, 5e-324, 123456789.125, -2.5, 0.30000000000000004 };
    assert_null(json_number_double(NAN));
    assert_null(json_number_double(INFINITY));
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        double back = 0;
        cJSON *node = json_number_double(values[i]);
        assert_true(json_is_number(node, &back) && !islessgreater(back, values[i]));
        cJSON_Delete(node);
    }
    cJSON *tenth = json_number_double(0.1);
    assert_string_equal(tenth->valuestring, "0.1");
    cJSON_Delete(tenth);
}

static void paths_are_found_without_a_tree(void **state)
{
    (void)state;
    static const struct {
        const char *path, *found;
    } cases[] = { { "a", "1" },
                  { "m.x", "\"}\\\"{\"" },
                  { "m.y.z", "[1,[2],{\"q\":3}]" },
                  { "m.y.k", NULL },
                  { "d.e.f", "true" },
                  { "q\"uote", "5" },
                  { "\xc3\xa9", "6" },
                  { "", NULL },
                  { "a.b", NULL },
                  { "m", "{\"x\":\"}\\\"{\",\"y\":{\"z\":[1,[2],{\"q\":3}]}}" },
                  { "last", "-1.5e3" },
                  { "e", "\"\"" },
                  { "s", "\"\\\\\"" },
                  { "after", "1" } };
    quipu_str json =
        str_of(" {\"a\" : 1 ,\"m\":{\"x\":\"}\\\"{\",\"y\":{\"z\":[1,[2],{\"q\":3}]}},\"d.e\":{\"f\":true},"
               "\"q\\\"uote\":5,\"\\u00e9\":6,\"\":7,\"e\":\"\",\"s\":\"\\\\\",\"after\":1,\"last\":-1.5e3 } ");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        quipu_str found = json_find(json, str_of(cases[i].path));
        if (!str_same(found, str_of(cases[i].found)))
            fail_msg("%s: found %.*s", cases[i].path, (int)found.len, found.ptr);
    }
    quipu_str rest = json_elements(json_find(json, str_of("m.y.z"))), element;
    int count = 0;
    while (json_next_element(&rest, &element))
        count++;
    assert_int_equal(count, 3);
}

static void broken_text_is_never_read_past_its_end(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":{\"b\":[1,{\"c\":\"\\ud83d\\ude00x\\n\"},\"\\u00\"],\"d\":tru";
    for (size_t len = 0; len < sizeof text; len++) {
        char *exact = malloc(len ? len : 1); /* so that a sanitizer sees one byte too many */
        buffer out = { 0 };
        memcpy(exact, text, len);
        quipu_str list = json_elements(json_find(str_make(exact, len), str_of("a.b"))), element;
        while (json_next_element(&list, &element))
            if (element.ptr[0] == '"')
                json_unquote(element, &out);
        json_find(str_make(exact, len), str_of("a.d"));
        if (len > 1 && exact[0] == '{')
            json_unquote(str_make(exact, len), &out);
        buffer_free(&out);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_grammar_of_rfc_8259_is_read),
        cmocka_unit_test(numbers_keep_their_source_text),
        cmocka_unit_test(numbers_past_a_double_are_refused),
        cmocka_unit_test(the_host_locale_changes_no_number),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(nul_and_half_surrogates_are_refused),
        cmocka_unit_test(escapes_become_the_shortest_form),
        cmocka_unit_test(a_key_twice_is_refused_even_when_written_differently),
        cmocka_unit_test(many_keys_are_checked_in_little_time),
        cmocka_unit_test(sixty_four_levels_are_read_and_no_more),
        cmocka_unit_test(a_text_over_the_limit_is_too_large),
        cmocka_unit_test(keys_are_sorted_by_their_bytes),
        cmocka_unit_test(a_sorted_object_is_still_a_good_tree),
        cmocka_unit_test(a_tree_made_by_hand_obeys_the_same_rules),
        cmocka_unit_test(number_nodes_give_their_value),
        cmocka_unit_test(a_double_prints_the_shortest_text_that_reads_back),
        cmocka_unit_test(paths_are_found_without_a_tree),
        cmocka_unit_test(broken_text_is_never_read_past_its_end),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
