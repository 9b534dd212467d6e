/* test_mcp_http.c - MCP over Streamable HTTP: both eras, what headers have to say, sessions, streams on real sockets, who may come in. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <host_shim/serve/http/web_server.h>
#include <host_shim/serve/mcp/peers.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tests/support/mcp_client.h>
#include <tests/support/serve_call.h>
#include <unistd.h>

#define PATIENCE_MS 100000
#define GRAPH "/mcp/memory"
#define URI "memory://knowledge-graph"
#define CREATE                                                                                                         \
    "\"name\":\"create_entities\",\"arguments\":{\"entities\":[{\"name\":\"%s\",\"entityType\":\"t\","                 \
    "\"observations\":"                                                                                                \
    "[]}]}"

static serve *served;
static web_server *server;

static int open_it(void **state)
{
    quipu_error error = { .struct_size = sizeof error };
    const web_server_options options = { .workers = 4 };
    (void)state;
    served = serve_call_open(NULL, NULL, NULL);
    if (web_server_start(&options, served, &server, &error) != QUIPU_OK)
        fail_msg("%s", error.message);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    assert_int_equal(web_server_stop(server, PATIENCE_MS), 0);
    serve_call_close(served);
    return 0;
}

/* ---- without a socket ---- */

static char session[MCP_PEER_ID];

/* Begins a session by the revision; its id is in `session`, and a header that names it is what comes back. */
static const char *begin_session(const char *path, const char *revision)
{
    static char line[96];
    char body[256];
    snprintf(body, sizeof body,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"%s\","
             "\"capabilities\":{},\"clientInfo\":{\"name\":\"test\",\"version\":\"1\"}}}",
             revision);
    assert_int_equal(serve_call(served, "POST", path, NULL, body), 200);
    assert_string_equal(serve_reply_text("result.protocolVersion"), revision);
    assert_non_null(serve_reply_header("Mcp-Session-Id"));
    snprintf(session, sizeof session, "%s", serve_reply_header("Mcp-Session-Id"));
    snprintf(line, sizeof line, "Mcp-Session-Id: %s\n", session);
    return line;
}

static int post(const char *path, const char *headers, const char *method, const char *params)
{
    char body[2048];
    snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"%s\",\"params\":{%s}}", method, params);
    return serve_call(served, "POST", path, headers, body);
}

static int error_code(void)
{
    const cJSON *code = serve_reply_node("error.code");
    return code ? code->valueint : 0;
}

#define V "MCP-Protocol-Version: 2026-07-28\n"

