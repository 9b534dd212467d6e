/* tools.c - tools/list and tools/call. */
#include "mcp.h"
#include "schema.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <string.h>
#include <time.h>

/* A tool that a server offers; NULL where it has none of this name. */
static const mcp_tool *tool_find(const mcp_server *server, const char *name)
{
    for (const mcp_tool *t = server->profile->tools; t->name; t++)
        if (strcmp(t->name, name) == 0 && (!server->read_only || t->hints & MCP_READS))
            return t;
    return NULL;
}

static void print_hint(buffer *out, const char *name, bool set)
{
    buffer_printf(out, ",\"%s\":%s", name, set ? "true" : "false");
}

static void print_tool(const mcp_request *r, const mcp_tool *t, buffer *out)
{
    buffer_append_text(out, "{\"name\":");
    json_print_string(str_of(t->name), out);
    if (r->revision >= MCP_2025_06) {
        buffer_append_text(out, ",\"title\":");
        json_print_string(str_of(t->title), out);
    }
    buffer_append_text(out, ",\"description\":");
    json_print_string(str_of(t->description), out);
    buffer_append_text(out, ",\"inputSchema\":");
    buffer_append_text(out, t->input);
    if (t->output && r->revision >= MCP_2025_06) {
        buffer_append_text(out, ",\"outputSchema\":");
        buffer_append_text(out, t->output);
    }
    if (r->revision >= MCP_2025_03) {
        buffer_append_text(out, ",\"annotations\":{\"title\":");
        json_print_string(str_of(t->title), out);
        print_hint(out, "readOnlyHint", t->hints & MCP_READS);
        print_hint(out, "destructiveHint", t->hints & MCP_DESTRUCTIVE);
        print_hint(out, "idempotentHint", t->hints & MCP_IDEMPOTENT);
        print_hint(out, "openWorldHint", false);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, '}');
}

int mcp_list_tools(mcp_request *r, buffer *result)
{
    bool first = true;
    buffer_append_text(result, "{\"tools\":[");
    for (const mcp_tool *t = r->server->profile->tools; t->name; t++) {
        if (r->server->read_only && !(t->hints & MCP_READS))
            continue;
        buffer_append_text(result, first ? "" : ",");
        print_tool(r, t, result);
        first = false;
    }
    buffer_append_char(result, ']');
    mcp_result_end(r, result, 3600000, true);
    return RPC_OK;
}

/* What a failed tool tells the model: what, and of which field or record where the message does not name it. */
static void print_failure(const quipu_error *e, buffer *out)
{
    buffer_append_text(out, e->message[0] ? e->message : error_text(e->code));
    if (e->field[0] && !strstr(e->message, e->field))
        buffer_printf(out, " [field %s]", e->field);
    if (e->id[0] && !strstr(e->message, e->id))
        buffer_printf(out, " [record %s]", e->id);
    if (e->version[0] && !strstr(e->message, e->version))
        buffer_printf(out, " [version %s]", e->version);
}

static void print_result(const mcp_request *r, const mcp_result *answer, buffer *result)
{
    const buffer *text = answer->text.len > 0 ? &answer->text : &answer->structured;
    buffer_append_text(result, "{\"content\":[{\"type\":\"text\",\"text\":");
    json_print_string(str_make(text->bytes ? text->bytes : "", text->len), result);
    buffer_append_text(result, "}]");
    if (answer->structured.len > 0 && r->revision >= MCP_2025_06) {
        buffer_append_text(result, ",\"structuredContent\":");
        buffer_append(result, answer->structured.bytes, answer->structured.len);
    }
    if (answer->failed)
        buffer_append_text(result, ",\"isError\":true");
    mcp_result_end(r, result, -1, false);
    result->failed = result->failed || answer->text.failed || answer->structured.failed;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int run_tool(mcp_request *r, const mcp_tool *tool, const cJSON *arguments, buffer *result)
{
    mcp_result answer = { 0 };
    quipu_error error = { .struct_size = sizeof error };
    int64_t began = now_ms();
    int32_t code = tool->run(r, arguments, &answer, &error);
    if (code != QUIPU_OK) {
        error.code = code;
        buffer_clear(&answer.text);
        buffer_clear(&answer.structured);
        print_failure(&error, &answer.text);
        answer.failed = true;
        mcp_log(r, "warning", "%s: %s", tool->name, answer.text.failed ? "" : answer.text.bytes);
    } else {
        mcp_log(r, "debug", "%s took %lld ms", tool->name, (long long)(now_ms() - began));
    }
    print_result(r, &answer, result);
    buffer_free(&answer.text);
    buffer_free(&answer.structured);
    return RPC_OK;
}

/* Arguments that do not keep the schema: until 2025-06-18 a failure of the protocol, then something that the model reads. */
static int refuse_arguments(mcp_request *r, const quipu_error *error, buffer *result)
{
    mcp_result answer = { .failed = true };
    if (r->revision < MCP_2025_11)
        return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: %s", error->message);
    buffer_append_text(&answer.text, error->message);
    print_result(r, &answer, result);
    buffer_free(&answer.text);
    return RPC_OK;
}

int mcp_call_tool(mcp_request *r, buffer *result)
{
    const char *name = mcp_param(r, "name");
    const cJSON *arguments = cJSON_GetObjectItemCaseSensitive(r->message->params, "arguments");
    cJSON *schema = NULL, *nothing = NULL;
    quipu_error error = { .struct_size = sizeof error };
    const mcp_tool *tool = name ? tool_find(r->server, name) : NULL;
    if (!name)
        return r->error.code;
    if (!tool)
        return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Unknown tool: %s", name);
    if (arguments && !cJSON_IsObject(arguments) && !cJSON_IsNull(arguments))
        return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: \"arguments\" has to be an object");
    if (!cJSON_IsObject(arguments))
        arguments = nothing = cJSON_CreateObject();
    int32_t code = json_parse(str_of(tool->input), &schema, &error);
    int status = RPC_INTERNAL_ERROR;
    if (code != QUIPU_OK || !arguments)
        rpc_fail(&r->error, RPC_INTERNAL_ERROR, "the schema of %s cannot be read", name);
    else if (mcp_schema_check(schema, arguments, &error) != QUIPU_OK)
        status = refuse_arguments(r, &error, result);
    else
        status = run_tool(r, tool, arguments, result);
    cJSON_Delete(schema);
    cJSON_Delete(nothing);
    return status;
}
