/* test_serve.c - who may ask, what is routed where, how failures are worded, keys, limits; without a socket. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tests/support/scratch.h>
#include <tests/support/serve_call.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[128], keys_path[160];
static serve *served;

static int open_plain(void **state)
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
    snprintf(keys_path, sizeof keys_path, "%s/deep/er/keys.json", folder);
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

/* A header line with a fresh key; until the next call. */
static const char *make_key(unsigned role, const char *user)
{
    static char lines[4][KEY_TEXT_MAX + 32];
    static unsigned next;
    char text[KEY_TEXT_MAX];
    char *line = lines[next++ % 4];
    quipu_error error = { .struct_size = sizeof error };
    key wanted = { .role = role, .label = (char *)(uintptr_t) "tester", .user = (char *)(uintptr_t)user };
    if (keys_add(keys_path, &wanted, text, &error) != QUIPU_OK)
        fail_msg("%s", error.message);
    snprintf(line, sizeof lines[0], "X-API-Key: %s", text);
    return line;
}

#define ADD "{\"messages\":[{\"role\":\"user\",\"content\":\"rye bread\"}],\"user_id\":\"ana\"}"

/* ---- routes ---- */

static void own_routes_answer(void **state)
{
    (void)state;
    assert_int_equal(serve_call(served, "GET", "/healthz", NULL, NULL), 200);
    assert_string_equal(serve_reply_text("status"), "ok");
    assert_int_equal(serve_call(served, "GET", "/readyz/", NULL, NULL), 200);
    assert_int_equal(serve_call(served, "HEAD", "/", NULL, NULL), 200);
    assert_string_equal(serve_reply_header("X-Request-ID"), "0123456789abcdef");
    assert_int_equal(serve_call(served, "GET", "/metrics", NULL, NULL), 200);
    assert_non_null(strstr(serve_reply_last.body, "quipu_http_requests_total{method=\"GET\",route=\"/healthz\",status="
                                                  "\"2xx\"} 1\n"));
    atomic_store(&served->draining, true);
    assert_int_equal(serve_call(served, "GET", "/readyz", NULL, NULL), 503);
    assert_int_equal(serve_call(served, "GET", "/healthz", NULL, NULL), 200);
}

static void what_is_not_served_is_said(void **state)
{
    (void)state;
    assert_int_equal(serve_call(served, "GET", "/nothing", NULL, NULL), 404);
    assert_string_equal(serve_reply_text("error.code"), "not_found");
    assert_int_equal(serve_call(served, "PATCH", "/memories", NULL, NULL), 405);
    assert_string_equal(serve_reply_header("Allow"), "POST, GET, DELETE");
    assert_int_equal(serve_call(served, "GET", "//memories", NULL, NULL), 404);
    assert_int_equal(serve_call(served, "GET", "/memories//", NULL, NULL), 404);
    assert_int_equal(serve_call(served, "GET", "nothing", NULL, NULL), 400);
    assert_int_equal(serve_call(served, "GET", "/memories/%zz", NULL, NULL), 400);
    assert_int_equal(serve_call(served, "GET", "/memories/%00", NULL, NULL), 400);
    assert_int_equal(serve_call(served, "GET", "/memories/%ff", NULL, NULL), 400);
    assert_int_equal(serve_call(served, "GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", NULL, NULL), 413);
}

static void segments_are_decoded_after_the_path_is_split(void **state)
{
    (void)state;
    assert_int_equal(
        serve_call(served, "POST", "/memories", NULL, "{\"messages\":\"x\",\"user_id\":\"a/b+c%d\",\"infer\":false}"),
        200);
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=a/b%2Bc%25d", NULL, NULL), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=a/b+c%25d", NULL, NULL), 400); /* '+' is a blank */
    assert_int_equal(serve_call(served, "DELETE", "/entities/user/a%2Fb+c%25d", NULL, NULL), 200);
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=a/b%2Bc%25d", NULL, NULL), 200);
    assert_int_equal(serve_reply_count("results"), 0);
}

static void everything_can_be_below_a_prefix(void **state)
{
    const serve_options options = { .prefix = "/mem/ory" };
    (void)state;
    serve *s = serve_call_open(&options, NULL, NULL);
    assert_int_equal(serve_call(s, "GET", "/mem/ory/healthz", NULL, NULL), 200);
    assert_int_equal(serve_call(s, "GET", "/mem/ory", NULL, NULL), 200);
    assert_int_equal(serve_call(s, "GET", "/healthz", NULL, NULL), 404);
    assert_int_equal(serve_call(s, "GET", "/openapi.json", NULL, NULL), 404);
    assert_int_equal(serve_call(s, "GET", "/mem/ory/openapi.json", NULL, NULL), 200);
    assert_non_null(serve_reply_node("paths"));
    assert_non_null(cJSON_GetObjectItem(serve_reply_node("paths"), "/mem/ory/memories"));
    serve_call_close(s);
}

