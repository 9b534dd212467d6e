/* test_graph.c - the knowledge graph of quipu_graph.h, and the tools of the MCP memory server on it, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <quipu_graph.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/mcp_client.h>
#include <tests/support/scratch.h>

static char folder[128], store[160];
static mcp_client client;
static buffer answer;
static quipu_error fault;

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    mcp_client_begin(&client, store, "git", "memory");
    fault = (quipu_error){ .struct_size = sizeof fault };
    return 0;
}

static int end(void **state)
{
    (void)state;
    mcp_client_end(&client);
    scratch_remove(folder);
    buffer_free(&answer);
    return 0;
}

static int32_t collect(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return 0;
}

static int32_t graph(const char *request, const quipu_write_options *options)
{
    quipu_str text = str_of(request);
    buffer_clear(&answer);
    buffer_append_text(&answer, "");
    fault = (quipu_error){ .struct_size = sizeof fault };
    return quipu_graph_json(client.q, &text, options, collect, &answer, NULL, &fault);
}

static void expect(const char *request, const char *wanted)
{
    assert_int_equal(graph(request, NULL), QUIPU_OK);
    assert_string_equal(answer.bytes, wanted);
}

static void expect_tool(const char *tool, const char *arguments, const char *object)
{
    assert_string_equal(mcp_tool_object(&client, tool, arguments), object);
    assert_false(client.failed);
}

#define ANA "{\"name\":\"Ana\",\"entityType\":\"person\",\"observations\":[\"likes tea\"]}"
#define ACME "{\"name\":\"Acme\",\"entityType\":\"firm\",\"observations\":[]}"
#define WORKS "{\"from\":\"Ana\",\"to\":\"Acme\",\"relationType\":\"works at\"}"
#define DONE(what) "{\"success\":true,\"message\":\"" what " deleted successfully\"}"

static void a_small_graph(void)
{
    expect_tool("create_entities", "{\"entities\":[" ANA "," ACME "]}", "{\"entities\":[" ANA "," ACME "]}");
    expect_tool("create_relations", "{\"relations\":[" WORKS "]}", "{\"relations\":[" WORKS "]}");
}

static void what_is_there_is_skipped(void **state)
{
    (void)state;
    a_small_graph();
    expect_tool("create_entities",
                "{\"entities\":[{\"name\":\"Ana\",\"entityType\":\"cat\",\"observations\":[\"x\"]},"
                "{\"name\":\"Ben\",\"entityType\":\"person\",\"observations\":[]}]}",
                "{\"entities\":[{\"name\":\"Ben\",\"entityType\":\"person\",\"observations\":[]}]}");
    expect_tool("create_relations",
                "{\"relations\":[" WORKS ",{\"from\":\"Acme\",\"to\":\"Ana\",\"relationType\":\"works at\"}]}",
                "{\"relations\":[{\"from\":\"Acme\",\"to\":\"Ana\",\"relationType\":\"works at\"}]}");
    expect_tool("create_entities", "{\"entities\":[]}", "{\"entities\":[]}");
    expect_tool("add_observations",
                "{\"observations\":[{\"entityName\":\"Ana\",\"contents\":[\"likes tea\",\"runs\"]}]}",
                "{\"results\":[{\"entityName\":\"Ana\",\"addedObservations\":[\"runs\"]}]}");
}

static void two_of_a_name_in_one_request_are_both_made(void **state)
{
    (void)state;
    expect_tool("create_entities", "{\"entities\":[" ANA "," ANA "," ACME "]}",
                "{\"entities\":[" ANA "," ANA "," ACME "]}");
    expect_tool("create_relations", "{\"relations\":[" WORKS "," WORKS "]}", "{\"relations\":[" WORKS "," WORKS "]}");
    expect_tool("add_observations",
                "{\"observations\":[{\"entityName\":\"Acme\",\"contents\":[\"a\",\"a\"]},{\"entityName\":"
                "\"Acme\",\"contents\":[\"a\",\"b\"]}]}",
                "{\"results\":[{\"entityName\":\"Acme\",\"addedObservations\":[\"a\",\"a\"]},{\"entityName\":\"Acme\","
                "\"addedObservations\":[\"b\"]}]}");
    expect("{\"op\":\"read\"}",
           "{\"entities\":[" ANA "," ANA ",{\"name\":\"Acme\",\"entityType\":\"firm\",\"observations\":[\"a\","
           "\"a\",\"b\"]}],\"relations\":[" WORKS "," WORKS "]}");
    expect_tool("delete_relations", "{\"relations\":[" WORKS "]}", DONE("Relations"));
    expect_tool("delete_entities", "{\"entityNames\":[\"Ana\",\"Acme\",\"nobody\"]}", DONE("Entities"));
    expect("{\"op\":\"read\"}", "{\"entities\":[],\"relations\":[]}");
}

static void an_entity_goes_with_its_relations(void **state)
{
    (void)state;
    a_small_graph();
    expect_tool("create_relations",
                "{\"relations\":[{\"from\":\"nobody\",\"to\":\"nowhere\",\"relationType\":\"goes\"}]}",
                "{\"relations\":[{\"from\":\"nobody\",\"to\":\"nowhere\",\"relationType\":\"goes\"}]}");
    expect_tool("delete_entities", "{\"entityNames\":[\"Acme\"]}", DONE("Entities"));
    expect("{\"op\":\"read\"}",
           "{\"entities\":[" ANA
           "],\"relations\":[{\"from\":\"nobody\",\"to\":\"nowhere\",\"relationType\":\"goes\"}]}");
}

static void observations_go_one_by_one(void **state)
{
    (void)state;
    a_small_graph();
    expect_tool("delete_observations",
                "{\"deletions\":[{\"entityName\":\"Ana\",\"observations\":[\"likes tea\",\"none\"]},"
                "{\"entityName\":\"nobody\",\"observations\":[\"x\"]}]}",
                DONE("Observations"));
    expect_tool("open_nodes", "{\"names\":[\"Ana\"]}",
                "{\"entities\":[{\"name\":\"Ana\",\"entityType\":\"person\",\"observations\":[]}],\"relations\":[" WORKS
                "]}");
}

static void nothing_is_added_where_an_entity_is_not_there(void **state)
{
    (void)state;
    a_small_graph();
    assert_string_equal(
        mcp_tool_text(&client, "add_observations",
                      "{\"observations\":[{\"entityName\":\"Ana\",\"contents\":[\"new\"]},{\"entityName\":"
                      "\"Ben\",\"contents\":[\"x\"]}]}"),
        "Entity with name Ben not found");
    assert_true(client.failed);
    expect_tool("open_nodes", "{\"names\":[\"Ana\"]}", "{\"entities\":[" ANA "],\"relations\":[" WORKS "]}");
}

static void words_are_found_in_any_letter_case(void **state)
{
    (void)state;
    a_small_graph();
    expect_tool("create_entities",
                "{\"entities\":[{\"name\":\"\xc3\x9c"
                "BER\",\"entityType\":\"Word\",\"observations\":[\"\xce\xa3\xce\xa9\"]}]}",
                "{\"entities\":[{\"name\":\"\xc3\x9c"
                "BER\",\"entityType\":\"Word\",\"observations\":[\"\xce\xa3\xce\xa9\"]}]}");
    expect_tool("search_nodes", "{\"query\":\"KES T\"}", "{\"entities\":[" ANA "],\"relations\":[" WORKS "]}");
    expect_tool("search_nodes", "{\"query\":\"FIRM\"}", "{\"entities\":[" ACME "],\"relations\":[" WORKS "]}");
    expect_tool("search_nodes", "{\"query\":\"a\"}", "{\"entities\":[" ANA "," ACME "],\"relations\":[" WORKS "]}");
    expect_tool("search_nodes", "{\"query\":\"none of it\"}", "{\"entities\":[],\"relations\":[]}");
    assert_non_null(strstr(mcp_tool_text(&client, "search_nodes",
                                         "{\"query\":\"\xc3\xbc"
                                         "ber\"}"),
                           "\"name\": \"\xc3\x9c"
                           "BER\""));
    assert_non_null(strstr(mcp_tool_text(&client, "search_nodes", "{\"query\":\"\xcf\x83\xcf\x89\"}"),
                           "\"name\": \"\xc3\x9c"
                           "BER\""));
    assert_null(strstr(mcp_tool_text(&client, "open_nodes", "{\"names\":[\"ana\"]}"), "Ana"));
}

static void texts_are_printed_as_that_server_prints_them(void **state)
{
    (void)state;
    assert_string_equal(
        mcp_tool_text(&client, "create_entities", "{\"entities\":[" ANA "," ACME "]}"),
        "[\n  {\n    \"name\": \"Ana\",\n    \"entityType\": \"person\",\n    \"observations\": [\n"
        "      \"likes tea\"\n    ]\n  },\n  {\n    \"name\": \"Acme\",\n    \"entityType\": \"firm\",\n"
        "    \"observations\": []\n  }\n]");
    assert_string_equal(mcp_tool_text(&client, "create_entities", "{\"entities\":[]}"), "[]");
    assert_string_equal(mcp_tool_text(&client, "search_nodes", "{\"query\":\"zzz\"}"),
                        "{\n  \"entities\": [],\n  \"relations\": []\n}");
    assert_string_equal(mcp_tool_text(&client, "delete_entities", "{\"entityNames\":[]}"),
                        "Entities deleted successfully");
}

static void who_watches_the_graph_hears_of_changes_only(void **state)
{
    (void)state;
    mcp_client_initialize(&client, "2025-06-18");
    mcp_ask_for(&client, "resources/subscribe", "\"uri\":\"memory://knowledge-graph\"");
    mcp_tool_object(&client, "read_graph", "{}");
    mcp_tool_object(&client, "search_nodes", "{\"query\":\"\"}");
    assert_int_equal(client.heard.len, 0);
    a_small_graph();
    assert_string_equal(client.heard.bytes,
                        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":"
                        "\"memory://knowledge-graph\"}}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/"
                        "updated\",\"params\":{\"uri\":\"memory://knowledge-graph\"}}\n");
    assert_non_null(strstr(mcp_ask_for(&client, "resources/read", "\"uri\":\"memory://knowledge-graph\"," MCP_MODERN),
                           "likes tea"));
    assert_non_null(strstr(mcp_ask_for(&client, "resources/read", "\"uri\":\"memory://other\"," MCP_MODERN), "-32602"));
    assert_non_null(strstr(mcp_ask_for(&client, "resources/list", "\"cursor\":\"x\"," MCP_MODERN), "-32602"));
    assert_non_null(strstr(mcp_ask_for(&client, "resources/list", MCP_MODERN), "memory://knowledge-graph"));
}

/* ---- beyond that server ---- */

