/* test_mcp.c - the Model Context Protocol: messages, eras, tools and their schemas, the profile `quipu` on the git backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <host_shim/serve/mcp/schema.h>
#include <sdk/json.h>
#include <stdio.h>
#include <tests/support/mcp_client.h>
#include <tests/support/scratch.h>

static char folder[128];
static mcp_client client;

static int begin(void **state)
{
    char store[160];
    (void)state;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    mcp_client_begin(&client, store, "git", "quipu");
    return 0;
}

static int end(void **state)
{
    (void)state;
    mcp_client_end(&client);
    scratch_remove(folder);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("not in it: %s\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("in it: %s\n%s", part, text);
}

/* ---- messages ---- */

static void an_error_carries_the_id_of_its_request(void **state)
{
    static const char *const cases[][2] = {
        { "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"nothing\"}", "\"id\":5,\"error\":{\"code\":-32601" },
        { "{\"jsonrpc\":\"2.0\",\"id\":\"a\\n\",\"method\":\"nothing\"}",
          "\"id\":\"a\\n\",\"error\":{\"code\":-32601" },
        { "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"ping\"}",
          "\"id\":9007199254740993,\"result\":{}" },
        { "{\"jsonrpc\":\"1.0\",\"id\":5,\"method\":\"ping\"}", "\"id\":5,\"error\":{\"code\":-32600" },
        { "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":7}", "\"id\":5,\"error\":{\"code\":-32600" },
        { "{\"jsonrpc\":\"2.0\",\"id\":5}", "\"id\":5,\"error\":{\"code\":-32600" },
        { "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\",\"params\":[]}", "\"id\":5,\"error\":{\"code\":-32602" },
        { "{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"ping\"}", "\"id\":null,\"error\":{\"code\":-32600" },
        { "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\",\"method\":\"x\"}",
          "\"id\":5,\"error\":{\"code\":-32600" },
        { "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"params\":{\"a\":\"\\u0000\"}}",
          "\"id\":\"x\",\"error\":{\"code\":-32600" },
        { "{\"jsonrpc\":\"2.0\",\"id\":5", "\"id\":null,\"error\":{\"code\":-32700" },
        { "7", "\"id\":null,\"error\":{\"code\":-32600" },
        { "[]", "\"id\":null,\"error\":{\"code\":-32600" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_has(mcp_say(&client, "%s", cases[i][0]), cases[i][1]);
}

static void nesting_that_is_too_deep_is_refused(void **state)
{
    char text[400] = "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\",\"params\":{\"a\":";
    (void)state;
    size_t at = strlen(text);
    memset(text + at, '[', 100);
    memset(text + at + 100, ']', 100);
    memcpy(text + at + 200, "}}", 3);
    assert_has(mcp_say(&client, "%s", text), "\"id\":5,\"error\":{\"code\":-32600");
}

/* ---- eras ---- */

static void each_revision_of_the_initialize_era_is_agreed_on(void **state)
{
    static const char *const known[] = { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25" };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mcp_client_initialize(&client, known[i]);
        assert_has(client.answer.bytes, known[i]);
    }
    mcp_client_initialize(&client, "2099-01-01");
    assert_has(client.answer.bytes, "\"protocolVersion\":\"2025-11-25\"");
    mcp_client_initialize(&client, "2026-07-28");
    assert_has(client.answer.bytes, "\"protocolVersion\":\"2025-11-25\"");
    assert_has(mcp_ask_for(&client, "initialize", ""), "protocolVersion");
}

static void members_come_with_the_revision_that_has_them(void **state)
{
    (void)state;
    mcp_client_initialize(&client, "2024-11-05");
    const char *tools = mcp_ask_for(&client, "tools/list", "");
    assert_has_not(tools, "annotations");
    assert_has_not(tools, "outputSchema");
    assert_has_not(mcp_ask_for(&client, "tools/call", "\"name\":\"recall\""), "structuredContent");
    mcp_client_initialize(&client, "2025-03-26");
    tools = mcp_ask_for(&client, "tools/list", "");
    assert_has(tools, "\"readOnlyHint\":true");
    assert_has_not(tools, "outputSchema");
    mcp_client_initialize(&client, "2025-06-18");
    tools = mcp_ask_for(&client, "tools/list", "");
    assert_has(tools, "outputSchema");
    assert_has_not(tools, "resultType");
    assert_has(mcp_ask_for(&client, "tools/call", "\"name\":\"recall\""), "\"structuredContent\":{\"results\":");
    tools = mcp_ask_for(&client, "tools/list", MCP_MODERN);
    assert_has(tools, "\"resultType\":\"complete\",\"ttlMs\":3600000,\"cacheScope\":\"public\"");
    assert_has(mcp_ask_for(&client, "resources/list", MCP_MODERN), "\"ttlMs\":0,\"cacheScope\":\"private\"");
}

static void a_modern_request_stands_alone(void **state)
{
    (void)state;
    const char *answer = mcp_ask_for(&client, "server/discover", MCP_MODERN);
    assert_has(answer, "\"supportedVersions\":[\"2026-07-28\"]");
    assert_has(answer, "\"resultType\":\"complete\"");
    assert_has(answer, "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"quipu\"");
    assert_has(mcp_ask_for(&client, "tools/call", "\"name\":\"recall\"," MCP_MODERN), "\"resultType\":\"complete\"");
    static const char *const removed[] = { "initialize", "ping", "logging/setLevel", "resources/subscribe",
                                           "resources/unsubscribe" };
    for (size_t i = 0; i < 5; i++)
        assert_has(mcp_ask_for(&client, removed[i], MCP_MODERN), "\"code\":-32601");
}

static void a_probe_that_failed_is_followed_by_initialize(void **state)
{
    (void)state;
    assert_has(mcp_ask_for(&client, "server/discover", ""), "\"code\":-32602");
    assert_has(mcp_ask_for(&client, "tools/list", ""), "\"code\":-32602");
    mcp_client_initialize(&client, "2025-06-18");
    assert_has(mcp_ask_for(&client, "tools/list", ""), "\"tools\":[");
    assert_has(mcp_ask_for(&client, "server/discover", ""), "\"code\":-32602");
    assert_has(mcp_ask_for(&client, "server/discover", MCP_MODERN), "supportedVersions");
}

static void meta_that_is_wrong_is_refused_by_name(void **state)
{
    (void)state;
#define V "\"io.modelcontextprotocol/protocolVersion\":"
#define C "\"io.modelcontextprotocol/clientCapabilities\":"
    const char *answer = mcp_ask_for(&client, "tools/list", "\"_meta\":{" V "\"2099-01-01\"," C "{}}");
    assert_has(answer,
               "\"code\":-32022,\"message\":\"Unsupported protocol version\",\"data\":{\"supported\":[\"2026-07-28\"],"
               "\"requested\":\"2099-01-01\"}");
    assert_has(mcp_ask_for(&client, "tools/list", "\"_meta\":{" V "7," C "{}}"), "\"code\":-32602");
    assert_has(mcp_ask_for(&client, "tools/list", "\"_meta\":{" V "\"2026-07-28\"}"), "\"code\":-32602");
    assert_has(mcp_ask_for(&client, "tools/list", "\"_meta\":{" C "{}}"), "\"code\":-32602");
    assert_has(mcp_ask_for(&client, "tools/list",
                           "\"_meta\":{" V "\"2026-07-28\"," C "{},\"io.modelcontextprotocol/logLevel\":\"loud\"}"),
               "\"code\":-32602");
}

/* ---- tools ---- */

static void what_a_tool_answers_keeps_its_schema(void **state)
{
    static const char *const calls[][2] = {
        { "remember", "{\"id\":\"a/1\",\"text\":\"Ana likes rye bread\",\"tags\":[\"food\"]}" },
        { "update", "{\"id\":\"a/1\",\"text\":\"Ana likes wheat bread\",\"category\":null}" },
        { "recall", "{\"query\":\"bread\",\"explain\":true}" },
        { "recall", "{\"k\":1}" },
        { "get", "{\"id\":\"a/1\"}" },
        { "history", "{\"id\":\"a/1\"}" },
        { "diff", "{\"from\":\"HEAD~1\"}" },
        { "revert", "{\"revision\":\"HEAD\"}" },
        { "revert", "{\"id\":\"a/1\",\"as_of\":\"HEAD~1\"}" },
        { "branch", "{\"action\":\"create\",\"name\":\"trial\"}" },
        { "branch", "{\"action\":\"merge\",\"name\":\"trial\"}" },
        { "forget", "{\"ids\":[\"a/1\"]}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const mcp_tool *tool = client.server.profile->tools;
        quipu_error error = { .struct_size = sizeof error };
        cJSON *schema = NULL, *value = NULL;
        const char *object = mcp_tool_object(&client, calls[i][0], calls[i][1]);
        assert_false(client.failed);
        while (strcmp(tool->name, calls[i][0]) != 0)
            tool++;
        assert_int_equal(json_parse(str_of(tool->output), &schema, NULL), QUIPU_OK);
        assert_int_equal(json_parse(str_of(object), &value, NULL), QUIPU_OK);
        if (mcp_schema_check(schema, value, &error) != QUIPU_OK)
            fail_msg("%s: %s\n%s", tool->name, error.message, object);
        cJSON_Delete(schema);
        cJSON_Delete(value);
    }
}

static void a_memory_is_kept_changed_and_taken_back(void **state)
{
    (void)state;
    mcp_tool_object(&client, "remember", "{\"id\":\"m\",\"text\":\"first\"}");
    mcp_tool_object(&client, "update", "{\"id\":\"m\",\"text\":\"second\"}");
    assert_has(mcp_tool_text(&client, "get", "{\"id\":\"m\"}"), "second");
    assert_has(mcp_tool_text(&client, "get", "{\"id\":\"m\",\"as_of\":\"HEAD~1\"}"), "first");
    assert_has(mcp_tool_text(&client, "diff", "{}"), "\"field\":\"text\",\"before\":\"first\",\"after\":\"second\"");
    mcp_tool_object(&client, "revert", "{\"revision\":\"HEAD\"}");
    assert_has(mcp_tool_text(&client, "get", "{\"id\":\"m\"}"), "first");
    mcp_tool_object(&client, "forget", "{\"ids\":[\"m\"]}");
    assert_has(mcp_tool_text(&client, "get", "{\"id\":\"m\"}"), "no such record");
    assert_true(client.failed);
    mcp_tool_object(&client, "revert", "{\"id\":\"m\",\"as_of\":\"HEAD~1\"}");
    assert_has(mcp_tool_text(&client, "get", "{\"id\":\"m\"}"), "first");
}

static void what_a_tool_cannot_do_is_told_to_the_model(void **state)
{
    static const char *const cases[][3] = {
        { "remember", "{}", "text: it is missing" },
        { "remember", "{\"text\":7}", "text: it has to be of type string" },
        { "remember", "{\"text\":\"\"}", "text: it needs at least 1" },
        { "remember", "{\"text\":\"x\",\"color\":\"red\"}", "color: it is not known here" },
        { "remember", "{\"text\":\"x\",\"tags\":[\"a\",1]}", "tags[1]: it has to be of type string" },
        { "remember", "{\"text\":\"x\",\"importance\":2}", "importance: it has to be at most 1" },
        { "remember", "{\"text\":\"x\",\"upsert\":true}", "upsert needs to know what to replace" },
        { "remember", "{\"text\":\"x\",\"expires_at\":\"soon\"}", "expires_at" },
        { "recall", "{\"k\":0}", "k: it has to be at least 1" },
        { "recall", "{\"query\":\"x\",\"mode\":\"loud\"}", "mode: it has to be one of auto, hybrid, lexical, vector" },
        { "recall", "{\"query\":\"x\",\"filter\":{\"a\":{\"near\":1}}}", "unknown operator" },
        { "update", "{\"id\":\"none\"}", "nothing to change" },
        { "update", "{\"id\":\"none\",\"text\":\"x\"}", "no such record" },
        { "forget", "{\"ids\":[\"none\"]}", "none" },
        { "forget", "{\"ids\":[]}", "ids: it needs at least 1" },
        { "forget", "{\"ids\":[\"a\",\"b\"],\"if_version\":\"x\"}", "if_version is the version of one record" },
        { "history", "{\"from\":\"nowhere\"}", "nowhere" },
        { "diff", "{\"from\":\"nowhere\"}", "nowhere" },
        { "revert", "{}", "give either a revision, or an id and as_of" },
        { "revert", "{\"id\":\"a\"}", "give either a revision, or an id and as_of" },
        { "revert", "{\"revision\":\"nowhere\"}", "nowhere" },
        { "branch", "{\"action\":\"create\"}", "which branch? give its name" },
        { "branch", "{\"action\":\"switch\",\"name\":\"none\"}", "none" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_has(mcp_tool_text(&client, cases[i][0], cases[i][1]), cases[i][2]);
        assert_true(client.failed);
    }
    assert_has(mcp_ask_for(&client, "tools/call", "\"name\":\"nothing\"," MCP_MODERN), "\"code\":-32602");
    assert_has(mcp_ask_for(&client, "tools/call", MCP_MODERN), "\"code\":-32602");
    assert_has(mcp_ask_for(&client, "tools/call", "\"name\":\"recall\",\"arguments\":[]," MCP_MODERN),
               "\"code\":-32602");
    mcp_client_initialize(&client, "2025-06-18"); /* here arguments that are wrong are a failure of the protocol */
    assert_has(mcp_ask_for(&client, "tools/call", "\"name\":\"get\",\"arguments\":{}"), "\"code\":-32602");
}

static void a_version_that_has_changed_is_refused(void **state)
{
    (void)state;
    mcp_tool_object(&client, "remember", "{\"id\":\"v\",\"text\":\"one\"}");
    assert_has(
        mcp_tool_text(&client, "update",
                      "{\"id\":\"v\",\"text\":\"two\",\"if_version\":\"0000000000000000000000000000000000000000\"}"),
        "version");
    assert_true(client.failed);
    assert_has(mcp_tool_text(&client, "remember", "{\"id\":\"v\",\"text\":\"three\"}"), "already");
    mcp_tool_text(&client, "remember", "{\"id\":\"v\",\"text\":\"three\",\"upsert\":true}");
    assert_false(client.failed);
}

/* ---- scope ---- */

static void a_bound_server_sees_and_changes_its_scope_only(void **state)
{
    (void)state;
    mcp_tool_object(&client, "remember", "{\"id\":\"theirs\",\"text\":\"secret bread\",\"scope\":{\"user\":\"ben\"}}");
    client.server.user = str_of("ana");
    mcp_tool_object(&client, "remember", "{\"id\":\"mine\",\"text\":\"open bread\"}");
    assert_false(client.failed);
    const char *found = mcp_tool_text(&client, "recall", "{\"query\":\"bread\"}");
    assert_has(found, "\"id\":\"mine\"");
    assert_has_not(found, "secret");
    static const char *const refused[][2] = {
        { "get", "{\"id\":\"theirs\"}" },
        { "update", "{\"id\":\"theirs\",\"text\":\"x\"}" },
        { "forget", "{\"ids\":[\"theirs\"]}" },
        { "forget", "{\"ids\":[\"mine\",\"theirs\"]}" },
        { "revert", "{\"revision\":\"HEAD~1\"}" },
        { "revert", "{\"id\":\"theirs\",\"as_of\":\"HEAD~1\"}" },
        { "recall", "{\"query\":\"bread\",\"scope\":{\"user\":\"ben\"}}" },
        { "remember", "{\"text\":\"x\",\"scope\":{\"user\":\"ben\"}}" },
        { "remember", "{\"text\":\"x\",\"id\":\"theirs\",\"upsert\":true}" },
        { "branch", "{\"action\":\"create\",\"name\":\"x\"}" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const char *answer = mcp_tool_text(&client, refused[i][0], refused[i][1]);
        if (!client.failed)
            fail_msg("%s %s was done: %s", refused[i][0], refused[i][1], answer);
        assert_has_not(answer, "secret");
    }
    assert_has_not(mcp_tool_text(&client, "history", "{}"), "secret");
    assert_has_not(mcp_tool_text(&client, "history", "{\"id\":\"theirs\"}"), "secret");
    assert_has_not(mcp_tool_text(&client, "diff", "{\"from\":\"HEAD~2\"}"), "secret");
    assert_has_not(mcp_ask_for(&client, "resources/list", MCP_MODERN), "theirs");
    assert_has(mcp_ask_for(&client, "resources/read", "\"uri\":\"quipu://records/theirs\"," MCP_MODERN), "-32602");
    assert_has_not(
        mcp_ask_for(&client, "prompts/get", "\"name\":\"recall\",\"arguments\":{\"topic\":\"bread\"}," MCP_MODERN),
        "secret");
    client.server.user = (quipu_str){ NULL, 0 };
    assert_has(mcp_tool_text(&client, "get", "{\"id\":\"theirs\"}"), "secret bread");
}

static void a_server_that_only_reads_has_no_tool_that_writes(void **state)
{
    (void)state;
    client.server.read_only = true;
    const char *tools = mcp_ask_for(&client, "tools/list", MCP_MODERN);
    assert_has(tools, "\"recall\"");
    assert_has_not(tools, "\"name\":\"remember\"");
    assert_has(mcp_ask_for(&client, "tools/call", "\"name\":\"remember\",\"arguments\":{\"text\":\"x\"}," MCP_MODERN),
               "Unknown tool");
}

static void the_client_is_the_author_of_what_it_writes(void **state)
{
    (void)state;
    mcp_client_initialize(&client, "2025-06-18");
    mcp_ask_for(&client, "tools/call", "\"name\":\"remember\",\"arguments\":{\"text\":\"x\"}");
    assert_has(mcp_tool_text(&client, "history", "{}"), "\"author\":\"tester\"");
}

/* ---- resources, prompts, the rest ---- */

static void records_and_their_history_are_resources(void **state)
{
    (void)state;
    mcp_tool_object(&client, "remember", "{\"id\":\"a b/%\xc3\xbc\",\"text\":\"one\\ntwo\"}");
    mcp_tool_object(&client, "update", "{\"id\":\"a b/%\xc3\xbc\",\"text\":\"three\"}");
#define URI "quipu://records/a%20b%2F%25%C3%BC"
    const char *answer = mcp_ask_for(&client, "resources/list", MCP_MODERN);
    assert_has(answer, "{\"uri\":\"" URI "\",\"name\":\"a b/%\xc3\xbc\",\"description\":\"three\"");
    assert_has(mcp_ask_for(&client, "resources/read", "\"uri\":\"" URI "\"," MCP_MODERN), "three");
    assert_has(mcp_ask_for(&client, "resources/read", "\"uri\":\"" URI "/at/HEAD~1\"," MCP_MODERN), "one\\\\ntwo");
    assert_has(mcp_ask_for(&client, "resources/read", "\"uri\":\"" URI "/history\"," MCP_MODERN), "update: three");
    assert_has(mcp_ask_for(&client, "resources/templates/list", MCP_MODERN), "quipu://records/{id}/at/{revision}");
    assert_has(
        mcp_ask_for(&client, "completion/complete",
                    "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"quipu://records/{id}\"},\"argument\":{\"name\":"
                    "\"id\",\"value\":\"a%20\"}," MCP_MODERN),
        "\"values\":[\"a%20b%2F%25%C3%BC\"]");
    static const char *const wrong[] = { "",
                                         "quipu://records/",
                                         "file:///etc/passwd",
                                         "quipu://records/%zz",
                                         "quipu://records/a%00b",
                                         "quipu://records/a/b",
                                         "quipu://records/%ff",
                                         "quipu://records/a/at/",
                                         "quipu://records/%4" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char params[400];
        snprintf(params, sizeof params, "\"uri\":\"%s\"," MCP_MODERN, wrong[i]);
        answer = mcp_ask_for(&client, "resources/read", params);
        assert_has(answer, "\"code\":-32602");
        assert_has(answer, "\"data\":{\"uri\":");
    }
    mcp_client_initialize(&client, "2025-06-18");
    assert_has(mcp_ask_for(&client, "resources/read", "\"uri\":\"quipu://records/none\""), "\"code\":-32002");
}

static void pages_of_resources_follow_each_other(void **state)
{
    char params[512];
    quipu_write steps[130];
    quipu_array writes = { steps, 130, sizeof steps[0] };
    (void)state;
    for (int i = 0; i < 130; i++)
        steps[i] =
            (quipu_write){ .struct_size = sizeof steps[i], .op = QUIPU_CHANGE_PUT, .json = str_of("{\"text\":\"x\"}") };
    assert_int_equal(quipu_write_records(client.q, &writes, NULL, NULL, NULL, NULL, NULL, NULL), QUIPU_OK);
    mcp_ask_for(&client, "resources/list", MCP_MODERN);
    const cJSON *result = cJSON_GetObjectItem(client.tree, "result"),
                *cursor = cJSON_GetObjectItem(result, "nextCursor");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(result, "resources")), 100);
    assert_true(cJSON_IsString(cursor));
    snprintf(params, sizeof params, "\"cursor\":\"%s\"," MCP_MODERN, cursor->valuestring);
    mcp_ask_for(&client, "resources/list", params);
    result = cJSON_GetObjectItem(client.tree, "result");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(result, "resources")), 30);
    assert_null(cJSON_GetObjectItem(result, "nextCursor"));
    assert_has(mcp_ask_for(&client, "resources/list", "\"cursor\":\"nonsense\"," MCP_MODERN), "\"code\":-32602");
}