static void the_document_has_every_route(void **state)
{
    (void)state;
    assert_int_equal(serve_call(served, "GET", "/openapi.json", NULL, NULL), 200);
    assert_string_equal(serve_reply_text("openapi"), "3.1.0");
    const cJSON *paths = serve_reply_node("paths");
    for (size_t i = 0; i < router_count(served->routes); i++) {
        const route *row = router_row(served->routes, i);
        char method[16] = "";
        for (size_t c = 0; row->method[c]; c++)
            method[c] = (char)(row->method[c] | 0x20);
        const cJSON *operation = cJSON_GetObjectItem(cJSON_GetObjectItemCaseSensitive(paths, row->pattern), method);
        assert_non_null(operation);
        assert_non_null(row->summary);
        assert_true(!row->body == !cJSON_GetObjectItem(operation, "requestBody"));
    }
}

/* ---- where a request comes from ---- */

static void a_rebound_name_is_refused(void **state)
{
    static const char *const good[] = { "Host: localhost", "Host: LOCALHOST:8765", "Host: 127.0.0.1:8765",
                                        "Host: [::1]:8765", "Host: 192.168.1.5" };
    static const char *const bad[] = {
        "Host: evil.example",           "Host: localhost.evil.example:8765", "Host: ", "Host: :80", "Host: [::1",
        "Host: 127.0.0.1.evil.example", "Host: 127.0.0.1@evil.example"
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(serve_call(served, "GET", "/healthz", good[i], NULL), 200);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(serve_call(served, "POST", "/memories", bad[i], ADD), 403);
        assert_string_equal(serve_reply_text("error.field"), "Host");
    }
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=ana", NULL, NULL), 200);
    assert_int_equal(serve_reply_count("results"), 0); /* nothing was changed */
}

static void pages_of_other_origins_are_refused(void **state)
{
    static const char *const good[] = { "Origin: http://localhost:3000", "Origin: https://127.0.0.1",
                                        "Host: 192.168.1.5:8765\nOrigin: http://192.168.1.5:8765" };
    static const char *const bad[] = { "Origin: null",
                                       "Origin: http://evil.example",
                                       "Origin: file://localhost",
                                       "Origin: http://192.168.1.5:8765",
                                       "Origin: http://localhost.evil.example",
                                       "Origin: http://[::1" };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(serve_call(served, "GET", "/healthz", good[i], NULL), 200);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(serve_call(served, "POST", "/memories", bad[i], ADD), 403);
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=ana", NULL, NULL), 200);
    assert_int_equal(serve_reply_count("results"), 0);
}

static void names_and_pages_can_be_allowed(void **state)
{
    const char *const hosts[] = { "box.local", NULL }, *const origins[] = { "https://app.example", NULL };
    const serve_options options = { .hosts = hosts, .origins = origins };
    (void)state;
    serve *s = serve_call_open(&options, NULL, NULL);
    assert_int_equal(serve_call(s, "GET", "/healthz", "Host: Box.Local:80", NULL), 200);
    assert_int_equal(serve_call(s, "GET", "/healthz", "Host: other.local", NULL), 403);
    assert_int_equal(serve_call(s, "GET", "/healthz", "Origin: https://app.example", NULL), 200);
    assert_string_equal(serve_reply_header("Access-Control-Allow-Origin"), "https://app.example");
    assert_int_equal(serve_call(s, "GET", "/healthz", "Origin: http://app.example", NULL), 403);
    serve_call_close(s);
}

/* ---- keys ---- */

static void without_a_key_all_is_open_and_with_one_nothing(void **state)
{
    (void)state;
    assert_int_equal(serve_call(served, "POST", "/memories", NULL, ADD), 200);
    const char *header = make_key(ROLE_WRITE, NULL);
    assert_int_equal(serve_call(served, "POST", "/memories", NULL, ADD), 401);
    assert_string_equal(serve_reply_header("WWW-Authenticate"), "Bearer");
    assert_int_equal(serve_call(served, "GET", "/metrics", NULL, NULL), 401);
    assert_int_equal(serve_call(served, "GET", "/healthz", NULL, NULL), 200);
    assert_int_equal(serve_call(served, "POST", "/memories", header, ADD), 200);
}

