/* test_mcp_profiles.c - the profiles `openmemory` and `goose`: what their tools answer, and to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <tests/support/mcp_client.h>
#include <tests/support/scratch.h>

static char folder[128];
static mcp_client client;

static int begin(const char *profile)
{
    char store[160];
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    mcp_client_begin(&client, store, "git", profile);
    return 0;
}

static int begin_openmemory(void **state)
{
    (void)state;
    return begin("openmemory");
}

static int begin_goose(void **state)
{
    (void)state;
    return begin("goose");
}

static int end(void **state)
{
    (void)state;
    mcp_client_end(&client);
    scratch_remove(folder);
    return 0;
}

static void says(const char *tool, const char *arguments, const char *text)
{
    assert_string_equal(mcp_tool_text(&client, tool, arguments), text);
}

static void has(const char *tool, const char *arguments, const char *part)
{
    const char *text = mcp_tool_text(&client, tool, arguments);
    if (!strstr(text, part))
        fail_msg("not in it: %s\n%s", part, text);
}

/* ---- openmemory ---- */

static void who_is_served_has_to_be_known(void **state)
{
    (void)state;
    static const char *const calls[][2] = { { "add_memories", "{\"text\":\"x\"}" },
                                            { "search_memory", "{\"query\":\"x\"}" },
                                            { "list_memories", "{}" },
                                            { "delete_memories", "{\"memory_ids\":[\"x\"]}" },
                                            { "delete_all_memories", "{}" } };
    for (size_t i = 0; i < 5; i++)
        says(calls[i][0], calls[i][1], "Error: user_id not provided");
    client.server.user = str_of("ana");
    for (size_t i = 0; i < 5; i++)
        says(calls[i][0], calls[i][1], "Error: client_name not provided");
    assert_false(client.failed);
}

static void memories_are_added_found_and_deleted(void **state)
{
    char arguments[160], id[64] = "";
    (void)state;
    client.server.user = str_of("ana");
    client.server.app = str_of("editor");
    has("add_memories", "{\"text\":\"Ana bakes rye bread\",\"infer\":false}",
        "\"memory\":\"Ana bakes rye bread\",\"event\":\"ADD\"}]}");
    says("add_memories", "{\"text\":\"Ana bakes rye bread\"}", "{\"results\":[]}");
    has("search_memory", "{\"query\":\"bread\"}", "{\n  \"results\": [\n    {\n      \"id\": \"");
    has("search_memory", "{\"query\":\"bread\"}", "\"score\": ");
    const char *listed = mcp_tool_text(&client, "list_memories", "{}");
    assert_non_null(strstr(listed, "\"hash\": \"dd2e83a9b23cf88036ce87144d55a08e\"")); /* the text's MD5 */
    assert_int_equal(sscanf(strstr(listed, "\"id\": \"") + 7, "%63[^\"]", id), 1);
    says("delete_memories", "{\"memory_ids\":[\"none\",\"\"]}",
         "Error: No accessible memories found with provided IDs");
    client.server.user = str_of("ben");
    snprintf(arguments, sizeof arguments, "{\"memory_ids\":[\"%s\",\"none\"]}", id);
    says("delete_memories", arguments, "Error: No accessible memories found with provided IDs");
    says("delete_all_memories", "{}", "Successfully deleted all memories");
    says("list_memories", "{}", "[]");
    client.server.user = str_of("ana");
    has("list_memories", "{}", id);
    says("delete_memories", arguments, "Successfully deleted 1 memories");
    says("list_memories", "{}", "[]");
    has("add_memories", "{\"text\":\"one more\"}", "one more");
    says("delete_all_memories", "{}", "Successfully deleted all memories");
    says("list_memories", "{}", "[]");
}

/* ---- goose ---- */

#define G(category, more) "{\"category\":\"" category "\"," more "\"is_global\":true}"
#define L(category, more) "{\"category\":\"" category "\"," more "\"is_global\":false}"

static void memories_have_a_category_and_tags(void **state)
{
    (void)state;
    says("remember_memory", G("development", "\"data\":\"Uses tabs\\nnot blanks\",\"tags\":[\"style\",\"code\"],"),
         "Stored memory in category: development");
    says("remember_memory", G("development", "\"data\":\"Runs make\","), "Stored memory in category: development");
    says("remember_memory", G("personal", "\"data\":\"Drinks tea\",\"tags\":[],"),
         "Stored memory in category: personal");
    says("retrieve_memories", G("development", ""),
         "Retrieved memories: {\"code style\":[\"Uses tabs\",\"not blanks\"],\"untagged\":[\"Runs make\"]}");
    says("retrieve_memories", G("*", ""),
         "Retrieved memories: {\"development\":[\"Uses tabs\",\"not blanks\",\"Runs make\"],\"personal\":[\"Drinks "
         "tea\"]}");
    says("retrieve_memories", G("none", ""), "Retrieved memories: {}");
    says("remove_specific_memory", G("development", "\"memory_content\":\"tabs\","),
         "Removed specific memory from category: development");
    says("retrieve_memories", G("development", ""), "Retrieved memories: {\"untagged\":[\"Runs make\"]}");
    says("remove_memory_category", G("development", ""), "Cleared memories in category: development");
    says("retrieve_memories", G("*", ""), "Retrieved memories: {\"personal\":[\"Drinks tea\"]}");
    says("remove_memory_category", G("*", ""), "Cleared all memory global categories");
    says("retrieve_memories", G("*", ""), "Retrieved memories: {}");
}

static void each_project_has_its_own(void **state)
{
    (void)state;
    says("remember_memory", L("build", "\"data\":\"make\","), "Stored memory in category: build");
    says("retrieve_memories", G("*", ""), "Retrieved memories: {}");
    says("retrieve_memories", L("*", ""), "Retrieved memories: {\"build\":[\"make\"]}");
#define ELSEWHERE                                                                                                      \
    "\"_meta\":{\"agent-working-dir\":\"/else/where\",\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","     \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
    assert_non_null(strstr(
        mcp_ask_for(&client, "tools/call", "\"name\":\"retrieve_memories\",\"arguments\":" L("*", "") "," ELSEWHERE),
        "\"Retrieved memories: {}\""));
    says("remove_memory_category", G("*", ""), "Cleared all memory global categories");
    says("retrieve_memories", L("build", ""), "Retrieved memories: {\"untagged\":[\"make\"]}");
    says("remove_memory_category", L("*", ""), "Cleared all memory local categories");
    says("retrieve_memories", L("*", ""), "Retrieved memories: {}");
}

static void what_goose_would_refuse_is_refused(void **state)
{
    static const char *const wrong[][2] = { { "remember_memory", G("*", "\"data\":\"x\",") },
                                            { "remember_memory", G("", "\"data\":\"x\",") },
                                            { "remember_memory", G("a", "\"data\":\"\",") },
                                            { "remove_specific_memory", G("*", "\"memory_content\":\"x\",") },
                                            { "remove_specific_memory", G("a", "\"memory_content\":\"\",") },
                                            { "retrieve_memories", "{\"category\":\"a\"}" } };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mcp_tool_text(&client, wrong[i][0], wrong[i][1]);
        assert_true(client.failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_served_has_to_be_known, begin_openmemory, end),
        cmocka_unit_test_setup_teardown(memories_are_added_found_and_deleted, begin_openmemory, end),
        cmocka_unit_test_setup_teardown(memories_have_a_category_and_tags, begin_goose, end),
        cmocka_unit_test_setup_teardown(each_project_has_its_own, begin_goose, end),
        cmocka_unit_test_setup_teardown(what_goose_would_refuse_is_refused, begin_goose, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
