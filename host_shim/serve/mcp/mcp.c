/* mcp.c - the protocol's frame: which era a request belongs to, which method answers it. */
#include "mcp.h"

#include <base/fail.h>
#include <ctype.h>
#include <sdk/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define META "io.modelcontextprotocol/"
#define RPC_UNSUPPORTED_VERSION (-32022)

static const char *const revision_names[] = {
    "", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"
};

mcp_revision mcp_revision_of(const char *name)
{
    for (int r = MCP_2024_11; r <= MCP_2026_07; r++)
        if (strcmp(name, revision_names[r]) == 0)
            return (mcp_revision)r;
    return MCP_NONE;
}

const char *mcp_revision_name(mcp_revision r)
{
    return revision_names[r];
}

/* ---- results ---- */

void mcp_print_server_info(const mcp_request *r, buffer *out)
{
    buffer_append_text(out, "{\"name\":\"quipu\",\"version\":\"" QUIPU_VERSION "\"");
    if (r->revision >= MCP_2025_06)
        buffer_append_text(out, ",\"title\":\"Quipu\"");
    buffer_append_char(out, '}');
}

void mcp_result_end(const mcp_request *r, buffer *result, int64_t ttl_ms, bool shared)
{
    bool empty = result->len > 0 && result->bytes[result->len - 1] == '{';
    if (mcp_is_modern(r)) {
        buffer_append_text(result, empty ? "\"resultType\":\"complete\"" : ",\"resultType\":\"complete\"");
        if (ttl_ms >= 0)
            buffer_printf(result, ",\"ttlMs\":%lld,\"cacheScope\":\"%s\"", (long long)ttl_ms,
                          shared ? "public" : "private");
    }
    buffer_append_char(result, '}');
}

const char *mcp_param(mcp_request *r, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(r->message->params, name);
    if (cJSON_IsString(item))
        return item->valuestring;
    rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: \"%s\" has to be a string", name);
    return NULL;
}

/* ---- methods of the frame itself ---- */

static void print_capabilities(const mcp_request *r, buffer *out)
{
    const mcp_profile *p = r->server->profile;
    buffer_append_text(out, "\"capabilities\":{\"tools\":{}");
    if (p->resources)
        buffer_append_text(out, p->resources->watched ? ",\"resources\":{\"subscribe\":true}" : ",\"resources\":{}");
    if (p->prompts)
        buffer_append_text(out, ",\"prompts\":{}");
    if ((p->resources || p->prompts) && r->revision >= MCP_2025_03)
        buffer_append_text(out, ",\"completions\":{}");
    buffer_append_text(out, ",\"logging\":{}}");
}

static void print_instructions(const mcp_request *r, buffer *out)
{
    if (!r->server->profile->instructions)
        return;
    buffer_append_text(out, ",\"instructions\":");
    json_print_string(str_of(r->server->profile->instructions), out);
}

/* A name that can stand as the author of a commit: printable, short. Anything else is as if none were given. */
static void take_client(const cJSON *info, char out[65])
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(info, "name");
    const char *text = cJSON_IsString(name) ? name->valuestring : "";
    out[0] = '\0';
    if (strlen(text) > 64 || *text == ' ')
        return;
    for (const char *at = text; *at; at++)
        if (!isgraph((unsigned char)*at) && *at != ' ')
            return;
    snprintf(out, 65, "%s", text);
}

static int initialize(mcp_request *r, buffer *result)
{
    const char *wanted = mcp_param(r, "protocolVersion");
    if (!wanted)
        return r->error.code;
    mcp_revision revision = mcp_revision_of(wanted);
    if (revision == MCP_NONE || revision >= MCP_2026_07)
        revision = MCP_2025_11;
    r->revision = revision;
    take_client(cJSON_GetObjectItemCaseSensitive(r->message->params, "clientInfo"), r->client);
    pthread_mutex_lock(&r->session->lock);
    r->session->revision = revision;
    memcpy(r->session->client, r->client, sizeof r->client);
    pthread_mutex_unlock(&r->session->lock);
    buffer_printf(result, "{\"protocolVersion\":\"%s\",", mcp_revision_name(revision));
    print_capabilities(r, result);
    buffer_append_text(result, ",\"serverInfo\":");
    mcp_print_server_info(r, result);
    print_instructions(r, result);
    buffer_append_char(result, '}');
    return RPC_OK;
}