static void a_key_is_taken_from_three_places(void **state)
{
    char line[256];
    (void)state;
    const char *text = make_key(ROLE_READ, NULL) + strlen("X-API-Key: ");
    static const char *const forms[] = { "X-API-Key: %s", "Authorization: Token %s", "Authorization: Bearer %s",
                                         "authorization: %s" };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        snprintf(line, sizeof line, forms[i], text);
        assert_int_equal(serve_call(served, "GET", "/memories?user_id=a", line, NULL), 200);
    }
    snprintf(line, sizeof line, "Authorization: Bearer wrong\nX-API-Key: %s", text); /* the first alone decides */
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=a", line, NULL), 401);
}

static void wrong_keys_are_refused(void **state)
{
    char line[256];
    (void)state;
    const char *good = make_key(ROLE_ADMIN, NULL);
    size_t len = strlen(good);
    for (size_t i = strlen("X-API-Key: "); i < len; i++) { /* each character counts */
        snprintf(line, sizeof line, "%s", good);
        line[i] = line[i] == 'a' ? 'b' : 'a';
        assert_int_equal(serve_call(served, "GET", "/memories", line, NULL), 401);
    }
    snprintf(line, sizeof line, "%.*s", (int)len - 1, good);
    assert_int_equal(serve_call(served, "GET", "/memories", line, NULL), 401);
    snprintf(line, sizeof line, "%sa", good);
    assert_int_equal(serve_call(served, "GET", "/memories", line, NULL), 401);
    assert_int_equal(serve_call(served, "GET", "/memories", "X-API-Key: ", NULL), 401);
    assert_int_equal(serve_call(served, "GET", "/memories", "X-API-Key: qk_", NULL), 401);
    assert_null(strstr(serve_reply_last.body, "qk_"));
    assert_int_equal(serve_call(served, "GET", "/memories", good, NULL), 200);
}

static void a_removed_key_is_refused_at_once(void **state)
{
    char id[KEY_ID_LEN + 1];
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    make_key(ROLE_READ, NULL);
    const char *header = make_key(ROLE_READ, NULL);
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=a", header, NULL), 200);
    snprintf(id, sizeof id, "%s", header + strlen("X-API-Key: qk_"));
    assert_int_equal(keys_remove(keys_path, id, &error), QUIPU_OK);
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=a", header, NULL), 401);
    assert_int_equal(keys_remove(keys_path, id, &error), QUIPU_E_NOT_FOUND);
}

static void roles_bound_what_a_key_may_do(void **state)
{
    (void)state;
    const char *reads = make_key(ROLE_READ, NULL), *writes = make_key(ROLE_WRITE, NULL);
    assert_int_equal(serve_call(served, "POST", "/memories", reads, ADD), 403);
    assert_int_equal(serve_call(served, "POST", "/memories", writes, ADD), 200);
    assert_int_equal(serve_call(served, "POST", "/reset", writes, NULL), 403);
    assert_string_equal(serve_reply_text("detail"), "Admin role required.");
    assert_int_equal(serve_call(served, "POST", "/search", reads, "{\"query\":\"bread\",\"user_id\":\"ana\"}"), 200);
    assert_int_equal(serve_reply_count("results"), 1);
}