static void a_session_is_found_by_its_id_and_goes(void **state)
{
    (void)state;
    const char *mine = begin_session("/mcp", "2025-06-18");
    assert_int_equal(post("/mcp", mine, "tools/list", ""), 200);
    assert_string_equal(serve_reply_text("id"), "q");
    assert_string_equal(serve_reply_text("result.tools.0.name"), "remember");
    assert_null(serve_reply_node("result.resultType"));
    assert_int_equal(
        serve_call(served, "POST", "/mcp", mine, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"),
        202);
    assert_string_equal(serve_reply_last.body, "");
    assert_int_equal(post("/mcp/memory", mine, "tools/list", ""), 404); /* it belongs to the other profile */
    assert_int_equal(serve_call(served, "DELETE", "/mcp", mine, NULL), 204);
    assert_int_equal(post("/mcp", mine, "tools/list", ""), 404);
    assert_int_equal(serve_call(served, "DELETE", "/mcp", mine, NULL), 404);
    assert_int_equal(serve_call(served, "DELETE", "/mcp", NULL, NULL), 405);
    assert_int_equal(serve_call(served, "GET", "/mcp", NULL, NULL), 405);
    assert_string_equal(serve_reply_header("Allow"), "POST");
    assert_int_equal(serve_call(served, "GET", "/mcp", "Mcp-Session-Id: 00\n", NULL), 404);
}

static void who_needs_no_session_has_none(void **state)
{
    (void)state;
    assert_int_equal(post("/mcp", NULL, "tools/list", ""), 200);
    assert_null(serve_reply_node("result.tools.0.outputSchema")); /* 2025-03-26 */
    assert_int_equal(post("/mcp", "MCP-Protocol-Version: 2025-11-25\n", "tools/list", ""), 200);
    assert_non_null(serve_reply_node("result.tools.0.outputSchema"));
    assert_int_equal(post("/mcp", "MCP-Protocol-Version: 1999-01-01\n", "tools/list", ""), 400);
    assert_int_equal(post("/mcp", NULL, "nothing/there", ""), 200);
    assert_int_equal(error_code(), RPC_METHOD_NOT_FOUND);
    assert_int_equal(post("/mcp/nobody", NULL, "tools/list", ""), 404);
}

static void arrays_belong_to_one_revision(void **state)
{
    static const char two[] = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":2,"
                              "\"method\":\"ping\"}]";
    (void)state;
    assert_int_equal(serve_call(served, "POST", "/mcp", NULL, two), 200);
    assert_int_equal(cJSON_GetArraySize(serve_reply_last.json), 2);
    assert_int_equal(serve_call(served, "POST", "/mcp", NULL, "[{\"jsonrpc\":\"2.0\",\"method\":\"x\"}]"), 202);
    assert_int_equal(serve_call(served, "POST", "/mcp", "MCP-Protocol-Version: 2025-06-18\n", two), 400);
    assert_int_equal(serve_call(served, "POST", "/mcp", NULL, "[]"), 400);
    assert_int_equal(serve_call(served, "POST", "/mcp", NULL, "{"), 400);
    assert_int_equal(error_code(), RPC_PARSE_ERROR);
    assert_int_equal(serve_call(served, "POST", "/mcp", NULL, "{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}"),
                     400);
    assert_int_equal(serve_reply_node("id")->valueint, 7);
}

static void a_modern_request_stands_alone(void **state)
{
    (void)state;
    assert_int_equal(post("/mcp", V "Mcp-Method: server/discover\n", "server/discover", MCP_MODERN), 200);
    assert_string_equal(serve_reply_text("result.supportedVersions.0"), "2026-07-28");
    assert_null(serve_reply_header("Mcp-Session-Id"));
    assert_int_equal(post("/mcp", V "Mcp-Method: tools/list\nMcp-Session-Id: none\n", "tools/list", MCP_MODERN), 200);
    assert_string_equal(serve_reply_text("result.resultType"), "complete");
    assert_int_equal(post("/mcp", V "Mcp-Method: ping\n", "ping", MCP_MODERN), 404);
    assert_int_equal(error_code(), RPC_METHOD_NOT_FOUND);
    assert_string_equal(serve_reply_text("id"), "q");
    assert_int_equal(serve_call(served, "GET", "/mcp", V "Mcp-Session-Id: x\n", NULL), 405);
    assert_int_equal(serve_call(served, "DELETE", "/mcp", V "Mcp-Session-Id: x\n", NULL), 405);
    assert_int_equal(serve_call(served, "POST", "/mcp", V, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}"),
                     202);
}

static void headers_say_what_the_body_says(void **state)
{
    static const char call[] = "tools/call", get[] = MCP_MODERN ",\"name\":\"get\",\"arguments\":{\"id\":\"x\"}";
    (void)state;
    assert_int_equal(post("/mcp", V "Mcp-Method: tools/call\nMcp-Name: get\n", call, get), 200);
    assert_int_equal(post("/mcp", V "mcp-method: tools/call\nmcp-name: =?base64?Z2V0?=\n", call, get), 200);
    static const char *const wrong[] = {
        "Mcp-Method: tools/call\nMcp-Name: get\n", /* no version */
        "MCP-Protocol-Version: 2025-11-25\nMcp-Method: tools/call\nMcp-Name: get\n",
        V "Mcp-Name: get\n",
        V "Mcp-Method: tools/list\nMcp-Name: get\n",
        V "Mcp-Method: tools/call\n",
        V "Mcp-Method: tools/call\nMcp-Name: Get\n",
        V "Mcp-Method: tools/call\nMcp-Name: =?base64?Z2V1?=\n",
        V "Mcp-Method: tools/call\nMcp-Name: =?base64?Z2V0*?=\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(post("/mcp", wrong[i], call, get), 400);
        assert_int_equal(error_code(), -32020);
        assert_string_equal(serve_reply_text("id"), "q");
    }
    assert_int_equal(post("/mcp", V "Mcp-Method: tools/list\n", "tools/list", ""), 400);
    assert_int_equal(error_code(), RPC_INVALID_PARAMS);
    assert_int_equal(post("/mcp", "MCP-Protocol-Version: 2099-01-01\nMcp-Method: tools/list\n", "tools/list",
                          "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2099-01-01\","
                          "\"io.modelcontextprotocol/clientCapabilities\":{}}"),
                     400);
    assert_int_equal(error_code(), -32022);
    assert_string_equal(serve_reply_text("error.data.requested"), "2099-01-01");
    assert_int_equal(post("/mcp", V "Mcp-Method: tools/list\n", "tools/list",
                          "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}"),
                     400);
    assert_int_equal(error_code(), RPC_INVALID_PARAMS);
}

static void log_messages_come_before_the_answer(void **state)
{
    (void)state;
    const char *mine = begin_session("/mcp", "2025-11-25");
    assert_int_equal(post("/mcp", mine, "logging/setLevel", "\"level\":\"debug\""), 200);
    assert_int_equal(post("/mcp", mine, "tools/call", "\"name\":\"recall\",\"arguments\":{}"), 200);
    assert_string_equal(serve_reply_last.answer.type, "text/event-stream");
    const char *log = strstr(serve_reply_last.body, "notifications/message");
    assert_non_null(log);
    assert_non_null(strstr(log, "\"id\":\"q\",\"result\""));
}

static void a_page_of_elsewhere_may_not_call(void **state)
{
    (void)state;
    assert_int_equal(post("/mcp", "Host: evil.example.com\nOrigin: http://evil.example.com\n", "tools/list", ""), 403);
    assert_int_equal(post("/mcp", "Host: 127.0.0.1:80\nOrigin: http://evil.example.com\n", "tools/list", ""), 403);
    assert_int_equal(post("/mcp", "Host: localhost:80\nOrigin: http://localhost:80\n", "tools/list", ""), 200);
}

static void a_path_of_openmemory_names_client_and_user(void **state)
{
    static const char add[] = "\"name\":\"add_memories\",\"arguments\":{\"text\":\"likes rye\"}";
    static const char list[] = "\"name\":\"list_memories\",\"arguments\":{}";
    (void)state;
    assert_int_equal(post("/mcp/cursor/http/ana", NULL, "tools/call", add), 200);
    assert_int_equal(post("/mcp/cursor/http/ana", NULL, "tools/call", list), 200);
    assert_non_null(strstr(serve_reply_text("result.content.0.text"), "likes rye"));
    assert_int_equal(post("/mcp/cursor/http/ben", NULL, "tools/call", list), 200);
    assert_null(strstr(serve_reply_text("result.content.0.text"), "likes rye"));
}

/* What one key does is neither seen nor ended by another. */
static void a_session_is_of_its_key(void **state)
{
    quipu_error error = { .struct_size = sizeof error };
    peers *all = peers_create();
    peer *p, *found;
    const principal ana = { .role = ROLE_WRITE, .key = "a", .user = str_of("ana") };
    const principal ben = { .role = ROLE_WRITE, .key = "b", .user = str_of("ben") };
    const mcp_profile *profile = mcp_profile_find("memory");
    (void)state;
    assert_int_equal(peers_add(all, profile, &ana, false, &p, &error), QUIPU_OK);
    quipu_str id = str_of(p->id);
    assert_null(peers_find(all, id, profile, &ben));
    found = peers_find(all, id, profile, &ana);
    assert_ptr_equal(found, p);
    peers_drop(found);
    peers_drop(p);
    for (unsigned i = 0; i < MCP_PEERS_MAX + 3; i++) { /* those that were quiet longest give way */
        assert_int_equal(peers_add(all, profile, &ana, false, &p, &error), QUIPU_OK);
        peers_drop(p);
    }
    peers_free(all);
}

static void too_many_that_are_held_are_refused(void **state)
{
    quipu_error error = { .struct_size = sizeof error };
    peers *all = peers_create();
    peer *p;
    const principal ana = { .role = ROLE_WRITE };
    (void)state;
    for (unsigned i = 0; i < MCP_PEERS_MAX; i++)
        assert_int_equal(peers_add(all, mcp_profile_find("memory"), &ana, false, &p, &error), QUIPU_OK);
    peer *last = p;
    assert_int_equal(peers_add(all, mcp_profile_find("memory"), &ana, false, &p, &error), QUIPU_E_BUSY);
    assert_null(p);
    peer_running run;
    cJSON *seven = cJSON_CreateNumber(7), *eight = cJSON_CreateNumber(8);
    peers_begin(last, &run, seven);
    peers_cancel(last, eight);
    assert_int_equal(run.cancel.flag, 0);
    peers_cancel(last, seven);
    assert_int_equal(run.cancel.flag, 1);
    run.cancel.flag = 0;
    peers_cancel_all(all);
    assert_int_equal(run.cancel.flag, 1);
    peers_finish(last, &run);
    cJSON_Delete(seven);
    cJSON_Delete(eight);
    peers_free(all);
}

/* ---- streams, on sockets ---- */

static int dial(const char *request)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(web_server_port(server)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return fd;
}

/* Reads until `text` has come. */
static void hear(int fd, const char *text)
{
    static char heard[65536];
    size_t len = 0;
    heard[0] = '\0';
    for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        web_server_tick(server);
        if (strstr(heard, text))
            return;
        if (poll(&p, 1, 20) <= 0)
            continue;
        ssize_t n = recv(fd, heard + len, sizeof heard - 1 - len, 0);
        assert_true(n > 0);
        len += (size_t)n;
        heard[len] = '\0';
    }
    fail_msg("\"%s\" has not come, but: %s", text, heard);
}

