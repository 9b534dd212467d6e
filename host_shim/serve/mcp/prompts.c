/* prompts.c - prompts, and the completion of arguments. */
#include "mcp.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <string.h>

static void print_arguments(const mcp_prompt_argument *a, buffer *out)
{
    buffer_append_char(out, '[');
    for (bool first = true; a->name; a++, first = false) {
        buffer_append_text(out, first ? "{\"name\":" : ",{\"name\":");
        json_print_string(str_of(a->name), out);
        buffer_append_text(out, ",\"description\":");
        json_print_string(str_of(a->description), out);
        buffer_printf(out, ",\"required\":%s}", a->required ? "true" : "false");
    }
    buffer_append_char(out, ']');
}

int mcp_list_prompts(mcp_request *r, buffer *result)
{
    buffer_append_text(result, "{\"prompts\":[");
    for (const mcp_prompt *p = r->server->profile->prompts; p->name; p++) {
        buffer_append_text(result, p == r->server->profile->prompts ? "{\"name\":" : ",{\"name\":");
        json_print_string(str_of(p->name), result);
        if (r->revision >= MCP_2025_06) {
            buffer_append_text(result, ",\"title\":");
            json_print_string(str_of(p->title), result);
        }
        buffer_append_text(result, ",\"description\":");
        json_print_string(str_of(p->description), result);
        buffer_append_text(result, ",\"arguments\":");
        print_arguments(p->arguments, result);
        buffer_append_char(result, '}');
    }
    buffer_append_char(result, ']');
    mcp_result_end(r, result, 3600000, true);
    return RPC_OK;
}

static const mcp_prompt *prompt_find(const mcp_request *r, const char *name)
{
    for (const mcp_prompt *p = r->server->profile->prompts; p && p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* Every argument is a string, and those that are needed are there. */
static int check_arguments(mcp_request *r, const mcp_prompt *p, const cJSON *arguments)
{
    for (const cJSON *item = arguments ? arguments->child : NULL; item; item = item->next)
        if (!cJSON_IsString(item))
            return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: the argument \"%s\" has to be a string",
                            item->string);
    for (const mcp_prompt_argument *a = p->arguments; a->name; a++)
        if (a->required && !cJSON_GetObjectItemCaseSensitive(arguments, a->name))
            return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: the argument \"%s\" is missing", a->name);
    return RPC_OK;
}

int mcp_get_prompt(mcp_request *r, buffer *result)
{
    const char *name = mcp_param(r, "name");
    const cJSON *arguments = cJSON_GetObjectItemCaseSensitive(r->message->params, "arguments");
    quipu_error error = { .struct_size = sizeof error };
    buffer text = { 0 };
    if (!name)
        return r->error.code;
    const mcp_prompt *p = prompt_find(r, name);
    if (!p)
        return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Unknown prompt: %s", name);
    if (arguments && !cJSON_IsObject(arguments))
        return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: \"arguments\" has to be an object");
    if (check_arguments(r, p, arguments) != RPC_OK)
        return r->error.code;
    int32_t code = p->run(r, arguments, &text, &error);
    buffer_append_text(result, "{\"description\":");
    json_print_string(str_of(p->description), result);
    buffer_append_text(result, ",\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":");
    json_print_string(str_make(text.bytes ? text.bytes : "", text.len), result);
    buffer_append_text(result, "}}]");
    mcp_result_end(r, result, -1, false);
    result->failed = result->failed || text.failed;
    buffer_free(&text);
    return code == QUIPU_OK ? RPC_OK : rpc_fail_as(&r->error, &error);
}

/* {"ref":{"type":"ref/resource","uri"}|{"type":"ref/prompt","name"},"argument":{"name","value"}}: known are the variables of resources. */
int mcp_complete(mcp_request *r, buffer *result)
{
    const cJSON *ref = cJSON_GetObjectItemCaseSensitive(r->message->params, "ref");
    const cJSON *argument = cJSON_GetObjectItemCaseSensitive(r->message->params, "argument");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(ref, "type");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(argument, "name");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(argument, "value");
    const mcp_resources *resources = r->server->profile->resources;
    quipu_error error = { .struct_size = sizeof error };
    int32_t code = QUIPU_OK;
    if (!cJSON_IsString(type) || !cJSON_IsString(name) || !cJSON_IsString(value))
        return rpc_fail(&r->error, RPC_INVALID_PARAMS,
                        "Invalid params: \"ref\" needs a type, \"argument\" a name and a value");
    buffer_append_text(result, "{\"completion\":{\"values\":[");
    if (resources && resources->complete && strcmp(type->valuestring, "ref/resource") == 0)
        code = resources->complete(r, name->valuestring, value->valuestring, result, &error);
    buffer_append_text(result, "],\"hasMore\":false}");
    mcp_result_end(r, result, -1, false);
    return code == QUIPU_OK ? RPC_OK : rpc_fail_as(&r->error, &error);
}