static void who_watches_a_resource_hears_of_changes(void **state)
{
    (void)state;
    mcp_client_initialize(&client, "2025-06-18");
    assert_has(mcp_ask_for(&client, "resources/subscribe", "\"uri\":\"quipu://records/w\""), "{}");
    assert_string_equal(
        mcp_say(&client,
                "{\"jsonrpc\":\"2.0\",\"id\":\"L\",\"method\":\"subscriptions/listen\",\"params\":{"
                "\"notifications\":{\"resourceSubscriptions\":[\"quipu://records/w/history\"]}," MCP_MODERN "}}"),
        "");
    assert_has(client.heard.bytes,
               "\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{"
               "\"resourceSubscriptions\":[\"quipu://records/w/history\"]},\"_meta\":{\"io."
               "modelcontextprotocol/subscriptionId\":\"L\"}}");
    buffer_clear(&client.heard);
    mcp_tool_object(&client, "remember", "{\"id\":\"w\",\"text\":\"x\"}");
    assert_has(client.heard.bytes, "{\"uri\":\"quipu://records/w\"}}");
    assert_has(client.heard.bytes, "{\"uri\":\"quipu://records/w/history\",\"_meta\":{\"io.modelcontextprotocol/"
                                   "subscriptionId\":\"L\"}}");
    mcp_ask_for(&client, "resources/unsubscribe", "\"uri\":\"quipu://records/w\"");
    assert_true(mcp_listener_end(&client.session, "\"L\""));
    assert_false(mcp_listener_end(&client.session, "\"L\""));
    buffer_clear(&client.heard);
    mcp_tool_object(&client, "forget", "{\"ids\":[\"w\"]}");
    mcp_tool_object(&client, "revert", "{\"revision\":\"HEAD\"}");
    assert_int_equal(client.heard.len, 0);
    for (int i = 0; i < MCP_WATCHED_MAX; i++) {
        char params[64];
        snprintf(params, sizeof params, "\"uri\":\"u:%d\"", i);
        assert_string_equal(mcp_ask_for(&client, "resources/subscribe", params), "{}");
    }
    assert_has(mcp_ask_for(&client, "resources/subscribe", "\"uri\":\"one:more\""), "\"code\":-32602");
}

