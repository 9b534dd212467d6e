/* test_mcp_stdio.c - MCP over pipes: lines, limits, order, cancellation, the end. A profile of its own has tools that wait to be told. */
#include <base/fail.h> /* before cmocka, which has a macro of that name */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <host_shim/serve/mcp/stdio.h>
#include <poll.h>
#include <sdk/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/mcp_client.h>
#include <unistd.h>

/* ---- tools ---- */

static int entered[2]; /* pipes: `hold` says that it runs, and waits for a byte or its cancellation */
static int released[2];

static int32_t hold(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    struct pollfd p = { .fd = released[0], .events = POLLIN };
    char byte;
    (void)arguments;
    assert_int_equal(write(entered[1], "", 1), 1);
    for (;;) {
        int32_t code = call_check(r->call, error);
        if (code != QUIPU_OK)
            return code;
        if (poll(&p, 1, 10) == 1)
            break;
    }
    assert_int_equal(read(released[0], &byte, 1), 1);
    buffer_append_text(&out->text, "held");
    return QUIPU_OK;
}

static int32_t echo(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    const cJSON *text = cJSON_GetObjectItem(arguments, "text");
    (void)error;
    for (uint64_t i = 1; i <= 3; i++)
        mcp_progress(r, i, 3, "step");
    buffer_append_text(&out->text, cJSON_IsString(text) ? text->valuestring : "nothing");
    return QUIPU_OK;
}

static const mcp_tool tools[] = {
    { "hold", "Hold", "waits", "{\"type\":\"object\"}", NULL, 0, hold },
    { "echo", "Echo", "answers", "{\"type\":\"object\"}", NULL, MCP_READS, echo },
    { NULL, NULL, NULL, NULL, NULL, 0, NULL },
};
static const mcp_profile profile = { .name = "test", .tools = tools };
static const mcp_server server = { .profile = &profile };

/* ---- the other side of the pipes ---- */

static int to_server[2], from_server[2], stop[2];
static pthread_t thread;
static int32_t ended_with;
static quipu_error ended_why;
static FILE *answers;
static char *line;
static size_t line_size;

static void *serve(void *context)
{
    (void)context;
    ended_why = (quipu_error){ .struct_size = sizeof ended_why };
    ended_with = mcp_serve_stdio(&server, to_server[0], from_server[1], stop[0], &ended_why);
    close(from_server[1]);
    return NULL;
}

static int begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (pipe(to_server) || pipe(from_server) || pipe(stop) || pipe(entered) || pipe(released))
        return -1;
    answers = fdopen(from_server[0], "r");
    return answers && pthread_create(&thread, NULL, serve, NULL) == 0 ? 0 : -1;
}

static void say(const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = write(to_server[1], text, len);
        assert_true(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

/* The next line; "" at the end. */
static const char *hear(void)
{
    ssize_t n = getline(&line, &line_size, answers);
    return n > 0 ? line : "";
}

static void expect(const char *part)
{
    const char *got = hear();
    if (!strstr(got, part))
        fail_msg("not in it: %s\n%s", part, got);
}

static void finish(void)
{
    close(to_server[1]);
    to_server[1] = -1;
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static int end(void **state)
{
    int *const all[] = { to_server, stop, entered, released };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        close(all[i][0]);
        if (all[i][1] >= 0)
            close(all[i][1]);
    }
    if (answers)
        fclose(answers);
    answers = NULL;
    free(line);
    line = NULL;
    return 0;
}

#define INITIALIZE(revision)                                                                                           \
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"" revision              \
    "\",\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}"
#define CALL(id, tool)                                                                                                 \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tools/call\",\"params\":{\"name\":\"" tool "\"}}"
#define CANCEL(id) "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":" id "}}\n"

static void wait_until_held(void)
{
    char byte;
    assert_int_equal(read(entered[0], &byte, 1), 1);
}

/* ---- what is promised ---- */

static void each_line_is_a_message_and_answers_keep_their_order(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\r\n\n  \n");
    expect("\"protocolVersion\":\"2025-06-18\"");
    say(CALL("1", "echo") "\n" CALL("2", "echo") "\n" CALL("3", "echo"));
    say("\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
        "initialized\"}\n{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}\n");
    expect("\"id\":1");
    expect("\"id\":2");
    expect("\"id\":3");
    say("no json\n");
    expect("\"id\":null,\"error\":{\"code\":-32700");
    say("{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}"); /* without a line end */
    finish();
    expect("{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"result\":{}}");
    expect("");
    assert_int_equal(ended_with, QUIPU_OK);
}

static void what_was_asked_is_answered_before_the_end(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n" CALL("1", "hold") "\n" CALL("2", "echo") "\n");
    expect("\"id\":0");
    wait_until_held();
    close(to_server[1]);
    to_server[1] = -1;
    assert_int_equal(write(released[1], "", 1), 1);
    expect("\"id\":1");
    expect("\"id\":2");
    expect("");
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_quick_request_overtakes_a_slow_one(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n" CALL("1", "hold") "\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n");
    expect("\"id\":0");
    expect("\"id\":2");
    wait_until_held();
    assert_int_equal(write(released[1], "", 1), 1);
    expect("\"id\":1");
    finish();
}

static void a_cancelled_request_gets_no_answer(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n" CALL("1", "hold") "\n" CALL("\"w\"", "echo") "\n" CALL("3", "echo") "\n");
    expect("\"id\":0");
    wait_until_held();
    say(CANCEL("\"w\"") CANCEL("1") CANCEL("77") CANCEL("\"1\""));
    expect("\"id\":3");
    finish();
    expect("");
}

static void told_to_stop_it_stops_in_the_middle(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n" CALL("1", "hold") "\n" CALL("2", "echo") "\n");
    expect("\"id\":0");
    wait_until_held();
    assert_int_equal(write(stop[1], "", 1), 1);
    expect("");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ended_with, QUIPU_OK);
}