static void observations_of_any_form_come_back(void **state)
{
#define ODD "{\"name\":\"o\",\"entityType\":\"\",\"observations\":[\"two\\nlines\",\"\",\"plain\"]}"
    (void)state;
    expect("{\"op\":\"create_entities\",\"entities\":[" ODD "]}", "{\"entities\":[" ODD "]}");
    expect("{\"op\":\"read\"}", "{\"entities\":[" ODD "],\"relations\":[]}");
    expect("{\"op\":\"delete_observations\",\"deletions\":[{\"entityName\":\"o\",\"observations\":[\"two\\nlines\","
           "\"\"]}]}",
           "{\"deleted\":2}");
    expect("{\"op\":\"read\"}",
           "{\"entities\":[{\"name\":\"o\",\"entityType\":\"\",\"observations\":[\"plain\"]}],\"relations\":[]}");
    quipu_str all = str_of("{}");
    buffer_clear(&answer);
    assert_int_equal(quipu_list_json(client.q, &all, collect, &answer, NULL, NULL), QUIPU_OK);
    assert_non_null(strstr(answer.bytes, "\"text\":\"plain\""));
    assert_null(strstr(answer.bytes, "\"value\""));
}

static void neighbours_are_so_many_relations_away(void **state)
{
#define E(name) "{\"name\":\"" name "\",\"entityType\":\"t\",\"observations\":[]}"
#define R(from, to) "{\"from\":\"" from "\",\"to\":\"" to "\",\"relationType\":\"r\"}"
    (void)state;
    assert_int_equal(
        graph("{\"op\":\"create_entities\",\"entities\":[" E("a") "," E("b") "," E("c") "," E("d") "]}", NULL),
        QUIPU_OK);
    assert_int_equal(
        graph("{\"op\":\"create_relations\",\"relations\":[" R("a", "b") "," R("c", "b") "," R("c", "d") "]}", NULL),
        QUIPU_OK);
    expect("{\"op\":\"neighbours\",\"names\":[\"a\"]}",
           "{\"entities\":[" E("a") "," E("b") "],\"relations\":[" R("a", "b") "," R("c", "b") "]}");
    expect("{\"op\":\"neighbours\",\"names\":[\"a\"],\"depth\":2}",
           "{\"entities\":[" E("a") "," E("b") "," E("c") "],\"relations\":[" R("a", "b") "," R("c", "b") "," R(
               "c", "d") "]}");
    assert_int_equal(graph("{\"op\":\"neighbours\",\"names\":[\"a\"],\"depth\":17}", NULL), QUIPU_E_INVALID);
    assert_string_equal(fault.field, "depth");
}