static void log_messages_come_to_who_wants_them(void **state)
{
    (void)state;
    mcp_client_initialize(&client, "2025-06-18");
    mcp_ask_for(&client, "tools/call", "\"name\":\"get\",\"arguments\":{\"id\":\"none\"}");
    assert_int_equal(client.heard.len, 0);
    assert_has(mcp_ask_for(&client, "logging/setLevel", "\"level\":\"loud\""), "\"code\":-32602");
    assert_string_equal(mcp_ask_for(&client, "logging/setLevel", "\"level\":\"warning\""), "{}");
    mcp_ask_for(&client, "tools/call", "\"name\":\"recall\"");
    assert_int_equal(client.heard.len, 0);
    mcp_ask_for(&client, "tools/call", "\"name\":\"get\",\"arguments\":{\"id\":\"none\"}");
    assert_has(client.heard.bytes, "{\"level\":\"warning\",\"logger\":\"quipu\",\"data\":\"get: ");
    buffer_clear(&client.heard);
    mcp_ask_for(&client, "tools/call",
                "\"name\":\"recall\",\"_meta\":{" V "\"2026-07-28\"," C
                "{},\"io.modelcontextprotocol/logLevel\":\"debug\"}");
    assert_has(client.heard.bytes, "{\"level\":\"debug\"");
}

