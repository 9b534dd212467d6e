/* test_mem0.c - mem0's two wires where the clients' own tests do not reach: every version's form, failures, tenants. */
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

static serve *served;
static char folder[128], keys_path[160];

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

static int open_keyed(void **state)
{
    (void)state;
    scratch_make(folder);
    snprintf(keys_path, sizeof keys_path, "%s/keys.json", folder);
    const serve_options options = { .keys_path = keys_path };
    served = serve_call_open(&options, NULL, NULL);
    return 0;
}

static int close_keyed(void **state)
{
    close_it(state);
    scratch_remove(folder);
    return 0;
}

static void key_for(const char *user, unsigned role, char line[128])
{
    char text[KEY_TEXT_MAX];
    key wanted = { .role = role, .user = (char *)(uintptr_t)user };
    assert_int_equal(keys_add(keys_path, &wanted, text, NULL), QUIPU_OK);
    snprintf(line, 128, "Authorization: Token %s", text);
}

static int post(const char *path, const char *body)
{
    return serve_call(served, "POST", path, NULL, body);
}

static int get(const char *path)
{
    return serve_call(served, "GET", path, NULL, NULL);
}

/* The id of a memory that was added for ana; until the next call. */
static const char *add(const char *text, const char *more)
{
    static char id[64];
    char body[512];
    snprintf(body, sizeof body,
             "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"user_id\":\"ana\",\"infer\":false%s}", text,
             more);
    assert_int_equal(post("/v3/memories/add/", body), 200);
    snprintf(id, sizeof id, "%s", serve_reply_text("results.0.id"));
    return id;
}

static const char *at(const char *format, const char *id)
{
    static char path[256];
    int len = snprintf(path, sizeof path, "%s", format);
    char *mark = strstr(path, "ID");
    snprintf(mark, sizeof path - (size_t)(mark - path), "%s%s", id, format + (mark - path) + 2);
    (void)len;
    return path;
}