static void who_reads_no_longer_ends_it(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n");
    expect("\"id\":0");
    fclose(answers);
    answers = NULL;
    say("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ended_with, QUIPU_OK);
}

static void a_line_that_is_too_long_is_refused_and_the_next_one_is_read(void **state)
{
    char piece[65537];
    (void)state;
    memset(piece, 'x', sizeof piece - 1);
    piece[sizeof piece - 1] = '\0';
    for (size_t i = 0; i < RPC_MESSAGE_MAX / (sizeof piece - 1) + 3; i++)
        say(piece);
    say("\n" INITIALIZE("2025-06-18") "\n");
    expect("\"id\":null,\"error\":{\"code\":-32600,\"message\":\"Invalid request: a message may have 16777216 bytes");
    expect("\"id\":0");
    finish();
}

static void too_many_at_once_are_refused(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n" CALL("\"first\"", "hold") "\n");
    expect("\"id\":0");
    wait_until_held();
    for (unsigned i = 0; i < MCP_PENDING_MAX; i++)
        say(CALL("1", "echo") "\n");
    say(CALL("\"more\"", "echo") "\n");
    expect("\"id\":\"more\",\"error\":{\"code\":429,\"message\":\"too many requests wait");
    assert_int_equal(write(released[1], "", 1), 1);
    expect("\"id\":\"first\",\"result\"");
    for (unsigned i = 0; i < MCP_PENDING_MAX; i++)
        expect("\"id\":1,\"result\"");
    finish();
    expect("");
}

static void an_array_of_messages_is_of_one_revision_only(void **state)
{
    static const char batch[] =
        "[" CALL("1", "echo") ",{\"jsonrpc\":\"2.0\",\"method\":\"x\"},7," CALL("\"b\"", "none") "]\n";
    (void)state;
    say(INITIALIZE("2025-06-18") "\n");
    expect("\"id\":0");
    say(batch);
    expect("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600");
    say(INITIALIZE("2025-03-26") "\n");
    expect("\"id\":0");
    say(batch);
    expect("[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"nothing\"}]}},"
           "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,");
    assert_non_null(strstr(
        line, "{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"error\":{\"code\":-32602,\"message\":\"Unknown tool: none\"}}]\n"));
    say("[]\n[{\"jsonrpc\":\"2.0\",\"method\":\"x\"}]\n");
    finish();
    expect("");
}

static void progress_comes_before_the_answer_where_it_was_asked_for(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n");
    expect("\"id\":0");
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
        "call\",\"params\":{\"name\":\"echo\",\"_meta\":{\"progressToken\":\"p\"}}}\n");
    expect(
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"p\",\"progress\":1,"
        "\"total\":3,\"message\":\"step\"}}");
    expect("\"progress\":2");
    expect("\"progress\":3");
    expect("\"id\":1,\"result\"");
    finish();
}

static void a_text_with_line_ends_stays_on_its_line(void **state)
{
    (void)state;
    say(INITIALIZE("2025-06-18") "\n");
    expect("\"id\":0");
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
        "call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"a\\nb\\u2028\"}}}\n");
    expect("\"text\":\"a\\nb");
    finish();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(each_line_is_a_message_and_answers_keep_their_order),
        T(what_was_asked_is_answered_before_the_end),
        T(a_quick_request_overtakes_a_slow_one),
        T(a_cancelled_request_gets_no_answer),
        T(told_to_stop_it_stops_in_the_middle),
        T(who_reads_no_longer_ends_it),
        T(a_line_that_is_too_long_is_refused_and_the_next_one_is_read),
        T(too_many_at_once_are_refused),
        T(an_array_of_messages_is_of_one_revision_only),
        T(progress_comes_before_the_answer_where_it_was_asked_for),
        T(a_text_with_line_ends_stays_on_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