static void a_relation_has_properties(void **state)
{
#define RATED "{\"from\":\"a\",\"to\":\"b\",\"relationType\":\"r\",\"properties\":{\"since\":2020}}"
    (void)state;
    expect("{\"op\":\"create_relations\",\"relations\":[" RATED "]}", "{\"relations\":[" RATED "]}");
    expect("{\"op\":\"read\"}", "{\"entities\":[],\"relations\":[" RATED "]}");
    expect_tool("read_graph", "{}",
                "{\"entities\":[],\"relations\":[{\"from\":\"a\",\"to\":\"b\",\"relationType\":\"r\"}]}");
}

static void names_are_merged_within_a_scope_only(void **state)
{
    quipu_write_options ben = { .struct_size = sizeof ben, .user = str_of("ben") };
    (void)state;
    client.server.user = str_of("ana");
    a_small_graph();
    assert_int_equal(graph("{\"op\":\"read\"}", &ben), QUIPU_OK);
    assert_string_equal(answer.bytes, "{\"entities\":[],\"relations\":[]}");
    assert_int_equal(graph("{\"op\":\"create_entities\",\"entities\":[" ANA "]}", &ben), QUIPU_OK);
    assert_string_equal(answer.bytes, "{\"entities\":[" ANA "]}");
    assert_int_equal(graph("{\"op\":\"delete_entities\",\"entityNames\":[\"Ana\",\"Acme\"]}", &ben), QUIPU_OK);
    assert_string_equal(answer.bytes, "{\"deleted\":1}");
    expect_tool("read_graph", "{}", "{\"entities\":[" ANA "," ACME "],\"relations\":[" WORKS "]}");
}