static void each_version_has_its_form(void **state)
{
    (void)state;
    const char *body = "{\"messages\":[{\"role\":\"user\",\"content\":\"rye bread\"}],\"user_id\":\"ana\"}";
    assert_int_equal(post("/v1/memories/", body), 200);
    assert_int_equal(serve_reply_count(""), 1); /* a bare list, since no format was asked for */
    assert_string_equal(serve_reply_text("0.data.memory"), "rye bread");
    assert_int_equal(post("/v1/memories/", "{\"messages\":\"x\",\"user_id\":\"ana\",\"output_format\":\"v1.1\"}"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_int_equal(serve_reply_count("relations"), 0);
    assert_string_equal(serve_reply_text("status"), "SUCCEEDED");
    assert_string_equal(serve_reply_text("infer"), "unavailable");
    assert_int_equal(get("/v1/memories/?user_id=ana"), 200);
    assert_int_equal(serve_reply_count(""), 2);
    assert_int_equal(get("/v1/memories/?user_id=ana&output_format=v1.1"), 200);
    assert_int_equal(serve_reply_count("results"), 2);
    assert_int_equal(get("/v1/memories/?user_id=ana&page=2&page_size=1&org_id=local&project_id=default"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_int_equal(serve_reply_node("count")->valueint, 2);
    assert_non_null(strstr(serve_reply_text("previous"), "?page=1&page_size=1"));
    assert_true(cJSON_IsNull(serve_reply_node("next")));
    assert_int_equal(post("/v1/memories/search/", "{\"query\":\"bread\",\"user_id\":\"ana\"}"), 200);
    assert_int_equal(serve_reply_count(""), 1);
    assert_int_equal(
        post("/v1/memories/search/", "{\"query\":\"bread\",\"user_id\":\"ana\",\"output_format\":\"v1.1\"}"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_int_equal(post("/v2/memories/search/", "{\"query\":\"bread\",\"filters\":{\"user_id\":\"ana\"}}"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_int_equal(post("/v2/memories", "{\"filters\":{\"user_id\":\"ana\"},\"fields\":[\"score\"]}"), 200);
    assert_int_equal(cJSON_GetArraySize(serve_reply_node("results.0")), 2); /* id and memory stay */
}

static void failures_say_the_same_twice(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        int status;
        const char *words;
    } rows[] = {
        { "/v3/memories/add/", "{\"messages\":[],\"user_id\":\"ana\"}", 400, "messages" },
        { "/v3/memories/add/", "{\"messages\":5,\"user_id\":\"ana\"}", 400, "messages must be" },
        { "/v3/memories/add/", "{\"messages\":\"x\"}", 400, "At least one of user_id" },
        { "/v3/memories/add/", "{\"messages\":\"x\",\"user_id\":\"a b\"}", 400, "cannot contain whitespace" },
        { "/v3/memories/add/", "{\"messages\":\"x\",\"user_id\":\"  \"}", 400, "cannot be empty" },
        { "/v3/memories/add/", "{\"messages\":\"x\",\"user_id\":7}", 400, "user_id must be a string" },
        { "/v3/memories/add/", "{\"messages\":\"x\",\"user_id\":\"a\",\"metadata\":[]}", 400, "metadata" },
        { "/v3/memories/add/", "{\"messages\":\"x\",\"user_id\":\"a\",\"expiration_date\":\"2025-02-30\"}", 400,
          "YYYY-MM-DD" },
        { "/v3/memories/add/", "{\"messages\":\"x\",\"user_id\":\"a\",\"timestamp\":\"now\"}", 400, "timestamp" },
        { "/v3/memories/add/", "{\"messages\":\"x\",\"user_id\":\"a\",\"memory_type\":\"odd\"}", 400,
          "procedural_memory" },
        { "/v3/memories/search/", "{\"filters\":{\"user_id\":\"a\"}}", 400, "Invalid query" },
        { "/v3/memories/search/", "{\"query\":\"x\",\"filters\":{\"color\":\"red\"}}", 400, "must contain at least" },
        { "/v3/memories/search/", "{\"query\":\"x\",\"filters\":{\"user_id\":\"a\",\"n\":{\"like\":1}}}", 400,
          "Unsupported metadata filter operator: like" },
        { "/v3/memories/search/", "{\"query\":\"x\",\"filters\":{\"OR\":[]}}", 400,
          "OR operator requires a non-empty list" },
        { "/v3/memories/search/", "{\"query\":\"x\",\"filters\":{\"AND\":{}}}", 400, "AND operator requires a list" },
        { "/v3/memories/search/", "{\"query\":\"x\",\"top_k\":0,\"filters\":{\"user_id\":\"a\"}}", 400, "top_k" },
        { "/v3/memories/", "{}", 400, "must contain at least" },
        { "/v3/memories/?page_size=5000", "{\"filters\":{\"user_id\":\"a\"}}", 400, "page_size" },
        { "/v3/memories/", "not json", 400, "not valid JSON" },
        { "/v3/memories/", "[]", 400, "object" },
        { "/v3/memories/", "", 400, "body" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(post(rows[i].path, rows[i].body), rows[i].status);
        const char *detail = serve_reply_text("detail");
        if (!detail || !strstr(detail, rows[i].words))
            fail_msg("%s %s: %s", rows[i].path, rows[i].body, serve_reply_last.body);
        assert_string_equal(serve_reply_text("error"), detail);
    }
    assert_int_equal(get("/v1/memories/?user_id=ana"), 200);
    assert_int_equal(serve_reply_count(""), 0);
}

static void the_self_hosted_server_words_failures_its_own_way(void **state)
{
    (void)state;
    assert_int_equal(post("/memories", "{\"messages\":"), 422);
    assert_string_equal(serve_reply_text("detail.0.type"), "value_error");
    assert_int_equal(post("/memories", "{\"user_id\":\"a\"}"), 422);
    assert_int_equal(post("/memories", "{\"messages\":\"x\"}"), 400);
    assert_string_equal(serve_reply_text("detail"), "At least one identifier (user_id, agent_id, run_id) is required.");
    assert_int_equal(post("/search", "{\"query\":\" \",\"user_id\":\"a\"}"), 400);
    assert_string_equal(serve_reply_text("detail"), "Invalid query: cannot be empty or whitespace-only.");
    assert_int_equal(post("/search", "{\"query\":\"x\",\"user_id\":\"a\",\"threshold\":1.5}"), 400);
    assert_string_equal(serve_reply_text("detail"), "Invalid threshold: 1.5. Must be between 0 and 1 (inclusive).");
    assert_int_equal(post("/search", "{\"query\":\"x\",\"user_id\":\"a\",\"top_k\":-1}"), 400);
    assert_string_equal(serve_reply_text("detail"), "Invalid top_k: -1. Must be a non-negative integer.");
    assert_int_equal(serve_call(served, "PUT", "/memories/none", NULL, "{\"text\":\"x\"}"), 404);
    assert_string_equal(serve_reply_text("detail"),
                        "Memory with id none not found. Please provide a valid 'memory_id'");
    assert_int_equal(serve_call(served, "DELETE", "/memories/none", NULL, NULL), 404);
    assert_string_equal(serve_reply_text("detail"), "Memory with id none not found");
    const char *id = add("x", "");
    assert_int_equal(serve_call(served, "PUT", at("/memories/ID", id), NULL, "{}"), 400);
    assert_int_equal(serve_call(served, "DELETE", "/memories", NULL, NULL), 400);
    assert_string_equal(serve_reply_text("detail"), "At least one identifier is required.");
    assert_int_equal(get("/memories?user_id=ana"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
}

static void expired_memories_are_hidden_but_not_gone(void **state)
{
    char id[64];
    (void)state;
    snprintf(id, sizeof id, "%s", add("old bread", ",\"expiration_date\":\"2001-01-01\""));
    add("new bread", ",\"expiration_date\":\"2099-01-01\"");
    assert_int_equal(post("/v3/memories/", "{\"filters\":{\"user_id\":\"ana\"}}"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_string_equal(serve_reply_text("results.0.expiration_date"), "2099-01-01");
    assert_int_equal(post("/v3/memories/", "{\"filters\":{\"user_id\":\"ana\"},\"show_expired\":true}"), 200);
    assert_int_equal(serve_reply_count("results"), 2);
    assert_int_equal(post("/v3/memories/search/", "{\"query\":\"bread\",\"filters\":{\"user_id\":\"ana\"}}"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_int_equal(get(at("/v1/memories/ID/", id)), 200);
    assert_string_equal(serve_reply_text("expiration_date"), "2001-01-01");
    assert_int_equal(serve_call(served, "PUT", at("/v1/memories/ID/", id), NULL, "{\"expiration_date\":null}"), 200);
    assert_int_equal(post("/v3/memories/", "{\"filters\":{\"user_id\":\"ana\"}}"), 200);
    assert_int_equal(serve_reply_count("results"), 2);
}

static void what_is_immutable_stays(void **state)
{
    char id[64];
    (void)state;
    snprintf(id, sizeof id, "%s", add("stays", ",\"immutable\":true"));
    assert_int_equal(serve_call(served, "PUT", at("/v1/memories/ID/", id), NULL, "{\"text\":\"x\"}"), 400);
    assert_int_equal(serve_call(served, "DELETE", at("/v1/memories/ID/", id), NULL, NULL), 400);
    assert_int_equal(get(at("/v1/memories/ID/", id)), 200);
    assert_string_equal(serve_reply_text("memory"), "stays");
}

static void times_and_metadata_come_back_as_they_were(void **state)
{
    (void)state;
    const char *id = add("x", ",\"timestamp\":1700000000,\"metadata\":{\"n\":9007199254740993,\"f\":1.0,\"a\":[],\"t\":"
                              "\"line\\nend\",\"user_id\":\"eve\",\"deep\":{\"x\":[{}]}}");
    assert_int_equal(get(at("/v1/memories/ID/", id)), 200);
    assert_string_equal(serve_reply_text("created_at"), "2023-11-14T22:13:20.000000+00:00");
    assert_non_null(strstr(serve_reply_last.body, "\"n\": 9007199254740993"));
    assert_non_null(strstr(serve_reply_last.body, "\"f\": 1.0"));
    assert_string_equal(serve_reply_text("metadata.t"), "line\nend");
    assert_null(serve_reply_node("metadata.user_id")); /* no scope comes in that way */
    assert_string_equal(serve_reply_text("user_id"), "ana");
    assert_string_equal(serve_reply_text("hash"), "9dd4e461268c8034f5c8564e155c67a6");
}

static void filters_mean_what_they_say(void **state)
{
    static const struct {
        const char *filters;
        int found;
    } rows[] = {
        { "{\"user_id\":\"ana\"}", 3 },
        { "{\"user_id\":\"*\"}", 3 },
        { "{\"AND\":[{\"user_id\":\"ana\"},{\"metadata\":{\"n\":2}}]}", 1 },
        { "{\"user_id\":\"ana\",\"n\":{\"gte\":2}}", 2 },
        { "{\"user_id\":\"ana\",\"n\":{\"in\":[1,3]}}", 2 },
        { "{\"user_id\":\"ana\",\"NOT\":[{\"n\":1}]}", 2 },
        { "{\"OR\":[{\"user_id\":\"ana\",\"n\":1},{\"user_id\":\"ana\",\"n\":2}]}", 2 },
        { "{\"user_id\":\"ana\",\"created_at\":{\"lte\":\"2001-01-01\"}}", 0 },
        { "{\"user_id\":\"ana\",\"agent_id\":\"poet\"}", 0 },
        { "{\"user_id\":\"ana\",\"run_id\":null}", 3 },
    };
    char body[512];
    (void)state;
    add("one", ",\"metadata\":{\"n\":1}");
    add("two", ",\"metadata\":{\"n\":2}");
    add("three", ",\"metadata\":{\"n\":3}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(body, sizeof body, "{\"filters\":%s}", rows[i].filters);
        assert_int_equal(post("/v3/memories/", body), 200);
        if (serve_reply_count("results") != rows[i].found)
            fail_msg("%s: %s", body, serve_reply_last.body);
    }
    assert_int_equal(post("/v3/memories/", "{\"filters\":{\"user_id\":\"ana\"},\"start_date\":\"2099-01-01\"}"), 200);
    assert_int_equal(serve_reply_count("results"), 0);
    assert_int_equal(post("/v3/memories/", "{\"filters\":{\"user_id\":\"ana\"},\"keywords\":\"WO\"}"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
}

static void other_kinds_of_records_are_not_memories(void **state)
{
    const quipu_str relation =
        str_of("{\"kind\":\"relation\",\"head\":\"a\",\"relation\":\"r\",\"tail\":\"b\",\"scope\":{\"user\":\"ana\"}}");
    (void)state;
    assert_int_equal(quipu_put_json(served->q, &relation, NULL, NULL, NULL, NULL), QUIPU_OK);
    assert_int_equal(post("/v3/memories/", "{\"filters\":{\"user_id\":\"ana\"}}"), 200);
    assert_int_equal(serve_reply_count("results"), 0);
    assert_int_equal(get("/entities"), 200);
    assert_int_equal(serve_reply_count(""), 0);
}

static void another_tenants_memories_are_not_there(void **state)
{
    char ana[128], ben[128], id[64], body[256];
    (void)state;
    key_for("ana", ROLE_ADMIN, ana);
    key_for("ben", ROLE_ADMIN, ben);
    assert_int_equal(serve_call(served, "POST", "/v3/memories/add/", ana, "{\"messages\":\"secret bread\"}"), 200);
    snprintf(id, sizeof id, "%s", serve_reply_text("results.0.id"));
    char event[64];
    snprintf(event, sizeof event, "%s", serve_reply_text("event_id"));
    assert_int_equal(serve_call(served, "GET", at("/v1/event/ID/", event), ana, NULL), 200);
    assert_int_equal(serve_call(served, "GET", at("/v1/event/ID/", event), ben, NULL), 404);
    assert_int_equal(serve_call(served, "GET", at("/v1/memories/ID/", id), ben, NULL), 404);
    assert_int_equal(serve_call(served, "PUT", at("/v1/memories/ID/", id), ben, "{\"text\":\"x\"}"), 404);
    assert_int_equal(serve_call(served, "DELETE", at("/v1/memories/ID/", id), ben, NULL), 404);
    assert_int_equal(serve_call(served, "GET", at("/v1/memories/ID/history/", id), ben, NULL), 200);
    assert_int_equal(serve_reply_count(""), 0);
    snprintf(body, sizeof body, "{\"memories\":[{\"memory_id\":\"%s\",\"text\":\"x\"}]}", id);
    assert_int_equal(serve_call(served, "PUT", "/v1/batch/", ben, body), 404);
    assert_int_equal(serve_call(served, "DELETE", "/v1/batch/", ben, body), 404);
    snprintf(body, sizeof body, "{\"memory_id\":\"%s\",\"feedback\":\"POSITIVE\"}", id);
    assert_int_equal(serve_call(served, "POST", "/v1/feedback/", ben, body), 404);
    assert_int_equal(serve_call(served, "DELETE", "/v1/memories/?user_id=ana", ben, NULL), 403);
    assert_int_equal(serve_call(served, "DELETE", "/v1/memories/?user_id=*", ben, NULL), 200); /* of its own */
    assert_int_equal(serve_call(served, "DELETE", "/v2/entities/user/ana/", ben, NULL), 403);
    assert_int_equal(serve_call(served, "POST", "/v1/exports/", ben, "{\"schema\":{}}"), 201);
    char export[64];
    snprintf(export, sizeof export, "{\"memory_export_id\":\"%s\"}", serve_reply_text("id"));
    assert_int_equal(serve_call(served, "POST", "/v1/exports/get/", ben, export), 200);
    assert_int_equal(serve_reply_count("results"), 0);
    assert_int_equal(serve_call(served, "POST", "/v1/exports/get/", ana, export), 404);
    assert_int_equal(serve_call(served, "PATCH", "/api/v1/orgs/organizations/local/projects/default/", ben, "{}"), 403);
    assert_int_equal(serve_call(served, "GET", "/api/v1/webhooks/projects/default/", ben, NULL), 403);
    assert_int_equal(serve_call(served, "GET", at("/v1/memories/ID/", id), ana, NULL), 200);
    assert_string_equal(serve_reply_text("memory"), "secret bread");
}

static void entities_are_counted_and_paged(void **state)
{
    char body[256];
    (void)state;
    for (int i = 0; i < 300; i++) { /* more than one table of the census */
        snprintf(body, sizeof body, "{\"messages\":\"x\",\"user_id\":\"u%03d\",\"agent_id\":\"a\",\"infer\":false}", i);
        assert_int_equal(post("/v3/memories/add/", body), 200);
    }
    assert_int_equal(get("/v1/entities/"), 200);
    assert_int_equal(serve_reply_count("results"), 301);
    assert_int_equal(serve_reply_node("total_users")->valueint, 300);
    assert_int_equal(serve_reply_node("results.0.total_memories")->valueint, 300);
    assert_int_equal(get("/v1/entities/?page=2&page_size=200"), 200);
    assert_int_equal(serve_reply_count("results"), 101);
    assert_int_equal(get("/v2/entities/user/u007/"), 200);
    assert_string_equal(serve_reply_text("name"), "u007");
    assert_int_equal(get("/v2/entities/user/nobody/"), 404);
    assert_int_equal(serve_call(served, "DELETE", "/v1/entities/odd/u007/", NULL, NULL), 400);
    assert_int_equal(serve_call(served, "DELETE", "/v1/entities/agent/a/", NULL, NULL), 200);
    assert_int_equal(get("/v1/entities/"), 200);
    assert_int_equal(serve_reply_count("results"), 0);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, open_it, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(each_version_has_its_form),
        PLAIN(failures_say_the_same_twice),
        PLAIN(the_self_hosted_server_words_failures_its_own_way),
        PLAIN(expired_memories_are_hidden_but_not_gone),
        PLAIN(what_is_immutable_stays),
        PLAIN(times_and_metadata_come_back_as_they_were),
        PLAIN(filters_mean_what_they_say),
        PLAIN(other_kinds_of_records_are_not_memories),
        cmocka_unit_test_setup_teardown(another_tenants_memories_are_not_there, open_keyed, close_keyed),
        PLAIN(entities_are_counted_and_paged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