static int discover(mcp_request *r, buffer *result)
{
    buffer_append_text(result, "{\"supportedVersions\":[\"2026-07-28\"],");
    print_capabilities(r, result);
    print_instructions(r, result);
    buffer_append_text(result, ",\"_meta\":{\"" META "serverInfo\":");
    mcp_print_server_info(r, result);
    buffer_append_char(result, '}');
    mcp_result_end(r, result, 3600000, true);
    return RPC_OK;
}

static int ping(mcp_request *r, buffer *result)
{
    (void)r;
    buffer_append_text(result, "{}");
    return RPC_OK;
}

/* ---- which one ---- */

#define LEGACY 1u
#define MODERN 2u
#define QUICK 4u     /* needs no store */
#define RESOURCES 8u /* where the profile has any */
#define WATCHED 16u  /* where they can be subscribed to */
#define PROMPTS 32u
#define COMPLETES 64u

typedef struct method_row {
    const char *name;
    unsigned flags;
    mcp_method_fn *run;
} method_row;

static const method_row methods[] = {
    { "initialize", LEGACY | QUICK, initialize },
    { "ping", LEGACY | QUICK, ping },
    { "server/discover", MODERN | QUICK, discover },
    { "tools/list", LEGACY | MODERN | QUICK, mcp_list_tools },
    { "tools/call", LEGACY | MODERN, mcp_call_tool },
    { "resources/list", LEGACY | MODERN | RESOURCES, mcp_list_resources },
    { "resources/templates/list", LEGACY | MODERN | QUICK | RESOURCES, mcp_list_templates },
    { "resources/read", LEGACY | MODERN | RESOURCES, mcp_read_resource },
    { "resources/subscribe", LEGACY | QUICK | WATCHED, mcp_subscribe },
    { "resources/unsubscribe", LEGACY | QUICK | WATCHED, mcp_unsubscribe },
    { "subscriptions/listen", MODERN | QUICK | WATCHED, mcp_listen },
    { "prompts/list", LEGACY | MODERN | QUICK | PROMPTS, mcp_list_prompts },
    { "prompts/get", LEGACY | MODERN | PROMPTS, mcp_get_prompt },
    { "completion/complete", LEGACY | MODERN | COMPLETES, mcp_complete },
    { "logging/setLevel", LEGACY | QUICK, mcp_set_log_level },
};

static const method_row *method_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

bool mcp_is_quick(const rpc_message *message)
{
    const method_row *row = method_find(message->method);
    return !row || row->flags & QUICK;
}

static bool is_offered(const method_row *row, const mcp_profile *p)
{
    return (!(row->flags & RESOURCES) || p->resources) &&
           (!(row->flags & WATCHED) || (p->resources && p->resources->watched)) &&
           (!(row->flags & PROMPTS) || p->prompts) && (!(row->flags & COMPLETES) || p->prompts || p->resources);
}

/* What a modern request says about itself. */
static int take_meta(mcp_request *r, const cJSON *meta, const cJSON *version)
{
    const cJSON *level = cJSON_GetObjectItemCaseSensitive(meta, META "logLevel");
    if (!cJSON_IsString(version))
        return rpc_fail(&r->error, RPC_INVALID_PARAMS,
                        "Invalid params: _meta[\"" META "protocolVersion\"] has to be a string, as \"2026-07-28\"");
    if (mcp_revision_of(version->valuestring) < MCP_2026_07) {
        buffer_append_text(&r->error.data, "{\"supported\":[\"2026-07-28\"],\"requested\":");
        json_print_string(str_of(version->valuestring), &r->error.data);
        buffer_append_char(&r->error.data, '}');
        return rpc_fail(&r->error, RPC_UNSUPPORTED_VERSION, "Unsupported protocol version");
    }
    r->revision = mcp_revision_of(version->valuestring);
    if (!cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(meta, META "clientCapabilities")))
        return rpc_fail(&r->error, RPC_INVALID_PARAMS,
                        "Invalid params: _meta[\"" META "clientCapabilities\"] has to be an object");
    if (level) {
        r->log_level = cJSON_IsString(level) ? mcp_log_level_of(level->valuestring) : -1;
        if (r->log_level < 0)
            return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: _meta[\"" META "logLevel\"] is unknown");
    }
    take_client(cJSON_GetObjectItemCaseSensitive(meta, META "clientInfo"), r->client);
    return RPC_OK;
}