static void create_entity(const char *name)
{
    char params[512];
    snprintf(params, sizeof params, CREATE, name);
    assert_int_equal(post(GRAPH, NULL, "tools/call", params), 200);
}

static int open_session_stream(void)
{
    char request[256];
    const char *mine = begin_session(GRAPH, "2025-11-25");
    assert_int_equal(post(GRAPH, mine, "resources/subscribe", "\"uri\":\"" URI "\""), 200);
    snprintf(request, sizeof request,
             "GET " GRAPH " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: %s\r\n\r\n",
             session);
    int fd = dial(request);
    hear(fd, "text/event-stream");
    return fd;
}

static void a_session_hears_of_changes(void **state)
{
    (void)state;
    int fd = open_session_stream();
    create_entity("Ana");
    hear(fd, "\"uri\":\"" URI "\"");
    char line[96];
    snprintf(line, sizeof line, "Mcp-Session-Id: %s\n", session);
    assert_int_equal(serve_call(served, "DELETE", GRAPH, line, NULL), 204);
    hear(fd, "0\r\n\r\n"); /* the last chunk; the connection stays for more */
    close(fd);
}

static int open_listener(void)
{
    static const char body[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"ear\",\"method\":\"subscriptions/listen\",\"params\":{" MCP_MODERN
        ",\"notifications\":{\"resourceSubscriptions\":[\"" URI "\"]}}}";
    char request[1024];
    snprintf(request, sizeof request,
             "POST " GRAPH " HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: "
             "subscriptions/listen\r\nContent-Length: %zu\r\n\r\n%s",
             sizeof body - 1, body);
    int fd = dial(request);
    hear(fd, "notifications/subscriptions/acknowledged");
    return fd;
}

static void a_listener_hears_of_changes_by_others(void **state)
{
    (void)state;
    int one = open_listener(), two = open_listener();
    create_entity("Ana");
    hear(one, "\"io.modelcontextprotocol/subscriptionId\":\"ear\"");
    hear(two, "notifications/resources/updated");
    close(one); /* the other one goes on hearing */
    create_entity("Ben");
    hear(two, "notifications/resources/updated");
    close(two);
}

static void what_cannot_be_listened_to_is_answered(void **state)
{
    (void)state;
    assert_int_equal(post(GRAPH, V "Mcp-Method: subscriptions/listen\n", "subscriptions/listen", MCP_MODERN), 200);
    assert_int_equal(error_code(), RPC_INVALID_PARAMS);
    assert_int_equal(post("/mcp/anthropic", V "Mcp-Method: subscriptions/listen\n", "subscriptions/listen", MCP_MODERN),
                     404);
}

/* close_it waits for every request, so a stream that did not end would be seen there. */
static void streams_end_with_the_server(void **state)
{
    (void)state;
    int one = open_session_stream(), two = open_listener();
    close(one);
    (void)two; /* left open; the process closes it */
}

static void a_reader_that_does_not_read_is_let_go(void **state)
{
    char *big = calloc(1, WEB_STREAM_WAITING_MAX);
    web_stream *s;
    peer *p;
    peers *all = peers_create();
    quipu_error error = { .struct_size = sizeof error };
    const principal ana = { .role = ROLE_WRITE };
    (void)state;
    assert_int_equal(peers_add(all, mcp_profile_find("memory"), &ana, false, &p, &error), QUIPU_OK);
    s = peers_open_stream(p);
    assert_true(web_stream_send(s, big, WEB_STREAM_WAITING_MAX));
    assert_false(web_stream_send(s, big, 1));
    web_stream *second = peers_open_stream(p); /* takes its place */
    assert_ptr_equal(p->stream, second);
    web_stream_close(s);
    assert_ptr_equal(p->stream, second);
    web_stream_close(second);
    assert_null(p->stream);
    peers_drop(p);
    peers_free(all);
    free(big);
}

int main(void)
{
#define SERVED(name) cmocka_unit_test_setup_teardown(name, open_it, close_it)
    const struct CMUnitTest tests[] = {
        SERVED(a_session_is_found_by_its_id_and_goes),
        SERVED(who_needs_no_session_has_none),
        SERVED(arrays_belong_to_one_revision),
        SERVED(a_modern_request_stands_alone),
        SERVED(headers_say_what_the_body_says),
        SERVED(log_messages_come_before_the_answer),
        SERVED(a_page_of_elsewhere_may_not_call),
        SERVED(a_path_of_openmemory_names_client_and_user),
        cmocka_unit_test(a_session_is_of_its_key),
        cmocka_unit_test(too_many_that_are_held_are_refused),
        SERVED(a_session_hears_of_changes),
        SERVED(a_listener_hears_of_changes_by_others),
        SERVED(what_cannot_be_listened_to_is_answered),
        SERVED(streams_end_with_the_server),
        cmocka_unit_test(a_reader_that_does_not_read_is_let_go),
    };
    signal(SIGPIPE, SIG_IGN);
    if (!web_server_is_built()) {
        puts("1..0 # SKIP built without libmicrohttpd");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