static void a_bound_key_sees_its_scope_alone(void **state)
{
    char path[128], id[64];
    (void)state;
    const char *ana = make_key(ROLE_ADMIN, "ana"), *ben = make_key(ROLE_ADMIN, "ben");
    assert_int_equal(serve_call(served, "POST", "/memories", ana, "{\"messages\":\"rye bread\"}"), 200);
    snprintf(id, sizeof id, "%s", serve_reply_text("results.0.id"));
    assert_int_equal(serve_call(served, "POST", "/memories", ben, ADD), 403); /* of ana */
    snprintf(path, sizeof path, "/memories/%s", id);
    assert_int_equal(serve_call(served, "GET", path, ana, NULL), 200);
    assert_string_equal(serve_reply_text("user_id"), "ana");
    assert_int_equal(serve_call(served, "GET", path, ben, NULL), 200);
    assert_string_equal(serve_reply_last.body, "null");
    assert_int_equal(serve_call(served, "PUT", path, ben, "{\"text\":\"mine\"}"), 404);
    assert_int_equal(serve_call(served, "DELETE", path, ben, NULL), 404);
    snprintf(path, sizeof path, "/memories/%s/history", id);
    assert_int_equal(serve_call(served, "GET", path, ben, NULL), 200);
    assert_string_equal(serve_reply_last.body, "[]");
    static const char *const questions[] = {
        "{\"query\":\"bread\",\"filters\":{\"OR\":[{\"user_id\":\"ana\"},{\"user_id\":\"ben\"}]}}",
        "{\"query\":\"bread\",\"filters\":{\"NOT\":[{\"user_id\":\"ben\"}]}}",
        "{\"query\":\"bread\",\"filters\":{\"user_id\":\"*\"}}",
        "{\"query\":\"bread\",\"filters\":{\"user_id\":{\"ne\":\"ben\"}}}",
        "{\"query\":\"bread\"}",
    };
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        assert_int_equal(serve_call(served, "POST", "/search", ben, questions[i]), 200);
        assert_int_equal(serve_reply_count("results"), 0);
    }
    assert_int_equal(serve_call(served, "POST", "/search", ben, "{\"query\":\"bread\",\"user_id\":\"ana\"}"), 403);
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=ana", ben, NULL), 403);
    assert_int_equal(serve_call(served, "GET", "/memories", ben, NULL), 200);
    assert_int_equal(serve_reply_count("results"), 0);
    assert_int_equal(serve_call(served, "GET", "/entities", ben, NULL), 200);
    assert_string_equal(serve_reply_last.body, "[]");
    assert_int_equal(serve_call(served, "DELETE", "/entities/user/ana", ben, NULL), 403);
    assert_int_equal(serve_call(served, "POST", "/reset", ben, NULL), 200);
    assert_int_equal(serve_call(served, "GET", "/memories", ana, NULL), 200);
    assert_int_equal(serve_reply_count("results"), 1);
}

