/* resources.c - resources: listed, read, watched. */
#include "mcp.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <string.h>

#define RPC_RESOURCE_NOT_FOUND (-32002) /* in the initialize era */

/* A failure, with {"uri"} beside it. */
static int fail_for(mcp_request *r, const char *uri, const quipu_error *error)
{
    int code = rpc_fail_as(&r->error, error);
    if (error->code == QUIPU_E_NOT_FOUND)
        code = rpc_fail(&r->error, mcp_is_modern(r) ? RPC_INVALID_PARAMS : RPC_RESOURCE_NOT_FOUND,
                        "Resource not found: %s", uri);
    buffer_append_text(&r->error.data, "{\"uri\":");
    json_print_string(str_of(uri), &r->error.data);
    buffer_append_char(&r->error.data, '}');
    return code;
}

int mcp_list_resources(mcp_request *r, buffer *result)
{
    const cJSON *cursor = cJSON_GetObjectItemCaseSensitive(r->message->params, "cursor");
    quipu_error error = { .struct_size = sizeof error };
    buffer next = { 0 };
    if (cursor && !cJSON_IsString(cursor) && !cJSON_IsNull(cursor))
        return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: \"cursor\" has to be a string");
    buffer_append_text(result, "{\"resources\":[");
    int32_t code = r->server->profile->resources->list(r, cJSON_IsString(cursor) ? cursor->valuestring : NULL, result,
                                                       &next, &error);
    buffer_append_char(result, ']');
    if (code == QUIPU_OK && next.len > 0) {
        buffer_append_text(result, ",\"nextCursor\":");
        json_print_string(str_make(next.bytes, next.len), result);
    }
    result->failed = result->failed || next.failed;
    buffer_free(&next);
    if (code != QUIPU_OK)
        return rpc_fail_as(&r->error, &error);
    mcp_result_end(r, result, 0, false);
    return RPC_OK;
}

int mcp_list_templates(mcp_request *r, buffer *result)
{
    buffer_append_text(result, "{\"resourceTemplates\":");
    buffer_append_text(result, r->server->profile->resources->templates);
    mcp_result_end(r, result, 3600000, true);
    return RPC_OK;
}

int mcp_read_resource(mcp_request *r, buffer *result)
{
    const char *uri = mcp_param(r, "uri");
    quipu_error error = { .struct_size = sizeof error };
    if (!uri)
        return r->error.code;
    buffer_append_text(result, "{\"contents\":[");
    int32_t code = r->server->profile->resources->read(r, uri, result, &error);
    if (code != QUIPU_OK)
        return fail_for(r, uri, &error);
    buffer_append_char(result, ']');
    mcp_result_end(r, result, 0, false);
    return RPC_OK;
}

int mcp_subscribe(mcp_request *r, buffer *result)
{
    const char *uri = mcp_param(r, "uri");
    if (!uri)
        return r->error.code;
    int code = mcp_watch_add(r->session, uri, NULL, &r->error);
    buffer_append_text(result, "{}");
    return code;
}

int mcp_unsubscribe(mcp_request *r, buffer *result)
{
    const char *uri = mcp_param(r, "uri");
    if (!uri)
        return r->error.code;
    mcp_watch_remove(r->session, uri);
    buffer_append_text(result, "{}");
    return RPC_OK;
}

/* The first message of a subscription says what of it was accepted: the resources; lists of tools and the like never change here. */
static void acknowledge(const mcp_request *r, const cJSON *uris, const char *id)
{
    buffer message = { 0 }, params = { 0 };
    buffer_append_text(&params, "{\"notifications\":{");
    if (uris) {
        buffer_append_text(&params, "\"resourceSubscriptions\":");
        json_print_compact(uris, &params);
    }
    buffer_printf(&params, "},\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%s}}", id);
    rpc_print_notification("notifications/subscriptions/acknowledged", &params, &message);
    if (!message.failed)
        r->session->send(r->session->context, &message);
    buffer_free(&params);
    buffer_free(&message);
}

int mcp_listen(mcp_request *r, buffer *result)
{
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(r->message->params, "notifications");
    const cJSON *uris = cJSON_GetObjectItemCaseSensitive(wanted, "resourceSubscriptions"), *uri;
    buffer id = { 0 };
    int code = RPC_OK;
    (void)result;
    if (!cJSON_IsObject(wanted) || (uris && !cJSON_IsArray(uris)))
        return rpc_fail(&r->error, RPC_INVALID_PARAMS,
                        "Invalid params: \"notifications\" has to be an object, its resourceSubscriptions a list");
    json_print_compact(r->message->id, &id);
    if (id.failed)
        return rpc_fail(&r->error, RPC_INTERNAL_ERROR, "memory is exhausted");
    cJSON_ArrayForEach(uri, uris)
    {
        if (code == RPC_OK && !cJSON_IsString(uri))
            code = rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: resourceSubscriptions holds URIs");
        if (code == RPC_OK)
            code = mcp_watch_add(r->session, uri->valuestring, id.bytes, &r->error);
    }
    if (code == RPC_OK)
        acknowledge(r, uris, id.bytes);
    else
        mcp_listener_end(r->session, id.bytes);
    buffer_free(&id);
    return code == RPC_OK ? MCP_LISTENING : code;
}
