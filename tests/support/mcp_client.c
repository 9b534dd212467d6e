/* mcp_client.c - see mcp_client.h. */
#include "mcp_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

static buffer shown; /* what was given out last */

static void hear(void *context, const buffer *message)
{
    mcp_client *c = context;
    buffer_append(&c->heard, message->bytes, message->len);
    buffer_append_char(&c->heard, '\n');
}

void mcp_client_begin(mcp_client *c, const char *store, const char *backend, const char *profile)
{
    char plugins[1024];
    const char *build = getenv("BUILD");
    quipu_error error = { .struct_size = sizeof error };
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(store),
                        .backend = str_of(backend),
                        .embedder = str_of("none"),
                        .plugin_path = str_of(plugins) };
    *c = (mcp_client){ 0 };
    if (quipu_open(&o, &c->q, &error) != QUIPU_OK)
        fail_msg("cannot open the store: %s", error.message);
    c->server = (mcp_server){ .q = c->q, .profile = mcp_profile_find(profile), .client_is_author = true };
    assert_non_null(c->server.profile);
    mcp_session_begin(&c->session, hear, c);
}

void mcp_client_end(mcp_client *c)
{
    mcp_session_end(&c->session);
    quipu_close(c->q, NULL);
    buffer_free(&c->answer);
    buffer_free(&c->heard);
    buffer_free(&shown);
    cJSON_Delete(c->tree);
}

static const char *say(mcp_client *c, const char *text)
{
    rpc_message message;
    rpc_error error = { 0 };
    buffer_clear(&c->answer);
    if (rpc_read(str_of(text), &message, &error) != RPC_OK)
        rpc_print_error(&message, &error, &c->answer);
    else if (message.id && message.method)
        mcp_answer(&c->server, &c->session, &message, NULL, &c->answer);
    rpc_error_free(&error);
    rpc_message_free(&message);
    assert_false(c->answer.failed);
    cJSON_Delete(c->tree);
    c->tree = NULL;
    if (c->answer.len == 0)
        return "";
    assert_int_equal(json_parse(str_make(c->answer.bytes, c->answer.len), &c->tree, NULL), QUIPU_OK);
    return c->answer.bytes;
}

const char *mcp_say(mcp_client *c, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    text = malloc((size_t)len + 1);
    assert_non_null(text);
    va_start(arguments, format);
    vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    const char *answer = say(c, text);
    free(text);
    return answer;
}

void mcp_client_initialize(mcp_client *c, const char *revision)
{
    mcp_say(c,
            "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"%s\","
            "\"capabilities\":{},\"clientInfo\":{\"name\":\"tester\",\"version\":\"1\"}}}",
            revision);
    assert_non_null(cJSON_GetObjectItem(c->tree, "result"));
}

static const char *show(const cJSON *node)
{
    buffer_clear(&shown);
    if (node)
        json_print_compact(node, &shown);
    assert_false(shown.failed);
    return node ? shown.bytes : "";
}

const char *mcp_ask_for(mcp_client *c, const char *method, const char *params)
{
    mcp_say(c, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":{%s}}", method, params);
    const cJSON *result = cJSON_GetObjectItem(c->tree, "result");
    return show(result ? result : cJSON_GetObjectItem(c->tree, "error"));
}

static const cJSON *call(mcp_client *c, const char *tool, const char *arguments)
{
    mcp_say(c,
            "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/"
            "call\",\"params\":{\"name\":\"%s\",\"arguments\":%s," MCP_MODERN "}}",
            tool, arguments);
    const cJSON *result = cJSON_GetObjectItem(c->tree, "result");
    if (!result)
        fail_msg("%s %s: %s", tool, arguments, c->answer.bytes);
    c->failed = cJSON_IsTrue(cJSON_GetObjectItem(result, "isError"));
    return result;
}

const char *mcp_tool_text(mcp_client *c, const char *tool, const char *arguments)
{
    const cJSON *content = cJSON_GetObjectItem(call(c, tool, arguments), "content");
    const cJSON *text = cJSON_GetObjectItem(content ? content->child : NULL, "text");
    assert_true(cJSON_IsString(text));
    return text->valuestring;
}

const char *mcp_tool_object(mcp_client *c, const char *tool, const char *arguments)
{
    return show(cJSON_GetObjectItem(call(c, tool, arguments), "structuredContent"));
}