static void the_file_of_keys_is_private_and_hashed(void **state)
{
    struct stat info;
    buffer text = { 0 };
    char chunk[4096];
    (void)state;
    const char *header = make_key(ROLE_READ, "ana");
    assert_int_equal(stat(keys_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    int fd = open(keys_path, O_RDONLY);
    ssize_t got = read(fd, chunk, sizeof chunk);
    close(fd);
    assert_true(got > 0);
    buffer_append(&text, chunk, (size_t)got);
    assert_null(strstr(text.bytes, header + strlen("X-API-Key: qk_") + KEY_ID_LEN + 1));
    buffer_free(&text);
}

/* Nobody comes in where it is not known who may. */
static void a_file_of_keys_that_cannot_be_used_lets_nobody_in(void **state)
{
    key_list list;
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    const char *header = make_key(ROLE_ADMIN, NULL);
    assert_int_equal(serve_call(served, "GET", "/memories", header, NULL), 200);
    assert_int_equal(chmod(keys_path, 0644), 0);
    assert_int_equal(serve_call(served, "GET", "/memories", header, NULL), 401);
    assert_int_equal(serve_call(served, "GET", "/memories", NULL, NULL), 401);
    assert_int_equal(keys_read(keys_path, &list, &error), QUIPU_E_DENIED);
    assert_int_equal(chmod(keys_path, 0600), 0);
    assert_int_equal(serve_call(served, "GET", "/memories", header, NULL), 200);
    static const char short_hash[] =
        "{\"format\":1,\"keys\":[{\"id\":\"0123456789ab\",\"hash\":\"00\",\"role\":\"read\"}]}";
    static const char *const bad[] = {
        "", "{", "[]", "{\"format\":1}", "{\"format\":2,\"keys\":[]}", "{\"format\":1,\"keys\":[{}]}", short_hash
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FILE *f = fopen(keys_path, "w");
        fputs(bad[i], f);
        fclose(f);
        assert_true(keys_read(keys_path, &list, &error) < 0);
        assert_int_equal(serve_call(served, "GET", "/memories", header, NULL), 401);
        assert_int_equal(serve_call(served, "GET", "/memories", NULL, NULL), 401);
    }
}

static void a_bound_that_is_not_known_is_not_overlooked(void **state)
{
    key_list list;
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    make_key(ROLE_READ, NULL);
    FILE *f = fopen(keys_path, "w");
    fputs("{\"format\":1,\"keys\":[{\"id\":\"0123456789ab\",\"hash\":\"", f);
    for (int i = 0; i < 32; i++)
        fputs("00", f);
    fputs("\",\"role\":\"read\",\"scope\":{\"team\":\"x\"}}]}", f);
    fclose(f);
    assert_int_equal(keys_read(keys_path, &list, &error), QUIPU_E_FORMAT);
}

static void bad_labels_are_refused(void **state)
{
    char text[KEY_TEXT_MAX];
    quipu_error error = { .struct_size = sizeof error };
    static const char *const bad[] = { "", "a\nb", "\xff" };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        key wanted = { .role = ROLE_READ, .label = (char *)(uintptr_t)bad[i] };
        assert_int_equal(keys_add(keys_path, &wanted, text, &error), QUIPU_E_INVALID);
        assert_string_equal(error.field, "label");
    }
}

static void what_all_are_bound_to_holds_for_everybody(void **state)
{
    serve_options options = { .user = { "ana", 3 } };
    (void)state;
    serve *s = serve_call_open(&options, NULL, NULL);
    assert_int_equal(serve_call(s, "POST", "/memories", NULL, ADD), 200);
    assert_int_equal(serve_call(s, "GET", "/memories", NULL, NULL), 200);
    assert_int_equal(serve_reply_count("results"), 1);
    assert_int_equal(serve_call(s, "GET", "/memories?user_id=ben", NULL, NULL), 403);
    serve_call_close(s);
}

static void a_server_that_needs_a_key_lets_nobody_in_without(void **state)
{
    const serve_options options = { .needs_key = true };
    (void)state;
    serve *s = serve_call_open(&options, NULL, NULL);
    assert_int_equal(serve_call(s, "GET", "/memories?user_id=a", NULL, NULL), 401);
    assert_int_equal(serve_call(s, "GET", "/memories?user_id=a", "X-API-Key: x", NULL), 401);
    serve_call_close(s);
}

/* ---- limits ---- */

static void a_client_may_ask_so_often(void **state)
{
    limits *l;
    uint32_t left;
    int64_t wait;
    const quipu_str a = { "a", 1 }, b = { "b", 1 };
    (void)state;
    assert_int_equal(limits_create(3, &l, NULL), QUIPU_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(limits_take(l, a, 1000, &left, &wait));
        assert_int_equal(left, 2 - i);
    }
    assert_false(limits_take(l, a, 1000, &left, &wait));
    assert_true(wait > 0 && wait <= 334);
    assert_true(limits_take(l, b, 1000, &left, &wait));
    assert_false(limits_take(l, a, 333000000, &left, &wait));
    assert_true(limits_take(l, a, 1000 + 334000000, &left, &wait));
    assert_false(limits_take(l, a, 1000 + 334000000, &left, &wait));
    assert_true(limits_take(l, a, 3600000000000, &left, &wait));
    assert_int_equal(left, 2); /* it holds no more than a second's worth */
    limits_free(l);
}

static void who_asks_too_often_is_told_when_to_come_back(void **state)
{
    const serve_options options = { .rate = 1 };
    (void)state;
    serve *s = serve_call_open(&options, NULL, NULL);
    int refused = 0;
    for (int i = 0; i < 50 && !refused; i++)
        refused = serve_call(s, "GET", "/memories?user_id=a", NULL, NULL) == 429;
    assert_true(refused);
    assert_string_equal(serve_reply_header("Retry-After"), "1");
    assert_string_equal(serve_reply_header("X-RateLimit-Limit"), "1");
    assert_string_equal(serve_reply_header("X-RateLimit-Remaining"), "0");
    assert_int_equal(serve_call(s, "GET", "/healthz", NULL, NULL), 200);
    serve_call_close(s);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, open_plain, close_it)
#define KEYED(test) cmocka_unit_test_setup_teardown(test, open_keyed, close_keyed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(own_routes_answer),
        PLAIN(what_is_not_served_is_said),
        PLAIN(segments_are_decoded_after_the_path_is_split),
        cmocka_unit_test(everything_can_be_below_a_prefix),
        PLAIN(the_document_has_every_route),
        PLAIN(a_rebound_name_is_refused),
        PLAIN(pages_of_other_origins_are_refused),
        cmocka_unit_test(names_and_pages_can_be_allowed),
        KEYED(without_a_key_all_is_open_and_with_one_nothing),
        KEYED(a_key_is_taken_from_three_places),
        KEYED(wrong_keys_are_refused),
        KEYED(a_removed_key_is_refused_at_once),
        KEYED(roles_bound_what_a_key_may_do),
        KEYED(a_bound_key_sees_its_scope_alone),
        KEYED(the_file_of_keys_is_private_and_hashed),
        KEYED(a_file_of_keys_that_cannot_be_used_lets_nobody_in),
        KEYED(a_bound_that_is_not_known_is_not_overlooked),
        KEYED(bad_labels_are_refused),
        cmocka_unit_test(what_all_are_bound_to_holds_for_everybody),
        cmocka_unit_test(a_server_that_needs_a_key_lets_nobody_in_without),
        cmocka_unit_test(a_client_may_ask_so_often),
        cmocka_unit_test(who_asks_too_often_is_told_when_to_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