static void prompts_put_memories_before_the_model(void **state)
{
    (void)state;
    mcp_tool_object(&client, "remember", "{\"id\":\"p\",\"text\":\"The oven door sticks\"}");
    assert_has(mcp_ask_for(&client, "prompts/list", MCP_MODERN), "\"arguments\":[{\"name\":\"topic\"");
    assert_has(
        mcp_ask_for(&client, "prompts/get", "\"name\":\"recall\",\"arguments\":{\"topic\":\"oven\"}," MCP_MODERN),
        "The oven door sticks");
    assert_has(mcp_ask_for(&client, "prompts/get", "\"name\":\"review\"," MCP_MODERN), "add: The oven door sticks");
    assert_has(mcp_ask_for(&client, "prompts/get", "\"name\":\"recall\"," MCP_MODERN), "\\\"topic\\\" is missing");
    assert_has(mcp_ask_for(&client, "prompts/get", "\"name\":\"recall\",\"arguments\":{\"topic\":1}," MCP_MODERN),
               "string");
    assert_has(mcp_ask_for(&client, "prompts/get", "\"name\":\"recall\",\"arguments\":[]," MCP_MODERN), "object");
    assert_has(mcp_ask_for(&client, "prompts/get", "\"name\":\"none\"," MCP_MODERN), "Unknown prompt");
    assert_has(mcp_ask_for(&client, "completion/complete", MCP_MODERN), "\"code\":-32602");
    assert_has(
        mcp_ask_for(&client, "completion/complete",
                    "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"recall\"},\"argument\":{\"name\":\"topic\",\"value\":"
                    "\"o\"}," MCP_MODERN),
        "{\"completion\":{\"values\":[],\"hasMore\":false}");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(an_error_carries_the_id_of_its_request),
        T(nesting_that_is_too_deep_is_refused),
        T(each_revision_of_the_initialize_era_is_agreed_on),
        T(members_come_with_the_revision_that_has_them),
        T(a_modern_request_stands_alone),
        T(a_probe_that_failed_is_followed_by_initialize),
        T(meta_that_is_wrong_is_refused_by_name),
        T(what_a_tool_answers_keeps_its_schema),
        T(a_memory_is_kept_changed_and_taken_back),
        T(what_a_tool_cannot_do_is_told_to_the_model),
        T(a_version_that_has_changed_is_refused),
        T(a_bound_server_sees_and_changes_its_scope_only),
        T(a_server_that_only_reads_has_no_tool_that_writes),
        T(the_client_is_the_author_of_what_it_writes),
        T(records_and_their_history_are_resources),
        T(pages_of_resources_follow_each_other),
        T(who_watches_a_resource_hears_of_changes),
        T(log_messages_come_to_who_wants_them),
        T(prompts_put_memories_before_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
