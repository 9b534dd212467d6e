/* test_nullclaw.c - what nullclaw expects of a memory over HTTP: the invariants of its own contract tests, and the traps. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <tests/support/scratch.h>
#include <tests/support/serve_call.h>

#define BASE "/nullclaw/v1"

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

static int count(void)
{
    assert_int_equal(call("GET", BASE "/memories/count", NULL), 200);
    return serve_reply_node("count")->valueint;
}

static int found(const char *question)
{
    assert_int_equal(call("POST", BASE "/memories/search", question), 200);
    return serve_reply_count("entries");
}

static void an_empty_store_is_healthy(void **state)
{
    (void)state;
    assert_int_equal(call("GET", BASE "/health", NULL), 200);
    assert_int_equal(count(), 0);
    assert_int_equal(call("GET", BASE "/memories/none", NULL), 404);
    assert_int_equal(found("{\"query\":\"test\",\"limit\":10,\"session_id\":null}"), 0);
    assert_int_equal(call("GET", BASE "/memories", NULL), 200);
    assert_int_equal(serve_reply_count("entries"), 0);
    assert_int_equal(call("DELETE", BASE "/memories/none", NULL), 404);
    assert_int_equal(call("GET", BASE "/sessions/none/messages", NULL), 200);
    assert_int_equal(serve_reply_count("messages"), 0);
    assert_int_equal(call("DELETE", BASE "/sessions/none/messages", NULL), 200);
}

static void a_key_is_an_entry(void **state)
{
    (void)state;
    assert_int_equal(call("PUT", BASE "/memories/k%2Fey%20%C3%A9",
                          "{\"content\":\"test content\",\"category\":\"core\",\"session_id\":null}"),
                     200);
    assert_int_equal(call("GET", BASE "/memories/k%2Fey%20%C3%A9", NULL), 200);
    assert_string_equal(serve_reply_text("entry.key"), "k/ey \xc3\xa9");
    assert_string_equal(serve_reply_text("entry.content"), "test content");
    assert_string_equal(serve_reply_text("entry.category"), "core");
    assert_non_null(serve_reply_text("entry.timestamp"));
    assert_true(cJSON_IsNull(serve_reply_node("entry.session_id")));
    assert_int_equal(found("{\"query\":\"test\",\"limit\":10}"), 1);
    assert_true(cJSON_IsNumber(serve_reply_node("entries.0.score")));
    assert_int_equal(found("{\"query\":\"test\",\"limit\":0}"), 0);
    assert_int_equal(found("{\"query\":\"test\",\"limit\":99999999999}"), 1);
    assert_int_equal(count(), 1);
    assert_int_equal(call("PUT", BASE "/memories/k%2Fey%20%C3%A9",
                          "{\"content\":\"new\",\"category\":\"daily\",\"session_id\":\"s1\"}"),
                     200);
    assert_int_equal(count(), 1);
    assert_int_equal(call("GET", BASE "/memories/k%2Fey%20%C3%A9", NULL), 200);
    assert_string_equal(serve_reply_text("entry.content"), "new");
    assert_string_equal(serve_reply_text("entry.category"), "daily");
    assert_string_equal(serve_reply_text("entry.session_id"), "s1");
    assert_int_equal(call("PUT", BASE "/memories/count", "{\"content\":\"a legal key\"}"), 200);
    assert_int_equal(count(), 2);
    assert_int_equal(call("GET", BASE "/memories?category=core", NULL), 200);
    assert_int_equal(serve_reply_count("entries"), 1);
    assert_int_equal(call("GET", BASE "/memories?session_id=s1", NULL), 200);
    assert_int_equal(serve_reply_count("entries"), 1);
    assert_int_equal(found("{\"query\":\"new\",\"limit\":5,\"session_id\":\"s2\"}"), 0);
    assert_int_equal(call("DELETE", BASE "/memories/count", NULL), 200);
    assert_int_equal(call("DELETE", BASE "/memories/count", NULL), 404);
    assert_int_equal(count(), 1);
    assert_int_equal(call("PUT", BASE "/memories/x", "{}"), 400);
    assert_int_equal(call("PUT", BASE "/memories/x", "nonsense"), 400);
}

static void messages_come_back_in_order(void **state)
{
    (void)state;
    assert_int_equal(call("POST", BASE "/sessions/s%2F1/messages", "{\"role\":\"user\",\"content\":\"one\"}"), 200);
    assert_int_equal(call("POST", BASE "/sessions/s%2F1/messages", "{\"role\":\"assistant\",\"content\":\"two\"}"),
                     200);
    assert_int_equal(call("POST", BASE "/sessions/s2/messages", "{\"role\":\"user\",\"content\":\"else\"}"), 200);
    assert_int_equal(call("GET", BASE "/sessions/s%2F1/messages", NULL), 200);
    assert_string_equal(serve_reply_last.body,
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"assistant\","
                        "\"content\":\"two\"}]}");
    assert_int_equal(count(), 0); /* a message is no entry */
    assert_int_equal(call("DELETE", BASE "/sessions/s%2F1/messages", NULL), 200);
    assert_int_equal(call("GET", BASE "/sessions/s%2F1/messages", NULL), 200);
    assert_int_equal(serve_reply_count("messages"), 0);
    assert_int_equal(call("GET", BASE "/sessions/s2/messages", NULL), 200);
    assert_int_equal(serve_reply_count("messages"), 1);
    assert_int_equal(call("POST", BASE "/sessions/s2/messages", "{\"role\":\"user\"}"), 400);
}

