/* test_hindsight.c - what Hindsight's clients expect: documents that supersede, tags, types, operations, banks; and the traps. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <tests/support/scratch.h>
#include <tests/support/serve_call.h>

#define BANKS "/v1/default/banks"
#define BANK BANKS "/ana%2F1"

static serve *served;

static int open_it(void **state)
{
    (void)state;
    served = serve_call_open(NULL, NULL, NULL);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    serve_call_close(served);
    return 0;
}

static int call(const char *method, const char *path, const char *body)
{
    return serve_call(served, method, path, NULL, body);
}

static void retain(const char *body)
{
    assert_int_equal(call("POST", BANK "/memories", body), 200);
    assert_true(cJSON_IsTrue(serve_reply_node("success")));
    assert_string_equal(serve_reply_text("bank_id"), "ana/1");
}

static int recalled(const char *body)
{
    assert_int_equal(call("POST", BANK "/memories/recall", body), 200);
    return serve_reply_count("results");
}

static int total(const char *path)
{
    assert_int_equal(call("GET", path, NULL), 200);
    return serve_reply_node("total")->valueint;
}

static void an_empty_bank_is_there(void **state)
{
    (void)state;
    assert_int_equal(call("GET", "/health/live", NULL), 200);
    assert_true(cJSON_IsNumber(serve_reply_node("uptime_seconds")));
    assert_int_equal(call("GET", "/health/ready", NULL), 200);
    assert_int_equal(call("GET", "/version", NULL), 200);
    assert_string_equal(serve_reply_text("api_version"), "0.9.1");
    assert_int_equal(cJSON_GetArraySize(serve_reply_node("features")), 11);
    assert_int_equal(recalled("{\"query\":\"anything\"}"), 0);
    assert_int_equal(total(BANK "/memories/list"), 0);
    assert_int_equal(call("GET", BANK "/profile", NULL), 200);
    assert_string_equal(serve_reply_text("name"), "ana/1");
    assert_string_equal(serve_reply_text("mission"), "");
    assert_int_equal(serve_reply_node("disposition.empathy")->valueint, 3);
    assert_int_equal(call("GET", BANK "/memories/none", NULL), 404);
    assert_non_null(serve_reply_text("detail"));
    assert_int_equal(call("GET", BANK "/documents/none", NULL), 404);
    assert_int_equal(call("DELETE", BANK "/documents/none", NULL), 404);
    assert_int_equal(call("PATCH", BANK "/memories/none", "{\"text\":\"x\"}"), 404);
    assert_int_equal(total(BANKS), 0);
    assert_int_equal(call("GET", BANK "/operations/none", NULL), 200);
    assert_string_equal(serve_reply_text("status"), "not_found");
    assert_int_equal(call("GET", BANK "/stats", NULL), 200);
    assert_int_equal(serve_reply_node("total_nodes")->valueint, 0);
}

static void what_is_retained_is_recalled(void **state)
{
    (void)state;
    retain("{\"items\":[{\"content\":\"Ana bakes rye bread\",\"context\":\"kitchen\",\"metadata\":{\"a\":\"1\"},"
           "\"tags\":[\"food\"],\"timestamp\":\"2025-05-01T10:00:00\",\"entities\":[{\"text\":\"Ana\"}]},"
           "{\"content\":\"Bread needs salt\",\"timestamp\":\"unset\"}],\"document_tags\":[\"all\",\"food\"]}");
    assert_int_equal(serve_reply_node("items_count")->valueint, 2);
    assert_true(cJSON_IsFalse(serve_reply_node("async")));
    assert_null(serve_reply_node("operation_id"));
    assert_int_equal(recalled("{\"query\":\"rye\",\"types\":[\"observation\"],\"include\":{\"chunks\":{}}}"), 1);
    assert_string_equal(serve_reply_text("results.0.text"), "Ana bakes rye bread");
    assert_string_equal(serve_reply_text("results.0.type"), "observation");
    assert_string_equal(serve_reply_text("results.0.context"), "kitchen");
    assert_string_equal(serve_reply_text("results.0.metadata.a"), "1");
    assert_string_equal(serve_reply_text("results.0.tags.1"), "food");
    assert_string_equal(serve_reply_text("results.0.mentioned_at"), "2025-05-01T10:00:00.000000+00:00");
    assert_string_equal(serve_reply_text("results.0.entities.0"), "Ana");
    assert_string_equal(serve_reply_text("entities.Ana.canonical_name"), "Ana");
    assert_true(cJSON_IsNumber(serve_reply_node("results.0.scores.final")));
    assert_int_equal(cJSON_GetArraySize(serve_reply_node("chunks")), 1);
    assert_int_equal(recalled("{\"query\":\"salt\"}"), 1);
    assert_true(cJSON_IsNull(serve_reply_node("results.0.mentioned_at")));
    assert_string_equal(serve_reply_text("results.0.type"), "world");
    assert_int_equal(recalled("{\"query\":\"bread\"}"), 2);
    assert_int_equal(recalled("{\"query\":\"bread\",\"max_tokens\":5}"), 1);
    assert_int_equal(recalled("{\"query\":\"bread\",\"min_scores\":{\"final\":1.5,\"semantic\":9}}"), 0);
    assert_int_equal(recalled("{\"query\":\"bread\",\"temporal_window\":{\"end\":\"2025-06-01T00:00:00Z\"}}"), 1);
    assert_int_equal(call("POST", BANK "/reflect", "{\"query\":\"rye\"}"), 200);
    assert_string_equal(serve_reply_text("text"), "Ana bakes rye bread");
    assert_int_equal(serve_reply_count("based_on.memories"), 1);
    assert_int_equal(call("POST", BANKS "/other/memories/recall", "{\"query\":\"bread\"}"), 200);
    assert_int_equal(serve_reply_count("results"), 0);
    assert_int_equal(call("GET", BANK "/tags", NULL), 200);
    assert_string_equal(serve_reply_text("items.0.tag"), "all");
    assert_int_equal(serve_reply_node("items.0.count")->valueint, 2);
    assert_int_equal(total(BANK "/entities"), 1);
    assert_string_equal(serve_reply_text("items.0.canonical_name"), "Ana");
}

static int tagged(const char *rest)
{
    char body[300];
    snprintf(body, sizeof body, "{\"query\":\"bread\",%s}", rest);
    return recalled(body);
}

static void tags_match_in_five_ways(void **state)
{
    (void)state;
    retain(
        "{\"items\":[{\"content\":\"bread one\",\"tags\":[\"a\"]},{\"content\":\"bread two\",\"tags\":[\"a\",\"b\"]},"
        "{\"content\":\"bread three\"}]}");
    assert_int_equal(tagged("\"tags\":[\"b\"]"), 2);
    assert_int_equal(tagged("\"tags\":[\"a\",\"b\"],\"tags_match\":\"all\""), 2);
    assert_int_equal(tagged("\"tags\":[\"a\"],\"tags_match\":\"any_strict\""), 2);
    assert_int_equal(tagged("\"tags\":[\"a\",\"b\"],\"tags_match\":\"all_strict\""), 1);
    assert_int_equal(tagged("\"tags\":[\"a\",\"a\"],\"tags_match\":\"exact\""), 1);
    assert_string_equal(serve_reply_text("results.0.text"), "bread one");
    assert_int_equal(tagged("\"tags\":[],\"tags_match\":\"exact\""), 1);
    assert_string_equal(serve_reply_text("results.0.text"), "bread three");
    assert_int_equal(tagged("\"tags\":[],\"tags_match\":\"all_strict\""), 3);
    assert_int_equal(tagged("\"tag_groups\":[{\"tags\":[\"a\"]},{\"not\":{\"tags\":[\"b\"]}}]"), 1);
    assert_int_equal(tagged("\"tag_groups\":[{\"or\":[{\"tags\":[\"b\"]},{\"and\":[{\"tags\":[\"a\"]}]}]}]"), 2);
    assert_int_equal(total(BANK "/memories/list?tags=a&tags=b&tags_match=all_strict"), 1);
    assert_int_equal(total(BANK "/memories/list?tags=a&tags_match=exact"), 1);
}

static void a_document_supersedes_itself(void **state)
{
    buffer body = { 0 };
    (void)state;
    retain("{\"items\":[{\"content\":\"first "
           "words\",\"document_id\":\"d\"},{\"content\":\"second\",\"document_id\":\"d\"}]}");
    assert_int_equal(call("GET", BANK "/documents/d", NULL), 200);
    assert_string_equal(serve_reply_text("original_text"), "first words\nsecond");
    assert_int_equal(serve_reply_node("memory_unit_count")->valueint, 2);
    retain("{\"items\":[{\"content\":\"other\",\"document_id\":\"d\"}]}");
    assert_int_equal(recalled("{\"query\":\"first words second\"}"), 0);
    assert_int_equal(total(BANK "/memories/list?document_id=d"), 1);
    retain("{\"items\":[{\"content\":\"more\",\"document_id\":\"d\",\"update_mode\":\"append\"}]}");
    assert_int_equal(call("GET", BANK "/documents/d", NULL), 200);
    assert_string_equal(serve_reply_text("original_text"), "other\nmore");
    buffer_append_text(&body, "{\"items\":[{\"document_id\":\"long\",\"content\":\"");
    for (int i = 0; i < 700; i++)
        buffer_append_text(&body, i % 2 ? "b\xc3\xa4kery" : "sour dough ");
    buffer_append_text(&body, "\"}]}");
    retain(body.bytes);
    assert_true(total(BANK "/memories/list?document_id=long") > 2);
    assert_int_equal(call("GET", BANK "/documents/long", NULL), 200);
    assert_int_equal(strlen(serve_reply_text("original_text")), 350 * 7 + 350 * 11);
    assert_int_equal(total(BANK "/documents"), 2);
    assert_int_equal(call("DELETE", BANK "/documents/long", NULL), 200);
    assert_true(serve_reply_node("memory_units_deleted")->valueint > 2);
    assert_int_equal(total(BANK "/documents"), 1);
    buffer_free(&body);
}

static void an_operation_is_done_once(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        retain("{\"items\":[{\"content\":\"once\"}],\"async\":true,\"operation_id\":\"op-1\"}");
        assert_string_equal(serve_reply_text("operation_id"), "op-1");
        assert_true(cJSON_IsTrue(serve_reply_node("async")));
    }
    assert_int_equal(total(BANK "/memories/list"), 1);
    retain("{\"items\":[{\"content\":\"own\"}],\"async\":true}");
    assert_int_equal(strlen(serve_reply_text("operation_id")), 36);
    assert_int_equal(call("GET", BANK "/operations/op-1", NULL), 200);
    assert_string_equal(serve_reply_text("status"), "completed");
    assert_int_equal(call("GET", BANKS "/other/operations/op-1", NULL), 200);
    assert_string_equal(serve_reply_text("status"), "not_found");
    assert_int_equal(total(BANK "/operations?limit=1"), 2);
    assert_int_equal(serve_reply_count("operations"), 1);
    assert_int_equal(serve_reply_node("operations.0.items_count")->valueint, 1);
    assert_int_equal(total(BANK "/operations?status=failed"), 0);
}

static void a_unit_is_changed_and_invalidated(void **state)
{
    char path[200];
    (void)state;
    retain("{\"items\":[{\"content\":\"rye bread\"}]}");
    assert_int_equal(total(BANK "/memories/list?q=RYE"), 1);
    snprintf(path, sizeof path, "%s/memories/%s", BANK, serve_reply_text("items.0.id"));
    assert_int_equal(call("PATCH", path,
                          "{\"text\":\"oat bread\",\"fact_type\":\"experience\",\"context\":\"c\","
                          "\"occurred_start\":\"someday\"}"),
                     422);
    assert_int_equal(call("PATCH", path,
                          "{\"text\":\"oat bread\",\"fact_type\":\"experience\",\"context\":\"c\","
                          "\"occurred_start\":\"2025-01-01T00:00:00Z\"}"),
                     200);
    assert_string_equal(serve_reply_text("text"), "oat bread");
    assert_string_equal(serve_reply_text("context"), "c");
    assert_int_equal(recalled("{\"query\":\"oat\",\"types\":[\"world\"]}"), 0);
    assert_int_equal(recalled("{\"query\":\"oat\",\"types\":[\"experience\",\"world\"]}"), 1);
    assert_int_equal(call("PATCH", path, "{\"state\":\"invalidated\",\"reason\":\"wrong\"}"), 200);
    assert_string_equal(serve_reply_text("state"), "invalidated");
    assert_int_equal(recalled("{\"query\":\"oat\"}"), 0);
    assert_int_equal(total(BANK "/memories/list"), 0);
    assert_int_equal(total(BANK "/memories/list?state=invalidated"), 1);
    assert_int_equal(call("PATCH", path, "{\"state\":\"valid\"}"), 200);
    assert_int_equal(recalled("{\"query\":\"oat\"}"), 1);
    assert_int_equal(call("DELETE", BANK "/memories?type=world", NULL), 200);
    assert_int_equal(serve_reply_node("deleted_count")->valueint, 0);
    assert_int_equal(call("DELETE", BANK "/memories", NULL), 200);
    assert_int_equal(serve_reply_node("deleted_count")->valueint, 1);
}

static void a_bank_is_described(void **state)
{
    (void)state;
    assert_int_equal(call("PUT", BANK,
                          "{\"name\":\"Ana\",\"mission\":\"bake\",\"disposition\":{\"empathy\":5},"
                          "\"disposition_literalism\":1,\"retain_mission\":\"facts\"}"),
                     200);
    assert_string_equal(serve_reply_text("name"), "Ana");
    assert_int_equal(serve_reply_node("disposition.literalism")->valueint, 1);
    assert_int_equal(call("PATCH", BANK "/config", "{\"updates\":{\"reflect_mission\":\"think\"}}"), 200);
    assert_string_equal(serve_reply_text("config.retain_mission"), "facts");
    assert_string_equal(serve_reply_text("overrides.reflect_mission"), "think");
    assert_int_equal(call("DELETE", BANK "/config", NULL), 200);
    assert_int_equal(call("GET", BANK "/config", NULL), 200);
    assert_int_equal(cJSON_GetArraySize(serve_reply_node("config")), 0);
    assert_int_equal(call("GET", BANK "/profile", NULL), 200);
    assert_string_equal(serve_reply_text("mission"), "bake");
    assert_int_equal(serve_reply_node("disposition.empathy")->valueint, 5);
    assert_int_equal(call("POST", BANKS "/ben/memories", "{\"items\":[{\"content\":\"x\",\"document_id\":\"d\"}]}"),
                     200);
    assert_int_equal(total(BANKS), 2);
    assert_string_equal(serve_reply_text("banks.0.name"), "Ana");
    assert_int_equal(serve_reply_node("banks.1.fact_count")->valueint, 1);
    assert_int_equal(total(BANKS "?q=be"), 1);
    assert_int_equal(call("GET", BANKS "/ben/stats", NULL), 200);
    assert_int_equal(serve_reply_node("total_documents")->valueint, 1);
    assert_int_equal(call("DELETE", BANKS "/ben", NULL), 200);
    assert_int_equal(total(BANKS), 1);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *method, *path, *body;
    } wrong[] = {
        { "POST", "/memories", "{\"items\":[]}" },
        { "POST", "/memories", "{\"items\":[1]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"\"}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"metadata\":{\"a\":1}}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"metadata\":1}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"tags\":\"a\"}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"tags\":[1]}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"entities\":[{}]}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"entities\":1}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"update_mode\":\"add\"}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\",\"timestamp\":\"soon\"}]}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\"}],\"async\":1}" },
        { "POST", "/memories", "{\"items\":[{\"content\":\"x\"}],\"document_tags\":{}}" },
        { "POST", "/memories", "nonsense" },
        { "POST", "/memories/recall", "{}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"budget\":\"huge\"}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"types\":[\"opinion\"]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"types\":\"world\"}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"max_tokens\":0}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"tags\":[1]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"tags_match\":\"some\"}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"tag_groups\":[{}]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"tag_groups\":[{\"or\":[]}]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"tag_groups\":[{\"not\":{\"tags\":[]}}]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"tag_groups\":[{\"tags\":[\"a\"],\"match\":\"exact\"}]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"tags\":[\"a\"],\"tag_groups\":[{\"tags\":[\"a\"]}]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"temporal_window\":[]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"temporal_window\":{\"start\":\"then\"}}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"min_scores\":[1]}" },
        { "POST", "/memories/recall", "{\"query\":\"x\",\"min_scores\":{\"final\":\"a\"}}" },
        { "GET", "/memories/list?type=opinion", NULL },
        { "GET", "/memories/list?limit=0", NULL },
        { "DELETE", "/memories?type=opinion", NULL },
        { "PATCH", "/config", "{}" },
        { "PUT", "", "{\"disposition\":{\"empathy\":6}}" },
        { "PUT", "", "{\"disposition\":[]}" },
        { "PUT", "", "{\"name\":1}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s%s", BANK, wrong[i].path);
        if (call(wrong[i].method, path, wrong[i].body) != 422 || serve_reply_count("detail") != 1)
            fail_msg("%zu: %d %s", i, serve_reply_last.status, serve_reply_last.body);
    }
    assert_int_equal(total(BANK "/memories/list"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_bank_is_there, open_it, close_it),
        cmocka_unit_test_setup_teardown(what_is_retained_is_recalled, open_it, close_it),
        cmocka_unit_test_setup_teardown(tags_match_in_five_ways, open_it, close_it),
        cmocka_unit_test_setup_teardown(a_document_supersedes_itself, open_it, close_it),
        cmocka_unit_test_setup_teardown(an_operation_is_done_once, open_it, close_it),
        cmocka_unit_test_setup_teardown(a_unit_is_changed_and_invalidated, open_it, close_it),
        cmocka_unit_test_setup_teardown(a_bank_is_described, open_it, close_it),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, open_it, close_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