/* Finds out about era, revision and progress token. */
static int find_era(mcp_request *r)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(r->message->params, "_meta");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(meta, META "protocolVersion");
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(meta, "progressToken");
    double number;
    if (cJSON_IsString(token) || json_is_number(token, &number))
        r->progress_token = token;
    if (version || cJSON_HasObjectItem(meta, META "clientCapabilities"))
        return take_meta(r, meta, version);
    pthread_mutex_lock(&r->session->lock);
    r->revision = r->session->revision;
    r->log_level = r->session->log_level;
    memcpy(r->client, r->session->client, sizeof r->client);
    pthread_mutex_unlock(&r->session->lock);
    return RPC_OK;
}

static int answer(mcp_request *r, buffer *result)
{
    const method_row *row = method_find(r->message->method);
    int code = find_era(r);
    if (code != RPC_OK)
        return code;
    unsigned era = mcp_is_modern(r) ? MODERN : LEGACY;
    if (row && row->flags == (MODERN | QUICK) && era == LEGACY)
        return rpc_fail(&r->error, RPC_INVALID_PARAMS,
                        "Invalid params: %s needs _meta with " META "protocolVersion and " META "clientCapabilities",
                        row->name);
    if (!row || !(row->flags & era) || !is_offered(row, r->server->profile))
        return rpc_fail(&r->error, RPC_METHOD_NOT_FOUND, "Method not found: %s", r->message->method);
    if (r->revision == MCP_NONE && row->run != initialize && row->run != ping)
        return rpc_fail(&r->error, RPC_INVALID_PARAMS,
                        "Invalid params: begin with initialize, or give _meta with " META "protocolVersion and " META
                        "clientCapabilities");
    return row->run(r, result);
}

int mcp_answer_through(const mcp_server *server, mcp_session *session, const rpc_message *message,
                       const quipu_call *call, mcp_send_fn *send, void *context, buffer *out)
{
    mcp_request r = { .server = server,
                      .session = session,
                      .send = send,
                      .context = context,
                      .message = message,
                      .call = call,
                      .log_level = -1 };
    buffer result = { 0 };
    int code = answer(&r, &result);
    if (code == RPC_OK && result.failed)
        code = rpc_fail(&r.error, RPC_INTERNAL_ERROR, "memory is exhausted");
    if (code == RPC_OK)
        rpc_print_result(message, &result, out);
    else if (code < 0)
        rpc_print_error(message, &r.error, out);
    buffer_free(&result);
    rpc_error_free(&r.error);
    return code;
}

int mcp_answer(const mcp_server *server, mcp_session *session, const rpc_message *message, const quipu_call *call,
               buffer *out)
{
    return mcp_answer_through(server, session, message, call, session->send, session->context, out);
}

/* Appends the answer to one message of a batch, a comma before it where it is not the first. */
static void answer_one(const mcp_server *server, mcp_session *session, cJSON *tree, const quipu_call *call, buffer *out)
{
    rpc_message message;
    rpc_error error = { 0 };
    buffer one = { 0 };
    if (rpc_read_tree(tree, &message, &error) != RPC_OK)
        rpc_print_error(&message, &error, &one);
    else if (message.method && message.id)
        mcp_answer(server, session, &message, call, &one);
    if (one.len > 0)
        buffer_append_text(out, out->len > 1 ? "," : "");
    buffer_append(out, one.bytes, one.len);
    out->failed = out->failed || one.failed;
    buffer_free(&one);
    rpc_error_free(&error);
    rpc_message_free(&message);
}

void mcp_answer_batch(const mcp_server *server, mcp_session *session, cJSON *array, const quipu_call *call, buffer *out)
{
    buffer_append_char(out, '[');
    while (array->child)
        answer_one(server, session, cJSON_DetachItemFromArray(array, 0), call, out);
    buffer_append_char(out, ']');
    if (out->len <= 2) /* only notifications */
        buffer_clear(out);
}