static void what_was_saved_by_itself_is_cleared(void **state)
{
    (void)state;
    assert_int_equal(call("PUT", BASE "/memories/autosave_user_1", "{\"content\":\"a\",\"session_id\":\"s1\"}"), 200);
    assert_int_equal(call("PUT", BASE "/memories/autosave_assistant_1", "{\"content\":\"b\",\"session_id\":\"s2\"}"),
                     200);
    assert_int_equal(call("PUT", BASE "/memories/my_autosave_user_1", "{\"content\":\"c\"}"), 200);
    assert_int_equal(call("DELETE", BASE "/sessions/auto-saved?session_id=s1", NULL), 200);
    assert_int_equal(count(), 2);
    assert_int_equal(call("DELETE", BASE "/sessions/auto-saved", NULL), 200);
    assert_int_equal(count(), 1);
    assert_int_equal(call("DELETE", BASE "/sessions/auto-saved", NULL), 200);
}

static void two_tenants_have_a_key_each(void **state)
{
    char folder[128], path[160], text[2][KEY_TEXT_MAX], line[2][128];
    const char *const users[] = { "ana", "ben" };
    (void)state;
    scratch_make(folder);
    snprintf(path, sizeof path, "%s/keys.json", folder);
    const serve_options options = { .keys_path = path };
    serve *s = serve_call_open(&options, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        key wanted = { .role = ROLE_WRITE, .user = (char *)(uintptr_t)users[i] };
        assert_int_equal(keys_add(path, &wanted, text[i], NULL), QUIPU_OK);
        snprintf(line[i], sizeof line[i], "Authorization: Bearer %s", text[i]);
        assert_int_equal(serve_call(s, "PUT", BASE "/memories/k", line[i], "{\"content\":\"mine\"}"), 200);
    }
    assert_int_equal(serve_call(s, "DELETE", BASE "/memories/k", line[0], NULL), 200);
    assert_int_equal(serve_call(s, "GET", BASE "/memories/k", line[0], NULL), 404);
    assert_int_equal(serve_call(s, "GET", BASE "/memories/k", line[1], NULL), 200);
    assert_int_equal(serve_call(s, "GET", BASE "/memories/count", line[1], NULL), 200);
    assert_int_equal(serve_reply_node("count")->valueint, 1);
    assert_int_equal(serve_call(s, "GET", BASE "/memories/k", NULL, NULL), 401);
    serve_call_close(s);
    scratch_remove(folder);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, open_it, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(an_empty_store_is_healthy),
        PLAIN(a_key_is_an_entry),
        PLAIN(messages_come_back_in_order),
        PLAIN(what_was_saved_by_itself_is_cleared),
        cmocka_unit_test(two_tenants_have_a_key_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