static void a_request_that_is_wrong_is_refused_by_name(void **state)
{
    static const char *const cases[][2] = {
        { "{}", "op" },
        { "{\"op\":\"fly\"}", "op" },
        { "{\"op\":\"create_entities\"}", "entities" },
        { "{\"op\":\"create_entities\",\"entities\":[1]}", "entities" },
        { "{\"op\":\"create_entities\",\"entities\":[{\"name\":\"a\"}]}", "entityType" },
        { "{\"op\":\"create_entities\",\"entities\":[{\"name\":\"a\",\"entityType\":\"b\",\"observations\":[1]}]}",
          "observations" },
        { "{\"op\":\"create_relations\",\"relations\":[{\"from\":\"a\",\"to\":\"b\"}]}", "relationType" },
        { "{\"op\":\"create_relations\",\"relations\":[{\"from\":\"a\",\"to\":\"b\",\"relationType\":\"r\","
          "\"properties\":1}]}",
          "properties" },
        { "{\"op\":\"add_observations\",\"observations\":[{\"entityName\":\"a\"}]}", "contents" },
        { "{\"op\":\"delete_observations\",\"deletions\":[{\"entityName\":\"a\"}]}", "observations" },
        { "{\"op\":\"delete_entities\",\"entityNames\":[1]}", "entityNames" },
        { "{\"op\":\"delete_relations\"}", "relations" },
        { "{\"op\":\"search\"}", "query" },
        { "{\"op\":\"open\",\"names\":\"a\"}", "names" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (graph(cases[i][0], NULL) != QUIPU_E_INVALID || strcmp(fault.field, cases[i][1]) != 0)
            fail_msg("%s: %s [%s]", cases[i][0], fault.message, fault.field);
        assert_int_equal(answer.len, 0);
    }
    assert_int_equal(graph("{", NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_graph_json(client.q, NULL, NULL, collect, &answer, NULL, NULL), QUIPU_E_INVALID);
    quipu_str text = str_of("{\"op\":\"read\"}");
    assert_int_equal(quipu_graph_json(client.q, &text, NULL, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
}

/* ---- others who write at the same time ---- */

enum { WRITERS = 3, EACH = 8 };

static void *add_some(void *context)
{
    char request[160];
    for (int i = 0; i < EACH; i++) {
        quipu_error error = { .struct_size = sizeof error };
        buffer out = { 0 };
        snprintf(request, sizeof request,
                 "{\"op\":\"add_observations\",\"observations\":[{\"entityName\":\"Ana\",\"contents\":[\"%c%d\"]}]}",
                 *(const char *)context, i);
        quipu_str text = str_of(request);
        if (quipu_graph_json(client.q, &text, NULL, collect, &out, NULL, &error) != QUIPU_OK)
            fprintf(stderr, "%s\n", error.message);
        buffer_free(&out);
    }
    return NULL;
}

static void no_observation_is_lost_beside_others(void **state)
{
    static const char names[WRITERS] = { 'a', 'b', 'c' };
    pthread_t threads[WRITERS];
    (void)state;
    a_small_graph();
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_some, (void *)(uintptr_t)&names[i]), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mcp_tool_object(&client, "open_nodes", "{\"names\":[\"Ana\"]}");
    const cJSON *content = cJSON_GetObjectItem(cJSON_GetObjectItem(client.tree, "result"), "structuredContent");
    const cJSON *entity = cJSON_GetObjectItem(content, "entities")->child;
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(entity, "observations")), 1 + WRITERS * EACH);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(what_is_there_is_skipped),
        T(two_of_a_name_in_one_request_are_both_made),
        T(an_entity_goes_with_its_relations),
        T(observations_go_one_by_one),
        T(nothing_is_added_where_an_entity_is_not_there),
        T(words_are_found_in_any_letter_case),
        T(texts_are_printed_as_that_server_prints_them),
        T(who_watches_the_graph_hears_of_changes_only),
        T(observations_of_any_form_come_back),
        T(neighbours_are_so_many_relations_away),
        T(a_relation_has_properties),
        T(names_are_merged_within_a_scope_only),
        T(a_request_that_is_wrong_is_refused_by_name),
        T(no_observation_is_lost_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
